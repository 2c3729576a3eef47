//! One node: what the application holds in its hands.

use crate::applier::State;
use crate::audit::Alike;
use crate::contact::Contact;
use crate::disk::apart;
use crate::history::History;
use crate::log::RaftLog;
use crate::metrics::Stages;
use crate::neighbours::Neighbours;
use crate::peers::{Forwarded, Ids, LEVEL, Links};
use crate::propose::{Fate, Proposer};
use crate::raft::{Core, Handle};
use crate::snapshot::Snapshots;
use crate::types::{Batch, Carries, LogId, Member, Seat};
use crate::{Config, StateMachine};
use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, ReadPolicy};
use parking_lot::RwLock;
use proto::peer::v1::{self as wire, StatusResponse};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// How long a proposer waits for news of a leader before it looks again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// So many entries behind, a follower catches up while it is told to take over.
const HAND_OVER_LAG_MAX: u64 = 500;

/// A follower that may take over.
struct Follower {
    id: u64,
    /// It has answered within a lease.
    heard: bool,
    /// Up to where it has the log.
    matched: Option<u64>,
}

/// Everything a node's tasks share.
pub(crate) struct Shared<M: StateMachine> {
    pub(crate) config: Config,
    pub(crate) raft: Core<M>,
    pub(crate) state: Arc<State<M>>,
    pub(crate) log: RaftLog,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) proposer: Proposer,
    pub(crate) links: Links,
    pub(crate) ids: Ids,
    /// Who leads, as far as this node knows.
    pub(crate) leader: watch::Receiver<Option<u64>>,
    pub(crate) members: RwLock<BTreeMap<u64, Member>>,
    /// Held while the members are being changed: one change at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) contact: Contact,
    pub(crate) neighbours: Neighbours,
    pub(crate) stages: Arc<Stages>,
    /// How often this node has started.
    pub(crate) incarnation: u64,
    /// The cluster gave it its id.
    pub(crate) joined: bool,
    pub(crate) history: Option<Arc<History>>,
    pub(crate) alike: Alike,
    /// The application's word: it answers requests.
    pub(crate) serving: AtomicBool,
    /// Whoever takes a backup has the one permit.
    pub(crate) backups: Arc<Semaphore>,
}

/// Why a command has no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was never part of a batch: nothing can come of it.
    #[error("not proposed: no leader took it in time")]
    NotProposed,
    /// It may have been committed, or may still be.
    #[error("the outcome is unknown")]
    Unknown,
    /// Not every member would understand it: nothing can come of it until the cluster's version has risen.
    #[error("it needs cluster version {needed}, and the cluster has {version}")]
    TooNew {
        /// The version that it needs.
        needed: u32,
        /// The cluster's, as this node knows it.
        version: u32,
    },
}

impl<M: StateMachine> Shared<M> {
    /// Who leads, as far as this node knows. What is borrowed is given back before this returns: borrowed twice at a
    /// time, with a change of the leader in between, it would never be given back.
    pub(crate) fn leader(&self) -> Option<u64> {
        *self.leader.borrow()
    }

    /// Whether this node leads, as far as it knows.
    pub(crate) fn leads(&self) -> bool {
        self.leader() == Some(self.config.node)
    }

    /// Proposes until the command is applied or the deadline has come. The same bytes are proposed again after a
    /// broken stream or a leader change: commands are idempotent, so only the deadline makes "unknown" final.
    pub(crate) async fn fate(&self, command: Bytes, deadline: Instant) -> Fate {
        let mut leader = self.leader.clone();
        let mut unknown = false;
        while Instant::now() < deadline {
            let known = *leader.borrow_and_update();
            match self.propose_to(known, command.clone(), deadline).await {
                Fate::Applied(output) => return Fate::Applied(output),
                Fate::Unknown => unknown = true,
                Fate::NotProposed => {}
            }
            let pause = deadline.min(Instant::now() + RETRY_PAUSE);
            // Either there is news, or the pause is over; if the node is stopping, the pause bounds the loop.
            if !matches!(timeout_at(pause, leader.changed()).await, Ok(Ok(()))) {
                tokio::time::sleep_until(pause).await;
            }
        }
        if unknown { Fate::Unknown } else { Fate::NotProposed }
    }

