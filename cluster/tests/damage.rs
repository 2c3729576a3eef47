//! Snapshots that rot or are lost: what a node starts from then. And a follower that is lost: nobody hands over to it.
//!
//! The disks are simulated, so that damage lies exactly where the test wants it.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use cluster::Timing;
use cluster::store::files::Files;
use counter::Counter;
use nodes::{Nodes, PATIENCE, wait_until};
use std::path::{Path, PathBuf};
use std::time::Instant;
use work::{add_all, all_equal, snapshot};

/// The snapshots of a node, oldest first.
fn shelf(nodes: &Nodes<Counter>, at: u64) -> Vec<PathBuf> {
    let dir = Path::new("/node/data/snapshots");
    let names = nodes.places[&at].files.list(dir).expect("a directory");
    names.iter().map(|name| dir.join(name)).collect()
}

fn rot(nodes: &Nodes<Counter>, at: u64, path: &Path) {
    let files = &nodes.places[&at].files;
    let bytes = files.content(path).expect("a file").len() as u64;
    assert!(files.corrupt(path, bytes / 2, |byte| byte ^ 0x10));
}

/// What the newest snapshot covers that a node has started from.
fn started_from(nodes: &Nodes<Counter>, at: u64) -> u64 {
    let index = || nodes.nodes[&at].progress().snapshot_index;
    wait_until("the core to tell its snapshot", || index() > 0);
    index()
}

/// Two snapshots on a follower, some commands after each, and the log purged below the older.
fn with_two_snapshots() -> (Nodes<Counter>, u64) {
    let nodes = Nodes::<Counter>::start(3);
    let at = nodes.follower();
    for round in 0..2 {
        add_all(&nodes, round * 10..round * 10 + 10);
        wait_until("the node to have it", || nodes.nodes[&at].read(|counter| counter.sum) == round * 10 + 10);
        snapshot(&nodes, at);
    }
    add_all(&nodes, 20..25);
    wait_until("the purge", || nodes.nodes[&at].progress().purged_index > 0);
    (nodes, at)
}

#[test]
fn a_damaged_newest_snapshot_costs_a_longer_replay_and_nothing_else() {
    let (mut nodes, at) = with_two_snapshots();
    let before = nodes.nodes[&at].progress();
    nodes.crash(at, 1);
    let files = shelf(&nodes, at);
    assert_eq!(files.len(), 2);
    rot(&nodes, at, &files[1]);
    nodes.restart(at).expect("from the older one");
    let from = started_from(&nodes, at);
    assert_eq!(from, before.purged_index, "the log begins at the older");
    assert!(from < before.snapshot_index);
    all_equal(&nodes, 25);
}

#[test]
fn without_any_good_snapshot_one_is_fetched_and_a_peer_that_has_none_takes_one() {
    let (mut nodes, at) = with_two_snapshots();
    let purged = nodes.nodes[&at].progress().purged_index;
    nodes.crash(at, 2);
    let files = shelf(&nodes, at);
    rot(&nodes, at, &files[0]);
    assert!(nodes.places[&at].files.lose(&files[1]));
    for id in nodes.nodes.keys() {
        assert!(shelf(&nodes, *id).is_empty(), "nobody has one");
    }
    nodes.restart(at).expect("with a snapshot of a peer");
    assert!(started_from(&nodes, at) >= purged);
    all_equal(&nodes, 25);
    // Fetched for good: the next start is from its own disk.
    nodes.crash(at, 3);
    nodes.restart(at).expect("from its own disk");
    add_all(&nodes, 25..30);
    all_equal(&nodes, 30);
}

#[test]
fn a_snapshot_of_a_peer_that_ends_too_early_is_not_taken_for_enough() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..5);
    for id in 1..=2 {
        wait_until("the node to have it", || nodes.nodes[&id].read(|counter| counter.sum) == 5);
        snapshot(&nodes, id);
    }
    for round in 1..3 {
        add_all(&nodes, round * 10..round * 10 + 10);
        let sum = round * 10 + 5;
        wait_until("the node to have it", || nodes.nodes[&3].read(|counter| counter.sum) == sum);
        snapshot(&nodes, 3);
    }
    let early = nodes.nodes[&1].progress().snapshot_index;
    wait_until("the purge", || nodes.nodes[&3].progress().purged_index > early);
    nodes.crash(3, 4);
    for path in shelf(&nodes, 3) {
        assert!(nodes.places[&3].files.lose(&path));
    }
    nodes.restart(3).expect("with a newer snapshot of a peer");
    assert!(started_from(&nodes, 3) > early);
    all_equal(&nodes, 25);
}

#[test]
fn all_snapshots_of_all_nodes_lost_at_once_cost_a_full_replay() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..20);
    for id in 1..=3 {
        wait_until("the node to have it", || nodes.nodes[&id].read(|counter| counter.sum) == 20);
        snapshot(&nodes, id);
    }
    add_all(&nodes, 20..30);
    for id in 1..=3 {
        assert_eq!(nodes.nodes[&id].progress().purged_index, 0, "one snapshot purges nothing");
    }
    for id in 1..=3 {
        nodes.crash(id, id);
        for path in shelf(&nodes, id) {
            assert!(nodes.places[&id].files.lose(&path));
        }
    }
    for id in 1..=3 {
        nodes.restart(id).expect("from the log alone");
    }
    add_all(&nodes, 30..31);
    all_equal(&nodes, 31);
}

#[test]
fn leadership_is_not_handed_to_a_follower_that_is_gone() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..5);
    all_equal(&nodes, 5);
    for lost in 1..=3 {
        let leader = nodes.leader();
        if lost == leader {
            continue;
        }
        let left = 6 - leader - lost;
        nodes.crash(lost, 1);
        // It has all of the log and would do; but it has been silent for longer than a lease.
        let since = Instant::now();
        wait_until("a lease to pass", || since.elapsed() > 2 * Timing::default().election_max);
        let leader = nodes.leader();
        let handed = nodes.nodes[&leader].hand_over(None, Instant::now() + PATIENCE);
        assert_eq!(nodes.on(leader, handed), Ok(left));
        nodes.restart(lost).expect("restart");
        add_all(&nodes, lost * 10..lost * 10 + 1);
    }
}
