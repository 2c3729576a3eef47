//! The files of `tests/conformance`, played on a cluster of real processes; and planted faults, which must be found.

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

use cluster::{Cluster, PATIENT};
use std::path::Path;
use std::process::Command;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

/// Runs `holdfast conformance` against all nodes; gives its exit code, standard output and standard error.
fn conformance(cluster: &Cluster, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("conformance").env_remove("HOLDFAST_PASSWORD");
    for node in 1..=3 {
        command.arg("--url").arg(format!("http://127.0.0.1:{}", cluster.jit(node)));
        command.arg("--admin").arg(format!("127.0.0.1:{}", cluster.admin_grpc(node)));
    }
    let output = command.args(words).output().expect("run conformance");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A copy of one file with one thing changed, as the only one of a directory.
fn planted(name: &str, from: &str, to: &str) -> tempfile::TempDir {
    let text = std::fs::read_to_string(Path::new(FILES).join(format!("{name}.json"))).expect("read a file");
    assert!(text.contains(from), "{name} has no {from}");
    let dir = tempfile::tempdir().expect("make a directory");
    std::fs::write(dir.path().join(format!("{name}.json")), text.replacen(from, to, 1)).expect("write a file");
    dir
}

#[test]
fn every_scenario_goes_as_written_and_every_planted_fault_is_found() {
    let cluster = Cluster::start_with(&[], PATIENT);
    let (exit, out, err) = conformance(&cluster, &[]);
    println!("{out}");
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    let files = std::fs::read_dir(FILES).expect("list the files").count();
    assert!(out.contains(&format!("{files} scenarios: {files} ok, 0 failed")), "{out}");
    assert_eq!(cluster.ctl(&["deadletter", "list"]).1["count"], 0, "a run leaves no dead letter");

    // A wrong balance, status, body, outcome and letter.
    for (name, from, to, step, expected, got) in [
        ("clearing_smaller", "\"18.20\"", "\"0.00\"", 3, "held 0.00", "held 18.20"),
        ("authorization_zero", "\"status\": 200", "\"status\": 402", 1, "402 {", "200 {"),
        (
            "authorization_insufficient",
            "not enough available\"",
            "not enough\"",
            1,
            "not enough\"",
            "not enough available\"",
        ),
        ("repeat_other_text", "\"replayed\"", "\"decided\"", 2, "decided", "replayed"),
        ("dead_letter_among_nine", "type_unknown", "kind_unknown", 3, "kind_unknown", "type_unknown"),
    ] {
        let dir = planted(name, from, to);
        let files = dir.path().display().to_string();
        let (exit, out, _) = conformance(&cluster, &["--json", "--files", &files]);
        let document: serde_json::Value = serde_json::from_str(&out).expect("one JSON document");
        let found = &document["scenarios"][0]["difference"];
        assert_eq!((exit, &document["failed"], &found["step"]), (1, &1.into(), &step.into()), "{out}");
        let has = |field: &str, part: &str| found[field].as_str().is_some_and(|text| text.contains(part));
        assert!(has("expected", expected) && has("got", got), "{name}: {out}");
    }
    cluster.verify();
}

#[test]
fn a_programme_with_credentials_and_a_secret_for_its_reports() {
    let programs = "[{name = 'mine', user = 'me', passwords = ['requests-123'], webhook_user = 'hook', \
                    webhook_passwords = ['reports-1234'], webhook_secrets = ['signed-12345678-signed']}]";
    let settings = [PATIENT, &[("HOLDFAST__PROGRAMS", programs), ("HOLDFAST__JIT__APPROVED_FLAG", "false")]];
    let cluster = Cluster::start_with(&[], &settings.concat());
    let me = ["--program", "mine", "--user", "me", "--password", "requests-123", "--only", "clearing_equal"];
    let hook = ["--webhook-user", "hook", "--webhook-password", "reports-1234"];
    let secret = ["--webhook-secret", "signed-12345678-signed"];
    let (exit, out, err) = conformance(&cluster, &[&me[..], &hook, &secret].concat());
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("1 scenarios: 1 ok"), "{out}");
    // Without the one or the other they are turned away.
    for words in [[&me[..], &hook].concat(), [&me[..], &secret].concat()] {
        let (exit, out, _) = conformance(&cluster, &words);
        assert!(exit == 1 && out.contains("got       401 "), "{exit} {out}");
    }
}

#[test]
fn what_cannot_be_played_has_its_own_exit_code() {
    let dir = planted("ping", "\"title\"", "\"titel\"");
    let files = dir.path().display().to_string();
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).arg("conformance").args(words).output();
        let output = output.expect("run conformance");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (exit, err) = run(&["--files", &files]);
    assert_eq!(exit, Some(2));
    assert!(err.starts_with("usage: ping.json: unknown field `titel`"), "{err}");
    assert_eq!(run(&["--only", "absent"]).0, Some(2));
    assert_eq!(run(&["--url", "ftp://127.0.0.1:1"]).0, Some(2));
    // Nobody listens there.
    let (exit, err) = run(&["--only", "ping", "--url", "127.0.0.1:1", "--admin", "127.0.0.1:1"]);
    assert_eq!(exit, Some(3), "{err}");
    assert_eq!(run(&["--only", "authorization_zero", "--url", "127.0.0.1:1", "--admin", "127.0.0.1:1"]).0, Some(3));
    assert_eq!(run(&["--list"]).0, Some(0));
}
