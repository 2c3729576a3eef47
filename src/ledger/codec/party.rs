//! The bytes of cards and users: commands 17 to 19, output 11, records 16 and 17.

use super::{decode_name, encode_name, refused};
use crate::kind_name::KindName;
use crate::party::Known;
use crate::*;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

numbered! {
    PartyState { Active = 1, Suspended = 2, Lost = 3, Closed = 4 }
    SaidBy { Processor = 1, Operator = 2 }
}

fields! {
    SetParty { program, party, state, by, said_at, holder }
}

impl Encode for Party {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Party::Card(card) => (1u8, card).encode(encoder),
            Party::User(user) => (2u8, user).encode(encoder),
        }
    }
}

impl<C> Decode<C> for Party {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(match u8::decode(decoder)? {
            1 => Party::Card(Decode::decode(decoder)?),
            2 => Party::User(Decode::decode(decoder)?),
            _ => return refused("no such Party"),
        })
    }
}

impl Encode for Known {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.program.encode(encoder)?;
        encode_name(&self.name, encoder)?;
        (self.processor, self.operator, self.holder).encode(encoder)
    }
}

impl<C> Decode<C> for Known {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let program = Program::decode(decoder)?;
        let name = decode_name::<{ KindName::LEN_MAX }, D>(decoder)?;
        let (processor, operator, holder) = Decode::decode(decoder)?;
        Ok(Known { program, name, processor, operator, holder })
    }
}
