//! By when a call must be answered: the interface's own limit, or the caller's if that is shorter.

use std::time::{Duration, Instant};
use tonic::metadata::MetadataMap;

/// For what is proposed.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(5);
/// For what is only read.
pub(crate) const READ_MAX: Duration = Duration::from_secs(3);
/// For a snapshot: 1,000,000 accounts at 32 MiB per second take about 10 s.
pub(super) const SNAPSHOT_MAX: Duration = Duration::from_secs(120);

/// When a call that begins now must be answered.
pub(crate) fn of(metadata: &MetadataMap, limit: Duration) -> Instant {
    let asked = metadata.get("grpc-timeout").and_then(|text| text.to_str().ok()).and_then(parse);
    // A tenth is kept back, so that our own answer, which knows what happened, comes before the transport's.
    let limit = asked.map_or(limit, |asked| limit.min(asked - asked / 10));
    Instant::now() + limit
}

/// The header's text: one to eight digits and a unit. Anything else counts as not said.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_limit_is_read_or_ignored() {
        for (text, wanted) in [
            ("1S", Some(Duration::from_secs(1))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("7u", Some(Duration::from_micros(7))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("1", None),
            ("+1S", None),
            ("-1S", None),
            ("1s", None),
            ("123456789m", None),
            ("1é", None),
        ] {
            assert_eq!(parse(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn the_shorter_limit_counts() {
        let mut metadata = MetadataMap::new();
        let left = |metadata: &MetadataMap| of(metadata, READ_MAX).saturating_duration_since(Instant::now());
        assert!(left(&metadata) > Duration::from_secs(2));
        metadata.insert("grpc-timeout", "100m".parse().expect("ASCII"));
        assert!(left(&metadata) <= Duration::from_millis(90));
        metadata.insert("grpc-timeout", "1H".parse().expect("ASCII"));
        assert!(left(&metadata) <= READ_MAX);
    }
}
