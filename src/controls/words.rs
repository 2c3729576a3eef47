//! Words and values of the file: read with what is wrong, and written again.

use crate::config::Money;
use ledger::{
    Advice, Amount, CashKind, Channel, Check, Counted, Entry, Fact, Mode, PartialApproval, Per, Purpose, RequestKind,
    Risk, Seconds, UnknownCards, Window,
};

/// What has words in the file.
pub(super) trait Words: Copy + PartialEq + 'static {
    /// Each with its word.
    fn all() -> Vec<(Self, &'static str)>;

    fn read(text: &str) -> Result<Self, String> {
        let all = Self::all();
        let found = all.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
        let words = || all.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("{text:?} is none of: {}", words()))
    }

    fn word(self) -> String {
        let found = Self::all().into_iter().find(|(value, _)| *value == self);
        found.map(|(_, word)| word.to_owned()).unwrap_or_default()
    }
}

/// Those that have names in the ledger, and the unknown.
macro_rules! named {
    ($($type:ident)+) => {$(
        impl Words for $type {
            fn all() -> Vec<(Self, &'static str)> {
                let all = $type::ALL.iter().chain(&[$type::Unknown]);
                all.map(|value| (*value, value.name())).collect()
            }
        }
    )+};
}

named! { Channel Entry CashKind Risk Advice Check }

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ })+) => {$(
        impl Words for $type {
            fn all() -> Vec<(Self, &'static str)> {
                vec![$(($type::$variant, $word)),+]
            }
        }
    )+};
}

words! {
    Mode { Enforce = "enforce", Shadow = "shadow" }
    Purpose { Spend = "spend", Fraud = "fraud" }
    Per { Account = "account", Card = "card", Product = "product", Programme = "programme" }
    Counted { Approvals = "approvals", Declines = "declines" }
    UnknownCards { Accept = "accept", Refuse = "refuse" }
    PartialApproval { Never = "never", Available = "available" }
    RequestKind {
        Authorization = "authorization", Verification = "verification", Incremental = "incremental",
        SingleDebit = "single-debit"
    }
}

/// Yes or no as a fact.
pub(super) fn fact(yes: bool) -> Fact {
    if yes { Fact::Yes } else { Fact::No }
}

pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let money = Money::try_from(text.to_owned()).map_err(|error| format!("{text:?} {error}"))?;
    money.0.ok_or_else(|| "must be an amount with its currency, as \"50.00 USD\"".to_owned())
}

pub(super) fn money(amount: Amount) -> String {
    Money(Some(amount)).into()
}

/// A time span as `90s`, `10m`, `24h` or `30d`.
pub fn span(text: &str) -> Result<Seconds, String> {
    let wrong = || format!("{text:?} must be a number with s, m, h or d");
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        Some(_) | None => return Err(wrong()),
    };
    let count: u32 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    count.checked_mul(unit).map(Seconds).ok_or_else(|| format!("{text:?} is too long"))
}

/// In the largest unit that it is a whole number of.
pub(super) fn span_text(Seconds(seconds): Seconds) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let found = units.into_iter().find(|(unit, _)| seconds > 0 && seconds % unit == 0);
    let (unit, letter) = found.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

pub(super) fn window(text: &str) -> Result<Window, String> {
    match text {
        "day" => Ok(Window::Day),
        "week" => Ok(Window::Week),
        "month" => Ok(Window::Month),
        "lifetime" => Ok(Window::Lifetime),
        _ => {
            let wrong = |_| format!("{text:?} is neither day, week, month, lifetime nor a time span as 24h");
            span(text).map(Window::Rolling).map_err(wrong)
        }
    }
}

pub(super) fn window_text(window: Window) -> String {
    match window {
        Window::Rolling(seconds) => span_text(seconds),
        Window::Day => "day".to_owned(),
        Window::Week => "week".to_owned(),
        Window::Month => "month".to_owned(),
        Window::Lifetime => "lifetime".to_owned(),
    }
}

/// One entry of merchant categories: four digits, a range of them, or a group's name.
pub fn mcc(text: &str) -> Result<Vec<(u16, u16)>, String> {
    if let Some(ranges) = super::groups::group(text) {
        return Ok(ranges.to_vec());
    }
    let one = |digits: &str| digits.parse().ok().filter(|_| digits.len() == 4);
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (one(from), one(to)) {
        (Some(from), Some(to)) => Ok(vec![(from, to)]),
        _ => {
            let groups: Vec<&str> = super::groups::GROUPS.iter().map(|(name, _)| *name).collect();
            Err(format!(
                "{text:?} is neither a category as 5411, a range as 3000-3299, nor one of: {}",
                groups.join(", ")
            ))
        }
    }
}

/// A channel by its word.
pub fn channel(text: &str) -> Result<Channel, String> {
    Channel::read(text)
}

pub(super) fn mcc_text((from, to): (u16, u16)) -> String {
    if from == to { format!("{from:04}") } else { format!("{from:04}-{to:04}") }
}
