//! The cluster's version: it rises when all members understand it, it gates what is proposed, and a program that does
//! not understand it takes no part.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use cluster::{MemberOrder, ProposeError, SnapshotRule, StartError};
use counter::{Add, Counter, NEWER, Sum};
use nodes::{Nodes, PATIENCE, Place, wait_until};
use std::time::Instant;
use work::{add_all, all_equal, snapshot};

/// A key that a node understands from this version of the cluster on.
fn needs(version: u64) -> Add {
    Add { key: NEWER + version, amount: 1, busy_us: 0 }
}

fn propose(nodes: &Nodes<Counter>, at: u64, command: &Add) -> Result<Sum, ProposeError> {
    nodes.on(at, nodes.nodes[&at].propose(command, Instant::now() + PATIENCE))
}

fn down(versions: [u32; 3]) -> Nodes<Counter> {
    let mut nodes = Nodes::down(3, SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() });
    nodes.versions = (1..).zip(versions).collect();
    nodes
}

fn start(versions: [u32; 3]) -> Nodes<Counter> {
    let mut nodes = down(versions);
    (1..=3).for_each(|id| nodes.restart(id).expect("started"));
    nodes
}

fn upgrade(nodes: &mut Nodes<Counter>, id: u64, version: u32) -> Result<(), StartError> {
    nodes.crash(id, id);
    nodes.versions.insert(id, version);
    nodes.restart(id)
}

fn wait_version(nodes: &Nodes<Counter>, version: u32) {
    wait_until("the version on every node", || nodes.nodes.values().all(|node| node.version() == version));
}

fn refused(started: Result<(), StartError>) -> String {
    match started {
        Err(StartError::Version(why)) => why,
        other => panic!("{:?}", other.map_err(|error| error.to_string())),
    }
}

#[test]
fn it_rises_when_the_last_member_understands_it_and_what_is_new_waits_for_that() {
    let mut nodes = start([1, 1, 1]);
    wait_version(&nodes, 1);
    assert!(!propose(&nodes, 1, &needs(1)).expect("understood by all").replayed);
    for id in [1, 2] {
        upgrade(&mut nodes, id, 2).expect("back, of the next program");
        let (leader, seen) = (nodes.leader(), nodes.nodes.keys().copied().collect::<Vec<_>>());
        assert_eq!(seen, [1, 2, 3], "both programs, side by side");
        let refused = propose(&nodes, id, &needs(2));
        assert_eq!(refused, Err(ProposeError::TooNew { needed: 2, version: 1 }), "led by {leader}");
        add_all(&nodes, id * 100..id * 100 + 10);
    }
    let status = nodes.on(1, nodes.nodes[&1].status());
    assert_eq!(status.version, 1);
    assert_eq!(status.members.iter().map(|member| member.version_max).collect::<Vec<_>>(), [2, 2, 1]);
    upgrade(&mut nodes, 3, 2).expect("back, of the next program");
    wait_version(&nodes, 2);
    assert!(!propose(&nodes, 3, &needs(2)).expect("understood by all").replayed);
    all_equal(&nodes, 22);
}

#[test]
fn a_member_that_is_away_holds_it_and_one_that_is_taken_out_does_not() {
    let mut nodes = down([1, 1, 1]);
    nodes.restart(1).expect("started");
    nodes.restart(2).expect("started");
    add_all(&nodes, 0..10);
    // Two looks of a leader have passed: the next one comes with the answer of both, and with node 3's missing.
    let leader = nodes.leader();
    let looks = nodes.on(leader, nodes.nodes[&leader].status());
    assert_eq!((looks.version, looks.members[2].version_max), (0, 0));
    let order = MemberOrder::Remove(3);
    wait_until("node 3 to be taken out", || {
        let leader = nodes.leader();
        let order = nodes.nodes[&leader].change_members(order.clone(), Instant::now() + PATIENCE);
        nodes.on(leader, order).is_ok()
    });
    wait_version(&nodes, 1);
}

#[test]
fn an_older_program_does_not_start_again_by_its_log_or_by_its_snapshot() {
    let mut nodes = start([2, 2, 2]);
    wait_version(&nodes, 2);
    add_all(&nodes, 0..20);
    all_equal(&nodes, 20);
    let why = refused(upgrade(&mut nodes, 3, 1));
    assert!(why.starts_with("the cluster has version 2, and this program understands up to 1"), "{why}");
    assert!(refused(upgrade(&mut nodes, 3, 0)).contains("knows of no versions"));
    // The newer program goes on where it was, and the version is in a snapshot then, and not in the log.
    upgrade(&mut nodes, 3, 2).expect("the books are as they were");
    all_equal(&nodes, 20);
    for round in 1..=2 {
        add_all(&nodes, round * 100..round * 100 + 20);
        all_equal(&nodes, 20 + round * 20);
        snapshot(&nodes, 3);
    }
    wait_until("the log to be purged", || nodes.nodes[&3].progress().purged_index > 10);
    assert!(refused(upgrade(&mut nodes, 3, 1)).contains("version 2"));
    upgrade(&mut nodes, 3, 2).expect("the books are as they were");
    assert_eq!(nodes.nodes[&3].version(), 2, "by its snapshot");
    all_equal(&nodes, 60);
}

#[test]
fn a_node_that_comes_later_gets_the_version_with_the_snapshot() {
    let mut nodes = start([1, 1, 1]);
    wait_version(&nodes, 1);
    let mut place = Place::new();
    place.joins = true;
    nodes.places.insert(4, place);
    nodes.versions.insert(4, 1);
    nodes.restart(4).expect("taken in");
    add_all(&nodes, 0..10);
    all_equal(&nodes, 10);
    wait_version(&nodes, 1);
    assert!(propose(&nodes, 4, &needs(1)).is_ok());
}
