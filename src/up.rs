//! `holdfast up`: a whole cluster on loopback, a process per node, for trying things out and for breaking them.
//!
//! What must hold: nothing is written before everything that can be checked was checked (directory, settings, ports);
//! no node outlives `up`; what lies in a directory that is not ours is never touched. Exit 0: stopped by SIGINT or
//! SIGTERM. 1: the system refused, or no node came up. 2: wrong arguments, settings or directory. 3: directory or
//! ports in use.
//!
//! Not here: what a node does (`serve`). `up` speaks to its nodes only as any client would.

mod bring_up;
mod demo;
mod directory;
mod marker;
mod nodes;
mod plan;
mod ports;
mod refusal;
mod say;

use crate::chance;
use crate::config::{ClusterId, environment};
use bring_up::{Authorize, BringUp};
use directory::Directory;
use marker::Marker;
use nodes::Nodes;
use plan::{Client, Planned, Shape};
use refusal::Refusal;
use say::say;
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the nodes of an `up` that was killed may still have the ports: their drain takes up to 5 s.
const EARLIER_NODES_MAX: Duration = Duration::from_secs(6);

/// Starts a whole cluster on loopback and runs until SIGINT or SIGTERM.
///
/// Settings of the nodes can be overridden by HOLDFAST__SECTION__KEY in the environment.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(ports::NODES_MAX)))]
    nodes: u16,
    /// Where everything is kept. Started again on the same directory, the cluster continues where it was.
    #[arg(long, value_name = "DIR", default_value = "./holdfast-data")]
    dir: PathBuf,
    /// Begin anew: remove what the nodes had, if the directory is empty or was made by `up`.
    #[arg(long)]
    fresh: bool,
    /// Start a node that died again after this long; without it, it stays down.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    restart_after: Option<u32>,
    /// The nodes lie within the 50 ports from here on instead of the well-known ones: peers at N+i, JIT at N+10+i,
    /// admin HTTP at N+20+i, admin gRPC at N+30+i, the issuer's at N+40+i. For tests that run side by side.
    #[arg(long, hide = true, default_value_t = 0, value_name = "N", value_parser = port_base)]
    port_base: u16,
}

fn port_base(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(base @ (0 | 1024..=65_000)) => Ok(base),
        Ok(_) | Err(_) => Err("must be 0 or from 1024 to 65000".to_owned()),
    }
}

/// Runs it, and returns the exit code.
pub async fn run(args: Args) -> u8 {
    match supervise(&args).await {
        Ok(()) => 0,
        Err(refusal) => {
            eprintln!("holdfast up: {refusal}");
            refusal.exit_code()
        }
    }
}

async fn supervise(args: &Args) -> Result<(), Refusal> {
    let started = Instant::now();
    let mut signals = Signals::new().map_err(Refusal::failed("listen for signals"))?;
    let prepared = tokio::select! {
        biased;
        () = signals.next() => return Ok(()),
        prepared = prepare(args) => prepared?,
    };
    let restart_after = args.restart_after.map(|seconds| Duration::from_secs(seconds.into()));
    let mut nodes = Nodes::start(&prepared.planned, restart_after)?;
    let running = nodes.running();
    let outcome = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        () = show_ready(&prepared, running, started) => {
            // From here on the nodes may come and go, even all of them.
            signals.next().await;
            Ok(())
        }
        () = nodes.all_gone() => Err(Refusal::Failed(no_node_came_up(&prepared.planned))),
    };
    if outcome.is_ok() {
        say(format_args!("stopping"));
    }
    nodes.stop().await;
    outcome
}

/// What is settled before the first node starts.
struct Prepared {
    dir: Directory,
    marker: Marker,
    planned: Vec<Planned>,
    client: Client,
}

/// Checks everything, then writes.
async fn prepare(args: &Args) -> Result<Prepared, Refusal> {
    let mut dir = Directory::look(&args.dir)?;
    let marker = next_marker(args, &dir)?;
    let cluster = String::from(marker.cluster);
    let shape = Shape { dir: dir.path(), cluster: &cluster, nodes: marker.nodes, port_base: marker.port_base };
    let env: Vec<(String, String)> = environment().collect();
    let (planned, client) = plan::plan(shape, &env)?;
    let ports: Vec<_> = planned.iter().map(|node| node.ports).collect();
    let patience = if dir.marker().is_some() { EARLIER_NODES_MAX } else { Duration::ZERO };
    ports::all_free(&ports, patience).await?;

    // From here on things are written.
    dir.take(marker.clone())?;
    for node in &planned {
        marker::replace(dir.path(), &format!("node-{}.toml", node.id), &node.text)?;
    }
    Ok(Prepared { dir, marker, planned, client })
}

