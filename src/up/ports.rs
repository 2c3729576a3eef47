//! Which ports a node has. They are a seam: scripts rely on them.
//!
//! Node i has 7440+i (peers), 8440+i (JIT), 9440+i (admin HTTP), 9540+i (admin gRPC), 9640+i (issuer). Tests that run
//! side by side give a base B instead: then it has B+i, B+10+i, B+20+i, B+30+i, B+40+i, so that one cluster lies within
//! 50 ports.

use super::refusal::Refusal;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

/// A node more would need a port with two digits for its number.
pub(super) const NODES_MAX: u16 = 9;

/// The addresses of one node, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) peer: SocketAddrV4,
    pub(super) jit: SocketAddrV4,
    pub(super) admin_http: SocketAddrV4,
    pub(super) admin_grpc: SocketAddrV4,
    pub(super) issuer: SocketAddrV4,
}

impl Ports {
    /// `base` 0 stands for the well-known ports. The callers' bounds keep every sum below 65,536.
    pub(super) fn new(base: u16, node: u16) -> Self {
        let offsets = match base {
            0 => [7440, 8440, 9440, 9540, 9640],
            base => [base, base + 10, base + 20, base + 30, base + 40],
        };
        let [peer, jit, admin_http, admin_grpc, issuer] =
            offsets.map(|offset| SocketAddrV4::new(Ipv4Addr::LOCALHOST, offset + node));
        Ports { peer, jit, admin_http, admin_grpc, issuer }
    }

    fn all(&self) -> [SocketAddrV4; 5] {
        [self.peer, self.jit, self.admin_http, self.admin_grpc, self.issuer]
    }
}

/// Finds out whether all ports are free, by taking them all for a moment. `patience` is for the nodes of an earlier
/// `up` that was killed: they stop by themselves, but not at once.
pub(super) async fn all_free(nodes: &[Ports], patience: Duration) -> Result<(), Refusal> {
    let deadline = Instant::now() + patience;
    loop {
        let taken: Result<Vec<TcpListener>, Refusal> = nodes.iter().flat_map(Ports::all).map(take).collect();
        match taken {
            Err(Refusal::InUse(_)) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(refusal) => return Err(refusal),
            Ok(_all) => return Ok(()),
        }
    }
}

fn take(address: SocketAddrV4) -> Result<TcpListener, Refusal> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let port = address.port();
            Refusal::InUse(format!("port {port} is in use: {address} cannot be listened on; nothing was written"))
        }
        _ => Refusal::Failed(format!("listen on {address}: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_ports() {
        let ports = Ports::new(0, 2).all().map(|address| address.to_string());
        let wanted = ["127.0.0.1:7442", "127.0.0.1:8442", "127.0.0.1:9442", "127.0.0.1:9542", "127.0.0.1:9642"];
        assert_eq!(ports, wanted);
    }

    #[test]
    fn no_two_ports_of_a_cluster_are_the_same() {
        for base in [0, 20_000] {
            let all: Vec<_> = (1..=NODES_MAX).flat_map(|node| Ports::new(base, node).all()).collect();
            let distinct: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(distinct.len(), all.len());
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let Ok(std::net::SocketAddr::V4(address)) = taken.local_addr() else { panic!("an IPv4 address") };
        let ports = Ports { peer: address, ..Ports::new(0, 1) };
        let refusal = all_free(&[ports], Duration::ZERO).await.unwrap_err();
        assert_eq!(refusal.exit_code(), 3);
        assert!(refusal.to_string().starts_with(&format!("port {} is in use", address.port())), "{refusal}");
    }
}
