//! Where a scenario runs: a cluster, and what can be done to it.
//!
//! What must hold: a target says before anything is started what it can do and why not; whatever it started or changed
//! is known to the guard first, and is undone when the target is dropped. Each act either has happened when the call
//! returns, or is an error. Not here: which act is due when (`run`), and what faults are made of (`nemesis`).

mod clock;
pub mod compose;
pub mod kubernetes;
pub mod local;
pub mod ports;
mod power_disk;
mod small_disk;
pub mod up;
pub mod wiring;

use crate::guard::Guard;
use crate::http::get::get;
use crate::links::{Counts, Shape};
use crate::observe::{Look, parse};
use crate::scenario::fault::Fault;
use crate::scenario::{Capability, Scenario};
use crate::stop::Stop;
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A node answers its probe, or is taken for silent.
const LOOK_MAX: Duration = Duration::from_millis(400);

/// Which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Processes on loopback; with --up those of a running `holdfast up`.
    Local,
    /// Processes in network namespaces of their own; needs root.
    Netns,
    /// The containers of compose.yaml.
    Compose,
    /// The pods of the chart.
    Kubernetes,
}

/// What every target is told.
pub struct Site {
    /// Undoes what is left.
    pub guard: Arc<Guard>,
    /// The user's interrupt.
    pub stop: Stop,
    /// Where proxies run.
    pub runtime: Arc<tokio::runtime::Runtime>,
    /// A directory of this run's own, for whatever the target needs.
    pub work: PathBuf,
    /// The `holdfast` program.
    pub holdfast: PathBuf,
}

/// Where the files of a node are.
#[derive(Clone, Debug)]
pub struct Files {
    /// Snapshots and databases.
    pub data: PathBuf,
    /// Log and identity.
    pub log: PathBuf,
}

/// A node that was started later.
pub struct Newcomer {
    /// Its number.
    pub node: u64,
    /// Where the others reach it.
    pub peer: String,
    /// How it is looked at.
    pub look: Look,
}

/// A cluster that can be broken.
pub trait Target {
    /// In a line, for the report.
    fn describe(&self) -> String;
    /// Whether it can do this; if not, why.
    fn supports(&self, capability: Capability) -> Result<(), String>;
    /// Brings the cluster up, or finds it.
    fn start(&mut self, scenario: &Scenario) -> Result<()>;
    /// How many nodes were started; they are `1..=nodes`, also when one of them is gone.
    fn nodes(&self) -> u64;
    /// How many nodes there may be: those that can still be added.
    fn places(&self) -> u64 {
        self.nodes()
    }
    /// Where the processor's requests go.
    fn doors(&self) -> Vec<String>;
    /// The operator's gRPC of each node.
    fn admins(&self) -> Vec<String>;
    /// How each node is looked at.
    fn looks(&self) -> Vec<(u64, Look)>;
    /// The logs of the nodes, by their names in the report.
    fn logs(&self) -> Vec<(String, PathBuf)>;
    /// The node's process, as far as this machine can see it.
    fn pid(&self, node: u64) -> Option<i32>;

    /// Kills a node with SIGKILL. What shows that it is gone.
    fn kill(&mut self, node: u64) -> Result<String>;
    /// Tells a node to stop and waits until it has. What shows that it is gone.
    fn stop_node(&mut self, node: u64) -> Result<String>;
    /// Starts a node again that was killed or stopped.
    fn start_node(&mut self, node: u64) -> Result<()>;
    /// Lets a node stand still. What shows that it does.
    fn pause(&mut self, node: u64) -> Result<String>;
    /// Lets it go on.
    fn resume(&mut self, node: u64) -> Result<()>;
    /// Sets one direction between two nodes.
    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        bail!("cannot set the link from {from} to {to} to {shape:?}")
    }
    /// What went over it so far.
    fn link_counts(&self, from: u64, to: u64) -> Counts {
        let _ = (from, to);
        Counts::default()
    }
    /// Breaks all connections between two nodes.
    fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        bail!("cannot break connections between {one} and {other}")
    }
    /// Has the orchestrator do this to a node. What shows it.
    fn order(&mut self, node: u64, fault: &Fault) -> Result<String> {
        bail!("cannot order {} for node {node}", fault.name())
    }
    /// Ends what an order began.
    fn end_order(&mut self, node: u64) -> Result<()> {
        bail!("nothing was ordered for node {node}")
    }
    /// Fills the disk that a node has to itself. What shows it.
    fn fill_disk(&mut self, node: u64) -> Result<String> {
        bail!("node {node} has no disk of its own")
    }
    /// Gives the room back.
    fn empty_disk(&mut self, node: u64) -> Result<()> {
        bail!("node {node} has no disk of its own")
    }
    /// Cuts the power of the disks that these nodes have to themselves, all at once, and kills them. What shows it.
    fn cut_power(&mut self, nodes: &[u64]) -> Result<Vec<String>> {
        bail!("nodes {nodes:?} have no disks of their own")
    }
    /// Turns it on again. What the disk has kept and lost, and whether that is what a cut keeps and loses.
    fn give_power(&mut self, node: u64) -> Result<(bool, String)> {
        bail!("node {node} has no disk of its own")
    }
    /// Starts one more node, which asks the others to be taken in.
    fn add_node(&mut self) -> Result<Newcomer> {
        bail!("no further node can be started")
    }
    /// Sets a node's clock so far ahead of the machine's; back if it is negative.
    fn set_clock(&mut self, node: u64, ahead_ms: i64) -> Result<()> {
        bail!("the clock of node {node} cannot be set {ahead_ms} ms ahead")
    }
    /// How often a node has looked at its clock.
    fn clock_looks(&self, node: u64) -> Result<u64> {
        bail!("node {node} has no clock of its own")
    }
    /// Where a node's files are, if this machine can reach them.
    fn files(&self, node: u64) -> Option<Files> {
        let _ = node;
        None
    }
}

/// Looks at a node by its metrics.
fn look(admin_http: SocketAddr) -> Look {
    Box::new(move || parse(&get(admin_http, "/metrics", LOOK_MAX).ok()?.1))
}
