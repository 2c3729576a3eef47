//! Making faults, healing them, and the signs that they were there.
//!
//! What must hold: every fault that began is ended, whatever happens in between; each leaves signs, and a fault without
//! a sign did not happen as far as anybody can tell. Nothing here judges the product. Not here: when (`run`), how a
//! target does it (`target`).

mod clock;
mod disk;
mod members;
mod network;
mod power;
mod process;
mod storm;
mod traffic;

use crate::history::{Phase, Recorder, StandInLimits};
use crate::links::Shape;
use crate::observe::Observer;
use crate::operator::Admin;
use crate::scenario::DamagedNode;
use crate::scenario::fault::{Fault, Step};
use crate::sender::Login;
use crate::stop::Stop;
use crate::stories::Stories;
use crate::target::Target;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A leader is known again after a fail-over; a fault aimed at one waits for it.
const LEADER_MAX: Duration = Duration::from_secs(10);

/// Something that was seen, or should have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// It shows that the fault had its effect.
    pub shows: bool,
    /// What was seen.
    pub text: String,
}

/// What faults are made with.
pub struct Field<'a> {
    /// The cluster.
    pub target: &'a mut dyn Target,
    /// Its members.
    pub members: BTreeSet<u64>,
    /// What its nodes say.
    pub observer: &'a Observer,
    /// The operator's interface.
    pub admin: Admin,
    /// Where tasks of ours run.
    pub runtime: Arc<tokio::runtime::Runtime>,
    /// The user's interrupt.
    pub stop: Stop,
    /// Who asks.
    pub login: Login,
    /// Of the run.
    pub seed: u64,
    /// By when an answer must be there.
    pub deadline_ms: u64,
    /// What nodes may approve alone.
    pub limits: Option<StandInLimits>,
    /// For files of the run.
    pub out: PathBuf,
    /// What each step has set on each direction.
    pub shapes: BTreeMap<(u64, u64), BTreeMap<usize, Shape>>,
    /// Starts processes of ours.
    pub guard: Arc<crate::guard::Guard>,
    /// The history that faults are written into, if there is one.
    pub recorder: Option<Recorder>,
}

impl Field<'_> {
    fn record(&self, active: &Active, phase: Phase) {
        let Some(recorder) = &self.recorder else { return };
        let doors = self.target.doors();
        let met = active.nodes.iter().filter_map(|node| doors.get(usize::try_from(node - 1).ok()?).cloned());
        recorder.fault(&active.step.fault.name(), &met.collect::<Vec<_>>(), phase, true);
    }

    /// The admin interfaces of the members.
    pub fn member_admins(&self) -> Vec<String> {
        let all = self.target.admins();
        self.members.iter().filter_map(|node| all.get(usize::try_from(node - 1).ok()?).cloned()).collect()
    }
}

/// A fault under way.
pub struct Active {
    /// Its place in the timeline.
    pub place: usize,
    /// What the file says.
    pub step: Step,
    /// Whom it met.
    pub nodes: Vec<u64>,
    /// Who led before.
    pub leader: u64,
    /// The term before.
    pub term: u64,
    /// What was seen.
    pub signs: Vec<Sign>,
    /// What a node did that found its files damaged or gone.
    pub damaged: Option<DamagedNode>,
    kept: Kept,
}

/// What a fault needs until its end.
enum Kept {
    Nothing,
    Counts(network::Before),
    Kills(u64),
    File(disk::Saved),
    Tracers(Vec<disk::Tracer>),
    Clients(traffic::Clients),
    Loads(traffic::Loads),
    Storm(Stories),
    Change(members::Change),
    Clock(clock::Wrong),
}

impl Active {
    /// At least one sign, and all of them show it.
    pub fn took_effect(&self) -> bool {
        !self.signs.is_empty() && self.signs.iter().all(|sign| sign.shows)
    }

    fn sign(&mut self, shows: bool, text: impl Into<String>) {
        self.signs.push(Sign { shows, text: text.into() });
    }
}

