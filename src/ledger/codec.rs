//! Bytes of commands, outputs and snapshot records. The only file that names the encoding library.
//!
//! **What must hold.** The version comes first, then the kind; numbers of kinds, variants and reasons are for ever.
//! What is decoded is as sound as what was built: ids are printable, currencies listed, amounts in range, nothing
//! trails. Decoding takes any bytes: it never panics and never asks for more memory than its limit.
//! **What is not here.** Checksums and framing: those belong to who writes to disks and wires. Whether records fit
//! together is for [`crate::Restore`] to say. What came with chains is in `life`, beside what is older; what came with
//! dead letters is in `letters`, and so on.

use crate::account::{Account, Hold, Purse};
use crate::movement::Movement;
use crate::postings::{Sums, Totals};
use crate::snapshot::{HeadOne, Piece, Record};
use crate::token::{Asked, Marks, More, Standing, TokenRecord, Told};
use crate::*;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use bincode::de::{Decode, Decoder, read::Reader};
use bincode::enc::{Encode, Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};
use core::fmt;

/// The version of everything below. A new one adds a reader beside this one and leaves this one alone.
const FORMAT: u8 = 1;

/// What one decoding may claim, in bytes of memory. A batch has at most 64 KiB, and an opening of 4 bytes becomes one
/// of 56 at most: 64 KiB / 4 x 56 is 917,504.
const LIMIT: usize = 1 << 20;
const CONFIG: Configuration<LittleEndian, Varint, Limit<LIMIT>> = config::standard().with_limit::<LIMIT>();

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not a version that this code reads.
    Version,
    /// The content ends early or says something impossible.
    Content(&'static str),
    /// Something follows the content.
    Trailing,
    /// A snapshot's record that does not belong where it stands.
    Misplaced(&'static str),
    /// The records do not add up.
    Unsound(Violation),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Version => f.write_str("unknown version"),
            Malformed::Content(what) => write!(f, "malformed content: {what}"),
            Malformed::Trailing => f.write_str("bytes after the content"),
            Malformed::Misplaced(what) => write!(f, "misplaced record: {what}"),
            Malformed::Unsound(violation) => write!(f, "unsound books: {violation}"),
        }
    }
}

impl core::error::Error for Malformed {}

/// Appends a command's bytes.
pub fn encode_command(command: &Command, bytes: &mut Vec<u8>) {
    encode(command, bytes);
}

/// Reads a command. Takes exactly the bytes of one.
pub fn decode_command(bytes: &[u8]) -> Result<Command, Malformed> {
    decode(bytes)
}

/// Appends an output's bytes.
pub fn encode_output(output: &Output, bytes: &mut Vec<u8>) {
    encode(output, bytes);
}

/// Reads an output. Takes exactly the bytes of one.
pub fn decode_output(bytes: &[u8]) -> Result<Output, Malformed> {
    decode(bytes)
}

pub(crate) fn encode_piece(piece: &Piece<'_>, bytes: &mut Vec<u8>) {
    encode(piece, bytes);
}

pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, Malformed> {
    decode(bytes)
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(crate) use controls::document_bytes;

fn encode(value: &impl Encode, bytes: &mut Vec<u8>) {
    bytes.push(FORMAT);
    let encoded = bincode::encode_into_writer(value, Appender(bytes), CONFIG);
    debug_assert!(encoded.is_ok(), "neither the writer nor any value here can refuse");
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, Malformed> {
    let Some((&FORMAT, content)) = bytes.split_first() else {
        return Err(Malformed::Version);
    };
    let (value, length) = bincode::decode_from_slice(content, CONFIG).map_err(|error| match error {
        DecodeError::Other(what) => Malformed::Content(what),
        _ => Malformed::Content("ends early, is too long, or is no such number"),
    })?;
    if length == content.len() { Ok(value) } else { Err(Malformed::Trailing) }
}

/// A short name: its length in one byte, and its bytes.
fn encode_name<E: Encoder>(name: &[u8], encoder: &mut E) -> Result<(), EncodeError> {
    // No name is longer than 255.
    (name.len() as u8).encode(encoder)?;
    encoder.writer().write(name)
}

/// The same, at most `MAX` bytes.
fn decode_name<const MAX: usize, D: Decoder>(decoder: &mut D) -> Result<Box<[u8]>, DecodeError> {
    let length = usize::from(u8::decode(decoder)?);
    let mut space = [0; MAX];
    let Some(bytes) = space.get_mut(..length) else {
        return refused("name is too long");
    };
    decoder.claim_bytes_read(length)?;
    decoder.reader().read(bytes)?;
    Ok(Box::from(&*bytes))
}

fn refused<T>(what: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Other(what))
}

/// A struct is its fields in this order.
macro_rules! fields {
    ($($type:ident { $($field:ident),+ })+) => {$(
        impl Encode for $type {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                $(self.$field.encode(encoder)?;)+
                Ok(())
            }
        }

        impl<C> Decode<C> for $type {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Ok($type { $($field: Decode::decode(decoder)?),+ })
            }
        }
    )+};
}

