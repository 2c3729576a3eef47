//! The port of `cluster`, plugged into a node whose machine keeps a ledger.

use super::Cluster;
use cluster::{
    Backup, HistoryGap, HistoryPage, HistoryRecord, MemberChange, MemberDigest, MemberOrder, Node, OrderError,
    ProposeError, SnapshotRecord, StateMachine, Status,
};
use ledger::{Command, Ledger, Output};
use std::time::Instant;

impl<M> Cluster for Node<M>
where
    M: StateMachine<Command = Command, Output = Output> + AsRef<Ledger>,
{
    fn id(&self) -> u64 {
        Node::id(self)
    }

    async fn propose(&self, command: Command, deadline: Instant) -> Result<Output, ProposeError> {
        Node::propose(self, &command, deadline).await
    }

    async fn read_barrier(&self, deadline: Instant) -> Result<(), OrderError> {
        Node::read_barrier(self, deadline).await
    }

    fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        Node::read(self, |machine| look(machine.as_ref()))
    }

    async fn history_at(&self, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
        Node::history_at(self, time_us).await
    }

    async fn history_page(&self, from: u64, bytes_max: usize) -> Result<HistoryPage, HistoryGap> {
        Node::history_page(self, from, bytes_max).await
    }

    async fn history_since(&self, time_us: u64) -> Result<u64, HistoryGap> {
        Node::history_since(self, time_us).await
    }

    async fn status(&self) -> Status {
        #[cfg(feature = "planted")]
        return crate::planted::before_telling(Node::status(self).await);
        #[cfg(not(feature = "planted"))]
        Node::status(self).await
    }

    async fn hand_over(&self, to: Option<u64>, deadline: Instant) -> Result<u64, OrderError> {
        Node::hand_over(self, to, deadline).await
    }

    async fn change_members(&self, order: MemberOrder, deadline: Instant) -> Result<MemberChange, OrderError> {
        Node::change_members(self, order, deadline).await
    }

    async fn snapshot(&self, deadline: Instant) -> Result<(u64, u64), OrderError> {
        Node::snapshot(self, deadline).await
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HistoryGap> {
        Node::snapshots(self).await
    }

    async fn backup(&self) -> Result<Backup, OrderError> {
        Node::backup(self).await
    }

    async fn verify(&self, deadline: Instant) -> Result<(u64, Vec<MemberDigest>), OrderError> {
        Node::verify(self, deadline).await
    }
}
