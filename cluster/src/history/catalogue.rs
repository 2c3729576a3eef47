//! The snapshot catalogue: which snapshots this node has, for operators.
//!
//! It repeats what the heads of the files say and is put down whole whenever that changes, so it can be lost at any
//! time. A record is: version, log time (u64), digest (16), size (u64), members (u64 each), CRC-32 of all before;
//! numbers little endian. Its key holds the index. Not here: the keys, and the files.
//!
//! What must hold: bytes that are not exactly what was written are refused.

use crate::Malformed;
use bytes::{Buf, BufMut};
use std::collections::BTreeSet;

const VERSION: u8 = 1;
const CRC_BYTES: usize = 4;
/// A record must fit into a chunk; a cluster has a handful.
const MEMBERS_MAX: usize = 512;

/// One snapshot on this node's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The last log entry that is in it.
    pub index: u64,
    /// Log time at that entry, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// The digest of its state.
    pub digest: [u8; 16],
    /// The size of its file.
    pub size_bytes: u64,
    /// Who belonged to the cluster at that entry.
    pub members: BTreeSet<u64>,
}

fn malformed(why: &str) -> Malformed {
    Malformed { what: "snapshot record", why: why.to_owned() }
}

pub(super) fn encode(record: &SnapshotRecord) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.put_u64_le(record.time_us);
    bytes.put_slice(&record.digest);
    bytes.put_u64_le(record.size_bytes);
    for member in record.members.iter().take(MEMBERS_MAX) {
        bytes.put_u64_le(*member);
    }
    let crc = crc32fast::hash(&bytes);
    bytes.put_u32_le(crc);
    bytes
}

pub(super) fn decode(index: u64, bytes: &[u8]) -> Result<SnapshotRecord, Malformed> {
    let body = bytes.len().checked_sub(CRC_BYTES).ok_or_else(|| malformed("too short"))?;
    let (mut body, mut crc) = bytes.split_at(body);
    if crc.get_u32_le() != crc32fast::hash(body) {
        return Err(malformed("its checksum is wrong"));
    }
    if body.try_get_u8().ok() != Some(VERSION) {
        return Err(malformed("its version is unknown"));
    }
    let short = |_| malformed("too short");
    let time_us = body.try_get_u64_le().map_err(short)?;
    let mut digest = [0; 16];
    body.try_copy_to_slice(&mut digest).map_err(short)?;
    let size_bytes = body.try_get_u64_le().map_err(short)?;
    let mut members = BTreeSet::new();
    while body.has_remaining() {
        members.insert(body.try_get_u64_le().map_err(short)?);
    }
    Ok(SnapshotRecord { index, time_us, digest, size_bytes, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SnapshotRecord {
        let members = [1, 2, 3].into();
        SnapshotRecord { index: 7, time_us: 0x0102, digest: [9; 16], size_bytes: 0x0304, members }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let mut golden = vec![1, 2, 1, 0, 0, 0, 0, 0, 0];
        golden.extend_from_slice(&[9; 16]);
        golden.extend_from_slice(&[4, 3, 0, 0, 0, 0, 0, 0]);
        for member in 1..=3 {
            golden.extend_from_slice(&[member, 0, 0, 0, 0, 0, 0, 0]);
        }
        let bytes = encode(&record());
        assert_eq!(bytes[..bytes.len() - CRC_BYTES], golden);
        assert_eq!(decode(7, &bytes), Ok(record()));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let bytes = encode(&record());
        for end in 0..bytes.len() {
            assert!(decode(7, &bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(7, &flipped).is_err(), "bit {bit}");
        }
    }
}
