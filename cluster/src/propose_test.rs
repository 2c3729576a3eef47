//! Group commit with a core that does what the test says: what a caller is told, and what is left behind.

use super::WORTH_GATHERING;
use super::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, Batcher, Fate, GATHER, IN_FLIGHT_MAX, Proposer, QUEUE_MAX, Ticket};
use crate::log_test::run;
use crate::metrics::Stages;
use crate::raft::{Handle, Stopped};
use crate::types::{Batch, Outputs, Types, log_id};
use bytes::Bytes;
use openraft::alias::WriteResponderOf;
use openraft::errors::{ClientWriteError, ForwardToLeader};
use openraft::raft::ClientWriteResponse;
use openraft::raft::responder::Responder;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);
/// A quorum age at which nothing is proposed.
const OLD: Duration = Duration::from_secs(9);

type Taken = (Batch, WriteResponderOf<Types>);

/// Takes batches and keeps them, with their responders, until the test decides.
#[derive(Clone, Default)]
struct Core {
    taken: Arc<Mutex<Vec<Taken>>>,
    age: Arc<Mutex<Option<Duration>>>,
    stopped: bool,
}

impl Handle for Core {
    async fn write(&self, batch: Batch, responder: WriteResponderOf<Types>) -> Result<(), Stopped> {
        if self.stopped {
            return Err(Stopped);
        }
        self.taken.lock().push((batch, responder));
        Ok(())
    }

    fn quorum_age(&self) -> Option<Duration> {
        *self.age.lock()
    }
}

struct Stage {
    core: Core,
    proposer: Proposer,
    leader: watch::Sender<Option<u64>>,
}

impl Stage {
    fn new(core: Core) -> Stage {
        let (leader, known) = watch::channel(Some(1));
        let proposer = Proposer::start(Batcher {
            raft: core.clone(),
            clock: Arc::new(|| 7),
            stages: Arc::new(Stages::default()),
            leader: known,
            node: 1,
        });
        Stage { core, proposer, leader }
    }

    /// A stage whose core has not heard from a quorum.
    fn held_back() -> Stage {
        let stage = Stage::new(Core::default());
        stage.quorum_age(OLD);
        stage
    }

    fn quorum_age(&self, age: Duration) {
        *self.core.age.lock() = Some(age);
    }

    fn submit(&self, command: &'static [u8]) -> Ticket {
        self.proposer.submit(Bytes::from_static(command), Instant::now() + PATIENCE).expect("room in the queue")
    }

    /// How many commands each batch has that the core was given.
    fn batches(&self) -> Vec<u32> {
        self.core.taken.lock().iter().map(|(batch, _)| batch.count).collect()
    }

    async fn until_batches(&self, count: usize) {
        until("batches", || self.core.taken.lock().len() >= count).await;
    }

    /// Says that the oldest batch is applied; the output of each command is the command.
    fn apply_oldest(&self) {
        let (batch, responder) = self.core.taken.lock().remove(0);
        let mut outputs = (Vec::new(), Vec::new());
        for command in batch.commands().expect("well formed") {
            outputs.0.extend_from_slice(command);
            outputs.1.push(outputs.0.len() as u32);
        }
        let data = Outputs { bytes: outputs.0.into(), ends: outputs.1 };
        responder.on_complete(Ok(ClientWriteResponse { log_id: log_id(1, 1, 1), data, membership: None }));
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        tokio::task::yield_now().await;
    }
}

fn soon() -> Instant {
    Instant::now() + SHORT
}

fn later() -> Instant {
    Instant::now() + PATIENCE
}

#[test]
fn each_command_of_a_batch_gets_its_own_output() {
    run(async {
        let stage = Stage::held_back();
        let tickets = [stage.submit(b"one"), stage.submit(b""), stage.submit(b"three")];
        stage.quorum_age(Duration::ZERO);
        stage.until_batches(1).await;
        assert_eq!(stage.core.taken.lock()[0].0.stamp_us, 7, "stamped by the clock that was given");
        stage.apply_oldest();
        for (ticket, output) in tickets.into_iter().zip(["one", "", "three"]) {
            assert_eq!(ticket.wait(later()).await, Fate::Applied(Bytes::from(output)));
        }
    });
}