/// A plain enum is one byte.
macro_rules! numbered {
    ($($type:ident { $($variant:ident = $number:literal),+ $(,)? })+) => {$(
        impl Encode for $type {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                let number: u8 = match self { $($type::$variant => $number),+ };
                number.encode(encoder)
            }
        }

        impl<C> Decode<C> for $type {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                match u8::decode(decoder)? {
                    $($number => Ok($type::$variant),)+
                    _ => refused(concat!("no such ", stringify!($type))),
                }
            }
        }
    )+};
}

/// An id is its length in one byte, and its text.
macro_rules! text {
    ($($type:ident)+) => {$(
        impl Encode for $type {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                // No id is longer than 36.
                (self.as_bytes().len() as u8).encode(encoder)?;
                encoder.writer().write(self.as_bytes())
            }
        }

        impl<C> Decode<C> for $type {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let length = usize::from(u8::decode(decoder)?);
                let mut space = [0; $type::LEN_MAX];
                let Some(bytes) = space.get_mut(..length) else {
                    return refused(concat!(stringify!($type), " is too long"));
                };
                decoder.claim_bytes_read(length)?;
                decoder.reader().read(bytes)?;
                $type::of_space(space, length).or(refused(concat!(stringify!($type), " is empty or not printable")))
            }
        }
    )+};
}

text! { Program Token UserToken }

numbered! {
    RequestKind {
        Authorization = 1, Verification = 2, BalanceInquiry = 3, Notice = 4, Incremental = 5, SingleDebit = 6,
        CreditAuthorization = 7, FastCredit = 8,
    }
    MoveDirection { Credit = 1, Debit = 2 }
    AccountStatus { Active = 1, Frozen = 2, Closed = 3 }
    DeclineReason {
        FingerprintMismatch = 1, AccountUnknown = 2, CurrencyNotHeld = 3, AccountClosed = 4, AccountFrozen = 5,
        AmountOutOfRange = 6, InsufficientFunds = 7, Voided = 8, ChainFull = 9, ControlAmount = 10, ControlCount = 11,
        ControlMerchant = 12, ControlOther = 13, Fraud = 14, CardNotActive = 15, CardUnknown = 16, UserNotActive = 17,
        Reconciling = 18,
    }
    Settled { Done = 1, Nothing = 2, Conflict = 3, Impossible = 4 }
    Refusal {
        AccountUnknown = 1, CurrencyNotHeld = 2, AccountClosed = 3, KeyConflict = 4, AmountOutOfRange = 5,
        InsufficientFunds = 6, NotEmpty = 7, TooMany = 8, ControlsChanged = 9, ControlsUnsound = 10,
    }
}

fields! {
    Attempt { node, incarnation, counter }
    Void { program, attempt, token, fingerprint }
    Open { program, openings }
    Opening { user, currency, credit_minor }
    Move { program, key, user, direction, amount }
    SetStatus { program, user, status }
    Balance { currency, posted_minor, held_minor }
    AccountView { user, status, balances, holds }
    HeadOne { now, last_hold, totals, holds, conflicts, impossible, accounts, tokens, movements }
    Sums { currency, funding, available, held }
    Purse { currency, available_minor, held_minor }
    Movement { content, at }
    Told { attempt, marks }
}

