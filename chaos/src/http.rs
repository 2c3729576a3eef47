//! HTTP/1.1 as a client speaks it, by hand: cheap enough to share a machine with what it measures.
//!
//! What must hold: a reply that is not whole is lost, never half believed. Not here: what is asked.

pub mod connection;
pub mod get;
pub mod reply;
