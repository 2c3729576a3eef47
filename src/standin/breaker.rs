//! The circuit breaker: whether the cluster is asked, or the node answers alone.
//!
//! **What lives here.** A pure state machine. Time, contact and what is owed are passed in; every step that changes the
//! phase returns a [`Transition`] with its cause, for the log, the counters and `ctl breaker status`.
//!
//! **What must hold.** It opens only when a normal fail-over would be over: contact lost for `open_after`, or the share
//! of undecided requests too high in two spans of `open_after` in a row (one fail-over is shorter than one span, so it
//! cannot fill half of two). Open, it asks nobody for at least the dwell, which doubles while it keeps coming back
//! within a minute. Half open, exactly one request is the probe. It closes only when the probe was decided *and*
//! nothing is owed any more. Forced open, it stays open until somebody says otherwise.
//!
//! **What is deliberately not here.** No clock, no lock, no waiting: see `gate.rs`. No policy.

use std::time::{Duration, Instant};

/// How long after closing an opening counts as coming back.
const CALM_AFTER: Duration = Duration::from_secs(60);
/// The dwell is doubled at most this often: 1 s becomes 32 s, so two openings a minute at the worst.
const DOUBLINGS_MAX: u32 = 5;

/// How the breaker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Contact lost for this long opens it. More than a lease and the longest election.
    pub open_after: Duration,
    /// Contact of at most this age counts as being back.
    pub fresh_within: Duration,
    /// How long contact must be back without a gap before a probe is let through. More than `fresh_within`, so that one
    /// message alone is not enough.
    pub steady_for: Duration,
    /// How long it stays open at least.
    pub dwell: Duration,
    /// Undecided requests per hundred that open it, in two spans of `open_after` in a row. 0: never. Otherwise at
    /// least 50, or a fail-over could do it.
    pub undecided_percent: u32,
    /// Spans with fewer requests than this say nothing.
    pub undecided_requests_min: u32,
    /// With the probe decided and at most this much still owed, requests wait for the closing instead of adding to it.
    pub nearly_settled: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            open_after: Duration::from_millis(1200),
            fresh_within: Duration::from_millis(400),
            steady_for: Duration::from_millis(600),
            dwell: Duration::from_secs(1),
            undecided_percent: 80,
            undecided_requests_min: 20,
            // Two rounds of what is settled at a time: some ten milliseconds.
            nearly_settled: 256,
        }
    }
}

/// What is shown and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The cluster decides.
    Closed,
    /// One request is let through, to see.
    HalfOpen,
    /// The node answers alone.
    Open,
}

/// Why the phase changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No quorum contact for too long.
    ContactLost,
    /// In contact, but too many requests were not decided in time.
    Undecided,
    /// An operator's word.
    Forced,
    /// Contact is back, and was for a while.
    ContactBack,
    /// The probe was not decided.
    ProbeFailed,
    /// The probe was decided and nothing is owed.
    Settled,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Cause; 6] =
        [Cause::ContactLost, Cause::Undecided, Cause::Forced, Cause::ContactBack, Cause::ProbeFailed, Cause::Settled];

    /// As it is logged and shown.
    pub fn name(self) -> &'static str {
        match self {
            Cause::ContactLost => "contact-lost",
            Cause::Undecided => "undecided",
            Cause::Forced => "forced",
            Cause::ContactBack => "contact-back",
            Cause::ProbeFailed => "probe-failed",
            Cause::Settled => "settled",
        }
    }
}

impl Phase {
    /// As it is logged and shown.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Closed => "closed",
            Phase::HalfOpen => "half-open",
            Phase::Open => "open",
        }
    }
}

/// A change of the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// What it was.
    pub from: Phase,
    /// What it is.
    pub to: Phase,
    /// Why.
    pub cause: Cause,
}

/// Whose word it was, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who said so.
    pub who: String,
    /// For what reason.
    pub why: String,
}

/// Who rules the breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It rules itself; given back by somebody, if it was forced before.
    Auto(Option<Order>),
    /// Open on an operator's word.
    ForcedOpen(Order),
}

/// What the breaker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The age of quorum contact; none if there never was any.
    pub contact_age: Option<Duration>,
    /// Answers given alone whose settlement was not seen applied.
    pub owed: usize,
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Ask the cluster.
    Ask,
    /// Ask the cluster, and say with [`Breaker::probed`] what came of it.
    Probe,
    /// Wait for the next change: it is about to close.
    Wait,
    /// Answer alone.
    Alone,
}

/// What became of a request that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The cluster decided.
    Decided,
    /// It did not, in time.
    Undecided,
    /// Nobody waits for the answer any more: it says nothing.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Wanted,
    Out,
    Decided,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant, steady_since: Option<Instant> },
    HalfOpen(Probe),
}

/// Requests that asked, in the running span of `open_after`, and whether the one before was bad.
#[derive(Clone, Copy, Debug)]
struct Span {
    began: Instant,
    asked: u32,
    undecided: u32,
    bad_before: bool,
}

impl Span {
    fn new(began: Instant, bad_before: bool) -> Span {
        Span { began, asked: 0, undecided: 0, bad_before }
    }
}

/// The breaker of one node.
#[derive(Clone, Debug)]
pub struct Breaker {
    rules: Rules,
    state: State,
    mode: Mode,
    /// When contact was there last, as far as was ever told; when it was made, as long as there was none. A node that
    /// begins to lead has no acknowledgement of its own yet, which must not look like a loss.
    heard: Instant,
    span: Span,
    closed_at: Option<Instant>,
    doublings: u32,
    last: Option<Transition>,
}

