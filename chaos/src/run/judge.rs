//! Do the figures fit the hypothesis, and is what must be true true?
//!
//! What must hold: what was not seen is *unknown*, never passed; a violation is a violation whatever else is unknown.
//! Not here: collecting (`run`), showing (`report`).

use super::measure::{End, Request, quantile};
use crate::observe::Change;
use crate::scenario::Expect;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests are counted in buckets of this when the service is looked for.
const BUCKET_US: u64 = 100_000;
/// So many good buckets in a row are the service.
const GOOD_BUCKETS: usize = 3;

/// What came of one judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As expected.
    Pass,
    /// Not as expected.
    Violated,
    /// Cannot be told.
    Unknown,
}

/// One judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// As in the file.
    pub name: String,
    /// What was expected.
    pub wanted: String,
    /// What was seen.
    pub got: String,
    /// What that means.
    pub outcome: Outcome,
}

/// What the clients saw, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// All.
    pub requests: u64,
    /// Of a million.
    pub in_time_ppm: u64,
    /// Of a million.
    pub decided_ppm: u64,
    /// Of a million.
    pub stand_in_ppm: u64,
    /// Median.
    pub p50_us: u64,
    /// 99 of a hundred.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// With a 5xx.
    pub server_errors: u64,
    /// Without any reply.
    pub lost: u64,
    /// The longest time after the start of a fault until the service was there while it lasted.
    pub fail_over_ms: Option<u64>,
    /// From the last heal until the service was there for good.
    pub recover_ms: Option<u64>,
    /// Changes of who leads.
    pub leader_changes: u64,
}

/// When faults were there.
pub struct Spans {
    /// Begin and end of each, since the load began.
    pub faults_us: Vec<(u64, u64)>,
    /// When the load ended.
    pub end_us: u64,
}

/// Works the figures out. What was never sent for want of a connection counts as requests without an answer.
pub fn figures(requests: &[Request], not_sent: u64, deadline_us: u64, spans: &Spans, changes: &[Change]) -> Figures {
    let count = |holds: &dyn Fn(&Request) -> bool| requests.iter().filter(|request| holds(request)).count() as u64;
    let total = requests.len() as u64 + not_sent;
    let ppm = |part: u64| (part * 1_000_000).checked_div(total).unwrap_or(0);
    let mut took: Vec<u64> = requests.iter().map(Request::took_us).collect();
    took.sort_unstable();
    let good = good_buckets(requests, deadline_us, spans.end_us);
    let fail_overs = spans.faults_us.iter().map(|(begin, end)| first_good(&good, *begin, *end));
    let healed = spans.faults_us.iter().map(|(_, end)| *end).max().unwrap_or(0);
    Figures {
        requests: total,
        in_time_ppm: ppm(count(&|request| request.is_in_time(deadline_us))),
        decided_ppm: ppm(count(&|request| request.end == End::Decided)),
        stand_in_ppm: ppm(count(&|request| request.end == End::StandIn)),
        p50_us: quantile(&took, 5_000),
        p99_us: quantile(&took, 9_900),
        max_us: quantile(&took, 10_000),
        server_errors: count(&|request| request.status >= 500),
        lost: count(&|request| request.end == End::Lost) + not_sent,
        fail_over_ms: fail_overs.collect::<Option<Vec<u64>>>().and_then(|all| all.into_iter().max()),
        recover_ms: last_bad(&good, healed),
        leader_changes: leader_changes(changes),
    }
}

/// Of each bucket whether almost all requests that began in it were decided in time; none if none began.
fn good_buckets(requests: &[Request], deadline_us: u64, end_us: u64) -> Vec<Option<bool>> {
    let mut counts = vec![(0u64, 0u64); usize::try_from(end_us / BUCKET_US).unwrap_or(0)];
    // A repeat is answered as it was the first time: it says nothing about now.
    for request in requests.iter().filter(|request| !request.repeated) {
        let place = usize::try_from(request.start_us / BUCKET_US).unwrap_or(usize::MAX);
        if let Some((all, well)) = counts.get_mut(place) {
            *all += 1;
            *well += u64::from(request.is_well(deadline_us));
        }
    }
    counts.into_iter().map(|(all, well)| (all > 0).then_some(well * 100 >= all * 95)).collect()
}

/// How long after `begin` the service is there for the first time, in milliseconds; none if not before `end`.
fn first_good(good: &[Option<bool>], begin: u64, end: u64) -> Option<u64> {
    let bucket = |at: u64| usize::try_from(at / BUCKET_US).unwrap_or(usize::MAX);
    let (first, last) = (bucket(begin), bucket(end).min(good.len()));
    let window = good.get(first..last)?;
    // Shorter than the service takes to be seen: it is enough that nothing bad was.
    let wanted = GOOD_BUCKETS.min(window.len());
    let place = window.windows(wanted.max(1)).position(|few| few.iter().all(|bucket| *bucket == Some(true)))?;
    Some(((first + place) as u64 * BUCKET_US).saturating_sub(begin) / 1000)
}

