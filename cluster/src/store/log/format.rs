//! How groups of records lie in a segment: sectors that each tell what they are.
//!
//! A **group** is what one write and one sync make durable. Its bytes are cut into sectors of 512: 32 of head, 480 of
//! content, the last padded with zeros. The head (little endian) is
//! `crc u32 | magic u32 | generation u64 | group u64 | ordinal u32 | group bytes u32`; the CRC is over everything
//! after it. Generation is the number of the segment, group a number that rises by one over the whole log. The
//! content is records: `kind u8 | index u64 | length u32 | payload`.
//!
//! **What must hold.** A sector of 512 bytes is what a disk writes whole or not at all. So after a crash each sector
//! of an unsynced group holds either its new content or what was there before: zeros, or a sector of an older
//! generation in a recycled segment. A sector that is neither was damaged, wherever it lies: that is how a flipped
//! bit is told from a torn write, also in the very last group. Records need no check of their own.
//!
//! **What is deliberately not here.** Where sectors are allowed to be: `recovery` knows that.

use bytes::Bytes;

/// What a disk writes whole.
pub(super) const SECTOR: usize = 512;
const HEAD: usize = 32;
const ROOM: usize = SECTOR - HEAD;
/// Kind, index, length.
pub(super) const RECORD_HEAD: usize = 13;
/// "HFL" and the version of the format, 1.
const MAGIC: u32 = u32::from_le_bytes(*b"HFL\x01");

/// How many sectors a group with so many bytes of records takes.
pub(super) fn sectors_of(group_bytes: usize) -> usize {
    group_bytes.div_ceil(ROOM)
}

/// The head of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) generation: u64,
    pub(super) group: u64,
    /// Which sector of its group, from 0.
    pub(super) ordinal: usize,
    /// Bytes of records in the whole group.
    pub(super) group_bytes: usize,
}

/// What 512 bytes turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sector<'a> {
    Blank,
    Good(Head, &'a [u8]),
    Damaged,
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// Judges one sector by itself. Anything but 512 bytes is damaged.
pub(super) fn inspect(sector: &[u8]) -> Sector<'_> {
    if sector.len() != SECTOR {
        return Sector::Damaged;
    }
    if sector.iter().all(|byte| *byte == 0) {
        return Sector::Blank;
    }
    if le_u32(sector) != crc32fast::hash(&sector[4..]) || le_u32(&sector[4..]) != MAGIC {
        return Sector::Damaged;
    }
    let head = Head {
        generation: le_u64(&sector[8..]),
        group: le_u64(&sector[16..]),
        ordinal: le_u32(&sector[24..]) as usize,
        group_bytes: le_u32(&sector[28..]) as usize,
    };
    if head.ordinal >= sectors_of(head.group_bytes) {
        return Sector::Damaged;
    }
    Sector::Good(head, &sector[HEAD..])
}

/// One change of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Entry {
        index: u64,
        payload: Bytes,
    },
    Vote(Bytes),
    Committed(Bytes),
    /// Entries from this index on are gone.
    Truncated {
        from: u64,
    },
    /// Entries up to this one are gone; the marker is the caller's.
    Purged {
        upto: u64,
        marker: Bytes,
    },
    /// First of a segment: the index that the next entry has, and the size of the segment.
    Opened {
        next: u64,
        segment_bytes: u64,
    },
    /// Last of a segment: another follows.
    Sealed,
}

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const COMMITTED: u8 = 3;
const TRUNCATED: u8 = 4;
const PURGED: u8 = 5;
const OPENED: u8 = 6;
const SEALED: u8 = 7;

impl Record {
    fn decode(kind: u8, index: u64, payload: Bytes) -> Option<Record> {
        match kind {
            ENTRY => Some(Record::Entry { index, payload }),
            VOTE => Some(Record::Vote(payload)),
            COMMITTED => Some(Record::Committed(payload)),
            TRUNCATED => Some(Record::Truncated { from: index }),
            PURGED => Some(Record::Purged { upto: index, marker: payload }),
            OPENED if payload.len() == 8 => Some(Record::Opened { next: index, segment_bytes: le_u64(&payload) }),
            SEALED => Some(Record::Sealed),
            _ => None,
        }
    }
}

/// Takes a group's bytes apart. `None` if they are not records to the last byte.
pub(super) fn decode_group(mut bytes: Bytes) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        if bytes.len() < RECORD_HEAD {
            return None;
        }
        let head = bytes.split_to(RECORD_HEAD);
        let length = le_u32(&head[9..]) as usize;
        if bytes.len() < length {
            return None;
        }
        records.push(Record::decode(head[0], le_u64(&head[1..]), bytes.split_to(length))?);
    }
    Some(records)
}

/// A group being made, in a buffer that is used again. Each byte is copied once, to where it will lie.
#[derive(Default)]
pub(super) struct GroupBuffer {
    sectors: Vec<u8>,
    group_bytes: usize,
    records: usize,
}

impl GroupBuffer {
    pub(super) fn clear(&mut self) {
        self.sectors.clear();
        self.group_bytes = 0;
        self.records = 0;
    }

    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// How many bytes it will take in the segment.
    pub(super) fn disk_bytes(&self) -> u64 {
        (sectors_of(self.group_bytes) * SECTOR) as u64
    }

    pub(super) fn push(&mut self, record: &Record) {
        let blank = Bytes::new();
        match record {
            Record::Entry { index, payload } => self.put(ENTRY, *index, payload),
            Record::Vote(vote) => self.put(VOTE, 0, vote),
            Record::Committed(committed) => self.put(COMMITTED, 0, committed),
            Record::Truncated { from } => self.put(TRUNCATED, *from, &blank),
            Record::Purged { upto, marker } => self.put(PURGED, *upto, marker),
            Record::Opened { next, segment_bytes } => self.put(OPENED, *next, &segment_bytes.to_le_bytes()),
            Record::Sealed => self.put(SEALED, 0, &blank),
        }
        self.records += 1;
    }

    fn put(&mut self, kind: u8, index: u64, payload: &[u8]) {
        let mut head = [0; RECORD_HEAD];
        head[0] = kind;
        head[1..9].copy_from_slice(&index.to_le_bytes());
        // `Log` refuses requests near the size of a segment, which is at most 1 GiB.
        head[9..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        self.put_bytes(&head);
        self.put_bytes(payload);
    }

    fn put_bytes(&mut self, mut bytes: &[u8]) {
        self.group_bytes += bytes.len();
        while !bytes.is_empty() {
            let within = self.sectors.len() % SECTOR;
            if within == 0 {
                self.sectors.extend_from_slice(&[0; HEAD]);
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(SECTOR - within));
            self.sectors.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Pads, numbers and checks the sectors; the result is what to write.
    pub(super) fn finish(&mut self, generation: u64, group: u64) -> &[u8] {
        self.sectors.resize(sectors_of(self.group_bytes) * SECTOR, 0);
        for (ordinal, sector) in self.sectors.chunks_exact_mut(SECTOR).enumerate() {
            sector[4..8].copy_from_slice(&MAGIC.to_le_bytes());
            sector[8..16].copy_from_slice(&generation.to_le_bytes());
            sector[16..24].copy_from_slice(&group.to_le_bytes());
            sector[24..28].copy_from_slice(&(ordinal as u32).to_le_bytes());
            sector[28..32].copy_from_slice(&(self.group_bytes as u32).to_le_bytes());
            let crc = crc32fast::hash(&sector[4..]);
            sector[..4].copy_from_slice(&crc.to_le_bytes());
        }
        &self.sectors
    }
}
