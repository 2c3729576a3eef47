//! The one stream format of a snapshot: for the local file, for a lagging peer, and for a backup.
//!
//! All numbers little endian. **Head**: `"HFSNAP\0\1" | length u32 | fields | crc u32`, the CRC over all before it;
//! fields: `cluster 16 | index u64 | time us u64 | digest 16 | records u64 | log id (u32 + bytes) | membership (u32 +
//! bytes)`. **Block**: `length u32 | count u32 | records, each u32 + bytes | crc u32` over all of the block; at most
//! 64 KiB of records, or a single larger one. **End**: a block of length and count 0, then
//! `records u64 | crc of the whole file so far u32 | crc of the end u32`. Nothing may follow.
//!
//! **What must hold.** A reader gives no record of a block that it has not checked, and says that the snapshot is
//! whole only at its end: whoever restores from it must read to the end before believing any of it.
//!
//! **What is deliberately not here.** What records mean; where files are.

use crate::store::files::{File, read_exact_at};
use bytes::{Buf, Bytes};
use std::io;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"HFSNAP\0\x01";
/// Cluster, index, time, digest, records, and two lengths.
const FIELDS_BYTES: usize = 16 + 8 + 8 + 16 + 8 + 4 + 4;
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Records of a block, unless a single one is larger.
const BLOCK_BYTES: usize = 64 << 10;
/// The largest record, an account with all its holds.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
const BLOCK_BYTES_MAX: usize = RECORD_BYTES_MAX + 4;
const BLOCK_HEAD: usize = 8;
const CRC: usize = 4;
const END: usize = 8 + CRC + CRC;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which cluster.
    pub cluster: [u8; 16],
    /// Index of the last entry that is in the state.
    pub index: u64,
    /// That entry's whole id, as the caller encodes it.
    pub log_id: Bytes,
    /// The membership at that entry, as the caller encodes it.
    pub membership: Bytes,
    /// The log's time at that entry, in microseconds.
    pub time_us: u64,
    /// Digest of the state.
    pub digest: [u8; 16],
    /// How many records follow.
    pub records: u64,
}

/// Why there is no snapshot, or not this one.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Bytes are not what was written; another snapshot must do.
    #[error("snapshot is damaged at offset {offset}: {what}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The caller asked for what cannot be; nothing was done.
    #[error("snapshot refused: {0}")]
    Refused(&'static str),
    /// The disk failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// How it failed.
        source: io::Error,
    },
}

impl From<SnapshotError> for io::Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Damaged { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
            SnapshotError::Refused(_) => io::Error::new(io::ErrorKind::InvalidInput, error),
            SnapshotError::Io { source, .. } => source,
        }
    }
}

pub(super) fn io_error(doing: &'static str) -> impl Fn(io::Error) -> SnapshotError {
    move |source| SnapshotError::Io { doing, source }
}

impl Header {
    fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let length = FIELDS_BYTES + self.log_id.len() + self.membership.len();
        if length > HEAD_BYTES_MAX {
            return Err(SnapshotError::Refused("a header of more than 64 KiB"));
        }
        let mut bytes = Vec::with_capacity(length + 16);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.extend_from_slice(&self.cluster);
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.time_us.to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(&self.records.to_le_bytes());
        for text in [&self.log_id, &self.membership] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Takes the fields apart; `None` if they are not exactly a header's.
    fn decode(mut fields: Bytes) -> Option<Header> {
        let cluster = take_array(&mut fields)?;
        let index = fields.try_get_u64_le().ok()?;
        let time_us = fields.try_get_u64_le().ok()?;
        let digest = take_array(&mut fields)?;
        let records = fields.try_get_u64_le().ok()?;
        let log_id = take_sized(&mut fields)?;
        let membership = take_sized(&mut fields)?;
        fields.is_empty().then_some(Header { cluster, index, log_id, membership, time_us, digest, records })
    }
}

fn take_array(bytes: &mut Bytes) -> Option<[u8; 16]> {
    let array = *bytes.first_chunk()?;
    bytes.advance(array.len());
    Some(array)
}

fn take_sized(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

/// Makes the stream, piece by piece; each piece is to be written after the one before.
struct Encoder {
    promised: u64,
    records: u64,
    count: u32,
    block: Vec<u8>,
    whole: crc32fast::Hasher,
}

impl Encoder {
    /// The encoder, and the first piece.
    fn new(header: &Header) -> Result<(Encoder, Vec<u8>), SnapshotError> {
        let head = header.encode()?;
        let mut whole = crc32fast::Hasher::new();
        whole.update(&head);
        Ok((Encoder { promised: header.records, records: 0, count: 0, block: vec![0; BLOCK_HEAD], whole }, head))
    }

    /// Adds a record; a piece, when a block was full before it.
    fn push(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, SnapshotError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(SnapshotError::Refused("a record of more than 8 MiB"));
        }
        let full = self.count > 0 && self.block.len() - BLOCK_HEAD + 4 + record.len() > BLOCK_BYTES;
        let piece = if full { Some(self.take_block()) } else { None };
        self.block.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.block.extend_from_slice(record);
        self.count += 1;
        self.records += 1;
        Ok(piece)
    }

    fn take_block(&mut self) -> Vec<u8> {
        let mut block = std::mem::replace(&mut self.block, vec![0; BLOCK_HEAD]);
        let length = (block.len() - BLOCK_HEAD) as u32;
        block[..4].copy_from_slice(&length.to_le_bytes());
        block[4..BLOCK_HEAD].copy_from_slice(&std::mem::take(&mut self.count).to_le_bytes());
        block.extend_from_slice(&crc32fast::hash(&block).to_le_bytes());
        self.whole.update(&block);
        block
    }

    /// The last piece.
    fn finish(mut self) -> Result<Vec<u8>, SnapshotError> {
        if self.records != self.promised {
            return Err(SnapshotError::Refused("not as many records as the header says"));
        }
        let mut piece = if self.count > 0 { self.take_block() } else { Vec::new() };
        let mut end = vec![0; BLOCK_HEAD];
        end.extend_from_slice(&self.records.to_le_bytes());
        self.whole.update(&end);
        end.extend_from_slice(&self.whole.finalize().to_le_bytes());
        end.extend_from_slice(&crc32fast::hash(&end).to_le_bytes());
        piece.extend_from_slice(&end);
        Ok(piece)
    }
}

