//! `--up DIR`: the nodes of a `holdfast up` that somebody runs, found by its directory.
//!
//! What must hold: nothing is started or configured here. A node that is killed is started again by `up`, if it was
//! told so (`--restart-after`); one that stands still goes on when this ends, however it ends. Not here: the network
//! between its nodes, which is direct.

use super::{Site, Target, look};
use crate::guard::{Promise, Undo};
use crate::observe::Look;
use crate::process::{find, signal, state};
use crate::scenario::{Capability, Scenario};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More nodes `up` does not start.
const NODES_MAX: u64 = 9;
/// For `up` to start a node again: its pause and a busy machine.
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// Drain, handing over and closing take up to this.
const STOP_MAX: Duration = Duration::from_secs(20);

/// A cluster of somebody's.
pub struct Up {
    site: Site,
    dir: PathBuf,
    nodes: Vec<Listen>,
    paused: BTreeMap<u64, (i32, Promise)>,
}

/// A node's file, as far as it is of use here.
#[derive(Deserialize)]
struct File {
    listen: Listen,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Listen {
    jit: SocketAddr,
    admin_http: SocketAddr,
    admin_grpc: SocketAddr,
}

impl Up {
    /// Reads what `up` wrote into its directory.
    pub fn new(site: Site, dir: &Path) -> Result<Up> {
        let dir = dir.canonicalize().with_context(|| format!("--up: {}", dir.display()))?;
        ensure!(dir.join(".holdfast-up").is_file(), "--up: {} is not a directory of `holdfast up`", dir.display());
        let files = (1..=NODES_MAX).map(|node| dir.join(format!("node-{node}.toml"))).take_while(|path| path.is_file());
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let file: File = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
            Ok(file.listen)
        };
        let nodes = files.map(read).collect::<Result<_>>()?;
        Ok(Up { site, dir, nodes, paused: BTreeMap::new() })
    }

    fn listen(&self, node: u64) -> Result<Listen> {
        let place = usize::try_from(node).unwrap_or(0).wrapping_sub(1);
        self.nodes.get(place).copied().with_context(|| format!("there is no node {node}"))
    }

    fn running(&self, node: u64) -> Result<i32> {
        self.pid(node).with_context(|| format!("node {node} does not run"))
    }

