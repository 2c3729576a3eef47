//! Log time: it never runs back, whoever leads and however wrong that node's clock is.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use counter::{Counter, Sum};
use nodes::{Nodes, PATIENCE, wait_until};
use std::sync::atomic::Ordering;
use std::time::Instant;
use work::{add, add_all, all_equal, snapshot};

const HOUR_US: i64 = 3_600_000_000;

fn lead(nodes: &Nodes<Counter>, to: u64) {
    let leader = nodes.leader();
    let handed = nodes.nodes[&leader].hand_over(Some(to), Instant::now() + PATIENCE);
    assert_eq!(nodes.on(leader, handed), Ok(to));
    wait_until("all to follow", || nodes.nodes.values().all(|node| node.leader() == Some(to)));
}

fn set_clocks(nodes: &Nodes<Counter>, hours: [i64; 3]) {
    for (place, hours) in nodes.places.values().zip(hours) {
        place.clock_ahead_us.store(hours * HOUR_US, Ordering::Relaxed);
    }
}

fn nobody_saw_time_run_back(nodes: &Nodes<Counter>) {
    for (id, node) in &nodes.nodes {
        assert!(!node.read(|counter| counter.ran_back), "node {id}");
    }
}

#[test]
fn a_leader_with_a_slow_clock_only_makes_log_time_stall() {
    let nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    set_clocks(&nodes, [2, 0, -5]);
    let mut said: Vec<Sum> = Vec::new();
    for (round, to) in [1, 3, 2, 3, 1].into_iter().enumerate() {
        lead(&nodes, to);
        for key in 0..5 {
            said.push(add(&nodes, 1 + key % 3, round as u64 * 10 + key));
        }
    }
    assert!(said.windows(2).all(|pair| pair[0].time_us < pair[1].time_us), "{said:?}");
    let stalled = said[5].time_us - said[4].time_us;
    assert!(stalled < HOUR_US as u64, "it stalls, and follows no clock back");
    nobody_saw_time_run_back(&nodes);
    all_equal(&nodes, 25);
}

#[test]
fn log_time_survives_restarts_and_a_snapshot_from_a_leader_with_a_slow_clock() {
    let mut nodes = Nodes::<Counter>::start(3);
    nodes.leader();
    set_clocks(&nodes, [3, -3, 0]);
    lead(&nodes, 1);
    add_all(&nodes, 0..5);
    let before = add(&nodes, 1, 5).time_us;
    lead(&nodes, 2);
    let away = nodes.follower();
    nodes.crash(away, 1);
    for round in 1..=3 {
        add_all(&nodes, round * 10..round * 10 + 10);
        for &id in nodes.nodes.keys() {
            snapshot(&nodes, id);
        }
    }
    wait_until("the leader's log to be purged", || {
        let leader = nodes.leader();
        nodes.nodes[&leader].progress().purged_index > 10
    });
    nodes.restart(away).expect("restart");
    all_equal(&nodes, 36);
    lead(&nodes, away);
    let after = add(&nodes, away, 99).time_us;
    assert!(after > before, "the snapshot carries log time");
    for id in 1..=3 {
        nodes.crash(id, id);
    }
    for id in 1..=3 {
        nodes.restart(id).expect("restart");
    }
    lead(&nodes, 2);
    assert!(add(&nodes, 2, 100).time_us > after);
    nobody_saw_time_run_back(&nodes);
    all_equal(&nodes, 38);
}
