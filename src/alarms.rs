//! What a node raises an alarm for: a pure table of conditions over what it observes of itself.
//!
//! **What lives here.** [`judge`] makes [`Alarm`]s of an [`Observed`]; `observe` fills that in from a running node.
//!
//! **What must hold.** Every alarm says what it does to cardholders and which page helps. An alarm whose source a node
//! does not have is *unwatched*, never *off*: what nobody looks at is not well. All of it works without a quorum.
//!
//! **What is deliberately not here.** Waking anybody (`holdfast_alarm` in the metrics, and the chart's rules), and
//! acting on it.

mod observe;
#[cfg(test)]
mod tests;

pub use observe::NodeAlarms;

use cluster::ClockCheck;
use std::path::PathBuf;

const MIB: u64 = 1024 * 1024;
const DAY_US: u64 = 86_400_000_000;
/// So much of `node.tokens_max` is near.
const TOKENS_PERCENT: u128 = 90;
/// So much of what a node may approve alone in a window is most of it.
const BUDGET_PERCENT: u128 = 80;
/// A certificate that ends within so many days has missed its renewal.
const CERTIFICATE_DAYS: u64 = 14;

/// What a node sees of itself. `None` where it has no way to see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether it is in contact with a quorum.
    pub in_contact: bool,
    /// The file systems of its directories.
    pub spaces: Vec<Space>,
    /// A file system with fewer bytes left than this is nearly full; 0: never.
    pub space_min_bytes: u64,
    /// How many decisions are remembered, and how many this machine is meant for.
    pub tokens: (u64, u64),
    /// With a policy of approving alone: what was spent of the window's budget and what is left, in minor units, and
    /// whether the journal can back an approval.
    pub budget: Option<(u64, u64, Journal)>,
    /// The books come from a backup that was not looked through: log time from which on everything is missing.
    pub lacks_since_us: Option<u64>,
    /// Files that are not what was written.
    pub damaged: Vec<String>,
    /// How the nodes' books differ or are broken, if this node has compared them.
    pub diverged: Option<Result<(), String>>,
    /// How its clock compares with the others', and how far from them it may be in microseconds, if that is looked at
    /// and anybody tells.
    pub clock: Option<(ClockCheck, u64)>,
    /// When the first of its certificates ends, and what time it is, if it has any.
    pub certificate_end_us: Option<(u64, u64)>,
}

/// Whether stand-in's journal can back an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// It can.
    Good,
    /// It cannot: nothing is approved alone.
    Bad,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// The directory on it.
    pub dir: PathBuf,
    /// What is left for this process; an error if the system does not say.
    pub left_bytes: Result<u64, String>,
}

/// Whether an alarm is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is, and why.
    On(String),
    /// It is not.
    Off,
    /// This node has nothing to look at.
    Unwatched,
}

impl State {
    /// As it is shown.
    pub fn word(&self) -> &'static str {
        match self {
            State::On(_) => "on",
            State::Off => "off",
            State::Unwatched => "unwatched",
        }
    }

    fn on_if(holds: bool, why: impl FnOnce() -> String) -> State {
        if holds { State::On(why()) } else { State::Off }
    }
}

/// One alarm of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name, for ever: rules and runbooks name it.
    pub name: &'static str,
    /// Whether it is raised.
    pub state: State,
    /// What it does to cardholders and money.
    pub effect: &'static str,
}

impl Alarm {
    /// The page that helps, within the documentation.
    pub fn page(&self) -> String {
        format!("docs/runbooks.md#{}", self.name.to_lowercase())
    }
}

/// Whatever has alarms to show. Works without a quorum.
pub trait Alarms: Send + Sync + 'static {
    /// All of them, raised or not.
    fn alarms(&self) -> Vec<Alarm>;
}

