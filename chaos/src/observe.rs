//! What the nodes say of themselves while all goes on: terms, who leads, the breaker, and who answers at all.
//!
//! What must hold: a look that gets no answer in time says so and holds up nothing else; what is kept is bounded by
//! what changed. The books are never read here. Not here: judging (`run/judge.rs`).

use crate::alarm::Raised;
use crate::stop::Stop;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(100);
/// A node that has said nothing for longer is not known to lead.
const FRESH: Duration = Duration::from_secs(1);
/// Changes that are kept of one node: one per look for an hour.
const CHANGES_MAX: usize = 36_000;

/// What a node said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Raft's term.
    pub term: u64,
    /// Who leads, 0 if unknown.
    pub leader: u64,
    /// It leads itself.
    pub leads: bool,
    /// Of the breaker: 0 closed, 1 half open, 2 open.
    pub breaker: u64,
    /// It is in contact with a quorum.
    pub in_contact: bool,
    /// How far the books are.
    pub applied: u64,
    /// The alarms that it raises.
    #[serde(default)]
    pub raised: Raised,
}

/// A change of what a node said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Since the run began.
    pub at_ms: u64,
    /// Which node.
    pub node: u64,
    /// What it says from then on; none: nothing.
    pub said: Option<Said>,
}

/// Asks one node; none if it does not answer.
pub type Look = Box<dyn Fn() -> Option<Said> + Send>;

/// Looks at all nodes, a thread each, until it is dropped.
pub struct Observer {
    shared: Arc<Shared>,
    stop: Stop,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: BTreeMap<u64, (Instant, Option<Said>)>,
    changes: Vec<Change>,
    /// No members any more: what they say does not count.
    gone: BTreeSet<u64>,
    /// Their processes were ended: what was asked before does not count.
    ended: BTreeMap<u64, Instant>,
}

impl Observer {
    /// Begins; `begun` is the zero of all times.
    pub fn start(begun: Instant, looks: Vec<(u64, Look)>) -> Observer {
        let shared = Arc::new(Shared { begun, state: Mutex::default() });
        let stop = Stop::default();
        let observer = Observer { shared, stop, threads: Mutex::default() };
        looks.into_iter().for_each(|(node, look)| observer.add(node, look));
        observer
    }

    /// Looks at one more node from now on.
    pub fn add(&self, node: u64, look: Look) {
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        let thread = std::thread::spawn(move || {
            while stop.wait_until(Instant::now() + EVERY) {
                let asked = Instant::now();
                shared.note(node, asked, look());
            }
        });
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// A node is no member any more: it is not waited for.
    pub fn forget(&self, node: u64) {
        let mut state = self.shared.lock();
        state.gone.insert(node);
        state.last.remove(&node);
    }

    /// A node's process has ended: only what the next one says counts. That one may be up before anybody looks again.
    pub fn ended(&self, node: u64) {
        let now = Instant::now();
        self.shared.lock().ended.insert(node, now);
        self.shared.note(node, now, None);
    }

    /// Who leads, as the node with the highest term among those who say that they do.
    pub fn leader(&self) -> Option<u64> {
        let now = Instant::now();
        let state = self.shared.lock();
        let fresh = state.last.iter().filter(|(_, (at, _))| now.duration_since(*at) < FRESH);
        let leaders =
            fresh.filter_map(|(node, (_, said))| said.filter(|said| said.leads).map(|said| (said.term, *node)));
        leaders.max().map(|(_, node)| node)
    }

    /// What a node said last.
    pub fn said(&self, node: u64) -> Option<Said> {
        self.shared.lock().last.get(&node).and_then(|(_, said)| *said)
    }

    /// The highest term that anybody has said.
    pub fn term(&self) -> u64 {
        self.shared.lock().last.values().filter_map(|(_, said)| said.map(|said| said.term)).max().unwrap_or(0)
    }

    /// All nodes answer, are in contact, agree on who leads, and have no breaker open.
    pub fn is_steady(&self, nodes: u64) -> bool {
        let state = self.shared.lock();
        let mut leaders = state.last.values().map(|(_, said)| said.map_or(0, |said| said.leader));
        let first = leaders.next().unwrap_or(0);
        let well = |said: &Option<Said>| said.is_some_and(|said| said.in_contact && said.breaker == 0);
        state.last.len() as u64 == nodes
            && first != 0
            && leaders.all(|leader| leader == first)
            && state.last.values().all(|(_, said)| well(said))
    }

    /// Everything that changed, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.shared.lock().changes.clone()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.set();
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A look that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, node: u64, asked: Instant, said: Option<Said>) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.gone.contains(&node) || state.ended.get(&node).is_some_and(|ended| asked < *ended) {
            return;
        }
        let before = state.last.insert(node, (now, said));
        let without_place = |said: Option<Said>| said.map(|said| Said { applied: 0, ..said });
        let same = before.is_some_and(|(_, before)| without_place(before) == without_place(said));
        if !same && state.changes.len() < CHANGES_MAX * 9 {
            let at_ms = u64::try_from(now.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX);
            state.changes.push(Change { at_ms, node, said });
        }
    }
}

