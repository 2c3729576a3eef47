//! What a transaction object says about itself: merchant, card, channel, risk, and how long it stands.
//!
//! **What must hold.** Nothing here refuses a message. What is missing, of another type, given twice or of a word that
//! this release does not know is unknown; what the unknown means is for the books to say. Texts may come padded with
//! spaces, booleans and numbers as strings: older transaction models write them so.

use crate::json::tree::Wanted::{Object, Value};
use crate::json::tree::{self, Picked, Wanted};
use crate::json::{Field, string};
use ledger::{Advice, CashKind, Channel, Check, Country, Entry, Fact, Facts, Risk, Timestamp, Token, UserToken};
use std::borrow::Cow;

/// The values of a transaction object that tell, for who picks others of the same object besides: what is in these
/// places is for [`of`].
pub(crate) const WANTED: [Wanted; 14] = [
    Value("card_token", 0),
    Value("card_product_token", 1),
    Value("is_preauthorization", 2),
    Value("estimated_authorization", 3),
    Value("authorization_expiration", 4),
    Value("acting_user_token", 5),
    Value("business_token", 6),
    Object("card_acceptor", 0, &[Value("mcc", 7), Value("mid", 8), Value("country_code", 9)]),
    Object(
        "pos",
        1,
        &[
            Value("pan_entry_mode", 10),
            Value("card_presence", 11),
            Value("is_recurring", 12),
            Value("partial_approval_capable", 13),
        ],
    ),
    Object(
        "transaction_metadata",
        2,
        &[
            Value("payment_channel", 14),
            Value("moto_indicator", 15),
            Value("cross_border_transaction", 16),
            Value("is_lodging_auto_rental", 17),
            Value("authorization_life_cycle", 18),
        ],
    ),
    Object(
        "fraud",
        3,
        &[
            Object("network", 4, &[Value("transaction_risk_score", 19)]),
            Object(
                "issuer_processor",
                5,
                &[Value("score", 20), Value("risk_level", 21), Value("recommended_action", 22)],
            ),
        ],
    ),
    Object("card_security_code_verification", 6, &[Object("response", 7, &[Value("code", 23)])]),
    // The funding object's form has it under `issuer`.
    Object(
        "address_verification",
        8,
        &[
            Object("response", 9, &[Value("code", 24)]),
            Object("issuer", 10, &[Object("response", 11, &[Value("code", 25)])]),
        ],
    ),
    Object("cardholder_authentication_data", 12, &[Value("authentication_status", 26)]),
];

/// How many places there are for values.
pub(crate) const VALUES: usize = 27;
/// How many for what stands where an object is wanted. What is no object, or given twice, tells nothing.
pub(crate) const OBJECTS: usize = 13;

/// The facts of a transaction object; `method` is that of its funding request, or empty.
pub(crate) fn read(transaction: &str, method: &str) -> Facts {
    let picked: Option<Picked<'_, VALUES, OBJECTS>> = tree::pick(transaction, &WANTED);
    picked.map(|picked| of(picked.values, method)).unwrap_or_default()
}

/// The same of what was found for [`WANTED`].
pub(crate) fn of(values: [Field<'_>; VALUES], method: &str) -> Facts {
    let [card, product, preauthorized, estimated, until, acting, business, values @ ..] = values;
    let [mcc, merchant, country, entry, present, recurring, partial, values @ ..] = values;
    let [payment, moto, cross_border, lodging, life, values @ ..] = values;
    let [network_score, score, level, action, code, address, address_of_issuer, status] = values;
    let mcc = number(mcc);
    let card_present = fact(present);
    let (own, of_issuer) = (word(address), word(address_of_issuer));
    let address = if own.is_empty() { of_issuer } else { own };
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
        security_code: security_code(&word(code)),
        address: address_match(&address),
        three_ds: authenticated(&word(status)),
        lodging_or_rental: fact(lodging),
        preauthorization: either(fact(preauthorized), fact(estimated)),
        life_days: number(life),
        stands_until: text(until).and_then(|text| instant(&text)),
    }
}

fn text(field: Field<'_>) -> Option<Cow<'_, str>> {
    field.value().ok().flatten().and_then(|text| string(text).ok())
}

/// A word of a list, in capitals; empty if there is none.
fn word(field: Field<'_>) -> Cow<'_, str> {
    match text(field).unwrap_or_default() {
        Cow::Borrowed(text) if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => Cow::Borrowed(text.trim()),
        text => Cow::Owned(text.trim().to_ascii_uppercase()),
    }
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
    let told = string(bare).unwrap_or(Cow::Borrowed(bare));
    let is = |word| told.trim().eq_ignore_ascii_case(word);
    if is("true") || is("1") {
        Fact::Yes
    } else if is("false") || is("0") {
        Fact::No
    } else {
        Fact::Unknown
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
