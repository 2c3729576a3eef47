//! A cluster whose members change while it answers, step by step as docs/members.md says: grown from three to five and
//! back, and with a node replaced whose disk was lost.

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

use cluster::{Ask, LONG, PATIENT, outcome};
use fleet::Fleet;
use process::wait_until;
use rustix::process::Signal;

/// Debug builds of five nodes share two cores.
const PATIENCE: &str = "[jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n";

fn start() -> Fleet {
    assert_eq!(PATIENT[0].1, "2500", "the same patience as the other tests");
    let fleet = Fleet::start(PATIENCE);
    fleet.order(&["account", "open", "alice", "--currency", "USD"]);
    fleet.order(&["account", "credit", "alice", "100.00", "--currency", "USD", "--key", "first"]);
    fleet
}

/// One cent through a node, which must decide it.
fn authorize(fleet: &Fleet, place: u16, token: &str) -> String {
    let ask = Ask { token: token.to_owned(), user: "alice".to_owned(), cents: 1 };
    let mut body = String::new();
    wait_until("a decision", LONG, || {
        let answer = fleet.ask(place, &ask);
        answer.is_ok_and(|answer| {
            body.clone_from(&answer.body);
            answer.status == 200 && matches!(outcome(&answer), "decided" | "replayed")
        })
    });
    body
}

fn held(fleet: &Fleet) -> String {
    let (_, account) = fleet.ctl(&["account", "show", "alice"]);
    account["balances"]["USD"]["held"].as_str().unwrap_or_default().to_owned()
}

/// All members have the same books.
fn agree(fleet: &Fleet) {
    wait_until("all to agree", LONG, || fleet.ctl(&["verify"]).0 == 0);
}

/// The id of the member at a place.
fn id_at(fleet: &Fleet, place: u16) -> u64 {
    let members = fleet.members();
    let newest = members.iter().filter(|(_, _, at)| *at == place).map(|(id, _, _)| *id).max();
    newest.unwrap_or_else(|| panic!("nobody at place {place}: {members:?}"))
}

#[test]
fn three_nodes_become_five_and_three_again_while_they_answer() {
    let mut fleet = start();
    let first = authorize(&fleet, 1, "of-three");
    for place in [4, 5] {
        fleet.bring_up(place);
        fleet.wait_ready(place);
        let id = id_at(&fleet, place);
        assert_eq!(fleet.members().iter().find(|(other, _, _)| *other == id).expect("a member").1, "learner");
        // It answers before it votes.
        authorize(&fleet, place, &format!("through-learner-{place}"));
    }
    fleet.order(&["cluster", "promote", "4"]);
    // The other one, and whoever else had joined.
    fleet.order(&["cluster", "promote", "--until", "5", "--wait-s", "60"]);
    let voters = fleet.order(&["cluster", "promote", "4"])["voters"].clone();
    assert_eq!(voters, serde_json::json!([1, 2, 3, 4, 5]));
    // Five bear the loss of two.
    for place in [2, 3] {
        fleet.running.remove(&place);
    }
    authorize(&fleet, 5, "without-two");
    for place in [2, 3] {
        fleet.bring_up(place);
        fleet.wait_ready(place);
    }
    agree(&fleet);
    // A node that leads is not taken out before it has handed over.
    fleet.order(&["cluster", "transfer-leader", "--to", "5"]);
    let (code, refused) = fleet.ctl(&["cluster", "remove", "5"]);
    assert_eq!(code, 1, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap_or_default().contains("transfer-leader"), "{refused}");
    fleet.order(&["cluster", "transfer-leader", "--to", "1"]);
    for place in [5, 4] {
        let id = id_at(&fleet, place);
        fleet.order(&["cluster", "remove", &id.to_string()]);
        let mut gone = fleet.running.remove(&place).expect("it runs");
        let (status, said) = gone.wait_end(LONG);
        assert!(said.contains("was removed from the cluster"), "{status} {said}");
    }
    assert_eq!(authorize(&fleet, 2, "of-three"), first, "the same bytes for ever");
    assert_eq!(held(&fleet), "0.04");
    agree(&fleet);
}

#[test]
fn a_node_whose_disk_is_lost_is_replaced() {
    let mut fleet = start();
    authorize(&fleet, 1, "before");
    let lost = fleet.running.remove(&2).expect("it runs");
    lost.signal(Signal::KILL);
    drop(lost);
    std::fs::remove_dir_all(fleet.data(2)).expect("the disk is gone");
    authorize(&fleet, 3, "without-it");
    fleet.bring_up(2);
    fleet.wait_ready(2);
    let id = id_at(&fleet, 2);
    assert_eq!(id, 4, "2 is the lost one's for ever");
    fleet.order(&["cluster", "replace", "2", &id.to_string()]);
    let members = fleet.members();
    let ids: Vec<u64> = members.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(ids, [1, 3, 4], "{members:?}");
    // Its restart finds who it is on its disk.
    drop(fleet.running.remove(&2));
    fleet.bring_up(2);
    fleet.wait_ready(2);
    authorize(&fleet, 2, "after");
    assert_eq!(held(&fleet), "0.03");
    agree(&fleet);
}
