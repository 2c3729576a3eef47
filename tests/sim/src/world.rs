//! The simulated machines: one thread, one turn of a millisecond after the other.
//!
//! Each node has a runtime of its own, with paused time, so that it can be ended between two polls as a power cut does.
//! In a turn what is due arrives, what is due goes wrong, clients ask, and then each node in an order that is drawn
//! anew runs for a millisecond of its time.

use crate::books::Watched;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::net::{Net, address};
use crate::oracle;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::traffic::{Ask, Traffic};
use cluster::{Config, Join, Listener, Member, Node, ProposeError, StartError, Surroundings};
use ledger::Output;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// The first moment on the nodes' clocks, in microseconds since the Unix epoch.
const BEGINNING_US: u64 = 1_800_000_000_000_000;
/// A node that does not start is started again after this long, as a supervisor does.
const AGAIN_MS: u64 = 300;

/// How often it is asked whether a node's core lives, and how long that may take.
const WATCH_MS: u64 = 250;
const ALIVE: Duration = Duration::from_secs(1);

type Answers = Arc<Mutex<Vec<(u64, Result<Output, ProposeError>)>>>;
type Started = Arc<Mutex<Option<Result<Node<Watched>, StartError>>>>;

/// All of it.
pub struct World {
    pub plan: Plan,
    pub trace: Trace,
    pub net: Net,
    pub hosts: BTreeMap<u64, Host>,
    pub traffic: Traffic,
    pub now_ms: u64,
    dice: Dice,
    answers: Answers,
}

/// A machine.
pub struct Host {
    id: u64,
    pub disk: Disk,
    pub life: u64,
    running: Option<Running>,
    /// When it is started again.
    back_ms: Option<u64>,
    skew_us: Arc<AtomicI64>,
    fatal: Arc<Mutex<Option<String>>>,
    /// Something was done to its disk that it must end for: what then becomes of its disk, and for how long.
    may_end: Option<(u64, u64)>,
    /// It is being stopped: until when at most, and for how long.
    stops: Option<(u64, u64)>,
    /// Why it did not start.
    pub refused: Option<String>,
}

struct Running {
    node: Option<Node<Watched>>,
    starting: Started,
    born_ms: u64,
    origin: Instant,
    runtime: Runtime,
}

/// How a node comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its process is killed.
    Killed,
    /// Its power is cut; what becomes of unsynced sectors.
    PowerCut(u64),
}

impl World {
    /// Nothing runs yet.
    pub fn new(plan: Plan, trace: Trace) -> World {
        let host = |id: u64| Host {
            id,
            disk: Disk::new(id, plan.seed, plan.disk_us, trace.clone()),
            life: 0,
            running: None,
            back_ms: Some(0),
            skew_us: Arc::new(AtomicI64::new(plan.skew_us.get(id as usize - 1).copied().unwrap_or(0))),
            fatal: Arc::default(),
            may_end: None,
            stops: None,
            refused: None,
        };
        World {
            net: Net::new(plan.nodes, plan.latency_ms, plan.seed, trace.clone()),
            hosts: (1..=plan.nodes).map(|id| (id, host(id))).collect(),
            traffic: Traffic::new(plan.traffic, plan.nodes, plan.seed),
            now_ms: 0,
            dice: Dice::new(plan.seed, "turns"),
            answers: Answers::default(),
            trace,
            plan,
        }
    }

    /// One millisecond.
    pub fn turn(&mut self, asks: Vec<Ask>) {
        self.now_ms += 1;
        self.trace.at(self.now_ms);
        self.net.deliver(self.now_ms);
        let mut ids: Vec<u64> = self.hosts.keys().copied().collect();
        self.dice.shuffle(&mut ids);
        for id in &ids {
            self.start_if_due(*id);
        }
        asks.into_iter().for_each(|ask| self.put(ask));
        if self.now_ms.is_multiple_of(WATCH_MS) {
            ids.iter().for_each(|id| self.watch(*id));
        }
        for id in ids {
            if let Some(host) = self.hosts.get_mut(&id) {
                oracle::turn_of(id, host.life);
                host.run(self.now_ms);
            }
            self.look_after(id);
        }
        let answers = std::mem::take(&mut *self.answers.lock());
        for (id, outcome) in answers {
            self.trace.note("answer", format_args!("{id} {outcome:?}"));
            self.traffic.answer(id, outcome, self.now_ms);
        }
    }

