//! `--target kubernetes`: the pods of the chart, by `kubectl`.
//!
//! What must hold: only pods of the named release are touched; a machine that was drained is given back, by the guard
//! too. Requests, metrics and the operator's interface go through `kubectl port-forward`, one per pod, which is begun
//! anew when its pod is another. What a pod's containers may do is not changed: so there is no pause and no partition.

use super::{Site, Target, look};
use crate::guard::{Promise, Undo};
use crate::observe::Look;
use crate::process::{Process, output};
use crate::scenario::fault::Fault;
use crate::scenario::{Capability, Scenario};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// For a pod to be ready again, its volume attached elsewhere included.
const READY: &str = "180s";
/// For a port-forward to listen.
const FORWARD_MAX: Duration = Duration::from_secs(20);
/// Where a node listens inside its pod; as in the chart.
const PORTS: [u16; 3] = [8441, 9441, 9541];

/// Which pods.
#[derive(Clone, Debug, clap::Args)]
pub struct Chart {
    /// With --target kubernetes: the release's namespace
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// With --target kubernetes: the StatefulSet, whose pods are NAME-0, NAME-1 and so on
    #[arg(long, value_name = "NAME", default_value = "holdfast")]
    statefulset: String,
}

/// The pods of a release.
pub struct Kubernetes {
    site: Site,
    chart: Chart,
    nodes: u64,
    forwards: BTreeMap<u64, Forward>,
    drained: BTreeMap<u64, (String, Promise)>,
}

/// A way to one pod.
struct Forward {
    /// In the order of [`PORTS`].
    local: [u16; 3],
    process: Process,
}

impl Chart {
    /// The name of a node's pod.
    fn pod(&self, node: u64) -> String {
        format!("{}-{}", self.statefulset, node.saturating_sub(1))
    }

    /// The words after `kubectl`.
    fn words(&self, words: &[&str]) -> Vec<String> {
        ["--namespace", &self.namespace].iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    /// What an order is to `kubectl`; the machine is that on which the pod is.
    fn order(&self, fault: &Fault, node: u64, machine: &str) -> Option<Vec<String>> {
        let pod = self.pod(node);
        match fault {
            Fault::DeletePod => Some(self.words(&["delete", "pod", &pod, "--wait=true"])),
            Fault::Evict => {
                let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", self.namespace);
                Some(self.words(&["create", "--raw", &path, "-f", "-"]))
            }
            Fault::Drain => {
                Some(self.words(&["drain", machine, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"]))
            }
            _other => None,
        }
    }

    /// What is sent with an eviction.
    fn eviction(&self, node: u64) -> String {
        serde_json::json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": self.pod(node), "namespace": self.namespace },
        })
        .to_string()
    }
}

impl Kubernetes {
    /// Nothing is asked yet.
    pub fn new(site: Site, chart: &Chart) -> Result<Kubernetes> {
        ensure!(!chart.statefulset.is_empty(), "--statefulset: is empty");
        let (forwards, drained) = (BTreeMap::new(), BTreeMap::new());
        Ok(Kubernetes { site, chart: chart.clone(), nodes: 0, forwards, drained })
    }

    fn kubectl(&self, words: &[&str]) -> Result<String> {
        let words = self.chart.words(words);
        output("kubectl", &words.iter().map(String::as_str).collect::<Vec<_>>()).map_err(|error| anyhow!(error))
    }

    /// The number by which the orchestrator tells one pod from the next of the same name.
    fn uid(&self, node: u64) -> Result<String> {
        self.kubectl(&["get", "pod", &self.chart.pod(node), "-o", "jsonpath={.metadata.uid}"])
    }

    fn forward(&mut self, node: u64) -> Result<()> {
        let local = match self.forwards.remove(&node) {
            // The same ports again: the load and the looks know them.
            Some(forward) => forward.local,
            None => [free()?, free()?, free()?],
        };
        let pairs: Vec<String> = local.iter().zip(PORTS).map(|(near, far)| format!("{near}:{far}")).collect();
        let pod = format!("pod/{}", self.chart.pod(node));
        let mut words = self.chart.words(&["port-forward", &pod]);
        words.extend(pairs);
        let log = self.site.work.join(format!("forward-{node}.log"));
        let process = Process::start(&self.site.guard, Command::new("kubectl").args(words), &log)?;
        self.forwards.insert(node, Forward { local, process });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, local[1]));
        let reached = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok();
        ensure!(self.site.stop.poll(FORWARD_MAX, reached), "the port-forward to node {node} does not listen");
        Ok(())
    }

