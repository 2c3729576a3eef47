//! A directory in memory that forgets what was not synced, tears writes by sector, and fails on demand.
//!
//! After [`SimFiles::crash`] each unsynced sector and each unsynced name survives or not, by seed. A failed sync leaves
//! the bytes readable and never makes them durable, as Linux does.

use super::format::SECTOR_BYTES;
use crate::files::{File, Files};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Inode {
    written: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum Change {
    Name(String, u64),
    Unname(String),
    Rename(String, String, u64),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Change::Name(name, inode) => drop(names.insert(name.clone(), *inode)),
            Change::Unname(name) => drop(names.remove(name)),
            Change::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    unsynced: Vec<Change>,
    changes: u64,
    /// After this many changing calls the power is gone.
    off_at: Option<u64>,
    fail_next_sync: bool,
    syncs: u64,
}

/// A simulated directory; clones share it.
#[derive(Clone, Default)]
pub(crate) struct SimFiles {
    disk: Arc<Mutex<Disk>>,
}

struct SimFile {
    files: SimFiles,
    inode: usize,
}

/// The constants are those of a 64-bit linear congruential generator.
struct Coin(u64);

impl Coin {
    fn flip(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 41) & 1 == 1
    }
}

impl Inode {
    fn copy(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.written.len());
        if start < end {
            let length = self.durable.len().max(end);
            self.durable.resize(length, 0);
            self.durable[start..end].copy_from_slice(&self.written[start..end]);
        }
    }
}

impl SimFiles {
    /// Power loss, and the power is back.
    pub(crate) fn crash(&self, seed: u64) -> SimFiles {
        let mut coin = Coin(seed);
        let mut disk = self.disk.lock().clone();
        for inode in &mut disk.inodes {
            for sector in std::mem::take(&mut inode.dirty) {
                if coin.flip() {
                    inode.copy(sector);
                }
            }
            if inode.durable.len() != inode.written.len() && coin.flip() {
                inode.durable.resize(inode.written.len(), 0);
            }
            inode.written = inode.durable.clone();
        }
        for change in std::mem::take(&mut disk.unsynced) {
            if coin.flip() {
                change.apply(&mut disk.durable_names);
            }
        }
        disk.names = disk.durable_names.clone();
        disk.off_at = None;
        disk.fail_next_sync = false;
        SimFiles { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The same content on another disk, of which all is durable.
    pub(crate) fn copy(&self) -> SimFiles {
        let copy = SimFiles { disk: Arc::new(Mutex::new(self.disk.lock().clone())) };
        for inode in &mut copy.disk.lock().inodes {
            inode.durable = inode.written.clone();
            inode.dirty.clear();
        }
        copy
    }

    /// Lets `count` more changing calls happen and refuses every one after them.
    pub(crate) fn power_off_after(&self, count: u64) {
        let mut disk = self.disk.lock();
        disk.off_at = Some(disk.changes + count);
    }

    pub(crate) fn fail_next_sync(&self) {
        self.disk.lock().fail_next_sync = true;
    }

    /// Whoever writes or syncs waits until what this returns is dropped.
    pub(crate) fn hang(&self) -> impl Drop + '_ {
        self.disk.lock()
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.disk.lock().syncs
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.disk.lock();
        disk.names.get(name).map(|inode| disk.inodes[*inode as usize].written.clone())
    }

    /// Puts bytes on the medium, durably.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.disk.lock();
        let inode = disk.inodes.len() as u64;
        disk.inodes.push(Inode { written: bytes.clone(), durable: bytes, dirty: BTreeSet::new() });
        disk.names.insert(name.to_owned(), inode);
        disk.durable_names.insert(name.to_owned(), inode);
    }

    fn change<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.lock();
        if disk.off_at.is_some_and(|at| disk.changes >= at) {
            return Err(io::Error::other("the power is off"));
        }
        disk.changes += 1;
        act(&mut disk)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.files.disk.lock();
        let rest = disk.inodes[self.inode].written.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.files.change(|disk| {
            let inode = &mut disk.inodes[self.inode];
            let (start, end) = (offset as usize, offset as usize + bytes.len());
            let length = inode.written.len().max(end);
            inode.written.resize(length, 0);
            inode.written[start..end].copy_from_slice(bytes);
            inode.dirty.extend(start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.files.change(|disk| {
            let dirty = std::mem::take(&mut disk.inodes[self.inode].dirty);
            if std::mem::take(&mut disk.fail_next_sync) {
                return Err(io::Error::other("the disk failed"));
            }
            for sector in dirty {
                disk.inodes[self.inode].copy(sector);
            }
            let length = disk.inodes[self.inode].written.len();
            disk.inodes[self.inode].durable.resize(length, 0);
            disk.syncs += 1;
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.files.change(|disk| {
            disk.inodes[self.inode].written.resize(len as usize, 0);
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.files.disk.lock().inodes[self.inode].written.len() as u64)
    }
}

impl Files for SimFiles {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let inode = self.disk.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { files: self.clone(), inode: inode as usize }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.change(|disk| {
            if disk.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = disk.inodes.len();
            disk.inodes.push(Inode::default());
            disk.names.insert(name.to_owned(), inode as u64);
            disk.unsynced.push(Change::Name(name.to_owned(), inode as u64));
            Ok(Box::new(SimFile { files: self.clone(), inode }) as Box<dyn File>)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|disk| {
            let inode = disk.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
            let change = Change::Rename(from.to_owned(), to.to_owned(), inode);
            change.apply(&mut disk.names);
            disk.unsynced.push(change);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|disk| {
            disk.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            disk.unsynced.push(Change::Unname(name.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.change(|disk| {
            for change in std::mem::take(&mut disk.unsynced) {
                change.apply(&mut disk.durable_names);
            }
            Ok(())
        })
    }
}
