//! What comes to the desk, and what leaves it.

use ledger::{Amount, Attempt, Authorize, Decision, Facts, Fingerprint, Program, RequestKind, Token, UserToken, Void};
use std::time::Instant;

/// A processor's request, before it has an attempt.
#[derive(Clone, Debug)]
pub struct Request {
    /// The programme that the credentials named.
    pub program: Program,
    /// `jit_funding.token`.
    pub token: Token,
    /// What it means in money.
    pub fingerprint: Fingerprint,
    /// What is asked.
    pub kind: RequestKind,
    /// Whose account.
    pub user: UserToken,
    /// How much.
    pub amount: Amount,
    /// The processor's transaction.
    pub transaction: Option<Token>,
    /// The first request of the chain that this one continues.
    pub original: Option<Token>,
    /// An earlier transaction of its chain.
    pub preceding: Option<Token>,
    /// What it says about itself besides; none: nothing is known.
    pub facts: Option<Facts>,
    /// When the answer must leave.
    pub deadline: Instant,
}

impl Request {
    pub(crate) fn authorize(&self, attempt: Attempt) -> Authorize {
        Authorize {
            program: self.program,
            attempt,
            token: self.token,
            fingerprint: self.fingerprint,
            kind: self.kind,
            user: self.user,
            amount: self.amount,
            transaction: self.transaction,
            original: self.original,
            preceding: self.preceding,
            expires_after: None,
            facts: self.facts,
        }
    }

    pub(crate) fn void(&self, attempt: Attempt) -> Void {
        Void { program: self.program, attempt, token: self.token, fingerprint: self.fingerprint }
    }
}

/// What a node says alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// Yes, within limits; the books will have the hold.
    Approved,
    /// No.
    Declined,
}

/// What the processor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The cluster decided; `replayed` in it says whether before, or for another request that is in flight.
    Decided(Decision),
    /// The cluster was asked and did not decide in time: declined alone.
    Undecided,
    /// Answered by policy: the breaker is not closed, or the policy allowed an approval, or this node had said so of
    /// the token before.
    StandIn(Alone),
}

impl Answer {
    /// The same answer told to a request that attached to the one it was made for.
    pub(crate) fn repeated(self) -> Answer {
        match self {
            Answer::Decided(decision) => Answer::Decided(Decision { replayed: true, ..decision }),
            Answer::Undecided => Answer::Undecided,
            Answer::StandIn(alone) => Answer::StandIn(alone),
        }
    }
}
