//! From a body's JSON to what is asked of the books, or to why it is not asked.
//!
//! What must hold: if token, method and user can be read, there is an [`Order`], whatever else is wrong, and its
//! refusal names the field. Refusals come in one fixed order (amount, then boxes, then currency, then the other
//! tokens), so the same body is always refused in the same words. Unknown fields are ignored.
//!
//! Not here: whether the account is good for it. That is decided where the books are.

mod sheet;

use crate::Reason;
use crate::facts;
use crate::fields::{self, at};
use crate::fingerprint::{Container, Content, Endpoint};
use crate::json::tree::Inner;
use crate::json::{Field, string};
use crate::method::Class;
use crate::money::Number;
use crate::refusal::{Fault, Problem, Refusal};
use ledger::{Amount, Currency, Fact, Facts, Fingerprint, RequestKind, Token, UserToken};
use sheet::{OrderBox, Said, Sheet};
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
    pub(crate) names: Names,
    pub(crate) fingerprint: Fingerprint,
    /// What it says besides; no part of its meaning in money.
    pub(crate) facts: Facts,
}

/// What ties it to other messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// The top-level `token`.
    pub(crate) transaction: Option<Token>,
    /// `original_jit_funding_token`.
    pub(crate) original: Option<Token>,
    /// `preceding_related_transaction_token`.
    pub(crate) preceding: Option<Token>,
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
struct Paths {
    object: &'static str,
    token: &'static str,
    method: &'static str,
    user: &'static str,
    amount: &'static str,
    original: &'static str,
}

macro_rules! paths {
    ($object:literal) => {
        Paths {
            object: $object,
            token: concat!($object, ".token"),
            method: concat!($object, ".method"),
            user: concat!($object, ".user_token"),
            amount: concat!($object, ".amount"),
            original: concat!($object, ".original_jit_funding_token"),
        }
    };
}

static IN_LOAD: Paths = paths!("gpa_order.jit_funding");
static IN_UNLOAD: Paths = paths!("gpa_order_unload.jit_funding");
/// Where it does not belong; read there only to know whom to answer.
static AT_TOP: Paths = paths!("jit_funding");

/// A `jit_funding` object whose identity can be read.
struct Funding<'a> {
    paths: &'static Paths,
    identity: Identity<'a>,
    amount: Field<'a>,
    original: Result<Option<Token>, Fault>,
}

/// Reads a body. The fault names the field because of which nobody can be answered.
pub(crate) fn read(body: &[u8]) -> Result<Order<'_>, Fault> {
    let whole = |problem| Fault { field: "body", problem };
    let text = std::str::from_utf8(body).map_err(|_| whole(Problem::NotUtf8))?;
    let sheet = Sheet::read(text).ok_or(whole(Problem::NotObject))?;
    if let Some(field) = sheet.twice {
        return Err(Fault { field, problem: Problem::GivenTwice });
    }
    let Sheet { load, unload, .. } = &sheet;
    let funding = find_funding(load, unload, sheet.stray)?;
    let currency = read_currency(load, sheet.currency);
    let ask = ask(&funding, container(load, unload, &funding), currency, &sheet).map(|ask| {
        let facts = facts::of(sheet.told, &funding.identity.method);
        // Who is the account holder acts for nobody else.
        let acting = facts.acting.filter(|acting| *acting != funding.identity.user);
        // Few say so; the others' command stays as short as it was.
        let partial_ok = if facts.partial_ok == Fact::Yes { Fact::Yes } else { Fact::Unknown };
        let business = facts.business.filter(|of| *of != funding.identity.user && Some(*of) != acting);
        Ask { facts: Facts { acting, business, partial_ok, ..facts }, ..ask }
    });
    Ok(Order { original: funding.original.unwrap_or(None), currency: currency.ok(), ask, identity: funding.identity })
}

/// The first `jit_funding` whose identity can be read: of the boxes, else the stray one. The fault is that of the first
/// place where it should have been.
fn find_funding<'a>(load: &OrderBox<'a>, unload: &OrderBox<'a>, stray: Option<Said<'a>>) -> Result<Funding<'a>, Fault> {
    let mut first = None;
    for (paths, said) in [(&IN_LOAD, load.funding()), (&IN_UNLOAD, unload.funding()), (&AT_TOP, stray)] {
        let Some(said) = said else { continue };
        match Funding::read(paths, said) {
            Ok(funding) => return Ok(funding),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or(Fault { field: IN_LOAD.object, problem: Problem::Missing }))
}

impl<'a> Funding<'a> {
    fn read(paths: &'static Paths, said: Said<'a>) -> Result<Funding<'a>, Fault> {
        match said.object {
            Inner::Object => {}
            Inner::Absent | Inner::Null => return Err(at(paths.object)(Problem::Missing)),
            Inner::Other => return Err(at(paths.object)(Problem::NotObject)),
            Inner::Twice => return Err(at(paths.object)(Problem::GivenTwice)),
        }
        let [token, method, user, amount, original] = said.values;
        let missing = || at(paths.token)(Problem::Missing);
        let token = fields::token(paths.token, token)?.ok_or_else(missing)?;
        let method = read_method(method).map_err(at(paths.method))?;
        let user = read_user(user).map_err(at(paths.user))?;
        Ok(Funding {
            paths,
            identity: Identity { token, method, user },
            amount,
            original: fields::token(paths.original, original),
        })
    }
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

