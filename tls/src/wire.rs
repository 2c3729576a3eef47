//! What a listener speaks, and how connections come to speak it.
//!
//! What must hold: a handshake takes no longer than [`HANDSHAKE_MAX`], and one that is slow delays no other; so many at
//! most are under way at a time.

use crate::{Identity, Stream};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

/// From the connection to the end of its handshake: two or three round trips and a signature, some milliseconds; the
/// rest is for lost packets, which are sent again after a second.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(3);
/// The pause after an accept that failed for want of something (file descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What a listener speaks.
#[derive(Clone, Debug)]
pub enum Wire {
    /// Plain text.
    Plain,
    /// TLS, as this identity.
    Tls(Arc<Identity>),
}

impl Wire {
    /// Makes of a connection one that can be used, within [`HANDSHAKE_MAX`].
    pub async fn greet(&self, stream: TcpStream) -> io::Result<Stream> {
        // Answers are small and complete; waiting to fill a segment only costs time.
        stream.set_nodelay(true)?;
        match self {
            Wire::Plain => Ok(Stream::plain(stream)),
            Wire::Tls(identity) => {
                let acceptor = TlsAcceptor::from(identity.current().server.clone());
                let greeted = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
                let stream = greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                Ok(Stream::tls(TlsStream::Server(stream)))
            }
        }
    }
}

/// A listener, and how many connections it may have: those whose handshake lasts count.
pub struct Incoming {
    name: &'static str,
    listener: TcpListener,
    wire: Wire,
    places: Arc<Semaphore>,
    greeting: JoinSet<Option<(Stream, OwnedSemaphorePermit)>>,
}

impl Incoming {
    /// The name is for the log.
    pub fn new(name: &'static str, listener: TcpListener, wire: Wire, connections_max: usize) -> Incoming {
        Incoming { name, listener, wire, places: Arc::new(Semaphore::new(connections_max)), greeting: JoinSet::new() }
    }

    /// The next connection that there is a place for and that has ended its handshake, with its place. One that there
    /// is no place for is closed at once. May be given up and called again.
    pub async fn accept(&mut self) -> (Stream, OwnedSemaphorePermit) {
        loop {
            tokio::select! {
                biased;
                Some(greeted) = self.greeting.join_next(), if !self.greeting.is_empty() => match greeted {
                    Ok(Some(connection)) => return connection,
                    Ok(None) => {}
                    Err(error) => tracing::error!(listener = self.name, %error, "a handshake ended in a panic"),
                },
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                            self.greet(stream, place);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(listener = self.name, %error, "accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn greet(&mut self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let (name, wire) = (self.name, self.wire.clone());
        self.greeting.spawn(async move {
            let source = stream.peer_addr();
            match wire.greet(stream).await {
                Ok(stream) => Some((stream, place)),
                Err(error) => {
                    tracing::debug!(listener = name, ?source, %error, "a handshake failed");
                    None
                }
            }
        });
    }
}
