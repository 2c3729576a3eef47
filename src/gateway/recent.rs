//! How long the latest requests took, for whoever asks why one of them was slow.
//!
//! What must hold: a request pays for it with one uncontended lock, and memory is bounded. A slot is chosen by the
//! token's hash under a key that nobody outside knows, and a later token takes it over: what is not there was answered
//! elsewhere, or longer ago. Nothing depends on it.

use ledger::{Program, Token};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// At 1,000 requests a second, the last sixteen seconds; about 2 MB.
const SLOTS: usize = 16 * 1024;

/// How long one request took at the node that answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the end of its head until all of it was read and understood.
    pub read: Duration,
    /// From then until there was an answer, by the cluster or without it.
    pub decided: Duration,
}

type Slot = Mutex<Option<(Program, Token, Timing)>>;

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

impl Recent {
    /// Puts down how long a request took. Of one that was repeated, the last time counts.
    pub(crate) fn put(&self, program: Program, token: Token, timing: Timing) {
        *self.slot(&program, &token).lock().unwrap_or_else(PoisonError::into_inner) = Some((program, token, timing));
    }

    /// How long this request took, if this node has answered it lately.
    pub fn of(&self, program: &Program, token: &Token) -> Option<Timing> {
        let slot = *self.slot(program, token).lock().unwrap_or_else(PoisonError::into_inner);
        slot.filter(|(of, named, _)| (of, named) == (program, token)).map(|(_, _, timing)| timing)
    }

    fn slot(&self, program: &Program, token: &Token) -> &Slot {
        let hash = self.key.hash_one((program, token));
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
        let timing = |ms| Timing { read: Duration::ZERO, decided: Duration::from_millis(ms) };
        for number in 0..4 * SLOTS {
            recent.put(program("default"), token(number), timing(number as u64));
        }
        let last = 4 * SLOTS - 1;
        assert_eq!(recent.of(&program("default"), &token(last)), Some(timing(last as u64)));
        assert_eq!(recent.of(&program("other"), &token(last)), None, "another programme's token");
        let known = (0..4 * SLOTS).filter(|number| recent.of(&program("default"), &token(*number)).is_some()).count();
        assert!(known <= SLOTS && known > SLOTS / 2, "{known}");
        recent.put(program("default"), token(last), timing(1));
        assert_eq!(recent.of(&program("default"), &token(last)), Some(timing(1)), "the last time counts");
    }
}
