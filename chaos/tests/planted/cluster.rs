//! Three nodes of the product as processes, for one run of a workload.

use crate::ports::Block;
use crate::process::{Process, send, wait_until};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// For what takes a second when the machine has nothing else to do.
pub const LONG: Duration = Duration::from_secs(60);

/// `holdfast up` with a directory and ports of its own. Everything dies with it.
pub struct Cluster {
    up: Process,
    dir: tempfile::TempDir,
    ports: Block,
}

impl Cluster {
    /// Starts this binary with these settings for all nodes, and waits until it is ready. A node that ends is started
    /// again after a second.
    pub fn start(binary: &Path, env: &[(&str, &str)]) -> Cluster {
        let dir = tempfile::tempdir().expect("make a directory");
        let ports = Block::take();
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
            command.env_remove(name);
        }
        command.env("HOLDFAST__RAFT__SEGMENT_MIB", "1").envs(env.iter().copied());
        command.arg("up").arg("--dir").arg(dir.path()).arg("--port-base").arg(ports.base.to_string());
        command.args(["--restart-after", "1"]);
        let mut up = Process::start(&mut command);
        up.wait_line("ready in ", LONG);
        Cluster { up, dir, ports }
    }

    /// Where it keeps everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The first of its ports.
    pub fn port_base(&self) -> u16 {
        self.ports.base
    }

    fn addresses(&self, offset: u16) -> Vec<String> {
        (1..=3).map(|node| format!("127.0.0.1:{}", self.ports.base + offset + node)).collect()
    }

    /// Where funds are asked for.
    pub fn nodes(&self) -> Vec<String> {
        self.addresses(10)
    }

    /// Where operators ask.
    pub fn admins(&self) -> Vec<String> {
        self.addresses(30)
    }

    /// The process of a node, as `up` said when it started it last.
    fn pid(&mut self, node: u16) -> i32 {
        self.up.drain();
        let prefix = format!("node {node} started: pid ");
        let line = self.up.seen.iter().rev().find_map(|line| line.strip_prefix(&prefix)).expect("a pid line");
        line.split_once(',').and_then(|(pid, _)| pid.parse().ok()).expect("a pid")
    }

    /// `kill -9`; `up` starts it again.
    pub fn kill(&mut self, node: u16) {
        let pid = self.pid(node);
        send(pid, Signal::KILL);
        wait_until("the node to be started again", LONG, || self.pid(node) != pid);
    }
}
