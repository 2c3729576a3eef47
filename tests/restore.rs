//! A cluster is backed up and destroyed, and another one made of the backup: real processes, real files.

#[path = "support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use cluster::{Ask, Cluster, LONG, PATIENT, outcome};
use ports::Block;
use process::{Process, wait_until};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

/// Runs `holdfast WORDS --json`; gives its exit code and the document.
fn holdfast(words: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(words).arg("--json").output().expect("run holdfast");
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// Three nodes of a cluster that is to be, each with a file and directories of its own.
struct Fleet {
    dir: tempfile::TempDir,
    ports: Block,
    nodes: Vec<Process>,
}

impl Fleet {
    fn planned() -> Fleet {
        let fleet = Fleet { dir: tempfile::tempdir().expect("a directory"), ports: Block::take(), nodes: Vec::new() };
        (1..=3).for_each(|node| fleet.write(node, ""));
        fleet
    }

    fn at(&self, of: u16, node: u16) -> String {
        format!("127.0.0.1:{}", self.ports.base + of + node)
    }

    fn file(&self, node: u16) -> PathBuf {
        self.dir.path().join(format!("node-{node}.toml"))
    }

    fn data(&self, node: u16) -> PathBuf {
        self.dir.path().join(format!("node-{node}"))
    }

    /// Writes a node's file, with a line of its own for the cluster.
    fn write(&self, node: u16, cluster: &str) {
        let mut members = String::new();
        for id in 1..=3 {
            let (peer, admin) = (self.at(0, id), self.at(30, id));
            writeln!(members, "  {{ id = {id}, peer = \"{peer}\", admin = \"{admin}\" }},").expect("text");
        }
        let (jit, http, grpc, peer) = (self.at(10, node), self.at(20, node), self.at(30, node), self.at(0, node));
        let text = format!(
            "[node]\nid = {node}\ndata_dir = \"{}\"\n[cluster]\n{cluster}bootstrap = true\nmembers = [\n{members}]\n\
             [listen]\njit = \"{jit}\"\nadmin_http = \"{http}\"\nadmin_grpc = \"{grpc}\"\npeer = \"{peer}\"\n\
             [jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n[raft]\nsegment_mib = 1\n\
             [[programs]]\nname = \"default\"\nuser = \"marqeta\"\npasswords = [\"holdfast-dev-Password1!\"]\n",
            self.data(node).display()
        );
        std::fs::write(self.file(node), text).expect("written");
    }

    fn restore(&self, backup: &Path, name: &str) -> (i32, Value) {
        let files: Vec<_> = (1..=3).map(|node| self.file(node)).collect();
        let mut words = vec!["restore", backup.to_str().expect("UTF-8"), "--name", name];
        for file in &files {
            words.extend(["--config", file.to_str().expect("UTF-8")]);
        }
        holdfast(&words)
    }

    fn start(&mut self) {
        for node in 1..=3 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
            self.nodes.push(Process::start(command.arg("serve").arg("--config").arg(self.file(node))));
        }
        for node in 1..=3 {
            wait_until("a node to be ready", LONG, || self.ready(node).0 == 200);
        }
    }

    fn ready(&self, node: u16) -> (u16, Value) {
        match http::get(self.ports.base + 20 + node, "/readyz?quorum") {
            Ok(answer) => (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null)),
            Err(_) => (0, Value::Null),
        }
    }

    fn ctl(&self, words: &[&str]) -> (i32, Value) {
        let endpoints = (1..=3).map(|node| self.at(30, node)).collect::<Vec<_>>().join(",");
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let output = command.env("HOLDFAST_ENDPOINTS", endpoints).args(["ctl", "--json"]).args(words).output();
        let output = output.expect("run ctl");
        (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }

    fn ask(&self, node: u16, ask: &Ask) -> http::Answer {
        http::post(self.ports.base + 10 + node, "/v1/jit", BASIC, &ask.body()).expect("an answer")
    }
}

fn ask(token: &str, user: &str, cents: u64) -> Ask {
    Ask { token: token.to_owned(), user: user.to_owned(), cents }
}

/// A cluster with some money on its way, its backup, what its accounts had then, and what one request was told.
fn backed_up(dir: &Path) -> (PathBuf, Value, String) {
    let cluster = Cluster::start_with(&[], PATIENT);
    for number in 0..40 {
        let asked = ask(&format!("held-{number}"), &format!("demo-{}", 2 + number % 7), 100 + number);
        assert_eq!(cluster.ask(1 + (number % 3) as u16, &asked).expect("an answer").status, 200);
    }
    let told = cluster.ask(2, &ask("known", "demo-9", 1234)).expect("an answer");
    assert_eq!(told.status, 200);
    let (exit, moved) = cluster.ctl(&["account", "debit", "demo-9", "7.66", "--currency", "USD", "--key", "k"]);
    assert_eq!(exit, 0, "{moved}");
    let (exit, accounts) = cluster.ctl(&["account", "list", "--limit", "1000"]);
    assert_eq!(exit, 0, "{accounts}");
    let path = dir.join("books.backup");
    let (exit, taken) = cluster.ctl(&["backup", path.to_str().expect("UTF-8")]);
    assert_eq!(exit, 0, "{taken}");
    // What comes after it is lost with the cluster.
    assert_eq!(cluster.ask(3, &ask("lost", "demo-10", 500)).expect("an answer").status, 200);
    (path, accounts, told.body)
}

