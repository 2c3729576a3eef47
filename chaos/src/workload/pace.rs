//! When requests leave: at a rate over all clients, or at once.
//!
//! What must hold: a client that comes late goes on at once, and what it missed is not made up for later by more than
//! one second's requests. Not here: how long answers take from the intended time (`load` measures that).

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A pace that clients share.
pub struct Pace {
    rate: Option<u64>,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many a second from now on; none: without waiting.
    pub fn new(rate: Option<u64>) -> Pace {
        Pace { rate: rate.map(|rate| rate.max(1)), next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let Some(rate) = self.rate else { return };
        let due = {
            // Infallible: nothing in this block panics, so that nobody leaves the lock poisoned.
            let mut next = self.next.lock().expect("not poisoned");
            let now = Instant::now();
            let due = (*next).max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now));
            *next = due + Duration::from_nanos(1_000_000_000 / rate);
            due
        };
        tokio::time::sleep_until(due.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn turns_come_at_the_rate() {
        let pace = Pace::new(Some(1_000));
        let began = Instant::now();
        for _ in 0..50 {
            pace.turn().await;
        }
        // The first is at once.
        assert!(began.elapsed() >= Duration::from_millis(49));
    }

    #[tokio::test]
    async fn without_a_rate_nobody_waits() {
        let pace = Pace::new(None);
        for _ in 0..1_000_000 {
            pace.turn().await;
        }
    }
}
