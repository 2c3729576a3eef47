//! Words for what the books keep as numbers.

use ledger::{Role, Word};

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Authorization => "authorization",
        Role::Incremental => "incremental",
        Role::SingleDebit => "single_debit",
        Role::Reversal => "reversal",
        Role::FullReversal => "full_reversal",
        Role::Clearing(_) => "clearing",
        Role::ForceCapture => "force_capture",
        Role::CreditAuthorization => "credit_authorization",
        Role::FastCredit => "fast_credit",
        Role::Credit => "credit",
        Role::CreditReversal => "credit_reversal",
        Role::AdjustmentCredit => "adjustment_credit",
        Role::AdjustmentDebit => "adjustment_debit",
    }
}

pub(super) fn word(word: Word) -> &'static str {
    match word {
        Word::Pending => "pending",
        Word::Cleared => "cleared",
        Word::Declined => "declined",
        Word::Error => "error",
        Word::Completed => "completed",
    }
}
