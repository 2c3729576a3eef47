//! Nodes that prove who they are, and one that cannot.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use cluster::SnapshotRule;
use counter::Counter;
use nodes::{Nodes, wait_until};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tls::make::{Authority, Subject};
use tls::{Ask, Files, Identity, NodeName, Peers, Protocol};
use work::{add, add_all, all_equal, snapshot};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority, and a directory for what it signs. The nodes have read their files before it goes.
struct Office(Authority);

impl Office {
    fn peers(&self, cluster: &str, node: u64) -> Peers {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Path::join(dir.path(), name);
        let own = NodeName { cluster: cluster.to_owned(), node: node.to_string() };
        let subject = Subject { name: own.to_string(), node: Some(own.clone()), ..Subject::default() };
        let made = self.0.sign(&subject, DAY).unwrap();
        made.write(dir.path(), "node").unwrap();
        std::fs::write(path("ca.crt"), self.0.certificate()).unwrap();
        let files = Files { certificate: path("node.crt"), key: path("node.key"), ca: Some(path("ca.crt")) };
        let identity = Identity::open("peer", files, Ask::Everybody, Protocol::Http2).unwrap();
        Peers::new(Arc::new(identity), cluster, &[own.node]).unwrap()
    }

    fn nodes(&self, third: Option<Peers>) -> Nodes<Counter> {
        let mut all: BTreeMap<u64, Peers> = [1, 2].into_iter().map(|node| (node, self.peers("c", node))).collect();
        all.extend(third.map(|peers| (3, peers)));
        let mut nodes = Nodes::down(3, SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() });
        nodes.secure = all;
        for id in 1..=3 {
            nodes.restart(id).unwrap();
        }
        nodes
    }
}

fn office() -> Office {
    Office(Authority::new("test", DAY).unwrap())
}

#[test]
fn nodes_that_prove_who_they_are_work_together() {
    let office = office();
    let mut nodes = office.nodes(Some(office.peers("c", 3)));
    nodes.leader();
    for at in 1..=3 {
        add(&nodes, at, at);
    }
    all_equal(&nodes, 3);
    // A node that is far behind is sent a snapshot over a connection of its own.
    let behind = nodes.follower();
    nodes.crash(behind, 1);
    add_all(&nodes, 10..30);
    let leader = nodes.leader();
    snapshot(&nodes, leader);
    nodes.restart(behind).unwrap();
    nodes.leader();
    all_equal(&nodes, 23);
}

/// Two nodes of the cluster work together; the third can neither reach nor hear them until it proves to be itself.
fn kept_out(wrong: Option<Peers>, office: &Office) {
    let mut nodes = office.nodes(wrong);
    for key in 1..=5 {
        add(&nodes, 1 + key % 2, key);
    }
    wait_until("both have all", || [1, 2].iter().all(|id| nodes.nodes[id].read(|counter| counter.sum) == 5));
    let third = &nodes.nodes[&3];
    assert_eq!((third.read(|counter| counter.sum), third.leader()), (0, None));
    nodes.crash(3, 1);
    nodes.secure.insert(3, office.peers("c", 3));
    nodes.restart(3).unwrap();
    all_equal(&nodes, 5);
}

#[test]
fn a_node_with_the_certificate_of_another_node_is_kept_out() {
    let office = office();
    kept_out(Some(office.peers("c", 2)), &office);
}

#[test]
fn a_node_of_another_cluster_under_the_same_authority_is_kept_out() {
    let office = office();
    kept_out(Some(office.peers("d", 3)), &office);
}

#[test]
fn a_node_of_another_authority_is_kept_out() {
    let office = office();
    kept_out(Some(self::office().peers("c", 3)), &office);
}

#[test]
fn a_node_that_speaks_plain_text_is_kept_out() {
    let office = office();
    kept_out(None, &office);
}
