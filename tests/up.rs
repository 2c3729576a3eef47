//! `holdfast up` from outside: real processes, real files, free ports.
//!
//! What must hold: every process that a test starts dies with it, and no test shares a port or a directory.

#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use ports::Block;
use process::{Process, is_gone, send, wait_until};
use rustix::process::Signal;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// For what takes a second when the machine has nothing else to do.
const LONG: Duration = Duration::from_secs(60);

/// A directory and ports for one cluster.
struct Place {
    dir: tempfile::TempDir,
    ports: Block,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("make a directory"), ports: Block::take() }
    }

    fn jit(&self, node: u16) -> u16 {
        self.ports.base + 10 + node
    }

    fn admin(&self, node: u16) -> u16 {
        self.ports.base + 20 + node
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
            command.env_remove(name);
        }
        command.env("HOLDFAST__RAFT__SEGMENT_MIB", "1");
        command.arg("up").arg("--dir").arg(self.dir.path());
        command.arg("--port-base").arg(self.ports.base.to_string()).args(more);
        command
    }

    fn start(&self, more: &[&str]) -> Process {
        Process::start(&mut self.command(more))
    }

    fn start_ready(&self, more: &[&str]) -> Process {
        let mut up = self.start(more);
        up.wait_line("ready in ", LONG);
        up
    }
}

fn node_pids(up: &Process) -> Vec<i32> {
    let started = up.seen.iter().filter_map(|line| line.split_once(" started: pid ")?.1.split_once(','));
    started.map(|(pid, _)| pid.parse().expect("a process id")).collect()
}

fn members(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("look into the directory");
    let mut names: Vec<String> =
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_first_start_shows_the_exchange_and_a_second_goes_on() {
    let place = Place::new();
    let mut up = place.start_ready(&[]);
    let text = up.seen.join("\n");
    assert!(text.contains("a follower:"), "{text}");
    assert!(text.contains("< HTTP/1.1 200 OK") && text.contains("< x-holdfast-outcome: decided"), "{text}");
    let first = up.seen.iter().find(|line| line.starts_with("< {")).expect("the reply's body");
    let expected = "< {\"approved\":true,\"jit_funding\":{\"token\":\"demo-authorization-1\"";
    assert!(first.starts_with(expected) && first.contains("\"amount\":12.34"), "{first}");
    for node in 1..=3 {
        assert_eq!(http::get(place.admin(node), "/readyz").expect("an answer").status, 200);
    }

    let line = up.seen.iter().find_map(|line| line.strip_prefix("try: ")).expect("a line to paste");
    assert!(line.starts_with("curl ") && line.contains(&format!(":{}/v1/jit", place.jit(2))), "{line}");
    let again = line.split(" -d '").nth(1).and_then(|rest| rest.split_once('\'')).expect("its body").0.to_owned();
    let basic = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";
    let answer = http::post(place.jit(2), "/v1/jit", basic, &again).expect("an answer");
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body);

    fs::write(place.dir.path().join("letter"), "mine").expect("write");
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));

    let mut up = place.start_ready(&[]);
    let text = up.seen.join("\n");
    assert!(!text.contains("demo-authorization-1"), "{text}");
    assert!(text.contains("(0 opened, 100 existed)"), "{text}");
    let repeated = http::post(place.jit(1), "/v1/jit", basic, &again).expect("an answer");
    assert_eq!((repeated.status, repeated.body), (200, answer.body));
    up.signal(Signal::TERM);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));

    let mut up = place.start_ready(&["--fresh"]);
    assert!(up.seen.join("\n").contains("(100 opened, 0 existed)"));
    assert_eq!(fs::read_to_string(place.dir.path().join("letter")).expect("still there"), "mine");
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_written() {
    let place = Place::new();
    let port = place.admin(2);
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("take a port");
    let (status, errors) = place.start(&[]).wait_end(LONG);
    assert_eq!(status.code(), Some(3), "{errors}");
    assert!(errors.contains(&format!("port {port} is in use")), "{errors}");
    assert_eq!(members(place.dir.path()), [""; 0]);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = Place::new();
    fs::write(place.dir.path().join("letter"), "mine").expect("write");
    for more in [&[][..], &["--fresh"]] {
        let (status, errors) = place.start(more).wait_end(LONG);
        assert_eq!(status.code(), Some(2), "{errors}");
        assert!(errors.contains("was not made by `holdfast up`"), "{errors}");
        assert_eq!(members(place.dir.path()), ["letter"]);
    }
}

