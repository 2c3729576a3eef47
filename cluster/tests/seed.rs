//! A new cluster that begins with the state of another one: taken as a backup, planted on fresh disks, gone on with.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
#[allow(dead_code)]
mod work;

use cluster::store::files::Files;
use cluster::store::files::sim::SimFiles;
use cluster::store::snapshots::{Header, Reader};
use cluster::{Beginning, Config, Seed, SnapshotRule, StartError, StateMachine, read_state};
use counter::Counter;
use nodes::Nodes;
use std::path::Path;
use std::sync::Arc;
use work::{add, add_all, all_equal};

const RULE: SnapshotRule =
    SnapshotRule { log_bytes: 1 << 28, interval: std::time::Duration::from_secs(300), bytes_per_second: 0 };

/// Takes a backup from a node and reads it back, as an operator's tool does.
fn backup(nodes: &Nodes<Counter>, at: u64) -> (Header, Counter) {
    let disk = SimFiles::new().process();
    disk.create_dir_all(Path::new("/b")).expect("a directory");
    let file = disk.create(Path::new("/b/a.backup")).expect("a file");
    let header = nodes.on(at, async {
        let mut backup = nodes.nodes[&at].backup().await.expect("a backup");
        let mut offset = 0;
        while let Some(piece) = backup.pieces.recv().await {
            let piece = piece.expect("a piece");
            file.write_at(&piece, offset).expect("written");
            offset += piece.len() as u64;
        }
        backup.header
    });
    let reader = Reader::open(file).expect("a head");
    assert_eq!(*reader.header(), header);
    (header, read_state(reader).expect("whole"))
}

fn seed(config: Config) -> Seed {
    let Config { cluster, node, members, log_dir, data_dir, segment_bytes, .. } = config;
    let configured = cluster;
    Seed { cluster, configured, node, members, incarnation: 1_000, log_dir, data_dir, segment_bytes }
}

/// Three nodes on fresh disks that begin with this state.
fn planted(header: &Header, machine: &Counter) -> Nodes<Counter> {
    let nodes = Nodes::<Counter>::down(3, RULE);
    for (id, place) in &nodes.places {
        let beginning = Beginning { machine, index: header.index, time_us: header.time_us, version: 0 };
        seed(nodes.config(*id)).plant(place.files.process(), &beginning).expect("planted");
    }
    nodes
}

#[test]
fn a_new_cluster_goes_on_where_the_backup_ended() {
    let old = Nodes::<Counter>::start(3);
    add_all(&old, 0..30);
    let follower = old.follower();
    nodes::wait_until("the follower to have all", || old.nodes[&follower].read(|counter| counter.sum) == 30);
    let (header, machine) = backup(&old, follower);
    let last = old.nodes[&follower].read(|counter| counter.last_us);
    drop(old);

    let mut new = planted(&header, &machine);
    // Two of three are a quorum, whichever come first.
    for id in [3, 2] {
        new.restart(id).expect("a planted node starts");
    }
    let leader = new.leader();
    assert!(new.nodes.values().all(|node| node.incarnation() == 1_001));
    assert_eq!(new.nodes[&leader].read(Counter::digest), header.digest, "nothing was applied yet");
    let sum = add(&new, leader, 7);
    assert!(sum.replayed && sum.sum == 8, "what was known is known: {sum:?}");
    let sum = add(&new, leader, 100);
    assert!(!sum.replayed && sum.sum == 31 && sum.time_us > last, "log time goes on: {sum:?}");
    assert!(new.nodes[&leader].progress().applied_index > header.index);

    new.restart(1).expect("the third comes later");
    all_equal(&new, 31);
    for id in 1..=3 {
        new.crash(id, id);
        new.restart(id).expect("again");
        assert_eq!(new.nodes[&id].incarnation(), 1_002);
    }
    add_all(&new, 200..210);
    all_equal(&new, 41);
}

/// The stream of some hundred bytes takes a second or more at this rate, and ends early when nobody takes it.
#[test]
fn one_backup_at_a_time_is_taken() {
    let nodes = Nodes::<Counter>::with_rule(1, SnapshotRule { bytes_per_second: 250, ..RULE });
    add_all(&nodes, 0..3);
    let take = || nodes.on(1, nodes.nodes[&1].backup());
    let first = take().expect("a backup");
    let refused = take().map(drop).expect_err("the first is under way");
    assert_eq!(refused.to_string(), "another backup is being taken here");
    drop(first);
    nodes::wait_until("the first to be given up", || take().is_ok());
}

/// A node whose planting was cut off does not start, wherever that was; one that was planted does.
#[test]
fn a_power_cut_while_planting_leaves_a_node_that_does_not_start_or_a_whole_one() {
    let old = Nodes::<Counter>::start(1);
    add_all(&old, 0..5);
    let (header, machine) = backup(&old, 1);
    drop(old);
    let beginning = Beginning { machine: &machine, index: header.index, time_us: header.time_us, version: 0 };
    let (mut whole, mut refused, mut untouched) = (0, 0, 0);
    for step in 0..40 {
        let mut nodes = Nodes::<Counter>::down(1, RULE);
        let disk = nodes.places[&1].files.clone();
        let files: Arc<dyn Files> = disk.process();
        disk.power_off_after(step);
        let planted = seed(nodes.config(1)).plant(files, &beginning);
        disk.crash(step);
        match nodes.restart(1) {
            Ok(()) if nodes.nodes[&1].incarnation() == 1 => {
                // A node as new as any other: nothing of the planting was there yet.
                assert!(planted.is_err(), "step {step}");
                untouched += 1;
            }
            Ok(()) => {
                nodes.leader();
                assert_eq!(nodes.nodes[&1].read(Counter::digest), header.digest, "step {step}");
                whole += 1;
            }
            Err(StartError::Damaged(why)) => {
                assert!(planted.is_err() && why.contains("no identity"), "step {step}: {why}");
                refused += 1;
            }
            Err(error) => panic!("step {step}: {error}"),
        }
    }
    assert!(whole > 0 && refused > 5 && untouched > 0, "{whole} whole, {refused} refused, {untouched} untouched");
}
