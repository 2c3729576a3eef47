//! The segment files: their names, their making ahead of need, and their second life.
//!
//! **What lives here.** A segment `<generation>.log` is a file of fixed size, filled with zeros and synced before it
//! gets its name, so that a group is an overwrite and its sync touches no metadata. [`Pool`] has a thread that makes
//! one spare ahead and turns purged segments into spares. A spare is not zeroed again: its sectors carry their old
//! generation, and generations never come back.
//!
//! **What must hold.** At most one error is met per need: making a spare ahead may fail (a full disk) and is only
//! reported; it is tried again when the segment is needed, and then the error goes to the one who needs it. Segments
//! go oldest first, and each removal is durable before the next, so that a crash leaves no gap. Spares do not
//! survive a restart: what was half written into one can then never be found under a live name.
//!
//! **What is deliberately not here.** What is in a segment: `format`; when to roll: `writer`.

use super::format::{GroupBuffer, Record};
use crate::store::files::{File, Files};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The smallest segment: a checkpoint, the largest request (half a segment) and a seal must fit.
pub(super) const BYTES_MIN: u64 = 16 << 10;
/// The largest segment: recovery reads one whole, and lengths are 32 bits.
pub(super) const BYTES_MAX: u64 = 1 << 30;
/// Zeros are written and synced in pieces of this size, so that a group's sync never waits behind much.
const FILL_BYTES: usize = 1 << 20;
/// One being used next and one just purged.
const SPARES_MAX: usize = 2;

const SPARE: &str = "spare-";

/// The file name of a segment.
pub(super) fn name(generation: u64) -> String {
    format!("{generation:016x}.log")
}

fn generation_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    u64::from_str_radix(digits, 16).ok().filter(|generation| self::name(*generation) == name)
}

/// The generations that are there, in order.
pub(super) fn generations(files: &dyn Files, dir: &Path) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> = files.list(dir)?.iter().filter_map(|name| generation_of(name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes spares that an earlier process left.
pub(super) fn remove_spares(files: &dyn Files, dir: &Path) -> io::Result<()> {
    for name in files.list(dir)?.iter().filter(|name| name.starts_with(SPARE)) {
        files.remove(&dir.join(name))?;
    }
    files.sync_dir(dir)
}

/// The segment that is being written.
pub(super) struct Segment {
    pub(super) generation: u64,
    pub(super) file: Arc<dyn File>,
    pub(super) bytes: u64,
    /// Where the next group goes.
    pub(super) end: u64,
    /// The highest index of an entry ever written to it.
    pub(super) highest: Option<u64>,
}

/// A segment that is only kept until its entries are purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedSegment {
    pub(super) generation: u64,
    pub(super) highest: Option<u64>,
    pub(super) bytes: u64,
}

/// Writes the seal at `at`, which a roll kept free for it.
pub(super) fn seal(file: &dyn File, buffer: &mut GroupBuffer, generation: u64, group: u64, at: u64) -> io::Result<()> {
    buffer.clear();
    buffer.push(&Record::Sealed);
    file.write_at(buffer.finish(generation, group), at)?;
    file.sync_data()
}

/// A file of the right size that has no generation yet.
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
}

/// Makes a spare: zeros, synced. Removes what it made if it cannot.
pub(super) fn make_spare(files: &dyn Files, path: PathBuf, bytes: u64) -> io::Result<Spare> {
    let file = files.create(&path)?;
    let zeros = vec![0; FILL_BYTES.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let piece = zeros.get(..(bytes - at).min(FILL_BYTES as u64) as usize).unwrap_or(&zeros);
        if let Err(error) = file.write_at(piece, at).and_then(|()| file.sync_data()) {
            drop(file);
            if let Err(left) = files.remove(&path) {
                tracing::warn!(path = %path.display(), error = %left, "remove unfinished spare segment");
            }
            return Err(error);
        }
        at += piece.len() as u64;
    }
    Ok(Spare { path, file })
}

pub(super) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{SPARE}{number:016x}"))
}

#[derive(Default)]
struct PoolState {
    spares: Vec<Spare>,
    made: u64,
    retired: VecDeque<SealedSegment>,
    /// Why there is no spare; cleared by the next need.
    failed: Option<io::Error>,
    /// Set when a removal was not durable: the next one could leave a gap.
    retiring_stopped: bool,
    stop: bool,
    running: bool,
}

impl PoolState {
    fn next_job(&mut self) -> Option<Job> {
        if self.retiring_stopped {
            self.retired.clear();
        }
        if let Some(segment) = self.retired.pop_front() {
            return Some(Job::Retire(segment));
        }
        let wanted = self.spares.is_empty() && self.failed.is_none();
        wanted.then(|| {
            self.made += 1;
            Job::Make(self.made)
        })
    }

