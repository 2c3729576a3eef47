//! Replies, byte by byte.

use crate::books::{AUTHORIZATION, Door, SECOND_AUTHORIZATION, body, body_with, config};
use crate::client::post;
use holdfast_gateway::{Outcome, Reason};
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_approval_is_200_with_these_bytes() {
    let door = Door::open().await;
    let response = door.client().await.jit(&body("t-1", "ada")).await;
    assert_eq!(response.outcome(), (200, "decided"));
    assert_eq!(
        response.body,
        r#"{"approved":true,"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"ada","amount":48.20}}"#
    );
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
}

#[tokio::test]
async fn each_reason_of_the_books_is_402_with_its_own_words() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for (user, reason, memo) in [
        ("stranger", "TRANSACTION_NOT_PERMITTED", "account unknown"),
        ("no-currency", "TRANSACTION_NOT_PERMITTED", "currency not held by the account"),
        ("closed", "CLOSED_ACCOUNT", "account closed"),
        ("frozen", "CARDHOLDER_NOT_ACTIVE", "account frozen"),
        ("rich", "INVALID_AMOUNT", "amount out of range"),
        ("poor", "INSUFFICIENT_FUNDS", "not enough available"),
        ("voided", "TRANSACTION_NOT_PERMITTED", "token was voided before"),
    ] {
        let response = client.jit(&body(user, user)).await;
        assert_eq!(response.outcome(), (402, "decided"));
        let expected = format!(
            r#"{{"approved":false,"jit_funding":{{"token":"{user}","method":"pgfs.authorization","user_token":"{user}","amount":48.20,"decline_reason":"{reason}","memo":"{memo}"}}}}"#
        );
        assert_eq!(response.body, expected);
    }
}

#[tokio::test]
async fn a_repeat_has_the_same_bytes_and_says_so_in_a_header() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for user in ["ada", "poor"] {
        let first = client.jit(&body(user, user)).await;
        let again = client.jit(&body_with(user, user, "pgfs.authorization", "4.82e1")).await;
        assert_eq!(again.outcome(), (first.status, "replayed"));
        assert_eq!(again.body, first.body);
    }
    let metrics = door.gateway.metrics();
    assert_eq!(metrics.requests(Outcome::ReplayedApproved), 1);
    assert_eq!(metrics.requests(Outcome::ReplayedDeclined), 1);
}

#[tokio::test]
async fn the_same_token_with_another_meaning_is_declined_and_alarmed() {
    let door = Door::open().await;
    let mut client = door.client().await;
    client.jit(&body("t-1", "ada")).await;
    let response = client.jit(&body_with("t-1", "ada", "pgfs.authorization", "48.21")).await;
    assert_eq!(response.status, 402);
    assert_eq!(
        response.body,
        r#"{"approved":false,"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"ada","amount":48.21,"decline_reason":"DUPLICATE_TRANSACTION","memo":"token was used before for another request"}}"#
    );
    assert_eq!(door.gateway.metrics().fingerprint_mismatches(), 1);
    let first = client.jit(&body("t-1", "ada")).await;
    assert_eq!(first.outcome(), (200, "replayed"));
}

#[tokio::test]
async fn a_balance_inquiry_is_answered_with_balances() {
    let door = Door::open().await;
    let body = body_with("t-1", "ada", "pgfs.balanceinquiry", "0");
    let response = door.client().await.jit(&body).await;
    assert_eq!(
        response.body,
        r#"{"approved":true,"jit_funding":{"token":"t-1","method":"pgfs.balanceinquiry","user_token":"ada","amount":0.00,"balances":{"USD":{"currency_code":"USD","ledger_balance":310.10,"available_balance":261.90}}}}"#
    );
}

#[tokio::test]
async fn no_decision_in_time_is_the_undecided_decline_and_owes_only_what_was_proposed() {
    let mut config = config();
    config.deadline = Duration::from_millis(150);
    config.undecided_reason = Reason::from_name("SUSPECTED_FRAUD").unwrap();
    config.send_approved_flag = false;
    let door = Door::with(config).await;
    let mut client = door.client().await;
    let start = Instant::now();
    let response = client.jit(&body("t-1", "never")).await;
    assert!(start.elapsed() >= Duration::from_millis(130), "{:?}", start.elapsed());
    assert_eq!(response.outcome(), (402, "undecided"));
    assert_eq!(
        response.body,
        r#"{"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"never","amount":48.20,"decline_reason":"SUSPECTED_FRAUD","memo":"no decision in time"}}"#
    );
    assert_eq!(door.desk.owed(), 1);

    let response = client.jit(&body("t-2", "unreachable")).await;
    assert_eq!(response.outcome(), (402, "undecided"));
    assert_eq!(door.desk.owed(), 1);
}

