//! Cutting one direction below TCP, with `tc`: packets from one address to another go into a hole and are counted.
//!
//! What must hold: what is cut is known to the guard before. Works in any network namespace that root can enter: of our
//! own nodes and of containers alike. The hole is a pair of devices of which nobody reads the other end, because not
//! every kernel has the action `drop`.

use crate::guard::{Guard, Promise, Undo};
use crate::process::output;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Name of the hole in each namespace.
const HOLE: &str = "chaos-hole";

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
    cuts: BTreeMap<(u64, u64), Promise>,
    /// Bytes that went into the hole in cuts that are over.
    held: BTreeMap<(u64, u64), u64>,
    broken: BTreeMap<(u64, u64), u64>,
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
    /// Nothing is cut yet.
    pub fn new(guard: Arc<Guard>, nodes: BTreeMap<u64, Namespace>) -> Packets {
        Packets { guard, nodes, cuts: BTreeMap::new(), held: BTreeMap::new(), broken: BTreeMap::new() }
    }

    fn node(&self, node: u64) -> Result<&Namespace> {
        self.nodes.get(&node).ok_or_else(|| anyhow!("node {node} has no network namespace"))
    }

    /// Cuts a direction, or heals it.
    pub fn cut(&mut self, from: u64, to: u64, cut: bool) -> Result<()> {
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

    /// Bytes that were swallowed, and connections that were broken.
    pub fn counts(&self, from: u64, to: u64) -> super::Counts {
        let now = if self.cuts.contains_key(&(from, to)) { self.swallowed(from, to) } else { 0 };
        let held = now + self.held.get(&(from, to)).copied().unwrap_or(0);
        super::Counts { held, broken: self.broken.get(&(from, to)).copied().unwrap_or(0), ..super::Counts::default() }
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
