//! The desk: one request in, one answer out, never later than its deadline.
//!
//! What must hold: nothing is told approved but by the books, or alone by policy and journal; what was declined alone
//! after a proposal that may still commit is owed as a void *before* the answer leaves. While the breaker is open
//! nobody waits: not those who come, nor those who came before. A request whose future is dropped in time (its client
//! went away) told nobody anything, so it owes nothing: if its proposal commits, the hold stays until the processor's
//! own event. One that is dropped after its deadline would have been declined if the process had not stood still, so it
//! owes its void; so does one that learns of its approval only then.

use crate::alone::{Occasion, Proposed};
use crate::breaker::{Asked, Look, Order, Phase, Rules};
use crate::counts::{Counts, Tallies};
use crate::gate::{Asking, Gate, Pass, now};
use crate::inflight::{Boarding, InFlight, Key};
use crate::journal::{Journal, Owner};
use crate::known::{Known, Nothing};
use crate::order::Orders;
use crate::policy::Policy;
use crate::request::{Answer, Request};
use ledger::{Attempt, Command, Output, Sweep, Verdict};
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout_at;

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDecision {
    /// Our own code never proposed it: nothing can come of it.
    #[error("not proposed")]
    NotProposed,
    /// It may have been committed, or may still be.
    #[error("outcome unknown")]
    Unknown,
}

/// What stand-in needs of a cluster: decide a command by a deadline.
pub trait Decide: Send + Sync + 'static {
    /// Returns by `deadline` (with the scheduler's slack), whatever happens.
    fn decide(&self, command: Command, deadline: Instant) -> impl Future<Output = Result<Output, NoDecision>> + Send;
}

/// How a desk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Kept back from the deadline for the reply. A request that has less time left is not proposed.
    pub reply_reserve: Duration,
    /// The most that is owed at a time; beyond it no approval is given, and voids are counted and dropped, so that
    /// their holds stay.
    pub owed_max: usize,
    /// The most settlements proposed at a time, so that settling yields to live traffic: a quarter of a batch.
    pub settling_max: usize,
    /// How long one proposal of a settlement may take.
    pub settle_within: Duration,
    /// The pause after a settlement that was not seen applied; doubled each time, up to `settle_pause_max`.
    pub settle_pause_min: Duration,
    /// The longest pause.
    pub settle_pause_max: Duration,
    /// How often the breaker looks: how exactly its opening is timed.
    pub look_every: Duration,
    /// How long a half-open breaker waits for a request to be its probe before it asks by itself.
    pub probe_after: Duration,
    /// When the breaker opens and closes.
    pub breaker: Rules,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            reply_reserve: Duration::from_millis(20),
            // About 400 bytes each: 100 MB at the worst, an hour of 73 answers a second. 128 MiB of journal.
            owed_max: 262_144,
            // A batch takes 512 commands.
            settling_max: 128,
            settle_within: Duration::from_secs(2),
            settle_pause_min: Duration::from_millis(50),
            settle_pause_max: Duration::from_secs(2),
            look_every: Duration::from_millis(10),
            probe_after: Duration::from_millis(200),
            breaker: Rules::default(),
        }
    }
}

/// What a desk is made of.
pub struct Parts {
    /// Whose desk it is; attempts carry it.
    pub owner: Owner,
    /// How it behaves.
    pub settings: Settings,
    /// What it says alone.
    pub policy: Policy,
    /// Where it keeps what it said.
    pub journal: Journal,
    /// What the node knows by itself.
    pub known: Box<dyn Known>,
    /// Where an operator's order to keep the breaker open is kept; none: in memory only.
    pub orders: Option<Orders>,
}

/// Where requests are answered.
pub struct Desk<D> {
    pub(crate) cluster: D,
    owner: Owner,
    counter: AtomicU64,
    pub(crate) settings: Settings,
    pub(crate) in_flight: InFlight,
    policy: RwLock<Arc<Policy>>,
    pub(crate) journal: Journal,
    pub(crate) known: Box<dyn Known>,
    pub(crate) gate: Gate,
    orders: Mutex<Option<Orders>>,
    pub(crate) tallies: Tallies,
}

impl<D: Decide> Desk<D> {
    /// A desk of the node with this id in this incarnation, with the default settings, which declines what is not
    /// decided and keeps what it owes in memory.
    pub fn new(cluster: D, node: u64, incarnation: u64) -> Self {
        Desk::with_settings(cluster, node, incarnation, Settings::default())
    }

