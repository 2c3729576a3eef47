//! The bytes of restored books: commands 21 and 22, output 14, record 18.

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
