//! Nodes that are started one by one, each a process with a configuration of its own, as a chart would have them: all
//! are told of the first members and whom to ask, and those that come later join.

use crate::cluster::Ask;
use crate::http::{self, Answer};
use crate::ports::Block;
use crate::process::{Process, wait_until};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// `marqeta:holdfast-dev-Password1!`
pub const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

/// Some nodes and their places. Everything dies with it.
pub struct Fleet {
    pub dir: tempfile::TempDir,
    pub running: BTreeMap<u16, Process>,
    /// What the next node is started from.
    pub program: Program,
    ports: Block,
    /// More lines for every configuration.
    settings: String,
}

/// A build of the product, and what its environment has.
#[derive(Clone, Debug)]
pub struct Program {
    pub binary: PathBuf,
    pub env: Vec<(&'static str, &'static str)>,
}

impl Program {
    /// The build that belongs to the test, if there is one.
    fn own() -> Program {
        let Some(binary) = option_env!("CARGO_BIN_EXE_holdfast") else {
            panic!("a test of another package: it says which program by `start_from`");
        };
        Program { binary: binary.into(), env: Vec::new() }
    }

    /// It, without what the environment of the test has for it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().copied());
        command
    }
}

/// How many nodes the cluster is made with.
const MADE_WITH: u16 = 3;

impl Fleet {
    /// Places for nodes 1 to 9, and the first three of them up.
    pub fn start(settings: &str) -> Fleet {
        Fleet::start_from(Program::own(), settings)
    }

    /// The same, of another build.
    pub fn start_from(program: Program, settings: &str) -> Fleet {
        let dir = tempfile::tempdir().expect("make a directory");
        let (running, ports, settings) = (BTreeMap::new(), Block::take(), settings.to_owned());
        let mut fleet = Fleet { dir, running, program, ports, settings };
        for place in 1..=MADE_WITH {
            fleet.bring_up(place);
        }
        for place in 1..=MADE_WITH {
            fleet.wait_ready(place);
        }
        fleet
    }

    fn address(&self, kind: u16, place: u16) -> String {
        format!("127.0.0.1:{}", self.port(kind, place))
    }

    fn port(&self, kind: u16, place: u16) -> u16 {
        self.ports.base + 10 * kind + place
    }

    pub fn peer(&self, place: u16) -> String {
        self.address(0, place)
    }

    pub fn jit(&self, place: u16) -> u16 {
        self.port(1, place)
    }

    pub fn admin_http(&self, place: u16) -> u16 {
        self.port(2, place)
    }

    pub fn admin_grpc(&self, place: u16) -> String {
        self.address(3, place)
    }

    /// Where a node keeps everything.
    pub fn data(&self, place: u16) -> PathBuf {
        self.dir.path().join(format!("node-{place}"))
    }

    fn config(&self, place: u16) -> String {
        let (mut members, mut ask) = (String::new(), String::new());
        for first in 1..=MADE_WITH {
            let (peer, admin) = (self.peer(first), self.admin_grpc(first));
            // Writing to a string does not fail.
            let _ = writeln!(members, "  {{ id = {first}, peer = \"{peer}\", admin = \"{admin}\" }},");
            let _ = write!(ask, "\"{peer}\", ");
        }
        format!(
            "node = {{ id = {place}, data_dir = '{}' }}\n[cluster]\nname = \"fleet\"\nbootstrap = true\n\
             members = [\n{members}]\njoin = [{ask}]\nadvertise_peer = \"{}\"\nadvertise_admin = \"{}\"\n\
             [listen]\njit = \"127.0.0.1:{}\"\nadmin_http = \"127.0.0.1:{}\"\nadmin_grpc = \"{}\"\npeer = \"{}\"\n\
             [raft]\nsegment_mib = 1\n[[programs]]\nname = \"default\"\nuser = \"marqeta\"\n\
             passwords = [\"holdfast-dev-Password1!\"]\n{}",
            self.data(place).display(),
            self.peer(place),
            self.admin_grpc(place),
            self.jit(place),
            self.admin_http(place),
            self.admin_grpc(place),
            self.peer(place),
            self.settings,
        )
    }

    /// Gives all places other lines from now on; what runs may look at them.
    pub fn tell(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
        self.running.keys().for_each(|place| drop(self.write_config(*place)));
    }

    fn write_config(&self, place: u16) -> PathBuf {
        let file = self.dir.path().join(format!("{place}.toml"));
        std::fs::write(&file, self.config(place)).expect("write a configuration");
        file
    }

    /// Starts a node that is down.
    pub fn bring_up(&mut self, place: u16) {
        let file = self.write_config(place);
        let mut command = self.program.command();
        command.arg("serve").arg("--config").arg(file);
        self.running.insert(place, Process::start(&mut command));
    }

    /// Stops a node as a supervisor does; it ends well.
    pub fn stop(&mut self, place: u16) {
        let mut node = self.running.remove(&place).expect("it runs");
        node.signal(Signal::TERM);
        let (status, said) = node.wait_end(crate::cluster::LONG);
        assert_eq!(status.code(), Some(0), "{said}");
    }

    /// Whether a node says that it may be sent requests.
    pub fn ready(&self, place: u16) -> bool {
        http::get(self.admin_http(place), "/readyz?quorum").is_ok_and(|answer| answer.status == 200)
    }

    pub fn wait_ready(&self, place: u16) {
        wait_until("a node to be ready", crate::cluster::LONG, || self.ready(place));
    }

    /// Asks a node for funds.
    pub fn ask(&self, place: u16, ask: &Ask) -> std::io::Result<Answer> {
        http::post(self.jit(place), "/v1/jit", BASIC, &ask.body())
    }

    /// Runs `holdfast ctl --json …` against all that run; gives its exit code and the document.
    pub fn ctl(&self, words: &[&str]) -> (i32, serde_json::Value) {
        let all: Vec<u16> = self.running.keys().copied().collect();
        let (code, document, _) = self.ctl_at(&all, words);
        (code, document)
    }

    /// The same against these places, and what it wrote on standard error.
    pub fn ctl_at(&self, places: &[u16], words: &[&str]) -> (i32, serde_json::Value, String) {
        let mut command = self.program.command();
        command.arg("ctl").arg("--json");
        for place in places {
            command.arg("--endpoint").arg(self.admin_grpc(*place));
        }
        let output = command.args(words).output().expect("run ctl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
        (output.status.code().unwrap_or(-1), document, said)
    }

    /// The members as `ctl cluster status` shows them: id, role, and at which place they are.
    pub fn members(&self) -> Vec<(u64, String, u16)> {
        let (_, status) = self.ctl(&["cluster", "status"]);
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let place = |peer: &str| (1..=9).find(|place| self.peer(*place) == peer).expect("one of ours");
        let member = |node: &serde_json::Value| {
            let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
            (node["id"].as_u64().unwrap_or_default(), text("role"), place(&text("peer_address")))
        };
        nodes.iter().map(member).collect()
    }

    /// Repeats an order until it is carried out.
    pub fn order(&self, words: &[&str]) -> serde_json::Value {
        let mut last = (-1, serde_json::Value::Null);
        wait_until(&words.join(" "), crate::cluster::LONG, || {
            last = self.ctl(words);
            last.0 == 0
        });
        last.1
    }
}
