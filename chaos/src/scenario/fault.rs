//! The steps of a timeline: a fault, whom it meets and how long it lasts.
//!
//! What must hold: each fault says which capability it needs; which nodes a role means is drawn from the scenario's
//! seed alone once it is known who leads. Not here: making them.

use super::Capability;
use crate::draw::mix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When it begins, since the load began.
    pub at_ms: u64,
    /// How long it lasts, then it is healed. None for what is over at once.
    #[serde(default)]
    pub for_ms: u64,
    /// Whom it meets.
    pub on: Role,
    /// What it is.
    pub fault: Fault,
}

/// Nodes by what they are when the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Who leads.
    Leader,
    /// One who does not lead.
    Follower,
    /// All who do not lead.
    Followers,
    /// As many as may fail without harm: the leader and, of five, another.
    MinorityWithLeader,
    /// As many as may fail without harm, none of them the leader.
    Minority,
    /// One more than that, the leader among them.
    Majority,
    /// All.
    All,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The process is killed with SIGKILL, and started again at the end.
    Kill,
    /// The process is told to stop with SIGTERM, and started again at the end.
    Stop,
    /// The process stands still (SIGSTOP) and goes on at the end.
    Pause,
    /// Killed and started again and again.
    CrashLoop(Every),
    /// One node after the other is told to stop, started again, and waited for.
    RollingRestart,
    /// Nothing passes between these nodes and the others. Those who are cut off see each other.
    Isolate,
    /// Isolated and healed again and again.
    Flap(Every),
    /// Nothing reaches these nodes from the others; what they send arrives.
    Deaf,
    /// Nothing that these nodes send arrives at the others; they hear everything.
    Mute,
    /// The others do not see each other; these nodes see all.
    Bridge,
    /// Each node sees only its two neighbours.
    Ring,
    /// No node sees any other.
    Shatter,
    /// Everything between these nodes and the others comes later.
    Delay(Delay),
    /// Between these nodes and the others no more than this passes.
    Rate(Rate),
    /// Some packets between these nodes and the others do not arrive.
    Loss(Share),
    /// Some packets between these nodes and the others arrive twice.
    Duplicate(Share),
    /// Some packets between these nodes and the others are overtaken by later ones.
    Reorder(Reorder),
    /// All connections between these nodes and the others are broken, at once or again and again.
    CutConnections(Every),
    /// The node is killed, all its files are gone, and it is started again.
    LoseDisk,
    /// The node is killed, one of its files is damaged, and it is started again. At the end the file is put back as it
    /// was if the node would not start with it.
    Damage(Damage),
    /// The node's disk is full.
    FillDisk,
    /// Each sync of the node's disk takes longer.
    SlowSync(Slow),
    /// Each sync of the node's disk fails.
    FailSync,
    /// The power of the nodes' disks is cut, all at the same moment, and the processes are killed: what was not synced
    /// is gone. At the end the power is back and they are started again.
    CutPower,
    /// Clients that send a byte at a time hold connections to these nodes.
    SlowClients(Clients),
    /// More requests, from other accounts, to these nodes.
    Spike(Spike),
    /// Requests that almost all repeat a token, to these nodes.
    RetryStorm(Spike),
    /// The same tokens are asked at the same time at two nodes.
    DuplicateTokens(Spike),
    /// The leader hands leadership over.
    TransferLeader,
    /// Each node takes a snapshot.
    Snapshot,
    /// Processes report whole lives of transactions: out of order, late and again and again, to these nodes.
    WebhookStorm(Storm),
    /// A new node is started, joins as a learner and is given the vote, by the end. Its role is `all`.
    AddMember,
    /// The node is taken out of the members, by the end; who leads hands over first.
    RemoveMember,
    /// The node is killed and its files are gone; a new node joins and takes its place, by the end.
    ReplaceMember,
    /// The nodes' clocks are set ahead or back, or run too fast or too slow; at the end they are right again.
    ClockSkew(Skew),
    /// Pods are deleted by the orchestrator.
    DeletePod,
    /// Pods are evicted, as for maintenance.
    Evict,
    /// The machines of these nodes are drained.
    Drain,
}

/// Of what happens again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// From one time to the next. 0 is once.
    pub every_ms: u64,
}

