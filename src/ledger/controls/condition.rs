//! When a rule looks at a request.

use crate::{
    Advice, Amount, Authorize, CashKind, Channel, Check, Country, Entry, Fact, Facts, RequestKind, Risk, Token,
    UserToken,
};
use alloc::vec::Vec;

/// One thing that may be so of a request. Of a list any one; what was not said matches only a list that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The card's product is one of these.
    Product(Vec<Token>),
    /// The account is one of these.
    Account(Vec<UserToken>),
    /// The card is one of these.
    Card(Vec<Token>),
    /// It is asked like one of these.
    Kind(Vec<RequestKind>),
    /// The merchant's category is in one of these ranges, both ends included.
    Mcc(Vec<(u16, u16)>),
    /// The merchant is one of these.
    Merchant(Vec<Token>),
    /// The merchant is in one of these countries.
    Country(Vec<Country>),
    /// The card was used in one of these ways.
    Channel(Vec<Channel>),
    /// The card's number came in one of these ways.
    Entry(Vec<Entry>),
    /// One of these is bought.
    Cash(Vec<CashKind>),
    /// The card was there, or was not.
    CardPresent(Fact),
    /// The merchant is in another country than the card, or is not.
    CrossBorder(Fact),
    /// It is at least this much, in its currency.
    AtLeast(Amount),
    /// The network's risk score is at least this.
    NetworkScore(u16),
    /// The processor's.
    ProcessorScore(u16),
    /// That of a scorer of the issuer's own.
    OutsideScore(u16),
    /// The processor's risk level is one of these.
    Risk(Vec<Risk>),
    /// The processor's risk service recommends one of these.
    Advice(Vec<Advice>),
    /// One of these came of the check of the card's security code.
    SecurityCode(Vec<Check>),
    /// Of the cardholder's address.
    Address(Vec<Check>),
    /// Of 3-D Secure.
    ThreeDs(Vec<Check>),
    /// The card has been approved before, or has not, as far as the books have counted its use.
    FirstUse(Fact),
}

/// What the books know of the card besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The card has been approved before; unknown if no card is named.
    pub first_use: Fact,
}

impl Condition {
    /// The most entries of one list.
    pub const ENTRIES_MAX: usize = 1000;

    pub(crate) fn entries(&self) -> usize {
        match self {
            Condition::Product(list) | Condition::Card(list) | Condition::Merchant(list) => list.len(),
            Condition::Account(list) => list.len(),
            Condition::Kind(list) => list.len(),
            Condition::Mcc(list) => list.len(),
            Condition::Country(list) => list.len(),
            Condition::Channel(list) => list.len(),
            Condition::Entry(list) => list.len(),
            Condition::Cash(list) => list.len(),
            Condition::Risk(list) => list.len(),
            Condition::Advice(list) => list.len(),
            Condition::SecurityCode(list) | Condition::Address(list) | Condition::ThreeDs(list) => list.len(),
            Condition::CardPresent(_)
            | Condition::CrossBorder(_)
            | Condition::AtLeast(_)
            | Condition::NetworkScore(_)
            | Condition::ProcessorScore(_)
            | Condition::OutsideScore(_)
            | Condition::FirstUse(_) => 1,
        }
    }

    /// Whether it names the merchant: then a decline is for the merchant.
    pub(crate) fn is_of_merchant(&self) -> bool {
        matches!(self, Condition::Mcc(_) | Condition::Merchant(_) | Condition::Country(_))
    }

    pub(crate) fn is_of_use(&self) -> bool {
        matches!(self, Condition::FirstUse(_))
    }

    pub(crate) fn matches(&self, request: &Authorize, facts: &Facts, seen: Seen) -> bool {
        match self {
            Condition::Product(list) => has(list, facts.product),
            Condition::Account(list) => list.contains(&request.user),
            Condition::Card(list) => has(list, facts.card),
            Condition::Kind(list) => list.contains(&request.kind),
            Condition::Mcc(ranges) => {
                facts.mcc.is_some_and(|mcc| ranges.iter().any(|(from, to)| (*from..=*to).contains(&mcc)))
            }
            Condition::Merchant(list) => has(list, facts.merchant),
            Condition::Country(list) => has(list, facts.country),
            Condition::Channel(list) => list.contains(&facts.channel),
            Condition::Entry(list) => list.contains(&facts.entry),
            Condition::Cash(list) => list.contains(&facts.bought()),
            Condition::CardPresent(fact) => facts.card_present == *fact,
            Condition::CrossBorder(fact) => facts.cross_border == *fact,
            Condition::AtLeast(amount) => {
                request.amount.currency() == amount.currency() && request.amount.minor() >= amount.minor()
            }
            Condition::NetworkScore(least) => facts.network_score.is_some_and(|score| score >= *least),
            Condition::ProcessorScore(least) => facts.processor_score.is_some_and(|score| score >= *least),
            Condition::OutsideScore(least) => facts.outside_score.is_some_and(|score| score >= *least),
            Condition::Risk(list) => list.contains(&facts.risk),
            Condition::Advice(list) => list.contains(&facts.advice),
            Condition::SecurityCode(list) => list.contains(&facts.security_code),
            Condition::Address(list) => list.contains(&facts.address),
            Condition::ThreeDs(list) => list.contains(&facts.three_ds),
            Condition::FirstUse(fact) => seen.first_use == *fact,
        }
    }
}

fn has<T: PartialEq>(list: &[T], said: Option<T>) -> bool {
    said.is_some_and(|said| list.contains(&said))
}
