//! Do the books agree with what was promised?
//!
//! What must hold, for holds placed by this run alone (`held` is the growth since before it):
//! `firm <= held <= firm + stand-in + undecided + unknown` at every moment after the last reply, and once the voids
//! and settlements are through `firm + stand-in <= held <= firm + stand-in + unknown`. Nothing is posted. Outside the
//! first bounds money was lost or made, and waiting does not mend it. Not here: reading (`open`), fates (`tally`).

use super::args::Settings;
use super::open::Reading;
use super::tally::Sums;
use crate::admin::Admin;
use crate::money;
use std::time::{Duration, Instant};

/// Between two readings while the books settle.
const POLL: Duration = Duration::from_millis(200);

/// What the books say about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They agree, and nothing is under way.
    Settled,
    /// They agree, but voids or settlements are still missing.
    Unsettled,
    /// A quorum's approval is not held.
    HeldTooSmall,
    /// More is held than can have been promised.
    HeldTooLarge,
    /// Something was posted, though nothing was cleared.
    Posted,
}

impl Verdict {
    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Settled => "settled",
            Verdict::Unsettled => "unsettled",
            Verdict::HeldTooSmall | Verdict::HeldTooLarge | Verdict::Posted => "violated",
        }
    }

    /// Waiting does not mend it.
    pub fn is_violation(self) -> bool {
        match self {
            Verdict::HeldTooSmall | Verdict::HeldTooLarge | Verdict::Posted => true,
            Verdict::Settled | Verdict::Unsettled => false,
        }
    }
}

/// The last reading and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// What it means.
    pub verdict: Verdict,
    /// Before the run.
    pub before: Reading,
    /// After it.
    pub after: Reading,
    /// How long it took to settle, or how long was waited.
    pub waited: Duration,
}

impl Finding {
    /// In words, with the amounts.
    pub fn reason(&self, sums: &Sums, digits: u8) -> String {
        let text = |minor: i128| money::format(minor, digits);
        let held = text(self.after.held - self.before.held);
        let (firm, alone) = (text(sums.firm), text(sums.stand_in));
        let (unknown, undecided) = (text(sums.unknown), text(sums.undecided));
        let against =
            format!("held {held}, approved {firm}, stand-in {alone}, undecided {undecided}, lost replies {unknown}");
        match self.verdict {
            Verdict::Settled if sums.unknown == 0 => format!("held equals what was approved: {against}"),
            Verdict::Settled => format!("held is what was approved plus at most what was lost: {against}"),
            Verdict::Unsettled => format!("within bounds, but not settled: {against}"),
            Verdict::HeldTooSmall => format!("MONEY LOST, an approval is not held: {against}"),
            Verdict::HeldTooLarge => format!("MONEY MADE UP, more is held than was promised: {against}"),
            Verdict::Posted => {
                format!(
                    "MONEY MOVED without a clearing: posted {} before, {} after",
                    text(self.before.posted),
                    text(self.after.posted)
                )
            }
        }
    }
}

/// What a reading means.
pub fn judge(before: &Reading, after: &Reading, sums: &Sums) -> Verdict {
    let held = after.held - before.held;
    let approved = sums.firm + sums.stand_in;
    if after.posted != before.posted {
        Verdict::Posted
    } else if held < sums.firm {
        Verdict::HeldTooSmall
    } else if held > approved + sums.undecided + sums.unknown {
        Verdict::HeldTooLarge
    } else if (approved..=approved + sums.unknown).contains(&held) {
        Verdict::Settled
    } else {
        Verdict::Unsettled
    }
}

/// Reads until the books are settled or violated, or the patience is over. An error is no reading at all.
pub async fn check(
    admin: &Admin,
    settings: &Settings,
    before: Reading,
    sums: &Sums,
    patience: Duration,
) -> anyhow::Result<Finding> {
    let start = Instant::now();
    loop {
        let reading = admin.books(settings).await;
        let waited = start.elapsed();
        match reading {
            // A quorum that is lost at the end of the run may come back.
            Err(error) if waited >= patience => return Err(error),
            Err(_) => {}
            Ok(after) => {
                let verdict = judge(&before, &after, sums);
                if verdict != Verdict::Unsettled || waited >= patience {
                    return Ok(Finding { verdict, before, after, waited });
                }
            }
        }
        tokio::time::sleep(POLL.min(patience - waited)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use crate::load::open::Reading;
    use crate::load::tally::Sums;
    use proptest::prelude::*;

    fn reading(posted: i128, held: i128) -> Reading {
        Reading { posted, held, accounts: 1, holds: 1 }
    }

    fn verdict(held: i128, sums: &Sums) -> Verdict {
        // Another run has left 500 held before.
        judge(&reading(10_000, 500), &reading(10_000, 500 + held), sums)
    }

    #[test]
    fn both_sides_of_every_bound() {
        let sums = Sums { firm: 100, stand_in: 20, undecided: 7, unknown: 3, ..Sums::default() };
        for (held, expected) in [
            (99, Verdict::HeldTooSmall),
            (100, Verdict::Unsettled),
            (119, Verdict::Unsettled),
            (120, Verdict::Settled),
            (123, Verdict::Settled),
            (124, Verdict::Unsettled),
            (130, Verdict::Unsettled),
            (131, Verdict::HeldTooLarge),
        ] {
            assert_eq!(verdict(held, &sums), expected, "held {held}");
        }
    }

    #[test]
    fn nothing_may_be_posted() {
        let sums = Sums::default();
        assert_eq!(judge(&reading(5, 0), &reading(5, 0), &sums), Verdict::Settled);
        assert_eq!(judge(&reading(5, 0), &reading(4, 0), &sums), Verdict::Posted);
    }

    proptest! {
        #[test]
        fn any_true_story_is_within_the_bounds(
            firm in 0i128..1_000, stand_in in 0i128..1_000, unknown in 0i128..1_000, undecided in 0i128..1_000,
            settled_share in 0i128..=100, lost_share in 0i128..=100, void_share in 0i128..=100,
        ) {
            let sums = Sums { firm, stand_in, unknown, undecided, ..Sums::default() };
            let stays = unknown * lost_share / 100;
            let held = firm + stand_in * settled_share / 100 + stays + undecided * void_share / 100;
            prop_assert!(!verdict(held, &sums).is_violation());
            prop_assert_eq!(verdict(firm + stand_in + stays, &sums), Verdict::Settled);
        }
    }
}
