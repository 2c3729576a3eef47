//! What the books remember of a processor's token: model M1, rule for rule.
//!
//! **What lives here.** [`TokenRecord`] says what each attempt for the token was told, and what stands now. It knows
//! no balance: who moves the money is [`crate::authorize`] and [`crate::settle`].
//!
//! **What must hold.** An attempt that was told once is told the same for ever (rule 4). A hold is given back only if
//! nobody else may have promised it (rule 6).
//!
//! **The bound.** Up to [`TokenRecord::ATTEMPTS_MAX`] attempts are kept one by one, the first of them inline. What
//! happens to attempts beyond that is kept only as the union of their marks (`beyond`), always on the careful side:
//! once an attempt that is not kept was told yes, no void can release the hold any more; once one was told no or has
//! answered no alone, the hold counts as a conflict; once one was forced, the token is forced. Such an attempt is
//! answered by what stands, like a new one.

use crate::chain::name::Owner;
use crate::controls::Judged;
use crate::life::Doubt;
use crate::parts::{Key, Keyed};
use crate::{
    Amount, Attempt, Balance, Currency, DeclineReason, Fingerprint, Program, RequestKind, Timestamp, Token, UserToken,
    Verdict,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What has happened to an attempt, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(pub u8);

impl Marks {
    /// `apply` told it yes.
    pub(crate) const CLAIMED: Marks = Marks(1);
    /// `apply` told it no.
    pub(crate) const REFUSED: Marks = Marks(2);
    /// Its node said no alone.
    pub(crate) const DISCLAIMED: Marks = Marks(4);
    /// Its node said yes alone.
    pub(crate) const FORCED: Marks = Marks(8);
    /// Its node said yes alone to something else under this token. Only in `beyond`.
    pub(crate) const FOREIGN: Marks = Marks(16);
    /// The processor's own events have settled whatever was in doubt. Only in `beyond`.
    pub(crate) const SETTLED: Marks = Marks(32);
    /// Less was approved than was asked; `asked` has what was approved. Only in `beyond`.
    pub(crate) const PART: Marks = Marks(64);
    /// All of them.
    pub(crate) const ALL: Marks = Marks(127);

    pub(crate) fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }

    fn and(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }
}

/// An attempt and what has happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub attempt: Attempt,
    pub marks: Marks,
}

/// What was asked. A tombstone does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub user: UserToken,
    pub kind: RequestKind,
    pub currency: Currency,
    pub minor: u64,
}

/// What stands now. The model's `Open` is a token that the books do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Approved, and this hold of the asked account stands for it.
    Held { hold: u64 },
    /// Approved, and nothing is held: verifications, inquiries, notices. Otherwise like a hold of nothing.
    Approved,
    /// Declined for the reason in `declined`.
    Declined,
    /// Voided, or a tombstone for what has not come yet.
    Closed,
    /// Approved, and what stands for it is in its chain.
    Linked,
}

/// What few tokens need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct More {
    /// The attempts after the first.
    pub attempts: Vec<Told>,
    /// What a balance inquiry was told.
    pub balances: Vec<Balance>,
    /// What the rules said of it.
    pub judged: Option<Judged>,
}

#[derive(Clone, Debug)]
pub(crate) struct TokenRecord {
    pub program: Program,
    pub token: Token,
    pub fingerprint: Fingerprint,
    /// Log time of the first command that named it.
    pub at: Timestamp,
    pub asked: Option<Asked>,
    pub standing: Standing,
    /// Why it was declined at first, if it was: what refused attempts were told and are told again, whatever stands by
    /// now. Attempts refused without it were told that the token is voided; no token can see both.
    pub declined: Option<DeclineReason>,
    pub first: Attempt,
    pub first_marks: Marks,
    pub beyond: Marks,
    pub more: Option<Box<More>>,
}

/// What an operator should look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Troubles {
    /// A hold stands although somebody was told no.
    pub conflict: bool,
    /// An approval given alone has no hold.
    pub impossible: bool,
}

impl Asked {
    pub(crate) fn amount(&self) -> Amount {
        Amount::rejoined(self.minor, self.currency)
    }

    pub(crate) fn is_of(&self, owner: &Owner) -> bool {
        self.user == owner.user && self.currency == owner.currency
    }
}

impl TokenRecord {
    /// How many attempts are kept one by one. A processor sends a request once and retries it once or twice.
    pub(crate) const ATTEMPTS_MAX: usize = 8;

    /// Rule 4 for a known token: as before if it was told before, else by what stands.
    pub(crate) fn answer(&mut self, attempt: Attempt) -> Verdict {
        let marks = self.marks_of(attempt);
        if marks.has(Marks::CLAIMED) {
            return Verdict::Approved;
        }
        if marks.has(Marks::REFUSED) {
            return Verdict::Declined(self.refusal());
        }
        match self.standing {
            Standing::Held { .. } | Standing::Approved | Standing::Linked => {
                self.mark(attempt, Marks::CLAIMED);
                Verdict::Approved
            }
            Standing::Declined | Standing::Closed => {
                self.mark(attempt, Marks::REFUSED);
                Verdict::Declined(self.refusal())
            }
        }
    }

