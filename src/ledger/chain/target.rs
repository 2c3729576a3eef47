//! What a set of facts means in money: the table of the whole life.
//!
//! **What must hold.** [`Target::of`] is a pure function of the set and of the local expiry, and of nothing else. What
//! has been posted for a chain is always what this function says of it.
//!
//! A fact is *denied* if the processor's word is DECLINED or ERROR. Then it means nothing, whatever we said.
//!
//! | fact | no word, our yes | PENDING, CLEARED | COMPLETION | denied |
//! |---|---|---|---|---|
//! | authorization, incremental | promised += a | promised += a (forced, if our yes is missing) | promised += a | – |
//! | single debit | promised += a | promised += a | paid += a, as far as it is not taken back | – |
//! | reversal | – | taken back += a | taken back += a | – |
//! | full reversal, issuer expiration | – | closes | closes | – |
//! | clearing | – | – | paid += a, released += r, closes if it is the last, or if all parts are there | – |
//! | forced capture | – | – | paid += a | – |
//! | credit authorization | announced += a | announced += a | credited += a | – |
//! | fast credit | lent += a | lent += a | credited += a | – |
//! | credit | – | – | credited += a | – |
//! | credit reversal | – | announced and lent end | the same | – |
//! | adjustment | – | – | credited or paid aside | – |
//!
//! hold = promised − taken back − released − paid by clearings, not below zero; zero once closed or expired.
//! A single debit that is completed and then reversed is given back: as much of what was taken back as is left over
//! after what was promised, all of it if the chain is closed by a full reversal.
//! posted = credited − paid; plus what is lent, until the first credit has come or the credit is reversed.
//!
//! The processor's clearing of an authorization never ends it by CLEARED alone: the clearing is a fact of its own.

use super::{Chain, Link};
use crate::event::{Clearing, Part, Role, Word};

/// What a chain means in money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// What is held.
    pub held_minor: u64,
    /// What it has brought to the account; negative if it has taken.
    pub posted_minor: i64,
    /// What of the cardholder's limits it uses: what is held and what was paid; refunds give nothing back.
    pub spent_minor: u64,
    /// What is announced and cannot be spent yet.
    pub pending_minor: u64,
    /// Nothing more will be held.
    pub closed: bool,
    /// More was paid than was promised.
    pub overshoot: bool,
    /// Something was paid, and nothing was ever promised.
    pub unpromised: bool,
    /// More was taken back than there was.
    pub excess: bool,
}

/// The sums of the table. At most 256 facts of at most 10^15 each.
#[derive(Default)]
struct Sums {
    promised: u64,
    taken_back: u64,
    released: u64,
    cleared: u64,
    single: u64,
    announced: u64,
    lent: u64,
    credited: u64,
    aside: i64,
    reversed: bool,
    finished: bool,
    credit_reversed: bool,
    parts: Parts,
}

/// Which of several clearings were seen.
#[derive(Default)]
struct Parts {
    seen: [u64; 4],
    count: u8,
}

impl Parts {
    fn see(&mut self, part: Part) {
        self.seen[usize::from(part.number / 64)] |= 1 << (part.number % 64);
        self.count = self.count.max(part.count);
    }

    fn complete(&self) -> bool {
        let seen = |number: u8| self.seen[usize::from(number / 64)] & 1 << (number % 64) != 0;
        self.count > 0 && (1..=self.count).all(seen)
    }
}

impl Sums {
    fn add(&mut self, link: &Link) {
        let minor = link.minor;
        let completed = link.word == Some(Word::Completed);
        let stands = link.confirmed() || (link.approved && link.word.is_none());
        if link.denied() {
            return;
        }
        match link.role {
            Role::Authorization | Role::Incremental if stands => self.promised += minor,
            Role::SingleDebit if completed => self.single += minor,
            Role::SingleDebit if stands => self.promised += minor,
            Role::CreditAuthorization | Role::FastCredit if completed => self.credited += minor,
            Role::CreditAuthorization if stands => self.announced += minor,
            Role::FastCredit if stands => self.lent += minor,
            Role::Reversal if link.confirmed() => self.taken_back += minor,
            Role::FullReversal if link.confirmed() => self.reversed = true,
            Role::CreditReversal if link.confirmed() => self.credit_reversed = true,
            Role::Clearing(clearing) if completed => self.clear(minor, clearing),
            Role::ForceCapture if completed => self.cleared += minor,
            Role::Credit if completed => self.credited += minor,
            // An amount is at most 10^15.
            Role::AdjustmentCredit if completed => self.aside += minor as i64,
            Role::AdjustmentDebit if completed => self.aside -= minor as i64,
            Role::Authorization
            | Role::Incremental
            | Role::SingleDebit
            | Role::Reversal
            | Role::FullReversal
            | Role::Clearing(_)
            | Role::ForceCapture
            | Role::CreditAuthorization
            | Role::FastCredit
            | Role::Credit
            | Role::CreditReversal
            | Role::AdjustmentCredit
            | Role::AdjustmentDebit => {}
        }
    }

    fn clear(&mut self, minor: u64, clearing: Clearing) {
        self.cleared += minor;
        self.released = self.released.saturating_add(clearing.released_minor);
        self.finished |= clearing.last;
        #[cfg(test)]
        if super::planted::has(super::planted::Bug::LostRemainder) {
            self.finished = true;
        }
        if let Some(part) = clearing.part {
            self.parts.see(part);
        }
    }
}

impl Target {
    /// What the facts of a chain mean.
    pub(crate) fn of(chain: &Chain) -> Target {
        let mut sums = Sums::default();
        for link in &chain.links {
            sums.add(link);
        }
        let closed = sums.reversed || sums.finished || sums.parts.complete() || chain.expired.is_some();
        let left = match sums.reversed {
            true => 0,
            false => sums.promised.saturating_sub(sums.taken_back).saturating_sub(sums.released),
        };
        let held_minor = if closed { 0 } else { left.saturating_sub(sums.cleared) };

        let over = if sums.reversed { sums.single } else { sums.taken_back.saturating_sub(sums.promised) };
        let single = sums.single.saturating_sub(over);
        let announced = sums.announced > 0 || sums.lent > 0;
        let ended = sums.credit_reversed || sums.credited > 0 || !announced;
        let (pending_minor, lent) = if ended { (0, 0) } else { (sums.announced, sums.lent) };
        // Each of these is at most 256 x 10^15, which is below 2^58.
        let posted_minor = sums.credited as i64 + lent as i64 + sums.aside - single as i64 - sums.cleared as i64;
        Target {
            held_minor,
            posted_minor,
            spent_minor: held_minor.saturating_add(single).saturating_add(sums.cleared),
            pending_minor,
            closed,
            overshoot: sums.promised > 0 && sums.cleared > left,
            unpromised: sums.promised == 0 && sums.cleared > 0,
            excess: sums.taken_back > sums.promised.saturating_add(sums.single),
        }
    }
}
