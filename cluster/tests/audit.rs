//! A member whose books differ is found, stops, and does not come back; the others go on.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;

use counter::{Add, Counter, SKEWED};
use nodes::{Nodes, PATIENCE};
use std::time::Instant;

fn add(nodes: &Nodes<Counter>, at: u64, key: u64) {
    let command = Add { key, amount: 1, busy_us: 0 };
    nodes.on(at, nodes.nodes[&at].propose(&command, Instant::now() + PATIENCE)).expect("applied");
}

fn audit(nodes: &Nodes<Counter>, at: u64) -> cluster::Audited {
    nodes.on(at, nodes.nodes[&at].audit(Instant::now() + PATIENCE)).expect("audited")
}

#[test]
fn equal_books_are_agreed_on_and_who_is_away_is_said() {
    let mut nodes = Nodes::<Counter>::start(3);
    let leader = nodes.leader();
    add(&nodes, leader, 1);
    let audited = audit(&nodes, leader);
    assert_eq!((audited.agreed, audited.differ, audited.unreached), (vec![1, 2, 3], vec![], vec![]));
    let away = nodes.follower();
    nodes.crash(away, 1);
    let audited = audit(&nodes, nodes.leader());
    assert_eq!((audited.agreed.len(), audited.differ.len(), audited.unreached[0].0), (2, 0, away));
}

/// Whether it leads or follows.
#[test]
fn a_member_that_differs_stops_for_good() {
    for leads in [true, false] {
        let mut nodes = Nodes::<Counter>::start(3);
        let to = if leads { 2 } else { 1 };
        let at = nodes.leader();
        if at != to {
            nodes.on(at, nodes.nodes[&at].hand_over(Some(to), Instant::now() + PATIENCE)).expect("handed over");
        }
        add(&nodes, to, 1);
        add(&nodes, to, SKEWED);
        let audited = audit(&nodes, to);
        assert_eq!((audited.agreed, audited.differ), (vec![1, 3], vec![2]));
        nodes.crash(2, 1);
        let refused = nodes.restart(2).expect_err("a node that differed does not start").to_string();
        assert!(refused.contains("differed from those of the majority"), "{refused}");
        let left = nodes.leader();
        add(&nodes, left, 3);
        assert_eq!(audit(&nodes, left).agreed, [1, 3]);
    }
}
