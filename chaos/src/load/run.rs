//! Threads, connections and loops.
//!
//! What must hold: each thread runs alone with its share of the connections, numbers and schedule; nothing is shared on
//! the way of a request but a few counters. Every wait ends: with the run, a time limit, or a bounded number of tries.
//! Not here: what is asked (`plan`), how (`connection`), when (`schedule`), what it proves (`tally`).

use super::args::Settings;
use super::figures::Figures;
use super::plan::Ask;
use super::pool::Pool;
use super::record::{Attempt, Record};
use super::schedule::{Alarm, Pace, Schedule, Turn};
use super::tally::{Repeats, Sums, Tally};
use super::template::Template;
use crate::draw::mix;
use crate::history::Sink;
use crate::http::connection::{Connection, Lost};
use crate::http::reply::Reply;
use anyhow::Context;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// How often a lost request is asked again with `--retry`.
const RETRIES_MAX: u32 = 5;
/// Between two tries to connect: from this, doubling, up to the next.
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// How long a connection is tried in a run that only a number of requests ends.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// A request that leaves this much after its time is sent late: the grain of the figures.
const SENT_LATE: Duration = Duration::from_millis(1);

/// What all threads see.
pub struct Shared {
    /// What to do.
    pub settings: Settings,
    /// Of each target.
    pub addresses: Vec<SocketAddr>,
    /// Which of them a balancer would use.
    pub pool: Arc<Pool>,
    /// When slot 0 is due.
    pub start: Instant,
    /// Set by the user's interrupt.
    pub stop: AtomicBool,
    /// Replies so far.
    pub done: AtomicU64,
    /// Lost replies so far.
    pub lost: AtomicU64,
    /// The longest latency since this was last read.
    pub worst_us: AtomicU64,
}

impl Shared {
    /// When the measurement begins.
    pub fn measure_from(&self) -> Instant {
        self.start + self.settings.warmup
    }

    /// When nothing more is begun.
    pub fn end(&self) -> Option<Instant> {
        self.settings.duration.map(|duration| self.measure_from() + duration)
    }
}

/// What one thread found.
pub struct Found {
    /// In the warm-up.
    pub warmup: Figures,
    /// Afterwards.
    pub measured: Figures,
    /// From the first request to the last.
    pub sums: Sums,
}

/// Runs one thread's share until it is over.
pub fn run_thread(shared: Arc<Shared>, thread: u64, history: Option<Sink<Record>>) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    LocalSet::new().block_on(&runtime, async {
        let shard = Rc::new(Shard::new(shared, thread, history)?);
        let settings = &shard.shared.settings;
        let mine = (0..settings.connections).filter(|number| number % settings.threads == thread);
        let workers: Vec<_> =
            mine.map(|number| tokio::task::spawn_local(Worker::new(shard.clone(), number as usize).work())).collect();
        let pacer = tokio::task::spawn_local(pace(shard.clone()));
        for worker in workers {
            worker.await.context("a connection's task failed")?;
        }
        pacer.abort();
        if let Err(error) = pacer.await
            && error.is_panic()
        {
            anyhow::bail!("the pacer panicked");
        }
        Rc::into_inner(shard).context("a task still runs")?.finish()
    })
}

/// What the tasks of one thread share.
struct Shard {
    shared: Arc<Shared>,
    /// The next number of this thread.
    number: Cell<u64>,
    tally: RefCell<Tally>,
    warmup: RefCell<Figures>,
    measured: RefCell<Figures>,
    history: RefCell<Option<Sink<Record>>>,
    pacing: Option<Pacing>,
}

/// The open loop of one thread.
struct Pacing {
    schedule: RefCell<Schedule>,
    alarm: Alarm,
    /// Connections with nothing to do, the longest idle one first.
    idle: RefCell<VecDeque<Rc<Seat>>>,
    /// Somebody sat down.
    seated: Notify,
}

/// Where a connection waits for its turn.
#[derive(Default)]
struct Seat {
    intended: Cell<Option<Instant>>,
    called: Notify,
}

impl Shard {
    fn new(shared: Arc<Shared>, thread: u64, history: Option<Sink<Record>>) -> anyhow::Result<Shard> {
        let settings = &shared.settings;
        let targets = settings.targets.len();
        let repeats = if settings.plan.repeat_percent > 0 { Repeats::Some } else { Repeats::None };
        let tally = Tally::new(thread, settings.threads, repeats, settings.server);
        let pacing = match settings.rate {
            None => None,
            Some(rate) => {
                let (stride, backlog_max) = (settings.threads, settings.backlog_max);
                let pace = Pace { start: shared.start, end: shared.end(), rate, stride, backlog_max };
                let schedule = Schedule::new(pace, thread);
                Some(Pacing {
                    alarm: Alarm::start(schedule.clone()).context("start the alarm's thread")?,
                    schedule: RefCell::new(schedule),
                    idle: RefCell::default(),
                    seated: Notify::new(),
                })
            }
        };
        Ok(Shard {
            number: Cell::new(thread),
            tally: RefCell::new(tally),
            warmup: RefCell::new(Figures::new(targets)),
            measured: RefCell::new(Figures::new(targets)),
            history: RefCell::new(history),
            pacing,
            shared,
        })
    }

