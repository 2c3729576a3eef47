//! The probes and the metrics as their callers see them, over real connections.

use crate::admin::page::Page;
use crate::admin::probes::{Probes, Readiness};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

#[derive(Clone, Copy)]
struct Probed {
    alive: Result<(), &'static str>,
    readiness: Readiness,
}

impl Probes for Probed {
    async fn alive(&self) -> Result<(), String> {
        self.alive.map_err(str::to_owned)
    }

    fn readiness(&self) -> Readiness {
        self.readiness
    }

    fn page(&self) -> Page {
        Page { cluster: "cards".to_owned(), version: "9.9.9", node: None }
    }
}

const READY: Readiness = Readiness {
    starting: false,
    draining: false,
    recovered: true,
    in_contact: true,
    answers_alone: false,
    demo_ready: true,
    reconciling: false,
};

/// One request on a connection of its own; returns the status and all that came.
async fn ask(probed: Probed, request: &str) -> (u16, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut registry = Registry::default();
    let counter: Counter = Counter::default();
    registry.register("asked", "Questions", counter.clone());
    counter.inc_by(3);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(super::serve((listener, tls::Wire::Plain), probed, Arc::new(registry.into()), async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.expect("listens");
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: node\r\n\r\n").as_bytes()).await.expect("sends");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("answers and closes");
    stop.send(()).expect("still serving");
    serving.await.expect("ends");
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    (code, text)
}

#[tokio::test]
async fn probes_say_why() {
    let dead = Probed { alive: Err("the raft core does not answer"), readiness: READY };
    let lonely = Probed { alive: Ok(()), readiness: Readiness { in_contact: false, ..READY } };
    let alone = Probed { alive: Ok(()), readiness: Readiness { in_contact: false, answers_alone: true, ..READY } };
    let coming = Probed { alive: Ok(()), readiness: Readiness { answers_alone: true, ..READY } };
    let draining = Probed { alive: Ok(()), readiness: Readiness { draining: true, demo_ready: false, ..READY } };
    let young = Probed { alive: Ok(()), readiness: Readiness { starting: true, recovered: false, ..READY } };
    let well = Probed { alive: Ok(()), readiness: READY };
    for (probed, path, code, part) in [
        (well, "/livez", 200, r#"{"status":"ok","reasons":[]}"#),
        (well, "/readyz", 200, r#"{"status":"ok","reasons":[]}"#),
        (well, "/readyz?quorum", 200, "ok"),
        (well, "/startupz", 200, "ok"),
        (dead, "/livez", 503, r#"{"status":"unavailable","reasons":["the raft core does not answer"]}"#),
        (lonely, "/livez", 200, "ok"),
        (lonely, "/readyz", 503, r#"["out of contact with a quorum"]"#),
        (lonely, "/readyz?quorum", 503, r#"["out of contact with a quorum"]"#),
        (lonely, "/startupz", 200, "ok"),
        (alone, "/readyz", 200, "ok"),
        (alone, "/readyz?quorum", 503, r#"["out of contact with a quorum","the breaker is not closed"]"#),
        (coming, "/readyz", 200, "ok"),
        (coming, "/readyz?quorum", 503, r#"["the breaker is not closed"]"#),
        (draining, "/readyz", 503, r#"["draining","the demo accounts are not open yet"]"#),
        (young, "/readyz", 503, r#"["starting","the log is not replayed yet"]"#),
        (young, "/startupz", 503, r#"["the log is not replayed yet"]"#),
        (young, "/livez", 200, "ok"),
    ] {
        let (found, text) = ask(probed, &format!("GET {path}")).await;
        assert_eq!(found, code, "{path}: {text}");
        assert!(text.contains(part) && text.contains("application/json"), "{path}: {text}");
    }
}

#[tokio::test]
async fn metrics_are_text_and_the_rest_is_refused() {
    let well = Probed { alive: Ok(()), readiness: READY };
    let (code, text) = ask(well, "GET /metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains("asked_total 3") && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(ask(well, "HEAD /metrics").await.0, 200);
    assert_eq!(ask(well, "GET /index.html").await.0, 404);
    let (code, text) = ask(well, "POST /livez").await;
    assert_eq!(code, 405);
    assert!(text.to_lowercase().contains("allow: get, head"), "{text}");
}

#[tokio::test]
async fn there_is_a_page_for_people_that_can_run_nothing() {
    let lonely = Probed { alive: Ok(()), readiness: Readiness { in_contact: false, ..READY } };
    let (code, text) = ask(lonely, "GET /").await;
    let head = text.to_lowercase();
    assert_eq!(code, 200, "it shows what is wrong, and is not a probe: {text}");
    assert!(text.contains("a node of cards") && text.contains("not ready: out of contact with a quorum"), "{text}");
    for part in ["text/html", "default-src 'none'", "nosniff", "no-store"] {
        assert!(head.contains(part), "{part}: {text}");
    }
    assert_eq!(ask(lonely, "POST /").await.0, 405);
}
