//! A disk in memory that forgets what was not synced, tears writes by sector, and fails on demand.
//!
//! **What lives here.** [`SimFiles`]: after [`SimFiles::crash`] each unsynced 512-byte sector and each unsynced
//! directory operation survives or not, by seed; after [`SimFiles::restart`] (a killed process, a living kernel)
//! everything written is still readable but no more durable than before. A failed sync marks the bytes clean without
//! having written them, as Linux does. Handles from before a crash or restart are dead.
//!
//! **What must hold.** The same calls and seeds give the same disk.
//!
//! **What is deliberately not here.** Time. Directories always exist.

mod disk;

use super::{File, Files, Lock};
use disk::{Coin, Disk, Inode, NameChange};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What kind of call a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`File::read_at`].
    Read,
    /// [`File::write_at`] and [`File::set_len`].
    Write,
    /// [`File::sync_data`].
    Sync,
    /// Creating, renaming, removing, and [`Files::sync_dir`].
    Directory,
}

/// What a call then fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO: an input/output error.
    Io,
    /// ENOSPC: no space left.
    NoSpace,
}

impl Failure {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Failure::Io => rustix::io::Errno::IO.raw_os_error(),
            Failure::NoSpace => rustix::io::Errno::NOSPC.raw_os_error(),
        })
    }
}

/// A simulated file system; clones share one disk.
#[derive(Clone, Default)]
pub struct SimFiles {
    disk: Arc<(Mutex<Disk>, Condvar)>,
    /// The process that calls; none for the test itself, whose calls always work.
    epoch: Option<u64>,
}

struct SimFile {
    files: SimFiles,
    inode: u64,
    epoch: u64,
}

struct SimLock {
    files: SimFiles,
    path: PathBuf,
    epoch: u64,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.files.disk.0.lock();
        if disk.epoch == self.epoch {
            disk.locked.remove(&self.path);
        }
    }
}

impl SimFiles {
    /// An empty disk.
    pub fn new() -> Self {
        SimFiles::default()
    }

    /// A second, independent disk with the same content, durable or not.
    pub fn fork(&self) -> SimFiles {
        let mut disk = self.disk.0.lock().clone();
        disk.begin_epoch();
        SimFiles { disk: Arc::new((Mutex::new(disk), Condvar::new())), epoch: None }
    }

    /// The disk as one process sees it: after the next crash or restart its calls do nothing but fail.
    pub fn process(&self) -> Arc<dyn Files> {
        let epoch = self.disk.0.lock().epoch;
        Arc::new(SimFiles { disk: self.disk.clone(), epoch: Some(epoch) })
    }

    /// Power loss: unsynced sectors and directory operations survive or not by `seed`. The power is back after it.
    pub fn crash(&self, seed: u64) {
        let mut disk = self.disk.0.lock();
        disk.crash(&mut Coin(seed));
        self.disk.1.notify_all();
    }

    /// The process dies and the kernel lives: everything written can still be read, nothing more is durable.
    pub fn restart(&self) {
        self.disk.0.lock().begin_epoch();
        self.disk.1.notify_all();
    }

    /// Lets the `nth` next call (from 1) of a kind fail, once.
    pub fn fail(&self, call: Call, nth: u64, failure: Failure) {
        self.disk.0.lock().faults.insert(call, (nth, failure));
    }

    /// Lets `count` more changing calls happen and refuses every one after them, until [`SimFiles::crash`].
    pub fn power_off_after(&self, count: u64) {
        let mut disk = self.disk.0.lock();
        disk.power_off_at = Some(disk.changes + count);
    }

    /// Takes back what was to fail and has not yet.
    pub fn mend(&self) {
        let mut disk = self.disk.0.lock();
        disk.faults.clear();
        disk.power_off_at = None;
    }

    /// Whether a changing call was refused because the power is off.
    pub fn power_is_off(&self) -> bool {
        self.disk.0.lock().refused
    }

    /// How many changing calls (writes, syncs, directory operations) there were.
    pub fn changes(&self) -> u64 {
        self.disk.0.lock().changes
    }

