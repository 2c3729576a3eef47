//! Load, workloads, recorded histories and their checkers: everything of `chaos` that more than one subcommand uses.
//!
//! What must hold: it speaks only HTTP and gRPC, and what it says about money is computed from what the product
//! answered. The `ledger` crate is used as the specification. Not here: anything that runs inside a node.

pub mod admin;
pub mod books;
pub mod check;
pub mod draw;
pub mod history;
pub mod http;
pub mod load;
pub mod money;
pub mod workload;
