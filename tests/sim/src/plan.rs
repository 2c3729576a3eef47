//! What a seed says: how the cluster is made, what goes wrong and when, and how busy it is.

use crate::dice::Dice;
use cluster::{SnapshotRule, Timing};
use std::time::Duration;

/// Everything that one run is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u64,
    /// Raft's timers.
    pub timing: Timing,
    /// When snapshots are taken.
    pub snapshots: SnapshotRule,
    /// How large a segment of the log is.
    pub segment_bytes: u64,
    /// How long a message takes at least and at most.
    pub latency_ms: (u64, u64),
    /// How long a disk takes for a group at most.
    pub disk_us: u64,
    /// How far apart the nodes' clocks are, in microseconds.
    pub skew_us: Vec<i64>,
    /// How far a leader's clock may be off.
    pub clock_skew_max: Option<Duration>,
    /// How busy it is.
    pub traffic: Traffic,
    /// For how long things go wrong.
    pub faulty_ms: u64,
    /// What goes wrong, in order.
    pub faults: Vec<Fault>,
}

/// How busy the cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// So many accounts.
    pub accounts: u64,
    /// So many new requests in a thousand milliseconds.
    pub per_second: u64,
    /// So many of a hundred ask for a token that was asked before.
    pub repeats: u64,
    /// A request's shortest and longest deadline.
    pub deadline_ms: (u64, u64),
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When, counted from the moment at which the cluster serves.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum What {
    /// The process of a node ends, and is started again after a while.
    Kill { node: u64, down_ms: u64 },
    /// The power of some nodes goes at the same moment.
    PowerCut { nodes: Vec<u64>, tear: u64, down_ms: u64 },
    /// The power of a node goes in the middle of a write: after so many more changes of its disk.
    TornWrite { node: u64, changes: u64, tear: u64, down_ms: u64 },
    /// A sync fails: the node must end.
    SyncError { node: u64, down_ms: u64 },
    /// A node is stopped as an operator does it, with a hand-over.
    Stop { node: u64, down_ms: u64 },
    /// These directions are cut for a while.
    Cut { links: Vec<(u64, u64)>, for_ms: u64 },
    /// A direction takes long.
    Slow { from: u64, to: u64, most_ms: u64, for_ms: u64 },
    /// All connections between two nodes break.
    Break { one: u64, other: u64 },
    /// A disk takes long.
    SlowDisk { node: u64, most_us: u64, for_ms: u64 },
    /// A clock jumps.
    Clock { node: u64, step_us: i64 },
    /// An operator hands leadership on.
    HandOver { to: u64 },
    /// An operator takes a snapshot.
    Snapshot { node: u64 },
}

impl Plan {
    /// What a seed says.
    pub fn of(seed: u64) -> Plan {
        let mut dice = Dice::new(seed, "plan");
        let nodes = if dice.one_in(4) { 5 } else { 3 };
        let election_ms = dice.between(100, 400);
        let timing = Timing {
            heartbeat: Duration::from_millis(dice.between(20, 60).min(election_ms / 3)),
            election_min: Duration::from_millis(election_ms),
            election_max: Duration::from_millis(election_ms * dice.between(3, 5) / 2),
        };
        let log_bytes = dice.pick(&[8 << 10, 32 << 10, 128 << 10, 64 << 20]).unwrap_or(1 << 20);
        let interval = Duration::from_secs(dice.between(2, 60));
        let latency_ms = dice.pick(&[(1, 1), (1, 3), (1, 10), (2, 30)]).unwrap_or((1, 1));
        let faulty_ms = dice.between(2_000, 7_000);
        Plan {
            seed,
            nodes,
            timing,
            snapshots: SnapshotRule { log_bytes, interval, bytes_per_second: 0 },
            segment_bytes: dice.pick(&[512 << 10, 1 << 20, 4 << 20]).unwrap_or(1 << 20),
            latency_ms,
            disk_us: dice.pick(&[500, 2_000, 6_000, 20_000]).unwrap_or(500),
            skew_us: (0..nodes).map(|_| dice.between(0, 400_000) as i64 - 200_000).collect(),
            clock_skew_max: dice.one_in(2).then(|| Duration::from_millis(dice.between(100, 500))),
            traffic: Traffic {
                accounts: dice.between(1, 12),
                per_second: dice.pick(&[20, 40, 80, 200]).unwrap_or(60),
                repeats: dice.between(5, 60),
                deadline_ms: (dice.between(20, 400), dice.between(400, 2_000)),
            },
            faulty_ms,
            faults: faults(seed, nodes, faulty_ms),
        }
    }
}

