//! Listening for the issuer's interface.
//!
//! What must hold: the bounds of the operators' listener, smaller messages, and an end to calls whose message does not
//! come.

use super::{Guard, Service};
use crate::admin::serve::{Incoming, Stopped, bounded, run};
use crate::admin::{Cluster, deadline};
use proto::issuer::v1::issuer_server::IssuerServer;
use std::time::Duration;
use tls::Wire;
use tokio::net::TcpListener;
use tonic::service::InterceptorLayer;

/// A message with all of its fields has fewer than 200 bytes; the rest is for what later versions add.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Counted from the head: a second for the message to arrive, and what the longest call may then take.
const CALL_MAX: Duration = Duration::from_secs(1 + deadline::WRITE_MAX.as_secs());

/// Serves until `stop` completes and the calls under way have ended.
pub async fn serve<C: Cluster>(
    (listener, wire): (TcpListener, Wire),
    guard: Guard,
    service: Service<C>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let service = IssuerServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let server = bounded().timeout(CALL_MAX).layer(InterceptorLayer::new(guard)).add_service(service);
    let begin =
        |incoming, stopped| server.serve_with_incoming_shutdown::<Incoming, _, _, Stopped, _>(incoming, stopped);
    run("issuer", (listener, wire), begin, stop).await;
}
