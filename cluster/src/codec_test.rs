//! The bytes of every message as they were released, and bytes that nobody of ours ever made.

use crate::codec::*;
use crate::store::identity::DiskId;
use crate::types::{
    Batch, Carries, Entry, LeaderId, LogId, Member, Membership, Payload, Seat, SnapshotMeta, StoredMembership, Types,
    Vote, log_id,
};
use bytes::{Bytes, BytesMut};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest};
use openraft::raft::{VoteRequest, VoteResponse};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ascii"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

/// What is encoded is the golden bytes, and the golden bytes decode to something that encodes to them again.
macro_rules! golden {
    ($golden:literal, $encode:ident, $decode:ident, $value:expr) => {
        assert_eq!(hex(&$encode($value)), $golden, stringify!($encode));
        let decoded = $decode(&bytes($golden)).expect("a released format still opens");
        assert_eq!(hex(&$encode(&decoded)), $golden, stringify!($decode));
    };
}

fn id(index: u64) -> LogId {
    log_id(5, 2, index)
}

fn vote(committed: bool) -> Vote {
    Vote { leader_id: LeaderId { term: 300, node_id: 2 }, committed }
}

fn membership() -> Membership {
    seats([None; 3])
}

fn seats(disks: [Option<DiskId>; 3]) -> Membership {
    let member = |port: u64| Member { peer: format!("a:{port}"), admin: format!("b:{port}") };
    let voters = vec![BTreeSet::from([1, 2]), BTreeSet::from([1, 3])];
    let nodes = (1..).zip(disks).map(|(id, disk)| (id, Seat { member: member(id), disk }));
    Membership::new(voters, nodes.collect::<BTreeMap<_, _>>()).expect("lawful")
}

/// Node 3 has not been seen yet.
fn bound() -> Membership {
    seats([Some(DiskId([1; 16])), Some(DiskId([2; 16])), None])
}

fn entry(index: u64, payload: Payload) -> Entry {
    Entry { log_id: id(index), payload }
}

fn batch() -> Payload {
    let mut commands = BytesMut::new();
    push_command(&mut commands, b"one");
    push_command(&mut commands, b"");
    let (stamp_us, carries) = (1_700_000_000_000_000, Carries::Commands);
    Payload::Normal(Batch { stamp_us, carries, count: 2, commands: commands.freeze() })
}

fn mark() -> Payload {
    without_commands(Carries::Mark)
}

fn without_commands(carries: Carries) -> Payload {
    Payload::Normal(Batch { stamp_us: 70_000, carries, count: 0, commands: Bytes::new() })
}

#[test]
fn golden_bytes_of_what_lies_in_the_log() {
    golden!("010502fbfb00", encode_log_id, decode_log_id, &id(251));
    golden!("01fb2c010201", encode_vote, decode_vote, &vote(true));
    golden!("0105020100", encode_entry, decode_entry, &entry(1, Payload::Blank));
    golden!(
        "010502fc7011010001fd00401e18240a06000002030000006f6e6500000000",
        encode_entry,
        decode_entry,
        &entry(70_000, batch())
    );
    golden!("0105020301fc701101000100", encode_entry, decode_entry, &entry(3, mark()));
    let version = entry(3, without_commands(Carries::Version(2)));
    golden!("0105020304fc7011010002", encode_entry, decode_entry, &version);
    golden!(
        "010502040202020102020103030103613a3103623a310203613a3203623a320303613a3303623a33",
        encode_entry,
        decode_entry,
        &entry(4, Payload::Membership(membership()))
    );
}

#[test]
fn golden_bytes_of_what_describes_a_snapshot() {
    let meta =
        SnapshotMeta { last_log_id: Some(id(9)), last_membership: StoredMembership::new(Some(id(4)), membership()) };
    golden!(
        "01010502090105020402020102020103030103613a3103623a310203613a3203623a320303613a3303623a33",
        encode_meta,
        decode_meta,
        &meta
    );
    golden!("0100000000", encode_meta, decode_meta, &SnapshotMeta::default());
}

