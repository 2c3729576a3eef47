//! The sled database: one tree, one writer. The only file that names sled.
//!
//! Keys, numbers big endian: `f` -> the highest index that was forgotten; `h` + first index of a bundle (8) + chunk
//! number (2) -> chunk; `t` + log time of a bundle's first command (8) -> its first index (8); `g` + first index of a
//! gap (8) -> its last (8); `s` + index of a snapshot (8) -> its record; `m` -> version, cluster id, covered index,
//! bytes. A bundle has consecutive indexes, so the one that may have an index is the last one that does not begin after
//! it.
//!
//! **What must hold.** No value is larger than 4 KiB: sled keeps large ones in files that it never syncs. sled's
//! `flush` does not sync its file, so [`Database::write`] does, through a descriptor of its own.
//!
//! **Crash story.** A group is one sled batch: after a kill it is there or not. What is not there is written again when
//! the log is applied again; the same index gives the same keys and values.

use super::format::{self, Bundle, Entry};
use super::queue::{Group, Range};
use super::{HistoryGap, HistoryPage, HistoryRecord, Options, SnapshotRecord, catalogue};
use std::fs::File;
use std::io;
use std::path::Path;

/// 1 had a key for each entry: 2,000 a second, where now 400 do.
const VERSION: u8 = 2;
const META: &[u8] = b"m";
/// Not there while nothing was forgotten.
const FORGOTTEN: &[u8] = b"f";
const META_BYTES: usize = 1 + 16 + 8 + 8;
/// sled keeps several times this in memory.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Old entries that go with one group: five times what a second of full batches adds.
const FORGET_MAX: usize = 4096;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The disk refused; the database may be whole.
    #[error("the disk refused: {0}")]
    Disk(#[from] io::Error),
    /// It is not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Failure::Disk(error),
            other => Failure::Damaged(other.to_string()),
        }
    }
}

pub(super) struct Database {
    tree: sled::Db,
    file: File,
    options: Options,
    /// Up to here every index is written, marked as a gap, or had no commands.
    covered: u64,
    bytes: u64,
}

fn key(kind: u8, number: u64) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

impl Database {
    /// Opens or makes it. A database of another cluster counts as damaged.
    pub(super) fn open(dir: &Path, options: Options) -> Result<Database, Failure> {
        std::fs::create_dir_all(dir)?;
        let tree = sled::Config::new()
            .path(dir)
            .flush_every_ms(None)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
            .use_compression(false)
            .open()?;
        let file = File::open(dir.join("db"))?;
        let meta = tree.get(META)?;
        let (covered, bytes) = match &meta {
            None if tree.is_empty() => (0, 0),
            None => return Err(Failure::Damaged("there are entries and no head".to_owned())),
            Some(meta) => {
                let ours = meta.len() == META_BYTES && meta[0] == VERSION && meta[1..17] == options.cluster;
                let head = number(meta, 17).zip(number(meta, 25)).filter(|_| ours);
                head.ok_or_else(|| Failure::Damaged("its head is of something else".to_owned()))?
            }
        };
        File::open(dir)?.sync_all()?;
        Ok(Database { tree, file, options, covered, bytes })
    }

    /// What readers hold.
    pub(super) fn reader(&self) -> Reader {
        Reader { tree: self.tree.clone() }
    }

    /// Writes a group in one batch; durable when this returns. Returns how many entries were written.
    pub(super) fn write(&mut self, group: &Group) -> Result<usize, Failure> {
        let mut batch = sled::Batch::default();
        let mut fresh = 0;
        let mut gaps = group.gaps.clone();
        if group.skipped_to > self.covered {
            gaps.push((self.covered + 1, group.skipped_to));
        }
        let mut open: Option<Bundle> = None;
        for written in &group.entries {
            // Applied again after a restart: what is there and whole is left.
            if written.index <= self.covered && self.reader().entry(written.index).is_ok() {
                continue;
            }
            fresh += 1;
            let added = match &mut open {
                Some(bundle) if bundle.takes(written) => bundle.add(written),
                Some(_) | None => {
                    self.put(open.take(), &mut batch, &mut gaps);
                    Bundle::of(written).map(|bundle| open = Some(bundle))
                }
            };
            if added.is_err() {
                gaps.push((written.index, written.index));
            }
        }
        self.put(open, &mut batch, &mut gaps);
        for (first, last) in gaps {
            self.covered = self.covered.max(last);
            batch.insert(key(b'g', first), &last.to_be_bytes());
        }
        self.forget(&mut batch)?;
        if let Some(snapshots) = &group.snapshots {
            self.catalogue(snapshots, &mut batch)?;
        }
        let mut meta = vec![VERSION];
        meta.extend_from_slice(&self.options.cluster);
        meta.extend_from_slice(&self.covered.to_be_bytes());
        meta.extend_from_slice(&self.bytes.to_be_bytes());
        batch.insert(META, meta);
        self.tree.apply_batch(batch)?;
        self.tree.flush()?;
        (self.options.sync)(&self.file)?;
        Ok(fresh)
    }

