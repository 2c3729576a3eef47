//! The history on a real directory: written, read back, damaged, overrun.

use super::{History, HistoryGap, Made, Options, Written};
use crate::codec;
use crate::metrics::Stages;
use crate::types::{Batch, Carries, Outputs};
use bytes::BytesMut;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn options() -> Options {
    Options::new([7; 16])
}

fn start(dir: &Path, options: Options) -> History {
    History::start(dir.join("history"), options, Arc::new(Stages::default())).expect("a thread")
}

/// An entry of `count` commands of `size` bytes each; its times begin at ten times the index.
fn written(index: u64, count: usize, size: usize) -> Written {
    let (mut commands, mut bytes, mut ends) = (BytesMut::new(), Vec::new(), Vec::new());
    for place in 0..count {
        codec::push_command(&mut commands, &vec![place as u8; size]);
        bytes.extend_from_slice(&[index as u8, place as u8]);
        ends.push(bytes.len() as u32);
    }
    Written {
        index,
        made: Made { term: 3, leader: 2, made_us: index * 1_000, applied_us: index * 1_000 + 500 },
        batch: Batch {
            stamp_us: index * 1_000,
            carries: Carries::Commands,
            count: count as u32,
            commands: commands.freeze(),
        },
        outputs: Outputs { bytes: bytes.into(), ends },
        times_us: (0..count as u64).map(|place| index * 1_000 + place).collect(),
        packed: !index.is_multiple_of(5),
    }
}

fn check(history: &History, index: u64, count: usize, size: usize) {
    let records = history.entry(index).expect("kept");
    assert_eq!(records.len(), count);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record.time_us, index * 1_000 + place as u64);
        assert_eq!(record.made.map(|made| (made.term, made.applied_us)), Some((3, index * 1_000 + 500)));
        assert_eq!(record.command, vec![place as u8; size]);
        assert_eq!(record.output[..], [index as u8, place as u8]);
    }
}

/// Sizes on both sides of a chunk's end, and far beyond one.
const SHAPES: [(usize, usize); 7] = [(1, 100), (512, 100), (1, 4_046), (1, 4_047), (1, 60_000), (4, 15_000), (3, 0)];

#[test]
fn what_is_written_is_read_back_after_a_reopen() {
    let dir = tempfile::tempdir().expect("a directory");
    let history = start(dir.path(), options());
    for (index, (count, size)) in (1..).zip(SHAPES) {
        history.record(written(index, count, size));
    }
    history.close();
    drop(history);
    let history = start(dir.path(), options());
    for (index, (count, size)) in (1..).zip(SHAPES) {
        check(&history, index, count, size);
    }
    let (index, record) = history.at(2_511).expect("the last of a full batch");
    assert_eq!((index, record.time_us, record.output[1]), (2, 2_511, 255));
    assert_eq!(history.at(2_512), Err(HistoryGap::Nothing));
    assert_eq!(history.entry(8), Err(HistoryGap::Nothing));
    history.close();
}

#[test]
fn two_thousand_mixed_batches_stay_out_of_the_files_that_sled_never_syncs() {
    let dir = tempfile::tempdir().expect("a directory");
    let history = start(dir.path(), options());
    for index in 1..=2_000 {
        let (count, size) = SHAPES[index as usize % SHAPES.len()];
        let entry = written(index, count, size);
        let bundle = super::format::Bundle::of(&entry).expect("commands");
        for chunk in bundle.chunks().expect("chunks") {
            assert!(chunk.len() <= super::format::CHUNK_BYTES_MAX);
        }
        history.record(entry);
        if index % 64 == 0 {
            history.settle();
        }
    }
    history.close();
    let blobs = dir.path().join("history/blobs");
    let count = std::fs::read_dir(blobs).map_or(0, Iterator::count);
    assert_eq!(count, 0, "blobs");
}

#[test]
fn small_entries_share_bundles_and_each_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let history = start(dir.path(), options());
    // Without 500 and 900: blank entries, which have no commands.
    let indexes = || (1..=1_500).filter(|index| !matches!(index, 500 | 900));
    for index in indexes() {
        history.record(written(index, 3, 60));
    }
    for index in indexes() {
        check(&history, index, 3, 60);
        let (at, record) = history.at(index * 1_000 + 2).expect("kept");
        assert_eq!((at, record.output[1]), (index, 2));
    }
    assert_eq!(history.entry(500), Err(HistoryGap::Nothing));
    assert_eq!(history.at(900_000), Err(HistoryGap::Nothing));
    // The log is applied again, cut into other groups: what is there is left, what is new is added.
    for index in 1_400..=1_600 {
        history.record(written(index, 3, 60));
        if index % 7 == 0 {
            history.settle();
        }
    }
    for index in 1_400..=1_600 {
        check(&history, index, 3, 60);
    }
    history.close();
}

