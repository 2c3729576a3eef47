//! One node, put together: the ledger in the cluster, the cluster under the desk, the desk behind the door, and the
//! operators' listeners beside them.
//!
//! Three runtimes, so that nobody starves anybody who matters more: Raft and its timers on one, cardholders'
//! requests on another, operators on the third. All listeners are bound before anything is written.

use crate::admin;
use crate::alarms::NodeAlarms;
use crate::auditor::{Findings, audit_forever};
use crate::chance;
use crate::clock::wall_clock_us;
use crate::config::{Config, ConfigError, Joined};
use crate::issuer;
use crate::machine::LedgerMachine;
use crate::metrics::AlarmState;
use crate::metrics::RaftState;
use crate::probes::{Probed, State};
use crate::renewal::{Again, Alone, Renewal, Speakers};
use crate::replicated::{OwnBooks, Replicated};
use crate::secure::{Certificates, Secure};
use crate::sweeper::{Unconfirmed, sweep_forever};
use crate::touch::touch;
use crate::watchdog::{CORE_DEAD, Watchdog};
use cluster::store::files::RealFiles;
use cluster::{Node, StartError, Surroundings};
use gateway::{Credentials, Gateway};
use prometheus_client::registry::Registry;
use standin::files::Directory;
use standin::journal::{Journal, Owner};
use standin::{Desk, Orders, Parts};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tls::{Peers, Wire};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Why a node does not come up.
#[derive(Debug, thiserror::Error)]
pub enum BringUpError {
    /// An address cannot be listened at.
    #[error("{field} = \"{address}\": {source}")]
    Listen {
        /// The setting.
        field: &'static str,
        /// Its value.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The cluster part did not start.
    #[error(transparent)]
    Cluster(#[from] StartError),
    /// A certificate cannot be used.
    #[error("the certificate of listen.{listener}: {problem}")]
    Certificate {
        /// The listener.
        listener: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The door's settings are wrong.
    #[error(transparent)]
    Gateway(#[from] gateway::ConfigError),
    /// The system refused something that every process needs.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The places where a node listens.
struct Listeners {
    jit: TcpListener,
    admin_http: TcpListener,
    admin_grpc: TcpListener,
    peer: TcpListener,
    /// Off, unless it is given.
    issuer: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Listeners, BringUpError> {
        let listen = &config.listen;
        Ok(Listeners {
            jit: bind("listen.jit", &listen.jit).await?,
            admin_http: bind("listen.admin_http", &listen.admin_http).await?,
            admin_grpc: bind("listen.admin_grpc", &listen.admin_grpc).await?,
            peer: bind("listen.peer", &listen.peer).await?,
            issuer: match listen.issuer.as_str() {
                "" => None,
                address => Some(bind("listen.issuer", address).await?),
            },
        })
    }
}

async fn bind(field: &'static str, address: &str) -> Result<TcpListener, BringUpError> {
    TcpListener::bind(address).await.map_err(|source| BringUpError::Listen {
        field,
        address: address.to_owned(),
        source,
    })
}

/// The runtimes, by who must not wait for whom.
struct Runtimes {
    raft: Runtime,
    clients: Runtime,
    operators: Runtime,
}

impl Runtimes {
    fn new() -> Result<Runtimes, BringUpError> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = |name: &str, threads: usize| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let builder = builder.worker_threads(threads).thread_name(name).enable_all();
            builder.build().map_err(|source| BringUpError::System { what: "start a runtime", source })
        };
        Ok(Runtimes {
            // On two cores a second thread has nothing to run on, and the two only wake each other: a tenth of all CPU.
            // Applying gives way to the core by itself (`cluster/src/applier.rs`).
            raft: runtime("holdfast-raft", (cores / 2).clamp(1, 2))?,
            clients: runtime("holdfast-jit", (cores / 2).clamp(1, 8))?,
            operators: runtime("holdfast-admin", 1)?,
        })
    }
}

/// How a node is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As one of several behind a balancer, which must notice first.
    Leaving,
    /// Without waiting for anybody to notice: nobody sends requests to it but those who told it to stop.
    AtOnce,
}

/// For how long it goes on answering while its readiness says no.
fn leave_for(config: &Config, stop: Stop) -> Duration {
    match stop {
        Stop::Leaving => Duration::from_millis(config.shutdown.leave_ms),
        Stop::AtOnce => Duration::ZERO,
    }
}

/// Brings a node up, runs it until `stop`, and takes it down: out of the load balancer while it still answers,
/// leadership handed over, requests in flight answered, the log closed. `again` is how certificates, secrets
/// and settings are read again meanwhile.
pub fn run(
    config: &Config,
    again: Again,
    stop: impl Future<Output = Stop> + Send + 'static,
) -> Result<(), BringUpError> {
    let secure = Secure::open(config)?;
    let runtimes = Runtimes::new()?;
    let listeners = runtimes.operators.block_on(Listeners::bind(config))?;
    let state = Arc::new(State::new(config));
    let registry = Arc::new(OnceLock::new());
    let (drain, draining) = watch::channel(false);
    let (halt, halted) = watch::channel(false);
    let (http, probed) = ((listeners.admin_http, secure.admin_http), Probed(state.clone()));
    let probes = admin::http::serve(http, probed, registry.clone(), until(halted.clone()));
    let mut tasks = vec![("the probes", runtimes.operators.spawn(probes))];

    touch(config.node.memory_touched_mib)?;
    let node = start(config, &runtimes.raft, surroundings(listeners.peer, secure.peers))?;
    let desk = Arc::new(desk(config, &node)?);
    let gateway = Arc::new(Gateway::new(config.gateway(), desk.clone())?);
    // Set once, here.
    let books = RaftState::new(node.clone(), config.node.tokens_max);
    let (unconfirmed, findings) = (books.unconfirmed.clone(), books.findings.clone());
    let mut metrics = register(books, &gateway, &desk, &secure.certificates);
    let guard = guard(config, &mut metrics)?;
    let alarms = Arc::new(alarms(config, &node, &desk, (&findings, &secure.certificates)));
    metrics.register_collector(Box::new(AlarmState(alarms.clone())));
    let gate = admin::Gate::new(config.admin_access(), crate::metrics::admin_turned_away(&mut metrics));
    let _ = registry.set(metrics);
    let recent = gateway.recent();
    let (changed, settings) = watch::channel(config.clone());
    let speakers = Speakers { gateway: gateway.clone(), issuers: guard.clone(), operators: gate.clone() };
    let alone = Alone { desk: desk.clone(), node: node.id(), joined: joined(&node) };
    let renewal = Renewal::new(again, secure.certificates, speakers, (alone, changed));
    state.up(node.clone(), desk.clone(), alarms.clone());

    let leaving = gateway.clone();
    let door = runtimes.clients.spawn(gateway::serve(listeners.jit, secure.jit, gateway, until(draining)));
    tasks.push(("settling", runtimes.clients.spawn(desk.clone().settle_forever(until(halted.clone())))));
    // With Raft's timers: a flood of requests must not delay the opening that would end it.
    let (watched, halting) = (desk.clone(), until(halted.clone()));
    tasks.push(("the breaker's watch", runtimes.raft.spawn(async move { watched.watch_forever(halting).await })));
    tasks.extend(walkers(&settings, &runtimes.operators, &node, (unconfirmed, findings), &halted));
    let (cluster_id, cluster_name) = (node.cluster_text(), config.cluster.name.clone());
    let service = admin::service(node.clone(), admin::About { cluster_id, cluster_name, recent, alarms }, desk);
    let grpc = (listeners.admin_grpc, secure.admin_grpc);
    let operators = admin::serve(grpc, gate, service, until(halted.clone()));
    tasks.push(("the admin interface", runtimes.operators.spawn(operators)));
    let issuer = listeners.issuer.map(|listener| (listener, secure.issuer));
    let issuers = serve_issuer(issuer, guard, node.clone(), until(halted.clone()));
    tasks.push(("the issuer's interface", runtimes.operators.spawn(issuers)));
    tasks.push(("renewing", runtimes.operators.spawn(renewal.look_forever(until(halted)))));
    let watchdog = Watchdog::start(node.clone(), runtimes.raft.handle())
        .map_err(|source| BringUpError::System { what: "start the watchdog", source })?;

    let running = Running { state, node: node.clone(), gateway: leaving, drain, door, halt, tasks };
    runtimes.operators.block_on(async {
        let stop = stop.await;
        tracing::info!(?stop, "stopping");
        let leave_for = leave_for(&settings.borrow(), stop);
        running.end(leave_for).await;
    });
    watchdog.stop();
    runtimes.raft.block_on(node.stop());
    tracing::info!("stopped");
    Ok(())
}

/// The cluster's part of the node.
fn start(config: &Config, runtime: &Runtime, around: Surroundings) -> Result<Node<LedgerMachine>, BringUpError> {
    let chance = chance::bytes().map_err(|source| BringUpError::System { what: "read random bytes", source })?;
    let settings = config.cluster(Arc::new(wall_clock_us), chance);
    #[cfg(feature = "planted")]
    let settings = crate::planted::understanding(settings);
    let node = runtime.block_on(Node::<LedgerMachine>::start(settings, around))?;
    tracing::info!(node = node.id(), incarnation = node.incarnation(), "node started");
    Ok(node)
}

/// What walks over the books while the node leads.
fn walkers(
    settings: &watch::Receiver<Config>,
    runtime: &Runtime,
    node: &Node<LedgerMachine>,
    (unconfirmed, findings): (Unconfirmed, Findings),
    halted: &watch::Receiver<bool>,
) -> [(&'static str, tokio::task::JoinHandle<()>); 2] {
    let sweeper = sweep_forever(node.clone(), wall_clock_us, unconfirmed, until(halted.clone()));
    let audits = audit_forever(node.clone(), settings.clone(), findings, until(halted.clone()));
    [("the sweeper", runtime.spawn(sweeper)), ("the auditor", runtime.spawn(audits))]
}

/// What the node raises alarms for.
fn alarms(
    config: &Config,
    node: &Node<LedgerMachine>,
    desk: &Arc<Desk<Replicated>>,
    (findings, certificates): (&Findings, &Certificates),
) -> NodeAlarms {
    NodeAlarms {
        node: node.clone(),
        desk: desk.clone(),
        findings: findings.clone(),
        certificates: certificates.clone(),
        tokens_max: config.node.tokens_max,
        dirs: vec![config.log_dir(), config.node.data_dir.clone()],
        space_min_bytes: config.node.space_min_mib * 1024 * 1024,
        clock_skew_max_us: Some(config.raft.clock_skew_max_ms * 1_000).filter(|us| *us > 0),
    }
}

/// What answers, and what tells it to stop.
struct Running {
    state: Arc<State>,
    node: Node<LedgerMachine>,
    gateway: Arc<Gateway<Replicated>>,
    drain: watch::Sender<bool>,
    door: JoinHandle<()>,
    halt: watch::Sender<bool>,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Running {
    /// Takes it down, in the order in which others may notice.
    async fn end(self, leave_for: Duration) {
        self.state.drain();
        self.gateway.leave();
        tokio::join!(self.node.step_down(), tokio::time::sleep(leave_for));
        self.drain.send_replace(true);
        ended("the door", self.door.await);
        // It may have been elected again meanwhile.
        self.node.step_down().await;
        self.halt.send_replace(true);
        for (what, task) in self.tasks {
            ended(what, task.await);
        }
    }
}

/// Real files, and a process that ends where a node cannot go on.
fn surroundings(listener: TcpListener, secure: Option<Peers>) -> Surroundings {
    let on_fatal = Arc::new(|reason: &str| {
        tracing::error!(reason, "this node cannot go on");
        std::process::exit(CORE_DEAD);
    });
    Surroundings { files: Arc::new(RealFiles), listener: listener.into(), secure, on_fatal }
}

/// The desk with its journal, its policy and its breaker.
fn desk(config: &Config, node: &Node<LedgerMachine>) -> Result<Desk<Replicated>, BringUpError> {
    let settings = config.stand_in_settings();
    let owner = Owner { node: node.id(), incarnation: node.incarnation() };
    let files = Arc::new(Directory(config.node.data_dir.clone()));
    let known = Box::new(OwnBooks { node: node.clone(), clock: wall_clock_us });
    let policy = config.stand_in_policy_of(node.id(), joined(node))?;
    let orders = Some(Orders::new(files.clone()));
    #[cfg(feature = "planted")]
    crate::planted::before_opening(&config.node.data_dir.join("standin.journal"))
        .map_err(|source| BringUpError::System { what: "plant a bug", source })?;
    let journal = Journal::open(files, owner, settings.owed_max);
    Ok(Desk::of(Replicated(node.clone()), Parts { owner, settings, policy, journal, known, orders }))
}

/// Whether the cluster gave this node its id.
fn joined(node: &Node<LedgerMachine>) -> Joined {
    if node.joined() { Joined::Yes } else { Joined::No }
}

/// Who may use the issuer's interface.
fn guard(config: &Config, metrics: &mut Registry) -> Result<issuer::Guard, BringUpError> {
    let credentials = Credentials::new(&config.issuer())
        .map_err(|error| ConfigError::field("issuer.credentials", error.to_string()))?;
    Ok(issuer::Guard::new(credentials, crate::metrics::issuer_turned_away(metrics)))
}

/// Serves the issuer's interface if there is to be one.
async fn serve_issuer(
    listener: Option<(TcpListener, Wire)>,
    guard: issuer::Guard,
    node: Node<LedgerMachine>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    if let Some(listener) = listener {
        issuer::serve(listener, guard, issuer::Service::new(node), stop).await;
    }
}

fn ended(what: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(what, %error, "a task ended in a panic");
    }
}

async fn until(mut flag: watch::Receiver<bool>) {
    // The sender lives as long as the node: an error means that it is gone, which ends the wait just as well.
    let _ = flag.wait_for(|set| *set).await;
}

fn register(
    books: RaftState,
    gateway: &Gateway<Replicated>,
    desk: &Arc<Desk<Replicated>>,
    certificates: &Certificates,
) -> Registry {
    let mut registry = Registry::default();
    books.node.stages().register(&mut registry);
    // The rooms below name their metrics without the product's name.
    gateway.register(registry.sub_registry_with_prefix("holdfast"));
    registry.register_collector(Box::new(books));
    registry.register_collector(Box::new(crate::metrics::CertificateEnds(certificates.clone())));
    registry.register_collector(Box::new(crate::metrics::StandInState(desk.clone())));
    registry
}
