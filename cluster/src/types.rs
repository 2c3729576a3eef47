//! The consensus library's types as this room uses them. They never leave it.

use crate::codec;
use crate::store::identity::DiskId;
use bytes::Bytes;
use std::fmt;

openraft::declare_raft_types!(
    /// What our Raft is made of.
    pub(crate) Types:
        D = Batch,
        R = Outputs,
        NodeId = u64,
        Node = Seat,
);

pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Payload = openraft::alias::PayloadOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, Seat>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// Where a node of the cluster is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// `HOST:PORT` of its peer listener. A name is resolved anew at each connect.
    pub peer: String,
    /// `HOST:PORT` of its admin gRPC, for operators to see.
    pub admin: String,
}

/// A member as the membership knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) member: Member,
    /// The one life of a directory that may answer under this id. `None`: nobody was seen under it yet, or the
    /// membership is from before disks were told apart.
    pub(crate) disk: Option<DiskId>,
}

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Commands.
    Commands,
    /// No commands, but a mark: every node keeps a frozen copy of its state at this index.
    Mark,
    /// No commands: from here on the cluster has this version.
    Version(u32),
}

/// What one Raft entry carries: many commands, stamped once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The leader's clock when it made the batch, in microseconds since the Unix epoch.
    pub stamp_us: u64,
    /// What it is for.
    pub carries: Carries,
    /// How many commands.
    pub count: u32,
    /// The commands, each behind its length (u32, little endian).
    pub commands: Bytes,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} at {}", self.count, self.stamp_us)
    }
}

/// What `apply` said to the commands of a batch, encoded, in order. Empty on nodes that nobody asked.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// All outputs, one after the other.
    pub bytes: Bytes,
    /// Where each ends.
    pub ends: Vec<u32>,
}

impl Outputs {
    /// The output of the command at this place in the batch.
    pub(crate) fn get(&self, place: usize) -> Option<Bytes> {
        let end = *self.ends.get(place)? as usize;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        Some(self.bytes.slice(start..end))
    }
}

impl Batch {
    /// The commands one by one. An error means that the batch is not what a leader made.
    pub(crate) fn commands(&self) -> Result<Vec<&[u8]>, crate::Malformed> {
        codec::split(&self.commands, self.count)
    }
}

pub(crate) fn log_id(term: u64, node: u64, index: u64) -> LogId {
    LogId { leader_id: LeaderId { term, node_id: node }, index }
}
