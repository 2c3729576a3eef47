//! What the journal holds, in memory: what is owed, what was said of which token, what was used.
//!
//! **What must hold.** An attempt's last word is its verdict: a decline after an approval that did not leave takes its
//! place. A word is owed until its settlement was seen applied (M1 rule 8). An approval is not owed before it is
//! durable, because it may still become a decline until then. Approvals count for their whole window (M2 rule 2), also
//! after a restart with log time fallen back.
//!
//! **What is deliberately not here.** Bytes, files, and whether a word may be said.

use super::format::{Content, Debt, Said, Word};
use crate::limits::{Usage, Whose};
use ledger::{Attempt, Authorize, Fingerprint, Program, Token};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Settled declines that are remembered, so that a retry at this node hears the same (M1 rule 2). 65,536 of about 300
/// bytes are 20 MB; a processor retries within seconds.
const REMEMBERED_MAX: usize = 65_536;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// An approval on its way to the disk.
    Pending,
    Owed,
    Settled,
}

#[derive(Clone, Debug)]
struct Entry {
    said: Said,
    stage: Stage,
    money: Money,
}

/// Whether an approval uses the limits. A token has one hold, so only the first approval of it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Money {
    Counted,
    Uncounted,
}

/// What this node said of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    Declined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfToken {
    fingerprint: Fingerprint,
    verdict: Verdict,
    number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    owed: BTreeSet<u64>,
    pending: usize,
    /// Settled declines, oldest first.
    remembered: BTreeSet<u64>,
    said: HashMap<(Program, Token), OfToken>,
    /// The newest window in which an approval used the limits.
    approved_window: u64,
    pub(crate) usage: Usage,
}

fn whose(request: &Authorize) -> Whose {
    Whose { program: request.program, user: request.user, currency: request.amount.currency() }
}

impl Book {
    /// As a journal was found.
    pub(crate) fn found(contents: Vec<Content>) -> Book {
        let mut book = Book::default();
        let mut approvals = HashMap::new();
        for content in contents {
            match content {
                Content::Header { .. } => {}
                Content::Said(said, debt) => book.find(said, debt, &mut approvals),
                Content::Settled(numbers) => numbers.into_iter().for_each(|number| book.settled(number)),
            }
        }
        book
    }

    fn find(&mut self, said: Said, debt: Debt, approvals: &mut HashMap<Attempt, u64>) {
        if self.entries.contains_key(&said.number) {
            // Compaction wrote it while it was still on its way.
            return;
        }
        let number = said.number;
        match &said.word {
            Word::Approved(request) => drop(approvals.insert(request.attempt, number)),
            Word::Declined(void) => approvals.remove(&void.attempt).into_iter().for_each(|number| self.revoke(number)),
        }
        self.insert(said, Stage::Owed);
        if debt == Debt::Settled {
            self.settled(number);
        }
    }

    /// The number that the next word gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// An approval that may leave once [`Book::durable`] was called.
    pub(crate) fn approve(&mut self, said: Said) {
        self.insert(said, Stage::Pending);
    }

    /// A decline that is about to leave.
    pub(crate) fn decline(&mut self, said: Said) {
        self.insert(said, Stage::Owed);
    }

    fn insert(&mut self, said: Said, stage: Stage) {
        let (number, key) = (said.number, (said.word.program(), said.word.token()));
        let fingerprint = said.word.fingerprint();
        let before = self.said.get(&key).copied();
        let (verdict, money) = match &said.word {
            Word::Approved(_)
                if before.is_some_and(|of| of == OfToken { fingerprint, verdict: Verdict::Approved, ..of }) =>
            {
                (Verdict::Approved, Money::Uncounted)
            }
            Word::Approved(request) => {
                self.usage.add(said.window, whose(request), request.amount.minor());
                self.forget_before(said.window);
                (Verdict::Approved, Money::Counted)
            }
            Word::Declined(_) => (Verdict::Declined, Money::Uncounted),
        };
        // What was said of one meaning is not undone by what is said of another.
        if before.is_none_or(|of| of.fingerprint == fingerprint) {
            self.said.insert(key, OfToken { fingerprint, verdict, number });
        }
        match stage {
            Stage::Pending => self.pending += 1,
            Stage::Owed => drop(self.owed.insert(number)),
            Stage::Settled => {}
        }
        self.next = self.next.max(number + 1);
        self.entries.insert(number, Entry { said, stage, money });
    }

