//! What has been promised: per token while replies can still come, then as sums for the books.
//!
//! What must hold: each token counts once, however often it was asked; no reply that may have moved money is left out
//! of the bounds. Not here: reading the books (`books`).
//!
//! A token's fate is the strongest of what was heard of it. *Firm*: a quorum's approval; the hold must be there now.
//! *Stand-in*: a node's approval; the hold comes with the settlement. *Unknown*: a reply was lost, so an approval may
//! have been meant; the hold may stay for ever. *Undecided*: told no without a decision; a hold may be there until its
//! void is through. Everything else holds nothing.

use super::plan::{Ask, REPEAT_WINDOW};
use crate::http::reply::{Outcome, Reply};
use std::collections::VecDeque;

/// Sums in minor units and counts of tokens, by fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Approved by a quorum.
    pub firm: i128,
    /// Approved by a node alone.
    pub stand_in: i128,
    /// Some reply was lost and none was an approval.
    pub unknown: i128,
    /// Only told no without a decision.
    pub undecided: i128,
    /// Tokens asked.
    pub tokens: u64,
    /// Tokens whose fate is unknown.
    pub unknown_tokens: u64,
    /// Decided replies to one token that differ in status or body.
    pub mismatches: u64,
    /// The first tokens with a mismatch.
    pub examples: [Option<u64>; 8],
}

impl Sums {
    /// Adds another thread's.
    pub fn add(&mut self, other: &Sums) {
        self.firm += other.firm;
        self.stand_in += other.stand_in;
        self.unknown += other.unknown;
        self.undecided += other.undecided;
        self.tokens += other.tokens;
        self.unknown_tokens += other.unknown_tokens;
        self.mismatches += other.mismatches;
        for token in other.examples.into_iter().flatten() {
            self.remember_example(token);
        }
    }

    fn remember_example(&mut self, token: u64) {
        if let Some(free) = self.examples.iter_mut().find(|example| example.is_none()) {
            *free = Some(token);
        }
    }
}

const ASKED: u8 = 1;
const FIRM: u8 = 2;
const STAND_IN: u8 = 4;
const DECLINED: u8 = 8;
const UNDECIDED: u8 = 16;
const LOST: u8 = 32;
/// `decided` holds the first decided reply.
const SEEN: u8 = 64;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Amounts are at most 10^15.
    amount: u64,
    /// Status and body of the first decided reply.
    decided: (u16, u64),
    /// Requests whose end is not known yet.
    open: u32,
    heard: u8,
}

/// The tokens of one thread.
pub struct Tally {
    /// The number of the token in front.
    base: u64,
    stride: u64,
    /// Entries stay while a request of theirs is open or a repeat may still reach them; the rest is in `sums`. Bounded
    /// by the repeat window plus what can be asked within the time limit of one request.
    entries: VecDeque<Entry>,
    window: usize,
    plain: bool,
    sums: Sums,
}

impl Tally {
    /// Of a thread whose numbers begin with `first` and are `stride` apart.
    pub fn new(first: u64, stride: u64, repeats: Repeats, server: Server) -> Tally {
        // A repeat looks past at most 16 numbers beyond its window.
        let window = match repeats {
            Repeats::Some => REPEAT_WINDOW as usize + 64,
            Repeats::None => 0,
        };
        Tally {
            base: first,
            stride,
            entries: VecDeque::new(),
            window,
            plain: server == Server::Plain,
            sums: Sums::default(),
        }
    }

    /// Request `number` is about to be sent.
    pub fn begin(&mut self, number: u64, ask: Ask) {
        let wanted = ((number - self.base) / self.stride) as usize + 1;
        while self.entries.len() < wanted {
            self.entries.push_back(Entry::default());
        }
        if let Some(entry) = self.entry(ask.token) {
            entry.amount = ask.amount;
            entry.heard |= ASKED;
            entry.open += 1;
        }
        self.fold(self.window);
    }

    /// A reply came.
    pub fn reply(&mut self, token: u64, reply: &Reply) {
        let plain = self.plain;
        let Some(entry) = self.entry(token) else { return };
        entry.heard |= match (reply.status, reply.outcome) {
            (200, Outcome::StandIn) => STAND_IN,
            (200, _) => FIRM,
            (402, Outcome::Decided | Outcome::Replayed) => DECLINED,
            (402, Outcome::Refused) => 0,
            (402, _) => UNDECIDED,
            // Nothing moves money with one of these.
            (400..=499, _) => 0,
            // Says nothing about what was done.
            _ => LOST,
        };
        let comparable = matches!(reply.outcome, Outcome::Decided | Outcome::Replayed) || plain && reply.status == 200;
        if !comparable {
            return;
        }
        let now = (reply.status, reply.body_hash);
        if entry.heard & SEEN == 0 {
            entry.heard |= SEEN;
            entry.decided = now;
        } else if entry.decided != now {
            self.sums.mismatches += 1;
            self.sums.remember_example(token);
        }
    }

    /// An attempt's reply was lost.
    pub fn lost(&mut self, token: u64) {
        if let Some(entry) = self.entry(token) {
            entry.heard |= LOST;
        }
    }

    /// Nothing more will be heard of this request.
    pub fn end(&mut self, token: u64) {
        if let Some(entry) = self.entry(token) {
            entry.open = entry.open.saturating_sub(1);
        }
    }