    /// Adds to what has happened to an attempt.
    pub(crate) fn mark(&mut self, attempt: Attempt, marks: Marks) {
        if self.first == attempt {
            self.first_marks = self.first_marks.and(marks);
            return;
        }
        let more = self.more.get_or_insert_default();
        if let Some(told) = more.attempts.iter_mut().find(|told| told.attempt == attempt) {
            told.marks = told.marks.and(marks);
        } else if more.attempts.len() + 1 < Self::ATTEMPTS_MAX {
            more.attempts.push(Told { attempt, marks });
        } else {
            self.mark_beyond(marks);
        }
    }

    pub(crate) fn mark_beyond(&mut self, marks: Marks) {
        self.beyond = self.beyond.and(marks);
    }

    /// What is known of one attempt; nothing, if it is not kept.
    pub(crate) fn marks_of(&self, attempt: Attempt) -> Marks {
        self.told().find(|told| told.attempt == attempt).map(|told| told.marks).unwrap_or_default()
    }

    /// Whether the attempt's force has been applied, as far as is known.
    pub(crate) fn was_forced_by(&self, attempt: Attempt) -> bool {
        let kept = self.told().find(|told| told.attempt == attempt);
        kept.map_or(self.beyond, |told| told.marks).has(Marks::FORCED)
    }

    /// Notes what the processor has said already.
    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        match doubt {
            Doubt::Open => {}
            Doubt::Settled => self.mark_beyond(Marks::SETTLED),
        }
    }

    /// Whether the processor's own events have settled what was in doubt.
    pub(crate) fn settled(&self) -> bool {
        self.beyond.has(Marks::SETTLED)
    }

    /// How much was approved, if it was less than was asked.
    pub(crate) fn partial_minor(&self, verdict: Verdict) -> Option<u64> {
        let asked = self.asked.filter(|_| self.beyond.has(Marks::PART) && verdict == Verdict::Approved);
        asked.map(|asked| asked.minor)
    }

    pub(crate) fn forced(&self) -> bool {
        self.any(Marks::FORCED)
    }

    /// Rule 6: whether anybody may have promised the hold who has not taken it back.
    pub(crate) fn promised_elsewhere(&self) -> bool {
        let kept = |told: Told| told.marks.has(Marks::CLAIMED) && !told.marks.has(Marks::DISCLAIMED);
        self.forced() || self.beyond.has(Marks::CLAIMED) || self.told().any(kept)
    }

    /// Rule 7, and the approvals that could not be kept.
    pub(crate) fn troubles(&self) -> Troubles {
        if self.settled() {
            return Troubles { conflict: false, impossible: self.beyond.has(Marks::FOREIGN) };
        }
        let (held, lost) = match self.standing {
            Standing::Held { .. } | Standing::Linked => (true, false),
            Standing::Approved => (false, false),
            Standing::Declined | Standing::Closed => (false, self.forced()),
        };
        Troubles {
            conflict: held && self.any(Marks::REFUSED.and(Marks::DISCLAIMED)),
            impossible: lost || self.beyond.has(Marks::FOREIGN),
        }
    }

    /// What an approval of this token carries besides the word.
    pub(crate) fn balances(&self, verdict: Verdict) -> Vec<Balance> {
        match (verdict, &self.more) {
            (Verdict::Approved, Some(more)) => more.balances.clone(),
            (Verdict::Approved, None) | (Verdict::Declined(_), _) => Vec::new(),
        }
    }

    pub(crate) fn judged(&self) -> Option<&Judged> {
        self.more.as_ref()?.judged.as_ref()
    }

    pub(crate) fn judged_mut(&mut self) -> Option<&mut Judged> {
        self.more.as_mut()?.judged.as_mut()
    }

    /// Keeps what the rules said, if it is worth it.
    pub(crate) fn keep_judged(&mut self, judged: Option<Judged>) {
        if judged.is_some() {
            self.more.get_or_insert_default().judged = judged;
        }
    }

    pub(crate) fn refusal(&self) -> DeclineReason {
        self.declined.unwrap_or(DeclineReason::Voided)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.standing {
            Standing::Held { .. } | Standing::Approved | Standing::Linked => Verdict::Approved,
            Standing::Declined | Standing::Closed => Verdict::Declined(self.refusal()),
        }
    }

    /// The attempts that are kept.
    pub(crate) fn told(&self) -> impl Iterator<Item = Told> {
        let first = Told { attempt: self.first, marks: self.first_marks };
        core::iter::once(first).chain(self.more.iter().flat_map(|more| more.attempts.iter().copied()))
    }

    fn any(&self, marks: Marks) -> bool {
        self.beyond.has(marks) || self.told().any(|told| told.marks.has(marks))
    }

    pub(crate) fn key_of<'a>(program: &'a Program, token: &'a Token) -> Key<'a> {
        Key { program: program.as_bytes(), name: token.as_bytes() }
    }
}

impl Keyed for TokenRecord {
    fn key(&self) -> Key<'_> {
        TokenRecord::key_of(&self.program, &self.token)
    }
}