    /// It is on the disk: from here it is owed.
    pub(crate) fn durable(&mut self, number: u64) {
        if let Some(entry) = self.entries.get_mut(&number).filter(|entry| entry.stage == Stage::Pending) {
            entry.stage = Stage::Owed;
            self.pending -= 1;
            self.owed.insert(number);
        }
    }

    /// An approval that did not leave: it is not settled as one. What it used stays used.
    pub(crate) fn revoke(&mut self, number: u64) {
        if self.entries.get(&number).is_some_and(|entry| matches!(entry.said.word, Word::Approved(_))) {
            self.settled(number);
        }
    }

    /// Its settlement was seen applied (M1 rule 8), or it needs none.
    pub(crate) fn settled(&mut self, number: u64) {
        let Some(entry) = self.entries.get_mut(&number).filter(|entry| entry.stage != Stage::Settled) else {
            return;
        };
        if entry.stage == Stage::Pending {
            self.pending -= 1;
        }
        entry.stage = Stage::Settled;
        self.owed.remove(&number);
        match (&entry.said.word, entry.money) {
            (Word::Approved(request), Money::Counted) => {
                self.usage.seen_in_books(whose(request), request.amount.minor());
            }
            (Word::Approved(_), Money::Uncounted) => {}
            (Word::Declined(_), _) => {
                self.remembered.insert(number);
            }
        }
        while self.remembered.len() > REMEMBERED_MAX
            && let Some(oldest) = self.remembered.pop_first()
        {
            self.forget(oldest);
        }
    }

    /// A later window: what was used in earlier ones counts no more.
    ///
    /// Nothing is forgotten yet. After a restart log time may have fallen back into an earlier window, and as long as
    /// nothing in the journal says that a later one has begun, what was used in the earlier one must count again.
    pub(crate) fn turn(&mut self, window: u64) {
        self.usage.turn(window);
    }

    /// Forgets settled approvals of windows before this one, of which the journal has an approval from here on.
    fn forget_before(&mut self, window: u64) {
        if window <= self.approved_window {
            return;
        }
        self.approved_window = window;
        let over = |entry: &Entry| {
            let approved = matches!(entry.said.word, Word::Approved(_));
            approved && entry.stage == Stage::Settled && entry.said.window < window
        };
        let over: Vec<u64> = self.entries.iter().filter(|(_, entry)| over(entry)).map(|(number, _)| *number).collect();
        over.into_iter().for_each(|number| self.forget(number));
    }

    fn forget(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            let key = (entry.said.word.program(), entry.said.word.token());
            if self.said.get(&key).is_some_and(|of| of.number == number) {
                self.said.remove(&key);
            }
        }
    }

    /// M1 rule 2: what this node said of the token. None as well if that was of another meaning.
    pub(crate) fn verdict(&self, program: Program, token: Token, fingerprint: Fingerprint) -> Option<Verdict> {
        let of = self.said.get(&(program, token))?;
        (of.fingerprint == fingerprint).then_some(of.verdict)
    }

    /// Whether the node said anything of the token, of whatever meaning.
    pub(crate) fn knows(&self, program: Program, token: Token) -> bool {
        self.said.contains_key(&(program, token))
    }

    /// The oldest that is owed, but for these.
    pub(crate) fn oldest_owed(&self, but: &BTreeSet<u64>) -> Option<&Said> {
        let number = self.owed.iter().find(|number| !but.contains(number))?;
        self.entries.get(number).map(|entry| &entry.said)
    }

    /// What is owed, or about to be.
    pub(crate) fn unsettled(&self) -> usize {
        self.owed.len() + self.pending
    }

    /// All that a compacted journal must hold, and how much that is.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&Said, Debt)> {
        self.entries.values().map(|entry| {
            let debt = if entry.stage == Stage::Settled { Debt::Settled } else { Debt::Owed };
            (&entry.said, debt)
        })
    }

    pub(crate) fn live_count(&self) -> usize {
        self.entries.len()
    }
}
