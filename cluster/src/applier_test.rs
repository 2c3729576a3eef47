//! Applying, with a counter as the machine: log time, entries that cannot be read, marks, and what a snapshot keeps.

use crate::StateMachine;
use crate::applier::{Applier, State};
use crate::codec;
use crate::counter::{Add, Counter};
use crate::history::History;
use crate::log_test::{blank, open, run};
use crate::metrics::Stages;
use crate::store::files::sim::SimFiles;
use crate::types::{Batch, Carries, Entry, Payload, log_id};
use crate::versions::Limit;
use bytes::BytesMut;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use std::io;
use std::path::Path;
use std::sync::Arc;

struct Place {
    state: Arc<State<Counter>>,
    applier: Applier<Counter>,
}

fn place() -> Place {
    let opened = open(SimFiles::new().process(), Path::new("/node"));
    let state = State::empty();
    let limit = Limit { max: 1, on_fatal: Arc::new(|_| ()) };
    let applier = Applier::new(state.clone(), opened.snapshots, Arc::new(Stages::default()), limit);
    Place { state, applier }
}

/// A batch that adds one for each key.
fn batch(stamp_us: u64, keys: &[u64]) -> Batch {
    batch_of(stamp_us, keys, 0)
}

/// The same, each busy for a while.
fn batch_of(stamp_us: u64, keys: &[u64], busy_us: u64) -> Batch {
    let mut commands = BytesMut::new();
    for key in keys {
        let mut command = Vec::new();
        let add = Add { key: *key, amount: 1, busy_us };
        Counter::encode_command(&add, &mut command);
        codec::push_command(&mut commands, &command);
    }
    Batch { stamp_us, carries: Carries::Commands, count: keys.len() as u32, commands: commands.freeze() }
}

impl Place {
    async fn apply(&mut self, index: u64, batch: Batch) -> io::Result<()> {
        let entry = Entry { log_id: log_id(1, 1, index), payload: Payload::Normal(batch) };
        self.applier.apply(futures::stream::iter([Ok((entry, None))])).await
    }

    fn times(&self) -> Vec<u64> {
        self.state.read(|counter| counter.keys.values().map(|(_, at)| *at).collect())
    }
}

#[test]
fn log_time_only_stalls_when_stamps_run_back() {
    let mut place = place();
    run(async {
        place.apply(1, batch(1_000, &[1, 2])).await.expect("applied");
        place.apply(2, batch(10, &[3])).await.expect("applied");
        place.apply(3, batch(1_002, &[4])).await.expect("applied");
        place.apply(4, batch(5_000, &[5])).await.expect("applied");
    });
    assert_eq!(place.times(), [1_000, 1_001, 1_002, 1_003, 5_000]);
    assert!(!place.state.read(|counter| counter.ran_back));
}

#[test]
fn log_time_goes_on_from_a_snapshot_whatever_the_next_stamp_says() {
    let (mut from, mut to) = (place(), place());
    run(async {
        from.apply(1, batch(9_000, &[1])).await.expect("applied");
        let mut builder = from.applier.get_snapshot_builder().await;
        let snapshot = builder.build_snapshot().await.expect("a snapshot");
        let installed = to.applier.install_snapshot(&snapshot.meta, snapshot.snapshot).await;
        installed.expect("installed");
        for place in [&mut from, &mut to] {
            place.apply(2, batch(10, &[2])).await.expect("applied");
        }
    });
    assert_eq!(to.times(), [9_000, 9_001]);
    assert_eq!(from.state.read(Counter::digest), to.state.read(Counter::digest));
    assert_eq!(to.state.applied(), Some(log_id(1, 1, 2)));
}

#[test]
fn every_command_is_announced_before_it_is_applied() {
    let mut place = place();
    run(async {
        // More than are announced at once, and so slow that they do not fit into one poll.
        let keys: Vec<u64> = (0..200).collect();
        place.apply(1, batch_of(1, &keys, 20)).await.expect("applied");
        place.apply(2, batch(2, &[1_000])).await.expect("applied");
    });
    assert_eq!(place.state.read(|counter| counter.sum), 201);
    assert!(!place.state.read(|counter| counter.told.missed));
}

#[test]
fn copies_that_are_let_go_are_freed_as_entries_come_and_never_pile_up() {
    let mut place = place();
    for _ in 0..20 {
        place.state.let_go(place.state.freeze().machine);
    }
    assert_eq!(place.state.waiting(), 4);
    run(async {
        for index in 1..=4 {
            place.apply(index, batch(index, &[index])).await.expect("applied");
        }
    });
    assert_eq!(place.state.waiting(), 0);
}

