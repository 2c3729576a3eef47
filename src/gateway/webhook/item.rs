//! One item of `transactions`, read: the fact that it is for the books, or why it is none.
//!
//! **What must hold.** The same item is always the same fact. Its amount is that of `jit_funding`, which says what was
//! asked of us; without one, what the balance at the processor moved by. A new total is never taken for a difference.
//! What is wrong with an item is named by its field and never guessed around; unknown fields are read over.
//! **What is not here.** Whether there is such an account, and what it means for the rest of the chain (`ledger`).

mod boxes;

use super::table::{Act, Meaning, meaning};
use crate::facts;
use crate::fields::{self, at, boolean, counted, fast_funds, number, object, text, token};
use crate::json::{Field, pick};
use crate::money::Number;
use crate::refusal::{Fault, Problem};
use boxes::{Boxes, Moved};
use ledger::{
    Clearing, Currency, Event, Fact, Facts, MoveDirection, Names, Part, Program, Role, Token, UserToken, Why, Word,
};
use std::borrow::Cow;

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A fact for the books.
    Fact(Box<Event>),
    /// The other half of something that is told under another type.
    Companion,
    /// Nothing about an account's money.
    Moneyless,
}

/// Why an item cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) why: Why,
    pub(crate) fault: Fault,
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Unread {
        Unread { why: Why::Malformed, fault }
    }
}

/// Reads one.
pub(crate) fn read(program: Program, text: &str) -> Result<Reading, Unread> {
    // Of what is nothing to the books by its type alone, nothing else has to be in order.
    let [kind] = pick(text, ["type"]).ok_or(at("item")(Problem::NotObject))?;
    let kind = fields::text("type", kind)?.ok_or(at("type")(Problem::Missing))?;
    match meaning(&kind, None) {
        Some(Meaning::Companion) => return Ok(Reading::Companion),
        Some(Meaning::Moneyless) => return Ok(Reading::Moneyless),
        Some(_) | None => {}
    }
    let item = Item::read(text)?;
    let method = item.boxes.funding.as_ref().map(|funding| &*funding.method);
    let unknown = || Unread { why: Why::TypeUnknown, fault: Fault { field: "type", problem: Problem::NotKnown } };
    match meaning(&item.kind, method).ok_or_else(unknown)? {
        Meaning::Companion | Meaning::Beside => Ok(Reading::Companion),
        Meaning::Moneyless => Ok(Reading::Moneyless),
        Meaning::Fact(Act::Clearing) => match item.adjusted()? {
            Some(direction) => item.aside(program, direction, item.word),
            None => item.fact(program, Act::Clearing),
        },
        Meaning::Fact(act) => item.fact(program, act),
        Meaning::Aside(direction) => item.aside(program, direction, item.word),
        Meaning::Case(direction) => item.case(program, direction),
    }
}

/// The fields of an item that are looked at, but for those that few types have.
struct Item<'a> {
    kind: Cow<'a, str>,
    word: Word,
    transaction: Option<Token>,
    preceding: Option<Token>,
    user: Field<'a>,
    amount: Field<'a>,
    currency: Field<'a>,
    boxes: Boxes<'a>,
    moved: Moved<'a>,
    rest: [Field<'a>; 7],
    whole: &'a str,
}

