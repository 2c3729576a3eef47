//! Raft's log over the durable one: what openraft asks of a log, with every entry also in memory.
//!
//! **What must hold.** Entries are readable as soon as `append` returns; its callback comes when they are on disk, and
//! nothing here waits for that. Votes, entries, truncations and purges reach the disk in the order in which Raft gave
//! them, because they go through one queue. Replication reads memory only, at most [`READ_BYTES_MAX`] at a time.
//!
//! Crash story: memory is rebuilt from the disk at start; what was not acknowledged may or may not be there, and both
//! are lawful. `committed` rides with the next group and may lag, which costs a longer wait at start, nothing else.

use crate::Malformed;
use crate::codec;
use crate::disk::apart;
use crate::store::files::Work;
use crate::store::log::{Done, Log, Recovered};
use crate::types::{Batch, Carries, Entry, LogId, Membership, Payload, Types, Vote};
use bytes::Bytes;
use openraft::OptionalSend;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What one replication read returns at most. With batches of 64 KiB that is at least 16 entries.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// Runs once, before the first vote of this node's life is written.
pub(crate) type BeforeVote = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// The log as openraft sees it. Clones share everything.
#[derive(Clone)]
pub(crate) struct RaftLog {
    shared: Arc<Shared>,
}

struct Shared {
    tail: RwLock<Tail>,
    disk: Arc<Log>,
    work: Work,
    before_vote: Mutex<Option<BeforeVote>>,
}

/// The part of the log that is kept, all of it in memory.
#[derive(Default)]
struct Tail {
    purged: Option<LogId>,
    /// From the purge point on, without holes.
    entries: VecDeque<(Entry, usize)>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    bytes: u64,
}

impl Tail {
    /// Index of the first entry that is or would be kept.
    fn first(&self) -> u64 {
        self.purged.map_or(0, |id| id.index + 1)
    }

    fn last_log_id(&self) -> Option<LogId> {
        self.entries.back().map(|(entry, _)| entry.log_id()).or(self.purged)
    }

    /// Positions in `entries` that a range of indexes covers.
    fn positions(&self, range: &impl RangeBounds<u64>) -> std::ops::Range<usize> {
        let first = self.first();
        let start = match range.start_bound() {
            Bound::Included(&index) => index,
            Bound::Excluded(&index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&index) => index.saturating_add(1),
            Bound::Excluded(&index) => index,
            Bound::Unbounded => u64::MAX,
        };
        let position = |index: u64| (index.saturating_sub(first).min(self.entries.len() as u64)) as usize;
        let (start, end) = (position(start), position(end));
        start..end.max(start)
    }
}

/// A callback for the disk, and the wait for it.
fn completion() -> (Done, impl Future<Output = io::Result<()>>) {
    let (send, receive) = oneshot::channel();
    let done: Done = Box::new(move |result| {
        let _ = send.send(result);
    });
    let wait = async { receive.await.unwrap_or_else(|_| Err(io::Error::other("the log thread has ended"))) };
    (done, wait)
}

impl RaftLog {
    /// The log over an opened disk, with what was found there. An error comes with the highest version of the cluster
    /// that stood before what cannot be read: it may be of a later program.
    pub(crate) fn new(
        disk: Arc<Log>,
        found: Recovered,
        work: Work,
        before_vote: Option<BeforeVote>,
    ) -> Result<RaftLog, (u32, Malformed)> {
        let mut version = 0;
        let tail = RaftLog::read_back(found, &mut version).map_err(|error| (version, error))?;
        let shared = Shared { tail: RwLock::new(tail), disk, work, before_vote: Mutex::new(before_vote) };
        Ok(RaftLog { shared: Arc::new(shared) })
    }

    fn read_back(found: Recovered, version: &mut u32) -> Result<Tail, Malformed> {
        let mut tail = Tail {
            purged: found.purged.map(|(_, marker)| codec::decode_log_id(&marker)).transpose()?,
            vote: found.vote.map(|bytes| codec::decode_vote(&bytes)).transpose()?,
            committed: found.committed.map(|bytes| codec::decode_log_id(&bytes)).transpose()?,
            ..Tail::default()
        };
        for (index, bytes) in found.entries {
            let entry = codec::decode_entry(&bytes)?;
            if entry.log_id().index != index {
                let why = format!("entry {} stands at index {index}", entry.log_id());
                return Err(Malformed { what: "log", why });
            }
            *version = version_of(&entry).map_or(*version, |risen| risen.max(*version));
            tail.bytes += bytes.len() as u64;
            tail.entries.push_back((entry, bytes.len()));
        }
        Ok(tail)
    }

