//! The Raft log on disk: entries, vote, committed, truncation and purge, in groups of one write and one sync.
//!
//! **What lives here.** [`Log`], the handle: it checks a request, queues it and returns at once; the result comes by
//! callback from the log's own thread. The thread takes whole groups from the queue ([`Options::group_bytes_max`], so
//! that a vote waits for at most one group in the works and those queued before it), encodes them once into a reused
//! buffer, writes once, syncs once, then calls back in order. The format is in `format`, reading back in `recovery`,
//! segment files in `segment`, the thread in `writer`. A log for simulations has no thread ([`Log::open_in_turns`]):
//! whoever holds its [`Turns`] has the same groups written, one by one.
//!
//! **What must hold.** `Ok` is told only after the sync. Order is kept over all kinds of requests. Every callback is
//! called exactly once. After a failed write or sync nothing is retried: that group and all later requests are told
//! `Err` (which means: may be on disk or not), `on_fatal` is called once, and the log is dead. No method blocks on
//! the disk except opening and closing.
//!
//! **The bound of the queue.** Senders are never blocked and accepted requests never dropped, so the queue is bounded
//! by what the callers keep in flight: Raft stops at its own in-flight limits and reads [`Log::backlog_bytes`].
//!
//! **What is deliberately not here.** Reading entries back while running: the caller keeps them in memory.

#[cfg(test)]
mod crash_test;
mod error;
mod format;
#[cfg(test)]
mod format_test;
#[cfg(test)]
mod log_test;
mod queue;
mod recovery;
#[cfg(test)]
mod recovery_test;
mod segment;
mod writer;

pub use error::OpenError;
pub use writer::Turn;

use super::files::{Files, Lock};
use bytes::Bytes;
use error::io_error;
use format::{GroupBuffer, RECORD_HEAD, Record};
use parking_lot::{Condvar, Mutex};
use queue::{Queue, Request, Shared, invalid};
use segment::Pool;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Told once, when the request is durable or the log is dead. Called on the log's thread (or, when a request is
/// refused at once, on the caller's): it must not block.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Told once, with the error that killed the log.
pub type OnFatal = Box<dyn Fn(&io::Error) + Send + Sync>;

/// Told that a log without threads has something to do, or was closed. Must not block, nor call the log.
pub type Asked = Box<dyn Fn() + Send + Sync>;

/// Watches groups go by; called on the log's thread after each.
pub type Observer = Arc<dyn Fn(&GroupStats) + Send + Sync>;

/// The most bytes of a vote, a committed or a purge marker.
pub const SMALL_BYTES_MAX: usize = 1024;

/// How long closing waits for the disk before it leaves the thread behind.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// How a log is laid out.
#[derive(Clone)]
pub struct Options {
    /// Size of a segment made from now on: a multiple of 512, from 16 KiB to 1 GiB. One request may have half of it.
    pub segment_bytes: u64,
    /// Most bytes of requests in one group, unless one alone is larger. At most half a segment is taken.
    pub group_bytes_max: usize,
    /// Watches groups.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Options { segment_bytes: 64 << 20, group_bytes_max: 1 << 20, observer: None }
    }
}

/// What one group did and took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Records in it.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The write, with encoding and, rarely, the change to another segment.
    pub write_us: u64,
    /// The sync.
    pub sync_us: u64,
    /// How long its oldest request had waited.
    pub queued_us: u64,
}

/// Whether the log's thread lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Groups completed since the open.
    pub groups: u64,
    /// When the last one was.
    pub last_group_at: Option<Instant>,
    /// Since when the oldest unanswered request waits.
    pub waiting_since: Option<Instant>,
    /// Whether the next segment could not be made ahead of need; writing goes on until this one is full.
    pub nospace: bool,
    /// Whether a write or sync has failed: the process must end.
    pub dead: bool,
}

/// What the log had when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last saved vote.
    pub vote: Option<Bytes>,
    /// The last saved committed that a group carried.
    pub committed: Option<Bytes>,
    /// Up to where entries were purged, with the caller's marker.
    pub purged: Option<(u64, Bytes)>,
    /// The entries above, without a hole.
    pub entries: Vec<(u64, Bytes)>,
}

/// The work of a log without threads.
pub struct Turns(writer::Writer);

impl Turns {
    /// Writes one group, if anything is queued. Waits for nothing but the disk.
    pub fn turn(&mut self) -> Turn {
        self.0.turn()
    }
}

/// A log, open for writing. Dropping it closes it.
pub struct Log {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    request_bytes_max: usize,
    runs: segment::Threads,
}

