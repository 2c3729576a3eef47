//! `--target compose`: the containers of a Compose project that somebody has brought up.
//!
//! What must hold: nothing is created or removed; a container that was paused, killed or cut off is put right at the
//! end. Requests go to the VIP, as a processor's do. Nodes are the services `node-N`. Packets are cut in a container's
//! network namespace, which only root on the containers' machine can enter.

use super::{Site, Target, look};
use crate::guard::{Promise, Undo};
use crate::links::packets::{Namespace, Packets};
use crate::links::{Counts, Shape, queue};
use crate::observe::Look;
use crate::process::output;
use crate::scenario::{Capability, Scenario};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where a node listens inside its container; as in compose/node.toml.
const ADMIN_HTTP: u16 = 9441;
const ADMIN_GRPC: u16 = 9541;
const JIT: u16 = 8441;
/// More services are not looked for.
const NODES_MAX: u64 = 9;

/// A project's nodes.
pub struct Compose {
    site: Site,
    /// The words before a subcommand of Compose.
    compose: Vec<String>,
    nodes: Vec<Container>,
    vip: Option<String>,
    packets: Option<Packets>,
    paused: BTreeMap<u64, Promise>,
    down: BTreeMap<u64, Promise>,
}

/// A node's container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Container {
    id: String,
    pid: i32,
    /// By the last part of a network's name.
    addresses: BTreeMap<String, Ipv4Addr>,
}

impl Compose {
    /// Of this file. Nothing is asked yet.
    pub fn new(site: Site, file: &Path) -> Result<Compose> {
        ensure!(file.is_file(), "--compose-file: {} is not there", file.display());
        let base = if output("docker", &["compose", "version"]).is_ok() {
            vec!["docker", "compose"]
        } else {
            vec!["docker-compose"]
        };
        let file = file.to_str().context("--compose-file is not UTF-8")?;
        let compose = base.into_iter().chain(["-f", file]).map(str::to_owned).collect();
        let (paused, down) = (BTreeMap::new(), BTreeMap::new());
        Ok(Compose { site, compose, nodes: Vec::new(), vip: None, packets: None, paused, down })
    }

    fn compose(&self, words: &[&str]) -> Result<String> {
        let all: Vec<&str> = self.compose.iter().map(String::as_str).chain(words.iter().copied()).collect();
        output(all[0], &all[1..]).map_err(|error| anyhow!(error))
    }

    fn container(&self, node: u64) -> Result<&Container> {
        let place = usize::try_from(node).unwrap_or(0).wrapping_sub(1);
        self.nodes.get(place).with_context(|| format!("there is no node {node}"))
    }

    fn find(&self, service: &str) -> Result<Container> {
        let id = self.compose(&["ps", "-q", service])?;
        ensure!(!id.is_empty(), "service {service} has no container: `docker compose up --detach` first");
        let text = docker(&["inspect", &id])?;
        let document: Value = serde_json::from_str(&text).context("read docker inspect")?;
        read(&id, &document[0])
    }

    fn address(&self, node: u64, port: u16) -> Option<SocketAddr> {
        let container = self.container(node).ok()?;
        let front = container.addresses.get("front").or_else(|| container.addresses.values().next())?;
        Some(SocketAddr::from((*front, port)))
    }

    /// Where packets between nodes are reached.
    fn lay(&mut self) -> Result<()> {
        let found = (1u64..).zip(&self.nodes).map(|(node, container)| Ok((node, namespace(container)?)));
        let namespaces = found.collect::<Result<_>>()?;
        self.packets = Some(Packets::new(self.site.guard.clone(), namespaces, self.site.work.clone()));
        Ok(())
    }
}

/// Where a container's packets to the other nodes leave.
fn namespace(container: &Container) -> Result<Namespace> {
    let address = *container.addresses.get("peers").context("no network is called peers")?;
    let enter = ["nsenter", "--target", &container.pid.to_string(), "--net"].map(str::to_owned).to_vec();
    let mut namespace = Namespace { enter, device: String::new(), address };
    let devices = namespace.run(&["ip", "-o", "-4", "addr", "show"])?;
    namespace.device = device_of(&devices, address).with_context(|| format!("no device has {address}"))?;
    Ok(namespace)
}

fn docker(words: &[&str]) -> Result<String> {
    output("docker", words).map_err(|error| anyhow!(error))
}