/// Of delayed links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// In each direction.
    pub delay_ms: u64,
    /// Up to this much more, drawn for each piece; order stays.
    #[serde(default)]
    pub jitter_ms: u64,
}

/// Of narrow links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In each direction of each pair.
    pub kib_per_s: u64,
}

/// Of packets that are lost or repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Of a hundred packets, drawn for each. In each direction.
    pub percent: u64,
}

/// Of packets that are overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// Of a hundred packets, drawn for each. In each direction.
    pub percent: u64,
    /// They are held back for this long, while others pass.
    pub late_ms: u64,
}

/// Of damaged files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// Which file.
    pub file: File,
    /// How.
    pub how: How,
}

/// A file of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum File {
    /// The newest segment of the log.
    Log,
    /// The newest vote in the log.
    Vote,
    /// The newest snapshot; one is taken before.
    Snapshot,
    /// The identity.
    Identity,
    /// The database of the history.
    Database,
    /// The journal of stand-in.
    Journal,
}

/// How a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// One bit in the middle of what was written.
    FlipBit,
    /// The end of what was written, in the middle of a sector: what a power cut leaves.
    TearEnd,
}

/// Of slow disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Added to each sync.
    pub delay_ms: u64,
}

/// Of slow clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// How many, over all these nodes.
    pub connections: u64,
}

/// Of more load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spike {
    /// Requests per second, beside those of the scenario's load.
    pub rate_per_s: u64,
    /// Connections, beside those of the scenario's load.
    pub connections: u64,
}

/// Of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// Requests and reports per second, beside those of the scenario's load.
    pub rate_per_s: u64,
    /// How many post at the same time.
    pub clients: u64,
}

/// Of wrong clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skew {
    /// How far they are set ahead at once; back if it is negative.
    #[serde(default)]
    pub ahead_ms: i64,
    /// How much they gain each second after that; they lose if it is negative. In steps of a fifth of a second.
    #[serde(default)]
    pub gain_ms_per_s: i64,
}

/// How often a clock that gains is set.
pub const GAIN_EVERY_MS: u64 = 200;

impl Fault {
    /// What a target must be able to do for it.
    pub fn needs(&self) -> &'static [Capability] {
        match self {
            Fault::Kill | Fault::Stop | Fault::CrashLoop(_) | Fault::RollingRestart => &[Capability::Processes],
            Fault::Pause => &[Capability::Pause],
            Fault::Isolate
            | Fault::Flap(_)
            | Fault::Deaf
            | Fault::Mute
            | Fault::Bridge
            | Fault::Ring
            | Fault::Shatter => &[Capability::Partitions],
            Fault::Delay(_) | Fault::Rate(_) => &[Capability::Shaping],
            Fault::Loss(_) | Fault::Duplicate(_) | Fault::Reorder(_) => &[Capability::Packets],
            Fault::CutConnections(_) => &[Capability::Connections],
            Fault::LoseDisk | Fault::Damage(_) => &[Capability::Processes, Capability::Files],
            Fault::FillDisk => &[Capability::Processes, Capability::SmallDisk],
            Fault::SlowSync(_) => &[Capability::DiskCalls],
            Fault::FailSync => &[Capability::Processes, Capability::DiskCalls],
            Fault::CutPower => &[Capability::Processes, Capability::Power],
            Fault::SlowClients(_) | Fault::Spike(_) | Fault::RetryStorm(_) | Fault::DuplicateTokens(_) => &[],
            Fault::WebhookStorm(_) => &[Capability::Admin],
            Fault::AddMember | Fault::RemoveMember => &[Capability::Admin, Capability::Members],
            Fault::ReplaceMember => &[Capability::Processes, Capability::Admin, Capability::Members],
            Fault::TransferLeader | Fault::Snapshot => &[Capability::Admin],
            Fault::ClockSkew(_) => &[Capability::Clock],
            Fault::DeletePod | Fault::Evict | Fault::Drain => &[Capability::Orchestrator],
        }
    }

    /// Whether it has a length.
    pub fn lasts(&self) -> bool {
        match self {
            Fault::RollingRestart | Fault::TransferLeader | Fault::Snapshot | Fault::DeletePod | Fault::Evict => false,
            Fault::CutConnections(every) => every.every_ms > 0,
            Fault::Kill
            | Fault::Stop
            | Fault::Pause
            | Fault::CrashLoop(_)
            | Fault::Isolate
            | Fault::Flap(_)
            | Fault::Deaf
            | Fault::Mute
            | Fault::Bridge
            | Fault::Ring
            | Fault::Shatter
            | Fault::Delay(_)
            | Fault::Rate(_)
            | Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::LoseDisk
            | Fault::Damage(_)
            | Fault::FillDisk
            | Fault::SlowSync(_)
            | Fault::FailSync
            | Fault::CutPower
            | Fault::SlowClients(_)
            | Fault::Spike(_)
            | Fault::RetryStorm(_)
            | Fault::DuplicateTokens(_)
            | Fault::WebhookStorm(_)
            | Fault::AddMember
            | Fault::RemoveMember
            | Fault::ReplaceMember
            | Fault::ClockSkew(_)
            | Fault::Drain => true,
        }
    }

    /// Whether a node finds its files damaged or gone.
    pub fn spoils(&self) -> bool {
        matches!(self, Fault::LoseDisk | Fault::Damage(_))
    }

    /// How often it is made again while it lasts; 0 is never.
    pub fn every_ms(&self) -> u64 {
        match self {
            Fault::CrashLoop(every) | Fault::Flap(every) | Fault::CutConnections(every) => every.every_ms,
            Fault::ClockSkew(skew) if skew.gain_ms_per_s != 0 => GAIN_EVERY_MS,
            _other => 0,
        }
    }

    /// As the file says it.
    pub fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(map)) => map.keys().next().cloned().unwrap_or_default(),
            Ok(_) | Err(_) => String::new(),
        }
    }
}

