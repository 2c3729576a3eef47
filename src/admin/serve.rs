//! Listening for the admin gRPC interface, and letting go of it.
//!
//! What must hold: connections, calls per connection and idleness are bounded. After `stop` calls under way have
//! [`DRAIN_MAX`] to end; then they are cut, which their callers see as an unknown outcome.

use super::listen::Entrance;
use super::{Cluster, Service};
use proto::admin::v1::admin_server::AdminServer;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;

/// Operators and their tools, a load driver among them.
const CONNECTIONS_MAX: usize = 256;
/// Calls at once on one connection; more wait at the client.
const CALLS_MAX: u32 = 64;
/// How often a silent client is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// As long as the longest write may take.
const DRAIN_MAX: Duration = super::deadline::WRITE_MAX;

/// Serves until `stop` completes and the calls under way have ended.
pub async fn serve<C: Cluster>(
    listener: TcpListener,
    service: AdminServer<Service<C>>,
    stop: impl Future<Output = ()> + Send,
) {
    let entrance = Entrance::new(listener, CONNECTIONS_MAX);
    let incoming = futures::stream::unfold(entrance, |entrance| async move {
        let connection = entrance.accept().await;
        Some((Ok::<_, Infallible>(connection), entrance))
    });
    let (stopped, draining) = oneshot::channel();
    let server = Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async {
            stop.await;
            let _ = stopped.send(());
        });
    let mut server = pin!(server);
    let ended = tokio::select! {
        ended = server.as_mut() => ended,
        () = past_drain(draining) => {
            tracing::warn!("cut admin calls that did not end in time");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::error!(%error, "the admin listener ended");
    }
}

/// Ends when a drain has begun and taken too long.
async fn past_drain(draining: oneshot::Receiver<()>) {
    match draining.await {
        Ok(()) => tokio::time::sleep(DRAIN_MAX).await,
        Err(_) => std::future::pending().await,
    }
}
