//! Snapshots under kills, damage and hostile peers.

use super::*;
use crate::store::files::RealFiles;
use crate::store::files::sim::{Call, Failure, SimFiles};

fn dir() -> &'static Path {
    Path::new("/node/snapshots")
}

fn header(index: u64, records: u64) -> Header {
    Header {
        cluster: *b"cluster-of-three",
        index,
        log_id: format!("id of {index}").into_bytes().into(),
        membership: Bytes::from_static(b"1, 2 and 3"),
        time_us: index * 1000,
        digest: [index as u8; 16],
        records,
    }
}

/// Records of very different sizes, so that blocks are full, overfull and nearly empty.
fn records(index: u64, count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|at| vec![(index ^ at) as u8; (at as usize * 37) % 500]).collect()
}

fn write(shelf: &Shelf, index: u64, count: u64) -> Result<Stored, SnapshotError> {
    shelf.write(&header(index, count), records(index, count), 0)
}

fn read(shelf: &Shelf, stored: &Stored) -> Vec<Vec<u8>> {
    shelf.open_reader(stored).unwrap().map(|record| record.unwrap().to_vec()).collect()
}

fn open(sim: &SimFiles) -> Shelf {
    Shelf::open(sim.process(), dir()).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let real = tempfile::tempdir().unwrap();
    let on_disk = Shelf::open(Arc::new(RealFiles), &real.path().join("snapshots")).unwrap();
    for shelf in [open(&SimFiles::new()), on_disk] {
        assert_eq!(shelf.newest_good().unwrap().newest, None);
        for (index, count) in [(3, 0), (5, 1), (9, 2000)] {
            let stored = write(&shelf, index, count).unwrap();
            assert_eq!(stored.header, header(index, count));
            assert_eq!(read(&shelf, &stored), records(index, count));
            assert_eq!(shelf.newest_good().unwrap().newest, Some(stored));
        }
        assert_eq!(shelf.purge_floor().unwrap(), Some(5));
        assert_eq!(shelf.names().unwrap().len(), KEPT);
    }
}

#[test]
fn large_records_have_blocks_of_their_own() {
    let shelf = open(&SimFiles::new());
    let records = vec![vec![1; 10], vec![2; 200_000], vec![3; BLOCK_LIKE], vec![], vec![4; RECORD_BYTES_MAX]];
    let stored = shelf.write(&header(1, 5), &records, 0).unwrap();
    assert_eq!(read(&shelf, &stored), records);
    let larger = shelf.write(&header(2, 1), [vec![0; RECORD_BYTES_MAX + 1]], 0);
    assert!(matches!(larger, Err(SnapshotError::Refused(_))));
}

/// One block exactly, with the four bytes of its length.
const BLOCK_LIKE: usize = (64 << 10) - 4;

#[test]
fn the_released_format_does_not_change() {
    let sim = SimFiles::new();
    let stored = open(&sim).write(&header(2, 2), [b"one".as_slice(), b"three"], 0).unwrap();
    let content = sim.content(&stored.path).unwrap();
    let golden = b"HFSNAP\0\x01\x51\0\0\0cluster-of-three\x02\0\0\0\0\0\0\0\xd0\x07\0\0\0\0\0\0\
        \x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\0\0\0\0\0\0\0\
        \x07\0\0\0id of 2\x0a\0\0\x001, 2 and 3";
    assert_eq!(content[..golden.len()], golden[..]);
    let block = b"\x10\0\0\0\x02\0\0\0\x03\0\0\0one\x05\0\0\0three";
    assert_eq!(content[golden.len() + 4..][..block.len()], block[..]);
    let end = b"\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0";
    assert_eq!(content[golden.len() + block.len() + 8..][..end.len()], end[..]);
    assert_eq!(content.len(), golden.len() + 4 + block.len() + 4 + end.len() + 8);
}

#[test]
fn every_flip_and_every_cut_is_found() {
    let sim = SimFiles::new();
    let shelf = open(&sim);
    let older = write(&shelf, 5, 3).unwrap();
    let newer = write(&shelf, 9, 40).unwrap();
    let full = sim.content(&newer.path).unwrap();
    for offset in 0..full.len() {
        let rotten = sim.fork();
        rotten.corrupt(&newer.path, offset as u64, |byte| byte ^ (1 << (offset % 8)));
        let found = open(&rotten).newest_good().unwrap();
        assert_eq!(found.newest.as_ref(), Some(&older), "flip at {offset}");
        assert_eq!(found.damaged.len(), 1);
        let cut = sim.fork();
        cut.process().open(&newer.path).unwrap().set_len(offset as u64).unwrap();
        assert_eq!(open(&cut).newest_good().unwrap().newest.as_ref(), Some(&older), "cut at {offset}");
    }
    let longer = sim.fork();
    longer.process().open(&newer.path).unwrap().set_len(full.len() as u64 + 1).unwrap();
    assert_eq!(open(&longer).newest_good().unwrap().newest.as_ref(), Some(&older));
}

#[test]
fn a_damaged_one_stays_until_two_good_ones_follow() {
    let sim = SimFiles::new();
    let shelf = open(&sim);
    write(&shelf, 5, 3).unwrap();
    let rotten = write(&shelf, 9, 3).unwrap();
    sim.corrupt(&rotten.path, 60, |byte| byte ^ 1);
    assert_eq!(shelf.newest_good().unwrap().newest.unwrap().header.index, 5);
    assert_eq!(shelf.purge_floor().unwrap(), None, "the log must reach back to the only good one");
    // A peer's may be older than the damaged one.
    write(&shelf, 7, 3).unwrap();
    assert_eq!(shelf.purge_floor().unwrap(), Some(5));
    assert_eq!(shelf.newest_good().unwrap().newest.unwrap().header.index, 7);
    assert_eq!(shelf.names().unwrap().len(), 2);
}

