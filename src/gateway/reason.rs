//! The processor's `decline_reason` values, and which of them each of our reasons is.

use ledger::DeclineReason;

/// One of the values that the processor knows; what it does with others is not known, so there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(&'static str);

const ALL: [&str; 26] = [
    "AMOUNT_LIMIT_EXCEEDED",
    "BLOCKED_BY_CARDHOLDER",
    "BLOCKED_BY_ISSUER",
    "BLOCKED_MERCHANT_BY_CARDHOLDER",
    "CARDHOLDER_NOT_ACTIVE",
    "CARD_NOT_ACTIVE",
    "CLOSED_ACCOUNT",
    "DUPLICATE_TRANSACTION",
    "EXPIRED_CARD",
    "INSUFFICIENT_FUNDS",
    "INVALID_AMOUNT",
    "INVALID_CARD",
    "INVALID_DRIVER_NUMBER",
    "INVALID_MERCHANT",
    "INVALID_VEHICLE_NUMBER",
    "NO_CHECKING_ACCOUNT",
    "NO_CREDIT_ACCOUNT",
    "NO_SAVINGS_ACCOUNT",
    "REVOCATION_ALL_AUTHORIZATION_ORDER",
    "REVOCATION_AUTHORIZATION_ORDER",
    "SOFT_DECLINE_AUTHENTICATION_REQUIRED",
    "SOFT_DECLINE_PIN_REQUIRED",
    "STOP_PAYMENT",
    "SUSPECTED_FRAUD",
    "TRANSACTION_COUNT_LIMIT_EXCEEDED",
    "TRANSACTION_NOT_PERMITTED",
];

impl Reason {
    /// The amount is impossible, or more than the books can hold.
    pub const INVALID_AMOUNT: Reason = Reason("INVALID_AMOUNT");
    /// Not for this account, or not in this form.
    pub const TRANSACTION_NOT_PERMITTED: Reason = Reason("TRANSACTION_NOT_PERMITTED");

    /// By the processor's name.
    pub fn from_name(name: &str) -> Option<Reason> {
        ALL.iter().find(|known| **known == name).map(|known| Reason(known))
    }

    /// The processor's name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// What the processor is told when the books say no: the value, and a memo that is the same for ever, because a
/// repeated request gets the same bytes.
pub(crate) fn of_decline(reason: DeclineReason) -> (Reason, &'static str) {
    match reason {
        DeclineReason::FingerprintMismatch => {
            (Reason("DUPLICATE_TRANSACTION"), "token was used before for another request")
        }
        DeclineReason::AccountUnknown => (Reason::TRANSACTION_NOT_PERMITTED, "account unknown"),
        DeclineReason::CurrencyNotHeld => (Reason::TRANSACTION_NOT_PERMITTED, "currency not held by the account"),
        DeclineReason::AccountClosed => (Reason("CLOSED_ACCOUNT"), "account closed"),
        DeclineReason::AccountFrozen => (Reason("CARDHOLDER_NOT_ACTIVE"), "account frozen"),
        DeclineReason::AmountOutOfRange => (Reason::INVALID_AMOUNT, "amount out of range"),
        DeclineReason::InsufficientFunds => (Reason("INSUFFICIENT_FUNDS"), "not enough available"),
        DeclineReason::Voided => (Reason::TRANSACTION_NOT_PERMITTED, "token was voided before"),
        DeclineReason::ChainFull => (Reason::TRANSACTION_NOT_PERMITTED, "transaction has too many parts"),
        DeclineReason::ControlAmount => (Reason("AMOUNT_LIMIT_EXCEEDED"), "above a limit of the programme"),
        DeclineReason::ControlCount => (Reason("TRANSACTION_COUNT_LIMIT_EXCEEDED"), "too many requests"),
        DeclineReason::ControlMerchant => (Reason("INVALID_MERCHANT"), "merchant not allowed"),
        DeclineReason::ControlOther => (Reason::TRANSACTION_NOT_PERMITTED, "not allowed in this way"),
        DeclineReason::Fraud => (Reason("SUSPECTED_FRAUD"), "suspected fraud"),
        DeclineReason::CardNotActive => (Reason("CARD_NOT_ACTIVE"), "card not active"),
        DeclineReason::CardUnknown => (Reason("INVALID_CARD"), "card unknown"),
        DeclineReason::UserNotActive => (Reason("CARDHOLDER_NOT_ACTIVE"), "user not active"),
        DeclineReason::Reconciling => (Reason::TRANSACTION_NOT_PERMITTED, "books are being reconciled"),
    }
}

/// The memo of a decline without a decision.
pub(crate) const UNDECIDED_MEMO: &str = "no decision in time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_known_to_the_processor() {
        assert!(ALL.is_sorted());
        let ours = [
            DeclineReason::FingerprintMismatch,
            DeclineReason::AccountUnknown,
            DeclineReason::CurrencyNotHeld,
            DeclineReason::AccountClosed,
            DeclineReason::AccountFrozen,
            DeclineReason::AmountOutOfRange,
            DeclineReason::InsufficientFunds,
            DeclineReason::Voided,
            DeclineReason::ChainFull,
            DeclineReason::ControlAmount,
            DeclineReason::ControlCount,
            DeclineReason::ControlMerchant,
            DeclineReason::ControlOther,
            DeclineReason::Fraud,
            DeclineReason::CardNotActive,
            DeclineReason::CardUnknown,
            DeclineReason::UserNotActive,
            DeclineReason::Reconciling,
        ];
        for (reason, memo) in ours.map(of_decline) {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert!((1..=99).contains(&memo.len()) && memo.is_ascii() && !memo.contains(['"', '\\']), "{memo}");
        }
        assert_eq!(Reason::from_name("DO_NOT_HONOR"), None);
    }
}
