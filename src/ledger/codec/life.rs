//! The bytes of all commands and records, and what came with chains: commands 7 to 10 and, with facts, 13 to 15,
//! outputs 6 and 7, records 6 to 9.
//!
//! **What must hold.** What needs nothing new is written as it always was, so that old bytes keep their meaning and
//! their digest: a request without a chain and without an expiry is command 1 or 2, a hold that does not expire is
//! record 3, and books that have never seen a chain have head 1.

use super::facts::Later;
use super::{decode_name, encode_name, refused};
use crate::account::Hold;
use crate::books::Scalars;
use crate::chain::name::{Kind, Name, Named, To};
use crate::chain::tally::Tallies;
use crate::chain::target::Target;
use crate::chain::{Chain, Link};
use crate::controls::Judged;
use crate::snapshot::{Extent, Head, HeadOne, HeadTwo, Piece, Record};
use crate::token::TokenRecord;
use crate::*;
use alloc::vec::Vec;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

numbered! {
    Word { Pending = 1, Cleared = 2, Declined = 3, Error = 4, Completed = 5 }
    Kind { Jit = 1, Transaction = 2 }
    Effect {
        Applied = 1, Noted = 2, Repeated = 3, Overshoot = 4, Unpromised = 5, Late = 6, Excess = 7, Differs = 8,
        AccountUnknown = 16, CurrencyNotHeld = 17, ChainFull = 18, OutOfRange = 19, Unnamed = 20,
    }
}

fields! {
    Names { jit, transaction, original, preceding }
    Part { number, count }
    Sweep { from, parts }
    Booked { effect, chain, held_minor, posted_minor }
    Named { kind, token }
    Link { names, role, minor, word, approved, at, expires_at }
    Tallies { overshoots, unpromised, excesses, late, differing, expired }
    HeadTwo { one, last_chain, tallies, chains, names }
}

wrapped! {
    Seconds as u32: |value| value.0, |raw| Ok(Seconds(raw));
    Clearing as (bool, u64, Option<Part>): |value| (value.last, value.released_minor, value.part),
        |raw| if raw.1 <= Amount::MINOR_MAX {
            Ok(Clearing { last: raw.0, released_minor: raw.1, part: raw.2 })
        } else {
            refused("amount out of range")
        };
    Role as (u8, Option<Clearing>): |value| match value {
            Role::Authorization => (1u8, None),
            Role::Incremental => (2, None),
            Role::SingleDebit => (3, None),
            Role::Reversal => (4, None),
            Role::FullReversal => (5, None),
            Role::Clearing(clearing) => (6, Some(*clearing)),
            Role::ForceCapture => (7, None),
            Role::CreditAuthorization => (8, None),
            Role::FastCredit => (9, None),
            Role::Credit => (10, None),
            Role::CreditReversal => (11, None),
            Role::AdjustmentCredit => (12, None),
            Role::AdjustmentDebit => (13, None),
        },
        |raw| match raw {
            (1, None) => Ok(Role::Authorization),
            (2, None) => Ok(Role::Incremental),
            (3, None) => Ok(Role::SingleDebit),
            (4, None) => Ok(Role::Reversal),
            (5, None) => Ok(Role::FullReversal),
            (6, Some(clearing)) => Ok(Role::Clearing(clearing)),
            (7, None) => Ok(Role::ForceCapture),
            (8, None) => Ok(Role::CreditAuthorization),
            (9, None) => Ok(Role::FastCredit),
            (10, None) => Ok(Role::Credit),
            (11, None) => Ok(Role::CreditReversal),
            (12, None) => Ok(Role::AdjustmentCredit),
            (13, None) => Ok(Role::AdjustmentDebit),
            _ => refused("no such Role"),
        };
    To as (u8, Option<Token>, u64): |value| match value {
            To::Request(token) => (1u8, Some(*token), 0),
            To::Chain(number) => (2, None, *number),
        },
        |raw| match raw {
            (1, Some(token), 0) => Ok(To::Request(token)),
            (2, None, number) => Ok(To::Chain(number)),
            _ => refused("leads nowhere"),
        };
}

impl Encode for Name {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.program.encode(encoder)?;
        encode_name(&self.bytes, encoder)?;
        self.to.encode(encoder)
    }
}

