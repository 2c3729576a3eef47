//! What the processor's transaction types, and its methods where a type is new, say in the life of a card transaction.
//!
//! **What must hold.** The network's side of a transaction is what counts; what the processor books beside it in an
//! account of its own (`gpa.*` and its like) never does, or money would be counted twice. A type that is not listed
//! is read by its method; one that has neither is nobody's to guess.
//! **What is not here.** States, amounts and who is meant: `item`.

use Meaning::{Aside, Companion, Fact, Moneyless};
use ledger::MoveDirection::{self, Credit, Debit};

/// What a type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something in the life of a card transaction.
    Fact(Act),
    /// Money beside it. Which way: as its box says, else as the balance moved, else so.
    Aside(MoveDirection),
    /// The same, of a case that may be none of the account holder's, and whose own end counts.
    Case(MoveDirection),
    /// The processor's own account moves beside what is told under another type. Without `jit_funding` it is nothing to
    /// the books.
    Beside,
    /// The other half of what is told under another type, whatever it carries.
    Companion,
    /// No money of an account.
    Moneyless,
}

/// What happens to a card transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The amount is promised.
    Promise,
    /// It is promised on top.
    Increment,
    /// The promise is lowered by a difference.
    Advice,
    /// The promise is taken back, whole or in part, as state and order say.
    Reversal,
    /// So much is taken back of what was paid in one message.
    SingleReversal,
    /// The promise ends.
    Expiration,
    /// The amount is paid out of the promise.
    Clearing,
    /// The amount is paid although nobody was asked.
    ForceCapture,
    /// The amount is promised, and paid when it is complete.
    Single,
    /// Money will come, by a message of its own.
    Announce,
    /// Money comes when this is complete.
    SingleCredit,
    /// Money has come.
    Credit,
    /// Announced money will not come.
    CreditReversal,
}

const PROMISE: Meaning = Fact(Act::Promise);
const REVERSAL: Meaning = Fact(Act::Reversal);
const CLEARING: Meaning = Fact(Act::Clearing);
const SINGLE: Meaning = Fact(Act::Single);
const CREDIT: Meaning = Fact(Act::Credit);
const BESIDE: Meaning = Meaning::Beside;
const LOAD: Meaning = Fact(Act::SingleCredit);

const fn case(direction: MoveDirection) -> Meaning {
    Meaning::Case(direction)
}

