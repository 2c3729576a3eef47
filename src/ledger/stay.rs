//! How long a hold stands: by merchant category, by kind of authorization, and by what the processor says.
//!
//! **What must hold.** Never shorter than the processor's own: expiring too early lets money be spent twice, while a
//! hold that stands too long is ended by the processor's reversal. So whatever a message says only makes it longer, up
//! to a bound, and a day is added to all of it. A request that comes without facts was proposed before there were any,
//! and its hold does not expire, as ever.
//!
//! The network's rules are about 7 days, and up to 31 for lodging, vehicle rental, cruises and pre-authorizations; a
//! programme may set more.

use crate::{Authorize, Fact, Facts, Seconds, Settings, Timestamp};
use core::ops::RangeInclusive;

const DAY_S: u32 = 86_400;
/// More than any network lets anything stand; a message that says more is mistaken.
const DAYS_MAX: u32 = Settings::HOLD_DAYS_MAX as u32;
/// What ours stands longer than the processor's.
const GRACE_S: u32 = DAY_S;
/// Car rental by company, hotels by company, cruises, hotels, time shares, rental of cars, trucks and mobile homes.
const LONG: [RangeInclusive<u16>; 6] = [3351..=3500, 3501..=3999, 4411..=4411, 7011..=7012, 7512..=7513, 7519..=7519];

/// When a hold that is placed at that time expires; zero if it does not.
pub(crate) fn expires_at(
    settings: &Settings,
    said: Option<Seconds>,
    facts: Option<&Facts>,
    at: Timestamp,
) -> Timestamp {
    said.or_else(|| facts.map(|facts| stay(settings, facts, at))).map_or(Timestamp(0), |seconds| at.after(seconds))
}

impl Authorize {
    /// When a hold of it that is placed at that time expires; zero if it does not.
    pub(crate) fn expires_at(&self, settings: &Settings, at: Timestamp) -> Timestamp {
        expires_at(settings, self.expires_after, self.facts.as_ref(), at)
    }
}

/// How long a hold with these facts stands from now on.
fn stay(settings: &Settings, facts: &Facts, now: Timestamp) -> Seconds {
    let by_category = facts.mcc.is_some_and(|mcc| LONG.iter().any(|range| range.contains(&mcc)));
    let long = by_category || facts.lodging_or_rental == Fact::Yes || facts.preauthorization == Fact::Yes;
    let days = u32::from(if long { settings.hold_days_long } else { settings.hold_days });
    let days = days.max(facts.life_days.map_or(0, u32::from)).min(DAYS_MAX);
    let until = facts.stands_until.map_or(0, |until| until.0.saturating_sub(now.0).div_ceil(1_000_000));
    let until = u32::try_from(until).unwrap_or(u32::MAX).min(DAYS_MAX * DAY_S);
    Seconds((days * DAY_S).max(until) + GRACE_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn days(facts: Facts) -> u32 {
        let Seconds(seconds) = stay(&Settings::DEFAULT, &facts, NOW);
        assert_eq!(seconds % DAY_S, 0);
        seconds / DAY_S - 1
    }

    #[test]
    fn a_hold_stands_by_category_and_kind() {
        let mcc = |mcc| Facts { mcc: Some(mcc), ..Facts::default() };
        assert_eq!(days(Facts::default()), 7);
        for (category, expected) in
            [(5411, 7), (3350, 7), (3351, 31), (3999, 31), (4000, 7), (7011, 31), (7013, 7), (7512, 31), (4411, 31)]
        {
            assert_eq!(days(mcc(category)), expected, "{category}");
        }
        assert_eq!(days(Facts { preauthorization: Fact::Yes, ..mcc(5542) }), 31);
        assert_eq!(days(Facts { lodging_or_rental: Fact::Yes, ..mcc(5411) }), 31);
        assert_eq!(days(Facts { preauthorization: Fact::No, ..mcc(5542) }), 7);
    }

    #[test]
    fn what_the_processor_says_only_makes_it_longer() {
        let life = |life_days| days(Facts { life_days: Some(life_days), ..Facts::default() });
        assert_eq!((life(0), life(3), life(7), life(30), life(u16::MAX)), (7, 7, 7, 30, 366));
        let until = |days_ahead: i64| {
            let at = NOW.0.saturating_add_signed(days_ahead * 86_400_000_000);
            days(Facts { stands_until: Some(Timestamp(at)), ..Facts::default() })
        };
        assert_eq!((until(-400), until(2), until(45), until(4_000)), (7, 7, 45, 366));
        let hostile = Facts { stands_until: Some(Timestamp(u64::MAX)), life_days: Some(9), ..Facts::default() };
        assert_eq!(days(hostile), 366);
    }
}
