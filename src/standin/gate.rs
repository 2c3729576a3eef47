//! The breaker among many requests: one lock, a change that all who wait can hear, and the counting.
//!
//! **What must hold.** Whoever is let through as the probe says what came of it, also by being dropped. A change of the
//! phase is logged once, counted by its cause, and told to all who wait.

use crate::breaker::{Admission, Asked, Breaker, Cause, Look, Mode, Order, Phase, Rules, Transition};
use crate::counts::Tally;
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The clock of the runtime, so that paused time is obeyed.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) struct Gate {
    breaker: Mutex<Breaker>,
    phase: watch::Sender<Phase>,
    contact: watch::Sender<Contact>,
    fresh_within: Duration,
    transitions: [Tally; Cause::ALL.len()],
}

/// Whether the node hears a quorum now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    There,
    Lost,
}

/// What a request may do.
pub(crate) enum Pass<'a> {
    Ask(Asking<'a>),
    Wait,
    Alone,
}

/// A request that asks the cluster.
pub(crate) struct Asking<'a> {
    gate: &'a Gate,
    admission: Admission,
    outcome: Asked,
}

impl Gate {
    pub(crate) fn new(rules: Rules) -> Gate {
        Gate {
            breaker: Mutex::new(Breaker::new(rules, now())),
            phase: watch::Sender::new(Phase::Closed),
            contact: watch::Sender::new(Contact::There),
            fresh_within: rules.fresh_within,
            transitions: Default::default(),
        }
    }

    /// What a request may do now. How much is owed is asked for only where it counts.
    pub(crate) fn admit(&self, owed: impl FnOnce() -> usize) -> Pass<'_> {
        let mut breaker = self.breaker.lock();
        let owed = if breaker.phase() == Phase::HalfOpen { owed() } else { 0 };
        match breaker.admit(owed) {
            admission @ (Admission::Ask | Admission::Probe) => {
                Pass::Ask(Asking { gate: self, admission, outcome: Asked::Dropped })
            }
            Admission::Wait => Pass::Wait,
            Admission::Alone => Pass::Alone,
        }
    }

    /// Looks at the world.
    pub(crate) fn look(&self, look: Look) {
        self.step(|breaker| breaker.look(now(), look));
        let age = self.breaker.lock().contact_age(now());
        let contact = if age <= self.fresh_within { Contact::There } else { Contact::Lost };
        self.contact.send_if_modified(|known| std::mem::replace(known, contact) != contact);
    }

    pub(crate) fn force_open(&self, order: Order) {
        tracing::warn!(who = order.who, why = order.why, "breaker forced open");
        self.step(|breaker| breaker.force_open(now(), order));
    }

    pub(crate) fn auto(&self, order: Order) {
        tracing::warn!(who = order.who, why = order.why, "breaker rules itself again");
        self.step(|breaker| {
            breaker.auto(order);
            None
        });
    }

    fn step(&self, step: impl FnOnce(&mut Breaker) -> Option<Transition>) {
        // The lock is held while the change is told, so that two changes are told in their order.
        let mut breaker = self.breaker.lock();
        let Some(Transition { from, to, cause, .. }) = step(&mut breaker) else { return };
        self.transitions[cause as usize].add();
        self.phase.send_replace(to);
        tracing::warn!(from = from.name(), to = to.name(), cause = cause.name(), "breaker");
    }

    /// Hears of changes of the phase from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Returns while the node hears a quorum.
    pub(crate) async fn in_contact(&self) {
        // The sender lives as long as this gate.
        let _ = self.contact.subscribe().wait_for(|contact| *contact == Contact::There).await;
    }

    /// How long ago contact was there last.
    pub(crate) fn contact_age(&self) -> Duration {
        self.breaker.lock().contact_age(now())
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.breaker.lock().mode().clone()
    }

    pub(crate) fn last(&self) -> Option<Transition> {
        self.breaker.lock().last()
    }

    pub(crate) fn transitions(&self) -> [(Cause, u64); Cause::ALL.len()] {
        Cause::ALL.map(|cause| (cause, self.transitions[cause as usize].get()))
    }
}

impl Asking<'_> {
    pub(crate) fn ended(mut self, outcome: Asked) {
        self.outcome = outcome;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome;
        match self.admission {
            Admission::Probe => self.gate.step(|breaker| breaker.probed(now(), outcome)),
            Admission::Ask => self.gate.step(|breaker| breaker.asked(now(), outcome)),
            Admission::Wait | Admission::Alone => {}
        }
    }
}
