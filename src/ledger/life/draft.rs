//! A chain on its way: found by names, put together from what the names lead to, changed, and written back whole.
//!
//! **What must hold.** Until [`Ledger::settle`] nothing has changed; it either moves all the money and all the names,
//! or nothing. Afterwards the chain's hold is the only hold of everything that went into it.

use super::Moves;
use crate::account::{Account, Hold};
use crate::books::Ledger;
use crate::chain::name::{Kind, Name, Named, Owner, To};
use crate::chain::target::Target;
use crate::chain::{Chain, Full, Link, title};
use crate::life::role_of;
use crate::parts::Keyed;
use crate::postings::{Posting, Unfit, post};
use crate::token::{Asked, Marks, Standing, TokenRecord};
use crate::{Amount, Token};
use alloc::vec::Vec;

/// A chain as it shall be, and what it shall replace.
pub(crate) struct Draft {
    pub chain: Chain,
    owner: Owner,
    /// The chains that went into it, as they stand.
    old: Vec<Chain>,
    /// The requests that went into it, and their holds.
    absorbed: Vec<(Token, Hold)>,
}

impl Draft {
    /// What stands of it in the books.
    pub(crate) fn held_minor(&self) -> u64 {
        let requests = self.absorbed.iter().map(|(_, hold)| hold.minor).sum::<u64>();
        requests + self.old.iter().map(|chain| chain.target.held_minor).sum::<u64>()
    }

    /// What it has brought to the account so far.
    pub(crate) fn posted_minor(&self) -> i64 {
        self.old.iter().map(|chain| chain.target.posted_minor).sum()
    }

    /// What it means now, after all changes to its facts.
    pub(crate) fn finish(&mut self) {
        for link in &mut self.chain.links {
            // Whatever we said: the processor says that it never was.
            link.approved &= !link.denied();
        }
        self.chain.target = Target::of(&self.chain);
    }

    pub(crate) fn moves(&self) -> Moves {
        let target = self.chain.target;
        let same = (target.held_minor, target.posted_minor) == (self.held_minor(), self.posted_minor());
        if same { Moves::Nothing } else { Moves::Money }
    }

    /// Whether writing it back would change nothing at all.
    pub(crate) fn is_idle(&self, before: &Chain) -> bool {
        self.absorbed.is_empty() && matches!(self.old.as_slice(), [old] if *old == *before && *old == self.chain)
    }

    /// What becomes available to the account; negative if it takes.
    pub(crate) fn freed_minor(&self) -> i64 {
        let target = self.chain.target;
        // All of these are below 2^58.
        (target.posted_minor - self.posted_minor()) - (target.held_minor as i64 - self.held_minor() as i64)
    }

    /// The movements that make the difference, in an order in which held never falls below zero.
    fn postings(&self) -> Result<Vec<Posting>, Unfit> {
        let amount = |minor| Amount::new(minor, self.owner.currency).map_err(|_| Unfit::OutOfRange);
        let (held, was) = (amount(self.chain.target.held_minor)?.minor(), self.held_minor());
        let posted = self.chain.target.posted_minor - self.posted_minor();
        let all = [
            Posting::release(amount(was.saturating_sub(held))?),
            Posting::credit(amount(posted.max(0).unsigned_abs())?),
            Posting::debit(amount(posted.min(0).unsigned_abs())?),
            Posting::hold(amount(held.saturating_sub(was))?),
        ];
        Ok(all.into_iter().filter(|posting| posting.amount.minor() > 0).collect())
    }
}

impl Ledger {
    /// Where a name leads within an account and a currency.
    pub(crate) fn lookup(&self, owner: &Owner, name: Named) -> Option<To> {
        self.names.get(Name::lookup(&owner.program, owner.key_of(name).as_bytes())).map(|name| name.to)
    }