    /// Asks a node, if it is there.
    fn put(&mut self, ask: Ask) {
        let Ask { id, node: at, command, for_ms } = ask;
        self.trace.note("ask", format_args!("{id} of {at} for {for_ms}"));
        let running = self.hosts.get(&at).and_then(|host| host.running.as_ref());
        let Some((running, node)) = running.and_then(|running| Some((running, running.node.clone()?))) else {
            return self.traffic.answer(id, Err(ProposeError::NotProposed), self.now_ms);
        };
        let answers = self.answers.clone();
        running.runtime.spawn(async move {
            let deadline = Instant::now() + Duration::from_millis(for_ms);
            let outcome = node.propose(&command, deadline.into_std()).await;
            answers.lock().push((id, outcome));
        });
    }

    /// Does its core live? As the product asks: a process whose core has ended ends, too.
    fn watch(&self, id: u64) {
        let Some(host) = self.hosts.get(&id) else { return };
        let fatal = host.fatal.clone();
        self.order(id, |node, _| async move {
            if let Err(why) = node.alive(ALIVE).await {
                fatal.lock().get_or_insert(why);
            }
        });
    }

    /// Lets something be done with a node on its runtime, and does not wait for it.
    pub fn order<F>(&self, id: u64, order: impl FnOnce(Node<Watched>, Instant) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(running) = self.hosts.get(&id).and_then(|host| host.running.as_ref()) else { return };
        let Some(node) = running.node.clone() else { return };
        let now = running.origin + Duration::from_millis(self.now_ms - running.born_ms);
        running.runtime.spawn(order(node, now));
    }

    /// Ends a node's life. It is back after a while.
    pub fn end(&mut self, id: u64, end: End, down_ms: u64) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        self.trace.note("end", format_args!("{id} {end:?} for {down_ms}"));
        // The disk first: nothing that happens while its tasks vanish may reach it.
        match end {
            End::Killed => {
                host.disk.end();
                self.net.end(id);
            }
            End::PowerCut(tear) => {
                host.disk.power_off(tear);
                self.net.power_off(id);
            }
        }
        host.running = None;
        (host.may_end, host.stops) = (None, None);
        *host.fatal.lock() = None;
        host.back_ms = Some(self.now_ms + down_ms);
        // What it answered in its last moment nobody hears: the question is closed.
        self.traffic.lost(id, self.now_ms);
    }

    /// A node is going down by itself. When it is not heard of any more, or after this long, its process ends.
    pub fn stopping(&mut self, id: u64, at_most_ms: u64, down_ms: u64) {
        if let Some(host) = self.hosts.get_mut(&id).filter(|host| host.running.is_some()) {
            host.stops = Some((self.now_ms + at_most_ms, down_ms));
        }
    }

    /// Every node is up again, soon, its disk is whole, and its clock as far off as it was at first.
    pub fn heal(&mut self) {
        let now_ms = self.now_ms;
        for host in self.hosts.values_mut() {
            host.back_ms = host.back_ms.map(|back_ms| back_ms.min(now_ms + 1));
            host.disk.heal();
            let skew_us = self.plan.skew_us.get(host.id as usize - 1).copied().unwrap_or(0);
            host.skew_us.store(skew_us, Ordering::Relaxed);
        }
    }

    fn start_if_due(&mut self, id: u64) {
        let now_ms = self.now_ms;
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.running.is_some() || host.back_ms.is_none_or(|back_ms| back_ms > now_ms) {
            return;
        }
        host.life += 1;
        host.back_ms = None;
        let config = config(&self.plan, host, now_ms);
        let (accepted, dial) = self.net.begin(id);
        let fatal = host.fatal.clone();
        let around = Surroundings {
            files: host.disk.life(),
            listener: Listener::Other { accepted, dial },
            secure: None,
            on_fatal: Arc::new(move |why: &str| {
                fatal.lock().get_or_insert_with(|| why.to_owned());
            }),
        };
        self.trace.note("start", format_args!("{id} life {}", host.life));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let origin = runtime.block_on(async { Instant::now() });
        let starting = Started::default();
        let started = starting.clone();
        let (config, skew_us) = (config, host.skew_us.clone());
        let clock = move || {
            let now_us = BEGINNING_US + now_ms * 1_000 + (Instant::now() - origin).as_micros() as u64;
            now_us.saturating_add_signed(skew_us.load(Ordering::Relaxed))
        };
        runtime.spawn(async move {
            let config = Config { clock: Arc::new(clock), ..config };
            let result = Node::start(config, around).await;
            *started.lock() = Some(result);
        });
        host.running = Some(Running { node: None, starting, born_ms: now_ms, origin, runtime });
    }

    /// After its turn: is it up, has it ended?
    fn look_after(&mut self, id: u64) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(running) = &mut host.running else { return };
        if host.disk.power_is_off() {
            let (tear, down_ms) = host.may_end.unwrap_or((self.now_ms, AGAIN_MS));
            return self.end(id, End::PowerCut(tear), down_ms);
        }
        let fatal = host.fatal.lock().take();
        if let Some(why) = fatal {
            self.trace.note("fatal", format_args!("{id} {why}"));
            let expected = host.may_end.or(host.stops).map(|(_, down_ms)| down_ms);
            if expected.is_none() {
                oracle::violated(format!("fatal: node {id}: {why}"));
            }
            let down_ms = expected.unwrap_or(AGAIN_MS);
            return self.end(id, End::Killed, down_ms);
        }
        let started = running.starting.lock().take();
        match started {
            Some(Ok(node)) => {
                self.trace.note("up", format_args!("{id}"));
                node.set_serving(true);
                running.node = Some(node);
                host.refused = None;
            }
            Some(Err(error)) => {
                self.trace.note("refused", format_args!("{id} {error}"));
                host.refused = Some(error.to_string());
                return self.end(id, End::Killed, AGAIN_MS);
            }
            None => {}
        }
        if let Some(node) = &running.node {
            oracle::saw(id, &node.progress());
        }
        if let Some((at_ms, down_ms)) = host.stops.filter(|(at_ms, _)| *at_ms <= self.now_ms) {
            self.trace.note("stopped", format_args!("{id} {at_ms}"));
            self.end(id, End::Killed, down_ms);
        }
    }
}

