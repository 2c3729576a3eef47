//! From a body's JSON to what is asked of the books, or to why it is not asked.
//!
//! What must hold: if token, method and user can be read, there is an [`Order`], whatever else is wrong, and its
//! refusal names the field. Refusals come in one fixed order (amount, then boxes, then currency, then the other
//! tokens), so the same body is always refused in the same words. Unknown fields are ignored.
//!
//! Not here: whether the account is good for it. That is decided where the books are.

use crate::Reason;
use crate::fingerprint::{Container, Content, Endpoint};
use crate::json::{Field, pick, string};
use crate::method::Class;
use crate::money::Number;
use crate::refusal::{Fault, Problem, Refusal};
use ledger::{Amount, Currency, Fingerprint, RequestKind, Token, UserToken};
use std::borrow::Cow;

/// The three without which there is no answer to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    pub(crate) token: Token,
    pub(crate) method: Cow<'a, str>,
    pub(crate) user: UserToken,
}

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order<'a> {
    pub(crate) identity: Identity<'a>,
    /// Echoed when it was sent and can be read.
    pub(crate) original: Option<Token>,
    /// The currency, if it can be read: the reply's amount has its digits.
    pub(crate) currency: Option<Currency>,
    /// What to ask, or why not to.
    pub(crate) ask: Result<Ask, Refused>,
}

/// What is asked of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) kind: RequestKind,
    pub(crate) amount: Amount,
    pub(crate) transaction: Option<Token>,
    pub(crate) fingerprint: Fingerprint,
}

/// A request that is not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// The amount, if it can be read: the reply shows it.
    pub(crate) amount: Option<Amount>,
}

const METHOD_LEN_MAX: usize = 64;

/// The names of a `jit_funding` object's fields, by where it sits.
struct Names {
    object: &'static str,
    token: &'static str,
    method: &'static str,
    user: &'static str,
    amount: &'static str,
    original: &'static str,
}

macro_rules! names {
    ($object:literal) => {
        Names {
            object: $object,
            token: concat!($object, ".token"),
            method: concat!($object, ".method"),
            user: concat!($object, ".user_token"),
            amount: concat!($object, ".amount"),
            original: concat!($object, ".original_jit_funding_token"),
        }
    };
}

static IN_LOAD: Names = names!("gpa_order.jit_funding");
static IN_UNLOAD: Names = names!("gpa_order_unload.jit_funding");
/// Where it does not belong; read there only to know whom to answer.
static AT_TOP: Names = names!("jit_funding");

/// A `jit_funding` object whose identity can be read.
struct Funding<'a> {
    names: &'static Names,
    identity: Identity<'a>,
    amount: Field<'a>,
    original: Result<Option<Token>, Problem>,
}

/// Reads a body. The fault names the field because of which nobody can be answered.
pub(crate) fn read(body: &[u8]) -> Result<Order<'_>, Fault> {
    let whole = |problem| Fault { field: "body", problem };
    let text = std::str::from_utf8(body).map_err(|_| whole(Problem::NotUtf8))?;
    let names = ["gpa_order", "gpa_order_unload", "jit_funding", "currency_code", "token"];
    let [load, unload, stray, currency, transaction] = pick(text, names).ok_or(whole(Problem::NotObject))?;
    let once =
        |field: &'static str, value: Field<'_>| value.value().map(drop).map_err(|problem| Fault { field, problem });
    once("gpa_order", load)?;
    once("gpa_order_unload", unload)?;
    once("jit_funding", stray)?;

    let load = OrderBox::read(load);
    let unload = OrderBox::read(unload);
    let funding = find_funding(&load, &unload, stray)?;
    let currency = read_currency(&load, currency);
    let transaction = read_token(transaction).map_err(|problem| Fault { field: "token", problem });
    let ask = ask(&funding, wrong_box(&load, &unload, &funding), currency, transaction);
    Ok(Order { original: funding.original.unwrap_or(None), currency: currency.ok(), ask, identity: funding.identity })
}