/// Begins a step.
pub fn begin(field: &mut Field<'_>, place: usize, step: Step) -> Result<Active> {
    let mut leader = None;
    field.stop.poll(LEADER_MAX, || {
        leader = field.observer.leader();
        leader.is_some()
    });
    let leader = leader.context("nobody leads: whom the fault should meet is not known")?;
    let nodes = step.on.nodes(&field.members, leader, field.seed ^ place as u64);
    let term = field.observer.term();
    let mut active = Active { place, step, nodes, leader, term, signs: Vec::new(), damaged: None, kept: Kept::Nothing };
    field.record(&active, Phase::Begin);
    match active.step.fault {
        Fault::Kill => process::kill(field, &mut active)?,
        Fault::CrashLoop(_) => {
            active.kept = Kept::Kills(0);
            process::crash(field, &mut active)?;
        }
        Fault::Stop => process::stop(field, &mut active)?,
        Fault::Pause => process::pause(field, &mut active)?,
        Fault::RollingRestart => process::roll(field, &mut active)?,
        Fault::Isolate | Fault::Flap(_) | Fault::Deaf | Fault::Mute | Fault::Bridge | Fault::Ring | Fault::Shatter => {
            network::begin(field, &mut active)?;
        }
        Fault::Delay(_) | Fault::Rate(_) | Fault::Loss(_) | Fault::Duplicate(_) | Fault::Reorder(_) => {
            network::begin(field, &mut active)?;
        }
        Fault::CutConnections(_) => network::cut(field, &mut active)?,
        Fault::LoseDisk => disk::lose(field, &mut active)?,
        Fault::Damage(damage) => disk::damage(field, &mut active, damage)?,
        Fault::SlowSync(slow) => disk::trace(field, &mut active, disk::Injection::Delay(slow.delay_ms))?,
        Fault::FailSync => disk::trace(field, &mut active, disk::Injection::Fail)?,
        Fault::FillDisk => disk::fill(field, &mut active)?,
        Fault::CutPower => power::cut(field, &mut active)?,
        Fault::SlowClients(clients) => traffic::slow_clients(field, &mut active, clients)?,
        Fault::Spike(spike) => traffic::spike(field, &mut active, spike, traffic::Repeats::Few)?,
        Fault::RetryStorm(spike) => traffic::spike(field, &mut active, spike, traffic::Repeats::Most)?,
        Fault::DuplicateTokens(spike) => traffic::duplicates(field, &mut active, spike)?,
        Fault::TransferLeader => process::transfer(field, &mut active)?,
        Fault::Snapshot => process::snapshot(field, &mut active)?,
        Fault::WebhookStorm(storm) => storm::begin(field, &mut active, storm)?,
        Fault::AddMember | Fault::RemoveMember | Fault::ReplaceMember => members::begin(field, &mut active)?,
        Fault::ClockSkew(skew) => clock::begin(field, &mut active, skew)?,
        Fault::DeletePod | Fault::Evict | Fault::Drain => process::order(field, &mut active)?,
    }
    Ok(active)
}

/// Makes a fault once more that is made again and again.
pub fn again(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    match active.step.fault {
        Fault::CrashLoop(_) => process::crash(field, active),
        Fault::Flap(_) => network::flap(field, active),
        Fault::CutConnections(_) => network::cut(field, active),
        Fault::ClockSkew(_) => clock::gain(field, active),
        _once => Ok(()),
    }
}

/// Heals. Everything is tried, also after an error, which is then given back.
pub fn end(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    field.record(active, Phase::End);
    match active.step.fault {
        Fault::Kill | Fault::Stop => process::start(field, active),
        Fault::CrashLoop(_) => process::end_crashes(field, active),
        Fault::Pause => process::resume(field, active),
        Fault::Isolate
        | Fault::Flap(_)
        | Fault::Deaf
        | Fault::Mute
        | Fault::Bridge
        | Fault::Ring
        | Fault::Shatter
        | Fault::Delay(_)
        | Fault::Rate(_)
        | Fault::Loss(_)
        | Fault::Duplicate(_)
        | Fault::Reorder(_) => network::end(field, active),
        Fault::LoseDisk | Fault::Damage(_) => disk::repair(field, active),
        Fault::SlowSync(_) | Fault::FailSync => disk::untrace(field, active),
        Fault::FillDisk => disk::empty(field, active),
        Fault::CutPower => power::back(field, active),
        Fault::AddMember | Fault::RemoveMember | Fault::ReplaceMember => members::end(field, active),
        Fault::ClockSkew(_) => clock::end(field, active),
        Fault::SlowClients(_) => traffic::end_clients(active),
        Fault::Drain => process::uncordon(field, active),
        Fault::CutConnections(_)
        | Fault::Spike(_)
        | Fault::RetryStorm(_)
        | Fault::DuplicateTokens(_)
        | Fault::RollingRestart
        | Fault::TransferLeader
        | Fault::WebhookStorm(_)
        | Fault::Snapshot
        | Fault::DeletePod
        | Fault::Evict => Ok(()),
    }
}

/// Waits for what a fault has started and reads what it found: violations, in words.
pub fn conclude(field: &mut Field<'_>, active: &mut Active) -> Result<Vec<String>> {
    match std::mem::replace(&mut active.kept, Kept::Nothing) {
        Kept::Loads(loads) => traffic::conclude(field, active, loads),
        Kept::Storm(storm) => storm::conclude(field, active, storm),
        other => {
            active.kept = other;
            Ok(Vec::new())
        }
    }
}
