//! Listening for a gRPC interface, the operators' or the issuer's, and letting go of it.
//!
//! What must hold: connections, calls per connection and idleness are bounded. After `stop` calls under way have
//! [`DRAIN_MAX`] to end; then they are cut, which their callers see as an unknown outcome.

use super::listen::{Counted, Entrance};
use super::{Cluster, Gate, Service};
use futures::Stream;
use proto::admin::v1::admin_server::AdminServer;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;
use tls::Wire;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::{self, Server};

/// Operators and their tools, a load driver among them; or an issuer's systems.
const CONNECTIONS_MAX: usize = 256;
/// Calls at once on one connection; more wait at the client.
const CALLS_MAX: u32 = 64;
/// How often a silent client is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// As long as the longest write may take.
const DRAIN_MAX: Duration = super::deadline::WRITE_MAX;

/// Connections as they come.
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = Result<Counted, Infallible>> + Send>>;
/// Completes when the interface is to stop.
pub(crate) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until `stop` completes and the calls under way have ended.
pub async fn serve<C: Cluster>(
    (listener, wire): (TcpListener, Wire),
    gate: Gate,
    service: AdminServer<Service<C>>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let server = bounded().layer(gate).add_service(service);
    let begin =
        |incoming, stopped| server.serve_with_incoming_shutdown::<Incoming, _, _, Stopped, _>(incoming, stopped);
    run("admin_grpc", (listener, wire), begin, stop).await;
}

/// A server with the bounds that both interfaces have.
pub(crate) fn bounded() -> Server {
    Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
}

/// Begins to serve, and ends as [`serve`] does. The name is for the log.
pub(crate) async fn run<F: Future<Output = Result<(), transport::Error>>>(
    name: &'static str,
    (listener, wire): (TcpListener, Wire),
    begin: impl FnOnce(Incoming, Stopped) -> F,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let entrance = Entrance::new(name, listener, wire, CONNECTIONS_MAX);
    let incoming = futures::stream::unfold(entrance, |mut entrance| async move {
        let connection = entrance.accept().await;
        Some((Ok(connection), entrance))
    });
    let (stopped, draining) = oneshot::channel();
    let stop = async {
        stop.await;
        let _ = stopped.send(());
    };
    let mut server = pin!(begin(Box::pin(incoming), Box::pin(stop)));
    let ended = tokio::select! {
        ended = server.as_mut() => ended,
        () = past_drain(draining) => {
            tracing::warn!(listener = name, "cut calls that did not end in time");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::error!(listener = name, %error, "a listener ended");
    }
}

/// Ends when a drain has begun and taken too long.
async fn past_drain(draining: oneshot::Receiver<()>) {
    match draining.await {
        Ok(()) => tokio::time::sleep(DRAIN_MAX).await,
        Err(_) => std::future::pending().await,
    }
}
