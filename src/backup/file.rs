//! The format, and reading it.
//!
//! `"HFBACK\0\1" | length of the head u32 | head | crc u32 | snapshot | sha-256`. Numbers are little endian; the head
//! is a JSON object, [`Head`]; the CRC is over all before it; the snapshot is the stream that nodes keep and send
//! (`cluster::store::snapshots`), which carries checks of its own; the SHA-256 is over all before it. Nothing may
//! follow.
//!
//! What must hold: nothing of a file is believed before the sum over all of it was compared.

use super::{BackupError, Head};
use crate::admin::views::hexadecimal;
use cluster::store::files::File;
use cluster::store::snapshots::Reader;
use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"HFBACK\0\x01";
/// Magic and length.
const FRONT: usize = MAGIC.len() + 4;
/// Ten times what a head takes with the longest name.
const HEAD_BYTES_MAX: usize = 16 << 10;
const CRC: usize = 4;
/// SHA-256.
pub(super) const SUM: usize = 32;
/// Read at a time for the sum.
const READ_BYTES: usize = 1 << 20;

/// The bytes before the snapshot.
pub(super) fn front(head: &Head) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(head).map_err(io::Error::other)?;
    if json.len() > HEAD_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the head is larger than 16 KiB"));
    }
    let mut bytes = Vec::with_capacity(FRONT + json.len() + CRC);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// A backup whose front was read.
#[derive(Debug)]
pub(crate) struct BackupFile {
    path: PathBuf,
    file: std::fs::File,
    /// Where the snapshot begins, and where it ends.
    from: u64,
    to: u64,
    /// What it says of itself.
    pub(crate) head: Head,
}

impl BackupFile {
    /// Reads the front and nothing more.
    pub(crate) fn open(path: &Path) -> Result<BackupFile, BackupError> {
        let failed = BackupError::io("read", path);
        let file = std::fs::File::open(path).map_err(&failed)?;
        let meta = file.metadata().map_err(&failed)?;
        if !meta.is_file() {
            return Err(BackupError::Refused { path: path.to_owned(), why: "is not a file" });
        }
        let size = meta.len();
        let damaged = |what: &str| BackupError::damaged(path, what);
        if size < (FRONT + CRC + SUM) as u64 {
            return Err(damaged("it ends too early"));
        }
        let mut start = [0; FRONT];
        file.read_exact_at(&mut start, 0).map_err(&failed)?;
        let length = start.strip_prefix(MAGIC).and_then(|rest| rest.try_into().ok()).map(u32::from_le_bytes);
        let length = length.ok_or_else(|| damaged("it is not a backup of this version"))? as usize;
        if length > HEAD_BYTES_MAX || size < (FRONT + length + CRC + SUM) as u64 {
            return Err(damaged("the length of the head, or it ends too early"));
        }
        let mut rest = vec![0; length + CRC];
        file.read_exact_at(&mut rest, FRONT as u64).map_err(&failed)?;
        let (json, crc) = rest.split_at(length);
        let mut told = crc32fast::Hasher::new();
        told.update(&start);
        told.update(json);
        if crc != told.finalize().to_le_bytes() {
            return Err(damaged("the check of the head"));
        }
        let head = serde_json::from_slice(json).map_err(|error| damaged(&format!("the head: {error}")))?;
        let from = (FRONT + length + CRC) as u64;
        Ok(BackupFile { path: path.to_owned(), file, from, to: size - SUM as u64, head })
    }

    /// Compares the sum over the whole file and returns it. Reads all of it, in bounded memory.
    pub(crate) fn sum(&self) -> Result<[u8; SUM], BackupError> {
        let failed = BackupError::io("read", &self.path);
        let at_once = |left: u64| usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
        let (mut sum, mut buffer, mut offset) = (Sha256::new(), vec![0; at_once(self.to)], 0);
        while offset < self.to {
            let most = at_once(self.to - offset);
            let (piece, _) = buffer.split_at_mut(most);
            self.file.read_exact_at(piece, offset).map_err(&failed)?;
            sum.update(&piece);
            offset += most as u64;
        }
        let mut told = [0; SUM];
        self.file.read_exact_at(&mut told, self.to).map_err(&failed)?;
        let found: [u8; SUM] = sum.finalize().into();
        if found != told {
            return Err(BackupError::damaged(&self.path, "the sum over the whole file"));
        }
        Ok(found)
    }

    /// The snapshot in it, whose head must say what the file's head says.
    pub(crate) fn snapshot(&self) -> Result<Reader, BackupError> {
        let damaged = |what: String| BackupError::damaged(&self.path, what);
        let file = self.file.try_clone().map_err(BackupError::io("read", &self.path))?;
        let window = Window { file, from: self.from, size: self.to - self.from };
        let reader = Reader::open(Arc::new(window)).map_err(|error| damaged(error.to_string()))?;
        let (head, inner) = (&self.head, reader.header());
        let same = hexadecimal(&inner.cluster) == head.cluster_id
            && inner.index == head.index
            && inner.time_us == head.log_time_us
            && hexadecimal(&inner.digest) == head.digest
            && inner.records == head.records;
        if same { Ok(reader) } else { Err(damaged("its two heads do not say the same".to_owned())) }
    }

    /// Reads all of it and compares every check, but restores nothing. Returns the sum.
    pub(crate) fn read_through(&self) -> Result<[u8; SUM], BackupError> {
        let sum = self.sum()?;
        let read = self.snapshot()?.verify();
        read.map_err(|error| BackupError::damaged(&self.path, error)).map(|()| sum)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the whole file.
    pub(crate) fn bytes(&self) -> u64 {
        self.to + SUM as u64
    }
}

/// A part of a file, to be read only.
struct Window {
    file: std::fs::File,
    from: u64,
    size: u64,
}

impl File for Window {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let (buffer, _) = buffer.split_at_mut(most);
        self.file.read_at(buffer, self.from.saturating_add(offset))
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}
