//! The bytes of memberships and of what describes a snapshot.
//!
//! What needs nothing new is written as in the first release, byte for byte: a membership without disks, and a snapshot
//! of it. So nodes of that release understand a cluster until the first id is bound to a disk.

use super::{VERSION, WireLogId, encode, malformed, read_all, read_version, whole, write_version};
use crate::Malformed;
use crate::store::identity::DiskId;
use crate::types::{Member, Membership, Seat, SnapshotMeta, StoredMembership};
use bincode::{Decode, Encode};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// First byte of a snapshot's description that has disks, or ids that are gone.
const META_VERSION: u8 = 2;

#[derive(Encode, Decode)]
pub(super) struct WireMembership {
    configs: Vec<Vec<u64>>,
    nodes: Vec<(u64, String, String)>,
}

#[derive(Encode, Decode)]
pub(super) struct WireSeats {
    configs: Vec<Vec<u64>>,
    nodes: Vec<(u64, String, String, Option<[u8; 16]>)>,
}

#[derive(Encode, Decode)]
struct WireMeta(Option<WireLogId>, Option<WireLogId>, WireMembership);

#[derive(Encode, Decode)]
struct WireMeta2(Option<WireLogId>, Option<WireLogId>, WireSeats, u64);

/// Whether an id of it is bound to a disk.
pub(super) fn any_disk(membership: &Membership) -> bool {
    membership.nodes().any(|(_, seat)| seat.disk.is_some())
}

fn configs(membership: &Membership) -> Vec<Vec<u64>> {
    membership.get_joint_config().iter().map(|voters| voters.iter().copied().collect()).collect()
}

impl From<&Membership> for WireMembership {
    fn from(membership: &Membership) -> Self {
        let node = |(id, seat): (&u64, &Seat)| (*id, seat.member.peer.clone(), seat.member.admin.clone());
        WireMembership { configs: configs(membership), nodes: membership.nodes().map(node).collect() }
    }
}

impl From<&Membership> for WireSeats {
    fn from(membership: &Membership) -> Self {
        let node = |(id, seat): (&u64, &Seat)| {
            (*id, seat.member.peer.clone(), seat.member.admin.clone(), seat.disk.map(|disk| disk.0))
        };
        WireSeats { configs: configs(membership), nodes: membership.nodes().map(node).collect() }
    }
}

impl WireMembership {
    pub(super) fn read(self) -> Result<Membership, Malformed> {
        let seat = |(id, peer, admin)| (id, Seat { member: Member { peer, admin }, disk: None });
        membership(self.configs, self.nodes.into_iter().map(seat).collect())
    }
}

impl WireSeats {
    pub(super) fn read(self) -> Result<Membership, Malformed> {
        let mut seats = BTreeMap::new();
        for (id, peer, admin, disk) in self.nodes {
            let disk = match disk.map(|bytes| DiskId::read(&bytes)) {
                Some(None) => return Err(malformed("membership", format!("node {id} is bound to no disk"))),
                Some(Some(disk)) => Some(disk),
                None => None,
            };
            seats.insert(id, Seat { member: Member { peer, admin }, disk });
        }
        membership(self.configs, seats)
    }
}

fn membership(configs: Vec<Vec<u64>>, seats: BTreeMap<u64, Seat>) -> Result<Membership, Malformed> {
    let configs: Vec<BTreeSet<u64>> = configs.into_iter().map(|voters| voters.into_iter().collect()).collect();
    if configs.iter().all(BTreeSet::is_empty) && seats.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, seats).map_err(|e| malformed("membership", e.to_string()))
}

/// Raft's description of a snapshot, as it goes between nodes.
pub(crate) fn encode_meta(meta: &SnapshotMeta) -> Bytes {
    encode_header(meta, 0)
}

/// What stands in a snapshot's head: Raft's description, and the highest id that was ever given to a node. 0 says
/// nothing of the ids that are gone.
pub(crate) fn encode_header(meta: &SnapshotMeta, minted: u64) -> Bytes {
    let (last, at) = (meta.last_log_id.map(Into::into), (*meta.last_membership.log_id()).map(Into::into));
    let membership = meta.last_membership.membership();
    if !any_disk(membership) && minted <= highest(membership) {
        return encode(WireMeta(last, at, membership.into()));
    }
    let mut bytes = Vec::with_capacity(256);
    write_version(&mut bytes, META_VERSION, WireMeta2(last, at, membership.into(), minted));
    bytes.into()
}

/// The highest id that a membership names; 0 if it names none.
pub(crate) fn highest(membership: &Membership) -> u64 {
    membership.nodes().map(|(id, _)| *id).max().unwrap_or(0)
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Result<SnapshotMeta, Malformed> {
    decode_header(bytes).map(|(meta, _)| meta)
}

/// What [`encode_header`] made, of any version.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<(SnapshotMeta, u64), Malformed> {
    const WHAT: &str = "snapshot meta";
    let (last, at, membership, minted) = match bytes.first() {
        Some(&VERSION) | None => {
            let WireMeta(last, at, membership) = read_all(WHAT, bytes)?;
            (last, at, membership.read()?, 0)
        }
        Some(_) => {
            let WireMeta2(last, at, seats, minted) = whole(WHAT, bytes, read_version(WHAT, META_VERSION, bytes)?)?;
            (last, at, seats.read()?, minted)
        }
    };
    let minted = minted.max(highest(&membership));
    let last_membership = StoredMembership::new(at.map(Into::into), membership);
    Ok((SnapshotMeta { last_log_id: last.map(Into::into), last_membership }, minted))
}
