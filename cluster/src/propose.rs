//! Group commit: one Raft entry carries a whole batch of commands.
//!
//! While a batch is being fsynced and replicated, the next one fills; a few are in flight. A batch lingers only under
//! load, for as many commands as the one before had, and for two milliseconds at most. A command that waits in the
//! queue can still be taken back by its caller (then it was *not proposed*); once it is in a batch, giving up means
//! *unknown*.

use crate::codec;
use crate::config::Clock;
use crate::inbox::{Inbox, Reader, WORTH_GATHERING, inbox};
use crate::metrics::Stages;
use crate::raft::Handle;
use crate::types::{Batch, Carries, Types};
use bytes::{Bytes, BytesMut};
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

#[cfg(test)]
#[path = "propose_test.rs"]
mod propose_test;

/// Commands in one batch.
pub(crate) const BATCH_COMMANDS_MAX: usize = 512;
/// Bytes of one batch; a single command may not be larger either.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;
/// Commands that wait for a batch; more are refused as not proposed.
const QUEUE_MAX: usize = 16 * 1024;
/// Batches on their way at once, when they are large. A batch costs the same whether it is small or full, so after a
/// small one the next waits until nothing is on its way, and is larger for it.
const IN_FLIGHT_MAX: u32 = 4;
/// A batch of this many is large.
const WORTH_OVERTAKING: usize = 128;
/// How long a batch may wait for as many commands as the one before had. A batch costs three nodes on two cores about
/// 0.8 ms of CPU beside its commands, so a larger one is worth the wait: with 64 connections and 1 ms it had 46
/// commands, with 2 ms 62, at the same latency. Below what the nodes can do it has its price: docs/measurements.md.
const GATHER: Duration = Duration::from_millis(2);
/// New proposals are held back while the last quorum acknowledgement is older than this: a write that is accepted just
/// before the lease runs out hangs, and its outcome would be unknown. Four heartbeats.
const QUORUM_AGE_MAX: Duration = Duration::from_millis(200);
/// How often a held-back queue looks again.
const HOLD_BACK_TICK: Duration = Duration::from_millis(10);

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Applied; the encoded output.
    Applied(Bytes),
    /// It never became part of a batch.
    NotProposed,
    /// It was in a batch whose outcome was not seen.
    Unknown,
}

const QUEUED: u8 = 0;
const PROPOSED: u8 = 1;
const TAKEN_BACK: u8 = 2;

/// Whether a command is still its caller's, or the log's. Exactly one side wins.
#[derive(Default)]
struct Phase(AtomicU8);

