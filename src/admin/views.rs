//! What the books and the cluster say, as messages and statuses. Amounts become decimal text with exactly the
//! currency's digits.

use crate::alarms::{Alarm, State};
use cluster::{MemberDigest, MemberStatus, OrderError, ProposeError, Role, SnapshotRecord};
use gateway::Timing;
use ledger::{
    AccountStatus, AccountView, Books, Currency, DeclineReason, HoldView, Meanwhile, Program, Refusal, Restored,
    TokenView, Verdict, format_minor,
};
use proto::admin::v1 as wire;
use std::time::Duration;
use tonic::Status;

pub(crate) fn account(program: &Program, view: &AccountView) -> wire::Account {
    let status = match view.status {
        AccountStatus::Active => wire::AccountStatus::Active,
        AccountStatus::Frozen => wire::AccountStatus::Frozen,
        AccountStatus::Closed => wire::AccountStatus::Closed,
    };
    let balances = view.balances.iter();
    wire::Account {
        user_token: view.user.as_str().to_owned(),
        status: status.into(),
        balances: balances.map(|of| balance(of.currency, of.posted_minor.into(), of.held_minor.into())).collect(),
        holds: view.holds,
        program: program.as_str().to_owned(),
    }
}

/// Sums over accounts need more than 64 bits, if only just; so does their difference.
fn balance(currency: Currency, posted_minor: i128, held_minor: i128) -> wire::Balance {
    wire::Balance {
        currency: currency.code().to_owned(),
        posted: format_minor(posted_minor, currency),
        held: format_minor(held_minor, currency),
        available: format_minor(posted_minor - held_minor, currency),
    }
}

pub(crate) fn hold(view: &HoldView) -> wire::Hold {
    wire::Hold {
        number: view.number,
        token: view.token.as_str().to_owned(),
        amount: view.amount.to_string(),
        currency: view.amount.currency().code().to_owned(),
        placed_at_us: view.placed_at.0,
        forced: view.forced,
        conflict: view.conflict,
        expires_at_us: view.expires_at.map_or(0, |at| at.0),
        user_token: String::new(),
    }
}

pub(super) fn books(books: &Books, tokens: u64) -> wire::BooksResponse {
    let totals = books.totals.iter();
    wire::BooksResponse {
        totals: totals.map(|total| balance(total.currency, total.posted_minor, total.held_minor)).collect(),
        accounts: books.accounts,
        holds: books.holds,
        tokens,
    }
}

pub(super) fn timing(node: u64, timing: Timing) -> wire::Timing {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    wire::Timing { node, read_us: us(timing.read), decided_us: us(timing.decided) }
}

pub(super) fn token(view: &TokenView) -> wire::ExplainResponse {
    let (outcome, decline_reason) = match view.verdict {
        Verdict::Approved => ("approved", ""),
        Verdict::Declined(reason) => ("declined", decline_reason(reason)),
    };
    wire::ExplainResponse {
        known: true,
        outcome: outcome.to_owned(),
        decline_reason: decline_reason.to_owned(),
        decided_at_us: view.at.0,
        user_token: view.user.map(|user| user.as_str().to_owned()).unwrap_or_default(),
        amount: view.amount.map(|amount| amount.to_string()).unwrap_or_default(),
        currency: view.amount.map(|amount| amount.currency().code().to_owned()).unwrap_or_default(),
        ..wire::ExplainResponse::default()
    }
}

pub(super) fn decline_reason(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::FingerprintMismatch => "fingerprint_mismatch",
        DeclineReason::AccountUnknown => "account_unknown",
        DeclineReason::CurrencyNotHeld => "currency_not_held",
        DeclineReason::AccountClosed => "account_closed",
        DeclineReason::AccountFrozen => "account_frozen",
        DeclineReason::AmountOutOfRange => "amount_out_of_range",
        DeclineReason::InsufficientFunds => "insufficient_funds",
        DeclineReason::Voided => "voided",
        DeclineReason::ChainFull => "chain_full",
        DeclineReason::ControlAmount => "control_amount",
        DeclineReason::ControlCount => "control_count",
        DeclineReason::ControlMerchant => "control_merchant",
        DeclineReason::ControlOther => "control_other",
        DeclineReason::Fraud => "fraud",
        DeclineReason::CardNotActive => "card_not_active",
        DeclineReason::CardUnknown => "card_unknown",
        DeclineReason::UserNotActive => "user_not_active",
        DeclineReason::Reconciling => "reconciling",
    }
}

