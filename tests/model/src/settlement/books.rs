//! What the books keep of one token: M1 rules 3 to 7 and 9.

use super::{Mutant, Settlement, Verdict};

/// What has happened to an attempt, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u8);

const CLAIMED: Marks = Marks(1);
const REFUSED: Marks = Marks(2);
const DISCLAIMED: Marks = Marks(4);
const FORCED: Marks = Marks(8);

impl Marks {
    fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }

    fn or(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }
}

/// What stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nothing was ever said of it.
    #[default]
    Open,
    /// Approved.
    Held,
    /// Declined.
    Declined,
    /// Voided, or a tombstone for what has not come yet.
    Closed,
}

/// The books of one token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Books {
    /// What stands.
    pub status: Status,
    /// The postings, counted rather than trusted.
    pub holds: i8,
    /// The processor has taken the transaction back.
    pub ended: bool,
    told: Vec<(usize, Marks)>,
    beyond: Marks,
}

impl Books {
    /// Rule 7.
    pub fn conflict(&self) -> bool {
        self.status == Status::Held && !self.ended && self.any(REFUSED.or(DISCLAIMED))
    }

    /// A node has approved it alone.
    pub fn forced(&self) -> bool {
        self.any(FORCED)
    }

    /// An attempt was told yes by the books.
    pub fn claimed(&self) -> bool {
        self.any(CLAIMED)
    }

    /// The attempt is kept one by one.
    pub fn keeps(&self, attempt: usize) -> bool {
        self.told.iter().any(|(kept, _)| *kept == attempt)
    }

    /// More attempts than are kept one by one have come: what they were told binds the books for ever.
    pub fn more_than_kept(&self) -> bool {
        self.beyond != Marks::default()
    }

    /// Rule 4.
    pub(super) fn authorize(&mut self, model: &Settlement, attempt: usize, funds: bool) -> Verdict {
        let marks = self.marks_of(attempt).unwrap_or_default();
        if marks.has(CLAIMED) {
            return Verdict::Approved;
        }
        if marks.has(REFUSED) {
            return Verdict::Declined;
        }
        match self.status {
            Status::Open if funds => self.hold(model),
            Status::Open => self.status = Status::Declined,
            Status::Held | Status::Declined | Status::Closed => {}
        }
        if self.status != Status::Held {
            self.mark(model, attempt, REFUSED);
            return Verdict::Declined;
        }
        self.mark(model, attempt, CLAIMED);
        Verdict::Approved
    }

    /// Rule 5.
    pub(super) fn force(&mut self, model: &Settlement, attempt: usize) {
        let repeated = self.marks_of(attempt).unwrap_or(self.beyond).has(FORCED);
        self.mark(model, attempt, FORCED);
        if self.status != Status::Held && !repeated || model.mutant == Some(Mutant::SettleTwice) {
            self.hold(model);
        }
    }

    /// Rule 6.
    pub(super) fn void(&mut self, model: &Settlement, attempt: usize) {
        let open = self.status == Status::Open;
        if open && model.mutant == Some(Mutant::NoTombstone) {
            return;
        }
        self.mark(model, attempt, DISCLAIMED);
        match self.status {
            Status::Open => self.status = Status::Closed,
            Status::Held if self.promised_elsewhere() && model.mutant != Some(Mutant::VoidForAll) => {}
            Status::Held => {
                self.holds -= i8::from(!self.ended);
                self.status = Status::Closed;
            }
            Status::Declined | Status::Closed => {}
        }
    }

    /// Rule 9. There is something to end only where a hold stands.
    pub(super) fn end(&mut self) -> bool {
        let stands = self.status == Status::Held && !self.ended;
        self.holds -= 1;
        self.ended = true;
        stands
    }

    fn promised_elsewhere(&self) -> bool {
        let kept = |(_, marks): &(usize, Marks)| marks.has(CLAIMED) && !marks.has(DISCLAIMED);
        self.forced() || self.beyond.has(CLAIMED) || self.told.iter().any(kept)
    }

    fn hold(&mut self, model: &Settlement) {
        self.holds += i8::from(!self.ended || model.mutant == Some(Mutant::HoldAfterEnd));
        self.status = Status::Held;
    }

    fn marks_of(&self, attempt: usize) -> Option<Marks> {
        self.told.iter().find(|(kept, _)| *kept == attempt).map(|(_, marks)| *marks)
    }

    fn mark(&mut self, model: &Settlement, attempt: usize, marks: Marks) {
        if let Some((_, known)) = self.told.iter_mut().find(|(kept, _)| *kept == attempt) {
            *known = known.or(marks);
        } else if self.told.len() < model.kept_max {
            self.told.push((attempt, marks));
        } else if model.mutant != Some(Mutant::ForgetBeyond) {
            self.beyond = self.beyond.or(marks);
        }
    }

    fn any(&self, marks: Marks) -> bool {
        self.beyond.has(marks) || self.told.iter().any(|(_, told)| told.has(marks))
    }
}
