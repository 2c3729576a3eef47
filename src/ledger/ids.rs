//! The names of things: tokens, users, programmes, attempts, and the log's time.
//!
//! Tokens are the processor's and opaque: 1 to 36 printable ASCII characters, never parsed as UUIDs. They are kept
//! inline, so that a record is one allocation.

use crate::Seconds;
use core::fmt;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// No character at all.
    Empty,
    /// More characters than the id may have.
    TooLong,
    /// A character that is not printable ASCII (0x21 to 0x7E, and the space inside).
    NotPrintable,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdError::Empty => "is empty",
            IdError::TooLong => "is too long",
            IdError::NotPrintable => "has a character that is not printable ASCII",
        })
    }
}

impl core::error::Error for IdError {}

/// Text of at most `N` printable ASCII characters, kept inline. Bytes past `len` are zero, so that the derived order
/// and equality are those of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Inline<N> {
    fn new(text: &str) -> Result<Self, IdError> {
        let source = text.as_bytes();
        let mut bytes = [0; N];
        bytes.get_mut(..source.len()).ok_or(IdError::TooLong)?.copy_from_slice(source);
        Inline::of_space(bytes, source.len())
    }

    /// The first bytes of a space whose others are zero.
    fn of_space(bytes: [u8; N], len: usize) -> Result<Self, IdError> {
        let text = bytes.get(..len).ok_or(IdError::TooLong)?;
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if !text.iter().all(|byte| (0x20..=0x7e).contains(byte)) {
            return Err(IdError::NotPrintable);
        }
        Ok(Inline { bytes, len: len as u8 })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn as_str(&self) -> &str {
        // Only `new` makes one, and it let nothing but ASCII in.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Inline<$max>);

        impl $name {
            /// The most characters it may have.
            pub const LEN_MAX: usize = $max;

            /// Checks and keeps a text.
            pub fn new(text: &str) -> Result<Self, IdError> {
                Inline::new(text).map(Self)
            }

            /// Checks the first bytes of a space whose others are zero, and keeps it.
            pub(crate) fn of_space(space: [u8; $max], len: usize) -> Result<Self, IdError> {
                Inline::of_space(space, len).map(Self)
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The text's bytes, without the check that makes them text again.
            pub(crate) fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

text_id! {
    /// A token of the processor (a funding request, a transaction) or the key of an operator's money movement.
    Token, 36
}
text_id! {
    /// The processor's token of the account holder.
    UserToken, 36
}
text_id! {
    /// The card programme: credentials name it, and every key carries it.
    Program, 16
}

text_id! {
    /// What an operator says, and who it is.
    Note, 200
}

/// One request for a token at one node, unique for ever (model M1): retries of its proposal keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The Raft id of the node that holds the request.
    pub node: u64,
    /// How often that node has started, counted durably.
    pub incarnation: u64,
    /// Counts up within the incarnation.
    pub counter: u64,
}

/// A digest of what a request means in money; the same token with another one is a conflict (DESIGN §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// Log time: microseconds since the Unix epoch as stamped by the leader; never runs back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// So many seconds later; the end of time at most.
    pub(crate) fn after(self, seconds: Seconds) -> Timestamp {
        // 2^32 seconds are less than 2^52 microseconds.
        Timestamp(self.0.saturating_add(u64::from(seconds.0) * 1_000_000))
    }
}
