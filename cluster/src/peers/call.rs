//! Who calls whom in which cluster: the cluster, both ends' ids and the called node's disk on every call.
//!
//! **What must hold.** A node answers only calls of its own cluster that are meant for it. It takes part in Raft
//! (votes, takes entries in, acknowledges) only for a caller whose membership knows this node's id by *this* disk: an
//! empty directory that comes up under the id of a node that was lost is refused by itself, whoever asks. A caller that
//! knows no disk for the id is refused as well, unless the node was a member before disks were told apart.

use super::{Client, Dial, secure};
use crate::naming::text as text_of;
use crate::store::identity::{DiskId, Identity};
use crate::types::Membership;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};

const CLUSTER: &str = "holdfast-cluster";
const CONFIGURED: &str = "holdfast-configured";
const FROM: &str = "holdfast-from";
const TO: &str = "holdfast-to";
const TO_DISK: &str = "holdfast-to-disk";

/// What a node of this version understands. 0 (silence): the first release. 1: ids that are bound to disks, and ids
/// that are gone. A higher level reads everything of the lower ones.
pub(crate) const LEVEL: u32 = 1;

/// Called by an address alone: whoever listens there.
pub(crate) const ANYBODY: u64 = 0;

/// The ids of this node's end, and by which disk it knows the others.
#[derive(Clone)]
pub(crate) struct Ids {
    /// The cluster, as hexadecimal text.
    pub(crate) cluster: String,
    /// The id that the configuration gives it: what nodes find each other by.
    configured: String,
    /// This node.
    pub(crate) node: u64,
    /// This life of its directory.
    pub(crate) disk: DiskId,
    unclaimed: bool,
    disks: Arc<RwLock<BTreeMap<u64, DiskId>>>,
    /// How the ends prove who they are; `None`: whoever connects is believed.
    pub(crate) secure: Option<tls::Peers>,
    /// The way to the others; `None`: TCP.
    pub(super) dial: Option<Arc<dyn Dial>>,
    /// Where the members' peer listeners are, as far as it is known.
    pub(super) addresses: Arc<RwLock<BTreeMap<u64, String>>>,
}

impl Ids {
    /// A client for a node at `HOST:PORT`, which connects when it is first used.
    pub(crate) fn client(&self, to: u64, address: &str) -> Result<Client, String> {
        secure::client(self, to, address)
    }

    /// The same ends, which prove who they are, and go this way.
    pub(crate) fn reaching(self, secure: Option<tls::Peers>, dial: Option<Arc<dyn Dial>>) -> Ids {
        Ids { secure, dial, ..self }
    }

    /// Of a node that is up.
    pub(crate) fn of(identity: &Identity, disk: DiskId) -> Ids {
        Ids {
            cluster: text_of(&identity.cluster),
            configured: text_of(&identity.configured),
            node: identity.node,
            disk,
            unclaimed: identity.unclaimed,
            disks: Arc::default(),
            secure: None,
            dial: None,
            addresses: Arc::default(),
        }
    }

    /// Of an empty directory that asks around.
    pub(crate) fn of_nobody(configured: &[u8; 16], disk: DiskId) -> Ids {
        let id = text_of(configured);
        Ids {
            cluster: id.clone(),
            configured: id,
            node: ANYBODY,
            disk,
            unclaimed: false,
            disks: Arc::default(),
            secure: None,
            dial: None,
            addresses: Arc::default(),
        }
    }

    /// From now on calls name the disks of this membership.
    pub(crate) fn learn(&self, membership: &Membership) {
        let bound = membership.nodes().filter_map(|(id, seat)| Some((*id, seat.disk?)));
        *self.disks.write() = bound.collect();
        let addresses = membership.nodes().map(|(id, seat)| (*id, seat.member.peer.clone()));
        *self.addresses.write() = addresses.collect();
    }

    /// A request to a node, with the ids on it.
    pub(crate) fn request<T>(&self, to: u64, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Ok(cluster) = MetadataValue::try_from(self.cluster.as_str()) {
            metadata.insert(CLUSTER, cluster);
        }
        if let (ANYBODY, Ok(configured)) = (to, MetadataValue::try_from(self.configured.as_str())) {
            metadata.insert(CONFIGURED, configured);
        }
        metadata.insert(FROM, self.node.into());
        metadata.insert(TO, to.into());
        let disk = self.disks.read().get(&to).copied();
        if let Some(Ok(disk)) = disk.map(|disk| MetadataValue::try_from(text_of(&disk.0))) {
            metadata.insert(TO_DISK, disk);
        }
        request
    }

    /// Refuses a call from another cluster, one that was meant for another node, or for another life of this one.
    /// Returns the caller's id.
    // The status is the transport's own error type and large by its nature.
    #[allow(clippy::result_large_err)]
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Result<u64, Status> {
        let text = |key| text(metadata, key);
        if text(CLUSTER) != self.cluster {
            return Err(Status::failed_precondition(format!(
                "another cluster: this is {}, the call is for {:?}",
                self.cluster,
                text(CLUSTER)
            )));
        }
        if text(TO).parse() != Ok(self.node) {
            return Err(Status::failed_precondition(format!(
                "another node: this is {}, the call is for {:?}",
                self.node,
                text(TO)
            )));
        }
        let disk = text(TO_DISK);
        if !disk.is_empty() && disk != text_of(&self.disk.0) {
            return Err(Status::failed_precondition(format!(
                "another disk: node {} of this cluster lives on disk {disk:?}, and this is {:?}; a node whose directory was \
                 emptied does not come back under its old id",
                self.node, self.disk
            )));
        }
        text(FROM).parse().map_err(|_| Status::failed_precondition("the caller does not say who it is"))
    }

