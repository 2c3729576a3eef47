//! A network namespace per node, all on one bridge. Needs root; all faults are made of packets, below TCP.
//!
//! What must hold: every name begins with `hfc` and the number of this process, and goes when this is dropped, or by
//! the guard. Not here: what is done to packets (`links`).

use super::{Port, Wiring};
use crate::guard::{Guard, Promise, Undo};
use crate::links::packets::{Namespace, Packets};
use crate::links::{Counts, Shape, queue};
use crate::process::output;
use crate::scenario::Capability;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The bridge and the namespaces.
pub struct Netns {
    guard: Arc<Guard>,
    /// For files of the run.
    work: PathBuf,
    /// Of this process: names and addresses that no other run has.
    number: u32,
    packets: Option<Packets>,
    /// Undone in the order of this list.
    undone: Vec<(Undo, Promise)>,
}

impl Netns {
    /// Nothing is made yet.
    pub fn new(guard: Arc<Guard>, work: PathBuf) -> Netns {
        Netns { guard, work, number: std::process::id(), packets: None, undone: Vec::new() }
    }

    fn ip(&self, words: &str) -> Result<()> {
        let words: Vec<&str> = words.split(' ').collect();
        output("ip", &words).map(drop).map_err(|error| anyhow!(error))
    }

    fn promise(&mut self, words: &str) -> Result<()> {
        let undo = Undo::Run(words.split(' ').map(str::to_owned).collect());
        let promise = self.guard.promise(undo.clone())?;
        // The newest first.
        self.undone.insert(0, (undo, promise));
        Ok(())
    }

    fn bridge(&self) -> String {
        format!("hfc{}", self.number)
    }

    fn namespace(&self, node: u64) -> String {
        format!("hfc{}-{node}", self.number)
    }

    /// Into the namespace, and nothing else: `ip netns exec` would take a copy of all mounts with it, which keeps every
    /// other node's disk alive when that is unmounted.
    fn net(&self, node: u64) -> String {
        format!("--net=/run/netns/{}", self.namespace(node))
    }

    /// 10.x.y.0/24 by the process's number; node n has n, the bridge 254.
    fn ip_of(&self, last: u64) -> Ipv4Addr {
        let [_, _, high, low] = self.number.to_be_bytes();
        Ipv4Addr::new(10, 64 + high % 128, low, u8::try_from(last).unwrap_or(253))
    }

    fn add_node(&mut self, node: u64) -> Result<()> {
        let (name, bridge, ip) = (self.namespace(node), self.bridge(), self.ip_of(node));
        // A device's name has 15 letters at most.
        let outer = format!("hfc{}n{node}", self.number);
        self.promise(&format!("ip netns del {name}"))?;
        // A namespace stays for as long as connections in it end; its device is not to wait for that.
        self.promise(&format!("ip link del {outer}"))?;
        self.ip(&format!("netns add {name}"))?;
        self.ip(&format!("link add {outer} type veth peer name eth0 netns {name}"))?;
        self.ip(&format!("link set {outer} master {bridge} up"))?;
        self.ip(&format!("-n {name} addr add {ip}/24 dev eth0"))?;
        self.ip(&format!("-n {name} link set eth0 up"))?;
        self.ip(&format!("-n {name} link set lo up"))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        self.packets = None;
        for (undo, promise) in self.undone.drain(..) {
            undo.run();
            drop(promise);
        }
    }
}

impl Wiring for Netns {
    fn describe(&self) -> &'static str {
        "in network namespaces"
    }

    fn supports(&self, capability: Capability) -> Option<Result<(), String>> {
        let root = || if rustix::process::geteuid().is_root() { Ok(()) } else { Err("needs root".to_owned()) };
        match capability {
            // Nothing at all goes without.
            Capability::Processes => Some(root().and_then(|()| {
                output("ip", &["netns", "list"])?;
                output("nsenter", &["-V"]).map(drop)
            })),
            Capability::Partitions => Some(root().and_then(|()| output("tc", &["-V"]).map(drop))),
            Capability::Connections => Some(root().and_then(|()| output("ss", &["-V"]).map(drop))),
            Capability::Shaping | Capability::Packets => Some(queue::possible()),
            _other => None,
        }
    }

    fn lay(&mut self, nodes: u64) -> Result<()> {
        if let Some(Err(why)) = self.supports(Capability::Processes) {
            bail!("network namespaces: {why}");
        }
        let (bridge, gateway) = (self.bridge(), self.ip_of(254));
        self.promise(&format!("ip link del {bridge}"))?;
        self.ip(&format!("link add {bridge} type bridge"))?;
        self.ip(&format!("addr add {gateway}/24 dev {bridge}"))?;
        self.ip(&format!("link set {bridge} up"))?;
        let mut namespaces = BTreeMap::new();
        for node in 1..=nodes {
            self.add_node(node)?;
            let enter = vec!["nsenter".to_owned(), self.net(node)];
            namespaces.insert(node, Namespace { enter, device: "eth0".to_owned(), address: self.ip_of(node) });
        }
        self.packets = Some(Packets::new(self.guard.clone(), namespaces, self.work.clone()));
        Ok(())
    }

    fn address(&self, node: u64, port: Port) -> SocketAddr {
        SocketAddr::from((self.ip_of(node), 8_000 + port.offset()))
    }

    fn peer(&self, node: u64) -> SocketAddr {
        self.address(node, Port::Peer)
    }

    fn command(&self, node: u64, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(self.net(node)).arg(program);
        command
    }

    fn started(&mut self, _node: u64, _pid: i32) {}

    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        let packets = self.packets.as_mut().ok_or_else(|| anyhow!("there are no namespaces"))?;
        packets.set(from, to, shape)
    }

    fn counts(&self, from: u64, to: u64) -> Counts {
        self.packets.as_ref().map_or_else(Counts::default, |packets| packets.counts(from, to))
    }

    fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        let packets = self.packets.as_mut().ok_or_else(|| anyhow!("there are no namespaces"))?;
        packets.break_connections(one, other)?;
        packets.break_connections(other, one)
    }
}
