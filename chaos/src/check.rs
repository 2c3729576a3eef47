//! Checkers: what a recorded history and the books afterwards prove.
//!
//! **What lives here.** One checker per promise, each a function of the whole [`History`] to a [`Finding`]; [`all`]
//! runs them, `chaos check` (`command`) prints them. Each is proven by a bug planted in the product, which it must
//! catch (chaos/tests/planted.rs).
//!
//! **What must hold.** A checker that could not look, or had to stop, says *inconclusive*: only what was looked at and
//! found right is *held*. What was not heard may have happened or not, and both must be thought of. A violation names
//! what it is about. Not here: reading the books (`books`), what a scenario expects of latencies.

mod acknowledged;
pub mod command;
mod digests;
mod holds;
mod in_time;
mod linear;
mod money;
mod stand_in;
#[cfg(test)]
mod story;
mod terms;
mod token;
mod told;

use crate::history::History;
use serde::Serialize;

/// The most that is said of one checker.
const SAID_MAX: usize = 20;

/// What a checker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Looked at, and right.
    Held,
    /// Could not be looked at, or not to the end.
    Inconclusive,
    /// Wrong.
    Violated,
}

/// A checker's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which checker.
    pub checker: &'static str,
    /// What it found.
    pub verdict: Verdict,
    /// How many things it looked at: tokens, accounts, requests, nodes, as its name says.
    pub looked: u64,
    /// What is wrong, or could not be looked at: the first twenty of each.
    pub why: Vec<String>,
}

/// A finding that is being made.
struct Look {
    checker: &'static str,
    looked: u64,
    violations: Vec<String>,
    doubts: Vec<String>,
}

impl Look {
    fn new(checker: &'static str) -> Look {
        Look { checker, looked: 0, violations: Vec::new(), doubts: Vec::new() }
    }

    /// Something is wrong.
    fn violated(&mut self, why: String) {
        self.violations.push(why);
    }

    /// Something could not be looked at.
    fn doubt(&mut self, why: String) {
        self.doubts.push(why);
    }

    /// The books are needed. False, and said, if they were not read or not settled.
    fn needs_books(&mut self, history: &History) -> bool {
        match &history.books.settled {
            None => self.doubt("the books were not read".into()),
            Some(settled) if !settled.settled => self.doubt("the books were read before everything was settled".into()),
            Some(_) => return true,
        }
        false
    }

    fn finish(self) -> Finding {
        let Look { checker, looked, violations, doubts } = self;
        let verdict = match (violations.is_empty(), doubts.is_empty()) {
            (false, _) => Verdict::Violated,
            (true, false) => Verdict::Inconclusive,
            (true, true) => Verdict::Held,
        };
        let cut = |all: Vec<String>| {
            let more = all.len().saturating_sub(SAID_MAX);
            let rest = (more > 0).then(|| format!("… and {more} more"));
            all.into_iter().take(SAID_MAX).chain(rest)
        };
        Finding { checker, verdict, looked, why: cut(violations).chain(cut(doubts)).collect() }
    }
}

type Checker = fn(&History) -> Finding;

/// All of them, in the order in which they are told.
const CHECKERS: [Checker; 9] = [
    token::check,
    acknowledged::check,
    money::check,
    linear::check,
    holds::check,
    stand_in::check,
    digests::check,
    terms::check,
    in_time::check,
];

/// Runs them all.
pub fn all(history: &History) -> Vec<Finding> {
    CHECKERS.iter().map(|check| check(history)).collect()
}

/// The worst of all, and inconclusive for a history that was cut off or in which nobody was told anything.
pub fn verdict(history: &History, findings: &[Finding]) -> Verdict {
    let told = history.ops.iter().any(|op| told::Told::of(op).is_some_and(|told| told.is_answer()));
    let whole = if history.complete && told { Verdict::Held } else { Verdict::Inconclusive };
    findings.iter().map(|finding| finding.verdict).fold(whole, Verdict::max)
}

#[cfg(test)]
mod tests;