/// All alarms, the gravest first.
pub fn judge(of: &Observed) -> Vec<Alarm> {
    let no_quorum = || "out of contact with a quorum".to_owned();
    let rows = [
        (
            "NO_QUORUM",
            State::on_if(!of.in_contact, no_quorum),
            "requests are answered by the stand-in policy alone; operators' changes are refused",
        ),
        (
            "DIVERGED",
            diverged(of),
            "a node's books differ from the others' or do not add up: it stops, or cannot be believed",
        ),
        (
            "CORRUPT",
            State::on_if(!of.damaged.is_empty(), || of.damaged.join("; ")),
            "a restart takes longer or is refused; one more damaged file may cost the node its state",
        ),
        ("NOSPACE", no_space(of), "when nothing is left the log cannot be written, and the node ends"),
        ("RECONCILE", reconcile(of), "the books come from a backup; unless told otherwise new requests are declined"),
        (
            "CLOCK_SKEW",
            clock(of),
            "the node does not lead while another can: as the leader it would let holds expire early",
        ),
        ("STANDIN_BUDGET", budget(of), "without a quorum more and more requests will be declined"),
        ("DEDUP_NEAR_FULL", tokens(of), "nothing yet: memory grows beyond what this machine is meant for"),
        ("CERT_EXPIRY", certificate(of), "when it ends, peers, operators and the processor are turned away"),
    ];
    rows.into_iter().map(|(name, state, effect)| Alarm { name, state, effect }).collect()
}

fn diverged(of: &Observed) -> State {
    match &of.diverged {
        None => State::Unwatched,
        Some(Ok(())) => State::Off,
        Some(Err(why)) => State::On(why.clone()),
    }
}

fn no_space(of: &Observed) -> State {
    let why = |space: &Space| match &space.left_bytes {
        Err(error) => Some(format!("{}: {error}", space.dir.display())),
        Ok(left) if *left < of.space_min_bytes => Some(format!(
            "{} has {} MiB left, which is less than {} (node.space_min_mib)",
            space.dir.display(),
            left / MIB,
            of.space_min_bytes / MIB
        )),
        Ok(_) => None,
    };
    let found: Vec<_> = of.spaces.iter().filter_map(why).collect();
    State::on_if(!found.is_empty(), || found.join("; "))
}

fn reconcile(of: &Observed) -> State {
    let why = |since| format!("whatever came after {} is missing", crate::ctl::utc(since));
    of.lacks_since_us.map_or(State::Off, |since| State::On(why(since)))
}

fn clock(of: &Observed) -> State {
    let Some((ClockCheck { ahead_us, apart_us, unfit }, most_us)) = of.clock else { return State::Unwatched };
    let most = format!("{} ms (raft.clock_skew_max_ms) are allowed", most_us / 1_000);
    let off_ms = ahead_us.unsigned_abs() / 1_000;
    let side = if ahead_us < 0 { "behind" } else { "ahead of" };
    if unfit {
        let so = format!("this clock is {off_ms} ms {side} the others', and {most}: the node does not lead");
        let was = "this clock was wrong when it could last be compared: the node does not lead".to_owned();
        return State::On(if ahead_us == 0 { was } else { so });
    }
    let apart = || format!("two clocks are {} ms apart, and nobody can tell whose is wrong: {most}", apart_us / 1_000);
    State::on_if(apart_us > most_us, apart)
}

fn budget(of: &Observed) -> State {
    match of.budget {
        // It approves nothing alone: there is no budget to run out of.
        None => State::Off,
        Some((_, _, Journal::Bad)) => State::On("the journal cannot back an approval".to_owned()),
        Some((spent, left, Journal::Good)) => {
            let all = u128::from(spent) + u128::from(left);
            let used = u128::from(spent) * 100;
            State::on_if(spent > 0 && used >= all * BUDGET_PERCENT, || {
                format!("{spent} of {all} minor units are spent in this window")
            })
        }
    }
}

fn tokens(of: &Observed) -> State {
    let (tokens, most) = of.tokens;
    State::on_if(u128::from(tokens) * 100 >= u128::from(most) * TOKENS_PERCENT, || {
        format!("{tokens} decisions are remembered, of {most} (node.tokens_max)")
    })
}

fn certificate(of: &Observed) -> State {
    let Some((end_us, now_us)) = of.certificate_end_us else { return State::Unwatched };
    State::on_if(end_us <= now_us.saturating_add(CERTIFICATE_DAYS * DAY_US), || {
        format!("the first one ends at {}", crate::ctl::utc(end_us))
    })
}
