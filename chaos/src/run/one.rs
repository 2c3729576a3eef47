//! One scenario, from an untouched cluster to a verdict.
//!
//! What must hold: what cannot be done here is *unsupported* before anything is started; what was not seen to happen is
//! *inconclusive*; only what was judged and held is a pass. Everything is healed and ended before the verdict is told.

use super::judge::{self, Judgement, Outcome, Spans};
use super::stories::{self, Sites};
use super::timeline::{self, Done};
use super::{measure, members, series};
use crate::history::History;
use crate::nemesis::{self, Field};
use crate::observe::{Change, Observer};
use crate::operator::Admin;
use crate::report::{Report, StepReport, Verdict};
use crate::scenario::catalogue::Named;
use crate::scenario::{Capability, Invariant};
use crate::sender::{Login, Order, Workload};
use crate::stop::Stop;
use crate::stories::Stories;
use crate::target::Target;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Before the first fault all must be well.
const STEADY_MAX: Duration = Duration::from_secs(30);
/// After the load the nodes may still catch up.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// What a run is given.
pub struct Setting<'a> {
    /// What is to be run.
    pub named: &'a Named,
    /// Who asks.
    pub login: Login,
    /// Of everything random.
    pub seed: u64,
    /// Where its files go.
    pub out: PathBuf,
    /// The user's interrupt.
    pub stop: Stop,
    /// Where tasks run.
    pub runtime: Arc<tokio::runtime::Runtime>,
    /// Undoes what is left.
    pub guard: Arc<crate::guard::Guard>,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    done: Vec<Done>,
    troubles: Vec<String>,
    violations: Vec<String>,
    load: Option<(i32, Value)>,
    history: Option<PathBuf>,
    changes: Vec<Change>,
    judgements: Vec<Judgement>,
}

/// Runs it on a target. The report is complete but for its files.
pub fn run(setting: &Setting<'_>, target: &mut dyn Target, mut report: Report) -> Report {
    let missing: Vec<String> = needed(setting.named)
        .into_iter()
        .filter_map(|capability| target.supports(capability).err().map(|why| format!("{capability:?}: {why}")))
        .collect();
    if !missing.is_empty() {
        report.verdict = Verdict::Unsupported;
        report.reasons = missing;
        return report;
    }
    let mut seen = Seen::default();
    if let Err(error) = play(setting, target, &mut seen) {
        seen.troubles.push(format!("{error:#}"));
    }
    report.target = target.describe();
    conclude(setting, seen, report)
}