    /// The sums, once every request has ended.
    pub fn finish(mut self) -> Sums {
        self.fold(0);
        self.sums
    }

    fn entry(&mut self, token: u64) -> Option<&mut Entry> {
        let index = token.checked_sub(self.base)? / self.stride;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    fn fold(&mut self, keep: usize) {
        while self.entries.len() > keep && self.entries.front().is_some_and(|entry| entry.open == 0) {
            let Some(entry) = self.entries.pop_front() else { return };
            self.base += self.stride;
            self.sums.tokens += u64::from(entry.heard & ASKED != 0);
            let heard = |flag: u8| entry.heard & flag != 0;
            let amount = i128::from(entry.amount);
            if heard(FIRM) {
                self.sums.firm += amount;
            } else if heard(STAND_IN) {
                self.sums.stand_in += amount;
            } else if heard(LOST) {
                // Even beside a decided decline: the lost reply may have been a stand-in approval.
                self.sums.unknown += amount;
                self.sums.unknown_tokens += 1;
            } else if heard(UNDECIDED) && !heard(DECLINED) {
                self.sums.undecided += amount;
            }
        }
    }
}

/// Whether the plan repeats tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// Some are.
    Some,
    /// None is.
    None,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Holdfast: our header says how the answer came about.
    Holdfast,
    /// Something else: any 200 counts.
    Plain,
}

#[cfg(test)]
mod tests {
    use super::{Repeats, Server, Sums, Tally};
    use crate::http::reply::{Outcome, Reply};
    use crate::load::plan::Ask;

    fn reply(status: u16, outcome: Outcome, body_hash: u64) -> Reply {
        Reply { status, outcome, keep_alive: true, body_hash, body_bytes: 0, size_bytes: 0 }
    }

    /// Asks one token for 7 and hears these; `None` is a lost reply.
    fn fate(heard: &[Option<Reply>]) -> Sums {
        let mut tally = Tally::new(0, 1, Repeats::None, Server::Holdfast);
        tally.begin(0, Ask { token: 0, user: 0, amount: 7 });
        for reply in heard {
            match reply {
                Some(reply) => tally.reply(0, reply),
                None => tally.lost(0),
            }
        }
        tally.end(0);
        tally.finish()
    }

    #[test]
    fn a_token_counts_by_the_strongest_of_what_was_heard() {
        use Outcome::{Decided, Refused, Replayed, StandIn, Undecided};
        let yes = Some(reply(200, Decided, 1));
        let again = Some(reply(200, Replayed, 1));
        let no = Some(reply(402, Decided, 2));
        let alone = Some(reply(200, StandIn, 1));
        let undecided = Some(reply(402, Undecided, 3));
        let refused = Some(reply(402, Refused, 4));
        // firm, stand-in, unknown, undecided
        for (heard, sums) in [
            (vec![yes, again], (7, 0, 0, 0)),
            (vec![None, yes], (7, 0, 0, 0)),
            (vec![undecided, again], (7, 0, 0, 0)),
            (vec![no], (0, 0, 0, 0)),
            (vec![refused], (0, 0, 0, 0)),
            (vec![undecided], (0, 0, 0, 7)),
            (vec![undecided, no], (0, 0, 0, 0)),
            (vec![None, no], (0, 0, 7, 0)),
            (vec![undecided, None], (0, 0, 7, 0)),
            (vec![alone, no], (0, 7, 0, 0)),
            (vec![Some(reply(503, Outcome::Absent, 0))], (0, 0, 7, 0)),
            (vec![Some(reply(429, Outcome::Absent, 0))], (0, 0, 0, 0)),
        ] {
            let got = fate(&heard);
            assert_eq!((got.firm, got.stand_in, got.unknown, got.undecided), sums, "{heard:?}");
            assert_eq!((got.tokens, got.mismatches), (1, 0), "{heard:?}");
        }
    }

    #[test]
    fn different_decided_replies_to_one_token_are_seen() {
        use Outcome::{Decided, Replayed, Undecided};
        let first = Some(reply(200, Decided, 1));
        for (second, mismatches) in [
            (reply(200, Replayed, 1), 0),
            (reply(200, Replayed, 2), 1),
            (reply(402, Replayed, 1), 1),
            (reply(402, Undecided, 2), 0),
        ] {
            let sums = fate(&[first, Some(second)]);
            assert_eq!(sums.mismatches, mismatches, "{second:?}");
            assert_eq!(sums.examples[0], (mismatches > 0).then_some(0));
        }
    }

    #[test]
    fn an_open_request_keeps_its_token_however_many_follow() {
        let mut tally = Tally::new(1, 2, Repeats::None, Server::Holdfast);
        let ask = |token| Ask { token, user: 0, amount: 10 };
        tally.begin(1, ask(1));
        for number in (3..20_001).step_by(2) {
            tally.begin(number, ask(number));
            tally.reply(number, &reply(200, Outcome::Decided, number));
            tally.end(number);
        }
        assert_eq!(tally.entries.len(), 10_000);
        tally.reply(1, &reply(200, Outcome::Decided, 1));
        tally.end(1);
        tally.begin(20_001, ask(20_001));
        assert_eq!(tally.entries.len(), 1);
        tally.lost(20_001);
        tally.end(20_001);
        let sums = tally.finish();
        assert_eq!((sums.firm, sums.unknown, sums.tokens), (100_000, 10, 10_001));
    }
}