#[test]
fn a_wrong_setting_is_named_and_nothing_is_written() {
    let place = Place::new();
    for (name, value) in [("HOLDFAST__JIT__DEADLINE_MS", "5"), ("HOLDFAST__JIT__DEADLIN_MS", "700")] {
        let mut up = Process::start(place.command(&[]).env(name, value));
        let (status, errors) = up.wait_end(LONG);
        assert_eq!(status.code(), Some(2), "{errors}");
        assert!(errors.to_uppercase().contains("DEADLIN"), "{errors}");
        assert_eq!(members(place.dir.path()), [""; 0]);
    }
}

#[test]
fn a_directory_in_use_or_of_another_size_is_refused() {
    let place = Place::new();
    let mut up = place.start_ready(&["--nodes", "1"]);
    for more in [&["--nodes", "1"][..], &["--nodes", "1", "--fresh"]] {
        let (status, errors) = place.start(more).wait_end(LONG);
        assert_eq!(status.code(), Some(3), "{errors}");
        assert!(errors.contains("in use by another `holdfast up`"), "{errors}");
    }
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
    let (status, errors) = place.start(&["--nodes", "3"]).wait_end(LONG);
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("has 1 nodes, not 3"), "{errors}");
}

#[test]
fn a_start_that_no_node_survives_says_why() {
    let place = Place::new();
    let mut up = place.start_ready(&["--nodes", "1"]);
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
    let data = place.dir.path().join("node-1");
    fs::remove_dir_all(&data).expect("remove the data");
    fs::write(&data, "not a directory").expect("write");
    let (status, errors) = place.start(&["--nodes", "1"]).wait_end(LONG);
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("no node came up; the last line of "), "{errors}");
}

#[test]
fn an_interrupt_to_the_whole_group_stops_everything() {
    let place = Place::new();
    let mut up = place.start_ready(&[]);
    let pids = node_pids(&up);
    up.signal_group(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
    assert!(pids.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn killing_up_ends_its_nodes() {
    let place = Place::new();
    let mut up = place.start_ready(&[]);
    let pids = node_pids(&up);
    assert_eq!(pids.len(), 3);
    up.signal(Signal::KILL);
    up.wait_end(LONG);
    wait_until("the nodes to end", LONG, || pids.iter().all(|pid| is_gone(*pid)));
    let mut up = place.start_ready(&[]);
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
}

#[test]
fn a_killed_node_stays_down_and_the_others_answer() {
    let place = Place::new();
    let mut up = place.start_ready(&[]);
    let pids = node_pids(&up);
    let by_node = |node: usize| {
        let line = up.seen.iter().find(|line| line.starts_with(&format!("node {node} started: pid "))).expect("a line");
        pids.iter().copied().find(|pid| line.contains(&format!("pid {pid},"))).expect("its process id")
    };
    let (second, others) = (by_node(2), [by_node(1), by_node(3)]);
    send(second, Signal::KILL);
    up.wait_line("node 2 ended (signal: 9 (SIGKILL)) and stays down", LONG);
    for node in [1, 3] {
        wait_until("the others to be ready", LONG, || {
            http::get(place.admin(node), "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }
    assert!(http::get(place.admin(2), "/livez").is_err());
    for pid in others {
        send(pid, Signal::KILL);
        up.wait_line("and stays down", LONG);
    }
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
}

#[test]
fn a_killed_node_comes_back_if_that_was_asked_for() {
    let place = Place::new();
    let mut up = place.start_ready(&["--nodes", "1", "--restart-after", "1"]);
    send(node_pids(&up)[0], Signal::KILL);
    up.wait_line("node 1 ended (signal: 9 (SIGKILL)), starts again in 1 s", LONG);
    up.wait_line("node 1 started: pid ", LONG);
    wait_until("the node to be ready", LONG, || {
        http::get(place.admin(1), "/readyz").is_ok_and(|answer| answer.status == 200)
    });
    up.signal(Signal::INT);
    assert_eq!(up.wait_end(LONG).0.code(), Some(0));
}
