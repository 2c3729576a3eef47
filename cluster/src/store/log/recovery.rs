//! Reading the log back, and telling a torn tail from damage.
//!
//! **What must hold.** Exactly one group can have been written and not synced: the newest. So after the last whole
//! group of the newest segment each sector must be blank, of an older generation (the segment was recycled), or a
//! part of the one next group, in its place; that group was never acknowledged and is dropped. Anything else, there
//! or anywhere in an older segment, is damage to what may have been acknowledged, and the open is refused. Every
//! flipped bit in a used part of the log is found this way. Not found, as from a torn write it cannot be told: a
//! sector of the very last group that a lying disk gave back as it was before the write.
//!
//! An older segment ends with a seal, written once its successor is durable: so a missing newest segment is noticed.
//! A missing oldest one shows as entries missing above the purge point, a missing middle one by its number.
//!
//! **Crash story of the recovery.** A torn group is wiped before anything is written over it, so that parts of two
//! groups with one number never mix; wiping is itself torn harmlessly. The last group is then written and synced
//! again in place: the kernel's cache may show more than the disk has, after a kill or a failed sync.

use super::error::{OpenError, io_error};
use super::format::{GroupBuffer, Head, Record, SECTOR, Sector, decode_group, inspect, sectors_of};
use super::segment::{self, SealedSegment, Segment};

use crate::store::files::{File, Files, read_exact_at};
use bytes::Bytes;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// What the records say when they are applied in order.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<Bytes>,
    pub(super) purged: Option<(u64, Bytes)>,
    /// The index of the first of `entries`.
    pub(super) base: u64,
    pub(super) entries: Vec<Bytes>,
    begun: bool,
}

impl Replay {
    pub(super) fn next(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn first_unpurged(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(upto, _)| upto.saturating_add(1))
    }

    fn apply(&mut self, record: Record) -> Result<(), &'static str> {
        match record {
            Record::Entry { index, payload } if index == self.next() => self.entries.push(payload),
            Record::Entry { .. } => return Err("an entry out of order"),
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Committed(committed) => self.committed = Some(committed),
            Record::Truncated { from } if (self.first_unpurged()..=self.next()).contains(&from) => {
                self.entries.truncate(from.saturating_sub(self.base) as usize);
                self.base = self.base.min(from);
            }
            Record::Truncated { .. } => return Err("a truncation outside of the log"),
            Record::Purged { upto, marker } => {
                let next = upto.saturating_add(1);
                let gone = next.saturating_sub(self.base).min(self.entries.len() as u64);
                self.entries.drain(..gone as usize);
                self.base = self.base.max(next);
                self.purged = Some((upto, marker));
            }
            // The oldest segment that is left tells where its entries begin.
            Record::Opened { next, .. } if !self.begun => self.base = next,
            Record::Opened { next, .. } if next == self.next() => {}
            Record::Opened { .. } => return Err("a segment that does not continue the one before"),
            Record::Sealed => {}
        }
        self.begun = true;
        Ok(())
    }
}

/// Why a segment cannot be believed, and in which sector.
#[derive(Debug, PartialEq, Eq)]
struct Damage(usize, &'static str);

/// One segment, read.
struct Scan {
    /// The records of the whole groups.
    records: Vec<Record>,
    groups: usize,
    /// The number that the next group has.
    next_group: u64,
    /// Sectors of the last whole group.
    last: std::ops::Range<usize>,
    /// Sectors that may hold parts of a torn group; empty if there is none.
    torn: std::ops::Range<usize>,
    sealed: bool,
}

fn sector(bytes: &[u8], at: usize) -> Sector<'_> {
    inspect(bytes.get(at * SECTOR..(at + 1) * SECTOR).unwrap_or_default())
}

