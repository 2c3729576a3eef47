//! The pen that owns the journal's file: whole groups, one write and one sync each. A node's pen has a thread.
//!
//! **What must hold.** A note is acknowledged only after the sync of its group. A failed write or sync ends the pen:
//! nothing is tried again, and every note that was not acknowledged learns that it never will be.
//!
//! **Crash stories.** *During a group:* its sectors are there or not, none was acknowledged; recovery drops it whole.
//! *During compaction, before the rename:* the old file is whole; the next start removes the `.tmp`. *Between rename
//! and directory sync:* either file may be found; both hold all that counts, since nothing is appended before the sync.
//! *After it:* the new one.

use super::book::Book;
use super::format::{Content, Debt, Place, SECTOR_BYTES, SETTLED_MAX, Said, Word, encode};
use super::{Health, NAME, Owner, TEMPORARY};
use crate::files::{File, Files};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Records in one group: 128 KiB in one write.
const GROUP_MAX: usize = 256;
/// How long settlements wait for company. Nobody waits for them, and a lost one is only settled again.
const LINGER: Duration = Duration::from_millis(20);
/// Settlements that are not kept waiting any longer.
const SETTLED_ENOUGH: usize = 16 * SETTLED_MAX;
/// Below 2 MiB a journal is not worth compacting.
const COMPACT_SECTORS_MIN: u64 = 4096;

/// What the pen is given.
pub(crate) enum Note {
    /// A word, and who waits for it to be durable.
    Said(Box<Said>, Option<oneshot::Sender<()>>),
    /// A word that was settled.
    Settled(u64),
}

pub(crate) struct Writer {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) owner: Owner,
    pub(crate) file: Box<dyn File>,
    /// The end of the last whole group.
    pub(crate) sectors: u64,
    pub(crate) book: Arc<Mutex<Book>>,
    pub(crate) health: Arc<Health>,
    pub(crate) compact_at: u64,
}

#[derive(Default)]
struct Group {
    said: Vec<(Box<Said>, Option<oneshot::Sender<()>>)>,
    settled: Vec<u64>,
}

impl Group {
    fn add(&mut self, note: Note) {
        match note {
            // Whoever waited for the approval has said no meanwhile. A decline is written, whoever waits.
            Note::Said(said, Some(waiting)) if matches!(said.word, Word::Approved(_)) && waiting.is_closed() => {}
            Note::Said(said, waiting) => self.said.push((said, waiting)),
            Note::Settled(number) => self.settled.push(number),
        }
    }

    fn is_full(&self) -> bool {
        self.said.len() >= GROUP_MAX || self.settled.len() >= SETTLED_ENOUGH
    }
}

/// Writes what is queued. Dropped, it leaves the journal unwritable.
pub struct Pen(Option<(Writer, Receiver<Note>)>);

impl Pen {
    pub(crate) fn new(writer: Writer, notes: Receiver<Note>) -> Pen {
        Pen(Some((writer, notes)))
    }

    /// Until the journal is dropped, or its disk fails. Blocks.
    pub(crate) fn write_forever(mut self) {
        let first = |notes: &Receiver<Note>| notes.recv().ok();
        while self.write(first, LINGER) {}
    }

    /// Writes one group of what is queued, and syncs it. False if there is nothing, or the disk has failed.
    pub fn write_waiting(&mut self) -> bool {
        self.write(|notes| notes.try_recv().ok(), Duration::ZERO)
    }

    /// However small it is.
    #[cfg(test)]
    pub(crate) fn compact(&mut self) {
        if let Some((writer, _)) = &mut self.0 {
            writer.compact_now().expect("a good disk");
        }
    }

    fn write(&mut self, first: impl FnOnce(&Receiver<Note>) -> Option<Note>, linger: Duration) -> bool {
        let Some((writer, notes)) = &mut self.0 else { return false };
        let Some(first) = first(notes) else { return false };
        let goes_on = writer.work(gather(first, notes, linger));
        if !goes_on {
            // Whoever waits, or comes later, learns that it never will be written.
            self.0 = None;
        }
        goes_on
    }
}

