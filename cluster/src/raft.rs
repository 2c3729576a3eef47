//! What the rest of this room needs of the Raft core, so that it can be tested without one.

use crate::StateMachine;
use crate::applier::Applier;
use crate::types::{Batch, Types};
use openraft::alias::WriteResponderOf;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, Raft};
use std::time::Duration;

/// The core of one node.
pub(crate) type Core<M> = Raft<Types, Applier<M>>;

/// What proposing needs.
pub(crate) trait Handle: Clone + Send + Sync + 'static {
    /// Hands a batch to the core; the responder learns the rest. `Err`: the core has stopped.
    fn write(
        &self,
        batch: Batch,
        responder: WriteResponderOf<Types>,
    ) -> impl Future<Output = Result<(), Stopped>> + Send;

    /// On a leader: how long ago a quorum acknowledged it last.
    fn quorum_age(&self) -> Option<Duration>;
}

/// The Raft core has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl<M: StateMachine> Handle for Core<M> {
    async fn write(&self, batch: Batch, responder: WriteResponderOf<Types>) -> Result<(), Stopped> {
        self.client_write_ff(batch, Some(responder)).await.map_err(|_| Stopped)
    }

    fn quorum_age(&self) -> Option<Duration> {
        // Alone it is its own quorum, and openraft does not go on counting its acknowledgements.
        if self.voter_ids().count() < 2 {
            return Some(Duration::ZERO);
        }
        self.data_metrics().borrow_watched().last_quorum_acked.as_ref().map(|at| at.elapsed())
    }
}
