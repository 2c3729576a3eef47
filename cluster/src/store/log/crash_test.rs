//! Random requests, kills and power losses against a naive model.
//!
//! After each life of the process the log must hold what the requests up to some point say: a point not before the
//! last one that was acknowledged, and not after the last one sent.

use super::log_test::{answer, dir, options};
use super::*;
use crate::store::files::sim::SimFiles;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

#[derive(Clone, Debug)]
enum Step {
    Append {
        count: u64,
        bytes: usize,
    },
    Vote,
    Committed,
    Truncate {
        back: u64,
    },
    Purge {
        back: u64,
    },
    /// Until all requests are answered.
    Wait,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Kill,
    PowerLoss(u64),
}

#[derive(Clone, Debug)]
struct Life {
    steps: Vec<Step>,
    /// After how many changes of the disk (from before the open) the power goes.
    power_off_after: Option<u64>,
    end: End,
}

/// The log as anybody would write it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Naive {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    entries: BTreeMap<u64, Bytes>,
}

impl Naive {
    fn of(recovered: &Recovered) -> Naive {
        Naive {
            vote: recovered.vote.clone(),
            purged: recovered.purged.clone(),
            entries: recovered.entries.iter().cloned().collect(),
        }
    }

    fn first(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(upto, _)| upto + 1)
    }

    fn next(&self) -> u64 {
        self.entries.last_key_value().map_or(self.first(), |(index, _)| index + 1)
    }
}

/// The model, the requests of one life, and their answers.
struct Run {
    states: Vec<Naive>,
    answers: Vec<Receiver<io::Result<()>>>,
    acknowledged: usize,
    failed: bool,
    serial: u64,
    committed: Vec<Bytes>,
}

impl Run {
    fn content(&mut self, bytes: usize) -> Bytes {
        self.serial += 1;
        let mut content = self.serial.to_be_bytes().to_vec();
        content.resize(bytes.max(8), self.serial as u8 | 1);
        content.into()
    }

    fn step(&mut self, log: &Log, step: &Step) {
        let mut state = self.states.last().cloned().unwrap_or_default();
        let (done, told) = answer();
        match *step {
            Step::Append { count, bytes } => {
                let entries: Vec<_> = (state.next()..).take(count as usize).map(|i| (i, self.content(bytes))).collect();
                state.entries.extend(entries.iter().cloned());
                log.append(entries, done);
            }
            Step::Vote => {
                let vote = self.content(16);
                state.vote = Some(vote.clone());
                log.save_vote(vote, done);
            }
            Step::Committed => {
                let committed = self.content(16);
                self.committed.push(committed.clone());
                drop(log.save_committed(committed));
                return;
            }
            Step::Truncate { back } => {
                let from = state.next().saturating_sub(back).max(state.first());
                state.entries.retain(|index, _| *index < from);
                log.truncate_after(from.checked_sub(1), done);
            }
            Step::Purge { back } => {
                let upto = (state.next() + 2).saturating_sub(back).max(state.first());
                let marker = self.content(24);
                state.entries.retain(|index, _| *index > upto);
                state.purged = Some((upto, marker.clone()));
                log.purge(upto, marker, done);
            }
            Step::Wait => return self.wait(),
        }
        self.states.push(state);
        self.answers.push(told);
    }

    /// Takes all answers that are due. One that is never given, or is good after a bad one, fails.
    fn wait(&mut self) {
        for told in self.answers.drain(..) {
            match told.recv_timeout(Duration::from_secs(30)).expect("an answer") {
                Ok(()) => {
                    assert!(!self.failed, "acknowledged after an error");
                    self.acknowledged += 1;
                }
                Err(_) => self.failed = true,
            }
        }
    }

    /// Counts what is acknowledged by now, without waiting.
    fn look(&mut self) {
        let good = self.answers.iter().take_while(|told| matches!(told.try_recv(), Ok(Ok(())))).count();
        self.acknowledged += if self.failed { 0 } else { good };
    }
}

fn open(sim: &SimFiles) -> Result<(Log, Recovered), OpenError> {
    Log::open(sim.process(), dir(), options(), Box::new(|_| {}))
}

fn live(lives: &[Life]) -> Result<(), TestCaseError> {
    let sim = SimFiles::new();
    Log::create(&*sim.process(), dir(), &options()).unwrap();
    let mut run = Run { states: vec![], answers: vec![], acknowledged: 0, failed: false, serial: 0, committed: vec![] };
    run.states.push(Naive::default());
    for life in lives {
        if let Some(changes) = life.power_off_after {
            sim.power_off_after(changes);
        }
        // The power may go during recovery: that must change nothing.
        let log = open(&sim);
        if let Ok((log, _)) = &log {
            life.steps.iter().for_each(|step| run.step(log, step));
        }
        match (life.end, life.power_off_after) {
            (End::PowerLoss(seed), _) | (_, Some(seed)) => {
                run.look();
                sim.crash(seed);
            }
            (End::Kill, None) => {
                run.look();
                sim.restart();
            }
            (End::Close, None) => {
                if let Ok((log, _)) = &log {
                    prop_assert!(log.close().is_ok());
                }
                run.wait();
                prop_assert_eq!(run.acknowledged + 1, run.states.len());
            }
        }
        drop(log);
        let (log, recovered) = open(&sim).map_err(|error| TestCaseError::fail(error.to_string()))?;
        log.close().unwrap();
        let found = Naive::of(&recovered);
        let may = &run.states[run.acknowledged..];
        prop_assert!(may.contains(&found), "found {found:?}, which is none of {may:?}");
        prop_assert!(recovered.committed.is_none_or(|committed| run.committed.contains(&committed)));
        // What was read once stays, whatever happens to the power now.
        if let End::PowerLoss(seed) = life.end {
            sim.crash(seed.rotate_left(7));
            let (_log, again) = open(&sim).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(Naive::of(&again), found.clone());
        }
        run = Run { states: vec![found], answers: vec![], acknowledged: 0, failed: false, ..run };
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..5_u64, 0..1500_usize).prop_map(|(count, bytes)| Step::Append { count, bytes }),
        2 => Just(Step::Vote),
        1 => Just(Step::Committed),
        1 => (0..6_u64).prop_map(|back| Step::Truncate { back }),
        2 => (0..8_u64).prop_map(|back| Step::Purge { back }),
        3 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 0..40)
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let end = prop_oneof![Just(End::Close), Just(End::Kill), any::<u64>().prop_map(End::PowerLoss)];
    let life = (steps(), proptest::option::of(0..80_u64), end);
    let life = life.prop_map(|(steps, power_off_after, end)| Life { steps, power_off_after, end });
    proptest::collection::vec(life, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// `PROPTEST_CASES` scales it.
    #[test]
    fn what_was_acknowledged_survives_and_nothing_else_appears(lives in lives()) {
        live(&lives)?;
    }
}
