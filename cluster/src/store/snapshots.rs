//! The snapshot files of a node: written whole or not at all, read only when they are good.
//!
//! **What lives here.** [`Shelf`], a directory with the two newest snapshots. The format is in [`Reader`]'s file.
//!
//! **What must hold.** A snapshot gets its name only when it was read back and synced, and is told to the caller only
//! when the name is synced too; only then may an older one go. So from the first on there is always a good one, unless
//! the disk rots both. A damaged one is skipped, reported and kept for the operator until two good ones follow it.
//!
//! **Crash story of storing**: a kill while `.tmp` is written, read back or synced leaves a `.tmp`, removed by the
//! next open; between rename and directory sync the new one may be there, whole, or not; after that it is there. A
//! kill while older ones are removed leaves more than two, and the next one stored removes them.
//!
//! **What is deliberately not here.** When to take one, what is in it, and purging the log: its bound is
//! [`Shelf::purge_floor`], the *older* of the two.

mod format;
#[cfg(test)]
mod shelf_test;

pub use format::{Header, RECORD_BYTES_MAX, Reader, SnapshotError, pieces};

use super::files::{File, Files};
use bytes::Bytes;
use format::io_error;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";
const TEMPORARY: &str = ".tmp";
/// What is written is synced in pieces of this size, so that the log's sync on the same disk never waits behind much.
const SYNC_BYTES: u64 = 4 << 20;

/// A snapshot on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// What it is of.
    pub header: Header,
    /// Its size.
    pub bytes: u64,
}

/// What [`Shelf::newest_good`] found.
#[derive(Debug)]
pub struct Found {
    /// The newest snapshot that is whole.
    pub newest: Option<Stored>,
    /// Newer ones that are not, with the reason.
    pub damaged: Vec<(PathBuf, SnapshotError)>,
}

#[derive(Default)]
struct State {
    next_ordinal: u64,
    damaged: BTreeSet<String>,
}

struct Inner {
    files: Arc<dyn Files>,
    dir: PathBuf,
    state: Mutex<State>,
    /// One at a time gets its name and removes older ones.
    publishing: Mutex<()>,
}

/// The directory of snapshots. Clones share it. All methods may wait for the disk.
#[derive(Clone)]
pub struct Shelf {
    inner: Arc<Inner>,
}

/// Index and ordinal of a snapshot file; names sort as these do.
fn parse(name: &str) -> Option<(u64, u64)> {
    let (index, ordinal) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let parsed = (number(index)?, number(ordinal)?);
    (self::name(parsed.0, parsed.1) == name).then_some(parsed)
}

fn name(index: u64, ordinal: u64) -> String {
    format!("{index:016x}-{ordinal:016x}{SUFFIX}")
}

impl Shelf {
    /// Opens the directory, making it where there is none, and removes what was not finished.
    pub fn open(files: Arc<dyn Files>, dir: &Path) -> io::Result<Shelf> {
        files.create_dir_all(dir)?;
        let mut state = State::default();
        for name in files.list(dir)? {
            if name.ends_with(TEMPORARY) {
                files.remove(&dir.join(&name))?;
            }
            if let Some((_, ordinal)) = parse(&name) {
                state.next_ordinal = state.next_ordinal.max(ordinal.saturating_add(1));
            }
        }
        let inner = Inner { files, dir: dir.to_owned(), state: Mutex::new(state), publishing: Mutex::default() };
        Ok(Shelf { inner: Arc::new(inner) })
    }

    /// Writes a snapshot, at most `bytes_per_second` (0: as fast as it goes), and returns when it is durable.
    pub fn write<R: AsRef<[u8]>>(
        &self,
        header: &Header,
        records: impl IntoIterator<Item = R>,
        bytes_per_second: u64,
    ) -> Result<Stored, SnapshotError> {
        let mut incoming = self.receive(u64::MAX)?;
        let start = Instant::now();
        for piece in pieces(header, records)? {
            incoming.write_chunk(&piece?)?;
            std::thread::sleep(owed(incoming.bytes, bytes_per_second, start.elapsed()));
        }
        incoming.finish()
    }

