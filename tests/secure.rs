//! Three nodes in TLS as real processes: every listener, the operator's command line, and a renewal.

#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use ports::Block;
use process::{Process, wait_until};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tls::make::{Authority, Subject};
use tls::{NodeName, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DAY: Duration = Duration::from_secs(86_400);
const LONG: Duration = Duration::from_secs(60);

/// Three nodes with certificates of one authority.
struct Nodes {
    dir: tempfile::TempDir,
    authority: Authority,
    ports: Block,
    running: Vec<Process>,
}

impl Nodes {
    fn start() -> Nodes {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("test", 60 * DAY).unwrap());
        std::fs::write(dir.path().join("ca.crt"), authority.certificate()).unwrap();
        let mut nodes = Nodes { dir, authority, ports: Block::take(), running: Vec::new() };
        for node in 1..=3 {
            nodes.sign(node, &format!("node-{node}.first"));
            std::fs::write(nodes.config(node), nodes.text(node)).unwrap();
            let mut command = holdfast();
            command.arg("serve").arg("--config").arg(nodes.config(node));
            nodes.running.push(Process::start(&mut command));
        }
        for node in 1..=3 {
            let url = format!("https://127.0.0.1:{}/readyz?quorum", nodes.port(20, node));
            wait_until("all nodes to be ready", LONG, || nodes.probe(&["--url", &url]).0 == Some(0));
        }
        nodes
    }

    /// A certificate for a node, in which this name stands as well, for a day.
    fn sign(&self, node: u16, name: &str) {
        self.sign_for(node, name, DAY);
    }

    fn sign_for(&self, node: u16, name: &str, lasts: Duration) {
        let own = NodeName { cluster: "test-tls".to_owned(), node: node.to_string() };
        let addresses = vec!["127.0.0.1".parse().unwrap()];
        let subject = Subject { name: name.to_owned(), dns: vec![name.to_owned()], addresses, node: Some(own) };
        self.authority.sign(&subject, lasts).unwrap().write(self.dir.path(), &format!("node-{node}")).unwrap();
    }

    fn config(&self, node: u16) -> PathBuf {
        self.path(&format!("node-{node}.toml"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn port(&self, what: u16, node: u16) -> u16 {
        self.ports.base + what + node
    }

    fn text(&self, node: u16) -> String {
        let dir = self.dir.path().display();
        let listen = |what| format!("127.0.0.1:{}", self.port(what, node));
        let members = (1..=3).map(|id| {
            let (peer, admin) = (self.port(0, id), self.port(30, id));
            format!("{{ id = {id}, peer = '127.0.0.1:{peer}', admin = '127.0.0.1:{admin}' }}, ")
        });
        format!(
            "node = {{ id = {node}, data_dir = '{dir}/data-{node}' }}\n\
             cluster = {{ name = 'test-tls', bootstrap = true, members = [{}] }}\n\
             listen = {{ jit = '{}', admin_http = '{}', admin_grpc = '{}', issuer = '{}', peer = '{}' }}\n\
             tls = {{ certificate = '{dir}/node-{node}.crt', key = '{dir}/node-{node}.key', ca = '{dir}/ca.crt' }}\n\
             programs = [{{ name = 'default', user = 'marqeta', passwords = ['of-the-processor'] }}]\n\
             issuer.credentials = [{{ user = 'issuer', passwords = ['of-the-issuer'] }}]\n\
             raft.segment_mib = 1\njit.deadline_ms = 2500\nstandin.open_after_ms = 5000\n",
            members.collect::<String>(),
            listen(10),
            listen(20),
            listen(30),
            listen(40),
            listen(0),
        )
    }

    /// Exit code and what was said.
    fn probe(&self, words: &[&str]) -> (Option<i32>, String) {
        said(holdfast().arg("probe").arg("--ca").arg(self.path("ca.crt")).args(words).output().unwrap())
    }

    fn ctl(&self, scheme: &str, words: &[&str]) -> (Option<i32>, String) {
        let mut command = holdfast();
        command.arg("ctl").arg("--ca").arg(self.path("ca.crt"));
        for node in 1..=3 {
            command.arg("--endpoint").arg(format!("{scheme}127.0.0.1:{}", self.port(30, node)));
        }
        said(command.args(words).output().unwrap())
    }

    /// Which nodes raise CERT_EXPIRY.
    fn raised(&self) -> Vec<u64> {
        let (code, text) = self.ctl("", &["--json", "alarms"]);
        assert_eq!(code, Some(1), "{text}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let is_on = |node: &&serde_json::Value| {
            let alarms = node["alarms"].as_array().unwrap();
            alarms.iter().any(|alarm| alarm["name"] == "CERT_EXPIRY" && alarm["state"] == "on")
        };
        told["nodes"].as_array().unwrap().iter().filter(is_on).map(|node| node["id"].as_u64().unwrap()).collect()
    }

    fn authorize(&self, node: u16, token: &str, scheme: &str) -> (Option<i32>, String) {
        let url = format!("{scheme}127.0.0.1:{}/v1/jit", self.port(10, node));
        let config = self.config(node);
        let config = config.to_str().unwrap();
        self.probe(&["--url", &url, "--authorize", token, "--user-token", "ada", "--config", config])
    }

    async fn connect(&self, what: u16, node: u16) -> tls::Stream {
        let protocol = if [10, 20].contains(&what) { Protocol::Http1 } else { Protocol::Http2 };
        let client = tls::Client::open(&self.path("ca.crt"), None, protocol).unwrap();
        client.connect(&format!("127.0.0.1:{}", self.port(what, node))).await.unwrap()
    }

    async fn name(&self, what: u16, node: u16) -> String {
        self.connect(what, node).await.names().unwrap_or_default().iter().next().unwrap_or_default().to_owned()
    }
}

fn holdfast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
        command.env_remove(name);
    }
    command
}

fn said(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// One request and its answer on a connection that is kept.
async fn ask(stream: &mut tls::Stream, token: &str) -> String {
    let body = format!(
        "{{\"type\":\"authorization\",\"token\":\"tx-{token}\",\"gpa_order\":{{\"currency_code\":\"USD\",\
         \"jit_funding\":{{\"token\":\"{token}\",\"method\":\"pgfs.authorization\",\"user_token\":\"ada\",\"amount\":1}}}}}}"
    );
    let request = format!(
        "POST /v1/jit HTTP/1.1\r\nhost: t\r\nauthorization: Basic bWFycWV0YTpvZi10aGUtcHJvY2Vzc29y\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(LONG, stream.read(&mut answer)).await.expect("in time").unwrap();
    String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_speaks_tls_and_a_renewal_costs_nothing() {
    let nodes = Nodes::start();
    let open = ["account", "open", "ada", "--currency", "USD", "--credit", "100.00"];
    let (code, text) = nodes.ctl("http://", &["cluster", "status"]);
    assert_eq!(code, Some(3), "plain text: {text}");
    let (code, text) = nodes.ctl("https://", &open);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = nodes.ctl("", &["verify"]);
    assert_eq!(code, Some(0), "{text}");
    for node in 1..=3 {
        let (code, text) = nodes.authorize(node, &format!("t-{node}"), "https://");
        assert!(code == Some(0) && text.starts_with("200 (decided)"), "{text}");
    }
    let (code, text) = nodes.authorize(1, "t-plain", "http://");
    assert_eq!(code, Some(3), "{text}");

    let mut kept = nodes.connect(10, 1).await;
    assert!(ask(&mut kept, "kept-1").await.starts_with("HTTP/1.1 200"), "before");
    // The door, the probes, the operators, the issuer.
    for what in [10, 20, 30, 40] {
        assert_eq!(nodes.name(what, 1).await, "node-1.first");
    }
    // Certificates for a day have missed their renewal by weeks.
    assert_eq!(nodes.raised(), [1, 2, 3]);
    nodes.sign_for(1, "node-1.second", 30 * DAY);
    nodes.running[0].signal(Signal::HUP);
    let until = std::time::Instant::now() + LONG;
    for what in [10, 20, 30, 40] {
        while nodes.name(what, 1).await != "node-1.second" {
            assert!(std::time::Instant::now() < until, "listener {what}");
            // Poll: the bound is above.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(nodes.raised(), [2, 3]);
    assert!(ask(&mut kept, "kept-2").await.starts_with("HTTP/1.1 200"), "the connection from before");

    let metrics = format!("https://127.0.0.1:{}/metrics", nodes.port(20, 1));
    let (code, text) = nodes.probe(&["--url", &metrics]);
    assert_eq!(code, Some(0), "{text}");
    for listener in ["jit", "admin_http", "admin_grpc", "issuer", "peer"] {
        let line = format!("holdfast_certificate_not_after_seconds{{listener=\"{listener}\"}} 1");
        assert!(text.contains(&line), "{line} is missing in\n{text}");
    }
}

/// `serve` with these lines more; it must refuse. Gives what it says.
fn refused(dir: &Path, more: &str) -> String {
    let file = dir.join("node.toml");
    let data = dir.join("data");
    let text = format!(
        "node = {{ id = 1, data_dir = '{}' }}\n\
         programs = [{{ name = 'default', user = 'marqeta', passwords = ['of-the-processor'] }}]\n{more}",
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    let (code, text) = said(holdfast().arg("serve").arg("--config").arg(&file).output().unwrap());
    assert_eq!(code, Some(2), "{text}");
    assert!(!data.exists(), "nothing is written");
    text
}

#[test]
fn a_node_does_not_start_in_plain_text_for_everybody_or_with_the_certificate_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let text = refused(dir.path(), "listen.jit = '0.0.0.0:1'\n");
    assert!(text.contains("listen.jit: would be plain text at other than a loopback address"), "{text}");

    let certs = dir.path().join("certs");
    let made = holdfast().arg("certs").arg("new").arg("--dir").arg(&certs).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let tls = |node: u16| {
        let certs = certs.display();
        format!(
            "tls = {{ certificate = '{certs}/node-{node}.crt', key = '{certs}/node-2.key', ca = '{certs}/ca.crt' }}\n"
        )
    };
    let text = refused(dir.path(), &tls(2));
    let wanted = "the certificate of listen.peer: the certificate must be for holdfast://holdfast/1 or \
                  holdfast://holdfast/127.0.0.1, and has holdfast://holdfast/2";
    assert!(text.contains(wanted), "{text}");
    let text = refused(dir.path(), &tls(1));
    assert!(text.contains("node-1.crt: does not go with the key"), "{text}");
}
