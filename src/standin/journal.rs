//! The journal: what this node said alone, on its own disk before the answer leaves.
//!
//! **What lives here.** [`Journal`] takes words (an approval, a decline) and makes them durable in groups on a
//! thread of its own; it remembers what is owed, what was said of a token and what was used of the limits, over
//! restarts. The bytes are in `format`, the file in `writer`, the reading in `recovery`, the memory in `book`.
//!
//! **What must hold.** An approval leaves only when its word is durable. Looking at the limits, using them and queueing
//! the word are one critical section. A journal that cannot be written or read gives no right: approvals become
//! declines, and what declines owe is kept in memory. A missing journal counts as unreadable but on a node's first
//! start; a file of no bytes is an operator's word that the loss is known, and begins a new one.
//!
//! **What is deliberately not here.** Whether to approve: [`crate::policy`]. Proposing what is owed: `settle`.

pub(crate) mod book;
pub(crate) mod format;
mod recovery;
mod writer;

pub(crate) use book::Verdict;
pub(crate) use format::{Said, Word};

use crate::files::{File, Files};
use crate::limits::Usage;
use book::Book;
use format::{Content, SECTOR_BYTES};
use ledger::{Fingerprint, Program, Timestamp, Token, Void};
use parking_lot::Mutex;
use recovery::{Found, Unreadable};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
pub use writer::Pen;
use writer::{Note, Writer};

pub(crate) const NAME: &str = "standin.journal";
pub(crate) const TEMPORARY: &str = "standin.journal.tmp";
/// Notes that wait for the disk. Sixteen groups: at 100 groups a second a stall of 160 ms.
const QUEUE_MAX: usize = 4096;

/// Whose journal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node's id.
    pub node: u64,
    /// How often it has started; 1 is the first time.
    pub incarnation: u64,
}

/// How a journal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Read and written.
    Good,
    /// There is none: what is owed lives as long as the process.
    Absent,
    /// It could not be read at start. No rights until an operator acts.
    Unreadable(String),
    /// It could not be written. No rights until the next start.
    Unwritable(String),
}

/// What the disk did, for the metrics.
#[derive(Debug)]
pub(crate) struct Health {
    condition: Mutex<Condition>,
    syncs: AtomicU64,
    sync_us: AtomicU64,
    sync_us_max: AtomicU64,
}

impl Health {
    fn new(condition: Condition) -> Arc<Health> {
        let zero = AtomicU64::default;
        Arc::new(Health { condition: Mutex::new(condition), syncs: zero(), sync_us: zero(), sync_us_max: zero() })
    }

    fn unwritable(&self, error: &io::Error) {
        tracing::error!(%error, "the stand-in journal cannot be written: no approval without a quorum from here on");
        *self.condition.lock() = Condition::Unwritable(error.to_string());
    }

    fn synced(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_us.fetch_add(us, Ordering::Relaxed);
        self.sync_us_max.fetch_max(us, Ordering::Relaxed);
    }
}

/// Groups that were written, and how long that took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncs {
    /// How many.
    pub groups: u64,
    /// Together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Why a word is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// As much is owed as may be.
    Full,
    /// The journal is not good, or does not keep up.
    Unwritable,
    /// The node has said something of the token already.
    Used,
}

/// Whether an approval is the node's first word of the token, or repeats one (M1 rule 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    First,
    Again,
}

/// The journal of one node.
pub struct Journal {
    book: Arc<Mutex<Book>>,
    queue: Option<SyncSender<Note>>,
    health: Arc<Health>,
    owed_max: usize,
    added: Notify,
}

/// A word on its way to the disk.
pub(crate) struct Writing {
    pub(crate) number: u64,
    durable: oneshot::Receiver<()>,
}

impl Writing {
    /// Waits until it is durable. False: it never will be, as far as anybody knows.
    pub(crate) async fn durable(&mut self) -> bool {
        #[cfg(test)]
        let _stopped = tests::StoppedClock::new();
        (&mut self.durable).await.is_ok()
    }