    /// Everything that the names lead to, as one chain, with these names leading to it.
    pub(crate) fn draft(&self, owner: Owner, names: &[Named]) -> Result<Draft, Full> {
        let mut numbers = Vec::new();
        let mut requests = Vec::new();
        let mut pairs = Vec::new();
        for name in names {
            match self.lookup(&owner, *name) {
                Some(To::Chain(number)) => numbers.push(number),
                Some(To::Request(token)) => match self.lookup(&owner, Named::jit(token)) {
                    Some(To::Chain(number)) => {
                        numbers.push(number);
                        pairs.push((token, *name));
                    }
                    Some(To::Request(_)) | None => requests.push((token, Some(*name))),
                },
                None if name.kind == Kind::Jit => requests.push((name.token, None)),
                None => {}
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let found = numbers.iter().filter_map(|number| self.chain(&owner, *number));
        let old: Vec<Chain> = found.cloned().collect();
        let chain = old.first().cloned().unwrap_or_else(|| Chain {
            program: owner.program,
            number: self.scalars.last_chain.saturating_add(1).to_be_bytes(),
            user: owner.user,
            currency: owner.currency,
            names: Vec::new(),
            links: Vec::new(),
            hold: None,
            expired: None,
            late: false,
            differs: false,
            target: Target::default(),
        });
        let mut draft = Draft { chain, owner, old, absorbed: Vec::new() };
        for other in draft.old.iter().skip(1) {
            draft.chain.merge(other.clone())?;
        }
        for (token, by) in requests {
            self.absorb(&mut draft, token, by)?;
        }
        for (token, name) in pairs {
            draft.chain.pair(Named::jit(token), name)?;
        }
        draft.chain.name(names)?;
        draft.finish();
        Ok(draft)
    }

    pub(crate) fn chain(&self, owner: &Owner, number: u64) -> Option<&Chain> {
        self.chains.get(Chain::key_of(&owner.program, &number.to_be_bytes()))
    }

    /// Makes a fact of a request that holds money, with the name that led to it.
    fn absorb(&self, draft: &mut Draft, token: Token, by: Option<Named>) -> Result<(), Full> {
        let owner = draft.owner;
        let Some(record) = self.tokens.get(TokenRecord::key_of(&owner.program, &token)) else {
            return Ok(());
        };
        let (Standing::Held { hold }, Some(asked)) = (record.standing, record.asked) else {
            return Ok(());
        };
        let account = self.accounts.get(Account::key_of(&owner.program, &owner.user));
        let hold = account.and_then(|account| account.hold(hold));
        let (Some(hold), Some(role), true) = (hold, role_of(asked.kind), asked.is_of(&owner)) else {
            return Ok(());
        };
        if !draft.absorbed.iter().any(|(known, _)| *known == token) {
            draft.absorbed.push((token, *hold));
        }
        let names = core::iter::once(Named::jit(token)).chain(by.filter(|by| by.kind == Kind::Transaction)).collect();
        let (minor, at, expires_at) = (asked.minor, record.at, hold.expires_at);
        draft.chain.add(Link { names, role, minor, word: None, approved: true, at, expires_at })
    }

    /// Writes a finished draft into the books: money, holds, names and tokens.
    pub(crate) fn settle(&mut self, draft: Draft) -> Result<(), Unfit> {
        let postings = draft.postings()?;
        let key = Account::key_of(&draft.owner.program, &draft.owner.user);
        let account = self.accounts.get_mut(key).ok_or(Unfit::CurrencyNotHeld)?;
        let mut purse = *account.purse(draft.owner.currency).ok_or(Unfit::CurrencyNotHeld)?;
        for posting in &postings {
            purse = posting.applied_to(&purse).ok_or(Unfit::OutOfRange)?;
        }

        // From here the money moves: nothing below may refuse.
        for posting in postings {
            let posted = post(&mut self.scalars.totals, account, posting);
            debug_assert!(posted.is_ok(), "it fitted a moment ago");
        }
        let Draft { mut chain, owner, old, absorbed } = draft;
        let holds = old.iter().filter_map(|chain| chain.hold).chain(absorbed.iter().map(|(_, hold)| hold.number));
        self.rewrite_hold(&owner, &mut chain, holds.collect());
        for (token, _) in &absorbed {
            self.change_token(&owner, token, |record| record.standing = Standing::Linked);
        }
        self.settle_tokens(&owner, &chain, &old);
        let number = chain.number();
        self.replace_chains(&owner, chain, &old);
        self.recount_chain(&owner, number);
        Ok(())
    }

    /// One hold of what the chain holds takes the place of these.
    fn rewrite_hold(&mut self, owner: &Owner, chain: &mut Chain, mut old: Vec<u64>) {
        let Some(account) = self.accounts.get_mut(Account::key_of(&owner.program, &owner.user)) else {
            debug_assert!(false, "its money has just been moved");
            return;
        };
        old.sort_unstable();
        let kept = old.first().and_then(|number| account.hold(*number)).copied();
        account.holds.retain(|hold| old.binary_search(&hold.number).is_err());
        self.scalars.holds = self.scalars.holds.saturating_sub(old.len() as u64);
        chain.hold = None;
        let Some(title) = title(&chain.names).filter(|_| chain.target.held_minor > 0) else {
            return;
        };
        let (minor, expires_at) = (chain.target.held_minor, chain.expires_at());
        let (number, placed_at, token) = match kept {
            Some(hold) => (hold.number, hold.placed_at, hold.token),
            None => {
                // Half of all numbers is enough for ever; see the restore.
                self.scalars.last_hold = self.scalars.last_hold.saturating_add(1);
                (self.scalars.last_hold, self.scalars.now, title)
            }
        };
        let hold = Hold { number, minor, placed_at, expires_at, currency: owner.currency, token };
        account.add_hold(hold);
        account.holds.sort_unstable_by_key(|hold| hold.number);
        self.scalars.holds += 1;
        chain.hold = Some(number);
    }

    /// The processor's word on a transaction ends every doubt about its tokens; so does the end of the chain.
    fn settle_tokens(&mut self, owner: &Owner, chain: &Chain, old: &[Chain]) {
        let ended = chain.target.closed && !matches!(old, [old] if old.target.closed);
        for link in &chain.links {
            let known = matches!(old, [old] if old.links.contains(link));
            if known && !ended || link.word.is_none() && !chain.target.closed {
                continue;
            }
            for name in link.names.iter().filter(|name| name.kind == Kind::Jit) {
                self.change_token(owner, &name.token, |record| {
                    record.mark_beyond(Marks::SETTLED);
                    let approved = matches!(record.standing, Standing::Linked | Standing::Approved);
                    if link.denied() && approved {
                        record.standing = Standing::Closed;
                    }
                });
            }
        }
    }

    /// Changes a token of this account and currency, if the books know it, and counts along.
    pub(crate) fn change_token(&mut self, owner: &Owner, token: &Token, change: impl FnOnce(&mut TokenRecord)) {
        let Some(record) = self.tokens.get_mut(TokenRecord::key_of(&owner.program, token)) else {
            return;
        };
        if !record.asked.as_ref().is_some_and(|asked: &Asked| asked.is_of(owner)) {
            return;
        }
        let before = record.troubles();
        change(record);
        self.scalars.recount(before, record.troubles());
    }

    fn replace_chains(&mut self, owner: &Owner, chain: Chain, old: &[Chain]) {
        for old in old {
            self.scalars.tallies.remove(old);
            self.chains.remove(old.key());
        }
        self.scalars.tallies.add(&chain);
        self.scalars.last_chain = self.scalars.last_chain.max(chain.number());
        // The first one's names lead here already, unless they have just come.
        let named = old.first().map_or(0, |old| old.names.len());
        for name in chain.names.iter().skip(named) {
            self.point(owner, *name, To::Chain(chain.number()));
        }
        self.chains.insert(chain);
    }

    /// Makes a name lead somewhere.
    pub(crate) fn point(&mut self, owner: &Owner, name: Named, to: To) {
        let name = Name { program: owner.program, bytes: owner.key_of(name).as_bytes().into(), to };
        self.names.upsert(name, |known| known.to = to);
    }
}
