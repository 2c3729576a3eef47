//! Dead letters from the list to the books, as operators bring them there.

use super::ctl;
use crate::admin::fake::{Fake, Mood, served};
use ledger::{Command, DeadLetter, Kept, Program, Token, Why};
use serde_json::Value;
use std::io::Write;

const ITEM: &str =
    r#"{"type":"refund","state":"COMPLETION","token":"x1","user_token":"alice","amount":5.00,"currency_code":"USD"}"#;

fn keep(fake: &Fake, id: &str, why: Why, kept: Kept, item: &str) {
    fake.apply(&Command::Shelve(DeadLetter {
        program: Program::new("default").expect("an id"),
        id: Token::new(id).expect("an id"),
        kind: Token::new("transactions").expect("an id"),
        why,
        detail: "refused by the books".to_owned(),
        kept,
        bytes: item.as_bytes().to_vec(),
    }));
}

fn ids(list: &Value) -> Vec<&str> {
    let letters = list["letters"].as_array().map(Vec::as_slice).unwrap_or_default();
    letters.iter().filter_map(|letter| letter["id"].as_str()).collect()
}

#[tokio::test]
async fn a_letter_is_booked_once_its_account_is_there() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    let ctl = |line: &str| {
        let line = format!("{line} --json --endpoint {at}");
        async move { ctl(&line).await }
    };
    keep(&fake, "one", Why::AccountUnknown, Kept::Whole, ITEM);
    keep(&fake, "two", Why::Malformed, Kept::Whole, "{}");
    let listed = ctl("deadletter list").await.json();
    assert_eq!((ids(&listed), &listed["count"], &listed["count_max"]), (vec!["one", "two"], &2.into(), &4096.into()));
    assert_eq!(
        (&listed["letters"][0]["why"], &listed["letters"][0]["item"]),
        (&"account_unknown".into(), &Value::Null)
    );
    let first = ctl("deadletters list --limit 1").await.json();
    assert_eq!((ids(&first), &first["more"]), (vec!["one"], &true.into()));
    let after = ctl(&format!("deadletter list --after {}", first["letters"][0]["kept_at_us"])).await.json();
    assert_eq!(ids(&after), ["two"]);
    assert_eq!(ctl("deadletter show one").await.json()["item"], ITEM);

    let refused = ctl("deadletter replay one").await;
    assert_eq!(refused.failed(), (1, "refused".to_owned()));
    assert!(refused.err.contains("the books refuse it: account_unknown"), "{}", refused.err);
    assert_eq!(ctl("account open alice --currency USD").await.exit, 0);
    let booked = ctl("deadletter replay one").await;
    assert_eq!((booked.exit, &booked.json()["effect"]), (0, &"applied".into()));
    assert_eq!(ctl("account show alice").await.json()["balances"]["USD"]["posted"], "5.00");
    assert_eq!(ctl("deadletter replay one").await.failed(), (1, "refused".to_owned()), "it is gone");

    let unreadable = ctl("deadletter replay two").await;
    assert_eq!(unreadable.failed(), (1, "refused".to_owned()));
    assert!(unreadable.err.contains("type: missing"), "{}", unreadable.err);
    assert_eq!(ctl("deadletter drop two").await.exit, 0);
    assert_eq!(ctl("deadletter drop two").await.failed(), (1, "refused".to_owned()));
    assert_eq!(ctl("deadletter show two").await.failed(), (1, "refused".to_owned()));
    assert_eq!(ids(&ctl("deadletter list").await.json()), [""; 0]);
}

#[tokio::test]
async fn a_correction_takes_the_place_of_what_was_kept() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    keep(&fake, "cut", Why::Malformed, Kept::Cut, "{\"type\":\"ref");
    keep(&fake, "same", Why::Malformed, Kept::Whole, "{}");
    assert_eq!(ctl(&format!("account open alice --currency USD --endpoint {at}")).await.exit, 0);
    let replay = |id: &str, more: &str| {
        let line = format!("deadletter replay {id} --json --endpoint {at}{more}");
        async move { ctl(&line).await }
    };
    let cut = replay("cut", "").await;
    assert!(cut.err.contains("only its beginning was kept"), "{}", cut.err);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(ITEM.as_bytes()).expect("written");
    let corrected = format!(" --file {}", file.path().display());
    for (id, effect) in [("cut", "applied"), ("same", "repeated")] {
        let booked = replay(id, &corrected).await;
        assert_eq!((booked.exit, &booked.json()["effect"]), (0, &effect.into()), "{booked:?}");
    }
    let shown = ctl(&format!("account show alice --json --endpoint {at}")).await.json();
    assert_eq!(shown["balances"]["USD"]["posted"], "5.00");
    let mut wrong = tempfile::NamedTempFile::new().expect("a temporary file");
    wrong.write_all(b"[1]").expect("written");
    let usage = replay("same", &format!(" --file {}", wrong.path().display())).await;
    assert_eq!(usage.failed(), (2, "usage".to_owned()));
}

#[tokio::test]
async fn what_is_no_news_to_the_books_is_only_taken_out() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    keep(&fake, "beside", Why::TypeUnknown, Kept::Whole, &ITEM.replace("refund", "gpa.credit"));
    let done = ctl(&format!("deadletter replay beside --json --endpoint {at}")).await;
    assert_eq!((done.exit, &done.json()["effect"]), (0, &"nothing".into()));
    let text = ctl(&format!("deadletter list --endpoint {at}")).await.out;
    assert!(text.ends_with("0 of at most 4096 over all programmes\n"), "{text}");
}

#[tokio::test]
async fn without_a_quorum_nothing_is_booked_or_dropped() {
    let fake = Fake::new();
    keep(&fake, "one", Why::Malformed, Kept::Whole, ITEM);
    let at = served(fake.door(Mood::NoQuorum)).await;
    for line in ["deadletter drop one", "deadletter replay one", "deadletter list", "deadletter show one"] {
        let failed = ctl(&format!("{line} --json --endpoint {at}")).await;
        assert_eq!(failed.failed(), (3, "unavailable".to_owned()), "{line}");
    }
    let stale = ctl(&format!("deadletter list --stale --json --endpoint {at}")).await;
    assert_eq!((stale.exit, ids(&stale.json())), (0, vec!["one"]));
}
