//! Accepting connections, and letting go of them.
//!
//! What must hold: never more than the configured number of connections; one more is closed as soon as it is accepted,
//! so that a load balancer tries another node at once instead of waiting in a queue past the processor's limit. One
//! whose handshake lasts is counted, and ends within the handshake's own limit; a request's deadline begins with its
//! head. Once the node is leaving, every answer ends its connection, while new ones are still taken: balancers have not
//! noticed yet. When the drain begins nothing more is accepted, requests in flight are finished and told `Connection:
//! close`, and after the drain timeout the rest is cut. Every connection's task is awaited or aborted here.

use crate::awake::BEAT;
use crate::door::Gateway;
use crate::pace::{Activity, Limits, Paced};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use standin::Decide;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tls::Wire;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// The pause after an accept that failed for want of something (file descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves until `drain` completes, then finishes what is in flight and returns.
pub async fn serve<D: Decide>(
    listener: TcpListener,
    wire: Wire,
    gateway: Arc<Gateway<D>>,
    drain: impl Future<Output = ()> + Send,
) {
    let (draining, drained) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut drain = pin!(drain);
    let mut beating = JoinSet::new();
    beating.spawn(beat(Arc::clone(&gateway)));
    loop {
        tokio::select! {
            biased;
            () = &mut drain => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => notice(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) if connections.len() < gateway.config().connections_max => {
                    let client = (stream, from.ip());
                    connections.spawn(connection(client, wire.clone(), Arc::clone(&gateway), drained.clone()));
                }
                Ok(_) => gateway.metrics().connection_refused(),
                Err(error) => rest(&error).await,
            },
        }
    }
    drop(listener);
    // Every connection listens for the sender to go.
    drop(draining);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            notice(ended);
        }
    };
    if timeout(gateway.config().drain_timeout, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut connections that did not drain in time");
    }
    connections.shutdown().await;
}

/// Until it is dropped, also while requests in flight are finished.
async fn beat<D: Decide>(gateway: Arc<Gateway<D>>) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if let Some(pause) = gateway.awake.beat() {
            gateway.metrics().paused();
            tracing::warn!(ms = pause.as_millis(), "the process stood still: what waited meanwhile counts as that old");
        }
    }
}

/// A panic in a connection is a bug: it took one client with it, and must not go unseen.
fn notice(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "connection task failed");
    }
}

/// A client that went away before it was accepted is no reason to wait; a lack of resources is.
async fn rest(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
        _ => {
            tracing::warn!(%error, "accept a connection");
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn connection<D: Decide>(
    (stream, source): (TcpStream, IpAddr),
    wire: Wire,
    gateway: Arc<Gateway<D>>,
    mut drained: watch::Receiver<()>,
) {
    let _open = gateway.metrics().connection();
    let greeted = tokio::select! {
        biased;
        _ = drained.changed() => return,
        greeted = wire.greet(stream) => greeted,
    };
    let stream = match greeted {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a handshake failed");
            return gateway.metrics().handshake_failed();
        }
    };
    let config = gateway.config();
    let activity = Activity::default();
    let limits = Limits { head: config.header_read_timeout, idle: config.idle_timeout };
    let io = TokioIo::new(Paced::new(stream, activity.clone(), limits));
    let gateway = &*gateway;
    let activity = &activity;
    let service = service_fn(move |request| async move {
        activity.begin();
        let mut response = gateway.handle(Some(source), request).await;
        if response.headers().contains_key(CONNECTION) {
            activity.end_early()
        } else {
            activity.end()
        }
        if gateway.is_leaving() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    let mut served = pin!(
        http1::Builder::new()
            // Heads and idleness are timed by `Paced`, at less cost per request.
            .header_read_timeout(None)
            .max_header_size(config.header_bytes_max)
            // A buffer must hold a head and leave room for the body's next piece; 8 KiB is the least hyper takes.
            .max_buf_size(config.header_bytes_max + 16 * 1024)
            .serve_connection(io, service)
    );
    // A connection that breaks off is the client's affair, and counted by what became of its requests.
    tokio::select! {
        biased;
        _ = served.as_mut() => return,
        _ = drained.changed() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
