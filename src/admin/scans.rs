//! Reads that pass over every account: few at a time, on a frozen copy, away from the runtime's own threads.

use super::Cluster;
use ledger::Ledger;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tonic::Status;

/// Scans at once. One core of two stays with the cardholders.
const AT_ONCE: usize = 1;

/// Who may scan.
pub(super) struct Scans {
    permits: Arc<Semaphore>,
}

impl Scans {
    pub(super) fn new() -> Scans {
        Scans { permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Runs a scan when it is its turn. The permit goes with the work, so that callers that gave up do not let more
    /// scans in than there may be.
    pub(super) async fn run<C: Cluster, T: Send + 'static>(
        &self,
        cluster: &C,
        deadline: Instant,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let turn = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.permits).acquire_owned()).await;
        let permit = match turn {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(Status::unavailable("other reads of all accounts are in the way")),
        };
        let frozen = cluster.read(Ledger::clone);
        let work = tokio::task::spawn_blocking(move || {
            let found = look(&frozen);
            drop(permit);
            found
        });
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "scan the books");
                Err(Status::internal("the scan of the books failed"))
            }
            Err(_) => Err(Status::unavailable("the read of all accounts took too long")),
        }
    }
}
