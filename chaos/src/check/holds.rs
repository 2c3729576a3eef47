//! Holds are never above what they may be: a hold stands for one token that somebody may have been told yes for, once,
//! with no more than its reports have left of it.
//!
//! Looked at in the books afterwards, hold by hold, and in every balance that was read meanwhile, by its sum.

use super::told::{Asked, Fact, Told, by_token, facts, opened};
use super::{Finding, Look};
use crate::history::{Heard, History, ReportKind, Task};
use std::collections::{BTreeMap, BTreeSet};

/// What may be held for one token.
struct Bound<'a> {
    asked: Asked<'a>,
    facts: Vec<Fact<'a>>,
}

impl Bound<'_> {
    /// The most that may be held by a look between these times: nothing before it was asked for, and after that what is
    /// left by the reports that were acknowledged before the look.
    fn between(&self, from_us: u64, to_us: u64) -> u64 {
        let asked = self.asked.requests.iter().any(|(op, _)| op.invoked_us <= to_us);
        let mut left = if asked && self.may_stand() { self.asked.amount } else { 0 };
        for fact in self.facts.iter().filter(|fact| fact.booked_us.is_some_and(|booked| booked < from_us)) {
            left = match fact.report.kind {
                ReportKind::LastClearing | ReportKind::FullReversal => 0,
                ReportKind::Clearing | ReportKind::Reversal => left.saturating_sub(fact.report.amount),
            };
        }
        left
    }

    /// A no of a quorum holds nothing, nor does what was never proposed. A no without a decision may hold something
    /// until it is taken back.
    fn may_stand(&self) -> bool {
        self.asked.heard(|told| matches!(told, Told::Yes | Told::YesAlone | Told::NoAlone | Told::Nothing))
    }

    fn standing(&self) -> (bool, bool) {
        (self.may_stay(), self.may_stand())
    }

    /// Everything is settled: what was only ever told no holds nothing.
    fn may_stay(&self) -> bool {
        self.asked.heard(|told| matches!(told, Told::Yes | Told::YesAlone | Told::Nothing))
    }
}

/// Looks at every hold, and at every balance that was read.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("holds");
    let mut reported = facts(history);
    let opened = opened(history);
    let foreign = history.books.accounts.iter().filter(|account| !opened.contains(&*account.account)).count();
    if foreign > 0 {
        look.doubt(format!("{foreign} accounts were opened before this history"));
    }
    let bounds: BTreeMap<&str, Bound<'_>> = by_token(history)
        .into_iter()
        // Of two meanings the one that may stay counts, or else the one that may stand.
        .map(|asked| {
            let facts = reported.remove(asked.token).unwrap_or_default().all().copied().collect();
            Bound { asked, facts }
        })
        .filter(|bound| opened.contains(bound.asked.account))
        .fold(BTreeMap::new(), |mut bounds, bound| {
            let better = |other: &Bound<'_>| bound.standing() > other.standing();
            if bounds.get(bound.asked.token).is_none_or(better) {
                bounds.insert(bound.asked.token, bound);
            }
            bounds
        });
    reads(&mut look, history, &bounds, &opened);
    if look.needs_books(history) {
        books(&mut look, history, &bounds, &opened);
    }
    look.finish()
}

fn books(look: &mut Look, history: &History, bounds: &BTreeMap<&str, Bound<'_>>, opened: &BTreeSet<&str>) {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for account in history.books.accounts.iter().filter(|account| opened.contains(&*account.account)) {
        let name = &account.account;
        let sum: i128 = account.holds.iter().map(|hold| i128::from(hold.amount)).sum();
        if sum != i128::from(account.held) {
            look.violated(format!("{name}: {} held, and its holds are {sum}", account.held));
        }
        for hold in &account.holds {
            let token = &hold.token;
            look.looked += 1;
            *seen.entry(token).or_default() += 1;
            let Some(bound) = bounds.get(&**token) else {
                look.violated(format!("{name}: {} held for {token}, which nobody has asked for", hold.amount));
                continue;
            };
            let most = if bound.may_stay() { bound.between(u64::MAX, u64::MAX) } else { 0 };
            if bound.asked.account != name {
                look.violated(format!("{token}: held of {name}, asked of {}", bound.asked.account));
            } else if hold.amount > most {
                look.violated(format!("{token}: {} held, at most {most} may be", hold.amount));
            }
        }
    }
    for (token, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
        look.violated(format!("{token}: {count} holds"));
    }
}

fn reads(look: &mut Look, history: &History, bounds: &BTreeMap<&str, Bound<'_>>, opened: &BTreeSet<&str>) {
    let mut of: BTreeMap<&str, Vec<&Bound<'_>>> = BTreeMap::new();
    bounds.values().for_each(|bound| of.entry(bound.asked.account).or_default().push(bound));
    for op in history.ops.iter().filter(|op| op.heard == Heard::Ok) {
        let (Task::Read { account }, Some(held)) = (&op.task, op.answer.held) else { continue };
        if !opened.contains(&**account) {
            continue;
        }
        look.looked += 1;
        let bounds = of.get(&**account).into_iter().flatten();
        let most: u128 = bounds.map(|bound| u128::from(bound.between(op.invoked_us, op.ended_us))).sum();
        if u128::try_from(held).map_or(true, |held| held > most) {
            look.violated(format!("{account}: {held} held at {} us, at most {most} may be", op.ended_us));
        }
    }
}
