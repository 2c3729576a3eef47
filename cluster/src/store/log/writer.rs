//! The log's thread: groups from the queue to the disk, callbacks back.
//!
//! **What must hold.** One write and one sync per group, nothing else between a request and its answer but, once per
//! segment, the roll. Any error ends the thread: what is in flight, queued or sent later is told `Err`, once each,
//! and `on_fatal` is called once, after them.
//!
//! **Crash story of a roll** from segment n to n+1: (1) the checkpoint (next index, vote, committed, purge point) is
//! written into a spare and synced: a kill here leaves a spare, which the next open removes; (2) the spare is renamed
//! and the directory synced: a kill leaves n without a seal and maybe n+1 with nothing but its checkpoint, and
//! recovery seals n; (3) n is sealed, only then n+1 takes groups. Whatever is found, n is whole, as its last group was
//! synced before (1).

use super::format::{GroupBuffer, Record, SECTOR};
use super::queue::{Fault, Request, Shared};
use super::recovery::Recovery;
use super::segment::{self, Pool, SealedSegment, Segment};
use super::{Done, GroupStats, Options};
use crate::store::files::Files;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What each new segment begins with, so that older ones can go.
struct Checkpoint {
    next: u64,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
}

impl Checkpoint {
    fn note(&mut self, record: &Record) {
        match record {
            Record::Entry { index, .. } => self.next = index + 1,
            Record::Vote(vote) => self.vote = Some(vote.clone()),
            Record::Committed(committed) => self.committed = Some(committed.clone()),
            Record::Truncated { from } => self.next = *from,
            Record::Purged { upto, marker } => {
                self.next = self.next.max(upto + 1);
                self.purged = Some((*upto, marker.clone()));
            }
            Record::Opened { .. } | Record::Sealed => {}
        }
    }

    fn put(&self, buffer: &mut GroupBuffer, segment_bytes: u64) {
        buffer.push(&Record::Opened { next: self.next, segment_bytes });
        if let Some(vote) = &self.vote {
            buffer.push(&Record::Vote(vote.clone()));
        }
        if let Some(committed) = &self.committed {
            buffer.push(&Record::Committed(committed.clone()));
        }
        if let Some((upto, marker)) = &self.purged {
            buffer.push(&Record::Purged { upto: *upto, marker: marker.clone() });
        }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    files: Arc<dyn Files>,
    dir: PathBuf,
    options: Options,
    current: Segment,
    sealed: VecDeque<SealedSegment>,
    next_group: u64,
    checkpoint: Checkpoint,
    buffer: GroupBuffer,
    side_buffer: GroupBuffer,
    /// Callbacks of the group in the works.
    in_flight: VecDeque<Done>,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A group was written, and those who asked for it were told.
    Wrote,
    /// There was nothing to write.
    Idle,
    /// The log is closed, or dead.
    Ended,
}

/// What was taken from the queue to be one group.
struct Group {
    records: Vec<Record>,
    cost_bytes: usize,
    since: Instant,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        pool: Arc<Pool>,
        files: Arc<dyn Files>,
        dir: PathBuf,
        mut options: Options,
        recovery: Recovery,
    ) -> Writer {
        options.group_bytes_max = options.group_bytes_max.min((options.segment_bytes / 2) as usize);
        let next = recovery.replay.next();
        let replay = recovery.replay;
        Writer {
            shared,
            pool,
            files,
            dir,
            options,
            current: recovery.current,
            sealed: recovery.sealed,
            next_group: recovery.next_group,
            checkpoint: Checkpoint { next, vote: replay.vote, committed: replay.committed, purged: replay.purged },
            buffer: GroupBuffer::default(),
            side_buffer: GroupBuffer::default(),
            in_flight: VecDeque::new(),
        }
    }

    /// The thread's life.
    pub(super) fn run(mut self) {
        let failed = self.guarded(|writer| {
            writer.retire_purged();
            while let Some(group) = writer.wait() {
                writer.serve(group)?;
            }
            Ok(())
        });
        self.end(failed);
    }

    /// One group, where the log has no thread: what is queued by now.
    pub(super) fn turn(&mut self) -> Turn {
        let (idle, closing) = {
            let queue = self.shared.queue.lock();
            if queue.stopped {
                return Turn::Ended;
            }
            (queue.requests.is_empty(), queue.closing)
        };
        if idle && !closing {
            return Turn::Idle;
        }
        let mut last = false;
        let failed = self.guarded(|writer| {
            match writer.take() {
                Some(group) => writer.serve(group)?,
                None => last = true,
            }
            writer.pool.work_off();
            Ok(())
        });
        if last || failed.is_some() {
            self.end(failed);
            return Turn::Ended;
        }
        Turn::Wrote
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> Option<io::Error> {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(io::Error::other("the log thread panicked")),
        }
    }

    fn end(&mut self, failed: Option<io::Error>) {
        if let Some(error) = failed {
            self.die(&error);
        }
        self.shared.queue.lock().stopped = true;
        self.shared.changed.notify_all();
        self.pool.stop();
    }

    /// Writes a group and tells those who asked for it.
    fn serve(&mut self, group: Group) -> io::Result<()> {
        let stats = self.write(&group)?;
        {
            let mut queue = self.shared.queue.lock();
            queue.backlog_bytes -= group.cost_bytes;
            queue.in_flight_since = None;
            queue.groups += 1;
            queue.last_group_at = Some(Instant::now());
        }
        while let Some(done) = self.in_flight.pop_front() {
            tell(done, Ok(()));
        }
        if let Some(observer) = &self.options.observer {
            observer(&stats);
        }
        Ok(())
    }

