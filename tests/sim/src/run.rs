//! One run: the cluster forms, things go wrong, things are whole again.
//!
//! **Safety** is looked at in every turn, while faults come as planned. **Liveness** follows: with every fault taken
//! back and every node started, the cluster must elect, agree and serve through each node within [`HEAL_MS`].

use crate::oracle::{self, Plant};
use crate::plan::{Fault, Plan, What};
use crate::trace::Trace;
use crate::traffic::New;
use crate::world::{End, World};
use std::collections::BTreeMap;
use std::time::Duration;

/// Until the cluster is made and its accounts are open.
const FORM_MS: u64 = 20_000;
/// Until all is well again: some elections with the longest timers, and a snapshot for who is far behind.
const HEAL_MS: u64 = 30_000;
/// How often the books of all nodes are compared.
const COMPARE_MS: u64 = 2_000;
/// How long an operator's order may take.
const ORDER: Duration = Duration::from_secs(2);

/// Which faults of the plan happen.
#[derive(Clone, Debug, Default)]
pub struct Only {
    /// So many, from the first on.
    pub first: Option<usize>,
    /// Without these, by number.
    pub without: Vec<usize>,
    /// A bug on purpose.
    pub plant: Option<Planted>,
}

/// A bug on purpose, that the run must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// The disks acknowledge before they sync.
    LyingDisk,
    /// Node 2 applies something else now and then.
    Unlike,
    /// A token is decided anew now and then.
    Forgetful,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was not as it must be.
    pub violation: Option<String>,
    /// What all that happened folds to, and how much that was.
    pub trace: (u64, u64),
    /// Simulated time.
    pub sim_ms: u64,
    /// Faults that happened.
    pub faults: usize,
    /// Commands applied, and tokens that were decided.
    pub applied: (usize, usize),
    /// Questions answered, and outcomes that stayed unknown.
    pub asked: (u64, u64),
    /// Lives that nodes have had, and terms with a leader.
    pub lives: (u64, u64),
}

/// What is taken back later.
enum Undo {
    Mend(Vec<(u64, u64)>),
    Pace(u64, u64),
    Disk(u64),
}

struct Run {
    world: World,
    undo: BTreeMap<u64, Vec<Undo>>,
    compared: BTreeMap<u64, u64>,
    done: usize,
}

/// Runs a plan.
pub fn run(plan: Plan, only: &Only, trace: Trace) -> Verdict {
    let planted = match only.plant {
        Some(Planted::Unlike) => Some(Plant::Unlike),
        Some(Planted::Forgetful) => Some(Plant::Forgetful),
        Some(Planted::LyingDisk) | None => None,
    };
    oracle::begin(trace.clone(), planted);
    let world = World::new(plan, trace);
    if only.plant == Some(Planted::LyingDisk) {
        world.hosts.values().for_each(|host| host.disk.lie());
    }
    let mut run = Run { world, undo: BTreeMap::new(), compared: BTreeMap::new(), done: 0 };
    run.form();
    run.suffer(only);
    run.heal();
    if oracle::violation().is_none() {
        run.compare(true);
        oracle::settle();
    }
    run.verdict()
}

impl Run {
    fn over(&self) -> bool {
        oracle::violation().is_some()
    }

    fn turn(&mut self, new: New) {
        let asks = self.world.traffic.ask(self.world.now_ms, new);
        self.world.turn(asks);
        if self.world.now_ms.is_multiple_of(COMPARE_MS) {
            self.compare(false);
        }
    }

    fn form(&mut self) {
        self.world.traffic.open();
        while !self.over() && !self.world.traffic.is_settled() {
            if self.world.now_ms > FORM_MS {
                return oracle::violated(format!("liveness: no cluster in {FORM_MS} ms"));
            }
            self.turn(New::None);
        }
    }

    fn suffer(&mut self, only: &Only) {
        let began_ms = self.world.now_ms;
        let faults = std::mem::take(&mut self.world.plan.faults);
        let chosen = faults.into_iter().enumerate().take(only.first.unwrap_or(usize::MAX));
        let mut faults = chosen.filter(|(number, _)| !only.without.contains(number)).peekable();
        while !self.over() && self.world.now_ms - began_ms < self.world.plan.faulty_ms {
            let now_ms = self.world.now_ms;
            while let Some((number, Fault { what, .. })) = faults.next_if(|(_, f)| f.at_ms + began_ms <= now_ms) {
                self.world.trace.note("fault", format_args!("{number} {what:?}"));
                self.done += 1;
                self.inflict(what);
            }
            self.take_back(now_ms);
            self.turn(New::Some);
        }
    }