/// What `docker inspect` says of a container.
fn read(id: &str, document: &Value) -> Result<Container> {
    let pid = document["State"]["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
    ensure!(pid > 0, "container {id} does not run");
    let networks = document["NetworkSettings"]["Networks"].as_object().context("the container has no networks")?;
    let address = |(name, network): (&String, &Value)| {
        let short = name.rsplit('_').next().unwrap_or(name).to_owned();
        network["IPAddress"].as_str()?.parse().ok().map(|address| (short, address))
    };
    Ok(Container { id: id.to_owned(), pid, addresses: networks.iter().filter_map(address).collect() })
}

/// The device that has an address, in the lines of `ip -o -4 addr show`.
fn device_of(lines: &str, address: Ipv4Addr) -> Option<String> {
    let wanted = format!("{address}/");
    let line = lines.lines().find(|line| line.split_whitespace().any(|word| word.starts_with(&wanted)))?;
    let name = line.split_whitespace().nth(1)?;
    Some(name.split('@').next().unwrap_or(name).to_owned())
}

impl Target for Compose {
    fn describe(&self) -> String {
        format!("{} containers of `{}`", self.nodes.len(), self.compose.join(" "))
    }

    fn supports(&self, capability: Capability) -> Result<(), String> {
        output("docker", &["info", "--format", "{{.ServerVersion}}"])
            .map_err(|error| format!("no container engine: {error}"))?;
        match capability {
            Capability::Processes | Capability::Pause | Capability::Admin => Ok(()),
            Capability::Partitions | Capability::Packets | Capability::Shaping | Capability::Connections => {
                if !rustix::process::geteuid().is_root() {
                    return Err("only root can enter the containers' networks".to_owned());
                }
                let tools = [("nsenter", "-V"), ("tc", "-V"), ("ss", "-V")];
                tools.into_iter().try_for_each(|(tool, word)| output(tool, &[word]).map(drop))?;
                match capability {
                    Capability::Packets | Capability::Shaping => queue::possible(),
                    _other => Ok(()),
                }
            }
            Capability::Members => Err("a Compose project has the nodes of its file: use --target local".to_owned()),
            Capability::Files | Capability::SmallDisk | Capability::DiskCalls | Capability::Power => {
                Err("the volumes are the engine's: use --target local".to_owned())
            }
            Capability::Settings => Err("set HOLDFAST__… in compose.yaml before bringing it up".to_owned()),
            Capability::Orchestrator => Err("there is no orchestrator: use --target kubernetes".to_owned()),
            Capability::Clock => Err("a container reads the machine's clock".to_owned()),
        }
    }

    fn start(&mut self, _scenario: &Scenario) -> Result<()> {
        let services = self.compose(&["config", "--services"])?;
        let named = |node: u64| format!("node-{node}");
        let count = (1..=NODES_MAX).take_while(|node| services.lines().any(|line| line == named(*node))).count();
        self.nodes = (1..).take(count).map(|node| self.find(&named(node))).collect::<Result<_>>()?;
        ensure!(!self.nodes.is_empty(), "the project has no service node-1");
        if services.lines().any(|line| line == "vip") {
            self.vip = Some(self.compose(&["port", "vip", "8440"]).context("the VIP is not published")?);
        }
        if self.supports(Capability::Partitions).is_ok() {
            self.lay()?;
        }
        Ok(())
    }

    fn nodes(&self) -> u64 {
        self.nodes.len() as u64
    }

    fn doors(&self) -> Vec<String> {
        let direct = (1..=self.nodes()).filter_map(|node| self.address(node, JIT)).map(|address| address.to_string());
        self.vip.clone().map_or_else(|| direct.collect(), |vip| vec![vip])
    }

    fn admins(&self) -> Vec<String> {
        (1..=self.nodes())
            .filter_map(|node| self.address(node, ADMIN_GRPC))
            .map(|address| address.to_string())
            .collect()
    }

    fn looks(&self) -> Vec<(u64, Look)> {
        let address = |node| self.address(node, ADMIN_HTTP).map(|address| (node, look(address)));
        (1..=self.nodes()).filter_map(address).collect()
    }

    fn logs(&self) -> Vec<(String, PathBuf)> {
        let save = |(node, container): (u64, &Container)| {
            let path = self.site.work.join(format!("node-{node}.log"));
            let text = docker(&["logs", "--tail", "5000", &container.id]).unwrap_or_default();
            // What cannot be saved is not there to be kept.
            std::fs::write(&path, text).ok().map(|()| (format!("node-{node}.log"), path))
        };
        (1..).zip(&self.nodes).filter_map(save).collect()
    }

    fn pid(&self, node: u64) -> Option<i32> {
        let id = &self.container(node).ok()?.id;
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", id]).ok()?.parse().ok()?;
        (pid != 0).then_some(pid)
    }

    fn kill(&mut self, node: u64) -> Result<String> {
        let id = self.container(node)?.id.clone();
        let promise = self.site.guard.promise(Undo::Run(["docker", "start", &id].map(str::to_owned).to_vec()))?;
        docker(&["kill", &id])?;
        self.down.insert(node, promise);
        ensure!(self.pid(node).is_none(), "container {id} still runs");
        Ok(format!("node {node}: container {id} was killed and does not run"))
    }

    fn stop_node(&mut self, node: u64) -> Result<String> {
        let id = self.container(node)?.id.clone();
        let promise = self.site.guard.promise(Undo::Run(["docker", "start", &id].map(str::to_owned).to_vec()))?;
        docker(&["stop", "--time", "20", &id])?;
        self.down.insert(node, promise);
        ensure!(self.pid(node).is_none(), "container {id} still runs");
        Ok(format!("node {node}: container {id} has stopped"))
    }

    fn start_node(&mut self, node: u64) -> Result<()> {
        let id = self.container(node)?.id.clone();
        docker(&["start", &id])?;
        self.down.remove(&node);
        let found = self.find(&format!("node-{node}"))?;
        // A container that was started again has a new process, and a new network with it.
        let moved = self.packets.as_mut().map(|packets| packets.moved(node, namespace(&found)?));
        if let Some(place) = self.nodes.iter_mut().find(|container| container.id == id) {
            *place = found;
        }
        moved.unwrap_or(Ok(()))
    }

    fn pause(&mut self, node: u64) -> Result<String> {
        let id = self.container(node)?.id.clone();
        let promise = self.site.guard.promise(Undo::Run(["docker", "unpause", &id].map(str::to_owned).to_vec()))?;
        docker(&["pause", &id])?;
        self.paused.insert(node, promise);
        let paused = docker(&["inspect", "--format", "{{.State.Paused}}", &id])?;
        ensure!(paused == "true", "container {id} does not stand still");
        Ok(format!("node {node}: container {id} stands still"))
    }

    fn resume(&mut self, node: u64) -> Result<()> {
        let id = self.container(node)?.id.clone();
        docker(&["unpause", &id])?;
        self.paused.remove(&node);
        Ok(())
    }

    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        self.packets.as_mut().context("packets cannot be reached")?.set(from, to, shape)
    }

    fn link_counts(&self, from: u64, to: u64) -> Counts {
        self.packets.as_ref().map_or_else(Counts::default, |packets| packets.counts(from, to))
    }

    fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        let packets = self.packets.as_mut().context("connections cannot be broken")?;
        packets.break_connections(one, other)?;
        packets.break_connections(other, one)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        for node in self.paused.keys().copied().collect::<Vec<_>>() {
            drop(self.resume(node));
        }
        for node in self.down.keys().copied().collect::<Vec<_>>() {
            drop(self.start_node(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_with_its_networks() {
        let document = serde_json::json!({
            "State": { "Pid": 77 },
            "NetworkSettings": { "Networks": {
                "holdfast_front": { "IPAddress": "172.18.0.3" }, "holdfast_peers": { "IPAddress": "172.19.0.4" },
                "holdfast_outside": { "IPAddress": "" },
            } },
        });
        let container = read("abc", &document).unwrap();
        let front = container.addresses.get("front").copied();
        assert_eq!((container.pid, front), (77, Some(Ipv4Addr::new(172, 18, 0, 3))));
        assert_eq!(container.addresses.len(), 2);
        assert!(read("abc", &serde_json::json!({ "State": { "Pid": 0 } })).is_err());
    }

    #[test]
    fn the_device_of_an_address_is_found() {
        let lines = "1: lo    inet 127.0.0.1/8 scope host lo\n7: eth1    inet 172.19.0.4/16 brd 172.19.255.255\n";
        assert_eq!(device_of(lines, Ipv4Addr::new(172, 19, 0, 4)).as_deref(), Some("eth1"));
        assert_eq!(device_of(lines, Ipv4Addr::new(172, 19, 0, 40)), None);
    }
}
