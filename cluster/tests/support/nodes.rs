//! Nodes of a cluster in this process, each on a runtime and a simulated disk of its own, so that killing one takes
//! everything with it.

use cluster::store::files::Files;
use cluster::store::files::sim::SimFiles;
use cluster::{Config, Join, Member, Node, SnapshotRule, StartError, StateMachine, Surroundings, Timing};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One node's place: its disk and address outlive its process. A place that was made later joins the cluster, and its
/// node's id need not be its number.
pub struct Place {
    pub files: SimFiles,
    pub address: SocketAddr,
    /// How far the node's clock is ahead of the others', in microseconds.
    pub clock_ahead_us: Arc<AtomicI64>,
    /// Whether its node asks to be taken in when its disk is empty.
    pub joins: bool,
    /// What its node said it could not go on for.
    pub fatal: Arc<Mutex<Option<String>>>,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
}

/// Some places, and what runs in them.
pub struct Nodes<M: StateMachine> {
    pub places: BTreeMap<u64, Place>,
    pub nodes: BTreeMap<u64, Node<M>>,
    pub rule: SnapshotRule,
    /// Where each node keeps its history from its next start on, if it does.
    pub history: Option<PathBuf>,
    /// How a node proves who it is; those that are not here speak plain text.
    pub secure: BTreeMap<u64, tls::Peers>,
    /// How far a node's clock may be from the others', from its next start on; `None`: as far as it likes.
    pub clock_skew_max: Option<Duration>,
    /// The highest version of the cluster that a node's program understands, from its next start on; of the others 0.
    pub versions: BTreeMap<u64, u32>,
    /// Whether the cluster's id is configured; from each node's next start on.
    pub cluster_is_given: bool,
    /// How many places there were when the cluster was made.
    made_with: u64,
}

/// An address that stays free while its node is down: on a loopback address of its own, whose ports are nobody's
/// outgoing ones. Those of 127.0.0.1 were, once in a hundred kills.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., number] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let own = Ipv4Addr::new(127, high | 0x80, low, number);
    std::net::TcpListener::bind((own, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

impl<M: StateMachine> Nodes<M> {
    /// Makes places for this many nodes and starts all.
    pub fn start(count: u64) -> Self {
        Self::with_rule(count, SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() })
    }

    /// The same, with a rule when snapshots are taken.
    pub fn with_rule(count: u64, rule: SnapshotRule) -> Self {
        let mut nodes = Self::down(count, rule);
        for id in 1..=count {
            nodes.restart(id).expect("start a node");
        }
        nodes
    }

    /// Makes places in which nothing runs yet.
    pub fn down(count: u64, rule: SnapshotRule) -> Self {
        let places = (1..=count).map(|id| (id, Place::new())).collect();
        Nodes {
            places,
            nodes: BTreeMap::new(),
            rule,
            history: None,
            secure: BTreeMap::new(),
            clock_skew_max: None,
            versions: BTreeMap::new(),
            cluster_is_given: true,
            made_with: count,
        }
    }

    pub fn config(&self, id: u64) -> Config {
        let clock_ahead_us = self.places[&id].clock_ahead_us.clone();
        let member = |place: &Place| Member { peer: place.address.to_string(), admin: String::new() };
        let first = self.places.range(..=self.made_with);
        let ask = first.clone().map(|(_, place)| place.address.to_string()).filter(|_| self.places[&id].joins);
        Config {
            cluster: [7; 16],
            cluster_is_given: self.cluster_is_given,
            node: id,
            members: first.map(|(id, place)| (*id, member(place))).collect(),
            bootstrap: true,
            join: Join { ask: ask.collect(), own: member(&self.places[&id]) },
            log_dir: PathBuf::from("/node/log"),
            data_dir: PathBuf::from("/node/data"),
            history_dir: self.history.as_ref().map(|dir| dir.join(format!("node-{id}/history"))),
            segment_bytes: 1024 * 1024,
            timing: Timing::default(),
            snapshots: self.rule,
            clock: Arc::new(move || {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let now_us = since.map_or(0, |since| since.as_micros() as u64);
                now_us.saturating_add_signed(clock_ahead_us.load(Ordering::Relaxed))
            }),
            clock_skew_max: self.clock_skew_max,
            version_max: self.versions.get(&id).copied().unwrap_or(0),
            packed_since: 0,
            chance: chance(),
        }
    }

    /// Starts a node that is down.
    pub fn restart(&mut self, id: u64) -> Result<(), StartError> {
        let config = self.config(id);
        let place = self.places.get_mut(&id).expect("a place");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(format!("node-{id}"))
            .enable_all()
            .build()
            .expect("a runtime");
        let files: Arc<dyn Files> = place.files.process();
        let (address, fatal) = (place.address, place.fatal.clone());
        let secure = self.secure.get(&id).cloned();
        let started = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind(address).await.expect("the port is ours");
            let on_fatal = Arc::new(move |reason: &str| *fatal.lock().expect("no panic") = Some(reason.to_owned()));
            Node::start(config, Surroundings { files, listener: listener.into(), secure, on_fatal }).await
        });
        match started {
            Ok(node) => {
                place.running = Some(Running { runtime });
                self.nodes.insert(id, node);
                Ok(())
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Stops a node as `kill -9` and a power cut would: its tasks vanish, and what was not synced may be lost.
    pub fn crash(&mut self, id: u64, seed: u64) {
        let place = self.places.get_mut(&id).expect("a place");
        place.files.crash(seed);
        self.nodes.remove(&id);
        if let Some(running) = place.running.take() {
            running.runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Takes away all that a node had on its disk; it is down then.
    pub fn wipe(&mut self, id: u64) {
        self.crash(id, id);
        self.places.get_mut(&id).expect("a place").files = SimFiles::new();
    }

    /// What a node said it could not go on for.
    pub fn fatal(&self, id: u64) -> Option<String> {
        self.places[&id].fatal.lock().expect("no panic").clone()
    }

    /// Runs something on the runtime of a node.
    pub fn on<T>(&self, id: u64, future: impl Future<Output = T>) -> T {
        self.places[&id].running.as_ref().expect("a running node").runtime.block_on(future)
    }

    /// Waits until all running nodes agree on a leader that runs, and returns it.
    pub fn leader(&self) -> u64 {
        let mut found = 0;
        wait_until("a leader that all know", || {
            let mut leaders = self.nodes.values().map(Node::leader);
            match leaders.next().flatten() {
                Some(first) if leaders.all(|leader| leader == Some(first)) && self.nodes.contains_key(&first) => {
                    found = first;
                    true
                }
                _ => false,
            }
        });
        found
    }

    /// Some running node that does not lead.
    pub fn follower(&self) -> u64 {
        let leader = self.leader();
        *self.nodes.keys().find(|id| **id != leader).expect("a follower")
    }
}

impl Place {
    /// An empty one.
    pub fn new() -> Place {
        Place {
            files: SimFiles::new(),
            address: free_address(),
            clock_ahead_us: Arc::default(),
            joins: false,
            fatal: Arc::default(),
            running: None,
        }
    }
}

/// Never twice the same in one process, which is as far as a test looks.
fn chance() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    bytes
}

impl<M: StateMachine> Drop for Nodes<M> {
    fn drop(&mut self) {
        self.nodes.clear();
        for place in self.places.values_mut() {
            if let Some(running) = place.running.take() {
                running.runtime.shutdown_background();
            }
        }
    }
}

/// Waits for a condition, with a bound. Yields between looks.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
