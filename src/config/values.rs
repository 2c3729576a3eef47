//! Values that are more than text: each is checked as it is read.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The 16 bytes that two clusters never share; 32 hex digits in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(pub [u8; 16]);

impl TryFrom<String> for ClusterId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "must be 32 hex digits";
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let number = u128::from_str_radix(&text, 16).map_err(|_| WRONG)?;
        Ok(ClusterId(number.to_be_bytes()))
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        let mut text = String::with_capacity(32);
        for byte in id.0 {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The `decline_reason` of an answer without a decision: one of the values that the processor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UndecidedReason(pub gateway::Reason);

impl Default for UndecidedReason {
    fn default() -> Self {
        UndecidedReason(gateway::Reason::TRANSACTION_NOT_PERMITTED)
    }
}

impl TryFrom<String> for UndecidedReason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let reason = gateway::Reason::from_name(&text);
        reason.map(UndecidedReason).ok_or_else(|| format!("{text:?} is no decline reason of the processor"))
    }
}

impl From<UndecidedReason> for String {
    fn from(reason: UndecidedReason) -> String {
        reason.0.name().to_owned()
    }
}

/// An amount as `50.00 USD`; empty text is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(pub Option<ledger::Amount>);

impl TryFrom<String> for Money {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Ok(Money(None));
        }
        let (number, code) = text.split_once(' ').ok_or("must be an amount with its currency, as \"50.00 USD\"")?;
        let currency = ledger::Currency::from_code(code).ok_or("has no currency of ISO 4217")?;
        let amount = ledger::Amount::parse(number, currency).map_err(|error| error.to_string())?;
        Ok(Money(Some(amount)))
    }
}

impl From<Money> for String {
    fn from(money: Money) -> String {
        money.0.map_or_else(String::new, |amount| format!("{amount} {}", amount.currency().code()))
    }
}

/// Kinds of request, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefusedKinds(pub std::collections::BTreeSet<standin::facts::Kind>);

impl TryFrom<String> for RefusedKinds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let kind = |word: &str| {
            let found = standin::facts::Kind::ALL.into_iter().find(|kind| kind.name() == word);
            found.ok_or_else(|| format!("{word:?} is no kind that can be refused"))
        };
        words(&text).map(kind).collect::<Result<_, _>>().map(RefusedKinds)
    }
}

impl From<RefusedKinds> for String {
    fn from(kinds: RefusedKinds) -> String {
        kinds.0.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
    }
}

/// Merchant categories, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefusedMccs(pub std::collections::BTreeSet<u16>);

impl TryFrom<String> for RefusedMccs {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mcc = |word: &str| {
            let found = word.parse().ok().filter(|mcc: &u16| word.len() == 4 && *mcc < 10_000);
            found.ok_or_else(|| format!("{word:?} is no merchant category of four digits"))
        };
        words(&text).map(mcc).collect::<Result<_, _>>().map(RefusedMccs)
    }
}

impl From<RefusedMccs> for String {
    fn from(mccs: RefusedMccs) -> String {
        mccs.0.iter().map(|mcc| format!("{mcc:04}")).collect::<Vec<_>>().join(",")
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
