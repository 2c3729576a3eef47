//! An attempt of the load, small enough to be handed over by the thousand, and the two lines of the history that it
//! becomes in the writer's thread.
//!
//! What must hold: a reply that was lost is unknown; an answer is a no only if nothing was done for it.

use super::args::Settings;
use crate::history::{Answer, Begin, Ended, Invoke, Line, Lost, Task, VERSION, Writer};
use crate::http::reply::Outcome;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The token's number.
    pub token: u64,
    /// The account's number.
    pub user: u64,
    /// Minor units.
    pub amount: u64,
    /// The target's index.
    pub target: usize,
    /// When it was sent.
    pub start_us: u64,
    /// When its reply was there, or was given up.
    pub end_us: u64,
    /// Status, outcome and body hash, or why there are none.
    pub reply: Result<(u16, Outcome, u64), Lost>,
}

/// Starts the history of a run. Accounts that this run has opened itself, all of them, begin in it too: a checker then
/// knows all of their money.
pub fn write(path: &Path, settings: &Settings, opened: Option<u64>) -> anyhow::Result<Writer<Record>> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let begin = Begin {
        version: VERSION,
        seed: settings.plan.seed,
        unix_us: u64::try_from(unix.as_micros()).unwrap_or(u64::MAX),
        currency: settings.style.currency.clone(),
        nodes: settings.targets.clone(),
        deadline_us: u64::try_from(settings.deadline.as_micros()).unwrap_or(u64::MAX),
        stand_in: None,
    };
    let (names, targets) = (settings.names.clone(), settings.targets.clone());
    let accounts = if opened.is_some() { settings.plan.accounts } else { 0 };
    let mut op = 0;
    Writer::create(path, begin, move |record: Record, sink| {
        while op < accounts {
            sink(Line::Invoke(Invoke { at_us: 0, op, node: String::new(), task: opening(names.user(op), opened) }));
            sink(Line::Ok(Ended { at_us: 0, op, answer: Answer::default() }));
            op += 1;
        }
        let token = names.token(record.token);
        let task = Task::Authorize {
            token: token.clone(),
            account: names.user(record.user),
            amount: record.amount,
            transaction: None,
        };
        let node = targets.get(record.target).cloned().unwrap_or_default();
        sink(Line::Invoke(Invoke { at_us: record.start_us, op, node, task }));
        sink(record.ended(op, token));
        op += 1;
    })
}

fn opening(account: String, credit: Option<u64>) -> Task {
    Task::Open { account, credit: credit.unwrap_or_default() }
}

impl Record {
    fn ended(&self, op: u64, token: String) -> Line {
        let at_us = self.end_us;
        let token = Some(token);
        match self.reply {
            Err(lost) => {
                let answer = Answer { token, lost: Some(lost), ..Answer::default() };
                Line::Unknown(Ended { at_us, op, answer })
            }
            Ok((status, outcome, body)) => {
                let (outcome, body) = (Some(outcome.name().to_owned()), Some(format!("{body:016x}")));
                let answer = Answer { token, status: Some(status), outcome, body, ..Answer::default() };
                let ended = Ended { at_us, op, answer };
                match status {
                    200 => Line::Ok(ended),
                    400..=499 => Line::Declined(ended),
                    _ => Line::Unknown(ended),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::history::{Ended, Line, Lost};
    use crate::http::reply::Outcome;

    fn of(reply: Result<(u16, Outcome, u64), Lost>) -> Line {
        Record { token: 1, user: 2, amount: 3, target: 0, start_us: 4, end_us: 5, reply }.ended(9, "t".into())
    }

    #[test]
    fn what_was_not_heard_is_unknown_never_no() {
        let Line::Ok(Ended { at_us: 5, op: 9, answer }) = of(Ok((200, Outcome::Decided, 0xab))) else {
            panic!("a yes");
        };
        assert_eq!((answer.token.as_deref(), answer.body.as_deref()), (Some("t"), Some("00000000000000ab")));
        assert!(matches!(of(Ok((402, Outcome::StandIn, 0))), Line::Declined(_)));
        assert!(matches!(of(Ok((503, Outcome::Absent, 0))), Line::Unknown(_)));
        assert!(matches!(of(Err(Lost::Timeout)), Line::Unknown(_)));
    }
}