#[test]
fn a_command_taken_back_before_its_batch_is_not_proposed_and_never_will_be() {
    run(async {
        let stage = Stage::held_back();
        let impatient = stage.submit(b"impatient");
        assert_eq!(impatient.wait(soon()).await, Fate::NotProposed);
        let _patient = stage.submit(b"patient");
        stage.quorum_age(Duration::ZERO);
        stage.until_batches(1).await;
        let batch = stage.core.taken.lock()[0].0.clone();
        assert_eq!(batch.commands().expect("well formed"), [b"patient"]);
    });
}

#[test]
fn a_command_given_up_after_its_batch_was_proposed_is_unknown() {
    run(async {
        let stage = Stage::new(Core::default());
        let ticket = stage.submit(b"one");
        stage.until_batches(1).await;
        assert_eq!(ticket.wait(soon()).await, Fate::Unknown);
    });
}

#[test]
fn an_end_of_leadership_makes_what_is_in_flight_unknown_at_once() {
    run(async {
        let stage = Stage::new(Core::default());
        let ticket = stage.submit(b"one");
        stage.until_batches(1).await;
        let started = Instant::now();
        stage.leader.send_replace(Some(2));
        assert_eq!(ticket.wait(later()).await, Fate::Unknown);
        assert!(started.elapsed() < PATIENCE / 2, "not at the deadline");
    });
}

#[test]
fn what_the_core_refused_before_appending_is_not_proposed_and_a_dead_core_is_unknown() {
    run(async {
        let stage = Stage::new(Core::default());
        let ticket = stage.submit(b"one");
        stage.until_batches(1).await;
        let (_, responder) = stage.core.taken.lock().remove(0);
        responder.on_complete(Err(ClientWriteError::ForwardToLeader(ForwardToLeader::empty())));
        assert_eq!(ticket.wait(later()).await, Fate::NotProposed);

        let dead = Stage::new(Core { stopped: true, ..Core::default() });
        let ticket = dead.submit(b"one");
        assert_eq!(ticket.wait(later()).await, Fate::Unknown, "it may have stopped after taking it");
    });
}

#[test]
fn nothing_accumulates_for_ten_thousand_callers_that_gave_up() {
    run(async {
        let stage = Stage::held_back();
        for _ in 0..10_000 {
            drop(stage.submit(b"given up"));
        }
        let live = stage.submit(b"live");
        stage.quorum_age(Duration::ZERO);
        stage.until_batches(1).await;
        assert_eq!(stage.batches(), [1], "only the one that somebody waits for");
        stage.apply_oldest();
        assert_eq!(live.wait(later()).await, Fate::Applied(Bytes::from("live")));
        let queue = &stage.proposer.queue;
        until("an empty queue", || queue.len() == 0).await;
        assert!(stage.batches().is_empty());
    });
}

#[test]
fn a_batch_is_bounded_by_commands_and_only_a_few_are_in_flight() {
    run(async {
        let stage = Stage::held_back();
        let count = (IN_FLIGHT_MAX as usize + 2) * BATCH_COMMANDS_MAX;
        let tickets: Vec<Ticket> = (0..count).map(|_| stage.submit(b"one")).collect();
        stage.quorum_age(Duration::ZERO);
        stage.until_batches(IN_FLIGHT_MAX as usize).await;
        assert_eq!(stage.batches(), [BATCH_COMMANDS_MAX as u32; IN_FLIGHT_MAX as usize]);
        for _ in 0..IN_FLIGHT_MAX + 2 {
            stage.until_batches(1).await;
            assert!(stage.batches().len() <= IN_FLIGHT_MAX as usize);
            stage.apply_oldest();
        }
        for ticket in tickets {
            assert!(matches!(ticket.wait(later()).await, Fate::Applied(_)));
        }
    });
}

