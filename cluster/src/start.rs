//! Bringing a node up, and down.
//!
//! Order at start: in an empty directory, who this node is to be (`admission.rs`); identity and log (each refuses to
//! stand without the other), snapshots, one from a peer where none of our own reaches the log, the Raft core, which
//! restores the state from the newest good snapshot and the log, then the peer listener, then what keeps the members
//! (`seats.rs`): once in a cluster's life the first membership.

use crate::applier::{Applier, State};
use crate::audit::Alike;
use crate::contact::Contact;
use crate::disk::apart;
use crate::fetch::{Patience, Sources};
use crate::log::RaftLog;
use crate::metrics::Stages;
use crate::neighbours::Neighbours;
use crate::node::{ProposeError, Shared};
use crate::peers::{Ids, Links, Listener, Local, Peers, incoming};
use crate::propose::{Batcher, Fate, Proposer};
use crate::raft::Core;
use crate::silence::Silence;
use crate::snapshot::Snapshots;
use crate::store::files::{Files, Work};
use crate::store::identity::Identity;
use crate::versions::Limit;
use crate::{Config, Member, StateMachine, admission, disk, fetch};
use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long the leader may take to hand over at a planned stop.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node does not start. Nothing on its disk was changed, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// The directory belongs to another process.
    #[error("{0}")]
    InUse(String),
    /// What is on the disk must not be used; the text says what to do.
    #[error("{0}")]
    Damaged(String),
    /// The disk refused.
    #[error("{what}: {source}")]
    Disk {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The Raft core did not start.
    #[error("start raft: {0}")]
    Raft(String),
    /// No cluster took this node in; it may be started again.
    #[error("{0}")]
    Join(String),
    /// The cluster has a version that this program does not understand. Nothing was changed.
    #[error("{0}")]
    Version(String),
}

/// A node of a cluster. Clones share it.
pub struct Node<M: StateMachine> {
    pub(crate) shared: Arc<Shared<M>>,
    tasks: Arc<Tasks>,
}

impl<M: StateMachine> Clone for Node<M> {
    fn clone(&self) -> Self {
        Node { shared: self.shared.clone(), tasks: self.tasks.clone() }
    }
}

impl<M: StateMachine> std::fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {}", self.shared.config.node)
    }
}

/// How far a node's log and state have come. Indexes are 0 where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Raft's term.
    pub term: u64,
    /// Who leads in it, as far as this node has heard.
    pub leader: Option<u64>,
    /// The term of what it has written last: what it is bound to, whatever happens. 0 until it has written something.
    pub kept_term: u64,
    /// The last entry of the log.
    pub last_log_index: u64,
    /// The last entry applied.
    pub applied_index: u64,
    /// What the newest snapshot covers.
    pub snapshot_index: u64,
    /// Up to where the log is gone.
    pub purged_index: u64,
    /// Bytes of entries that are kept.
    pub log_bytes: u64,
}

/// The node's own tasks; they end with it.
struct Tasks {
    stop: watch::Sender<bool>,
    handles: parking_lot::Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for handle in self.handles.get_mut().drain(..) {
            handle.abort();
        }
    }
}