#[test]
fn every_group_is_synced_through_our_own_descriptor() {
    let dir = tempfile::tempdir().expect("a directory");
    let synced = Arc::new(AtomicUsize::new(0));
    let counter = synced.clone();
    let options = Options {
        sync: Arc::new(move |file| {
            counter.fetch_add(1, Ordering::Relaxed);
            assert!(file.metadata()?.len() > 0, "sled's file is where we think it is");
            file.sync_data()
        }),
        ..options()
    };
    let history = start(dir.path(), options);
    for index in 1..=3 {
        let before = synced.load(Ordering::Relaxed);
        history.record(written(index, 2, 50));
        history.settle();
        assert!(synced.load(Ordering::Relaxed) > before, "settled means synced");
    }
    history.close();
}

#[test]
fn a_full_queue_costs_a_gap_and_nobody_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let gate = Arc::new(parking_lot::Mutex::new(()));
    let (closed, door) = (gate.lock(), gate.clone());
    let options = Options {
        queue_bytes_max: 10_000,
        sync: Arc::new(move |file| {
            drop(door.lock());
            file.sync_data()
        }),
        ..options()
    };
    // The writer hangs in its sync while all of these are handed over.
    let history = start(dir.path(), options);
    for index in 1..=20 {
        history.record(written(index, 1, 1_000));
    }
    drop(closed);
    check(&history, 1, 1, 1_000);
    let gap = history.entry(20).expect_err("dropped");
    assert!(matches!(gap, HistoryGap::Gap { last: 20, .. }), "{gap}");
    assert_eq!(history.at(20_000).expect_err("dropped"), gap, "by time, too");
    history.record(written(21, 1, 1_000));
    check(&history, 21, 1, 1_000);
    // The log is applied again: the gap is filled.
    history.record(written(20, 1, 1_000));
    check(&history, 20, 1, 1_000);
    history.close();
}

#[test]
fn a_damaged_database_is_set_aside_and_begun_anew() {
    for damage in ["flip", "truncate", "delete", "other"] {
        let dir = tempfile::tempdir().expect("a directory");
        let history = start(dir.path(), options());
        for index in 1..=50 {
            history.record(written(index, 20, 300));
        }
        history.close();
        drop(history);
        let file = dir.path().join("history/db");
        let mut bytes = std::fs::read(&file).expect("sled's file");
        let mut options = options();
        match damage {
            "flip" => bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55),
            "truncate" => bytes.truncate(bytes.len() / 3),
            "delete" => bytes.clear(),
            _ => options.cluster = [8; 16],
        }
        std::fs::write(&file, bytes).expect("write");
        let history = start(dir.path(), options);
        history.skip_to(50);
        history.record(written(51, 2, 10));
        check(&history, 51, 2, 10);
        if let Ok(records) = history.entry(20) {
            assert_eq!(records.len(), 20, "{damage}: whole or not at all");
        }
        history.close();
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { entries_max: 10, ..options() };
    let history = start(dir.path(), options);
    for index in 1..=40 {
        history.record(written(index, 1, 9_000));
        history.settle();
    }
    history.record(written(41, 1, 10));
    check(&history, 41, 1, 10);
    assert_eq!(history.entry(25), Err(HistoryGap::Nothing));
    check(&history, 35, 1, 9_000);
    history.close();
}

/// Reads all that there is, a page at a time.
fn read_on(history: &History, mut from: u64, bytes_max: usize) -> (Vec<u64>, u64) {
    let mut indexes = Vec::new();
    loop {
        let page = history.page(from, bytes_max).expect("no gap");
        if page.entries.is_empty() {
            return (indexes, page.next);
        }
        for (index, records) in page.entries {
            assert_eq!(records[0].time_us, index * 1_000);
            indexes.push(index);
        }
        assert!(page.next > from);
        from = page.next;
    }
}

#[test]
fn pages_follow_each_other_without_a_gap_whatever_their_size() {
    let dir = tempfile::tempdir().expect("a directory");
    let history = start(dir.path(), options());
    assert_eq!(history.page(0, 1_000), Ok(super::HistoryPage { entries: Vec::new(), next: 1 }));
    // 5 and 6 have no commands, and one entry is larger than a page.
    let indexes: Vec<u64> = (1..=300).filter(|index| !matches!(index, 5 | 6)).collect();
    for index in &indexes {
        history.record(written(*index, if *index == 100 { 500 } else { 3 }, 60));
        if index % 50 == 0 {
            history.settle();
        }
    }
    for bytes_max in [1, 500, 20_000, usize::MAX] {
        assert_eq!(read_on(&history, 0, bytes_max), (indexes.clone(), 301), "{bytes_max}");
        let from_the_middle = indexes.iter().copied().filter(|index| *index >= 6).collect();
        assert_eq!(read_on(&history, 6, bytes_max), (from_the_middle, 301));
    }
    // Ahead of everything there is nothing yet, and that is where to go on.
    assert_eq!(read_on(&history, 900, 1), (Vec::new(), 900));
    for (time_us, wanted) in [(0, 0), (1_000, 1), (u64::MAX, 300)] {
        let since = history.since(time_us).expect("open");
        assert!(since <= wanted, "{time_us}: {since}");
        let all = read_on(&history, since, usize::MAX).0;
        assert!(indexes.iter().filter(|index| *index * 1_000 >= time_us).all(|index| all.contains(index)));
    }
    history.close();
}

