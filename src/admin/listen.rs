//! Connections that hold a place: one more than there may be is closed as soon as it is accepted, and one whose
//! handshake lasts counts.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tls::{Incoming, Names, Stream, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

/// A listener, what it speaks, and how many connections it may still accept.
pub(super) struct Entrance(Incoming);

impl Entrance {
    pub(super) fn new(name: &'static str, listener: TcpListener, wire: Wire, connections_max: usize) -> Entrance {
        Entrance(Incoming::new(name, listener, wire, connections_max))
    }

    /// The next connection that there is a place for.
    pub(super) async fn accept(&mut self) -> Counted {
        let (stream, place) = self.0.accept().await;
        Counted { stream, _place: place }
    }
}

/// A connection that holds its place until it is dropped.
pub(crate) struct Counted {
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The address that it comes from, if it still has one.
    pub(crate) source: Option<IpAddr>,
    /// What its certificate says, if it has shown one.
    pub(crate) names: Option<Names>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Counted {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        Caller { source: self.stream.tcp().peer_addr().ok().map(|source| source.ip()), names: self.stream.names() }
    }
}
