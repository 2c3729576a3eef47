//! The bytes of restored books: commands 23 and 24, output 15, record 19.

use super::refused;
use crate::*;
use bincode::de::{Decode, Decoder, read::Reader};
use bincode::enc::{Encode, Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};

text! { Note }

numbered! {
    Meanwhile { Decline = 1, Decide = 2 }
}

fields! {
    Restored { since, taken_at, cluster, index, meanwhile }
    Reconciled { who, why }
}
