//! A backup: the state at one log index, given out as the stream of a snapshot.
//!
//! **What must hold.** The state is that of a whole entry, never of half a batch. Giving it out never stops applying:
//! it is frozen in microseconds and read from the copy, at the rate of a snapshot. One backup at a time is taken from a
//! node, and one that nobody takes on is given up, so that an operator's terminal holds no copy of the books for ever.
//!
//! **What is deliberately not here.** Files, and what stands around the stream in one: that is the application's.

use crate::applier::Frozen;
use crate::operate::OrderError;
use crate::store::snapshots::{Header, SnapshotError, owed, pieces};
use crate::{Node, StateMachine};
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Pieces of 64 KiB, or of one record, that wait to be taken.
const PIECES_MAX: usize = 4;
/// A piece that is not taken for so long ends the backup: a disk that takes 64 KiB in this time is none.
const UNTAKEN_MAX: Duration = Duration::from_secs(30);
/// How long the entry that is being applied may take to be finished.
const ENTRY_MAX: Duration = Duration::from_secs(5);

/// A backup on its way.
#[derive(Debug)]
pub struct Backup {
    /// What it is of.
    pub header: Header,
    /// The stream, in order. Whole only if a reader of it says so: a sender that gives up just ends it.
    pub pieces: mpsc::Receiver<Result<Bytes, SnapshotError>>,
}

impl Backup {
    /// Begins to give out a state, at most `bytes_per_second` (0: as fast as it goes). `after` gets the copy back.
    /// To be called on a runtime.
    pub fn of<M: StateMachine>(
        header: Header,
        machine: M,
        bytes_per_second: u64,
        after: impl FnOnce(M) + Send + 'static,
    ) -> Backup {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let (told, runtime) = (header.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            send(&told, &machine, bytes_per_second, &sender, &runtime);
            after(machine);
        });
        Backup { header, pieces: receiver }
    }
}

fn send<M: StateMachine>(
    header: &Header,
    machine: &M,
    bytes_per_second: u64,
    sender: &mpsc::Sender<Result<Bytes, SnapshotError>>,
    runtime: &Handle,
) {
    let (start, mut bytes) = (Instant::now(), 0);
    let taken = |piece| matches!(runtime.block_on(timeout(UNTAKEN_MAX, sender.send(piece))), Ok(Ok(())));
    let stream = match pieces(header, machine.records()) {
        Ok(stream) => stream,
        Err(error) => {
            taken(Err(error));
            return;
        }
    };
    for piece in stream {
        let failed = piece.is_err();
        bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if !taken(piece.map(Bytes::from)) || failed {
            return;
        }
        std::thread::sleep(owed(bytes, bytes_per_second, start.elapsed()));
    }
}

impl<M: StateMachine> Node<M> {
    /// Begins a backup of what this node has applied by now. Needs no quorum; for what the whole cluster has decided,
    /// wait at the [`Node::read_barrier`] before.
    pub async fn backup(&self) -> Result<Backup, OrderError> {
        let shared = &self.shared;
        let permit = shared.backups.clone().try_acquire_owned();
        let permit = permit.map_err(|_| OrderError::Refused("another backup is being taken here".to_owned()))?;
        let frozen = match timeout(ENTRY_MAX, shared.state.freeze_between_entries()).await {
            Ok(Ok(frozen)) => frozen,
            Ok(Err(_)) | Err(_) => return Err(OrderError::Refused("this node applies nothing any more".to_owned())),
        };
        if frozen.meta.last_log_id.is_none() {
            return Err(OrderError::Refused("nothing was ever decided here: there is nothing to back up".to_owned()));
        }
        let cluster = shared.config.cluster;
        let described = tokio::task::spawn_blocking(move || (frozen.header(cluster), frozen));
        let (header, Frozen { machine, .. }) = described.await.map_err(|e| OrderError::Refused(e.to_string()))?;
        let state = shared.state.clone();
        Ok(Backup::of(header, machine, shared.config.snapshots.bytes_per_second, move |machine| {
            state.let_go(machine);
            drop(permit);
        }))
    }
}
