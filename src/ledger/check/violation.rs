//! What the audit can find, in types for programs and in words for people.

use crate::{Currency, Program, Token, UserToken};
use core::fmt;

/// Something in the books that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An account's held is not the sum of its holds.
    HeldDiffers {
        /// The account's programme.
        program: Program,
        /// The account.
        user: UserToken,
        /// The currency.
        currency: Currency,
        /// What the account says.
        held_minor: i64,
        /// What its holds add up to.
        holds_minor: u128,
    },
    /// A balance is beyond ±2^62, or held is negative.
    OutOfRange {
        /// The account's programme.
        program: Program,
        /// The account.
        user: UserToken,
        /// The currency.
        currency: Currency,
    },
    /// An account's currencies or holds are out of order, twice there, or numbered beyond the last number given.
    Disordered {
        /// The account's programme.
        program: Program,
        /// The account.
        user: UserToken,
    },
    /// A total is not the sum over the accounts.
    TotalDiffers {
        /// The currency.
        currency: Currency,
        /// Which total.
        total: &'static str,
        /// What is kept.
        kept: i128,
        /// What the accounts add up to.
        found: i128,
    },
    /// The places of a currency do not sum to zero: money was made or lost.
    Unbalanced {
        /// The currency.
        currency: Currency,
        /// What is too much.
        sum: i128,
    },
    /// No token stands for this hold.
    HoldWithoutToken {
        /// The account's programme.
        program: Program,
        /// The account.
        user: UserToken,
        /// The hold.
        hold: u64,
    },
    /// A held token has no hold, or one that says otherwise.
    TokenWithoutHold {
        /// The token's programme.
        program: Program,
        /// The token.
        token: Token,
    },
    /// A chain does not stand in the books for what its facts mean, or its names or tokens say otherwise.
    ChainUnsound {
        /// The chain's programme.
        program: Program,
        /// The chain.
        chain: u64,
    },
    /// A count is not what is there.
    CountDiffers {
        /// Of what.
        of: &'static str,
        /// What is kept.
        kept: u64,
        /// What is there.
        found: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::HeldDiffers { program, user, currency, held_minor, holds_minor } => {
                let code = currency.code();
                write!(f, "account {program}/{user} holds {held_minor} minor {code}, its holds add up to {holds_minor}")
            }
            Violation::OutOfRange { program, user, currency } => {
                write!(f, "account {program}/{user} has a balance out of range in {}", currency.code())
            }
            Violation::Disordered { program, user } => {
                write!(f, "account {program}/{user} has currencies or holds out of order")
            }
            Violation::TotalDiffers { currency, total, kept, found } => {
                write!(f, "{total} of {} is kept as {kept} minor, the accounts add up to {found}", currency.code())
            }
            Violation::Unbalanced { currency, sum } => {
                write!(f, "the places of {} sum to {sum} minor instead of zero", currency.code())
            }
            Violation::HoldWithoutToken { program, user, hold } => {
                write!(f, "no token stands for hold {hold} of account {program}/{user}")
            }
            Violation::TokenWithoutHold { program, token } => {
                write!(f, "token {program}/{token} is held but has no such hold")
            }
            Violation::ChainUnsound { program, chain } => {
                write!(f, "chain {program}/{chain} is not what its facts, names or tokens say")
            }
            Violation::CountDiffers { of, kept, found } => write!(f, "{of} are counted as {kept}, there are {found}"),
        }
    }
}