    fn inflict(&mut self, what: What) {
        let now_ms = self.world.now_ms;
        match what {
            What::Kill { node, down_ms } => self.world.end(node, End::Killed, down_ms),
            What::PowerCut { nodes, tear, down_ms } => {
                for (place, node) in nodes.into_iter().enumerate() {
                    let tear = tear.wrapping_add(place as u64);
                    self.world.end(node, End::PowerCut(tear), down_ms + 40 * place as u64);
                }
            }
            What::TornWrite { node, changes, tear, down_ms } => {
                if let Some(host) = self.world.hosts.get_mut(&node) {
                    host.may_end(tear, down_ms);
                    host.disk.power_off_after(changes);
                }
            }
            What::SyncError { node, down_ms } => {
                if let Some(host) = self.world.hosts.get_mut(&node) {
                    host.may_end(0, down_ms);
                    host.disk.fail_next_sync();
                }
            }
            What::Stop { node, down_ms } => {
                // It goes down by itself, or is killed when its time is over.
                self.world.order(node, |node, _| async move {
                    node.step_down().await;
                    node.stop().await;
                });
                self.world.stopping(node, 1_000, down_ms);
            }
            What::Cut { links, for_ms } => {
                links.iter().for_each(|(from, to)| self.world.net.cut(*from, *to));
                self.undo.entry(now_ms + for_ms).or_default().push(Undo::Mend(links));
            }
            What::Slow { from, to, most_ms, for_ms } => {
                self.world.net.pace(from, to, 1, most_ms);
                self.undo.entry(now_ms + for_ms).or_default().push(Undo::Pace(from, to));
            }
            What::Break { one, other } => self.world.net.break_all(one, other),
            What::SlowDisk { node, most_us, for_ms } => {
                if let Some(host) = self.world.hosts.get(&node) {
                    host.disk.pace(most_us);
                }
                self.undo.entry(now_ms + for_ms).or_default().push(Undo::Disk(node));
            }
            What::Clock { node, step_us } => {
                if let Some(host) = self.world.hosts.get(&node) {
                    host.step_clock(step_us);
                }
            }
            What::HandOver { to } => self.world.order(to, move |node, now| async move {
                // Refused where nobody leads, and that is well.
                let _ = node.hand_over(Some(to), (now + ORDER).into_std()).await;
            }),
            What::Snapshot { node } => self.world.order(node, |node, now| async move {
                // Refused where it goes down, and that is well.
                let _ = node.snapshot((now + ORDER).into_std()).await;
            }),
        }
    }

    fn take_back(&mut self, now_ms: u64) {
        let later = self.undo.split_off(&(now_ms + 1));
        let due = std::mem::replace(&mut self.undo, later);
        for undo in due.into_values().flatten() {
            let (least_ms, most_ms) = self.world.plan.latency_ms;
            match undo {
                Undo::Mend(links) => links.iter().for_each(|(from, to)| self.world.net.mend(*from, *to)),
                Undo::Pace(from, to) => self.world.net.pace(from, to, least_ms, most_ms),
                Undo::Disk(node) => {
                    if let Some(host) = self.world.hosts.get(&node) {
                        host.disk.pace(self.world.plan.disk_us);
                    }
                }
            }
        }
    }

    fn heal(&mut self) {
        if self.over() {
            return;
        }
        self.world.trace.note("heal", format_args!(""));
        self.take_back(u64::MAX - 1);
        self.world.heal();
        self.world.traffic.probe();
        let until_ms = self.world.now_ms + HEAL_MS;
        while !self.over() && !self.is_well() {
            if self.world.now_ms > until_ms {
                let text = format!("liveness: after {HEAL_MS} ms {}", self.what_is_wrong());
                return oracle::violated(text);
            }
            self.turn(New::None);
        }
    }

    /// All are up, agree on a leader, have applied the same, and everybody who asked has an answer.
    fn is_well(&self) -> bool {
        let mut states = self.world.hosts.values().map(|host| {
            let progress = host.node()?.progress();
            Some((progress.term, progress.leader?, progress.applied_index, progress.last_log_index))
        });
        let Some(Some(first)) = states.next() else { return false };
        first.2 == first.3 && states.all(|state| state == Some(first)) && self.world.traffic.is_settled()
    }

    fn what_is_wrong(&self) -> String {
        let host = |(id, host): (&u64, &crate::world::Host)| match (host.node(), &host.refused) {
            (Some(node), _) => format!("node {id}: {:?}", node.progress()),
            (None, Some(why)) => format!("node {id} does not start: {why}"),
            (None, None) => format!("node {id} is not up"),
        };
        let hosts: Vec<String> = self.world.hosts.iter().map(host).collect();
        format!("{}; settled: {}", hosts.join("; "), self.world.traffic.is_settled())
    }

    /// The books of every node that has applied something since, and of all of them at the end.
    fn compare(&mut self, last: bool) {
        for (id, host) in &self.world.hosts {
            let Some(node) = host.node() else { continue };
            let index = node.progress().applied_index;
            if !last && self.compared.get(id) == Some(&index) {
                continue;
            }
            let known = oracle::compare(*id, index, node.freeze().as_ref());
            self.compared.insert(*id, index);
            if last && known.is_none() {
                oracle::violated(format!("books: those of node {id} at {index} are too old to be compared"));
            }
        }
    }

    fn verdict(self) -> Verdict {
        let world = self.world;
        Verdict {
            violation: oracle::violation(),
            trace: world.trace.sum(),
            sim_ms: world.now_ms,
            faults: self.done,
            applied: oracle::counts(),
            asked: (world.traffic.answered, world.traffic.unknown),
            lives: (world.hosts.values().map(|host| host.life).sum(), world.trace.count("leader")),
        }
    }
}