impl<C> Decode<C> for Name {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let program = Program::decode(decoder)?;
        let bytes = decode_name::<{ Name::BYTES_MAX }, D>(decoder)?;
        Ok(Name { program, bytes, to: Decode::decode(decoder)? })
    }
}

impl Encode for Chain {
    /// Without what its facts mean: that is worked out again.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.program, self.number(), self.user, self.currency, &self.names, &self.links).encode(encoder)?;
        (self.hold, self.expired, self.late, self.differs).encode(encoder)
    }
}

impl<C> Decode<C> for Chain {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (program, number, user, currency, names, links) = Decode::decode(decoder)?;
        let (hold, expired, late, differs) = Decode::decode(decoder)?;
        let number: u64 = number;
        let (names, links): (Vec<Named>, Vec<Link>) = (names, links);
        if links.len() > Chain::LINKS_MAX || names.len() > Chain::NAMES_MAX {
            return refused("more facts than a chain keeps");
        }
        if links.iter().any(|link| link.minor > Amount::MINOR_MAX) {
            return refused("amount out of range");
        }
        let (number, target) = (number.to_be_bytes(), Target::default());
        let mut chain = Chain { program, number, user, currency, names, links, hold, expired, late, differs, target };
        chain.target = Target::of(&chain);
        Ok(chain)
    }
}

/// A request as format 1 had it at first.
type Plain = (Program, Attempt, Token, Fingerprint, RequestKind, UserToken, Amount, Option<Token>);

fn plain(request: &Authorize) -> Plain {
    let Authorize { program, attempt, token, fingerprint, kind, user, amount, transaction, .. } = *request;
    (program, attempt, token, fingerprint, kind, user, amount, transaction)
}

/// What came with chains: the original request, the preceding transaction, and how long a hold stands.
type More = (Option<Token>, Option<Token>, Option<Seconds>);

fn request(plain: Plain, more: More) -> Authorize {
    let (program, attempt, token, fingerprint, kind, user, amount, transaction) = plain;
    let (original, preceding, expires_after) = more;
    Authorize {
        program,
        attempt,
        token,
        fingerprint,
        kind,
        user,
        amount,
        transaction,
        original,
        preceding,
        expires_after,
        facts: None,
    }
}

impl Authorize {
    fn more(&self) -> More {
        (self.original, self.preceding, self.expires_after)
    }

    /// The numbers are those of a plain one, of one with more, of one with facts, of one with later ones, and of one
    /// with a business.
    fn encode_as<E: Encoder>(&self, numbers: [u8; 5], encoder: &mut E) -> Result<(), EncodeError> {
        let [bare, chained, factual, later, business] = numbers;
        match (self.more(), &self.facts) {
            (more, Some(facts)) if let Some(named) = facts.business => {
                (business, plain(self), more, facts, facts.later(), named).encode(encoder)
            }
            (more, Some(facts)) if facts.later() != Later::default() => {
                (later, plain(self), more, facts, facts.later()).encode(encoder)
            }
            (more, Some(facts)) => (factual, plain(self), more, facts).encode(encoder),
            ((None, None, None), None) => (bare, plain(self)).encode(encoder),
            (more, None) => (chained, plain(self), more).encode(encoder),
        }
    }
}

impl Encode for Command {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Command::Authorize(request) => request.encode_as([1, 7, 13, 17, 21], encoder),
            Command::Force(request) => request.encode_as([2, 8, 14, 18, 22], encoder),
            Command::Void(void) => (3u8, void).encode(encoder),
            Command::Open(open) => (4u8, open).encode(encoder),
            Command::Move(movement) => (5u8, movement).encode(encoder),
            Command::SetStatus(change) => (6u8, change).encode(encoder),
            Command::Event(event) => match &event.facts {
                None => (9u8, event).encode(encoder),
                Some(facts) => (15u8, event, facts).encode(encoder),
            },
            Command::Sweep(sweep) => (10u8, sweep).encode(encoder),
            Command::Shelve(letter) => (11u8, letter).encode(encoder),
            Command::DropLetter(drop) => (12u8, drop).encode(encoder),
            Command::SetControls(set) => (16u8, set).encode(encoder),
            Command::SetParty(set) => (19u8, set).encode(encoder),
            Command::Forget(forget) => (20u8, forget).encode(encoder),
            Command::Restored(restored) => (23u8, restored).encode(encoder),
            Command::Reconciled(reconciled) => (24u8, reconciled).encode(encoder),
        }
    }
}

