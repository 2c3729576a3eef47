//! What an operator sees of a desk.

use crate::breaker::{Cause, Mode, Phase};
use crate::desk::{Decide, Desk};
use crate::gate::now;
use crate::journal::{Condition, Syncs};
use crate::policy::Policy;
use ledger::Currency;
use std::time::Duration;

/// The breaker, the journal and the limits, as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The breaker's phase.
    pub phase: Phase,
    /// Who rules it.
    pub mode: Mode,
    /// How long ago the phase changed last, from what, and why; none if it never did.
    pub changed: Option<(Duration, Phase, Cause)>,
    /// How often it changed, by cause.
    pub transitions: [(Cause, u64); Cause::ALL.len()],
    /// How long ago quorum contact was there last; since the start, if never.
    pub contact_age: Duration,
    /// Settlements not yet seen applied.
    pub owed: u64,
    /// How the journal is.
    pub journal: Condition,
    /// What its disk did.
    pub syncs: Syncs,
    /// What can be approved alone; none: nothing.
    pub exposure: Option<Exposure>,
}

/// Money that may be approved alone, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Of which currency.
    pub currency: Currency,
    /// Which window of log time counts.
    pub window: u64,
    /// This node has approved in it.
    pub spent_minor: u64,
    /// This node may still approve in it. 0 when the journal is not good.
    pub left_minor: u64,
    /// The worst case if every node were cut off now (docs/standin.md).
    pub worst_case_minor: u128,
}

impl<D: Decide> Desk<D> {
    /// As it stands.
    pub fn status(&self) -> Status {
        let changed = self.gate.last().map(|last| (now().saturating_duration_since(last.at), last.from, last.cause));
        Status {
            phase: self.gate.phase(),
            mode: self.gate.mode(),
            changed,
            transitions: self.gate.transitions(),
            contact_age: self.gate.contact_age(),
            owed: self.owed() as u64,
            journal: self.journal.condition(),
            syncs: self.journal.syncs(),
            exposure: self.exposure(),
        }
    }

    fn exposure(&self) -> Option<Exposure> {
        let followed = self.policy();
        let Policy::Approve(policy) = &*followed else { return None };
        let limits = &policy.limits;
        let now = limits.window_of(self.known.log_time());
        let (window, spent_minor) =
            self.journal.with_usage(now, |usage| (usage.window(), usage.node_minor(limits.currency)));
        let left_minor = if self.journal.is_good() { limits.node_minor.saturating_sub(spent_minor) } else { 0 };
        let worst_case_minor = policy.worst_case_minor(self.known.accounts_count(), left_minor);
        Some(Exposure { currency: limits.currency, window, spent_minor, left_minor, worst_case_minor })
    }
}
