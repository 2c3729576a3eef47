//! The history: every applied command with its outcome, found by log index or log time. For operators; no decision,
//! no answer and no money depends on it.
//!
//! **What lives here.** [`History`], which is handed what was applied, and reads. Beneath it the bounded [`queue`], the
//! [`format`] of the chunks, the [`catalogue`] of snapshots, the [`database`], and the [`writer`], a thread of its own
//! that writes in large groups.
//!
//! **What must hold.** Handing over never waits: what finds no room is dropped, counted, and marked as a gap. A
//! database that does not open or is damaged is moved aside and begun anew; it never stops the node. What a kill loses
//! is written again when the log is applied again at the next start.
//!
//! **What is deliberately not here.** What commands and outcomes mean: they are bytes.

mod catalogue;
mod database;
mod format;
#[cfg(test)]
mod history_test;
mod queue;
mod writer;

use crate::metrics::Stages;
use crate::types::{Batch, Outputs};
use crate::{Node, StateMachine};
use bytes::Bytes;
pub use catalogue::SnapshotRecord;
use database::Reader;
use parking_lot::Mutex;
use queue::{Put, Queue};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries that are kept: at 50 batches a second, five and a half hours; at one a second, eleven days.
const ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of chunks that are kept.
const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// How long a reader waits for the writer to catch up with what was applied before the read.
const SETTLE: Duration = Duration::from_secs(1);

/// One applied command as it stands in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Log time of the command.
    pub time_us: u64,
    /// The encoded command.
    pub command: Bytes,
    /// The encoded output.
    pub output: Bytes,
    /// How its entry came to be. `None` if it was written by a version that did not keep that.
    pub made: Option<Made>,
}

/// How a log entry came to be, and when this node applied it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Raft's term.
    pub term: u64,
    /// The node that led, and made the batch.
    pub leader: u64,
    /// That node's clock when it made the batch.
    pub made_us: u64,
    /// This node's clock when it had applied it. Only on the leader itself are both the same clock; after a restart an
    /// entry is applied again, and this is then.
    pub applied_us: u64,
}

/// Why there is no history of something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryGap {
    /// This node keeps none, or cannot open its database now.
    #[error("this node's history is not open")]
    Off,
    /// It was not written on this node: the writer did not keep up, the database was lost, or the state came as a
    /// snapshot.
    #[error("this node has no history of the entries {first} to {last}")]
    Gap {
        /// The first index of the gap.
        first: u64,
        /// The last index of the gap.
        last: u64,
    },
    /// It was there, and is no longer kept.
    #[error("this node's history begins at {oldest}: what was before is no longer kept")]
    TooOld {
        /// The first index that may be there.
        oldest: u64,
    },
    /// Nothing stands there: no commands, not applied yet, or older than what is kept.
    #[error("nothing stands in this node's history there: too old, too new, or no command")]
    Nothing,
    /// What stands there cannot be read.
    #[error("this node's history cannot be read there: {0}")]
    Damaged(String),
}

/// A part of the history, without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// Entries with their indexes, in order. What is between them had no commands.
    pub entries: Vec<(u64, Vec<HistoryRecord>)>,
    /// Where to go on.
    pub next: u64,
}

/// One applied entry.
pub(crate) struct Written {
    pub(crate) index: u64,
    pub(crate) made: Made,
    pub(crate) batch: Batch,
    pub(crate) outputs: Outputs,
    /// The log time of each command.
    pub(crate) times_us: Vec<u64>,
    /// Every node that may come to read it understands packed chunks.
    pub(crate) packed: bool,
}

impl Written {
    /// What it takes in the queue, and about what it takes on the disk.
    fn size_bytes(&self) -> usize {
        // A record's head is 16 bytes, an entry's 44, a u64 in `times_us` and a u32 in `ends` are 12 of them in memory.
        self.batch.commands.len() + self.outputs.bytes.len() + 16 * self.times_us.len() + 64
    }
}

/// How a file is made durable.
type MakeDurable = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// What a database is told. Tests use others.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) cluster: [u8; 16],
    pub(crate) queue_bytes_max: usize,
    pub(crate) entries_max: u64,
    pub(crate) bytes_max: u64,
    /// Makes sled's file durable.
    pub(crate) sync: MakeDurable,
}

impl Options {
    pub(crate) fn new(cluster: [u8; 16]) -> Options {
        Options {
            cluster,
            queue_bytes_max: queue::QUEUE_BYTES_MAX,
            entries_max: ENTRIES_MAX,
            bytes_max: BYTES_MAX,
            sync: Arc::new(File::sync_data),
        }
    }
}

/// What readers find while the database is open.
type Door = Arc<Mutex<Option<Reader>>>;

