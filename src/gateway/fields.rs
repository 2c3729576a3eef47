//! Reading one field of a message, with the fault named by the field.

use crate::json::{Field, pick, string};
use crate::money::Number;
use crate::refusal::{Fault, Problem};
use ledger::Token;
use std::borrow::Cow;

pub(crate) fn at(field: &'static str) -> impl Fn(Problem) -> Fault {
    move |problem| Fault { field, problem }
}

pub(crate) fn token(field: &'static str, value: Field<'_>) -> Result<Option<Token>, Fault> {
    let text = value.value().map_err(at(field))?;
    let token = text.map(|text| string(text).and_then(|text| Token::new(&text).map_err(Problem::Id)));
    token.transpose().map_err(at(field))
}

pub(crate) fn text<'a>(field: &'static str, value: Field<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    let text = value.value().map_err(at(field))?;
    text.map(string).transpose().map_err(at(field))
}

/// The fields of an object that may be missing.
pub(crate) fn object<'a, const N: usize>(
    field: &'static str,
    value: Field<'a>,
    names: [&str; N],
) -> Result<Option<[Field<'a>; N]>, Fault> {
    let text = value.value().map_err(at(field))?;
    text.map(|text| pick(text, names).ok_or(at(field)(Problem::NotObject))).transpose()
}

/// Checks that it is a number, with or without a sign.
pub(crate) fn signed(text: &str) -> Result<&str, Problem> {
    Number::read(text.strip_prefix('-').unwrap_or(text)).map(|_| text)
}

pub(crate) fn number(field: &'static str, value: Field<'_>) -> Result<Option<Number>, Fault> {
    value.value().and_then(|text| text.map(Number::read).transpose()).map_err(at(field))
}

pub(crate) fn boolean(field: &'static str, value: Field<'_>) -> Result<Option<bool>, Fault> {
    match value.value().map_err(at(field))? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(at(field)(Problem::NotBoolean)),
    }
}

/// A count as the processor writes it, `"02"`. What is beyond 255 says nothing.
pub(crate) fn counted(field: &'static str, value: Field<'_>) -> Result<Option<u8>, Fault> {
    let Some(text) = value.value().map_err(at(field))? else {
        return Ok(None);
    };
    let digits = if text.starts_with('"') { string(text).map_err(at(field))? } else { Cow::Borrowed(text) };
    let digits = digits.trim();
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(at(field)(Problem::NotNumber));
    }
    Ok(digits.parse().ok())
}

/// Of `original_credit`, whether its money may be spent at once.
pub(crate) fn fast_funds(original_credit: Field<'_>) -> Result<bool, Fault> {
    let fast = object("original_credit", original_credit, ["fast_funds_enabled"])?;
    let fast = fast.map(|[fast]| boolean("original_credit.fast_funds_enabled", fast)).transpose()?;
    Ok(fast.flatten() == Some(true))
}
