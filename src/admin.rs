//! What a node offers to its operators: the admin gRPC interface, and the HTTP interface of probes and metrics.
//!
//! **What lives here.** `service` answers every rpc of `proto/holdfast/admin/v1/admin.proto` against the [`Cluster`]
//! port; `serve` listens for it; `http` answers `/livez`, `/readyz`, `/startupz` and
//! `/metrics`, and has a page for people at `/`.
//!
//! **What must hold.** Nothing is called refused that may have happened, nothing is called done that a quorum has not
//! committed; reads show everything decided before them unless the caller asked for stale ones. Calls, scans,
//! connections and waiting are bounded, so that an operator's curiosity never starves the cardholders.
//!
//! **What is deliberately not here.** The operator's command line (`ctl`), and what the numbers in `/metrics` mean:
//! each room registers its own.

mod access;
pub(crate) mod ask;
mod backup;
mod compare;
mod controls;
pub(crate) mod deadline;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod feed;
pub(crate) mod fields;
mod gate;
mod history;
pub mod http;
mod letters;
mod listen;
mod members;
mod node;
mod page;
mod port;
mod probes;
mod roles;
mod scans;
pub(crate) mod serve;
mod service;
mod stand_in;
#[cfg(test)]
mod tests;
mod transaction;
pub(crate) mod views;
mod words;

pub use access::Access;
pub use gate::Gate;
pub(crate) use listen::Caller;
pub use page::{NodePage, Page};
pub use port::Cluster;
pub use probes::{Probes, Readiness};
pub use roles::Role;
pub use serve::serve;
pub use service::{About, Service, service};
pub(crate) use service::{cut, misfit};
pub use stand_in::StandIn;
