//! How the commands of one entry, with their outcomes, become chunks of at most 8 KiB.
//!
//! The records of an entry are one stream: per record the log time (u64), the lengths of command and output (u32
//! each), and both; all numbers little endian. The stream is cut wherever a chunk is full, also inside a record, so
//! that a command larger than a chunk needs no rule of its own. A chunk is: version, flags (1: another chunk follows),
//! chunk number (u16), log index (u64), records of the whole entry (u32), a piece of the stream, CRC-32 of all before.
//!
//! What must hold: chunks that are not exactly what was written are refused, never half read. Not here: the keys.

use super::{HistoryRecord, Written};
use crate::Malformed;
use bytes::{Buf, Bytes};

/// First byte of every chunk.
const VERSION: u8 = 1;
/// Larger values would make sled write files of their own, which it never syncs.
pub(super) const CHUNK_BYTES_MAX: usize = 8 * 1024;
const HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
const PIECE_BYTES_MAX: usize = CHUNK_BYTES_MAX - HEAD_BYTES - CRC_BYTES;
/// Chunks of one entry: 8 MiB, 64 times what a full batch and its outcomes take.
pub(super) const CHUNKS_MAX: usize = 1024;
const MORE: u8 = 1;

fn malformed(why: &str) -> Malformed {
    Malformed { what: "history", why: why.to_owned() }
}

/// The chunks of an entry, in order.
pub(super) fn encode(written: &Written) -> Result<Vec<Vec<u8>>, Malformed> {
    let commands = written.batch.commands()?;
    let mut stream = Vec::with_capacity(written.size_bytes());
    for (place, (command, time_us)) in commands.iter().zip(&written.times_us).enumerate() {
        let output = written.outputs.get(place).ok_or_else(|| malformed("an output is missing"))?;
        stream.extend_from_slice(&time_us.to_le_bytes());
        stream.extend_from_slice(&(command.len() as u32).to_le_bytes());
        stream.extend_from_slice(&(output.len() as u32).to_le_bytes());
        stream.extend_from_slice(command);
        stream.extend_from_slice(&output);
    }
    let pieces: Vec<&[u8]> = stream.chunks(PIECE_BYTES_MAX).collect();
    if pieces.len() > CHUNKS_MAX {
        return Err(malformed("more chunks than an entry may have"));
    }
    let last = pieces.len().saturating_sub(1);
    let chunk = |(number, piece): (usize, &&[u8])| {
        let mut chunk = Vec::with_capacity(HEAD_BYTES + piece.len() + CRC_BYTES);
        chunk.push(VERSION);
        chunk.push(if number < last { MORE } else { 0 });
        chunk.extend_from_slice(&(number as u16).to_le_bytes());
        chunk.extend_from_slice(&written.index.to_le_bytes());
        chunk.extend_from_slice(&(commands.len() as u32).to_le_bytes());
        chunk.extend_from_slice(piece);
        let crc = crc32fast::hash(&chunk);
        chunk.extend_from_slice(&crc.to_le_bytes());
        chunk
    };
    Ok(pieces.iter().enumerate().map(chunk).collect())
}

/// The records of the entry at `index`, from all its chunks in order.
pub(super) fn decode(index: u64, chunks: &[impl AsRef<[u8]>]) -> Result<Vec<HistoryRecord>, Malformed> {
    let mut stream = Vec::with_capacity(chunks.len() * PIECE_BYTES_MAX);
    let mut count = 0;
    for (number, chunk) in chunks.iter().enumerate() {
        let chunk = chunk.as_ref();
        let (body, crc) = chunk.split_last_chunk::<CRC_BYTES>().ok_or_else(|| malformed("a chunk is too short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(malformed("a chunk does not have its checksum"));
        }
        let (mut head, piece) = body.split_at_checked(HEAD_BYTES).ok_or_else(|| malformed("a chunk is too short"))?;
        let more = if number + 1 < chunks.len() { MORE } else { 0 };
        if (head.get_u8(), head.get_u8()) != (VERSION, more) {
            return Err(malformed("a chunk has another version, or is not the last"));
        }
        if (usize::from(head.get_u16_le()), head.get_u64_le()) != (number, index) {
            return Err(malformed("a chunk belongs elsewhere"));
        }
        count = head.get_u32_le();
        stream.extend_from_slice(piece);
    }
    records(stream.into(), count)
}

fn records(mut stream: Bytes, count: u32) -> Result<Vec<HistoryRecord>, Malformed> {
    let mut records = Vec::new();
    for _ in 0..count {
        let torn = |_| malformed("a record is cut off");
        let time_us = stream.try_get_u64_le().map_err(torn)?;
        let command = stream.try_get_u32_le().map_err(torn)? as usize;
        let output = stream.try_get_u32_le().map_err(torn)? as usize;
        if stream.len() < command.saturating_add(output) {
            return Err(malformed("a record is cut off"));
        }
        records.push(HistoryRecord { time_us, command: stream.split_to(command), output: stream.split_to(output) });
    }
    if stream.is_empty() { Ok(records) } else { Err(malformed("bytes are left over")) }
}
