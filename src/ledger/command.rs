//! What the books can be told to do.
//!
//! A command is complete: whatever a decision needs that is not in the books is in here. Kinds are added at the end
//! and never renumbered, because the log keeps them.

use crate::{
    AccountStatus, Amount, Attempt, Currency, DeadLetter, DropLetter, Event, Facts, Fingerprint, Forget, Program,
    Reconciled, Restored, Seconds, SetControls, SetParty, Sweep, Token, UserToken,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One change, or one question that must be answered the same for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Decide a processor's request.
    Authorize(Authorize),
    /// Settle an approval that a node gave alone (model M1 rule 5): never re-decided.
    Force(Authorize),
    /// Settle a decline that a node gave alone (model M1 rule 6).
    Void(Void),
    /// Open accounts, each with a first credit.
    Open(Open),
    /// Credit or debit an account on an operator's word.
    Move(Move),
    /// Freeze, unfreeze or close an account.
    SetStatus(SetStatus),
    /// Book a fact that the processor reports.
    Event(Event),
    /// Let holds expire.
    Sweep(Sweep),
    /// Keep a report that could not be booked.
    Shelve(DeadLetter),
    /// Take one out of the list.
    DropLetter(DropLetter),
    /// Set the controls of a programme.
    SetControls(Box<SetControls>),
    /// Say in what state a card or a user is.
    SetParty(SetParty),
    /// Forget what is over.
    Forget(Forget),
    /// These books come from a backup.
    Restored(Box<Restored>),
    /// What they lacked was looked through.
    Reconciled(Box<Reconciled>),
}

/// What a request asks, as far as the books care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// Place a hold of the amount. With amount zero it is a verification.
    Authorization,
    /// Is this account good? No hold.
    Verification,
    /// What is there? The answer carries balances. No hold.
    BalanceInquiry,
    /// Something we are only told about: approved and remembered, whatever the account. No hold.
    Notice,
    /// Place a hold of the amount on top of what the chain holds.
    Incremental,
    /// Place a hold of the amount until the processor says that it is paid.
    SingleDebit,
    /// Money that will come: remembered, not to be spent yet.
    CreditAuthorization,
    /// Money that will come and may be spent at once.
    FastCredit,
}

/// A processor's request for funds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// The programme that the credentials named.
    pub program: Program,
    /// Who asks: one request at one node.
    pub attempt: Attempt,
    /// `jit_funding.token`: the key of the decision.
    pub token: Token,
    /// What the request means in money.
    pub fingerprint: Fingerprint,
    /// What is asked.
    pub kind: RequestKind,
    /// Whose account.
    pub user: UserToken,
    /// How much.
    pub amount: Amount,
    /// The processor's transaction, for finding the hold later.
    pub transaction: Option<Token>,
    /// `original_jit_funding_token`: the first request of the chain that this one continues.
    pub original: Option<Token>,
    /// `preceding_related_transaction_token`: leads to a chain that began without a request to us.
    pub preceding: Option<Token>,
    /// How long a hold of it stands at most; none: as its facts say.
    pub expires_after: Option<Seconds>,
    /// What it says about itself besides; none: it was proposed before there were facts.
    pub facts: Option<Facts>,
}

/// A decline that a node gave alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Void {
    /// The programme of the request.
    pub program: Program,
    /// The attempt that was answered no.
    pub attempt: Attempt,
    /// Its token.
    pub token: Token,
    /// Its fingerprint, kept in the tombstone when the books have not seen the token.
    pub fingerprint: Fingerprint,
}

/// Opens accounts in one command: all that can be opened are; those that exist are left as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The programme of all of them.
    pub program: Program,
    /// At most [`Open::MAX`]; what is beyond is refused as a whole.
    pub openings: Vec<Opening>,
}

impl Open {
    /// The most openings in one command: 256 x ~60 bytes stay well below a batch's 64 KiB.
    pub const MAX: usize = 256;
}

/// One account with one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whose.
    pub user: UserToken,
    /// In which currency; an account may hold several, each opened once.
    pub currency: Currency,
    /// First credit in minor units, given only if this opens the currency.
    pub credit_minor: u64,
}

/// Which way an operator moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveDirection {
    /// To the account.
    Credit,
    /// From the account; may not exceed what is available.
    Debit,
}

/// An operator's money movement, named by a key that makes it idempotent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The programme.
    pub program: Program,
    /// Names this movement for ever.
    pub key: Token,
    /// Whose account.
    pub user: UserToken,
    /// Which way.
    pub direction: MoveDirection,
    /// How much; zero is refused.
    pub amount: Amount,
}

/// An operator's change of an account's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetStatus {
    /// The programme.
    pub program: Program,
    /// Whose account.
    pub user: UserToken,
    /// What it becomes. Closed is final and needs zero posted and no hold.
    pub status: AccountStatus,
}
