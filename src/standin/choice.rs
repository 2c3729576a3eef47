//! Which requests may be approved alone at all: by programme, merchant category, channel and amount.
//!
//! **What must hold.** The first rule that matches a request says what becomes of it; if none does, the policy's own
//! word. A rule that approves matches only what is known to be so; one that declines matches also what may be so,
//! because nothing says otherwise. No rule widens a limit: an approval still has to pass all of them, so that the bound
//! of the loss is what it is without rules.

use crate::limits::Whose;
use ledger::{Amount, Channel, Facts, Program};
use std::collections::BTreeSet;

/// What becomes of a request that is answered alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Say {
    /// It is declined.
    #[default]
    Decline,
    /// It is approved, if it is within all limits.
    Approve,
}

/// One rule. What is empty asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// It is of one of these programmes.
    pub programs: Vec<Program>,
    /// Its merchant category is in one of these ranges, both ends included.
    pub mccs: Vec<(u16, u16)>,
    /// It came through one of these channels.
    pub channels: BTreeSet<Channel>,
    /// It asks for at most this much, in this currency.
    pub up_to: Option<Amount>,
    /// What becomes of it.
    pub say: Say,
}

/// What the rules say of a request, and where none does, the policy.
pub(crate) fn choose(rules: &[Rule], otherwise: Say, whose: &Whose, amount: Amount, facts: &Facts) -> Say {
    rules.iter().find(|rule| rule.matches(whose, amount, facts)).map_or(otherwise, |rule| rule.say)
}

impl Rule {
    fn matches(&self, whose: &Whose, amount: Amount, facts: &Facts) -> bool {
        let unknown = self.say == Say::Decline;
        let mcc = |mcc: u16| self.mccs.iter().any(|(from, to)| (*from..=*to).contains(&mcc));
        let channel = match facts.channel {
            Channel::Unknown => unknown,
            channel => self.channels.contains(&channel),
        };
        let small = |most: Amount| amount.currency() == most.currency() && amount.minor() <= most.minor();
        (self.programs.is_empty() || self.programs.contains(&whose.program))
            && (self.mccs.is_empty() || facts.mcc.map_or(unknown, mcc))
            && (self.channels.is_empty() || channel)
            && self.up_to.is_none_or(small)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Currency, UserToken};

    fn usd(minor: u64) -> Amount {
        Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap()
    }

    fn say(rules: &[Rule], program: &str, minor: u64, facts: &Facts) -> Say {
        let (program, user) = (Program::new(program).unwrap(), UserToken::new("u").unwrap());
        let whose = Whose { program, user, currency: usd(0).currency() };
        choose(rules, Say::Decline, &whose, usd(minor), facts)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let grocers = Rule { mccs: vec![(5400, 5499)], up_to: Some(usd(2_500)), say: Say::Approve, ..Rule::default() };
        let online = Rule { channels: BTreeSet::from([Channel::Ecommerce]), say: Say::Decline, ..Rule::default() };
        let ours = Rule { programs: vec![Program::new("gold").unwrap()], say: Say::Approve, ..Rule::default() };
        let rules = [online, grocers, ours];
        let shop = Facts { mcc: Some(5411), channel: Channel::CardPresent, ..Facts::default() };
        assert_eq!(say(&rules, "plain", 2_500, &shop), Say::Approve);
        assert_eq!(say(&rules, "plain", 2_501, &shop), Say::Decline, "too much, and no other rule");
        assert_eq!(say(&rules, "gold", 2_501, &shop), Say::Approve);
        assert_eq!(say(&rules, "plain", 1, &Facts { mcc: Some(5500), ..shop }), Say::Decline);
        assert_eq!(say(&rules, "gold", 1, &Facts { channel: Channel::Ecommerce, ..shop }), Say::Decline);
    }

    #[test]
    fn what_is_not_known_is_declined_and_never_approved() {
        let by_mcc = |say| [Rule { mccs: vec![(7995, 7995)], say, ..Rule::default() }];
        let by_channel = |say| [Rule { channels: BTreeSet::from([Channel::Atm]), say, ..Rule::default() }];
        let all = Rule { say: Say::Approve, ..Rule::default() };
        for one in [by_mcc, by_channel] {
            let approving = one(Say::Approve);
            assert_eq!(say(&approving, "p", 1, &Facts::default()), Say::Decline);
            let declining = [one(Say::Decline).to_vec(), vec![all.clone()]].concat();
            assert_eq!(say(&declining, "p", 1, &Facts::default()), Say::Decline);
            let other = Facts { mcc: Some(5411), channel: Channel::CardPresent, ..Facts::default() };
            assert_eq!(say(&declining, "p", 1, &other), Say::Approve);
        }
    }

    #[test]
    fn another_currency_is_never_small() {
        let euro = Amount::new(100, Currency::from_code("EUR").unwrap()).unwrap();
        let rule = Rule { up_to: Some(euro), say: Say::Approve, ..Rule::default() };
        assert_eq!(say(&[rule], "p", 1, &Facts::default()), Say::Decline);
    }
}
