//! What the load hands over to its history: attempts, small enough for thousands, which become two lines in the
//! writer's thread, and what nodes say of their term meanwhile.
//!
//! What must hold: a reply that was lost is unknown; an answer is a no only if nothing was done for it.

use super::args::Settings;
use crate::history::{Answer, Begin, Ended, Invoke, Line, Lost, Sink, Status, Task, VERSION, Writer};
use crate::http::reply::Outcome;
use std::cell::RefCell;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is handed over.
#[derive(Clone, Debug)]
pub enum Record {
    /// An attempt.
    Attempt(Attempt),
    /// A look at a node.
    Status(Box<Status>),
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
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
        let record = match record {
            Record::Attempt(attempt) => attempt,
            Record::Status(status) => return sink(Line::Status(*status)),
        };
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

/// Hands over what nodes say of their term, with the time since the start.
pub fn seen(sink: Sink<Record>, start: Instant) -> impl Fn(Status) + Send {
    let sink = RefCell::new(sink);
    move |status| {
        let at_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        sink.borrow_mut().push(Record::Status(Box::new(Status { at_us, ..status })));
    }
}

fn opening(account: String, credit: Option<u64>) -> Task {
    Task::Open { account, credit: credit.unwrap_or_default() }
}

impl Attempt {
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
    use super::Attempt;
    use crate::history::{Ended, Line, Lost};
    use crate::http::reply::Outcome;

    fn of(reply: Result<(u16, Outcome, u64), Lost>) -> Line {
        Attempt { token: 1, user: 2, amount: 3, target: 0, start_us: 4, end_us: 5, reply }.ended(9, "t".into())
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
