//! What is answered alone: no, or yes within limits.
//!
//! **What must hold.** The default is no. A yes needs limits, a good journal, books that are young enough, an account
//! last known to take part, and room in every limit; first everything that refuses, in the order of [`Refusal`]. All of
//! it is looked at in one step with the using of the limits.
//!
//! **What is deliberately not here.** The arithmetic of the limits: [`crate::limits`]. What is said of a request:
//! [`crate::facts`].

use crate::choice::{Rule, Say, choose};
use crate::facts::Refusals;
use crate::journal::NotKept;
use crate::limits::{Limits, Usage, Whose};
use ledger::{AccountStatus, AccountView, Amount, DeclineReason, Facts, RequestKind};
use std::time::Duration;

/// What a node does alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Says no.
    #[default]
    Decline,
    /// Says yes within limits, else no.
    Approve(Approve),
}

/// When a node may say yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// Its part of the limits.
    pub limits: Limits,
    /// Of what an account was last known to have available: at most this many per hundred, over the whole cluster.
    /// 1 to 100.
    pub available_percent: u32,
    /// Books that may be older say nothing about an account.
    pub state_age_max: Duration,
    /// What is refused, whatever the limits.
    pub refusals: Refusals,
    /// Which requests may be approved at all; the first that matches decides.
    pub rules: Vec<Rule>,
    /// And what becomes of those that none matches.
    pub otherwise: Say,
}

/// Why it is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The policy is to decline.
    Policy,
    /// A kind of request that is not answered alone: inquiries, notices.
    Request,
    /// No rule approves such a request.
    Rule,
    /// The token was used at this node for something else.
    OtherMeaning,
    /// The journal is not good, or does not keep up.
    Journal,
    /// A rule of the programme, or the card is unknown where it must be known.
    Controls,
    /// As much is owed as may be.
    Owed,
    /// The books are too old, or nobody can say how old.
    StateAge,
    /// No such account, or not in this currency.
    Unknown,
    /// Account, user or card: last known frozen, lost or closed.
    Status,
    /// MCC, channel or kind.
    Refused,
    /// Another currency than that of the limits.
    Currency,
    /// More than one request may be.
    PerTransaction,
    /// The account's amount is used up.
    PerAccount,
    /// The account's count is used up.
    PerAccountCount,
    /// The node's amount is used up.
    PerNode,
    /// More than the account's slice of what it had.
    Slice,
    /// The disk was not done by the deadline.
    TooLate,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Refusal; 18] = [
        Refusal::Policy,
        Refusal::Request,
        Refusal::Rule,
        Refusal::OtherMeaning,
        Refusal::Journal,
        Refusal::Controls,
        Refusal::Owed,
        Refusal::StateAge,
        Refusal::Unknown,
        Refusal::Status,
        Refusal::Refused,
        Refusal::Currency,
        Refusal::PerTransaction,
        Refusal::PerAccount,
        Refusal::PerAccountCount,
        Refusal::PerNode,
        Refusal::Slice,
        Refusal::TooLate,
    ];

    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Policy => "policy",
            Refusal::Request => "request",
            Refusal::Rule => "rule",
            Refusal::OtherMeaning => "other-meaning",
            Refusal::Journal => "journal",
            Refusal::Controls => "controls",
            Refusal::Owed => "owed",
            Refusal::StateAge => "state-age",
            Refusal::Unknown => "unknown",
            Refusal::Status => "status",
            Refusal::Refused => "refused",
            Refusal::Currency => "currency",
            Refusal::PerTransaction => "per-transaction",
            Refusal::PerAccount => "per-account",
            Refusal::PerAccountCount => "per-account-count",
            Refusal::PerNode => "per-node",
            Refusal::Slice => "slice",
            Refusal::TooLate => "too-late",
        }
    }
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Refusal {
        match not_kept {
            NotKept::Full => Refusal::Owed,
            NotKept::Unwritable => Refusal::Journal,
            NotKept::Used => Refusal::OtherMeaning,
        }
    }
}

