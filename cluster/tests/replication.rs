//! Three nodes in this process: what is decided is decided on all of them, through any of them.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;

use cluster::{Node, ProposeError};
use counter::{Add, Counter, Sum};
use nodes::{Nodes, PATIENCE, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn add(key: u64, amount: u64) -> Add {
    Add { key, amount, busy_us: 0 }
}

fn propose(nodes: &Nodes<Counter>, at: u64, command: &Add) -> Result<Sum, ProposeError> {
    nodes.on(at, nodes.nodes[&at].propose(command, Instant::now() + PATIENCE))
}

#[test]
fn a_command_is_applied_once_through_any_node() {
    let nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    for (key, at) in [(1, 1), (2, 2), (3, 3)] {
        let sum = propose(&nodes, at, &add(key, 10)).expect("applied");
        assert_eq!((sum.sum, sum.replayed), (key * 10, false));
    }
    for at in 1..=3 {
        let again = propose(&nodes, at, &add(2, 10)).expect("applied");
        assert_eq!((again.sum, again.replayed), (20, true), "the same key says the same");
    }
    wait_until("all have applied all", || nodes.nodes.values().all(|node| node.read(|counter| counter.sum) == 30));
}

#[test]
fn without_a_quorum_a_proposal_ends_at_its_deadline_and_is_never_called_failed() {
    let mut nodes = Nodes::<Counter>::start(3);
    let leader = nodes.leader();
    propose(&nodes, leader, &add(1, 1)).expect("applied");
    let others: Vec<u64> = nodes.nodes.keys().copied().filter(|id| *id != leader).collect();
    for id in others {
        nodes.crash(id, id);
    }
    let started = Instant::now();
    let outcome = nodes.on(leader, nodes.nodes[&leader].propose(&add(2, 1), started + Duration::from_millis(400)));
    assert!(started.elapsed() < Duration::from_millis(900), "took {:?}", started.elapsed());
    assert!(matches!(outcome, Err(ProposeError::Unknown | ProposeError::NotProposed)));
    wait_until("the lease has run out", || !nodes.nodes[&leader].in_contact());
    let later = nodes.on(leader, nodes.nodes[&leader].propose(&add(3, 1), Instant::now() + Duration::from_millis(200)));
    assert_eq!(later, Err(ProposeError::NotProposed), "without a lease nothing is proposed at all");
}

#[test]
fn a_leader_that_dies_costs_latency_and_nothing_else() {
    let mut nodes = Nodes::<Counter>::start(3);
    for round in 0..3 {
        let leader = nodes.leader();
        let follower = nodes.follower();
        propose(&nodes, follower, &add(round * 2, 1)).expect("applied");
        nodes.crash(leader, round);
        let sum = propose(&nodes, follower, &add(round * 2 + 1, 1)).expect("applied by the next leader");
        assert_eq!(sum.sum, round * 2 + 2, "nothing acknowledged is lost, nothing is counted twice");
        nodes.restart(leader).expect("a node that was killed comes back");
    }
    wait_until("all have applied all", || nodes.nodes.values().all(|node| node.read(|counter| counter.sum) == 6));
}

#[test]
fn all_nodes_killed_at_once_come_back_with_every_acknowledged_command() {
    let mut nodes = Nodes::<Counter>::start(3);
    let mut expected = 0;
    for round in 0..3 {
        nodes.leader();
        for key in 0..20 {
            expected = propose(&nodes, 1 + key % 3, &add(round * 100 + key, 1)).expect("applied").sum;
        }
        for id in 1..=3 {
            nodes.crash(id, round * 10 + id);
        }
        for id in 1..=3 {
            nodes.restart(id).expect("restart");
        }
        let again = propose(&nodes, 2, &add(round * 100 + 19, 1)).expect("applied");
        assert_eq!((again.sum, again.replayed), (expected, true));
    }
}

#[test]
fn leadership_is_handed_over_on_order_through_any_node() {
    let nodes = Nodes::<Counter>::start(3);
    let leader = nodes.leader();
    let follower = nodes.follower();
    let now = nodes.on(follower, nodes.nodes[&follower].hand_over(Some(follower), Instant::now() + PATIENCE));
    assert_eq!(now, Ok(follower));
    let next = nodes.on(leader, nodes.nodes[&leader].hand_over(None, Instant::now() + PATIENCE)).expect("handed over");
    assert_ne!(next, follower);
    let sum = propose(&nodes, follower, &add(1, 5)).expect("applied");
    assert_eq!(sum.sum, 5);
}

/// A status borrowed the leader twice at a time; with a change of the leader in between, the whole node stood still.
#[test]
fn whoever_asks_for_the_status_while_the_leader_changes_stops_nobody() {
    let nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    let done = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = nodes.nodes.values().cloned().flat_map(|node| vec![node; 4]).collect();
    let asking = asking.into_iter().map(|node: Node<Counter>| {
        let done = done.clone();
        // A thread of its own: if it stands still, the test does not.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            while !done.load(Ordering::Relaxed) {
                runtime.block_on(node.status());
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    for round in 0..40 {
        let leader = nodes.leader();
        // It may fail when nodes are busy; then there is no change, and the next round makes one.
        let _ = nodes.on(leader, nodes.nodes[&leader].hand_over(None, Instant::now() + PATIENCE));
        propose(&nodes, leader, &add(round, 1)).expect("applied");
    }
    done.store(true, Ordering::Relaxed);
    wait_until("all who asked have their answer", || asking.iter().all(std::thread::JoinHandle::is_finished));
}

#[test]
fn digests_of_all_members_are_compared_at_one_index() {
    let nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    for key in 0..50 {
        propose(&nodes, 1 + key % 3, &add(key, key)).expect("applied");
    }
    let (_, digests) = nodes.on(2, nodes.nodes[&2].verify(Instant::now() + PATIENCE)).expect("verified");
    assert_eq!(digests.len(), 3);
    let first = digests[0].result.clone().expect("a digest");
    for member in &digests {
        let (digest, violations) = member.result.clone().expect("a digest");
        assert_eq!(digest, first.0, "node {}", member.id);
        assert_eq!(violations, Vec::<String>::new());
    }
}

#[test]
fn a_busy_machine_does_not_cost_the_leader_its_office() {
    let nodes = Nodes::<Counter>::start(3);
    let leader = nodes.leader();
    let term = |nodes: &Nodes<Counter>| nodes.on(leader, nodes.nodes[&leader].status()).term;
    let before = term(&nodes);
    // 300 commands of 4 ms each, most of them in one batch: over a second on every node, four election timeouts.
    let node = nodes.nodes[&leader].clone();
    let outcomes = nodes.on(leader, async move {
        let work = (0..300).map(|key| {
            let node: Node<Counter> = node.clone();
            async move {
                let slow = Add { key, amount: 1, busy_us: 4_000 };
                node.propose(&slow, Instant::now() + Duration::from_secs(30)).await
            }
        });
        futures::future::join_all(work).await
    });
    assert!(outcomes.iter().all(Result::is_ok), "all applied");
    assert_eq!(term(&nodes), before, "no election");
}

#[test]
fn a_node_that_was_away_longer_than_the_log_is_kept_comes_back_by_snapshot() {
    let mut nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    let away = nodes.follower();
    propose(&nodes, away, &add(0, 1)).expect("applied");
    nodes.crash(away, 1);
    let leader = nodes.leader();
    for round in 1..=3u64 {
        for key in 0..30 {
            propose(&nodes, leader, &add(round * 100 + key, 1)).expect("applied");
        }
        for id in nodes.nodes.keys().copied().collect::<Vec<_>>() {
            nodes.on(id, nodes.nodes[&id].snapshot(Instant::now() + PATIENCE)).expect("a snapshot");
        }
    }
    wait_until("the leader's log to be purged beyond what the other has", || {
        nodes.on(leader, nodes.nodes[&leader].status()).purged_index > 30
    });
    nodes.restart(away).expect("restart");
    wait_until("the node that was away to have it all", || nodes.nodes[&away].read(|counter| counter.sum) == 91);
    let (_, digests) = nodes.on(away, nodes.nodes[&away].verify(Instant::now() + PATIENCE)).expect("verified");
    let all: Vec<_> = digests.iter().map(|member| member.result.clone().map(|(digest, _)| digest)).collect();
    assert!(all.iter().all(|digest| digest.is_ok() && *digest == all[0]), "{all:?}");
}

#[test]
fn a_follower_that_takes_no_connection_does_not_keep_its_leader_busy() {
    let mut nodes = Nodes::<Counter>::start(3);
    let away = nodes.follower();
    let address = nodes.places[&away].address;
    nodes.crash(away, 1);
    // In its place somebody who hangs up, and counts.
    let door = std::net::TcpListener::bind(address).expect("the port is free");
    door.set_nonblocking(true).expect("a socket");
    let leader = nodes.leader();
    let command = Add { key: 1, amount: 1, busy_us: 0 };
    let added = nodes.nodes[&leader].propose(&command, Instant::now() + PATIENCE);
    nodes.on(leader, added).expect("two of three are enough");
    let (since, mut calls) = (Instant::now(), 0);
    wait_until("two seconds of calls", || {
        calls += std::iter::from_fn(|| door.accept().ok()).count();
        since.elapsed() > Duration::from_secs(2)
    });
    // Heartbeats, 20 a second; a few connections more by whoever else calls.
    assert!((1..150).contains(&calls), "{calls} calls in two seconds");
}
