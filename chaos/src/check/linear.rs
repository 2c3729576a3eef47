//! Per account there is one order in which the sequential ledger gives every answer that was heard.
//!
//! **What lives here.** The `ledger` crate is the specification: `act` turns requests on one account into what may
//! happen in its books, `search` looks for an order of it. Accounts share nothing, so each is looked at alone (a
//! history is linearizable exactly if each object's part of it is). The balance afterwards is one more read.
//!
//! **What must hold.** A request takes effect between its beginning and its end. One whose end was not heard may take
//! effect at any later time, or never; a no that was said alone may be preceded by an effect and is followed by its
//! void, a yes that was said alone by its force. *Violated* means that no such order exists: everything was tried.
//!
//! **Complexity and bound.** The search is Wing and Gong's with Lowe's memory of configurations. With n requests of
//! which c overlap at a time and u are unknown it takes, at worst, a number of steps in the order of n x 2^(c+u): a
//! step is one command applied to a ledger. The log's own order, where it was read, is tried first: it costs time if
//! it is wrong and proves nothing if it is right. After [`STEPS_MAX`] steps on one account, or with more than
//! [`ACTS_MAX`] requests, the answer is *inconclusive*, never *held*.

mod act;
mod search;

use super::{Finding, Look};
use crate::history::{Heard, History, Op, Task};
use search::Found;
use std::collections::BTreeMap;

/// Commands applied in the search for one account's order: about 10 us each in a release build.
pub const STEPS_MAX: u64 = 500_000;
/// Things that may happen to one account: a search keeps some kilobytes for every sixteenth.
pub const ACTS_MAX: usize = 200_000;

/// Looks at every account that this history has opened.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("linear");
    let mut accounts: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in &history.ops {
        accounts.entry(op.task.account()).or_default().push(op);
    }
    let log = act::Log::of(history);
    let mut foreign = 0;
    for (account, ops) in accounts {
        let opened = |op: &&Op| matches!(op.task, Task::Open { .. }) && op.heard != Heard::Declined;
        if !ops.iter().any(opened) {
            foreign += 1;
            continue;
        }
        look.looked += 1;
        match act::acts(history, &log, account, &ops).map(|acts| search::search(account, &acts, STEPS_MAX)) {
            Err(why) => look.doubt(format!("{account}: {why}")),
            Ok(Found::Order) => {}
            Ok(Found::None { explained, stuck }) => {
                let stuck: Vec<String> = stuck.iter().map(|op| said(&history.ops, *op)).collect();
                let stuck = stuck.join("; ");
                look.violated(format!(
                    "{account}: no order explains more than {explained} effects, and then not: {stuck}"
                ));
            }
            Ok(Found::TooFar { steps }) => look.doubt(format!("{account}: no order found in {steps} steps")),
        }
    }
    if foreign > 0 {
        look.doubt(format!("{foreign} accounts were opened before this history"));
    }
    look.finish()
}

/// A request as it is told in a violation; none: the books.
fn said(ops: &[Op], id: Option<u64>) -> String {
    let Some(op) = ops.iter().find(|op| Some(op.id) == id) else {
        return "what the books say afterwards".to_owned();
    };
    let what = match &op.task {
        Task::Authorize { token, amount, .. } => format!("authorize {token} {amount}"),
        Task::Report(report) => format!("report {} {:?} {}", report.transaction, report.kind, report.amount),
        Task::Read { .. } => format!("read {:?} booked {:?} held", op.answer.posted, op.answer.held),
        Task::Open { credit, .. } => format!("open with {credit}"),
        Task::Move { key, direction, amount, .. } => format!("move {key} {direction:?} {amount}"),
        Task::SetStatus { status, .. } => format!("become {status:?}"),
    };
    let reason = op.answer.reason.as_deref().unwrap_or_default();
    format!("op {} {what}: {:?} {} {reason}", op.id, op.heard, op.answer.outcome.as_deref().unwrap_or_default())
}
