//! A snapshot that is installed on a lagging follower, which then goes on from it, also after a crash.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/work.rs"]
mod work;

use counter::Counter;
use nodes::{Nodes, wait_until};
use work::{add, add_all, all_equal, snapshot};

/// The sum in the end.
const SUM: u64 = 31;

/// Three nodes, one of them down and behind what the others' logs still have.
fn with_a_lagging_follower() -> (Nodes<Counter>, u64) {
    let mut nodes = Nodes::<Counter>::start(3);
    let away = nodes.follower();
    add(&nodes, away, 0);
    nodes.crash(away, 1);
    for round in 1..=3 {
        add_all(&nodes, round * 10..round * 10 + 10);
        for &id in nodes.nodes.keys() {
            snapshot(&nodes, id);
        }
    }
    for &id in nodes.nodes.keys() {
        wait_until("the logs to be purged", || nodes.nodes[&id].progress().purged_index > 10);
    }
    (nodes, away)
}

#[test]
fn a_follower_goes_on_from_an_installed_snapshot() {
    let (mut nodes, away) = with_a_lagging_follower();
    nodes.restart(away).expect("restart");
    all_equal(&nodes, SUM);
    wait_until("the core to tell that it came by snapshot", || nodes.nodes[&away].progress().snapshot_index > 10);
    add_all(&nodes, 100..110);
    all_equal(&nodes, SUM + 10);
    nodes.crash(away, 7);
    nodes.restart(away).expect("from the installed snapshot");
    all_equal(&nodes, SUM + 10);
}
