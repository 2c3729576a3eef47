//! Load, workloads, recorded histories and their checkers, scenarios and the faults they make: everything of `chaos`.
//!
//! What must hold: it speaks only HTTP and gRPC, and what it says about money is computed from what the product
//! answered. The `ledger` crate is used as the specification. Not here: anything that runs inside a node.

pub mod admin;
pub mod alarm;
pub mod books;
pub mod check;
pub mod draw;
pub mod guard;
pub mod history;
pub mod http;
pub mod links;
pub mod load;
pub mod money;
pub mod nemesis;
pub mod observe;
pub mod operator;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sender;
pub mod show;
pub mod stop;
pub mod stories;
pub mod target;
pub mod workload;