    /// Whether it is by now.
    #[cfg(test)]
    pub(crate) fn is_durable(&mut self) -> bool {
        self.durable.try_recv().is_ok()
    }
}

impl Journal {
    /// A journal that is not there, for a desk that never approves alone.
    pub fn absent(owed_max: usize) -> Journal {
        Journal::without_file(owed_max, Condition::Absent)
    }

    fn without_file(owed_max: usize, condition: Condition) -> Journal {
        Journal { book: Arc::default(), queue: None, health: Health::new(condition), owed_max, added: Notify::new() }
    }

    /// Opens what is there, or begins a new one on a node's first start. Blocks. Never fails: see
    /// [`Journal::condition`].
    pub fn open(files: Arc<dyn Files>, owner: Owner, owed_max: usize) -> Journal {
        let (mut journal, pen) = Journal::with_pen(files, owner, owed_max);
        let Some(pen) = pen else { return journal };
        let named = std::thread::Builder::new().name("holdfast-standin".to_owned());
        // It ends when the queue's last sender is dropped, with this journal.
        if let Err(error) = named.spawn(move || pen.write_forever()) {
            journal.health.unwritable(&error);
            journal.queue = None;
        }
        journal
    }

    /// The same without a thread: what is queued is on the disk once the pen was told to write it. For simulations,
    /// whose time no thread may keep. No pen: it cannot be read.
    pub fn with_pen(files: Arc<dyn Files>, owner: Owner, owed_max: usize) -> (Journal, Option<Pen>) {
        let (file, found) = match open_or_begin(&*files, owner) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "no approval without a quorum until an operator has looked at the journal");
                return (Journal::without_file(owed_max, Condition::Unreadable(error.to_string())), None);
            }
        };
        let book = Arc::new(Mutex::new(Book::found(found.contents)));
        let health = Health::new(Condition::Good);
        let (queue, notes) = sync_channel(QUEUE_MAX);
        let writer = Writer {
            files,
            owner,
            file,
            sectors: found.sectors,
            book: Arc::clone(&book),
            health: Arc::clone(&health),
            compact_at: writer::compact_at(found.sectors),
        };
        let journal = Journal { book, queue: Some(queue), health, owed_max, added: Notify::new() };
        (journal, Some(Pen::new(writer, notes)))
    }

    /// How it is.
    pub fn condition(&self) -> Condition {
        self.health.condition.lock().clone()
    }

    /// Whether it can back an approval.
    pub(crate) fn is_good(&self) -> bool {
        *self.health.condition.lock() == Condition::Good
    }

    /// What the disk did.
    pub fn syncs(&self) -> Syncs {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Syncs {
            groups: read(&self.health.syncs),
            total: Duration::from_micros(read(&self.health.sync_us)),
            longest: Duration::from_micros(read(&self.health.sync_us_max)),
        }
    }

    /// Answers whose settlement was not seen applied.
    pub fn unsettled(&self) -> usize {
        self.book.lock().unsettled()
    }

    /// M1 rule 2: what this node said of the token, if it said it of the same meaning.
    pub(crate) fn verdict(&self, program: Program, token: Token, fingerprint: Fingerprint) -> Option<Verdict> {
        self.book.lock().verdict(program, token, fingerprint)
    }

    /// Reads what was used in the window of now; a window that has ended is left behind first.
    pub(crate) fn with_usage<T>(&self, window: u64, read: impl FnOnce(&Usage) -> T) -> T {
        let mut book = self.book.lock();
        book.turn(window);
        read(&book.usage)
    }

    /// Uses the limits and queues an approval, if `check` allows it: all in one step. It may leave once it is durable
    /// and [`Journal::stands`] was called; otherwise call [`Journal::revoke`].
    pub(crate) fn approve<E: From<NotKept>>(
        &self,
        (at, window): (Timestamp, u64),
        request: ledger::Authorize,
        turn: Turn,
        check: impl FnOnce(&Usage) -> Result<(), E>,
    ) -> Result<Writing, E> {
        if !self.is_good() {
            return Err(NotKept::Unwritable.into());
        }
        let mut book = self.book.lock();
        if turn == Turn::First && book.knows(request.program, request.token) {
            return Err(NotKept::Used.into());
        }
        book.turn(window);
        check(&book.usage)?;
        if book.unsettled() >= self.owed_max {
            return Err(NotKept::Full.into());
        }
        let window = book.usage.window();
        let said = Said { number: book.next_number(), at, window, word: Word::approved(request) };
        let writing = self.queue(said.clone()).ok_or(NotKept::Unwritable)?;
        book.approve(said);
        Ok(writing)
    }

    /// The approval is durable and leaves: from here it is owed as a force.
    pub(crate) fn stands(&self, number: u64) {
        self.book.lock().durable(number);
        self.added.notify_one();
    }

    /// The approval does not leave: the attempt is owed as a void instead, which takes its place in the file too.
    pub(crate) fn revoke(&self, number: u64, at: Timestamp, void: Void) {
        let mut book = self.book.lock();
        book.revoke(number);
        let said = Said { number: book.next_number(), at, window: book.usage.window(), word: Word::Declined(void) };
        if let Some(queue) = &self.queue {
            // Nobody waits for it: the decline leaves now, whatever the disk does.
            let _ = queue.try_send(Note::Said(Box::new(said.clone()), None));
        }
        book.decline(said);
        self.added.notify_one();
    }

    /// Keeps a decline that is about to leave, and queues it. Without a good journal it is kept in memory only.
    pub(crate) fn decline(&self, at: Timestamp, void: Void) -> Result<Option<Writing>, NotKept> {
        let mut book = self.book.lock();
        if book.unsettled() >= self.owed_max {
            return Err(NotKept::Full);
        }
        let said = Said { number: book.next_number(), at, window: book.usage.window(), word: Word::Declined(void) };
        let writing = self.queue(said.clone());
        book.decline(said);
        self.added.notify_one();
        Ok(writing)
    }

    /// The oldest that is owed, but for these.
    pub(crate) fn oldest_owed(&self, but: &BTreeSet<u64>) -> Option<Said> {
        self.book.lock().oldest_owed(but).cloned()
    }

    /// Returns once something came to be owed since the last time it returned.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }

    /// Its settlement was seen applied (M1 rule 8).
    pub(crate) fn settled(&self, number: u64) {
        self.book.lock().settled(number);
        if let Some(queue) = &self.queue {
            // Not kept: it is settled once more after the next start, which changes nothing.
            let _ = queue.try_send(Note::Settled(number));
        }
    }

    fn queue(&self, said: Said) -> Option<Writing> {
        let number = said.number;
        let (waiting, durable) = oneshot::channel();
        self.queue.as_ref()?.try_send(Note::Said(Box::new(said), Some(waiting))).ok()?;
        Some(Writing { number, durable })
    }
}

fn open_or_begin(files: &dyn Files, owner: Owner) -> Result<(Box<dyn File>, Found), Unreadable> {
    match files.open(NAME) {
        Ok(file) if file.size()? == 0 => begin(files, owner),
        Ok(file) => {
            let found = recovery::read(&*file, owner.node)?;
            let bytes = found.sectors * SECTOR_BYTES as u64;
            if file.size()? > bytes {
                // A kill before the sync finds the same torn group again.
                tracing::warn!(bytes, "the journal's last group was not written to its end: it is dropped");
                file.set_len(bytes)?;
                file.sync_data()?;
            }
            Ok((file, found))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && owner.incarnation <= 1 => begin(files, owner),
        Err(error) => Err(error.into()),
    }
}

/// Crash story: a kill before the rename leaves a `.tmp` that the next one replaces; after it the journal is there.
fn begin(files: &dyn Files, owner: Owner) -> Result<(Box<dyn File>, Found), Unreadable> {
    let file = writer::create(files, owner)?;
    file.sync_data()?;
    files.rename(TEMPORARY, NAME)?;
    files.sync_dir()?;
    Ok((file, Found { contents: Vec::<Content>::new(), sectors: 1 }))
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
