//! Bugs on purpose, for the proof that the checkers of `chaos` catch what they are there for.
//!
//! What must hold: without the feature `planted` there is nothing of this in the product, and with it nothing happens
//! until `HOLDFAST_PLANT` names a bug. The seams are few, and each calls one function here: where a command is decided
//! (`replicated`), before it is applied and how new it is (`machine`), what operators are told (`admin::node`), and the
//! start and what the node understands (`node`).
//! The feature does not compile in a release build, and is never default (tests/tidy).

use crate::machine::LedgerMachine;
use crate::replicated::Replicated;
use cluster::{MemberStatus, Node, Stamp, Status};
use ledger::{
    Amount, Authorize, Clearing, Command, Decision, DeclineReason, Event, Ledger, Output, Role, Settled, Token, Verdict,
};
use standin::NoDecision;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[cfg(not(debug_assertions))]
compile_error!("the feature `planted` puts bugs into the product: never in a release build");

/// How long a forgetful node remembers a token, in microseconds of log time: less than a retry takes on any machine.
const REMEMBERED_US: u64 = 1_000;
/// How old the books are that a stale node decides by.
const STALE: Duration = Duration::from_millis(500);
/// Longer than any deadline.
const LATE: Duration = Duration::from_millis(3_500);

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// A request is approved before it is committed, whatever comes of it.
    ApproveBeforeCommit,
    /// Tokens are forgotten after a moment, and decided anew.
    ForgetToken,
    /// A retry places a second hold under another name.
    SecondHold,
    /// A node declines by books that are up to half a second old, without asking anybody.
    StaleDecision,
    /// Some answers of the cluster do not reach the node. No bug: the product must cope.
    LostAnswer,
    /// The same, and the void that such a decline owes is lost.
    LostVoid,
    /// What a node has said alone is forgotten when it starts again.
    ForgetJournal,
    /// Commands are applied at the time of the node's own clock.
    OwnClock,
    /// A node says a later term than it is in, and now and then the true one.
    TermBack,
    /// A node tells of a member that is none.
    GhostMember,
    /// A clearing of a part takes half of it.
    HalfClearing,
    /// The runtime is blocked while some requests are decided.
    LateAnswer,
    /// No bug, but the next program: it understands one cluster version more, with which controls came.
    NextVersion,
}

fn has(bug: Bug) -> bool {
    static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let name = std::env::var("HOLDFAST_PLANT").ok()?;
        let bug = named(&name);
        match bug {
            Some(_) => tracing::error!(name, "this process has a bug on purpose"),
            None => tracing::error!(name, "HOLDFAST_PLANT names no bug: this process is as it should be"),
        }
        bug
    });
    *planted == Some(bug)
}

fn named(name: &str) -> Option<Bug> {
    Some(match name {
        "approve-before-commit" => Bug::ApproveBeforeCommit,
        "forget-token" => Bug::ForgetToken,
        "second-hold" => Bug::SecondHold,
        "stale-decision" => Bug::StaleDecision,
        "lost-answer" => Bug::LostAnswer,
        "lost-void" => Bug::LostVoid,
        "forget-journal" => Bug::ForgetJournal,
        "own-clock" => Bug::OwnClock,
        "term-back" => Bug::TermBack,
        "ghost-member" => Bug::GhostMember,
        "half-clearing" => Bug::HalfClearing,
        "late-answer" => Bug::LateAnswer,
        "next-version" => Bug::NextVersion,
        _ => return None,
    })
}

type Answer = Result<Output, NoDecision>;

/// Decides what the desk asks, in place of [`Replicated::propose`].
pub(crate) async fn decide(cluster: &Replicated, command: Command, deadline: Instant) -> Answer {
    let command = match command {
        Command::Authorize(request) => return request_decided(cluster, request, deadline).await,
        Command::Void(_) if has(Bug::LostVoid) => return Ok(Output::Settled(Settled::Done)),
        Command::Event(event) if has(Bug::HalfClearing) => Command::Event(halved(event)),
        other => other,
    };
    cluster.propose(&command, deadline).await
}

