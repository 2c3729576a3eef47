//! The admin HTTP interface: `/livez`, `/readyz`, `/startupz`, `/metrics`, and a page for people at `/`.
//!
//! What must hold: small and bounded. A connection carries one request and lives at most [`CONNECTION_MAX`]; there are
//! never more than [`CONNECTIONS_MAX`]; bodies are not read. Nothing here waits for a quorum.

#[cfg(test)]
mod tests;

use super::listen::{Counted, Entrance};
use super::page;
use super::probes::{Asked, Probes};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tls::Wire;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Probes and scrapers of one node.
const CONNECTIONS_MAX: usize = 64;
/// A request's head comes within this.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// All of a connection.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// How long the node may take to say that it is alive.
const ALIVE_MAX: Duration = Duration::from_secs(1);
/// hyper takes no less than 8 KiB; heads of probes have some hundred bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

type Reply = Response<Full<Bytes>>;

struct Shared<P> {
    probes: P,
    registry: Arc<OnceLock<Registry>>,
}

/// Serves until `stop` completes. What is under way then is cut: probes ask again.
pub async fn serve<P: Probes>(
    (listener, wire): (TcpListener, Wire),
    probes: P,
    registry: Arc<OnceLock<Registry>>,
    stop: impl Future<Output = ()> + Send,
) {
    let shared = Arc::new(Shared { probes, registry });
    let mut entrance = Entrance::new("admin_http", listener, wire, CONNECTIONS_MAX);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            stream = entrance.accept() => {
                connections.spawn(connection(stream, Arc::clone(&shared)));
            }
        }
    }
    connections.shutdown().await;
}

async fn connection<P: Probes>(stream: Counted, shared: Arc<Shared<P>>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks off or takes too long is the prober's affair.
    let _ = timeout(CONNECTION_MAX, served).await;
}

async fn answer<P: Probes, B>(request: &Request<B>, shared: &Shared<P>) -> Reply {
    let path = request.uri().path();
    if !["/", "/livez", "/readyz", "/startupz", "/metrics"].contains(&path) {
        return failed(StatusCode::NOT_FOUND, "there is no such path");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut reply = failed(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return reply;
    }
    match path {
        "/" => status_page(&shared.probes),
        "/livez" => match timeout(ALIVE_MAX, shared.probes.alive()).await {
            Ok(Ok(())) => probe(&[]),
            Ok(Err(why)) => probe(&[&why]),
            Err(_) => probe(&["the node does not answer"]),
        },
        "/startupz" => probe(&shared.probes.readiness().unstarted()),
        "/metrics" => metrics(shared.registry.get().unwrap_or(&Registry::default())),
        _ => {
            let quorum = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "quorum"));
            let asked = if quorum { Asked::Quorum } else { Asked::AnyAnswer };
            let readiness = shared.probes.readiness();
            probe_with(&readiness.unready(asked), &readiness.notes())
        }
    }
}

/// 200 if there is no reason against it.
fn probe(reasons: &[&str]) -> Reply {
    probe_with(reasons, &[])
}

/// The same, with what is no reason against it and should be known.
fn probe_with(reasons: &[&str], notes: &[&str]) -> Reply {
    #[derive(Serialize)]
    struct Probe<'a> {
        status: &'static str,
        reasons: &'a [&'a str],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        notes: &'a [&'a str],
    }
    let (code, status) = match reasons {
        [] => (StatusCode::OK, "ok"),
        [_, ..] => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    json(code, &Probe { status, reasons, notes })
}

/// A page that runs nothing and fetches nothing, whatever stands in it.
fn status_page(probes: &impl Probes) -> Reply {
    let html = page::render(&probes.page(), &probes.readiness().unready(Asked::AnyAnswer));
    let mut reply = reply(StatusCode::OK, "text/html; charset=utf-8", html.into_bytes());
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

fn failed(code: StatusCode, message: &'static str) -> Reply {
    json(code, &serde_json::json!({ "error": { "message": message } }))
}

fn json(code: StatusCode, body: &impl Serialize) -> Reply {
    // Texts and lists of texts can always be written.
    let body = serde_json::to_vec(body).unwrap_or_default();
    reply(code, "application/json", body)
}

fn metrics(registry: &Registry) -> Reply {
    let mut text = String::with_capacity(16 * 1024);
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            reply(StatusCode::OK, kind, text.into_bytes())
        }
        Err(error) => {
            tracing::error!(%error, "write the metrics");
            failed(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written")
        }
    }
}

fn reply(code: StatusCode, kind: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = code;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
