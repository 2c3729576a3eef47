//! Our own yes and no, as facts of a chain.
//!
//! **What must hold.** A request that continues a chain, or whose transaction the processor has already reported, is
//! decided by what an approval of it would add: nothing, if the processor has confirmed it without us. It is declined
//! as voided if the processor has said that it never was, or has ended the chain. A yes given alone is a fact whatever
//! stands, but what never was holds nothing. A void takes our yes back, and never what the processor has confirmed.

use super::role_of;
use crate::account::Account;
use crate::books::Ledger;
use crate::chain::Link;
use crate::chain::name::{Named, To};
use crate::token::{Asked, Standing, TokenRecord};
use crate::{Authorize, DeclineReason, Program, Role, Settings, Timestamp, Token};

/// What an approval in a chain has become.
pub(crate) struct Linked {
    pub standing: Standing,
    pub doubt: Doubt,
}

/// Whether the processor has already said what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    Open,
    Settled,
}

impl Ledger {
    /// Whether more is to be looked at than the request itself.
    pub(crate) fn is_chained(&self, request: &Authorize) -> bool {
        let alone = match role_of(request.kind) {
            Some(Role::Authorization | Role::SingleDebit) | None => {
                request.original.is_none() && request.preceding.is_none()
            }
            // Increments belong to something; credits are posted or announced by a chain.
            Some(_) => false,
        };
        let owner = request.owner();
        let known = |name: &Named| match self.lookup(&owner, *name) {
            Some(To::Request(token)) => token != request.token,
            Some(To::Chain(_)) => true,
            None => false,
        };
        let own = || [Some(Named::jit(request.token)), request.transaction.map(Named::transaction)];
        !alone || (self.names.len() > 0 && own().iter().flatten().any(known))
    }

    /// Decides a request in its chain. A refusal promises nothing, but what the request names is a fact all the same:
    /// it may be the only message that says that two chains are one.
    pub(crate) fn decide_in_chain(&mut self, request: &Authorize) -> Result<Linked, DeclineReason> {
        let decided = self.approve_in_chain(request);
        if decided.is_err() {
            self.note_in_chain(request);
        }
        decided
    }

    fn note_in_chain(&mut self, request: &Authorize) {
        let Ok(mut draft) = self.draft(request.owner(), &request.references()) else {
            return;
        };
        if draft
            .chain
            .add(Link { approved: false, ..request.link(&self.settings(&request.program), self.scalars.now) })
            .is_ok()
        {
            draft.finish();
            // Out of range, which only hostile amounts can reach: then the names stay as they were.
            _ = self.settle(draft);
        }
    }

    /// An approval is booked, a refusal changes nothing.
    fn approve_in_chain(&mut self, request: &Authorize) -> Result<Linked, DeclineReason> {
        let owner = request.owner();
        let mut draft = self.draft(owner, &request.references()).map_err(|_| DeclineReason::ChainFull)?;
        draft
            .chain
            .add(request.link(&self.settings(&request.program), self.scalars.now))
            .map_err(|_| DeclineReason::ChainFull)?;
        draft.finish();
        let link = draft.chain.link(&Named::jit(request.token));
        let denied = link.is_some_and(Link::denied);
        let confirmed = link.is_some_and(Link::confirmed);
        if denied || (draft.chain.target.closed && !confirmed) {
            return Err(DeclineReason::Voided);
        }
        let account = self.accounts.get(Account::key_of(&owner.program, &owner.user));
        let purse = account.and_then(|account| account.purse(owner.currency));
        let available_minor = purse.ok_or(DeclineReason::CurrencyNotHeld)?.available_minor;
        let freed = draft.freed_minor();
        // Both are within ±2^62.
        if freed < 0 && available_minor + freed < 0 {
            return Err(DeclineReason::InsufficientFunds);
        }
        self.settle(draft)?;
        Ok(Linked { standing: Standing::Linked, doubt: doubt(confirmed) })
    }

    /// A yes given alone becomes a fact of its chain.
    pub(crate) fn force_in_chain(&mut self, request: &Authorize) -> Result<Linked, DeclineReason> {
        let owner = request.owner();
        let mut draft = self.draft(owner, &request.references()).map_err(|_| DeclineReason::ChainFull)?;
        draft
            .chain
            .add(request.link(&self.settings(&request.program), self.scalars.now))
            .map_err(|_| DeclineReason::ChainFull)?;
        draft.finish();
        let link = draft.chain.link(&Named::jit(request.token));
        let (denied, told) = (link.is_some_and(Link::denied), link.is_some_and(|link| link.word.is_some()));
        let standing = if denied { Standing::Closed } else { Standing::Linked };
        let doubt = doubt(told || draft.chain.target.closed);
        self.settle(draft)?;
        Ok(Linked { standing, doubt })
    }

    /// Whether the processor stands by the transaction of a token.
    pub(crate) fn is_confirmed(&self, record: &TokenRecord) -> bool {
        let owner = record.asked.map(|asked: Asked| asked.owner(record.program));
        owner.is_some_and(|owner| {
            let name = Named::jit(record.token);
            let Some(To::Chain(number)) = self.lookup(&owner, name) else {
                return false;
            };
            self.chain(&owner, number).and_then(|chain| chain.link(&name)).is_some_and(Link::confirmed)
        })
    }

    /// Takes our yes out of the chain, once its token says so. Another yes to the same transaction stays.
    pub(crate) fn unlink(&mut self, program: &Program, token: &Token) {
        let asked = self.tokens.get(TokenRecord::key_of(program, token)).and_then(|record| record.asked);
        let Some(owner) = asked.map(|asked| asked.owner(*program)) else {
            return;
        };
        let name = Named::jit(*token);
        let Ok(mut draft) = self.draft(owner, &[name]) else {
            return;
        };
        let linked = |name: &Named| {
            let record = self.tokens.get(TokenRecord::key_of(program, &name.token));
            record.is_some_and(|record| record.standing == Standing::Linked)
        };
        if let Some(link) = draft.chain.link_mut(&name) {
            link.approved = link.names.iter().any(|name| name.kind == crate::chain::name::Kind::Jit && linked(name));
        }
        draft.finish();
        let settled = self.settle(draft);
        debug_assert!(settled.is_ok(), "giving back what was taken stays in range");
    }
}

fn doubt(settled: bool) -> Doubt {
    if settled { Doubt::Settled } else { Doubt::Open }
}

impl Authorize {
    fn link(&self, settings: &Settings, at: Timestamp) -> Link {
        let role = role_of(self.kind).unwrap_or(Role::Authorization);
        let expires_at = self.expires_at(settings, at);
        Link { names: self.own(), role, minor: self.amount.minor(), word: None, approved: true, at, expires_at }
    }
}
