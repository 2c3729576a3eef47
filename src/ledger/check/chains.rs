//! The audit of chains: each stands in the books for what its facts mean, and every name leads to where it is known.

use super::{Violation, add, count};
use crate::account::Account;
use crate::books::Ledger;
use crate::chain::name::{Kind, Named, Owner, To};
use crate::chain::tally::Tallies;
use crate::chain::target::Target;
use crate::chain::{Chain, Link};
use crate::token::{Standing, TokenRecord};
use alloc::vec::Vec;

impl Ledger {
    /// Each chain once, with a look-up for each of its names and tokens.
    pub(super) fn check_chains(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut tallies = Tallies::default();
        let (mut chains, mut approved, mut names) = (0, 0, 0);
        for chain in self.chains.iter() {
            chains += 1;
            names += chain.names.len() as u64;
            tallies.add(chain);
            approved += self.linked(chain).count() as u64;
            let sound = self.stands(chain) && self.is_found(chain) && self.is_agreed(chain);
            let (program, chain) = (chain.program, chain.number());
            add(&mut violations, (!sound).then_some(Violation::ChainUnsound { program, chain }));
        }
        let leading = self.names.iter().filter(|name| matches!(name.to, To::Chain(_))).count() as u64;
        let linked = self.tokens.iter().filter(|token| token.standing == Standing::Linked).count() as u64;
        let kept = self.scalars.tallies;
        for (of, kept, found) in [
            ("chains", self.chains.len(), chains),
            ("names of chains", names, leading),
            ("names", self.names.len(), self.names.iter().count() as u64),
            ("linked tokens", linked, approved),
            ("overshoots", kept.overshoots, tallies.overshoots),
            ("unpromised payments", kept.unpromised, tallies.unpromised),
            ("excess reversals", kept.excesses, tallies.excesses),
            ("late clearings", kept.late, tallies.late),
            ("differing facts", kept.differing, tallies.differing),
            ("expired chains", kept.expired, tallies.expired),
        ] {
            add(&mut violations, count(of, kept, found));
        }
        violations
    }

    /// What is posted for it is what its facts mean, and its hold says so.
    fn stands(&self, chain: &Chain) -> bool {
        let account = self.accounts.get(Account::key_of(&chain.program, &chain.user));
        let hold = chain.hold.and_then(|number| account.and_then(|account| account.hold(number)));
        let held = match (chain.hold, hold) {
            (Some(_), Some(hold)) => hold.minor > 0 && hold.currency == chain.currency,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let held_minor = hold.map_or(0, |hold| hold.minor);
        let known = account.is_some_and(|account| account.purse(chain.currency).is_some());
        let numbered = (1..=self.scalars.last_chain).contains(&chain.number());
        known && held && numbered && chain.target == Target::of(chain) && chain.target.held_minor == held_minor
    }

    /// Every name leads to it, and no two facts share one.
    fn is_found(&self, chain: &Chain) -> bool {
        let owner = owner(chain);
        let leads = |name: &Named| self.lookup(&owner, *name) == Some(To::Chain(chain.number()));
        let mut own: Vec<Named> = chain.links.iter().flat_map(|link| link.names.iter().copied()).collect();
        let sorted = chain.links.iter().all(|link| !link.names.is_empty() && link.names.is_sorted());
        let inside = own.iter().all(|name| chain.names.contains(name));
        own.sort_unstable();
        sorted && inside && own.windows(2).all(|pair| pair[0] != pair[1]) && chain.names.iter().all(leads)
    }

    /// A fact is approved by us if, and only if, a token of it says so.
    fn is_agreed(&self, chain: &Chain) -> bool {
        chain.links.iter().all(|link| link.approved == self.linked_of(chain, link).next().is_some())
    }

    fn linked<'a>(&'a self, chain: &'a Chain) -> impl Iterator<Item = &'a TokenRecord> {
        chain.links.iter().flat_map(|link| self.linked_of(chain, link))
    }

    fn linked_of<'a>(&'a self, chain: &'a Chain, link: &'a Link) -> impl Iterator<Item = &'a TokenRecord> {
        let tokens = link.names.iter().filter(|name| name.kind == Kind::Jit);
        let tokens = tokens.filter_map(|name| self.tokens.get(TokenRecord::key_of(&chain.program, &name.token)));
        tokens.filter(|token| {
            token.standing == Standing::Linked && token.asked.is_some_and(|asked| asked.is_of(&owner(chain)))
        })
    }

    /// Whether a chain stands for this hold.
    pub(super) fn is_of_chain(&self, owner: &Owner, number: u64, token: crate::Token) -> bool {
        [Named::jit(token), Named::transaction(token)].into_iter().any(|name| match self.lookup(owner, name) {
            Some(To::Chain(chain)) => self.chain(owner, chain).is_some_and(|chain| chain.hold == Some(number)),
            Some(To::Request(_)) | None => false,
        })
    }
}

fn owner(chain: &Chain) -> Owner {
    Owner { program: chain.program, user: chain.user, currency: chain.currency }
}

#[cfg(test)]
mod planted;