impl Log {
    /// Whether there is a log in `dir`; what that means is for the identity to say.
    pub fn exists(files: &dyn Files, dir: &Path) -> io::Result<bool> {
        match segment::generations(files, dir) {
            Ok(generations) => Ok(!generations.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes an empty log where there is none.
    ///
    /// Crash story: the first segment gets its name only when it is whole and synced, so a kill before that leaves
    /// no log (only a spare, removed by the next open), and after it a whole one.
    pub fn create(files: &dyn Files, dir: &Path, options: &Options) -> Result<(), OpenError> {
        check(options)?;
        files.create_dir_all(dir).map_err(io_error("create log directory"))?;
        let _lock = lock(files, dir)?;
        if Log::exists(files, dir).map_err(io_error("list log"))? {
            return Err(OpenError::Exists { dir: dir.to_owned() });
        }
        let make = || {
            segment::remove_spares(files, dir)?;
            let spare = segment::make_spare(files, segment::spare_path(dir, 0), options.segment_bytes)?;
            let mut buffer = GroupBuffer::default();
            buffer.push(&Record::Opened { next: 0, segment_bytes: options.segment_bytes });
            spare.file.write_at(buffer.finish(1, 1), 0)?;
            spare.file.sync_data()?;
            files.rename(&spare.path, &dir.join(segment::name(1)))?;
            files.sync_dir(dir)
        };
        make().map_err(io_error("create log"))
    }

    /// Opens the log in `dir`, repairs a torn tail, and starts its threads.
    pub fn open(
        files: Arc<dyn Files>,
        dir: &Path,
        options: Options,
        on_fatal: OnFatal,
    ) -> Result<(Log, Recovered), OpenError> {
        let (mut log, recovered, writer) = Log::recover(files, dir, options, on_fatal, None)?;
        // From here a failure drops `log`, which stops what was started.
        let (shared, pool) = (log.shared.clone(), log.pool.clone());
        let spares = move || {
            pool.run();
            drop(shared);
        };
        log.threads.get_mut().push(spawn("holdfast-spares", spares)?);
        log.shared.queue.lock().stopped = false;
        match spawn("holdfast-log", move || writer.run()) {
            Ok(thread) => log.threads.get_mut().push(thread),
            Err(error) => {
                log.shared.queue.lock().stopped = true;
                return Err(error);
            }
        }
        Ok((log, recovered))
    }

    /// The same without threads: whoever holds the [`Turns`] does the work, whenever `asked` says that there is some.
    /// Closing such a log waits for nothing; it is closed when a turn says so.
    pub fn open_in_turns(
        files: Arc<dyn Files>,
        dir: &Path,
        options: Options,
        on_fatal: OnFatal,
        asked: Asked,
    ) -> Result<(Log, Recovered, Turns), OpenError> {
        let (log, recovered, mut writer) = Log::recover(files, dir, options, on_fatal, Some(asked))?;
        writer.retire_purged();
        log.shared.queue.lock().stopped = false;
        Ok((log, recovered, Turns(writer)))
    }

    fn recover(
        files: Arc<dyn Files>,
        dir: &Path,
        options: Options,
        on_fatal: OnFatal,
        asked: Option<Asked>,
    ) -> Result<(Log, Recovered, writer::Writer), OpenError> {
        check(&options)?;
        if !Log::exists(&*files, dir).map_err(io_error("list log"))? {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let lock = lock(&*files, dir)?;
        segment::remove_spares(&*files, dir).map_err(io_error("remove spare segments"))?;
        let recovery = recovery::recover(&*files, dir)?;
        let replay = &recovery.replay;
        let recovered = Recovered {
            vote: replay.vote.clone(),
            committed: replay.committed.clone(),
            purged: replay.purged.clone(),
            entries: (replay.base..).zip(replay.entries.iter().cloned()).collect(),
        };
        let queue = Queue { next: replay.next(), first_unpurged: replay.base, stopped: true, ..Queue::default() };
        let runs = if asked.is_some() { segment::Threads::None } else { segment::Threads::Own };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        let shared = Arc::new(Shared { queue, changed, asked, on_fatal, _lock: lock });
        let pool = Pool::new(files.clone(), dir.to_owned(), options.segment_bytes, runs);
        let request_bytes_max = (options.segment_bytes / 2) as usize;
        let writer = writer::Writer::new(shared.clone(), pool.clone(), files, dir.to_owned(), options, recovery);
        let log = Log { shared, pool, threads: Mutex::default(), request_bytes_max, runs };
        Ok((log, recovered, writer))
    }

    /// Adds entries, whose indexes must follow the last one without a hole.
    pub fn append(&self, entries: Vec<(u64, Bytes)>, done: Done) {
        self.submit(entries.into_iter().map(|(index, payload)| Record::Entry { index, payload }).collect(), done);
    }

    /// Replaces the vote.
    pub fn save_vote(&self, vote: Bytes, done: Done) {
        self.submit(vec![Record::Vote(vote)], done);
    }

    /// Replaces committed. It rides with the next group and never causes a sync but the one of a clean close.
    pub fn save_committed(&self, committed: Bytes) -> io::Result<()> {
        if committed.len() > SMALL_BYTES_MAX {
            return Err(invalid("a committed that is too large"));
        }
        let mut queue = self.shared.queue.lock();
        queue.open()?;
        queue.committed = Some(committed);
        Ok(())
    }

    /// Removes all entries above `last_kept`, or all there are; purged ones are out of reach.
    pub fn truncate_after(&self, last_kept: Option<u64>, done: Done) {
        let from = last_kept.map_or(0, |index| index.saturating_add(1));
        self.submit(vec![Record::Truncated { from }], done);
    }

    /// Removes entries up to `upto_inclusive`, which may lie above the last one. The marker is given back at the open.
    pub fn purge(&self, upto_inclusive: u64, marker: Bytes, done: Done) {
        self.submit(vec![Record::Purged { upto: upto_inclusive, marker }], done);
    }

    /// Bytes of all requests that are not answered yet.
    pub fn backlog_bytes(&self) -> usize {
        self.shared.queue.lock().backlog_bytes
    }

    /// Whether the log's thread lives; cheap.
    pub fn health(&self) -> Health {
        let nospace = self.pool.nospace();
        let queue = self.shared.queue.lock();
        Health {
            groups: queue.groups,
            last_group_at: queue.last_group_at,
            waiting_since: queue.in_flight_since.or(queue.requests.front().map(|request| request.since)),
            nospace,
            dead: queue.dead.is_some(),
        }
    }

    /// Writes what is queued, and committed, then ends the threads. Waits at most ten seconds for the disk; after
    /// that the threads are left behind, still holding the directory's lock. Not to be called from a callback.
    pub fn close(&self) -> io::Result<()> {
        let until = Instant::now() + CLOSE_MAX;
        {
            let mut queue = self.shared.queue.lock();
            queue.closing = true;
            self.shared.wake();
            if self.runs == segment::Threads::None {
                return Ok(());
            }
            while !queue.stopped {
                if self.shared.changed.wait_until(&mut queue, until).timed_out() && !queue.stopped {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
                }
            }
        }
        self.pool.stop();
        if !self.pool.wait_ended(until) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
        }
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                return Err(io::Error::other("a log thread panicked"));
            }
        }
        match &self.shared.queue.lock().dead {
            Some(fault) => Err(fault.error()),
            None => Ok(()),
        }
    }

    fn submit(&self, records: Vec<Record>, done: Done) {
        if let Err((error, done)) = self.enqueue(records, done) {
            done(Err(error));
        }
    }

    fn enqueue(&self, records: Vec<Record>, done: Done) -> Result<(), (io::Error, Done)> {
        let mut cost_bytes = 0;
        for record in &records {
            let (payload_bytes, most) = match record {
                Record::Entry { payload, .. } => (payload.len(), self.request_bytes_max),
                Record::Vote(small) | Record::Purged { marker: small, .. } => (small.len(), SMALL_BYTES_MAX),
                Record::Committed(_) | Record::Truncated { .. } | Record::Opened { .. } | Record::Sealed => (0, 0),
            };
            cost_bytes += RECORD_HEAD + payload_bytes;
            if payload_bytes > most || cost_bytes > self.request_bytes_max {
                return Err((invalid("a request that is too large"), done));
            }
        }
        let mut queue = self.shared.queue.lock();
        if let Err(error) = queue.open().and_then(|()| queue.accept(&records)) {
            return Err((error, done));
        }
        queue.backlog_bytes += cost_bytes;
        queue.requests.push_back(Request { records, cost_bytes, since: Instant::now(), done });
        self.shared.wake();
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "close log");
        }
    }
}

fn spawn(name: &str, life: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.into()).spawn(life).map_err(io_error("start log thread"))
}

fn check(options: &Options) -> Result<(), OpenError> {
    if !(segment::BYTES_MIN..=segment::BYTES_MAX).contains(&options.segment_bytes) {
        return Err(OpenError::Options("segment_bytes must be from 16 KiB to 1 GiB"));
    }
    if !options.segment_bytes.is_multiple_of(format::SECTOR as u64) {
        return Err(OpenError::Options("segment_bytes must be a multiple of 512"));
    }
    Ok(())
}

fn lock(files: &dyn Files, dir: &Path) -> Result<Box<dyn Lock>, OpenError> {
    files.lock(&dir.join("LOCK")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.to_owned() },
        _ => OpenError::Io { doing: "lock log", source: error },
    })
}
