//! How the nodes of one cluster reach each other.
//!
//! Three connections to each peer, so that what is large never delays what is urgent: one for replication and
//! forwarded commands, one for heartbeats and votes, one for snapshots. A name is resolved anew at each connect.
//! Every call carries the cluster's id, both ends' ids and the called node's disk ([`Ids`]), and has a deadline. How
//! the ends prove to be who they say is in `secure`.

mod call;
mod link;
mod members;
mod network;
mod ride;
mod secure;
mod server;
mod wire;

pub(crate) use call::{ANYBODY, Ids, LEVEL, within};
pub(crate) use link::{Forwarded, Links};
pub(crate) use members::{change, wire};
pub(crate) use network::Peers;
pub(crate) use secure::incoming;
pub(crate) use server::Local;
pub use wire::{Dial, Listener, Wire};

use proto::peer::v1::peer_client::PeerClient;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// Both message limits: a replication read is bounded to 1 MiB of entries and a batch to 64 KiB, so 8 MiB is room.
pub(crate) const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A peer that does not take a connection in this time is tried again at once; on one site it takes well below 10 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(150);

/// A connection over which nothing comes back for interval + timeout is given up, so that a silent network loss is
/// noticed within one request's deadline even where no call is outstanding.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(200);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_millis(600);

pub(crate) type Client = PeerClient<Channel>;

/// What holds for every connection to a peer.
fn bounded(endpoint: Endpoint, connect_timeout: Duration) -> Endpoint {
    endpoint
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
}
