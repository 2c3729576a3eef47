//! What can be wrong with a field of a request, in words that are the same for ever and never quote the request.

use crate::Reason;
use ledger::{Currency, IdError};
use std::fmt;

/// A field and what is wrong with it. Shown as `gpa_order.jit_funding.amount: 3 decimals, USD has 2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: &'static str,
    pub(crate) problem: Problem,
}

/// A request that is declined without being proposed: it is not recorded, and the same text refuses it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) fault: Fault,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing,
    Null,
    GivenTwice,
    NotObject,
    NotUtf8,
    NotText,
    NotNumber,
    TextNotNumber,
    Negative,
    TooManyDigits,
    TooManyDecimals { found: u32, currency: Currency },
    OutOfRange,
    VerificationNotZero,
    Id(IdError),
    NotCurrency,
    BesideTheOther,
    WrongDirection,
    NotBoolean,
    NotKnown,
    TooMany,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Missing => "missing",
            Problem::Null => "null",
            Problem::GivenTwice => "given twice",
            Problem::NotObject => "not a JSON object",
            Problem::NotUtf8 => "not UTF-8",
            Problem::NotText => "not a string",
            Problem::NotNumber => "not a number",
            Problem::TextNotNumber => "a string, must be a number",
            Problem::Negative => "negative",
            Problem::TooManyDigits => "too many digits",
            Problem::TooManyDecimals { found, currency } => {
                return write!(f, "{found} decimals, {} has {}", currency.code(), currency.digits());
            }
            Problem::OutOfRange => "out of range",
            Problem::VerificationNotZero => "account verification must be 0",
            Problem::Id(error) => return error.fmt(f),
            Problem::NotCurrency => "not a known currency",
            Problem::BesideTheOther => "given beside gpa_order",
            Problem::WrongDirection => "the method moves money the other way",
            Problem::NotBoolean => "not true or false",
            Problem::NotKnown => "not known",
            Problem::TooMany => "too many",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}