    /// Whether the `up` that started this node starts it again.
    fn starts_again(&self) -> Result<(), String> {
        let pid = self.pid(1).ok_or("its node 1 does not run")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).unwrap_or("0");
        let words = std::fs::read_to_string(format!("/proc/{parent}/cmdline")).unwrap_or_default();
        if words.contains("--restart-after") {
            Ok(())
        } else {
            Err("nobody starts its nodes again: run `holdfast up --restart-after 1`".to_owned())
        }
    }

    /// Waits for a process's end; gives what shows it.
    fn gone(&self, node: u64, pid: i32, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        while !matches!(state(pid), None | Some('Z' | 'X')) {
            if Instant::now() >= deadline {
                bail!("node {node}, process {pid}, still runs after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(format!("node {node}: process {pid} is gone"))
    }
}

impl Target for Up {
    fn describe(&self) -> String {
        format!("{} nodes of the holdfast up in {}", self.nodes.len(), self.dir.display())
    }

    fn supports(&self, capability: Capability) -> Result<(), String> {
        match capability {
            Capability::Pause | Capability::Admin => Ok(()),
            Capability::Processes => self.starts_again(),
            Capability::Partitions | Capability::Shaping | Capability::Packets | Capability::Connections => {
                Err("its nodes speak to each other directly: run it without --up".to_owned())
            }
            Capability::Members => Err("its nodes are those it was started with: run it without --up".to_owned()),
            Capability::Files | Capability::SmallDisk | Capability::Power => {
                Err("its files are somebody's: run it without --up".to_owned())
            }
            Capability::DiskCalls => Err("its disk is somebody's: run it without --up".to_owned()),
            Capability::Settings => Err("its settings were chosen when it was started: run it without --up".to_owned()),
            Capability::Orchestrator => Err("there is no orchestrator: use --target kubernetes".to_owned()),
            Capability::Clock => {
                Err("its nodes read the machine's clock, which all nodes here share: run it without --up".to_owned())
            }
        }
    }

    fn start(&mut self, _scenario: &Scenario) -> Result<()> {
        for node in 1..=self.nodes() {
            self.running(node).with_context(|| format!("is `holdfast up` running in {}?", self.dir.display()))?;
        }
        Ok(())
    }

    fn nodes(&self) -> u64 {
        self.nodes.len() as u64
    }

    fn doors(&self) -> Vec<String> {
        self.nodes.iter().map(|listen| listen.jit.to_string()).collect()
    }

    fn admins(&self) -> Vec<String> {
        self.nodes.iter().map(|listen| listen.admin_grpc.to_string()).collect()
    }

    fn looks(&self) -> Vec<(u64, Look)> {
        (1..).zip(&self.nodes).map(|(node, listen)| (node, look(listen.admin_http))).collect()
    }

    fn logs(&self) -> Vec<(String, PathBuf)> {
        (1..=self.nodes())
            .map(|node| format!("node-{node}.log"))
            .map(|name| (name.clone(), self.dir.join(name)))
            .collect()
    }

    fn pid(&self, node: u64) -> Option<i32> {
        // `up` may have been told its directory in another spelling.
        let own = self.dir.join(format!("node-{node}.toml"));
        find(|words| {
            let serves = words.iter().any(|word| word == "serve");
            let path = words.iter().skip_while(|word| *word != "--config").nth(1);
            serves
                && path.is_some_and(|path| Path::new(path).ends_with(format!("node-{node}.toml")) && same(path, &own))
        })
    }

    fn kill(&mut self, node: u64) -> Result<String> {
        let pid = self.running(node)?;
        signal(pid, Signal::KILL)?;
        self.gone(node, pid, STOP_MAX)
    }

    fn stop_node(&mut self, node: u64) -> Result<String> {
        let pid = self.running(node)?;
        signal(pid, Signal::TERM)?;
        self.gone(node, pid, STOP_MAX)
    }

    fn start_node(&mut self, node: u64) -> Result<()> {
        self.listen(node)?;
        let stop = self.site.stop.clone();
        ensure!(stop.poll(AGAIN_MAX, || self.pid(node).is_some()), "`up` has not started node {node} again");
        Ok(())
    }

    fn pause(&mut self, node: u64) -> Result<String> {
        let pid = self.running(node)?;
        let promise = self.site.guard.promise(Undo::Continue(pid))?;
        self.paused.insert(node, (pid, promise));
        signal(pid, Signal::STOP)?;
        ensure!(self.site.stop.poll(STOP_MAX, || state(pid) == Some('T')), "process {pid} does not stand still");
        Ok(format!("node {node}: process {pid} stands still (state T)"))
    }

    fn resume(&mut self, node: u64) -> Result<()> {
        let (pid, _promise) = self.paused.remove(&node).with_context(|| format!("node {node} does not stand still"))?;
        signal(pid, Signal::CONT)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        for (pid, _promise) in std::mem::take(&mut self.paused).into_values() {
            Undo::Continue(pid).run();
        }
    }
}

/// A relative path is that of a process elsewhere: then its end has to do.
fn same(path: &str, own: &Path) -> bool {
    let path = Path::new(path);
    if path.is_absolute() {
        path == own || path.canonicalize().is_ok_and(|path| path == own)
    } else {
        own.ends_with(clean(path))
    }
}

/// Without leading `./` and `../`.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_of_up_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("node-1.toml");
        assert!(same("./holdfast-data/node-1.toml", Path::new("/home/a/holdfast-data/node-1.toml")));
        assert!(!same("./other/node-1.toml", Path::new("/home/a/holdfast-data/node-1.toml")));
        assert!(same(own.to_str().unwrap(), &own));
    }
}
