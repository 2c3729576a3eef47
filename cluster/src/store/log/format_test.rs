//! The bytes of the format: golden ones, and every flipped bit.

use super::format::*;
use bytes::Bytes;

fn group() -> GroupBuffer {
    let mut buffer = GroupBuffer::default();
    buffer.push(&Record::Vote(Bytes::from_static(b"term 7")));
    buffer.push(&Record::Entry { index: 258, payload: Bytes::from_static(b"an entry") });
    buffer
}

#[test]
fn the_released_format_does_not_change() {
    let mut buffer = group();
    let sector = buffer.finish(3, 9);
    let golden = b"HFL\x01\x03\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\
        \x02\0\0\0\0\0\0\0\0\x06\0\0\0term 7\x01\x02\x01\0\0\0\0\0\0\x08\0\0\0an entry";
    assert_eq!(sector.len(), SECTOR);
    assert_eq!(&sector[4..4 + golden.len()], golden);
    assert!(sector[4 + golden.len()..].iter().all(|byte| *byte == 0));
    assert_eq!(sector[..4], crc32fast::hash(&sector[4..]).to_le_bytes());
}

#[test]
fn every_flipped_bit_of_a_sector_is_found() {
    let sector = group().finish(3, 9).to_vec();
    for bit in 0..SECTOR * 8 {
        let mut rotten = sector.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(inspect(&rotten), Sector::Damaged, "bit {bit}");
    }
    let mut blank = vec![0; SECTOR];
    assert_eq!(inspect(&blank), Sector::Blank);
    for bit in 0..SECTOR * 8 {
        blank[bit / 8] = 1 << (bit % 8);
        assert_eq!(inspect(&blank), Sector::Damaged, "bit {bit}");
        blank[bit / 8] = 0;
    }
}

#[test]
fn records_come_back_across_sector_borders() {
    for length in (0..1500).chain([478, 479, 480, 481, 100_000]) {
        let payload = Bytes::from(vec![7; length]);
        let records = vec![
            Record::Opened { next: 5, segment_bytes: 65536 },
            Record::Entry { index: 5, payload: payload.clone() },
            Record::Truncated { from: 5 },
            Record::Purged { upto: 9, marker: payload.clone() },
            Record::Committed(payload),
            Record::Sealed,
        ];
        let mut buffer = GroupBuffer::default();
        records.iter().for_each(|record| buffer.push(record));
        let mut content = Vec::new();
        let mut group_bytes = 0;
        for (ordinal, sector) in buffer.finish(1, 2).chunks(SECTOR).enumerate() {
            let Sector::Good(head, room) = inspect(sector) else { panic!("length {length}") };
            assert_eq!((head.generation, head.group, head.ordinal), (1, 2, ordinal));
            content.extend_from_slice(room);
            group_bytes = head.group_bytes;
        }
        assert_eq!(sectors_of(group_bytes), content.len() / 480);
        content.truncate(group_bytes);
        assert_eq!(decode_group(content.into()), Some(records), "length {length}");
    }
}

#[test]
fn half_a_record_is_none() {
    let content = b"\x02\0\0\0\0\0\0\0\0\x06\0\0\0term 7";
    for length in 1..content.len() {
        assert_eq!(decode_group(Bytes::copy_from_slice(&content[..length])), None, "length {length}");
    }
    assert_eq!(decode_group(Bytes::from_static(b"\x63\0\0\0\0\0\0\0\0\0\0\0\0")), None, "an unknown kind");
}
