//! How nodes know each other: by a name that says which cluster and which node.
//!
//! What must hold: a node's certificate carries the name `holdfast://CLUSTER/NODE` and is signed by the cluster's
//! authority; `NODE` is the node's id, or the host at which the others reach it, because a node that joins does not
//! know its id yet. Whoever calls a node makes sure that it is that node before a byte is sent; whoever is called knows
//! the names of the node that calls. So a node of another cluster, or another node of this one, cannot stand in its
//! place.

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
    /// The node's id, or its host.
    pub node: String,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holdfast://{}/{}", self.cluster, self.node)
    }
}

impl NodeName {
    /// Whether the name of a cluster or a host can stand in a certificate as it is.
    pub fn can_name(part: &str) -> bool {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    }

    /// What a node may be called: by its id, unless it has none yet, and by the host of its `HOST:PORT`, unless that
    /// looks like an id.
    pub fn parts(id: u64, address: &str) -> Vec<String> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host =
            Some(host).filter(|host| NodeName::can_name(host) && !host.bytes().all(|byte| byte.is_ascii_digit()));
        let id = Some(id).filter(|id| *id != 0).map(|id| id.to_string());
        id.into_iter().chain(host.map(str::to_ascii_lowercase)).collect()
    }

    fn read(text: &str) -> Option<NodeName> {
        let (cluster, node) = text.strip_prefix("holdfast://")?.split_once('/')?;
        let name = NodeName { cluster: cluster.to_owned(), node: node.to_owned() };
        (NodeName::can_name(cluster) && NodeName::can_name(node)).then_some(name)
    }
}

/// This node among its peers.
#[derive(Clone, Debug)]
pub struct Peers {
    cluster: String,
    identity: Arc<Identity>,
}

impl Peers {
    /// The identity must ask everybody for a certificate, and be this node's: one of these parts, in this cluster.
    pub fn new(identity: Arc<Identity>, cluster: &str, own: &[String]) -> Result<Peers, String> {
        let peers = Peers { cluster: cluster.to_owned(), identity };
        let has = peers.nodes(&peers.identity.names());
        if own.iter().any(|part| has.contains(part)) {
            return Ok(peers);
        }
        let wanted: Vec<String> = own.iter().map(|part| format!("holdfast://{cluster}/{part}")).collect();
        let (wanted, names) = (wanted.join(" or "), peers.identity.names());
        let names: Vec<&str> = names.iter().filter(|name| name.starts_with("holdfast://")).collect();
        let names = if names.is_empty() { "no such name".to_owned() } else { names.join(", ") };
        Err(format!("the certificate must be for {wanted}, and has {names}"))
    }

    /// What the peer listener speaks.
    pub fn wire(&self) -> crate::Wire {
        crate::Wire::Tls(self.identity.clone())
    }

    /// By which parts a node of this cluster that has called is known; none if it is not of it.
    pub fn caller(&self, stream: &Stream) -> Vec<String> {
        stream.names().map(|names| self.nodes(&names)).unwrap_or_default()
    }

    fn nodes(&self, names: &Names) -> Vec<String> {
        let ours = names.iter().filter_map(NodeName::read).filter(|name| name.cluster == self.cluster);
        ours.map(|name| name.node).collect()
    }

    /// Connects to a node at `HOST:PORT`, and makes sure that it is the one with this id, or at that host. With id 0
    /// any node of the cluster will do: it is asked who it is.
    pub async fn connect(&self, id: u64, address: &str, limit: Duration) -> io::Result<Stream> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            let client = Client::as_node(&self.identity)?;
            client.greet(stream, &format!("node-{id}"), Trust::Names).await
        };
        let stream = tokio::time::timeout(limit, connect).await;
        let stream = stream.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
        let (has, wanted) = (self.caller(&stream), NodeName::parts(id, address));
        if has.iter().any(|part| id == 0 || wanted.contains(part)) {
            return Ok(stream);
        }
        let names = stream.names().unwrap_or_default();
        let names = names.iter().collect::<Vec<_>>().join(", ");
        let why = format!("{address} is not node {id} of {}, but {names:?}", self.cluster);
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_cluster_and_a_node() {
        let read = |text| NodeName::read(text).map(|name| (name.cluster, name.node));
        assert_eq!(read("holdfast://prod-eu.1/3"), Some(("prod-eu.1".to_owned(), "3".to_owned())));
        for wrong in ["", "holdfast://a", "holdfast:///1", "holdfast://a/", "holdfast://a/1/2", "holdfast://a/+1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for wrong in ["https://a/1", "holdfast://a b/1", "holdfast://ä/1", "holdfast://a/1:2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_node_is_called_by_id_or_host() {
        assert_eq!(NodeName::parts(2, "Node-2.example:7441"), ["2", "node-2.example"]);
        assert_eq!(NodeName::parts(0, "10.0.0.1:7441"), ["10.0.0.1"]);
        assert_eq!(NodeName::parts(2, "[::1]:7441"), ["2"]);
        assert_eq!(NodeName::parts(2, "3:7441"), ["2"], "a host that looks like an id says nothing");
    }
}
