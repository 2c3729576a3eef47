//! What callers and the log's thread share: the queue of requests, and what has become of the log.
//!
//! **What must hold.** A request is checked against the log as it will be when all before it are written, so that the
//! thread never meets one that cannot be. Once dead or closing, none is accepted.
//!
//! **What is deliberately not here.** Waiting and writing: `writer`.

use super::format::Record;
use super::{Asked, Done, OnFatal};
use crate::store::files::Lock;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// An error that can be told many times.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    raw: Option<i32>,
    kind: io::ErrorKind,
    text: String,
}

impl Fault {
    pub(super) fn new(error: &io::Error) -> Self {
        Fault { raw: error.raw_os_error(), kind: error.kind(), text: error.to_string() }
    }

    pub(super) fn error(&self) -> io::Error {
        match self.raw {
            Some(raw) => io::Error::from_raw_os_error(raw),
            None => io::Error::new(self.kind, self.text.clone()),
        }
    }
}

pub(super) struct Request {
    pub(super) records: Vec<Record>,
    pub(super) cost_bytes: usize,
    pub(super) since: Instant,
    pub(super) done: Done,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) requests: VecDeque<Request>,
    /// Waits for a group to ride with.
    pub(super) committed: Option<Bytes>,
    /// Bytes of all unanswered requests, in flight or queued.
    pub(super) backlog_bytes: usize,
    /// The index that the next entry must have.
    pub(super) next: u64,
    pub(super) first_unpurged: u64,
    pub(super) closing: bool,
    /// The writer has ended.
    pub(super) stopped: bool,
    pub(super) dead: Option<Fault>,
    pub(super) in_flight_since: Option<Instant>,
    pub(super) groups: u64,
    pub(super) last_group_at: Option<Instant>,
}

impl Queue {
    pub(super) fn open(&self) -> io::Result<()> {
        match &self.dead {
            Some(fault) => Err(fault.error()),
            None if self.closing => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")),
            None => Ok(()),
        }
    }

    /// Checks the records of one request against the log as it will be when they are written.
    pub(super) fn accept(&mut self, records: &[Record]) -> io::Result<()> {
        let (mut next, mut first_unpurged) = (self.next, self.first_unpurged);
        for record in records {
            match record {
                Record::Entry { index, .. } if *index == next && next < u64::MAX => next += 1,
                Record::Entry { .. } => return Err(invalid("an entry that does not follow the last one")),
                Record::Truncated { from } if (first_unpurged..=next).contains(from) => next = *from,
                Record::Truncated { .. } => return Err(invalid("a truncation outside of the log")),
                // The same purge again is harmless.
                Record::Purged { upto, .. } if *upto < u64::MAX && upto + 1 >= first_unpurged => {
                    first_unpurged = upto + 1;
                    next = next.max(first_unpurged);
                }
                Record::Purged { .. } => return Err(invalid("a purge below the last one")),
                Record::Vote(_) | Record::Committed(_) | Record::Opened { .. } | Record::Sealed => {}
            }
        }
        (self.next, self.first_unpurged) = (next, first_unpurged);
        Ok(())
    }
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) changed: Condvar,
    /// Told beside `changed`, where the log has no thread.
    pub(super) asked: Option<Asked>,
    pub(super) on_fatal: OnFatal,
    /// Held by both threads too, so that it outlives a close that did not wait for a stuck disk.
    pub(super) _lock: Box<dyn Lock>,
}

impl Shared {
    /// Something is to be done, or is done.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
        if let Some(asked) = &self.asked {
            asked();
        }
    }
}
