//! How long the latest requests took, for whoever asks why one of them was slow.
//!
//! What must hold: a request pays for it with two stores, and memory is bounded and small, so that it stays in the
//! processor's caches. A slot is chosen by the token's hash under a key that nobody outside knows, and a later token
//! takes it over: what is not there was answered elsewhere, or longer ago. Nothing depends on it.

use ledger::{Program, Token};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// At 1,000 requests a second, the last sixteen seconds; 256 KiB.
const SLOTS: usize = 16 * 1024;

/// How long one request took at the node that answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the end of its head until all of it was read and understood.
    pub read: Duration,
    /// From then until there was an answer, by the cluster or without it.
    pub decided: Duration,
}

/// A timing, and the hash of its token. The hash is kept as what it differs by from the timing: if two requests write
/// at once, halves of two are none.
#[derive(Debug, Default)]
struct Slot {
    timing: AtomicU64,
    difference: AtomicU64,
}

/// The latest requests of this node.
#[derive(Debug)]
pub struct Recent {
    slots: Box<[Slot]>,
    key: RandomState,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { slots: (0..SLOTS).map(|_| Slot::default()).collect(), key: RandomState::new() }
    }
}

impl Timing {
    /// Both in microseconds, at most an hour and a bit each. Never 0, which is an empty slot.
    fn packed(self) -> u64 {
        let us = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        u64::from(us(self.read)) << 32 | u64::from(us(self.decided).max(1))
    }

    fn unpacked(packed: u64) -> Timing {
        let us = |half: u64| Duration::from_micros(half & u64::from(u32::MAX));
        Timing { read: us(packed >> 32), decided: us(packed) }
    }
}

impl Recent {
    /// Puts down how long a request took. Of one that was repeated, the last time counts.
    pub(crate) fn put(&self, program: Program, token: Token, timing: Timing) {
        let (hash, packed) = (self.hash(&program, &token), timing.packed());
        let slot = self.slot(hash);
        slot.timing.store(packed, Ordering::Relaxed);
        slot.difference.store(packed ^ hash, Ordering::Relaxed);
    }

    /// How long this request took, if this node has answered it lately.
    pub fn of(&self, program: &Program, token: &Token) -> Option<Timing> {
        let hash = self.hash(program, token);
        let slot = self.slot(hash);
        let packed = slot.timing.load(Ordering::Relaxed);
        let found = packed != 0 && slot.difference.load(Ordering::Relaxed) == packed ^ hash;
        found.then(|| Timing::unpacked(packed))
    }

    fn hash(&self, program: &Program, token: &Token) -> u64 {
        self.key.hash_one((program.as_str(), token.as_str()))
    }

    fn slot(&self, hash: u64) -> &Slot {
        // The remainder is below `SLOTS`, which fits.
        &self.slots[(hash % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_memory_is_bounded() {
        let recent = Recent::default();
        let program = |name: &str| Program::new(name).expect("valid");
        let token = |number: usize| Token::new(&format!("t{number}")).expect("valid");
        let timing = |ms| Timing { read: Duration::from_micros(7), decided: Duration::from_millis(ms) };
        for number in 0..4 * SLOTS {
            recent.put(program("default"), token(number), timing(number as u64 + 1));
        }
        let last = 4 * SLOTS - 1;
        assert_eq!(recent.of(&program("default"), &token(last)), Some(timing(last as u64 + 1)));
        assert_eq!(recent.of(&program("other"), &token(last)), None, "another programme's token");
        let known = (0..4 * SLOTS).filter(|number| recent.of(&program("default"), &token(*number)).is_some()).count();
        assert!(known <= SLOTS && known > SLOTS / 2, "{known}");
        recent.put(program("default"), token(last), timing(1));
        assert_eq!(recent.of(&program("default"), &token(last)), Some(timing(1)), "the last time counts");
    }
}
