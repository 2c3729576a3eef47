//! Replicates any deterministic machine with Raft; knows no card.
//!
//! **What lives here.** A [`Node`] proposes commands to a cluster of nodes and returns what the [`StateMachine`] said
//! to them, once a quorum has them on disk. Beneath it: group commit ([`propose`](Node::propose)), the connections
//! between nodes, the durable [`store`], and snapshots.
//!
//! **What must hold.**
//! - An output is returned only for a command that a quorum has made durable and this leader has applied.
//! - A proposal ends by its deadline as applied, *not proposed* or *unknown*; nothing is called failed that may still
//!   commit, and nothing accumulates for callers that gave up.
//! - Log time strictly increases from command to command, on every node alike, across leaders and snapshots.
//! - A node whose log or vote is lost or damaged does not come back under its old id.
//!
//! **What is deliberately not here.** Cards, money, HTTP. And no type of the consensus library leaves this room: it
//! is an alpha whose interfaces change from release to release.

#[cfg(test)]
extern crate self as cluster;

mod admission;
mod applier;
#[cfg(test)]
mod applier_test;
mod audit;
mod backup;
mod clocks;
mod codec;
#[cfg(test)]
mod codec_test;
mod config;
mod contact;
/// The counter of the tests from outside, which name this crate `cluster`.
#[cfg(test)]
#[path = "../tests/support/counter.rs"]
mod counter;
mod disk;
mod fetch;
mod fitness;
mod history;
mod inbox;
mod log;
#[cfg(test)]
mod log_test;
mod machine;
mod metrics;
mod naming;
mod neighbours;
mod node;
mod operate;
mod orders;
mod peers;
mod propose;
mod raft;
mod seats;
mod seed;
mod silence;
mod snapshot;
#[cfg(test)]
mod snapshot_test;
mod start;
pub mod store;
mod types;
mod versions;

pub use audit::Audited;
pub use backup::Backup;
pub use clocks::ClockCheck;
pub use config::{Config, Join, SnapshotRule, Timing};
pub use history::{HistoryGap, HistoryPage, HistoryRecord, Made, SnapshotRecord};
pub use machine::{Malformed, Stamp, StateMachine};
pub use metrics::Stages;
pub use neighbours::{Neighbour, Said};
pub use node::ProposeError;
pub use operate::{MemberDigest, MemberStatus, OrderError, Role, Status};
pub use orders::{MemberChange, MemberOrder};
pub use peers::{Dial, Listener, Wire};
pub use seed::{Beginning, Seed};
pub use snapshot::read_state;
pub use start::{Node, Progress, StartError, Surroundings};
pub use types::Member;
pub use versions::version_of;
