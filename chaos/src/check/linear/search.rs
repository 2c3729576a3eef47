//! The search for an order of acts (Wing and Gong, with the memory of Lowe).
//!
//! What must hold: an act is taken only while no act that must have happened before it begins is left; it is taken only
//! if the ledger answers as was heard. A configuration (what was taken, in which order within each group, with which
//! answers, and the balance) that led nowhere is not tried again. *None* is said only when everything was tried.
//!
//! A configuration is remembered by 128 bits of hash: two that collide would let an order be missed, once in 2^64 for
//! the millions that fit into the bound.

use super::act::{Act, Expect, program};
use crate::draw::mix;
use ledger::{AccountView, Ledger, Output, Timestamp, UserToken, Verdict};
use std::collections::HashSet;

/// Every so many acts the ledger is kept; what lies between is applied again on the way back.
const KEEP_EVERY: usize = 16;
/// Groups of the memory's key that are none of the acts'.
const READS: usize = usize::MAX;
const BALANCE: usize = usize::MAX - 1;
/// How many acts are named when there is no order.
const STUCK_MAX: usize = 5;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order.
    Order,
    /// There is none.
    None {
        /// How many acts the longest order had.
        explained: usize,
        /// What could not follow it: the requests that had to be next.
        stuck: Vec<Option<u64>>,
    },
    /// Not known after so many steps.
    TooFar {
        /// Commands applied.
        steps: u64,
    },
}

/// Looks for an order of these, which are sorted by the time from which on they may happen.
pub fn search(account: &str, acts: &[Act], steps_max: u64) -> Found {
    let Ok(user) = UserToken::new(account) else { return Found::TooFar { steps: 0 } };
    Search::new(user, acts, steps_max).run()
}

/// Acts taken at one point of the order: one that was chosen, and the reads that fit right after it.
struct Frame {
    /// What else may be tried here instead, the next one last.
    left: Vec<usize>,
    /// How to take the chosen act before this frame back.
    undo: Option<Undo>,
}

struct Undo {
    act: usize,
    reads: Vec<usize>,
    group_hash: u64,
    key: u128,
}

struct Search<'a> {
    user: UserToken,
    acts: &'a [Act],
    taken: Vec<bool>,
    /// Acts that must happen and have not.
    open: usize,
    /// Indices of acts that must happen, and of those that may never.
    must: Vec<usize>,
    may: Vec<usize>,
    /// No act of `must` before this place is left.
    low: usize,
    groups: Vec<u64>,
    key: u128,
    ledger: Ledger,
    kept: Vec<(usize, Ledger)>,
    path: Vec<usize>,
    seen: HashSet<u128>,
    steps: u64,
    steps_max: u64,
    longest: usize,
    stuck: Vec<Option<u64>>,
}

