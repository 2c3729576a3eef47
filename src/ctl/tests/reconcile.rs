//! An export of the processor against the books, and the alarms, over the command line.

use super::{ctl, deserted};
use crate::admin::fake::{Fake, served};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Fingerprint, Output, Program, RequestKind, Token, UserToken,
};
use serde_json::Value;
use std::path::Path;

/// Decides a request for alice.
fn decide(fake: &Fake, token: &str, minor: u64) {
    let output = fake.apply(&Command::Authorize(Authorize {
        program: Program::new("default").expect("an id"),
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: Token::new(token).expect("an id"),
        fingerprint: Fingerprint([minor as u8; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("alice").expect("an id"),
        amount: Amount::new(minor, Currency::from_code("USD").expect("one")).expect("in range"),
        transaction: Some(Token::new(&format!("tx-{token}")).expect("an id")),
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }));
    assert!(matches!(output, Output::Decision(_)), "{output:?}");
}

/// An authorization as the processor lists it, made around the time at which the fake's log begins.
fn listed(token: &str, user: &str, amount: &str, minute: u8) -> String {
    format!(
        "{{\"type\":\"authorization\",\"state\":\"PENDING\",\"token\":\"tx-{token}\",\"user_token\":\"{user}\",\"amount\":{amount},\
         \"currency_code\":\"USD\",\"created_time\":\"2023-11-14T22:{minute}:00Z\",\"gpa_order\":{{\"amount\":{amount},\
         \"currency_code\":\"USD\",\"jit_funding\":{{\"token\":\"{token}\",\"method\":\"pgfs.authorization\",\
         \"user_token\":\"{user}\",\"amount\":{amount}}}}}}}"
    )
}

async fn books() -> (Fake, String) {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    let opened = ctl(&format!("--endpoint {at} --json account open alice --currency USD --credit 1000")).await;
    assert_eq!(opened.exit, 0, "{opened:?}");
    for (token, minor) in [("known", 4_820), ("lonely", 1_000), ("other", 700)] {
        decide(&fake, token, minor);
    }
    (fake, at)
}

async fn held(at: &str) -> Value {
    ctl(&format!("--endpoint {at} --json account show alice")).await.json()["balances"]["USD"]["held"].clone()
}

/// Posts what was proposed, as an operator would.
fn post(fake: &Fake, repairs: &Path) -> usize {
    let text = std::fs::read_to_string(repairs).expect("readable");
    let bodies: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a body")).collect();
    let items = bodies.iter().flat_map(|body| body["transactions"].as_array().expect("items"));
    let program = Program::new("default").expect("an id");
    for item in items {
        let command = gateway::read_again(program, "transactions", &item.to_string()).expect("readable");
        fake.apply(&command.expect("a fact"));
    }
    bodies.len()
}

#[tokio::test]
async fn what_is_missing_here_and_there_and_what_differs_is_found_and_repaired_by_what_is_proposed() {
    let (fake, at) = books().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (file, repairs) = (dir.path().join("export.jsonl"), dir.path().join("repairs.jsonl"));
    let lines = [
        listed("known", "alice", "48.20", 10),
        listed("gone", "alice", "5.00", 20),
        String::new(),
        "{\"type\":\"balanceinquiry\",\"state\":\"PENDING\",\"token\":\"tx-b\"}".to_owned(),
        "not a transaction".to_owned(),
        listed("other", "alice", "8.00", 30),
        listed("stranger", "nobody", "1.00", 40),
    ];
    std::fs::write(&file, lines.join("\n")).expect("written");
    let line = format!("--endpoint {at} --json reconcile {}", file.display());
    let found = ctl(&format!("{line} --repairs {}", repairs.display())).await;
    let counts = serde_json::json!({
        "unconfirmed_here": 1, "missing_here": 1, "without_money": 1, "unreadable": 1, "differs": 1, "impossible": 1,
        "missing_there": 1,
    });
    assert_eq!((found.exit, &found.json()["counts"]), (1, &counts), "{found:?}");
    let document = found.json();
    let rows = document["rows"].as_array().expect("rows");
    let row = |finding: &str| rows.iter().find(|row| row["finding"] == finding).expect("a row");
    assert_eq!((&row("missing_here")["token"], &row("missing_here")["line"]), (&"tx-gone".into(), &2.into()));
    assert_eq!(row("missing_there")["token"], "lonely");
    assert!(row("differs")["detail"].as_str().is_some_and(|detail| detail.contains("here 7.00 USD")), "{document}");
    assert_eq!(row("impossible")["detail"], "account_unknown");
    assert_eq!(row("unreadable")["line"], 5);

    // Nothing was done so far; what is proposed does it, but for what nobody can read or book.
    assert_eq!(held(&at).await, "65.20");
    assert_eq!(post(&fake, &repairs), 5);
    assert_eq!(held(&at).await, "61.20", "48.20 known, 5.00 gone, 8.00 other, and lonely is released");
    let again = ctl(&line).await;
    let counts = serde_json::json!({ "known": 3, "without_money": 1, "unreadable": 1, "impossible": 1 });
    let left = again.json()["counts"].clone();
    assert_eq!((again.exit, &left), (1, &counts), "{again:?}");
    let over = ctl(&format!("{line} --repairs {}", repairs.display())).await;
    assert_eq!(over.failed(), (2, "usage".to_owned()), "repairs are not written over");
}

#[tokio::test]
async fn an_export_says_nothing_of_what_came_before_or_after_it() {
    let (_, at) = books().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("export.jsonl");
    // Around 22:13:20, when the books decided; then before.
    for (minutes, missing) in [([10, 20], 3), ([10, 12], 0)] {
        let lines = minutes.map(|minute| format!("{{\"type\":\"balanceinquiry\",\"state\":\"PENDING\",\"token\":\"tx-b\",\"created_time\":\"2023-11-14T22:{minute}:00Z\"}}"));
        std::fs::write(&file, lines.join("\n")).expect("written");
        let found = ctl(&format!("--endpoint {at} --json reconcile {}", file.display())).await;
        assert_eq!(found.json()["counts"]["missing_there"].as_u64().unwrap_or(0), missing, "{found:?}");
        assert_eq!(found.exit, u8::from(missing > 0));
    }
    let long = dir.path().join("long.jsonl");
    std::fs::write(&long, vec![b'x'; 300 * 1024]).expect("written");
    let refused = ctl(&format!("--endpoint {at} --json reconcile {}", long.display())).await;
    assert_eq!(refused.failed(), (2, "usage".to_owned()));
    for line in ["reconcile", "reconcile /nonexistent/export.jsonl"] {
        assert_eq!(ctl(&format!("--endpoint {at} --json {line}")).await.failed(), (2, "usage".to_owned()));
    }
}

#[tokio::test]
async fn alarms_are_told_by_the_exit_code_too() {
    let at = served(Fake::new()).await;
    let told = ctl(&format!("--endpoint {at} --json alarms")).await;
    assert_eq!((told.exit, &told.json()["raised"]), (1, &Value::Bool(true)), "{told:?}");
    let document = told.json();
    let alarms = document["nodes"][0]["alarms"].as_array().expect("alarms");
    let of = |name: &str| alarms.iter().find(|alarm| alarm["name"] == name).expect("it").clone();
    assert_eq!((&of("NO_QUORUM")["state"], &of("NOSPACE")["state"]), (&"on".into(), &"off".into()));
    assert_eq!(
        (&of("DIVERGED")["state"], &of("NO_QUORUM")["page"]),
        (&"unwatched".into(), &"docs/runbooks.md#no_quorum".into())
    );
    let text = ctl(&format!("--endpoint {at} alarms")).await;
    assert!(text.out.contains("effect: ") && text.out.contains("see docs/runbooks.md#no_quorum"), "{text:?}");
}

#[tokio::test]
async fn alarms_go_on_past_a_node_that_does_not_answer() {
    let (gone, first, second) = (deserted(), served(Fake::new()).await, served(Fake::new()).await);
    let line = format!("--endpoint {first} --endpoint {gone} --endpoint {second} alarms");
    let told = ctl(&format!("{line} --json")).await;
    let document = told.json();
    assert_eq!((told.exit, document["nodes"].as_array().map(Vec::len)), (3, Some(2)), "{told:?}");
    assert_eq!((&document["raised"], &document["silent"][0]["endpoint"]), (&true.into(), &gone.as_str().into()));
    let text = ctl(&line).await;
    assert_eq!((text.exit, text.out.matches("NO_QUORUM: ").count()), (3, 2), "{text:?}");
    assert!(text.out.contains(&format!("{gone} does not answer: ")), "{text:?}");
    let nobody = ctl(&format!("--endpoint {gone} --json alarms")).await;
    assert_eq!(nobody.failed(), (3, "unavailable".to_owned()));
}