/// The table of precedence: each row wins over those below it, as far as they can stand in one request.
#[tokio::test]
async fn refusals_come_in_order_and_are_not_proposed() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let bad_amount = r#""amount":48.201"#;
    let bad_currency = r#""currency_code":"XYZ""#;
    let both = r#""gpa_order_unload":{},"pos""#;
    let all_wrong =
        body("t-1", "closed").replace(r#""pos""#, both).replace(r#""amount":48.20}"#, &format!("{bad_amount}}}"));
    for (body, reason, memo) in [
        (all_wrong, "INVALID_AMOUNT", "gpa_order.jit_funding.amount: 3 decimals, USD has 2"),
        (
            body("t-1", "closed").replace(r#""pos""#, both).replace(r#""currency_code":"USD""#, bad_currency),
            "TRANSACTION_NOT_PERMITTED",
            "gpa_order_unload: given beside gpa_order",
        ),
        (
            body("t-1", "closed").replace(r#""currency_code":"USD""#, bad_currency),
            "TRANSACTION_NOT_PERMITTED",
            "gpa_order.currency_code: not a known currency",
        ),
        (
            body("t-1", "closed").replace("gpa_order", "gpa_order_unload").replacen(
                '{',
                r#"{"currency_code":"USD","#,
                1,
            ),
            "TRANSACTION_NOT_PERMITTED",
            "gpa_order_unload: the method moves money the other way",
        ),
    ] {
        let response = client.jit(&body).await;
        assert_eq!(response.outcome(), (402, "refused"), "{body}");
        let ending = format!(r#""decline_reason":"{reason}","memo":"{memo}"}}}}"#);
        assert!(response.body.ends_with(&ending), "{}", response.body);
    }
    assert_eq!(door.books.proposed(), 0);
    assert_eq!(door.gateway.metrics().requests(Outcome::Refused), 4);
    assert_eq!(client.jit(&body("t-1", "closed")).await.outcome(), (402, "decided"));
}

#[tokio::test]
async fn a_refused_amount_is_shown_as_zero() {
    let door = Door::open().await;
    let response = door.client().await.jit(&body_with("t-1", "ada", "pgfs.authorization", "-5")).await;
    assert_eq!(
        response.body,
        r#"{"approved":false,"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"ada","amount":0.00,"decline_reason":"INVALID_AMOUNT","memo":"gpa_order.jit_funding.amount: negative"}}"#
    );
}

#[tokio::test]
async fn amounts_have_the_digits_of_their_currency() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for (currency, amount, shown) in [("JPY", "5.00e2", "500"), ("KWD", "1.5", "1.500"), ("USD", "7", "7.00")] {
        let body = body_with(currency, "ada", "pgfs.authorization", amount).replace("USD", currency);
        let response = client.jit(&body).await;
        assert!(response.body.contains(&format!(r#""amount":{shown}}}"#)), "{}", response.body);
    }
}

#[tokio::test]
async fn credentials_name_the_programme_and_programmes_do_not_share_tokens() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = post(&body("t-1", "ada"));
    assert_eq!(client.ask(&request).await.outcome(), (200, "decided"));
    let second = request.replace(AUTHORIZATION, SECOND_AUTHORIZATION);
    assert_eq!(client.ask(&second).await.outcome(), (200, "decided"));
    assert_eq!(client.ask(&second).await.outcome(), (200, "replayed"));
}

#[tokio::test]
async fn repeats_in_flight_are_one_proposal_with_one_answer() {
    let door = Door::open().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = door.client().await;
        client.send(post(&body("t-1", "gated"))).await;
        clients.push(client);
    }
    crate::books::eventually("all but one are attached", || door.desk.counts().attached == 19).await;
    door.books.open_gate();
    let mut outcomes = Vec::new();
    for client in &mut clients {
        let response = client.response().await;
        assert_eq!(response.status, 200);
        outcomes.push(response.outcome().1.to_owned());
    }
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "decided").count(), 1);
    assert_eq!(door.books.proposed(), 1);
}
