//! All nodes are restarted one after the other under load, as an upgrade does it: clients that follow readiness, as
//! behind a balancer, lose no request, get a decision to each, and none late.
//!
//! `tests/bench/rolling` does the same with release builds, at a fixed rate, and prints the figures.

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
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Clients, each with one request at a time on a connection of its own: what two busy cores with debug builds bear.
const CLIENTS: u64 = 4;
/// A balancer takes two checks at this distance.
const CHECK: Duration = Duration::from_millis(50);
/// The deadline of the nodes and what a client's own scheduling may add on a loaded machine.
const SLOWEST_MAX: Duration = Duration::from_millis(2_600);

/// Debug builds share two cores: a deadline that asks what is decided, and how long a pause may be at most.
const PATIENCE: &str = "[jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n[shutdown]\nleave_ms = 1000\n";

/// What was answered, and how long it took.
struct Told {
    place: u16,
    status: u16,
    outcome: String,
    took: Duration,
}

/// Which places a balancer would use.
struct Pool([AtomicBool; 3]);

impl Pool {
    /// Checks until told to stop.
    fn watch(&self, ports: [u16; 3], stop: &AtomicBool) {
        let mut against = [0; 3];
        while !stop.load(Ordering::Relaxed) {
            for (place, port) in ports.into_iter().enumerate() {
                let good = http::get(port, "/readyz?quorum").is_ok_and(|answer| answer.status == 200);
                against[place] = if good == self.0[place].load(Ordering::Relaxed) { 0 } else { against[place] + 1 };
                if against[place] == 2 {
                    self.0[place].store(good, Ordering::Relaxed);
                    against[place] = 0;
                }
            }
            // Poll: as a balancer does.
            std::thread::sleep(CHECK);
        }
    }

    fn from(&self, place: u64) -> u16 {
        let mut round = (0..3).map(|step| ((place + step) % 3) as usize);
        round.find(|place| self.0[*place].load(Ordering::Relaxed)).map_or(1, |place| place as u16 + 1)
    }
}

/// Asks until told to stop, each request once: a lost one fails the test.
fn ask_on(jit: [u16; 3], pool: &Pool, client: u64, stop: &AtomicBool, next: &AtomicU64, told: &Mutex<Vec<Told>>) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let ask = Ask { token: format!("rolling-{number}"), user: format!("user-{client}"), cents: 1 };
        let place = pool.from(number);
        let started = Instant::now();
        let answer = http::post(jit[usize::from(place) - 1], "/v1/jit", fleet::BASIC, &ask.body());
        let answer = answer.unwrap_or_else(|error| panic!("{} was lost at node {place}: {error}", ask.token));
        let (status, outcome) = (answer.status, outcome(&answer).to_owned());
        told.lock().expect("no panic").push(Told { place, status, outcome, took: started.elapsed() });
    }
}

#[test]
fn a_rolling_restart_loses_nothing_and_decides_everything() {
    let mut fleet = Fleet::start(PATIENCE);
    for client in 0..CLIENTS {
        let user = format!("user-{client}");
        fleet.order(&["account", "open", &user, "--currency", "USD"]);
        fleet.order(&["account", "credit", &user, "1000.00", "--currency", "USD", "--key", &user]);
    }
    let jit = [1, 2, 3].map(|place| fleet.jit(place));
    let probes = [1, 2, 3].map(|place| fleet.admin_http(place));
    let pool = Pool([true, true, true].map(AtomicBool::new));
    let (stop, next, told) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| pool.watch(probes, &stop));
        for client in 0..CLIENTS {
            let (pool, stop, next, told) = (&pool, &stop, &next, &told);
            scope.spawn(move || ask_on(jit, pool, client, stop, next, told));
        }
        // Whatever fails in here ends the load too.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for place in 1..=3 {
                let enough = told.lock().expect("no panic").len() + 100;
                wait_until("load", LONG, || told.lock().expect("no panic").len() > enough);
                let mut node = fleet.running.remove(&place).expect("it runs");
                node.signal(Signal::TERM);
                let (status, said) = node.wait_end(LONG);
                assert_eq!(status.code(), Some(0), "{said}");
                fleet.bring_up(place);
                fleet.wait_ready(place);
                wait_until("it is used again", LONG, || pool.0[usize::from(place) - 1].load(Ordering::Relaxed));
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
    let told = told.into_inner().expect("no panic");
    let mut seen: BTreeMap<(u16, u16, &str), u64> = BTreeMap::new();
    for line in &told {
        *seen.entry((line.place, line.status, &line.outcome)).or_default() += 1;
    }
    let slowest = told.iter().map(|line| line.took).max().unwrap_or_default();
    println!("{} answers, slowest {slowest:?}: {seen:?}", told.len());
    assert!(told.iter().all(|line| line.status == 200 && line.outcome == "decided"), "{seen:?}");
    assert!(slowest < SLOWEST_MAX, "slowest {slowest:?}");
    let held: u64 = (0..CLIENTS).map(|client| held_cents(&fleet, client)).sum();
    assert_eq!(held, told.len() as u64, "each hold once");
    wait_until("all to agree", LONG, || fleet.ctl(&["verify"]).0 == 0);
}

fn held_cents(fleet: &Fleet, client: u64) -> u64 {
    let account = fleet.order(&["account", "show", &format!("user-{client}")]);
    let held = account["balances"]["USD"]["held"].as_str().expect("a balance").replace('.', "");
    held.parse().expect("an amount")
}
