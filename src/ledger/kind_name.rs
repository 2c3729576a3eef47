//! A name of one of several kinds in one table: a letter for the kind, and a token.

use crate::Program;
use crate::Token;
use crate::parts::Key;

/// The name, on the stack: most are only looked up.
pub(crate) struct KindName {
    bytes: [u8; KindName::LEN_MAX],
    length: usize,
}

impl KindName {
    /// A letter and a token; users' tokens are no longer than others.
    pub(crate) const LEN_MAX: usize = 1 + Token::LEN_MAX;

    /// The token is at most [`Token::LEN_MAX`] bytes.
    pub(crate) fn new(kind: u8, token: &[u8]) -> KindName {
        let mut name = KindName { bytes: [0; KindName::LEN_MAX], length: 1 + token.len() };
        name.bytes[0] = kind;
        name.bytes[1..=token.len()].copy_from_slice(token);
        name
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(crate) fn key<'a>(&'a self, program: &'a Program) -> Key<'a> {
        Key { program: program.as_bytes(), name: self.as_bytes() }
    }
}
