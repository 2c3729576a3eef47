//! From a document to a file.

use super::words::{Words, mcc_text, money, span_text, window_text};
use super::{Conditions, File, Limit, Rule, Settings};
use ledger::{Condition, Document, Fact, Mode, Purpose, Then};

/// The file that says what a document says. Everything that has a default is written only where it differs.
pub fn write(document: &Document) -> File {
    File {
        time_zone: document.zone.name.map(|name| name.as_str().to_owned()),
        settings: settings(&document.settings),
        rules: document.rules.iter().map(rule).collect(),
    }
}

fn unless_default<T: PartialEq>(value: T, default: T) -> Option<T> {
    (value != default).then_some(value)
}

fn settings(of: &ledger::Settings) -> Settings {
    let default = ledger::Settings::DEFAULT;
    Settings {
        hold_days: unless_default(of.hold_days, default.hold_days),
        hold_days_long: unless_default(of.hold_days_long, default.hold_days_long),
        unknown_cards: unless_default(of.unknown_cards, default.unknown_cards).map(Words::word),
        partial_approval: unless_default(of.partial_approval, default.partial_approval).map(Words::word),
        unconfirmed_after: unless_default(of.unconfirmed_after, default.unconfirmed_after).map(span_text),
        remember_days: unless_default(of.remember_days, default.remember_days),
    }
}

pub(super) fn rule(of: &ledger::Rule) -> Rule {
    let file = Rule {
        name: of.name.as_str().to_owned(),
        mode: unless_default(of.mode, Mode::default()).map(Words::word),
        purpose: unless_default(of.purpose, Purpose::default()).map(Words::word),
        when: conditions(&of.when),
        unless: conditions(&of.unless),
        ..Rule::default()
    };
    match of.then {
        Then::Deny => Rule { deny: Some(true), ..file },
        Then::Most(most) => Rule { most: Some(money(most)), ..file },
        Then::Limit(of) => Rule { limit: Some(limit(&of)), ..file },
        Then::Travel(within) => Rule { travel: Some(span_text(within)), ..file },
    }
}

/// A limit as the file has it.
pub fn limit(of: &ledger::Limit) -> Limit {
    Limit {
        per: of.per.word(),
        window: window_text(of.window),
        of: unless_default(of.of, ledger::Counted::default()).map(Words::word),
        amount: of.amount.map(money),
        count: of.count,
    }
}

fn conditions(all: &[Condition]) -> Option<Conditions> {
    if all.is_empty() {
        return None;
    }
    let mut file = Conditions::default();
    for condition in all {
        match condition {
            Condition::Product(list) => file.product = Some(texts(list)),
            Condition::Account(list) => file.account = Some(texts(list)),
            Condition::Card(list) => file.card = Some(texts(list)),
            Condition::Kind(list) => file.kind = Some(words(list)),
            Condition::Mcc(list) => file.mcc = Some(list.iter().copied().map(mcc_text).collect()),
            Condition::Merchant(list) => file.merchant = Some(texts(list)),
            Condition::Country(list) => {
                file.country = Some(list.iter().map(|country| country.as_str().to_owned()).collect());
            }
            Condition::Channel(list) => file.channel = Some(words(list)),
            Condition::Entry(list) => file.entry = Some(words(list)),
            Condition::Cash(list) => file.cash = Some(words(list)),
            Condition::CardPresent(fact) => file.card_present = Some(*fact == Fact::Yes),
            Condition::CrossBorder(fact) => file.cross_border = Some(*fact == Fact::Yes),
            Condition::AtLeast(amount) => file.at_least = Some(money(*amount)),
            Condition::NetworkScore(score) => file.network_score = Some(*score),
            Condition::ProcessorScore(score) => file.processor_score = Some(*score),
            Condition::OutsideScore(score) => file.outside_score = Some(*score),
            Condition::Risk(list) => file.risk = Some(words(list)),
            Condition::Advice(list) => file.advice = Some(words(list)),
            Condition::SecurityCode(list) => file.security_code = Some(words(list)),
            Condition::Address(list) => file.address = Some(words(list)),
            Condition::ThreeDs(list) => file.three_ds = Some(words(list)),
            Condition::FirstUse(fact) => file.first_use = Some(*fact == Fact::Yes),
        }
    }
    Some(file)
}

fn texts(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn words<W: Words>(list: &[W]) -> Vec<String> {
    list.iter().map(|word| word.word()).collect()
}