#[test]
fn a_batch_that_cannot_be_read_stops_the_node_and_leaves_no_half() {
    let mut place = place();
    run(async {
        place.apply(1, batch(1, &[1])).await.expect("applied");
        let mut poison = batch(2, &[2, 3]);
        let mut commands = BytesMut::from(&poison.commands[..]);
        codec::push_command(&mut commands, b"no command");
        poison.commands = commands.freeze();
        poison.count = 3;
        let error = place.apply(2, poison).await.expect_err("not skipped");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    });
    assert_eq!(place.state.read(|counter| counter.sum), 1);
    assert_eq!(place.state.applied(), Some(log_id(1, 1, 1)));
}

#[test]
fn a_version_that_is_not_understood_ends_the_node_before_anything_behind_it_is_read() {
    let mut place = place();
    let version = |version| Batch { carries: Carries::Version(version), ..batch(1, &[]) };
    run(async {
        place.apply(1, version(1)).await.expect("understood");
        assert_eq!(place.state.version(), 1);
        place.apply(2, version(2)).await.expect_err("not understood");
    });
    assert_eq!((place.state.version(), place.state.applied()), (1, Some(log_id(1, 1, 1))));
}

#[test]
fn the_newest_marks_are_kept_as_they_were() {
    let mut place = place();
    run(async {
        for index in 1..=3 {
            place.apply(2 * index, batch(index, &[index])).await.expect("applied");
            let mark = Batch { carries: Carries::Mark, ..batch(index, &[]) };
            place.apply(2 * index + 1, mark).await.expect("applied");
        }
        let last = futures::stream::iter([Ok((blank(log_id(1, 1, 8)), None))]);
        place.applier.apply(last).await.expect("applied");
    });
    let sum_at = |index| place.state.marked(index).map(|counter| counter.sum);
    assert_eq!((sum_at(3), sum_at(5), sum_at(7)), (None, Some(2), Some(3)));
    assert_eq!(sum_at(6), None, "not a mark");
}

/// A freeze that comes while a batch is half applied would hold half of it under the index before.
#[test]
fn a_copy_for_a_backup_never_holds_half_a_batch() {
    let mut place = place();
    let state = place.state.clone();
    run(async {
        place.apply(1, batch(1_000, &[1])).await.expect("applied");
        let before = state.freeze_between_entries().await.expect("nothing is being applied");
        assert_eq!(before.meta.last_log_id, Some(log_id(1, 1, 1)));
        // One poll applies for 500 us: a batch of 8 that are busy for 200 us each takes several.
        let mut applying = Box::pin(place.apply(2, batch_of(2_000, &[2, 3, 4, 5, 6, 7, 8, 9], 200)));
        assert!(futures::poll!(&mut applying).is_pending(), "it stops between two commands of the batch");
        assert!((2..9).contains(&state.read(|counter| counter.keys.len())), "and has applied some of them");
        let mut waiting = state.freeze_between_entries();
        assert!(waiting.try_recv().is_err(), "half a batch is nothing to copy");
        applying.await.expect("applied");
        let frozen = waiting.await.expect("the entry is finished");
        assert_eq!(frozen.meta.last_log_id, Some(log_id(1, 1, 2)));
        assert_eq!((frozen.machine.keys.len(), frozen.time_us), (9, 2_007));
    });
}

#[test]
fn the_history_is_packed_once_every_node_understands_that() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = crate::history::Options::new([7; 16]);
    let history = History::start(dir.path().join("history"), options, Arc::new(Stages::default())).expect("a thread");
    let history = Arc::new(history);
    let Place { state, applier } = place();
    let mut place = Place { state, applier: applier.with_history(Some(history.clone()), Arc::new(|| 0), 1) };
    run(async {
        place.apply(1, batch(1_000, &[1])).await.expect("applied");
        let rise = Batch { carries: Carries::Version(1), ..batch(2_000, &[]) };
        place.apply(2, rise).await.expect("applied");
        place.apply(3, batch(3_000, &[3])).await.expect("applied");
    });
    assert_eq!(history.chunk_versions(), [3, 4]);
    assert!(history.entry(1).is_ok() && history.entry(3).is_ok());
    history.close();
}
