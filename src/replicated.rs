//! The cluster as what stand-in needs: something that decides, and what the node knows by itself.

use crate::machine::LedgerMachine;
use cluster::{Node, ProposeError};
use ledger::{
    AccountView, Attempt, Authorize, Command, DeclineReason, Output, Program, Timestamp, Token, TokenView, UserToken,
};
use standin::known::{InBooks, Known};
use standin::{Decide, NoDecision};
use std::time::{Duration, Instant};

/// Decides by proposing to the cluster.
#[derive(Clone)]
pub struct Replicated(pub Node<LedgerMachine>);

impl Replicated {
    pub(crate) async fn propose(&self, command: &Command, deadline: Instant) -> Result<Output, NoDecision> {
        self.0.propose(command, deadline).await.map_err(|error| match error {
            ProposeError::NotProposed | ProposeError::TooNew { .. } => NoDecision::NotProposed,
            ProposeError::Unknown => NoDecision::Unknown,
        })
    }
}

impl Decide for Replicated {
    async fn decide(&self, command: Command, deadline: Instant) -> Result<Output, NoDecision> {
        #[cfg(feature = "planted")]
        return crate::planted::decide(self, command, deadline).await;
        #[cfg(not(feature = "planted"))]
        self.propose(&command, deadline).await
    }
}

/// The node's own books and its contact, as stand-in asks for them.
#[derive(Clone)]
pub struct OwnBooks {
    /// The node.
    pub node: Node<LedgerMachine>,
    /// Microseconds since the Unix epoch.
    pub clock: fn() -> u64,
}

impl OwnBooks {
    fn token<T>(&self, program: &Program, token: &Token, look: impl FnOnce(TokenView) -> T) -> Option<T> {
        self.node.read(|machine| machine.as_ref().token(program, token)).map(look)
    }
}

impl Known for OwnBooks {
    fn account(&self, program: &Program, user: &UserToken) -> Option<AccountView> {
        self.node.read(|machine| machine.as_ref().account(program, user))
    }

    fn foresee(&self, request: &Authorize) -> Result<(), DeclineReason> {
        self.node.read(|machine| machine.as_ref().foresee(request))
    }

    fn log_time(&self) -> Timestamp {
        self.node.read(|machine| machine.as_ref().now())
    }

    fn accounts_count(&self) -> u64 {
        self.node.read(|machine| machine.as_ref().accounts_count())
    }

    fn contact_age(&self) -> Option<Duration> {
        self.node.contact_age()
    }

    /// In contact, the books are at most as old as the contact. After a restart without any they are at most as old as
    /// the last thing in them.
    fn state_age(&self) -> Option<Duration> {
        let since_last = || (self.clock)().checked_sub(self.log_time().0).map(Duration::from_micros);
        self.node.contact_age().or_else(since_last)
    }

    fn forced(&self, program: &Program, token: &Token, _: Attempt) -> InBooks {
        in_books(self.token(program, token, |view| view.forced || view.impossible))
    }

    /// The books do not show single attempts: that the token is known is what can be seen.
    fn voided(&self, program: &Program, token: &Token, _: Attempt) -> InBooks {
        in_books(self.token(program, token, |_| true))
    }
}

fn in_books(found: Option<bool>) -> InBooks {
    if found == Some(true) { InBooks::Yes } else { InBooks::NotYet }
}
