//! Ways between nodes that are not TCP: what a simulation puts in TCP's place.

use futures::future::BoxFuture;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A connection, whatever carries its bytes.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Makes connections.
pub trait Dial: Send + Sync {
    /// Connects to `HOST:PORT`. The caller bounds the wait.
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Wire>>>;
}

/// Where a node hears its peers, and how it reaches them.
pub enum Listener {
    /// By TCP.
    Tcp(TcpListener),
    /// In another way, always in plain text.
    Other {
        /// The connections of peers, as they come.
        accepted: mpsc::Receiver<Box<dyn Wire>>,
        /// The way to peers.
        dial: Arc<dyn Dial>,
    },
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        Listener::Tcp(listener)
    }
}

impl Listener {
    /// The way to peers, where it is not TCP.
    pub(crate) fn dial(&self) -> Option<Arc<dyn Dial>> {
        match self {
            Listener::Tcp(_) => None,
            Listener::Other { dial, .. } => Some(dial.clone()),
        }
    }
}
