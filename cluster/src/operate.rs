//! What operators ask of a cluster through any of its nodes.

use crate::node::Shared;
use crate::orders::{Comer, MemberChange, MemberOrder};
use crate::peers::{self, Client, within};
use crate::{Member, Node, StateMachine};
use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use proto::peer::v1::{DigestRequest, HandOverRequest, JoinRequest, MarkRequest, ReadIndexRequest, StatusRequest};
use std::time::Duration;
use tokio::time::Instant;

/// How long a peer may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a peer may take to compute a digest, on top of applying up to it.
const DIGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why an operator's order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No leader with a quorum could be reached; nothing was done.
    #[error("no quorum: {0}")]
    NoQuorum(String),
    /// The order makes no sense here; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// It may have been carried out, or may still be.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Proposes for all.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Learner,
}

/// How one member is, as the answering node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub id: u64,
    /// What it does.
    pub role: Role,
    /// Up to which log index it has applied; 0 if it could not be asked.
    pub applied: u64,
    /// It answered, and is in quorum contact.
    pub healthy: bool,
    /// Where it is reached.
    pub member: crate::Member,
    /// The highest version of the cluster that its program understands; 0 if it could not be asked, or does not say.
    pub version_max: u32,
}

/// How the cluster is, as the answering node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who answers.
    pub answered_by: u64,
    /// Who leads.
    pub leader: Option<u64>,
    /// The answering node's term.
    pub term: u64,
    /// Whether the answering node is in quorum contact.
    pub quorum: bool,
    /// The last entry of the answering node's log.
    pub last_log_index: u64,
    /// What its newest snapshot covers.
    pub snapshot_index: u64,
    /// Up to where its log is gone.
    pub purged_index: u64,
    /// The cluster's version, as the answering node knows it.
    pub version: u32,
    /// All members, by id.
    pub members: Vec<MemberStatus>,
}

/// The digest of one member at the compared index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDigest {
    /// Its id.
    pub id: u64,
    /// The digest and the broken invariants, or why they could not be had.
    pub result: Result<([u8; 16], Vec<String>), String>,
    /// Which version of the program worked it out; empty: nobody was reached, or one that does not say so.
    pub version: String,
}

