//! Retention: what is over is forgotten when a programme says so.
//!
//! **What must hold.** Nothing that stands for money goes: no hold, no announced credit, no balance. A card transaction
//! goes whole, with its names and its tokens, when every fact of it is older than the programme remembers; a decision
//! without one goes by its own age, and so does an operator's movement. Time is the log's. The same command again finds
//! nothing more to do.
//!
//! **What it costs.** A forgotten token is a new one when it comes again, and a report that comes later stands alone: a
//! clearing is then paid without a promise, and counted so. The processor repeats requests for seconds and reports for
//! days; [`Settings::REMEMBER_DAYS_MIN`] is far beyond both, and a programme chooses months.
//!
//! **The bound.** A command walks at most [`Sweep::PARTS_MAX`] sections and lets at most [`Forget::RECORDS_MAX`]
//! records go.

use crate::books::Ledger;
use crate::chain::Chain;
use crate::chain::name::{Kind, Name, Owner, To};
use crate::parts::Keyed;
use crate::token::{Standing, TokenRecord};
use crate::{Output, Program, Seconds, Settings, Sweep, Timestamp, Token};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Walks through what is remembered and forgets what is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forget {
    /// The section to begin with: 0, or what the last one answered as next.
    pub from: u16,
    /// How many sections of the 65,536 of a table.
    pub parts: u16,
}

impl Forget {
    /// The most records that one command forgets: each is a microsecond or two.
    pub const RECORDS_MAX: u32 = 256;
}

impl Settings {
    /// The shortest that a programme may remember: the processor repeats reports for twelve days.
    pub const REMEMBER_DAYS_MIN: u16 = 60;
    /// Ten years.
    pub const REMEMBER_DAYS_MAX: u16 = 3660;
}

const DAY_S: u32 = 86_400;

/// What may go in one part.
#[derive(Default)]
struct Over {
    chains: Vec<(Program, [u8; 8])>,
    tokens: Vec<(Program, Token)>,
    movements: Vec<(Program, Token)>,
    names: Vec<(Program, Box<[u8]>)>,
}

impl Over {
    fn count(&self) -> u32 {
        (self.chains.len() + self.tokens.len() + self.movements.len() + self.names.len()) as u32
    }
}

impl Ledger {
    /// Whether something may be forgotten at that time in one of these sections, from this one on.
    pub fn has_old(&self, from: u16, parts: u16, at: Timestamp) -> bool {
        let forgets = self.programmes.iter().any(|programme| programme.controls.document.settings.remember_days > 0);
        let end = from.saturating_add(parts.saturating_sub(1));
        forgets && (from..=end).any(|part| self.over(part, at, 1).count() > 0)
    }

    pub(crate) fn forget(&mut self, forget: &Forget) -> Output {
        let mut forgotten = 0;
        let mut part = forget.from;
        for _ in 0..forget.parts.min(Sweep::PARTS_MAX) {
            let over = self.over(part, self.scalars.now, Forget::RECORDS_MAX - forgotten);
            forgotten += over.count();
            self.drop_over(over);
            if forgotten >= Forget::RECORDS_MAX {
                // There may be more in this part.
                return Output::Forgotten { forgotten, next: part };
            }
            part = part.wrapping_add(1);
            if part == 0 {
                break;
            }
        }
        Output::Forgotten { forgotten, next: part }
    }

    /// What of a section is over at that time, at most so many records of each kind and together.
    fn over(&self, part: u16, at: Timestamp, most: u32) -> Over {
        let most = most as usize;
        let mut over = Over::default();
        let chains = self.chains.section(part).filter(|chain| self.is_over(chain, at));
        over.chains = chains.map(|chain| (chain.program, chain.number)).take(most).collect();
        let left = most - over.count() as usize;
        let tokens = self.tokens.section(part).filter(|token| self.is_done(token, at));
        over.tokens = tokens.map(|token| (token.program, token.token)).take(left).collect();
        let left = most - over.count() as usize;
        let movements = self.movements.section(part).filter(|of| self.is_old(&of.content.program, of.at, at));
        over.movements = movements.map(|of| (of.content.program, of.content.key)).take(left).collect();
        let left = most - over.count() as usize;
        let names = self.names.section(part).filter(|name| self.leads_nowhere(name));
        over.names = names.map(|name| (name.program, name.bytes.clone())).take(left).collect();
        over
    }

    fn is_old(&self, program: &Program, then: Timestamp, at: Timestamp) -> bool {
        let days = u32::from(self.settings(program).remember_days);
        days > 0 && then.after(Seconds(days * DAY_S)) < at
    }

    /// A card transaction that stands for nothing and of which nothing was heard for long.
    fn is_over(&self, chain: &Chain, at: Timestamp) -> bool {
        let stands = chain.hold.is_some() || chain.target.held_minor > 0 || chain.target.pending_minor > 0;
        !stands && chain.links.iter().all(|link| self.is_old(&chain.program, link.at, at))
    }

    /// A decision for which nothing stands. One that is part of a card transaction goes with it.
    fn is_done(&self, token: &TokenRecord, at: Timestamp) -> bool {
        match token.standing {
            Standing::Held { .. } | Standing::Linked => false,
            Standing::Approved | Standing::Declined | Standing::Closed => self.is_old(&token.program, token.at, at),
        }
    }

    /// A name of a request that was forgotten. Only a programme that forgets can have one.
    fn leads_nowhere(&self, name: &Name) -> bool {
        let forgets = || self.settings(&name.program).remember_days > 0;
        match name.to {
            To::Request(token) => forgets() && self.tokens.get(TokenRecord::key_of(&name.program, &token)).is_none(),
            To::Chain(_) => false,
        }
    }

    fn drop_over(&mut self, over: Over) {
        for (program, number) in over.chains {
            self.drop_chain(&program, &number);
        }
        for (program, token) in over.tokens {
            self.drop_token(&program, &token);
        }
        for (program, key) in over.movements {
            self.movements.remove(crate::movement::Movement::key_by(&program, &key));
        }
        for (program, bytes) in over.names {
            self.names.remove(Name::lookup(&program, &bytes));
        }
    }

    fn drop_chain(&mut self, program: &Program, number: &[u8; 8]) {
        let Some(chain) = self.chains.remove(Chain::key_of(program, number)) else {
            return;
        };
        self.scalars.tallies.remove(&chain);
        let owner = Owner { program: *program, user: chain.user, currency: chain.currency };
        for name in &chain.names {
            self.names.remove(Name::lookup(program, owner.key_of(*name).as_bytes()));
        }
        let jit = chain.links.iter().flat_map(|link| &link.names).filter(|name| name.kind == Kind::Jit);
        for name in jit {
            let record = self.tokens.get(TokenRecord::key_of(program, &name.token));
            // A token may have been used for another account; that one is none of this.
            if record.is_some_and(|record| record.asked.is_none_or(|asked| asked.is_of(&owner))) {
                self.drop_token(program, &name.token);
            }
        }
        debug_assert!(chain.hold.is_none(), "what stands for money stays: {:?}", chain.key());
    }

    fn drop_token(&mut self, program: &Program, token: &Token) {
        let key = TokenRecord::key_of(program, token);
        // One that holds money by itself stays, whatever names it.
        if self.tokens.get(key).is_some_and(|record| matches!(record.standing, Standing::Held { .. })) {
            return;
        }
        if let Some(record) = self.tokens.remove(key) {
            self.scalars.recount(record.troubles(), Default::default());
        }
    }
}
