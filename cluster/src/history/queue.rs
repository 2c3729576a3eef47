//! What waits to be written: bounded by bytes, and never waited for by the one who applies.
//!
//! What must hold: an entry that finds no room is dropped and remembered as a gap, which is handed to the writer with
//! the next group. Not here: what the writer does with them.

use super::{SnapshotRecord, Written};
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What may wait: at 20 MB/s of commands, 400 ms.
pub(super) const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A group is written when it is this large, or this old. Each one costs a sync and a page that is written anew.
pub(super) const GROUP_BYTES: usize = 2 * 1024 * 1024;
pub(super) const GROUP_AGE: Duration = Duration::from_millis(200);
/// Gaps that wait; beyond, the last one is stretched. Entries inside a stretched gap stay readable.
const GAPS_MAX: usize = 64;

/// Log indexes without history, first and last.
pub(super) type Range = (u64, u64);

/// What the writer takes at once.
#[derive(Default)]
pub(super) struct Group {
    pub(super) entries: Vec<Written>,
    pub(super) gaps: Vec<Range>,
    /// Everything up to this index came as a snapshot.
    pub(super) skipped_to: u64,
    /// Which snapshots there are, if that has changed.
    pub(super) snapshots: Option<Vec<SnapshotRecord>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing more comes; what is here is still written.
    Closing,
    /// Nothing more is written.
    Ended,
}

struct State {
    group: Group,
    bytes: usize,
    /// How many things were ever put in, and how many of them are dealt with.
    put: u64,
    done: u64,
    taken: u64,
    hurry: bool,
    mode: Mode,
    /// Which snapshots there are, as it was told last: at most a few.
    snapshots: Option<Vec<SnapshotRecord>>,
}

pub(super) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    /// Work, or an end.
    work: Condvar,
    /// Something is done.
    done: Condvar,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Queued,
    Dropped,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Queue {
        let state = State {
            group: Group::default(),
            bytes: 0,
            put: 0,
            done: 0,
            taken: 0,
            hurry: false,
            mode: Mode::Open,
            snapshots: None,
        };
        Queue { bytes_max, state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() }
    }

    /// Puts an entry in, or drops it. Never waits for the writer.
    pub(super) fn put(&self, written: Written) -> Put {
        let size = written.size_bytes();
        let mut state = self.state.lock();
        if state.mode != Mode::Open {
            return Put::Dropped;
        }
        state.put += 1;
        if state.bytes + size > self.bytes_max {
            let gaps = &mut state.group.gaps;
            let full = gaps.len() >= GAPS_MAX;
            match gaps.last_mut() {
                Some(last) if full || last.1 + 1 == written.index => last.1 = written.index,
                Some(_) | None => gaps.push((written.index, written.index)),
            }
            return Put::Dropped;
        }
        let before = state.bytes;
        state.bytes += size;
        state.group.entries.push(written);
        // The writer looks by itself when a group is old; waking it for each entry would cost the one who applies.
        if before == 0 || (before < GROUP_BYTES && state.bytes >= GROUP_BYTES) {
            self.work.notify_one();
        }
        Put::Queued
    }

    /// Everything up to `index` comes as a snapshot.
    pub(super) fn skip_to(&self, index: u64) {
        let mut state = self.state.lock();
        state.put += 1;
        state.group.skipped_to = state.group.skipped_to.max(index);
        self.work.notify_one();
    }

    /// These are the snapshots that there are now.
    pub(super) fn catalogue(&self, snapshots: Vec<SnapshotRecord>) {
        self.state.lock().snapshots = Some(snapshots);
        self.catalogue_again();
    }

    /// A database was opened: what its catalogue says may be of another time.
    pub(super) fn catalogue_again(&self) {
        let mut state = self.state.lock();
        if state.snapshots.is_some() {
            state.put += 1;
            state.group.snapshots = state.snapshots.clone();
            self.work.notify_one();
        }
    }

    /// Waits for a group. `None`: there is nothing more to write. The group before is dealt with by now.
    pub(super) fn take(&self) -> Option<Group> {
        let mut state = self.state.lock();
        state.done = state.taken;
        self.done.notify_all();
        while state.mode == Mode::Open && state.put == state.taken {
            state.hurry = false;
            self.work.wait(&mut state);
        }
        let until = Instant::now() + GROUP_AGE;
        while state.mode == Mode::Open && !state.hurry && state.bytes < GROUP_BYTES {
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        let empty = state.put == state.taken;
        if state.mode == Mode::Ended || (state.mode == Mode::Closing && empty) {
            return None;
        }
        state.hurry = false;
        state.bytes = 0;
        state.taken = state.put;
        Some(std::mem::take(&mut state.group))
    }

    /// Waits until all that was put in before is dealt with, or the limit has come.
    pub(super) fn settle(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        let upto = state.put;
        while state.done < upto && state.mode != Mode::Ended {
            state.hurry = true;
            self.work.notify_one();
            if self.done.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if state.mode == Mode::Open {
            state.mode = Mode::Closing;
        }
        self.work.notify_all();
    }

    /// Nothing more is written; what waits is let go.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.mode = Mode::Ended;
        state.group = Group::default();
        state.bytes = 0;
        self.work.notify_all();
        self.done.notify_all();
    }
}
