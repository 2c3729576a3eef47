//! A node whose clock is wrong does not lead while another can, and the cluster is never without a leader because of
//! it.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod work;

use counter::Counter;
use nodes::{Nodes, PATIENCE, wait_until};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use work::{add, add_all, all_equal};

/// Wider than what a busy machine leaves open, and narrower than what is set here.
const MOST: Duration = Duration::from_millis(500);

/// Three places; in these there are nodes.
fn nodes_in(places: &[u64]) -> Nodes<Counter> {
    let mut nodes = Nodes::down(3, cluster::SnapshotRule { bytes_per_second: 0, ..cluster::SnapshotRule::default() });
    nodes.clock_skew_max = Some(MOST);
    for id in places {
        nodes.restart(*id).expect("start a node");
    }
    nodes
}

fn set_clock(nodes: &Nodes<Counter>, id: u64, ahead: i64) {
    nodes.places[&id].clock_ahead_us.store(ahead * 1_000_000, Ordering::Relaxed);
}

fn is_unfit(nodes: &Nodes<Counter>, id: u64) -> bool {
    nodes.nodes[&id].clock_check().is_some_and(|check| check.unfit)
}

#[test]
fn a_leader_whose_clock_goes_wrong_hands_over_and_does_not_come_back_until_it_is_right() {
    let mut nodes = nodes_in(&[1, 2, 3]);
    let wrong = nodes.leader();
    add(&nodes, wrong, 1);
    set_clock(&nodes, wrong, -3);
    wait_until("another to lead", || nodes.nodes.values().all(|node| node.leader().is_some_and(|id| id != wrong)));
    assert!(is_unfit(&nodes, wrong));
    let next = nodes.leader();
    wait_until("the next leader to see it too", || {
        let seen = nodes.nodes[&next].neighbours();
        let said = seen.iter().find(|of| of.id == wrong).and_then(|of| of.said);
        said.and_then(|said| said.ahead_us).is_some_and(|ahead_us| ahead_us < -2_000_000)
    });
    let refused = nodes.nodes[&next].hand_over(Some(wrong), Instant::now() + PATIENCE);
    let refused = nodes.on(next, refused).expect_err("it would hand it back");
    assert!(refused.to_string().contains(&format!("the clock of node {wrong} is wrong")), "{refused}");
    // Its leader gone, the third leads, although two clocks alone do not say whose is wrong.
    nodes.crash(next, 7);
    let third = (1..=3).find(|id| *id != wrong && *id != next).expect("three");
    wait_until("the third to lead", || nodes.nodes.values().all(|node| node.leader() == Some(third)));
    assert!(add(&nodes, wrong, 2).sum == 2, "it takes requests and votes like every other");
    nodes.restart(next).expect("restart");
    set_clock(&nodes, wrong, 0);
    wait_until("its clock to be right again", || !is_unfit(&nodes, wrong));
    wait_until("it to be handed leadership", || {
        let leader = nodes.leader();
        let handed = nodes.nodes[&leader].hand_over(Some(wrong), Instant::now() + PATIENCE);
        nodes.on(leader, handed) == Ok(wrong)
    });
    all_equal(&nodes, 2);
}

#[test]
fn where_nobody_else_can_lead_a_node_with_a_wrong_clock_does_until_another_can() {
    let mut nodes = nodes_in(&[1, 2, 3]);
    let leader = nodes.leader();
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let (wrong, behind) = (others[0], others[1]);
    set_clock(&nodes, wrong, 3);
    wait_until("the clock to be seen", || is_unfit(&nodes, wrong));
    // What is decided now only the leader has, and the node with the wrong clock.
    nodes.crash(behind, 1);
    add_all(&nodes, 0..20);
    wait_until("it to have them", || nodes.nodes[&wrong].read(|counter| counter.sum) == 20);
    nodes.crash(leader, 2);
    nodes.restart(behind).expect("restart");
    assert_eq!(add(&nodes, behind, 100).sum, 21, "nothing acknowledged is lost, and the cluster goes on");
    wait_until("leadership to go to the one whose clock is right", || {
        nodes.nodes.values().all(|node| node.leader() == Some(behind))
    });
    nodes.restart(leader).expect("restart");
    all_equal(&nodes, 21);
}

#[test]
fn of_two_clocks_nobody_is_called_wrong_and_both_nodes_say_so() {
    let nodes = nodes_in(&[1, 2]);
    let leader = nodes.leader();
    let other = nodes.follower();
    set_clock(&nodes, other, 3);
    let apart = |id: u64| nodes.nodes[&id].clock_check().is_some_and(|check| check.apart_us > 2_000_000);
    wait_until("both to see it", || apart(leader) && apart(other));
    assert!(!is_unfit(&nodes, leader) && !is_unfit(&nodes, other));
    let seen = nodes.nodes[&leader].neighbours();
    let said = |id: u64| seen.iter().find(|of| of.id == id).expect("a member").said;
    assert!(said(other).is_some_and(|said| said.in_contact && said.ahead_us == Some(0)), "{seen:?}");
    assert_eq!(said(3), None, "nobody has heard of it");
    assert_eq!(nodes.leader(), leader);
}
