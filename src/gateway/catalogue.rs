//! What the door makes of each method and of each transaction type, in words: for documents and tests.
//!
//! What must hold: the words are made from the tables that decide (`method.rs`, `webhook/table.rs`), so that neither
//! can say what the other does not do.

use crate::method::{self, Class};
use crate::webhook::{Act, METHODS, Meaning, TYPES};
use ledger::MoveDirection;

/// A method of `jit_funding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownMethod {
    /// As the processor writes it.
    pub name: &'static str,
    /// What a request with it does.
    pub asked: &'static str,
    /// What a report with it does, if its transaction type says nothing else.
    pub reported: &'static str,
}

/// A transaction type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownType {
    /// As the processor writes it.
    pub name: &'static str,
    /// What a report of it does.
    pub reported: &'static str,
}

/// All known methods, in order.
pub fn methods() -> impl Iterator<Item = KnownMethod> {
    method::KNOWN.iter().map(|(name, class)| KnownMethod { name, asked: asked(*class), reported: by_method(name) })
}

/// All known transaction types, in order.
pub fn types() -> impl Iterator<Item = KnownType> {
    TYPES.iter().map(|(name, meaning)| KnownType { name, reported: reported(*meaning) })
}

fn by_method(name: &str) -> &'static str {
    let known = METHODS.iter().find(|(known, _)| *known == name);
    known.map_or("dead letter", |(_, meaning)| reported(*meaning))
}

fn asked(class: Class) -> &'static str {
    match class {
        Class::Authorization => "hold",
        Class::Incremental => "hold on top",
        Class::SingleDebit => "hold until complete",
        Class::Credit => "announce a credit",
        Class::OriginalCredit => "announce a credit, or lend it (fast funds)",
        Class::AccountVerification => "answer",
        Class::BalanceInquiry => "answer with balances",
        Class::ProductInquiry => "answer",
        Class::Notice => "acknowledge",
        Class::Unknown => "decide by box",
    }
}

fn reported(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Fact(act) => happened(act),
        Meaning::Aside(MoveDirection::Credit) => "credit aside",
        Meaning::Aside(MoveDirection::Debit) => "debit aside",
        Meaning::Case(MoveDirection::Credit) => "credit by its case",
        Meaning::Case(MoveDirection::Debit) => "debit by its case",
        Meaning::Beside => "by its method; else nothing",
        Meaning::Companion => "nothing: told under another type",
        Meaning::Moneyless => "nothing: no money",
    }
}

fn happened(act: Act) -> &'static str {
    match act {
        Act::Promise => "confirm, force or release a hold",
        Act::Increment => "the same on top",
        Act::Advice => "lower the hold",
        Act::Reversal => "lower or end the hold",
        Act::SingleReversal => "give back what was paid",
        Act::Expiration => "end the hold",
        Act::Clearing => "pay out of the hold",
        Act::ForceCapture => "pay without a hold",
        Act::Single => "pay when complete",
        Act::Announce => "announce or lend a credit",
        Act::SingleCredit => "credit when complete",
        Act::Credit => "credit",
        Act::CreditReversal => "end what was announced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_means_something_on_both_ways() {
        assert_eq!(methods().count(), 51);
        for method in methods() {
            assert!(method.reported != "dead letter", "{}", method.name);
        }
        assert_eq!(types().count(), TYPES.len());
    }
}
