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
/// First byte of one of a cluster that has a version.
const META_VERSION_WITH_CLUSTERS: u8 = 3;

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

#[derive(Encode, Decode)]
struct WireMeta3(Option<WireLogId>, Option<WireLogId>, WireSeats, u64, u32);

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
    encode_header(&Described { meta: meta.clone(), minted: 0, version: 0 })
}

/// What stands in a snapshot's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// Raft's description.
    pub(crate) meta: SnapshotMeta,
    /// The highest id that was ever given to a node. 0 says nothing of the ids that are gone.
    pub(crate) minted: u64,
    /// The cluster's version.
    pub(crate) version: u32,
}

/// Writes it, as old as it can be.
pub(crate) fn encode_header(of: &Described) -> Bytes {
    let Described { meta, minted, version } = of;
    let (last, at) = (meta.last_log_id.map(Into::into), (*meta.last_membership.log_id()).map(Into::into));
    let membership = meta.last_membership.membership();
    if *version == 0 && !any_disk(membership) && *minted <= highest(membership) {
        return encode(WireMeta(last, at, membership.into()));
    }
    let mut bytes = Vec::with_capacity(256);
    if *version == 0 {
        write_version(&mut bytes, META_VERSION, WireMeta2(last, at, membership.into(), *minted));
    } else {
        let meta = WireMeta3(last, at, membership.into(), *minted, *version);
        write_version(&mut bytes, META_VERSION_WITH_CLUSTERS, meta);
    }
    bytes.into()
}

/// The highest id that a membership names; 0 if it names none.
pub(crate) fn highest(membership: &Membership) -> u64 {
    membership.nodes().map(|(id, _)| *id).max().unwrap_or(0)
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Result<SnapshotMeta, Malformed> {
    decode_header(bytes).map(|described| described.meta)
}

/// What [`encode_header`] made, of any version.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Described, Malformed> {
    const WHAT: &str = "snapshot meta";
    let (last, at, membership, minted, version) = match bytes.first() {
        Some(&VERSION) | None => {
            let WireMeta(last, at, membership) = read_all(WHAT, bytes)?;
            (last, at, membership.read()?, 0, 0)
        }
        Some(&META_VERSION_WITH_CLUSTERS) => {
            let read = read_version(WHAT, META_VERSION_WITH_CLUSTERS, bytes)?;
            let WireMeta3(last, at, seats, minted, version) = whole(WHAT, bytes, read)?;
            (last, at, seats.read()?, minted, version)
        }
        Some(_) => {
            let WireMeta2(last, at, seats, minted) = whole(WHAT, bytes, read_version(WHAT, META_VERSION, bytes)?)?;
            (last, at, seats.read()?, minted, 0)
        }
    };
    let minted = minted.max(highest(&membership));
    let last_membership = StoredMembership::new(at.map(Into::into), membership);
    let meta = SnapshotMeta { last_log_id: last.map(Into::into), last_membership };
    Ok(Described { meta, minted, version })
}
