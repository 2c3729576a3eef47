//! Controls, limits, cards and users by the command line.

use super::ctl;
use crate::admin::fake::{Fake, served};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Decision, Facts, Fingerprint, Output, Program, RequestKind, Token,
    UserToken, Verdict,
};
use std::io::Write;
use std::path::Path;

const FILE: &str = r#"
[[rule]]
name = "most"
most = "50.00 USD"

[[rule]]
name = "daily"
limit = { per = "account", window = "day", amount = "60.00 USD", count = 3 }

[[rule]]
name = "tried"
mode = "shadow"
most = "5.00 USD"
"#;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

async fn set(at: &str, path: &Path, more: &str) -> super::Printed {
    ctl(&format!("controls set {} --json --endpoint {at}{more}", path.display())).await
}

/// Asks as the gateway would.
fn ask(fake: &Fake, token: &str, minor: u64) -> Verdict {
    let output = fake.apply(&Command::Authorize(Authorize {
        program: Program::new("default").expect("good"),
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: Token::new(token).expect("good"),
        fingerprint: Fingerprint([0; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("alice").expect("good"),
        amount: Amount::new(minor, Currency::from_code("USD").expect("listed")).expect("in range"),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: Some(Facts { card: Token::new("c1").ok(), ..Facts::default() }),
    }));
    match output {
        Output::Decision(Decision { verdict, .. }) => verdict,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn controls_are_set_shown_and_set_again() {
    let at = served(Fake::new()).await;
    assert_eq!(ctl(&format!("controls show --endpoint {at}")).await.out, "# no controls were ever set\n");
    let first = file(FILE);
    let dry = set(&at, first.path(), " --dry-run").await;
    let (changes, changed) = (dry.json()["changes"].as_array().map(Vec::len), dry.json()["changed"].clone());
    assert_eq!((dry.exit, changes, changed), (0, Some(3), false.into()));
    assert_eq!(ctl(&format!("controls show --json --endpoint {at}")).await.json()["version"], 0);

    let done = set(&at, first.path(), "").await;
    assert_eq!((done.exit, done.json()["version"].clone(), done.json()["changed"].clone()), (0, 1.into(), true.into()));
    let again = set(&at, first.path(), "").await;
    assert_eq!((again.json()["version"].clone(), again.json()["changed"].clone()), (1.into(), false.into()));

    // What is shown can be set, and changes nothing.
    let shown = ctl(&format!("controls show --endpoint {at}")).await;
    let again = set(&at, file(&shown.out).path(), "").await;
    assert_eq!((again.exit, again.json()["changed"].clone()), (0, false.into()), "{shown:?}");

    let less = file("");
    let stale = set(&at, less.path(), " --based-on 7").await;
    assert_eq!(stale.failed(), (1, "refused".to_owned()));
    let less = set(&at, less.path(), " --based-on 1").await;
    assert_eq!((less.exit, less.json()["version"].clone()), (0, 2.into()));
}

#[tokio::test]
async fn a_mistake_in_the_file_is_told_and_nothing_is_set() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    let wrong = set(&at, file("[[rule]]\nname = \"r\"\nmost = \"5 dollars\"\n").path(), "").await;
    assert_eq!(wrong.failed(), (2, "usage".to_owned()), "{wrong:?}");
    assert!(wrong.err.contains("rule \"r\": most: \"5 dollars\" has no currency"), "{wrong:?}");
    let absent = set(&at, Path::new("/nowhere/at/all"), "").await;
    assert_eq!(absent.failed(), (2, "usage".to_owned()));
    assert_eq!(ctl(&format!("controls show --json --endpoint {at}")).await.json()["version"], 0);
}

#[tokio::test]
async fn what_rules_did_is_reported_and_explained() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    ctl(&format!("account open alice --currency USD --credit 1000 --endpoint {at}")).await;
    set(&at, file(FILE).path(), "").await;
    assert_eq!(ask(&fake, "t1", 2_000), Verdict::Approved);
    assert!(matches!(ask(&fake, "t2", 5_100), Verdict::Declined(_)));

    let report = ctl(&format!("controls report --json --endpoint {at}")).await.json();
    let of = |name: &str| {
        let rules = report["rules"].as_array().expect("rules");
        let rule = rules.iter().find(|rule| rule["name"] == name).expect("a rule");
        ["looked", "fired", "decided", "spared"].map(|count| rule[count].as_u64().expect("a number"))
    };
    assert_eq!((of("most"), of("daily"), of("tried")), ([2, 1, 1, 0], [2, 1, 0, 0], [2, 2, 0, 1]));

    let limits = ctl(&format!("account limits alice --json --endpoint {at}")).await.json();
    let daily = &limits["limits"][0];
    assert_eq!((&daily["rule"], &daily["count"], &daily["amount"]), (&"daily".into(), &1.into(), &"20.00".into()));

    let explained = ctl(&format!("explain t2 --json --endpoint {at}")).await.json();
    assert_eq!(explained["decline_reason"], "control_amount");
    assert_eq!(explained["rules"]["fired"], serde_json::json!(["most", "daily", "tried"]));
    let explained = ctl(&format!("explain t1 --endpoint {at}")).await;
    assert!(explained.out.contains("version 1; fired: tried; counted by: daily with 20.00"), "{explained:?}");
}

#[tokio::test]
async fn a_card_is_frozen_and_unfrozen() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    ctl(&format!("account open alice --currency USD --credit 1000 --endpoint {at}")).await;
    let unknown = ctl(&format!("card show c1 --json --endpoint {at}")).await;
    assert_eq!(unknown.exit, 1, "{unknown:?}");
    for (verb, state, approved) in [
        ("freeze", "suspended", false),
        ("unfreeze", "active", true),
        ("lost", "lost", false),
        ("close", "closed", false),
    ] {
        let done = ctl(&format!("card {verb} c1 --json --endpoint {at}")).await;
        assert_eq!((done.exit, done.json()["state"].clone()), (0, state.into()), "{done:?}");
        let shown = ctl(&format!("card show c1 --json --endpoint {at}")).await.json();
        assert_eq!((&shown["card_token"], &shown["operator"]["state"]), (&"c1".into(), &state.into()));
        assert_eq!(ask(&fake, verb, 1) == Verdict::Approved, approved, "{verb}");
    }
    ctl(&format!("card unfreeze c1 --endpoint {at}")).await;
    let frozen = ctl(&format!("user freeze alice --json --endpoint {at}")).await;
    assert_eq!(frozen.json()["state"], "suspended");
    assert!(matches!(ask(&fake, "t1", 1), Verdict::Declined(_)));
}
