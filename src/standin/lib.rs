//! Answers when the cluster cannot, and settles what those answers owe.
//!
//! **What lives here.** [`Desk`] takes a processor's request and asks the cluster through the [`Decide`] port. When the
//! [`breaker`] is open, or no decision can be had by the deadline, it answers alone by [`policy`]: no, or yes within
//! [`limits`]. What it said alone is in its [`journal`] before the answer leaves, and is owed to the cluster as a force
//! or a void of that attempt, proposed until it is seen applied by [`Desk::settle_forever`] (model M1). What the node
//! knows by itself it learns through the [`known::Known`] port.
//!
//! **What must hold.** An answer comes either from what `apply` said to this attempt's own proposal, or alone; never
//! both, and never from what another attempt was told. Requests that repeat one in flight share its attempt, so they
//! share its answer. Unknown is never treated as failed. The default is to decline.
//!
//! **What is deliberately not here.** No HTTP, no Raft, no configuration file.

mod alone;
pub mod breaker;
pub mod choice;
mod counts;
mod desk;
pub mod facts;
pub mod files;
mod gate;
mod inflight;
pub mod journal;
pub mod known;
pub mod limits;
mod order;
pub mod policy;
mod request;
mod settle;
mod status;

pub use counts::Counts;
pub use desk::{Decide, Desk, NoDecision, Parts, Settings};
pub use order::Orders;
pub use request::{Alone, Answer, Request};
pub use status::{Exposure, Status};

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;
