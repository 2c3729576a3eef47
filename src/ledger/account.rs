//! An account: its balances and the holds that stand.
//!
//! **What must hold.** `holds` is sorted by number, and held in each currency is the sum of its holds; only
//! [`crate::postings`] changes a balance and only [`crate::books::Scalars`] changes the list.

use crate::parts::{Key, Keyed};
use crate::{
    AccountStatus, AccountView, Amount, Balance, Currency, DeclineReason, Program, Timestamp, Token, UserToken,
};
use alloc::vec::Vec;

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub program: Program,
    pub user: UserToken,
    pub status: AccountStatus,
    /// By currency code. Few, so they are searched from the front.
    pub purses: Vec<Purse>,
    /// By number.
    pub holds: Vec<Hold>,
    /// Before this no hold expires. Never stored: it may be too early, which costs a look and changes nothing.
    pub next_expiry: Timestamp,
}

/// What an account has in one currency, in the two places where its money can be. Posted is their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purse {
    pub currency: Currency,
    /// Negative after forced events only.
    pub available_minor: i64,
    /// Never negative.
    pub held_minor: i64,
}

/// Money that is promised to one request, or to one chain. Taken apart to stay small: it is the record there are most
/// of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Given by the ledger, counting up from 1.
    pub number: u64,
    pub minor: u64,
    pub placed_at: Timestamp,
    /// Zero if it does not expire.
    pub expires_at: Timestamp,
    pub currency: Currency,
    pub token: Token,
}

impl Hold {
    pub(crate) fn amount(&self) -> Amount {
        Amount::rejoined(self.minor, self.currency)
    }

    /// When it expires, if it does.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        (self.expires_at > Timestamp(0)).then_some(self.expires_at)
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.expiry().is_some_and(|expiry| expiry < now)
    }
}

impl Purse {
    pub(crate) fn empty(currency: Currency) -> Purse {
        Purse { currency, available_minor: 0, held_minor: 0 }
    }

    pub(crate) fn covers(&self, amount: Amount) -> bool {
        // An amount is at most 10^15.
        self.available_minor >= amount.minor() as i64
    }

    pub(crate) fn balance(&self) -> Balance {
        // Postings keep the sum within ±2^62.
        let posted_minor = self.available_minor.saturating_add(self.held_minor);
        Balance { currency: self.currency, posted_minor, held_minor: self.held_minor }
    }
}

impl Account {
    pub(crate) fn new(program: Program, user: UserToken) -> Account {
        let (purses, holds) = (Vec::new(), Vec::new());
        Account { program, user, status: AccountStatus::Active, purses, holds, next_expiry: Account::NEVER }
    }

    /// No hold expires.
    pub(crate) const NEVER: Timestamp = Timestamp(u64::MAX);

    /// Writes a hold down. Its number is the highest so far, so that the list stays sorted.
    pub(crate) fn add_hold(&mut self, hold: Hold) {
        self.next_expiry = self.next_expiry.min(hold.expiry().unwrap_or(Account::NEVER));
        self.holds.push(hold);
    }

    pub(crate) fn hold(&self, number: u64) -> Option<&Hold> {
        let at = self.holds.binary_search_by_key(&number, |hold| hold.number).ok()?;
        self.holds.get(at)
    }

    pub(crate) fn purse(&self, currency: Currency) -> Option<&Purse> {
        self.purses.iter().find(|purse| purse.currency == currency)
    }

    pub(crate) fn purse_mut(&mut self, currency: Currency) -> Option<&mut Purse> {
        self.purses.iter_mut().find(|purse| purse.currency == currency)
    }

    /// Adds an empty purse. False if the account holds the currency already.
    pub(crate) fn add_currency(&mut self, currency: Currency) -> bool {
        match self.purses.binary_search_by(|purse| purse.currency.code().cmp(currency.code())) {
            Ok(_) => false,
            Err(at) => {
                self.purses.insert(at, Purse::empty(currency));
                true
            }
        }
    }

    /// Whether new requests are taken.
    pub(crate) fn takes_part(&self) -> Result<(), DeclineReason> {
        match self.status {
            AccountStatus::Active => Ok(()),
            AccountStatus::Frozen => Err(DeclineReason::AccountFrozen),
            AccountStatus::Closed => Err(DeclineReason::AccountClosed),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.purses.iter().all(|purse| purse.balance().posted_minor == 0)
    }

    pub(crate) fn balances(&self) -> Vec<Balance> {
        self.purses.iter().map(Purse::balance).collect()
    }

    pub(crate) fn view(&self) -> AccountView {
        AccountView { user: self.user, status: self.status, balances: self.balances(), holds: self.holds.len() as u64 }
    }

    pub(crate) fn key_of<'a>(program: &'a Program, user: &'a UserToken) -> Key<'a> {
        Key { program: program.as_bytes(), name: user.as_bytes() }
    }
}

impl Keyed for Account {
    fn key(&self) -> Key<'_> {
        Account::key_of(&self.program, &self.user)
    }
}
