//! No acknowledged approval is lost: what somebody was told yes for is in the books.
//!
//! A request without reports has its hold, in full. One whose reports may have ended the hold is at least remembered as
//! approved. Of several meanings of a token that were told yes one is held: that of a quorum, if it was among those who
//! said so; of nodes alone, any.

use super::told::{Told, by_token, facts};
use super::{Finding, Look};
use crate::history::History;
use std::collections::BTreeMap;

/// Looks at every token that somebody was told yes for.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("acknowledged");
    if !look.needs_books(history) {
        return look.finish();
    }
    let books = &history.books;
    let holds: BTreeMap<&str, u64> =
        books.accounts.iter().flat_map(|account| &account.holds).map(|hold| (&*hold.token, hold.amount)).collect();
    let tokens: BTreeMap<&str, _> = books.tokens.iter().map(|token| (&*token.token, token)).collect();
    let reported = facts(history);
    for (token, amount) in promised(history) {
        look.looked += 1;
        match (holds.get(&*token), tokens.get(&*token)) {
            (Some(held), _) if *held < amount && !reported.contains_key(&*token) => {
                look.violated(format!("{token}: approved {amount}, held {held}, and no report of it"));
            }
            (Some(_), _) => {}
            (None, None) => look.doubt(format!("{token}: was not read")),
            (None, Some(row)) if !row.known => {
                look.violated(format!("{token}: approved, and the books do not know it"));
            }
            (None, Some(row)) if row.outcome != "approved" => {
                look.violated(format!("{token}: approved, and the books say {} {}", row.outcome, row.reason));
            }
            (None, Some(_)) if !reported.contains_key(&*token) => {
                look.violated(format!("{token}: approved, nothing is held for it, and no report of it"));
            }
            (None, Some(_)) => {}
        }
    }
    look.finish()
}

/// The least that each token that somebody was told yes for must hold.
fn promised(history: &History) -> BTreeMap<String, u64> {
    let mut least: BTreeMap<String, (bool, u64)> = BTreeMap::new();
    for asked in by_token(history).iter().filter(|asked| asked.heard(Told::is_yes)) {
        let this = (asked.heard(|told| told == Told::Yes), asked.amount);
        let known = least.entry(asked.token.to_owned()).or_insert(this);
        *known = match (*known, this) {
            // A quorum's word is the one that counts.
            ((true, amount), (false, _)) | ((false, _), (true, amount)) => (true, amount),
            ((quorum, one), (_, other)) => (quorum, one.min(other)),
        };
    }
    least.into_iter().map(|(token, (_, amount))| (token, amount)).collect()
}
