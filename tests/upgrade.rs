//! What version 0.1.0 left on three disks still opens and serves: the same balances, the same bytes for known tokens;
//! and its ids are bound to their disks once all nodes run this version.
//!
//! `upgrade/0.1.0-directories.txt` was written by three nodes of the commit before ids were bound to disks, which were
//! then killed: per file its path and size, and what is not zero as offset and bytes in hexadecimal. Their log has the
//! peers' addresses in it, so the test uses these, one run at a time.

#[path = "support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/ports.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use cluster::{Ask, LONG};
use process::{Process, wait_until};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const LEFT: &str = include_str!("upgrade/0.1.0-directories.txt");
/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

/// What the nodes answered before: token, user, cents, status, and the body as it was.
const TOLD: [(&str, &str, u64, u16, &str); 4] = [
    (
        "before-1",
        "alice",
        1_234,
        200,
        r#"{"approved":true,"jit_funding":{"token":"before-1","method":"pgfs.authorization","user_token":"alice","amount":12.34}}"#,
    ),
    (
        "before-2",
        "alice",
        20_000,
        402,
        r#"{"approved":false,"jit_funding":{"token":"before-2","method":"pgfs.authorization","user_token":"alice","amount":200.00,"decline_reason":"INSUFFICIENT_FUNDS","memo":"not enough available"}}"#,
    ),
    (
        "before-3",
        "bob",
        500,
        402,
        r#"{"approved":false,"jit_funding":{"token":"before-3","method":"pgfs.authorization","user_token":"bob","amount":5.00,"decline_reason":"CARDHOLDER_NOT_ACTIVE","memo":"account frozen"}}"#,
    ),
    (
        "before-4",
        "alice",
        166,
        200,
        r#"{"approved":true,"jit_funding":{"token":"before-4","method":"pgfs.authorization","user_token":"alice","amount":1.66}}"#,
    ),
];

fn at(kind: u16, node: u8) -> SocketAddr {
    SocketAddr::from(([127, 201, 7, node], kind))
}

/// Puts the files of all nodes under a directory.
fn unpack(dir: &Path) {
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut current = "";
    for line in LEFT.lines() {
        let (word, rest) = line.split_once(' ').expect("two words");
        if word == "file" {
            let (path, size) = rest.rsplit_once(' ').expect("a size");
            current = path;
            files.insert(path, vec![0; size.parse().expect("a number")]);
            continue;
        }
        let offset = usize::from_str_radix(word, 16).expect("an offset");
        let bytes = files.get_mut(current).expect("a file");
        for (place, pair) in rest.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            bytes[offset + place] = u8::from_str_radix(pair, 16).expect("hexadecimal");
        }
    }
    for (path, bytes) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("make a directory");
        std::fs::write(path, bytes).expect("write a file");
    }
}

fn start(dir: &Path, node: u8) -> Process {
    let member = |id: u8| format!("{{ id = {id}, peer = \"{}\", admin = \"{}\" }}", at(7441, id), at(9541, id));
    let members: Vec<String> = (1..=3).map(member).collect();
    let text = format!(
        "node = {{ id = {node}, data_dir = '{}' }}\n[cluster]\nname = \"upgrade\"\nbootstrap = true\n\
         members = [{}]\n[listen]\njit = \"{}\"\nadmin_http = \"{}\"\nadmin_grpc = \"{}\"\npeer = \"{}\"\n\
         [jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n[raft]\nsegment_mib = 1\n\
         [[programs]]\nname = \"default\"\nuser = \"marqeta\"\npasswords = [\"holdfast-dev-Password1!\"]\n",
        dir.join(format!("node-{node}")).display(),
        members.join(", "),
        at(8441, node),
        at(9441, node),
        at(9541, node),
        at(7441, node),
    );
    let file = dir.join(format!("{node}.toml"));
    std::fs::write(&file, text).expect("write a configuration");
    Process::start(Command::new(env!("CARGO_BIN_EXE_holdfast")).arg("serve").arg("--config").arg(file))
}

fn ready(node: u8) {
    let ready = || http::get_from(at(9441, node), "/readyz?quorum").is_ok_and(|answer| answer.status == 200);
    wait_until("a node to be ready", LONG, ready);
}

fn ctl(words: &[&str]) -> (i32, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("ctl").arg("--json");
    for node in 1..=3 {
        command.arg("--endpoint").arg(at(9541, node).to_string());
    }
    let output = command.args(words).output().expect("run ctl");
    let document = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    (output.status.code().unwrap_or(-1), document)
}

fn same_answers(nodes: u8) {
    for (place, (token, user, cents, status, body)) in TOLD.into_iter().enumerate() {
        let ask = Ask { token: token.to_owned(), user: user.to_owned(), cents };
        let node = 1 + place as u8 % nodes;
        let mut answer = None;
        wait_until("the answer that was given before", LONG, || {
            answer = http::post_to(at(8441, node), "/v1/jit", BASIC, &ask.body()).ok();
            answer.as_ref().is_some_and(|answer| cluster::outcome(answer) == "replayed")
        });
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{token}");
    }
}

#[test]
fn directories_of_the_first_release_open_and_serve() {
    let alone = File::create(std::env::temp_dir().join("holdfast-test-upgrade")).expect("a file to lock");
    alone.lock().expect("nobody else uses the addresses");
    let dir = tempfile::tempdir().expect("make a directory");
    unpack(dir.path());
    let mut nodes: Vec<Process> = (1..=3).map(|node| start(dir.path(), node)).collect();
    (1..=3).for_each(ready);
    same_answers(3);
    let (_, account) = ctl(&["account", "show", "alice"]);
    assert_eq!(account["balances"]["USD"]["held"], "14.00", "{account}");
    // Bound once all have been seen in this version; before that the members cannot be changed.
    wait_until("the ids to be bound to their disks", LONG, || {
        ctl(&["cluster", "add", "--peer", "127.201.7.4:7441", "--admin", "127.201.7.4:9541"]).0 == 0
    });
    // So an emptied directory does not come back under its id.
    drop(nodes.pop());
    std::fs::remove_dir_all(dir.path().join("node-3")).expect("the disk is gone");
    let (status, said) = start(dir.path(), 3).wait_end(LONG);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("node 3 lives on another disk"), "{said}");
    // And what this version has written, it opens.
    drop(nodes.pop());
    nodes.push(start(dir.path(), 2));
    ready(2);
    same_answers(2);
}
