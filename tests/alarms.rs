//! Alarms of real nodes: what raises each that an operator can bring about from outside, and where it is seen.
//!
//! Elsewhere: CERT_EXPIRY in `secure.rs`, RECONCILE in `restore.rs`, CLOCK_SKEW in chaos's scenario `clock-ahead`,
//! DIVERGED with a planted bug in `chaos/tests/planted.rs`.

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
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A node may approve 100.00 alone.
const APPROVE: &str = "[jit]\ndeadline_ms = 2500\n[standin]\npolicy = \"approve\"\nper_transaction = \"50.00 USD\"\n\
                       per_account = \"300.00 USD\"\nper_account_count = 30\nper_node = \"100.00 USD\"\n\
                       open_after_ms = 5000\n";
/// More than a disk of this machine has: the largest that the configuration allows.
const SPACE_MIN: (&str, &str) = ("HOLDFAST__NODE__SPACE_MIN_MIB", "1048576");
const TOKENS_MAX: (&str, &str) = ("HOLDFAST__NODE__TOKENS_MAX", "4");

/// The alarms that are raised at these places.
fn raised(fleet: &Fleet, places: &[u16]) -> BTreeSet<(u64, String)> {
    let (_, told, said) = fleet.ctl_at(places, &["alarms"]);
    let nodes = told["nodes"].as_array().unwrap_or_else(|| panic!("{told} {said}"));
    let of = |node: &serde_json::Value| {
        let alarms = node["alarms"].as_array().cloned().unwrap_or_default();
        let on = alarms.into_iter().filter(|alarm| alarm["state"] == "on");
        let id = node["id"].as_u64().expect("an id");
        on.map(|alarm| (id, alarm["name"].as_str().expect("a name").to_owned())).collect::<Vec<_>>()
    };
    nodes.iter().flat_map(of).collect()
}

/// Waits for an alarm of a node, which must then be on its page and in its metrics as well.
fn wait_raised(fleet: &Fleet, place: u16, name: &str) {
    wait_until(name, LONG, || raised(fleet, &[place]).contains(&(place.into(), name.to_owned())));
    let get = |path: &str| http::get(fleet.admin_http(place), path).expect("an answer").body;
    assert!(get("/").contains(&format!("<tr class=\"on\"><td>{name}")), "{}", get("/"));
    assert!(get("/metrics").contains(&format!("holdfast_alarm{{alarm=\"{name}\"}} 1")), "{name}");
}

/// Stops a node as a supervisor does, and starts it with this in its environment.
fn restart_with(fleet: &mut Fleet, place: u16, env: (&'static str, &'static str)) {
    fleet.stop(place);
    fleet.program.env = vec![env];
    fleet.bring_up(place);
    fleet.wait_ready(place);
}

fn ask(fleet: &Fleet, place: u16, token: &str, cents: u64) -> (u16, String) {
    let ask = Ask { token: token.to_owned(), user: "alice".to_owned(), cents };
    let answer = fleet.ask(place, &ask).expect("an answer");
    (answer.status, outcome(&answer).to_owned())
}

/// The newest snapshot of a node.
fn newest_snapshot(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("snapshots")).expect("a directory");
    let files = files.map(|file| file.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|end| end == "snapshot")).max().expect("a snapshot")
}

#[test]
fn each_alarm_is_raised_by_its_cause_and_by_nothing_else() {
    let mut fleet = Fleet::start(APPROVE);
    fleet.order(&["account", "open", "alice", "--currency", "USD", "--credit", "1000.00"]);
    for number in 0..8 {
        assert_eq!(ask(&fleet, 2, &format!("early-{number}"), 1).0, 200);
    }
    assert_eq!(raised(&fleet, &[1, 2, 3]), BTreeSet::new(), "all is well");
    assert_eq!(fleet.ctl(&["alarms"]).0, 0);

    restart_with(&mut fleet, 2, TOKENS_MAX);
    wait_raised(&fleet, 2, "DEDUP_NEAR_FULL");
    assert_eq!(fleet.ctl(&["alarms"]).0, 1);

    // Node 3 twice: a bit of its newest snapshot, and a disk that is too small for what is asked of it.
    let (code, _, said) = fleet.ctl_at(&[3], &["cluster", "snapshot"]);
    assert_eq!(code, 0, "{said}");
    fleet.stop(3);
    let snapshot = newest_snapshot(&fleet.data(3));
    let mut bytes = std::fs::read(&snapshot).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&snapshot, bytes).expect("written");
    fleet.program.env = vec![SPACE_MIN];
    fleet.bring_up(3);
    fleet.wait_ready(3);
    wait_raised(&fleet, 3, "CORRUPT");
    wait_raised(&fleet, 3, "NOSPACE");

    let order = ["breaker", "force-open", "--who", "a test", "--why", "alarms"];
    let (code, _, said) = fleet.ctl_at(&[1], &order);
    assert_eq!(code, 0, "{said}");
    let (mut tries, mut alone) = (0, 0);
    wait_until("80.00 approved alone", LONG, || {
        tries += 1;
        alone += u64::from(ask(&fleet, 1, &format!("alone-{tries}"), 2_000) == (200, "stand-in".to_owned()));
        alone == 4
    });
    wait_raised(&fleet, 1, "STANDIN_BUDGET");

    let names = |fleet: &Fleet| raised(fleet, &[1, 2, 3]).into_iter().map(|(id, name)| format!("{id} {name}"));
    let expected = ["1 STANDIN_BUDGET", "2 DEDUP_NEAR_FULL", "3 CORRUPT", "3 NOSPACE"];
    assert_eq!(names(&fleet).collect::<Vec<_>>(), expected, "nothing else");
    // Two of three are gone: the third says so by itself.
    fleet.running.remove(&2);
    fleet.running.remove(&3);
    wait_raised(&fleet, 1, "NO_QUORUM");
}
