//! The driver against a small server that answers like Holdfast, in the same process as the test.
//!
//! What must hold: a true server passes, whatever happens to its connections; each planted violation is found and
//! said by the exit code. The binary is run as users run it. Not here: the real product.

#[path = "load/server.rs"]
mod server;

use chaos::history::{Heard, History, Task};
use serde_json::Value;
use server::{Fault, Server};
use std::process::Stdio;

/// Runs `chaos load` with these options against this server. Its exit code and its JSON.
async fn load(server: &Server, options: &str) -> (i32, Value) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["load", "--json", "-", "--seed", "7", "--timeout", "2s", "--settle-timeout", "500ms"]);
    command.args(["--target", &server.targets(), "--admin", &server.admin()]);
    command.args(options.split_whitespace()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("the driver runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let said = String::from_utf8_lossy(&output.stderr);
    let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"));
    (output.status.code().expect("an exit code"), json)
}

fn sum_of_targets(json: &Value, key: &str) -> u64 {
    json["targets"].as_array().expect("targets").iter().filter_map(|target| target[key].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_true_server_passes_and_every_request_is_accounted_for() {
    let server = Server::start(Fault::None).await;
    let (code, json) = load(&server, "-n 3000 --connections 7 --accounts 600 --hot 10 --repeat-share 20").await;
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["total"]["requests"], 3_000);
    assert_eq!(sum_of_targets(&json, "requests"), 3_000);
    assert_eq!(json["books"]["verdict"], "settled");
    assert_eq!(json["books"]["accounts"], 600);
    assert_eq!(json["promises"]["firm"], json["books"]["held_after"]);
    let tokens = json["promises"]["tokens"].as_u64().expect("a count");
    assert!((2_200..2_600).contains(&tokens), "{tokens} distinct tokens with a fifth repeated");
    let outcomes = json["total"]["outcomes"].as_array().expect("outcomes");
    assert!(outcomes.iter().any(|outcome| outcome["outcome"] == "replayed"), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome["status"] == 402), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_are_unknown_or_asked_again() {
    let server = Server::start(Fault::DropReplies).await;
    let (code, json) = load(&server, "-n 1000 --connections 4 --accounts 10").await;
    assert_eq!(code, 0, "{json:#}");
    let lost = json["total"]["lost"].as_u64().expect("a count");
    assert!(lost > 0 && json["unknown_requests"] == lost && json["promises"]["unknown_tokens"] == lost, "{json:#}");
    assert_eq!(json["total"]["requests"].as_u64(), Some(1_000 - lost));

    let (code, json) = load(&server, "-n 1000 --connections 4 --accounts 10 --retry --strict").await;
    assert_eq!(code, 0, "{json:#}");
    assert_eq!((&json["total"]["requests"], &json["unknown_requests"]), (&1_000.into(), &0.into()));
    assert!(json["total"]["lost"].as_u64() > Some(0) && json["total"]["reconnects"].as_u64() > Some(0));
    assert_eq!(json["promises"]["firm"].as_i64(), Some(held_by_run(&json)), "{json:#}");
}

fn held_by_run(json: &Value) -> i64 {
    let held = |key: &str| json["books"][key].as_i64().expect("an amount");
    held("held_after") - held("held_before")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_closed_politely_lose_nothing() {
    let server = Server::start(Fault::CloseAfterReply).await;
    let (code, json) = load(&server, "-n 600 --connections 5 --accounts 10 --strict").await;
    assert_eq!(code, 0, "{json:#}");
    assert_eq!((&json["total"]["requests"], &json["total"]["lost"]), (&600.into(), &0.into()));
    assert!(json["total"]["reconnects"].as_u64() > Some(50), "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_loop_sends_what_the_schedule_says() {
    let server = Server::start(Fault::None).await;
    let options = "--rate 1000 --duration 500ms --warmup 100ms --connections 16 --threads 2 --accounts 10";
    let (code, json) = load(&server, options).await;
    assert_eq!(code, 0, "{json:#}");
    let requests = json["total"]["requests"].as_u64().expect("a count");
    assert_eq!(requests + json["not_sent"].as_u64().expect("a count"), 500);
    assert_eq!(json["warmup_requests"], 100);

    let (code, json) = load(&server, "--rate 5000 -n 100 --connections 3 --threads 3 --accounts 10").await;
    assert_eq!((code, &json["total"]["requests"], &json["not_sent"]), (0, &100.into(), &0.into()), "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_target_is_passed_over() {
    let server = Server::start(Fault::None).await;
    let (_reserved, dead) = server::dead_address();
    let options = format!("--target {dead} -n 300 --connections 6 --accounts 10 --failover");
    let (code, json) = load(&server, &options).await;
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["total"]["requests"], 300);
    assert!(json["total"]["connect_errors"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_in_the_history() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("history.jsonl");
    let server = Server::start(Fault::DropReplies).await;
    let options = format!("-n 500 --connections 4 --accounts 10 --retry --history {}", path.display());
    let (code, json) = load(&server, &options).await;
    assert_eq!(code, 0, "{json:#}");
    let history = History::read(&path).expect("the history");
    assert!(history.complete);
    let attempts = history.ops.iter().filter(|op| matches!(op.task, Task::Authorize { .. }));
    let lost = attempts.clone().filter(|op| op.heard == Heard::Unknown).count() as u64;
    assert_eq!(Some(lost), json["total"]["lost"].as_u64());
    assert_eq!(attempts.count() as u64, 500 + lost);
    assert_eq!(history.ops.len() as u64, 500 + lost + 10, "and the openings of all accounts");
    // The checkers read it. This server declines by the amount's last digit, which no ledger does; and it has no
    // accounts to list.
    let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_chaos"));
    check.arg("check").arg(&path).args(["--patience", "0", "--admin", &server.admin()]).kill_on_drop(true);
    let output = check.output().await.expect("the checkers run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in ["token         held", "linear        VIOLATED", "money         inconclusive"] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_violations_are_found() {
    for (fault, options, verdict) in [
        (Fault::AnotherBody, "--repeat-share 50", "settled"),
        (Fault::HoldTooSmall, "", "violated"),
        (Fault::HoldTooLarge, "", "violated"),
        (Fault::Posts, "", "violated"),
        (Fault::ServerError, "--strict", "settled"),
    ] {
        let server = Server::start(fault).await;
        let (code, json) = load(&server, &format!("-n 400 --connections 4 --accounts 10 {options}")).await;
        assert_eq!((code, &json["books"]["verdict"]), (1, &verdict.into()), "{fault:?}: {json:#}");
        assert!(!json["findings"].as_array().expect("findings").is_empty());
        assert_eq!(json["exit_code"], 1);
        let differs = json["promises"]["mismatches"].as_u64() > Some(0);
        assert_eq!(differs, fault == Fault::AnotherBody, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn voids_that_never_come_through_are_inconclusive() {
    let server = Server::start(Fault::UndecidedHolds).await;
    let (code, json) = load(&server, "-n 400 --connections 4 --accounts 10").await;
    assert_eq!((code, &json["books"]["verdict"]), (3, &"unsettled".into()), "{json:#}");
    assert!(json["total"]["undecided_ppm"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_inconclusive() {
    let server = Server::start(Fault::None).await;
    let (_reserved, dead) = server::dead_address();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["load", "--target", &dead, "--admin", &server.admin(), "--accounts", "3"]);
    command.args(["--duration", "200ms", "--warmup", "0ms"]);
    let output = command.output().await.expect("the driver runs");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no target has answered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_server_is_loaded_by_the_same_driver() {
    let server = Server::start(Fault::None).await;
    let (code, json) = load(&server, "--plain -n 1000 --connections 4 --strict").await;
    assert_eq!(code, 0, "{json:#}");
    assert_eq!((&json["total"]["requests"], &json["books"]), (&1_000.into(), &Value::Null));
}
