//! Answers when the cluster cannot, and settles what those answers owe.
//!
//! **What lives here.** [`Desk`] takes a processor's request, asks the cluster through the [`Decide`] port, and when no
//! decision can be had by the deadline answers alone: today always with the undecided decline. A decline after a
//! proposal whose outcome is unknown is owed to the cluster as a void of that attempt, proposed until it is seen
//! applied (model M1 rules 6 and 8) by [`Desk::settle_forever`].
//!
//! **What must hold.** An answer comes either from what `apply` said to this attempt's own proposal, or alone; never
//! both, and never from what another attempt was told. Requests that repeat one in flight share its attempt, so they
//! share its answer. Unknown is never treated as failed.
//!
//! **What is deliberately not here.** No HTTP, no Raft. The breaker, the policies and the durable journal come with
//! the stand-in issue; until then what is owed is kept in memory and is lost with the process (the hold then stays,
//! which is the conservative side).

pub mod breaker;
mod counts;
mod desk;
pub mod facts;
pub mod files;
mod inflight;
pub mod journal;
pub mod known;
pub mod limits;
mod owed;
pub mod policy;
mod settle;

pub use counts::Counts;
pub use desk::{Answer, Decide, Desk, NoDecision, Request, Settings};

#[cfg(test)]
mod tests;