/// The history of one node. Dropped without [`History::close`], it ends as a kill would: what waits is not written.
pub(crate) struct History {
    queue: Arc<Queue>,
    door: Door,
    stages: Arc<Stages>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl History {
    /// Starts the writer, which opens the database. Waits a moment for that, so that a short log is not applied into a
    /// queue that nobody empties; does not fail if it takes longer.
    pub(crate) fn start(dir: PathBuf, options: Options, stages: Arc<Stages>) -> io::Result<History> {
        let queue = Arc::new(Queue::new(options.queue_bytes_max));
        let door = Door::default();
        let writer = writer::Writer { dir, options, queue: queue.clone(), door: door.clone(), stages: stages.clone() };
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || writer.run())?;
        let history = History { queue, door, stages, thread: Mutex::new(Some(thread)) };
        history.queue.skip_to(0);
        history.settle();
        Ok(history)
    }

    /// Hands over what was applied. Never waits.
    pub(crate) fn record(&self, written: Written) {
        if self.queue.put(written) == Put::Dropped {
            self.stages.history_dropped();
        }
    }

    /// The state came as a snapshot up to `index`: what is not written yet of it never will be.
    pub(crate) fn skip_to(&self, index: u64) {
        self.queue.skip_to(index);
    }

    /// Has the catalogue say which snapshots there are now. Never waits.
    pub(crate) fn catalogue(&self, snapshots: Vec<SnapshotRecord>) {
        self.queue.catalogue(snapshots);
    }

    /// Waits, for a bounded time, until all that was applied before is written.
    pub(crate) fn settle(&self) {
        self.queue.settle(SETTLE);
    }

    /// The commands of the entry at `index`. Blocks.
    pub(crate) fn entry(&self, index: u64) -> Result<Vec<HistoryRecord>, HistoryGap> {
        self.reader()?.entry(index)
    }

    /// The command that was applied at exactly this log time, and its index. Blocks.
    pub(crate) fn at(&self, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
        self.reader()?.at(time_us)
    }

    /// What stands from `from` on, at most about so many bytes of commands. Blocks.
    pub(crate) fn page(&self, from: u64, bytes_max: usize) -> Result<HistoryPage, HistoryGap> {
        self.reader()?.page(from, bytes_max)
    }

    /// An index at or before which nothing was applied at this log time or later. Blocks.
    pub(crate) fn since(&self, time_us: u64) -> Result<u64, HistoryGap> {
        self.reader()?.since(time_us)
    }

    /// The snapshots as the catalogue has them. Blocks.
    pub(crate) fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HistoryGap> {
        self.reader()?.snapshots()
    }

    #[cfg(test)]
    pub(crate) fn chunk_versions(&self) -> Vec<u8> {
        self.reader().map(|reader| reader.chunk_versions()).unwrap_or_default()
    }

    fn reader(&self) -> Result<Reader, HistoryGap> {
        self.settle();
        self.door.lock().clone().ok_or(HistoryGap::Off)
    }

    /// Writes what waits, and ends. Blocks.
    pub(crate) fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::warn!("the history's writer ended in a panic");
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.queue.end();
    }
}

impl<M: StateMachine> Node<M> {
    /// The commands of the log entry at `index` with their outcomes, as this node's history has them.
    pub async fn history(&self, index: u64) -> Result<Vec<HistoryRecord>, HistoryGap> {
        self.look(move |history| history.entry(index)).await
    }

    /// The command that was applied at exactly this log time, with its log index.
    pub async fn history_at(&self, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
        self.look(move |history| history.at(time_us)).await
    }

    /// What stands in this node's history from an index on, without a gap, at most about so many bytes of commands; an
    /// empty page if nothing is there yet. From 0 on it begins with the oldest that is kept.
    pub async fn history_page(&self, from: u64, bytes_max: usize) -> Result<HistoryPage, HistoryGap> {
        self.look(move |history| history.page(from, bytes_max)).await
    }

    /// Where to begin for everything that was applied at this log time or later.
    pub async fn history_since(&self, time_us: u64) -> Result<u64, HistoryGap> {
        self.look(move |history| history.since(time_us)).await
    }

    /// The snapshots on this node's disk, oldest first: as its catalogue has them, or, where that cannot be read, as
    /// the files say.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HistoryGap> {
        match self.look(History::snapshots).await {
            Ok(snapshots) => Ok(snapshots),
            Err(gap) => {
                tracing::warn!(%gap, "the snapshot catalogue is passed over");
                let snapshots = self.shared.snapshots.clone();
                let read = tokio::task::spawn_blocking(move || snapshots.records()).await;
                let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
                read.map_err(|error| HistoryGap::Damaged(error.to_string()))
            }
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&History) -> Result<T, HistoryGap> + Send + 'static,
    ) -> Result<T, HistoryGap> {
        let history = self.shared.history.clone().ok_or(HistoryGap::Off)?;
        // sled panics on some damage; the panic ends here.
        let looked = tokio::task::spawn_blocking(move || look(&history)).await;
        looked.unwrap_or_else(|error| Err(HistoryGap::Damaged(error.to_string())))
    }
}
