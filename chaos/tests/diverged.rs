//! A node whose books have come to differ from the others' is found by an audit, ends for good, and is told of.
//!
//! What must hold: the product is built with the feature `planted`; one of three nodes applies what is committed at its
//! own clock's time. Run by `cargo test -p chaos --features planted --test diverged`.

#[path = "../../tests/support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "../../tests/support/fleet.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod fleet;
#[path = "../../tests/support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "../../tests/support/ports.rs"]
mod ports;
#[path = "../../tests/support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "planted/product.rs"]
mod product;

use cluster::{Ask, LONG};
use fleet::{Fleet, Program};
use process::wait_until;
use serde_json::Value;

/// Books are compared as often as the configuration allows.
const SETTINGS: &str = "[audit]\ninterval_s = 10\n[jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n";

/// Which alarms a node raises, and why.
fn raised(fleet: &Fleet, place: u16) -> Vec<(String, String)> {
    let (_, told, _) = fleet.ctl_at(&[place], &["alarms"]);
    let alarms = told["nodes"][0]["alarms"].as_array().cloned().unwrap_or_default();
    let text = |alarm: &Value, key: &str| alarm[key].as_str().unwrap_or_default().to_owned();
    let on = alarms.iter().filter(|alarm| alarm["state"] == "on");
    on.map(|alarm| (text(alarm, "name"), text(alarm, "detail"))).collect()
}

#[test]
fn a_node_with_other_books_ends_for_good_and_the_leader_raises_the_alarm() {
    let honest = Program { binary: product::product().to_owned(), env: Vec::new() };
    let mut fleet = Fleet::start_from(honest.clone(), SETTINGS);
    fleet.running.remove(&3);
    fleet.program.env = vec![("HOLDFAST_PLANT", "own-clock")];
    fleet.bring_up(3);
    fleet.wait_ready(3);
    fleet.order(&["account", "open", "alice", "--currency", "USD", "--credit", "100.00"]);
    for place in 1..=3 {
        let ask = Ask { token: format!("hold-{place}"), user: "alice".to_owned(), cents: 100 };
        assert_eq!(fleet.ask(place, &ask).expect("an answer").status, 200);
    }
    let (ended, said) = fleet.running.remove(&3).expect("it runs").wait_end(LONG);
    assert!(!ended.success() && said.contains("differed from those of the majority"), "{said}");
    let diverged = ("DIVERGED".to_owned(), "node 3 has other books".to_owned());
    wait_until("the alarm", LONG, || [1, 2].iter().any(|place| raised(&fleet, *place).contains(&diverged)));
    // The others go on; it does not come back, also not as an honest program.
    let ask = Ask { token: "after".to_owned(), user: "alice".to_owned(), cents: 100 };
    assert_eq!(fleet.ask(2, &ask).expect("an answer").status, 200);
    fleet.program = honest;
    fleet.bring_up(3);
    let (ended, said) = fleet.running.remove(&3).expect("started").wait_end(LONG);
    assert!(!ended.success() && said.contains("differed from those of the majority"), "{said}");
}
