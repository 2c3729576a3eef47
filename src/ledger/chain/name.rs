//! From a name of the processor to the chain, or to the request, that it belongs to.
//!
//! **What must hold.** A name counts within one account and one currency only, so that a fact about another account or
//! another currency has a chain of its own, in whatever order the facts come. A name leads to one place.

use crate::parts::{Key, Keyed};
use crate::{Currency, Program, Token, UserToken};
use alloc::boxed::Box;

/// Which of the processor's names it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Of a request for funds.
    Jit,
    /// Of a transaction.
    Transaction,
}

/// A name of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub kind: Kind,
    pub token: Token,
}

impl Named {
    pub(crate) fn jit(token: Token) -> Named {
        Named { kind: Kind::Jit, token }
    }

    pub(crate) fn transaction(token: Token) -> Named {
        Named { kind: Kind::Transaction, token }
    }
}

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// To a request that has no chain yet.
    Request(Token),
    /// To the chain with this number.
    Chain(u64),
}

/// Whose names: one account in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub program: Program,
    pub user: UserToken,
    pub currency: Currency,
}

/// A name and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub program: Program,
    /// See [`Owner::key_of`].
    pub bytes: Box<[u8]>,
    pub to: To,
}

impl Owner {
    /// Kind, currency, the name's length, the name, and the user: no two differ in parts and agree as a whole.
    pub(crate) fn key_of(&self, name: Named) -> NameKey {
        let kind = match name.kind {
            Kind::Jit => 1,
            Kind::Transaction => 2,
        };
        let [high, low] = self.currency.numeric().to_be_bytes();
        let token = name.token.as_bytes();
        let mut key = NameKey { bytes: [0; Name::BYTES_MAX], length: 0 };
        // No token is longer than 36.
        key.push(&[kind, high, low, token.len() as u8]);
        key.push(token);
        key.push(self.user.as_bytes());
        key
    }
}

/// A key, on the stack: most are only looked up.
pub(crate) struct NameKey {
    bytes: [u8; Name::BYTES_MAX],
    length: usize,
}

impl NameKey {
    fn push(&mut self, bytes: &[u8]) {
        // Three parts of at most 4, 36 and 36 bytes fit; see `Name::BYTES_MAX`.
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Name {
    /// The longest key: 4 bytes, a token and a user.
    pub(crate) const BYTES_MAX: usize = 4 + Token::LEN_MAX + UserToken::LEN_MAX;

    pub(crate) fn lookup<'a>(program: &'a Program, bytes: &'a [u8]) -> Key<'a> {
        Key { program: program.as_bytes(), name: bytes }
    }
}

impl Keyed for Name {
    fn key(&self) -> Key<'_> {
        Name::lookup(&self.program, &self.bytes)
    }
}
