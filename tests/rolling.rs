//! All nodes are restarted one after the other under load, as an upgrade does it: clients that follow readiness, as
//! behind a balancer, lose no request, get a decision to each, and none late.
//!
//! `tests/bench/rolling` does the same with release builds, at a fixed rate, and prints the figures.

#[path = "support/balanced.rs"]
mod balanced;
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

use balanced::{PATIENCE, under_load};
use fleet::Fleet;

#[test]
fn a_rolling_restart_loses_nothing_and_decides_everything() {
    let mut fleet = Fleet::start(PATIENCE);
    under_load(&mut fleet, |fleet, load| {
        for place in 1..=3 {
            load.wait_more(100);
            fleet.stop(place);
            fleet.bring_up(place);
            fleet.wait_ready(place);
            load.wait_used(place);
        }
    });
}
