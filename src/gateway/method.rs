//! What a `jit_funding.method` asks of the books. The list grows with the processor's releases, so unknown is normal.

/// What a method asks, before its amount is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Money goes out if the amount is positive. Every method that is not known is treated so: it is decided, never
    /// approved blindly.
    Spend,
    /// Is the account good? The amount must be zero.
    AccountVerification,
    /// What is there? The amount may be absent.
    BalanceInquiry,
    /// Told only after the fact (the processor sends these as webhooks); it moves nothing here.
    Notice,
}

/// The methods that are known to come as webhooks only.
const NOTICES: &[&str] = &[
    "pgfs.adjustment.credit",
    "pgfs.adjustment.debit",
    "pgfs.atm.clearing.withdrawal",
    "pgfs.auth_plus_capture.standin",
    "pgfs.authorization.advice",
    "pgfs.authorization.capture",
    "pgfs.authorization.capture.chargeback",
    "pgfs.authorization.capture.chargeback.reversal",
    "pgfs.authorization.clearing",
    "pgfs.authorization.clearing.quasi.cash",
    "pgfs.authorization.reversal",
    "pgfs.authorization.standin",
    "pgfs.billpayment.capture",
    "pgfs.billpayment.reversal",
    "pgfs.directdeposit.credit",
    "pgfs.directdeposit.credit.reversal",
    "pgfs.directdeposit.debit",
    "pgfs.directdeposit.debit.reversal",
    "pgfs.dispute.credit",
    "pgfs.dispute.debit",
    "pgfs.force_capture",
    "pgfs.original.credit.authorization.clearing",
    "pgfs.original.credit.authorization.reversal",
    "pgfs.pindebit.authorization.clearing",
    "pgfs.pindebit.authorization.reversal",
    "pgfs.pindebit.chargeback",
    "pgfs.pindebit.chargeback.reversal",
    "pgfs.pindebit.refund",
    "pgfs.refund",
    "pgfs.refund.authorization.clearing",
    "pgfs.refund.authorization.reversal",
];

impl Class {
    pub(crate) fn of(method: &str) -> Class {
        match method {
            "pgfs.authorization" => Class::Spend,
            "pgfs.authorization.account_verification" => Class::AccountVerification,
            "pgfs.balanceinquiry" | "pgfs.pindebit.balanceinquiry" => Class::BalanceInquiry,
            _ if NOTICES.binary_search(&method).is_ok() => Class::Notice,
            _ => Class::Spend,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(NOTICES.is_sorted());
        assert!(NOTICES.iter().all(|method| Class::of(method) == Class::Notice));
    }

    #[test]
    fn what_moves_money_or_is_unknown_is_decided() {
        for method in [
            "pgfs.authorization",
            "pgfs.authorization.incremental",
            "pgfs.authorization.cashback",
            "pgfs.authorization.quasi.cash",
            "pgfs.atm.withdrawal",
            "pgfs.auth_plus_capture",
            "pgfs.pindebit",
            "pgfs.pindebit.authorization",
            "pgfs.network.load",
            "pgfs.billpayment",
            "pgfs.invented.tomorrow",
            "PGFS.REFUND",
        ] {
            assert_eq!(Class::of(method), Class::Spend, "{method}");
        }
    }
}
