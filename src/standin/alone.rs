//! Answering alone: model M1 rules 1 and 2.
//!
//! **What must hold.** Rule 1: an approval leaves only when this attempt's verdict is durable in the journal; once it
//! is queued, what `apply` may say to the attempt is not heard any more. If the disk is not done by the deadline, or
//! the request goes away, the attempt's verdict is no, and a void of it is owed. No attempt's approval leaves after its
//! deadline, whoever made it: nobody may be listening any more, so it is taken back by a void. Rule 2: what the node
//! said of a token it says again, and journals it for the new attempt too. A decline of what this node never proposed
//! owes nothing; any other is journalled before it leaves, but leaves at its deadline whatever the disk does.

use crate::desk::{Decide, Desk};
use crate::journal::{NotKept, Turn, Verdict, Writing};
use crate::limits::{Usage, Whose};
use crate::policy::{Case, Policy, Refusal};
use crate::request::{Alone, Answer, Request};
use ledger::{Attempt, Timestamp, Void};
use tokio::time::timeout_at;

/// Whether something may come of the attempt's own proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proposed {
    Never,
    Perhaps,
}

/// Why the node answers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Open,
    Deadline,
}

/// A no, and whether its void is owed already.
enum No {
    Unsaid(Refusal),
    Revoked(Refusal),
}

/// An approval that has not left yet. Dropped, it never does.
struct Unsent<'a, D: Decide> {
    desk: &'a Desk<D>,
    writing: Option<Writing>,
    void: Void,
    at: Timestamp,
}

impl<D: Decide> Unsent<'_, D> {
    /// Waits for the disk, at most until the deadline, and lets the approval stand.
    async fn stands_by(mut self, deadline: tokio::time::Instant) -> Result<(), Refusal> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        match timeout_at(deadline, writing.durable()).await {
            // After a pause of the process both may have happened.
            Ok(true) if tokio::time::Instant::now() <= deadline => {}
            Ok(false) => return Err(Refusal::Journal),
            Ok(true) | Err(_) => return Err(Refusal::TooLate),
        }
        let number = writing.number;
        // From here it leaves: it must not be revoked.
        self.writing = None;
        self.desk.journal.stands(number);
        Ok(())
    }
}

impl<D: Decide> Drop for Unsent<'_, D> {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            self.desk.journal.revoke(writing.number, self.at, self.void);
        }
    }
}

impl<D: Decide> Desk<D> {
    /// By policy.
    pub(crate) async fn alone(
        &self,
        request: &Request,
        attempt: Attempt,
        proposed: Proposed,
        occasion: Occasion,
    ) -> Answer {
        let no = match self.approve(request, attempt).await {
            Ok(()) => {
                self.tallies.approved_alone.add();
                return Answer::StandIn(Alone::Approved);
            }
            Err(no) => no,
        };
        match proposed {
            Proposed::Never => self.tallies.not_proposed.add(),
            Proposed::Perhaps => self.tallies.unknown.add(),
        }
        let (No::Unsaid(refusal) | No::Revoked(refusal)) = no;
        self.tallies.refusals[refusal as usize].add();
        match (no, proposed) {
            (No::Unsaid(_), Proposed::Perhaps) => self.owe(request, attempt).await,
            (No::Unsaid(_), Proposed::Never) | (No::Revoked(_), _) => {}
        }
        match occasion {
            Occasion::Open => Answer::StandIn(Alone::Declined),
            Occasion::Deadline => Answer::Undecided,
        }
    }

    /// Rule 2.
    pub(crate) async fn again(&self, request: &Request, attempt: Attempt, verdict: Verdict) -> Answer {
        self.tallies.said_again.add();
        match verdict {
            Verdict::Approved => match self.keep_approval(request, attempt, (Turn::Again, 0), |_| Ok(())).await {
                Ok(()) => return Answer::StandIn(Alone::Approved),
                // What cannot be journalled cannot be said; the attempt may owe a void then.
                Err(No::Unsaid(_)) => self.owe(request, attempt).await,
                Err(No::Revoked(_)) => {}
            },
            Verdict::Declined => self.owe(request, attempt).await,
        }
        Answer::StandIn(Alone::Declined)
    }

    async fn approve(&self, request: &Request, attempt: Attempt) -> Result<(), No> {
        let followed = self.policy();
        let Policy::Approve(policy) = &*followed else { return Err(No::Unsaid(Refusal::Policy)) };
        let account = self.known.account(&request.program, &request.user);
        let whose = Whose { program: request.program, user: request.user, currency: request.amount.currency() };
        let case = Case {
            whose,
            kind: request.kind,
            amount: request.amount,
            facts: request.facts.unwrap_or_default(),
            account: account.as_ref(),
            foreseen: self.known.foresee(&request.authorize(attempt)),
            state_age: self.known.state_age(),
        };
        let window = policy.limits.window_of(self.known.log_time());
        self.keep_approval(request, attempt, (Turn::First, window), |usage| policy.check(&case, usage)).await
    }

    async fn keep_approval(
        &self,
        request: &Request,
        attempt: Attempt,
        (turn, window): (Turn, u64),
        check: impl FnOnce(&Usage) -> Result<(), Refusal>,
    ) -> Result<(), No> {
        let at = self.known.log_time();
        let kept = self.journal.approve((at, window), request.authorize(attempt), turn, check);
        let writing = Some(kept.map_err(No::Unsaid)?);
        let unsent = Unsent { desk: self, writing, void: request.void(attempt), at };
        unsent.stands_by(request.deadline.into()).await.map_err(No::Revoked)
    }

    /// A decline whose attempt may still hold something: its void is owed, and durable if the disk is quick enough.
    async fn owe(&self, request: &Request, attempt: Attempt) {
        match self.journal.decline(self.known.log_time(), request.void(attempt)) {
            Ok(Some(mut writing)) => {
                let durable = timeout_at(request.deadline.into(), writing.durable()).await;
                if !matches!(durable, Ok(true)) {
                    self.tallies.owed_in_memory.add();
                }
            }
            Ok(None) => self.tallies.owed_in_memory.add(),
            Err(NotKept::Full | NotKept::Unwritable | NotKept::Used) => self.tallies.owed_dropped.add(),
        }
    }

    /// The same for a request that nobody waits for any more.
    pub(crate) fn owe_unheard(&self, request: &Request, attempt: Attempt) {
        self.tallies.unknown.add();
        if self.journal.decline(self.known.log_time(), request.void(attempt)).is_err() {
            self.tallies.owed_dropped.add();
        }
    }
}
