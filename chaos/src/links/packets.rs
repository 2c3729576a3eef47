//! One direction below TCP. Cut, with `tc`: packets from one address to another go into a hole and are counted. Late,
//! lost, repeated, overtaken: `iptables` sends them through a program of ours (`queue`).
//!
//! What must hold: what is changed is known to the guard before. Works in any network namespace that root can enter: of
//! our own nodes and of containers alike. The hole is a pair of devices of which nobody reads the other end, because
//! not every kernel has the action `drop`.

use super::Shape;
use super::queue::{self, Told};
use crate::draw::mix;
use crate::guard::{Guard, Promise, Undo};
use crate::process::{Process, output};
use crate::stop::Stop;
use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Name of the hole in each namespace.
const HOLE: &str = "chaos-hole";
/// For a program that passes packets on to begin, and to end.
const QUEUE_MAX: Duration = Duration::from_secs(10);

/// One node's namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The words that run a program inside.
    pub enter: Vec<String>,
    /// Its device towards the other nodes.
    pub device: String,
    /// Its address there.
    pub address: Ipv4Addr,
}

/// All directions between some namespaces.
pub struct Packets {
    guard: Arc<Guard>,
    nodes: BTreeMap<u64, Namespace>,
    /// For files.
    work: PathBuf,
    seed: u64,
    cuts: BTreeMap<(u64, u64), Promise>,
    queues: BTreeMap<(u64, u64), Queued>,
    /// What was done in queues that are over.
    told: BTreeMap<(u64, u64), Told>,
    /// Bytes that went into the hole in cuts that are over.
    held: BTreeMap<(u64, u64), u64>,
    broken: BTreeMap<(u64, u64), u64>,
}

/// A direction whose packets go through a program.
struct Queued {
    shape: Shape,
    program: Process,
    told: PathBuf,
    _promise: Promise,
}

impl Namespace {
    fn words<S: AsRef<str>>(&self, words: &[S]) -> Vec<String> {
        self.enter.iter().cloned().chain(words.iter().map(|word| word.as_ref().to_owned())).collect()
    }

    /// Runs a program inside.
    pub fn run<S: AsRef<str>>(&self, words: &[S]) -> Result<String> {
        let words = self.words(words);
        let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        output(&words[0], &rest).map_err(|error| anyhow!(error))
    }
}

impl Packets {
    /// Nothing is changed yet; files go into this directory.
    pub fn new(guard: Arc<Guard>, nodes: BTreeMap<u64, Namespace>, work: PathBuf) -> Packets {
        Packets {
            guard,
            nodes,
            work,
            seed: 0,
            cuts: BTreeMap::new(),
            queues: BTreeMap::new(),
            told: BTreeMap::new(),
            held: BTreeMap::new(),
            broken: BTreeMap::new(),
        }
    }

    fn node(&self, node: u64) -> Result<&Namespace> {
        self.nodes.get(&node).ok_or_else(|| anyhow!("node {node} has no network namespace"))
    }

    /// Sets a direction; the default heals it.
    pub fn set(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        let cut = self.cut(from, to, shape.cut);
        let before = self.queues.get(&(from, to)).map(|queued| queued.shape);
        let wanted = shape.is_more_than_cut().then_some(Shape { cut: false, ..shape });
        if before == wanted {
            return cut;
        }
        let ended = if before.is_some() { self.end_queue(from, to) } else { Ok(()) };
        let begun = wanted.map_or(Ok(()), |shape| self.begin_queue(from, to, shape));
        cut.and(ended).and(begun)
    }

    /// A node has come back in another namespace: what it sends is treated there as it was before.
    pub fn moved(&mut self, node: u64, namespace: Namespace) -> Result<()> {
        self.nodes.insert(node, namespace);
        let mine = |key: &&(u64, u64)| key.0 == node;
        let cut: Vec<_> = self.cuts.keys().filter(mine).copied().collect();
        let queued: Vec<_> =
            self.queues.iter().filter(|(key, _)| mine(key)).map(|(key, of)| (*key, of.shape)).collect();
        for key in &cut {
            self.cuts.remove(key);
        }
        for (key, _) in &queued {
            self.queues.remove(key);
        }
        let mut first = Ok(());
        for (from, to) in cut {
            first = first.and(self.cut(from, to, true));
        }
        for ((from, to), shape) in queued {
            first = first.and(self.begin_queue(from, to, shape));
        }
        first
    }