/// How long after `healed` the last bad bucket ended, in milliseconds; none if the load ended with a bad one.
fn last_bad(good: &[Option<bool>], healed: u64) -> Option<u64> {
    let last = good.iter().rposition(|bucket| *bucket != Some(true));
    if last.is_some_and(|last| last + 1 == good.len()) || good.is_empty() {
        return None;
    }
    let over = last.map_or(0, |last| (last as u64 + 1) * BUCKET_US);
    Some(over.saturating_sub(healed) / 1000)
}

/// How often another node led than before, by the newest term.
fn leader_changes(changes: &[Change]) -> u64 {
    let led =
        changes.iter().filter_map(|change| change.said.filter(|said| said.leads).map(|said| (said.term, change.node)));
    let by_term: BTreeMap<u64, u64> = led.collect();
    let leaders: Vec<u64> = by_term.into_values().collect();
    leaders.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}

/// Compares figures and hypothesis.
pub fn hypothesis(expect: &Expect, figures: &Figures) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    let mut at_least = |name: &str, wanted: Option<u64>, got: u64| {
        let Some(wanted) = wanted else { return };
        let outcome = if got >= wanted { Outcome::Pass } else { Outcome::Violated };
        judgements.push(Judgement {
            name: name.to_owned(),
            wanted: format!("at least {wanted}"),
            got: got.to_string(),
            outcome,
        });
    };
    at_least("in_time_ppm_min", expect.in_time_ppm_min, figures.in_time_ppm);
    at_least("decided_ppm_min", expect.decided_ppm_min, figures.decided_ppm);
    at_least("stand_in_ppm_min", expect.stand_in_ppm_min, figures.stand_in_ppm);
    at_least("leader_changes_min", expect.leader_changes_min, figures.leader_changes);
    let mut at_most = |name: &str, wanted: Option<u64>, got: Option<u64>| {
        let Some(wanted) = wanted else { return };
        let outcome = if got.is_some_and(|got| got <= wanted) { Outcome::Pass } else { Outcome::Violated };
        let got = got.map_or_else(|| "never while it was looked for".to_owned(), |got| got.to_string());
        judgements.push(Judgement { name: name.to_owned(), wanted: format!("at most {wanted}"), got, outcome });
    };
    at_most("stand_in_ppm_max", expect.stand_in_ppm_max, Some(figures.stand_in_ppm));
    at_most("p99_ms_max", expect.p99_ms_max, Some(figures.p99_us.div_ceil(1000)));
    at_most("fail_over_ms_max", expect.fail_over_ms_max, figures.fail_over_ms);
    at_most("recover_ms_max", expect.recover_ms_max, figures.recover_ms);
    at_most("server_errors_max", expect.server_errors_max, Some(figures.server_errors));
    at_most("leader_changes_max", expect.leader_changes_max, Some(figures.leader_changes));
    judgements
}

/// Whether a node raised the alarm while a fault lasted, and none before the first one.
pub fn alarm(expect: &Expect, spans: &Spans, changes: &[Change]) -> Option<Judgement> {
    let alarm = expect.alarm?;
    let first_us = spans.faults_us.iter().map(|(begin, _)| *begin).min().unwrap_or(u64::MAX);
    let raised = changes.iter().filter(|change| change.said.is_some_and(|said| said.raised.has(alarm)));
    let raised = raised.map(|change| (change.at_ms * 1000, change.node));
    let within = |at: u64| spans.faults_us.iter().any(|(begin, end)| (*begin..=*end).contains(&at));
    let (mut early, mut seen) = (None, None);
    for (at, node) in raised {
        let place = if at < first_us { &mut early } else { &mut seen };
        if place.is_none() && (at < first_us || within(at)) {
            *place = Some(node);
        }
    }
    let (got, outcome) = match (early, seen) {
        (Some(node), _) => (format!("node {node} raised it before any fault"), Outcome::Violated),
        (None, Some(node)) => (format!("node {node} raised it"), Outcome::Pass),
        (None, None) => ("nobody raised it".to_owned(), Outcome::Violated),
    };
    let wanted = format!("{} while a fault lasts", alarm.name());
    Some(Judgement { name: "alarm".to_owned(), wanted, got, outcome })
}

