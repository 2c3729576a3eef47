//! What is asked, as a pure function of the seed and the request's number.
//!
//! What must hold: the same seed, options and number give the same request whatever happened before, so that a run can
//! be repeated and threads need no shared generator. Not here: how a request looks on the wire (`template`), when it is
//! sent (`schedule`).

use crate::draw::draw;

/// How far back a repeat reaches, in numbers of one thread: how many tokens a thread must remember.
pub const REPEAT_WINDOW: u64 = 32_768;

/// How many numbers a repeat may look past that are repeats themselves, before it becomes a fresh request.
const REPEAT_STEPS_MAX: u64 = 16;

/// The options that decide what is asked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything random comes from it.
    pub seed: u64,
    /// How many accounts there are; at least one.
    pub accounts: u64,
    /// This share of the requests, in percent, goes to account 0.
    pub hot_percent: u64,
    /// This share of the requests, in percent, repeats an earlier token.
    pub repeat_percent: u64,
    /// The smallest amount in minor units.
    pub amount_min: u64,
    /// The largest amount in minor units; not below `amount_min`.
    pub amount_max: u64,
    /// The distance between two numbers of one thread.
    pub stride: u64,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The number of the token: that of the request, or of the earlier one that it repeats.
    pub token: u64,
    /// The account.
    pub user: u64,
    /// Minor units.
    pub amount: u64,
}

impl Plan {
    /// Request `number` of the run.
    pub fn ask(&self, number: u64) -> Ask {
        let token = self.repeated(number).unwrap_or(number);
        let user = if self.draw(token, 1) % 100 < self.hot_percent { 0 } else { self.draw(token, 2) % self.accounts };
        let amount = self.amount_min + self.draw(token, 3) % (self.amount_max - self.amount_min + 1);
        Ask { token, user, amount }
    }

    /// The earlier number that this one repeats, on the same thread.
    fn repeated(&self, number: u64) -> Option<u64> {
        if !self.is_repeat(number) {
            return None;
        }
        let back = 1 + self.draw(number, 5) % REPEAT_WINDOW.min((number / self.stride).max(1));
        (back..back + REPEAT_STEPS_MAX)
            .filter_map(|steps| number.checked_sub(steps * self.stride))
            .find(|earlier| !self.is_repeat(*earlier))
    }

    fn is_repeat(&self, number: u64) -> bool {
        self.draw(number, 4) % 100 < self.repeat_percent
    }

    fn draw(&self, number: u64, purpose: u64) -> u64 {
        draw(self.seed, number, purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, REPEAT_STEPS_MAX, REPEAT_WINDOW};

    fn plan() -> Plan {
        Plan {
            seed: 7,
            accounts: 100,
            hot_percent: 0,
            repeat_percent: 0,
            amount_min: 100,
            amount_max: 5_000,
            stride: 1,
        }
    }

    #[test]
    fn accounts_and_amounts_are_spread_over_their_ranges() {
        let plan = plan();
        let mut users = [0u32; 100];
        for number in 0..100_000 {
            let ask = plan.ask(number);
            assert_eq!(ask.token, number);
            assert!((100..=5_000).contains(&ask.amount));
            users[ask.user as usize] += 1;
        }
        // 1,000 expected each, with a standard deviation of 31.
        assert!(users.iter().all(|count| (800..1_200).contains(count)), "{users:?}");
    }

    #[test]
    fn the_hot_share_goes_to_one_account() {
        let plan = Plan { hot_percent: 80, ..plan() };
        let hot = (0..10_000).filter(|number| plan.ask(*number).user == 0).count();
        assert!((7_800..8_250).contains(&hot), "{hot}");
    }

    #[test]
    fn a_repeat_asks_exactly_what_an_earlier_request_of_its_thread_asked() {
        let plan = Plan { repeat_percent: 30, stride: 2, ..plan() };
        let mut repeats = 0;
        for number in 0..200_000 {
            let ask = plan.ask(number);
            if ask.token == number {
                continue;
            }
            repeats += 1;
            assert_eq!(plan.ask(ask.token), ask);
            assert_eq!((number - ask.token) % 2, 0);
            assert!((number - ask.token) / 2 < REPEAT_WINDOW + REPEAT_STEPS_MAX);
        }
        assert!((58_000..62_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn the_seed_decides() {
        let other = Plan { seed: 8, ..plan() };
        assert!((0..100).any(|number| plan().ask(number) != other.ask(number)));
        assert!((0..100).all(|number| plan().ask(number) == plan().ask(number)));
    }
}