    /// As [`Ids::check`], for Raft's own messages: they must name this disk.
    #[allow(clippy::result_large_err)]
    pub(crate) fn check_raft(&self, metadata: &MetadataMap) -> Result<u64, Status> {
        let from = self.check(metadata)?;
        if !self.unclaimed && text(metadata, TO_DISK).is_empty() {
            return Err(Status::failed_precondition(format!(
                "node {} is not bound to a disk yet, as the caller knows the members",
                self.node
            )));
        }
        Ok(from)
    }

    /// For calls of those who do not belong yet, or who know an address and no id: from this cluster, or from one that
    /// is configured alike. Returns the caller's id.
    #[allow(clippy::result_large_err)]
    pub(crate) fn check_open(&self, metadata: &MetadataMap) -> Result<u64, Status> {
        if text(metadata, TO).parse() != Ok(ANYBODY) {
            return self.check(metadata);
        }
        let cluster = text(metadata, CLUSTER);
        let ours = |theirs: &str| theirs == self.cluster || theirs == self.configured;
        if ours(cluster) || ours(text(metadata, CONFIGURED)) {
            return Ok(text(metadata, FROM).parse().unwrap_or(ANYBODY));
        }
        Err(Status::failed_precondition(format!(
            "another cluster: this is {}, configured as {}, and the call is for {cluster:?}",
            self.cluster, self.configured
        )))
    }
}

fn text<'a>(metadata: &'a MetadataMap, key: &str) -> &'a str {
    metadata.get(key).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Runs a call, but never longer than this.
#[allow(clippy::result_large_err)]
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer from the peer in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Member, Seat};
    use std::collections::BTreeSet;

    fn ids(cluster: u8, node: u64, disk: u8) -> Ids {
        let identity = Identity {
            cluster: [cluster; 16],
            configured: [1; 16],
            node,
            incarnation: 1,
            disk: None,
            has_voted: true,
            unclaimed: false,
            minted: false,
        };
        Ids::of(&identity, DiskId([disk; 16]))
    }

    /// Node 1, which knows node 2 by this disk.
    fn caller(cluster: u8, disk: Option<u8>) -> Ids {
        let ids = ids(cluster, 1, 0xaa);
        let seat = Seat { member: Member::default(), disk: disk.map(|disk| DiskId([disk; 16])) };
        ids.learn(&Membership::new(vec![BTreeSet::from([2])], BTreeMap::from([(2, seat)])).expect("lawful"));
        ids
    }

    fn said(checked: Result<u64, Status>) -> String {
        checked.expect_err("refused").message().to_owned()
    }

    #[test]
    fn a_call_is_for_this_cluster_this_node_and_this_disk() {
        let called = ids(1, 2, 0xbb);
        let good = caller(1, Some(0xbb)).request(2, ());
        assert_eq!(called.check_raft(good.metadata()).expect("taken"), 1);
        let other = caller(7, Some(0xbb)).request(2, ());
        assert!(said(called.check(other.metadata())).starts_with("another cluster: this is 0101"));
        let elsewhere = caller(1, Some(0xbb)).request(3, ());
        assert!(said(called.check(elsewhere.metadata())).starts_with("another node: this is 2"));
        let lost = caller(1, Some(0xcc)).request(2, ());
        assert!(said(called.check(lost.metadata())).starts_with("another disk: node 2 of this cluster lives on disk"));
    }

    #[test]
    fn who_is_not_bound_takes_no_part_in_raft_unless_it_was_a_member_before_disks() {
        let unbound = caller(1, None).request(2, ());
        let called = ids(1, 2, 0xbb);
        assert_eq!(called.check(unbound.metadata()).expect("other calls are taken"), 1);
        assert!(said(called.check_raft(unbound.metadata())).starts_with("node 2 is not bound to a disk yet"));
        let old = Ids { unclaimed: true, ..called };
        assert_eq!(old.check_raft(unbound.metadata()).expect("taken"), 1);
        let lost = caller(1, Some(0xcc)).request(2, ());
        assert!(said(old.check_raft(lost.metadata())).starts_with("another disk"), "bound, it is bound for ever");
    }

    #[test]
    fn whoever_asks_to_come_in_goes_by_the_configured_id() {
        // Restored from a backup: a new id under the old configuration.
        let called = ids(9, 2, 0xbb);
        let disk = DiskId([0xdd; 16]);
        for (configured, taken) in [(1, true), (9, true), (3, false)] {
            let asked = Ids::of_nobody(&[configured; 16], disk).request(ANYBODY, ());
            assert_eq!(called.check_open(asked.metadata()).is_ok(), taken, "{configured}");
            assert!(called.check(asked.metadata()).is_err(), "only to come in");
        }
    }
}
