//! Settings that come into force while a node runs, and what is said of the others.

#[path = "support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "support/fleet.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod fleet;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use cluster::{Ask, LONG, outcome};
use fleet::Fleet;
use process::wait_until;
use rustix::process::Signal;
use serde_json::Value;

const LIMITS: &str = "per_transaction = \"50.00 USD\"\nper_account = \"90.00 USD\"\nper_account_count = 30\n\
                      per_node = \"100.00 USD\"\n";

/// What a node says alone, as it says itself.
fn alone(fleet: &Fleet) -> (String, Value) {
    let (_, told, said) = fleet.ctl_at(&[1], &["standin", "status"]);
    let node = told["nodes"].get(0).unwrap_or_else(|| panic!("{told} {said}")).clone();
    (node["policy"].as_str().unwrap_or_default().to_owned(), node["exposure"].clone())
}

fn told(fleet: &mut Fleet, settings: &str) {
    fleet.tell(settings);
    fleet.running.values().for_each(|node| node.signal(Signal::HUP));
}

#[test]
fn what_is_said_alone_changes_while_a_node_runs_and_keeps_what_was_used() {
    // They look by themselves only once an hour: what happens here comes by the signal.
    let decline = "[tls]\nlook_s = 3600\n[standin]\npolicy = \"decline\"\n";
    let approve = format!("[tls]\nlook_s = 3600\n[log]\nrequests = true\n[standin]\npolicy = \"approve\"\n{LIMITS}");
    let mut fleet = Fleet::start(decline);
    fleet.order(&["account", "open", "alice", "--currency", "USD", "--credit", "1000.00"]);
    assert_eq!(alone(&fleet), ("decline".to_owned(), Value::Null));
    told(&mut fleet, &approve);
    wait_until("the new policy", LONG, || alone(&fleet).0 == "approve");
    assert_eq!(alone(&fleet).1["left"], "100.00");

    let order = ["breaker", "force-open", "--who", "a test", "--why", "settings"];
    let (code, _, said) = fleet.ctl_at(&[1], &order);
    assert_eq!(code, 0, "{said}");
    let ask = |fleet: &Fleet, token: &str| {
        let ask = Ask { token: token.to_owned(), user: "alice".to_owned(), cents: 2_000 };
        let answer = fleet.ask(1, &ask).expect("an answer");
        (answer.status, outcome(&answer).to_owned())
    };
    let mut tries = 0;
    wait_until("a node that knows the account", LONG, || {
        tries += 1;
        ask(&fleet, &format!("alone-{tries}")) == (200, "stand-in".to_owned())
    });
    assert_eq!(alone(&fleet).1["left"], "80.00");
    // Smaller limits count what was used under the larger ones; another window waits, though it was changed with them.
    told(&mut fleet, &format!("{}window_s = 60\n", approve.replace("100.00", "30.00")));
    wait_until("the smaller limit", LONG, || alone(&fleet).1["left"] == "10.00");
    assert_eq!(ask(&fleet, "too-much").0, 402);

    // What waits for a restart is named, and does not keep the rest from coming into force.
    told(&mut fleet, &format!("{decline}[jit]\ndeadline_ms = 700\n"));
    wait_until("the first policy", LONG, || alone(&fleet).0 == "decline");
    let mut node = fleet.running.remove(&1).expect("it runs");
    node.signal(Signal::INT);
    let (_, log) = node.wait_end(LONG);
    assert!(log.contains("new settings are in force") && log.contains("standin.per_node"), "{log}");
    assert!(log.contains("changed settings come into force at a restart: jit.deadline_ms"), "{log}");
}
