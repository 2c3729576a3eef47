//! A whole cluster of real processes for one test, and what a processor and an operator do with it.

use crate::http::{self, Answer};
use crate::ports::Block;
use crate::process::{Process, wait_until};
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

/// The build that belongs to the test.
const PRODUCT: &str = match option_env!("CARGO_BIN_EXE_holdfast") {
    Some(path) => path,
    None => "holdfast",
};
/// For what takes a second when the machine has nothing else to do.
pub const LONG: Duration = Duration::from_secs(60);
/// How much of a node's log a failed test prints.
const LAST_LINES: usize = 60;
/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

/// `holdfast up` with a directory and ports of its own. Everything dies with it.
pub struct Cluster {
    pub up: Process,
    pub dir: tempfile::TempDir,
    ports: Block,
    settings: Vec<(String, String)>,
}

/// The longest time for an answer that the configuration allows, for tests that ask what is decided and not when: whole
/// clusters of debug builds share two cores, and a pause of a second is not what they look for.
pub const PATIENT: &[(&str, &str)] =
    &[("HOLDFAST__JIT__DEADLINE_MS", "2500"), ("HOLDFAST__STANDIN__OPEN_AFTER_MS", "5000")];

/// A processor's authorization.
#[derive(Clone, Debug)]
pub struct Ask {
    pub token: String,
    pub user: String,
    pub cents: u64,
}

impl Ask {
    /// The JSON of it.
    pub fn body(&self) -> String {
        let Ask { token, user, cents } = self;
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        format!(
            "{{\"type\":\"authorization\",\"state\":\"PENDING\",\"token\":\"tx-{token}\",\"amount\":{amount},\
             \"currency_code\":\"USD\",\"gpa_order\":{{\"amount\":{amount},\"currency_code\":\"USD\",\
             \"jit_funding\":{{\"token\":\"{token}\",\"method\":\"pgfs.authorization\",\
             \"user_token\":\"{user}\",\"amount\":{amount}}}}}}}"
        )
    }
}

/// The value of `x-holdfast-outcome`.
pub fn outcome(answer: &Answer) -> &str {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("x-holdfast-outcome: "));
    line.unwrap_or("absent").trim()
}

impl Drop for Cluster {
    /// A failed test leaves what its nodes last wrote, for the directory is gone with it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in 1..=3 {
            let log = std::fs::read_to_string(self.dir.path().join(format!("node-{node}.log"))).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let (_, last) = lines.split_at(lines.len().saturating_sub(LAST_LINES));
            eprintln!("the last lines of node {node}:\n{}", last.join("\n"));
        }
    }
}

impl Cluster {
    /// Starts one and waits until it is ready.
    pub fn start(more: &[&str]) -> Cluster {
        Cluster::start_with(more, &[])
    }

    /// The same, with settings for all nodes.
    pub fn start_with(more: &[&str], env: &[(&str, &str)]) -> Cluster {
        let dir = tempfile::tempdir().expect("make a directory");
        let ports = Block::take();
        let settings: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let up = start_up(&dir, &ports, more, &settings);
        let mut cluster = Cluster { up, dir, ports, settings };
        cluster.up.wait_line("ready in ", LONG);
        cluster
    }

    /// Starts `up` again on the same directory with the same settings, after the one before has ended.
    pub fn start_again(&mut self, more: &[&str]) {
        self.up = start_up(&self.dir, &self.ports, more, &self.settings);
        self.up.wait_line("ready in ", LONG);
    }

    pub fn jit(&self, node: u16) -> u16 {
        self.ports.base + 10 + node
    }

    pub fn admin_http(&self, node: u16) -> u16 {
        self.ports.base + 20 + node
    }

    pub fn admin_grpc(&self, node: u16) -> u16 {
        self.ports.base + 30 + node
    }

    pub fn issuer(&self, node: u16) -> u16 {
        self.ports.base + 40 + node
    }

    /// Asks a node for funds.
    pub fn ask(&self, node: u16, ask: &Ask) -> io::Result<Answer> {
        http::post(self.jit(node), "/v1/jit", BASIC, &ask.body())
    }

    /// Runs `holdfast ctl --json …` against all nodes; gives its exit code and the document.
    pub fn ctl(&self, words: &[&str]) -> (i32, serde_json::Value) {
        self.ctl_at(&[1, 2, 3], words)
    }

    /// The same, against one node.
    pub fn ctl_of(&self, node: u16, words: &[&str]) -> (i32, serde_json::Value) {
        self.ctl_at(&[node], words)
    }

    fn ctl_at(&self, nodes: &[u16], words: &[&str]) -> (i32, serde_json::Value) {
        let mut command = Command::new(PRODUCT);
        command.arg("ctl").arg("--json");
        for node in nodes {
            command.arg("--endpoint").arg(format!("127.0.0.1:{}", self.admin_grpc(*node)));
        }
        let output = command.args(words).output().expect("run ctl");
        let document = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
        (output.status.code().unwrap_or(-1), document)
    }

    /// The leader, once there is one that says so itself.
    pub fn leader(&self) -> u16 {
        let mut leader = None;
        wait_until("a leader", LONG, || {
            let (_, status) = self.ctl(&["cluster", "status"]);
            let known = status["leader"].as_u64();
            let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
            leader = known.filter(|id| nodes.iter().any(|node| node["id"] == *id && node["healthy"] == true));
            leader.is_some()
        });
        leader.and_then(|id| u16::try_from(id).ok()).expect("a leader")
    }

    /// The process of a node, as `up` said when it started it last.
    pub fn pid(&mut self, node: u16) -> i32 {
        self.up.drain();
        let prefix = format!("node {node} started: pid ");
        let line = self.up.seen.iter().rev().find_map(|line| line.strip_prefix(&prefix)).expect("a pid line");
        line.split_once(',').and_then(|(pid, _)| pid.parse().ok()).expect("a pid")
    }

    /// What stands held of a user.
    pub fn held(&self, user: &str) -> String {
        let (code, account) = self.ctl(&["account", "show", user]);
        assert_eq!(code, 0, "{account}");
        account["balances"]["USD"]["held"].as_str().expect("a balance").to_owned()
    }

    /// Checks that all members have the same books, and that those are sound.
    pub fn verify(&self) {
        let until = Instant::now() + LONG;
        loop {
            let (code, document) = self.ctl(&["verify"]);
            match code {
                0 => return,
                3 if Instant::now() < until => std::thread::park_timeout(Duration::from_millis(50)),
                _ => panic!("verify: exit {code}, {document}"),
            }
        }
    }
}

fn start_up(dir: &tempfile::TempDir, ports: &Block, more: &[&str], settings: &[(String, String)]) -> Process {
    let mut command = Command::new(PRODUCT);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
        command.env_remove(name);
    }
    command.env("HOLDFAST__RAFT__SEGMENT_MIB", "1").envs(settings.iter().cloned());
    command.arg("up").arg("--dir").arg(dir.path());
    command.arg("--port-base").arg(ports.base.to_string()).args(more);
    Process::start(&mut command)
}