    fn keep(&mut self, spare: Option<Spare>) {
        if spare.is_some() {
            self.failed = None;
        }
        self.spares.extend(spare);
    }
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    Own,
    None,
}

enum Job {
    Make(u64),
    Retire(SealedSegment),
}

/// Spares, made and recycled by a thread of its own, or by whoever needs one.
pub(super) struct Pool {
    files: Arc<dyn Files>,
    dir: PathBuf,
    segment_bytes: u64,
    threads: Threads,
    state: Mutex<PoolState>,
    changed: Condvar,
}

impl Pool {
    pub(super) fn new(files: Arc<dyn Files>, dir: PathBuf, segment_bytes: u64, threads: Threads) -> Arc<Pool> {
        Arc::new(Pool { files, dir, segment_bytes, threads, state: Mutex::default(), changed: Condvar::new() })
    }

    /// A spare, waiting for it to be made where there is none; the error if it cannot be.
    pub(super) fn take(&self) -> io::Result<Spare> {
        let mut state = self.state.lock();
        state.failed = None;
        self.changed.notify_all();
        loop {
            if let Some(spare) = state.spares.pop() {
                self.changed.notify_all();
                return Ok(spare);
            }
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if state.stop {
                return Err(io::Error::other("the log is closed"));
            }
            match self.threads {
                Threads::Own => self.changed.wait(&mut state),
                Threads::None => MutexGuard::unlocked(&mut state, || self.work_off()),
            }
        }
    }

    /// Gives back segments that are purged, oldest first.
    pub(super) fn retire(&self, segments: impl IntoIterator<Item = SealedSegment>) {
        self.state.lock().retired.extend(segments);
        self.changed.notify_all();
    }

    /// Whether a spare could not be made ahead of need.
    pub(super) fn nospace(&self) -> bool {
        self.state.lock().failed.is_some()
    }

    /// Whether the thread has nothing to do.
    #[cfg(test)]
    pub(super) fn idle(&self) -> bool {
        let state = self.state.lock();
        state.retired.is_empty() && !state.spares.is_empty()
    }

    #[cfg(test)]
    pub(super) fn made(&self) -> u64 {
        self.state.lock().made
    }

    /// Lets the thread end after what it is doing.
    pub(super) fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_all();
    }

    /// Waits for the thread's end; false if it has not come by `until`.
    pub(super) fn wait_ended(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while state.running {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return !state.running;
            }
        }
        true
    }

    /// The thread's life.
    pub(super) fn run(&self) {
        self.state.lock().running = true;
        while let Some(job) = self.wait_for_job() {
            self.carry_out(job);
            self.changed.notify_all();
        }
        self.state.lock().running = false;
        self.changed.notify_all();
    }

    /// Does all there is to do, where no thread does it.
    pub(super) fn work_off(&self) {
        loop {
            let job = self.state.lock().next_job();
            let Some(job) = job else { return };
            self.carry_out(job);
        }
    }

    fn carry_out(&self, job: Job) {
        match job {
            Job::Make(number) => {
                let made = make_spare(&*self.files, spare_path(&self.dir, number), self.segment_bytes);
                let mut state = self.state.lock();
                match made {
                    Ok(spare) => state.keep(Some(spare)),
                    Err(error) => {
                        tracing::warn!(%error, "make log segment ahead of need");
                        state.failed = Some(error);
                    }
                }
            }
            Job::Retire(segment) => match self.recycle(segment) {
                Ok(spare) => self.state.lock().keep(spare),
                Err(error) => {
                    tracing::warn!(%error, generation = segment.generation, "retire log segment");
                    let mut state = self.state.lock();
                    state.retiring_stopped = true;
                    state.retired.clear();
                }
            },
        }
    }

    fn wait_for_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return None;
            }
            if let Some(job) = state.next_job() {
                return Some(job);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Crash story: before the directory sync the segment may come back under its name, with its old content, all of
    /// it purged; only after it is the file used again.
    fn recycle(&self, segment: SealedSegment) -> io::Result<Option<Spare>> {
        let from = self.dir.join(name(segment.generation));
        let (number, wanted) = {
            let mut state = self.state.lock();
            state.made += 1;
            (state.made, state.spares.len() < SPARES_MAX && segment.bytes == self.segment_bytes)
        };
        if !wanted {
            self.files.remove(&from)?;
            self.files.sync_dir(&self.dir)?;
            return Ok(None);
        }
        let path = spare_path(&self.dir, number);
        self.files.rename(&from, &path)?;
        self.files.sync_dir(&self.dir)?;
        Ok(Some(Spare { file: self.files.open(&path)?, path }))
    }
}