impl Host {
    fn run(&mut self, now_ms: u64) {
        let Some(running) = &self.running else { return };
        let until = running.origin + Duration::from_millis(now_ms - running.born_ms);
        running.runtime.block_on(async move {
            // Paused: the runtime's own time, in which everything else it has to do comes before.
            tokio::time::sleep_until(until).await;
        });
    }

    /// The node, if it is up.
    pub fn node(&self) -> Option<&Node<Watched>> {
        self.running.as_ref()?.node.as_ref()
    }

    /// Its clock jumps.
    pub fn step_clock(&self, step_us: i64) {
        self.skew_us.fetch_add(step_us, Ordering::Relaxed);
    }

    /// From now on it may end because of its disk, and is back after a while; unsynced sectors go by `tear`.
    pub fn may_end(&mut self, tear: u64, down_ms: u64) {
        self.may_end = Some((tear, down_ms));
    }
}

fn config(plan: &Plan, host: &Host, now_ms: u64) -> Config {
    let member = |id: u64| Member { peer: address(id), admin: String::new() };
    let mut dice = Dice::new(plan.seed ^ (host.id << 32) ^ host.life ^ now_ms, "chance");
    let mut chance = [1; 16];
    chance[..8].copy_from_slice(&dice.seed().to_le_bytes());
    Config {
        cluster: [7; 16],
        cluster_is_given: true,
        node: host.id,
        members: (1..=plan.nodes).map(|id| (id, member(id))).collect(),
        bootstrap: true,
        join: Join { ask: Vec::new(), own: member(host.id) },
        log_dir: PathBuf::from("/log"),
        data_dir: PathBuf::from("/data"),
        history_dir: None,
        segment_bytes: plan.segment_bytes,
        timing: plan.timing,
        snapshots: plan.snapshots,
        clock: Arc::new(|| BEGINNING_US),
        clock_skew_max: plan.clock_skew_max,
        version_max: crate::version::CLUSTER_VERSION_MAX,
        packed_since: crate::version::PACKED_HISTORY,
        chance,
    }
}
