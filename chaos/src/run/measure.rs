//! What the clients saw, request by request, from the history that the load wrote.
//!
//! What must hold: a request is one intention to pay: its first attempt and those that followed because a reply was
//! lost. It takes from its first attempt to the reply that ended it; the time it waited to be sent is the load's own
//! figure. Integers only. Not here: what that means (`judge`).

use crate::history::{History, Op, Task};
use serde::Serialize;
use std::collections::BTreeMap;

/// A next attempt begins at once, or after the connection was made elsewhere.
const NEXT_US_MAX: u64 = 1_500_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Decided by a quorum, now or before; or refused before anybody was asked.
    Decided,
    /// A node answered alone.
    StandIn,
    /// Declined without a decision.
    Undecided,
    /// A reply that is no answer.
    Strange,
    /// No reply to any attempt.
    Lost,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When its first attempt was sent, since the load began.
    pub start_us: u64,
    /// When it was over.
    pub end_us: u64,
    /// How.
    pub end: End,
    /// Of the last reply; 0 is none.
    pub status: u16,
    /// Its token was asked before: the answer may be that of then, whoever gave it.
    pub repeated: bool,
}

/// One attempt, as far as it is of use here.
struct Attempt {
    token: String,
    start_us: u64,
    end_us: u64,
    status: u16,
    outcome: String,
}

impl Request {
    /// From its first attempt to its end.
    pub fn took_us(&self) -> u64 {
        self.end_us.saturating_sub(self.start_us)
    }

    /// It was answered within this time.
    pub fn is_in_time(&self, deadline_us: u64) -> bool {
        !matches!(self.end, End::Lost | End::Strange) && self.took_us() <= deadline_us
    }

    /// It was decided within this time.
    pub fn is_well(&self, deadline_us: u64) -> bool {
        self.end == End::Decided && self.took_us() <= deadline_us
    }
}

/// All requests of a history, by when they began.
pub fn requests_of(history: &History) -> Vec<Request> {
    let attempt = |op: &Op| match &op.task {
        Task::Authorize { token, .. } => Some(Attempt {
            token: token.clone(),
            start_us: op.invoked_us,
            end_us: op.ended_us,
            status: op.answer.status.unwrap_or(0),
            outcome: op.answer.outcome.clone().unwrap_or_default(),
        }),
        Task::Report(_) | Task::Read { .. } | Task::Open { .. } | Task::Move { .. } | Task::SetStatus { .. } => None,
    };
    requests(history.ops.iter().filter_map(attempt).collect())
}

fn requests(mut attempts: Vec<Attempt>) -> Vec<Request> {
    attempts.sort_by_key(|attempt| attempt.start_us);
    let mut requests: Vec<Request> = Vec::new();
    // Of each token the requests whose last reply was lost.
    let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for attempt in attempts {
        let end = end_of(attempt.status, &attempt.outcome);
        let repeated = open.contains_key(&attempt.token);
        let waiting = open.entry(attempt.token).or_default();
        let follows = waiting.iter().position(|place| {
            let lost_at = requests[*place].end_us;
            (lost_at..=lost_at.saturating_add(NEXT_US_MAX)).contains(&attempt.start_us)
        });
        let place = match follows {
            Some(which) => waiting.remove(which),
            None => {
                requests.push(Request { start_us: attempt.start_us, end_us: 0, end, status: 0, repeated });
                requests.len() - 1
            }
        };
        let request = &mut requests[place];
        (request.end_us, request.end, request.status) = (attempt.end_us, end, attempt.status);
        if end == End::Lost {
            waiting.push(place);
        }
    }
    requests
}

fn end_of(status: u16, outcome: &str) -> End {
    match (status, outcome) {
        (0, _) => End::Lost,
        (200 | 402, "decided" | "replayed") | (402, "refused") => End::Decided,
        (200 | 402, "stand-in") => End::StandIn,
        (402, "undecided") => End::Undecided,
        _ => End::Strange,
    }
}

/// The value at a share of ten thousand of sorted values; 0 of none.
pub fn quantile(sorted: &[u64], of_ten_thousand: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    // The smallest value that is not below this share of them.
    let place = (sorted.len() * of_ten_thousand).div_ceil(10_000).saturating_sub(1).min(last);
    sorted.get(place).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(token: &str, start_us: u64, end_us: u64, status: u16, outcome: &str) -> Attempt {
        Attempt { token: token.to_owned(), start_us, end_us, status, outcome: outcome.to_owned() }
    }

    #[test]
    fn lost_attempts_and_what_followed_are_one_request() {
        let found = requests(vec![
            attempt("a", 10, 1_000, 0, "lost"),
            attempt("b", 20, 30, 402, "undecided"),
            attempt("a", 1_005, 2_000, 0, "lost"),
            attempt("a", 2_010, 2_500, 200, "decided"),
            // A repeat on purpose, later.
            attempt("a", 9_000, 9_100, 200, "replayed"),
            attempt("c", 5_000, 6_000, 0, "lost"),
            attempt("c", 6_000 + NEXT_US_MAX + 1, 9_999_999, 503, "absent"),
        ]);
        let seen: Vec<_> = found.iter().map(|request| (request.start_us, request.took_us(), request.end)).collect();
        assert_eq!(
            seen,
            [
                (10, 2_490, End::Decided),
                (20, 10, End::Undecided),
                (5_000, 1_000, End::Lost),
                (9_000, 100, End::Decided),
                (6_000 + NEXT_US_MAX + 1, 9_999_999 - 6_001 - NEXT_US_MAX, End::Strange),
            ]
        );
        let repeated: Vec<_> = found.iter().map(|request| request.repeated).collect();
        assert_eq!(repeated, [false, false, false, true, true]);
        assert!(found[0].is_well(2_490) && !found[0].is_well(2_489) && !found[2].is_in_time(u64::MAX));
    }

    #[test]
    fn quantiles_of_few_and_many() {
        assert_eq!(quantile(&[], 9_900), 0);
        assert_eq!(quantile(&[5], 9_900), 5);
        let many: Vec<u64> = (1..=1_000).collect();
        assert_eq!((quantile(&many, 5_000), quantile(&many, 9_900), quantile(&many, 10_000)), (500, 990, 1_000));
    }
}