    async fn propose_to(&self, leader: Option<u64>, command: Bytes, deadline: Instant) -> Fate {
        let Some(leader) = leader else { return Fate::NotProposed };
        if leader == self.config.node {
            return match self.proposer.submit(command, deadline) {
                Some(ticket) => ticket.wait(deadline).await,
                None => Fate::NotProposed,
            };
        }
        let Some(member) = self.members.read().get(&leader).cloned() else {
            return Fate::NotProposed;
        };
        match timeout_at(deadline, self.links.send(leader, &member, command, deadline)).await {
            Ok(Forwarded::Applied(output)) => Fate::Applied(output),
            Ok(Forwarded::NotProposed) => Fate::NotProposed,
            Ok(Forwarded::Unknown) | Err(_) => Fate::Unknown,
        }
    }

    /// The index up to which a linearizable read must have applied. Only a leader knows.
    pub(crate) async fn leader_read_index(&self) -> Result<u64, String> {
        let read = self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.map_err(|e| e.to_string())?;
        Ok(read.index())
    }

    /// Waits until this node has applied an index.
    pub(crate) async fn applied(&self, index: u64, deadline: Instant) -> Result<(), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = self.raft.wait(Some(left));
        wait.applied_index_at_least(Some(index), "catching up").await.map(drop).map_err(|e| e.to_string())
    }

    /// The digest and the broken invariants of the state at a marked index.
    pub(crate) async fn digest_at(&self, index: u64, deadline: Instant) -> Result<([u8; 16], Vec<String>), String> {
        self.applied(index, deadline).await?;
        let marked = self.state.marked(index).ok_or_else(|| format!("index {index} is not marked any more"))?;
        let state = self.state.clone();
        let work = apart(self.snapshots.work(), move || {
            let found = (marked.digest(), marked.violations());
            state.let_go(marked);
            found
        });
        work.await.map_err(|e| e.to_string())
    }

    /// Commits a mark and returns its index. On the leader only.
    pub(crate) async fn mark(&self, deadline: Instant) -> Result<u64, String> {
        self.write_alone(Carries::Mark, deadline).await
    }

    /// Commits an entry without commands and returns its index. On the leader only.
    pub(crate) async fn write_alone(&self, carries: Carries, deadline: Instant) -> Result<u64, String> {
        let batch = Batch { stamp_us: (self.config.clock)(), carries, count: 0, commands: Bytes::new() };
        match timeout_at(deadline, self.raft.client_write(batch)).await {
            Ok(Ok(response)) => Ok(response.log_id.index),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no quorum in time".to_owned()),
        }
    }

    /// Hands leadership to a node, or to the follower that is furthest. On the leader only; returns the new leader.
    pub(crate) async fn hand_over(&self, to: Option<u64>, deadline: Instant) -> Result<u64, String> {
        let to = match to {
            Some(to) if to == self.config.node && self.leads() => return Ok(to),
            Some(to) => to,
            None => self.furthest_follower().ok_or("there is no follower to hand over to")?,
        };
        if !self.raft.voter_ids().any(|id| id == to) {
            return Err(format!("node {to} is not a voter"));
        }
        if self.clock_is_off(to) {
            return Err(format!("the clock of node {to} is wrong: it would not keep leadership"));
        }
        self.raft.trigger().transfer_leader(to).await.map_err(|e| e.to_string())?;
        let mut leader = self.leader.clone();
        match timeout_at(deadline, leader.wait_for(|leader| *leader == Some(to))).await {
            Ok(Ok(_)) => Ok(to),
            Ok(Err(_)) | Err(_) => Err(format!("node {to} did not take over in time")),
        }
    }

    /// Of those whose clocks are right and that answered within a lease the one that has most: one that is gone may
    /// have as much.
    fn furthest_follower(&self) -> Option<u64> {
        let followers = self.followers().into_iter();
        followers.max_by_key(|of| (!self.clock_is_off(of.id), of.heard, of.matched)).map(|of| of.id)
    }

    /// Of the followers that can take over at once, from a leader whose clock is wrong, the one that has most.
    pub(crate) fn fit_follower(&self) -> Option<u64> {
        let last = self.raft.metrics().borrow_watched().last_log_index;
        let close = |of: &Follower| last.unwrap_or(0).saturating_sub(of.matched.unwrap_or(0)) <= HAND_OVER_LAG_MAX;
        let fit = |of: &Follower| of.heard && close(of) && !self.clock_is_off(of.id);
        self.followers().into_iter().filter(fit).max_by_key(|of| of.matched).map(|of| of.id)
    }

    /// The other voters, as the leader knows them. Nobody on another node.
    fn followers(&self) -> Vec<Follower> {
        let voters: Vec<u64> = self.raft.voter_ids().collect();
        let metrics = self.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let lease = self.config.timing.election_max;
        let heard = |id: &u64| {
            let at = metrics.heartbeat.as_ref().and_then(|heard| heard.get(id)?.as_ref());
            at.is_some_and(|at| at.elapsed() <= lease)
        };
        let others = metrics.replication.iter().flatten();
        let others = others.filter(|(id, _)| **id != self.config.node && voters.contains(id));
        let follower = |(id, matched): (&u64, &Option<LogId>)| Follower {
            id: *id,
            heard: heard(id),
            matched: matched.map(|id| id.index),
        };
        others.map(follower).collect()
    }

    /// The age of quorum contact; `None` if there never was any.
    pub(crate) fn contact_age(&self) -> Option<Duration> {
        if self.leads() { self.raft.quorum_age() } else { self.contact.age() }
    }

    /// Within this age a node counts as in contact: a lease and two heartbeats.
    pub(crate) fn in_contact(&self) -> bool {
        let limit = self.config.timing.election_max + 2 * self.config.timing.heartbeat;
        self.leader().is_some() && self.contact_age().is_some_and(|age| age <= limit)
    }

    pub(crate) fn own_status(&self) -> StatusResponse {
        let (term, has_log) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_term, metrics.last_log_index.is_some())
        };
        StatusResponse {
            id: self.config.node,
            term,
            leader: self.leader(),
            applied: self.state.applied().map_or(0, |id| id.index),
            contact: self.in_contact(),
            serving: self.serving.load(Ordering::Relaxed),
            belongs: has_log || self.log.vote().is_some(),
            disk: self.ids.disk.0.to_vec().into(),
            bound: self.bound(),
            minted: self.minted(),
            seats: self.seats(),
            level: LEVEL,
            settled: self.settled_membership().is_some(),
            clock_us: (self.config.clock)(),
            version: self.state.version(),
            version_max: self.config.version_max,
            cluster: self.config.cluster.to_vec().into(),
        }
    }

    /// Whether the membership, as this node has it, names a disk for this node.
    fn bound(&self) -> bool {
        let membership = self.raft.server_metrics().borrow_watched().membership_config.clone();
        membership.membership().get_node(&self.config.node).is_some_and(|seat| seat.disk.is_some())
    }

    /// The members as this node's log has them.
    pub(crate) fn seats(&self) -> Vec<wire::Seat> {
        let membership = self.raft.server_metrics().borrow_watched().membership_config.clone();
        let voters: Vec<u64> = membership.membership().voter_ids().collect();
        let seat = |(id, seat): (&u64, &Seat)| wire::Seat {
            id: *id,
            peer: seat.member.peer.clone(),
            admin: seat.member.admin.clone(),
            disk: seat.disk.map(|disk| disk.0.to_vec()).unwrap_or_default().into(),
            voter: voters.contains(id),
        };
        membership.membership().nodes().map(seat).collect()
    }
}
