//! What was measured, per target.
//!
//! What must hold: adding the figures of threads gives what one thread would have counted. Not here: printing.

use super::tally::Server;
use crate::http::connection::Lost;
use crate::http::reply::{Outcome, Reply};
use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest latency that is told apart: retries of a 3 s time limit stay far below two minutes.
const LATENCY_US_MAX: u64 = 120_000_000;

/// What happened at one target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Microseconds per request, from its intended time to its reply.
    pub latency: Histogram<u64>,
    /// Replies by status and outcome, in no order.
    pub replies: Vec<((u16, Outcome), u64)>,
    /// Replies that took longer than the deadline, from when they were sent.
    pub late: u64,
    /// Replies of a status that moves no money and is no answer.
    pub unexpected: u64,
    /// Attempts without a reply, time limits included.
    pub lost: u64,
    /// Attempts that reached the time limit.
    pub timeouts: u64,
    /// Why the first of them was lost.
    pub first_loss: Option<String>,
    /// Connections that could not be made.
    pub connect_errors: u64,
    /// Connections that were made again.
    pub reconnects: u64,
    /// Connections that the server closed between two requests.
    pub idle_closed: u64,
}

/// What happened at all targets.
#[derive(Clone, Debug)]
pub struct Figures {
    /// By the target's index.
    pub targets: Vec<Target>,
    /// Requests that were due and never sent, for want of a connection.
    pub not_sent: u64,
    /// Requests that left more than a millisecond after their time.
    pub sent_late: u64,
    /// Requests whose last attempt was lost.
    pub unknown: u64,
}

impl Default for Target {
    fn default() -> Target {
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).unwrap_or_else(|error| {
            unreachable!("the bounds are constants that hdrhistogram accepts: {error}");
        });
        Target {
            latency,
            replies: Vec::new(),
            late: 0,
            unexpected: 0,
            lost: 0,
            timeouts: 0,
            first_loss: None,
            connect_errors: 0,
            reconnects: 0,
            idle_closed: 0,
        }
    }
}

impl Target {
    /// Adds another's.
    pub fn add(&mut self, other: &Target) {
        // Both have the same bounds, so every value of one fits the other.
        let _ = self.latency.add(&other.latency);
        for (kind, count) in &other.replies {
            self.count(*kind, *count);
        }
        self.late += other.late;
        self.unexpected += other.unexpected;
        self.lost += other.lost;
        self.timeouts += other.timeouts;
        self.first_loss = self.first_loss.take().or_else(|| other.first_loss.clone());
        self.connect_errors += other.connect_errors;
        self.reconnects += other.reconnects;
        self.idle_closed += other.idle_closed;
    }

    /// A reply came after `latency` from its intended time.
    pub fn reply(&mut self, reply: &Reply, latency: Duration, server: Server) {
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        self.count((reply.status, reply.outcome), 1);
        let expected = match server {
            Server::Holdfast => matches!(reply.status, 200 | 402),
            Server::Plain => reply.status == 200,
        };
        self.unexpected += u64::from(!expected);
    }

    /// An attempt's reply was lost.
    pub fn lost(&mut self, why: &Lost) {
        self.lost += 1;
        self.timeouts += u64::from(matches!(why, Lost::Timeout));
        self.first_loss.get_or_insert_with(|| why.to_string());
    }

    /// Replies of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.replies.iter().filter(|((_, kind), _)| *kind == outcome).map(|(_, count)| count).sum()
    }

    /// All replies.
    pub fn requests(&self) -> u64 {
        self.latency.len()
    }

    fn count(&mut self, kind: (u16, Outcome), count: u64) {
        match self.replies.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += count,
            None => self.replies.push((kind, count)),
        }
    }
}

impl Figures {
    /// Of this many targets.
    pub fn new(targets: usize) -> Figures {
        Figures { targets: vec![Target::default(); targets], not_sent: 0, sent_late: 0, unknown: 0 }
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Figures) {
        for (mine, theirs) in self.targets.iter_mut().zip(&other.targets) {
            mine.add(theirs);
        }
        self.not_sent += other.not_sent;
        self.sent_late += other.sent_late;
        self.unknown += other.unknown;
    }

    /// All targets as one.
    pub fn total(&self) -> Target {
        let mut total = Target::default();
        for target in &self.targets {
            total.add(target);
        }
        total
    }
}
