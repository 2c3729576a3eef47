//! Asking the cluster: what is proposed, and what must be in this node's books before a read.

use super::{Cluster, views};
use cluster::OrderError;
use ledger::{Command, Output, Refusal};
use std::time::{Duration, Instant};
use tonic::Status;

/// How long a read waits before it looks for a leader again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Has a command applied. The books may still refuse it, which changes nothing.
pub(crate) async fn propose<C: Cluster>(
    cluster: &C,
    command: Command,
    deadline: Instant,
) -> Result<Result<Output, Refusal>, Status> {
    match cluster.propose(command, deadline).await.map_err(views::undecided)? {
        Output::Refused(refusal) => Ok(Err(refusal)),
        output @ (Output::Opened { .. }
        | Output::Account { .. }
        | Output::Decision(_)
        | Output::Settled(_)
        | Output::Booked(_)
        | Output::Swept { .. }
        | Output::Shelved(_)
        | Output::Dropped(_)
        | Output::Controls { .. }
        | Output::Party { .. }
        | Output::Forgotten { .. }
        | Output::Reconciling { .. }) => Ok(Ok(output)),
    }
}

/// Waits until this node's books show everything that was decided before. Waiting for a leader is waiting, not failing.
pub(crate) async fn wait_for_books<C: Cluster>(cluster: &C, deadline: Instant) -> Result<(), Status> {
    loop {
        let error = match cluster.read_barrier(deadline).await {
            Ok(()) => return Ok(()),
            Err(error @ (OrderError::Refused(_) | OrderError::Unknown(_))) => return Err(views::not_ordered(error)),
            Err(error @ OrderError::NoQuorum(_)) => error,
        };
        if Instant::now() + LOOK_AGAIN >= deadline {
            return Err(views::not_ordered(error));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