    fn finish(self) -> anyhow::Result<Found> {
        let mut measured = self.measured.into_inner();
        if let Some(pacing) = self.pacing {
            let schedule = pacing.schedule.into_inner();
            // An interrupted run, or one that had all its requests, leaves the rest of the schedule on purpose.
            let all_sent = self.number.get() >= self.shared.settings.requests;
            let left = if all_sent || self.shared.stop.load(Ordering::Relaxed) { 0 } else { schedule.left() };
            measured.not_sent += schedule.dropped + left;
        }
        Ok(Found { warmup: self.warmup.into_inner(), measured, sums: self.tally.into_inner().finish() })
    }

    /// The figures that something belongs to, by its intended time.
    fn figures(&self, intended: Instant) -> RefMut<'_, Figures> {
        if intended < self.shared.measure_from() { self.warmup.borrow_mut() } else { self.measured.borrow_mut() }
    }

    /// All requests were sent, or the user has had enough.
    fn is_done(&self) -> bool {
        self.number.get() >= self.shared.settings.requests || self.shared.stop.load(Ordering::Relaxed)
    }

    /// Takes the next number; `None` if all are taken.
    fn issue(&self) -> Option<u64> {
        let number = self.number.get();
        if number >= self.shared.settings.requests {
            return None;
        }
        self.number.set(number + self.shared.settings.threads);
        Some(number)
    }

    /// Waits for the next turn and says when it was meant to be; `None` when the run is over.
    async fn turn(&self, seat: &Rc<Seat>) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        let now = Instant::now();
        let Some(pacing) = &self.pacing else {
            return self.shared.end().is_none_or(|end| now < end).then_some(now);
        };
        // Bound here, so that the borrow ends before the wait.
        let turn = pacing.schedule.borrow_mut().take(now);
        match turn {
            Turn::Over => None,
            Turn::Now(intended) => Some(intended),
            Turn::Later(_) => {
                pacing.idle.borrow_mut().push_back(seat.clone());
                pacing.seated.notify_one();
                seat.called.notified().await;
                seat.intended.take()
            }
        }
    }
}

/// Calls idle connections when their turn comes.
async fn pace(shard: Rc<Shard>) {
    let Some(pacing) = &shard.pacing else { return };
    loop {
        if pacing.idle.borrow().is_empty() {
            // Whoever becomes free takes what is due by itself.
            pacing.seated.notified().await;
            continue;
        }
        alarm_and_call(&shard, pacing).await;
    }
}

/// Calls the one who is idle longest, at once or when the alarm rings; all of them when the run is over.
async fn alarm_and_call(shard: &Shard, pacing: &Pacing) {
    pacing.alarm.set();
    let turn = if shard.is_done() { Turn::Over } else { pacing.schedule.borrow_mut().take(Instant::now()) };
    match turn {
        Turn::Later(_) => pacing.alarm.rung().await,
        Turn::Now(intended) => {
            if let Some(seat) = pacing.idle.borrow_mut().pop_front() {
                seat.intended.set(Some(intended));
                seat.called.notify_one();
            }
        }
        Turn::Over => {
            for seat in pacing.idle.borrow_mut().drain(..) {
                seat.called.notify_one();
            }
        }
    }
}

/// What to do about a target that cannot be connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    /// Try it again.
    Stay,
    /// Try the next one.
    Next,
}

/// One connection and what it does.
struct Worker {
    shard: Rc<Shard>,
    index: usize,
    /// Where it belongs.
    home: usize,
    /// Where it is.
    target: usize,
    connection: Option<Connection>,
    connected_before: bool,
    backoff: Duration,
    template: Template,
}

impl Worker {
    fn new(shard: Rc<Shard>, index: usize) -> Worker {
        let settings = &shard.shared.settings;
        let home = index % settings.targets.len();
        let template = Template::new(&settings.style, &settings.names);
        let (connection, backoff) = (None, BACKOFF_FIRST);
        Worker { home, target: home, index, connection, connected_before: false, backoff, template, shard }
    }

    async fn work(mut self) {
        let seat = Rc::new(Seat::default());
        loop {
            self.choose();
            let patience = self.shard.shared.end().unwrap_or_else(|| Instant::now() + CONNECT_PATIENCE);
            if !self.connect(patience, self.habit()).await {
                return;
            }
            let Some(intended) = self.shard.turn(&seat).await else {
                return;
            };
            self.serve(intended).await;
        }
    }

    /// Goes to where the next request belongs. A connection that leads elsewhere is given up.
    fn choose(&mut self) {
        let shared = &self.shard.shared;
        let first = if shared.settings.failover { self.target } else { self.home };
        let target = shared.pool.from(first);
        if target != self.target {
            self.target = target;
            self.connection = None;
        }
    }

