//! One step of a scenario: what kind it is, and what it says.

use super::{Account, Balances};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Posts of one step: enough for "again and again", few enough for a typing error.
const TIMES_MAX: u32 = 10;
/// What a step is known by.
const KINDS: [&str; 5] = ["post", "balances", "order", "open", "dead_letter"];

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conformance) enum Step {
    /// The processor sends a message.
    Post(Post),
    /// The books are looked at.
    Balances { user_token: String, balances: Balances },
    /// The operator orders something for an account.
    Order { user_token: String, order: Order },
    /// The operator opens an account.
    Open(Account),
    /// The operator looks for a dead letter, and deals with it.
    Letter(Letter),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conformance) struct Post {
    pub(in crate::conformance) path: Path,
    /// As it is sent: without white space between its parts, otherwise as it was written.
    pub(in crate::conformance) body: String,
    /// How often; each answer must be as written.
    pub(in crate::conformance) times: u32,
    pub(in crate::conformance) expect: Expect,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::conformance) enum Path {
    #[serde(rename = "/v1/jit")]
    Jit,
    #[serde(rename = "/v1/webhooks")]
    Webhooks,
}

impl Path {
    pub(in crate::conformance) fn text(self) -> &'static str {
        match self {
            Path::Jit => "/v1/jit",
            Path::Webhooks => "/v1/webhooks",
        }
    }
}

/// What must come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conformance) struct Expect {
    pub(in crate::conformance) status: u16,
    /// `x-holdfast-outcome`; only requests have one.
    pub(in crate::conformance) outcome: Option<String>,
    /// The exact bytes.
    pub(in crate::conformance) body: String,
}

/// What an operator orders for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::conformance) enum Order {
    Freeze,
    Unfreeze,
    Close,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conformance) struct Letter {
    /// What its item must have in it.
    pub(in crate::conformance) contains: String,
    /// Why it is one.
    pub(in crate::conformance) why: String,
    pub(in crate::conformance) then: Then,
}

/// What is done with a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conformance) enum Then {
    Drop,
    /// Book it; this must be the effect.
    Replay(String),
}

/// What is wrong with a step, and on which of its lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) why: String,
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Fault {
        let why = error.to_string();
        // The place is told by file, not by step.
        let end = why.rfind(" at line ").unwrap_or(why.len());
        Fault { line: error.line(), why: why[..end].to_owned() }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Fault {
        Fault { line: 1, why }
    }
}

impl Step {
    pub(super) fn read(text: &str) -> Result<Step, Fault> {
        let keys: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| keys.contains_key(*kind)).collect();
        Ok(match kinds[..] {
            ["post"] => Step::Post(post(text)?),
            ["balances"] => {
                let WrittenBalances { account, balances, .. } = serde_json::from_str(text)?;
                if balances.is_empty() {
                    return Err("balances: there are none".to_owned().into());
                }
                Step::Balances { user_token: account, balances }
            }
            ["order"] => {
                let WrittenOrder { order, account, .. } = serde_json::from_str(text)?;
                Step::Order { user_token: account, order }
            }
            ["open"] => {
                let WrittenOpen { open, .. } = serde_json::from_str(text)?;
                Step::Open(open)
            }
            ["dead_letter"] => Step::Letter(letter(text)?),
            [] => return Err(format!("is none of {}", KINDS.join(", ")).into()),
            _ => return Err(format!("is more than one thing: {}", kinds.join(", ")).into()),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPost<'a> {
    post: Path,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default = "once")]
    times: u32,
    expect: WrittenExpect<'a>,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExpect<'a> {
    status: u16,
    outcome: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBalances {
    account: String,
    balances: Balances,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOrder {
    order: Order,
    account: String,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOpen {
    open: Account,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLetter {
    dead_letter: String,
    why: String,
    then: WrittenThen,
    #[serde(default)]
    effect: Option<String>,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenThen {
    Drop,
    Replay,
}

fn post(text: &str) -> Result<Post, Fault> {
    let written: WrittenPost<'_> = serde_json::from_str(text)?;
    let WrittenExpect { status, outcome, body } = written.expect;
    if !(1..=TIMES_MAX).contains(&written.times) {
        return Err(format!("times: must be from 1 to {TIMES_MAX}").into());
    }
    if !(100..600).contains(&status) {
        return Err("expect.status: is no HTTP status".to_owned().into());
    }
    // Who is turned away before he is known gets no outcome.
    let decides = written.post == Path::Jit && matches!(status, 200 | 402);
    if decides != outcome.is_some() {
        let why = if decides { "expect.outcome: is missing" } else { "expect.outcome: this answer has none" };
        return Err(why.to_owned().into());
    }
    let expect = Expect { status, outcome, body: compact(body.get()) };
    Ok(Post { path: written.post, body: compact(written.body.get()), times: written.times, expect })
}

fn letter(text: &str) -> Result<Letter, Fault> {
    let written: WrittenLetter = serde_json::from_str(text)?;
    let then = match (written.then, written.effect) {
        (WrittenThen::Drop, None) => Then::Drop,
        (WrittenThen::Replay, Some(effect)) => Then::Replay(effect),
        (WrittenThen::Drop, Some(_)) => return Err("effect: what is dropped has none".to_owned().into()),
        (WrittenThen::Replay, None) => return Err("effect: is missing".to_owned().into()),
    };
    Ok(Letter { contains: written.dead_letter, why: written.why, then })
}

/// JSON without the white space between its parts, otherwise byte by byte as it was written.
fn compact(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = inside || !c.is_ascii_whitespace();
        (inside, escaped) = match (inside, escaped, c) {
            (true, false, '\\') => (true, true),
            (true, false, '"') => (false, false),
            (false, _, '"') => (true, false),
            (inside, ..) => (inside, false),
        };
        keep
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_parts_goes() {
        let written = "{ \"a b\" : \"c \\\" d\\\\\" ,\n \"e\": [ 48.20, 1E+2 ] }";
        assert_eq!(compact(written), "{\"a b\":\"c \\\" d\\\\\",\"e\":[48.20,1E+2]}");
    }
}
