//! The lines of a history and their fields. The names are for ever: histories are kept beside reports.

use super::books;
use crate::http::connection;
use serde::{Deserialize, Serialize};

/// Of the format. A reader refuses a later one.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Begin(Begin),
    /// A request leaves.
    Invoke(Invoke),
    /// It was answered: yes, or done.
    Ok(Ended),
    /// It was answered: no. With the outcome `undecided` or `stand-in` it may have been done all the same, and is then
    /// taken back.
    Declined(Ended),
    /// It was not answered, or in a way that leaves open what was done.
    Unknown(Ended),
    /// What a node said about the cluster.
    Status(Status),
    /// A nemesis begins or ends something.
    Fault(Fault),
    /// An account afterwards.
    Account(books::Account),
    /// A token afterwards.
    Token(books::Token),
    /// A command of the log.
    Applied(books::Applied),
    /// A node's digest.
    Digest(books::Digest),
    /// A node's stand-in afterwards.
    StandIn(books::StandIn),
    /// Whether everything was settled when the books were read.
    Settled(books::Settled),
    /// The last one of the clients; the books may follow.
    End {
        /// How many lines stand before it.
        lines: u64,
    },
}

impl Line {
    /// Whether it says what the books said.
    pub fn is_of_books(&self) -> bool {
        match self {
            Line::Account(_)
            | Line::Token(_)
            | Line::Applied(_)
            | Line::Digest(_)
            | Line::StandIn(_)
            | Line::Settled(_) => true,
            Line::Begin(_)
            | Line::Invoke(_)
            | Line::Ok(_)
            | Line::Declined(_)
            | Line::Unknown(_)
            | Line::Status(_)
            | Line::Fault(_)
            | Line::End { .. } => false,
        }
    }
}

/// What a run is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Of the format.
    pub version: u32,
    /// Everything random came from it.
    pub seed: u64,
    /// When, by the wall clock, in microseconds since 1970: for windows of log time only.
    pub unix_us: u64,
    /// Of all amounts, ISO 4217 alpha-3.
    pub currency: String,
    /// `HOST:PORT` of the nodes that were asked.
    pub nodes: Vec<String>,
    /// After so many microseconds an answer is late.
    pub deadline_us: u64,
    /// With which limits nodes approved alone; none: they declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<StandInLimits>,
}

/// The limits of `[standin]`, in minor units, as docs/standin.md names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandInLimits {
    /// N: how many nodes are configured.
    pub nodes: u64,
    /// T.
    pub per_transaction: u64,
    /// L.
    pub per_account: u64,
    /// C.
    pub per_account_count: u64,
    /// B, if there is no total.
    pub per_node: u64,
    /// Of the whole cluster, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Length of the window of log time in seconds.
    pub window_s: u64,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// When it was about to leave.
    pub at_us: u64,
    /// Its number in this history.
    pub op: u64,
    /// `HOST:PORT` of the node that was asked.
    pub node: String,
    /// What was asked.
    #[serde(flatten)]
    pub task: Task,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Funds, by `POST /v1/jit`. A retry is another request with the same token.
    Authorize {
        /// `jit_funding.token`.
        token: String,
        /// Whose account.
        account: String,
        /// How much.
        amount: u64,
        /// The token of the card transaction, if reports follow it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<String>,
    },
    /// A fact told by `POST /v1/webhooks`.
    Report(Report),
    /// An account's balance, linearizably.
    Read {
        /// Whose.
        account: String,
    },
    /// Open an account.
    Open {
        /// Whose.
        account: String,
        /// First credit.
        credit: u64,
    },
    /// Credit or debit an account.
    Move {
        /// Whose.
        account: String,
        /// Names the movement for ever.
        key: String,
        /// Which way.
        direction: Direction,
        /// How much.
        amount: u64,
    },
    /// Freeze an account, or let it take part again.
    SetStatus {
        /// Whose.
        account: String,
        /// What it becomes.
        status: AccountStatus,
    },
}

impl Task {
    /// Whose account it is about.
    pub fn account(&self) -> &str {
        match self {
            Task::Report(report) => &report.account,
            Task::Authorize { account, .. }
            | Task::Read { account }
            | Task::Open { account, .. }
            | Task::Move { account, .. }
            | Task::SetStatus { account, .. } => account,
        }
    }
}

/// A fact about a card transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its own transaction token.
    pub transaction: String,
    /// Whose account.
    pub account: String,
    /// How much.
    pub amount: u64,
    /// What it is.
    pub kind: ReportKind,
    /// The `jit_funding.token` of the request that began the chain.
    pub original: String,
    /// The transaction token of that request.
    pub preceding: String,
}

/// What a report says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// The amount was paid out of the promise, and more may come.
    Clearing,
    /// The amount was paid, and nothing more will come.
    LastClearing,
    /// The amount was taken off the promise.
    Reversal,
    /// The whole promise was taken back.
    FullReversal,
}

/// Which way money is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the account.
    Credit,
    /// From it.
    Debit,
}

/// Whether an account takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It does.
    Active,
    /// Not for new requests.
    Frozen,
    /// Never again.
    Closed,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at_us: u64,
    /// Of which request.
    pub op: u64,
    /// What was heard.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What was heard. What does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The token again, so that one search finds both lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// HTTP's status, of replies over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `x-holdfast-outcome`: decided, replayed, stand-in, undecided, refused, absent, other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// A hash of the body, 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why not: `decline_reason`, or what the interface said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why nothing was heard: the reply timed out, or the connection broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// What had been booked, of reads and operators' changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted: Option<i64>,
    /// What was held then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<i64>,
    /// The account's status then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_status: Option<AccountStatus>,
    /// Of a report: it is kept among the dead letters instead of being booked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dead_letter: bool,
}

/// Why nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// No reply within the client's patience.
    Timeout,
    /// The connection broke, or could not be made after the request was meant to leave.
    Broken,
    /// What came is not a reply.
    Garbage,
    /// The run was ended before.
    Unfinished,
}

impl From<&connection::Lost> for Lost {
    fn from(lost: &connection::Lost) -> Lost {
        match lost {
            connection::Lost::Timeout => Lost::Timeout,
            connection::Lost::Broken(_) => Lost::Broken,
            connection::Lost::Garbage(_) => Lost::Garbage,
        }
    }
}

/// What a node said of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When the answer was there.
    pub at_us: u64,
    /// The Raft id of the node that answered.
    pub node: u64,
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// What it has applied.
    pub applied: u64,
}

/// A nemesis at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub at_us: u64,
    /// What: `kill`, `pause`, `partition`…
    pub name: String,
    /// `HOST:PORT` of the nodes, as in `begin`; empty: all.
    pub nodes: Vec<String>,
    /// Whether it begins or is over.
    pub phase: Phase,
    /// Answers of these nodes may be late or missing while it lasts.
    pub excuses: bool,
}

/// Of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From here on.
    Begin,
    /// Until here.
    End,
}
