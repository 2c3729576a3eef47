//! The bytes between two nodes: in plain text, or in TLS with both ends proved.
//!
//! What must hold: with a [`tls::Peers`] no byte goes to a node, and none is taken from one, whose certificate does not
//! name this cluster; and a call in the name of a node comes over a connection of that node. Without one whoever
//! reaches the peer listener is believed: that is for loopback.

use super::call::{ANYBODY, Ids};
use super::{CONNECT_TIMEOUT, Listener, MESSAGE_BYTES_MAX};
use futures::{Stream, StreamExt};
use proto::peer::v1::peer_client::PeerClient;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tls::{Incoming, NodeName, Peers, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Three or four from each of at most nine nodes, and as many again while those that broke are not noticed yet.
const CONNECTIONS_MAX: usize = 128;
/// As [`CONNECT_TIMEOUT`], and a handshake: two signatures each side, below 5 ms on a machine that is not busy.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(400);

/// A client that connects when it is first used, and again whenever the connection has gone.
pub(super) fn client(ids: &Ids, to: u64, address: &str) -> Result<PeerClient<Channel>, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| format!("{address}: {e}"))?;
    let channel = match (&ids.secure, &ids.dial) {
        (None, None) => super::bounded(endpoint, CONNECT_TIMEOUT).connect_lazy(),
        (_, Some(dial)) => {
            let dial = dial.clone();
            let connector = tls::connector(move |address: String| dial.dial(address));
            super::bounded(endpoint, CONNECT_TIMEOUT).connect_with_connector_lazy(connector)
        }
        (Some(peers), None) => {
            let peers = peers.clone();
            let connector = tls::connector(move |address: String| {
                let peers = peers.clone();
                async move { peers.connect(to, &address, HANDSHAKE_TIMEOUT).await }
            });
            super::bounded(endpoint, HANDSHAKE_TIMEOUT).connect_with_connector_lazy(connector)
        }
    };
    Ok(PeerClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX))
}

/// The connections of peers as they come.
pub(crate) fn incoming(
    listener: Listener,
    secure: Option<Peers>,
) -> Pin<Box<dyn Stream<Item = Result<Connection, Infallible>> + Send>> {
    let listener = match listener {
        Listener::Tcp(listener) => listener,
        Listener::Other { accepted, .. } => return Box::pin(ReceiverStream::new(accepted).map(other)),
    };
    let wire = secure.as_ref().map_or(Wire::Plain, Peers::wire);
    let incoming = Incoming::new("peer", listener, wire, CONNECTIONS_MAX);
    Box::pin(futures::stream::unfold((incoming, secure), |(mut incoming, secure)| async move {
        let (stream, place) = incoming.accept().await;
        let caller = Caller(secure.as_ref().map(|peers| peers.caller(&stream)).unwrap_or_default().into());
        let connection = Connection { stream: Carrier::Tcp(stream), caller, _place: Some(place) };
        Some((Ok(connection), (incoming, secure)))
    }))
}

fn other(wire: Box<dyn super::Wire>) -> Result<Connection, Infallible> {
    Ok(Connection { stream: Carrier::Other(wire), caller: Caller([].into()), _place: None })
}

/// By which parts of names the node at a connection's other end is known; none if it is no node of this cluster.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<[String]>);

/// A peer's connection, and who is at its other end.
pub(crate) struct Connection {
    stream: Carrier,
    caller: Caller,
    _place: Option<OwnedSemaphorePermit>,
}

/// What carries its bytes.
enum Carrier {
    Tcp(tls::Stream),
    Other(Box<dyn super::Wire>),
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

/// Refuses a call in the name of another node than the one that the connection is of. Whoever does not belong yet, and
/// a node that this one does not know yet, may be any node of the cluster.
// The status is the transport's own error type and large by its nature.
#[allow(clippy::result_large_err)]
pub(super) fn prove<T>(ids: &Ids, from: u64, request: &Request<T>) -> Result<(), Status> {
    if ids.secure.is_none() {
        return Ok(());
    }
    let proved = request.extensions().get::<Caller>().map_or(&[][..], |caller| &caller.0);
    let address = ids.addresses.read().get(&from).cloned();
    let named = match (from, &address) {
        (ANYBODY, _) | (_, None) => !proved.is_empty(),
        (id, Some(address)) => NodeName::parts(id, address).iter().any(|part| proved.contains(part)),
    };
    if named {
        return Ok(());
    }
    Err(Status::permission_denied(format!("a call in the name of node {from} over a connection of {proved:?}")))
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Carrier::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Carrier::Other(wire) => Pin::new(wire).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().stream {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Carrier::Other(wire) => Pin::new(wire).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().stream {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Carrier::Other(wire) => Pin::new(wire).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Carrier::Tcp(stream) => stream.is_write_vectored(),
            Carrier::Other(wire) => wire.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Carrier::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Carrier::Other(wire) => Pin::new(wire).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Carrier::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Carrier::Other(wire) => Pin::new(wire).poll_shutdown(cx),
        }
    }
}