impl Encode for Event {
    /// Without its facts, which follow if there are any.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let Event { program, names, user, amount, role, word, expires_after, facts: _ } = self;
        (program, names, user, amount, role, word, expires_after).encode(encoder)
    }
}

impl<C> Decode<C> for Event {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (program, names, user, amount, role, word, expires_after) = Decode::decode(decoder)?;
        Ok(Event { program, names, user, amount, role, word, expires_after, facts: None })
    }
}

impl<C> Decode<C> for Command {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let factual = |decoder: &mut D| {
            let (plain, more, facts) = Decode::decode(decoder)?;
            Ok::<Authorize, DecodeError>(Authorize { facts: Some(facts), ..request(plain, more) })
        };
        let later = |decoder: &mut D| {
            let (plain, more, facts, later): (Plain, More, Facts, Later) = Decode::decode(decoder)?;
            let facts = Some(facts.and_later(later));
            Ok::<Authorize, DecodeError>(Authorize { facts, ..request(plain, more) })
        };
        let of_business = |decoder: &mut D| {
            let (plain, more, facts, later, named): (Plain, More, Facts, Later, UserToken) = Decode::decode(decoder)?;
            let facts = Some(facts.and_later(later).and_business(named));
            Ok::<Authorize, DecodeError>(Authorize { facts, ..request(plain, more) })
        };
        let extended = |decoder: &mut D| {
            let (plain, more) = Decode::decode(decoder)?;
            Ok::<Authorize, DecodeError>(request(plain, more))
        };
        Ok(match u8::decode(decoder)? {
            1 => Command::Authorize(request(Decode::decode(decoder)?, More::default())),
            2 => Command::Force(request(Decode::decode(decoder)?, More::default())),
            3 => Command::Void(Decode::decode(decoder)?),
            4 => Command::Open(Decode::decode(decoder)?),
            5 => Command::Move(Decode::decode(decoder)?),
            6 => Command::SetStatus(Decode::decode(decoder)?),
            7 => Command::Authorize(extended(decoder)?),
            8 => Command::Force(extended(decoder)?),
            9 => Command::Event(Decode::decode(decoder)?),
            10 => Command::Sweep(Decode::decode(decoder)?),
            11 => Command::Shelve(Decode::decode(decoder)?),
            12 => Command::DropLetter(Decode::decode(decoder)?),
            13 => Command::Authorize(factual(decoder)?),
            14 => Command::Force(factual(decoder)?),
            15 => {
                let (event, facts): (Event, Facts) = Decode::decode(decoder)?;
                Command::Event(Event { facts: Some(facts), ..event })
            }
            16 => Command::SetControls(Decode::decode(decoder)?),
            17 => Command::Authorize(later(decoder)?),
            18 => Command::Force(later(decoder)?),
            19 => Command::SetParty(Decode::decode(decoder)?),
            20 => Command::Forget(Decode::decode(decoder)?),
            21 => Command::Authorize(of_business(decoder)?),
            22 => Command::Force(of_business(decoder)?),
            23 => Command::Restored(Decode::decode(decoder)?),
            24 => Command::Reconciled(Decode::decode(decoder)?),
            _ => return refused("no such Command"),
        })
    }
}