/// What a policy looks at.
pub(crate) struct Case<'a> {
    pub(crate) whose: Whose,
    pub(crate) kind: RequestKind,
    pub(crate) amount: Amount,
    pub(crate) facts: Facts,
    pub(crate) account: Option<&'a AccountView>,
    /// What user, card and rules say, as this node last heard of them.
    pub(crate) foreseen: Result<(), DeclineReason>,
    pub(crate) state_age: Option<Duration>,
}

impl Approve {
    /// Whether a node may say yes, having used this much.
    pub(crate) fn check(&self, case: &Case<'_>, usage: &Usage) -> Result<(), Refusal> {
        match case.kind {
            RequestKind::Authorization
            | RequestKind::Verification
            | RequestKind::Incremental
            | RequestKind::SingleDebit => {}
            // The limits bound what goes out; what comes in is not for a node alone to promise.
            RequestKind::CreditAuthorization
            | RequestKind::FastCredit
            | RequestKind::BalanceInquiry
            | RequestKind::Notice => return Err(Refusal::Request),
        }
        if choose(&self.rules, self.otherwise, &case.whose, case.amount, &case.facts) == Say::Decline {
            return Err(Refusal::Rule);
        }
        if case.state_age.is_none_or(|age| age > self.state_age_max) {
            return Err(Refusal::StateAge);
        }
        let account = case.account.ok_or(Refusal::Unknown)?;
        let currency = case.amount.currency();
        let balance = account.balances.iter().find(|balance| balance.currency == currency).ok_or(Refusal::Unknown)?;
        match account.status {
            AccountStatus::Active => {}
            AccountStatus::Frozen | AccountStatus::Closed => return Err(Refusal::Status),
        }
        match case.foreseen {
            Ok(()) => {}
            Err(DeclineReason::CardNotActive | DeclineReason::UserNotActive) => return Err(Refusal::Status),
            // The books are known to lack what came after a backup.
            Err(DeclineReason::Reconciling) => return Err(Refusal::StateAge),
            Err(_) => return Err(Refusal::Controls),
        }
        if self.refusals.refuse(&case.facts) {
            return Err(Refusal::Refused);
        }
        self.within(case, balance.available_minor(), usage)
    }

    fn within(&self, case: &Case<'_>, available_minor: i64, usage: &Usage) -> Result<(), Refusal> {
        let limits = &self.limits;
        if case.amount.currency() != limits.currency {
            return Err(Refusal::Currency);
        }
        let minor = case.amount.minor();
        let fits = |used: u64, limit: u64| used.checked_add(minor).is_some_and(|sum| sum <= limit);
        let used = usage.of(&case.whose);
        if minor > limits.transaction_minor {
            return Err(Refusal::PerTransaction);
        }
        if !fits(used.minor, limits.account_minor) {
            return Err(Refusal::PerAccount);
        }
        if used.count >= limits.account_count {
            return Err(Refusal::PerAccountCount);
        }
        if !fits(usage.node_minor(limits.currency), limits.node_minor) {
            return Err(Refusal::PerNode);
        }
        // What the books have taken off already must not be taken off twice, so only what they have not seen counts.
        if minor > 0 && !fits(used.unsettled_minor, self.slice_minor(available_minor)) {
            return Err(Refusal::Slice);
        }
        Ok(())
    }

    /// This node's share of what an account was last known to have.
    fn slice_minor(&self, available_minor: i64) -> u64 {
        let available = u128::try_from(available_minor).unwrap_or(0);
        let slice = available * u128::from(self.available_percent) / 100 / u128::from(self.limits.nodes.get());
        u64::try_from(slice).unwrap_or(u64::MAX)
    }

    /// The worst case in money if every node were cut off now: docs/standin.md has the proof.
    ///
    /// `min(accounts x nodes x account part, (nodes - 1) x node part + what this node has left)`; the account part is
    /// bounded by amount and by count.
    pub(crate) fn worst_case_minor(&self, accounts: u64, left_here_minor: u64) -> u128 {
        let limits = &self.limits;
        let nodes = u128::from(limits.nodes.get());
        let by_account = u128::from(accounts) * nodes * u128::from(limits.account_most_minor());
        let by_node = (nodes - 1) * u128::from(limits.node_minor) + u128::from(left_here_minor);
        by_account.min(by_node)
    }
}

#[cfg(test)]
mod tests;
