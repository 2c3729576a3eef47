//! Work for three counters, and the question whether they all did the same.

use crate::counter::{Add, Counter, Sum};
use crate::nodes::{Nodes, PATIENCE, wait_until};
use std::time::Instant;

/// Adds one under a key, through a node.
pub fn add(nodes: &Nodes<Counter>, at: u64, key: u64) -> Sum {
    let command = Add { key, amount: 1, busy_us: 0 };
    let proposed = nodes.nodes[&at].propose(&command, Instant::now() + PATIENCE);
    let applied = nodes.on(at, proposed);
    applied.unwrap_or_else(|error| {
        let seen = nodes.nodes.values().map(|node| (node.id(), node.leader(), node.contact_age(), node.progress()));
        panic!("{error:?} through node {at} of {:?}", seen.collect::<Vec<_>>())
    })
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

/// Waits until all running nodes have this sum, and compares the digests of all at one index. Leadership may change
/// and a connection may be lost meanwhile: then it is compared again.
pub fn all_equal(nodes: &Nodes<Counter>, sum: u64) {
    wait_until("all to have applied all", || nodes.nodes.values().all(|node| node.read(|counter| counter.sum) == sum));
    wait_until("all to tell their digests", || {
        let leader = nodes.leader();
        let verified = nodes.nodes[&leader].verify(Instant::now() + PATIENCE);
        let Ok((_, mut members)) = nodes.on(leader, verified) else { return false };
        members.retain(|member| nodes.nodes.contains_key(&member.id));
        let digests: Result<Vec<_>, _> = members.into_iter().map(|member| member.result).collect();
        let Ok(digests) = digests else { return false };
        assert_eq!(digests[0].1, Vec::<String>::new(), "no broken invariant");
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
        true
    });
}