    /// Waits for requests and takes a group of them; `None` when the log is closed and everything is written.
    fn wait(&mut self) -> Option<Group> {
        {
            let mut queue = self.shared.queue.lock();
            while queue.requests.is_empty() && !queue.closing {
                self.shared.changed.wait(&mut queue);
            }
        }
        self.take()
    }

    /// Takes a group of what is queued; `None` when there is nothing, which only a closed log is asked for.
    fn take(&mut self) -> Option<Group> {
        let mut queue = self.shared.queue.lock();
        let since = queue.requests.front().map(|request| request.since);
        if since.is_none() && queue.committed.is_none() {
            return None;
        }
        queue.in_flight_since = since;
        let mut group = Group { records: Vec::new(), cost_bytes: 0, since: since.unwrap_or_else(Instant::now) };
        while let Some(next) = queue.requests.front() {
            if !self.in_flight.is_empty() && group.cost_bytes + next.cost_bytes > self.options.group_bytes_max {
                break;
            }
            let Some(Request { mut records, cost_bytes, done, .. }) = queue.requests.pop_front() else {
                break;
            };
            match group.records.is_empty() {
                true => group.records = records,
                false => group.records.append(&mut records),
            }
            group.cost_bytes += cost_bytes;
            self.in_flight.push_back(done);
        }
        group.records.extend(queue.committed.take().map(Record::Committed));
        Some(group)
    }

    fn write(&mut self, group: &Group) -> io::Result<GroupStats> {
        let start = Instant::now();
        let queued_us = micros(start.duration_since(group.since));
        if group.records.is_empty() {
            // Nothing but empty appends: durable once everything before is, and it is.
            return Ok(GroupStats { queued_us, ..GroupStats::default() });
        }
        self.buffer.clear();
        for record in &group.records {
            self.buffer.push(record);
        }
        let bytes = self.buffer.disk_bytes();
        // One sector more, for the seal.
        if self.current.end + bytes + SECTOR as u64 > self.current.bytes {
            self.roll()?;
        }
        let sectors = self.buffer.finish(self.current.generation, self.next_group);
        self.current.file.write_at(sectors, self.current.end)?;
        let written = Instant::now();
        self.current.file.sync_data()?;
        let stats = GroupStats {
            records: self.buffer.records() as u64,
            bytes,
            write_us: micros(written.duration_since(start)),
            sync_us: micros(written.elapsed()),
            queued_us,
        };
        self.current.end += bytes;
        self.next_group += 1;
        self.note(&group.records);
        Ok(stats)
    }

    fn note(&mut self, records: &[Record]) {
        let mut purged = false;
        for record in records {
            self.checkpoint.note(record);
            match record {
                Record::Entry { index, .. } => self.current.highest = self.current.highest.max(Some(*index)),
                Record::Purged { .. } => purged = true,
                Record::Vote(_)
                | Record::Committed(_)
                | Record::Truncated { .. }
                | Record::Opened { .. }
                | Record::Sealed => {}
            }
        }
        if purged {
            self.retire_purged();
        }
    }

    /// Gives away the oldest segments in which nothing is needed any more.
    pub(super) fn retire_purged(&mut self) {
        let Some((upto, _)) = self.checkpoint.purged else {
            return;
        };
        let kept = self.sealed.iter().position(|segment| segment.highest > Some(upto)).unwrap_or(self.sealed.len());
        self.pool.retire(self.sealed.drain(..kept));
    }

    /// Goes on in a new segment; the crash story is at the top.
    fn roll(&mut self) -> io::Result<()> {
        let spare = self.pool.take()?;
        let generation = self.current.generation + 1;
        let (seal_group, first_group) = (self.next_group, self.next_group + 1);
        self.side_buffer.clear();
        self.checkpoint.put(&mut self.side_buffer, self.options.segment_bytes);
        spare.file.write_at(self.side_buffer.finish(generation, first_group), 0)?;
        spare.file.sync_data()?;
        let end = self.side_buffer.disk_bytes();
        self.files.rename(&spare.path, &self.dir.join(segment::name(generation)))?;
        self.files.sync_dir(&self.dir)?;
        let full = &self.current;
        segment::seal(&*full.file, &mut self.side_buffer, full.generation, seal_group, full.end)?;
        self.sealed.push_back(SealedSegment { generation: full.generation, highest: full.highest, bytes: full.bytes });
        let bytes = self.options.segment_bytes;
        self.current = Segment { generation, file: spare.file, bytes, end, highest: None };
        self.next_group = first_group + 1;
        Ok(())
    }

    /// Tells everybody, and from now on everybody who comes.
    fn die(&mut self, error: &io::Error) {
        tracing::error!(%error, "write log");
        let fault = Fault::new(error);
        let queued = {
            let mut queue = self.shared.queue.lock();
            queue.dead = Some(fault.clone());
            queue.backlog_bytes = 0;
            queue.in_flight_since = None;
            std::mem::take(&mut queue.requests)
        };
        for done in self.in_flight.drain(..).chain(queued.into_iter().map(|request| request.done)) {
            tell(done, Err(fault.error()));
        }
        (self.shared.on_fatal)(error);
    }
}

/// A callback that panics must not keep the others from being called.
fn tell(done: Done, result: io::Result<()>) {
    if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
        tracing::error!("a callback of the log panicked");
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}