impl<'a> Search<'a> {
    fn new(user: UserToken, acts: &'a [Act], steps_max: u64) -> Search<'a> {
        let (must, may): (Vec<usize>, Vec<usize>) = (0..acts.len()).partition(|at| acts[*at].until_us.is_some());
        let groups = acts.iter().map(|act| act.group + 1).max().unwrap_or(0);
        Search {
            user,
            acts,
            taken: vec![false; acts.len()],
            open: must.len(),
            must,
            may,
            low: 0,
            groups: vec![0; groups],
            key: 0,
            ledger: Ledger::new(),
            kept: vec![(0, Ledger::new())],
            path: Vec::new(),
            seen: HashSet::new(),
            steps: 0,
            steps_max,
            longest: 0,
            stuck: Vec::new(),
        }
    }

    fn run(mut self) -> Found {
        let mut frames = vec![Frame { left: self.candidates(), undo: None }];
        loop {
            if self.open == 0 {
                return Found::Order;
            }
            if self.steps >= self.steps_max {
                return Found::TooFar { steps: self.steps };
            }
            let Some(frame) = frames.last_mut() else {
                return Found::None { explained: self.longest, stuck: self.stuck };
            };
            match frame.left.pop() {
                Some(act) => {
                    if let Some(undo) = self.take(act) {
                        frames.push(Frame { left: self.candidates(), undo: Some(undo) });
                    }
                }
                None => {
                    let undo = frames.pop().and_then(|frame| frame.undo);
                    undo.into_iter().for_each(|undo| self.put_back(undo));
                }
            }
        }
    }

    /// What may be next, the best one last. An act may be next unless another must have ended before it begins.
    fn candidates(&mut self) -> Vec<usize> {
        while self.must.get(self.low).is_some_and(|act| self.taken[*act]) {
            self.low += 1;
        }
        let mut frontier = u64::MAX;
        let mut found = Vec::new();
        for act in self.must[self.low..].iter().copied().filter(|act| !self.taken[*act]) {
            if self.acts[act].from_us > frontier {
                break;
            }
            frontier = frontier.min(self.acts[act].until_us.unwrap_or(u64::MAX));
            found.push(act);
        }
        found.retain(|act| self.acts[*act].from_us <= frontier);
        if self.path.len() >= self.longest {
            self.longest = self.path.len();
            self.stuck = found.iter().take(STUCK_MAX).map(|act| self.acts[*act].op).collect();
        }
        let may = self.may.iter().copied();
        let may = may.take_while(|act| self.acts[*act].from_us <= frontier).filter(|act| !self.taken[*act]);
        found.extend(may.collect::<Vec<_>>());
        found.sort_by_key(|act| {
            let act = &self.acts[*act];
            std::cmp::Reverse((act.rank.unwrap_or(u64::MAX), act.until_us.unwrap_or(u64::MAX)))
        });
        found
    }

    /// Takes it, and the reads that fit right after it. None, and nothing is changed, if the ledger answers otherwise
    /// than was heard, or if it leads to what was seen before.
    fn take(&mut self, at: usize) -> Option<Undo> {
        let act = &self.acts[at];
        let undo = Undo { act: at, reads: Vec::new(), group_hash: self.groups[act.group], key: self.key };
        let answer = match &act.command {
            None => {
                if !self.reads_as(&act.expect) {
                    return None;
                }
                0
            }
            Some(command) => {
                self.steps += 1;
                let mut tried = self.ledger.clone();
                let output = tried.apply(Timestamp(1), command);
                if !act.expect.allows(&output) {
                    return None;
                }
                self.ledger = tried;
                mark_of(&output)
            }
        };
        self.mark(at, answer);
        let mut undo = Undo { reads: self.reads(), ..undo };
        if self.seen.insert(self.configuration()) {
            return Some(undo);
        }
        // It is not on the path yet.
        for read in std::mem::take(&mut undo.reads) {
            self.unmark(read);
        }
        self.unmark(at);
        (self.groups[self.acts[at].group], self.key) = (undo.group_hash, undo.key);
        self.path.pop();
        self.rewind();
        None
    }

    fn put_back(&mut self, undo: Undo) {
        let Undo { act, reads, group_hash, key } = undo;
        reads.into_iter().for_each(|read| self.unmark(read));
        self.unmark(act);
        (self.groups[self.acts[act].group], self.key) = (group_hash, key);
        self.path.pop();
        self.rewind();
    }

    /// Notes that an act was taken, with a mark of what came of it.
    fn mark(&mut self, at: usize, answer: u64) {
        let group = self.acts[at].group;
        self.key ^= spread(group, self.groups[group]);
        self.groups[group] = mix(self.groups[group] ^ mix(at as u64 ^ answer << 32));
        self.key ^= spread(group, self.groups[group]);
        self.taken[at] = true;
        self.open -= usize::from(self.acts[at].until_us.is_some());
        self.path.push(at);
        if self.path.len().is_multiple_of(KEEP_EVERY) {
            self.kept.push((self.path.len(), self.ledger.clone()));
        }
    }

    fn unmark(&mut self, at: usize) {
        self.taken[at] = false;
        self.open += usize::from(self.acts[at].until_us.is_some());
        let place = self.must.partition_point(|must| *must < at);
        self.low = self.low.min(place);
    }

    /// Takes every read that may be next and fits: a read changes nothing, so that there is no reason to wait with it.
    fn reads(&mut self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut frontier = u64::MAX;
        for place in self.low..self.must.len() {
            let act = self.must[place];
            if self.taken[act] {
                continue;
            }
            if self.acts[act].from_us > frontier {
                break;
            }
            let until = self.acts[act].until_us.unwrap_or(u64::MAX);
            if self.acts[act].command.is_none() && self.reads_as(&self.acts[act].expect) {
                found.push(act);
            } else {
                frontier = frontier.min(until);
            }
        }
        // One that begins after something ends that is still open may not be next.
        found.retain(|act| self.acts[*act].from_us <= frontier);
        for read in &found {
            self.taken[*read] = true;
            self.open -= 1;
            self.key ^= spread(READS, *read as u64);
        }
        found
    }

    fn reads_as(&self, expect: &Expect) -> bool {
        match (expect, self.account()) {
            (Expect::Account(seen), Some(account)) => seen.is(&account),
            (_, _) => false,
        }
    }

    fn account(&self) -> Option<AccountView> {
        self.ledger.account(&program()?, &self.user)
    }

    /// The ledger as it was at the end of the path.
    fn rewind(&mut self) {
        let depth = self.path.len();
        while self.kept.last().is_some_and(|(kept, _)| *kept > depth) {
            self.kept.pop();
        }
        let Some((kept, ledger)) = self.kept.last() else { return };
        self.ledger = ledger.clone();
        for act in &self.path[*kept..] {
            if let Some(command) = &self.acts[*act].command {
                self.ledger.apply(Timestamp(1), command);
            }
        }
    }

    fn configuration(&self) -> u128 {
        let account = self.account();
        let balance = account.as_ref().and_then(|account| account.balances.first());
        let (posted, held) = balance.map_or((0, 0), |balance| (balance.posted_minor as u64, balance.held_minor as u64));
        let status = account.map_or(0, |account| account.status as u64);
        self.key ^ spread(BALANCE, mix(mix(posted) ^ held.rotate_left(32) ^ status))
    }
}

fn spread(group: usize, hash: u64) -> u128 {
    let one = mix(hash ^ mix(group as u64));
    u128::from(one) << 64 | u128::from(mix(one ^ hash.rotate_left(17)))
}

/// What of an answer may differ between two orders, and decides what comes later.
fn mark_of(output: &Output) -> u64 {
    match output {
        Output::Decision(decision) => match decision.verdict {
            Verdict::Approved => 1,
            Verdict::Declined(reason) => 2 + reason as u64,
        },
        Output::Settled(settled) => 100 + *settled as u64,
        Output::Refused(refusal) => 200 + *refusal as u64,
        Output::Booked(booked) => 300 + booked.effect as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
