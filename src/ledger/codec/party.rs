//! The bytes of cards and users: commands 17 to 19, output 11, records 16 and 17.

use super::refused;
use crate::party::Known;
use crate::*;
use alloc::boxed::Box;
use bincode::de::{Decode, Decoder, read::Reader};
use bincode::enc::{Encode, Encoder, write::Writer};
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
        // A name is no longer than `Known::NAME_MAX`.
        (self.program, self.name.len() as u8).encode(encoder)?;
        encoder.writer().write(&self.name)?;
        (self.processor, self.operator, self.holder).encode(encoder)
    }
}

impl<C> Decode<C> for Known {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (program, length): (Program, u8) = Decode::decode(decoder)?;
        let length = usize::from(length);
        let mut space = [0; Known::NAME_MAX];
        let Some(bytes) = space.get_mut(..length) else {
            return refused("name is too long");
        };
        decoder.claim_bytes_read(length)?;
        decoder.reader().read(bytes)?;
        let name = Box::from(&*bytes);
        let (processor, operator, holder) = Decode::decode(decoder)?;
        Ok(Known { program, name, processor, operator, holder })
    }
}
