//! The cluster as what stand-in needs: something that decides.

use crate::machine::LedgerMachine;
use cluster::{Node, ProposeError};
use ledger::{Command, Output};
use standin::{Decide, NoDecision};
use std::time::Instant;

/// Decides by proposing to the cluster.
#[derive(Clone)]
pub struct Replicated(pub Node<LedgerMachine>);

impl Decide for Replicated {
    async fn decide(&self, command: Command, deadline: Instant) -> Result<Output, NoDecision> {
        self.0.propose(&command, deadline).await.map_err(|error| match error {
            ProposeError::NotProposed => NoDecision::NotProposed,
            ProposeError::Unknown => NoDecision::Unknown,
        })
    }
}
