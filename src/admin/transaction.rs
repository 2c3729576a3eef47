//! A card transaction with all that is known of it, as JSON for an explanation.

use super::words;
use ledger::{ChainView, Currency, LinkView, Troubled, format_minor};
use serde::Serialize;

#[derive(Serialize)]
struct Transaction {
    chain: u64,
    currency: &'static str,
    held: String,
    posted: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    announced: Option<String>,
    closed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_at_us: Option<u64>,
    /// What is unusual about it, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unusual: Vec<&'static str>,
    facts: Vec<Fact>,
}

#[derive(Serialize)]
struct Fact {
    role: &'static str,
    amount: String,
    /// What the processor has said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<&'static str>,
    /// We said yes.
    approved: bool,
    at_us: u64,
    requests: Vec<String>,
    transactions: Vec<String>,
}

/// The JSON.
pub(super) fn json(view: &ChainView) -> String {
    let text = |minor: i128| format_minor(minor, view.currency);
    let transaction = Transaction {
        chain: view.number,
        currency: view.currency.code(),
        held: text(view.held_minor.into()),
        posted: text(view.posted_minor.into()),
        announced: Some(view.pending_minor).filter(|minor| *minor > 0).map(|minor| text(minor.into())),
        closed: view.closed,
        expired_at_us: view.expired.map(|at| at.0),
        unusual: unusual(view.troubled),
        facts: view.links.iter().map(|link| fact(link, view.currency)).collect(),
    };
    serde_json::to_string(&transaction).unwrap_or_else(|error| error.to_string())
}

fn fact(link: &LinkView, currency: Currency) -> Fact {
    let texts = |tokens: &[ledger::Token]| tokens.iter().map(|token| token.as_str().to_owned()).collect();
    Fact {
        role: words::role(link.role),
        amount: format_minor(i128::from(link.minor), currency),
        word: link.word.map(words::word),
        approved: link.approved,
        at_us: link.at.0,
        requests: texts(&link.jits),
        transactions: texts(&link.transactions),
    }
}

fn unusual(troubled: Troubled) -> Vec<&'static str> {
    let Troubled { overshoots, unpromised, excesses, late, differing, expired } = troubled;
    let all = [
        (overshoots, "more was paid than was promised"),
        (unpromised, "paid without a promise"),
        (excesses, "more was taken back than there was"),
        (late, "paid after the hold had expired"),
        (differing, "told with two contents"),
        (expired, "the hold expired here"),
    ];
    all.into_iter().filter(|(count, _)| *count > 0).map(|(_, word)| word).collect()
}