fn faults(seed: u64, nodes: u64, faulty_ms: u64) -> Vec<Fault> {
    let mut dice = Dice::new(seed, "faults");
    // Some kinds rest in some seeds, so that others are seen alone and often.
    let kinds: Vec<u64> = (0..12).filter(|_| !dice.one_in(3)).collect();
    let apart_ms = dice.between(150, 2_500);
    let mut faults = Vec::new();
    let mut at_ms = dice.below(apart_ms);
    while at_ms < faulty_ms {
        if let Some(kind) = dice.pick(&kinds) {
            faults.push(Fault { at_ms, what: fault(kind, nodes, &mut dice) });
        }
        at_ms += dice.between(1, 2 * apart_ms);
    }
    faults
}

fn fault(kind: u64, nodes: u64, dice: &mut Dice) -> What {
    let node = dice.between(1, nodes);
    let other = 1 + (node + dice.below(nodes - 1)) % nodes;
    let down_ms = dice.pick(&[0, 50, 400, 3_000]).unwrap_or(0) + dice.below(200);
    let for_ms = dice.pick(&[50, 300, 1_500, 5_000]).unwrap_or(50) + dice.below(300);
    let tear = dice.seed();
    match kind {
        0 => What::Kill { node, down_ms },
        1 => {
            let mut all: Vec<u64> = (1..=nodes).collect();
            dice.shuffle(&mut all);
            let how_many = dice.pick(&[1, 1, nodes / 2 + 1, nodes]).unwrap_or(1);
            What::PowerCut { nodes: all.into_iter().take(how_many as usize).collect(), tear, down_ms }
        }
        2 => What::TornWrite { node, changes: dice.below(40), tear, down_ms },
        3 => What::SyncError { node, down_ms },
        4 => What::Stop { node, down_ms },
        5 => What::Cut { links: cut(node, other, nodes, dice), for_ms },
        6 => What::Slow { from: node, to: other, most_ms: dice.between(50, 600), for_ms },
        7 => What::Break { one: node, other },
        8 => What::SlowDisk { node, most_us: dice.between(50_000, 700_000), for_ms },
        9 => What::Clock { node, step_us: dice.between(0, 20_000_000) as i64 - 10_000_000 },
        10 => What::HandOver { to: node },
        _ => What::Snapshot { node },
    }
}

/// One direction, both, a node alone, one that is only heard or only hears, or two sides.
fn cut(node: u64, other: u64, nodes: u64, dice: &mut Dice) -> Vec<(u64, u64)> {
    let others = || (1..=nodes).filter(move |id| *id != node);
    match dice.below(6) {
        0 => vec![(node, other)],
        1 => vec![(node, other), (other, node)],
        2 => others().flat_map(|id| [(node, id), (id, node)]).collect(),
        3 => others().map(|id| (node, id)).collect(),
        4 => others().map(|id| (id, node)).collect(),
        _ => {
            let side: Vec<bool> = (0..=nodes).map(|_| dice.one_in(2)).collect();
            let apart = |one: u64, other: u64| side.get(one as usize) != side.get(other as usize);
            let pairs = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to)));
            pairs.filter(|(from, to)| apart(*from, *to)).collect()
        }
    }
}
