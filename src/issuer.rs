//! The issuer's own interface: gRPC for the systems of whoever issues the cards, with credentials of its own.
//!
//! **What lives here.** `service` answers every rpc of `proto/holdfast/issuer/v1/issuer.proto` against the operators'
//! [`Cluster`](crate::admin::Cluster) port; `guard` lets callers in; `answers` puts what the books say into messages
//! and statuses.
//!
//! **What must hold.** Credentials are checked before anything else is looked at, and they alone name the programme: no
//! message can. Nothing is called refused that may have happened; every write may be sent again.
//!
//! **What is deliberately not here.** Fields, deadlines, reads and bounds of connections are those of `admin`. Nothing
//! that concerns the cluster or more than one account at a time.

mod answers;
mod guard;
mod serve;
mod service;
#[cfg(test)]
mod tests;

pub use guard::Guard;
pub use serve::serve;
pub use service::Service;
