//! The history of a cluster: it is refilled from the log, and its loss costs nothing else.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;

use cluster::{HistoryGap, HistoryRecord, StateMachine};
use counter::{Add, Counter, Sum};
use nodes::{Nodes, PATIENCE};
use std::path::Path;
use std::time::Instant;

fn add(nodes: &Nodes<Counter>, at: u64, key: u64) -> Sum {
    let command = Add { key, amount: 1, busy_us: 0 };
    let proposed = nodes.nodes[&at].propose(&command, Instant::now() + PATIENCE);
    nodes.on(at, proposed).expect("applied")
}

fn look(nodes: &Nodes<Counter>, at: u64, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
    nodes.on(at, nodes.nodes[&at].history_at(time_us))
}

/// The command stands in the node's history with this outcome.
fn check(nodes: &Nodes<Counter>, at: u64, key: u64, sum: &Sum) {
    let (index, record) = look(nodes, at, sum.time_us).expect("in the history");
    assert_eq!(Counter::decode_command(&record.command).expect("a command").key, key);
    assert_eq!(&Counter::decode_output(&record.output).expect("an output"), sum);
    let entry = nodes.on(at, nodes.nodes[&at].history(index)).expect("the entry");
    assert!(entry.contains(&record));
}

fn start(count: u64, dir: &Path) -> Nodes<Counter> {
    let mut nodes = Nodes::start(count);
    nodes.leader();
    nodes.history = Some(dir.to_owned());
    for id in 1..=count {
        nodes.crash(id, id);
        nodes.restart(id).expect("starts");
    }
    nodes.leader();
    nodes
}

fn again(nodes: &mut Nodes<Counter>, id: u64) {
    nodes.crash(id, id);
    nodes.restart(id).expect("starts");
    nodes.leader();
}

#[test]
fn what_a_kill_took_comes_back_from_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut nodes = start(3, dir.path());
    let killed = nodes.follower();
    let sums: Vec<Sum> = (1..=200).map(|key| add(&nodes, killed, key)).collect();
    // The crash ends the writer where it is; the rest of what it had is gone.
    again(&mut nodes, killed);
    let later = add(&nodes, killed, 201);
    let caught_up = nodes.nodes[&killed].read_barrier(Instant::now() + PATIENCE);
    nodes.on(killed, caught_up).expect("read");
    for (key, sum) in (1..).zip(sums.iter().chain([&later])) {
        check(&nodes, killed, key, sum);
    }
}

#[test]
fn without_a_directory_there_is_no_history_and_nothing_else_is_missing() {
    let nodes = Nodes::<Counter>::start(1);
    nodes.leader();
    let sum = add(&nodes, 1, 1);
    assert_eq!(look(&nodes, 1, sum.time_us), Err(HistoryGap::Off));
}

#[test]
fn all_nodes_lose_their_history_and_the_cluster_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut nodes = start(3, dir.path());
    let first = add(&nodes, 1, 1);
    // From a snapshot on, the log does not bring it back.
    for id in 1..=3 {
        nodes.on(id, nodes.nodes[&id].read_barrier(Instant::now() + PATIENCE)).expect("read");
        nodes.on(id, nodes.nodes[&id].snapshot(Instant::now() + PATIENCE)).expect("snapshot");
        check(&nodes, id, 1, &first);
    }
    for id in 1..=3 {
        nodes.crash(id, id);
    }
    for id in 1..=3 {
        let history = dir.path().join(format!("node-{id}/history"));
        match id {
            1 => std::fs::remove_dir_all(history).expect("remove"),
            2 => std::fs::write(history.join("db"), vec![0xa5; 300_000]).expect("write"),
            _ => std::fs::write(history.join("db"), "").expect("write"),
        }
    }
    for id in 1..=3 {
        nodes.restart(id).expect("a damaged history never stops a node");
    }
    nodes.leader();
    let second = add(&nodes, nodes.follower(), 2);
    assert!(add(&nodes, 3, 1).replayed, "the books remember");
    for id in 1..=3 {
        nodes.on(id, nodes.nodes[&id].read_barrier(Instant::now() + PATIENCE)).expect("read");
        check(&nodes, id, 2, &second);
        let found = look(&nodes, id, first.time_us);
        assert!(matches!(found, Err(HistoryGap::Gap { first: 1, .. })), "node {id}: {found:?}");
    }
}

#[test]
fn the_catalogue_shows_the_snapshots_that_there_are_and_comes_back_from_their_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut nodes = start(3, dir.path());
    let at = nodes.follower();
    let listed = |nodes: &Nodes<Counter>| nodes.on(at, nodes.nodes[&at].snapshots()).expect("a catalogue");
    assert_eq!(listed(&nodes), []);
    let mut taken = Vec::new();
    for key in 1..=3 {
        let sum = add(&nodes, at, key);
        // The leader has applied it when it answers; this node may not have.
        nodes.on(at, nodes.nodes[&at].read_barrier(Instant::now() + PATIENCE)).expect("read");
        let (index, size) = nodes.on(at, nodes.nodes[&at].snapshot(Instant::now() + PATIENCE)).expect("a snapshot");
        taken.push((index, size, sum.time_us, nodes.nodes[&at].read(Counter::digest)));
    }
    let check = |nodes: &Nodes<Counter>| {
        let listed = listed(nodes);
        let shown = listed.iter().map(|record| (record.index, record.size_bytes, record.time_us, record.digest));
        assert_eq!(shown.collect::<Vec<_>>(), taken[1..], "the two that are kept");
        assert!(listed.iter().all(|record| record.members == [1, 2, 3].into()));
    };
    check(&nodes);
    again(&mut nodes, at);
    check(&nodes);
    // Lost: it is written again from the files.
    nodes.crash(at, 1);
    std::fs::remove_dir_all(dir.path().join(format!("node-{at}/history"))).expect("removed");
    nodes.restart(at).expect("starts");
    check(&nodes);
    // Without a database the files tell.
    nodes.crash(at, 2);
    nodes.history = None;
    nodes.restart(at).expect("starts");
    check(&nodes);
}
