//! A connection that a slow or silent client cannot hold for ever.
//!
//! What must hold: a connection without a request ends after the idle time; a head must be complete soon after its
//! first byte; an answer that is not taken ends the connection; after an answer that was given before the whole body
//! came, the rest is read and thrown away for a moment, so that the answer is not lost in a reset. While a request is
//! being handled the clock is the handler's.
//!
//! One timer per connection: it is not touched per request, but looks at what is due when it fires.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// What the handler lets the connection's bytes know. HTTP/1.1 handles one request at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The requests that began and ended, in one number: odd while one is being handled.
    turns: AtomicU64,
    /// The last answer was given before the whole body came.
    early: AtomicBool,
}

impl Activity {
    pub(crate) fn begin(&self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Instead of [`Activity::end`], when the answer was given before the whole body came.
    pub(crate) fn end_early(&self) {
        self.0.early.store(true, Ordering::Relaxed);
        self.end();
    }

    fn turns(&self) -> u64 {
        self.0.turns.load(Ordering::Relaxed)
    }

    fn is_early(&self) -> bool {
        self.0.early.load(Ordering::Relaxed)
    }
}

/// How slow a client may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For a head, and for taking an answer.
    pub(crate) head: Duration,
    /// Without a request.
    pub(crate) idle: Duration,
}

/// The most that is read after the last answer, and for how long.
const LINGER_BYTES_MAX: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Request,
}

/// A stream with those limits.
pub(crate) struct Paced<S> {
    stream: S,
    activity: Activity,
    turns: u64,
    limits: Limits,
    phase: Phase,
    due: Instant,
    alarm: Pin<Box<Sleep>>,
    stall: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    /// A connection that was just accepted: the first byte of its first head is due.
    pub(crate) fn new(stream: S, activity: Activity, limits: Limits) -> Self {
        let due = Instant::now() + limits.head;
        let alarm = Box::pin(sleep_until(due));
        Paced {
            stream,
            activity,
            turns: 0,
            limits,
            phase: Phase::Idle,
            due,
            alarm,
            stall: None,
            linger: None,
            ended: false,
        }
    }

    fn follow(&mut self) {
        let turns = self.activity.turns();
        if !turns.is_multiple_of(2) {
            self.phase = Phase::Request;
        } else if turns != self.turns {
            // One or more requests ended since the last look, perhaps without a read in between.
            self.turns = turns;
            self.phase = Phase::Idle;
            self.due = Instant::now() + self.limits.idle;
        }
    }

    fn received(&mut self, bytes: usize) {
        self.ended |= bytes == 0;
        if self.phase == Phase::Idle {
            self.phase = Phase::Head;
            self.due = Instant::now() + self.limits.head;
        }
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase == Phase::Request {
            return Poll::Pending;
        }
        if self.alarm.deadline() > self.due {
            self.alarm.as_mut().reset(self.due);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.due {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(self.due);
        }
    }

    fn check_stall<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let head = self.limits.head;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(head)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and throws away until the client ends too.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (limit, bytes) = self.linger.get_or_insert_with(|| (Box::pin(sleep(LINGER)), 0));
        let mut waste = [0; 4096];
        while !self.ended && *bytes < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut waste);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    self.ended = buffer.filled().is_empty();
                    *bytes += buffer.filled().len();
                }
                Poll::Ready(Err(_)) => break,
                Poll::Pending => return limit.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.follow();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                this.received(buffer.filled().len() - before);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_overdue(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.check_stall(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.check_stall(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        // A connection that ends between requests has nothing left to read.
        if this.phase != Phase::Head && !this.activity.is_early() {
            return Poll::Ready(Ok(()));
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;