    /// Takes a snapshot in, as a peer or a backup sends it, of at most `bytes_max`.
    pub fn receive(&self, bytes_max: u64) -> Result<Incoming, SnapshotError> {
        let ordinal = {
            let mut state = self.inner.state.lock();
            state.next_ordinal += 1;
            state.next_ordinal - 1
        };
        let path = self.inner.dir.join(format!("{ordinal:016x}{TEMPORARY}"));
        let file = self.inner.files.create(&path).map_err(io_error("create snapshot"))?;
        Ok(Incoming { shelf: self.clone(), path, file, ordinal, bytes: 0, synced: 0, bytes_max })
    }

    /// The newest snapshot that is whole; reads all of it, and of damaged ones before it.
    pub fn newest_good(&self) -> io::Result<Found> {
        let mut found = Found { newest: None, damaged: Vec::new() };
        for name in self.names()?.iter().rev() {
            let path = self.inner.dir.join(name);
            match self.check(&path, name) {
                Ok(stored) => {
                    found.newest = Some(stored);
                    break;
                }
                Err(SnapshotError::Io { source, .. }) => return Err(source),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "skip snapshot");
                    self.inner.state.lock().damaged.insert(name.clone());
                    found.damaged.push((path, error));
                }
            }
        }
        Ok(found)
    }

    /// The names of those that were found damaged and are kept for the operator.
    pub fn damaged(&self) -> Vec<String> {
        self.inner.state.lock().damaged.iter().cloned().collect()
    }

    /// Up to which index the log may go: the index of the older of two; none while there are not two.
    pub fn purge_floor(&self) -> io::Result<Option<u64>> {
        let names = self.good_names()?;
        let older = names.len().checked_sub(KEPT).and_then(|at| names.get(at));
        Ok(older.and_then(|name| parse(name)).map(|(index, _)| index))
    }

    /// Those that are not known to be damaged, oldest first, by their heads: what follows is not read.
    pub fn stored(&self) -> io::Result<Vec<Stored>> {
        let mut all = Vec::with_capacity(KEPT);
        for name in self.good_names()? {
            let path = self.inner.dir.join(&name);
            match self.head(&path, &name) {
                Ok((_, stored)) => all.push(stored),
                Err(SnapshotError::Io { source, .. }) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(source);
                }
                // Removed meanwhile, or its head is damaged: it is none.
                Err(_) => {}
            }
        }
        Ok(all)
    }

    /// Reads the records of one.
    pub fn open_reader(&self, stored: &Stored) -> Result<Reader, SnapshotError> {
        Reader::open(self.inner.files.open(&stored.path).map_err(io_error("open snapshot"))?)
    }

    /// Reads the bytes of one, to send them. It stays readable when it is removed from the shelf meanwhile.
    pub fn open_raw(&self, stored: &Stored) -> io::Result<Raw> {
        let file = self.inner.files.open(&stored.path)?;
        let bytes = file.size()?;
        Ok(Raw { file, bytes })
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.inner.files.list(&self.inner.dir)?;
        names.retain(|name| parse(name).is_some());
        names.sort();
        Ok(names)
    }

    fn good_names(&self) -> io::Result<Vec<String>> {
        let mut names = self.names()?;
        let state = self.inner.state.lock();
        names.retain(|name| !state.damaged.contains(name));
        Ok(names)
    }

    fn check(&self, path: &Path, name: &str) -> Result<Stored, SnapshotError> {
        let (reader, stored) = self.head(path, name)?;
        reader.verify()?;
        Ok(stored)
    }

    /// Opens one and reads its head.
    fn head(&self, path: &Path, name: &str) -> Result<(Reader, Stored), SnapshotError> {
        let file = self.inner.files.open(path).map_err(io_error("open snapshot"))?;
        let bytes = file.size().map_err(io_error("size snapshot"))?;
        let reader = Reader::open(file)?;
        let header = reader.header().clone();
        if parse(name).map(|(index, _)| index) != Some(header.index) {
            return Err(SnapshotError::Damaged { offset: 0, what: "its name is of another index" });
        }
        Ok((reader, Stored { path: path.to_owned(), header, bytes }))
    }

    /// Removes all but the two newest that are not known to be damaged, once there are two.
    fn prune(&self) -> io::Result<()> {
        let good = self.good_names()?;
        let Some(at) = good.len().checked_sub(KEPT) else {
            return Ok(());
        };
        let kept = good.get(at..).unwrap_or_default();
        for name in self.names()?.iter().filter(|name| !kept.contains(name)) {
            self.inner.files.remove(&self.inner.dir.join(name))?;
            self.inner.state.lock().damaged.remove(name);
        }
        self.inner.files.sync_dir(&self.inner.dir)
    }
}