    fn put(&mut self, bundle: Option<Bundle>, batch: &mut sled::Batch, gaps: &mut Vec<Range>) {
        let Some(bundle) = bundle else { return };
        let Ok(chunks) = bundle.chunks() else {
            gaps.push((bundle.first, bundle.last));
            return;
        };
        for (place, chunk) in chunks.into_iter().enumerate() {
            let mut key = key(b'h', bundle.first);
            key.extend_from_slice(&(place as u16).to_be_bytes());
            self.bytes += chunk.len() as u64;
            batch.insert(key, chunk);
        }
        if let Some(time_us) = bundle.time_us {
            batch.insert(key(b't', time_us), &bundle.first.to_be_bytes());
        }
        self.covered = self.covered.max(bundle.last);
    }

    /// Puts the catalogue down whole.
    fn catalogue(&self, snapshots: &[SnapshotRecord], batch: &mut sled::Batch) -> Result<(), Failure> {
        for found in self.tree.scan_prefix(b"s") {
            batch.remove(found?.0);
        }
        for record in snapshots {
            batch.insert(key(b's', record.index), catalogue::encode(record));
        }
        Ok(())
    }

    /// Lets the oldest bundles go, so that neither the entries nor the bytes are too many. A bundle goes with its first
    /// entry.
    fn forget(&mut self, batch: &mut sled::Batch) -> Result<(), Failure> {
        let floor = self.covered.saturating_sub(self.options.entries_max);
        for found in self.tree.scan_prefix(b"h").take(FORGET_MAX) {
            let (key, chunk) = found?;
            if number(&key, 1).is_none_or(|index| index > floor) && self.bytes <= self.options.bytes_max {
                break;
            }
            self.bytes = self.bytes.saturating_sub(chunk.len() as u64);
            let chunks = number(&key, 1).map(|first| (first, self.reader().bundle(first)));
            if let Some((first, bundle)) = chunks.filter(|_| key.ends_with(&[0, 0])) {
                // Its last entry; one that cannot be read is forgotten as far as is known.
                let last = bundle.ok().and_then(|entries| entries.last().map(|(index, _)| *index));
                batch.insert(FORGOTTEN, &last.unwrap_or(first).to_be_bytes());
            }
            batch.remove(key);
        }
        for found in self.tree.scan_prefix(b"t").take(FORGET_MAX) {
            let (time, index) = found?;
            if number(&index, 0).is_none_or(|index| index > floor) {
                break;
            }
            batch.remove(time);
        }
        for found in self.tree.scan_prefix(b"g").take(FORGET_MAX) {
            let (first, last) = found?;
            if number(&last, 0).is_none_or(|last| last > floor) {
                break;
            }
            batch.remove(first);
        }
        Ok(())
    }
}

fn damaged(error: impl std::fmt::Display) -> HistoryGap {
    HistoryGap::Damaged(error.to_string())
}

/// Reads beside the writer.
#[derive(Clone)]
pub(super) struct Reader {
    tree: sled::Db,
}

impl Reader {
    /// The records of an entry, or why there are none.
    pub(super) fn entry(&self, index: u64) -> Result<Vec<HistoryRecord>, HistoryGap> {
        let mut upto = key(b'h', index);
        upto.extend_from_slice(&[u8::MAX; 2]);
        let last = self.tree.range(key(b'h', 0)..=upto).next_back();
        let last = last.transpose().map_err(damaged)?;
        let Some(first) = last.and_then(|(key, _)| number(&key, 1)) else {
            return Err(self.missing(index));
        };
        let found = self.bundle(first)?.into_iter().find(|(at, _)| *at == index);
        found.map(|(_, records)| records).ok_or_else(|| self.missing(index))
    }

    fn bundle(&self, first: u64) -> Result<Vec<Entry>, HistoryGap> {
        let chunks = self.tree.scan_prefix(key(b'h', first)).take(format::CHUNKS_MAX);
        let chunks =
            chunks.map(|found| found.map(|(_, chunk)| chunk)).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        format::decode(first, &chunks).map_err(damaged)
    }

    /// The command applied at exactly this log time, and its index.
    pub(super) fn at(&self, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
        let before = self.tree.range(key(b't', 0)..=key(b't', time_us)).next_back();
        let before = before.transpose().map_err(damaged)?;
        let Some(first) = before.and_then(|(_, index)| number(&index, 0)) else {
            return Err(self.missing(1));
        };
        let mut last = first;
        for (index, records) in self.bundle(first)? {
            if let Some(record) = records.into_iter().find(|record| record.time_us == time_us) {
                return Ok((index, record));
            }
            last = index;
        }
        // It would stand right behind the bundle before it.
        Err(self.missing(last + 1))
    }

