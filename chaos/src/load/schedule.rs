//! The open loop's fixed schedule: when each request is meant to leave, whatever became of those before it.
//!
//! What must hold: latency counts from the intended time, so that a stall is felt by every request that it delays
//! (no coordinated omission); what waits is bounded, and what is dropped for that is counted, never forgotten.
//! Not here: connections; tasks (`run` puts them on this schedule).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The alarm's thread looks this often whether it is still needed.
const NAP_MAX: Duration = Duration::from_millis(100);

/// Slots `first`, `first + stride`, ... of a schedule with `rate` slots per second.
#[derive(Clone, Debug)]
pub struct Schedule {
    start: Instant,
    end: Option<Instant>,
    rate: u64,
    stride: u64,
    next: u64,
    backlog_max: u64,
    /// Slots that were dropped because too many were waiting.
    pub dropped: u64,
}

/// The options of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When slot 0 is due.
    pub start: Instant,
    /// No slot is due at or after this.
    pub end: Option<Instant>,
    /// Slots per second over all threads; at least one.
    pub rate: u64,
    /// How many threads share the schedule.
    pub stride: u64,
    /// How many slots of one thread may wait.
    pub backlog_max: u64,
}

/// What the schedule says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A request is due; it was meant to leave then.
    Now(Instant),
    /// The next one is due then.
    Later(Instant),
    /// There are no more.
    Over,
}

impl Schedule {
    /// Of the thread with this index.
    pub fn new(pace: Pace, thread: u64) -> Schedule {
        let Pace { start, end, rate, stride, backlog_max } = pace;
        Schedule { start, end, rate, stride, next: thread, backlog_max, dropped: 0 }
    }

    /// Takes the slot that is due, if one is.
    pub fn take(&mut self, now: Instant) -> Turn {
        self.drop_excess(now);
        let due = self.due(self.next);
        if self.end.is_some_and(|end| due >= end) {
            return Turn::Over;
        }
        if due > now {
            return Turn::Later(due);
        }
        self.next += self.stride;
        Turn::Now(due)
    }

    /// How many slots were due before the end and never taken.
    pub fn left(&self) -> u64 {
        let Some(end) = self.end else { return 0 };
        self.waiting(end)
    }

    fn due(&self, slot: u64) -> Instant {
        let whole = Duration::from_secs(slot / self.rate);
        // The rest is below the rate, which is at most 10^7: no overflow.
        self.start + whole + Duration::from_nanos(slot % self.rate * 1_000_000_000 / self.rate)
    }

    /// How many slots of this thread are due by then and not taken.
    fn waiting(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start);
        let due = (elapsed.as_nanos() * u128::from(self.rate)).div_ceil(1_000_000_000);
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        due.saturating_sub(self.next).div_ceil(self.stride)
    }

    fn drop_excess(&mut self, now: Instant) {
        let now = self.end.map_or(now, |end| now.min(end));
        let excess = self.waiting(now).saturating_sub(self.backlog_max);
        self.next += excess * self.stride;
        self.dropped += excess;
    }
}

/// Wakes the pacer at each slot that it waits for, from a thread of its own: the runtime's timers are a millisecond
/// coarse, and what they lose would be measured as latency.
pub struct Alarm {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Bell {
    /// Somebody waits: a wake-up across threads costs a system call, and under load nobody waits.
    wanted: AtomicBool,
    silenced: AtomicBool,
    rung: Notify,
}

impl Alarm {
    /// Of a schedule from which nothing has been taken.
    pub fn start(schedule: Schedule) -> io::Result<Alarm> {
        let bell = Arc::new(Bell::default());
        let theirs = bell.clone();
        let thread = std::thread::Builder::new().name("alarm".into()).spawn(move || ring_on(schedule, &theirs))?;
        Ok(Alarm { bell, thread: Some(thread) })
    }

    /// Asks to be woken at the next slot. Look at the schedule once more before [`Alarm::rung`]: a slot that was due
    /// before this call does not ring.
    pub fn set(&self) {
        self.bell.wanted.store(true, Ordering::SeqCst);
    }

    /// Waits for a ring; there may be one too many, and there is one when the schedule is over.
    pub async fn rung(&self) {
        self.bell.rung.notified().await;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.bell.silenced.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, not even in a panic: there is nothing in it that could.
            let _ = thread.join();
        }
    }
}

