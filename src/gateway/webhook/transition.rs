//! One item of `cardtransitions`, `usertransitions` or `businesstransitions`, read: in what state a card or a user is.
//!
//! **What must hold.** A transition is known by the time at which it was made, not by when it comes. One without a time
//! counts as made when it comes. A state that this release does not know, and one that says nothing about taking part
//! (not yet activated, limited: the processor itself enforces those), leaves the party able to take part: what the
//! processor forbids it declines before it asks. A business is a user of its own token.
//!
//! Fields and words: the processor's pages on card and user transitions. Reason code 10 is a card reported lost.

use crate::facts::instant;
use crate::fields::{at, text, token};
use crate::json::{Field, pick};
use crate::refusal::{Fault, Problem};
use ledger::{Party, PartyState, Program, SaidBy, SetParty, Timestamp, UserToken};

/// Which transition an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Card,
    User,
    Business,
}

impl Who {
    /// By the envelope's name.
    pub(crate) fn named(name: &str) -> Option<Who> {
        match name {
            "cardtransitions" | "cards" => Some(Who::Card),
            "usertransitions" | "users" => Some(Who::User),
            "businesstransitions" | "businesses" => Some(Who::Business),
            _ => None,
        }
    }
}

/// Reads one.
pub(crate) fn read(program: Program, of: Who, item: &str) -> Result<SetParty, Fault> {
    let names =
        ["token", "card_token", "user_token", "business_token", "state", "status", "reason_code", "created_time"];
    let [own, card, user, business, state, status, reason, created] =
        pick(item, names).ok_or(at("item")(Problem::NotObject))?;
    let reason = text("reason_code", reason)?.unwrap_or_default();
    let (party, word, holder) = match of {
        // An object of the kind itself, in place of its transition, names itself.
        Who::Card => {
            let card = token("card_token", card)?.map_or_else(|| token("token", own), |card| Ok(Some(card)))?;
            let card = card.ok_or_else(|| at("card_token")(Problem::Missing))?;
            (Party::Card(card), word("state", state)?, user_token("user_token", user)?)
        }
        Who::User => (Party::User(named("user_token", user, own)?), word("status", status)?, None),
        Who::Business => (Party::User(named("business_token", business, own)?), word("status", status)?, None),
    };
    let said_at = text("created_time", created)?.and_then(|text| instant(&text)).unwrap_or(Timestamp(0));
    Ok(SetParty { program, party, state: state_of(&word, &reason), by: SaidBy::Processor, said_at, holder })
}

fn named(field: &'static str, value: Field<'_>, own: Field<'_>) -> Result<UserToken, Fault> {
    let named = user_token(field, value)?.map_or_else(|| user_token("token", own), |user| Ok(Some(user)))?;
    named.ok_or_else(|| at(field)(Problem::Missing))
}

fn user_token(field: &'static str, value: Field<'_>) -> Result<Option<UserToken>, Fault> {
    let user = text(field, value)?.map(|text| UserToken::new(&text).map_err(Problem::Id));
    user.transpose().map_err(at(field))
}

fn word(field: &'static str, value: Field<'_>) -> Result<String, Fault> {
    let word = text(field, value)?.ok_or_else(|| at(field)(Problem::Missing))?;
    Ok(word.trim().to_ascii_uppercase())
}

fn state_of(word: &str, reason: &str) -> PartyState {
    match (word, reason.trim()) {
        ("SUSPENDED" | "TERMINATED", "10") => PartyState::Lost,
        ("SUSPENDED", _) => PartyState::Suspended,
        ("TERMINATED" | "CLOSED", _) => PartyState::Closed,
        _ => PartyState::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(of: Who, item: &str) -> Result<(Party, PartyState, u64, Option<String>), String> {
        let program = Program::new("default").unwrap();
        let set = read(program, of, item).map_err(|fault| fault.to_string())?;
        assert_eq!((set.program, set.by), (program, SaidBy::Processor));
        Ok((set.party, set.state, set.said_at.0, set.holder.map(|user| user.as_str().to_owned())))
    }

    #[test]
    fn a_card_transition_says_which_card_and_what_it_is() {
        let card = Party::Card(ledger::Token::new("c-1").unwrap());
        for (state, reason, expected) in [
            ("ACTIVE", "00", PartyState::Active),
            ("UNACTIVATED", "", PartyState::Active),
            ("LIMITED", "", PartyState::Active),
            ("SUSPENDED", "05", PartyState::Suspended),
            ("SUSPENDED", "10", PartyState::Lost),
            ("TERMINATED", "10", PartyState::Lost),
            ("TERMINATED", "01", PartyState::Closed),
            // Found again.
            ("ACTIVE", "10", PartyState::Active),
        ] {
            let item = format!(
                r#"{{"token":"tr-1","card_token":"c-1","user_token":"ada","state":"{state}","reason_code":"{reason}",
                    "created_time":"2026-02-14T17:05:09Z","channel":"API"}}"#
            );
            let read = read_one(Who::Card, &item);
            assert_eq!(read, Ok((card, expected, 1_771_088_709_000_000, Some("ada".to_owned()))), "{item}");
        }
        // The card itself, and no time.
        let object = r#"{"token":"c-1","state":"SUSPENDED"}"#;
        assert_eq!(read_one(Who::Card, object), Ok((card, PartyState::Suspended, 0, None)));
    }

    #[test]
    fn users_and_businesses_have_a_status() {
        let ada = Party::User(UserToken::new("ada").unwrap());
        for (status, expected) in [
            ("ACTIVE", PartyState::Active),
            ("UNVERIFIED", PartyState::Active),
            ("SUSPENDED", PartyState::Suspended),
            ("CLOSED", PartyState::Closed),
        ] {
            let user = format!(r#"{{"token":"tr-1","user_token":"ada","status":"{status}"}}"#);
            assert_eq!(read_one(Who::User, &user), Ok((ada, expected, 0, None)));
            let business = format!(r#"{{"token":"tr-1","business_token":"ada","status":"{status}"}}"#);
            assert_eq!(read_one(Who::Business, &business), Ok((ada, expected, 0, None)));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (of, item, fault) in [
            (Who::Card, "[]", "item: not a JSON object"),
            (Who::Card, r#"{"state":"ACTIVE"}"#, "card_token: missing"),
            (Who::Card, r#"{"card_token":"c"}"#, "state: missing"),
            (Who::Card, r#"{"card_token":"c","state":7}"#, "state: not a string"),
            (Who::Card, r#"{"card_token":"","state":"ACTIVE"}"#, "card_token: is empty"),
            (Who::User, r#"{"status":"ACTIVE"}"#, "user_token: missing"),
            (Who::User, r#"{"user_token":"u"}"#, "status: missing"),
            (Who::Business, r#"{"status":"ACTIVE"}"#, "business_token: missing"),
        ] {
            assert_eq!(read_one(of, item), Err(fault.to_owned()), "{item}");
        }
    }
}
