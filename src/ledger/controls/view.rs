//! What operators see of the rules.

use super::{Controls, Judged, Limit, Programme, Subjects, Then, Usage};
use crate::books::Ledger;
use crate::{Program, Token, UserToken};
use alloc::vec::Vec;

/// How far a limit is used by an account, a card, a card product, or the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// The rule.
    pub rule: Token,
    /// Its limit.
    pub limit: Limit,
    /// What counts at the books' time: requests.
    pub count: u64,
    /// And money, in minor units of the limit's currency.
    pub minor: u64,
}

/// What the rules said of a request when it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedView {
    /// The version of the controls.
    pub version: u64,
    /// Those that refused it, or would have.
    pub fired: Vec<RuleName>,
    /// The limits that count it.
    pub counted: Vec<RuleName>,
    /// The money that they count of it now.
    pub minor: u64,
}

/// A rule's number, and its name if it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// Given by the books.
    pub number: u32,
    /// None, if no rule counts like this any more.
    pub name: Option<Token>,
}

impl Ledger {
    /// How far an account, a card and a card product, if they are given, and the programme have used their limits.
    pub fn limits(
        &self,
        program: &Program,
        user: &UserToken,
        card: Option<&Token>,
        product: Option<&Token>,
    ) -> Vec<LimitView> {
        let Some(controls) = self.controls(program) else {
            return Vec::new();
        };
        let subjects = Subjects { user, card, product };
        let rules = controls.document.rules.iter().zip(&controls.numbers);
        let view = |(rule, number): (&super::Rule, &u32)| {
            let Then::Limit(limit) = rule.then else {
                return None;
            };
            let usage = self.usages.get(subjects.of(limit.per)?.key(program));
            let zone = &controls.document.zone;
            let sum = |usage: &Usage| usage.sum(*number, limit.window, zone, self.scalars.now);
            let (count, minor) = usage.map_or((0, 0), sum);
            Some(LimitView { rule: rule.name, limit, count, minor })
        };
        rules.filter_map(view).collect()
    }

    /// Names what a token remembers of rules.
    pub(crate) fn judged_view(&self, program: &Program, judged: &Judged) -> JudgedView {
        let controls = self.programmes.get(Programme::key_of(program)).map(|programme| &*programme.controls);
        let name = |number: &u32| {
            let rule = controls.and_then(|controls: &Controls| controls.rule(*number));
            RuleName { number: *number, name: rule.map(|rule| rule.name) }
        };
        let all = |numbers: &[u32]| numbers.iter().map(name).collect();
        let (version, minor) = (judged.version, judged.minor);
        JudgedView { version, fired: all(&judged.fired), counted: all(&judged.counted), minor }
    }
}
