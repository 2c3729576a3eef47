//! A dead letter made of an item, and an item read again out of one.
//!
//! **What must hold.** The id is made from programme, kind and the item as it came, so that a repetition is the same
//! letter. What is kept has no card number in it, and no more bytes than a letter may have: an item that is larger is
//! kept in its essence, the fields that [`super::item`] looks at, so that it can still be sent again.

use super::envelope::Report;
use super::item::{self, Reading};
use super::mask::mask;
use super::transition::{self, Who};
use crate::json::fields;
use ledger::{Command, DeadLetter, Kept, Program, Token, Why};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A value of the essence is a name, a number or a word.
const VALUE_BYTES_MAX: usize = 256;
/// An object of more fields than the processor has ever had is no object to look into.
const FIELDS_MAX: usize = 512;

/// A field that is kept, and which of its own.
struct Part(&'static str, &'static [Part]);

#[rustfmt::skip]
static ESSENCE: &[Part] = &[
    Part("type", &[]), Part("state", &[]), Part("token", &[]), Part("preceding_related_transaction_token", &[]),
    Part("card_token", &[]), Part("business_token", &[]), Part("status", &[]), Part("reason_code", &[]),
    Part("created_time", &[]), Part("user_token", &[]), Part("amount", &[]), Part("currency_code", &[]), Part("gpa_order", ORDER),
    Part("gpa_order_unload", ORDER), Part("gpa", GPA), Part("multi_clearing_sequence_number", &[]),
    Part("multi_clearing_sequence_count", &[]), Part("is_final_clearing", &[]), Part("amount_to_be_released", &[]),
    Part("chargeback", &[Part("state", &[]), Part("credit_user", &[]), Part("amount", &[])]),
    Part("original_credit", &[Part("fast_funds_enabled", &[])]),
    Part("transaction_metadata", &[Part("memo", &[])]),
];
#[rustfmt::skip]
static ORDER: &[Part] = &[
    Part("amount", &[]), Part("currency_code", &[]), Part("state", &[]),
    Part("jit_funding", &[
        Part("token", &[]), Part("method", &[]), Part("user_token", &[]), Part("amount", &[]),
        Part("original_jit_funding_token", &[]),
    ]),
];
static GPA: &[Part] = &[Part("impacted_amount", &[]), Part("currency_code", &[]), Part("balances", &[])];

/// The letter of an item that could not be booked.
pub(crate) fn letter(program: Program, report: &Report<'_>, why: Why, detail: String) -> DeadLetter {
    let mut digest = Sha256::new();
    for text in [program.as_str(), &report.name, report.text] {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let mut id = String::with_capacity(32);
    for byte in digest.finalize().iter().take(16) {
        // A string takes everything.
        let _ = write!(id, "{byte:02x}");
    }
    let (kept, text) = keep(report.text);
    DeadLetter {
        program,
        id: named(&id),
        kind: named(&mask(&report.name)),
        why,
        detail: cut(&mask(&detail), DeadLetter::DETAIL_BYTES_MAX).to_owned(),
        kept,
        bytes: text.into_bytes(),
    }
}

/// The text if it can be an id, and a word for it otherwise.
fn named(text: &str) -> Token {
    // Infallible: seven printable characters are an id.
    Token::new(text).or_else(|_| Token::new("unknown")).expect("an id")
}

fn keep(text: &str) -> (Kept, String) {
    let whole = mask(text);
    if whole.len() <= DeadLetter::BYTES_MAX {
        return (Kept::Whole, whole);
    }
    let mut essence = String::new();
    if gather(&whole, ESSENCE, &mut essence).is_some() && essence.len() <= DeadLetter::BYTES_MAX {
        return (Kept::Essence, essence);
    }
    (Kept::Cut, cut(&whole, DeadLetter::BYTES_MAX).to_owned())
}

/// Writes the object again with nothing but these parts.
fn gather(text: &str, parts: &[Part], out: &mut String) -> Option<()> {
    let mut first = true;
    out.push('{');
    for (name, value) in fields(text, FIELDS_MAX)? {
        let Some(Part(_, inner)) = parts.iter().find(|Part(known, _)| *known == name) else {
            continue;
        };
        let mut written = String::new();
        if inner.is_empty() || !value.starts_with('{') {
            if value.len() > VALUE_BYTES_MAX {
                continue;
            }
            written.push_str(value);
        } else {
            gather(value, inner, &mut written)?;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        // Names of ours need no escape.
        out.extend(["\"", &name, "\":", &written]);
    }
    out.push('}');
    Some(())
}

/// The beginning, at most so many bytes and whole characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// What a letter's item is for the books when it is sent again: a fact, nothing, or still unreadable, in words.
pub fn read_again(program: Program, kind: &str, item: &str) -> Result<Option<Command>, String> {
    if let Some(of) = Who::named(kind) {
        let set = transition::read(program, of, item).map_err(|fault| fault.to_string())?;
        return Ok(Some(Command::SetParty(set)));
    }
    if kind != "transactions" {
        return Err(format!("kind: {kind} is nothing that the books keep"));
    }
    match item::read(program, item).map_err(|unread| unread.fault.to_string())? {
        Reading::Fact(event) => Ok(Some(Command::Event(*event))),
        Reading::Companion | Reading::Moneyless => Ok(None),
    }
}

#[cfg(test)]
mod tests;
