//! Connections: kept, shared by many requests, counted, drained.

use crate::books::{Door, body, config, eventually};
use crate::client::post;
use holdfast_gateway::Outcome;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::time::{Duration, Instant};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let all: String = (0..50).map(|number| post(&body(&format!("t-{number}"), "ada"))).collect();
    client.send(all).await;
    for number in 0..50 {
        let response = client.response().await;
        assert_eq!(response.status, 200);
        assert!(response.body.contains(&format!(r#""token":"t-{number}""#)), "{}", response.body);
    }
}

#[tokio::test]
async fn chunked_bodies_are_read() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let body = body("t-1", "ada");
    let head = post("").replace("content-length: 0", "transfer-encoding: chunked");
    let chunks: String = body
        .as_bytes()
        .chunks(7)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
        .collect();
    client.send(head).await;
    for part in chunks.as_bytes().chunks(40) {
        client.send(part).await;
    }
    assert_eq!(client.ask("0\r\nx-trailer: 1\r\n\r\n").await.status, 200);
    assert_eq!(client.jit(&body).await.outcome(), (200, "replayed"));
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = crate::client::post_with("expect: 100-continue\r\n", &body("t-1", "ada"));
    let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
    client.send(head).await;
    assert!(client.continued().await);
    assert_eq!(client.ask(body).await.status, 200);
}

#[tokio::test]
async fn a_head_in_pieces_is_read() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = post(&body("t-1", "ada"));
    for byte in request.as_bytes() {
        client.send([*byte]).await;
    }
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let mut config = config();
    config.connections_max = 2;
    let door = Door::with(config).await;
    let mut first = door.client().await;
    let mut second = door.client().await;
    assert_eq!(first.jit(&body("t-1", "ada")).await.status, 200);
    assert_eq!(second.jit(&body("t-2", "ada")).await.status, 200);
    assert!(door.client().await.ends().await);
    assert_eq!(door.gateway.metrics().connections_refused(), 1);
    drop(first);
    eventually("one has left", || door.gateway.metrics().connections() == 1).await;
    // The task's end is noticed just after the count.
    let mut answered = false;
    for _ in 0..100 {
        let mut client = door.client().await;
        client.try_send(post(&body("t-3", "ada"))).await;
        answered = client.try_response().await.is_some_and(|response| response.status == 200);
        if answered {
            break;
        }
    }
    assert!(answered);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_and_owes_nothing() {
    let door = Door::open().await;
    let mut client = door.client().await;
    client.send(post(&body("t-1", "never"))).await;
    eventually("it is proposed", || door.books.proposed() == 1).await;
    drop(client);
    eventually("it is cut", || door.gateway.metrics().requests(Outcome::Cut) == 1).await;
    assert_eq!(door.desk.owed(), 0);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_accepts_nothing_more() {
    let mut door = Door::open().await;
    let mut idle = door.client().await;
    assert_eq!(idle.jit(&body("t-1", "ada")).await.status, 200);
    let mut fresh = door.client().await;
    let mut busy = door.client().await;
    busy.send(post(&body("t-2", "gated"))).await;
    eventually("it is proposed", || door.books.proposed() == 2).await;
    eventually("all are accepted", || door.gateway.metrics().connections() == 3).await;

    let start = Instant::now();
    door.drain();
    assert!(idle.ends().await);
    assert!(fresh.ends().await);
    let refused = tokio::net::TcpStream::connect(door.address).await;
    assert!(refused.is_err(), "the listener is closed");

    door.books.open_gate();
    let response = busy.response().await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(busy.ends().await);
    // Although no client has closed its side.
    door.closed().await;
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_drain_ends_even_if_a_request_does_not() {
    let mut config = config();
    config.drain_timeout = Duration::from_millis(50);
    config.deadline = Duration::from_millis(2_900);
    let mut door = Door::with(config).await;
    let mut client = door.client().await;
    client.send(post(&body("t-1", "never"))).await;
    eventually("it is proposed", || door.books.proposed() == 1).await;
    let start = Instant::now();
    door.drain();
    door.closed().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(client.ends().await);
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let door = Door::open().await;
    let mut client = door.client().await;
    client.jit(&body("t-1", "ada")).await;
    client.jit(&body("t-2", "poor")).await;
    client.jit(&body("t-3", "unreachable")).await;
    let mut registry = Registry::with_prefix("holdfast");
    door.gateway.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "holdfast_jit_requests_total{outcome=\"Approved\"} 1",
        "holdfast_jit_requests_total{outcome=\"Declined\"} 1",
        "holdfast_jit_requests_total{outcome=\"Undecided\"} 1",
        "holdfast_jit_requests_total{outcome=\"Cut\"} 0",
        "holdfast_jit_request_seconds_count 3",
        "holdfast_jit_connections 1",
        "holdfast_standin_owed 0",
        "holdfast_standin_not_proposed_total 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