async fn request_decided(cluster: &Replicated, request: Authorize, deadline: Instant) -> Answer {
    let token = request.token;
    if has(Bug::ApproveBeforeCommit) {
        let (cluster, command) = (cluster.clone(), Command::Authorize(request));
        tokio::spawn(async move { cluster.propose(&command, deadline).await });
        return Ok(decided(Verdict::Approved));
    }
    if let Some(reason) = by_stale_books(&cluster.0, &request) {
        return Ok(decided(Verdict::Declined(reason)));
    }
    if has(Bug::LateAnswer) && one_in(&token, 100) {
        std::thread::sleep(LATE);
    }
    let known = || cluster.0.read(|machine| machine.as_ref().token(&request.program, &token).is_some());
    let request = if has(Bug::SecondHold) && known() { renamed(request, '+') } else { request };
    let answer = cluster.propose(&Command::Authorize(request), deadline).await;
    let lost = (has(Bug::LostAnswer) || has(Bug::LostVoid)) && one_in(&token, 5);
    if lost { Err(NoDecision::Unknown) } else { answer }
}

/// Before a command of the log is applied.
pub(crate) fn before_applying(books: &Ledger, stamp: Stamp, command: Command) -> (Stamp, Command) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    let stamp = if has(Bug::OwnClock) { Stamp { time_us: now(), ..stamp } } else { stamp };
    let command = match command {
        Command::Authorize(request) if has(Bug::ForgetToken) => {
            let known = books.token(&request.program, &request.token);
            let forgotten = known.is_some_and(|known| known.at.0 + REMEMBERED_US < stamp.time_us);
            Command::Authorize(if forgotten { renamed(request, '\'') } else { request })
        }
        other => other,
    };
    (stamp, command)
}

/// What the node says that it understands.
pub(crate) fn understanding(settings: cluster::Config) -> cluster::Config {
    let version_max = settings.version_max + u32::from(has(Bug::NextVersion));
    cluster::Config { version_max, ..settings }
}

/// From which cluster version on a command is understood, where the next program says otherwise.
pub(crate) fn since(command: &Command) -> Option<u32> {
    let newer = has(Bug::NextVersion) && matches!(command, Command::SetControls(_));
    newer.then_some(crate::version::CLUSTER_VERSION_MAX + 1)
}

/// Before an operator is told how the cluster is.
pub(crate) fn before_telling(status: Status) -> Status {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let later = has(Bug::TermBack) && TOLD.fetch_add(1, Ordering::Relaxed) % 5 != 4;
    let mut members = status.members;
    if has(Bug::GhostMember)
        && let Some(last) = members.last().cloned()
    {
        members.push(MemberStatus { id: last.id + 1, ..last });
    }
    Status { term: status.term + u64::from(later), members, ..status }
}

/// Before a node's journal is opened.
pub(crate) fn before_opening(journal: &Path) -> io::Result<()> {
    if has(Bug::ForgetJournal) && journal.exists() {
        std::fs::File::create(journal)?;
    }
    Ok(())
}

/// Why books that are up to half a second old would decline it, if they know the account.
fn by_stale_books(node: &Node<LedgerMachine>, request: &Authorize) -> Option<DeclineReason> {
    static STALE_BOOKS: Mutex<Option<(Instant, Ledger)>> = Mutex::new(None);
    if !has(Bug::StaleDecision) {
        return None;
    }
    let mut kept = STALE_BOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.as_ref().is_none_or(|(since, _)| since.elapsed() >= STALE) {
        *kept = Some((Instant::now(), node.read(|machine| machine.as_ref().clone())));
    }
    let mut books = kept.as_ref()?.1.clone();
    books.account(&request.program, &request.user)?;
    match books.apply(books.now(), &Command::Authorize(request.clone())) {
        Output::Decision(Decision { verdict: Verdict::Declined(reason), .. }) => Some(reason),
        _ => None,
    }
}

fn decided(verdict: Verdict) -> Output {
    Output::Decision(Decision { verdict, replayed: false, partial_minor: None, balances: Vec::new(), change: None })
}

/// As another request: without its transaction, by which the books would know that it is the same one.
fn renamed(request: Authorize, mark: char) -> Authorize {
    let token = Token::new(&format!("{}{mark}", request.token)).unwrap_or(request.token);
    Authorize { token, transaction: None, ..request }
}

fn halved(event: Event) -> Event {
    match event.role {
        Role::Clearing(Clearing { last: false, .. }) => {
            let half = Amount::new(event.amount.minor() / 2, event.amount.currency());
            Event { amount: half.unwrap_or(event.amount), ..event }
        }
        _ => event,
    }
}

/// Some tokens, the same ones on every node.
fn one_in(token: &Token, many: u64) -> bool {
    let sum = token.as_str().bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum >> 3) % many == 0
}
