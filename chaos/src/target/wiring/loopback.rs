//! Loopback, and a proxy of ours in front of each node's peers. Needs no privilege.

use super::{Port, Wiring};
use crate::links::proxy::Proxies;
use crate::links::{Counts, Links, Shape};
use crate::scenario::Capability;
use crate::target::ports::Block;
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Fifty ports, and the proxies.
pub struct Loopback {
    runtime: Arc<tokio::runtime::Runtime>,
    ports: Block,
    links: Links,
    proxies: Option<Proxies>,
}

impl Loopback {
    /// Takes the ports.
    pub fn new(runtime: Arc<tokio::runtime::Runtime>) -> Result<Loopback> {
        Ok(Loopback { runtime, ports: Block::take()?, links: Links::new(0), proxies: None })
    }
}

impl Wiring for Loopback {
    fn describe(&self) -> &'static str {
        "on loopback"
    }

    fn supports(&self, capability: Capability) -> Option<Result<(), String>> {
        match capability {
            Capability::Partitions | Capability::Shaping | Capability::Connections => Some(Ok(())),
            Capability::Packets => Some(Err("a proxy carries streams: use --target netns".to_owned())),
            _other => None,
        }
    }

    fn lay(&mut self, nodes: u64) -> Result<()> {
        self.links = Links::new(nodes);
        let peers: Vec<_> = (1..=nodes).map(|node| self.address(node, Port::Peer)).collect();
        self.proxies = Some(Proxies::start(&self.runtime, &self.links, &peers)?);
        Ok(())
    }

    fn address(&self, node: u64, port: Port) -> SocketAddr {
        let node = u16::try_from(node).unwrap_or(u16::MAX);
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.base + port.offset() + node))
    }

    fn peer(&self, node: u64) -> SocketAddr {
        let place = usize::try_from(node).unwrap_or(usize::MAX).wrapping_sub(1);
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.addresses.get(place).copied());
        proxy.unwrap_or_else(|| self.address(node, Port::Peer))
    }

    fn command(&self, _node: u64, program: &Path) -> Command {
        Command::new(program)
    }

    fn started(&mut self, node: u64, pid: i32) {
        if let Some(proxies) = &self.proxies {
            proxies.processes.set(node, pid);
        }
    }

    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        self.links.set(from, to, shape);
        Ok(())
    }

    fn counts(&self, from: u64, to: u64) -> Counts {
        self.links.counts(from, to)
    }

    fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        self.links.break_connections(one, other);
        Ok(())
    }
}