    /// The same, with other settings.
    pub fn with_settings(cluster: D, node: u64, incarnation: u64, settings: Settings) -> Self {
        let owner = Owner { node, incarnation };
        let journal = Journal::absent(settings.owed_max);
        Desk::of(
            cluster,
            Parts { owner, settings, policy: Policy::Decline, journal, known: Box::new(Nothing), orders: None },
        )
    }

    /// A desk of these parts.
    pub fn of(cluster: D, parts: Parts) -> Self {
        let Parts { owner, settings, policy, journal, known, orders } = parts;
        let gate = Gate::new(settings.breaker);
        if let Some(order) = orders.as_ref().and_then(Orders::read) {
            gate.force_open(order);
        }
        Desk {
            cluster,
            owner,
            counter: AtomicU64::new(0),
            settings,
            in_flight: InFlight::default(),
            policy: RwLock::new(Arc::new(policy)),
            journal,
            known,
            gate,
            orders: Mutex::new(orders),
            tallies: Tallies::default(),
        }
    }

    /// What it says alone from now on. What was said stays said, and what was used of limits stays used.
    pub fn follow(&self, policy: Policy) {
        *self.policy.write() = Arc::new(policy);
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.read().clone()
    }

    /// What this desk has done.
    pub fn counts(&self) -> Counts {
        self.tallies.read(self.owed())
    }

    /// How many settlements are owed and not yet seen applied.
    pub fn owed(&self) -> usize {
        self.journal.unsettled()
    }

    /// The phase of the breaker.
    pub fn phase(&self) -> Phase {
        self.gate.phase()
    }

    /// Opens the breaker and keeps it open, over restarts too. An error says that a restart will forget it; it is open
    /// all the same.
    pub fn force_open(&self, order: Order) -> io::Result<()> {
        // One order at a time, and the breaker first: a slow disk must not delay it.
        let orders = self.orders.lock();
        self.gate.force_open(order.clone());
        orders.as_ref().map_or(Ok(()), |orders| orders.keep(&order))
    }

    /// Lets the breaker rule itself again. An error says that a restart may open it anew.
    pub fn auto(&self, order: Order) -> io::Result<()> {
        let orders = self.orders.lock();
        self.gate.auto(order);
        orders.as_ref().map_or(Ok(()), Orders::withdraw)
    }