#[test]
fn a_cluster_is_destroyed_and_made_again_of_its_backup() {
    let dir = tempfile::tempdir().expect("a directory");
    let (backup, accounts, told) = backed_up(dir.path());
    let mut fleet = Fleet::planned();

    // Nothing is made where something is, nor of half a file.
    std::fs::create_dir(fleet.data(2)).expect("made");
    std::fs::write(fleet.data(2).join("mine"), "mine").expect("written");
    let (exit, refused) = fleet.restore(&backup, "first");
    let why = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(exit == 1 && why.contains("holds mine"), "{refused}");
    std::fs::remove_file(fleet.data(2).join("mine")).expect("removed");
    let bytes = std::fs::read(&backup).expect("readable");
    let half = dir.path().join("half.backup");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).expect("written");
    assert_eq!(fleet.restore(&half, "first").0, 1);

    let (exit, made) = fleet.restore(&backup, "first");
    assert_eq!((exit, &made["declines"]), (0, &Value::Bool(true)), "{made}");
    assert_ne!(made["cluster_id"], made["cluster_was"]);
    let existed = |made: &Value| (0..3).map(|place| made["nodes"][place]["existed"] == true).collect::<Vec<_>>();
    // Node 1 was made before node 2 was refused.
    assert_eq!(existed(&made), [true, false, false], "{made}");
    let (exit, again) = fleet.restore(&backup, "first");
    assert_eq!((exit, existed(&again)), (0, vec![true; 3]), "what is done is left as it is: {again}");
    let (exit, other) = fleet.restore(&backup, "second");
    assert!(
        exit == 1 && other["error"]["message"].as_str().is_some_and(|why| why.contains("another cluster")),
        "{other}"
    );

    // The old id in the configuration would name the wrong cluster; none is as good as the new one.
    let (was, id) = (made["cluster_was"].as_str().expect("an id"), made["cluster_id"].as_str().expect("an id"));
    fleet.write(3, &format!("id = \"{was}\"\n"));
    let (exit, refused) = fleet.restore(&backup, "first");
    let why = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(exit == 2 && why.contains("cluster.id: is another cluster's") && why.contains(id), "{refused}");
    fleet.write(3, &format!("id = \"{id}\"\n"));
    fleet.start();
    let (_, ready) = fleet.ready(1);
    assert!(ready["notes"][0].as_str().is_some_and(|note| note.contains("not reconciled yet")), "{ready}");
    let (_, status) = fleet.ctl(&["cluster", "status"]);
    assert_eq!((&status["cluster_id"], &status["restored"]["cluster_id"]), (&made["cluster_id"], &made["cluster_was"]));
    assert_eq!(
        (&status["restored"]["declines"], &status["restored"]["since_us"]),
        (&true.into(), &made["lacks_since_us"])
    );
    let (exit, verified) = fleet.ctl(&["verify"]);
    assert_eq!((exit, &verified["members"][0]["digest"]), (0, &made["digest"]), "{verified}");
    let (exit, alarms) = fleet.ctl(&["alarms"]);
    let reconcile = |node: &Value| {
        let found = node["alarms"].as_array().expect("alarms").iter().find(|alarm| alarm["name"] == "RECONCILE");
        found.expect("it is watched")["state"].clone()
    };
    let nodes = alarms["nodes"].as_array().expect("nodes");
    assert_eq!((exit, nodes.iter().map(reconcile).collect::<Vec<_>>()), (1, vec![Value::from("on"); 3]), "{alarms}");
    assert_eq!(fleet.ctl(&["account", "list", "--limit", "1000"]).1, accounts);

    // What was told before is told again, with the same bytes; what is new is declined and stays so.
    let known = fleet.ask(3, &ask("known", "demo-9", 1234));
    assert_eq!((known.status, known.body.as_str(), outcome(&known)), (200, told.as_str(), "replayed"));
    let new = fleet.ask(1, &ask("lost", "demo-10", 500));
    assert!(new.status == 402 && new.body.contains("books are being reconciled"), "{}", new.body);
    let (exit, ended) = fleet.ctl(&["reconcile", "done", "--who", "ann", "--why", "test"]);
    assert_eq!((exit, &ended["changed"]), (0, &Value::Bool(true)), "{ended}");
    assert_eq!(fleet.ctl(&["reconcile", "done", "--who", "ann", "--why", "test"]).1["changed"], false);
    for node in 1..=3 {
        wait_until("the note to be gone on all nodes", LONG, || fleet.ready(node).1["notes"].is_null());
    }
    assert_eq!(fleet.ask(2, &ask("lost", "demo-10", 500)).status, 402, "one token, one decision");
    assert_eq!(fleet.ask(2, &ask("after", "demo-10", 500)).status, 200);
    let (_, explained) = fleet.ctl(&["explain", "after"]);
    let history: Value = serde_json::from_str(explained["history"].as_str().unwrap_or_default()).unwrap_or_default();
    let incarnation = history["attempt"]["incarnation"].as_u64().unwrap_or(0);
    assert!(incarnation > 1_700_000_000, "no attempt of the old cluster can meet one of the new: {explained}");
    assert_eq!(fleet.ctl(&["verify"]).0, 0);
}
