//! The processor's facts, booked: every chain stands in the books for what its facts mean, and for nothing else.
//!
//! **What lives here.** [`Ledger::book`] takes a reported fact; what our own yes and no do to a chain is `ours`; how
//! a chain is found, put together and written back is `draft`.
//!
//! **What must hold.** *Facts, not steps.* After each fact the whole chain is looked at again (`chain::target` has the
//! table) and the difference to what stands is posted, so that facts may come in any order and as often as they like.
//! A fact is booked whole or not at all. A fact is never refused for lack of money.
//!
//! **Lazy.** A request alone has its token and its hold. The first other fact about it makes a chain of it: the hold
//! becomes the chain's, and the token is `Linked`. Whatever doubt there was about a token (model M1's conflict) ends
//! with the processor's own word on it.
//!
//! **Crash story.** None: this is memory. A fact is in the log before it is here.

mod draft;
#[cfg(test)]
mod lives;
mod ours;

pub(crate) use ours::{Doubt, Linked};

use crate::account::Account;
use crate::books::Ledger;
use crate::chain::name::{Named, Owner};
use crate::chain::{Chain, Link};
use crate::event::{Booked, Effect, Event};
use crate::stay::expires_at;
use crate::token::Asked;
use crate::{Authorize, Role, Settings, Timestamp};
use alloc::vec::Vec;

impl Ledger {
    /// Books a fact.
    pub(crate) fn book(&mut self, event: &Event) -> Booked {
        let own = event.own();
        if own.is_empty() {
            return refused(Effect::Unnamed);
        }
        let owner = event.owner();
        let Some(account) = self.accounts.get(Account::key_of(&owner.program, &owner.user)) else {
            return refused(Effect::AccountUnknown);
        };
        if account.purse(owner.currency).is_none() {
            return refused(Effect::CurrencyNotHeld);
        }
        self.expire_due(&owner.program, &owner.user);
        let Ok(mut draft) = self.draft(owner, &event.references()) else {
            return refused(Effect::ChainFull);
        };
        let before = draft.chain.clone();
        if draft.chain.add(event.link(own, &self.settings(&event.program), self.scalars.now)).is_err() {
            return refused(Effect::ChainFull);
        }
        draft.finish();
        let paid = draft.chain.target.posted_minor < draft.posted_minor();
        draft.chain.late |= paid && draft.chain.expired.is_some();
        if draft.is_idle(&before) {
            return booked(Effect::Repeated, &draft.chain);
        }
        let effect = effect(&before, &draft.chain, draft.moves());
        let chain = draft.chain.clone();
        match self.settle(draft) {
            Ok(()) => booked(effect, &chain),
            Err(_) => refused(Effect::OutOfRange),
        }
    }
}

/// What is most worth saying of a change.
fn effect(before: &Chain, after: &Chain, moves: Moves) -> Effect {
    let news = [
        (before.differs, after.differs, Effect::Differs),
        (before.late, after.late, Effect::Late),
        (before.target.overshoot, after.target.overshoot, Effect::Overshoot),
        (before.target.unpromised, after.target.unpromised, Effect::Unpromised),
        (before.target.excess, after.target.excess, Effect::Excess),
    ];
    let new = news.into_iter().find(|(was, is, _)| !was && *is).map(|(_, _, effect)| effect);
    new.unwrap_or(match moves {
        Moves::Money => Effect::Applied,
        Moves::Nothing => Effect::Noted,
    })
}

/// Whether a balance changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    Money,
    Nothing,
}

fn booked(effect: Effect, chain: &Chain) -> Booked {
    let target = chain.target;
    let (held_minor, posted_minor) = (target.held_minor, target.posted_minor);
    Booked { effect, chain: Some(chain.number()), held_minor, posted_minor }
}

fn refused(effect: Effect) -> Booked {
    Booked { effect, chain: None, held_minor: 0, posted_minor: 0 }
}

impl Event {
    fn owner(&self) -> Owner {
        Owner { program: self.program, user: self.user, currency: self.amount.currency() }
    }

    /// Its own names, in order.
    fn own(&self) -> Vec<Named> {
        named(self.names.jit.map(Named::jit), self.names.transaction.map(Named::transaction))
    }

    /// All its names, those of its beginnings first.
    fn references(&self) -> Vec<Named> {
        let mut all = named(self.names.original.map(Named::jit), self.names.preceding.map(Named::transaction));
        all.extend(self.own());
        all
    }

    fn link(&self, names: Vec<Named>, settings: &Settings, at: Timestamp) -> Link {
        let promises = matches!(self.role, Role::Authorization | Role::Incremental | Role::SingleDebit);
        let facts = self.facts.as_ref().filter(|_| promises);
        let expires_at = expires_at(settings, self.expires_after, facts, at);
        let (role, minor, word) = (self.role, self.amount.minor(), Some(self.word));
        Link { names, role, minor, word, approved: false, at, expires_at }
    }
}

impl Authorize {
    pub(crate) fn owner(&self) -> Owner {
        Owner { program: self.program, user: self.user, currency: self.amount.currency() }
    }

    fn own(&self) -> Vec<Named> {
        named(Some(Named::jit(self.token)), self.transaction.map(Named::transaction))
    }

    fn references(&self) -> Vec<Named> {
        let mut all = named(self.original.map(Named::jit), self.preceding.map(Named::transaction));
        all.extend(self.own());
        all
    }
}

impl Asked {
    pub(crate) fn owner(&self, program: crate::Program) -> Owner {
        Owner { program, user: self.user, currency: self.currency }
    }
}

/// What a request is in its chain, if an approval of it stands for money.
pub(crate) fn role_of(kind: crate::RequestKind) -> Option<Role> {
    use crate::RequestKind;
    match kind {
        RequestKind::Authorization => Some(Role::Authorization),
        RequestKind::Incremental => Some(Role::Incremental),
        RequestKind::SingleDebit => Some(Role::SingleDebit),
        RequestKind::CreditAuthorization => Some(Role::CreditAuthorization),
        RequestKind::FastCredit => Some(Role::FastCredit),
        RequestKind::Verification | RequestKind::BalanceInquiry | RequestKind::Notice => None,
    }
}

fn named(jit: Option<Named>, transaction: Option<Named>) -> Vec<Named> {
    jit.into_iter().chain(transaction).collect()
}
