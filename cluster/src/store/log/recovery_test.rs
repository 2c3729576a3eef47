//! Damage and torn tails, exhaustively over small logs: refused, or read back exactly.

use super::log_test::{Disk, dir, options, payload};
use super::*;
use crate::store::files::sim::SimFiles;

/// What a fresh process makes of a disk.
fn reopened(sim: &SimFiles) -> Result<Recovered, OpenError> {
    let (log, recovered) = Log::open(sim.process(), dir(), options(), Box::new(|_| {}))?;
    drop(log);
    Ok(recovered)
}

/// What recovery alone makes of it: no threads, for the tests that open thousands of times.
fn scanned(sim: &SimFiles) -> Result<(Option<Bytes>, u64, Vec<Bytes>), OpenError> {
    let replay = recovery::recover(&*sim.process(), dir())?.replay;
    Ok((replay.vote, replay.base, replay.entries))
}

/// A log with two segments, the second in use, and all that was acknowledged.
fn two_segments() -> SimFiles {
    let disk = Disk::new();
    let log = disk.open();
    log.vote("term 1");
    for index in 0..12 {
        log.append(index..index + 1, 1200);
    }
    log.vote("term 2");
    log.append(12..14, 700);
    log.close();
    assert_eq!(disk.segments(), ["0000000000000001.log", "0000000000000002.log"]);
    disk.sim
}

fn used_sectors(content: &[u8]) -> usize {
    content.len() / 512 - content.rchunks(512).take_while(|sector| sector.iter().all(|byte| *byte == 0)).count()
}

#[test]
fn a_flip_in_any_byte_is_refused_or_harmless() {
    let sim = two_segments();
    let whole = scanned(&sim).unwrap();
    assert_eq!(whole.2.len(), 14);
    let mut refused = 0;
    for file in ["0000000000000001.log", "0000000000000002.log"] {
        let path = dir().join(file);
        let content = sim.content(&path).unwrap();
        let used = used_sectors(&content) * 512;
        for offset in 0..content.len() {
            let rotten = sim.fork();
            assert!(rotten.corrupt(&path, offset as u64, |byte| byte ^ (1 << (offset % 8))));
            match scanned(&rotten) {
                Err(OpenError::Corrupt { file: found, offset: at, .. }) => {
                    assert_eq!(found, path);
                    assert!(at <= offset as u64 && (at + 512 > offset as u64 || offset < used), "{at} for {offset}");
                    refused += 1;
                }
                Ok(found) => assert!(found == whole && offset >= used, "{file} at {offset}"),
                Err(other) => panic!("{file} at {offset}: {other}"),
            }
        }
    }
    assert!(refused > 16 << 10, "{refused}");
}

#[test]
fn the_last_group_is_not_taken_for_torn_when_it_rots() {
    let disk = Disk::new();
    let log = disk.open();
    log.append(0..3, 100);
    log.vote("term 7");
    log.close();
    let path = dir().join("0000000000000001.log");
    let last = used_sectors(&disk.sim.content(&path).unwrap()) - 1;
    for offset in last * 512..(last + 1) * 512 {
        let rotten = disk.sim.fork();
        rotten.corrupt(&path, offset as u64, |byte| byte ^ 0x10);
        assert!(matches!(scanned(&rotten), Err(OpenError::Corrupt { .. })), "offset {offset}");
    }
}

/// Every subset of the sectors of the last group, over zeros and over a recycled segment's old sectors.
#[test]
fn a_torn_group_is_dropped_whole() {
    for background in [vec![0; 512], stale_sector()] {
        let disk = Disk::new();
        let log = disk.open();
        log.vote("term 1");
        log.append(0..2, 600);
        let path = dir().join("0000000000000001.log");
        let start = used_sectors(&disk.sim.content(&path).unwrap());
        log.append(2..5, 1000);
        log.close();
        let full = disk.sim.content(&path).unwrap();
        let count = used_sectors(&full) - start;
        assert_eq!(count, 7);
        for subset in 0..1_u32 << count {
            let torn = disk.sim.fork();
            let file = torn.process().open(&path).unwrap();
            for sector in start..full.len() / 512 {
                let survived = sector < start + count && subset & (1 << (sector - start)) != 0;
                let content = if survived { &full[sector * 512..(sector + 1) * 512] } else { &background[..] };
                file.write_at(content, (sector * 512) as u64).unwrap();
            }
            file.sync_data().unwrap();
            let expected = if subset + 1 == 1 << count { 5 } else { 2 };
            let (vote, base, entries) = scanned(&torn).unwrap_or_else(|error| panic!("subset {subset:b}: {error}"));
            assert_eq!((vote, base, entries.len()), (Some(Bytes::from_static(b"term 1")), 0, expected), "{subset:b}");
            // What was wiped stays away, also when the power goes at once.
            torn.crash(u64::from(subset));
            assert_eq!(scanned(&torn).unwrap().2.len(), expected, "{subset:b}");
        }
    }
}

/// A sector as a recycled segment has it: whole, of an older generation.
fn stale_sector() -> Vec<u8> {
    let mut buffer = GroupBuffer::default();
    buffer.push(&Record::Entry { index: 2, payload: payload(2, 300) });
    buffer.finish(0, 3).to_vec()
}

#[test]
fn a_hole_before_a_later_group_is_damage() {
    let disk = Disk::new();
    let log = disk.open();
    let path = dir().join("0000000000000001.log");
    let mut starts = vec![];
    for index in 0..4 {
        starts.push(used_sectors(&disk.sim.content(&path).unwrap()));
        log.append(index..index + 1, 700);
    }
    log.close();
    for start in &starts[..3] {
        for sectors in 1..=2 {
            let lost = disk.sim.fork();
            let file = lost.process().open(&path).unwrap();
            file.write_at(&vec![0; sectors * 512], (start * 512) as u64).unwrap();
            assert!(matches!(scanned(&lost), Err(OpenError::Corrupt { .. })), "{sectors} sectors at {start}");
        }
    }
}

#[test]
fn a_missing_file_is_never_a_new_store() {
    let disk = Disk::new();
    let log = disk.open();
    for index in 0..40 {
        log.append(index..index + 1, 1200);
    }
    log.close();
    let segments = disk.segments();
    assert!(segments.len() >= 4, "{segments:?}");
    for (at, segment) in segments.iter().enumerate() {
        let lost = disk.sim.fork();
        assert!(lost.lose(&dir().join(segment)));
        let found = reopened(&lost);
        let expected = match &found {
            Err(OpenError::MissingEntries { from: 0, .. }) => at == 0,
            Err(OpenError::MissingSegment { file }) => at > 0 && file.ends_with(segment),
            _ => false,
        };
        assert!(expected, "{segment}: {found:?}");
    }
    let lost = disk.sim.fork();
    segments.iter().for_each(|segment| assert!(lost.lose(&dir().join(segment))));
    assert!(!Log::exists(&*lost.process(), dir()).unwrap());
    assert!(matches!(reopened(&lost), Err(OpenError::Missing { .. })));
}

#[test]
fn a_segment_of_another_size_is_damage() {
    for size in [0, 512, (16 << 10) - 512, (16 << 10) - 1, (16 << 10) + 1, (16 << 10) + 512] {
        for segment in ["0000000000000001.log", "0000000000000002.log"] {
            let cut = two_segments();
            cut.process().open(&dir().join(segment)).unwrap().set_len(size).unwrap();
            assert!(matches!(reopened(&cut), Err(OpenError::Corrupt { .. })), "{segment} of {size}");
        }
    }
}
