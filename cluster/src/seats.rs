//! Which ids there are and on which disks they live: made once, bound once, watched ever after.
//!
//! **What lives here.** A task that every node runs ([`keep`]). It forms the cluster, on the static member with the
//! lowest id and once in the cluster's life. While its node leads it binds ids that nobody has come under yet, and has
//! the cluster's version rise (`versions.rs`). While its node has no contact it asks the others whether it still
//! belongs.
//!
//! **What must hold.** An id is bound to one disk and never to another. The first membership binds a majority, because
//! an unbound node takes no part in Raft: without that there would be no quorum. Binding a further static member is a
//! change of one entry and safe, because before it the unbound node counted in no quorum, so every quorum before and
//! every quorum after meet in a node that was bound already.
//!
//! **A cluster from before disks were told apart** is bound by its leader once every member answers and understands
//! what a binding is: until then nothing is written that the first release cannot read.

use crate::admission::{ASK_TIMEOUT, Claim, ask_all, claim};
use crate::node::Shared;
use crate::peers::{LEVEL, within};
use crate::store::identity::DiskId;
use crate::types::Seat;
use crate::{StateMachine, naming};
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::Precondition;
use proto::peer::v1::{StatusRequest, StatusResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a node that is to form the cluster looks for the others.
const FORM_PAUSE: Duration = Duration::from_millis(50);
/// How often a leader looks for ids to bind, and a node without contact asks whether it belongs.
const LOOK: Duration = Duration::from_millis(500);
/// A node asks only after this long without contact: longer than any election.
const ALONE: Duration = Duration::from_secs(2);

/// Runs until the node stops.
pub(crate) async fn keep<M: StateMachine>(
    shared: Arc<Shared<M>>,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut pause = Duration::ZERO;
    while tokio::time::timeout(pause, stopped.wait_for(|stopped| *stopped)).await.is_err() {
        pause = LOOK;
        if shared.is_to_form() {
            match shared.form().await {
                Ok(true) => {}
                Ok(false) => pause = FORM_PAUSE,
                Err(why) => tracing::warn!(%why, "not making a cluster"),
            }
        } else if shared.leads() {
            if let Err(why) = shared.finish_joint().await {
                tracing::warn!(%why, "a change of the members is half done");
            }
            if let Err(why) = shared.bind().await {
                tracing::warn!(%why, "an id is not bound to its disk yet");
            }
            if let Err(why) = shared.raise().await {
                tracing::warn!(%why, "the cluster's version does not rise yet");
            }
        } else if shared.contact_age().is_none_or(|age| age > ALONE)
            && let Some(why) = shared.expelled().await
        {
            on_fatal(&why);
            return;
        }
    }
}

/// An answer that says which disk is behind an id that this membership does not bind yet.
fn unbound_disk(status: &StatusResponse) -> Option<DiskId> {
    DiskId::read(&status.disk).filter(|_| !status.bound)
}

/// Of a directory that was named for a cluster before there was one.
fn never_made(own: [u8; 16], other: &[u8]) -> String {
    let other = <[u8; 16]>::try_from(other).map_or_else(|_| "another".to_owned(), |id| naming::text(&id));
    format!(
        "this directory is of cluster {}, which was never made: the nodes at its addresses make up cluster {other}. \
         Nothing was kept in it yet: empty it, and start this node again",
        naming::text(&own)
    )
}

impl<M: StateMachine> Shared<M> {
    /// Whether a node is of this cluster. A program that does not say is of the one that all were configured with.
    fn is_of_this_cluster(&self, report: &StatusResponse) -> bool {
        report.cluster.is_empty() || *report.cluster == self.config.cluster
    }

    /// Whether this directory holds nothing but a name: no vote, no entry, no state that was planted in it, and no id
    /// that a cluster has minted for it.
    fn is_blank(&self) -> bool {
        !self.joined && self.state.applied().is_none() && !self.own_status().belongs
    }

    /// Whether it falls to this node to make the cluster: the lowest of the static members, and nothing was made yet.
    fn is_to_form(&self) -> bool {
        naming::mints(&self.config) && !self.own_status().belongs
    }

    /// Makes the cluster if a majority of the static members is there and none of them belongs to one. Safe to repeat.
    async fn form(&self) -> Result<bool, String> {
        let others = self.config.members.iter().filter(|(id, _)| **id != self.config.node);
        let asked = others.map(|(id, member)| async move { (*id, self.status_of(*id, &member.peer).await) });
        let mut disks = BTreeMap::from([(self.config.node, self.ids.disk)]);
        for (id, status) in futures::future::join_all(asked).await {
            let Some(status) = status else { continue };
            if status.belongs {
                return Err(format!("node {id} already belongs to one"));
            }
            disks.extend(unbound_disk(&status).map(|disk| (id, disk)));
        }
        if disks.len() * 2 <= self.config.members.len() {
            return Ok(false);
        }
        let seat =
            |(id, member): (&u64, &crate::Member)| (*id, Seat { member: member.clone(), disk: disks.get(id).copied() });
        let seats: BTreeMap<u64, Seat> = self.config.members.iter().map(seat).collect();
        self.raft.initialize(seats).await.map_err(|e| e.to_string())?;
        tracing::info!(node = self.config.node, bound = disks.len(), "made the cluster");
        Ok(true)
    }

    pub(crate) async fn status_of(&self, id: u64, address: &str) -> Option<StatusResponse> {
        if id == self.config.node {
            return Some(self.own_status());
        }
        let mut peer = self.ids.client(id, address).ok()?;
        within(ASK_TIMEOUT, peer.status(self.ids.request(id, StatusRequest {}))).await.ok()
    }

    /// Ends a change that a leader before this one began: both majorities were needed ever since. On the leader only.
    async fn finish_joint(&self) -> Result<(), String> {
        let Ok(_one_at_a_time) = self.changing.try_lock() else { return Ok(()) };
        let begun = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let committed = &metrics.committed_membership_config;
            let joint = committed.membership().get_joint_config().len() > 1;
            let newest = metrics.membership_config.log_id() == committed.log_id();
            (joint && newest).then(|| *committed.log_id())
        };
        let Some(at) = begun else { return Ok(()) };
        let nobody = ChangeMembers::AddVoterIds(BTreeSet::new());
        let only_if = [Precondition::LastMembershipLogId { last_membership_log_id: at }];
        self.raft.change_membership_if(nobody, false, only_if).await.map_err(|e| e.to_string())?;
        tracing::info!("finished a change of the members that a former leader had begun");
        Ok(())
    }

    /// Binds the ids whose nodes have come. On the leader only.
    async fn bind(&self) -> Result<(), String> {
        let Some((at, membership)) = self.settled_membership() else { return Ok(()) };
        let seats: Vec<(u64, Seat)> = membership.nodes().map(|(id, seat)| (*id, seat.clone())).collect();
        if seats.iter().all(|(_, seat)| seat.disk.is_some()) {
            return Ok(());
        }
        let _one_at_a_time = self.changing.lock().await;
        let told_apart = seats.iter().any(|(_, seat)| seat.disk.is_some());
        let asked = seats.into_iter().filter(|(_, seat)| !told_apart || seat.disk.is_none());
        let asked = asked.map(|(id, seat)| async move { (id, self.status_of(id, &seat.member.peer).await, seat) });
        let mut bound = BTreeMap::new();
        for (id, status, seat) in futures::future::join_all(asked).await {
            let understands = status.as_ref().is_some_and(|status| status.level >= LEVEL);
            if !told_apart && !understands {
                return Err(format!("node {id} does not answer, or is of a version that knows no disks"));
            }
            if let Some(disk) = status.as_ref().and_then(unbound_disk) {
                bound.insert(id, Seat { disk: Some(disk), ..seat });
            }
        }
        if bound.is_empty() {
            return Ok(());
        }
        let ids: Vec<u64> = bound.keys().copied().collect();
        let only_if = [Precondition::LastMembershipLogId { last_membership_log_id: at }];
        let change = self.raft.change_membership_if(ChangeMembers::SetNodes(bound), true, only_if);
        change.await.map_err(|e| e.to_string())?;
        tracing::info!(?ids, "bound to their disks");
        Ok(())
    }

    /// Why this node does not belong any more, if somebody in contact with a quorum says so.
    async fn expelled(&self) -> Option<String> {
        let known = self.members.read().values().map(|member| member.peer.clone()).collect::<Vec<_>>();
        let asked: Vec<String> = known.into_iter().chain(self.config.join.ask.iter().cloned()).collect();
        let node = self.config.node;
        let in_contact = ask_all(&self.ids, &asked).await.into_iter().filter(|report| report.contact);
        let (reports, strangers): (Vec<_>, Vec<_>) = in_contact.partition(|report| self.is_of_this_cluster(report));
        if let Some(other) = strangers.first().filter(|_| reports.is_empty() && self.is_blank()) {
            return Some(never_made(self.config.cluster, &other.cluster));
        }
        let others = |report: &StatusResponse| report.id != node && report.minted >= node;
        let reports: Vec<_> = reports.into_iter().filter(others).collect();
        if reports.iter().flat_map(|report| &report.seats).any(|seat| seat.id == node && *seat.disk == self.ids.disk.0)
        {
            return None;
        }
        match claim(node, &reports) {
            Claim::Free => None,
            Claim::Lost => Some(format!(
                "node {node} lives on another disk: this directory was emptied. It does not come back under that id: \
                 empty the directory, let it join under a new one with cluster.join, and have it take the old one's \
                 place with holdfast ctl cluster replace"
            )),
            Claim::Stranger => Some(format!(
                "node {node} was removed from the cluster, and its id is never given again. To have this machine back, \
                 empty its directories and let it join with cluster.join"
            )),
        }
    }
}
