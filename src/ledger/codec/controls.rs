//! The bytes of controls: commands 16 and 20, outputs 10 and 13, and records 12 to 15 and 18.
//!
//! **What must hold.** Books without controls are written as they always were: the count of what follows, the
//! programmes, the usages and the tokens with what rules said of them are records of their own, which come only if
//! there is any.

use super::{decode_name, encode, encode_name, refused};
use crate::controls::{Bucket, Judged, Programme, Usage};
use crate::kind_name::KindName;
use crate::*;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

numbered! {
    Mode { Enforce = 1, Shadow = 2 }
    Purpose { Spend = 1, Fraud = 2 }
    Per { Account = 1, Card = 2, Product = 3, Programme = 4 }
    Counted { Approvals = 1, Declines = 2 }
    UnknownCards { Accept = 1, Refuse = 2 }
    PartialApproval { Never = 1, Available = 2 }
}

fields! {
    SetControls { program, based_on, document }
    Document { settings, zone, rules }
    Settings { hold_days, hold_days_long, unknown_cards, partial_approval, unconfirmed_after, remember_days }
    Forget { from, parts }
    Zone { name, offset_s, changes }
    Rule { name, mode, purpose, when, unless, then }
    Limit { per, window, of, amount, count }
    Controls { program, version, at, document, numbers, last_number }
    Tally { looked, fired, decided, spared }
    Bucket { rule, count, slot, minor }
}

wrapped! {
    Window as (u8, u32): |value| match value {
            Window::Rolling(Seconds(seconds)) => (1u8, *seconds),
            Window::Day => (2, 0),
            Window::Week => (3, 0),
            Window::Month => (4, 0),
            Window::Lifetime => (5, 0),
        },
        |raw| match raw {
            (1, seconds) => Ok(Window::Rolling(Seconds(seconds))),
            (2, 0) => Ok(Window::Day),
            (3, 0) => Ok(Window::Week),
            (4, 0) => Ok(Window::Month),
            (5, 0) => Ok(Window::Lifetime),
            _ => refused("no such window"),
        };
    Programme as (Controls, Vec<Tally>): |value| (&*value.controls, &*value.tallies),
        |raw| if raw.0.is_sound(raw.1.len()) {
            Ok(Programme { controls: Arc::new(raw.0), tallies: Arc::new(raw.1) })
        } else {
            refused("impossible controls")
        };
}

/// A variant is its number and its content.
macro_rules! variants {
    ($type:ident { $($variant:ident = $number:literal),+ $(,)? } $($bare:ident = $bare_number:literal)?) => {
        impl Encode for $type {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                match self {
                    $($type::$variant(content) => ($number as u8, content).encode(encoder),)+
                    $($type::$bare => ($bare_number as u8).encode(encoder),)?
                }
            }
        }

        impl<C> Decode<C> for $type {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Ok(match u8::decode(decoder)? {
                    $($number => $type::$variant(Decode::decode(decoder)?),)+
                    $($bare_number => $type::$bare,)?
                    _ => return refused(concat!("no such ", stringify!($type))),
                })
            }
        }
    };
}

variants! { Then { Most = 2, Limit = 3, Travel = 4 } Deny = 1 }

variants! {
    Condition {
        Product = 1, Account = 2, Card = 3, Kind = 4, Mcc = 5, Merchant = 6, Country = 7, Channel = 8, Entry = 9,
        Cash = 10, CardPresent = 11, CrossBorder = 12, AtLeast = 13, NetworkScore = 14, ProcessorScore = 15,
        OutsideScore = 16, Risk = 17, Advice = 18, SecurityCode = 19, Address = 20, ThreeDs = 21, FirstUse = 22,
    }
}

impl Encode for Judged {
    /// Without the product, which follows in record 18 if there is one.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.version, self.at, self.card, self.minor, &self.fired, &self.counted).encode(encoder)
    }
}

impl<C> Decode<C> for Judged {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (version, at, card, minor, fired, counted) = Decode::decode(decoder)?;
        Ok(Judged { version, at, card, product: None, minor, fired, counted })
    }
}

impl Encode for Usage {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.program.encode(encoder)?;
        encode_name(&self.name, encoder)?;
        (self.version, &self.buckets, self.used, self.last).encode(encoder)
    }
}

impl<C> Decode<C> for Usage {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let program = Program::decode(decoder)?;
        let name = decode_name::<{ KindName::LEN_MAX }, D>(decoder)?;
        let (version, buckets, used, last) = Decode::decode(decoder)?;
        let usage = Usage { program, name, version, buckets, used, last };
        if usage.is_sound() { Ok(usage) } else { refused("impossible usage") }
    }
}

/// How many bytes a document takes in the log.
pub(crate) fn document_bytes(document: &Document) -> usize {
    let mut bytes = Vec::new();
    encode(document, &mut bytes);
    bytes.len()
}