/// By transaction type, in order.
#[rustfmt::skip]
pub(crate) const TYPES: &[(&str, Meaning)] = &[
    ("account.credit", BESIDE),
    ("account.debit", BESIDE),
    ("account.funding.auth_plus_capture", SINGLE),
    ("account.funding.auth_plus_capture.reversal", Fact(Act::SingleReversal)),
    ("account.funding.authorization", PROMISE),
    ("account.funding.authorization.clearing", CLEARING),
    ("account.funding.authorization.reversal", REVERSAL),
    ("address.verification", Moneyless),
    ("authorization", PROMISE),
    ("authorization.advice", Fact(Act::Advice)),
    ("authorization.atm.withdrawal", PROMISE),
    ("authorization.cashback", PROMISE),
    ("authorization.clearing", CLEARING),
    ("authorization.clearing.atm.withdrawal", CLEARING),
    ("authorization.clearing.cashback", CLEARING),
    ("authorization.clearing.chargeback", case(Credit)),
    ("authorization.clearing.chargeback.completed", case(Credit)),
    ("authorization.clearing.chargeback.provisional.credit", Aside(Credit)),
    ("authorization.clearing.chargeback.provisional.debit", Aside(Debit)),
    ("authorization.clearing.chargeback.reversal", case(Debit)),
    ("authorization.clearing.chargeback.writeoff", case(Credit)),
    ("authorization.clearing.quasi.cash", CLEARING),
    ("authorization.clearing.representment", case(Debit)),
    ("authorization.incremental", Fact(Act::Increment)),
    ("authorization.pin.change", Moneyless),
    ("authorization.pin.unblock", Moneyless),
    ("authorization.quasi.cash", PROMISE),
    ("authorization.reversal", REVERSAL),
    ("authorization.reversal.issuerexpiration", Fact(Act::Expiration)),
    ("authorization.standin", PROMISE),
    ("balanceinquiry", Moneyless),
    ("billpayment", SINGLE),
    ("billpayment.clearing", CLEARING),
    ("billpayment.reversal", REVERSAL),
    ("credit.adjustment", Aside(Credit)),
    ("debit.adjustment", Aside(Debit)),
    ("directdeposit.credit", Aside(Credit)),
    ("directdeposit.credit.pending", Moneyless),
    ("directdeposit.credit.pending.reversal", Moneyless),
    ("directdeposit.credit.reject", Moneyless),
    ("directdeposit.credit.reversal", Aside(Debit)),
    ("directdeposit.debit", Aside(Debit)),
    ("directdeposit.debit.pending", Moneyless),
    ("directdeposit.debit.pending.reversal", Moneyless),
    ("directdeposit.debit.reject", Moneyless),
    ("directdeposit.debit.reversal", Aside(Credit)),
    ("dispute.credit", Aside(Credit)),
    ("dispute.debit", Aside(Debit)),
    ("fee.charge", BESIDE),
    ("fee.charge.pending", BESIDE),
    ("fee.charge.refund", BESIDE),
    ("fee.charge.reversal", BESIDE),
    ("fee.charge.waived", BESIDE),
    ("fee.collection.credit", BESIDE),
    ("fee.collection.debit", BESIDE),
    ("fps.credit.clear", BESIDE),
    ("fps.credit.clear.reverse", BESIDE),
    ("fps.credit.open", BESIDE),
    ("fps.credit.open.reverse", BESIDE),
    ("fps.debit.clear", BESIDE),
    ("fps.debit.clear.reverse", BESIDE),
    ("fps.debit.hold", BESIDE),
    ("fps.debit.hold.reverse", BESIDE),
    ("funds.expire", BESIDE),
    ("gpa.credit", Companion),
    ("gpa.credit.authorization", Companion),
    ("gpa.credit.authorization.billpayment", Companion),
    ("gpa.credit.authorization.billpayment.reversal", Companion),
    ("gpa.credit.authorization.reversal", Companion),
    ("gpa.credit.billpayment", Companion),
    ("gpa.credit.chargeback", Companion),
    ("gpa.credit.chargeback.reversal", Companion),
    ("gpa.credit.issueroperator", Companion),
    // A load at a merchant has no other side: with our answer in it, it is the transaction itself.
    ("gpa.credit.networkload", BESIDE),
    ("gpa.credit.networkload.reversal", BESIDE),
    ("gpa.credit.pending", Companion),
    ("gpa.credit.pending.reversal", Companion),
    ("gpa.credit.reversal", Companion),
    ("gpa.debit", Companion),
    ("gpa.debit.authorization", Companion),
    ("gpa.debit.issueroperator", Companion),
    ("gpa.debit.networkload", BESIDE),
    ("gpa.debit.pending", Companion),
    ("gpa.debit.pending.reversal", Companion),
    ("gpa.debit.reversal", Companion),
    ("gpa.grant", Companion),
    ("interest.posting.adjustment", BESIDE),
    ("interest.posting.clear", BESIDE),
    ("interest.posting.clear.reverse", BESIDE),
    ("open.banking.fps.debit.clear", BESIDE),
    ("open.banking.fps.debit.clear.reverse", BESIDE),
    ("open.banking.fps.debit.hold", BESIDE),
    ("open.banking.fps.debit.hold.reverse", BESIDE),
    ("original.credit.auth_plus_capture", Fact(Act::SingleCredit)),
    ("original.credit.auth_plus_capture.reversal", Aside(Debit)),
    ("original.credit.authorization", Fact(Act::Announce)),
    ("original.credit.authorization.clearing", CREDIT),
    ("original.credit.authorization.reversal", Fact(Act::CreditReversal)),
    ("pin.change.reversal", Moneyless),
    ("pin.change.reversal.advice", Moneyless),
    ("pin.change.via.api", Moneyless),
    ("pindebit", SINGLE),
    ("pindebit.atm.withdrawal", SINGLE),
    ("pindebit.authorization", PROMISE),
    ("pindebit.authorization.clearing", CLEARING),
    ("pindebit.authorization.reversal", REVERSAL),
    ("pindebit.authorization.reversal.issuerexpiration", Fact(Act::Expiration)),
    ("pindebit.balanceinquiry", Moneyless),
    ("pindebit.cashback", SINGLE),
    ("pindebit.chargeback", case(Credit)),
    ("pindebit.chargeback.completed", case(Credit)),
    ("pindebit.chargeback.provisional.credit", Aside(Credit)),
    ("pindebit.chargeback.provisional.debit", Aside(Debit)),
    ("pindebit.chargeback.reversal", case(Debit)),
    ("pindebit.chargeback.writeoff", case(Credit)),
    ("pindebit.checkavs", Moneyless),
    ("pindebit.credit.adjustment", Aside(Credit)),
    ("pindebit.debit.adjustment", Aside(Debit)),
    ("pindebit.pin.change", Moneyless),
    ("pindebit.pin.unblock", Moneyless),
    ("pindebit.quasi.cash", SINGLE),
    ("pindebit.refund", CREDIT),
    ("pindebit.refund.reversal", Aside(Debit)),
    ("pindebit.reversal", Fact(Act::SingleReversal)),
    ("pindebit.transfer", SINGLE),
    ("product.inquiry", Moneyless),
    ("programreserve.credit", BESIDE),
    ("programreserve.debit", BESIDE),
    ("pushtocard.debit", BESIDE),
    ("pushtocard.reversal", BESIDE),
    ("refund", CREDIT),
    ("refund.authorization", Fact(Act::Announce)),
    // Changes what is announced; what comes is said by the clearing.
    ("refund.authorization.advice", Moneyless),
    ("refund.authorization.clearing", CREDIT),
    ("refund.authorization.reversal", Fact(Act::CreditReversal)),
    ("reward.earn", BESIDE),
    ("token.activation-request", Moneyless),
    ("token.advice", Moneyless),
    ("transfer.fee", BESIDE),
    ("transfer.from.checking.clear", BESIDE),
    ("transfer.from.checking.hold", BESIDE),
    ("transfer.from.savings.clear", BESIDE),
    ("transfer.from.savings.hold", BESIDE),
    ("transfer.peer", BESIDE),
    ("transfer.program", BESIDE),
    ("transfer.to.checking.clear", BESIDE),
    ("transfer.to.checking.open", BESIDE),
    ("transfer.to.savings.clear", BESIDE),
    ("transfer.to.savings.open", BESIDE),
    ("transit.offer", Moneyless),
];