    /// How many syncs of file data succeeded.
    pub fn syncs(&self) -> u64 {
        self.disk.0.lock().syncs
    }

    /// Makes every sync of file data wait until [`SimFiles::release_syncs`].
    pub fn hold_syncs(&self) {
        self.disk.0.lock().syncs_held = true;
    }

    /// Lets waiting syncs go on.
    pub fn release_syncs(&self) {
        self.disk.0.lock().syncs_held = false;
        self.disk.1.notify_all();
    }

    /// Changes bytes on the medium, durably, as rot does. False if the file does not reach so far.
    pub fn corrupt(&self, path: &Path, offset: u64, change: impl Fn(u8) -> u8) -> bool {
        let mut disk = self.disk.0.lock();
        let Some(inode) = disk.names.get(path).copied() else {
            return false;
        };
        let Some(inode) = disk.inodes.get_mut(&inode) else {
            return false;
        };
        let at = offset as usize;
        let (Some(written), Some(durable)) = (inode.written.get_mut(at), inode.durable.get_mut(at)) else {
            return false;
        };
        *written = change(*written);
        *durable = change(*durable);
        true
    }

    /// Removes a file durably, as an operator's mistake does.
    pub fn lose(&self, path: &Path) -> bool {
        let mut disk = self.disk.0.lock();
        let durable = disk.durable_names.remove(path).is_some();
        disk.names.remove(path).is_some() || durable
    }

    /// All of a file's bytes as written.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk.0.lock();
        disk.names.get(path).and_then(|inode| disk.inodes.get(inode)).map(|inode| inode.written.clone())
    }

    fn change<T>(&self, call: Call, epoch: Option<u64>, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.0.lock();
        while call == Call::Sync && disk.syncs_held && disk.alive(epoch) {
            self.disk.1.wait(&mut disk);
        }
        disk.may(call, epoch)?;
        act(&mut disk)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.files.change(Call::Read, Some(self.epoch), |disk| {
            let written = &disk.inode(self.inode)?.written;
            let rest = written.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.files.change(Call::Write, Some(self.epoch), |disk| {
            disk.inode(self.inode)?.write(bytes, offset as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.files.change(Call::Sync, Some(self.epoch), |disk| {
            disk.inode(self.inode)?.sync();
            disk.syncs += 1;
            Ok(())
        });
        if result.is_err() {
            // The kernel's pages are clean now and the medium is not written: only writing again would help.
            let mut disk = self.files.disk.0.lock();
            if disk.alive(Some(self.epoch))
                && disk.power_off_at.is_none()
                && let Ok(inode) = disk.inode(self.inode)
            {
                inode.dirty.clear();
            }
        }
        result
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.files.change(Call::Write, Some(self.epoch), |disk| {
            disk.inode(self.inode)?.set_len(len as usize);
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.files.change(Call::Read, Some(self.epoch), |disk| Ok(disk.inode(self.inode)?.written.len() as u64))
    }
}

impl Files for SimFiles {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.change(Call::Directory, self.epoch, |disk| {
            if disk.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.next_inode += 1;
            let inode = disk.next_inode;
            disk.inodes.insert(inode, Inode::default());
            let change = NameChange::Link(path.to_owned(), inode);
            change.apply(&mut disk.names);
            disk.unsynced.push(change);
            Ok(Arc::new(SimFile { files: self.clone(), inode, epoch: disk.epoch }) as Arc<dyn File>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = self.disk.0.lock();
        let inode = disk.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { files: self.clone(), inode, epoch: disk.epoch }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk.0.lock();
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Call::Directory, self.epoch, |disk| disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Call::Directory, self.epoch, |disk| {
            disk.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
            disk.unsynced.push(NameChange::Unlink(path.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(Call::Directory, self.epoch, |disk| {
            disk.sync_dir(dir);
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut disk = self.disk.0.lock();
        if !disk.alive(self.epoch) {
            return Err(io::Error::other("a process from before the crash"));
        }
        if !disk.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { files: self.clone(), path: path.to_owned(), epoch: disk.epoch }))
    }
}