/// A member, and how far it is behind the answering node's log.
pub(super) fn member(view: &MemberStatus, last_log_index: u64) -> wire::NodeStatus {
    let role = match view.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Learner => "learner",
    };
    wire::NodeStatus {
        id: view.id,
        role: role.to_owned(),
        applied: view.applied,
        healthy: view.healthy,
        peer_address: view.member.peer.clone(),
        admin_address: view.member.admin.clone(),
        lag: last_log_index.saturating_sub(view.applied),
        cluster_version_max: view.version_max,
    }
}

pub(super) fn snapshot(record: SnapshotRecord) -> wire::SnapshotRecord {
    let SnapshotRecord { index, time_us, digest, size_bytes, members } = record;
    let members = members.into_iter().collect();
    wire::SnapshotRecord { index, time_us, digest: hexadecimal(&digest), size_bytes, members }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn member_digest(view: &MemberDigest) -> wire::MemberDigest {
    let (digest, violations) = match &view.result {
        Ok((digest, violations)) => (hexadecimal(digest), violations.clone()),
        Err(_) => (String::new(), Vec::new()),
    };
    wire::MemberDigest { id: view.id, reached: view.result.is_ok(), digest, violations }
}

pub(super) fn alarm(alarm: &Alarm) -> wire::Alarm {
    wire::Alarm {
        name: alarm.name.to_owned(),
        state: alarm.state.word().to_owned(),
        detail: match &alarm.state {
            State::On(why) => why.clone(),
            State::Off | State::Unwatched => String::new(),
        },
        effect: alarm.effect.to_owned(),
        page: alarm.page(),
    }
}

pub(super) fn restored(restored: &Restored) -> wire::Restored {
    wire::Restored {
        since_us: restored.since.0,
        taken_at_us: restored.taken_at.0,
        cluster_id: hexadecimal(&restored.cluster),
        index: restored.index,
        declines: restored.meanwhile == Meanwhile::Decline,
    }
}

/// Whether every member that was reached has the same sound books, and whether enough were reached: at least one, and
/// all of them unless some may be missing.
pub(super) fn agreed(members: &[MemberDigest], allow_missing: bool) -> bool {
    let mut reached = members.iter().filter_map(|member| member.result.as_ref().ok());
    let Some((first, _)) = reached.clone().next() else {
        return false;
    };
    let complete = allow_missing || members.iter().all(|member| member.result.is_ok());
    complete && reached.all(|(digest, violations)| digest == first && violations.is_empty())
}

/// The books said no. Nothing changed.
pub(crate) fn refused(refusal: Refusal) -> Status {
    Status::failed_precondition(match refusal {
        Refusal::AccountUnknown => "there is no such account",
        Refusal::CurrencyNotHeld => "the account does not hold the currency",
        Refusal::AccountClosed => "the account is closed",
        Refusal::KeyConflict => "the key was used before for something else",
        Refusal::AmountOutOfRange => "the amount is zero or beyond what the books can hold",
        Refusal::InsufficientFunds => "not enough is available",
        Refusal::NotEmpty => "closing needs zero posted in every currency and no hold",
        Refusal::TooMany => "more openings than one call may have",
        Refusal::ControlsChanged => "the controls have changed since: look at what is there, and set anew",
        Refusal::ControlsUnsound => "the controls cannot be set like this",
    })
}

/// The cluster did not take the command, or does not know what became of it.
pub(crate) fn undecided(error: ProposeError) -> Status {
    match error {
        ProposeError::NotProposed => Status::unavailable("no quorum took it in time: nothing was done"),
        ProposeError::Unknown => Status::deadline_exceeded("outcome unknown: repeat with the same key"),
        ProposeError::TooNew { needed, version } => Status::failed_precondition(format!(
            "this needs cluster version {needed}, and the cluster has {version}, because not every node runs a program \
             that understands it: see holdfast ctl cluster status"
        )),
    }
}

/// The cluster did not carry out an order or a read.
pub(super) fn not_ordered(error: OrderError) -> Status {
    match error {
        OrderError::NoQuorum(why) => Status::unavailable(format!("no quorum: {why}")),
        OrderError::Refused(why) => Status::failed_precondition(why),
        OrderError::Unknown(why) => Status::deadline_exceeded(format!("the outcome is unknown: {why}")),
    }
}
