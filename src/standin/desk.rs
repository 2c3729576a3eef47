//! The desk: one request in, one answer out, never later than its deadline.
//!
//! What must hold: nothing is told approved but by the books; what was declined alone after a proposal that may still
//! commit is owed as a void *before* the answer leaves. A request whose future is dropped (its client went away) told
//! nobody anything, so it owes nothing: if its proposal commits, the hold stays until the processor's own event.

use crate::counts::{Counts, Tallies};
use crate::inflight::{Boarding, InFlight, Key};
use crate::owed::Owed;
use ledger::{
    Amount, Attempt, Authorize, Command, Decision, Fingerprint, Output, Program, RequestKind, Token, UserToken, Void,
};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
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

/// A processor's request, before it has an attempt.
#[derive(Clone, Debug)]
pub struct Request {
    /// The programme that the credentials named.
    pub program: Program,
    /// `jit_funding.token`.
    pub token: Token,
    /// What it means in money.
    pub fingerprint: Fingerprint,
    /// What is asked.
    pub kind: RequestKind,
    /// Whose account.
    pub user: UserToken,
    /// How much.
    pub amount: Amount,
    /// The processor's transaction.
    pub transaction: Option<Token>,
    /// When the answer must leave.
    pub deadline: Instant,
}

/// What the processor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The cluster decided; `replayed` in it says whether before, or for another request that is in flight.
    Decided(Decision),
    /// No decision in time: declined alone.
    Undecided,
}

impl Answer {
    /// The same answer told to a request that attached to the one it was made for.
    fn repeated(self) -> Answer {
        match self {
            Answer::Decided(decision) => Answer::Decided(Decision { replayed: true, ..decision }),
            Answer::Undecided => Answer::Undecided,
        }
    }
}

/// How a desk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Kept back from the deadline for the reply. A request that has less time left is not proposed.
    pub reply_reserve: Duration,
    /// The most voids owed at a time; beyond it they are counted and dropped, and the holds stay.
    pub owed_max: usize,
    /// The most voids proposed at a time, so that settling yields to live traffic.
    pub settling_max: usize,
    /// How long one proposal of a void may take.
    pub settle_within: Duration,
    /// The pause after a void that was not seen applied; doubled each time, up to `settle_pause_max`.
    pub settle_pause_min: Duration,
    /// The longest pause.
    pub settle_pause_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            reply_reserve: Duration::from_millis(20),
            // About 150 bytes each: 40 MB at the worst, an hour of 73 declines a second.
            owed_max: 262_144,
            settling_max: 64,
            settle_within: Duration::from_secs(2),
            settle_pause_min: Duration::from_millis(50),
            settle_pause_max: Duration::from_secs(2),
        }
    }
}

/// Where requests are answered.
pub struct Desk<D> {
    pub(crate) cluster: D,
    node: u64,
    incarnation: u64,
    counter: AtomicU64,
    pub(crate) settings: Settings,
    pub(crate) in_flight: InFlight,
    pub(crate) owed: Owed,
    pub(crate) tallies: Tallies,
}

impl<D: Decide> Desk<D> {
    /// A desk of the node with this id in this incarnation, with the default settings.
    pub fn new(cluster: D, node: u64, incarnation: u64) -> Self {
        Desk::with_settings(cluster, node, incarnation, Settings::default())
    }

    /// A desk of the node with this id in this incarnation.
    pub fn with_settings(cluster: D, node: u64, incarnation: u64, settings: Settings) -> Self {
        Desk {
            cluster,
            node,
            incarnation,
            counter: AtomicU64::new(0),
            settings,
            in_flight: InFlight::default(),
            owed: Owed::new(settings.owed_max),
            tallies: Tallies::default(),
        }
    }

    /// What this desk has done.
    pub fn counts(&self) -> Counts {
        self.tallies.read(self.owed.len())
    }

    /// How many voids are owed and not yet seen applied.
    pub fn owed(&self) -> usize {
        self.owed.len()
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
                    let answer = self.ask(&request, give_up).await;
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

    fn give_up(&self, deadline: Instant) -> tokio::time::Instant {
        deadline.checked_sub(self.settings.reply_reserve).unwrap_or(deadline).into()
    }

    /// Proposes under an attempt of its own.
    async fn ask(&self, request: &Request, give_up: tokio::time::Instant) -> Answer {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let attempt = Attempt { node: self.node, incarnation: self.incarnation, counter };
        let command = Command::Authorize(Authorize {
            program: request.program,
            attempt,
            token: request.token,
            fingerprint: request.fingerprint,
            kind: request.kind,
            user: request.user,
            amount: request.amount,
            transaction: request.transaction,
            original: None,
            preceding: None,
            expires_after: None,
        });
        match timeout_at(give_up, self.cluster.decide(command, give_up.into_std())).await {
            Ok(Ok(Output::Decision(decision))) => return Answer::Decided(decision),
            Ok(Ok(output)) => self.wrong_output("authorize", &output),
            Ok(Err(NoDecision::NotProposed)) => {
                self.tallies.not_proposed.add();
                return Answer::Undecided;
            }
            Ok(Err(NoDecision::Unknown)) | Err(_) => {}
        }
        self.tallies.unknown.add();
        self.owe(Void { program: request.program, attempt, token: request.token, fingerprint: request.fingerprint });
        Answer::Undecided
    }

    fn owe(&self, void: Void) {
        if self.owed.push(void).is_err() {
            self.tallies.owed_dropped.add();
        }
    }

    pub(crate) fn wrong_output(&self, command: &'static str, output: &Output) {
        self.tallies.wrong_output.add();
        tracing::error!(command, ?output, "output does not fit the command");
    }
}