impl Breaker {
    /// Closed, as a node starts.
    pub fn new(rules: Rules, now: Instant) -> Breaker {
        Breaker {
            rules,
            state: State::Closed,
            mode: Mode::Auto(None),
            heard: now,
            span: Span::new(now, false),
            closed_at: None,
            doublings: 0,
            last: None,
        }
    }

    /// The phase it is in.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Closed => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen(_) => Phase::HalfOpen,
        }
    }

    /// Who rules it.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The last change, if there was one.
    pub fn last(&self) -> Option<Transition> {
        self.last
    }

    /// Looks at the world. To be called often: as fine as the opening shall be timed, and when something was settled.
    pub fn look(&mut self, now: Instant, look: Look) -> Option<Transition> {
        let heard = look.contact_age.and_then(|age| now.checked_sub(age));
        self.heard = self.heard.max(heard.unwrap_or(self.heard));
        let age = self.contact_age(now);
        let lost = age >= self.rules.open_after;
        match self.state {
            State::Closed if lost => Some(self.open(now, Cause::ContactLost)),
            State::Closed => self.turn(now).then(|| self.open(now, Cause::Undecided)),
            State::Open { until, steady_since } => {
                let steady_since = if age <= self.rules.fresh_within { steady_since.or(Some(now)) } else { None };
                self.state = State::Open { until, steady_since };
                let steady =
                    steady_since.is_some_and(|since| now.saturating_duration_since(since) >= self.rules.steady_for);
                let may = matches!(self.mode, Mode::Auto(_)) && now >= until && steady;
                may.then(|| self.go(now, State::HalfOpen(Probe::Wanted), Cause::ContactBack))
            }
            State::HalfOpen(_) if lost => Some(self.open(now, Cause::ContactLost)),
            State::HalfOpen(Probe::Decided) if look.owed == 0 => Some(self.close(now)),
            State::HalfOpen(_) => None,
        }
    }

    /// How long ago contact was there last.
    pub fn contact_age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// What a request may do now. Whoever gets [`Admission::Probe`] must say what came of it.
    pub fn admit(&mut self, owed: usize) -> Admission {
        match self.state {
            State::Closed => Admission::Ask,
            State::Open { .. } | State::HalfOpen(Probe::Out) => Admission::Alone,
            State::HalfOpen(Probe::Wanted) => {
                self.state = State::HalfOpen(Probe::Out);
                Admission::Probe
            }
            State::HalfOpen(Probe::Decided) if owed <= self.rules.nearly_settled => Admission::Wait,
            State::HalfOpen(Probe::Decided) => Admission::Alone,
        }
    }

    /// What came of a request that asked while it was closed.
    pub fn asked(&mut self, now: Instant, outcome: Asked) -> Option<Transition> {
        if self.state != State::Closed {
            return None;
        }
        let bad = self.turn(now);
        match outcome {
            Asked::Decided => self.span.asked = self.span.asked.saturating_add(1),
            Asked::Undecided => {
                self.span.asked = self.span.asked.saturating_add(1);
                self.span.undecided = self.span.undecided.saturating_add(1);
            }
            Asked::Dropped => {}
        }
        bad.then(|| self.open(now, Cause::Undecided))
    }

    /// What came of the probe. Without meaning if it opened again meanwhile.
    pub fn probed(&mut self, now: Instant, outcome: Asked) -> Option<Transition> {
        if self.state != State::HalfOpen(Probe::Out) {
            return None;
        }
        match outcome {
            Asked::Decided => self.state = State::HalfOpen(Probe::Decided),
            Asked::Dropped => self.state = State::HalfOpen(Probe::Wanted),
            Asked::Undecided => return Some(self.open(now, Cause::ProbeFailed)),
        }
        None
    }

    /// Opens it and keeps it open. Where it is open already, only the order is kept.
    pub fn force_open(&mut self, now: Instant, order: Order) -> Option<Transition> {
        self.mode = Mode::ForcedOpen(order);
        (self.phase() != Phase::Open).then(|| self.open(now, Cause::Forced))
    }

    /// Lets it rule itself again. If it is open, it closes by the usual way.
    pub fn auto(&mut self, order: Order) {
        self.mode = Mode::Auto(Some(order));
    }

    fn open(&mut self, now: Instant, cause: Cause) -> Transition {
        let back = self.closed_at.is_none_or(|at| now.saturating_duration_since(at) < CALM_AFTER);
        self.doublings = match (self.last, back) {
            (Some(_), true) => (self.doublings + 1).min(DOUBLINGS_MAX),
            (None, _) | (_, false) => 0,
        };
        let until = now + self.rules.dwell * 2_u32.pow(self.doublings);
        self.go(now, State::Open { until, steady_since: None }, cause)
    }

    fn close(&mut self, now: Instant) -> Transition {
        self.span = Span::new(now, false);
        self.closed_at = Some(now);
        self.go(now, State::Closed, Cause::Settled)
    }

    fn go(&mut self, now: Instant, state: State, cause: Cause) -> Transition {
        let from = self.phase();
        self.state = state;
        let transition = Transition { at: now, from, to: self.phase(), cause };
        self.last = Some(transition);
        transition
    }

    /// Ends the running span if its time is over. Whether that was the second bad one in a row.
    fn turn(&mut self, now: Instant) -> bool {
        let length = self.rules.open_after;
        let age = now.saturating_duration_since(self.span.began);
        if age < length {
            return false;
        }
        let Span { asked, undecided, bad_before, .. } = self.span;
        let percent = u64::from(self.rules.undecided_percent);
        let bad = percent > 0
            && asked >= self.rules.undecided_requests_min.max(1)
            && u64::from(undecided) * 100 >= percent * u64::from(asked);
        // A silence between the two spans means that they are not in a row.
        self.span = Span::new(now, bad && age < 2 * length);
        bad && bad_before
    }
}

#[cfg(test)]
mod tests;