    fn begin_queue(&mut self, from: u64, to: u64, shape: Shape) -> Result<()> {
        self.seed = mix(self.seed ^ mix(from) ^ to);
        let near = self.node(from)?;
        let told = self.work.join(format!("packets-{from}-{to}.json"));
        if told.exists() {
            std::fs::remove_file(&told).context("remove what the last queue said")?;
        }
        let own = std::env::current_exe().context("find this program")?;
        let [own, told_text] = [&own, &told].map(|path| path.to_str().map(str::to_owned));
        let (own, told_text) = (own.context("not UTF-8")?, told_text.context("not UTF-8")?);
        let words = near.words(&[vec![own], queue::words(to, &told_text, self.seed, shape)].concat());
        let log = self.work.join("packets.log");
        let mut program = Process::start(&self.guard, Command::new(&words[0]).args(&words[1..]), &log)?;
        let mut ended = false;
        let begun = Stop::default().poll(QUEUE_MAX, || {
            ended = program.ended().is_some();
            told.exists() || ended
        });
        if ended || !begun {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("packets from {from} to {to} cannot be taken: {}", said.lines().last().unwrap_or("(nothing)"));
        }
        let rule = |what: &str| self.rule(to, what);
        let promise = self.guard.promise(Undo::Run(near.words(&rule("-D")?)))?;
        near.run(&rule("-A")?)?;
        self.queues.insert((from, to), Queued { shape, program, told, _promise: promise });
        Ok(())
    }

    /// Heals: first nothing goes there any more, then what is held is let go.
    fn end_queue(&mut self, from: u64, to: u64) -> Result<()> {
        self.node(from)?.run(&self.rule(to, "-D")?)?;
        let Some(mut queued) = self.queues.remove(&(from, to)) else { return Ok(()) };
        queued.program.signal(Signal::TERM)?;
        let ended = Stop::default().poll(QUEUE_MAX, || queued.program.ended().is_some());
        ensure!(ended, "the program that passes packets on from {from} to {to} does not end");
        let text = std::fs::read_to_string(&queued.told).context("read what was done to packets")?;
        let told: Told = serde_json::from_str(&text).context("read what was done to packets")?;
        let before = self.told.entry((from, to)).or_default();
        *before = before.and(told);
        Ok(())
    }

    /// The words that add or delete the rule of a direction. If nobody takes packets from the queue, they pass.
    fn rule(&self, to: u64, what: &str) -> Result<Vec<String>> {
        let far = self.node(to)?.address.to_string();
        let number = to.to_string();
        let words = ["iptables", "-w", "-t", "mangle", what, "OUTPUT", "-d", &far, "-j", "NFQUEUE", "--queue-num"];
        Ok(words.into_iter().chain([&*number, "--queue-bypass"]).map(str::to_owned).collect())
    }

    /// Cuts a direction, or heals it.
    fn cut(&mut self, from: u64, to: u64, cut: bool) -> Result<()> {
        let key = (from, to);
        match (cut, self.cuts.contains_key(&key)) {
            (true, false) => self.begin(from, to),
            (false, true) => self.end(from, to),
            (true, true) | (false, false) => Ok(()),
        }
    }

    fn begin(&mut self, from: u64, to: u64) -> Result<()> {
        let (near, far) = (self.node(from)?, self.node(to)?);
        prepare(near)?;
        let promise = self.guard.promise(Undo::Run(near.words(&without(near, to))))?;
        let destination = format!("{}/32", far.address);
        near.run(
            &[
                &["tc", "filter", "add", "dev", &near.device, "egress", "pref", &to.to_string(), "protocol", "ip"][..],
                &["u32", "match", "ip", "dst", &destination],
                &["action", "mirred", "egress", "redirect", "dev", HOLE],
            ]
            .concat(),
        )?;
        self.cuts.insert((from, to), promise);
        Ok(())
    }