/// What a node needs beside its settings: it is given, never grabbed.
pub struct Surroundings {
    /// The file system.
    pub files: Arc<dyn Files>,
    /// The peer listener, bound already, with the way to peers.
    pub listener: Listener,
    /// How this node and its peers prove who they are; `None`: in plain text, and whoever connects is believed.
    pub secure: Option<tls::Peers>,
    /// Called once, with the reason, when this node must not go on: its log cannot be trusted any more.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl<M: StateMachine> Node<M> {
    /// Starts a node on the current runtime, which should be its own: clients must not starve Raft's timers.
    pub async fn start(mut config: Config, around: Surroundings) -> Result<Node<M>, StartError> {
        let stages = Arc::new(Stages::default());
        let disk::Opened { log, snapshots, identity, disk, history } = open(&config, &around, &stages).await?;
        // From here on the configuration is that of the node that this directory belongs to.
        (config.node, config.cluster) = (identity.node, identity.cluster);
        let (ids, incarnation) = (Ids::of(&identity, disk), identity.incarnation);
        let ids = ids.reaching(around.secure.clone(), around.listener.dial());
        let raft_config = Arc::new(config.raft().map_err(StartError::Config)?);
        let limit = Limit { max: config.version_max, on_fatal: around.on_fatal.clone() };
        limit.may_start(&log, &snapshots)?;
        let state = State::<M>::empty();
        let known = known_members(&config, &log, &snapshots);
        let sources = Sources { ids: &ids, members: &known };
        fetch::settle(sources, &log, &snapshots, Patience::default()).await?;
        // What was fetched may be of a later version than what was here.
        limit.may_start(&log, &snapshots)?;
        let applier = Applier::new(state.clone(), snapshots.clone(), stages.clone(), limit);
        let applier = applier.with_history(history.clone(), config.clock.clone(), config.packed_since);
        let silence = Silence::default();
        let peers = Peers { ids: ids.clone(), silence: silence.clone() };
        let raft: Core<M> = Raft::new(config.node, raft_config, peers, log.clone(), applier)
            .await
            .map_err(|e| StartError::Raft(e.to_string()))?;

        let (leader_changed, leader) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let proposer = Proposer::start(Batcher {
            raft: raft.clone(),
            clock: config.clock.clone(),
            stages: stages.clone(),
            leader: leader.clone(),
            node: config.node,
        });
        let members = RwLock::new(known);
        let shared = Arc::new(Shared {
            raft,
            state,
            log,
            snapshots,
            proposer,
            links: Links::new(ids.clone()),
            ids: ids.clone(),
            leader,
            members,
            changing: tokio::sync::Mutex::new(()),
            contact: Contact::new(),
            neighbours: Neighbours::default(),
            stages,
            serving: AtomicBool::new(false),
            backups: Arc::new(Semaphore::new(1)),
            incarnation,
            joined: identity.minted,
            history,
            alike: Alike::new(around.files, &config.log_dir, around.on_fatal.clone()),
            config,
        });
        let handles = vec![
            tokio::spawn(watch_raft(shared.clone(), leader_changed)),
            tokio::spawn(serve(shared.clone(), ids, around.listener, stopped.clone())),
            tokio::spawn(crate::snapshot::take_when_due(shared.clone(), stopped.clone())),
            tokio::spawn(crate::silence::keep(shared.clone(), silence)),
            tokio::spawn(crate::neighbours::keep(shared.clone())),
            tokio::spawn(crate::fitness::keep(shared.clone())),
            tokio::spawn(crate::seats::keep(shared.clone(), around.on_fatal, stopped)),
        ];
        let tasks = Arc::new(Tasks { stop, handles: parking_lot::Mutex::new(handles) });
        Ok(Node { shared, tasks })
    }

    /// Proposes a command through whichever node leads, and returns what `apply` said to it. Never later than the
    /// deadline, with the scheduler's slack. The command must be idempotent: it may be proposed more than once.
    pub async fn propose(&self, command: &M::Command, deadline: std::time::Instant) -> Result<M::Output, ProposeError> {
        let (needed, version) = (M::since(command), self.shared.state.version());
        if needed > version {
            return Err(ProposeError::TooNew { needed, version });
        }
        let mut bytes = Vec::with_capacity(256);
        M::encode_command(command, &mut bytes);
        match self.shared.fate(bytes.into(), deadline.into()).await {
            Fate::Applied(output) => M::decode_output(&output).map_err(|error| {
                tracing::error!(%error, "an output that cannot be read");
                ProposeError::Unknown
            }),
            Fate::NotProposed => Err(ProposeError::NotProposed),
            Fate::Unknown => Err(ProposeError::Unknown),
        }
    }

    /// Looks at this node's state as it is. Keep it short: applying waits meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        self.shared.state.read(look)
    }

    /// A copy of this node's state that later changes do not touch.
    pub fn freeze(&self) -> M {
        self.shared.state.read(M::freeze)
    }

    /// This node's id.
    pub fn id(&self) -> u64 {
        self.shared.config.node
    }

    /// The ids of all members.
    pub fn members(&self) -> Vec<u64> {
        self.shared.members.read().keys().copied().collect()
    }

    /// Whether the cluster gave this node its id, after it was made.
    pub fn joined(&self) -> bool {
        self.shared.joined
    }

    /// The cluster's version, as far as this node knows. It only rises.
    pub fn version(&self) -> u32 {
        self.shared.state.version()
    }

    /// The cluster's id as text.
    pub fn cluster_text(&self) -> String {
        self.shared.config.cluster_text()
    }

    /// How often this node has started; counted durably.
    pub fn incarnation(&self) -> u64 {
        self.shared.incarnation
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<u64> {
        self.shared.leader()
    }

    /// How long ago this node was in contact with a quorum: on a leader the last acknowledgement of a quorum, on a
    /// follower the last accepted message of the leader. `None`: never.
    pub fn contact_age(&self) -> Option<Duration> {
        self.shared.contact_age()
    }

    /// How far this node's log and state have come.
    pub fn progress(&self) -> Progress {
        let (applied, log_bytes) = (self.shared.state.applied(), self.shared.log.bytes());
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        Progress {
            term: metrics.current_term,
            leader: metrics.current_leader,
            kept_term: metrics.vote.leader_id.term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            applied_index: applied.map_or(0, |id| id.index),
            snapshot_index: metrics.snapshot.map_or(0, |id| id.index),
            purged_index: metrics.purged.map_or(0, |id| id.index),
            log_bytes,
        }
    }

    /// Snapshots on its disk that are not what was written, by their names.
    pub fn damaged_snapshots(&self) -> Vec<String> {
        self.shared.snapshots.damaged()
    }

    /// Whether it is in quorum contact right now.
    pub fn in_contact(&self) -> bool {
        self.shared.in_contact()
    }

    /// Whether the Raft core and the log thread still work; an error says what does not.
    pub async fn alive(&self, limit: Duration) -> Result<(), String> {
        self.shared.alive(limit).await
    }

    /// The stage histograms.
    pub fn stages(&self) -> &Stages {
        &self.shared.stages
    }

    /// Tells the peers whether this node answers its clients.
    pub fn set_serving(&self, serving: bool) {
        self.shared.serving.store(serving, Ordering::Relaxed);
    }

    /// Hands leadership over if this node has it. A planned stop then costs no election.
    pub async fn step_down(&self) {
        if !self.shared.leads() || self.shared.raft.voter_ids().count() < 2 {
            return;
        }
        if let Err(why) = self.shared.hand_over(None, Instant::now() + HAND_OVER_TIMEOUT).await {
            tracing::warn!(%why, "stopping as the leader");
        }
    }

    /// Stops: no more proposals, the core shut down, the log closed.
    pub async fn stop(self) {
        self.tasks.stop.send_replace(true);
        if self.shared.raft.shutdown().await.is_err() {
            tracing::warn!("the raft core ended in a panic");
        }
        let (log, history) = (self.shared.log.clone(), self.shared.history.clone());
        let close = move || {
            log.close();
            if let Some(history) = history {
                history.close();
            }
        };
        if apart(self.shared.snapshots.work(), close).await.is_err() {
            tracing::warn!("the log was not closed cleanly");
        }
    }
}