/// One of the two boxes.
enum OrderBox<'a> {
    Absent,
    NotObject,
    Object { funding: Field<'a>, currency: Field<'a> },
}

impl<'a> OrderBox<'a> {
    fn read(field: Field<'a>) -> OrderBox<'a> {
        let Ok(Some(text)) = field.value() else {
            return OrderBox::Absent;
        };
        match pick(text, ["jit_funding", "currency_code"]) {
            Some([funding, currency]) => OrderBox::Object { funding, currency },
            None => OrderBox::NotObject,
        }
    }

    fn funding(&self) -> Option<Field<'a>> {
        match self {
            OrderBox::Absent => None,
            OrderBox::NotObject => Some(Field::Absent),
            OrderBox::Object { funding, .. } => Some(*funding),
        }
    }
}

/// The first `jit_funding` whose identity can be read: of the boxes, else the stray one. The fault is that of the first
/// place where it should have been.
fn find_funding<'a>(load: &OrderBox<'a>, unload: &OrderBox<'a>, stray: Field<'a>) -> Result<Funding<'a>, Fault> {
    let stray = matches!(stray, Field::Once(_)).then_some(stray);
    let mut first = None;
    for (names, field) in [(&IN_LOAD, load.funding()), (&IN_UNLOAD, unload.funding()), (&AT_TOP, stray)] {
        let Some(field) = field else { continue };
        match Funding::read(names, field) {
            Ok(funding) => return Ok(funding),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or(Fault { field: IN_LOAD.object, problem: Problem::Missing }))
}

impl<'a> Funding<'a> {
    fn read(names: &'static Names, field: Field<'a>) -> Result<Funding<'a>, Fault> {
        let at = |field: &'static str| move |problem| Fault { field, problem };
        let text = field.value().and_then(|value| value.ok_or(Problem::Missing)).map_err(at(names.object))?;
        let fields = ["token", "method", "user_token", "amount", "original_jit_funding_token"];
        let [token, method, user, amount, original] =
            pick(text, fields).ok_or(Problem::NotObject).map_err(at(names.object))?;
        let token = read_token(token).and_then(|token| token.ok_or(Problem::Missing)).map_err(at(names.token))?;
        let method = read_method(method).map_err(at(names.method))?;
        let user = read_user(user).map_err(at(names.user))?;
        Ok(Funding { names, identity: Identity { token, method, user }, amount, original: read_token(original) })
    }
}

fn read_token(field: Field<'_>) -> Result<Option<Token>, Problem> {
    let Some(text) = field.value()? else { return Ok(None) };
    Token::new(&string(text)?).map(Some).map_err(Problem::Id)
}

fn read_user(field: Field<'_>) -> Result<UserToken, Problem> {
    UserToken::new(&string(field.value()?.ok_or(Problem::Missing)?)?).map_err(Problem::Id)
}

fn read_method(field: Field<'_>) -> Result<Cow<'_, str>, Problem> {
    let method = string(field.value()?.ok_or(Problem::Missing)?)?;
    if method.is_empty() {
        return Err(Problem::Id(ledger::IdError::Empty));
    }
    if method.len() > METHOD_LEN_MAX {
        return Err(Problem::Id(ledger::IdError::TooLong));
    }
    if !method.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err(Problem::Id(ledger::IdError::NotPrintable));
    }
    Ok(method)
}

/// The box's own currency, else that of the whole transaction (an unload box has none).
fn read_currency(load: &OrderBox<'_>, top: Field<'_>) -> Result<Currency, Fault> {
    let own = match load {
        OrderBox::Object { currency, .. } => *currency,
        OrderBox::Absent | OrderBox::NotObject => Field::Absent,
    };
    let (field, value) = match own {
        Field::Absent | Field::Once("null") => ("currency_code", top),
        Field::Once(_) | Field::Twice => ("gpa_order.currency_code", own),
    };
    let code = value.value().and_then(|text| string(text.ok_or(Problem::Missing)?));
    let currency = code.and_then(|code| Currency::from_code(&code).ok_or(Problem::NotCurrency));
    currency.map_err(|problem| Fault { field, problem })
}

