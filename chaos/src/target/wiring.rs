//! What lies between the nodes that we start ourselves: loopback with proxies, or network namespaces.
//!
//! What must hold: a node that is started through a wiring can be reached at the addresses that the wiring names, and
//! by nobody past it.

pub mod loopback;
pub mod netns;

use crate::links::{Counts, Shape};
use crate::scenario::Capability;
use anyhow::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Which of a node's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Where it listens for the other nodes.
    Peer,
    /// Where it listens for the processor.
    Jit,
    /// Probes and metrics.
    AdminHttp,
    /// The operator's gRPC.
    AdminGrpc,
}

impl Port {
    /// Of a block of ports for a cluster on one address, as `holdfast up` lays them out.
    fn offset(self) -> u16 {
        match self {
            Port::Peer => 0,
            Port::Jit => 10,
            Port::AdminHttp => 20,
            Port::AdminGrpc => 30,
        }
    }
}

/// A wiring of nodes `1..=nodes`.
pub trait Wiring {
    /// In a few words.
    fn describe(&self) -> &'static str;
    /// Whether it can do this; if not, why. `None`: it has no say in it.
    fn supports(&self, capability: Capability) -> Option<Result<(), String>>;
    /// Gets ready for so many nodes.
    fn lay(&mut self, nodes: u64) -> Result<()>;
    /// Where a node listens.
    fn address(&self, node: u64, port: Port) -> SocketAddr;
    /// Where the others reach it.
    fn peer(&self, node: u64) -> SocketAddr;
    /// What starts a program as this node.
    fn command(&self, node: u64, program: &Path) -> Command;
    /// It runs as this process now.
    fn started(&mut self, node: u64, pid: i32);
    /// Sets one direction.
    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()>;
    /// What went over it so far.
    fn counts(&self, from: u64, to: u64) -> Counts;
    /// Breaks all connections between two nodes.
    fn break_connections(&mut self, one: u64, other: u64) -> Result<()>;
}
