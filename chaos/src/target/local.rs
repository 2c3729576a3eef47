//! `--target local` and `netns`: the nodes are processes of ours, on a wiring of ours.
//!
//! What must hold: every node ends with this program. Each runs the program that runs in production, with the file that
//! `holdfast up` would write; only its addresses are those of the wiring. Not here: what lies between them (`wiring`),
//! and clusters that somebody else has started (`up`).

use super::clock::{self, Clock};
use super::power_disk::{self, PowerDisk};
use super::small_disk::{self, SmallDisk};
use super::wiring::{Port, Wiring};
use super::{Files, LOOK_MAX, Newcomer, Site, Target, look};
use crate::http::get::get;
use crate::links::{Counts, Shape};
use crate::observe::Look;
use crate::process::{Process, output, state};
use crate::scenario::{Capability, Scenario};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// For a cluster of debug builds on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);
/// Drain, handing over and closing take up to this.
const STOP_MAX: Duration = Duration::from_secs(20);
/// A killed process is gone at once.
const KILL_MAX: Duration = Duration::from_secs(5);
/// Nodes that may be added in one run.
const SPARES: u64 = 2;

/// The nodes and what lies between them.
pub struct Local {
    site: Site,
    /// Those that the cluster is made with.
    first: u64,
    /// All that were started.
    nodes: u64,
    settings: BTreeMap<String, String>,
    // Ended before the wiring goes.
    processes: BTreeMap<u64, Process>,
    wiring: Box<dyn Wiring>,
    disks: BTreeMap<u64, SmallDisk>,
    power: BTreeMap<u64, PowerDisk>,
    /// Where nodes have clocks of their own, what stands before them.
    clock_library: Option<PathBuf>,
    clocks: BTreeMap<u64, Clock>,
}

impl Local {
    /// Nothing is started yet.
    pub fn new(site: Site, wiring: Box<dyn Wiring>) -> Result<Local> {
        ensure!(site.holdfast.is_file(), "{} is not there: build it, or give --holdfast", site.holdfast.display());
        Ok(Local {
            site,
            first: 0,
            nodes: 0,
            settings: BTreeMap::new(),
            processes: BTreeMap::new(),
            wiring,
            disks: BTreeMap::new(),
            power: BTreeMap::new(),
            clock_library: None,
            clocks: BTreeMap::new(),
        })
    }

    fn dir(&self, node: u64) -> PathBuf {
        self.site.work.join(format!("node-{node}"))
    }

    fn log_path(&self, node: u64) -> PathBuf {
        self.site.work.join(format!("node-{node}.log"))
    }

    fn config_path(&self, node: u64) -> PathBuf {
        self.site.work.join(format!("node-{node}.toml"))
    }