/// The one box that there is, if it is such that something can be asked.
fn container(load: &OrderBox<'_>, unload: &OrderBox<'_>, funding: &Funding<'_>) -> Result<Container, Fault> {
    let fault = |field, problem| Err(Fault { field, problem });
    let (paths, container, own) = match (load, unload) {
        (OrderBox::Absent, OrderBox::Absent) => return fault("gpa_order", Problem::Missing),
        (OrderBox::NotObject, OrderBox::Absent) => return fault("gpa_order", Problem::NotObject),
        (OrderBox::Absent, OrderBox::NotObject) => return fault("gpa_order_unload", Problem::NotObject),
        (OrderBox::Object { funding, .. }, OrderBox::Absent) => (&IN_LOAD, Container::Load, *funding),
        (OrderBox::Absent, OrderBox::Object { funding, .. }) => (&IN_UNLOAD, Container::Unload, *funding),
        (OrderBox::NotObject | OrderBox::Object { .. }, OrderBox::NotObject | OrderBox::Object { .. }) => {
            return fault("gpa_order_unload", Problem::BesideTheOther);
        }
    };
    // Whom to answer may have been read elsewhere, because it could not be read here.
    if !std::ptr::eq(funding.paths, paths) {
        Funding::read(paths, own)?;
    }
    Ok(container)
}

/// The rules, in their fixed order.
fn ask(
    funding: &Funding<'_>,
    container: Result<Container, Fault>,
    currency: Result<Currency, Fault>,
    sheet: &Sheet<'_>,
) -> Result<Ask, Refused> {
    let identity = &funding.identity;
    let class = Class::of(&identity.method);
    let amount_wrong = |problem| {
        let fault = Fault { field: funding.paths.amount, problem };
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
    let container = container.map_err(not_permitted)?;
    let amount = priced.map_err(not_permitted)?;
    if amount.minor() > 0 && !class.fits(container) {
        let field = if container == Container::Load { "gpa_order" } else { "gpa_order_unload" };
        return Err(not_permitted(Fault { field, problem: Problem::WrongDirection }));
    }
    let names = read_names(funding, sheet).map_err(not_permitted)?;
    let fast = if class == Class::OriginalCredit { fields::fast_funds(sheet.credit) } else { Ok(false) };
    let speed = if fast.map_err(not_permitted)? { Speed::AtOnce } else { Speed::Later };
    let content = Content {
        endpoint: Endpoint::Jit,
        container,
        method: &identity.method,
        user: identity.user,
        amount,
        original: names.original,
        transaction: names.transaction,
    };
    let kind = kind(class, container, amount, speed);
    Ok(Ask { kind, amount, names, fingerprint: content.fingerprint(), facts: Facts::default() })
}

/// When money that comes in may be spent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speed {
    AtOnce,
    Later,
}

fn read_names(funding: &Funding<'_>, sheet: &Sheet<'_>) -> Result<Names, Fault> {
    let transaction = fields::token("token", sheet.transaction)?;
    let original = funding.original?;
    let preceding = fields::token("preceding_related_transaction_token", sheet.preceding)?;
    Ok(Names { transaction, original, preceding })
}

fn kind(class: Class, container: Container, amount: Amount, speed: Speed) -> RequestKind {
    let incoming = if speed == Speed::AtOnce { RequestKind::FastCredit } else { RequestKind::CreditAuthorization };
    let moving = match (class, container) {
        (Class::AccountVerification, _) => return RequestKind::Verification,
        (Class::BalanceInquiry, _) => return RequestKind::BalanceInquiry,
        (Class::Notice, _) => return RequestKind::Notice,
        (Class::Unknown, _) if amount.minor() == 0 => return RequestKind::Notice,
        (Class::Incremental, _) => RequestKind::Incremental,
        (Class::SingleDebit, _) => RequestKind::SingleDebit,
        (Class::OriginalCredit, _) => incoming,
        (Class::Credit, _) | (Class::ProductInquiry | Class::Unknown, Container::Unload) => {
            RequestKind::CreditAuthorization
        }
        (Class::Authorization, _) | (Class::ProductInquiry | Class::Unknown, Container::Load) => {
            RequestKind::Authorization
        }
    };
    if amount.minor() > 0 { moving } else { RequestKind::Verification }
}

fn read_amount(class: Class, field: Field<'_>) -> Result<Number, Problem> {
    let inquiry = matches!(class, Class::BalanceInquiry | Class::ProductInquiry);
    match field {
        Field::Absent | Field::Once("null") if inquiry => Ok(Number::ZERO),
        Field::Absent => Err(Problem::Missing),
        Field::Once(text) => Number::read(text),
        Field::Twice => Err(Problem::GivenTwice),
    }
}

#[cfg(test)]
mod tests;
