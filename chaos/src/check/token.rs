//! One token, one decision: the same bytes from any node for ever, and decided in the log once.
//!
//! Bound by it are the answers of a quorum. What a node said alone may differ from them, and where a node said yes
//! alone, a quorum's no becomes a yes when that is settled.

use super::told::{Asked, Told, by_token};
use super::{Finding, Look};
use crate::history::History;
use std::collections::{BTreeMap, BTreeSet};

/// How the processor is told that a token has another meaning already.
const OTHER_MEANING: &str = "DUPLICATE_TRANSACTION";

/// Looks at every token.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("token");
    let mut meanings: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
    for asked in by_token(history) {
        meanings.entry(asked.token).or_default().push(asked);
    }
    for (token, meanings) in &meanings {
        look.looked += 1;
        let own: Vec<_> = meanings.iter().filter_map(|asked| one_answer(&mut look, asked)).collect();
        if own.len() > 1 {
            look.violated(format!("{token}: decided with {} different meanings", own.len()));
        }
    }
    decided_once(&mut look, history);
    look.finish()
}

/// The answers of a quorum to one meaning, but for those that say that it is another's; all must be one.
fn one_answer<'a>(look: &mut Look, asked: &Asked<'a>) -> Option<BTreeSet<(Option<u16>, Option<&'a str>)>> {
    let firm = asked.requests.iter().filter(|(op, told)| {
        matches!(told, Told::Yes | Told::No) && op.answer.reason.as_deref() != Some(OTHER_MEANING)
    });
    let answers: BTreeSet<_> = firm.map(|(op, _)| (op.answer.status, op.answer.body.as_deref())).collect();
    let alone = asked.heard(|told| told == Told::YesAlone);
    if answers.len() > 1 && !alone {
        look.violated(format!("{}: {} different answers of a quorum", asked.token, answers.len()));
    }
    (!answers.is_empty()).then_some(answers)
}

/// In the log, whatever clients heard: a token is decided anew at most once.
fn decided_once(look: &mut Look, history: &History) {
    let mut decided: BTreeMap<&str, u32> = BTreeMap::new();
    for applied in &history.books.applied {
        let command = &applied.command;
        let word = |key: &str| command[key].as_str().unwrap_or_default();
        let request = matches!(word("kind"), "authorization" | "verification");
        let anew = command["replayed"] == false && word("reason") != "fingerprint_mismatch";
        if let (true, true, Some(token)) = (request, anew, command["token"].as_str()) {
            *decided.entry(token).or_default() += 1;
        }
    }
    for (token, count) in decided.into_iter().filter(|(_, count)| *count > 1) {
        look.violated(format!("{token}: decided {count} times in the log"));
    }
}
