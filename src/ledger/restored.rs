//! Books that come from a backup: what they lack, and what they say until somebody has looked through it.
//!
//! **What must hold.** Nobody knows what was decided between the backup and its restore: balances are those of then.
//! Until an operator says that it was looked through, new requests are declined, unless whoever restored chose
//! otherwise; what was decided before the backup is answered as before; whatever is reported is booked, for that is how
//! the books catch up. The mode is part of the books, so that all nodes enter and leave it at one index.
//!
//! **What is deliberately not here.** Finding out what is missing: that takes the processor's own list.

use crate::books::Ledger;
use crate::ids::Note;
use crate::token::TokenRecord;
use crate::{Authorize, DeclineReason, Output, RequestKind, Timestamp};

/// Where the books come from, while nobody has said that what they lack was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Log time of the last thing that is in them: what came later is missing.
    pub since: Timestamp,
    /// When the backup was taken, by the clock of whoever wrote it.
    pub taken_at: Timestamp,
    /// The cluster that the backup was of.
    pub cluster: [u8; 16],
    /// Its last log entry that is in them.
    pub index: u64,
    /// What new requests are told.
    pub meanwhile: Meanwhile,
}

/// What new requests are told while the books are known to lack something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meanwhile {
    /// No.
    Decline,
    /// What the books as they are say.
    Decide,
}

/// An operator's word that what the books lacked was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// Who says so.
    pub who: Note,
    /// On what grounds.
    pub why: Note,
}

impl Ledger {
    /// Where the books come from, while that matters.
    pub fn restored(&self) -> Option<Restored> {
        self.restored
    }

    /// The highest incarnation of any attempt that is remembered, 0 if there is none: a restored cluster numbers its
    /// own above it. Scans.
    pub fn last_incarnation(&self) -> u64 {
        let told = self.tokens.iter().flat_map(TokenRecord::told);
        told.map(|told| told.attempt.incarnation).max().unwrap_or(0)
    }

    pub(crate) fn begin_reconciling(&mut self, restored: Restored) -> Output {
        let changed = self.restored.replace(restored) != Some(restored);
        Output::Reconciling { changed }
    }

    pub(crate) fn end_reconciling(&mut self) -> Output {
        let changed = self.restored.take().is_some();
        Output::Reconciling { changed }
    }

    /// Whether a new request can be decided on these books at all.
    pub(crate) fn may_decide(&self, request: &Authorize) -> Result<(), DeclineReason> {
        let declines = self.restored.is_some_and(|restored| restored.meanwhile == Meanwhile::Decline);
        match request.kind {
            // We are only told.
            RequestKind::Notice => Ok(()),
            RequestKind::Authorization
            | RequestKind::Verification
            | RequestKind::BalanceInquiry
            | RequestKind::Incremental
            | RequestKind::SingleDebit
            | RequestKind::CreditAuthorization
            | RequestKind::FastCredit => {
                if declines {
                    Err(DeclineReason::Reconciling)
                } else {
                    Ok(())
                }
            }
        }
    }
}
