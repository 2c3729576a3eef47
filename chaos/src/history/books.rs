//! What the books said after the run: what the cluster was asked for, not what clients heard. All of it is later than
//! any request of the history.

use super::AccountStatus;
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose.
    pub account: String,
    /// Booked, in minor units.
    pub posted: i64,
    /// Held, in minor units.
    pub held: i64,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// Every hold that stands.
    pub holds: Vec<Hold>,
}

/// A hold that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Of which request.
    pub token: String,
    /// Minor units.
    pub amount: u64,
    /// A node approved it alone.
    pub forced: bool,
    /// It stands although somebody was told no.
    pub conflict: bool,
}

/// What is remembered of a token that somebody was told yes for, and that has no hold of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token.
    pub token: String,
    /// The books remember it.
    pub known: bool,
    /// `approved` or `declined`; empty if it is not known.
    pub outcome: String,
    /// Why not.
    pub reason: String,
}

/// A command of the log, as the feed of events tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Of the log.
    pub index: u64,
    /// Within the index.
    pub place: u32,
    /// The command and its outcome, as docs/events.md describes it.
    pub command: serde_json::Value,
}

/// The books of one node, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The Raft id.
    pub node: u64,
    /// The log index at which all were asked.
    pub index: u64,
    /// Hexadecimal; none: it was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Invariants that its own audit found broken.
    pub violations: Vec<String>,
}

/// A node's stand-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// The Raft id.
    pub node: u64,
    /// closed, half-open, open.
    pub phase: String,
    /// Settlements that it has not seen applied.
    pub owed: u64,
    /// decline, approve.
    pub policy: String,
    /// good, absent, unreadable, unwritable.
    pub journal: String,
}

/// How the reading of the books ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Everything that nodes owed was seen applied before the first account was read.
    pub settled: bool,
    /// The commands of the log are there, from the first one of this run on.
    pub log: bool,
    /// What could not be read, or was not settled; empty: nothing.
    pub missing: Vec<String>,
}