/// By `jit_funding.method`, in order: for types that are not listed, and for what has no side of its own.
#[rustfmt::skip]
pub(crate) const METHODS: &[(&str, Meaning)] = &[
    ("pgfs.adjustment.credit", Aside(Credit)),
    ("pgfs.adjustment.debit", Aside(Debit)),
    ("pgfs.atm.clearing.withdrawal", CLEARING),
    ("pgfs.atm.withdrawal", PROMISE),
    ("pgfs.auth_plus_capture", SINGLE),
    ("pgfs.auth_plus_capture.standin", SINGLE),
    ("pgfs.authorization", PROMISE),
    ("pgfs.authorization.account_verification", PROMISE),
    ("pgfs.authorization.advice", Fact(Act::Advice)),
    ("pgfs.authorization.capture", CLEARING),
    ("pgfs.authorization.capture.chargeback", case(Credit)),
    ("pgfs.authorization.capture.chargeback.reversal", case(Debit)),
    ("pgfs.authorization.cashback", PROMISE),
    ("pgfs.authorization.clearing", CLEARING),
    ("pgfs.authorization.clearing.quasi.cash", CLEARING),
    ("pgfs.authorization.incremental", Fact(Act::Increment)),
    ("pgfs.authorization.quasi.cash", PROMISE),
    ("pgfs.authorization.reversal", REVERSAL),
    ("pgfs.authorization.standin", PROMISE),
    ("pgfs.balanceinquiry", Moneyless),
    ("pgfs.billpayment", SINGLE),
    ("pgfs.billpayment.capture", CLEARING),
    ("pgfs.billpayment.reversal", REVERSAL),
    ("pgfs.directdeposit.credit", Aside(Credit)),
    ("pgfs.directdeposit.credit.reversal", Aside(Debit)),
    ("pgfs.directdeposit.debit", Aside(Debit)),
    ("pgfs.directdeposit.debit.reversal", Aside(Credit)),
    ("pgfs.dispute.credit", Aside(Credit)),
    ("pgfs.dispute.debit", Aside(Debit)),
    ("pgfs.force_capture", Fact(Act::ForceCapture)),
    ("pgfs.network.load", LOAD),
    ("pgfs.original.credit.auth_plus_capture", Fact(Act::SingleCredit)),
    ("pgfs.original.credit.authorization", Fact(Act::Announce)),
    ("pgfs.original.credit.authorization.clearing", CREDIT),
    ("pgfs.original.credit.authorization.reversal", Fact(Act::CreditReversal)),
    ("pgfs.pindebit", SINGLE),
    ("pgfs.pindebit.atm.withdrawal", SINGLE),
    ("pgfs.pindebit.authorization", PROMISE),
    ("pgfs.pindebit.authorization.clearing", CLEARING),
    ("pgfs.pindebit.authorization.reversal", REVERSAL),
    ("pgfs.pindebit.balanceinquiry", Moneyless),
    ("pgfs.pindebit.cashback", SINGLE),
    ("pgfs.pindebit.chargeback", case(Credit)),
    ("pgfs.pindebit.chargeback.reversal", case(Debit)),
    ("pgfs.pindebit.quasi.cash", SINGLE),
    ("pgfs.pindebit.refund", CREDIT),
    ("pgfs.product.inquiry", Moneyless),
    ("pgfs.refund", CREDIT),
    ("pgfs.refund.authorization", Fact(Act::Announce)),
    ("pgfs.refund.authorization.clearing", CREDIT),
    ("pgfs.refund.authorization.reversal", Fact(Act::CreditReversal)),
];

/// What an item says, by its type and, if it carries `jit_funding`, its method. None if nobody can tell.
pub(crate) fn meaning(kind: &str, method: Option<&str>) -> Option<Meaning> {
    let by_method = || method.and_then(|method| find(METHODS, method));
    match (find(TYPES, kind), method) {
        // A capture that nobody was asked for comes under the type of any clearing.
        (Some(CLEARING), Some("pgfs.force_capture")) => Some(Fact(Act::ForceCapture)),
        (Some(BESIDE), None) => Some(BESIDE),
        // A load that is taken back has no method of its own: its direction is its box's.
        (Some(BESIDE), Some("pgfs.network.load")) if kind != "gpa.credit.networkload" => Some(Aside(Debit)),
        (Some(BESIDE), Some(_)) | (None, _) => by_method(),
        (Some(meaning), _) => Some(meaning),
    }
}

fn find(table: &[(&str, Meaning)], name: &str) -> Option<Meaning> {
    let at = table.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
    table.get(at).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests;
