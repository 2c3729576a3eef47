//! How the commands of entries, with their outcomes, become chunks of at most 4 KiB.
//!
//! A *bundle* is entries with consecutive indexes, about [`BUNDLE_BYTES`] of them: a database pays by the key, so small
//! entries share one. It is one stream: per entry its log index (u64), its term, its leader, when the batch was made
//! and when it was applied (u64 each; from version 3 on), and how many records it has (u32), then per record the log
//! time (u64), the lengths of command and output (u32 each), and both; all numbers little endian. The stream is cut
//! wherever a chunk is full, also inside a record, so that a command larger than a chunk needs no rule of its own. A
//! chunk is: version, flags (1: another chunk follows), chunk number (u16), the bundle's first log index (u64), its
//! entries (u32), a piece of the stream, CRC-32 of all before. In version 4 the stream is packed before it is cut: its
//! length (u32) and an LZ4 block. sled writes each byte about four times, so that costs less than it saves.
//!
//! What must hold: chunks that are not exactly what was written are refused, never half read. Not here: the keys.

use super::{HistoryRecord, Made, Written};
use crate::Malformed;
use bytes::{Buf, Bytes, TryGetError};
use std::borrow::Cow;

/// First byte of every chunk whose stream is packed.
const VERSION_PACKED: u8 = 4;
/// Of one whose stream is as it is.
const VERSION: u8 = 3;
/// Without how an entry was made. Still read.
const VERSION_BEFORE: u8 = 2;
/// sled writes pages over 128 KiB to files of their own, which it never syncs. A page of values grows to 64 KiB before
/// it is split, and by ten values before sled looks: 64 + 10 x 4 KiB. With values of 8 KiB such files were seen.
pub(super) const CHUNK_BYTES_MAX: usize = 4 * 1024;
const HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
const PIECE_BYTES_MAX: usize = CHUNK_BYTES_MAX - HEAD_BYTES - CRC_BYTES;
/// A bundle takes no further entry when it has this much. A reader of one entry reads its whole bundle.
const BUNDLE_BYTES: usize = 32 * 1024;
/// Chunks of one bundle: 8 MiB, 64 times what a full batch and its outcomes take.
pub(super) const CHUNKS_MAX: usize = 2048;
/// The longest stream, before it is packed and after.
const STREAM_BYTES_MAX: usize = CHUNKS_MAX * PIECE_BYTES_MAX;
const MORE: u8 = 1;

/// Entries that are written together.
pub(super) struct Bundle {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Log time of the first command.
    pub(super) time_us: Option<u64>,
    entries: u32,
    stream: Vec<u8>,
    packed: bool,
}

/// An entry's commands, read back.
pub(super) type Entry = (u64, Vec<HistoryRecord>);

fn malformed(why: &str) -> Malformed {
    Malformed { what: "history", why: why.to_owned() }
}

impl Bundle {
    /// Of one entry.
    pub(super) fn of(written: &Written) -> Result<Bundle, Malformed> {
        let mut stream = Vec::with_capacity(BUNDLE_BYTES.max(written.size_bytes()));
        push(&mut stream, written)?;
        let time_us = written.times_us.first().copied();
        let (first, packed) = (written.index, written.packed);
        Ok(Bundle { first, last: first, time_us, entries: 1, stream, packed })
    }

    /// Whether an entry belongs into it: the next one, while there is room.
    pub(super) fn takes(&self, written: &Written) -> bool {
        written.index == self.last + 1 && written.packed == self.packed && self.stream.len() < BUNDLE_BYTES
    }

    /// Adds an entry, or changes nothing.
    pub(super) fn add(&mut self, written: &Written) -> Result<(), Malformed> {
        let before = self.stream.len();
        push(&mut self.stream, written).inspect_err(|_| self.stream.truncate(before))?;
        self.last = written.index;
        self.entries += 1;
        self.time_us = self.time_us.or(written.times_us.first().copied());
        Ok(())
    }

    /// Its chunks, in order.
    pub(super) fn chunks(&self) -> Result<Vec<Vec<u8>>, Malformed> {
        let (version, stream) = if self.packed {
            (VERSION_PACKED, Cow::Owned(lz4_flex::compress_prepend_size(&self.stream)))
        } else {
            (VERSION, Cow::Borrowed(self.stream.as_slice()))
        };
        let pieces: Vec<&[u8]> = stream.chunks(PIECE_BYTES_MAX).collect();
        if pieces.len() > CHUNKS_MAX || self.stream.len() > STREAM_BYTES_MAX {
            return Err(malformed("more chunks than a bundle may have"));
        }
        let last = pieces.len().saturating_sub(1);
        let chunk = |(number, piece): (usize, &&[u8])| {
            let mut chunk = Vec::with_capacity(HEAD_BYTES + piece.len() + CRC_BYTES);
            chunk.push(version);
            chunk.push(if number < last { MORE } else { 0 });
            chunk.extend_from_slice(&(number as u16).to_le_bytes());
            chunk.extend_from_slice(&self.first.to_le_bytes());
            chunk.extend_from_slice(&self.entries.to_le_bytes());
            chunk.extend_from_slice(piece);
            let crc = crc32fast::hash(&chunk);
            chunk.extend_from_slice(&crc.to_le_bytes());
            chunk
        };
        Ok(pieces.iter().enumerate().map(chunk).collect())
    }
}