#[test]
fn golden_bytes_of_members_that_are_bound_to_their_disks() {
    golden!(
        "010502040302020102020103030103613a3103623a3101010101010101010101010101010101010203613a3203623a3201020202020202020202020202020202020303613a3303623a3300",
        encode_entry,
        decode_entry,
        &entry(4, Payload::Membership(bound()))
    );
    let meta = SnapshotMeta { last_log_id: Some(id(9)), last_membership: StoredMembership::new(Some(id(4)), bound()) };
    let golden = concat!(
        "020105020901050204020201020201030301",
        "03613a3103623a310101010101010101010101010101010101",
        "0203613a3203623a320102020202020202020202020202020202",
        "0303613a3303623a330007"
    );
    let described = Described { meta, minted: 7, version: 0 };
    assert_eq!(hex(&encode_header(&described)), golden);
    assert_eq!(decode_header(&bytes(golden)).expect("a released format still opens"), described);
    // Of a cluster that has a version: another first byte, and the version at the end.
    let golden = format!("03{}02", &golden[2..]);
    let described = Described { version: 2, ..described };
    assert_eq!(hex(&encode_header(&described)), golden);
    assert_eq!(decode_header(&bytes(&golden)).expect("readable"), described);
}

#[test]
fn what_needs_nothing_new_is_written_as_in_the_first_release() {
    let last_membership = StoredMembership::new(Some(id(4)), membership());
    let meta = SnapshotMeta { last_log_id: Some(id(9)), last_membership };
    let minted = |minted: u64| encode_header(&Described { meta: meta.clone(), minted, version: 0 });
    assert_eq!(minted(3), encode_meta(&meta), "3 is a member, so nothing is lost");
    assert_eq!(decode_header(&encode_meta(&meta)).expect("readable").minted, 3);
    assert_eq!(decode_header(&minted(4)).expect("readable").minted, 4, "4 is gone for ever");
}

#[test]
fn golden_bytes_of_replication() {
    let append = AppendEntriesRequest::<Types> {
        vote: vote(true),
        prev_log_id: Some(id(1)),
        entries: vec![entry(2, batch()), entry(3, Payload::Blank)],
        leader_commit: None,
    };
    golden!(
        "01fb2c0102010105020100021b050105020201fd00401e18240a06000002030000006f6e65000000000105020300",
        encode_append,
        decode_append,
        &append
    );
    golden!("010001050203", encode_appended, decode_appended, &Ok(Some(id(3))));
    golden!("010000", encode_appended, decode_appended, &Ok(None));
    golden!("0101050203", encode_appended, decode_appended, &Err(StreamAppendError::Conflict(id(3))));
    golden!("0102fb2c010200", encode_appended, decode_appended, &Err(StreamAppendError::HigherVote(vote(false))));
}

#[test]
fn golden_bytes_of_elections_and_of_handing_over() {
    let mut request = VoteRequest::<Types>::new(vote(false), Some(id(3)));
    golden!("01fb2c0102000105020300", encode_vote_request, decode_vote_request, &request);
    request.leadership_transfer = true;
    golden!("01fb2c0102000105020301", encode_vote_request, decode_vote_request, &request);
    let response = VoteResponse::<Types>::new(vote(false), None, true);
    golden!("01fb2c0102000100", encode_vote_response, decode_vote_response, &response);
    let transfer = TransferLeaderRequest::<Types>::new(vote(true), 3, Some(id(7)));
    golden!("01fb2c0102010301050207", encode_transfer, decode_transfer, &transfer);
    golden!("0100", encode_transferred, decode_transferred, &Ok(()));
    let changed = TransferLeaderError::VoteChanged { expected: vote(true), actual: vote(false) };
    golden!("0101fb2c010201fb2c010200", encode_transferred, decode_transferred, &Err(changed));
    let behind = TransferLeaderError::LogNotFlushed { expected: Some(id(7)), actual: None };
    golden!("01020105020700", encode_transferred, decode_transferred, &Err(behind));
}

#[test]
fn golden_bytes_of_the_frame_around_a_message() {
    let two = [framed(b"ab"), framed(b"")].concat();
    assert_eq!(hex(&two), "02000000616200000000");
    let mut left = two.as_slice();
    assert_eq!(unframe("frame", &mut left), Ok(&b"ab"[..]));
    assert_eq!(unframe("frame", &mut left), Ok(&b""[..]));
    assert!(unframe("frame", &mut left).is_err(), "nothing is left");
}