impl Encode for Piece<'_> {
    /// As [`Record`] reads it.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Piece::Head(head) if head.is_plain() => (1u8, head.one()).encode(encoder),
            Piece::Account(account) => (2u8, account).encode(encoder),
            Piece::Hold(account, hold) if hold.expiry().is_none() => {
                (3u8, account.program, account.user, hold).encode(encoder)
            }
            Piece::Token(token) => match token.judged() {
                None => (4u8, token).encode(encoder),
                Some(judged) => match judged.product {
                    None => (15u8, token, judged).encode(encoder),
                    Some(product) => (18u8, token, judged, product).encode(encoder),
                },
            },
            Piece::Movement(movement) => (5u8, movement).encode(encoder),
            Piece::Head(head) => (6u8, head.two()).encode(encoder),
            Piece::Hold(account, hold) => (7u8, account.program, account.user, hold, hold.expires_at).encode(encoder),
            Piece::Chain(chain) => (8u8, chain).encode(encoder),
            Piece::Name(name) => (9u8, name).encode(encoder),
            Piece::Letter(letter) => (10u8, letter).encode(encoder),
            Piece::LettersCount(count) => (11u8, count).encode(encoder),
            Piece::ControlsCount(programmes, usages) => (12u8, programmes, usages).encode(encoder),
            Piece::Programme(programme) => (13u8, programme).encode(encoder),
            Piece::Usage(usage) => (14u8, usage).encode(encoder),
            Piece::PartiesCount(count) => (16u8, count).encode(encoder),
            Piece::Party(party) => (17u8, party).encode(encoder),
            Piece::Restored(restored) => (19u8, restored).encode(encoder),
        }
    }
}

impl<C> Decode<C> for Record {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(match u8::decode(decoder)? {
            1 => Record::Head(Head::of_one(Decode::decode(decoder)?)),
            2 => Record::Account(Decode::decode(decoder)?),
            3 => Record::Hold(Decode::decode(decoder)?),
            4 => Record::Token(Decode::decode(decoder)?),
            5 => Record::Movement(Decode::decode(decoder)?),
            6 => Record::Head(Head::of_two(Decode::decode(decoder)?)),
            7 => {
                let (program, user, hold, expires_at): (Program, UserToken, Hold, Timestamp) = Decode::decode(decoder)?;
                Record::Hold((program, user, Hold { expires_at, ..hold }))
            }
            8 => Record::Chain(Decode::decode(decoder)?),
            9 => Record::Name(Decode::decode(decoder)?),
            10 => Record::Letter(Decode::decode(decoder)?),
            11 => Record::LettersCount(Decode::decode(decoder)?),
            12 => Record::ControlsCount(Decode::decode(decoder)?),
            13 => Record::Programme(Decode::decode(decoder)?),
            14 => Record::Usage(Decode::decode(decoder)?),
            15 => {
                let (mut token, judged): (TokenRecord, Judged) = Decode::decode(decoder)?;
                token.more.get_or_insert_default().judged = Some(judged);
                Record::Token(token)
            }
            16 => Record::PartiesCount(Decode::decode(decoder)?),
            17 => Record::Party(Decode::decode(decoder)?),
            18 => {
                let (mut token, judged, product): (TokenRecord, Judged, Token) = Decode::decode(decoder)?;
                token.more.get_or_insert_default().judged = Some(Judged { product: Some(product), ..judged });
                Record::Token(token)
            }
            19 => Record::Restored(Decode::decode(decoder)?),
            _ => return refused("no such Record"),
        })
    }
}

impl Head {
    fn is_plain(&self) -> bool {
        let Scalars { last_chain, tallies, .. } = &self.scalars;
        (*last_chain, *tallies, self.extent.chains, self.extent.names) == (0, Tallies::default(), 0, 0)
    }

    fn one(&self) -> HeadOne {
        let Scalars { now, last_hold, ref totals, holds, conflicts, impossible, .. } = self.scalars;
        let Extent { accounts, tokens, movements, .. } = self.extent;
        HeadOne { now, last_hold, totals: totals.clone(), holds, conflicts, impossible, accounts, tokens, movements }
    }

    fn two(&self) -> HeadTwo {
        let Scalars { last_chain, tallies, .. } = self.scalars;
        let Extent { chains, names, .. } = self.extent;
        HeadTwo { one: self.one(), last_chain, tallies, chains, names }
    }

    fn of_one(head: HeadOne) -> Head {
        Head::of_two(HeadTwo { one: head, last_chain: 0, tallies: Tallies::default(), chains: 0, names: 0 })
    }

    fn of_two(head: HeadTwo) -> Head {
        let HeadTwo { one, last_chain, tallies, chains, names } = head;
        let HeadOne { now, last_hold, totals, holds, conflicts, impossible, accounts, tokens, movements } = one;
        let scalars = Scalars { now, last_hold, totals, holds, conflicts, impossible, last_chain, tallies };
        Head { scalars, extent: Extent { accounts, tokens, movements, chains, names } }
    }
}
