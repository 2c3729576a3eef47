//! What stand-in needs of the node's own books and of its contact with the others. A port: the root implements it.

use ledger::{AccountView, Attempt, Authorize, DeclineReason, Program, Timestamp, Token, UserToken};
use std::time::Duration;

/// Whether a settlement is in the node's own books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBooks {
    /// It was applied here.
    Yes,
    /// Not yet.
    NotYet,
}

/// What the node knows by itself. Nothing here waits for anybody.
pub trait Known: Send + Sync + 'static {
    /// The account as this node last heard of it.
    fn account(&self, program: &Program, user: &UserToken) -> Option<AccountView>;

    /// What user, card and the programme's rules say of a request, by the books here.
    fn foresee(&self, request: &Authorize) -> Result<(), DeclineReason>;

    /// Log time of the last command that was applied here.
    fn log_time(&self) -> Timestamp;

    /// How many accounts there are.
    fn accounts_count(&self) -> u64;

    /// The age of quorum contact; none if there never was any since the start.
    fn contact_age(&self) -> Option<Duration>;

    /// At most how old the books here are; none if nobody can say.
    fn state_age(&self) -> Option<Duration>;

    /// Whether the force of this attempt's token was applied here.
    fn forced(&self, program: &Program, token: &Token, attempt: Attempt) -> InBooks;

    /// Whether the void of this attempt's token was applied here.
    fn voided(&self, program: &Program, token: &Token, attempt: Attempt) -> InBooks;
}

/// For a desk without books of its own: always in contact, and nothing is known of any account, so nothing is approved
/// alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Known for Nothing {
    fn account(&self, _: &Program, _: &UserToken) -> Option<AccountView> {
        None
    }

    fn foresee(&self, _: &Authorize) -> Result<(), DeclineReason> {
        Ok(())
    }

    fn log_time(&self) -> Timestamp {
        Timestamp(0)
    }

    fn accounts_count(&self) -> u64 {
        0
    }

    fn contact_age(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn state_age(&self) -> Option<Duration> {
        None
    }

    fn forced(&self, _: &Program, _: &Token, _: Attempt) -> InBooks {
        InBooks::Yes
    }

    fn voided(&self, _: &Program, _: &Token, _: Attempt) -> InBooks {
        InBooks::Yes
    }
}