fn ring_on(mut schedule: Schedule, bell: &Bell) {
    while !bell.silenced.load(Ordering::SeqCst) {
        match schedule.take(Instant::now()) {
            Turn::Later(due) => std::thread::sleep(due.saturating_duration_since(Instant::now()).min(NAP_MAX)),
            Turn::Now(_) => {
                if bell.wanted.swap(false, Ordering::SeqCst) {
                    bell.rung.notify_one();
                }
            }
            Turn::Over => {
                bell.rung.notify_one();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, Pace, Schedule, Turn};
    use std::time::{Duration, Instant};

    fn schedule(rate: u64, stride: u64, backlog_max: u64, thread: u64) -> (Instant, Schedule) {
        let start = Instant::now();
        let end = Some(start + Duration::from_secs(1));
        (start, Schedule::new(Pace { start, end, rate, stride, backlog_max }, thread))
    }

    /// One server that takes `service` per request and stalls once, in simulated time. The latencies in microseconds.
    fn simulate(schedule: &mut Schedule, start: Instant, service: Duration, stall: (Duration, Duration)) -> Vec<u128> {
        let mut now = start;
        let mut stall = Some(stall);
        let mut latencies = Vec::new();
        loop {
            match schedule.take(now) {
                Turn::Over => return latencies,
                Turn::Later(due) => now = due,
                Turn::Now(intended) => {
                    if let Some((_, length)) = stall.take_if(|(at, _)| now >= start + *at) {
                        now += length;
                    }
                    now += service;
                    latencies.push((now - intended).as_micros());
                }
            }
        }
    }

    #[test]
    fn a_stall_is_felt_by_every_request_that_it_delays() {
        let (start, mut schedule) = schedule(1_000, 1, 1_000, 0);
        let stall = (Duration::from_millis(200), Duration::from_millis(300));
        let latencies = simulate(&mut schedule, start, Duration::from_micros(100), stall);
        assert_eq!(latencies.len(), 1_000);
        assert_eq!((schedule.dropped, schedule.left()), (0, 0));
        assert_eq!(latencies.iter().max(), Some(&300_100));
        // While 300 wait, 0.1 ms of service against 1 ms between slots works off 0.9 ms per request: 334 are late.
        let late = latencies.iter().filter(|latency| **latency > 100).count();
        assert!((330..=336).contains(&late), "{late}");
        // A closed loop would have seen a single slow one.
        let half = latencies.iter().filter(|latency| **latency > 150_000).count();
        assert!((160..=170).contains(&half), "{half}");
    }

    #[test]
    fn what_is_beyond_the_backlog_is_dropped_and_counted() {
        let (start, mut schedule) = schedule(1_000, 1, 50, 0);
        let stall = (Duration::from_millis(200), Duration::from_millis(300));
        let latencies = simulate(&mut schedule, start, Duration::from_micros(100), stall);
        assert_eq!(latencies.len() as u64 + schedule.dropped + schedule.left(), 1_000);
        assert!((248..=252).contains(&schedule.dropped), "{}", schedule.dropped);
        assert_eq!(latencies.iter().max(), Some(&300_100), "the stalled request itself");
    }

    #[test]
    fn what_was_due_before_the_end_and_never_taken_is_left() {
        let (start, mut schedule) = schedule(1_000, 1, 5_000, 0);
        assert_eq!(schedule.take(start + Duration::from_secs(9)), Turn::Now(start));
        assert_eq!((schedule.dropped, schedule.left()), (0, 999));
    }

    #[test]
    fn threads_share_the_slots_without_overlap() {
        let (start, mut even) = schedule(10, 2, 100, 0);
        let mut odd = Schedule { next: 1, ..even.clone() };
        let late = start + Duration::from_secs(2);
        let mut due = Vec::new();
        for schedule in [&mut even, &mut odd] {
            while let Turn::Now(intended) = schedule.take(late) {
                due.push((intended - start).as_millis());
            }
        }
        due.sort_unstable();
        assert_eq!(due, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }

    #[tokio::test]
    async fn the_alarm_rings_for_each_slot_that_is_waited_for_and_at_the_end() {
        let start = Instant::now();
        let end = Some(start + Duration::from_millis(20));
        let mut schedule = Schedule::new(Pace { start, end, rate: 1_000, stride: 1, backlog_max: 100 }, 0);
        let alarm = Alarm::start(schedule.clone()).expect("a thread");
        let mut taken = 0;
        loop {
            alarm.set();
            match schedule.take(Instant::now()) {
                Turn::Now(_) => taken += 1,
                Turn::Later(_) => alarm.rung().await,
                Turn::Over => break,
            }
        }
        assert_eq!((taken, schedule.dropped, schedule.left()), (20, 0, 0));
    }
}