/// What is one value inside, checked by a function on its way in.
macro_rules! wrapped {
    ($($type:ident as $inner:ty: |$value:ident| $out:expr, |$raw:ident| $back:expr;)+) => {$(
        impl Encode for $type {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                let $value = self;
                $out.encode(encoder)
            }
        }

        impl<C> Decode<C> for $type {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let $raw = <$inner>::decode(decoder)?;
                $back
            }
        }
    )+};
}

wrapped! {
    Fingerprint as [u8; 16]: |value| value.0, |raw| Ok(Fingerprint(raw));
    Timestamp as u64: |value| value.0, |raw| Ok(Timestamp(raw));
    Currency as u16: |value| value.numeric(), |raw| Currency::from_numeric(raw).map_or(refused("no such currency"), Ok);
    Amount as (u64, Currency): |value| (value.minor(), value.currency()),
        |raw| Amount::new(raw.0, raw.1).or(refused("amount out of range"));
    Verdict as u8: |value| match value {
            Verdict::Approved => 0u8,
            Verdict::Declined(reason) => *reason as u8,
        },
        |raw| match raw {
            0 => Ok(Verdict::Approved),
            _ => bincode::decode_from_slice(&[raw], CONFIG).map(|(reason, _)| Verdict::Declined(reason)),
        };
    Marks as u8: |value| value.0,
        |raw| if raw & !Marks::ALL.0 == 0 { Ok(Marks(raw)) } else { refused("no such mark") };
    Totals as Vec<Sums>: |value| &value.0,
        |raw| if raw.is_sorted_by(|left, right| left.currency < right.currency) { Ok(Totals(raw)) } else {
            refused("totals out of order")
        };
    Standing as (u8, u64): |value| match value {
            Standing::Held { hold } => (1u8, *hold),
            Standing::Approved => (2, 0),
            Standing::Declined => (3, 0),
            Standing::Closed => (4, 0),
            Standing::Linked => (5, 0),
        },
        |raw| match raw {
            (1, hold) => Ok(Standing::Held { hold }),
            (2, 0) => Ok(Standing::Approved),
            (3, 0) => Ok(Standing::Declined),
            (4, 0) => Ok(Standing::Closed),
            (5, 0) => Ok(Standing::Linked),
            _ => refused("no such standing"),
        };
    Asked as (UserToken, RequestKind, Amount): |value| (value.user, value.kind, value.amount()),
        |raw| Ok(Asked { user: raw.0, kind: raw.1, currency: raw.2.currency(), minor: raw.2.minor() });
    Hold as (u64, Amount, Timestamp, Token): |value| (value.number, value.amount(), value.placed_at, value.token),
        |raw| Ok(Hold {
            number: raw.0,
            minor: raw.1.minor(),
            placed_at: raw.2,
            expires_at: Timestamp(0),
            currency: raw.1.currency(),
            token: raw.3,
        });
    Account as (Program, UserToken, AccountStatus, Vec<Purse>):
        // Holds are records of their own, so that a record has a bound.
        |value| (value.program, value.user, value.status, &value.purses),
        |raw| {
            let (program, user, status, purses) = raw;
            Ok(Account { status, purses, ..Account::new(program, user) })
        };
}

mod controls;
mod facts;
mod letters;
mod life;
mod party;
mod restored;

impl Encode for Output {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Output::Decision(decision) => match (decision.partial_minor, decision.change) {
                (None, None) => (1u8, decision).encode(encoder),
                (Some(minor), None) => (12u8, decision, minor).encode(encoder),
                (partial, Some(change)) => (14u8, decision, partial, change).encode(encoder),
            },
            Output::Settled(settled) => (2u8, settled).encode(encoder),
            Output::Opened { opened, existed } => (3u8, opened, existed).encode(encoder),
            Output::Account { account, replayed } => (4u8, account, replayed).encode(encoder),
            Output::Refused(refusal) => (5u8, refusal).encode(encoder),
            Output::Booked(booked) => (6u8, booked).encode(encoder),
            Output::Swept { expired, next } => (7u8, expired, next).encode(encoder),
            Output::Shelved(shelved) => (8u8, shelved).encode(encoder),
            Output::Dropped(dropped) => (9u8, dropped).encode(encoder),
            Output::Controls { version, changed } => (10u8, version, changed).encode(encoder),
            Output::Party { state, changed } => (11u8, state, changed).encode(encoder),
            Output::Forgotten { forgotten, next } => (13u8, forgotten, next).encode(encoder),
            Output::Reconciling { changed } => (15u8, changed).encode(encoder),
        }
    }
}