/// Whether the boxes are such that nothing can be asked.
fn wrong_box(load: &OrderBox<'_>, unload: &OrderBox<'_>, funding: &Funding<'_>) -> Result<(), Fault> {
    let fault = |field, problem| Err(Fault { field, problem });
    match (load, unload) {
        (OrderBox::Absent, OrderBox::Absent) => fault("gpa_order", Problem::Missing),
        (OrderBox::Absent, OrderBox::NotObject | OrderBox::Object { .. }) => {
            fault("gpa_order_unload", Problem::NotSupported)
        }
        (_, OrderBox::NotObject | OrderBox::Object { .. }) => fault("gpa_order_unload", Problem::BesideTheOther),
        (OrderBox::NotObject, OrderBox::Absent) => fault("gpa_order", Problem::NotObject),
        (OrderBox::Object { funding: own, .. }, OrderBox::Absent) => {
            // Whom to answer was read elsewhere, because it could not be read here.
            if std::ptr::eq(funding.names, &IN_LOAD) {
                return Ok(());
            }
            Funding::read(&IN_LOAD, *own).map(drop)
        }
    }
}

/// The rules, in their fixed order.
fn ask(
    funding: &Funding<'_>,
    boxes: Result<(), Fault>,
    currency: Result<Currency, Fault>,
    transaction: Result<Option<Token>, Fault>,
) -> Result<Ask, Refused> {
    let identity = &funding.identity;
    let class = Class::of(&identity.method);
    let amount_wrong = |problem| {
        let fault = Fault { field: funding.names.amount, problem };
        Refused { refusal: Refusal { reason: Reason::INVALID_AMOUNT, fault }, amount: None }
    };
    let number = read_amount(class, funding.amount).map_err(amount_wrong)?;
    let priced = match currency {
        Ok(currency) => Ok(number.in_currency(currency).map_err(amount_wrong)?),
        Err(fault) => Err(fault),
    };
    let amount = priced.ok();
    if class == Class::AccountVerification && number != Number::ZERO {
        return Err(Refused { amount, ..amount_wrong(Problem::VerificationNotZero) });
    }

    let not_permitted =
        |fault| Refused { refusal: Refusal { reason: Reason::TRANSACTION_NOT_PERMITTED, fault }, amount };
    boxes.map_err(not_permitted)?;
    let amount = priced.map_err(not_permitted)?;
    let transaction = transaction.map_err(not_permitted)?;
    let original_field = funding.names.original;
    let original = funding.original.map_err(|problem| not_permitted(Fault { field: original_field, problem }))?;

    let kind = match class {
        Class::Spend if amount.minor() > 0 => RequestKind::Authorization,
        Class::Spend | Class::AccountVerification => RequestKind::Verification,
        Class::BalanceInquiry => RequestKind::BalanceInquiry,
        Class::Notice => RequestKind::Notice,
    };
    let content = Content {
        endpoint: Endpoint::Jit,
        container: Container::Load,
        method: &identity.method,
        user: identity.user,
        amount,
        original,
        transaction,
    };
    Ok(Ask { kind, amount, transaction, fingerprint: content.fingerprint() })
}

fn read_amount(class: Class, field: Field<'_>) -> Result<Number, Problem> {
    match field {
        Field::Absent | Field::Once("null") if class == Class::BalanceInquiry => Ok(Number::ZERO),
        Field::Absent => Err(Problem::Missing),
        Field::Once(text) => Number::read(text),
        Field::Twice => Err(Problem::GivenTwice),
    }
}

#[cfg(test)]
mod tests;