    fn write_config(&self, node: u64) -> Result<()> {
        let mut members = String::new();
        let mut ask = String::new();
        for id in 1..=self.first {
            let (peer, admin) = (self.wiring.peer(id), self.wiring.address(id, Port::AdminGrpc));
            writeln!(members, "    {{ id = {id}, peer = \"{peer}\", admin = \"{admin}\" }},")?;
            write!(ask, "\"{peer}\", ")?;
        }
        // Who comes later asks to be taken in.
        let (own, admin) = (self.wiring.peer(node), self.wiring.address(node, Port::AdminGrpc));
        let join = if node > self.first {
            format!("join = [{ask}]\nadvertise_peer = \"{own}\"\nadvertise_admin = \"{admin}\"\n")
        } else {
            String::new()
        };
        let dir = toml_text(&self.dir(node).display().to_string());
        let [peer, jit, http, grpc] = [Port::Peer, Port::Jit, Port::AdminHttp, Port::AdminGrpc]
            .map(|port| toml_text(&self.wiring.address(node, port).to_string()));
        // A node in a namespace of its own is not at a loopback address, and would want certificates.
        let text = format!(
            "[node]\nid = {node}\ndata_dir = {dir}\n\n[cluster]\nname = \"chaos\"\nbootstrap = true\nmembers = [\n\
             {members}]\n{join}\n[listen]\njit = {jit}\nadmin_http = {http}\nadmin_grpc = {grpc}\npeer = {peer}\n\n\
             [[programs]]\nname = \"default\"\nuser = \"marqeta\"\npasswords = [\"holdfast-dev-Password1!\"]\n\n[tls]\ninsecure = true\n"
        );
        let path = self.config_path(node);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn spawn(&mut self, node: u64) -> Result<()> {
        let mut command = self.wiring.command(node, &self.site.holdfast);
        command.arg("serve").arg("--config").arg(self.config_path(node));
        // Segments are written full of zeros: small ones leave the disk to the faults.
        command.env("HOLDFAST__RAFT__SEGMENT_MIB", "4");
        for (key, value) in &self.settings {
            command.env(variable(key), value);
        }
        if let Some(library) = &self.clock_library {
            let file = self.site.work.join(format!("node-{node}.clock"));
            let clock = match self.clocks.remove(&node) {
                Some(clock) => clock,
                None => Clock::new(library.clone(), file)?,
            };
            clock.put_before(&mut command);
            self.clocks.insert(node, clock);
        }
        let process = Process::start(&self.site.guard, &mut command, &self.log_path(node))?;
        self.wiring.started(node, process.pid());
        self.processes.insert(node, process);
        Ok(())
    }

    fn is_ready(&self, node: u64) -> bool {
        get(self.wiring.address(node, Port::AdminHttp), "/readyz?quorum", LOOK_MAX)
            .is_ok_and(|(status, _)| status == 200)
    }

    fn process(&mut self, node: u64) -> Result<&mut Process> {
        self.processes.get_mut(&node).with_context(|| format!("node {node} does not run"))
    }

    /// Waits for a node's end; gives what shows it.
    fn gone(&mut self, node: u64, limit: Duration) -> Result<String> {
        let mut process = self.processes.remove(&node).with_context(|| format!("node {node} does not run"))?;
        let pid = process.pid();
        let mut status = None;
        // An interrupt does not shorten it: healing waits here too.
        let deadline = std::time::Instant::now() + limit;
        while status.is_none() && std::time::Instant::now() < deadline {
            status = process.ended();
            std::thread::sleep(Duration::from_millis(5));
        }
        let Some(status) = status else { bail!("node {node}, process {pid}, still runs after {limit:?}") };
        Ok(format!("node {node}: process {pid} ended ({status})"))
    }
}

impl Target for Local {
    fn describe(&self) -> String {
        format!("{} processes of {} {}", self.nodes, self.site.holdfast.display(), self.wiring.describe())
    }

    fn supports(&self, capability: Capability) -> Result<(), String> {
        if let Some(answer) = self.wiring.supports(capability) {
            return answer;
        }
        match capability {
            Capability::Processes
            | Capability::Pause
            | Capability::Files
            | Capability::Settings
            | Capability::Members
            | Capability::Admin => Ok(()),
            Capability::Partitions | Capability::Shaping | Capability::Packets | Capability::Connections => {
                Err("the wiring cannot".to_owned())
            }
            Capability::SmallDisk => small_disk::possible(),
            Capability::Power => power_disk::possible(&self.site.guard, &self.site.work),
            Capability::DiskCalls => {
                output("strace", &["-V"]).map(drop).map_err(|error| format!("needs strace: {error}"))
            }
            Capability::Orchestrator => Err("there is no orchestrator: use --target kubernetes".to_owned()),
            Capability::Clock => clock::possible(&self.site.holdfast),
        }
    }

    fn start(&mut self, scenario: &Scenario) -> Result<()> {
        (self.first, self.nodes) = (scenario.nodes, scenario.nodes);
        self.settings.clone_from(&scenario.settings);
        self.wiring.lay(self.places())?;
        let needs = |capability: Capability| scenario.requires.contains(&capability);
        ensure!(
            !(needs(Capability::SmallDisk) && needs(Capability::Power)),
            "a disk is either small or can be cut off"
        );
        for node in 1..=self.nodes {
            if needs(Capability::SmallDisk) {
                self.disks.insert(node, SmallDisk::mount(&self.site.guard, &self.dir(node))?);
            }
            if needs(Capability::Power) {
                self.power.insert(node, PowerDisk::mount(&self.site.guard, &self.dir(node))?);
            }
        }
        if needs(Capability::Clock) {
            self.clock_library = Some(clock::library(&self.site.work)?);
        }
        for node in 1..=self.nodes {
            self.write_config(node)?;
            self.spawn(node)?;
        }
        let stop = self.site.stop.clone();
        if !stop.poll(READY_MAX, || (1..=self.nodes).all(|node| self.is_ready(node))) {
            ensure!(!stop.is_set(), "interrupted");
            bail!("the cluster was not ready after {READY_MAX:?}: see the nodes' logs in {}", self.site.work.display());
        }
        Ok(())
    }

    fn nodes(&self) -> u64 {
        self.nodes
    }

    fn places(&self) -> u64 {
        self.first + SPARES
    }

    fn doors(&self) -> Vec<String> {
        (1..=self.nodes).map(|node| self.wiring.address(node, Port::Jit).to_string()).collect()
    }

