//! Clusters that are configured alike: each has an id of its own, and they do not mix.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod work;

use cluster::SnapshotRule;
use counter::Counter;
use nodes::{Nodes, wait_until};
use std::path::Path;
use work::{add, add_all, all_equal};

/// Places for nodes whose configuration gives no id.
fn down(count: u64) -> Nodes<Counter> {
    let mut nodes = Nodes::down(count, SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() });
    nodes.cluster_is_given = false;
    nodes
}

fn start(nodes: &mut Nodes<Counter>, ids: impl IntoIterator<Item = u64>) {
    ids.into_iter().for_each(|id| nodes.restart(id).expect("start a node"));
}

/// The id that all running nodes have.
fn id(nodes: &Nodes<Counter>) -> String {
    let mut ids: Vec<String> = nodes.nodes.values().map(cluster::Node::cluster_text).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids.remove(0)
}

#[test]
fn two_clusters_that_are_configured_alike_do_not_mix() {
    let (mut one, mut other) = (down(3), down(3));
    start(&mut one, 1..=3);
    start(&mut other, 1..=3);
    let (first, second) = (id(&one), id(&other));
    assert_ne!(first, second);
    assert!(![&first, &second].contains(&&"07".repeat(16)), "what both are configured with");
    add_all(&one, 0..20);
    add_all(&other, 0..30);
    all_equal(&one, 20);
    all_equal(&other, 30);
    // A disk of the other cluster in a machine of this one.
    one.crash(3, 1);
    other.crash(3, 1);
    let own = one.places[&3].files.clone();
    one.places.get_mut(&3).expect("a place").files = other.places[&3].files.clone();
    start(&mut one, [3]);
    assert_eq!(one.nodes[&3].cluster_text(), second);
    let stranger = one.nodes.remove(&3).expect("it runs");
    add_all(&one, 20..40);
    let ended = one.fatal(3).filter(|why| !why.contains("from before the crash"));
    assert_eq!(ended, None, "it belongs, though not here: its machine may be put right");
    drop(stranger);
    one.crash(3, 1);
    one.places.get_mut(&3).expect("a place").files = own;
    start(&mut one, [3]);
    assert_eq!(id(&one), first, "also after a restart");
    all_equal(&one, 40);
    start(&mut other, [3]);
    add(&other, 3, 30);
    all_equal(&other, 31);
}

#[test]
fn the_others_wait_for_the_node_that_makes_the_cluster() {
    let (mut early, mut late) = (down(3), down(3));
    for (number, place) in &mut late.places {
        place.address = early.places[number].address;
    }
    let disk = early.places[&2].files.process();
    std::thread::scope(|scope| {
        scope.spawn(|| start(&mut early, [2]));
        wait_until("it looks around", || disk.list(Path::new("/node/log")).is_ok());
        start(&mut late, [1]);
    });
    start(&mut late, [3]);
    wait_until("a leader that all know", || {
        let known = [&early.nodes[&2], &late.nodes[&1], &late.nodes[&3]].map(cluster::Node::leader);
        known[0].is_some() && known.iter().all(|leader| *leader == known[0])
    });
    assert_eq!(id(&late), id(&early));
}

#[test]
fn a_node_that_named_a_cluster_and_lost_its_disk_takes_the_name_back() {
    let mut nodes = down(5);
    start(&mut nodes, [1, 2]);
    let named = id(&nodes);
    nodes.wipe(1);
    start(&mut nodes, [1]);
    assert_eq!(id(&nodes), named);
    start(&mut nodes, 3..=5);
    add_all(&nodes, 0..10);
    all_equal(&nodes, 10);
    assert_eq!(id(&nodes), named);
}

#[test]
fn a_node_of_a_cluster_that_never_was_says_so_and_starts_anew_when_it_is_emptied() {
    let mut nodes = down(5);
    start(&mut nodes, [1, 2]);
    nodes.crash(2, 1);
    nodes.wipe(1);
    start(&mut nodes, [1, 3, 4, 5]);
    add_all(&nodes, 0..10);
    nodes.restart(2).expect("it knows no better");
    wait_until("it hears of the other", || nodes.fatal(2).is_some_and(|why| why.contains("which was never made")));
    nodes.wipe(2);
    start(&mut nodes, [2]);
    all_equal(&nodes, 10);
    assert_eq!(id(&nodes), nodes.nodes[&1].cluster_text());
}
