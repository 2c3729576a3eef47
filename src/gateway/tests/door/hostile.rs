//! Clients that mean no good. The door answers or hangs up, and stays open for others.

use crate::books::{Door, body, config, eventually};
use crate::client::post;
use std::time::Duration;

async fn still_open(door: &Door) {
    assert_eq!(door.client().await.jit(&body("still-open", "ada")).await.status, 200);
}

#[tokio::test]
async fn garbage_is_answered_with_400_or_nothing() {
    let door = Door::open().await;
    let inputs: [&[u8]; 9] = [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/jit HTTP/9.9\r\n\r\n",
        b"POST /v1/jit HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/jit HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/jit HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/jit HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
    ];
    for input in inputs {
        let mut client = door.client().await;
        client.send(input).await;
        if let Some(response) = client.try_response().await {
            assert!(matches!(response.status, 400 | 401 | 404 | 505), "{}: {input:?}", response.status);
        }
    }
    assert_eq!(door.books.proposed(), 0);
    still_open(&door).await;
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let door = Door::open().await;
    for headers in [format!("x: {}\r\n", "y".repeat(17_000)), "x: y\r\n".repeat(200)] {
        let mut client = door.client().await;
        client.try_send(format!("POST /v1/jit HTTP/1.1\r\n{headers}\r\n")).await;
        if let Some(response) = client.try_response().await {
            assert_eq!(response.status, 431);
        }
    }
    still_open(&door).await;
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_ends_the_connection() {
    let mut config = config();
    config.header_read_timeout = Duration::from_millis(100);
    let door = Door::with(config).await;
    // Nothing at all; a part of the first head; a part of the second one.
    let mut silent = door.client().await;
    let mut slow = door.client().await;
    slow.send("POST /v1/jit HTTP/1.1\r\nx: ").await;
    let mut later = door.client().await;
    assert_eq!(later.jit(&body("t-1", "ada")).await.status, 200);
    later.send("POST /v1").await;
    for client in [&mut silent, &mut slow, &mut later] {
        assert!(client.ends().await);
    }
    eventually("all are closed", || door.gateway.metrics().connections() == 0).await;
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_but_not_the_idle_one() {
    let mut config = config();
    config.header_read_timeout = Duration::from_millis(100);
    config.idle_timeout = Duration::from_secs(1);
    let door = Door::with(config).await;
    let mut client = door.client().await;
    assert_eq!(client.jit(&body("t-1", "ada")).await.status, 200);
    let start = std::time::Instant::now();
    assert!(client.ends().await);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_cut() {
    let mut config = config();
    config.header_read_timeout = Duration::from_millis(100);
    let door = Door::with(config).await;
    let mut client = door.client().await;
    let request = "GET / HTTP/1.1\r\n\r\n".repeat(1_000);
    // Each brings an answer ten times its size; at some point nothing more fits in between, and then it ends.
    for _ in 0..2_000 {
        client.try_send(&request).await;
        if door.gateway.metrics().connections() == 0 {
            break;
        }
    }
    eventually("it is cut", || door.gateway.metrics().connections() == 0).await;
    still_open(&door).await;
}

#[tokio::test]
async fn a_body_cut_short_proposes_nothing() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = post(&body("t-1", "ada"));
    client.send(&request[..request.len() - 10]).await;
    drop(client);
    eventually("it is noticed", || door.gateway.metrics().connections() == 0).await;
    assert_eq!(door.books.proposed(), 0);
    still_open(&door).await;
}