/// The whole stream, piece by piece, made as it is asked for. After an error nothing that follows may be used.
pub fn pieces<R: AsRef<[u8]>>(
    header: &Header,
    records: impl IntoIterator<Item = R>,
) -> Result<impl Iterator<Item = Result<Vec<u8>, SnapshotError>>, SnapshotError> {
    let (encoder, head) = Encoder::new(header)?;
    let (mut encoder, mut records) = (Some(encoder), records.into_iter());
    let rest = std::iter::from_fn(move || {
        for record in records.by_ref() {
            if let Some(piece) = encoder.as_mut()?.push(record.as_ref()).transpose() {
                return Some(piece);
            }
        }
        encoder.take().map(Encoder::finish)
    });
    Ok(std::iter::once(Ok(head)).chain(rest))
}

/// Reads a snapshot's records in order, checking as it goes. After an error it ends.
pub struct Reader {
    file: Arc<dyn File>,
    header: Header,
    offset: u64,
    size: u64,
    records: u64,
    /// What is left of the current block.
    block: Bytes,
    left: u32,
    whole: crc32fast::Hasher,
    ended: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("header", &self.header).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a snapshot in any file and checks its head, nothing more.
    pub fn open(file: Arc<dyn File>) -> Result<Reader, SnapshotError> {
        let size = file.size().map_err(io_error("size snapshot"))?;
        let blank = Header {
            cluster: [0; 16],
            index: 0,
            log_id: Bytes::new(),
            membership: Bytes::new(),
            time_us: 0,
            digest: [0; 16],
            records: 0,
        };
        let whole = crc32fast::Hasher::new();
        let block = Bytes::new();
        let mut reader =
            Reader { file, header: blank, offset: 0, size, records: 0, block, left: 0, whole, ended: false };
        let start = reader.read(MAGIC.len() + 4)?;
        let mut length = start.strip_prefix(MAGIC).ok_or_else(|| reader.damaged("not a snapshot of this version"))?;
        let length = length.try_get_u32_le().unwrap_or(0) as usize;
        if !(FIELDS_BYTES..=HEAD_BYTES_MAX).contains(&length) {
            return Err(reader.damaged("the length of the head"));
        }
        let fields = reader.read(length)?;
        reader.check_crc(&[&start, &fields], "the head")?;
        reader.header = Header::decode(fields.into()).ok_or_else(|| reader.damaged("the fields of the head"))?;
        Ok(reader)
    }

    /// What it is a snapshot of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads all that is left, and says whether it is whole.
    pub fn verify(self) -> Result<(), SnapshotError> {
        for record in self {
            record?;
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { offset: self.offset, what }
    }

    fn read(&mut self, length: usize) -> Result<Vec<u8>, SnapshotError> {
        if self.size - self.offset < length as u64 {
            return Err(self.damaged("it ends too early"));
        }
        let mut bytes = vec![0; length];
        read_exact_at(&*self.file, &mut bytes, self.offset).map_err(io_error("read snapshot"))?;
        self.offset += length as u64;
        self.whole.update(&bytes);
        Ok(bytes)
    }

    /// The next four bytes must be the CRC of `parts`.
    fn check_crc(&mut self, parts: &[&[u8]], what: &'static str) -> Result<(), SnapshotError> {
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        if self.read(CRC)? != crc.finalize().to_le_bytes() {
            return Err(self.damaged(what));
        }
        Ok(())
    }

    fn next_record(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        if self.left == 0 && !self.next_block()? {
            return Ok(None);
        }
        let record = take_sized(&mut self.block).ok_or_else(|| self.damaged("the records of a block"))?;
        self.left -= 1;
        self.records += 1;
        if self.left == 0 && !self.block.is_empty() {
            return Err(self.damaged("a block of more than its records"));
        }
        Ok(Some(record))
    }

    /// Reads and checks a block; false at the end.
    fn next_block(&mut self) -> Result<bool, SnapshotError> {
        let head = self.read(BLOCK_HEAD)?;
        let mut fields = head.as_slice();
        let length = fields.try_get_u32_le().unwrap_or(0) as usize;
        let count = fields.try_get_u32_le().unwrap_or(0);
        if length == 0 && count == 0 {
            self.end(&head)?;
            return Ok(false);
        }
        if length > BLOCK_BYTES_MAX || count == 0 {
            return Err(self.damaged("the length of a block"));
        }
        let records = self.read(length)?;
        self.check_crc(&[&head, &records], "a block")?;
        self.block = records.into();
        self.left = count;
        Ok(true)
    }

    fn end(&mut self, head: &[u8]) -> Result<(), SnapshotError> {
        if self.size - self.offset != END as u64 {
            return Err(self.damaged("bytes after the end"));
        }
        let records = self.read(8)?;
        let whole = self.whole.clone().finalize().to_le_bytes();
        let told = self.read(CRC)?;
        self.check_crc(&[head, &records, &told], "the end")?;
        if told != whole {
            return Err(self.damaged("the check of the whole"));
        }
        if records != self.records.to_le_bytes() || self.records != self.header.records {
            return Err(self.damaged("the number of records"));
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Bytes, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_record().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
