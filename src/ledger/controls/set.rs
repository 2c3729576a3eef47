//! Setting the controls of a programme.
//!
//! **What must hold.** A document is checked whole before anything changes. A rule that keeps its name, and its window
//! and subject if it is a limit, keeps its number, and with it what was counted and tallied.

use super::{Condition, Controls, Document, Limit, Programme, Rule, SetControls, Settings, Tally, Then, Window};
use crate::books::Ledger;
use crate::{Output, Refusal, Seconds, Token, codec};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Why a document cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlsError {
    /// Of no rule.
    Document(&'static str),
    /// Of the rule with this name.
    Rule(Token, &'static str),
}

impl fmt::Display for ControlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlsError::Document(what) => f.write_str(what),
            ControlsError::Rule(name, what) => write!(f, "rule {:?}: {what}", name.as_str()),
        }
    }
}

impl core::error::Error for ControlsError {}

impl Document {
    /// The most rules.
    pub const RULES_MAX: usize = 256;
    /// The most limits among them: what an account must keep counters for.
    pub const LIMITS_MAX: usize = 32;
    /// The most bytes, encoded: a batch of commands has 64 KiB.
    pub const BYTES_MAX: usize = 48 * 1024;

    /// Whether it can be set.
    pub fn check(&self) -> Result<(), ControlsError> {
        let of_document = |fine: bool, what| if fine { Ok(()) } else { Err(ControlsError::Document(what)) };
        of_document(self.rules.len() <= Self::RULES_MAX, "more than 256 rules")?;
        let limits = self.rules.iter().filter(|rule| matches!(rule.then, Then::Limit(_))).count();
        of_document(limits <= Self::LIMITS_MAX, "more than 32 limits over a window")?;
        of_document(self.zone.is_sound(), "the time zone has too many changes, or impossible ones")?;
        self.settings.check().map_err(ControlsError::Document)?;
        for (at, rule) in self.rules.iter().enumerate() {
            let of_rule = |what| ControlsError::Rule(rule.name, what);
            rule.check().map_err(of_rule)?;
            if self.rules.iter().take(at).any(|other| other.name == rule.name) {
                return Err(of_rule("there is another rule with this name"));
            }
        }
        of_document(codec::document_bytes(self) <= Self::BYTES_MAX, "more than 48 KiB in the log")
    }
}

impl Settings {
    /// More than any network lets anything stand.
    pub const HOLD_DAYS_MAX: u16 = 366;

    fn check(&self) -> Result<(), &'static str> {
        let Settings { hold_days, hold_days_long, unconfirmed_after: Seconds(unconfirmed), remember_days, .. } = *self;
        // A hold that expires before the processor's lets money be spent twice.
        if !(Settings::DEFAULT.hold_days..=Self::HOLD_DAYS_MAX).contains(&hold_days) {
            return Err("settings.hold_days must be 7 to 366");
        }
        if !(Settings::DEFAULT.hold_days_long.max(hold_days)..=Self::HOLD_DAYS_MAX).contains(&hold_days_long) {
            return Err("settings.hold_days_long must be 31 to 366, and not less than settings.hold_days");
        }
        if !(60..=7 * 86_400).contains(&unconfirmed) {
            return Err("settings.unconfirmed_after must be a minute to seven days");
        }
        if remember_days != 0 && !(Self::REMEMBER_DAYS_MIN..=Self::REMEMBER_DAYS_MAX).contains(&remember_days) {
            return Err("settings.remember_days must be 60 to 3660, or 0 for ever");
        }
        Ok(())
    }
}

impl Rule {
    /// The most conditions of one kind of list.
    pub const CONDITIONS_MAX: usize = 32;

    fn check(&self) -> Result<(), &'static str> {
        if self.when.len().max(self.unless.len()) > Self::CONDITIONS_MAX {
            return Err("more than 32 conditions");
        }
        for condition in self.when.iter().chain(&self.unless) {
            match condition.entries() {
                0 => return Err("a list without entries matches nothing"),
                entries if entries > Condition::ENTRIES_MAX => return Err("a list with more than 1000 entries"),
                _ => {}
            }
            if let Condition::Mcc(ranges) = condition
                && ranges.iter().any(|(from, to)| from > to || *to > 9999)
            {
                return Err("a range of merchant categories must go up, and end at 9999 at most");
            }
        }
        match self.then {
            Then::Deny if self.when.is_empty() && self.unless.is_empty() => {
                Err("denies everything: freeze the accounts if that is meant")
            }
            Then::Deny | Then::Most(_) => Ok(()),
            Then::Limit(limit) => limit.check(),
            Then::Travel(Seconds(0)) => Err("travel takes some time"),
            Then::Travel(_) => Ok(()),
        }
    }

    /// What its counter is of.
    fn counter(&self) -> Option<(super::Per, Window, super::Counted)> {
        match self.then {
            Then::Limit(Limit { per, window, of, .. }) => Some((per, window, of)),
            Then::Deny | Then::Most(_) | Then::Travel(_) => None,
        }
    }
}

