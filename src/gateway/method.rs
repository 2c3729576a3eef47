//! What a `jit_funding.method` asks of the books. The list grows with the processor's releases, so unknown is normal.
//!
//! **What must hold.** Each of the 51 known methods is in [`KNOWN`] once. Money goes out by `gpa_order` and comes in by
//! `gpa_order_unload`; a method that moves money in the wrong box is refused. A method that is not known is never
//! approved blindly: money out is decided like an authorization, money in is noted and cannot be spent yet, and without
//! an amount it is remembered and told yes.
//!
//! **What is deliberately not here.** Whether money that comes in may be spent at once: the message says that, not its
//! method (`order`).

use crate::fingerprint::Container;

/// What a method asks, before its amount is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A promise, paid by a clearing that comes later.
    Authorization,
    /// A promise on top of what its chain has promised.
    Incremental,
    /// Single message: a promise until the processor says that it is paid.
    SingleDebit,
    /// Money that will come. Single messages too: they may be spent when the processor says that they are complete.
    Credit,
    /// Money that will come, and may be spent at once if the message says so.
    OriginalCredit,
    /// Is the account good? The amount must be zero.
    AccountVerification,
    /// What is there? The amount may be absent.
    BalanceInquiry,
    /// A question about a product, whose meaning is not published: without an amount it is one about the account, with
    /// one it is like a method that is not known.
    ProductInquiry,
    /// Told only after the fact (the processor sends these as webhooks); it moves nothing here.
    Notice,
    /// Not known to this release.
    Unknown,
}

/// The methods and what they ask, in order.
pub(crate) const KNOWN: [(&str, Class); 51] = [
    ("pgfs.adjustment.credit", Class::Notice),
    ("pgfs.adjustment.debit", Class::Notice),
    ("pgfs.atm.clearing.withdrawal", Class::Notice),
    ("pgfs.atm.withdrawal", Class::Authorization),
    ("pgfs.auth_plus_capture", Class::SingleDebit),
    ("pgfs.auth_plus_capture.standin", Class::Notice),
    ("pgfs.authorization", Class::Authorization),
    ("pgfs.authorization.account_verification", Class::AccountVerification),
    ("pgfs.authorization.advice", Class::Notice),
    ("pgfs.authorization.capture", Class::Notice),
    ("pgfs.authorization.capture.chargeback", Class::Notice),
    ("pgfs.authorization.capture.chargeback.reversal", Class::Notice),
    ("pgfs.authorization.cashback", Class::Authorization),
    ("pgfs.authorization.clearing", Class::Notice),
    ("pgfs.authorization.clearing.quasi.cash", Class::Notice),
    ("pgfs.authorization.incremental", Class::Incremental),
    ("pgfs.authorization.quasi.cash", Class::Authorization),
    ("pgfs.authorization.reversal", Class::Notice),
    ("pgfs.authorization.standin", Class::Notice),
    ("pgfs.balanceinquiry", Class::BalanceInquiry),
    // It has a capture and a reversal of its own, so it is a promise.
    ("pgfs.billpayment", Class::Authorization),
    ("pgfs.billpayment.capture", Class::Notice),
    ("pgfs.billpayment.reversal", Class::Notice),
    ("pgfs.directdeposit.credit", Class::Notice),
    ("pgfs.directdeposit.credit.reversal", Class::Notice),
    ("pgfs.directdeposit.debit", Class::Notice),
    ("pgfs.directdeposit.debit.reversal", Class::Notice),
    ("pgfs.dispute.credit", Class::Notice),
    ("pgfs.dispute.debit", Class::Notice),
    ("pgfs.force_capture", Class::Notice),
    ("pgfs.network.load", Class::Credit),
    ("pgfs.original.credit.auth_plus_capture", Class::OriginalCredit),
    ("pgfs.original.credit.authorization", Class::OriginalCredit),
    ("pgfs.original.credit.authorization.clearing", Class::Notice),
    ("pgfs.original.credit.authorization.reversal", Class::Notice),
    ("pgfs.pindebit", Class::SingleDebit),
    ("pgfs.pindebit.atm.withdrawal", Class::SingleDebit),
    ("pgfs.pindebit.authorization", Class::Authorization),
    ("pgfs.pindebit.authorization.clearing", Class::Notice),
    ("pgfs.pindebit.authorization.reversal", Class::Notice),
    ("pgfs.pindebit.balanceinquiry", Class::BalanceInquiry),
    ("pgfs.pindebit.cashback", Class::SingleDebit),
    ("pgfs.pindebit.chargeback", Class::Notice),
    ("pgfs.pindebit.chargeback.reversal", Class::Notice),
    ("pgfs.pindebit.quasi.cash", Class::SingleDebit),
    ("pgfs.pindebit.refund", Class::Notice),
    ("pgfs.product.inquiry", Class::ProductInquiry),
    ("pgfs.refund", Class::Notice),
    ("pgfs.refund.authorization", Class::Credit),
    ("pgfs.refund.authorization.clearing", Class::Notice),
    ("pgfs.refund.authorization.reversal", Class::Notice),
];

impl Class {
    pub(crate) fn of(method: &str) -> Class {
        let known = KNOWN.binary_search_by(|(name, _)| (*name).cmp(method)).ok().and_then(|at| KNOWN.get(at));
        known.map_or(Class::Unknown, |(_, class)| *class)
    }

    /// Whether a request of this class that moves money may stand in this box.
    pub(crate) fn fits(self, container: Container) -> bool {
        match self {
            Class::Authorization | Class::Incremental | Class::SingleDebit => container == Container::Load,
            Class::Credit | Class::OriginalCredit => container == Container::Unload,
            Class::AccountVerification
            | Class::BalanceInquiry
            | Class::ProductInquiry
            | Class::Notice
            | Class::Unknown => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(KNOWN.is_sorted_by(|(one, _), (other, _)| one < other));
        assert!(KNOWN.iter().all(|(method, class)| Class::of(method) == *class));
    }

    #[test]
    fn what_is_not_in_the_list_is_unknown() {
        // The third is two values run together, in interface descriptions of the processor up to 3.0.10.
        let typo = "pgfs.refund.authorization.reversalpgfs.billpayment";
        for method in ["pgfs.invented.tomorrow", "PGFS.REFUND", typo, "pgfs.balance_inquiry", ""] {
            assert_eq!(Class::of(method), Class::Unknown, "{method}");
        }
    }
}