/// Whose directory this is. In an empty one it is found out, and written down.
async fn identity(config: &Config, around: &Surroundings) -> Result<Identity, StartError> {
    let (files, work) = (&around.files, around.files.work());
    let (own, disk) = (config.clone(), files.clone());
    if let Some(identity) = off_runtime(&work, move || disk::owner(&own, &*disk)).await? {
        return Ok(identity);
    }
    let birth = admission::admit(config, around.secure.clone(), around.listener.dial()).await?;
    let (own, disk) = (config.clone(), files.clone());
    off_runtime(&work, move || disk::give(&own, &*disk, birth)).await
}

/// Opens what this node has on its disks.
async fn open(config: &Config, around: &Surroundings, stages: &Arc<Stages>) -> Result<disk::Opened, StartError> {
    let identity = identity(config, around).await?;
    let (config, files, stages) = (config.clone(), around.files.clone(), stages.clone());
    let on_fatal = around.on_fatal.clone();
    off_runtime(&around.files.work(), move || disk::open(&config, identity, files, stages, on_fatal)).await
}

async fn off_runtime<T: Send + 'static>(
    work: &Work,
    job: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    apart(work, job).await.map_err(|e| StartError::Raft(e.to_string()))?
}

/// The members as far as this node's disk knows them, and as they were configured before it knew any.
fn known_members(config: &Config, log: &RaftLog, snapshots: &Snapshots) -> BTreeMap<u64, Member> {
    let in_snapshot = || Some(snapshots.current().ok()??.meta.last_membership.membership().clone());
    let membership = log.membership().or_else(in_snapshot).unwrap_or_default();
    let known: BTreeMap<u64, Member> = membership.nodes().map(|(id, seat)| (*id, seat.member.clone())).collect();
    if known.is_empty() { config.members.clone() } else { known }
}

/// Follows Raft's view of who leads and who belongs.
async fn watch_raft<M: StateMachine>(shared: Arc<Shared<M>>, leader_changed: watch::Sender<Option<u64>>) {
    let mut metrics = shared.raft.server_metrics();
    loop {
        let (leader, membership) = {
            let metrics = metrics.borrow_and_update();
            (metrics.current_leader, metrics.membership_config.clone())
        };
        let members: BTreeMap<u64, Member> = membership.nodes().map(|(id, seat)| (*id, seat.member.clone())).collect();
        if !members.is_empty() && *shared.members.read() != members {
            *shared.members.write() = members;
        }
        shared.ids.learn(membership.membership());
        shared.links.follow(leader);
        if leader_changed.send_if_modified(|known| std::mem::replace(known, leader) != leader) && leader.is_some() {
            shared.stages.leader_changed();
            tracing::info!(node = shared.config.node, leader, "leader changed");
        }
        if metrics.changed().await.is_err() {
            leader_changed.send_replace(None);
            return;
        }
    }
}

async fn serve<M: StateMachine>(
    shared: Arc<Shared<M>>,
    ids: Ids,
    listener: Listener,
    mut stopped: watch::Receiver<bool>,
) {
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let incoming = incoming(listener, ids.secure.clone());
    let service = Local { ids, shared }.into_service();
    let server = tonic::transport::Server::builder()
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
        .add_service(service);
    tokio::select! {
        result = server.serve_with_incoming(incoming) => if let Err(error) = result {
            tracing::error!(%error, "the peer listener ended");
        },
        () = stop => {}
    }
}