impl<'a> Item<'a> {
    fn read(whole: &'a str) -> Result<Item<'a>, Fault> {
        let names = [
            "type",
            "state",
            "token",
            "preceding_related_transaction_token",
            "user_token",
            "amount",
            "currency_code",
            "gpa_order",
            "gpa_order_unload",
            "gpa",
            "multi_clearing_sequence_number",
            "multi_clearing_sequence_count",
            "is_final_clearing",
            "amount_to_be_released",
            "chargeback",
            "original_credit",
            "transaction_metadata",
        ];
        let fields = pick(whole, names).ok_or(at("item")(Problem::NotObject))?;
        let [kind, state, own, preceding, user, amount, currency, load, unload, gpa, rest @ ..] = fields;
        let missing = |field| at(field)(Problem::Missing);
        let [impacted, of, balances] =
            object("gpa", gpa, ["impacted_amount", "currency_code", "balances"])?.unwrap_or_default();
        Ok(Item {
            kind: text("type", kind)?.ok_or_else(|| missing("type"))?,
            word: word(&text("state", state)?.ok_or_else(|| missing("state"))?)?,
            transaction: token("token", own)?,
            preceding: token("preceding_related_transaction_token", preceding)?,
            user,
            amount,
            currency,
            boxes: Boxes::read(load, unload)?,
            moved: Moved { impacted, currency: of, balances },
            rest,
            whole,
        })
    }

    /// What happens to a card transaction.
    fn fact(&self, program: Program, act: Act) -> Result<Reading, Unread> {
        let role = match act {
            Act::Promise => Role::Authorization,
            Act::Increment => Role::Incremental,
            Act::Advice | Act::SingleReversal => Role::Reversal,
            Act::Reversal if self.takes_all_back()? => Role::FullReversal,
            Act::Reversal => Role::Reversal,
            Act::Expiration => Role::FullReversal,
            Act::Clearing => Role::Clearing(self.clearing()?),
            Act::ForceCapture => Role::ForceCapture,
            Act::Single => Role::SingleDebit,
            Act::Announce | Act::SingleCredit if self.is_fast()? => Role::FastCredit,
            Act::Announce | Act::SingleCredit => Role::CreditAuthorization,
            Act::Credit => Role::Credit,
            Act::CreditReversal => Role::CreditReversal,
        };
        let word = match (act, self.word) {
            // What was announced is paid by a message of its own, never by its own end.
            (Act::Announce, Word::Completed) => Word::Cleared,
            (_, word) => word,
        };
        let amount = match (act, role) {
            (Act::Advice, _) => self.difference()?,
            // They end what there is, whatever it is.
            (_, Role::FullReversal | Role::CreditReversal) => self.any_amount()?.unwrap_or(Number::ZERO),
            _ => self.whole_amount()?,
        };
        self.event(program, role, word, amount)
    }

    fn event(&self, program: Program, role: Role, word: Word, amount: Number) -> Result<Reading, Unread> {
        let funding = self.boxes.funding.as_ref();
        let amount = amount.in_currency(self.currency()?).map_err(at("amount"))?;
        let names = Names {
            jit: funding.map(|funding| funding.token),
            transaction: self.transaction,
            original: funding.and_then(|funding| funding.original),
            preceding: self.preceding,
        };
        if names.jit.is_none() && names.transaction.is_none() {
            return Err(at("token")(Problem::Missing).into());
        }
        let user = self.user()?;
        let promises = matches!(role, Role::Authorization | Role::Incremental | Role::SingleDebit);
        let facts = promises.then(|| Facts {
            acting: None,
            business: None,
            partial_ok: Fact::Unknown,
            ..facts::read(self.whole, "")
        });
        let event = Event { program, names, user, amount, role, word, expires_after: None, facts };
        Ok(Reading::Fact(Box::new(event)))
    }

    /// Money beside the card transaction.
    fn aside(&self, program: Program, natural: MoveDirection, word: Word) -> Result<Reading, Unread> {
        let role = match self.direction()?.unwrap_or(natural) {
            MoveDirection::Credit => Role::AdjustmentCredit,
            MoveDirection::Debit => Role::AdjustmentDebit,
        };
        self.event(program, role, word, self.whole_amount()?)
    }

    /// Money of a case: the case's own end counts, and what nobody moved is none of the account holder's.
    fn case(&self, program: Program, natural: MoveDirection) -> Result<Reading, Unread> {
        let [.., chargeback, _, _] = self.rest;
        let [state, credit_user] = object("chargeback", chargeback, ["state", "credit_user"])?.unwrap_or_default();
        let state = text("chargeback.state", state)?;
        let credit_user = boolean("chargeback.credit_user", credit_user)?;
        if credit_user == Some(false) {
            return Ok(Reading::Moneyless);
        }
        let ended = match natural {
            MoveDirection::Credit => "CASE_WON",
            MoveDirection::Debit => "CASE_LOST",
        };
        let over = state.as_deref() == Some(ended) && self.word != Word::Completed;
        let has_box = self.boxes.load.is_some() || self.boxes.unload.is_some();
        if !has_box && self.moved.signed_text(self.currency()?)?.is_none() {
            // It has ended against its own word, for the account holder, and nobody says with how much.
            let lost = over && credit_user == Some(true);
            return if lost { Err(at("gpa_order_unload")(Problem::Missing).into()) } else { Ok(Reading::Moneyless) };
        }
        self.aside(program, natural, if over { Word::Completed } else { self.word })
    }

    /// A full reversal is CLEARED and its order REVERSED; a partial one, PENDING at first, may become CLEARED too.
    fn takes_all_back(&self) -> Result<bool, Fault> {
        let order = self.boxes.load.or(self.boxes.unload).map(|order| text("gpa_order.state", order.state));
        let order = order.transpose()?.flatten();
        let cleared = matches!(self.word, Word::Cleared | Word::Completed);
        Ok(cleared && order.is_none_or(|order| order == "REVERSED"))
    }

    fn is_fast(&self) -> Result<bool, Fault> {
        let [.., original_credit, _] = self.rest;
        fast_funds(original_credit)
    }

    /// Which way a clearing goes that only corrects an earlier one.
    fn adjusted(&self) -> Result<Option<MoveDirection>, Fault> {
        let [.., metadata] = self.rest;
        let [memo] = object("transaction_metadata", metadata, ["memo"])?.unwrap_or_default();
        Ok(match text("transaction_metadata.memo", memo)?.as_deref() {
            Some("CREDIT_ADJUSTMENT") => Some(MoveDirection::Credit),
            Some("DEBIT_ADJUSTMENT") => Some(MoveDirection::Debit),
            Some(_) | None => None,
        })
    }

    fn clearing(&self) -> Result<Clearing, Fault> {
        let [number, count, last, released, ..] = self.rest;
        let number = counted("multi_clearing_sequence_number", number)?;
        let count = counted("multi_clearing_sequence_count", count)?;
        let part = number.zip(count).filter(|(number, count)| (1..=*count).contains(number));
        let field = "amount_to_be_released";
        let released = match released.value().map_err(at(field))? {
            None => 0,
            Some(text) => {
                let number = Number::read(text).map_err(at(field))?;
                number.in_currency(self.currency()?).map_err(at(field))?.minor()
            }
        };
        Ok(Clearing {
            last: boolean("is_final_clearing", last)? == Some(true),
            released_minor: released,
            part: part.map(|(number, count)| Part { number, count }),
        })
    }

    fn currency(&self) -> Result<Currency, Fault> {
        let own = match self.boxes.load.map(|load| load.currency) {
            None | Some(Field::Absent | Field::Once("null")) => ("currency_code", self.currency),
            Some(own @ (Field::Once(_) | Field::Twice)) => ("gpa_order.currency_code", own),
        };
        let (field, value) = own;
        let code = text(field, value)?.ok_or_else(|| at(field)(Problem::Missing))?;
        Currency::from_code(&code).ok_or_else(|| at(field)(Problem::NotCurrency))
    }

    fn user(&self) -> Result<UserToken, Fault> {
        if let Some(user) = self.boxes.funding.as_ref().and_then(|funding| funding.user) {
            return Ok(user);
        }
        let text = text("user_token", self.user)?.ok_or_else(|| at("user_token")(Problem::Missing))?;
        UserToken::new(&text).map_err(|error| at("user_token")(Problem::Id(error)))
    }

    /// The amount of what may have been denied: then it may be missing.
    fn whole_amount(&self) -> Result<Number, Fault> {
        match (self.any_amount()?, self.word) {
            (Some(amount), _) => Ok(amount),
            (None, Word::Declined | Word::Error) => Ok(Number::ZERO),
            (None, Word::Pending | Word::Cleared | Word::Completed) => Err(at("amount")(Problem::Missing)),
        }
    }

    /// What was asked of us, else what moved, else what the order or the transaction says.
    fn any_amount(&self) -> Result<Option<Number>, Fault> {
        if let Some(funding) = &self.boxes.funding {
            return number("jit_funding.amount", funding.amount)?
                .map(Some)
                .ok_or_else(|| at("jit_funding.amount")(Problem::Missing));
        }
        if let Some(moved) = self.moved.signed_text(self.currency()?)? {
            return Number::read(moved.trim_start_matches('-')).map(Some).map_err(at("gpa.impacted_amount"));
        }
        match self.boxes.load.or(self.boxes.unload).map(|order| order.amount) {
            None | Some(Field::Absent | Field::Once("null")) => number("amount", self.amount),
            Some(amount) => number("gpa_order.amount", amount),
        }
    }

    /// Of an advice, by how much the promise falls. Its own amount is the new total, which is something else.
    fn difference(&self) -> Result<Number, Fault> {
        let missing = || at("gpa_order.amount")(Problem::Missing);
        match (&self.boxes.funding, self.boxes.load) {
            (Some(_), _) => self.whole_amount(),
            (None, Some(load)) => number("gpa_order.amount", load.amount)?.ok_or_else(missing),
            (None, None) if matches!(self.word, Word::Declined | Word::Error) => Ok(Number::ZERO),
            // What comes back is a difference; a negative number may be the new total.
            (None, None) => match self.moved.signed_text(self.currency()?)? {
                Some(moved) if !moved.starts_with('-') => Number::read(moved).map_err(at("gpa.impacted_amount")),
                Some(_) | None => Err(missing()),
            },
        }
    }

    /// Which way the money of an adjustment goes, if anything but its type says so.
    fn direction(&self) -> Result<Option<MoveDirection>, Fault> {
        let by_box = match (&self.boxes.funding, self.boxes.load, self.boxes.unload) {
            (Some(funding), ..) => Some(funding.direction),
            (None, Some(_), None) => Some(MoveDirection::Debit),
            (None, None, Some(_)) => Some(MoveDirection::Credit),
            (None, Some(_), Some(_)) | (None, None, None) => None,
        };
        let moved = self.moved.signed_text(self.currency()?)?;
        let by_move =
            moved.map(|text| if text.starts_with('-') { MoveDirection::Debit } else { MoveDirection::Credit });
        Ok(by_box.or(by_move))
    }
}

fn word(state: &str) -> Result<Word, Fault> {
    match state {
        "PENDING" => Ok(Word::Pending),
        "CLEARED" => Ok(Word::Cleared),
        "COMPLETION" => Ok(Word::Completed),
        "DECLINED" => Ok(Word::Declined),
        "ERROR" => Ok(Word::Error),
        _ => Err(at("state")(Problem::NotKnown)),
    }
}

#[cfg(test)]
mod tests;
