//! The one door through which money goes: from one place to another, never out of nowhere.
//!
//! **What lives here.** [`post`] takes an amount from one [`Place`] and puts it into another, in the account and in
//! the [`Totals`] at once. Nothing else writes a balance.
//!
//! **What must hold.** Over each currency all places sum to zero, always: what accounts have is what funding has given.
//! Available, held and posted of an account stay within ±2^62 and held never goes below zero; a posting that would
//! break this is refused as a whole.

use crate::account::{Account, Purse};
use crate::{Amount, Currency};
use alloc::vec::Vec;

/// Where money can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside of the accounts: what the programme has put in, as a negative number.
    Funding,
    /// In an account, free to be promised.
    Available,
    /// In an account, promised.
    Held,
}

/// One movement between two places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting {
    pub from: Place,
    pub to: Place,
    pub amount: Amount,
}

/// Why a posting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    CurrencyNotHeld,
    OutOfRange,
}

/// The bound of every balance: two of them can be added or subtracted in 64 bits.
pub(crate) const BALANCE_MAX: i64 = 1 << 62;

/// What all accounts have in one currency, and what funding has given. Accounts are fewer than 2^64 and each has less
/// than 2^63, so 128 bits cannot overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub currency: Currency,
    pub funding: i128,
    pub available: i128,
    pub held: i128,
}

impl Sums {
    pub(crate) fn empty(currency: Currency) -> Sums {
        Sums { currency, funding: 0, available: 0, held: 0 }
    }

    fn place(&mut self, place: Place) -> &mut i128 {
        match place {
            Place::Funding => &mut self.funding,
            Place::Available => &mut self.available,
            Place::Held => &mut self.held,
        }
    }
}

/// The sums of every currency that has ever moved, by numeric code. At most one per listed currency, so that a copy of
/// the books stays cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals(pub Vec<Sums>);

impl Totals {
    pub(crate) fn of(&mut self, currency: Currency) -> &mut Sums {
        let at = match self.0.binary_search_by_key(&currency, |sums| sums.currency) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Sums::empty(currency));
                at
            }
        };
        &mut self.0[at]
    }
}

impl Posting {
    /// An approval's promise.
    pub(crate) fn hold(amount: Amount) -> Posting {
        Posting { from: Place::Available, to: Place::Held, amount }
    }

    /// The promise is taken back.
    pub(crate) fn release(amount: Amount) -> Posting {
        Posting { from: Place::Held, to: Place::Available, amount }
    }

    /// Money comes in.
    pub(crate) fn credit(amount: Amount) -> Posting {
        Posting { from: Place::Funding, to: Place::Available, amount }
    }

    /// Money goes out.
    pub(crate) fn debit(amount: Amount) -> Posting {
        Posting { from: Place::Available, to: Place::Funding, amount }
    }

    /// The purse after this posting, if it stays in range.
    pub(crate) fn applied_to(&self, purse: &Purse) -> Option<Purse> {
        // Balances are within ±2^62 and an amount is at most 10^15: no single step overflows 64 bits.
        let minor = self.amount.minor() as i64;
        let mut next = *purse;
        for (place, change) in [(self.from, -minor), (self.to, minor)] {
            match place {
                Place::Funding => {}
                Place::Available => next.available_minor = next.available_minor.checked_add(change)?,
                Place::Held => next.held_minor = next.held_minor.checked_add(change)?,
            }
        }
        in_range(&next).then_some(next)
    }
}

/// Whether a purse is as postings keep it.
pub(crate) fn in_range(purse: &Purse) -> bool {
    let signed = -BALANCE_MAX..=BALANCE_MAX;
    let posted = purse.available_minor.checked_add(purse.held_minor);
    signed.contains(&purse.available_minor)
        && (0..=BALANCE_MAX).contains(&purse.held_minor)
        && posted.is_some_and(|posted| signed.contains(&posted))
}

/// Moves the money, or changes nothing.
pub(crate) fn post(totals: &mut Totals, account: &mut Account, posting: Posting) -> Result<(), Unfit> {
    let currency = posting.amount.currency();
    let purse = account.purse_mut(currency).ok_or(Unfit::CurrencyNotHeld)?;
    let next = posting.applied_to(purse).ok_or(Unfit::OutOfRange)?;

    // From here the money moves: nothing below may refuse.
    *purse = next;
    let minor = i128::from(posting.amount.minor());
    let sums = totals.of(currency);
    *sums.place(posting.from) -= minor;
    *sums.place(posting.to) += minor;
    Ok(())
}
