//! Writing a backup.
//!
//! Crash story: while `NAME.tmp` is written, synced and read back a kill leaves it, and the next writer of that name
//! takes it over; between rename and the sync of the directory the backup may be there, whole, or not; after that it is
//! there. The lock on the temporary file goes with its process, however that ends, so that nobody takes it over from a
//! writer that lives.

use super::file::{self, BackupFile, SUM};
use super::{BackupError, Head};
use rustix::fs::{FlockOperation, RenameFlags, flock, renameat_with};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is written is synced in pieces of this size: a disk that is full or broken says so early.
const SYNC_BYTES: u64 = 16 << 20;

/// What to do with a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave it, and write nothing.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// A backup that is being written. Dropped before [`Writer::finish`], it leaves nothing.
pub(crate) struct Writer {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    existing: Existing,
    sum: Sha256,
    unsynced: u64,
}

/// A backup that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its size.
    pub(crate) bytes: u64,
    /// SHA-256 over all of it but the sum itself.
    pub(crate) sum: [u8; SUM],
}

/// The name while it is written.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

fn occupied(path: &Path) -> BackupError {
    BackupError::Refused { path: path.to_owned(), why: "is there already: say --overwrite, or another name" }
}

impl Writer {
    /// Begins one.
    pub(crate) fn create(path: &Path, existing: Existing, head: &Head) -> Result<Writer, BackupError> {
        if existing == Existing::Keep && path.symlink_metadata().is_ok() {
            return Err(occupied(path));
        }
        let temporary = temporary(path);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&temporary);
        let file = open.map_err(BackupError::io("write", &temporary))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(BackupError::Refused { path: temporary, why: "another backup is being written there" });
        }
        // What a killed writer has left.
        if file.metadata().is_ok_and(|meta| meta.len() > 0) {
            file.set_len(0).map_err(BackupError::io("write", &temporary))?;
        }
        let mut writer = Writer { path: path.to_owned(), temporary, file, existing, sum: Sha256::new(), unsynced: 0 };
        let front = file::front(head).map_err(BackupError::io("write", path))?;
        writer.write(&front)?;
        Ok(writer)
    }

    /// Adds bytes of the snapshot after those before.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.sum.update(bytes);
        self.put(bytes).map_err(BackupError::io("write", &self.temporary))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Reads it back, checks it, makes it durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<Written, BackupError> {
        let sum: [u8; SUM] = std::mem::take(&mut self.sum).finalize().into();
        let written = self.put(&sum).and_then(|()| self.file.sync_all());
        written.map_err(BackupError::io("write", &self.temporary))?;
        let read = BackupFile::open(&self.temporary)?;
        if read.read_through()? != sum {
            return Err(BackupError::damaged(&self.temporary, "it is not what was written"));
        }
        match self.give_name() {
            Ok(()) => Ok(Written { bytes: read.bytes(), sum }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(occupied(&self.path)),
            Err(error) => Err(BackupError::io("rename to", &self.path)(error)),
        }
    }

    fn give_name(&self) -> io::Result<()> {
        let here = rustix::fs::CWD;
        let exclusive = match self.existing {
            Existing::Replace => None,
            Existing::Keep => Some(renameat_with(here, &self.temporary, here, &self.path, RenameFlags::NOREPLACE)),
        };
        match exclusive {
            Some(Ok(())) => {}
            // A file system without the flag: whoever has come between the first look and this one is seen here.
            Some(Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS)) if self.path.symlink_metadata().is_ok() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Some(Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS)) | None => {
                std::fs::rename(&self.temporary, &self.path)?;
            }
            Some(Err(error)) => return Err(error.into()),
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` the file has another name. What cannot be removed is taken over by the next writer.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
