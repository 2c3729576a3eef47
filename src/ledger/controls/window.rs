//! The time over which a limit counts: rolling, or by a calendar.
//!
//! **What must hold.** Time is the log's. A window is divided into slots, numbered by time; what was counted in a slot
//! counts as long as the slot belongs to the window. A rolling window has 24 slots and looks at one more, because the
//! oldest is partly gone: it may count up to a 24th too long, and never too short.
//!
//! A calendar's day begins at the programme's midnight. Time zones are a table of the instants at which the offset from
//! UTC changes, made by the node that sets the controls, so that no two nodes can know different rules.

use crate::{Seconds, Timestamp, Token};
use alloc::vec::Vec;

/// The time over which a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// The last so many seconds.
    Rolling(Seconds),
    /// From midnight.
    Day,
    /// From Monday's midnight.
    Week,
    /// From the midnight of the first.
    Month,
    /// Since ever.
    Lifetime,
}

/// When days begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// As the operator wrote it, for show; none is UTC.
    pub name: Option<Token>,
    /// Seconds east of UTC before the first change.
    pub offset_s: i32,
    /// From these instants on, in order, this offset.
    pub changes: Vec<(Timestamp, i32)>,
}

const DAY_S: i64 = 86_400;
/// Slots of a rolling window.
const SLOTS: u64 = 24;

impl Zone {
    /// A century of two changes a year.
    pub const CHANGES_MAX: usize = 200;
    /// No zone is further from UTC than 26 hours.
    pub const OFFSET_MAX_S: i32 = 26 * 3600;

    pub(crate) fn is_sound(&self) -> bool {
        let offsets = self.changes.iter().map(|change| change.1).chain([self.offset_s]);
        self.changes.len() <= Self::CHANGES_MAX
            && self.changes.is_sorted_by(|left, right| left.0 < right.0)
            && offsets.into_iter().all(|offset| offset.abs() <= Self::OFFSET_MAX_S)
    }

    /// The day's number, counted from 1970-01-01 at the zone's clock.
    fn day(&self, at: Timestamp) -> i64 {
        let after = self.changes.partition_point(|change| change.0 <= at);
        let offset = after.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(self.offset_s, |last| last.1);
        // 2^64 microseconds are less than 2^45 seconds.
        ((at.0 / 1_000_000) as i64 + i64::from(offset)).div_euclid(DAY_S)
    }
}

impl Window {
    /// The shortest and the longest rolling window.
    pub const ROLLING: core::ops::RangeInclusive<u32> = 60..=366 * 86_400;

    /// The slot of an instant.
    pub(crate) fn slot(self, zone: &Zone, at: Timestamp) -> u64 {
        let slot = match self {
            Window::Rolling(Seconds(seconds)) => {
                let width = (u64::from(seconds) * 1_000_000 / SLOTS).max(1);
                return at.0 / width;
            }
            Window::Day => zone.day(at),
            // 1970-01-01 was a Thursday.
            Window::Week => (zone.day(at) + 3).div_euclid(7),
            Window::Month => month(zone.day(at)),
            Window::Lifetime => 0,
        };
        // Time begins in 1970; the hours before it at a zone west of UTC are its first day.
        slot.max(0).unsigned_abs()
    }

    /// The oldest slot that still counts when this one is the current.
    pub(crate) fn oldest(self, slot: u64) -> u64 {
        match self {
            Window::Rolling(_) => slot.saturating_sub(SLOTS),
            Window::Day | Window::Week | Window::Month | Window::Lifetime => slot,
        }
    }
}

/// Months since 1970-01 of a day since 1970-01-01: the civil calendar in eras of 400 years, which begin in March.
fn month(day: i64) -> i64 {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let year = year_of_era + era * 400 + i64::from(from_march >= 10);
    let month = if from_march < 10 { from_march + 2 } else { from_march - 10 };
    (year - 1970) * 12 + month
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: u64 = 3_600_000_000;
    const DAY_US: u64 = 24 * HOUR_US;

    fn day(number: u64) -> Timestamp {
        Timestamp(number * DAY_US)
    }

    #[test]
    fn months_follow_the_calendar() {
        let utc = Zone::default();
        let of = |days| Window::Month.slot(&utc, day(days));
        // 1970-01-31, 1970-02-01, 1972-02-29, 1972-03-01, 2000-02-29, 2000-03-01, 2100-02-28, 2100-03-01.
        let found = [30, 31, 789, 790, 11_016, 11_017, 47_540, 47_541].map(of);
        assert_eq!(found, [0, 1, 25, 26, 361, 362, 1561, 1562]);
        let mut last = 0;
        for number in 0..60_000 {
            let month = of(number);
            assert!(month == last || month == last + 1, "day {number}");
            last = month;
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        let utc = Zone::default();
        // 1970-01-05 was a Monday.
        let of = |days| Window::Week.slot(&utc, day(days));
        assert_eq!([0, 3, 4, 10, 11].map(of), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_day_begins_at_the_zones_midnight_also_when_the_clock_is_changed() {
        // Like Berlin around 2026-03-29 01:00 UTC, from +1 to +2 hours.
        let change = Timestamp(day(20_541).0 + HOUR_US);
        let zone = Zone { name: None, offset_s: 3600, changes: Vec::from([(change, 7200)]) };
        assert!(zone.is_sound());
        let of = |at: u64| Window::Day.slot(&zone, Timestamp(at));
        let midnight_before = day(20_541).0 - HOUR_US;
        assert_eq!((of(midnight_before - 1), of(midnight_before)), (20_540, 20_541));
        // That day has 23 hours.
        let midnight_after = midnight_before + 23 * HOUR_US;
        assert_eq!((of(midnight_after - 1), of(midnight_after)), (20_541, 20_542));
    }

    #[test]
    fn a_rolling_window_never_counts_too_short() {
        let (zone, window) = (Zone::default(), Window::Rolling(Seconds(3600)));
        for counted in (0..4 * HOUR_US).step_by(7_777_777) {
            let at = day(20_000).0 + counted;
            let slot = window.slot(&zone, Timestamp(at));
            let counts = |later: u64| window.oldest(window.slot(&zone, Timestamp(at + later))) <= slot;
            assert!(counts(0) && counts(HOUR_US));
            assert!(!counts(HOUR_US + 2 * HOUR_US / 24));
        }
    }

    #[test]
    fn a_hostile_zone_is_not_sound() {
        let zone = |changes| Zone { name: None, offset_s: 0, changes };
        assert!(!zone(Vec::from([(day(2), 0), (day(1), 0)])).is_sound());
        assert!(!zone(Vec::from([(day(1), 94_000)])).is_sound());
        assert!(!zone((0..201).map(|at| (day(at), 0)).collect()).is_sound());
        // And time at its end has a slot.
        let west = Zone { name: None, offset_s: -3600, changes: Vec::new() };
        let end = Timestamp(u64::MAX);
        for window in [Window::Day, Window::Week, Window::Month, Window::Rolling(Seconds(60))] {
            assert!(window.slot(&west, end) > window.slot(&west, Timestamp(0)));
        }
    }
}
