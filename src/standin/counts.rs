//! What a desk has done, in numbers: the source of its metrics. Counting never decides anything.

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
}

/// A reading of all of a desk's numbers, since it was made unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Voids that are owed now and not yet seen applied.
    pub owed: u64,
    /// Requests that attached to one in flight.
    pub attached: u64,
    /// Requests answered alone without anything having been proposed: they owe nothing.
    pub not_proposed: u64,
    /// Attempts answered alone after a proposal whose outcome is unknown: each owes a void.
    pub unknown: u64,
    /// Outputs of a kind that does not fit the command: a bug, never an approval.
    pub wrong_output: u64,
    /// Voids not kept because the queue was full: their holds, if any, stay.
    pub owed_dropped: u64,
    /// Voids seen applied, conflicts and impossible ones included.
    pub settled: u64,
    /// Of these: the hold stands because somebody else may have promised it.
    pub conflicts: u64,
    /// Of these: could not be applied; an operator decides.
    pub impossible: u64,
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
        }
    }
}
