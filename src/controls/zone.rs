//! A time zone's name turned into offsets: from the data of this release, the same on every machine.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use ledger::{Token, Zone};

/// What is before has the offset of this instant (2020-01-01).
const FROM_S: i64 = 1_577_836_800;
/// What is after keeps the last offset (2070-01-01): half a century of two changes a year.
const TO_S: i64 = 3_155_760_000;

/// The offsets of a zone by its name in the IANA database.
pub(super) fn zone(name: &str) -> Result<Zone, String> {
    let unknown = || format!("{name:?} is no time zone of the IANA database");
    let kept = Token::new(name).map_err(|error| format!("{name:?} {error}"))?;
    let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
    let (from, to) = (instant(FROM_S)?, instant(TO_S)?);
    let (offset_s, changes) = (offset(&zone, from), changes(&zone, from, to));
    if changes.len() > Zone::CHANGES_MAX {
        return Err(format!("{name:?} changes its clock too often"));
    }
    Ok(Zone { name: Some(kept), offset_s, changes })
}

fn instant(seconds: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(seconds).map_err(|error| error.to_string())
}

fn offset(zone: &TimeZone, at: Timestamp) -> i32 {
    zone.to_offset(at).seconds()
}

/// Changes of the offset only: a zone may change its name without moving its clock.
fn changes(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<(ledger::Timestamp, i32)> {
    let mut last = offset(zone, from);
    let mut changes = Vec::new();
    for transition in zone.following(from).take_while(|transition| transition.timestamp() < to) {
        let next = transition.offset().seconds();
        if next != last {
            let at = u64::try_from(transition.timestamp().as_microsecond()).unwrap_or_default();
            changes.push((ledger::Timestamp(at), next));
            last = next;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_with_and_without_summer_time() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!((berlin.offset_s, berlin.changes.len()), (3600, 100));
        // 2026-03-29 01:00 UTC.
        assert!(berlin.changes.contains(&(ledger::Timestamp(1_774_746_000_000_000), 7200)));
        let tokyo = zone("Asia/Tokyo").unwrap();
        assert_eq!((tokyo.offset_s, tokyo.changes), (9 * 3600, Vec::new()));
        assert!(zone("Mars/Olympus").unwrap_err().contains("no time zone"));
        assert!(zone("").is_err());
    }

    /// What an operator may name can be kept.
    #[test]
    fn every_zone_fits() {
        let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
        assert!(names.len() > 400);
        for name in names.iter().filter(|name| name.len() <= Token::LEN_MAX) {
            let zone = zone(name).unwrap();
            assert!(zone.changes.len() <= Zone::CHANGES_MAX, "{name}");
        }
    }
}
