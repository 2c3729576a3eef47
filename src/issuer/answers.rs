//! What the books say, as the issuer's messages and statuses.

use crate::admin::views;
use ledger::{AccountStatus, AccountView, HoldView, Program, Refusal};
use proto::admin::v1::{Balance, Hold};
use proto::issuer::v1 as wire;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Trailing metadata that names a refusal.
const REASON: &str = "holdfast-reason";

pub(super) fn account(program: &Program, view: &AccountView) -> wire::Account {
    let status = match view.status {
        AccountStatus::Active => wire::AccountStatus::Active,
        AccountStatus::Frozen => wire::AccountStatus::Frozen,
        AccountStatus::Closed => wire::AccountStatus::Closed,
    };
    let balance = |Balance { currency, posted, held, available }| wire::Balance { currency, posted, held, available };
    let shown = views::account(program, view);
    wire::Account {
        user_token: shown.user_token,
        status: status.into(),
        balances: shown.balances.into_iter().map(balance).collect(),
        holds: shown.holds,
    }
}

pub(super) fn hold(view: &HoldView) -> wire::Hold {
    let Hold { number, token, amount, currency, placed_at_us, expires_at_us, .. } = views::hold(view);
    wire::Hold { number, token, amount, currency, placed_at_us, expires_at_us }
}

/// The books said no. Nothing changed.
pub(super) fn refused(refusal: Refusal) -> Status {
    use Code::{AlreadyExists, FailedPrecondition, Internal, NotFound};
    let (code, reason) = match refusal {
        Refusal::AccountUnknown => (NotFound, "account_unknown"),
        Refusal::KeyConflict => (AlreadyExists, "key_conflict"),
        Refusal::CurrencyNotHeld => (FailedPrecondition, "currency_not_held"),
        Refusal::AccountClosed => (FailedPrecondition, "account_closed"),
        Refusal::AmountOutOfRange => (FailedPrecondition, "amount_out_of_range"),
        Refusal::InsufficientFunds => (FailedPrecondition, "insufficient_funds"),
        Refusal::NotEmpty => (FailedPrecondition, "not_empty"),
        // Answers to what is never asked here.
        Refusal::TooMany => (Internal, "too_many"),
        Refusal::ControlsChanged => (Internal, "controls_changed"),
        Refusal::ControlsUnsound => (Internal, "controls_unsound"),
    };
    let mut status = Status::new(code, views::refused(refusal).message());
    status.metadata_mut().insert(REASON, MetadataValue::from_static(reason));
    status
}
