//! How long ago this node heard from its leader.
//!
//! Quorum contact is Raft's own knowledge: on a leader the age of the last quorum acknowledgement, on a follower the
//! age of the last message that its leader got accepted. Never the role: a leader that has lost its quorum does not
//! know it by its role.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// When the leader was heard last.
pub(crate) struct Contact {
    epoch: Instant,
    /// Milliseconds since `epoch`, plus one; 0 is never.
    heard: AtomicU64,
}

impl Contact {
    pub(crate) fn new() -> Self {
        Contact { epoch: Instant::now(), heard: AtomicU64::new(0) }
    }

    /// The leader got a message accepted just now.
    pub(crate) fn heard(&self) {
        self.heard.store(self.epoch.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(crate) fn age(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.epoch.elapsed().saturating_sub(Duration::from_millis(heard)))
    }
}