    fn admins(&self) -> Vec<String> {
        (1..=self.nodes).map(|node| self.wiring.address(node, Port::AdminGrpc).to_string()).collect()
    }

    fn looks(&self) -> Vec<(u64, Look)> {
        (1..=self.nodes).map(|node| (node, look(self.wiring.address(node, Port::AdminHttp)))).collect()
    }

    fn logs(&self) -> Vec<(String, PathBuf)> {
        (1..=self.nodes).map(|node| (format!("node-{node}.log"), self.log_path(node))).collect()
    }

    fn pid(&self, node: u64) -> Option<i32> {
        let pid = self.processes.get(&node).map(Process::pid);
        pid.filter(|pid| !matches!(state(*pid), None | Some('Z' | 'X')))
    }

    fn kill(&mut self, node: u64) -> Result<String> {
        self.process(node)?.signal(Signal::KILL)?;
        self.gone(node, KILL_MAX)
    }

    fn stop_node(&mut self, node: u64) -> Result<String> {
        self.process(node)?.signal(Signal::TERM)?;
        self.gone(node, STOP_MAX)
    }

    fn start_node(&mut self, node: u64) -> Result<()> {
        if self.processes.get_mut(&node).is_some_and(|process| process.ended().is_none()) {
            return Ok(());
        }
        self.processes.remove(&node);
        self.spawn(node)
    }

    fn pause(&mut self, node: u64) -> Result<String> {
        let process = self.process(node)?;
        process.signal(Signal::STOP)?;
        let pid = process.pid();
        ensure!(self.site.stop.poll(KILL_MAX, || state(pid) == Some('T')), "process {pid} does not stand still");
        Ok(format!("node {node}: process {pid} stands still (state T)"))
    }

    fn resume(&mut self, node: u64) -> Result<()> {
        self.process(node)?.signal(Signal::CONT)
    }

    fn set_link(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        self.wiring.set_link(from, to, shape)
    }

    fn link_counts(&self, from: u64, to: u64) -> Counts {
        self.wiring.counts(from, to)
    }

    fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        self.wiring.break_connections(one, other)
    }

    fn fill_disk(&mut self, node: u64) -> Result<String> {
        self.disks.get(&node).with_context(|| format!("node {node} has no disk of its own"))?.fill()
    }

    fn empty_disk(&mut self, node: u64) -> Result<()> {
        self.disks.get(&node).with_context(|| format!("node {node} has no disk of its own"))?.empty()
    }

    fn cut_power(&mut self, nodes: &[u64]) -> Result<Vec<String>> {
        let disk = |node: &u64| self.power.get(node).with_context(|| format!("node {node} has no disk of its own"));
        power_disk::cut(&nodes.iter().map(disk).collect::<Result<Vec<_>>>()?)?;
        let mut shown = vec![format!("the disks of nodes {nodes:?} take no write any more")];
        for node in nodes {
            // It may have ended by itself, because a write failed.
            drop(self.process(*node)?.signal(Signal::KILL));
            shown.push(self.gone(*node, KILL_MAX)?);
        }
        Ok(shown)
    }

    fn give_power(&mut self, node: u64) -> Result<(bool, String)> {
        self.power.get_mut(&node).with_context(|| format!("node {node} has no disk of its own"))?.back()
    }

    fn add_node(&mut self) -> Result<Newcomer> {
        let node = self.nodes + 1;
        ensure!(node <= self.places(), "no more than {SPARES} nodes can be added in one run");
        self.write_config(node)?;
        self.spawn(node)?;
        self.nodes = node;
        let peer = self.wiring.peer(node).to_string();
        Ok(Newcomer { node, peer, look: look(self.wiring.address(node, Port::AdminHttp)) })
    }

    fn set_clock(&mut self, node: u64, ahead_ms: i64) -> Result<()> {
        self.clocks.get(&node).with_context(|| format!("node {node} has no clock of its own"))?.set(ahead_ms)
    }

    fn clock_looks(&self, node: u64) -> Result<u64> {
        self.clocks.get(&node).with_context(|| format!("node {node} has no clock of its own"))?.looks()
    }

    fn files(&self, node: u64) -> Option<Files> {
        Some(Files { data: self.dir(node), log: self.dir(node).join("log") })
    }
}

/// The variable that sets a key of the configuration.
fn variable(key: &str) -> String {
    format!("HOLDFAST__{}", key.to_uppercase().replace('.', "__"))
}

/// As a TOML string; JSON's escapes are TOML's.
fn toml_text(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_becomes_the_variable_of_its_key() {
        assert_eq!(variable("standin.per_account_count"), "HOLDFAST__STANDIN__PER_ACCOUNT_COUNT");
    }
}
