//! Every request for funds is answered in time, with 200 or 402.
//!
//! A connection that broke is no late answer: the node may have been killed. An answer that did not come within the
//! client's patience is one, unless a fault excuses its node while it lasts (a paused node cannot answer).

use super::{Finding, Look};
use crate::history::{Fault, Heard, History, Lost, Op, Phase, Task};

/// After a fault is over its nodes may need so long until their answers are on time again.
const GRACE_US: u64 = 1_000_000;

/// Looks at every request for funds.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("in_time");
    let excused = excuses(&history.faults);
    let deadline = history.begin.deadline_us;
    for op in history.ops.iter().filter(|op| matches!(op.task, Task::Authorize { .. })) {
        look.looked += 1;
        if excused.iter().any(|excuse| excuse.covers(op)) {
            continue;
        }
        let took = op.ended_us - op.invoked_us;
        match (op.heard, op.answer.lost, op.answer.status) {
            (Heard::Unknown, Some(Lost::Timeout), _) => {
                look.violated(format!("op {} at {}: no answer within {took} us", op.id, op.node));
            }
            (Heard::Unknown, Some(Lost::Garbage), _) => {
                look.violated(format!("op {} at {}: what came is no answer", op.id, op.node));
            }
            (Heard::Unknown, Some(Lost::Broken | Lost::Unfinished), _) => {}
            (Heard::Ok | Heard::Declined, _, Some(200 | 402)) if took > deadline => {
                look.violated(format!("op {} at {}: answered after {took} us of {deadline}", op.id, op.node));
            }
            (Heard::Ok | Heard::Declined, _, Some(200 | 402)) => {}
            (Heard::Ok | Heard::Declined | Heard::Unknown, _, status) => {
                look.violated(format!("op {} at {}: status {}", op.id, op.node, status.unwrap_or_default()));
            }
        }
    }
    look.finish()
}

/// Nodes that cannot be on time for a while; no nodes: all.
struct Excuse<'a> {
    nodes: &'a [String],
    from_us: u64,
    to_us: u64,
}

impl Excuse<'_> {
    fn covers(&self, op: &Op) -> bool {
        let there = self.nodes.is_empty() || self.nodes.contains(&op.node);
        there && op.invoked_us <= self.to_us && op.ended_us >= self.from_us
    }
}

/// From each beginning to the next end of the same fault on the same nodes; without one, for ever.
fn excuses(faults: &[Fault]) -> Vec<Excuse<'_>> {
    let begins = faults.iter().enumerate().filter(|(_, fault)| fault.phase == Phase::Begin && fault.excuses);
    begins
        .map(|(at, fault)| {
            let same = |end: &&Fault| end.phase == Phase::End && end.name == fault.name && end.nodes == fault.nodes;
            let end = faults[at..].iter().find(same);
            let to_us = end.map_or(u64::MAX, |end| end.at_us.saturating_add(GRACE_US));
            Excuse { nodes: &fault.nodes, from_us: fault.at_us, to_us }
        })
        .collect()
}