impl Writer {
    /// False once the disk has failed.
    fn work(&mut self, group: Group) -> bool {
        let written = self.write(&group);
        if let Err(error) = written {
            // Before those who wait learn it.
            self.health.unwritable(&error);
            return false;
        }
        for waiting in group.said.into_iter().filter_map(|(_, waiting)| waiting) {
            // Whoever gave up meanwhile says so in a later note.
            let _ = waiting.send(());
        }
        if self.sectors < self.compact_at {
            return true;
        }
        let compacted = self.compact();
        compacted.inspect_err(|error| self.health.unwritable(error)).is_ok()
    }

    fn write(&mut self, group: &Group) -> io::Result<()> {
        let said = group.said.iter().map(|(said, _)| Content::Said(Said::clone(said), Debt::Owed));
        let settled = group.settled.chunks(SETTLED_MAX).map(|numbers| Content::Settled(numbers.to_vec()));
        let contents: Vec<Content> = said.chain(settled).collect();
        if contents.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let end = self.sectors + contents.len() as u64;
        let mut bytes = Vec::with_capacity(contents.len() * SECTOR_BYTES);
        for (sector, content) in (self.sectors..).zip(&contents) {
            bytes.extend_from_slice(&encode(Place { sector, group_start: self.sectors, group_end: end }, content));
        }
        self.file.write_at(&bytes, self.sectors * SECTOR_BYTES as u64)?;
        self.file.sync_data()?;
        self.sectors = end;
        self.health.synced(began.elapsed());
        Ok(())
    }

    /// Writes what is live into a new file and goes on there. An error is final only once the name may have changed.
    fn compact(&mut self) -> io::Result<()> {
        let live = self.book.lock().live_count() as u64;
        if live * 2 > self.sectors {
            self.compact_at = self.sectors.max(live * 2);
            return Ok(());
        }
        self.compact_now()
    }

    fn compact_now(&mut self) -> io::Result<()> {
        match self.write_compacted() {
            Ok((file, sectors)) => {
                self.files.rename(TEMPORARY, NAME)?;
                self.files.sync_dir()?;
                self.file = file;
                self.sectors = sectors;
                self.compact_at = (sectors * 2).max(COMPACT_SECTORS_MIN);
            }
            Err(error) => {
                tracing::warn!(%error, "compact the stand-in journal");
                self.compact_at = self.sectors * 2;
            }
        }
        Ok(())
    }

    fn write_compacted(&self) -> io::Result<(Box<dyn File>, u64)> {
        let contents: Vec<Content> = {
            let book = self.book.lock();
            book.live().map(|(said, debt)| Content::Said(said.clone(), debt)).collect()
        };
        let file = create(&*self.files, self.owner)?;
        let sectors = 1 + contents.len() as u64;
        let mut sector = 1;
        for chunk in contents.chunks(GROUP_MAX) {
            let mut bytes = Vec::with_capacity(chunk.len() * SECTOR_BYTES);
            let at = sector * SECTOR_BYTES as u64;
            for content in chunk {
                bytes.extend_from_slice(&encode(Place { sector, group_start: 1, group_end: sectors }, content));
                sector += 1;
            }
            file.write_at(&bytes, at)?;
        }
        file.sync_data()?;
        Ok((file, sectors))
    }
}

/// A new file under the temporary name, with its header.
pub(crate) fn create(files: &dyn Files, owner: Owner) -> io::Result<Box<dyn File>> {
    match files.remove(TEMPORARY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = files.create(TEMPORARY)?;
    let header = Content::Header { node: owner.node, incarnation: owner.incarnation };
    file.write_at(&encode(Place { sector: 0, group_start: 0, group_end: 1 }, &header), 0)?;
    Ok(file)
}

pub(crate) fn compact_at(sectors: u64) -> u64 {
    sectors.max(COMPACT_SECTORS_MIN)
}

/// The group that a note begins.
fn gather(first: Note, notes: &Receiver<Note>, linger: Duration) -> Group {
    let mut group = Group::default();
    group.add(first);
    let until = Instant::now() + linger;
    while !group.is_full() {
        let left = until.saturating_duration_since(Instant::now());
        let next = if group.said.is_empty() && !left.is_zero() {
            notes.recv_timeout(left)
        } else {
            notes.try_recv().map_err(|_| RecvTimeoutError::Timeout)
        };
        let Ok(note) = next else { break };
        group.add(note);
    }
    group
}