fn needed(named: &Named) -> Vec<Capability> {
    let asks = |invariant: &Invariant| matches!(invariant, Invariant::Digests | Invariant::Members);
    let admin = named.scenario.invariants.iter().any(asks).then_some(Capability::Admin);
    named.scenario.needed().into_iter().chain(admin).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Starts, loads, breaks, heals, and looks at what is left.
fn play(setting: &Setting<'_>, target: &mut dyn Target, seen: &mut Seen) -> Result<()> {
    let scenario = &setting.named.scenario;
    target.start(scenario)?;
    let observer = Observer::start(Instant::now(), target.looks());
    let nodes = target.nodes();
    let steady = setting.stop.poll(STEADY_MAX, || observer.is_steady(nodes));
    ensure!(steady, "the cluster was not steady before the first fault");
    drop(observer);

    let (doors, admins) = (target.doors(), target.admins());
    let order = Order {
        name: "load".to_owned(),
        load: scenario.load,
        doors: &doors,
        admins: &admins,
        login: &setting.login,
        seed: setting.seed,
        more: Vec::new(),
    };
    let sites = Sites { doors: &doors, admins: &admins, login: &setting.login, out: &setting.out };
    let wanted = scenario.invariants.contains(&Invariant::History);
    let stories = wanted.then(|| stories::start(&setting.runtime, scenario, setting.seed, sites)).transpose()?;
    let workload = Workload::start(&setting.guard, &setting.stop, &setting.out, &order)?;
    let zero = Instant::now();
    let observer = Observer::start(zero, target.looks());
    let admin = {
        let _inside = setting.runtime.enter();
        Admin::new(&admins)?
    };
    let mut field = Field {
        members: (1..=nodes).collect(),
        target,
        observer: &observer,
        admin,
        runtime: setting.runtime.clone(),
        stop: setting.stop.clone(),
        login: setting.login.clone(),
        seed: setting.seed,
        deadline_ms: scenario.load.deadline_ms,
        limits: stories::limits(scenario)?,
        out: setting.out.clone(),
        shapes: BTreeMap::new(),
        guard: setting.guard.clone(),
        recorder: stories.as_ref().map(Stories::recorder),
    };
    let outcome = timeline::play(&mut field, &scenario.timeline, zero);
    seen.done = outcome.done;
    seen.troubles.extend(outcome.troubles);
    seen.history = Some(workload.history.clone());
    seen.load = Some(workload.finish(&setting.stop)?);
    for done in &mut seen.done {
        let found = nemesis::conclude(&mut field, &mut done.active)?;
        seen.violations.extend(found);
    }
    afterwards(setting, &mut field, stories, seen);
    Ok(())
}

/// What is asked once the load and all faults are over.
fn afterwards(setting: &Setting<'_>, field: &mut Field<'_>, stories: Option<Stories>, seen: &mut Seen) {
    let nodes = field.members.len() as u64;
    let again = setting.stop.poll(AGAIN_MAX, || field.observer.is_steady(nodes));
    seen.changes = field.observer.changes();
    seen.judgements.push(Judgement {
        name: "steady_again".to_owned(),
        wanted: "all nodes in contact, one leader, breakers closed".to_owned(),
        got: if again { "so it is" } else { "not so" }.to_owned(),
        outcome: match (again, setting.stop.is_set()) {
            (true, _) => Outcome::Pass,
            (false, true) => Outcome::Unknown,
            (false, false) => Outcome::Violated,
        },
    });
    // The recorder holds the history open.
    field.recorder = None;
    if let Some(stories) = stories {
        match stories.finish(&setting.runtime, &field.member_admins()) {
            Ok(played) => seen.judgements.extend(stories::judgements(&played)),
            Err(error) => seen.troubles.push(format!("history: {error:#}")),
        }
    }
    if setting.named.scenario.invariants.contains(&Invariant::Digests) {
        seen.judgements.push(digests(field));
    }
    if setting.named.scenario.invariants.contains(&Invariant::Members) {
        seen.judgements.push(members::judge(field));
    }
}

fn digests(field: &Field<'_>) -> Judgement {
    let mut last = None;
    // Replicas that were read while they applied differ for a moment.
    field.stop.poll(AGAIN_MAX, || {
        let verified = field.runtime.block_on(field.admin.verify());
        let agreed = verified.as_ref().is_ok_and(|answer| answer.agreed);
        last = Some(verified);
        agreed
    });
    let (got, outcome) = match last {
        Some(Ok(answer)) => {
            let broken: Vec<_> = answer.members.iter().flat_map(|member| member.violations.clone()).collect();
            let digests: Vec<_> =
                answer.members.iter().map(|member| format!("{}: {}", member.id, member.digest)).collect();
            let outcome = match (answer.agreed && broken.is_empty(), field.stop.is_set()) {
                (true, _) => Outcome::Pass,
                // One that was asked once may just have been applying.
                (false, true) if broken.is_empty() => Outcome::Unknown,
                (false, _) => Outcome::Violated,
            };
            (format!("at entry {}: {} {}", answer.index, digests.join(", "), broken.join(", ")), outcome)
        }
        Some(Err(error)) => (format!("{error:#}"), Outcome::Unknown),
        None => ("not asked".to_owned(), Outcome::Unknown),
    };
    Judgement { name: "digests".to_owned(), wanted: "the same on all nodes".to_owned(), got, outcome }
}

/// Judges what was seen.
fn conclude(setting: &Setting<'_>, seen: Seen, mut report: Report) -> Report {
    let scenario = &setting.named.scenario;
    let mut troubles = seen.troubles;
    let mut judgements = Vec::new();
    let history = seen.history.as_ref().map(|path| History::read(path)).transpose();
    let history = history.unwrap_or_else(|error| {
        troubles.push(format!("{error:#}"));
        None
    });
    let requests = history.as_ref().map(measure::requests_of);
    let deadline_us = scenario.load.deadline_ms * 1000;
    if let Some(requests) = requests.filter(|requests| !requests.is_empty()) {
        let faults_us = seen.done.iter().map(|done| (done.began_ms * 1000, done.ended_ms * 1000)).collect();
        let spans = Spans { faults_us, end_us: scenario.load.duration_ms * 1000 };
        let not_sent = seen.load.as_ref().and_then(|(_, load)| load["not_sent"].as_u64()).unwrap_or(0);
        report.figures = judge::figures(&requests, not_sent, deadline_us, &spans, &seen.changes);
        report.series = series::points(&requests, deadline_us);
        judgements.extend(judge::hypothesis(&scenario.expect, &report.figures));
        judgements.extend(judge::alarm(&scenario.expect, &spans, &seen.changes));
    } else {
        troubles.push("no request was recorded".to_owned());
    }
    judgements.extend(damaged(setting, &seen.done));
    judgements.extend(seen.judgements);
    judgements.extend(invariants(scenario.invariants.as_slice(), seen.load.as_ref(), &seen.changes));
    for done in seen.done.iter().filter(|done| !done.active.took_effect()) {
        troubles.push(format!(
            "step {}, {}: no sign that it had an effect",
            done.active.place,
            done.active.step.fault.name()
        ));
    }
    if seen.done.len() < scenario.timeline.len() {
        troubles.push(format!("{} of {} steps were made", seen.done.len(), scenario.timeline.len()));
    }
    if let Some((3, load)) = &seen.load {
        troubles.push(format!("the load is inconclusive: {}", load["findings"]));
    }
    report.steps = seen.done.into_iter().map(StepReport::new).collect();
    report.changes = seen.changes;
    report.load = seen.load.map_or(Value::Null, |(_, load)| load);
    let broken = judgements.iter().filter(|judgement| judgement.outcome == Outcome::Violated);
    let mut violations: Vec<String> =
        broken.map(|judgement| format!("{}: {}, wanted {}", judgement.name, judgement.got, judgement.wanted)).collect();
    violations.extend(seen.violations);
    let unknown = judgements.iter().filter(|judgement| judgement.outcome == Outcome::Unknown);
    troubles.extend(unknown.map(|judgement| format!("{}: {}", judgement.name, judgement.got)));
    report.judgements = judgements;
    report.verdict = match (violations.is_empty(), troubles.is_empty()) {
        (false, _) => Verdict::Violated,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    report.reasons = violations;
    report.reasons.extend(troubles);
    report
}

/// Whether nodes did with damage what they may.
fn damaged(setting: &Setting<'_>, done: &[Done]) -> Option<Judgement> {
    use crate::scenario::DamagedNode::Either;
    let wanted = setting.named.scenario.expect.damaged_node?;
    let got: Vec<_> =
        done.iter().filter(|done| done.active.step.fault.spoils()).map(|done| done.active.damaged).collect();
    let fits = |got: &Option<_>| got.is_some_and(|got| wanted == Either || wanted == got);
    let outcome = if got.iter().all(fits) { Outcome::Pass } else { Outcome::Violated };
    let name = "damaged_node".to_owned();
    Some(Judgement { name, wanted: format!("{wanted:?}"), got: format!("{got:?}"), outcome })
}

fn invariants(wanted: &[Invariant], load: Option<&(i32, Value)>, changes: &[Change]) -> Vec<Judgement> {
    let judge = |invariant: &Invariant| {
        let (name, wanted, got, outcome) = match invariant {
            Invariant::Books => {
                let books = load.map_or(&Value::Null, |(_, load)| &load["books"]);
                let outcome = match books["verdict"].as_str() {
                    Some("settled") => Outcome::Pass,
                    Some("violated") => Outcome::Violated,
                    Some(_) | None => Outcome::Unknown,
                };
                (
                    "books",
                    "held is what was approved",
                    books["reason"].as_str().unwrap_or("not read").to_owned(),
                    outcome,
                )
            }
            Invariant::SameBytes => {
                let mismatches = load.and_then(|(_, load)| load["promises"]["mismatches"].as_u64());
                let outcome = match mismatches {
                    Some(0) => Outcome::Pass,
                    Some(_) => Outcome::Violated,
                    None => Outcome::Unknown,
                };
                let got = mismatches.map_or_else(|| "not known".to_owned(), |count| format!("{count} tokens differ"));
                ("same_bytes", "one token, one reply", got, outcome)
            }
            // Judged where the cluster was still there.
            Invariant::Digests | Invariant::History | Invariant::Members => return None,
            Invariant::Terms => {
                let found = judge::terms(changes);
                let outcome = match (found.is_empty(), changes.is_empty()) {
                    (false, _) => Outcome::Violated,
                    (true, true) => Outcome::Unknown,
                    (true, false) => Outcome::Pass,
                };
                let got =
                    if found.is_empty() { "no term fell, none had two leaders".to_owned() } else { found.join("; ") };
                ("terms", "never fall, one leader each", got, outcome)
            }
        };
        Some(Judgement { name: name.to_owned(), wanted: wanted.to_owned(), got, outcome })
    };
    wanted.iter().filter_map(judge).collect()
}