    /// Sends one request, again if need be.
    async fn serve(&mut self, intended: Instant) {
        let timeout = self.shard.shared.settings.timeout;
        self.choose();
        if !self.connect(Instant::now() + timeout, self.habit()).await {
            self.shard.figures(intended).not_sent += 1;
            return;
        }
        let Some(number) = self.shard.issue() else { return };
        let ask = self.shard.shared.settings.plan.ask(number);
        self.template.patch(ask);
        self.shard.tally.borrow_mut().begin(number, ask);
        if intended + SENT_LATE < Instant::now() {
            self.shard.figures(intended).sent_late += 1;
        }
        let mut retries_left = if self.shard.shared.settings.retry { RETRIES_MAX } else { 0 };
        while !self.attempt(ask, intended).await {
            self.connection = None;
            if retries_left == 0 || !self.move_on(timeout).await {
                self.shard.figures(intended).unknown += 1;
                break;
            }
            retries_left -= 1;
        }
        self.shard.tally.borrow_mut().end(ask.token);
    }

    /// Sends the request once. False if its reply was lost.
    async fn attempt(&mut self, ask: Ask, intended: Instant) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let sent = Instant::now();
        let deadline = sent + self.shard.shared.settings.timeout;
        let result = connection.exchange(self.template.bytes(), deadline).await;
        let end = Instant::now();
        self.record(ask, (sent, end), result.as_ref());
        let shared = &self.shard.shared;
        match result {
            Ok(reply) => {
                self.shard.tally.borrow_mut().reply(ask.token, &reply);
                let latency = end - intended;
                let mut figures = self.shard.figures(intended);
                let target = &mut figures.targets[self.target];
                target.reply(&reply, latency, shared.settings.server);
                target.late += u64::from(end - sent > shared.settings.deadline);
                if !reply.keep_alive {
                    self.connection = None;
                }
                shared.done.fetch_add(1, Ordering::Relaxed);
                shared.worst_us.fetch_max(latency.as_micros() as u64, Ordering::Relaxed);
                true
            }
            Err(lost) => {
                self.note_lost(ask, intended, &lost);
                false
            }
        }
    }

    fn note_lost(&self, ask: Ask, intended: Instant, lost: &Lost) {
        self.shard.tally.borrow_mut().lost(ask.token);
        self.shard.figures(intended).targets[self.target].lost(lost);
        self.shard.shared.lost.fetch_add(1, Ordering::Relaxed);
    }

    fn record(&self, ask: Ask, (sent, end): (Instant, Instant), reply: Result<&Reply, &Lost>) {
        if let Some(history) = &mut *self.shard.history.borrow_mut() {
            let since_start = |at: Instant| at.saturating_duration_since(self.shard.shared.start).as_micros() as u64;
            history.push(Record::Attempt(Attempt {
                token: ask.token,
                user: ask.user,
                amount: ask.amount,
                target: self.target,
                start_us: since_start(sent),
                end_us: since_start(end),
                reply: reply.map(|reply| (reply.status, reply.outcome, reply.body_hash)).map_err(Into::into),
            }));
        }
    }

    /// The next target that is in the pool.
    fn next(&self) -> usize {
        let shared = &self.shard.shared;
        shared.pool.from((self.target + 1) % shared.addresses.len())
    }

    fn habit(&self) -> OnFailure {
        if self.shard.shared.settings.failover || !self.shard.shared.settings.checks.is_empty() {
            OnFailure::Next
        } else {
            OnFailure::Stay
        }
    }

    /// Connects to the next target within `patience`.
    async fn move_on(&mut self, patience: Duration) -> bool {
        self.target = self.next();
        self.connect(Instant::now() + patience, OnFailure::Next).await
    }

    /// Makes sure that there is a connection; false when it is not to be had by the deadline, or the run was stopped.
    async fn connect(&mut self, deadline: Instant, on_failure: OnFailure) -> bool {
        let shared = self.shard.shared.clone();
        if let Some(connection) = &self.connection {
            if !connection.is_stale() {
                return true;
            }
            self.connection = None;
            self.shard.figures(Instant::now()).targets[self.target].idle_closed += 1;
        }
        loop {
            let opened = Connection::open(shared.addresses[self.target]).await;
            let now = Instant::now();
            if let Ok(connection) = opened {
                self.connection = Some(connection);
                self.backoff = BACKOFF_FIRST;
                let again = std::mem::replace(&mut self.connected_before, true);
                self.shard.figures(now).targets[self.target].reconnects += u64::from(again);
                return true;
            }
            self.shard.figures(now).targets[self.target].connect_errors += 1;
            if on_failure == OnFailure::Next {
                self.target = self.next();
            }
            if now >= deadline || shared.stop.load(Ordering::Relaxed) {
                return false;
            }
            // Spread over [1/2, 1] of the backoff, so that connections do not come back in step.
            let half = self.backoff / 2;
            let spread = mix(self.index as u64 ^ self.backoff.as_nanos() as u64) % (half.as_nanos() as u64 + 1);
            let pause = half + Duration::from_nanos(spread);
            tokio::time::sleep(pause.min(deadline - now)).await;
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        }
    }
}
