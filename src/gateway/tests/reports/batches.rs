//! Ten items at a time, some of them bad; statuses; a cluster that cannot decide.

use crate::door::{Door, Mood, REQUESTS, came, config};
use holdfast_gateway::webhooks::{Item, Post};
use ledger::{Command, DeadLetter, Kept, Output, Shelved, Token, Why};
use std::time::Duration;

const REFUND: &str = include_str!("../messages/refund_without_purchase.json");
const CAPTURE: &str = include_str!("../messages/force_capture_1200.json");

fn post(items: &[String]) -> String {
    format!("{{\"transactions\":[{}]}}", items.join(","))
}

/// The refund of 6.99 with a token of its own.
fn refund(token: &str) -> String {
    REFUND.replace("8e100000-0000-4000-8000-000000000003", token).replace("c0ffee00-0000-4000-8000-000000000016", token)
}

#[tokio::test]
async fn bad_items_do_not_block_the_good_ones() {
    let door = Door::open();
    let items = [
        refund("good-1"),
        refund("unknown-account").replace("\"ada\"", "\"nobody\""),
        refund("good-2"),
        refund("no-such-currency").replace("\"EUR\"", "\"GBP\""),
        refund("odd-type").replace("\"refund\"", "\"refund.from.tomorrow\"").replace("pgfs.refund", "pgfs.tomorrow"),
        refund("odd-amount").replace("6.99", "6.999"),
        refund("twice").replace("\"state\"", "\"token\":\"x\",\"state\""),
        "7".to_owned(),
        refund("deep").replace("\"user\": {", &format!("\"deep\":{}{},\"user\": {{", "[".repeat(500), "]".repeat(500))),
        refund("good-3"),
    ];
    let expected = (200, r#"{"items":10,"dead_letters":6}"#.to_owned());
    assert_eq!(door.post(post(&items)).await, expected);
    assert_eq!(door.money("ada", "EUR"), "1027.96 0.00 1027.96", "four refunds of 6.99");
    let mut letters: Vec<_> = door.letters().into_iter().map(|letter| letter.letter).collect();
    letters.sort_by_key(|letter| (letter.why, letter.detail.clone()));
    let why: Vec<_> = letters.iter().map(|letter| (letter.why, letter.detail.as_str(), letter.kept)).collect();
    assert_eq!(
        why,
        [
            (Why::Malformed, "amount: 3 decimals, EUR has 2", Kept::Whole),
            (Why::Malformed, "item: not a JSON object", Kept::Whole),
            (Why::Malformed, "token: given twice", Kept::Whole),
            (Why::AccountUnknown, "refused by the books", Kept::Whole),
            (Why::CurrencyNotHeld, "refused by the books", Kept::Whole),
            (Why::TypeUnknown, "type: not known", Kept::Whole),
        ]
    );
    assert_eq!(door.post(post(&items)).await, expected, "and again");
    assert_eq!((door.letters().len(), door.money("ada", "EUR").as_str()), (6, "1027.96 0.00 1027.96"));
    let metrics = door.gateway.webhook_metrics();
    assert_eq!((metrics.items(Item::DeadLetter), metrics.items(Item::DeadLetterKnown)), (6, 6));
    assert_eq!((metrics.items(Item::Applied), metrics.items(Item::Repeated)), (4, 4));
    door.check();
}

#[tokio::test]
async fn no_card_number_reaches_the_list() {
    let door = Door::open();
    let item = refund("pan").replace("\"ada\"", "\"4111111111111111\"").replace("CORNER", "4111-1111-1111-1111");
    assert_eq!(door.post(post(&[item])).await.0, 200);
    let letters = door.letters();
    let kept = String::from_utf8(letters[0].letter.bytes.clone()).unwrap();
    assert!(kept.contains("************1111") && kept.contains("****-****-****-1111"), "{kept}");
    assert!(!kept.contains("4111"), "{kept}");
}

#[tokio::test]
async fn kinds_that_the_books_do_not_keep_are_acknowledged() {
    let door = Door::open();
    for kind in ["digitalwallettokentransitions", "chargebacktransitions", "threedstransitions"] {
        let answer = door.post(format!("{{\"{kind}\":[{{\"token\":\"1\"}},{{\"token\":\"2\"}}]}}")).await;
        assert_eq!(answer, (200, r#"{"items":2,"dead_letters":0}"#.to_owned()), "{kind}");
    }
    assert_eq!(door.gateway.webhook_metrics().items(Item::Acknowledged), 6);
    let unknown = door.post(r#"{"surprises":[{"token":"1"}]}"#).await;
    assert_eq!(unknown, (200, r#"{"items":1,"dead_letters":1}"#.to_owned()));
    assert_eq!(door.letters()[0].letter.kind.as_str(), "surprises");
}

#[tokio::test]
async fn statuses() {
    let door = Door::open();
    let eleven: Vec<String> = (0..11).map(|number| refund(&number.to_string())).collect();
    let large = format!("{{\"transactions\":[],\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    for (body, expected) in [
        (post(&eleven), (400, r#"{"error":{"field":"items","message":"too many"}}"#)),
        ("{\"transactions\":".to_owned(), (400, r#"{"error":{"field":"body","message":"not a JSON object"}}"#)),
        (String::new(), (400, r#"{"error":{"field":"body","message":"not a JSON object"}}"#)),
        ("{}".to_owned(), (400, r#"{"error":{"field":"items","message":"missing"}}"#)),
        (r#"{"pings":[],"pings":[]}"#.to_owned(), (400, r#"{"error":{"field":"body","message":"given twice"}}"#)),
        ("[".repeat(200_000), (400, r#"{"error":{"field":"body","message":"not a JSON object"}}"#)),
        (large, (413, r#"{"error":{"field":"body","message":"too large"}}"#)),
    ] {
        let (status, answer) = door.post(body.clone()).await;
        assert_eq!((status, answer.as_str()), expected, "{:.60}", body);
    }
    let get = hyper::Request::get("/v1/webhooks").body(http_body_util::Full::<bytes::Bytes>::default()).unwrap();
    let response = door.gateway.handle(None, get).await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
    let with = |headers: &'static [(&'static str, &'static str)]| door.send("/v1/webhooks", headers, "{}");
    assert_eq!(with(&[("authorization", REQUESTS), ("content-type", "text/plain")]).await.0, 415);
    assert_eq!(with(&[("authorization", REQUESTS), ("content-encoding", "gzip")]).await.0, 415);
    assert_eq!(door.send("/v1/webhooks/x", &[("authorization", REQUESTS)], "{}").await.0, 404);
    assert_eq!(door.books.came.available_permits(), 0, "nothing is proposed");
    assert_eq!(door.money("ada", "EUR"), "1000.00 0.00 1000.00");
}

#[tokio::test]
async fn what_is_not_known_to_be_committed_is_sent_again() {
    let door = Door::open();
    let body = post(&[refund("one"), refund("two"), refund("bad").replace("\"ada\"", "\"nobody\"")]);
    let again = r#"{"error":{"field":"items","message":"not all of them are committed: send them again"}}"#;
    for (mood, money) in [
        (Mood::NoQuorum, "1000.00 0.00 1000.00"),
        (Mood::Unknown, "1013.98 0.00 1013.98"),
        (Mood::Unknown, "1013.98 0.00 1013.98"),
    ] {
        door.books.set(mood);
        assert_eq!(door.post(body.clone()).await, (503, again.to_owned()), "{mood:?}");
        assert_eq!(door.money("ada", "EUR"), money, "{mood:?}");
    }
    door.books.set(Mood::Well);
    assert_eq!(door.post(body).await, (200, r#"{"items":3,"dead_letters":1}"#.to_owned()));
    assert_eq!(door.money("ada", "EUR"), "1013.98 0.00 1013.98");
    assert_eq!(door.gateway.webhook_metrics().posts(Post::Undecided), 3);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_says_nothing_is_waited_for_until_the_deadline() {
    let door = Door::open();
    door.books.set(Mood::Silent);
    let start = tokio::time::Instant::now();
    assert_eq!(door.post(post(&[refund("one")])).await.0, 503);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_full_list_sends_back_and_loses_nothing() {
    let door = Door::open();
    for number in 0..DeadLetter::COUNT_MAX {
        let letter = DeadLetter {
            program: crate::door::program("default"),
            id: Token::new(&number.to_string()).unwrap(),
            kind: Token::new("transactions").unwrap(),
            why: Why::Malformed,
            detail: String::new(),
            kept: Kept::Whole,
            bytes: Vec::new(),
        };
        assert_eq!(door.books.apply(&Command::Shelve(letter)), Output::Shelved(Shelved::Kept));
    }
    let body = post(&[refund("one"), refund("bad").replace("\"ada\"", "\"nobody\"")]);
    let full = r#"{"error":{"field":"items","message":"the list of dead letters is full"}}"#;
    assert_eq!(door.post(body.clone()).await, (503, full.to_owned()));
    assert_eq!(door.money("ada", "EUR"), "1006.99 0.00 1006.99", "the good one is booked");
    assert_eq!(door.gateway.webhook_metrics().posts(Post::ListFull), 1);
    door.drop_letters();
    assert_eq!(door.post(body).await, (200, r#"{"items":2,"dead_letters":1}"#.to_owned()));
    assert_eq!(door.money("ada", "EUR"), "1006.99 0.00 1006.99");
}

#[tokio::test(start_paused = true)]
async fn reports_yield_and_never_pile_up() {
    let mut config = config();
    (config.webhooks.posts_max, config.webhooks.items_max) = (3, 10);
    let door = std::sync::Arc::new(Door::with(config));
    door.books.set(Mood::Silent);
    let send = |token: &str| {
        let ten: Vec<String> = (0..10).map(|number| refund(&format!("{token}-{number}"))).collect();
        let (door, body) = (door.clone(), post(&ten));
        tokio::spawn(async move { door.post(body).await })
    };
    let waiting = ["one", "two", "three"].map(send);
    came(&door.books, 10).await;
    tokio::task::yield_now().await;
    let busy = r#"{"error":{"field":"items","message":"too many at a time"}}"#;
    assert_eq!(door.post(post(&[refund("four")])).await, (503, busy.to_owned()), "there is no place to wait");
    assert_eq!(door.books.came.available_permits(), 0, "ten items at a time");
    // Requests have a way of their own.
    assert_eq!(door.jit(include_str!("../messages/authorization_request.json")).await, 200);
    for post in waiting {
        let answer = tokio::time::timeout(Duration::from_secs(60), post).await.unwrap().unwrap();
        assert_eq!(answer.0, 503);
    }
    door.books.set(Mood::Well);
    assert_eq!(door.post(post(&[refund("one"), CAPTURE.to_owned()])).await.0, 200, "all places are free again");
}