    /// What stands from an index on, without a gap; at least one entry if there is any, and then as many as fit.
    pub(super) fn page(&self, from: u64, bytes_max: usize) -> Result<HistoryPage, HistoryGap> {
        let forgotten = self.number_at(FORGOTTEN, 0)?.unwrap_or(0);
        let covered = self.number_at(META, 17)?.unwrap_or(0);
        let from = if from == 0 { forgotten + 1 } else { from };
        if from <= forgotten {
            return Err(HistoryGap::TooOld { oldest: forgotten + 1 });
        }
        let mut page = HistoryPage { entries: Vec::new(), next: from };
        let mut bytes = 0;
        // A bundle that was forgotten may still have chunks.
        let before = self.bundle_before(from)?.filter(|first| *first > forgotten);
        let mut first = before.map_or_else(|| self.bundle_after(forgotten), |first| Ok(Some(first)))?;
        while let Some(at) = first {
            for (index, records) in self.bundle(at)? {
                if index < from {
                    continue;
                }
                if self.gap_within(page.next, index)?.is_some() || bytes >= bytes_max {
                    return self.ended(page);
                }
                bytes += records.iter().map(|record| record.command.len() + record.output.len() + 64).sum::<usize>();
                page.entries.push((index, records));
                page.next = index + 1;
            }
            first = self.bundle_after(at)?;
        }
        if self.gap_within(page.next, covered + 1)?.is_none() {
            page.next = page.next.max(covered + 1);
        }
        self.ended(page)
    }

    /// A page that has ended; one that could not even begin says why.
    fn ended(&self, page: HistoryPage) -> Result<HistoryPage, HistoryGap> {
        match self.gap_within(page.next, page.next + 1)? {
            Some((first, last)) if page.entries.is_empty() => Err(HistoryGap::Gap { first, last }),
            Some(_) | None => Ok(page),
        }
    }

    /// The first index of the bundle that holds everything applied at this log time or later, or of one before it.
    pub(super) fn since(&self, time_us: u64) -> Result<u64, HistoryGap> {
        let before = self.tree.range(key(b't', 0)..=key(b't', time_us)).next_back();
        let before = before.transpose().map_err(damaged)?;
        match (before.and_then(|(_, index)| number(&index, 0)), self.number_at(FORGOTTEN, 0)?) {
            (Some(first), _) => Ok(first),
            (None, None) => Ok(0),
            // Something may have been applied between that time and the oldest that is kept.
            (None, Some(forgotten)) => Err(HistoryGap::TooOld { oldest: forgotten + 1 }),
        }
    }

    /// The bundle that has an index if any has; or the first one after it.
    fn bundle_before(&self, index: u64) -> Result<Option<u64>, HistoryGap> {
        let mut upto = key(b'h', index);
        upto.extend_from_slice(&[u8::MAX; 2]);
        let last = self.tree.range(key(b'h', 0)..=upto).next_back().transpose().map_err(damaged)?;
        match last.and_then(|(key, _)| number(&key, 1)) {
            Some(first) => Ok(Some(first)),
            None => self.bundle_after(index),
        }
    }

    fn bundle_after(&self, first: u64) -> Result<Option<u64>, HistoryGap> {
        let next = self.tree.range(key(b'h', first + 1)..key(b'i', 0)).next();
        let next = next.transpose().map_err(damaged)?;
        Ok(next.and_then(|(key, _)| number(&key, 1)))
    }

    /// A gap that has an index of `from..before`, cut to what is not before `from`.
    fn gap_within(&self, from: u64, before: u64) -> Result<Option<Range>, HistoryGap> {
        if from >= before {
            return Ok(None);
        }
        let gaps = self.tree.range(key(b'g', 0)..key(b'g', before));
        for found in gaps.rev() {
            let (first, last) = found.map_err(damaged)?;
            let Some((first, last)) = number(&first, 1).zip(number(&last, 0)) else {
                continue;
            };
            if last >= from {
                return Ok(Some((first.max(from), last)));
            }
            if first < from {
                break;
            }
        }
        Ok(None)
    }

    fn number_at(&self, name: &[u8], at: usize) -> Result<Option<u64>, HistoryGap> {
        Ok(self.tree.get(name).map_err(damaged)?.and_then(|value| number(&value, at)))
    }

    /// The version of each chunk, in order.
    #[cfg(test)]
    pub(super) fn chunk_versions(&self) -> Vec<u8> {
        self.tree.scan_prefix(b"h").filter_map(|found| found.ok()?.1.first().copied()).collect()
    }

    /// The catalogue of snapshots, oldest first.
    pub(super) fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HistoryGap> {
        let record = |found: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, record) = found.map_err(damaged)?;
            let index = number(&key, 1).ok_or_else(|| damaged("a key of another length"))?;
            catalogue::decode(index, &record).map_err(damaged)
        };
        self.tree.scan_prefix(b"s").map(record).collect()
    }

    fn missing(&self, index: u64) -> HistoryGap {
        let gap = self.tree.range(key(b'g', 0)..=key(b'g', index)).next_back();
        let range = gap.and_then(Result::ok).and_then(|(first, last)| {
            let (first, last) = (number(&first, 1)?, number(&last, 0)?);
            (index <= last).then_some((first, last))
        });
        match range {
            Some((first, last)) => HistoryGap::Gap { first, last },
            None => HistoryGap::Nothing,
        }
    }
}