    fn end(&mut self, from: u64, to: u64) -> Result<()> {
        let swallowed = self.swallowed(from, to);
        let near = self.node(from)?;
        near.run(&without(near, to))?;
        *self.held.entry((from, to)).or_default() += swallowed;
        self.cuts.remove(&(from, to));
        Ok(())
    }

    /// Bytes that the cut in force has swallowed.
    fn swallowed(&self, from: u64, to: u64) -> u64 {
        let Ok(near) = self.node(from) else { return 0 };
        let words = ["tc", "-s", "filter", "show", "dev", &near.device, "egress", "pref", &to.to_string()];
        near.run(&words).map_or(0, |text| sent_bytes(&text))
    }

    /// Bytes that were swallowed, connections that were broken, and what was done in queues that are over.
    pub fn counts(&self, from: u64, to: u64) -> super::Counts {
        let now = if self.cuts.contains_key(&(from, to)) { self.swallowed(from, to) } else { 0 };
        let held = now + self.held.get(&(from, to)).copied().unwrap_or(0);
        let Told { shaped, lost, repeated, overtaken, .. } = self.told.get(&(from, to)).copied().unwrap_or_default();
        let broken = self.broken.get(&(from, to)).copied().unwrap_or(0);
        super::Counts { held, broken, shaped, lost, repeated, overtaken, ..super::Counts::default() }
    }

    /// Ends all connections of one node with another, as if the other had reset them.
    pub fn break_connections(&mut self, one: u64, other: u64) -> Result<()> {
        let far = self.node(other)?.address.to_string();
        let killed = self.node(one)?.run(&["ss", "-H", "-K", "-t", "dst", &far])?;
        let count = killed.lines().filter(|line| !line.trim().is_empty()).count();
        *self.broken.entry((one, other)).or_default() += u64::try_from(count).unwrap_or(0);
        Ok(())
    }
}

impl Drop for Packets {
    fn drop(&mut self) {
        // What cannot be healed is the guard's.
        for (from, to) in self.cuts.keys().copied().collect::<Vec<_>>() {
            drop(self.end(from, to));
        }
        for (from, to) in self.queues.keys().copied().collect::<Vec<_>>() {
            drop(self.end_queue(from, to));
        }
    }
}

/// The words that heal a direction.
fn without(near: &Namespace, to: u64) -> Vec<String> {
    let words = ["tc", "filter", "del", "dev", &near.device, "egress", "pref", &to.to_string()];
    words.map(str::to_owned).to_vec()
}

/// Makes the hole, and the place where packets are looked at, if they are not there yet.
fn prepare(near: &Namespace) -> Result<()> {
    if near.run(&["ip", "link", "show", HOLE]).is_err() {
        near.run(&["ip", "link", "add", HOLE, "type", "veth", "peer", "name", "chaos-hole-end"])?;
        near.run(&["ip", "link", "set", HOLE, "up"])?;
        near.run(&["ip", "link", "set", "chaos-hole-end", "up"])?;
    }
    let there = near.run(&["tc", "qdisc", "show", "dev", &near.device])?;
    if !there.contains("clsact") {
        near.run(&["tc", "qdisc", "add", "dev", &near.device, "clsact"])?;
    }
    Ok(())
}

/// The number in `Sent N bytes`, summed.
fn sent_bytes(text: &str) -> u64 {
    let counts =
        text.lines().filter_map(|line| line.trim().strip_prefix("Sent ")?.split(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tc_counts_is_read() {
        let text = "filter protocol ip u32 chain 0\n\tAction statistics:\n\tSent 148 bytes 2 pkt (dropped 0)\n";
        assert_eq!(sent_bytes(text), 148);
        assert_eq!(sent_bytes(""), 0);
    }

    #[test]
    fn the_way_into_a_namespace_stands_before_every_word() {
        let near = Namespace {
            enter: ["nsenter", "-t", "5", "-n"].map(str::to_owned).to_vec(),
            device: "eth1".to_owned(),
            address: Ipv4Addr::LOCALHOST,
        };
        let words = near.words(&without(&near, 3));
        assert_eq!(words.join(" "), "nsenter -t 5 -n tc filter del dev eth1 egress pref 3");
    }
}