/// How long to wait so that `bytes` in `elapsed` are not too many. At a rate of 0 nothing is.
pub(crate) fn owed(bytes: u64, bytes_per_second: u64, elapsed: Duration) -> Duration {
    let due_us = (u128::from(bytes) * 1_000_000).checked_div(u128::from(bytes_per_second)).unwrap_or(0);
    Duration::from_micros(due_us.try_into().unwrap_or(u64::MAX)).saturating_sub(elapsed)
}

/// A snapshot being taken in. Dropped before [`Incoming::finish`], it leaves nothing.
pub struct Incoming {
    shelf: Shelf,
    path: PathBuf,
    file: Arc<dyn File>,
    ordinal: u64,
    bytes: u64,
    synced: u64,
    bytes_max: u64,
}

impl Incoming {
    /// Adds bytes after those before.
    pub fn write_chunk(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        if self.bytes_max - self.bytes < chunk.len() as u64 {
            return Err(SnapshotError::Refused("more bytes than allowed"));
        }
        self.file.write_at(chunk, self.bytes).map_err(io_error("write snapshot"))?;
        self.bytes += chunk.len() as u64;
        if self.bytes - self.synced >= SYNC_BYTES {
            self.file.sync_data().map_err(io_error("sync snapshot"))?;
            self.synced = self.bytes;
        }
        Ok(())
    }

    /// How many bytes there are: the offset of the next chunk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it is of, as soon as its head is there; so that the caller can refuse it before [`Incoming::finish`].
    pub fn header(&self) -> Result<Header, SnapshotError> {
        Ok(Reader::open(self.file.clone())?.header().clone())
    }

    /// Reads it back, checks it, makes it durable and gives it its name. The crash story is at the top.
    pub fn finish(self) -> Result<Stored, SnapshotError> {
        let Inner { files, dir, publishing, .. } = &*self.shelf.inner;
        let reader = Reader::open(self.file.clone())?;
        let header = reader.header().clone();
        reader.verify()?;
        self.file.sync_data().map_err(io_error("sync snapshot"))?;

        let _publishing = publishing.lock();
        if self.shelf.purge_floor().map_err(io_error("list snapshots"))?.is_some_and(|floor| header.index < floor) {
            return Err(SnapshotError::Refused("older than both that are kept"));
        }
        let path = dir.join(name(header.index, self.ordinal));
        files.rename(&self.path, &path).map_err(io_error("rename snapshot"))?;
        files.sync_dir(dir).map_err(io_error("sync snapshot directory"))?;
        if let Err(error) = self.shelf.prune() {
            // Too many snapshots are no reason to refuse a good one; the next one tries again.
            tracing::warn!(%error, "remove older snapshots");
        }
        Ok(Stored { path, header, bytes: self.bytes })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `finish` the file has another name.
        match self.shelf.inner.files.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "remove unfinished snapshot");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// The bytes of a snapshot.
pub struct Raw {
    file: Arc<dyn File>,
    bytes: u64,
}

impl Raw {
    /// Reads the records, also when it was removed from the shelf meanwhile.
    pub fn reader(&self) -> Result<Reader, SnapshotError> {
        Reader::open(self.file.clone())
    }

    /// How many there are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// At most `bytes_max` bytes from `offset`; none at the end.
    pub fn read_chunk(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes> {
        let mut chunk = vec![0; (self.bytes.saturating_sub(offset)).min(bytes_max as u64) as usize];
        let count = self.file.read_at(&mut chunk, offset)?;
        chunk.truncate(count);
        Ok(chunk.into())
    }
}