impl Limit {
    fn check(&self) -> Result<(), &'static str> {
        if let Window::Rolling(Seconds(seconds)) = self.window
            && !Window::ROLLING.contains(&seconds)
        {
            return Err("a rolling window must be a minute to 366 days");
        }
        match (self.of, self.amount, self.count) {
            (_, None, None) => Err("a limit needs an amount or a count"),
            (super::Counted::Declines, Some(_), _) => Err("declines have no amount, only a count"),
            (super::Counted::Declines, None, Some(0)) => {
                Err("with a count of 0 declines everything is refused for ever")
            }
            (super::Counted::Approvals | super::Counted::Declines, _, _) => Ok(()),
        }
    }
}

impl Ledger {
    /// The controls of a programme, if any were ever set.
    pub fn controls(&self, program: &crate::Program) -> Option<&Controls> {
        self.programmes.get(Programme::key_of(program)).map(|programme| &*programme.controls)
    }

    /// What each of its rules has done, in the document's order.
    pub fn tallies(&self, program: &crate::Program) -> &[Tally] {
        self.programmes.get(Programme::key_of(program)).map_or(&[], |programme| &programme.tallies)
    }

    /// What a programme has set besides rules.
    pub(crate) fn settings(&self, program: &crate::Program) -> Settings {
        if self.programmes.len() == 0 {
            return Settings::DEFAULT;
        }
        self.controls(program).map_or(Settings::DEFAULT, |controls| controls.document.settings)
    }

    pub(crate) fn set_controls(&mut self, set: &SetControls) -> Output {
        let known = self.programmes.get(Programme::key_of(&set.program)).cloned();
        let old = known.as_ref().map(|known| &*known.controls);
        let version = old.map_or(0, |old| old.version);
        if old.is_some_and(|old| old.document == set.document) {
            return Output::Controls { version, changed: false };
        }
        if set.based_on != version {
            return Output::Refused(Refusal::ControlsChanged);
        }
        if set.document.check().is_err() {
            return Output::Refused(Refusal::ControlsUnsound);
        }
        let mut last_number = old.map_or(0, |old| old.last_number);
        let (mut numbers, mut tallies) = (Vec::new(), Vec::new());
        for rule in &set.document.rules {
            let kept = old.and_then(|old| old.place_of(rule)).and_then(|place| {
                let number = old?.numbers.get(place)?;
                Some((*number, *known.as_ref()?.tallies.get(place)?))
            });
            let (number, tally) = kept.unwrap_or_else(|| {
                last_number = last_number.saturating_add(1);
                (last_number, Tally::default())
            });
            numbers.push(number);
            tallies.push(tally);
        }
        let (program, document, at) = (set.program, set.document.clone(), self.scalars.now);
        let version = version.saturating_add(1);
        let controls = Arc::new(Controls { program, version, at, document, numbers, last_number });
        let programme = Programme { controls, tallies: Arc::new(tallies) };
        self.programmes.upsert(programme.clone(), |known| *known = programme);
        Output::Controls { version, changed: true }
    }
}

impl Controls {
    /// Where a rule was that counts the same.
    fn place_of(&self, rule: &Rule) -> Option<usize> {
        let same = |known: &Rule| known.name == rule.name && known.counter() == rule.counter();
        self.document.rules.iter().position(same)
    }

    /// What reads it again must find it possible.
    pub(crate) fn is_sound(&self, tallies: usize) -> bool {
        let rules = self.document.rules.len();
        let given = self.numbers.iter().all(|number| (1..=self.last_number).contains(number));
        let unique = (1..rules).all(|at| !self.numbers[..at].contains(&self.numbers[at]));
        self.version > 0
            && self.numbers.len() == rules
            && tallies == rules
            && given
            && unique
            && self.document.check().is_ok()
    }
}
