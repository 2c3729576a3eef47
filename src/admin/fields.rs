//! A message's fields, checked one by one: what a caller sends becomes the ledger's own types, or an answer that names
//! the field.

use ledger::{
    AccountStatus, Amount, Currency, Move, MoveDirection, Note, Open, Opening, Program, Reconciled, SetStatus, Token,
    UserToken,
};
use proto::admin::v1 as wire;
use std::fmt::Display;
use tonic::Status;

/// The programme when none is named.
const PROGRAM_DEFAULT: &str = "default";
/// Rows of a page when no limit is named.
const PAGE_DEFAULT: usize = 100;
/// The most rows of a page.
const PAGE_MAX: usize = 1000;

/// A refusal of a field.
pub(crate) fn invalid(field: impl Display, why: impl Display) -> Status {
    Status::invalid_argument(format!("{field}: {why}"))
}

pub(super) fn program(text: &str) -> Result<Program, Status> {
    let text = if text.is_empty() { PROGRAM_DEFAULT } else { text };
    Program::new(text).map_err(|error| invalid("program", error))
}

pub(crate) fn user(field: impl Display, text: &str) -> Result<UserToken, Status> {
    UserToken::new(text).map_err(|error| invalid(field, error))
}

pub(crate) fn token(field: impl Display, text: &str) -> Result<Token, Status> {
    Token::new(text).map_err(|error| invalid(field, error))
}

pub(crate) fn currency(field: impl Display, text: &str) -> Result<Currency, Status> {
    Currency::from_code(text).ok_or_else(|| invalid(field, "is not an alpha-3 code of ISO 4217"))
}

pub(crate) fn amount(field: impl Display, text: &str, currency: Currency) -> Result<Amount, Status> {
    Amount::parse(text, currency).map_err(|error| invalid(field, error))
}

/// How many rows a page has.
pub(crate) fn page_limit(limit: u32) -> Result<usize, Status> {
    match usize::try_from(limit) {
        Ok(0) => Ok(PAGE_DEFAULT),
        Ok(limit) if limit <= PAGE_MAX => Ok(limit),
        Ok(_) | Err(_) => Err(invalid("limit", format_args!("is above {PAGE_MAX}"))),
    }
}

/// The beginning of a user token; nothing at all is the beginning of every one.
pub(super) fn prefix(text: String) -> Result<String, Status> {
    if text.is_empty() {
        return Ok(text);
    }
    user("user_prefix", &text).map(|_| text)
}

/// Where the page before ended, if there was one.
pub(super) fn after(text: &str) -> Result<Option<UserToken>, Status> {
    if text.is_empty() { Ok(None) } else { user("after", text).map(Some) }
}

pub(super) fn open(request: &wire::OpenAccountsRequest) -> Result<Open, Status> {
    let program = program(&request.program)?;
    if request.openings.is_empty() {
        return Err(invalid("openings", "is empty"));
    }
    if request.openings.len() > Open::MAX {
        return Err(invalid("openings", format_args!("has more than {}", Open::MAX)));
    }
    let openings = request.openings.iter().enumerate().map(|(place, wanted)| opening(place, wanted));
    Ok(Open { program, openings: openings.collect::<Result<_, _>>()? })
}

fn opening(place: usize, wanted: &wire::Opening) -> Result<Opening, Status> {
    let field = |name: &str| format!("openings[{place}].{name}");
    let user = user(field("user_token"), &wanted.user_token)?;
    let currency = currency(field("currency"), &wanted.currency)?;
    let credit_minor = match wanted.credit.as_str() {
        "" => 0,
        text => amount(field("credit"), text, currency)?.minor(),
    };
    Ok(Opening { user, currency, credit_minor })
}

pub(super) fn movement(request: &wire::MoveMoneyRequest) -> Result<Move, Status> {
    let program = program(&request.program)?;
    let user = user("user_token", &request.user_token)?;
    let key = token("key", &request.key)?;
    let direction = match wire::Direction::try_from(request.direction) {
        Ok(wire::Direction::Credit) => MoveDirection::Credit,
        Ok(wire::Direction::Debit) => MoveDirection::Debit,
        Ok(wire::Direction::Unspecified) => return Err(invalid("direction", "is missing")),
        Err(_) => return Err(invalid("direction", "is unknown")),
    };
    let currency = currency("currency", &request.currency)?;
    let amount = amount("amount", &request.amount, currency)?;
    Ok(Move { program, key, user, direction, amount })
}

pub(super) fn status_change(request: &wire::SetAccountStatusRequest) -> Result<SetStatus, Status> {
    let program = program(&request.program)?;
    let user = user("user_token", &request.user_token)?;
    let status = match wire::AccountStatus::try_from(request.status) {
        Ok(wire::AccountStatus::Active) => AccountStatus::Active,
        Ok(wire::AccountStatus::Frozen) => AccountStatus::Frozen,
        Ok(wire::AccountStatus::Closed) => AccountStatus::Closed,
        Ok(wire::AccountStatus::Unspecified) => return Err(invalid("status", "is missing")),
        Err(_) => return Err(invalid("status", "is unknown")),
    };
    Ok(SetStatus { program, user, status })
}

/// Whose word a change of the breaker is, and why: both are kept and shown.
pub(super) fn reconciled(request: &wire::EndReconcilingRequest) -> Result<Reconciled, Status> {
    let note = |field: &str, text: &str| {
        Note::new(text).map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
    };
    Ok(Reconciled { who: note("who", &request.who)?, why: note("why", &request.why)? })
}

pub(super) fn order(request: &wire::SetBreakerRequest) -> Result<standin::breaker::Order, Status> {
    for (field, text, most) in [("who", &request.who, 64), ("why", &request.why, 256)] {
        if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
            return Err(Status::invalid_argument(format!("{field}: must be 1 to {most} printable characters")));
        }
    }
    Ok(standin::breaker::Order { who: request.who.clone(), why: request.why.clone() })
}