/// Reads what a node's metrics say; none if something is missing.
pub fn parse(metrics: &str) -> Option<Said> {
    let number = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.split('.').next()?.trim().parse::<u64>().ok()
    };
    Some(Said {
        term: number("holdfast_raft_term")?,
        leader: number("holdfast_raft_leader_id")?,
        leads: number("holdfast_raft_is_leader")? == 1,
        breaker: number("holdfast_breaker_phase")?,
        in_contact: number("holdfast_raft_in_contact")? == 1,
        applied: number("holdfast_raft_applied_index")?,
        raised: Raised::read(metrics),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# HELP holdfast_raft_term Raft's term on this node.\nholdfast_raft_term 7\n\
        holdfast_raft_leader_id 2\nholdfast_raft_is_leader 0\nholdfast_breaker_phase 2\nholdfast_raft_in_contact 1\n\
        holdfast_raft_applied_index 99\n";

    #[test]
    fn metrics_are_read_or_refused_whole() {
        let said =
            Said { term: 7, leader: 2, leads: false, breaker: 2, in_contact: true, applied: 99, ..Said::default() };
        assert_eq!(parse(METRICS), Some(said));
        assert_eq!(parse(&METRICS.replace("_is_leader 0", "_is_leader x")), None);
    }

    #[test]
    fn only_changes_are_kept_and_the_newest_leader_counts() {
        let shared = Arc::new(Shared { begun: Instant::now(), state: Mutex::default() });
        let said =
            |term, leads, applied| Some(Said { term, leader: 1, leads, in_contact: true, applied, ..Said::default() });
        for (node, what) in [(1, said(1, true, 1)), (1, said(1, true, 2)), (2, said(2, true, 1)), (1, None)] {
            shared.note(node, Instant::now(), what);
        }
        let observer = Observer { shared, stop: Stop::default(), threads: Mutex::default() };
        assert_eq!(observer.changes().len(), 3);
        assert_eq!((observer.leader(), observer.term()), (Some(2), 2));
        assert!(!observer.is_steady(2));
        observer.forget(2);
        observer.shared.note(2, Instant::now(), said(3, true, 1));
        assert_eq!((observer.said(2), observer.changes().len()), (None, 3));
    }

    #[test]
    fn a_node_that_is_restarted_between_two_looks_was_down() {
        let asked = Instant::now();
        let observer = Observer::start(asked, Vec::new());
        let said = Some(Said { term: 1, leader: 1, in_contact: true, ..Said::default() });
        observer.shared.note(1, asked, said);
        observer.ended(1);
        observer.shared.note(1, asked, said);
        assert_eq!((observer.said(1), observer.is_steady(1)), (None, false), "an answer of the process that ended");
        observer.shared.note(1, Instant::now(), said);
        assert_eq!((observer.said(1), observer.is_steady(1), observer.changes().len()), (said, true, 3));
    }
}
