//! The feed of events and the journal by the command line.

use super::ctl;
use crate::admin::fake::{Fake, served};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Event, Fingerprint, Names, Program, RequestKind, Role, Token,
    UserToken, Void, Word,
};
use serde_json::Value;

fn program() -> Program {
    Program::new("default").expect("good")
}

fn token(text: &str) -> Token {
    Token::new(text).expect("good")
}

fn request(name: &str, minor: u64) -> Authorize {
    Authorize {
        program: program(),
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: token(name),
        fingerprint: Fingerprint([0; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("alice").expect("good"),
        amount: Amount::new(minor, Currency::from_code("USD").expect("listed")).expect("in range"),
        transaction: Some(token("x1")),
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }
}

/// Two accounts, a hold that is cleared, one that is voided.
async fn story(fake: &Fake, at: &str) {
    for user in ["alice", "bob"] {
        ctl(&format!("account open {user} --currency USD --credit 100 --endpoint {at}")).await;
    }
    let held = request("t1", 2_000);
    fake.apply(&Command::Authorize(held.clone()));
    ctl(&format!("account credit bob 5 --currency USD --key k1 --endpoint {at}")).await;
    let names = Names { transaction: Some(token("x2")), original: Some(held.token), ..Names::default() };
    let role = Role::Clearing(ledger::Clearing { last: true, ..Default::default() });
    let (user, amount) = (held.user, held.amount);
    let (word, expires_after, facts) = (Word::Completed, None, None);
    fake.apply(&Command::Event(Event { program: program(), names, user, amount, role, word, expires_after, facts }));
    let alone = Authorize { transaction: None, ..request("t2", 100) };
    fake.apply(&Command::Authorize(alone.clone()));
    let Authorize { program, attempt, token, fingerprint, .. } = alone;
    fake.apply(&Command::Void(Void { program, attempt, token, fingerprint }));
}

fn lines(printed: &super::Printed) -> Vec<Value> {
    printed.out.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect()
}

#[tokio::test]
async fn every_event_comes_once_in_order_and_from_any_index_on() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    story(&fake, &at).await;
    let all = ctl(&format!("events --endpoint {at}")).await;
    assert_eq!(all.exit, 0, "{all:?}");
    let seen = lines(&all);
    let kinds: Vec<&str> = seen.iter().map(|event| event["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["open", "open", "authorization", "credit", "event", "authorization", "void"]);
    let indexes: Vec<u64> = seen.iter().map(|event| event["log_index"].as_u64().expect("a number")).collect();
    assert_eq!(indexes, [1, 2, 3, 4, 5, 6, 7]);
    let first = serde_json::json!([{ "user": "alice", "currency": "USD", "credit": "100.00" }]);
    assert_eq!(seen[0]["openings"], first);
    let clearing = &seen[4];
    assert_eq!((&clearing["role"], &clearing["word"]), (&"clearing".into(), &"completed".into()));
    assert_eq!((&clearing["held"], &clearing["posted"]), (&"0.00".into(), &"-20.00".into()));
    let later = lines(&ctl(&format!("events --from 5 --endpoint {at}")).await);
    assert_eq!(later, seen[4..]);
    assert_eq!(lines(&ctl(&format!("events --from 99 --endpoint {at}")).await), Vec::<Value>::new());
    // Of another programme there is nothing.
    assert_eq!(ctl(&format!("--program other events --endpoint {at}")).await.out, "");
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said_and_not_left_out() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    story(&fake, &at).await;
    fake.forget(4);
    let old = ctl(&format!("events --from 2 --json --endpoint {at}")).await;
    assert_eq!(old.failed(), (2, "usage".to_owned()), "{old:?}");
    assert!(old.err.contains("begins at 5"), "{old:?}");
    let rest = ctl(&format!("events --from 5 --endpoint {at}")).await;
    assert_eq!((rest.exit, lines(&rest).len()), (0, 3));
}

#[tokio::test]
async fn the_journal_is_one_accounts_part_of_it() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    story(&fake, &at).await;
    let journal = |user: &str, more: &str| format!("account journal {user} --json --endpoint {at}{more}");
    let kinds = |printed: &super::Printed| {
        let events = printed.json()["events"].as_array().expect("events").clone();
        events.iter().map(|event| event["kind"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    let alice = ctl(&journal("alice", "")).await;
    assert_eq!(kinds(&alice), ["open", "authorization", "event", "authorization", "void"]);
    assert_eq!(alice.json()["end"], true);
    assert_eq!(kinds(&ctl(&journal("bob", "")).await), ["open", "credit"]);
    assert_eq!(kinds(&ctl(&journal("nobody", "")).await), Vec::<String>::new());
    // Paged, it is the same.
    let first = ctl(&journal("alice", " --limit 2")).await;
    assert_eq!((kinds(&first).len(), first.json()["end"].clone()), (2, false.into()));
    let rest = ctl(&journal("alice", &format!(" --from {}", first.json()["next_index"]))).await;
    assert_eq!(kinds(&rest), ["event", "authorization", "void"]);
    // The clock of the fake is years ago.
    assert_eq!(kinds(&ctl(&journal("alice", " --since 1h")).await), Vec::<String>::new());
    let text = ctl(&format!("account journal alice --endpoint {at}")).await;
    assert!(text.out.contains("clearing") && text.out.contains("20.00"), "{text:?}");
}

#[tokio::test]
async fn an_explanation_says_what_happened_since() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    story(&fake, &at).await;
    let explained = ctl(&format!("explain t1 --json --endpoint {at}")).await.json();
    let transaction = &explained["transaction"];
    assert_eq!((&transaction["held"], &transaction["posted"]), (&"0.00".into(), &"-20.00".into()));
    let roles: Vec<&Value> = transaction["facts"].as_array().expect("facts").iter().map(|fact| &fact["role"]).collect();
    assert_eq!(roles, ["authorization", "clearing"]);
    let text = ctl(&format!("explain t1 --endpoint {at}")).await;
    assert!(text.out.contains("clearing 20.00, completed"), "{text:?}");
}
