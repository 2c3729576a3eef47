//! The command line of scenarios, as far as it needs no cluster: what is listed, refused and not possible.

use std::process::{Command, Output};

fn chaos(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chaos")).args(words).output().expect("run chaos")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn scenarios_are_listed_without_a_cluster() {
    let output = chaos(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("kill-leader"));
    let output = chaos(&["list", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["kill-leader"]["timeline"][0]["fault"], "kill");
    assert_eq!(chaos(&["validate"]).status.code(), Some(0));
}

#[test]
fn a_wrong_file_is_refused_by_its_name_and_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("wrong.yaml");
    std::fs::write(&path, "title: x\nfault: y\n").expect("write");
    for words in [["validate", path.to_str().expect("UTF-8")], ["run", path.to_str().expect("UTF-8")]] {
        let output = chaos(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = text(&output.stderr);
        assert!(said.contains("wrong.yaml") && said.contains("fault"), "{said}");
    }
    let output = chaos(&["run", "no-such-scenario"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("chaos list"));
}

#[test]
fn what_a_target_cannot_do_is_unsupported_and_never_green() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("lossy.yaml");
    let scenario = "title: Packets are lost\nwhy: They are.\nseed: 1\nrequires: [packets]\n\
        load: { rate_per_s: 10, duration_ms: 5000, connections: 3 }\n\
        timeline: [{ at_ms: 1000, for_ms: 1000, on: leader, fault: { loss: { percent: 5 } } }]\n\
        expect: {}\ninvariants: [books]\n";
    std::fs::write(&path, scenario).expect("write");
    let out = dir.path().join("out");
    let words = ["run", path.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    // Nothing of this program is started: it is enough that it is there.
    let holdfast = ["--holdfast", env!("CARGO_BIN_EXE_chaos")];
    let output = chaos(&[&words[..], &holdfast[..]].concat());
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let junit = std::fs::read_to_string(out.join("junit.xml")).expect("junit.xml");
    assert!(
        junit.contains("skipped=\"1\"") && junit.contains("<skipped message=\"Packets: a proxy carries"),
        "{junit}"
    );
    let output = chaos(&["report", out.to_str().expect("UTF-8")]);
    assert!(text(&output.stdout).contains("| lossy | unsupported |"), "{}", text(&output.stdout));
}