/// What the directory's marker is to be: as it was, or a new one with a cluster of its own.
fn next_marker(args: &Args, dir: &Directory) -> Result<Marker, Refusal> {
    match dir.marker().filter(|marker| !args.fresh && !marker.emptying) {
        Some(marker) => continued(marker, args, dir),
        None => Ok(Marker {
            nodes: args.nodes,
            port_base: args.port_base,
            cluster: ClusterId(chance::bytes().map_err(Refusal::failed("read random bytes"))?),
            authorization_sent: false,
            emptying: false,
        }),
    }
}

/// The marker of a directory that goes on, if it is asked to go on as it was.
fn continued(marker: &Marker, args: &Args, dir: &Directory) -> Result<Marker, Refusal> {
    let dir = dir.path().display();
    if marker.nodes != args.nodes {
        let Marker { nodes, .. } = marker;
        let asked = args.nodes;
        return Err(Refusal::Wrong(format!("{dir} has {nodes} nodes, not {asked}: give --nodes {nodes} or --fresh")));
    }
    if marker.port_base != args.port_base {
        let base = marker.port_base;
        return Err(Refusal::Wrong(format!("{dir} has --port-base {base}: its log has the peers' addresses")));
    }
    Ok(marker.clone())
}

/// Brings the cluster up and prints what one can do with it.
async fn show_ready(prepared: &Prepared, running: nodes::Running, started: Instant) {
    let Prepared { dir, marker, planned, client } = prepared;
    let authorize = if marker.authorization_sent { Authorize::Done } else { Authorize::Once };
    let bring_up = BringUp { planned, client, running, waits_for: RefCell::new("the nodes".to_owned()) };
    if bring_up.run(authorize).await {
        // Should this be lost, the same token is sent again at the next start and gets the same answer.
        let sent = Marker { authorization_sent: true, ..marker.clone() };
        if let Err(refusal) = sent.write(dir.path()) {
            say(format_args!("{refusal}"));
        }
    }
    say(format_args!(""));
    for node in planned {
        let ports::Ports { peer, jit, admin_http, admin_grpc, issuer } = node.ports;
        let id = node.id;
        let admin = format!("admin http://{admin_http}  gRPC {admin_grpc}");
        say(format_args!("node {id}  JIT http://{jit}  {admin}  issuer {issuer}  peers {peer}"));
    }
    let through = planned.get(1).or(planned.first());
    match chance::bytes::<8>() {
        Ok(bytes) => {
            let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if let Some(node) = through {
                say(format_args!("\ntry: {}", demo::curl(node.ports.jit, client, &format!("curl-{token}"))));
            }
        }
        Err(error) => say(format_args!("no token for a curl line: {error}")),
    }
    say(format_args!("\nready in {} ms; stop with Ctrl-C", started.elapsed().as_millis()));
}

/// The message when all nodes ended before the cluster was ready, with the last words of the first.
fn no_node_came_up(planned: &[Planned]) -> String {
    let mut message = "no node came up".to_owned();
    if let Some(node) = planned.first() {
        let log = std::fs::read(&node.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(4096)..]).into_owned();
        let last = tail.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)").to_owned();
        message = format!("{message}; the last line of {}: {last}", node.log.display());
    }
    message
}

/// What ends `up` in an orderly way.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dir: &std::path::Path) -> Args {
        Args { nodes: 3, dir: dir.to_owned(), fresh: false, restart_after: None, port_base: 0 }
    }

    #[test]
    fn a_directory_goes_on_only_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let marker =
            Marker { nodes: 3, port_base: 0, cluster: ClusterId([1; 16]), authorization_sent: true, emptying: false };
        let looked = Directory::look(dir.path()).unwrap();
        let args = args(dir.path());
        assert_eq!(continued(&marker, &args, &looked), Ok(marker.clone()));
        for other in [Args { nodes: 5, ..args.clone() }, Args { port_base: 2000, ..args }] {
            assert_eq!(continued(&marker, &other, &looked).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn a_fresh_start_that_was_killed_is_finished_by_the_next_start() {
        let outer = tempfile::tempdir().unwrap();
        let args = args(outer.path());
        let mut dir = Directory::look(outer.path()).unwrap();
        let first = next_marker(&args, &dir).unwrap();
        dir.take(first.clone()).unwrap();
        std::fs::create_dir(outer.path().join("node-2")).unwrap();
        let killed = Marker { emptying: true, ..first.clone() };
        killed.write(outer.path()).unwrap();
        drop(dir);

        let mut dir = Directory::look(outer.path()).unwrap();
        let next = next_marker(&args, &dir).unwrap();
        assert_ne!(next.cluster, first.cluster);
        dir.take(next).unwrap();
        assert!(!outer.path().join("node-2").exists(), "no node starts from what was left");
    }

    #[test]
    fn port_bases_leave_room_for_all_ports() {
        for good in ["0", "1024", "65000"] {
            port_base(good).unwrap();
        }
        for bad in ["", "1", "1023", "65001", "65536", "x"] {
            port_base(bad).unwrap_err();
        }
    }
}
