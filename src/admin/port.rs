//! The port: what the admin service needs of a cluster.
//!
//! What must hold is what `cluster` promises: an output is what a quorum made durable, *not proposed* means that
//! nothing can come of it, and every call ends by its deadline. Not here: who implements it (`node`, and the tests).

use cluster::{
    Backup, HistoryGap, HistoryPage, HistoryRecord, MemberChange, MemberDigest, MemberOrder, OrderError, ProposeError,
    SnapshotRecord, Status,
};
use ledger::{Command, Ledger, Output};
use std::time::Instant;

/// A replicated ledger, through one of its nodes.
pub trait Cluster: Send + Sync + 'static {
    /// The id of the node that answers.
    fn id(&self) -> u64;

    /// Has a command applied, or says what may have become of it.
    fn propose(&self, command: Command, deadline: Instant)
    -> impl Future<Output = Result<Output, ProposeError>> + Send;

    /// Waits until this node's books show everything that was decided before the call.
    fn read_barrier(&self, deadline: Instant) -> impl Future<Output = Result<(), OrderError>> + Send;

    /// Looks at this node's books as they are. Kept short: applying waits meanwhile.
    fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T;

    /// The command that was applied at exactly this log time, with its log index, from this node's history.
    fn history_at(&self, time_us: u64) -> impl Future<Output = Result<(u64, HistoryRecord), HistoryGap>> + Send;

    /// This node's history from an index on, without a gap, at most about so many bytes of commands.
    fn history_page(&self, from: u64, bytes_max: usize)
    -> impl Future<Output = Result<HistoryPage, HistoryGap>> + Send;

    /// Where in this node's history to begin for everything that was applied at this log time or later.
    fn history_since(&self, time_us: u64) -> impl Future<Output = Result<u64, HistoryGap>> + Send;

    /// How the cluster is. Works without a quorum.
    fn status(&self) -> impl Future<Output = Status> + Send;

    /// Hands leadership to a node, or to the follower that is furthest; says who leads then.
    fn hand_over(&self, to: Option<u64>, deadline: Instant) -> impl Future<Output = Result<u64, OrderError>> + Send;

    /// Changes the members, or says why not.
    fn change_members(
        &self,
        order: MemberOrder,
        deadline: Instant,
    ) -> impl Future<Output = Result<MemberChange, OrderError>> + Send;

    /// Takes a snapshot on this node: the index that it covers, and its size in bytes.
    fn snapshot(&self, deadline: Instant) -> impl Future<Output = Result<(u64, u64), OrderError>> + Send;

    /// The snapshots on this node's disk, oldest first.
    fn snapshots(&self) -> impl Future<Output = Result<Vec<SnapshotRecord>, HistoryGap>> + Send;

    /// Begins a backup of what this node has applied.
    fn backup(&self) -> impl Future<Output = Result<Backup, OrderError>> + Send;

    /// Compares all members at one log index.
    fn verify(&self, deadline: Instant) -> impl Future<Output = Result<(u64, Vec<MemberDigest>), OrderError>> + Send;
}
