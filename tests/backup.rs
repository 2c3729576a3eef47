//! Backups of a cluster of real processes: taken while money moves, and each of them the books at one log index.

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

use cluster::{Ask, Cluster, PATIENT};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Runs `holdfast WORDS --json`; gives its exit code and the document.
fn holdfast(words: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(words).arg("--json").output().expect("run holdfast");
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Asks for a cent of one account after the other until told to stop.
fn ask_on(cluster: &Cluster, node: u16, stop: &AtomicBool, decided: &AtomicU64) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let ask = Ask { token: format!("n{node}-{number}"), user: format!("demo-{}", 1 + number % 50), cents: 1 };
        if cluster.ask(node, &ask).is_ok_and(|answer| answer.status == 200) {
            decided.fetch_add(1, Ordering::Relaxed);
        }
        number += 1;
    }
}

#[test]
fn a_backup_under_load_is_the_books_at_one_index() {
    let cluster = Cluster::start_with(&[], PATIENT);
    let dir = tempfile::tempdir().expect("a directory");
    let (stop, decided) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut last = 0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=3)
            .map(|node| {
                scope.spawn({
                    let (cluster, stop, decided) = (&cluster, &stop, &decided);
                    move || ask_on(cluster, node, stop, decided)
                })
            })
            .collect();
        for round in 0..4 {
            let before = decided.load(Ordering::Relaxed);
            process::wait_until("some decisions", cluster::LONG, || decided.load(Ordering::Relaxed) >= before + 20);
            let path = dir.path().join(format!("{round}.backup"));
            let told = decided.load(Ordering::Relaxed);
            let (exit, taken) = cluster.ctl_of(1 + round % 3, &["backup", text(&path)]);
            assert_eq!(exit, 0, "{taken}");
            let (exit, verified) = holdfast(&["backup", "verify", text(&path)]);
            assert_eq!((exit, &verified["verified"]["sound"]), (0, &Value::Bool(true)), "{verified}");
            // Everything that was told before the call is in it, whichever node gives it.
            let holds = verified["verified"]["holds"].as_u64().expect("a number");
            assert!(holds >= told, "{holds} holds, and {told} requests had been approved");
            let index = verified["index"].as_u64().expect("a number");
            assert!(index > last, "{index} after {last}");
            last = index;
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    });

    // At rest, a backup has the digest that all members agree on.
    let path = dir.path().join("rest.backup");
    let (exit, taken) = cluster.ctl(&["backup", text(&path)]);
    assert_eq!(exit, 0, "{taken}");
    let (exit, compared) = cluster.ctl(&["verify"]);
    assert_eq!((exit, &compared["members"][0]["digest"]), (0, &taken["digest"]), "{compared}");

    // A disk that is full: the file being written leads to one.
    let full = dir.path().join("full.backup");
    std::os::unix::fs::symlink("/dev/full", dir.path().join("full.backup.tmp")).expect("a link");
    let (exit, refused) = cluster.ctl(&["backup", text(&full)]);
    assert_eq!(exit, 1, "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|why| why.contains("No space left")), "{refused}");
    assert!(!full.exists());

    // A bit that rots, and an end that is missing.
    let good = std::fs::read(&path).expect("readable");
    let middle = good.len() / 2;
    let mut rotten = good.clone();
    rotten[middle] ^= 16;
    for bytes in [&rotten[..], &good[..middle]] {
        std::fs::write(&path, bytes).expect("written");
        let (exit, refused) = holdfast(&["backup", "verify", text(&path)]);
        assert_eq!((exit, &refused["error"]["kind"]), (1, &Value::from("refused")), "{refused}");
    }
}