/// The group that begins at sector `at`, if all of it is there.
fn whole_group(bytes: &[u8], at: usize, head: Head) -> Option<Bytes> {
    let mut content = Vec::with_capacity(head.group_bytes.min(bytes.len()));
    for ordinal in 0..sectors_of(head.group_bytes) {
        match sector(bytes, at + ordinal) {
            Sector::Good(found, room) if found == (Head { ordinal, ..head }) => content.extend_from_slice(room),
            Sector::Good(..) | Sector::Blank | Sector::Damaged => return None,
        }
    }
    content.truncate(head.group_bytes);
    Some(content.into())
}

fn scan(bytes: &[u8], generation: u64, first_group: Option<u64>) -> Result<Scan, Damage> {
    let Sector::Good(first, _) = sector(bytes, 0) else {
        return Err(Damage(0, "no whole first sector"));
    };
    let group = first_group.unwrap_or(first.group);
    let mut scan = Scan { records: vec![], groups: 0, next_group: group, last: 0..0, torn: 0..0, sealed: false };
    let sectors = bytes.len() / SECTOR;
    let mut at = 0;
    while at < sectors && !scan.sealed {
        let Sector::Good(head, _) = sector(bytes, at) else {
            break;
        };
        if head != (Head { generation, group: scan.next_group, ordinal: 0, group_bytes: head.group_bytes }) {
            break;
        }
        let Some(content) = whole_group(bytes, at, head) else {
            break;
        };
        let records = decode_group(content).ok_or(Damage(at, "a group of unknown records"))?;
        scan.sealed = matches!(records.last(), Some(Record::Sealed));
        scan.records.extend(records);
        scan.groups += 1;
        scan.next_group += 1;
        scan.last = at..at + sectors_of(head.group_bytes);
        at = scan.last.end;
    }
    if scan.groups == 0 {
        return Err(Damage(0, "no whole first group"));
    }
    let size = bytes.len() as u64;
    if !matches!(scan.records.first(), Some(Record::Opened { segment_bytes, .. }) if *segment_bytes == size) {
        return Err(Damage(0, "not the size that it was made with"));
    }
    scan.torn = at..at;
    if !scan.sealed {
        scan.torn = torn_tail(bytes, generation, scan.next_group, at)?;
    }
    Ok(scan)
}

/// Judges everything after the last whole group; see the rule at the top.
fn torn_tail(bytes: &[u8], generation: u64, group: u64, start: usize) -> Result<std::ops::Range<usize>, Damage> {
    let mut end = start;
    let mut group_bytes = None;
    for at in start..bytes.len() / SECTOR {
        match sector(bytes, at) {
            Sector::Blank => {}
            Sector::Damaged => return Err(Damage(at, "a damaged sector")),
            Sector::Good(head, _) if head.generation < generation => {}
            Sector::Good(head, _) => {
                let expected = Head {
                    generation,
                    group,
                    ordinal: at - start,
                    group_bytes: *group_bytes.get_or_insert(head.group_bytes),
                };
                if head != expected {
                    return Err(Damage(at, "a later group after a damaged one"));
                }
                end = at + 1;
            }
        }
    }
    Ok(start..end)
}

/// The log as it was found, made safe to go on with.
pub(super) struct Recovery {
    pub(super) replay: Replay,
    pub(super) sealed: VecDeque<SealedSegment>,
    pub(super) current: Segment,
    pub(super) next_group: u64,
}

struct Read {
    generation: u64,
    file: Arc<dyn File>,
    bytes: Vec<u8>,
    scan: Scan,
}

fn read(files: &dyn Files, dir: &Path, generation: u64, first_group: Option<u64>) -> Result<Read, OpenError> {
    let path = dir.join(segment::name(generation));
    let file = files.open(&path).map_err(io_error("open segment"))?;
    let size = file.size().map_err(io_error("size segment"))?;
    let corrupt =
        |Damage(sector, what)| OpenError::Corrupt { file: path.clone(), offset: (sector * SECTOR) as u64, what };
    if size > segment::BYTES_MAX || !size.is_multiple_of(SECTOR as u64) {
        return Err(corrupt(Damage(0, "not the size that it was made with")));
    }
    let mut bytes = vec![0; size as usize];
    read_exact_at(&*file, &mut bytes, 0).map_err(io_error("read segment"))?;
    let scan = scan(&bytes, generation, first_group).map_err(corrupt)?;
    Ok(Read { generation, file, bytes, scan })
}

