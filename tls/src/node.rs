//! How nodes know each other: by a name that says which cluster and which node, not by an address.
//!
//! What must hold: a node's certificate carries the name `holdfast://CLUSTER/NODE` and is signed by the cluster's
//! authority. Whoever calls a node makes sure that it is that node before a byte is sent; whoever is called knows by
//! the name which node calls. So a node of another cluster, or another node of this one, cannot stand in its place,
//! wherever it is.

use crate::client::{Client, Trust};
use crate::{Identity, Names, Stream};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// What the cluster is called.
    pub cluster: String,
    /// The node's id.
    pub node: u64,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holdfast://{}/{}", self.cluster, self.node)
    }
}

impl NodeName {
    /// Whether a cluster's name can stand in a certificate as it is.
    pub fn can_name(cluster: &str) -> bool {
        !cluster.is_empty() && cluster.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    }

    fn read(text: &str) -> Option<NodeName> {
        let (cluster, node) = text.strip_prefix("holdfast://")?.split_once('/')?;
        let node: u64 = node.parse().ok()?;
        let name = NodeName { cluster: cluster.to_owned(), node };
        // One way to write each: no `+1`, no `01`.
        (NodeName::can_name(cluster) && name.to_string() == text).then_some(name)
    }

    /// The one name of a node among these; `None` if there is none, or more than one.
    fn among(names: &Names) -> Option<NodeName> {
        let mut all = names.iter().filter_map(NodeName::read);
        all.next().filter(|_| all.next().is_none())
    }
}

/// This node among its peers.
#[derive(Clone, Debug)]
pub struct Peers {
    cluster: String,
    identity: Arc<Identity>,
}

impl Peers {
    /// The identity must ask everybody for a certificate, and be this node's.
    pub fn new(identity: Arc<Identity>, own: &NodeName) -> Result<Peers, String> {
        let named = NodeName::among(&identity.names());
        if named.as_ref() != Some(own) {
            let has = named.map_or("none or several such names".to_owned(), |name| name.to_string());
            return Err(format!("the certificate must be for {own}, and has {has}"));
        }
        Ok(Peers { cluster: own.cluster.clone(), identity })
    }

    /// What the peer listener speaks.
    pub fn wire(&self) -> crate::Wire {
        crate::Wire::Tls(self.identity.clone())
    }

    /// Which node of this cluster has called; `None` if none of it has.
    pub fn caller(&self, stream: &Stream) -> Option<u64> {
        let name = NodeName::among(&stream.names()?)?;
        (name.cluster == self.cluster).then_some(name.node)
    }

    /// Connects to a node at `HOST:PORT`, and makes sure that it is that node.
    pub async fn connect(&self, node: u64, address: &str, limit: Duration) -> io::Result<Stream> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            let client = Client::as_node(&self.identity)?;
            client.greet(stream, &format!("node-{node}"), Trust::Names).await
        };
        let stream = tokio::time::timeout(limit, connect).await;
        let stream = stream.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
        if self.caller(&stream) == Some(node) {
            return Ok(stream);
        }
        let wanted = NodeName { cluster: self.cluster.clone(), node };
        let names = stream.names().unwrap_or_default();
        let has = names.iter().collect::<Vec<_>>().join(", ");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{address} is not {wanted}, but {has:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_one_way() {
        let read = |text| NodeName::read(text).map(|name| (name.cluster, name.node));
        assert_eq!(read("holdfast://prod-eu.1/3"), Some(("prod-eu.1".to_owned(), 3)));
        for wrong in ["", "holdfast://a", "holdfast:///1", "holdfast://a/", "holdfast://a/01", "holdfast://a/+1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for wrong in ["holdfast://a/1/2", "https://a/1", "holdfast://a b/1", "holdfast://ä/1", "holdfast://a/-1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
