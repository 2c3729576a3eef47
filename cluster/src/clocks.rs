//! Whose clock is wrong? Each node reads the others' clocks and compares all of them, its own among them, with the
//! middle one.
//!
//! **What must hold.** What a reading leaves open (half of its round trip) counts in favour of every clock. A clock is
//! called wrong only by a majority of the members' clocks, and never where two halves differ: of two clocks nobody can
//! say which is wrong. A reading is kept by the monotonic clock, so that a step of a wall clock, this node's too, shows
//! at the next look. Whatever a peer tells is taken for a number and nothing more.
//!
//! **What is deliberately not here.** Asking ([`crate::neighbours`]), and what becomes of a node whose clock is wrong
//! ([`crate::fitness`]).

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// A reading that took longer says too little.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(200);
/// Clocks of machines drift by less than a millisecond in this time.
const AGE_MAX: Duration = Duration::from_secs(10);
/// A clock is wrong when it was so in this many looks in a row: one may fall into a step of somebody's clock.
const LOOKS: u32 = 2;

/// What another clock showed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    clock_us: u64,
    at: Instant,
    unsure_us: u64,
}

impl Reading {
    /// Of a node that was asked at this time and has answered after this long. `None` if that says nothing: it took too
    /// long, or the node is of a version that does not tell.
    pub(crate) fn new(clock_us: u64, asked: Instant, round_trip: Duration) -> Option<Reading> {
        let half = round_trip / 2;
        let says = clock_us > 0 && round_trip <= ROUND_TRIP_MAX;
        // At most 100,000 us.
        says.then(|| Reading { clock_us, at: asked + half, unsure_us: half.as_micros() as u64 })
    }

    /// Whether it still says something.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) <= AGE_MAX
    }

    /// How far the clock is ahead of one that shows this now.
    fn ahead_us(&self, own_us: u64, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.at).as_micros();
        let shows = i128::from(self.clock_us) + i128::try_from(since).unwrap_or(i128::MAX / 2);
        let ahead = shows - i128::from(own_us);
        i64::try_from(ahead).unwrap_or(if ahead > 0 { i64::MAX } else { i64::MIN })
    }
}

/// How the members' clocks compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// How far each is ahead of the middle, at the least.
    ahead_us: BTreeMap<u64, i64>,
    /// How far the two in the middle are apart, at the least. 0 where there is one in the middle.
    apart_us: u64,
}

impl Clocks {
    /// Of this node, whose clock shows `own_us` now, and the others. `None` if fewer than a majority of the members'
    /// clocks are known, or nobody's but this node's.
    pub(crate) fn compare(
        (own, own_us): (u64, u64),
        others: &BTreeMap<u64, Reading>,
        now: Instant,
        members: usize,
    ) -> Option<Clocks> {
        let fresh = others.iter().filter(|(id, reading)| **id != own && reading.is_fresh(now));
        let mut unsure_us = 0;
        let mut shown = BTreeMap::from([(own, 0)]);
        for (id, reading) in fresh {
            unsure_us = unsure_us.max(reading.unsure_us);
            shown.insert(*id, reading.ahead_us(own_us, now));
        }
        if shown.len() < 2 || shown.len() * 2 <= members {
            return None;
        }
        let mut sorted: Vec<i64> = shown.values().copied().collect();
        sorted.sort_unstable();
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        let beyond = |shows: i64| {
            let from = shows.clamp(low, high);
            let off = shows.saturating_sub(from);
            off.signum() * off.saturating_abs().saturating_sub_unsigned(unsure_us).max(0)
        };
        Some(Clocks {
            ahead_us: shown.into_iter().map(|(id, shows)| (id, beyond(shows))).collect(),
            apart_us: high.abs_diff(low).saturating_sub(unsure_us),
        })
    }

    /// How far a node's clock is ahead of the middle, if it is known.
    pub(crate) fn ahead_us(&self, id: u64) -> Option<i64> {
        self.ahead_us.get(&id).copied()
    }

    /// See [`ClockCheck::apart_us`].
    pub(crate) fn apart_us(&self) -> u64 {
        self.apart_us
    }

    /// Whether a node's clock is known to be off by more.
    pub(crate) fn is_off(&self, id: u64, most_us: u64) -> bool {
        self.ahead_us(id).is_some_and(|ahead| ahead.unsigned_abs() > most_us)
    }

    /// Whether a node's clock is known to be right.
    fn is_right(&self, id: u64, most_us: u64) -> bool {
        self.apart_us <= most_us && self.ahead_us(id).is_some_and(|ahead| ahead.unsigned_abs() <= most_us)
    }
}

/// Whether a node's clock is fit for leading, over many looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    wrong_looks: u32,
    unfit: bool,
}

impl Judged {
    /// One more look. What cannot be told leaves it as it was: a node that was seen to be wrong does not become right
    /// because those are gone who could see it. Half of the bound makes it right again, so that a clock at the bound
    /// does not move leadership to and fro.
    pub(crate) fn look(self, clocks: Option<&Clocks>, own: u64, most_us: u64) -> Judged {
        let Some(clocks) = clocks else { return self };
        if clocks.is_off(own, most_us) {
            let wrong_looks = self.wrong_looks.saturating_add(1);
            return Judged { wrong_looks, unfit: self.unfit || wrong_looks >= LOOKS };
        }
        let right = clocks.is_right(own, if self.unfit { most_us / 2 } else { most_us });
        Judged { wrong_looks: 0, unfit: self.unfit && !right }
    }

