//! What a processor reports after the fact, and what the books did about it.
//!
//! An [`Event`] is a fact about one of the processor's transactions. Facts are never refused for lack of money: they
//! have happened. Numbers of kinds and effects are for ever.

use crate::{Amount, Facts, Program, Token, UserToken};

/// A fact about one transaction of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The programme that the credentials named.
    pub program: Program,
    /// Its own names and those of what it follows.
    pub names: Names,
    /// Whose account.
    pub user: UserToken,
    /// How much; what it means depends on the role.
    pub amount: Amount,
    /// What it is.
    pub role: Role,
    /// How far the processor has got with it.
    pub word: Word,
    /// How long a hold of it stands at most; none: as its facts say.
    pub expires_after: Option<Seconds>,
    /// What it says about itself besides.
    pub facts: Option<Facts>,
}

/// The names of a transaction and of what it follows. One of its own must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its own `jit_funding.token`.
    pub jit: Option<Token>,
    /// Its own transaction token.
    pub transaction: Option<Token>,
    /// `original_jit_funding_token`: the first request of the chain.
    pub original: Option<Token>,
    /// `preceding_related_transaction_token`.
    pub preceding: Option<Token>,
}

/// A time span in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u32);

/// What a transaction is in the life of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Promises the amount.
    Authorization,
    /// Promises the amount on top.
    Incremental,
    /// Promises the amount until it is completed, then it is paid.
    SingleDebit,
    /// Takes the amount off the promise: partial reversals, and advices by their difference.
    Reversal,
    /// Takes the whole promise back, whatever the amount: full reversals and the issuer's expiration.
    FullReversal,
    /// Pays the amount, out of the promise as far as it reaches.
    Clearing(Clearing),
    /// Pays the amount although nobody was asked.
    ForceCapture,
    /// Money that will come: seen, not to be spent yet.
    CreditAuthorization,
    /// Money that will come and may be spent at once.
    FastCredit,
    /// Money that has come: ends the credit that was announced in its chain.
    Credit,
    /// The announced credit will not come.
    CreditReversal,
    /// Money to the account that touches no promise: adjustments, chargebacks, disputes, deposits, loads.
    AdjustmentCredit,
    /// Money from the account that touches no promise.
    AdjustmentDebit,
}

/// What a clearing says about the rest of the promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clearing {
    /// Nothing more will come: what is left is released.
    pub last: bool,
    /// `amount_to_be_released` in minor units, beside what is paid.
    pub released_minor: u64,
    /// Which of how many; when all have been seen, what is left is released.
    pub part: Option<Part>,
}

/// One of several clearings, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Which.
    pub number: u8,
    /// Of how many.
    pub count: u8,
}

/// How far the processor has got with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// `PENDING`: temporary, and it stands.
    Pending,
    /// `CLEARED`: temporary, and followed by something.
    Cleared,
    /// `DECLINED`: it never was.
    Declined,
    /// `ERROR`: it never was.
    Error,
    /// `COMPLETION`: final.
    Completed,
}

/// Walks through accounts and lets holds expire whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The section to begin with: 0, or what the last sweep answered as next.
    pub from: u16,
    /// How many sections of the 65,536 of a table; at most [`Sweep::PARTS_MAX`] are walked.
    pub parts: u16,
}

impl Sweep {
    /// A million accounts are 15 a section, so 256 of them are 4,000 comparisons: well below a millisecond.
    pub const PARTS_MAX: u16 = 256;
    /// The most holds that one sweep lets expire: each is a few microseconds. A sweep that reaches it stops there.
    pub const HOLDS_MAX: u32 = 256;
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// In a word.
    pub effect: Effect,
    /// Which chain it belongs to; none if it was refused.
    pub chain: Option<u64>,
    /// What the chain holds afterwards, in minor units.
    pub held_minor: u64,
    /// What the chain has brought to the account so far, negative if it has taken, in minor units.
    pub posted_minor: i64,
}

/// What an event did, in a word. From [`Effect::AccountUnknown`] on nothing was done, and the event can be sent again
/// when the reason is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Effect {
    /// Money moved.
    Applied = 1,
    /// Remembered; no money had to move.
    Noted = 2,
    /// Known already.
    Repeated = 3,
    /// Booked; more has been paid than was promised.
    Overshoot = 4,
    /// Booked; paid without any promise.
    Unpromised = 5,
    /// Booked; paid after the hold had expired here.
    Late = 6,
    /// Booked; more was taken back than there was.
    Excess = 7,
    /// Booked; the same transaction came before with another amount or role, and the later stage counts.
    Differs = 8,
    /// Refused: no such account.
    AccountUnknown = 16,
    /// Refused: the account does not hold the currency.
    CurrencyNotHeld = 17,
    /// Refused: the chain has as many facts as it can keep.
    ChainFull = 18,
    /// Refused: a balance would leave the range that the books can hold.
    OutOfRange = 19,
    /// Refused: it has no name of its own.
    Unnamed = 20,
}

impl Effect {
    /// Whether nothing was done.
    pub fn refused(self) -> bool {
        self >= Effect::AccountUnknown
    }
}

impl Word {
    /// Later stages win; what never was loses only to what was completed after all.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Word::Pending => 1,
            Word::Cleared => 2,
            Word::Declined | Word::Error => 3,
            Word::Completed => 4,
        }
    }
}
