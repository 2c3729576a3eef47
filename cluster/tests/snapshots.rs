//! A snapshot that is installed on a lagging follower, which then goes on from it, also after a crash, and after one
//! between any two steps of the install.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use counter::Counter;
use nodes::{Nodes, wait_until};
use work::{add, add_all, all_equal, snapshot};

/// The changing calls of a start and an install are fewer.
const STEPS_MAX: u64 = 120;
/// So many clusters share the steps out among them, to be done in time.
const SHARES: u64 = 4;

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

/// Lets a follower that is down fall behind what the others keep: ten commands, under keys of this round.
fn fall_behind(nodes: &Nodes<Counter>, round: u64) {
    let leader = nodes.leader();
    let gone = nodes.nodes[&leader].progress().last_log_index;
    for half in 0..2 {
        let first = round * 10 + half * 5;
        add_all(nodes, first..first + 5);
        let sum = first + 5;
        wait_until("all to have it", || nodes.nodes.values().all(|node| node.read(|counter| counter.sum) == sum));
        for &id in nodes.nodes.keys() {
            snapshot(nodes, id);
        }
    }
    for &id in nodes.nodes.keys() {
        wait_until("the logs to be purged", || nodes.nodes[&id].progress().purged_index > gone);
    }
}

/// Cuts the power of a lagging follower that is started after every `SHARES`th step, from this one on; it must come
/// back with the cluster's state each time. Returns after how many steps it had installed its snapshot whole.
fn kill_after_each_step_from(first: u64) -> u64 {
    let mut nodes = Nodes::<Counter>::start(3);
    let away = nodes.follower();
    add(&nodes, away, 0);
    add_all(&nodes, 1..10);
    for (round, step) in (1..).zip((first..STEPS_MAX).step_by(SHARES as usize)) {
        nodes.crash(away, step);
        fall_behind(&nodes, round);
        let sum = (round + 1) * 10;
        nodes.places[&away].files.power_off_after(step);
        let files = nodes.places[&away].files.clone();
        let has_it = |nodes: &Nodes<Counter>| nodes.nodes[&away].read(|counter| counter.sum) == sum;
        // A start that the cut interrupts fails; one that it does not may still be cut while it installs.
        if nodes.restart(away).is_ok() {
            wait_until("the cut, or the end of the install", || files.power_is_off() || has_it(&nodes));
        }
        let done = !files.power_is_off();
        nodes.crash(away, step);
        nodes.restart(away).expect("after the cut");
        all_equal(&nodes, sum);
        if done {
            return step;
        }
    }
    panic!("an install is never through with {STEPS_MAX} steps");
}

#[test]
fn a_kill_between_any_two_steps_of_an_install_is_harmless() {
    let shares: Vec<_> =
        (0..SHARES).map(|first| std::thread::spawn(move || kill_after_each_step_from(first))).collect();
    for share in shares {
        let steps = share.join().expect("a share of the steps");
        assert!((10..STEPS_MAX).contains(&steps), "start, snapshot and log: {steps} steps");
    }
}
