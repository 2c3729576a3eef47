//! What a scenario's file says.
//!
//! **What must hold.** A key that is not known, missing, or given twice is refused, and the refusal names file, line,
//! step and field. Nothing in a file is optional that a reader could take for granted. Messages and expected replies
//! are kept as text, byte by byte: an amount is never read as a number here.
//!
//! `{run}` in any text is replaced by what is this run's own ([`filled`]); without it a scenario could be played once.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

mod step;

pub(super) use step::{Expect, Letter, Order, Path, Post, Step, Then};

/// What is replaced.
pub(super) const RUN: &str = "{run}";

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// The name of its file without `.json`.
    pub(super) name: String,
    pub(super) title: String,
    /// Where it is written that it must be so.
    pub(super) source: String,
    pub(super) accounts: Vec<Account>,
    pub(super) steps: Vec<Step>,
}

/// An account that is opened before the first step; once for each of its currencies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) user_token: String,
    pub(super) currency: String,
    /// Decimal text with the currency's digits.
    pub(super) opening: String,
}

/// An account's money in one currency, as decimal text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Money {
    pub(super) posted: String,
    pub(super) held: String,
    pub(super) available: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    title: String,
    source: String,
    accounts: Vec<Account>,
    #[serde(borrow)]
    steps: Vec<&'a RawValue>,
}

impl Scenario {
    /// Reads a file's text.
    pub(super) fn read(name: &str, text: &str) -> Result<Scenario, String> {
        let of_file = |why: String| format!("{name}.json: {why}");
        let written: Written<'_> = serde_json::from_str(text).map_err(|error| of_file(error.to_string()))?;
        let mut steps = Vec::new();
        for (raw, number) in written.steps.iter().zip(1..) {
            let step = Step::read(raw.get()).map_err(|fault| {
                let line = line_of(text, raw.get()) + fault.line;
                of_file(format!("step {number} (line {line}): {}", fault.why))
            });
            steps.push(step?);
        }
        let scenario = Scenario {
            name: name.to_owned(),
            title: written.title,
            source: written.source,
            accounts: written.accounts,
            steps,
        };
        scenario.check().map_err(of_file)?;
        Ok(scenario)
    }

    /// What the shape alone does not say.
    fn check(&self) -> Result<(), String> {
        for (field, text) in [("title", &self.title), ("source", &self.source)] {
            if text.trim().is_empty() {
                return Err(format!("{field}: is empty"));
            }
        }
        if self.steps.is_empty() {
            return Err("steps: there are none".to_owned());
        }
        let mut known: Vec<&str> = Vec::new();
        for account in &self.accounts {
            own("accounts: user_token", &account.user_token)?;
            known.push(&account.user_token);
        }
        for (step, number) in self.steps.iter().zip(1..) {
            let of_step = |why: String| format!("step {number}: {why}");
            let user = match step {
                Step::Post(post) => {
                    own("body", &post.body).map_err(of_step)?;
                    continue;
                }
                Step::Letter(letter) => {
                    own("dead_letter", &letter.contains).map_err(of_step)?;
                    continue;
                }
                Step::Open(account) => {
                    own("user_token", &account.user_token).map_err(of_step)?;
                    known.push(&account.user_token);
                    continue;
                }
                Step::Balances { user_token, .. } | Step::Order { user_token, .. } => user_token,
            };
            if !known.contains(&user.as_str()) {
                return Err(of_step(format!("account: {user} is not opened before")));
            }
        }
        Ok(())
    }
}

/// Whether a text is this run's own.
fn own(field: &str, text: &str) -> Result<(), String> {
    if text.contains(RUN) { Ok(()) } else { Err(format!("{field}: has no {RUN} in it: it could be played once only")) }
}

/// A text as one run has it.
pub(super) fn filled(text: &str, run: &str) -> String {
    text.replace(RUN, run)
}

/// Lines before a part of a text.
fn line_of(whole: &str, part: &str) -> usize {
    let at = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len());
    whole.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Balances by currency.
pub(super) type Balances = BTreeMap<String, Money>;

#[cfg(test)]
mod tests;