#[test]
fn another_version_and_bytes_too_many_are_refused() {
    let good = encode_vote(&vote(true));
    let mut other = good.to_vec();
    other[0] = VERSION + 1;
    let refused = decode_vote(&other).expect_err("refused");
    assert!(refused.why.contains("version 2"), "{refused}");
    assert!(decode_vote(&[good.as_ref(), b"x"].concat()).is_err());
    assert!(decode_vote(&[]).is_err());
}

#[test]
fn lengths_that_announce_more_than_there_is_are_refused_before_anything_is_allocated() {
    // A list of 2^64 - 1 lengths, of 2^40 voters, an entry of 4 GiB, a batch of 2^32 - 1 commands.
    let huge = "01fb2c0102010000fdffffffffffffffff";
    assert!(decode_append(&bytes(huge)).is_err());
    assert!(decode_meta(&bytes("010000fd0000000000010000")).is_err());
    assert!(decode_append(&bytes("01fb2c010201000001fcffffffff")).is_err());
    assert!(split(&Bytes::from_static(&[0xff; 7]), u32::MAX).is_err());
    assert!(split(&Bytes::new(), u32::MAX).is_err());
    assert!(unframe("frame", &mut &b"\xff\xff\xff\xffab"[..]).is_err());
}

/// Every decoder, on the same bytes. None may panic; what one takes must encode again.
fn decode_all(hostile: &Bytes) {
    let _ = decode_log_id(hostile).map(|value| encode_log_id(&value));
    let _ = decode_vote(hostile).map(|value| encode_vote(&value));
    let _ = decode_entry(hostile).map(|value| encode_entry(&value));
    let _ = decode_meta(hostile).map(|value| encode_meta(&value));
    let _ = decode_append(hostile).map(|value| encode_append(&value));
    let _ = decode_appended(hostile).map(|value| encode_appended(&value));
    let _ = decode_vote_request(hostile).map(|value| encode_vote_request(&value));
    let _ = decode_vote_response(hostile).map(|value| encode_vote_response(&value));
    let _ = decode_transfer(hostile).map(|value| encode_transfer(&value));
    let _ = decode_transferred(hostile).map(|value| encode_transferred(&value));
    let _ = unframe("frame", &mut hostile.as_ref());
    for count in [0, 1, u32::MAX] {
        if let Ok(commands) = split(hostile, count) {
            assert!(commands.len() * 4 <= hostile.len());
        }
    }
}

/// Something of ours to damage.
fn made_by_us() -> impl Strategy<Value = Bytes> {
    let append = AppendEntriesRequest::<Types> {
        vote: vote(true),
        prev_log_id: Some(id(1)),
        entries: vec![entry(2, batch()), entry(3, Payload::Membership(membership()))],
        leader_commit: Some(id(1)),
    };
    let meta =
        SnapshotMeta { last_log_id: Some(id(9)), last_membership: StoredMembership::new(Some(id(4)), membership()) };
    prop::sample::select(vec![
        encode_append(&append),
        encode_entry(&entry(2, batch())),
        encode_entry(&entry(4, Payload::Membership(membership()))),
        encode_entry(&entry(5, without_commands(Carries::Version(1)))),
        encode_meta(&meta),
        encode_vote_request(&VoteRequest::new(vote(false), Some(id(3)))),
        encode_transfer(&TransferLeaderRequest::new(vote(true), 3, Some(id(7)))),
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_message_but_never_a_panic(
        mut hostile in prop::collection::vec(any::<u8>(), 0..200),
        ours in any::<bool>(),
    ) {
        if ours && let Some(first) = hostile.first_mut() {
            *first = VERSION;
        }
        decode_all(&hostile.into());
    }

    #[test]
    fn a_damaged_message_is_an_error_or_another_message_but_never_a_panic(
        good in made_by_us(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut damaged = good.to_vec();
        for (place, byte) in changes {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(damaged.len()));
        }
        decode_all(&damaged.into());
    }

    #[test]
    fn a_batch_gives_back_the_commands_that_went_in(
        commands in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
    ) {
        let mut made = BytesMut::new();
        for command in &commands {
            push_command(&mut made, command);
        }
        let made = made.freeze();
        let found = split(&made, commands.len() as u32).expect("well formed");
        prop_assert_eq!(found, commands.iter().map(|c| Bytes::from(c.clone())).collect::<Vec<_>>());
        prop_assert!(split(&made, commands.len() as u32 + 1).is_err());
    }
}
