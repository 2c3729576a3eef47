//! The objects inside an item: its two boxes with their `jit_funding`, and what the balance at the processor moved by.
//!
//! **What must hold.** A field given twice, or of another kind than it must be, is named, and nothing is guessed from
//! it.

use crate::fields::{at, object, signed, text, token};
use crate::json::{Field, pick};
use crate::refusal::{Fault, Problem};
use ledger::{Currency, MoveDirection, Token, UserToken};
use std::borrow::Cow;

/// Both boxes, and the one `jit_funding` in them.
pub(super) struct Boxes<'a> {
    pub(super) load: Option<OrderBox<'a>>,
    pub(super) unload: Option<OrderBox<'a>>,
    pub(super) funding: Option<Funding<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct OrderBox<'a> {
    pub(super) amount: Field<'a>,
    pub(super) currency: Field<'a>,
    pub(super) state: Field<'a>,
    pub(super) funding: Field<'a>,
}

pub(super) struct Funding<'a> {
    pub(super) token: Token,
    pub(super) method: Cow<'a, str>,
    pub(super) user: Option<UserToken>,
    pub(super) amount: Field<'a>,
    pub(super) original: Option<Token>,
    pub(super) direction: MoveDirection,
}

/// `gpa`: by how much a balance at the processor moved.
pub(super) struct Moved<'a> {
    pub(super) impacted: Field<'a>,
    pub(super) currency: Field<'a>,
    pub(super) balances: Field<'a>,
}

impl<'a> Boxes<'a> {
    pub(super) fn read(load: Field<'a>, unload: Field<'a>) -> Result<Boxes<'a>, Fault> {
        let names = ["amount", "currency_code", "state", "jit_funding"];
        let order = |[amount, currency, state, funding]: [Field<'a>; 4]| OrderBox { amount, currency, state, funding };
        let load = object("gpa_order", load, names)?.map(order);
        let unload = object("gpa_order_unload", unload, names)?.map(order);
        let out = Funding::read("gpa_order.jit_funding", load, MoveDirection::Debit)?;
        let back = Funding::read("gpa_order_unload.jit_funding", unload, MoveDirection::Credit)?;
        let funding = match (out, back) {
            (Some(_), Some(_)) => return Err(at("gpa_order_unload.jit_funding")(Problem::BesideTheOther)),
            (one, other) => one.or(other),
        };
        Ok(Boxes { load, unload, funding })
    }
}

impl<'a> Funding<'a> {
    fn read(
        field: &'static str,
        order: Option<OrderBox<'a>>,
        direction: MoveDirection,
    ) -> Result<Option<Funding<'a>>, Fault> {
        let names = ["token", "method", "user_token", "amount", "original_jit_funding_token"];
        let Some(order) = order else { return Ok(None) };
        let Some([own, method, user, amount, original]) = object(field, order.funding, names)? else {
            return Ok(None);
        };
        let missing = |field| at(field)(Problem::Missing);
        let user = text("jit_funding.user_token", user)?;
        let user = user.map(|user| UserToken::new(&user).map_err(Problem::Id)).transpose();
        Ok(Some(Funding {
            token: token("jit_funding.token", own)?.ok_or_else(|| missing("jit_funding.token"))?,
            method: text("jit_funding.method", method)?.ok_or_else(|| missing("jit_funding.method"))?,
            user: user.map_err(at("jit_funding.user_token"))?,
            amount,
            original: token("jit_funding.original_jit_funding_token", original)?,
            direction,
        }))
    }
}

impl<'a> Moved<'a> {
    /// The signed number's text in the item's currency: of a box for many currencies that one's, else the only one.
    pub(super) fn signed_text(&self, currency: Currency) -> Result<Option<&'a str>, Fault> {
        let field = "gpa.impacted_amount";
        let code = currency.code();
        if let Some(balances) = self.balances.value().map_err(at("gpa.balances"))? {
            let [own] = pick(balances, [code]).ok_or_else(|| at("gpa.balances")(Problem::NotObject))?;
            let own = object("gpa.balances", own, ["impacted_amount"])?;
            if let Some(text) = own.map(|[own]| own.value().map_err(at(field))).transpose()?.flatten() {
                return signed(text).map(Some).map_err(at(field));
            }
        }
        let only = text("gpa.currency_code", self.currency)?.is_none_or(|only| only == code);
        let text = self.impacted.value().map_err(at(field))?.filter(|_| only);
        text.map(signed).transpose().map_err(at(field))
    }
}
