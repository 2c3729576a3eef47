//! What a desk has done, in numbers: the source of its metrics. Counting never decides anything.

use crate::policy::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only goes up.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) attached: Tally,
    pub(crate) not_proposed: Tally,
    pub(crate) unknown: Tally,
    pub(crate) wrong_output: Tally,
    pub(crate) owed_dropped: Tally,
    pub(crate) settled: Tally,
    pub(crate) conflicts: Tally,
    pub(crate) impossible: Tally,
    pub(crate) owed_in_memory: Tally,
    pub(crate) approved_alone: Tally,
    pub(crate) said_again: Tally,
    pub(crate) refusals: [Tally; Refusal::ALL.len()],
}

/// A reading of all of a desk's numbers, since it was made unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Settlements that are owed now and not yet seen applied.
    pub owed: u64,
    /// Requests that attached to one in flight.
    pub attached: u64,
    /// Requests declined alone without anything having been proposed: they owe nothing.
    pub not_proposed: u64,
    /// Attempts declined alone after a proposal whose outcome is unknown: each owes a void.
    pub unknown: u64,
    /// Outputs of a kind that does not fit the command: a bug, never an approval.
    pub wrong_output: u64,
    /// Voids not kept because the queue was full: their holds, if any, stay.
    pub owed_dropped: u64,
    /// Settlements seen applied, conflicts and impossible ones included.
    pub settled: u64,
    /// Of these: the hold stands because somebody else may have promised it.
    pub conflicts: u64,
    /// Of these: could not be applied; an operator decides.
    pub impossible: u64,
    /// Voids owed, but not durable when their declines left: a kill may lose them.
    pub owed_in_memory: u64,
    /// Requests approved alone.
    pub approved_alone: u64,
    /// Requests told what this node had said of their token before.
    pub said_again: u64,
    /// Requests declined alone, by [`Refusal`].
    pub refusals: [u64; Refusal::ALL.len()],
}

impl Tallies {
    pub(crate) fn read(&self, owed: usize) -> Counts {
        Counts {
            owed: owed as u64,
            attached: self.attached.get(),
            not_proposed: self.not_proposed.get(),
            unknown: self.unknown.get(),
            wrong_output: self.wrong_output.get(),
            owed_dropped: self.owed_dropped.get(),
            settled: self.settled.get(),
            conflicts: self.conflicts.get(),
            impossible: self.impossible.get(),
            owed_in_memory: self.owed_in_memory.get(),
            approved_alone: self.approved_alone.get(),
            said_again: self.said_again.get(),
            refusals: Refusal::ALL.map(|refusal| self.refusals[refusal as usize].get()),
        }
    }
}
