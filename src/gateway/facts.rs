//! What a transaction object says about itself: merchant, card, channel, risk, and how long it stands.
//!
//! **What must hold.** Nothing here refuses a message. What is missing, of another type, given twice or of a word that
//! this release does not know is unknown; what the unknown means is for the books to say. Texts may come padded with
//! spaces, booleans and numbers as strings: older transaction models write them so.

use crate::json::{Field, pick, string};
use ledger::{Advice, CashKind, Channel, Check, Country, Entry, Fact, Facts, Risk, Timestamp, Token, UserToken};
use std::borrow::Cow;

/// The fields that tell, for who picks others of the same object besides.
pub(crate) const NAMES: [&str; 14] = [
    "card_token",
    "card_product_token",
    "card_acceptor",
    "pos",
    "transaction_metadata",
    "fraud",
    "card_security_code_verification",
    "address_verification",
    "cardholder_authentication_data",
    "is_preauthorization",
    "estimated_authorization",
    "authorization_expiration",
    "acting_user_token",
    "business_token",
];

/// The facts of a transaction object; `method` is that of its funding request, or empty.
pub(crate) fn read(transaction: &str, method: &str) -> Facts {
    pick(transaction, NAMES).map(|fields| of(fields, method)).unwrap_or_default()
}

/// The same of the object's fields named [`NAMES`].
pub(crate) fn of(fields: [Field<'_>; NAMES.len()], method: &str) -> Facts {
    let [
        card,
        product,
        acceptor,
        pos,
        metadata,
        fraud,
        code,
        address,
        cardholder,
        preauthorized,
        estimated,
        until,
        acting,
        business,
    ] = fields;
    let [mcc, merchant, country] = object(acceptor, ["mcc", "mid", "country_code"]);
    let [entry, present, recurring, partial] =
        object(pos, ["pan_entry_mode", "card_presence", "is_recurring", "partial_approval_capable"]);
    let metadata = object(
        metadata,
        [
            "payment_channel",
            "moto_indicator",
            "cross_border_transaction",
            "is_lodging_auto_rental",
            "authorization_life_cycle",
        ],
    );
    let [payment, moto, cross_border, lodging, life] = metadata;
    let [network, processor] = object(fraud, ["network", "issuer_processor"]);
    let [network_score] = object(network, ["transaction_risk_score"]);
    let [score, level, action] = object(processor, ["score", "risk_level", "recommended_action"]);
    let [status] = object(cardholder, ["authentication_status"]);
    let mcc = number(mcc);
    let card_present = fact(present);
    let way = Way { method, payment: &word(payment), moto: &word(moto), recurring: fact(recurring), card_present, mcc };
    Facts {
        mcc,
        merchant: id(merchant),
        country: text(country).and_then(|text| Country::new(text.trim()).ok()),
        card: id(card),
        product: id(product),
        acting: user(acting),
        business: user(business),
        channel: way.channel(),
        partial_ok: fact(partial),
        entry: how_entered(&word(entry)),
        cash: cash(method),
        card_present,
        cross_border: fact(cross_border),
        network_score: number(network_score),
        processor_score: number(score),
        outside_score: None,
        risk: named(Risk::ALL, Risk::name, level),
        advice: named(Advice::ALL, Advice::name, action),
        security_code: security_code(&response(code)),
        address: address_match(&response_of_issuer(address)),
        three_ds: authenticated(&word(status)),
        lodging_or_rental: fact(lodging),
        preauthorization: either(fact(preauthorized), fact(estimated)),
        life_days: number(life),
        stands_until: text(until).and_then(|text| instant(&text)),
    }
}

fn object<'a, const N: usize>(field: Field<'a>, names: [&str; N]) -> [Field<'a>; N] {
    let value = field.value().ok().flatten();
    value.and_then(|text| pick(text, names)).unwrap_or([Field::Absent; N])
}

fn text(field: Field<'_>) -> Option<Cow<'_, str>> {
    field.value().ok().flatten().and_then(|text| string(text).ok())
}

/// A word of a list, in capitals; empty if there is none.
fn word(field: Field<'_>) -> String {
    text(field).map(|text| text.trim().to_ascii_uppercase()).unwrap_or_default()
}

fn user(field: Field<'_>) -> Option<UserToken> {
    text(field).and_then(|text| UserToken::new(text.trim()).ok())
}

fn id(field: Field<'_>) -> Option<Token> {
    text(field).and_then(|text| Token::new(text.trim()).ok())
}

/// A whole number, bare or as a string.
fn number(field: Field<'_>) -> Option<u16> {
    let bare = field.value().ok().flatten()?;
    string(bare).unwrap_or(Cow::Borrowed(bare)).trim().parse().ok()
}

/// A boolean, bare or as a string.
fn fact(field: Field<'_>) -> Fact {
    let bare = field.value().ok().flatten().unwrap_or_default();
    match string(bare).unwrap_or(Cow::Borrowed(bare)).trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Fact::Yes,
        "false" | "0" => Fact::No,
        _ => Fact::Unknown,
    }
}

