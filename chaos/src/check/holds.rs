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

    /// Everything is settled: what was only ever told no holds nothing.
    fn may_stay(&self) -> bool {
        self.asked.heard(|told| matches!(told, Told::Yes | Told::YesAlone | Told::Nothing))
    }
}

/// By token, one for each meaning that it was asked with. Two nodes alone may say yes to two of them: then one is held,
/// and either may be.
type Bounds<'a> = BTreeMap<&'a str, Vec<Bound<'a>>>;

/// Looks at every hold, and at every balance that was read.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("holds");
    let reported = facts(history);
    let opened = opened(history);
    let foreign = history.books.accounts.iter().filter(|account| !opened.contains(&*account.account)).count();
    if foreign > 0 {
        look.doubt(format!("{foreign} accounts were opened before this history"));
    }
    let mut bounds: Bounds<'_> = BTreeMap::new();
    for asked in by_token(history).into_iter().filter(|asked| opened.contains(asked.account)) {
        let facts = reported.get(asked.token).map(|facts| facts.all().copied().collect()).unwrap_or_default();
        bounds.entry(asked.token).or_default().push(Bound { asked, facts });
    }
    reads(&mut look, history, &bounds, &opened);
    if look.needs_books(history) {
        books(&mut look, history, &bounds, &opened);
    }
    look.finish()
}

fn books(look: &mut Look, history: &History, bounds: &Bounds<'_>, opened: &BTreeSet<&str>) {
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
            let Some(meanings) = bounds.get(&**token) else {
                look.violated(format!("{name}: {} held for {token}, which nobody has asked for", hold.amount));
                continue;
            };
            let of = |bound: &&Bound<'_>| bound.asked.account == name;
            if !meanings.iter().any(|bound| of(&bound)) {
                look.violated(format!("{token}: held of {name}, asked of {}", meanings[0].asked.account));
                continue;
            }
            let staying = meanings.iter().filter(of).filter(|bound| bound.may_stay());
            let most = staying.map(|bound| bound.between(u64::MAX, u64::MAX)).max().unwrap_or(0);
            if hold.amount > most {
                look.violated(format!("{token}: {} held, at most {most} may be", hold.amount));
            }
        }
    }
    for (token, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
        look.violated(format!("{token}: {count} holds"));
    }
}

fn reads(look: &mut Look, history: &History, bounds: &Bounds<'_>, opened: &BTreeSet<&str>) {
    let mut of: BTreeMap<&str, BTreeMap<&str, Vec<&Bound<'_>>>> = BTreeMap::new();
    for bound in bounds.values().flatten() {
        of.entry(bound.asked.account).or_default().entry(bound.asked.token).or_default().push(bound);
    }
    for op in history.ops.iter().filter(|op| op.heard == Heard::Ok) {
        let (Task::Read { account }, Some(held)) = (&op.task, op.answer.held) else { continue };
        if !opened.contains(&**account) {
            continue;
        }
        look.looked += 1;
        let tokens = of.get(&**account).into_iter().flat_map(BTreeMap::values);
        let most: u128 = tokens
            .map(|meanings| meanings.iter().map(|bound| bound.between(op.invoked_us, op.ended_us)).max().unwrap_or(0))
            .map(u128::from)
            .sum();
        if u128::try_from(held).map_or(true, |held| held > most) {
            look.violated(format!("{account}: {held} held at {} us, at most {most} may be", op.ended_us));
        }
    }
}
