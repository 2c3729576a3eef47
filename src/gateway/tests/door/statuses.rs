//! Everything that is neither 200 nor 402. Nothing of it reaches the books.

use crate::books::{AUTHORIZATION, Door, body, config};
use crate::client::{post, post_with};
use holdfast_gateway::Outcome;
use std::time::Duration;

#[tokio::test]
async fn the_rest_is_turned_away_before_it_is_proposed() {
    let door = Door::open().await;
    let good = post(&body("t-1", "ada"));
    for (request, status, error, outcome) in [
        (good.replace("/v1/jit", "/"), 404, ("path", "not found"), Outcome::NotFound),
        (good.replace("/v1/jit", "/v1/jit/"), 404, ("path", "not found"), Outcome::NotFound),
        (good.replace("POST", "PUT"), 405, ("method", "must be POST"), Outcome::MethodNotAllowed),
        (good.replace(AUTHORIZATION, "Basic x"), 401, ("authorization", "missing or wrong"), Outcome::Unauthorized),
        (
            post_with("content-type: text/plain\r\n", "{}"),
            415,
            ("content-type", "must be JSON"),
            Outcome::UnsupportedMediaType,
        ),
        (
            post_with("content-encoding: gzip\r\n", "{}"),
            415,
            ("content-encoding", "must be identity"),
            Outcome::UnsupportedMediaType,
        ),
        (post("{}"), 400, ("gpa_order.jit_funding", "missing"), Outcome::Malformed),
        (post("nonsense"), 400, ("body", "not a JSON object"), Outcome::Malformed),
        (post(""), 400, ("body", "not a JSON object"), Outcome::Malformed),
    ] {
        let before = door.gateway.metrics().requests(outcome);
        let response = door.client().await.ask(&request).await;
        assert_eq!(response.outcome(), (status, "none"), "{request}");
        let (field, message) = error;
        assert_eq!(response.body, format!(r#"{{"error":{{"field":"{field}","message":"{message}"}}}}"#));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("allow"), (status == 405).then_some("POST"));
        assert_eq!(response.header("www-authenticate").is_some(), status == 401);
        assert_eq!(door.gateway.metrics().requests(outcome), before + 1);
    }
    assert_eq!(door.books.proposed(), 0);
}

#[tokio::test]
async fn content_types_that_are_json_or_absent_pass() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for header in ["", "content-type: application/json; charset=utf-8\r\n", "content-type: application/x+json\r\n"] {
        let headers = format!("{header}content-encoding: identity\r\n");
        assert_eq!(client.ask(post_with(&headers, &body("t-1", "ada"))).await.status, 200, "{header}");
    }
}

#[tokio::test]
async fn the_answer_to_wrong_credentials_does_not_wait_for_the_body() {
    let door = Door::open().await;
    let mut client = door.client().await;
    client.send("POST /v1/jit HTTP/1.1\r\nhost: door\r\ncontent-length: 1000\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!(response.status, 401);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.ends().await);
}

#[tokio::test]
async fn a_body_may_have_64_kib_and_not_a_byte_more() {
    let door = Door::open().await;
    let padded = |len: usize| {
        let body = body("t-1", "ada");
        " ".repeat(len - body.len()) + &body
    };
    assert_eq!(door.client().await.jit(&padded(65_536)).await.status, 200);

    let response = door.client().await.jit(&padded(65_537)).await;
    assert_eq!(response.status, 413);
    assert_eq!(response.header("connection"), Some("close"));

    // By its announced length alone.
    let mut client = door.client().await;
    let head = post("").replace("content-length: 0", "content-length: 65537");
    assert_eq!(client.ask(head).await.status, 413);

    // Without one.
    let mut client = door.client().await;
    let head = post("").replace("content-length: 0", "transfer-encoding: chunked");
    client.send(head).await;
    client.try_send(format!("10001\r\n{}\r\n0\r\n\r\n", padded(65_537))).await;
    assert_eq!(client.response().await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let mut config = config();
    config.deadline = Duration::from_millis(100);
    let door = Door::with(config).await;
    let mut client = door.client().await;
    let request = post(&body("t-1", "ada"));
    client.send(&request[..request.len() - 1]).await;
    let response = client.response().await;
    assert_eq!(response.status, 408);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.ends().await);
    assert_eq!(door.books.proposed(), 0);
}
