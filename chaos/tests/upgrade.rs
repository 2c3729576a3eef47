//! Two builds of the product, one version of the cluster apart, side by side: an upgrade node by node under load, what
//! is new waiting for the last node, the way back while there is one, and its end.
//!
//! What must hold: the older build is the plain one, the newer one has the feature `planted` and is told by
//! `HOLDFAST_PLANT=next-version` that it understands one version more, with which controls came. Both are built here,
//! each into a directory of its own. Run by `cargo test -p chaos --features planted --test upgrade`.

#[path = "../../tests/support/balanced.rs"]
mod balanced;
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

use balanced::{PATIENCE, under_load};
use cluster::LONG;
use fleet::{Fleet, Program};
use process::wait_until;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Builds the product into a directory of its own below `target`.
fn built(target: &str, features: &[&str], env: &[(&'static str, &'static str)]) -> Program {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join(target);
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "holdfast", "--target-dir"]).arg(&target);
    for feature in features {
        command.args(["--features", feature]);
    }
    let status = command.current_dir(&root).status().expect("run cargo");
    assert!(status.success(), "the product cannot be built into {}", target.display());
    Program { binary: target.join("debug/holdfast"), env: env.to_vec() }
}

/// Replaces a node by one of another build.
fn replace(fleet: &mut Fleet, place: u16, program: &Program) {
    fleet.stop(place);
    fleet.program = program.clone();
    fleet.bring_up(place);
    fleet.wait_ready(place);
}

fn status(fleet: &Fleet) -> Value {
    fleet.order(&["cluster", "status"])
}

fn understood(fleet: &Fleet) -> Value {
    let nodes = status(fleet)["nodes"].as_array().cloned().unwrap_or_default();
    json!(nodes.iter().map(|node| node["cluster_version_max"].clone()).collect::<Vec<_>>())
}

fn wait_version(fleet: &Fleet, version: u64) {
    wait_until("the cluster's version", LONG, || status(fleet)["cluster_version"] == json!(version));
}

#[test]
fn an_upgrade_node_by_node_loses_nothing_and_ends_the_way_back() {
    let now = built("target", &[], &[]);
    let next = built("target/planted", &["planted"], &[("HOLDFAST_PLANT", "next-version")]);
    let mut fleet = Fleet::start_from(now.clone(), PATIENCE);
    // What this build understands, and one more.
    let said = || understood(&fleet)[0].as_u64().filter(|old| *old > 0 && understood(&fleet) == json!([old, old, old]));
    wait_until("all nodes to say what they understand", LONG, || said().is_some());
    let old = said().expect("it does not change");
    let new = old + 1;
    wait_version(&fleet, old);
    let controls = fleet.dir.path().join("controls.toml");
    std::fs::write(&controls, "[settings]\nhold_days = 8\n").expect("write controls");
    let set = ["controls", "set", controls.to_str().expect("UTF-8")];
    under_load(&mut fleet, |fleet, load| {
        // As Kubernetes does it: the highest number first. And back again, while there is a way back.
        for program in [&next, &now, &next] {
            replace(fleet, 3, program);
            load.wait_used(3);
            load.wait_more(100);
        }
        assert_eq!(understood(fleet), json!([old, old, new]));
        replace(fleet, 2, &next);
        load.wait_used(2);
        load.wait_more(100);
        // Whoever leads: the newer build knows what not all understand, and does not propose it.
        for place in [2, 3] {
            let (code, _, said) = fleet.ctl_at(&[place], &set);
            assert_eq!(code, 1, "{said}");
            assert!(said.contains(&format!("needs cluster version {new}, and the cluster has {old}")), "{said}");
        }
        assert_eq!(status(fleet)["cluster_version"], old);
        replace(fleet, 1, &next);
        load.wait_used(1);
        wait_version(fleet, new);
        load.wait_more(100);
    });
    assert_eq!(understood(&fleet), json!([new, new, new]));
    fleet.order(&set);
    // There is no way back now, and a node that tried it comes up again as it was.
    fleet.stop(3);
    fleet.program = now;
    fleet.bring_up(3);
    let (ended, said) = fleet.running.remove(&3).expect("started").wait_end(LONG);
    assert_eq!(ended.code(), Some(1), "{said}");
    let why = format!("the cluster has version {new}, and this program understands up to {old}");
    assert!(said.contains(&why), "{said}");
    fleet.program = next;
    fleet.bring_up(3);
    fleet.wait_ready(3);
    wait_until("all to agree", LONG, || fleet.ctl(&["verify"]).0 == 0);
}
