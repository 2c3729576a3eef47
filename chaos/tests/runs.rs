//! Whole runs of `chaos run` against the product: what needs an orchestrator, and that what a scenario judges beside
//! the histories is seen when it is wrong.
//!
//! What must hold: a run that cannot be made here says `unsupported: …` and claims nothing. Everything that a test
//! starts dies with it; one cluster at a time. Run by `cargo test -p chaos --features planted --test runs`.

#[path = "planted/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "../../tests/support/ports.rs"]
mod ports;
#[path = "../../tests/support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "planted/product.rs"]
mod product;

use cluster::{Cluster, LONG};
use process::{Process, wait_until};
use product::product;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// A scenario of half a minute, and what is around it, on a busy machine.
const RUN_MAX: Duration = Duration::from_secs(300);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    // A test that failed has left nothing behind: its cluster is gone.
    ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner())
}

/// A scenario for debug builds that share two cores: only what it is about is judged.
fn scenario(requires: &str, duration_ms: u64, timeline: &str, invariants: &str) -> String {
    format!(
        "title: A test\nwhy: It must be seen.\nseed: 5\nrequires: [{requires}]\n\
         load: {{ rate_per_s: 60, duration_ms: {duration_ms}, connections: 60, deadline_ms: 3000, timeout_ms: 3000 }}\n\
         timeline:\n{timeline}expect: {{ server_errors_max: 0 }}\ninvariants: [{invariants}]\n"
    )
}

/// Runs it; gives its exit code and its report.
fn run(dir: &Path, scenario: &str, words: &[&str], env: &[(&str, &str)]) -> (i32, serde_json::Value) {
    let file = dir.join("test.yaml");
    std::fs::write(&file, scenario).expect("write the scenario");
    let out = dir.join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST")) {
        command.env_remove(name);
    }
    command.env("HOLDFAST__JIT__DEADLINE_MS", "2500").env("HOLDFAST__STANDIN__OPEN_AFTER_MS", "5000");
    command.arg("run").arg(&file).arg("--out").arg(&out).args(words).envs(env.iter().copied());
    let mut chaos = Process::start(&mut command);
    let (status, said) = chaos.wait_end(RUN_MAX);
    let code = status.code().unwrap_or_else(|| panic!("{status}: {said}"));
    let mut runs = std::fs::read_dir(&out).unwrap_or_else(|error| panic!("{code}: {said} {error}")).flatten();
    let run = runs.find(|entry| entry.path().is_dir()).unwrap_or_else(|| panic!("no report: {said}"));
    let text = std::fs::read_to_string(run.path().join("report.json")).unwrap_or_else(|_| panic!("no report: {said}"));
    let report: serde_json::Value = serde_json::from_str(&text).expect("a report");
    println!("{code}: {} {}", report["verdict"], report["reasons"]);
    (code, report)
}

/// Whether it can be made here; said if not.
fn possible(code: i32, report: &serde_json::Value) -> bool {
    if code == 4 {
        println!("unsupported: {}", report["reasons"]);
    }
    code != 4
}

fn reasons(report: &serde_json::Value) -> String {
    report["reasons"].to_string()
}

/// A program that runs the product with a library before it.
fn wrapped(dir: &Path, product: &Path, library: &Path) -> std::path::PathBuf {
    let script = dir.join("holdfast");
    let text = format!("#!/bin/sh\nLD_PRELOAD='{}' exec '{}' \"$@\"\n", library.display(), product.display());
    std::fs::write(&script, text).expect("write a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("make it a program");
    script
}

const GROW: &str = "  - { at_ms: 2000, for_ms: 6000, on: all, fault: add-member }\n";

#[test]
fn a_node_that_is_added_is_a_member_and_a_member_that_is_none_is_seen() {
    let _turn = turn();
    let product = product().to_str().expect("UTF-8");
    let scenario = scenario("members, admin", 12_000, GROW, "books, digests, members");
    for (plant, code) in [("", 0), ("ghost-member", 1)] {
        let dir = tempfile::tempdir().expect("a directory");
        let words = ["--holdfast", product];
        let (got, report) = run(dir.path(), &scenario, &words, &[("HOLDFAST_PLANT", plant)]);
        assert_eq!(got, code, "{plant}: {report:#}");
        assert_eq!(reasons(&report).contains("members: "), code == 1, "{plant}: {report:#}");
    }
}

const CUT: &str = "  - { at_ms: 3000, for_ms: 1000, on: all, fault: cut-power }\n";

#[test]
fn a_product_that_only_says_it_has_synced_is_caught_when_the_power_is_cut() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a directory");
    let (source, library) = (dir.path().join("lie.c"), dir.path().join("lie.so"));
    let lie = "int fdatasync(int file) { (void)file; return 0; }\nint fsync(int file) { (void)file; return 0; }\n";
    std::fs::write(&source, lie).expect("write a library");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("unsupported: no C compiler");
        return;
    }
    let liar = wrapped(dir.path(), product(), &library);
    let scenario = scenario("processes, power", 16_000, CUT, "books, same-bytes, digests");
    let words = ["--holdfast", liar.to_str().expect("UTF-8")];
    let (code, report) = run(dir.path(), &scenario, &words, &[]);
    if possible(code, &report) {
        assert_eq!(code, 1, "{report:#}");
    }
}

const ORDERS: &str = "  - { at_ms: 2000, on: leader, fault: delete-pod }
  - { at_ms: 9000, on: leader, fault: evict }
  - { at_ms: 16000, for_ms: 2000, on: follower, fault: drain }\n";

#[test]
fn pods_are_deleted_evicted_and_drained_by_kubectl() {
    let _turn = turn();
    if !Command::new("python3")
        .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("unsupported: no Python 3.10, which plays kubectl");
        return;
    }
    let cluster = Cluster::start(product(), &[]);
    let dir = tempfile::tempdir().expect("a directory");
    let tools = dir.path().join("tools");
    std::fs::create_dir(&tools).expect("make a directory");
    let kubectl = tools.join("kubectl");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs/kubectl.py"), &kubectl).expect("copy");
    std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).expect("make it a program");
    let calls = dir.path().join("calls");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let base = cluster.port_base().to_string();
    let env = [
        ("PATH", path.as_str()),
        ("FAKE_DIR", cluster.dir().to_str().expect("UTF-8")),
        ("FAKE_BASE", base.as_str()),
        ("FAKE_CALLS", calls.to_str().expect("UTF-8")),
    ];
    let words = ["--target", "kubernetes", "--namespace", "pay", "--statefulset", "hf", "--holdfast"];
    let words = [&words[..], &[product().to_str().expect("UTF-8")]].concat();
    let scenario = scenario("orchestrator", 26_000, ORDERS, "books, same-bytes, digests, terms");
    let (code, report) = run(dir.path(), &scenario, &words, &env);
    assert_eq!(code, 0, "{report:#}");
    let signs: Vec<String> =
        report["steps"].as_array().expect("steps").iter().map(|step| step["signs"].to_string()).collect();
    assert!(signs.len() == 3 && signs.iter().all(|signs| signs.contains("with uid uid-of-")), "{signs:?}");
    let mut said = String::new();
    wait_until("the machine to be given back", LONG, || {
        said = std::fs::read_to_string(&calls).expect("calls");
        said.contains("uncordon machine-")
    });
    for word in [
        "delete pod hf-",
        "create --raw /api/v1/namespaces/pay/pods/hf-",
        "drain machine-",
        "wait --for=condition=Ready pod/hf-",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
