//! TLS of every listener, of the nodes among each other, and of the operator's command line.
//!
//! **What lives here.** An [`Identity`] is a certificate with its key and, where there is one, the authority whose
//! certificates it believes: read from files, and read again when they change. [`Wire`] is what a listener speaks,
//! [`Client`] what a caller does, [`Stream`] the connection that comes of it, with the [`Names`] that the other side
//! proved. [`node`](NodeName) names are how nodes know each other. [`make`] makes certificates to try things out with.
//!
//! **What must hold.**
//! - TLS 1.2 or 1.3, nothing older; one library, with nothing in it that reads a system's configuration.
//! - Nobody is believed whose certificate does not lead to the given authority. No authority of the system's is.
//! - Files that do not fit together, or cannot be read, never replace what is in force: a renewal that is half done is
//!   looked at again, and until then the old certificate serves.
//! - A connection keeps what it began with, so that a renewal breaks none.
//! - A handshake ends within its limit. No private key is printed or logged.
//!
//! **What is deliberately not here.** When files are looked at again, and which listener has which (the root); what a
//! name may do (`admin`). No revocation lists: certificates of short life, renewed by machine, are what is meant to be
//! used. No types of the library leave this room.

mod client;
mod error;
mod files;
mod identity;
pub mod make;
mod names;
mod node;
mod stream;
mod wire;

pub use client::{Client, connector};
pub use error::Error;
pub use files::Files;
pub use identity::{Ask, Identity, Looked, Protocol};
pub use names::Names;
pub use node::{NodeName, Peers};
pub use stream::Stream;
pub use wire::{HANDSHAKE_MAX, Incoming, Wire};
