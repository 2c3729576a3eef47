//! Wrong credentials, by where they come from.
//!
//! What must hold: memory is bounded however many sources there are; right credentials are never refused for what
//! others have tried, because a balancer may hide the processor and somebody else behind one address. So this decides
//! how much is done about a wrong one (an explanation, or the shortest answer and the end of the connection), and never
//! whether a right one is let in. What keeps guessers out is the length of the passwords.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many in a row are a mistake; more are somebody trying.
const BURST: u32 = 20;
/// After so long one is forgotten.
const FORGET: Duration = Duration::from_secs(3);
/// Sources that are told apart, some 64 bytes each; the others share one count.
const SOURCES_MAX: usize = 4096;
/// The table is gone through no more often than this, however many sources come.
const TIDY: Duration = Duration::from_secs(1);

/// What is done about a wrong credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Few of late: it is explained.
    Seldom,
    /// Too many of late: as little as possible is done.
    TooOften,
}

impl Tried {
    /// Whether the source has tried too often.
    pub fn is_too_often(self) -> bool {
        self == Tried::TooOften
    }
}

/// How often each source was wrong of late.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    sources: HashMap<IpAddr, Count>,
    others: Option<Count>,
    tidied: Option<Instant>,
}

/// Leaks one each [`FORGET`].
#[derive(Clone, Copy, Debug)]
struct Count {
    level: u32,
    since: Instant,
}

impl Attempts {
    /// A wrong credential has come from here.
    pub fn failed(&self, source: Option<IpAddr>) -> Tried {
        self.failed_at(source, Instant::now())
    }

    fn failed_at(&self, source: Option<IpAddr>, now: Instant) -> Tried {
        let Some(source) = source.map(network) else { return Tried::Seldom };
        let mut table = self.0.lock();
        let count = table.of(source, now);
        count.leak(now);
        count.level = (count.level + 1).min(BURST + 1);
        if count.level > BURST { Tried::TooOften } else { Tried::Seldom }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().sources.len()
    }
}

impl Table {
    fn of(&mut self, source: IpAddr, now: Instant) -> &mut Count {
        let new = Count { level: 0, since: now };
        let tidied = self.tidied.is_some_and(|at| now.saturating_duration_since(at) < TIDY);
        if self.sources.len() >= SOURCES_MAX && !tidied && !self.sources.contains_key(&source) {
            self.tidied = Some(now);
            self.sources.retain(|_, count| {
                count.leak(now);
                count.level > 0
            });
        }
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            return self.others.get_or_insert(new);
        }
        self.sources.entry(source).or_insert(new)
    }
}

impl Count {
    fn leak(&mut self, now: Instant) {
        let spans = now.saturating_duration_since(self.since).as_secs() / FORGET.as_secs();
        let spans = u32::try_from(spans).unwrap_or(u32::MAX);
        if spans > 0 {
            self.level = self.level.saturating_sub(spans);
            // What is left of a span counts for the next one.
            self.since = if self.level == 0 { now } else { self.since + FORGET * spans };
        }
    }
}

/// One subscriber of IPv6 has 64 bits of addresses.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_source_that_tries_on_is_told_less_and_others_are_not() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        let tries = |source: &str, at: Instant| attempts.failed_at(ip(source), at);
        for _ in 0..BURST {
            assert_eq!(tries("10.0.0.1", begin), Tried::Seldom);
        }
        assert_eq!(tries("10.0.0.1", begin), Tried::TooOften);
        assert_eq!(tries("::ffff:10.0.0.1", begin), Tried::TooOften, "the same address");
        assert_eq!(tries("10.0.0.2", begin), Tried::Seldom);
        // One of them is forgotten, and one comes.
        assert_eq!(tries("10.0.0.1", begin + FORGET), Tried::TooOften);
        assert_eq!(tries("10.0.0.1", begin + FORGET * 3), Tried::Seldom);
        assert_eq!(tries("10.0.0.1", begin + FORGET * 3), Tried::TooOften);
        let later = begin + FORGET * 60;
        assert_eq!(tries("10.0.0.1", later), Tried::Seldom, "all is forgotten");
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..=BURST {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, number as u16);
            let wanted = if number < BURST { Tried::Seldom } else { Tried::TooOften };
            assert_eq!(attempts.failed_at(Some(address.into()), now), wanted);
        }
        assert_eq!(attempts.failed_at(ip("2001:db8:0:2::1"), now), Tried::Seldom);
    }

    #[test]
    fn memory_is_bounded_and_sources_beyond_it_share_a_count() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let source = |number: u32| Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        for number in 0..SOURCES_MAX as u32 {
            assert_eq!(attempts.failed_at(source(number), now), Tried::Seldom);
        }
        for number in 0..BURST {
            let verdict = attempts.failed_at(source(1_000_000 + number), now);
            assert_eq!(verdict, Tried::Seldom, "{number}");
        }
        assert_eq!(attempts.failed_at(source(2_000_000), now), Tried::TooOften);
        assert_eq!(attempts.len(), SOURCES_MAX);
        // Those that were known keep their own, and room is made when they are forgotten.
        assert_eq!(attempts.failed_at(source(7), now), Tried::Seldom);
        let later = now + FORGET * 3;
        assert_eq!(attempts.failed_at(source(3_000_000), later), Tried::Seldom);
        assert!(attempts.len() < 10, "{}", attempts.len());
    }
}