#[test]
fn a_batch_is_bounded_by_bytes() {
    static LARGE: [u8; 10 * 1024] = [1; 10 * 1024];
    static LARGEST: [u8; BATCH_BYTES_MAX - 4] = [1; BATCH_BYTES_MAX - 4];
    static TOO_LARGE: [u8; BATCH_BYTES_MAX - 3] = [1; BATCH_BYTES_MAX - 3];
    run(async {
        let stage = Stage::held_back();
        let refused = stage.proposer.submit(Bytes::from_static(&TOO_LARGE), later());
        assert!(refused.is_none(), "larger than a batch may be");
        let mut tickets: Vec<Ticket> = (0..7).map(|_| stage.submit(&LARGE)).collect();
        tickets.push(stage.submit(&LARGEST));
        stage.quorum_age(Duration::ZERO);
        // Six of 10 KiB with their lengths fit, the seventh does not; nothing fits beside the largest.
        for expected in [6, 1, 1] {
            stage.until_batches(1).await;
            assert_eq!(stage.batches(), [expected]);
            assert!(stage.core.taken.lock()[0].0.commands.len() <= BATCH_BYTES_MAX);
            stage.apply_oldest();
        }
    });
}

#[test]
fn a_full_queue_refuses_and_serves_those_it_took() {
    run(async {
        let stage = Stage::held_back();
        // The batching task holds one batch's worth beside the queue.
        let most = QUEUE_MAX + BATCH_COMMANDS_MAX;
        let submit = || stage.proposer.submit(Bytes::from_static(b"one"), later());
        let mut tickets = Vec::new();
        while let Some(ticket) = submit() {
            tickets.push(ticket);
            assert!(tickets.len() <= most, "every queue has a bound");
        }
        assert!(tickets.len() >= QUEUE_MAX);
        stage.quorum_age(Duration::ZERO);
        let last = tickets.pop().expect("a ticket");
        let applied = async {
            loop {
                stage.until_batches(1).await;
                stage.apply_oldest();
            }
        };
        tokio::select! {
            () = applied => {}
            fate = last.wait(later()) => assert!(matches!(fate, Fate::Applied(_))),
        }
    });
}

#[test]
fn nothing_is_proposed_while_the_quorum_is_silent_and_all_once_it_is_back() {
    run(async {
        let stage = Stage::held_back();
        let tickets = [stage.submit(b"one"), stage.submit(b"two")];
        let end = soon();
        until("some turns of the batching task", || Instant::now() >= end).await;
        assert!(stage.batches().is_empty());
        stage.quorum_age(Duration::ZERO);
        stage.until_batches(1).await;
        stage.apply_oldest();
        for ticket in tickets {
            assert!(matches!(ticket.wait(later()).await, Fate::Applied(_)));
        }
    });
}

/// Lets the batching task do what it can at this moment of paused time.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_as_many_as_the_one_before_had_but_not_for_long() {
    let stage = Stage::held_back();
    let first: Vec<_> = (0..WORTH_GATHERING).map(|_| stage.submit(b"x")).collect();
    stage.quorum_age(Duration::ZERO);
    tokio::time::advance(Duration::from_millis(20)).await;
    settle().await;
    assert_eq!(stage.batches(), [WORTH_GATHERING as u32]);
    stage.apply_oldest();
    settle().await;

    let mut second: Vec<_> = (1..WORTH_GATHERING).map(|_| stage.submit(b"x")).collect();
    settle().await;
    assert_eq!(stage.batches(), [0; 0], "one is missing");
    second.push(stage.submit(b"x"));
    settle().await;
    assert_eq!(stage.batches(), [WORTH_GATHERING as u32], "complete: no time has passed");
    stage.apply_oldest();
    settle().await;

    let third = stage.submit(b"x");
    settle().await;
    assert_eq!(stage.batches(), [0; 0]);
    tokio::time::advance(GATHER).await;
    settle().await;
    assert_eq!(stage.batches(), [1], "nobody else came");
    stage.apply_oldest();
    settle().await;

    let fourth = stage.submit(b"x");
    settle().await;
    assert_eq!(stage.batches(), [1], "alone, it does not wait");
    stage.apply_oldest();
    for ticket in first.into_iter().chain(second).chain([third, fourth]) {
        assert!(matches!(ticket.wait(later()).await, Fate::Applied(_)));
    }
}
