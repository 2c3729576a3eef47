//! What a client was told about a token, as far as it binds anybody.

use crate::history::{Heard, History, Op, Task};
use std::collections::{BTreeMap, BTreeSet};

/// What one request for funds was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Yes, by a quorum.
    Yes,
    /// No, by a quorum.
    No,
    /// Yes, by one node alone.
    YesAlone,
    /// No, without a decision: it may have been proposed, and is taken back then.
    NoAlone,
    /// No, and never proposed.
    Refused,
    /// Nothing: it may have been told any of these.
    Nothing,
}

impl Told {
    /// Of a request for funds; none of anything else.
    pub fn of(op: &Op) -> Option<Told> {
        let Task::Authorize { .. } = op.task else { return None };
        let outcome = op.answer.outcome.as_deref().unwrap_or("absent");
        Some(match (op.heard, op.answer.status, outcome) {
            (Heard::Unknown, ..) => Told::Nothing,
            (Heard::Ok, _, "stand-in") => Told::YesAlone,
            (Heard::Ok, ..) => Told::Yes,
            (Heard::Declined, Some(402), "decided" | "replayed") => Told::No,
            (Heard::Declined, Some(402), "refused") => Told::Refused,
            (Heard::Declined, Some(402), _) => Told::NoAlone,
            // Turned away before anybody looked at it.
            (Heard::Declined, ..) => Told::Refused,
        })
    }

    /// A yes or a no.
    pub fn is_answer(self) -> bool {
        !matches!(self, Told::Nothing)
    }

    /// A yes.
    pub fn is_yes(self) -> bool {
        matches!(self, Told::Yes | Told::YesAlone)
    }
}

/// Accounts that this history has opened: of others it does not know what they had before.
pub fn opened(history: &History) -> BTreeSet<&str> {
    let opening = |op: &&Op| matches!(op.task, Task::Open { .. }) && op.heard != Heard::Declined;
    history.ops.iter().filter(opening).map(|op| op.task.account()).collect()
}

/// A token with all its requests of one meaning.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The token.
    pub token: &'a str,
    /// Whose account.
    pub account: &'a str,
    /// How much.
    pub amount: u64,
    /// Every request, by the time at which it left.
    pub requests: Vec<(&'a Op, Told)>,
}

impl Asked<'_> {
    /// Somebody was told this.
    pub fn heard(&self, what: impl Fn(Told) -> bool) -> bool {
        self.requests.iter().any(|(_, told)| what(*told))
    }
}

/// By token and amount: the same token with another amount is another meaning.
pub fn by_token(history: &History) -> Vec<Asked<'_>> {
    let mut asked: BTreeMap<(&str, &str, u64), Asked<'_>> = BTreeMap::new();
    for op in &history.ops {
        let (Task::Authorize { token, account, amount, .. }, Some(told)) = (&op.task, Told::of(op)) else { continue };
        let new = || Asked { token, account, amount: *amount, requests: Vec::new() };
        asked.entry((token, account, *amount)).or_insert_with(new).requests.push((op, told));
    }
    asked.into_values().collect()
}

/// The reports of a card transaction: each fact once, with whether anybody was told that it is in the books.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    facts: BTreeMap<&'a str, Fact<'a>>,
}

/// One fact.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// What was reported.
    pub report: &'a crate::history::Report,
    /// When the first 200 for it was there; none: nobody was told that it is booked.
    pub booked_us: Option<u64>,
}

impl<'a> Facts<'a> {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Fact<'a>> {
        self.facts.values()
    }
}

/// By the token of the request that began the chain.
pub fn facts(history: &History) -> BTreeMap<&str, Facts<'_>> {
    let mut chains: BTreeMap<&str, Facts<'_>> = BTreeMap::new();
    for op in &history.ops {
        let Task::Report(report) = &op.task else { continue };
        let new = || Fact { report, booked_us: None };
        let fact = chains.entry(&report.original).or_default().facts.entry(&report.transaction).or_insert_with(new);
        if op.heard == Heard::Ok && !op.answer.dead_letter {
            fact.booked_us = Some(fact.booked_us.unwrap_or(u64::MAX).min(op.ended_us));
        }
    }
    chains
}
