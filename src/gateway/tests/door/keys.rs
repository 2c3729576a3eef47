//! Credentials: rotated while the door is open, tried too often, and what a request is called.

use crate::books::{AUTHORIZATION, Door, body, config};
use crate::client::{post, post_with};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdfast_gateway::Outcome;

/// A request as somebody with this password.
fn with_password(password: &str, token: &str) -> String {
    let own = format!("Basic {}", STANDARD.encode(format!("marqeta:{password}")));
    post(&body(token, "ada")).replace(AUTHORIZATION, &own)
}

#[tokio::test]
async fn a_password_is_rotated_without_a_moment_in_which_neither_is_good() {
    let door = Door::open().await;
    let renew = |passwords: &[&str]| {
        let mut programs = config().programs;
        programs[0].passwords = passwords.iter().map(|password| (*password).to_owned()).collect();
        door.gateway.renew(programs, Vec::new())
    };
    let (old, new) = ("holdfast-dev-Password1!", "the-next-password");
    let steps: [(&[&str], u16, u16); 3] = [(&[old], 200, 401), (&[old, new], 200, 200), (&[new], 401, 200)];
    for (step, (passwords, with_old, with_new)) in steps.into_iter().enumerate() {
        renew(passwords).unwrap();
        for (password, wanted) in [(old, with_old), (new, with_new)] {
            let request = with_password(password, &format!("t-{step}-{wanted}"));
            let answer = door.client().await.ask(request).await;
            assert_eq!(answer.status, wanted, "{step}");
        }
    }
    // What is not valid changes nothing.
    let error = renew(&[]).unwrap_err();
    assert_eq!(error.field, "programs[0].passwords");
    assert_eq!(door.client().await.ask(with_password(new, "t-last")).await.status, 200);
}

#[tokio::test]
async fn who_tries_too_often_is_told_less_and_never_keeps_out_who_is_right() {
    let door = Door::open().await;
    let mut before = door.client().await;
    assert_eq!(before.jit(&body("t-0", "ada")).await.status, 200);
    for number in 0..20 {
        let answer = door.client().await.ask(with_password(&format!("wrong-{number}"), "t-1")).await;
        assert_eq!(answer.status, 401, "{number}");
    }
    for _ in 0..3 {
        let mut client = door.client().await;
        let answer = client.ask(with_password("wrong", "t-1")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("60")));
        assert_eq!(answer.body, r#"{"error":{"field":"authorization","message":"wrong too often"}}"#);
        assert!(client.ends().await, "the connection with it");
    }
    // From the same address, as behind one balancer, on the connection of before and on a new one.
    assert_eq!(before.jit(&body("t-1", "ada")).await.status, 200);
    assert_eq!(door.client().await.jit(&body("t-2", "ada")).await.status, 200);
    assert_eq!(door.gateway.metrics().requests(Outcome::Unauthorized), 23);
    assert_eq!(door.books.proposed(), 3);
}

#[tokio::test]
async fn every_answer_has_an_id_that_nobody_has_chosen() {
    let door = Door::open().await;
    let mut seen = Vec::new();
    let chosen = "x-request-id: 4111111111111111\r\n";
    for request in [
        post(&body("t-1", "ada")),
        post_with(chosen, &body("t-1", "ada")),
        with_password("wrong", "t-1"),
        "GET /v1/jit HTTP/1.1\r\nhost: door\r\n\r\n".to_owned(),
        post("{").replace("/v1/jit", "/v1/webhooks"),
    ] {
        let answer = door.client().await.ask(request).await;
        seen.push(answer.header("x-request-id").expect("an id").to_owned());
    }
    assert!(!seen.iter().any(|id| id.contains("4111")), "{seen:?}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5, "each its own");
}
