//! What operators do: open accounts, move money, change a status.
//!
//! **What must hold.** A movement happens once for its key. Refusals are not remembered, because nothing happened: the
//! same key may be used again once the reason is gone.

use crate::account::Account;
use crate::books::Ledger;
use crate::parts::{Key, Keyed};
use crate::postings::{Posting, Unfit, post};
use crate::{
    AccountStatus, AccountView, Amount, Move, MoveDirection, Open, Opening, Output, Program, Refusal, SetStatus,
    Timestamp, Token,
};

/// A movement that has happened.
#[derive(Clone, Debug)]
pub(crate) struct Movement {
    pub content: Move,
    pub at: Timestamp,
}

impl Movement {
    fn key_of(movement: &Move) -> Key<'_> {
        Movement::key_by(&movement.program, &movement.key)
    }

    pub(crate) fn key_by<'a>(program: &'a Program, key: &'a Token) -> Key<'a> {
        Key { program: program.as_bytes(), name: key.as_bytes() }
    }
}

impl Keyed for Movement {
    fn key(&self) -> Key<'_> {
        Movement::key_of(&self.content)
    }
}

impl Ledger {
    /// All that can be opened are, or the command is refused before anything is. A closed account is left as it is,
    /// like one that holds the currency already.
    pub(crate) fn open(&mut self, open: &Open) -> Output {
        if open.openings.len() > Open::MAX {
            return Output::Refused(Refusal::TooMany);
        }
        if open.openings.iter().any(|opening| opening.credit().is_none()) {
            return Output::Refused(Refusal::AmountOutOfRange);
        }
        let opened = open.openings.iter().filter(|opening| self.open_one(open.program, opening)).count() as u32;
        Output::Opened { opened, existed: open.openings.len() as u32 - opened }
    }

    fn open_one(&mut self, program: Program, opening: &Opening) -> bool {
        let key = Account::key_of(&program, &opening.user);
        let Some(credit) = opening.credit() else {
            return false;
        };
        match self.accounts.get(key) {
            None => {
                self.accounts.insert(Account::new(program, opening.user));
            }
            Some(account) => {
                if account.status == AccountStatus::Closed || account.purse(opening.currency).is_some() {
                    return false;
                }
            }
        }
        let Some(account) = self.accounts.get_mut(key) else {
            return false;
        };
        account.add_currency(opening.currency);
        let posted = post(&mut self.scalars.totals, account, Posting::credit(credit));
        debug_assert!(posted.is_ok(), "one amount fits into an empty purse");
        true
    }

    /// The order of refusals: key, account, currency, closed, zero or out of range, not enough.
    pub(crate) fn move_money(&mut self, movement: &Move) -> Output {
        if let Some(known) = self.movements.get(Movement::key_of(movement)) {
            let account = self.accounts.get(Account::key_of(&movement.program, &movement.user)).map(Account::view);
            return match account {
                Some(account) if known.content == *movement => Output::Account { account, replayed: true },
                Some(_) | None => Output::Refused(Refusal::KeyConflict),
            };
        }
        match self.move_once(movement) {
            Ok(account) => {
                self.movements.insert(Movement { content: *movement, at: self.scalars.now });
                Output::Account { account, replayed: false }
            }
            Err(refusal) => Output::Refused(refusal),
        }
    }

    fn move_once(&mut self, movement: &Move) -> Result<AccountView, Refusal> {
        self.expire_due(&movement.program, &movement.user);
        let account = self.accounts.get_mut(Account::key_of(&movement.program, &movement.user));
        let account = account.ok_or(Refusal::AccountUnknown)?;
        let purse = account.purse(movement.amount.currency()).ok_or(Refusal::CurrencyNotHeld)?;
        if account.status == AccountStatus::Closed {
            return Err(Refusal::AccountClosed);
        }
        if movement.amount.minor() == 0 {
            return Err(Refusal::AmountOutOfRange);
        }
        let posting = match movement.direction {
            MoveDirection::Credit => Posting::credit(movement.amount),
            MoveDirection::Debit => Posting::debit(movement.amount),
        };
        posting.applied_to(purse).ok_or(Refusal::AmountOutOfRange)?;
        if movement.direction == MoveDirection::Debit && !purse.covers(movement.amount) {
            return Err(Refusal::InsufficientFunds);
        }
        post(&mut self.scalars.totals, account, posting)?;
        Ok(account.view())
    }

    /// A status that is already so is answered as replayed. Closed is final.
    pub(crate) fn set_status(&mut self, change: &SetStatus) -> Output {
        self.expire_due(&change.program, &change.user);
        let Some(account) = self.accounts.get_mut(Account::key_of(&change.program, &change.user)) else {
            return Output::Refused(Refusal::AccountUnknown);
        };
        if account.status == change.status {
            return Output::Account { account: account.view(), replayed: true };
        }
        if account.status == AccountStatus::Closed {
            return Output::Refused(Refusal::AccountClosed);
        }
        if change.status == AccountStatus::Closed && !account.is_empty() {
            return Output::Refused(Refusal::NotEmpty);
        }
        account.status = change.status;
        Output::Account { account: account.view(), replayed: false }
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Refusal {
        match unfit {
            Unfit::CurrencyNotHeld => Refusal::CurrencyNotHeld,
            Unfit::OutOfRange => Refusal::AmountOutOfRange,
        }
    }
}

impl Opening {
    fn credit(&self) -> Option<Amount> {
        Amount::new(self.credit_minor, self.currency).ok()
    }
}
