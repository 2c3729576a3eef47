//! The file in which operators write a programme's controls, and how it becomes what the books keep, and back.
//!
//! **What lives here.** [`File`]: the format, TOML or JSON, with its JSON schema (`docs/controls.schema.json`).
//! [`read()`] makes a ledger's document of it, [`write()`] a file of a document; `zone` knows time zones, `groups` the
//! names of merchant categories, [`changes()`] says what a new document would change.
//!
//! **What must hold.** What is written and read again is the same document. A mistake is answered with the rule and the
//! key at which it is; an unknown key is refused. The node that is asked turns names of time zones into offsets, with
//! the data of its release: the books themselves know none.
//!
//! **What is not here.** What a rule means: that is `ledger`.

mod changes;
mod groups;
mod read;
#[cfg(test)]
mod tests;
mod words;
mod write;
mod zone;

pub use changes::changes;
pub use read::read;
pub use words::{channel, mcc, span};
pub use write::{limit, write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A programme's controls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name of the time zone whose calendar daily, weekly and monthly limits follow, as "Europe/Berlin". UTC if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What is not a rule.
    #[serde(default)]
    pub settings: Settings,
    /// The rules. Their order means nothing: each can only refuse.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// What a programme can set besides rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Days that a hold stands where the processor says nothing else: 7 (the default) to 366. A day of grace is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_days: Option<u16>,
    /// The same for lodging, vehicle rental, cruises and pre-authorizations: 31 (the default) to 366.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_days_long: Option<u16>,
    /// Whether a card that no transition has made known is refused: "accept" (the default) or "refuse".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_cards: Option<String>,
    /// Whether a request for more than there is may be approved in part: "never" (the default) or "available".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_approval: Option<String>,
    /// How old an approved hold without any report is when it is an orphan, as "10m" (the default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed_after: Option<String>,
    /// For how many days what is over is remembered: 60 to 3660, or 0 (the default) for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remember_days: Option<u16>,
}

/// One rule: which requests it looks at, and what it refuses of them. Exactly one of `deny`, `most`, `limit` and
/// `travel` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// By which it is known, 1 to 36 characters; a limit's counter belongs to it.
    pub name: String,
    /// "enforce" (the default), or "shadow": looked at and recorded, and never deciding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// "spend" (the default), or "fraud": then a decline is told as suspected fraud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// It refuses all that it looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<bool>,
    /// It refuses single amounts above this, as "500.00 USD".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<String>,
    /// It refuses a card that was in another country so shortly before, both times present, as "4h".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub travel: Option<String>,
    /// It looks at requests that match all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Conditions>,
    /// And not at those that match all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<Conditions>,
    /// It refuses what would exceed a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// A limit over a window; `amount`, `count` or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Whose requests are counted together: "account", "card", "product" (all cards of a product) or "programme".
    pub per: String,
    /// "day", "week", "month" or "lifetime" of the calendar, or a rolling window, as "24h".
    pub window: String,
    /// What is counted: "approvals" (the default) or "declines".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The most money, as "1000.00 USD"; the rule then looks at its currency only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The most requests; of declines, so many refuse all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What may be so of a request. Of a list any one entry; all keys that are given. What a request does not say matches
/// only "unknown".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Card product tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Vec<String>>,
    /// User tokens of account holders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Vec<String>>,
    /// Card tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<Vec<String>>,
    /// "authorization", "verification", "incremental", "single-debit".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Vec<String>>,
    /// Merchant categories, ranges of them and names of groups: "5411", "3000-3299", "gambling".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcc: Option<Vec<String>>,
    /// Merchant ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant: Option<Vec<String>>,
    /// Countries of the merchant by three letters, as "USA".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Vec<String>>,
    /// "card-present", "ecommerce", "mail-or-phone", "recurring", "atm", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Vec<String>>,
    /// "manual", "magnetic-stripe", "chip", "contactless", "chip-fallback", "on-file", "other", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Vec<String>>,
    /// What is bought: "goods", "cash", "quasi-cash", "gift-card", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cash: Option<Vec<String>>,
    /// The card was there, or was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_present: Option<bool>,
    /// The merchant is in another country than the card, or is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_border: Option<bool>,
    /// At least this much, as "100.00 USD", in this currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// The network's risk score is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_score: Option<u16>,
    /// The processor's risk score is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor_score: Option<u16>,
    /// The score of a scorer of the issuer's own is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_score: Option<u16>,
    /// The processor's risk level: "low", "medium", "high", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Vec<String>>,
    /// What the processor's risk service recommends: "approve", "review", "decline", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Vec<String>>,
    /// What came of the check of the security code: "match", "partial", "mismatch", "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_code: Option<Vec<String>>,
    /// Of the cardholder's address, in the same words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Vec<String>>,
    /// Of 3-D Secure, in the same words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub three_ds: Option<Vec<String>>,
    /// The card was never approved before, or was, since a rule asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_use: Option<bool>,
}

/// The JSON schema of the file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(File)).unwrap_or_default();
    text.push('\n');
    text
}