/// What the nodes said of terms: none falls at a node, none has two leaders. The violations, in words.
pub fn terms(changes: &[Change]) -> Vec<String> {
    let mut highest: BTreeMap<u64, u64> = BTreeMap::new();
    let mut leaders: BTreeMap<u64, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for change in changes {
        // A node that has only just been started counts from 0 until it has read its identity.
        let Some(said) = change.said.filter(|said| said.term > 0) else { continue };
        let before = highest.entry(change.node).or_default();
        if said.term < *before {
            violations.push(format!("node {}: term {} after term {before}", change.node, said.term));
        }
        *before = said.term.max(*before);
        if said.leads {
            let first = *leaders.entry(said.term).or_insert(change.node);
            if first != change.node {
                violations.push(format!("term {} has two leaders: nodes {first} and {}", said.term, change.node));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Alarm, Raised};
    use crate::observe::Said;

    /// One request per bucket, good or bad.
    fn requests(good: &str) -> Vec<Request> {
        let request = |(place, letter)| Request {
            start_us: place as u64 * BUCKET_US + 5,
            end_us: place as u64 * BUCKET_US + 1_005,
            end: if letter == '+' { End::Decided } else { End::Undecided },
            status: 402,
            repeated: false,
        };
        good.chars().enumerate().map(request).collect()
    }

    fn of(good: &str, faults_us: &[(u64, u64)]) -> Figures {
        let spans = Spans { faults_us: faults_us.to_vec(), end_us: good.len() as u64 * BUCKET_US };
        figures(&requests(good), 0, 850_000, &spans, &[])
    }

    #[test]
    fn fail_over_and_recovery_are_found() {
        //            0    5    10
        let figures = of("+++++--++++--+++++", &[(500_000, 1_000_000)]);
        assert_eq!(figures.fail_over_ms, Some(200));
        assert_eq!(figures.recover_ms, Some(300));
        assert_eq!(of("++++++++++", &[(500_000, 800_000)]).fail_over_ms, Some(0));
        assert_eq!(of("++++++++++", &[(500_000, 800_000)]).recover_ms, Some(0));
    }

    #[test]
    fn a_service_that_does_not_come_back_is_not_recovered() {
        let figures = of("+++++-----", &[(500_000, 700_000)]);
        assert_eq!((figures.fail_over_ms, figures.recover_ms), (None, None));
        let expect = Expect { recover_ms_max: Some(9), fail_over_ms_max: Some(9), ..Expect::default() };
        assert!(hypothesis(&expect, &figures).iter().all(|judgement| judgement.outcome == Outcome::Violated));
    }

    #[test]
    fn both_sides_of_each_bound() {
        let figures = Figures { in_time_ppm: 990_000, p99_us: 80_001, ..Figures::default() };
        let verdict = |expect: Expect| hypothesis(&expect, &figures)[0].outcome;
        for (ppm, outcome) in [(990_000, Outcome::Pass), (990_001, Outcome::Violated)] {
            assert_eq!(verdict(Expect { in_time_ppm_min: Some(ppm), ..Expect::default() }), outcome);
        }
        for (ms, outcome) in [(81, Outcome::Pass), (80, Outcome::Violated)] {
            assert_eq!(verdict(Expect { p99_ms_max: Some(ms), ..Expect::default() }), outcome);
        }
    }

    #[test]
    fn what_was_never_sent_counts_as_not_answered() {
        let spans = Spans { faults_us: Vec::new(), end_us: 400_000 };
        let figures = figures(&requests("++++"), 4, 850_000, &spans, &[]);
        assert_eq!((figures.requests, figures.in_time_ppm, figures.lost), (8, 500_000, 4));
    }

    #[test]
    fn an_alarm_is_raised_by_the_fault_and_not_before() {
        let expect = Expect { alarm: Some(Alarm::ClockSkew), ..Expect::default() };
        let spans = Spans { faults_us: vec![(2_000_000, 5_000_000)], end_us: 9_000_000 };
        let said = |on: bool| {
            let metrics = format!("holdfast_alarm{{alarm=\"CLOCK_SKEW\"}} {}", u8::from(on));
            Some(Said { raised: Raised::read(&metrics), ..Said::default() })
        };
        let judged = |at: &[(u64, bool)]| {
            let changes: Vec<_> =
                at.iter().map(|(at_ms, on)| Change { at_ms: *at_ms, node: 2, said: said(*on) }).collect();
            alarm(&expect, &spans, &changes).expect("it is asked for").outcome
        };
        assert_eq!(judged(&[(0, false), (3_000, true), (6_000, false)]), Outcome::Pass);
        assert_eq!(judged(&[(0, false)]), Outcome::Violated);
        assert_eq!(judged(&[(6_000, true)]), Outcome::Violated, "after the heal is not while it lasts");
        assert_eq!(judged(&[(1_000, true), (3_000, true)]), Outcome::Violated);
        assert_eq!(alarm(&Expect::default(), &spans, &[]), None);
    }

    #[test]
    fn falling_terms_and_two_leaders_are_seen() {
        let change = |node, term, leads| Change {
            at_ms: 0,
            node,
            said: Some(Said { term, leader: 1, leads, in_contact: true, ..Said::default() }),
        };
        assert!(terms(&[change(1, 1, true), change(2, 2, true), change(1, 2, false)]).is_empty());
        assert_eq!(terms(&[change(1, 2, false), change(1, 1, false)]), ["node 1: term 1 after term 2"]);
        assert_eq!(terms(&[change(1, 2, true), change(2, 2, true)]), ["term 2 has two leaders: nodes 1 and 2"]);
        assert_eq!(leader_changes(&[change(1, 1, true), change(2, 3, true), change(2, 4, true)]), 1);
    }
}