impl Phase {
    fn claim(&self, to: u8) -> bool {
        self.0.compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct Waiting {
    command: Bytes,
    deadline: Instant,
    since: Instant,
    phase: Arc<Phase>,
    reply: oneshot::Sender<Fate>,
}

/// A command that was handed in. Dropping it takes the command back if it is still in the queue.
pub(crate) struct Ticket {
    phase: Arc<Phase>,
    answer: oneshot::Receiver<Fate>,
}

impl Ticket {
    /// Waits until the command's fate is known or the deadline has come.
    pub(crate) async fn wait(mut self, deadline: Instant) -> Fate {
        match tokio::time::timeout_at(deadline, &mut self.answer).await {
            Ok(Ok(fate)) => fate,
            Ok(Err(_)) | Err(_) if self.phase.claim(TAKEN_BACK) => Fate::NotProposed,
            // The batch may have been answered between the timeout and here.
            Ok(Err(_)) | Err(_) => self.answer.try_recv().unwrap_or(Fate::Unknown),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.phase.claim(TAKEN_BACK);
    }
}

/// Where commands are handed in on the leader.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: Inbox<Waiting>,
}

/// What the batching task needs.
pub(crate) struct Batcher<R> {
    pub(crate) raft: R,
    /// The clock that stamps batches, in microseconds since the Unix epoch.
    pub(crate) clock: Clock,
    pub(crate) stages: Arc<Stages>,
    /// Changes whenever this node stops being the leader: what is in flight then may hang for ever.
    pub(crate) leader: watch::Receiver<Option<u64>>,
    pub(crate) node: u64,
}

impl Proposer {
    /// Starts the batching task on the current runtime; it ends when the last `Proposer` is dropped.
    pub(crate) fn start<R: Handle>(batcher: Batcher<R>) -> Proposer {
        let (queue, waiting) = inbox(QUEUE_MAX);
        tokio::spawn(batcher.run(waiting));
        Proposer { queue }
    }

    /// Hands a command in. `None`: the queue is full, or the command is larger than a batch may be.
    pub(crate) fn submit(&self, command: Bytes, deadline: Instant) -> Option<Ticket> {
        if command.len() + 4 > BATCH_BYTES_MAX {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let phase = Arc::new(Phase::default());
        let waiting = Waiting { command, deadline, since: Instant::now(), phase: phase.clone(), reply };
        self.queue.put(waiting).ok()?;
        Some(Ticket { phase, answer })
    }
}

impl<R: Handle> Batcher<R> {
    async fn run(self, queue: Reader<Waiting>) {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize));
        let mut left: VecDeque<Waiting> = VecDeque::new();
        let mut last = 0;
        loop {
            let free = if last < WORTH_OVERTAKING { IN_FLIGHT_MAX } else { 1 };
            let Ok(free) = slots.acquire_many(free).await else {
                return;
            };
            drop(free);
            if left.is_empty() && !queue.wait_for(1).await {
                return;
            }
            queue.take(&mut left, BATCH_COMMANDS_MAX);
            self.hold_back(&left).await;
            self.gather(&queue, &mut left, last).await;
            let Some((batch, waiters)) = self.fill(&mut left) else {
                continue;
            };
            last = waiters.len();
            // There is one: only this task takes them.
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            self.propose(batch, waiters, slot).await;
        }
    }

    /// Takes what waits. If that is fewer than the batch before had, the others of that batch are likely about to ask
    /// again, and a batch costs the same whatever its size: waits for as many as last time, at most for [`GATHER`].
    async fn gather(&self, queue: &Reader<Waiting>, left: &mut VecDeque<Waiting>, last: usize) {
        queue.take(left, BATCH_COMMANDS_MAX);
        if last >= WORTH_GATHERING && left.len() < last {
            // Whether they have come or not: what is there goes.
            let _ = tokio::time::timeout(GATHER, queue.wait_for(last - left.len())).await;
            queue.take(left, BATCH_COMMANDS_MAX);
        }
    }

    /// Waits while this node leads without hearing from a quorum, as long as somebody has time to wait.
    async fn hold_back(&self, left: &VecDeque<Waiting>) {
        let Some(last) = left.iter().map(|waiting| waiting.deadline).max() else {
            return;
        };
        while self.raft.quorum_age().is_some_and(|age| age > QUORUM_AGE_MAX) && Instant::now() < last {
            tokio::time::sleep(HOLD_BACK_TICK).await;
        }
    }

    /// Moves what fits from the queue into a batch; what nobody waits for any more is left out.
    fn fill(&self, left: &mut VecDeque<Waiting>) -> Option<(Batch, Vec<Waiting>)> {
        let now = Instant::now();
        let mut commands = BytesMut::with_capacity(4 * 1024);
        let mut waiters = Vec::with_capacity(left.len().min(BATCH_COMMANDS_MAX));
        while let Some(next) = left.pop_front() {
            if waiters.len() == BATCH_COMMANDS_MAX || commands.len() + next.command.len() + 4 > BATCH_BYTES_MAX {
                left.push_front(next);
                break;
            }
            if next.deadline <= now || !next.phase.claim(PROPOSED) {
                let _ = next.reply.send(Fate::NotProposed);
                continue;
            }
            codec::push_command(&mut commands, &next.command);
            self.stages.queued(now.saturating_duration_since(next.since));
            waiters.push(next);
        }
        if waiters.is_empty() {
            return None;
        }
        self.stages.batch(waiters.len());
        let count = waiters.len() as u32;
        let carries = Carries::Commands;
        let batch = Batch { stamp_us: (self.clock)(), carries, count, commands: commands.freeze() };
        Some((batch, waiters))
    }

    async fn propose(&self, batch: Batch, waiters: Vec<Waiting>, slot: tokio::sync::OwnedSemaphorePermit) {
        let started = Instant::now();
        let (responder, committed, completed) = ProgressResponder::<Types, _>::new();
        if self.raft.write(batch, responder).await.is_err() {
            // The core has stopped. It may have stopped after taking the message.
            answer_all(waiters, &Fate::Unknown);
            return;
        }
        let stages = self.stages.clone();
        let mut leader = self.leader.clone();
        let node = self.node;
        tokio::spawn(async move {
            let latest = waiters.iter().map(|waiting| waiting.deadline).max().unwrap_or(started);
            let watch_commit = async {
                if committed.await.is_ok() {
                    stages.committed(started.elapsed());
                }
                std::future::pending::<()>().await
            };
            tokio::select! {
                // The commit first, so that it is counted also when the batch was applied before anybody looked.
                biased;
                () = watch_commit => {}
                result = completed => match result {
                    Ok(Ok(response)) => answer_each(waiters, &response.data),
                    // Refused before it was appended.
                    Ok(Err(ClientWriteError::ForwardToLeader(_))) => answer_all(waiters, &Fate::NotProposed),
                    Ok(Err(_)) | Err(_) => answer_all(waiters, &Fate::Unknown),
                },
                _ = leader.wait_for(|leader| *leader != Some(node)) => answer_all(waiters, &Fate::Unknown),
                () = tokio::time::sleep_until(latest) => answer_all(waiters, &Fate::Unknown),
            }
            drop(slot);
        });
    }
}

fn answer_all(waiters: Vec<Waiting>, fate: &Fate) {
    for waiting in waiters {
        let _ = waiting.reply.send(fate.clone());
    }
}

fn answer_each(waiters: Vec<Waiting>, outputs: &crate::types::Outputs) {
    for (place, waiting) in waiters.into_iter().enumerate() {
        let fate = outputs.get(place).map_or(Fate::Unknown, Fate::Applied);
        let _ = waiting.reply.send(fate);
    }
}