    /// Lets the breaker look at contact and at what is owed, until `stop`. One such task per desk.
    pub async fn watch_forever(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = tokio::time::interval(self.settings.look_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut probing = std::pin::pin!(self.probe());
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => self.look(),
                // Looking goes on meanwhile: what it waits for is the phase, which only looking brings about.
                () = &mut probing => probing.set(self.probe()),
            }
        }
    }

    /// Waits until the breaker is half open and no request has come to be its probe, and asks something that changes
    /// nothing: a node without requests, because a balancer keeps them away from it, must come back too.
    async fn probe(&self) {
        // The sender lives as long as the gate.
        let _ = self.gate.changes().wait_for(|phase| *phase == Phase::HalfOpen).await;
        tokio::time::sleep(self.settings.probe_after).await;
        if self.gate.phase() != Phase::HalfOpen {
            return;
        }
        let Pass::Ask(asking) = self.gate.admit(|| self.owed()) else {
            return;
        };
        let deadline = now() + self.settings.settle_within;
        let nothing = Command::Sweep(Sweep { from: 0, parts: 0 });
        let asked = timeout_at(deadline.into(), self.cluster.decide(nothing, deadline)).await;
        asking.ended(match asked {
            Ok(Ok(_)) => Asked::Decided,
            Ok(Err(NoDecision::NotProposed | NoDecision::Unknown)) | Err(_) => Asked::Undecided,
        });
    }

    pub(crate) fn look(&self) {
        self.gate.look(Look { contact_age: self.known.contact_age(), owed: self.owed() });
    }

    /// Answers by the request's deadline.
    ///
    /// A repeat of a request in flight gets that one's answer. It keeps its own deadline: since it came later, the
    /// first has answered before it gives up, unless clocks were paused. If it does give up first, it is declined
    /// without having proposed anything and owes nothing, whatever becomes of the first.
    pub async fn answer(&self, request: Request) -> Answer {
        let key = Key { program: request.program, token: request.token, fingerprint: request.fingerprint };
        let give_up = self.give_up(request.deadline);
        // Each turn but the last waits for a first that was dropped, and ends at `give_up`.
        while tokio::time::Instant::now() < give_up {
            match self.in_flight.board(key) {
                Boarding::First(first) => {
                    let answer = self.first(&request, give_up).await;
                    first.land(&answer);
                    return answer;
                }
                Boarding::Attached(attached) => {
                    self.tallies.attached.add();
                    // The first may give up in the very moment that this one does: the reply's slice is enough to hear
                    // it.
                    match timeout_at(request.deadline.into(), attached.outcome()).await {
                        Ok(Some(answer)) => return answer.repeated(),
                        Ok(None) => {}
                        Err(_) => break,
                    }
                }
            }
        }
        self.tallies.not_proposed.add();
        Answer::Undecided
    }

    /// Has something booked that has happened already. There is nothing to say alone about it, so while the breaker is
    /// open it is not proposed: whoever reports it keeps it and comes again.
    pub async fn report(&self, command: Command, deadline: Instant) -> Result<Output, NoDecision> {
        match self.gate.phase() {
            Phase::Open => Err(NoDecision::NotProposed),
            Phase::Closed | Phase::HalfOpen => {
                let decided = timeout_at(deadline.into(), self.cluster.decide(command, deadline)).await;
                decided.unwrap_or(Err(NoDecision::Unknown))
            }
        }
    }

    fn give_up(&self, deadline: Instant) -> tokio::time::Instant {
        deadline.checked_sub(self.settings.reply_reserve).unwrap_or(deadline).into()
    }

    /// Answers under an attempt of its own.
    async fn first(&self, request: &Request, give_up: tokio::time::Instant) -> Answer {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let attempt = Attempt { node: self.owner.node, incarnation: self.owner.incarnation, counter };
        if let Some(verdict) = self.journal.verdict(request.program, request.token, request.fingerprint) {
            return self.again(request, attempt, verdict).await;
        }
        let mut changes = self.gate.changes();
        loop {
            changes.mark_unchanged();
            match self.gate.admit(|| self.owed()) {
                Pass::Ask(asking) => return self.ask(request, attempt, give_up, (asking, changes)).await,
                Pass::Alone => return self.alone(request, attempt, Proposed::Never, Occasion::Open).await,
                Pass::Wait => {
                    // The closing is some milliseconds away.
                    if timeout_at(give_up, changes.changed()).await.is_err() {
                        return self.alone(request, attempt, Proposed::Never, Occasion::Deadline).await;
                    }
                }
            }
        }
    }

    /// Proposes, and waits until there is a decision, the time is up, or the breaker opens.
    async fn ask(
        &self,
        request: &Request,
        attempt: Attempt,
        give_up: tokio::time::Instant,
        (asking, mut changes): (Asking<'_>, watch::Receiver<Phase>),
    ) -> Answer {
        let command = Command::Authorize(request.authorize(attempt));
        let unheard = Unheard { desk: self, request, attempt, over: false };
        let (outcome, occasion) = tokio::select! {
            biased;
            outcome = timeout_at(give_up, self.cluster.decide(command, give_up.into_std())) => {
                (outcome.unwrap_or(Err(NoDecision::Unknown)), Occasion::Deadline)
            }
            // What was handed in may be on its way: unknown.
            _ = changes.wait_for(|phase| *phase == Phase::Open) => (Err(NoDecision::Unknown), Occasion::Open),
        };
        unheard.ends();
        let proposed = match outcome {
            Ok(Output::Decision(decision)) if decision.verdict == Verdict::Approved && now() > request.deadline => {
                Proposed::Perhaps
            }
            Ok(Output::Decision(decision)) => {
                asking.ended(Asked::Decided);
                return Answer::Decided(decision);
            }
            Ok(output) => {
                self.wrong_output("authorize", &output);
                Proposed::Perhaps
            }
            Err(NoDecision::Unknown) => Proposed::Perhaps,
            Err(NoDecision::NotProposed) => Proposed::Never,
        };
        asking.ended(Asked::Undecided);
        self.alone(request, attempt, proposed, occasion).await
    }

    pub(crate) fn wrong_output(&self, command: &'static str, output: &Output) {
        self.tallies.wrong_output.add();
        tracing::error!(command, ?output, "output does not fit the command");
    }
}

/// A request that was proposed and has not been answered. Dropped after its deadline, it owes its void.
struct Unheard<'a, D: Decide> {
    desk: &'a Desk<D>,
    request: &'a Request,
    attempt: Attempt,
    over: bool,
}

impl<D: Decide> Unheard<'_, D> {
    /// Somebody else sees to it from here.
    fn ends(mut self) {
        self.over = true;
    }
}

impl<D: Decide> Drop for Unheard<'_, D> {
    fn drop(&mut self) {
        if !self.over && now() > self.request.deadline {
            self.desk.owe_unheard(self.request, self.attempt);
        }
    }
}

#[cfg(test)]
mod tests;
