//! The whole state, and the one way to change it.
//!
//! **What must hold.** [`Ledger::apply`] is total: it answers every command whatsoever. A clone is a frozen copy: it
//! costs a few pointers and never changes, however the original goes on.

use crate::account::{Account, Hold};
use crate::chain::Chain;
use crate::chain::name::Name;
use crate::chain::tally::Tallies;
use crate::controls::{Programme, Usage};
use crate::letters::Letter;
use crate::movement::Movement;
use crate::parts::Parts;
use crate::party::Known;
use crate::postings::{Posting, Totals, Unfit, post};
use crate::token::{TokenRecord, Troubles};
use crate::{Authorize, Command, Output, Restored, Settings, Timestamp};
use core::fmt;

/// The books.
#[derive(Clone, Default)]
pub struct Ledger {
    pub(crate) scalars: Scalars,
    pub(crate) accounts: Parts<Account>,
    pub(crate) tokens: Parts<TokenRecord>,
    pub(crate) movements: Parts<Movement>,
    pub(crate) chains: Parts<Chain>,
    pub(crate) names: Parts<Name>,
    pub(crate) letters: Parts<Letter>,
    pub(crate) programmes: Parts<Programme>,
    pub(crate) usages: Parts<Usage>,
    pub(crate) parties: Parts<Known>,
    /// Set while they are known to lack something.
    pub(crate) restored: Option<Restored>,
}

/// What there is only one of: the log's time, the last number given, and what is counted along so that nobody has to
/// scan for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scalars {
    pub now: Timestamp,
    pub last_hold: u64,
    pub totals: Totals,
    pub holds: u64,
    pub conflicts: u64,
    pub impossible: u64,
    pub last_chain: u64,
    pub tallies: Tallies,
}

impl Ledger {
    /// Empty books.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Does what the command says, or answers why not. Time that runs back stands still.
    pub fn apply(&mut self, at: Timestamp, command: &Command) -> Output {
        self.scalars.now = self.scalars.now.max(at);
        match command {
            Command::Authorize(request) => Output::Decision(self.authorize(request)),
            Command::Force(request) => Output::Settled(self.force(request)),
            Command::Void(void) => Output::Settled(self.void(void)),
            Command::Open(open) => self.open(open),
            Command::Move(movement) => self.move_money(movement),
            Command::SetStatus(change) => self.set_status(change),
            Command::Event(event) => Output::Booked(self.book(event)),
            Command::Sweep(sweep) => self.sweep(sweep),
            Command::Shelve(letter) => self.shelve(letter),
            Command::DropLetter(drop) => self.drop_letter(drop),
            Command::SetControls(set) => self.set_controls(set),
            Command::SetParty(set) => self.set_party(set),
            Command::Forget(forget) => self.forget(forget),
            Command::Restored(restored) => self.begin_reconciling(**restored),
            Command::Reconciled(_) => self.end_reconciling(),
        }
    }
}

impl Ledger {
    /// Frees a few hundred records at most of books that nobody needs any more; false when nothing is left of them.
    pub fn free_some(&mut self) -> bool {
        let Ledger {
            scalars: _,
            accounts,
            tokens,
            movements,
            chains,
            names,
            letters,
            programmes,
            usages,
            parties,
            restored: _,
        } = self;
        accounts.free_some()
            || tokens.free_some()
            || movements.free_some()
            || chains.free_some()
            || names.free_some()
            || letters.free_some()
            || programmes.free_some()
            || usages.free_some()
            || parties.free_some()
    }
}

impl fmt::Debug for Ledger {
    /// Counts only: books are large, and they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("now", &self.scalars.now)
            .field("accounts", &self.accounts.len())
            .field("holds", &self.scalars.holds)
            .field("tokens", &self.tokens.len())
            .field("movements", &self.movements.len())
            .finish()
    }
}

impl Scalars {
    /// Promises the amount and writes the hold down, or neither. Does not look at what is available nor at the
    /// account's status. Its number is the highest so far, so that the list stays sorted.
    pub(crate) fn place_hold(
        &mut self,
        account: &mut Account,
        request: &Authorize,
        settings: &Settings,
    ) -> Result<u64, Unfit> {
        let number = self.last_hold.checked_add(1).ok_or(Unfit::OutOfRange)?;
        post(&mut self.totals, account, Posting::hold(request.amount))?;
        account.add_hold(Hold {
            number,
            minor: request.amount.minor(),
            placed_at: self.now,
            expires_at: request.expires_at(settings, self.now),
            currency: request.amount.currency(),
            token: request.token,
        });
        self.last_hold = number;
        self.holds += 1;
        Ok(number)
    }

    /// Takes the promise back and strikes the hold out. None, and nothing changes, if the account has no such hold.
    pub(crate) fn release_hold(&mut self, account: &mut Account, number: u64) -> Option<Hold> {
        let at = account.holds.binary_search_by_key(&number, |hold| hold.number).ok()?;
        post(&mut self.totals, account, Posting::release(account.holds[at].amount())).ok()?;
        self.holds = self.holds.saturating_sub(1);
        Some(account.holds.remove(at))
    }

    /// A token's troubles went from the one to the other.
    pub(crate) fn recount(&mut self, before: Troubles, after: Troubles) {
        recount(&mut self.conflicts, before.conflict, after.conflict);
        recount(&mut self.impossible, before.impossible, after.impossible);
    }
}

fn recount(count: &mut u64, before: bool, after: bool) {
    match (before, after) {
        (false, true) => *count += 1,
        (true, false) => *count = count.saturating_sub(1),
        (true, true) | (false, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::size_of;

    /// A million accounts and ten million tokens must fit into a small machine.
    #[test]
    fn records_stay_small() {
        assert_eq!(size_of::<Hold>(), 72);
        assert_eq!(size_of::<Account>(), 112);
        assert_eq!(size_of::<TokenRecord>(), 184);
        assert_eq!(size_of::<Movement>(), 120);
        // And behind it a key of some 70 bytes.
        assert_eq!(size_of::<Name>(), 80);
    }
}