#[test]
fn a_page_ends_before_a_gap_and_says_what_is_missing_at_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let history = start(dir.path(), options());
    history.record(written(1, 1, 10));
    history.record(written(2, 1, 10));
    history.settle();
    history.skip_to(9);
    history.record(written(10, 1, 10));
    history.settle();
    let page = history.page(0, usize::MAX).expect("begins");
    assert_eq!((page.entries.len(), page.next), (2, 3));
    assert_eq!(history.page(3, usize::MAX), Err(HistoryGap::Gap { first: 3, last: 9 }));
    assert_eq!(history.page(7, usize::MAX), Err(HistoryGap::Gap { first: 7, last: 9 }));
    assert_eq!(read_on(&history, 10, usize::MAX), (vec![10], 11));
    // The log is applied again: part of the gap is filled.
    history.record(written(9, 1, 10));
    history.settle();
    assert_eq!(read_on(&history, 9, usize::MAX), (vec![9, 10], 11));
    history.close();
}

#[test]
fn what_is_no_longer_kept_is_an_error_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { entries_max: 10, ..options() };
    let history = start(dir.path(), options);
    for index in 1..=40 {
        history.record(written(index, 1, 9_000));
        history.settle();
    }
    let Err(HistoryGap::TooOld { oldest }) = history.page(1, 1) else { panic!("too old") };
    assert!((20..=31).contains(&oldest), "{oldest}");
    assert_eq!(read_on(&history, 0, usize::MAX), ((oldest..=40).collect(), 41));
    assert_eq!(history.since(1), Err(HistoryGap::TooOld { oldest }));
    assert!(history.since(40_000).is_ok_and(|since| since <= 40));
    history.close();
}

/// A chunk as versions wrote it that did not keep how an entry was made: index 5, two records.
#[test]
fn chunks_of_version_2_are_still_read() {
    let mut chunk = vec![2, 0, 0, 0];
    chunk.extend_from_slice(&5_u64.to_le_bytes());
    chunk.extend_from_slice(&1_u32.to_le_bytes());
    chunk.extend_from_slice(&5_u64.to_le_bytes());
    chunk.extend_from_slice(&2_u32.to_le_bytes());
    for (time_us, command) in [(70_u64, b"one"), (71, b"two")] {
        chunk.extend_from_slice(&time_us.to_le_bytes());
        chunk.extend_from_slice(&3_u32.to_le_bytes());
        chunk.extend_from_slice(&1_u32.to_le_bytes());
        chunk.extend_from_slice(command);
        chunk.push(9);
    }
    let crc = crc32fast::hash(&chunk);
    chunk.extend_from_slice(&crc.to_le_bytes());
    let entries = super::format::decode(5, &[chunk]).expect("version 2");
    let [(5, records)] = entries.as_slice() else { panic!("{entries:?}") };
    let found: Vec<_> = records.iter().map(|record| (record.time_us, &record.command[..], record.made)).collect();
    assert_eq!(found, [(70, &b"one"[..], None), (71, &b"two"[..], None)]);
}

#[test]
fn packed_chunks_are_smaller_and_refused_when_they_are_not_what_was_written() {
    let bundle = |packed| {
        let entry = |index| Written { packed, ..written(index, 100, 200) };
        let mut bundle = super::format::Bundle::of(&entry(5)).expect("commands");
        bundle.add(&entry(6)).expect("commands");
        bundle.chunks().expect("chunks")
    };
    let (plain, packed) = (bundle(false), bundle(true));
    let bytes = |chunks: &[Vec<u8>]| chunks.iter().map(Vec::len).sum::<usize>();
    assert!(bytes(&packed) * 2 < bytes(&plain), "{} and {} bytes", bytes(&packed), bytes(&plain));
    let read = |chunks: &[Vec<u8>]| super::format::decode(5, chunks);
    assert!(read(&packed) == read(&plain) && read(&packed).is_ok_and(|entries| entries.len() == 2));
    assert_eq!(packed.len(), 1, "one chunk, for what follows");
    let resealed = |change: fn(&mut Vec<u8>)| {
        let mut chunk = packed.first().expect("one").clone();
        chunk.truncate(chunk.len() - 4);
        chunk[1] = 0;
        change(&mut chunk);
        let crc = crc32fast::hash(&chunk);
        chunk.extend_from_slice(&crc.to_le_bytes());
        read(&[chunk]).map(|entries| entries.len()).expect_err("malformed").why
    };
    assert_eq!(resealed(|chunk| chunk[16..20].fill(255)), "a stream is too long");
    assert_eq!(resealed(|chunk| chunk[16] += 1), "a stream is too short");
    assert_eq!(resealed(|chunk| chunk[16] -= 1), "a stream cannot be unpacked");
    assert_eq!(resealed(|chunk| chunk.truncate(18)), "a stream cannot be unpacked");
    assert_eq!(resealed(|chunk| chunk.truncate(120)), "a stream is too short");
}
