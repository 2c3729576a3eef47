//! The machine's clock, in the log's unit.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch. A clock before 1970 reads as 0; log time then stalls, which is harmless.
pub fn wall_clock_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