    /// The vote, if this node ever cast or accepted one.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.shared.tail.read().vote
    }

    /// Up to where the log is gone.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.shared.tail.read().purged
    }

    /// Up to where entries were known to be committed; may lag.
    pub(crate) fn committed(&self) -> Option<LogId> {
        self.shared.tail.read().committed
    }

    /// The entry at an index, or the purge point if that is there.
    pub(crate) fn id_at(&self, index: u64) -> Option<LogId> {
        let tail = self.shared.tail.read();
        if let Some(purged) = tail.purged.filter(|purged| purged.index == index) {
            return Some(purged);
        }
        let position = usize::try_from(index.checked_sub(tail.first())?).ok()?;
        tail.entries.get(position).map(|(entry, _)| entry.log_id())
    }

    /// The newest membership that stands in the log, committed or not.
    pub(crate) fn membership(&self) -> Option<Membership> {
        let tail = self.shared.tail.read();
        tail.entries.iter().rev().find_map(|(entry, _)| match &entry.payload {
            Payload::Membership(membership) => Some(membership.clone()),
            Payload::Blank | Payload::Normal(_) => None,
        })
    }

    /// The highest version of the cluster that stands in the log, committed or not; 0 if none does.
    pub(crate) fn version(&self) -> u32 {
        let tail = self.shared.tail.read();
        tail.entries.iter().filter_map(|(entry, _)| version_of(entry)).max().unwrap_or(0)
    }

    /// How many bytes of entries are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.tail.read().bytes
    }

    /// How long the oldest request has waited for the disk.
    pub(crate) fn stuck_for(&self) -> Option<std::time::Duration> {
        self.shared.disk.health().waiting_since.map(|since| since.elapsed())
    }

    /// Writes what is queued and gives the directory back.
    pub(crate) fn close(&self) {
        if let Err(error) = self.shared.disk.close() {
            tracing::warn!(%error, "closing the log");
        }
    }

    fn read(&self, range: &impl RangeBounds<u64>, bytes_max: usize) -> Vec<Entry> {
        let tail = self.shared.tail.read();
        let mut bytes = 0;
        let mut found = Vec::new();
        for (entry, size) in tail.entries.range(tail.positions(range)) {
            bytes += size;
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        found
    }
}

fn version_of(entry: &Entry) -> Option<u32> {
    match &entry.payload {
        Payload::Normal(Batch { carries: Carries::Version(version), .. }) => Some(*version),
        Payload::Normal(_) | Payload::Blank | Payload::Membership(_) => None,
    }
}

impl RaftLogReader<Types> for RaftLog {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        Ok(self.read(&range, usize::MAX))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        // Replication that asks for what is purged gets nothing, never what comes after the hole: it would be sent as
        // if it followed what the peer has.
        let purged = start < self.shared.tail.read().first();
        Ok(if purged { Vec::new() } else { self.read(&(start..end), READ_BYTES_MAX) })
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.vote())
    }
}

impl RaftLogStorage<Types> for RaftLog {
    type LogReader = RaftLog;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let tail = self.shared.tail.read();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last_log_id() })
    }

    async fn get_log_reader(&mut self) -> RaftLog {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let before = self.shared.before_vote.lock().take();
        if let Some(before) = before {
            apart(&self.shared.work, before).await??;
        }
        let (done, wait) = completion();
        self.shared.disk.save_vote(codec::encode_vote(vote), done);
        wait.await?;
        self.shared.tail.write().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(committed) = committed {
            self.shared.disk.save_committed(codec::encode_log_id(&committed))?;
            self.shared.tail.write().committed = Some(committed);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.tail.read().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut encoded: Vec<(u64, Bytes)> = Vec::new();
        {
            let mut tail = self.shared.tail.write();
            for entry in entries {
                let bytes = codec::encode_entry(&entry);
                encoded.push((entry.log_id().index, bytes.clone()));
                tail.bytes += bytes.len() as u64;
                tail.entries.push_back((entry, bytes.len()));
            }
        }
        self.shared.disk.append(encoded, Box::new(move |result| callback.io_completed(result)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let (done, wait) = completion();
        {
            let mut tail = self.shared.tail.write();
            if tail.last_log_id().is_none_or(|end| last.is_some_and(|last| last.index >= end.index)) {
                return Ok(());
            }
            let keep = last.map_or(0, |id| (id.index + 1).saturating_sub(tail.first()));
            let keep = usize::try_from(keep).unwrap_or(usize::MAX).min(tail.entries.len());
            let gone: u64 = tail.entries.drain(keep..).map(|(_, size)| size as u64).sum();
            tail.bytes -= gone;
        }
        self.shared.disk.truncate_after(last.map(|id| id.index), done);
        wait.await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let (done, wait) = completion();
        {
            let mut tail = self.shared.tail.write();
            if tail.purged.is_some_and(|purged| purged.index >= upto.index) {
                return Ok(());
            }
            let gone = (upto.index + 1).saturating_sub(tail.first()).min(tail.entries.len() as u64);
            let bytes: u64 = tail.entries.drain(..gone as usize).map(|(_, size)| size as u64).sum();
            tail.bytes -= bytes;
            tail.purged = Some(upto);
        }
        self.shared.disk.purge(upto.index, codec::encode_log_id(&upto), done);
        wait.await
    }
}

impl Debug for RaftLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail = self.shared.tail.read();
        write!(f, "log from {} with {} entries", tail.first(), tail.entries.len())
    }
}
