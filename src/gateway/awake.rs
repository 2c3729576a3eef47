//! How old a request may be: what a process that stood still finds in its sockets has waited there.
//!
//! A process that was stopped for a while, by the host or by somebody's hand, goes on as if nothing had been, and reads
//! requests whose clients have long gone elsewhere. Another node may have said no to them, alone; a hold that is placed
//! now is money that nobody has promised and that nobody can spend.
//!
//! **What must hold.** A request that is read after a pause, or just after that, counts from the last moment at which
//! this process is known to have been awake. So one that may have waited past its deadline is declined, and nothing is
//! proposed for it. Some that have just come are declined with them. Where nobody beats, a request is as young as it
//! looks.
//!
//! **What is deliberately not here.** A machine that stands still with its clock and its network: what it is sent comes
//! when it goes on, and is new.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is noted that the process is awake. It wakes the runtime for nothing, which spares more than it costs:
/// where no timer is running, tokio wakes its own poll with a system call for each timer that is set; between two
/// batches of answers none is, and every request sets one or two. With this one, which is due before any of theirs,
/// none of those calls is made.
pub(crate) const BEAT: Duration = Duration::from_millis(50);
/// A longer pause than a busy machine makes.
const ASLEEP: Duration = Duration::from_millis(150);
/// After a pause, what waited has been read within this time.
const READ_WITHIN: Duration = Duration::from_millis(200);

/// When this process was awake. Written by one task, read by every request.
pub(crate) struct Awake {
    epoch: Instant,
    /// The latest beat, in microseconds after `epoch`; 0: there was none.
    last: AtomicU64,
    /// The beat before the latest pause, and until when requests count from it.
    before: AtomicU64,
    until: AtomicU64,
}

impl Default for Awake {
    fn default() -> Self {
        let [last, before, until] = [0; 3].map(AtomicU64::new);
        Awake { epoch: Instant::now(), last, before, until }
    }
}

impl Awake {
    /// It is awake now. From one task only. Returns how long it was not, if it was not.
    pub(crate) fn beat(&self) -> Option<Duration> {
        let (now, last) = (self.us(Instant::now()).max(1), self.last.load(Ordering::Relaxed));
        let gap = now.saturating_sub(last);
        let paused = last != 0 && gap > us(ASLEEP);
        if paused {
            // A pause just after another: what waited for the first may still be there.
            let again = last < self.until.load(Ordering::Relaxed);
            if !again {
                self.before.store(last, Ordering::Relaxed);
            }
            self.until.store(now + us(READ_WITHIN), Ordering::Release);
        }
        // Whoever sees this beat sees the pause before it.
        self.last.store(now, Ordering::Release);
        paused.then(|| Duration::from_micros(gap))
    }

    /// The earliest that a request may have come that is read now.
    pub(crate) fn came(&self, read: Instant) -> Instant {
        let (now, last) = (self.us(read), self.last.load(Ordering::Acquire));
        if last == 0 {
            return read;
        }
        let paused = now.saturating_sub(last) > us(ASLEEP);
        if now < self.until.load(Ordering::Acquire) {
            self.at(self.before.load(Ordering::Relaxed))
        } else if paused {
            self.at(last)
        } else {
            read
        }
    }

    fn us(&self, at: Instant) -> u64 {
        us(at.saturating_duration_since(self.epoch))
    }

    fn at(&self, us: u64) -> Instant {
        self.epoch + Duration::from_micros(us)
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const MS: Duration = Duration::from_millis(1);

    /// How long ago a request may have come that is read now.
    fn age(awake: &Awake) -> Duration {
        let now = Instant::now();
        now - awake.came(now)
    }

    async fn beats(awake: &Awake, count: u32) {
        for _ in 0..count {
            advance(BEAT).await;
            assert_eq!(awake.beat(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_awake_a_request_has_just_come() {
        let awake = Awake::default();
        advance(1000 * MS).await;
        assert_eq!(age(&awake), Duration::ZERO, "nobody beats");
        beats(&awake, 3).await;
        advance(BEAT * 2).await;
        assert_eq!(age(&awake), Duration::ZERO, "a beat is a little late");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_it_may_have_waited_since_the_last_beat() {
        let awake = Awake::default();
        beats(&awake, 3).await;
        advance(2500 * MS).await;
        assert_eq!(age(&awake), 2500 * MS, "read before the next beat");
        assert_eq!(awake.beat(), Some(2500 * MS));
        assert_eq!(age(&awake), 2500 * MS, "read after it");
        beats(&awake, 3).await;
        assert_eq!(age(&awake), 2650 * MS, "what waited is still being read");
        beats(&awake, 1).await;
        assert_eq!(age(&awake), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_just_after_a_pause_belongs_to_it() {
        let awake = Awake::default();
        beats(&awake, 3).await;
        for pause in [2500 * MS, 300 * MS] {
            advance(pause).await;
            assert_eq!(awake.beat(), Some(pause));
        }
        assert_eq!(age(&awake), 2800 * MS);
        beats(&awake, 4).await;
        assert_eq!(age(&awake), Duration::ZERO);
    }
}
