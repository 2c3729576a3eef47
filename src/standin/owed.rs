//! The voids that this node owes the cluster, oldest first.
//!
//! What must hold: the queue is bounded; a void leaves it only when it was seen applied. Crash story: it is memory
//! only, so a killed process forgets what it owed and the holds stay until the processor's own event (the conservative
//! side).

use ledger::Void;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// Returned when there is no room: the void was not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug, Default)]
struct Queue {
    voids: BTreeMap<u64, Void>,
    next: u64,
}

#[derive(Debug)]
pub(crate) struct Owed {
    queue: Mutex<Queue>,
    len_max: usize,
    added: Notify,
}

impl Owed {
    pub(crate) fn new(len_max: usize) -> Self {
        Owed { queue: Mutex::default(), len_max, added: Notify::new() }
    }

    /// Keeps a void at the end of the queue.
    pub(crate) fn push(&self, void: Void) -> Result<(), Full> {
        let mut queue = self.queue.lock();
        if queue.voids.len() >= self.len_max {
            return Err(Full);
        }
        let number = queue.next;
        queue.next += 1;
        queue.voids.insert(number, void);
        drop(queue);
        self.added.notify_one();
        Ok(())
    }

    /// The oldest with this number or a later one. It stays owed.
    pub(crate) fn from(&self, number: u64) -> Option<(u64, Void)> {
        self.queue.lock().voids.range(number..).next().map(|(&number, &void)| (number, void))
    }

    /// It was seen applied.
    pub(crate) fn done(&self, number: u64) {
        self.queue.lock().voids.remove(&number);
    }

    /// How many are owed, those being proposed included.
    pub(crate) fn len(&self) -> usize {
        self.queue.lock().voids.len()
    }

    /// Returns once something was added since the last time it returned.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }
}
