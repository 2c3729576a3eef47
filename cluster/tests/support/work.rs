//! Work for three counters, and the question whether they all did the same.

use crate::counter::{Add, Counter, Sum};
use crate::nodes::{Nodes, PATIENCE, wait_until};
use std::time::Instant;

/// Adds one under a key, through a node.
pub fn add(nodes: &Nodes<Counter>, at: u64, key: u64) -> Sum {
    let command = Add { key, amount: 1, busy_us: 0 };
    let proposed = nodes.nodes[&at].propose(&command, Instant::now() + PATIENCE);
    nodes.on(at, proposed).expect("applied")
}

/// Adds one under each key, through the leader.
pub fn add_all(nodes: &Nodes<Counter>, keys: std::ops::Range<u64>) {
    let leader = nodes.leader();
    for key in keys {
        add(nodes, leader, key);
    }
}

/// Takes a snapshot on a node.
pub fn snapshot(nodes: &Nodes<Counter>, at: u64) {
    let taken = nodes.nodes[&at].snapshot(Instant::now() + PATIENCE);
    nodes.on(at, taken).expect("a snapshot");
}

/// Waits until all running nodes have this sum, and compares the digests of all at one index.
pub fn all_equal(nodes: &Nodes<Counter>, sum: u64) {
    wait_until("all to have applied all", || nodes.nodes.values().all(|node| node.read(|counter| counter.sum) == sum));
    let leader = nodes.leader();
    let verified = nodes.nodes[&leader].verify(Instant::now() + PATIENCE);
    let (_, members) = nodes.on(leader, verified).expect("verified");
    let first = members[0].result.clone().expect("a digest");
    assert_eq!(first.1, Vec::<String>::new(), "no broken invariant");
    for member in members.iter().filter(|member| nodes.nodes.contains_key(&member.id)) {
        assert_eq!(member.result, Ok(first.clone()), "node {}", member.id);
    }
}