/// Appends an entry's stream.
fn push(stream: &mut Vec<u8>, written: &Written) -> Result<(), Malformed> {
    let commands = written.batch.commands()?;
    let Made { term, leader, made_us, applied_us } = written.made;
    for number in [written.index, term, leader, made_us, applied_us] {
        stream.extend_from_slice(&number.to_le_bytes());
    }
    stream.extend_from_slice(&(commands.len() as u32).to_le_bytes());
    for (place, (command, time_us)) in commands.iter().zip(&written.times_us).enumerate() {
        let output = written.outputs.get(place).ok_or_else(|| malformed("an output is missing"))?;
        stream.extend_from_slice(&time_us.to_le_bytes());
        stream.extend_from_slice(&(command.len() as u32).to_le_bytes());
        stream.extend_from_slice(&(output.len() as u32).to_le_bytes());
        stream.extend_from_slice(command);
        stream.extend_from_slice(&output);
    }
    Ok(())
}

/// The entries of the bundle that begins at `first`, from its chunks in order. Chunks after the bundle's last are left
/// over from a longer bundle with the same first index, and are not read.
pub(super) fn decode(first: u64, chunks: &[impl AsRef<[u8]>]) -> Result<Vec<Entry>, Malformed> {
    let mut stream = Vec::with_capacity(chunks.len() * PIECE_BYTES_MAX);
    for (number, chunk) in chunks.iter().enumerate() {
        let chunk = chunk.as_ref();
        let (body, crc) = chunk.split_last_chunk::<CRC_BYTES>().ok_or_else(|| malformed("a chunk is too short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(malformed("a chunk does not have its checksum"));
        }
        let (mut head, piece) = body.split_at_checked(HEAD_BYTES).ok_or_else(|| malformed("a chunk is too short"))?;
        let (version, flags) = (head.get_u8(), head.get_u8());
        if !(VERSION_BEFORE..=VERSION_PACKED).contains(&version) || flags & !MORE != 0 {
            return Err(malformed("a chunk has another version"));
        }
        if (usize::from(head.get_u16_le()), head.get_u64_le()) != (number, first) {
            return Err(malformed("a chunk belongs elsewhere"));
        }
        stream.extend_from_slice(piece);
        if flags == 0 {
            let stream = if version == VERSION_PACKED { unpack(&stream)? } else { stream };
            return entries(version, stream.into(), head.get_u32_le());
        }
    }
    Err(malformed("a chunk is missing"))
}

/// The stream of packed chunks. What it says of its length is not believed beyond the bound.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let wrong = |_| malformed("a stream cannot be unpacked");
    let (length, block) = lz4_flex::block::uncompressed_size(packed).map_err(wrong)?;
    if length > STREAM_BYTES_MAX {
        return Err(malformed("a stream is too long"));
    }
    let stream = lz4_flex::block::decompress(block, length).map_err(wrong)?;
    if stream.len() == length { Ok(stream) } else { Err(malformed("a stream is too short")) }
}

fn entries(version: u8, mut stream: Bytes, count: u32) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let torn = |_| malformed("an entry is cut off");
        let index = stream.try_get_u64_le().map_err(torn)?;
        let made = if version == VERSION_BEFORE { None } else { Some(made(&mut stream).map_err(torn)?) };
        let count = stream.try_get_u32_le().map_err(torn)?;
        entries.push((index, records(&mut stream, count, made)?));
    }
    if stream.is_empty() { Ok(entries) } else { Err(malformed("bytes are left over")) }
}

fn made(stream: &mut Bytes) -> Result<Made, TryGetError> {
    Ok(Made {
        term: stream.try_get_u64_le()?,
        leader: stream.try_get_u64_le()?,
        made_us: stream.try_get_u64_le()?,
        applied_us: stream.try_get_u64_le()?,
    })
}

fn records(stream: &mut Bytes, count: u32, made: Option<Made>) -> Result<Vec<HistoryRecord>, Malformed> {
    let mut records = Vec::new();
    for _ in 0..count {
        let torn = |_| malformed("a record is cut off");
        let time_us = stream.try_get_u64_le().map_err(torn)?;
        let command = stream.try_get_u32_le().map_err(torn)? as usize;
        let output = stream.try_get_u32_le().map_err(torn)? as usize;
        if stream.len() < command.saturating_add(output) {
            return Err(malformed("a record is cut off"));
        }
        let (command, output) = (stream.split_to(command), stream.split_to(output));
        records.push(HistoryRecord { time_us, command, output, made });
    }
    Ok(records)
}