    fn local(&self, place: usize) -> Vec<SocketAddr> {
        let ports = self.forwards.values().filter_map(|forward| forward.local.get(place));
        ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).collect()
    }

    /// Deletes a pod; gives what shows that it is another one now, or none.
    fn delete(&mut self, node: u64, more: &[&str]) -> Result<String> {
        let before = self.uid(node)?;
        let pod = self.chart.pod(node);
        self.kubectl(&[&["delete", "pod", &pod, "--wait=true"], more].concat())?;
        let now = self.uid(node).unwrap_or_default();
        ensure!(now != before, "pod {pod} is still the same");
        Ok(format!("node {node}: pod {pod} with uid {before} is gone"))
    }
}

fn free() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("find a free port")?.local_addr()?.port())
}

impl Target for Kubernetes {
    fn describe(&self) -> String {
        format!("{} pods of StatefulSet {} in namespace {}", self.nodes, self.chart.statefulset, self.chart.namespace)
    }

    fn supports(&self, capability: Capability) -> Result<(), String> {
        output("kubectl", &["version", "--request-timeout=5s"]).map_err(|error| format!("no cluster: {error}"))?;
        match capability {
            Capability::Processes | Capability::Admin | Capability::Orchestrator => Ok(()),
            Capability::Pause => Err("a pod cannot be stopped for a while".to_owned()),
            Capability::Partitions | Capability::Shaping | Capability::Packets | Capability::Connections => {
                Err("needs a network fault injector in the cluster: use --target local".to_owned())
            }
            Capability::Members => Err("a StatefulSet has the pods of its release: use --target local".to_owned()),
            Capability::Files | Capability::SmallDisk | Capability::DiskCalls | Capability::Power => {
                Err("the volumes are the cluster's: use --target local".to_owned())
            }
            Capability::Settings => Err("set them in the release's values".to_owned()),
            Capability::Clock => Err("a pod reads its machine's clock".to_owned()),
        }
    }

    fn start(&mut self, _scenario: &Scenario) -> Result<()> {
        let name = self.chart.statefulset.clone();
        let count = self.kubectl(&["get", "statefulset", &name, "-o", "jsonpath={.spec.replicas}"])?;
        self.nodes = count.parse().with_context(|| format!("statefulset {name} has {count:?} replicas"))?;
        (1..=self.nodes).try_for_each(|node| self.forward(node))
    }

    fn nodes(&self) -> u64 {
        self.nodes
    }

    fn doors(&self) -> Vec<String> {
        self.local(0).iter().map(ToString::to_string).collect()
    }

    fn admins(&self) -> Vec<String> {
        self.local(2).iter().map(ToString::to_string).collect()
    }

    fn looks(&self) -> Vec<(u64, Look)> {
        (1..).zip(self.local(1)).map(|(node, address)| (node, look(address))).collect()
    }

    fn logs(&self) -> Vec<(String, PathBuf)> {
        let save = |node: u64| {
            let text = self.kubectl(&["logs", &self.chart.pod(node), "--tail=5000"]).unwrap_or_default();
            let path = self.site.work.join(format!("node-{node}.log"));
            // What cannot be saved is not there to be kept.
            std::fs::write(&path, text).ok().map(|()| (format!("node-{node}.log"), path))
        };
        (1..=self.nodes).filter_map(save).collect()
    }

    fn pid(&self, _node: u64) -> Option<i32> {
        None
    }

    fn kill(&mut self, node: u64) -> Result<String> {
        self.delete(node, &["--force", "--grace-period=0"])
    }