impl Role {
    /// The nodes of this role among the members, in the order in which they are met.
    pub fn nodes(self, members: &BTreeSet<u64>, leader: u64, seed: u64) -> Vec<u64> {
        let nodes = members.len() as u64;
        let minority = nodes.saturating_sub(1) / 2;
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let first = count(mix(seed) % nodes.max(1));
        let turned = members.iter().skip(first).chain(members.iter().take(first)).copied();
        let others = turned.filter(|node| *node != leader);
        let with_leader = |wanted: u64| [leader].into_iter().chain(others.clone()).take(count(wanted)).collect();
        match self {
            Role::Leader => vec![leader],
            Role::Follower => others.take(1).collect(),
            Role::Followers => others.collect(),
            Role::MinorityWithLeader => with_leader(minority.max(1)),
            Role::Minority => others.take(count(minority)).collect(),
            Role::Majority => with_leader(minority + 1),
            Role::All => with_leader(nodes),
        }
    }

    /// Whether it is one node, however many there are.
    pub fn is_one(self) -> bool {
        match self {
            Role::Leader | Role::Follower => true,
            Role::Followers | Role::MinorityWithLeader | Role::Minority | Role::Majority | Role::All => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;
    use std::collections::BTreeSet;

    #[test]
    fn roles_mean_the_right_nodes_whatever_the_seed() {
        for seed in 0..50 {
            for (nodes, minority) in [(3, 1), (5, 2)] {
                for leader in 1..=nodes {
                    let members = (1..=nodes).collect();
                    let of = |role: Role| role.nodes(&members, leader, seed);
                    assert_eq!(of(Role::Leader), [leader]);
                    assert!(of(Role::Follower).len() == 1 && of(Role::Follower) != [leader]);
                    assert_eq!(of(Role::Followers).len() as u64, nodes - 1);
                    assert!(!of(Role::Followers).contains(&leader));
                    assert!(of(Role::Minority).len() == minority && !of(Role::Minority).contains(&leader));
                    assert!(of(Role::MinorityWithLeader).len() == minority);
                    assert!(of(Role::MinorityWithLeader).contains(&leader));
                    assert!(of(Role::Majority).len() == minority + 1 && of(Role::Majority).contains(&leader));
                    let all: BTreeSet<u64> = of(Role::All).into_iter().collect();
                    assert_eq!(all, (1..=nodes).collect());
                }
            }
        }
    }

    #[test]
    fn the_seed_chooses_among_equals() {
        let chosen = (0..50).flat_map(|seed| Role::Follower.nodes(&[1, 2, 3, 4, 7].into(), 3, seed));
        assert_eq!(chosen.collect::<BTreeSet<_>>(), [1, 2, 4, 7].into());
    }
}
