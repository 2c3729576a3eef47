//! What a node may do when it cannot reach a quorum, as models that are searched state by state.
//!
//! **What lives here.** [`settlement`] is model M1: is every answer that was given without knowing settled, once?
//! [`limits`] is model M2: do limits that no node shares with another bound the loss? [`explore`] visits every state
//! that can be reached. The rules are numbered as in the code (`ledger::settle`, `ledger::token`, `standin::alone`,
//! `standin::limits`).
//!
//! **What must hold.** The models say what the code does, not what it should: random walks of both are played on the
//! real `ledger` and `standin`, and each step must end alike (`src/standin/schedules/replay.rs`). A model can be told
//! to make a mistake, and must then find the way to a loss.
//!
//! **What is deliberately not here.** Bytes, disks, clocks, Raft. A partition is not a thing in these models but the
//! absence of messages, so every partition is covered, also a one-way one; and any node may answer alone at any moment,
//! with or without cause. The escrow floor (M3) is not built, so it is not here either.

pub mod dice;
pub mod explore;
pub mod limits;
pub mod settlement;

#[cfg(test)]
mod tests;