/// This program's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl<M: StateMachine> Node<M> {
    /// How the cluster is. Works without a quorum.
    pub async fn status(&self) -> Status {
        let shared = &self.shared;
        let members: Vec<_> = shared.members.read().iter().map(|(id, member)| (*id, member.clone())).collect();
        let asked = members.into_iter().map(|(id, member)| shared.member_status(id, member));
        let members = futures::future::join_all(asked).await;
        let (leader, quorum) = (shared.leader(), shared.in_contact());
        let metrics = shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        Status {
            answered_by: shared.config.node,
            leader,
            term: metrics.current_term,
            quorum,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            snapshot_index: metrics.snapshot.map_or(0, |id| id.index),
            purged_index: metrics.purged.map_or(0, |id| id.index),
            version: shared.state.version(),
            members,
        }
    }

    /// Waits until a read of this node's state shows everything that was decided before the call.
    pub async fn read_barrier(&self, deadline: std::time::Instant) -> Result<(), OrderError> {
        let (shared, deadline) = (&self.shared, Instant::from_std(deadline));
        let left = deadline.saturating_duration_since(Instant::now());
        let index = match shared.leader() {
            None => Err("no leader is known".to_owned()),
            Some(leader) if leader == shared.config.node => Ok(None),
            Some(leader) => Ok(Some(leader)),
        };
        let index = match index.map_err(OrderError::NoQuorum)? {
            None => match tokio::time::timeout(left, shared.leader_read_index()).await {
                Ok(index) => index.map_err(OrderError::NoQuorum)?,
                Err(_) => return Err(OrderError::NoQuorum("the quorum did not answer in time".to_owned())),
            },
            Some(leader) => {
                let mut peer = self.peer(leader)?;
                let request = shared.ids.request(leader, ReadIndexRequest {});
                within(left, peer.read_index(request)).await.map_err(no_quorum)?.index
            }
        };
        shared.applied(index, deadline).await.map_err(OrderError::NoQuorum)
    }

    /// Hands leadership to a node, or to the follower that is furthest. Any node takes the order.
    pub async fn hand_over(&self, to: Option<u64>, deadline: std::time::Instant) -> Result<u64, OrderError> {
        let leader = self.wait_for_leader(deadline).await?;
        let deadline = Instant::from_std(deadline);
        if leader == self.shared.config.node {
            return self.shared.hand_over(to, deadline).await.map_err(OrderError::Refused);
        }
        let mut peer = self.peer(leader)?;
        let request = self.shared.ids.request(leader, HandOverRequest { to });
        let left = deadline.saturating_duration_since(Instant::now());
        let response = within(left, peer.hand_over(request)).await;
        response.map(|response| response.leader).map_err(|status| OrderError::Refused(status.message().to_owned()))
    }

    /// Changes the members. Any node takes the order.
    pub async fn change_members(
        &self,
        order: MemberOrder,
        deadline: std::time::Instant,
    ) -> Result<MemberChange, OrderError> {
        let leader = self.wait_for_leader(deadline).await?;
        let deadline = Instant::from_std(deadline);
        if leader == self.shared.config.node {
            return self.shared.change_members(order, deadline).await;
        }
        let request = self.shared.ids.request(leader, peers::wire(order));
        let left = deadline.saturating_duration_since(Instant::now());
        let response = within(left, self.peer(leader)?.change_members(request)).await;
        response.map(peers::change).map_err(ordered)
    }

    /// Compares the state of all members at one log index.
    pub async fn verify(&self, deadline: std::time::Instant) -> Result<(u64, Vec<MemberDigest>), OrderError> {
        let shared = &self.shared;
        let leader = self.wait_for_leader(deadline).await?;
        let deadline = Instant::from_std(deadline);
        let index = if leader == shared.config.node {
            shared.mark(deadline).await.map_err(OrderError::NoQuorum)?
        } else {
            let left = deadline.saturating_duration_since(Instant::now());
            let request = shared.ids.request(leader, MarkRequest {});
            within(left, self.peer(leader)?.mark(request)).await.map_err(no_quorum)?.index
        };
        let members: Vec<u64> = shared.members.read().keys().copied().collect();
        let digests = members.into_iter().map(|id| async move { self.member_digest(id, index).await });
        Ok((index, futures::future::join_all(digests).await))
    }

    async fn member_digest(&self, id: u64, index: u64) -> MemberDigest {
        if id == self.shared.config.node {
            let result = self.shared.digest_at(index, Instant::now() + DIGEST_TIMEOUT).await;
            return MemberDigest { id, result, version: VERSION.to_owned() };
        }
        match self.peer_digest(id, index).await {
            Ok((digest, violations, version)) => MemberDigest { id, result: Ok((digest, violations)), version },
            Err(why) => MemberDigest { id, result: Err(why), version: String::new() },
        }
    }

    async fn peer_digest(&self, id: u64, index: u64) -> Result<([u8; 16], Vec<String>, String), String> {
        let shared = &self.shared;
        let mut peer = self.peer(id).map_err(|e| e.to_string())?;
        let request = shared.ids.request(id, DigestRequest { index, agreed: Bytes::new() });
        let response = within(DIGEST_TIMEOUT, peer.digest(request)).await.map_err(|s| s.message().to_owned())?;
        let digest = response.digest.as_ref().try_into().map_err(|_| "a digest of another length".to_owned())?;
        Ok((digest, response.violations, response.version))
    }

    /// Takes a snapshot on this node now; returns the index it covers and its size.
    pub async fn snapshot(&self, deadline: std::time::Instant) -> Result<(u64, u64), OrderError> {
        let (shared, deadline) = (&self.shared, Instant::from_std(deadline));
        let wanted = shared.state.applied().map_or(0, |id| id.index);
        shared.raft.trigger().snapshot().await.map_err(|e| OrderError::Refused(e.to_string()))?;
        loop {
            let current = shared.snapshots.newest();
            if let Some((index, size)) = current.filter(|(index, _)| *index >= wanted) {
                return Ok((index, size));
            }
            if Instant::now() >= deadline {
                return Err(OrderError::Refused("the snapshot goes on; it did not finish in time".to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until some node leads.
    pub async fn wait_for_leader(&self, deadline: std::time::Instant) -> Result<u64, OrderError> {
        let mut leader = self.shared.leader.clone();
        let known = tokio::time::timeout_at(deadline.into(), leader.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(leader)) => leader.ok_or_else(|| OrderError::NoQuorum("no leader is known".to_owned())),
            Ok(Err(_)) => Err(OrderError::NoQuorum("this node is stopping".to_owned())),
            Err(_) => Err(OrderError::NoQuorum("no leader is known".to_owned())),
        }
    }

    pub(crate) fn peer(&self, id: u64) -> Result<Client, OrderError> {
        let address = self.shared.members.read().get(&id).map(|member| member.peer.clone());
        let address = address.ok_or_else(|| OrderError::Refused(format!("node {id} is not a member")))?;
        self.shared.ids.client(id, &address).map_err(OrderError::Refused)
    }
}

fn no_quorum(status: tonic::Status) -> OrderError {
    OrderError::NoQuorum(status.message().to_owned())
}

/// What the leader's answer to a passed-on order means.
fn ordered(status: tonic::Status) -> OrderError {
    let message = status.message().to_owned();
    match status.code() {
        tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument => OrderError::Refused(message),
        // The leader says so itself, or was never reached.
        tonic::Code::Unavailable => OrderError::NoQuorum(message),
        _ => OrderError::Unknown(message),
    }
}

impl<M: StateMachine> Shared<M> {
    /// How a member is, as it says itself.
    pub(crate) async fn member_status(&self, id: u64, member: crate::Member) -> MemberStatus {
        let answer = if id == self.config.node {
            Some(self.own_status())
        } else {
            match self.ids.client(id, &member.peer) {
                Ok(mut peer) => within(STATUS_TIMEOUT, peer.status(self.ids.request(id, StatusRequest {}))).await.ok(),
                Err(_) => None,
            }
        };
        let voter = self.raft.voter_ids().any(|voter| voter == id);
        let leads = answer.as_ref().is_some_and(|answer| answer.leader == Some(id));
        let role = match (leads, voter) {
            (true, _) => Role::Leader,
            (false, true) => Role::Follower,
            (false, false) => Role::Learner,
        };
        let healthy = answer.as_ref().is_some_and(|answer| answer.contact);
        let (applied, version_max) = answer.map_or((0, 0), |answer| (answer.applied, answer.version_max));
        MemberStatus { id, role, applied, healthy, member, version_max }
    }

    /// Has the leader take an empty node in, whichever node was asked.
    pub(crate) async fn have_taken_in(&self, comer: Comer, deadline: Instant) -> Result<u64, OrderError> {
        let leader = self.leader().ok_or_else(|| OrderError::NoQuorum("no leader is known".to_owned()))?;
        if leader == self.config.node {
            return self.take_in(comer, deadline).await;
        }
        let Some(at) = self.members.read().get(&leader).map(|member| member.peer.clone()) else {
            return Err(OrderError::NoQuorum(format!("the leader, node {leader}, is not known here yet")));
        };
        let Comer { disk, member: Member { peer, admin }, version_max } = comer;
        let join = JoinRequest { disk: disk.0.to_vec().into(), peer, admin, version_max };
        let mut peer = self.ids.client(leader, &at).map_err(OrderError::Refused)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let response = within(left, peer.join(self.ids.request(leader, join))).await;
        response.map(|response| response.id).map_err(ordered)
    }

    /// Whether the core, the log thread and the apply loop still do their work. Asks the core itself: its metrics stay
    /// "ok" after a panic.
    pub(crate) async fn alive(&self, limit: Duration) -> Result<(), String> {
        let core = self.raft.with_raft_state(|state| state.local_committed().is_some());
        match tokio::time::timeout(limit, core).await {
            Ok(Ok(_)) => {}
            Ok(Err(fatal)) => return Err(format!("the raft core has stopped: {fatal}")),
            Err(_) => return Err("the raft core does not answer".to_owned()),
        }
        let metrics = self.raft.metrics();
        if let Err(fatal) = &metrics.borrow_watched().running_state {
            return Err(format!("raft has stopped: {fatal}"));
        }
        self.log.stuck_for().filter(|stuck| *stuck > limit.max(Duration::from_secs(10))).map_or(Ok(()), |stuck| {
            Err(format!("the log thread has written nothing for {} ms although something waits", stuck.as_millis()))
        })
    }
}
