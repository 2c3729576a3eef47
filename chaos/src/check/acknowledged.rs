//! No acknowledged approval is lost: what somebody was told yes for is in the books.
//!
//! A request without reports has its hold, in full. One whose reports may have ended the hold is at least remembered as
//! approved.

use super::told::{by_token, facts};
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
    for asked in by_token(history).iter().filter(|asked| asked.heard(|told| told.is_yes())) {
        let token = asked.token;
        look.looked += 1;
        match (holds.get(token), tokens.get(token)) {
            (Some(held), _) if *held < asked.amount && !reported.contains_key(token) => {
                look.violated(format!("{token}: approved {}, held {held}, and no report of it", asked.amount));
            }
            (Some(_), _) => {}
            (None, None) => look.doubt(format!("{token}: was not read")),
            (None, Some(row)) if !row.known => {
                look.violated(format!("{token}: approved, and the books do not know it"));
            }
            (None, Some(row)) if row.outcome != "approved" => {
                look.violated(format!("{token}: approved, and the books say {} {}", row.outcome, row.reason));
            }
            (None, Some(_)) if !reported.contains_key(token) => {
                look.violated(format!("{token}: approved, nothing is held for it, and no report of it"));
            }
            (None, Some(_)) => {}
        }
    }
    look.finish()
}
