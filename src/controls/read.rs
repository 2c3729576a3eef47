//! From a file to a document.

use super::words::{self, Words, amount, fact, span};
use super::{Conditions, File, Limit, Rule, Settings, zone};
use ledger::{Condition, Country, Document, Then, Token, UserToken, Zone};

/// Reads a text: JSON if it begins like an object, else TOML.
pub fn read(text: &str) -> Result<Document, String> {
    let json = text.trim_start().starts_with('{');
    let file: File = match json {
        true => serde_json::from_str(text).map_err(|error| error.to_string())?,
        false => toml::from_str(text).map_err(|error| error.to_string())?,
    };
    document(&file)
}

fn document(file: &File) -> Result<Document, String> {
    let zone = match file.time_zone.as_deref() {
        None => Zone::default(),
        Some(name) => zone::zone(name).map_err(|error| format!("time_zone: {error}"))?,
    };
    let settings = settings(&file.settings).map_err(|error| format!("settings.{error}"))?;
    let rules = file.rules.iter().map(|of| rule(of).map_err(|error| format!("rule {:?}: {error}", of.name)));
    let document = Document { settings, zone, rules: rules.collect::<Result<_, _>>()? };
    document.check().map_err(|error| error.to_string())?;
    Ok(document)
}

/// A value that may be absent.
fn optional<T, V>(
    key: &str,
    value: &Option<T>,
    read: impl FnOnce(&T) -> Result<V, String>,
) -> Result<Option<V>, String> {
    value.as_ref().map(read).transpose().map_err(|error| format!("{key}: {error}"))
}

fn word<W: Words>(text: &str) -> Result<W, String> {
    W::read(text)
}

fn settings(file: &Settings) -> Result<ledger::Settings, String> {
    let default = ledger::Settings::DEFAULT;
    Ok(ledger::Settings {
        hold_days: file.hold_days.unwrap_or(default.hold_days),
        hold_days_long: file.hold_days_long.unwrap_or(default.hold_days_long),
        unknown_cards: optional("unknown_cards", &file.unknown_cards, |text| word(text))?.unwrap_or_default(),
        partial_approval: optional("partial_approval", &file.partial_approval, |text| word(text))?.unwrap_or_default(),
        unconfirmed_after: optional("unconfirmed_after", &file.unconfirmed_after, |text| span(text))?
            .unwrap_or(default.unconfirmed_after),
        remember_days: file.remember_days.unwrap_or(default.remember_days),
    })
}

fn rule(file: &Rule) -> Result<ledger::Rule, String> {
    let most = optional("most", &file.most, |text| amount(text))?.map(Then::Most);
    let limit = file.limit.as_ref().map(limit).transpose()?.map(Then::Limit);
    let travel = optional("travel", &file.travel, |text| span(text))?.map(Then::Travel);
    let deny = match file.deny {
        Some(true) => Some(Then::Deny),
        Some(false) => return Err("deny: may only be true; leave the rule out, or set it in shadow".to_owned()),
        None => None,
    };
    let mut thens = [deny, most, limit, travel].into_iter().flatten();
    let (Some(then), None) = (thens.next(), thens.next()) else {
        return Err("needs exactly one of deny, most, limit and travel".to_owned());
    };
    Ok(ledger::Rule {
        name: Token::new(&file.name).map_err(|error| format!("name: {error}"))?,
        mode: optional("mode", &file.mode, |text| word(text))?.unwrap_or_default(),
        purpose: optional("purpose", &file.purpose, |text| word(text))?.unwrap_or_default(),
        when: conditions(file.when.as_ref()).map_err(|error| format!("when.{error}"))?,
        unless: conditions(file.unless.as_ref()).map_err(|error| format!("unless.{error}"))?,
        then,
    })
}

fn limit(file: &Limit) -> Result<ledger::Limit, String> {
    Ok(ledger::Limit {
        per: Words::read(&file.per).map_err(|error| format!("limit.per: {error}"))?,
        window: words::window(&file.window).map_err(|error| format!("limit.window: {error}"))?,
        of: optional("limit.of", &file.of, |text| word(text))?.unwrap_or_default(),
        amount: optional("limit.amount", &file.amount, |text| amount(text))?,
        count: file.count,
    })
}

/// In the order of the file's keys.
fn conditions(file: Option<&Conditions>) -> Result<Vec<Condition>, String> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let Conditions { product, account, card, kind, mcc, merchant, country, channel, entry, cash, .. } = file;
    let mccs = |text: &String| words::mcc(text);
    let all = [
        list("product", product, |text| token(text))?.map(Condition::Product),
        list("account", account, |text| UserToken::new(text).map_err(|error| format!("{text:?} {error}")))?
            .map(Condition::Account),
        list("card", card, |text| token(text))?.map(Condition::Card),
        list("kind", kind, |text| word(text))?.map(Condition::Kind),
        list("mcc", mcc, mccs)?.map(|ranges| Condition::Mcc(ranges.concat())),
        list("merchant", merchant, |text| token(text))?.map(Condition::Merchant),
        list("country", country, |text| {
            Country::new(text).map_err(|_| format!("{text:?} is not three capital letters"))
        })?
        .map(Condition::Country),
        list("channel", channel, |text| word(text))?.map(Condition::Channel),
        list("entry", entry, |text| word(text))?.map(Condition::Entry),
        list("cash", cash, |text| word(text))?.map(Condition::Cash),
        file.card_present.map(|yes| Condition::CardPresent(fact(yes))),
        file.cross_border.map(|yes| Condition::CrossBorder(fact(yes))),
        optional("at_least", &file.at_least, |text| amount(text))?.map(Condition::AtLeast),
        file.network_score.map(Condition::NetworkScore),
        file.processor_score.map(Condition::ProcessorScore),
        file.outside_score.map(Condition::OutsideScore),
        list("risk", &file.risk, |text| word(text))?.map(Condition::Risk),
        list("advice", &file.advice, |text| word(text))?.map(Condition::Advice),
        list("security_code", &file.security_code, |text| word(text))?.map(Condition::SecurityCode),
        list("address", &file.address, |text| word(text))?.map(Condition::Address),
        list("three_ds", &file.three_ds, |text| word(text))?.map(Condition::ThreeDs),
        file.first_use.map(|yes| Condition::FirstUse(fact(yes))),
    ];
    Ok(all.into_iter().flatten().collect())
}

fn list<V>(
    key: &str,
    value: &Option<Vec<String>>,
    read: impl Fn(&String) -> Result<V, String>,
) -> Result<Option<Vec<V>>, String> {
    optional(key, value, |texts| texts.iter().map(read).collect())
}

fn token(text: &str) -> Result<Token, String> {
    Token::new(text).map_err(|error| format!("{text:?} {error}"))
}
