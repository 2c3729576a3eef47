//! A scenario: what is broken when, under which load, and what must hold all the same.
//!
//! What must hold: a file that can be read says everything that a run needs, in integers, and nothing in it is
//! ignored: an unknown key, a role that a fault cannot have and a capability that is not listed are errors that name
//! their place. The doc comments below are also the texts of the JSON schema. Not here: how faults are made (`fault`).

pub mod catalogue;
pub mod fault;
pub mod read;

use crate::alarm::Alarm;
use fault::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A chaos scenario of Holdfast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line: what happens.
    pub title: String,
    /// Which promise it puts to the test, and why somebody would ask.
    pub why: String,
    /// In which sets it is; `chaos run --set smoke` runs those of one.
    #[serde(default)]
    pub sets: Vec<Set>,
    /// Everything that is left to chance comes from it; `--seed` replaces it.
    pub seed: u64,
    /// How many nodes a target that starts its own has.
    #[serde(default = "three")]
    pub nodes: u64,
    /// Settings of the nodes that differ from the defaults, as `standin.policy: approve`. Needs the capability
    /// `settings`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// What the target must be able to do; exactly what the timeline and the settings need.
    pub requires: Vec<Capability>,
    /// The traffic, from before the first fault until after the last heal.
    pub load: Load,
    /// What is broken, when and for how long. What still lasts at the end of the load is healed.
    pub timeline: Vec<Step>,
    /// The steady state in numbers.
    pub expect: Expect,
    /// What must be true of the books and of what the nodes said.
    pub invariants: Vec<Invariant>,
}

fn three() -> u64 {
    3
}

/// A named set of scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Short ones for every change: all together under six minutes.
    Smoke,
}

/// Something that a target must be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Stop and start a node's process.
    Processes,
    /// Stop a node for a while without ending it.
    Pause,
    /// Cut single directions between two nodes.
    Partitions,
    /// Delay, and limit the rate, between two nodes.
    Shaping,
    /// Lose, repeat and reorder single packets between two nodes.
    Packets,
    /// Break the connections between nodes.
    Connections,
    /// Reach the files of a node that does not run.
    Files,
    /// Put a node's files on a disk of limited size.
    SmallDisk,
    /// Delay or fail what a node's process asks of its disk.
    DiskCalls,
    /// Put nodes' files on disks whose power can be cut.
    Power,
    /// Start further nodes, which join.
    Members,
    /// Choose the nodes' settings.
    Settings,
    /// Reach the operator's interface of each node.
    Admin,
    /// Evict and drain by the orchestrator.
    Orchestrator,
    /// Set a node's clock apart from the others', while it runs.
    Clock,
}

/// The traffic of a scenario: authorizations by an open loop, as `chaos load` sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Requests per second.
    pub rate_per_s: u64,
    /// How long.
    pub duration_ms: u64,
    /// Connections over all nodes.
    pub connections: u64,
    /// Accounts that take part.
    #[serde(default = "Load::accounts")]
    pub accounts: u64,
    /// This share of the requests goes to one account.
    #[serde(default)]
    pub hot_percent: u64,
    /// This share of the requests repeats an earlier token, perhaps at another node.
    #[serde(default = "Load::repeats")]
    pub repeat_percent: u64,
    /// A client gives a reply up after this time and asks the next node.
    #[serde(default = "Load::timeout")]
    pub timeout_ms: u64,
    /// A request whose decision takes longer, from its first attempt on, is not answered in time.
    #[serde(default = "Load::deadline")]
    pub deadline_ms: u64,
}

impl Load {
    fn accounts() -> u64 {
        200
    }

    fn repeats() -> u64 {
        5
    }

    fn timeout() -> u64 {
        1_000
    }

    fn deadline() -> u64 {
        850
    }
}

/// The steady-state hypothesis. Shares are in parts per million. What is not given is not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// At least this share of all requests is answered within the load's deadline, whatever the answer.
    pub in_time_ppm_min: Option<u64>,
    /// At least this share of all requests is decided by a quorum.
    pub decided_ppm_min: Option<u64>,
    /// At most this share of all requests is answered by a node alone.
    pub stand_in_ppm_max: Option<u64>,
    /// At least this share: stand-in is what the scenario is about.
    pub stand_in_ppm_min: Option<u64>,
    /// 99 of a hundred requests take no longer, from the first attempt to the answer; faults included.
    pub p99_ms_max: Option<u64>,
    /// The longest time after the start of any fault until requests are decided again while the fault lasts.
    pub fail_over_ms_max: Option<u64>,
    /// The longest time after the last heal until all is as before.
    pub recover_ms_max: Option<u64>,
    /// Replies with a 5xx, at most.
    pub server_errors_max: Option<u64>,
    /// Leader changes, at most.
    pub leader_changes_max: Option<u64>,
    /// Leader changes, at least: a leader that cannot lead gives way.
    pub leader_changes_min: Option<u64>,
    /// An alarm that a node must raise while a fault lasts, and none before the first one.
    pub alarm: Option<Alarm>,
    /// What a node does that finds its files damaged or gone.
    pub damaged_node: Option<DamagedNode>,
}

/// What a node may do that finds its files damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DamagedNode {
    /// It says what is damaged and does not start.
    Refuses,
    /// It starts, and takes what it misses from the others.
    Recovers,
    /// Either; what it must not do is serve what is wrong.
    Either,
}

/// What must be true whatever was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// What is held is what was approved, no more and no less, once all is settled.
    Books,
    /// A token that was decided is answered with the same bytes for ever.
    SameBytes,
    /// Every replica has the same digest, and none has broken rules.
    Digests,
    /// No node's term ever falls, and no term has two leaders.
    Terms,
    /// At every node the members are, in the end, those that the timeline's changes leave, each with a vote.
    Members,
    /// Clients play whole stories beside the load, and every checker of `chaos check` holds over what they recorded.
    History,
}
