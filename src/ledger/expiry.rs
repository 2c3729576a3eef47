//! Holds that nobody has ended: they expire.
//!
//! **What must hold.** A hold whose time has come does not count at any decision on its account, swept or not: every
//! command that looks at an account's money lets expire first. That costs one comparison, because an account knows
//! before when nothing expires. An expiry is local: it closes the chain, and a clearing that comes later is posted
//! without a hold and counted as late. Time is the log's. A hold stands through the instant of its expiry, so that a
//! command that is applied twice at one instant finds at the second time what it left at the first.
//!
//! **The bound.** One look lets at most [`Sweep::HOLDS_MAX`] holds expire, the oldest first. An account with more than
//! that due at once has the others at the next command.

use crate::account::Account;
use crate::books::Ledger;
use crate::chain::name::{Named, Owner, To};
use crate::{Output, Program, Sweep, Timestamp, Token, UserToken};
use alloc::vec::Vec;

impl Ledger {
    /// Lets the holds of an account expire whose time has come.
    pub(crate) fn expire_due(&mut self, program: &Program, user: &UserToken) {
        let now = self.scalars.now;
        let account = self.accounts.get(Account::key_of(program, user));
        if account.is_some_and(|account| account.next_expiry < now) {
            self.expire_at_most(program, user, Sweep::HOLDS_MAX);
        }
    }

    /// Whether a hold may be due at that time in one of these sections, from this one on. Looks at all their accounts.
    pub fn has_due(&self, from: u16, parts: u16, at: Timestamp) -> bool {
        (from..=from.saturating_add(parts.saturating_sub(1)))
            .any(|part| self.accounts.section(part).any(|account| account.next_expiry < at))
    }

    /// Walks some sections and lets expire what is due there. The same sweep again finds nothing more to do.
    pub(crate) fn sweep(&mut self, sweep: &Sweep) -> Output {
        let now = self.scalars.now;
        let mut expired = 0;
        let mut part = sweep.from;
        for _ in 0..sweep.parts.min(Sweep::PARTS_MAX) {
            let due = self.accounts.section(part).filter(|account| account.next_expiry < now);
            let due: Vec<_> = due.map(|account| (account.program, account.user)).collect();
            for (program, user) in due {
                expired += self.expire_at_most(&program, &user, Sweep::HOLDS_MAX - expired);
                if expired >= Sweep::HOLDS_MAX {
                    // There may be more in this part.
                    return Output::Swept { expired, next: part };
                }
            }
            part = part.wrapping_add(1);
            if part == 0 {
                break;
            }
        }
        Output::Swept { expired, next: part }
    }

    fn expire_at_most(&mut self, program: &Program, user: &UserToken, limit: u32) -> u32 {
        let now = self.scalars.now;
        let Some(account) = self.accounts.get(Account::key_of(program, user)) else {
            return 0;
        };
        let mut due: Vec<_> = account.holds.iter().filter(|hold| hold.is_due(now)).copied().collect();
        due.sort_by_key(|hold| (hold.expires_at, hold.number));
        let mut expired = 0;
        for hold in due.into_iter().take(limit as usize) {
            let owner = Owner { program: *program, user: *user, currency: hold.currency };
            let name = self.name_of_hold(&owner, hold.number, hold.token);
            let Ok(mut draft) = self.draft(owner, &[name]) else {
                continue;
            };
            draft.chain.expired = Some(hold.expires_at);
            draft.finish();
            let settled = self.settle(draft);
            debug_assert!(settled.is_ok(), "a release stays in range");
            expired += 1;
        }
        if let Some(account) = self.accounts.get_mut(Account::key_of(program, user)) {
            let next = account.holds.iter().filter_map(|hold| hold.expiry()).min();
            account.next_expiry = next.unwrap_or(Account::NEVER);
        }
        expired
    }

    /// The name by which a hold's chain is found; its own token if it has no chain.
    fn name_of_hold(&self, owner: &Owner, number: u64, token: Token) -> Named {
        let names = [Named::jit(token), Named::transaction(token)];
        let stands = |name: &Named| match self.lookup(owner, *name) {
            Some(To::Chain(chain)) => self.chain(owner, chain).is_some_and(|chain| chain.hold == Some(number)),
            Some(To::Request(_)) | None => false,
        };
        names.into_iter().find(stands).unwrap_or(Named::jit(token))
    }
}
