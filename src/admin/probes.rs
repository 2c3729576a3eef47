//! What the probes ask of a node, and what its answers mean.

use super::page::Page;

/// How a node is, as far as its clients care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Not all of its parts have been started yet.
    pub starting: bool,
    /// It has been told to stop.
    pub draining: bool,
    /// The log has been replayed.
    pub recovered: bool,
    /// It is in contact with a quorum.
    pub in_contact: bool,
    /// Its breaker is not closed, so it answers by policy.
    pub answers_alone: bool,
    /// The demo accounts are open, or there are to be none.
    pub demo_ready: bool,
    /// The books come from a backup, and nobody has said that what they lack was looked through.
    pub reconciling: bool,
}

impl Readiness {
    /// Why it cannot answer requests correctly and in time. Empty if it can. An answer by policy is one: a node out of
    /// contact is ready once its breaker is open, unless the asker insists on a quorum; then it must be in contact, and
    /// must ask the others.
    pub(super) fn unready(&self, asked: Asked) -> Vec<&'static str> {
        let alone = self.answers_alone && asked == Asked::AnyAnswer;
        let reasons = [
            (self.starting, "starting"),
            (self.draining, "draining"),
            (!self.recovered, "the log is not replayed yet"),
            (!self.in_contact && !alone, "out of contact with a quorum"),
            (self.answers_alone && asked == Asked::Quorum, "the breaker is not closed"),
            (!self.demo_ready, "the demo accounts are not open yet"),
        ];
        reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
    }

    /// What whoever asks should know besides. A node that declines because its books come from a backup answers: taken
    /// out of a balancer with all others, the processor would decide without anybody.
    pub(super) fn notes(&self) -> Vec<&'static str> {
        let note = "restored from a backup and not reconciled yet: see holdfast ctl cluster status";
        if self.reconciling { vec![note] } else { Vec::new() }
    }

    /// Why it has not started. Empty if it has.
    pub(super) fn unstarted(&self) -> Vec<&'static str> {
        if self.recovered { Vec::new() } else { vec!["the log is not replayed yet"] }
    }
}

/// What a prober insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Answers, be they by policy.
    AnyAnswer,
    /// A quorum: for primary pools.
    Quorum,
}

/// A node that can be probed.
pub trait Probes: Send + Sync + 'static {
    /// Whether this process still does its work; an error says what does not. Never depends on a quorum.
    fn alive(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// How it is right now.
    fn readiness(&self) -> Readiness;

    /// What its status page shows. Never waits for anybody.
    fn page(&self) -> Page;
}