fn either(one: Fact, other: Fact) -> Fact {
    match (one, other) {
        (Fact::Yes, _) | (_, Fact::Yes) => Fact::Yes,
        (Fact::No, _) | (_, Fact::No) => Fact::No,
        (Fact::Unknown, Fact::Unknown) => Fact::Unknown,
    }
}

/// The word of a list that the message names.
fn named<T: Copy + Default>(all: &[T], name: fn(T) -> &'static str, field: Field<'_>) -> T {
    let told = text(field).unwrap_or_default();
    all.iter().copied().find(|one| name(*one).eq_ignore_ascii_case(told.trim())).unwrap_or_default()
}

/// What tells the channel.
struct Way<'a> {
    method: &'a str,
    payment: &'a str,
    moto: &'a str,
    recurring: Fact,
    card_present: Fact,
    mcc: Option<u16>,
}

impl Way<'_> {
    /// The first that is sure: a cash machine whatever else is said, an agreement whatever its channel was.
    fn channel(&self) -> Channel {
        if self.method.contains("atm") || self.payment == "ATM" || self.mcc == Some(6011) {
            return Channel::Atm;
        }
        if self.recurring == Fact::Yes || matches!(self.moto, "RECURRING" | "INSTALLMENT") {
            return Channel::Recurring;
        }
        match self.payment {
            "ECOMMERCE" => return Channel::Ecommerce,
            "MOTO" | "MAIL" | "TELEPHONE" => return Channel::MailOrPhone,
            _ => {}
        }
        match (self.moto, self.card_present) {
            ("MANUAL", _) => Channel::MailOrPhone,
            (_, Fact::Yes) => Channel::CardPresent,
            (_, Fact::No | Fact::Unknown) => Channel::Unknown,
        }
    }
}

fn how_entered(mode: &str) -> Entry {
    match mode {
        "MANUAL" => Entry::Manual,
        "MAG_STRIPE" => Entry::MagneticStripe,
        "CHIP" => Entry::Chip,
        "CHIP_CONTACTLESS" | "MAG_STRIPE_CONTACTLESS" => Entry::Contactless,
        "CHIP_FALLBACK" => Entry::ChipFallback,
        "CARD_ON_FILE" | "CREDENTIAL_ON_FILE" => Entry::OnFile,
        "BAR_CODE" | "OCR" | "MICR" | "OTHER" => Entry::Other,
        _ => Entry::Unknown,
    }
}

/// Cash-back is cash as far as anybody can tell before it is paid.
fn cash(method: &str) -> CashKind {
    if method.contains("quasi.cash") {
        CashKind::QuasiCash
    } else if method.contains("atm.withdrawal") || method.contains("cashback") {
        CashKind::Cash
    } else {
        CashKind::Unknown
    }
}

/// `response.code`.
fn response(of: Field<'_>) -> String {
    let [response] = object(of, ["response"]);
    let [code] = object(response, ["code"]);
    word(code)
}

/// The same, where the funding object's form has it under `issuer`.
fn response_of_issuer(of: Field<'_>) -> String {
    let [issuer] = object(of, ["issuer"]);
    let own = response(of);
    if own.is_empty() { response(issuer) } else { own }
}

fn security_code(code: &str) -> Check {
    match code {
        "0000" => Check::Match,
        "0001" => Check::Mismatch,
        _ => Check::Unknown,
    }
}

/// Two digits for the street, two for the postal code.
fn address_match(code: &str) -> Check {
    match code {
        "0000" => Check::Match,
        "0001" | "0100" | "0200" | "0002" => Check::Partial,
        "0101" | "0201" | "0102" => Check::Mismatch,
        _ => Check::Unknown,
    }
}

fn authenticated(status: &str) -> Check {
    match status {
        "SUCCESSFUL" | "AUTHENTICATED" | "AUTHENTICATION_SUCCESSFUL" => Check::Match,
        "ATTEMPTED" | "AUTHENTICATION_ATTEMPTED" => Check::Partial,
        "FAILED" | "NOT_AUTHENTICATED" | "AUTHENTICATION_FAILED" | "REJECTED" => Check::Mismatch,
        _ => Check::Unknown,
    }
}

/// RFC 3339; nothing before 1970.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.trim().parse().ok()?;
    u64::try_from(at.as_microsecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests;
