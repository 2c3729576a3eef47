//! Which methods and transaction types are supported, and by which scenarios they are tested, as Markdown.
//!
//! What must hold: what is supported is read from the tables that decide, what is tested from the messages in the
//! files. Nothing of it is written by hand.

use super::scenario::{Path, Scenario, Step};
use gateway::catalogue;
use serde_json::Value;
use std::collections::BTreeMap;

/// Scenarios that are named in one cell.
const NAMED: usize = 4;

const HEAD: &str = "\
# Conformance

Made by `holdfast conformance --matrix`; a test fails when this file differs from what is made.

A scenario is a file in `tests/conformance`: accounts, messages as the processor sends them, the exact replies, and the
balances in between. `cargo test --test conformance` plays all of them on a cluster of real processes. Against one that
runs already, each message goes to the next node:

```sh
cargo run --release -- conformance
cargo run --release -- conformance --url http://127.0.0.1:8441 --admin 127.0.0.1:9541 --only clearing_equal
```

It prints a line for each scenario, and where one goes another way the step, what was expected and what came. Exit code
0: all went as written; 1: some did not; 2: usage; 3: nobody could be asked; 4: an answer was lost. Accounts and tokens
of a run stay in the books: use a cluster that is there for trying things out, and a programme without controls, which
would decline what a scenario expects to be approved. `--user` and `--password` are those of
`[[programs]]`, and so are `--webhook-user`, `--webhook-password` and `--webhook-secret`, if it has them; secrets are also
taken from `HOLDFAST_PASSWORD`, `HOLDFAST_WEBHOOK_PASSWORD` and `HOLDFAST_WEBHOOK_SECRET`.

## The files

An unknown key is refused, with file, line and step. `{run}` stands for twelve digits that are this run's own. Steps:

| step | does |
|---|---|
| `post`, `body`, `times`, `expect` | sends the body, without the white space between its parts, to `/v1/jit` or `/v1/webhooks`, so many times (1); status and body must be these, byte by byte, and for requests the header `x-holdfast-outcome` |
| `balances`, `account` | the account has these balances in these currencies, and no other |
| `order`, `account` | `freeze`, `unfreeze` or `close` |
| `open` | opens an account later than the others |
| `dead_letter`, `why`, `then`, `effect` | a dead letter with this text in its item is there; `drop` or `replay` it |

Any step may have a `note`.
";

/// Which scenarios send what.
#[derive(Default)]
struct Seen<'a> {
    asked: BTreeMap<String, Vec<&'a str>>,
    reported: BTreeMap<String, Vec<&'a str>>,
    types: BTreeMap<String, Vec<&'a str>>,
}

/// The whole document.
pub(super) fn markdown(scenarios: &[Scenario]) -> String {
    let seen = Seen::of(scenarios);
    let mut text = HEAD.to_owned();
    text.push_str("\n## Scenarios\n\n| scenario | what must be so | source |\n|---|---|---|\n");
    for Scenario { name, title, source, .. } in scenarios {
        text.push_str(&format!("| [{name}](../tests/conformance/{name}.json) | {title} | {source} |\n"));
    }
    text.push_str(
        "\n## Methods\n\nAll 51 of the processor's. *Asked* is `POST /v1/jit`, *reported* is `POST /v1/webhooks`; a dash: \
         no scenario sends it on this way.\n\n| method | asked | tested by | reported | tested by |\n|---|---|---|---|---|\n",
    );
    for catalogue::KnownMethod { name, asked, reported } in catalogue::methods() {
        let (asking, reporting) = (cell(&seen.asked, name), cell(&seen.reported, name));
        text.push_str(&format!("| `{name}` | {asked} | {asking} | {reported} | {reporting} |\n"));
    }
    let is_method = |name: &str| catalogue::methods().any(|known| known.name == name);
    for (name, by) in unknown(&seen.asked, is_method) {
        text.push_str(&format!("| `{name}` (unknown) | decide by box | {} | | |\n", by.join(", ")));
    }
    text.push_str("\n## Transaction types\n\nOf reports.\n\n| type | reported | tested by |\n|---|---|---|\n");
    for catalogue::KnownType { name, reported } in catalogue::types() {
        text.push_str(&format!("| `{name}` | {reported} | {} |\n", cell(&seen.types, name)));
    }
    let is_type = |name: &str| catalogue::types().any(|known| known.name == name);
    for (name, by) in unknown(&seen.types, is_type) {
        text.push_str(&format!("| `{name}` (unknown) | by its method; else a dead letter | {} |\n", by.join(", ")));
    }
    text
}

/// Of what is sent, what is in no table.
fn unknown<'a>(
    seen: &'a BTreeMap<String, Vec<&'a str>>,
    is_known: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&'a String, &'a Vec<&'a str>)> {
    seen.iter().filter(move |(name, _)| !is_known(name))
}

fn cell(seen: &BTreeMap<String, Vec<&str>>, name: &str) -> String {
    let all = seen.get(name).map(Vec::as_slice).unwrap_or_default();
    match all.len().saturating_sub(NAMED) {
        _ if all.is_empty() => "–".to_owned(),
        0 => all.join(", "),
        more => format!("{}, and {more} more", all[..NAMED].join(", ")),
    }
}

impl<'a> Seen<'a> {
    fn of(scenarios: &'a [Scenario]) -> Seen<'a> {
        let mut seen = Seen::default();
        for scenario in scenarios {
            for step in &scenario.steps {
                let Step::Post(post) = step else { continue };
                // A message that is no JSON has no method.
                let body: Value = serde_json::from_str(&post.body).unwrap_or(Value::Null);
                match post.path {
                    Path::Jit => note(&mut seen.asked, method(&body), &scenario.name),
                    Path::Webhooks => {
                        for item in body["transactions"].as_array().into_iter().flatten() {
                            note(&mut seen.reported, method(item), &scenario.name);
                            note(&mut seen.types, item["type"].as_str(), &scenario.name);
                        }
                    }
                }
            }
        }
        seen
    }
}

fn method(message: &Value) -> Option<&str> {
    let boxes = ["gpa_order", "gpa_order_unload"];
    boxes.iter().find_map(|name| message[*name]["jit_funding"]["method"].as_str())
}

fn note<'a>(seen: &mut BTreeMap<String, Vec<&'a str>>, name: Option<&str>, scenario: &'a str) {
    let Some(name) = name else { return };
    let by = seen.entry(name.to_owned()).or_default();
    if !by.contains(&scenario) {
        by.push(scenario);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::files;

    #[test]
    fn no_method_and_no_type_goes_untested() {
        let scenarios = files::built_in().unwrap();
        let seen = Seen::of(&scenarios);
        let tested = |name: &str| seen.asked.contains_key(name) || seen.reported.contains_key(name);
        let untested: Vec<_> = catalogue::methods().map(|of| of.name).filter(|name| !tested(name)).collect();
        assert!(untested.is_empty(), "{untested:?}");
        let types = catalogue::types().map(|of| of.name).filter(|name| !seen.types.contains_key(*name));
        let untested: Vec<_> = types.collect();
        assert!(untested.is_empty(), "{untested:?}");
    }
}