impl<C> Decode<C> for Output {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(match u8::decode(decoder)? {
            1 => Output::Decision(Decode::decode(decoder)?),
            2 => Output::Settled(Decode::decode(decoder)?),
            3 => Output::Opened { opened: Decode::decode(decoder)?, existed: Decode::decode(decoder)? },
            4 => Output::Account { account: Decode::decode(decoder)?, replayed: Decode::decode(decoder)? },
            5 => Output::Refused(Decode::decode(decoder)?),
            6 => Output::Booked(Decode::decode(decoder)?),
            7 => Output::Swept { expired: Decode::decode(decoder)?, next: Decode::decode(decoder)? },
            8 => Output::Shelved(Decode::decode(decoder)?),
            9 => Output::Dropped(Decode::decode(decoder)?),
            10 => Output::Controls { version: Decode::decode(decoder)?, changed: Decode::decode(decoder)? },
            11 => Output::Party { state: Decode::decode(decoder)?, changed: Decode::decode(decoder)? },
            13 => Output::Forgotten { forgotten: Decode::decode(decoder)?, next: Decode::decode(decoder)? },
            15 => Output::Reconciling { changed: Decode::decode(decoder)? },
            12 => {
                let (decision, minor): (Decision, u64) = Decode::decode(decoder)?;
                Output::Decision(Decision { partial_minor: Some(minor), ..decision })
            }
            14 => {
                let (decision, partial_minor, change): (Decision, _, _) = Decode::decode(decoder)?;
                Output::Decision(Decision { partial_minor, change: Some(change), ..decision })
            }
            _ => return refused("no such Output"),
        })
    }
}

impl Encode for Decision {
    /// Without the amount of an approval in part and what was changed, which follow in outputs 12 and 14.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.verdict, self.replayed, &self.balances).encode(encoder)
    }
}

impl<C> Decode<C> for Decision {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (verdict, replayed, balances) = Decode::decode(decoder)?;
        Ok(Decision { verdict, replayed, partial_minor: None, balances, change: None })
    }
}

impl Encode for Change {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let Change { before, after } = self;
        (before, after.posted_minor, after.held_minor).encode(encoder)
    }
}

impl<C> Decode<C> for Change {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (before, posted_minor, held_minor): (Balance, i64, i64) = Decode::decode(decoder)?;
        Ok(Change { before, after: Balance { currency: before.currency, posted_minor, held_minor } })
    }
}

impl Encode for More {
    /// Without what the rules said, which follows in a record of another kind if there is any.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (&self.attempts, &self.balances).encode(encoder)
    }
}

impl<C> Decode<C> for More {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (attempts, balances) = Decode::decode(decoder)?;
        Ok(More { attempts, balances, judged: None })
    }
}

impl Encode for TokenRecord {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.program, self.token, self.fingerprint, self.at, self.asked, self.standing).encode(encoder)?;
        (self.declined, self.first, self.first_marks, self.beyond, &self.more).encode(encoder)
    }
}

impl<C> Decode<C> for TokenRecord {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (program, token, fingerprint, at, asked, standing) = Decode::decode(decoder)?;
        let (declined, first, first_marks, beyond, more) = Decode::decode(decoder)?;
        let more: Option<Box<More>> = more;
        let kept = more.as_ref().map_or(0, |more| more.attempts.len()) + 1;
        if kept > TokenRecord::ATTEMPTS_MAX {
            return refused("more attempts than a token keeps");
        }
        Ok(TokenRecord { program, token, fingerprint, at, asked, standing, declined, first, first_marks, beyond, more })
    }
}