/// Reads all segments and applies their records; refuses what cannot be believed.
pub(super) fn recover(files: &dyn Files, dir: &Path) -> Result<Recovery, OpenError> {
    let generations = segment::generations(files, dir).map_err(io_error("list log"))?;
    let (Some(oldest), Some(newest)) = (generations.first().copied(), generations.last().copied()) else {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    };
    let missing = |generation| OpenError::MissingSegment { file: dir.join(segment::name(generation)) };
    let mut replay = Replay::default();
    let mut sealed = VecDeque::new();
    let mut before: Option<Read> = None;
    for (generation, found) in (oldest..=newest).zip(&generations) {
        if generation != *found {
            return Err(missing(generation));
        }
        let first_group = before.as_ref().map(|read| read.scan.next_group + u64::from(!read.scan.sealed));
        let mut read = read(files, dir, generation, first_group)?;
        if let Some(before) = &before {
            must_lead_to(before, &read, dir)?;
        }
        let mut highest = None;
        for record in std::mem::take(&mut read.scan.records) {
            if let Record::Entry { index, .. } = &record {
                highest = highest.max(Some(*index));
            }
            replay.apply(record).map_err(|what| OpenError::Corrupt {
                file: dir.join(segment::name(generation)),
                offset: 0,
                what,
            })?;
        }
        sealed.push_back(SealedSegment { generation, highest, bytes: read.bytes.len() as u64 });
        if generation == newest {
            if read.scan.sealed {
                return Err(missing(generation + 1));
            }
            if replay.base != replay.first_unpurged() {
                return Err(OpenError::MissingEntries { from: replay.first_unpurged(), to: replay.base });
            }
            sealed.pop_back();
            make_safe(files, dir, before.as_ref(), &read).map_err(io_error("repair log"))?;
            let end = (read.scan.last.end * SECTOR) as u64;
            let current = Segment { generation, file: read.file, bytes: read.bytes.len() as u64, end, highest };
            return Ok(Recovery { replay, sealed, current, next_group: read.scan.next_group });
        }
        read.bytes = Vec::new();
        before = Some(read);
    }
    Err(OpenError::Missing { dir: dir.to_owned() })
}

/// An older segment must be sealed, unless the crash came just before its seal, and then only its seal is missing.
fn must_lead_to(before: &Read, next: &Read, dir: &Path) -> Result<(), OpenError> {
    let file = dir.join(segment::name(before.generation));
    let offset = (before.scan.last.end * SECTOR) as u64;
    if !before.scan.torn.is_empty() {
        return Err(OpenError::Corrupt { file, offset, what: "a torn group in an older segment" });
    }
    if !before.scan.sealed && next.scan.groups > 1 {
        return Err(OpenError::Corrupt { file, offset, what: "no seal, though the next segment is in use" });
    }
    Ok(())
}

/// Makes durable what was read, and wipes what was dropped. Each step may be done twice.
fn make_safe(files: &dyn Files, dir: &Path, before: Option<&Read>, last: &Read) -> std::io::Result<()> {
    files.sync_dir(dir)?;
    if let Some(before) = before.filter(|_| last.scan.groups == 1) {
        let (at, group) = match before.scan.sealed {
            true => (before.scan.last.start, before.scan.next_group - 1),
            false => (before.scan.last.end, before.scan.next_group),
        };
        segment::seal(&*before.file, &mut GroupBuffer::default(), before.generation, group, (at * SECTOR) as u64)?;
    }
    let torn = &last.scan.torn;
    if !torn.is_empty() {
        last.file.write_at(&vec![0; torn.len() * SECTOR], (torn.start * SECTOR) as u64)?;
        last.file.sync_data()?;
    }
    let (from, to) = (last.scan.last.start * SECTOR, last.scan.last.end * SECTOR);
    last.file.write_at(last.bytes.get(from..to).unwrap_or_default(), from as u64)?;
    last.file.sync_data()
}
