//! One keep-alive connection, written and read by hand.
//!
//! What must hold: one request at a time; a reply is given back only if nothing follows it in the stream; no wait is
//! longer than its deadline. What happened to a request that has no reply is *lost*, whatever the reason: it may have
//! been carried out. Not here: when to connect again and where (`run`).
//!
//! Cheap on purpose: one write and one read per request. The time limit is one timer per connection that is set anew
//! only when it fires, so that it costs nothing while replies come in time.

use super::reply::{self, BODY_BYTES_MAX, Garbage, HEAD_BYTES_MAX, Reply};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Replies are around 400 bytes; one that does not fit makes the buffer grow up to the parser's limits.
const BUFFER_BYTES: usize = 4 * 1024;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// None within the time limit.
    #[error("no reply in time")]
    Timeout,
    /// The connection broke or was closed.
    #[error("connection lost: {0}")]
    Broken(io::Error),
    /// What came is not a reply.
    #[error("unreadable reply: {0}")]
    Garbage(#[from] Garbage),
}

/// A connection that carries one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    /// Connects within a second.
    pub async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let timer = Box::pin(sleep_until(Instant::now().into()));
        Ok(Connection { stream, buffer: vec![0; BUFFER_BYTES], timer })
    }

    /// The server has closed the connection, or sent something unasked, while it lay idle. No system call unless the
    /// runtime has heard of something.
    pub fn is_stale(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// The body of the reply that [`Connection::exchange`] has given last.
    pub fn body(&self, reply: &Reply) -> &[u8] {
        let from = reply.size_bytes.saturating_sub(reply.body_bytes);
        self.buffer.get(from..reply.size_bytes).unwrap_or_default()
    }

    /// Sends a request and waits for its reply. After an error the connection is of no further use.
    pub async fn exchange(&mut self, request: &[u8], deadline: Instant) -> Result<Reply, Lost> {
        let Connection { stream, buffer, timer } = self;
        let mut sent = 0;
        let mut filled = 0;
        poll_fn(|context| {
            let done = match ready_to_send(stream, request, &mut sent, context) {
                Poll::Ready(Ok(())) => receive(stream, buffer, &mut filled, context),
                Poll::Ready(Err(error)) => Poll::Ready(Err(Lost::Broken(error))),
                Poll::Pending => Poll::Pending,
            };
            if done.is_ready() {
                return done;
            }
            ready!(expire(timer.as_mut(), deadline, context));
            Poll::Ready(Err(Lost::Timeout))
        })
        .await
    }
}

/// Writes what is left of the request.
fn ready_to_send(
    stream: &mut TcpStream,
    request: &[u8],
    sent: &mut usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while *sent < request.len() {
        match ready!(Pin::new(&mut *stream).poll_write(context, &request[*sent..])) {
            Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            Ok(count) => *sent += count,
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

/// Reads until the reply is whole.
fn receive(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    filled: &mut usize,
    context: &mut Context<'_>,
) -> Poll<Result<Reply, Lost>> {
    loop {
        if *filled == buffer.len() {
            // The parser refuses longer replies before this could go on.
            buffer.resize((buffer.len() * 4).min(HEAD_BYTES_MAX + BODY_BYTES_MAX + 1), 0);
        }
        let mut space = ReadBuf::new(&mut buffer[*filled..]);
        if let Err(error) = ready!(Pin::new(&mut *stream).poll_read(context, &mut space)) {
            return Poll::Ready(Err(Lost::Broken(error)));
        }
        let count = space.filled().len();
        if count == 0 {
            return Poll::Ready(Err(Lost::Broken(ErrorKind::UnexpectedEof.into())));
        }
        *filled += count;
        match reply::parse(&buffer[..*filled]) {
            Ok(None) => {}
            Ok(Some(reply)) if reply.size_bytes < *filled => return Poll::Ready(Err(Garbage::Excess.into())),
            Ok(Some(reply)) => return Poll::Ready(Ok(reply)),
            Err(garbage) => return Poll::Ready(Err(garbage.into())),
        }
    }
}

/// Ready once the deadline has passed. The timer may still be set to the deadline of an earlier request.
fn expire(mut timer: Pin<&mut Sleep>, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
    loop {
        ready!(timer.as_mut().poll(context));
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline.into());
    }
}
