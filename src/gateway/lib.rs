//! The processor's door: Marqeta's gateway JIT funding requests and its reports (webhooks) over HTTP/1.1.
//!
//! **What lives here.** [`serve`] accepts connections and hands each request to [`Gateway::handle`]: credentials, body,
//! JSON to a [`standin::Request`], the desk's answer back to JSON. The [`fingerprint`] of a
//! request and the bytes of a reply are contracts, pinned by golden tests.
//!
//! **What must hold.** Whoever authenticates and sends a JSON object in which token, method and user can be read gets
//! 200 or 402, in time; no status but these two moves money on a request. No input panics. Everything that a client can
//! make grow is bounded: connections, heads, bodies, waiting. No amount passes through a float.
//!
//! **What is deliberately not here.** No decision and no balance (`ledger`), no waiting for a quorum (`cluster`), no
//! answer by policy (`standin`), no config file (the root maps its own onto [`Config`]), no certificates (`tls`).

mod attempts;
mod awake;
mod body;
pub mod catalogue;
mod config;
mod credentials;
mod door;
mod facts;
mod fields;
pub mod fingerprint;
mod json;
mod keys;
mod method;
mod metrics;
mod money;
mod order;
mod pace;
mod reason;
mod recent;
mod refusal;
mod reply;
mod serve;
mod trail;
mod turned_away;
mod webhook;

pub use attempts::{Attempts, Tried};
pub use config::{Config, ConfigError, ProgramConfig, WebhookAccess, WebhookConfig};
pub use credentials::Credentials;
pub use door::Gateway;
pub use metrics::{Metrics, Outcome};
pub use reason::Reason;
pub use recent::{Recent, Timing};
pub use serve::serve;
pub use webhook::mask::mask;
pub use webhook::{read_again, webhooks};