    fn stop_node(&mut self, node: u64) -> Result<String> {
        self.delete(node, &[])
    }

    fn start_node(&mut self, node: u64) -> Result<()> {
        let pod = format!("pod/{}", self.chart.pod(node));
        let made = || self.uid(node).is_ok();
        ensure!(self.site.stop.poll(FORWARD_MAX, made), "{pod} is not made again");
        self.kubectl(&["wait", "--for=condition=Ready", &pod, &format!("--timeout={READY}")])?;
        let ended = self.forwards.get_mut(&node).is_none_or(|forward| forward.process.ended().is_some());
        // A forward to a pod that is gone may still run; it leads nowhere.
        if !ended && let Some(forward) = self.forwards.get_mut(&node) {
            forward.process.kill();
        }
        self.forward(node)
    }

    fn pause(&mut self, node: u64) -> Result<String> {
        bail!("pod {} cannot stand still", self.chart.pod(node))
    }

    fn resume(&mut self, node: u64) -> Result<()> {
        bail!("pod {} does not stand still", self.chart.pod(node))
    }

    fn order(&mut self, node: u64, fault: &Fault) -> Result<String> {
        let pod = self.chart.pod(node);
        let before = self.uid(node)?;
        let machine = self.kubectl(&["get", "pod", &pod, "-o", "jsonpath={.spec.nodeName}"])?;
        let words = self.chart.order(fault, node, &machine).with_context(|| format!("{} is no order", fault.name()))?;
        if *fault == Fault::Drain {
            let undo = Undo::Run(["kubectl", "uncordon", &machine].map(str::to_owned).to_vec());
            self.drained.insert(node, (machine, self.site.guard.promise(undo)?));
        }
        let input = if *fault == Fault::Evict { self.chart.eviction(node) } else { String::new() };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        with_input("kubectl", &words, &input)?;
        let gone = || self.uid(node).map_or(true, |uid| uid != before);
        ensure!(self.site.stop.poll(Duration::from_secs(60), gone), "pod {pod} is still the same");
        if *fault != Fault::Drain {
            self.start_node(node)?;
        }
        Ok(format!("node {node}: pod {pod} with uid {before} is gone"))
    }

    fn end_order(&mut self, node: u64) -> Result<()> {
        let (machine, _promise) = self.drained.remove(&node).context("nothing was drained")?;
        self.kubectl(&["uncordon", &machine])?;
        self.start_node(node)
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        for (machine, _promise) in std::mem::take(&mut self.drained).into_values() {
            drop(self.kubectl(&["uncordon", &machine]));
        }
    }
}

/// Runs a program with something to read.
fn with_input(program: &str, words: &[&str], input: &str) -> Result<()> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| program.to_owned())?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).context("send its input")?;
    }
    let output = child.wait_with_output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        Chart { namespace: "pay".to_owned(), statefulset: "hf-holdfast".to_owned() }
    }

    #[test]
    fn each_order_is_a_command_of_its_own() {
        let of = |fault: Fault| chart().order(&fault, 2, "worker-7").map(|words| words.join(" "));
        assert_eq!(of(Fault::DeletePod).as_deref(), Some("--namespace pay delete pod hf-holdfast-1 --wait=true"));
        assert_eq!(
            of(Fault::Evict).as_deref(),
            Some("--namespace pay create --raw /api/v1/namespaces/pay/pods/hf-holdfast-1/eviction -f -")
        );
        let drain = "--namespace pay drain worker-7 --ignore-daemonsets --delete-emptydir-data --timeout=120s";
        assert_eq!(of(Fault::Drain).as_deref(), Some(drain));
        assert_eq!(of(Fault::Kill), None);
    }

    #[test]
    fn an_eviction_names_its_pod() {
        let document: serde_json::Value = serde_json::from_str(&chart().eviction(3)).unwrap();
        assert_eq!(document["kind"], "Eviction");
        assert_eq!(
            (&document["metadata"]["name"], &document["metadata"]["namespace"]),
            (&"hf-holdfast-2".into(), &"pay".into())
        );
    }
}
