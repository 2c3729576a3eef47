//! Snapshot and log brought together at a start: what is cut, what must stay, and a kill between any two steps.

use crate::StartError;
use crate::applier::{Applier, State};
use crate::counter::Counter;
use crate::disk::Opened;
use crate::fetch::{Patience, Sources, settle};
use crate::log::RaftLog;
use crate::log_test::{append, blank, config, open, run};
use crate::metrics::Stages;
use crate::peers::Ids;
use crate::store::files::sim::SimFiles;
use crate::types::{LogId, log_id};
use crate::versions::Limit;
use openraft::storage::{RaftLogStorage, RaftSnapshotBuilder, RaftStateMachine};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const DIR: &str = "/node";
/// The changing calls of one start and one settling are fewer.
const STEPS_MAX: u64 = 200;

/// A disk with a log of these entries, and a snapshot that ends where it is said.
struct Scene {
    disk: SimFiles,
}

fn ids(term: u64, indexes: std::ops::RangeInclusive<u64>) -> Vec<LogId> {
    indexes.map(|index| log_id(term, 2, index)).collect()
}

impl Scene {
    fn new(log: &[LogId], committed: LogId, snapshot: LogId) -> Scene {
        let disk = SimFiles::new();
        let opened = open(disk.process(), Path::new(DIR));
        run(async {
            opened.log.clone().save_committed(Some(committed)).await.expect("save");
            append(&opened.log, log).await;
            build(&opened, snapshot).await;
        });
        Scene { disk }
    }

    /// What a start finds and makes of it.
    fn start(&self) -> (Opened, Result<(), StartError>) {
        let opened = open(self.disk.process(), Path::new(DIR));
        let settled = settled(&opened, Patience::default());
        (opened, settled)
    }
}

async fn build(opened: &Opened, last: LogId) {
    let limit = Limit { max: 1, on_fatal: Arc::new(|_| ()) };
    let stages = Arc::new(Stages::default());
    let mut applier = Applier::<Counter>::new(State::empty(), opened.snapshots.clone(), stages, limit);
    let entries = futures::stream::iter([Ok((blank(last), None))]);
    applier.apply(entries).await.expect("applied");
    let mut builder = applier.get_snapshot_builder().await;
    builder.build_snapshot().await.expect("a snapshot");
}

fn settled(opened: &Opened, patience: Patience) -> Result<(), StartError> {
    let config = config(Path::new(DIR));
    let ids = Ids::of(&opened.identity, opened.disk);
    let sources = Sources { ids: &ids, members: &config.members };
    run(settle(sources, &opened.log, &opened.snapshots, patience))
}

/// Purge point and end of the log.
fn ends(log: &RaftLog) -> (Option<LogId>, Option<LogId>) {
    let state = run(log.clone().get_log_state()).expect("a state");
    (state.last_purged_log_id, state.last_log_id)
}

#[test]
fn what_stands_above_the_snapshots_own_entry_stays() {
    let log = ids(2, 0..=9);
    let (opened, settled) = Scene::new(&log, log[3], log[5]).start();
    settled.expect("settled");
    assert_eq!(ends(&opened.log), (None, Some(log[9])), "it may have been acknowledged");
}

#[test]
fn another_leaders_entries_at_the_snapshot_go_and_every_kill_on_the_way_is_harmless() {
    let log = ids(2, 0..=9);
    let snapshot = log_id(3, 3, 6);
    let scene = Scene::new(&log, log[3], snapshot);
    let mut steps = 0;
    for step in 0..STEPS_MAX {
        let killed = Scene { disk: scene.disk.fork() };
        let opened = open(killed.disk.process(), Path::new(DIR));
        let before = killed.disk.changes();
        killed.disk.power_off_after(step);
        let done = settled(&opened, Patience::default()).is_ok();
        steps = killed.disk.changes() - before;
        killed.disk.crash(step);
        drop(opened);
        let (opened, settled) = killed.start();
        settled.expect("settled by the next start");
        assert_eq!(ends(&opened.log), (Some(snapshot), Some(snapshot)), "killed after {step}");
        let vote = opened.log.vote().expect("a vote");
        assert!(vote.leader_id >= snapshot.leader_id, "never behind the log's term");
        if done {
            break;
        }
    }
    assert!((6..STEPS_MAX).contains(&steps), "vote, truncation and purge: {steps} steps");
}

#[test]
fn a_log_that_ends_below_with_a_later_term_goes_as_well() {
    // An entry of a later leader that was never committed: ordered above the snapshot though it stands below.
    let log = [ids(2, 0..=4), ids(5, 5..=6)].concat();
    let snapshot = log_id(4, 3, 8);
    let (opened, settled) = Scene::new(&log, log[2], snapshot).start();
    settled.expect("settled");
    assert_eq!(ends(&opened.log), (Some(snapshot), Some(snapshot)));
}

#[test]
fn a_snapshot_that_contradicts_a_committed_entry_stops_the_node() {
    let log = ids(2, 0..=9);
    let (opened, settled) = Scene::new(&log, log[8], log_id(3, 3, 6)).start();
    assert!(matches!(settled, Err(StartError::Damaged(why)) if why.contains("new id")));
    assert_eq!(ends(&opened.log), (None, Some(log[9])), "nothing was removed");
}

#[test]
fn an_entry_of_its_own_leadership_that_the_log_never_heard_of_stops_the_node() {
    let log = ids(2, 0..=4);
    let (_, settled) = Scene::new(&log, log[2], log_id(3, 1, 8)).start();
    assert!(matches!(settled, Err(StartError::Damaged(why)) if why.contains("rolled back")));
}

#[test]
fn without_a_snapshot_and_without_a_peer_the_start_ends_in_time_and_says_what_to_do() {
    let log = ids(2, 0..=9);
    let disk = SimFiles::new();
    let opened = open(disk.process(), Path::new(DIR));
    run(async {
        append(&opened.log, &log).await;
        opened.log.clone().purge(log[5]).await.expect("purge");
    });
    let patience =
        Patience { total: Duration::from_millis(300), pause: Duration::from_millis(20), ..Patience::default() };
    let started = Instant::now();
    let settled = settled(&opened, patience);
    assert!(started.elapsed() < Duration::from_secs(10), "bounded");
    let Err(StartError::Damaged(why)) = settled else {
        panic!("it started without a state");
    };
    for part in ["after index 5", "node 2", "Start the other nodes"] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(ends(&opened.log), (Some(log[5]), Some(log[9])), "nothing was removed");
}