#[test]
fn an_older_one_that_comes_late_changes_nothing() {
    let shelf = open(&SimFiles::new());
    write(&shelf, 5, 1).unwrap();
    write(&shelf, 9, 1).unwrap();
    write(&shelf, 7, 1).unwrap();
    assert_eq!(shelf.newest_good().unwrap().newest.unwrap().header.index, 9);
    assert!(matches!(write(&shelf, 4, 1), Err(SnapshotError::Refused(_))));
    assert_eq!(shelf.purge_floor().unwrap(), Some(7));
}

/// The power goes after each single change of the disk, with many fates of what was not synced.
#[test]
fn a_kill_between_any_two_steps_leaves_a_good_one() {
    let before = SimFiles::new();
    write(&open(&before), 5, 30).unwrap();
    let middle = before.fork();
    write(&open(&middle), 9, 30).unwrap();
    for (start, old) in [(before, 5), (middle, 9)] {
        let whole = start.fork();
        let shelf = open(&whole);
        let changes = whole.changes();
        write(&shelf, 12, 30).unwrap();
        let steps = whole.changes() - changes;
        assert!(steps >= 7, "{steps}");
        for step in 0..=steps {
            for seed in 0..40 {
                let sim = start.fork();
                let shelf = open(&sim);
                sim.power_off_after(step);
                let stored = write(&shelf, 12, 30);
                sim.crash(seed);
                let shelf = open(&sim);
                let found = shelf.newest_good().unwrap();
                assert!(found.damaged.is_empty(), "step {step} seed {seed}: {found:?}");
                let newest = found.newest.expect("there was one before");
                assert!([old, 12].contains(&newest.header.index), "step {step} seed {seed}: {newest:?}");
                assert!(stored.is_err() || newest.header.index == 12, "step {step} seed {seed}");
                assert_eq!(read(&shelf, &newest), records(newest.header.index, 30));
                assert!(!sim.process().list(dir()).unwrap().iter().any(|name| name.ends_with(TEMPORARY)));
                write(&shelf, 15, 3).unwrap();
            }
        }
    }
}

#[test]
fn a_failing_disk_leaves_the_old_one_and_no_rubbish() {
    for call in [Call::Read, Call::Write, Call::Sync, Call::Directory] {
        for nth in 1..6 {
            let sim = SimFiles::new();
            let shelf = open(&sim);
            write(&shelf, 5, 30).unwrap();
            sim.fail(call, nth, Failure::NoSpace);
            let stored = write(&shelf, 9, 30);
            let newest = open(&sim).newest_good().unwrap().newest.unwrap();
            assert!(newest.header.index == 9 || stored.is_err(), "{call:?} {nth}");
            assert!([5, 9].contains(&newest.header.index));
        }
    }
}

#[test]
fn a_peer_s_snapshot_is_checked_before_it_gets_a_name() {
    let sender = open(&SimFiles::new());
    let stored = write(&sender, 9, 500).unwrap();
    let raw = sender.open_raw(&stored).unwrap();
    assert_eq!(raw.bytes(), stored.bytes);
    let mut content = Vec::new();
    loop {
        let chunk = raw.read_chunk(content.len() as u64, 1000).unwrap();
        if chunk.is_empty() {
            break;
        }
        content.extend_from_slice(&chunk);
    }
    let sim = SimFiles::new();
    let shelf = open(&sim);
    let take = |content: &[u8]| {
        let mut incoming = shelf.receive(stored.bytes)?;
        content.chunks(777).try_for_each(|chunk| incoming.write_chunk(chunk))?;
        assert_eq!(incoming.bytes(), content.len() as u64);
        assert_eq!(incoming.header()?, stored.header);
        incoming.finish()
    };
    let received = take(&content).unwrap();
    assert_eq!(received.header, stored.header);
    assert_eq!(read(&shelf, &received), records(9, 500));
    for length in [0, 7, 11, 12, 100, content.len() - 1] {
        assert!(matches!(take(&content[..length]), Err(SnapshotError::Damaged { .. })), "length {length}");
    }
    content.push(0);
    assert!(matches!(take(&content), Err(SnapshotError::Refused(_))));
    drop(shelf.receive(10).unwrap());
    assert_eq!(sim.process().list(dir()).unwrap().len(), 1);
}

#[test]
fn the_header_tells_the_number_of_records() {
    let shelf = open(&SimFiles::new());
    for count in [1, 3] {
        let written = shelf.write(&header(1, 2), records(1, count), 0);
        assert!(matches!(written, Err(SnapshotError::Refused(_))), "{count}");
    }
    assert!(shelf.names().unwrap().is_empty());
}

#[test]
fn the_rate_is_kept() {
    let second = Duration::from_secs(1);
    assert_eq!(owed(1 << 20, 0, Duration::ZERO), Duration::ZERO);
    assert_eq!(owed(1 << 20, 1 << 20, Duration::ZERO), second);
    assert_eq!(owed(1 << 20, 1 << 20, second / 4), second * 3 / 4);
    assert_eq!(owed(1 << 20, 1 << 20, second * 2), Duration::ZERO);
}
