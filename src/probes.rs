//! What the probes and `/metrics` see of the node, from before its log is replayed until it is gone.
//!
//! The admin HTTP listener answers while the node is still coming up, so that a long replay is told from a hang:
//! alive, not started, not ready.

use crate::admin::{NodePage, Page, Probes, Readiness};
use crate::alarms::Alarms;
use crate::config::Config;
use crate::machine::LedgerMachine;
use crate::replicated::Replicated;
use cluster::Node;
use ledger::{Program, UserToken};
use standin::Desk;
use standin::breaker::Phase;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long the core may take to answer a probe.
pub const ALIVE_MAX: Duration = Duration::from_secs(1);

/// How the node is.
pub struct State {
    /// Set once the log is replayed.
    node: OnceLock<Node<LedgerMachine>>,
    desk: OnceLock<Arc<Desk<Replicated>>>,
    alarms: OnceLock<Arc<dyn Alarms>>,
    /// What the cluster is called.
    cluster: String,
    draining: AtomicBool,
    /// The last of the demo accounts that `/readyz` waits for, until it was seen once.
    demo: Option<(Program, UserToken)>,
    demo_seen: AtomicBool,
}

impl State {
    /// Of a node that is coming up.
    pub fn new(config: &Config) -> State {
        let program = config.programs.first().and_then(|program| Program::new(&program.name).ok());
        let user = UserToken::new(&format!("demo-{}", config.dev.demo_accounts)).ok();
        let demo = if config.dev.demo_accounts == 0 { None } else { program.zip(user) };
        State {
            node: OnceLock::new(),
            desk: OnceLock::new(),
            alarms: OnceLock::new(),
            cluster: config.cluster.name.clone(),
            draining: AtomicBool::new(false),
            demo,
            demo_seen: AtomicBool::new(false),
        }
    }

    /// The node is up. Called once.
    pub fn up(&self, node: Node<LedgerMachine>, desk: Arc<Desk<Replicated>>, alarms: Arc<dyn Alarms>) {
        // A second call would find the first ones in place, which is as good.
        let _ = self.alarms.set(alarms);
        node.set_serving(true);
        let _ = self.desk.set(desk);
        let _ = self.node.set(node);
    }

    /// The node was told to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        if let Some(node) = self.node.get() {
            node.set_serving(false);
        }
    }

    fn demo_ready(&self, node: &Node<LedgerMachine>) -> bool {
        let Some((program, user)) = &self.demo else { return true };
        if !self.demo_seen.load(Ordering::Relaxed) {
            let open = node.read(|machine| machine.as_ref().account(program, user).is_some());
            self.demo_seen.store(open, Ordering::Relaxed);
        }
        self.demo_seen.load(Ordering::Relaxed)
    }
}

/// The probes of a node.
#[derive(Clone)]
pub struct Probed(pub Arc<State>);

impl Probes for Probed {
    async fn alive(&self) -> Result<(), String> {
        match self.0.node.get() {
            Some(node) => node.alive(ALIVE_MAX).await,
            // Replaying a log is work; the process ends by itself if it fails.
            None => Ok(()),
        }
    }

    fn readiness(&self) -> Readiness {
        let node = self.0.node.get();
        Readiness {
            starting: node.is_none(),
            draining: self.0.draining.load(Ordering::Relaxed),
            recovered: node.is_some(),
            in_contact: node.is_some_and(Node::in_contact),
            answers_alone: self.0.desk.get().is_some_and(|desk| desk.phase() != Phase::Closed),
            demo_ready: node.is_some_and(|node| self.0.demo_ready(node)),
            reconciling: node.is_some_and(|node| node.read(|machine| machine.as_ref().restored().is_some())),
        }
    }

    fn page(&self) -> Page {
        let State { node, desk, alarms, cluster, .. } = &*self.0;
        let node = node.get().zip(desk.get()).map(|(node, desk)| {
            let (progress, status) = (node.progress(), desk.status());
            NodePage {
                id: node.id(),
                cluster_id: node.cluster_text(),
                incarnation: node.incarnation(),
                leader: node.leader(),
                term: progress.term,
                in_contact: node.in_contact(),
                contact_age: node.contact_age(),
                indexes: (progress.last_log_index, progress.applied_index, progress.snapshot_index),
                breaker: status.phase.name(),
                owed: status.owed,
                members: node.neighbours(),
                alarms: alarms.get().map(|alarms| alarms.alarms()).unwrap_or_default(),
            }
        });
        Page { cluster: cluster.clone(), version: env!("CARGO_PKG_VERSION"), node }
    }
}