    /// Whether it is not.
    pub(crate) fn is_unfit(self) -> bool {
        self.unfit
    }
}

/// How a node's own clock compares with the others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockCheck {
    /// How far it is ahead of the middle one of the members' clocks, at the least, in microseconds. 0 if it lies
    /// between the two in the middle.
    pub ahead_us: i64,
    /// How far the two in the middle are apart, where there are two: whose is wrong nobody can say.
    pub apart_us: u64,
    /// It was so wrong that this node does not lead while another can.
    pub unfit: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const OWN_US: u64 = 1_000 * SECOND;

    /// Node 1 shows `OWN_US`; the others are ahead of it by so many milliseconds, read within a round trip of 20 ms.
    fn compare(others: &[(u64, i64)], members: usize) -> Option<Clocks> {
        let asked = Instant::now();
        let read = |(id, ahead_ms): &(u64, i64)| {
            let shows = OWN_US.saturating_add_signed(ahead_ms * 1_000);
            (*id, Reading::new(shows, asked, Duration::from_millis(20)).expect("short enough"))
        };
        let others = others.iter().map(read).collect();
        Clocks::compare((1, OWN_US), &others, asked + Duration::from_millis(10), members)
    }

    fn ahead_ms(clocks: &Clocks) -> Vec<i64> {
        clocks.ahead_us.values().map(|us| us / 1_000).collect()
    }

    #[test]
    fn the_middle_says_who_is_wrong() {
        for (others, members, ahead, apart_ms) in [
            // The unsure 10 ms count in everybody's favour.
            (&[(2, 0), (3, 5)][..], 3, &[0, 0, 0][..], 0),
            (&[(2, 700), (3, 700)], 3, &[-690, 0, 0], 0),
            (&[(2, 700), (3, 0)], 3, &[0, 690, 0], 0),
            (&[(2, 1_000), (3, -1_000)], 3, &[0, 990, -990], 0),
            // Of two nobody can say.
            (&[(2, 700)], 3, &[0, 0], 690),
            (&[(2, 700)], 2, &[0, 0], 690),
            // Nor of two halves; but who is beyond both is wrong.
            (&[(2, 0), (3, 700), (4, 700)], 5, &[0, 0, 0, 0], 690),
            (&[(2, 0), (3, 100), (4, 900)], 4, &[0, 0, 0, 790], 90),
        ] {
            let clocks = compare(others, members).expect("a majority");
            assert_eq!((ahead_ms(&clocks), clocks.apart_us / 1_000), (ahead.to_vec(), apart_ms), "{others:?}");
        }
        assert_eq!(compare(&[(2, 0)], 5), None, "two of five are no majority");
        assert_eq!(compare(&[], 1), None, "a node alone has nothing to compare with");
    }

    #[test]
    fn a_reading_that_says_too_little_is_none() {
        let now = Instant::now();
        assert!(Reading::new(7, now, ROUND_TRIP_MAX).is_some());
        assert_eq!(Reading::new(7, now, ROUND_TRIP_MAX + Duration::from_millis(1)), None);
        assert_eq!(Reading::new(0, now, Duration::ZERO), None, "a version that does not tell");
        let old = Reading::new(7, now, Duration::ZERO).expect("short");
        assert!(old.is_fresh(now + AGE_MAX) && !old.is_fresh(now + AGE_MAX + Duration::from_millis(1)));
    }

    #[test]
    fn a_step_of_the_own_clock_shows_at_the_next_look_and_no_number_is_too_large() {
        let asked = Instant::now();
        let read = |shows| Reading::new(shows, asked, Duration::ZERO).expect("short");
        let others = BTreeMap::from([(2, read(OWN_US)), (3, read(OWN_US))]);
        let later = asked + Duration::from_secs(5);
        let stepped = Clocks::compare((1, OWN_US + 3 * SECOND), &others, later, 3).expect("a majority");
        assert_eq!(stepped.ahead_us(1), Some(-2_000_000), "5 s have passed, and it shows 3 more");
        for wild in [u64::MAX, 1] {
            let others = BTreeMap::from([(2, read(wild)), (3, read(OWN_US))]);
            let clocks = Clocks::compare((1, OWN_US), &others, asked, 3).expect("a majority");
            assert!(clocks.is_off(2, SECOND) && !clocks.is_off(1, SECOND), "{clocks:?}");
        }
    }

    #[test]
    fn two_looks_make_it_unfit_and_half_the_bound_fit_again() {
        let most_us = 500_000;
        let at = |ahead_ms: i64| compare(&[(2, -ahead_ms), (3, -ahead_ms)], 3);
        let mut judged = Judged::default();
        let mut look = |clocks: Option<Clocks>| {
            judged = judged.look(clocks.as_ref(), 1, most_us);
            judged.is_unfit()
        };
        assert!(!look(at(511)), "one look is not enough");
        assert!(!look(at(510)), "at the bound it is not wrong");
        assert!(!look(at(511)));
        assert!(look(at(-511)), "behind is as wrong as ahead");
        assert!(look(None), "nobody to compare with");
        assert!(look(compare(&[(2, -600)], 3)), "of two nobody can say");
        assert!(look(at(300)));
        assert!(!look(at(260)));
        assert!(!look(compare(&[(2, -600)], 3)), "nor does it make a good one wrong");
    }
}
