//! What the books answer. Every number here is for ever: it is stored, and a retired one is never used again.

use crate::{Booked, Currency, Dropped, PartyState, Shelved, UserToken};
use alloc::vec::Vec;

/// The answer to a [`crate::Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To `Authorize`.
    Decision(Decision),
    /// To `Force` and `Void`.
    Settled(Settled),
    /// To `Open`: how many were opened, and how many were there already.
    Opened {
        /// New ones.
        opened: u32,
        /// Left as they were.
        existed: u32,
    },
    /// To `Move` and `SetStatus`: the account afterwards.
    Account {
        /// The account afterwards.
        account: AccountView,
        /// The key was known with the same content: nothing was done again.
        replayed: bool,
    },
    /// To an operator's command that the books refuse. Nothing changed.
    Refused(Refusal),
    /// To `Event`.
    Booked(Booked),
    /// To `Sweep`.
    Swept {
        /// How many holds have expired.
        expired: u32,
        /// Where the next sweep begins; 0 again after the last part.
        next: u16,
    },
    /// To `Shelve`.
    Shelved(Shelved),
    /// To `Drop`.
    Dropped(Dropped),
    /// To `SetControls`.
    Controls {
        /// The current version.
        version: u64,
        /// They are new; otherwise they were so already.
        changed: bool,
    },
    /// To `Forget`.
    Forgotten {
        /// How many records are gone.
        forgotten: u32,
        /// Where the next one begins; 0 again after the last part.
        next: u16,
    },
    /// To `Restored` and `Reconciled`.
    Reconciling {
        /// Something was new; otherwise it was so already.
        changed: bool,
    },
    /// To `SetParty`.
    Party {
        /// What counts now.
        state: PartyState,
        /// Something was new; otherwise it was known already, or something later was.
        changed: bool,
    },
}

/// Yes or no to a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// The token was known with this fingerprint: this repeats what was decided before.
    pub replayed: bool,
    /// Of an approval in part: how much, in minor units, below what was asked.
    pub partial_minor: Option<u64>,
    /// In answers to balance inquiries: what was there when it was decided, by currency code. Empty otherwise.
    pub balances: Vec<Balance>,
    /// What deciding it changed, for those who want to know why. `None` in repeats, and where the account or its
    /// currency is not there.
    pub change: Option<Change>,
}

/// One currency of an account around a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// As it was looked at: holds that were due have expired.
    pub before: Balance,
    /// The same currency afterwards.
    pub after: Balance,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No, and why.
    Declined(DeclineReason),
}

/// Why the books say no. The numbers are stored; what is looked at first is for `authorize` to say. Of rules, the
/// lowest number that fired is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DeclineReason {
    /// The token was decided before with another fingerprint.
    FingerprintMismatch = 1,
    /// No such account.
    AccountUnknown = 2,
    /// The account does not hold the currency.
    CurrencyNotHeld = 3,
    /// The account is closed.
    AccountClosed = 4,
    /// The account is frozen.
    AccountFrozen = 5,
    /// Held or posted would leave the range that the books can hold.
    AmountOutOfRange = 6,
    /// Not enough available.
    InsufficientFunds = 7,
    /// The token was voided or reversed before it came.
    Voided = 8,
    /// The card transaction has as many facts as the books can keep of one.
    ChainFull = 9,
    /// A rule: the amount is too high, at once or together with others.
    ControlAmount = 10,
    /// A rule: too many requests.
    ControlCount = 11,
    /// A rule: not at this merchant.
    ControlMerchant = 12,
    /// A rule: not in this way.
    ControlOther = 13,
    /// A rule against fraud.
    Fraud = 14,
    /// The card is suspended, lost or closed.
    CardNotActive = 15,
    /// The programme refuses cards that the books do not know.
    CardUnknown = 16,
    /// The account holder, or who acts in their place, is suspended or closed.
    UserNotActive = 17,
    /// The books come from a backup, and what they lack was not looked through yet.
    Reconciling = 18,
}

/// What a settlement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Settled {
    /// A force placed the hold, or a void released it or left a tombstone.
    Done = 1,
    /// Nothing had to change.
    Nothing = 2,
    /// The hold stands although somebody was told no: an operator, or the processor's own event, decides.
    Conflict = 3,
    /// The force could not place a hold: no such account or currency, or out of range. Recorded; an operator decides.
    Impossible = 4,
}

/// Why an operator's command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Refusal {
    /// No such account.
    AccountUnknown = 1,
    /// The account does not hold the currency.
    CurrencyNotHeld = 2,
    /// The account is closed.
    AccountClosed = 3,
    /// The key was used before for something else.
    KeyConflict = 4,
    /// Zero, or beyond what the books can hold.
    AmountOutOfRange = 5,
    /// Not enough available for the debit.
    InsufficientFunds = 6,
    /// Closing needs zero posted in every currency and no hold.
    NotEmpty = 7,
    /// More openings than one command may have.
    TooMany = 8,
    /// The controls are not those that the change was based on.
    ControlsChanged = 9,
    /// The controls cannot be set like this.
    ControlsUnsound = 10,
}

/// An account's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AccountStatus {
    /// Takes part.
    Active = 1,
    /// New requests are declined; what stands goes on.
    Frozen = 2,
    /// For ever.
    Closed = 3,
}

/// One currency of one account, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which currency.
    pub currency: Currency,
    /// What has been booked. Negative after forced events only.
    pub posted_minor: i64,
    /// What is promised; never negative.
    pub held_minor: i64,
}

impl Balance {
    /// Posted less held. Both are kept within ±2^62, so this cannot overflow.
    pub fn available_minor(&self) -> i64 {
        self.posted_minor - self.held_minor
    }
}

/// An account as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Whose.
    pub user: UserToken,
    /// Its status.
    pub status: AccountStatus,
    /// By currency code.
    pub balances: Vec<Balance>,
    /// How many holds stand.
    pub holds: u64,
}
