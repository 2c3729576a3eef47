//! The bytes that came with dead letters: commands 11 and 12, outputs 8 and 9, records 10 and 11.
//!
//! **What must hold.** A letter that is read is no larger than one may be. Books without letters are written as if
//! there were none: record 11, which says how many follow, is there only if some do.

use super::refused;
use crate::letters::Letter;
use crate::*;
use alloc::string::String;
use alloc::vec::Vec;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

numbered! {
    Why {
        Malformed = 1, KindUnknown = 2, AccountUnknown = 3, CurrencyNotHeld = 4, ChainFull = 5, OutOfRange = 6,
        Unnamed = 7, TypeUnknown = 8,
    }
    Kept { Whole = 1, Essence = 2, Cut = 3 }
    Shelved { Kept = 1, Known = 2, Full = 3, TooLarge = 4 }
    Dropped { Gone = 1, Unknown = 2 }
}

fields! {
    DropLetter { program, id }
    Letter { letter, at }
}

impl Encode for DeadLetter {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.program, self.id, self.kind, self.why, &self.detail, self.kept, &self.bytes).encode(encoder)
    }
}

impl<C> Decode<C> for DeadLetter {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (program, id, kind, why) = Decode::decode(decoder)?;
        let (detail, kept, bytes): (String, Kept, Vec<u8>) = Decode::decode(decoder)?;
        let letter = DeadLetter { program, id, kind, why, detail, kept, bytes };
        if letter.fits() { Ok(letter) } else { refused("more than a letter keeps") }
    }
}
