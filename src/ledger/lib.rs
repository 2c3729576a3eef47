//! The money: accounts, holds and remembered decisions, as a pure, deterministic and total machine.
//!
//! **What lives here.** [`Ledger`] is the whole state of the books. [`Ledger::apply`] takes a [`Command`] and the log's
//! time and returns an [`Output`]; it is the only way to change anything. Every change of a balance is a balanced
//! posting between two places (`postings`).
//!
//! **What must hold.** Same state, same time, same command: same output and same state, on every node, for ever.
//! `apply` never fails, never waits and never panics, whatever the command says: refusals are answers.
//! No money is made or lost: over each currency the postings sum to zero, an account's held is the sum of its holds,
//! and available is posted less held.
//!
//! **What is deliberately not here.** No clock, I/O, async, randomness, float, hash-map iteration or configuration; no
//! JSON and no HTTP. What a processor calls things ends in `gateway`; what Raft calls things ends in `cluster`.
#![no_std]

extern crate alloc;

mod account;
mod amount;
mod authorize;
mod books;
mod chain;
mod check;
mod codec;
mod command;
mod controls;
mod currency;
mod event;
mod expiry;
mod facts;
mod forget;
mod ids;
mod kind_name;
mod letters;
mod life;
mod movement;
mod outcome;
mod parts;
mod party;
mod postings;
mod restored;
mod settle;
mod snapshot;
mod stay;
mod token;
mod views;
mod warm;

pub use amount::{Amount, AmountError, AmountTextError, format_minor};
pub use books::Ledger;
pub use check::Violation;
pub use codec::{Malformed, decode_command, decode_output, encode_command, encode_output};
pub use command::{Authorize, Command, Move, MoveDirection, Open, Opening, RequestKind, SetStatus, Void};
pub use controls::{
    Condition, Controls, ControlsError, Counted, Document, JudgedView, Limit, LimitView, Mode, PartialApproval, Per,
    Purpose, Rule, RuleName, SetControls, Settings, Tally, Then, UnknownCards, Window, Zone,
};
pub use currency::Currency;
pub use event::{Booked, Clearing, Effect, Event, Names, Part, Role, Seconds, Sweep, Word};
pub use facts::{Advice, CashKind, Channel, Check, Country, Entry, Fact, Facts, Risk};
pub use forget::Forget;
pub use ids::{Attempt, Fingerprint, IdError, Note, Program, Timestamp, Token, UserToken};
pub use letters::{DeadLetter, DropLetter, Dropped, Kept, Letter, Shelved, Why};
pub use outcome::{
    AccountStatus, AccountView, Balance, Change, Decision, DeclineReason, Output, Refusal, Settled, Verdict,
};
pub use party::{Party, PartyState, PartyView, SaidBy, SetParty};
pub use restored::{Meanwhile, Reconciled, Restored};
pub use snapshot::Restore;
pub use views::{Books, ChainView, HoldView, LinkView, TokenStatus, TokenView, Total, Troubled};
