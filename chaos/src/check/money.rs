//! Money is neither made nor lost: an account has what was brought and paid, and nothing else.
//!
//! What is booked of an account is its first credit, the movements and the clearings. Those that were acknowledged must
//! be in it, each once; those whose end was not heard may be in it.

use super::told::facts;
use super::{Finding, Look};
use crate::history::{Direction, Heard, History, ReportKind, Task};
use std::collections::BTreeMap;

/// What an account may have, in minor units. 2 million requests of at most 10^15 are far from the end of 128 bits.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    from: i128,
    to: i128,
    /// Its opening is in this history.
    opened: bool,
    /// And was acknowledged.
    sure: bool,
}

impl Range {
    fn add(&mut self, minor: i128, sure: bool) {
        self.from += if sure { minor } else { minor.min(0) };
        self.to += if sure { minor } else { minor.max(0) };
    }
}

/// Looks at every account that this history has opened.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("money");
    if !look.needs_books(history) {
        return look.finish();
    }
    let expected = expected(history);
    let books: BTreeMap<&str, i64> =
        history.books.accounts.iter().map(|account| (&*account.account, account.posted)).collect();
    let foreign = expected.values().filter(|range| !range.opened).count();
    if foreign > 0 {
        look.doubt(format!("{foreign} accounts were opened before this history"));
    }
    for (account, Range { from, to, sure, .. }) in expected.into_iter().filter(|(_, range)| range.opened) {
        look.looked += 1;
        match books.get(account) {
            None if sure => look.violated(format!("{account}: was opened, and is not in the books")),
            None => {}
            Some(posted) if (from..=to).contains(&i128::from(*posted)) => {}
            Some(posted) if from == to => {
                look.violated(format!("{account}: {posted} booked, {from} brought and paid"));
            }
            Some(posted) => look.violated(format!("{account}: {posted} booked, {from} to {to} brought and paid")),
        }
    }
    look.finish()
}

fn expected(history: &History) -> BTreeMap<&str, Range> {
    let mut ranges: BTreeMap<&str, Range> = BTreeMap::new();
    // A key moves money once, however often it was asked.
    let mut moves: BTreeMap<&str, (&str, i128, bool)> = BTreeMap::new();
    for op in &history.ops {
        let range = ranges.entry(op.task.account()).or_default();
        match &op.task {
            Task::Open { credit, .. } if op.heard != Heard::Declined && !range.opened => {
                (range.opened, range.sure) = (true, op.heard == Heard::Ok);
                range.add(i128::from(*credit), range.sure);
            }
            Task::Move { account, key, direction, amount } if op.heard != Heard::Declined => {
                let minor = match direction {
                    Direction::Credit => i128::from(*amount),
                    Direction::Debit => -i128::from(*amount),
                };
                moves.entry(key).or_insert((account, minor, false)).2 |= op.heard == Heard::Ok;
            }
            Task::Open { .. }
            | Task::Move { .. }
            | Task::Authorize { .. }
            | Task::Report(_)
            | Task::Read { .. }
            | Task::SetStatus { .. } => {}
        }
    }
    for (account, minor, sure) in moves.into_values() {
        ranges.entry(account).or_default().add(minor, sure);
    }
    for fact in facts(history).values().flat_map(|facts| facts.all()) {
        let minor = match fact.report.kind {
            ReportKind::Clearing | ReportKind::LastClearing => -i128::from(fact.report.amount),
            ReportKind::Reversal | ReportKind::FullReversal => 0,
        };
        ranges.entry(&fact.report.account).or_default().add(minor, fact.booked_us.is_some());
    }
    ranges
}
