//! The state of a simulated disk: what is written, what of it is durable, and what a crash leaves.
//!
//! **What must hold.** Only [`Disk::crash`] and syncs touch what is durable.
//!
//! **What is deliberately not here.** Handles and waiting: the parent.

use super::{Call, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// What tears: a sector is written whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) written: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) dirty: BTreeSet<usize>,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) unsynced: Vec<NameChange>,
    pub(super) next_inode: u64,
    /// Raised by each crash and restart, so that older handles and locks are dead.
    pub(super) epoch: u64,
    pub(super) locked: BTreeSet<PathBuf>,
    pub(super) faults: BTreeMap<Call, (u64, Failure)>,
    /// How many changing calls there were, and after how many the power is gone.
    pub(super) changes: u64,
    pub(super) power_off_at: Option<u64>,
    /// Whether a call came after that.
    pub(super) refused: bool,
    pub(super) syncs_held: bool,
    pub(super) syncs: u64,
}

/// A small deterministic coin (the constants are those of a 64-bit linear congruential generator).
pub(super) struct Coin(pub(super) u64);

impl Coin {
    pub(super) fn flip(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 41) & 1 == 1
    }
}

impl Disk {
    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.locked.clear();
        self.faults.clear();
        self.power_off_at = None;
        self.refused = false;
        self.syncs_held = false;
    }

    pub(super) fn alive(&self, epoch: Option<u64>) -> bool {
        epoch.is_none_or(|epoch| epoch == self.epoch)
    }

    pub(super) fn may(&mut self, call: Call, epoch: Option<u64>) -> io::Result<()> {
        if !self.alive(epoch) {
            return Err(io::Error::other("a handle from before the crash"));
        }
        if call != Call::Read {
            if self.power_off_at.is_some_and(|at| self.changes >= at) {
                self.refused = true;
                return Err(io::Error::other("the power is off"));
            }
            self.changes += 1;
        }
        match self.faults.get_mut(&call) {
            Some((1, failure)) => {
                let error = failure.error();
                self.faults.remove(&call);
                Err(error)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn crash(&mut self, coin: &mut Coin) {
        for inode in self.inodes.values_mut() {
            inode.crash(coin);
        }
        for change in std::mem::take(&mut self.unsynced) {
            if coin.flip() {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
        self.begin_epoch();
    }

    pub(super) fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), inode);
        change.apply(&mut self.names);
        self.unsynced.push(change);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (here, elsewhere) = std::mem::take(&mut self.unsynced).into_iter().partition(|change| change.is_in(dir));
        self.unsynced = elsewhere;
        let here: Vec<NameChange> = here;
        for change in here {
            change.apply(&mut self.durable_names);
        }
    }
}

impl Inode {
    pub(super) fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / SECTOR..end.div_ceil(SECTOR));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let (least, most) = (len.min(self.written.len()), len.max(self.written.len()));
        self.dirty.extend(least / SECTOR..most.div_ceil(SECTOR));
        self.written.resize(len, 0);
    }

    pub(super) fn copy_sector(&mut self, sector: usize) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.written.len());
        if start >= end {
            return;
        }
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.written[start..end]);
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.copy_sector(sector);
        }
        self.durable.resize(self.written.len(), 0);
    }

    pub(super) fn crash(&mut self, coin: &mut Coin) {
        for sector in std::mem::take(&mut self.dirty) {
            if coin.flip() {
                self.copy_sector(sector);
            }
        }
        if self.durable.len() != self.written.len() && coin.flip() {
            self.durable.resize(self.written.len(), 0);
        }
        self.written = self.durable.clone();
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            NameChange::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Unlink(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }

    pub(super) fn is_in(&self, dir: &Path) -> bool {
        match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) | NameChange::Rename(path, _, _) => {
                path.parent() == Some(dir)
            }
        }
    }
}
