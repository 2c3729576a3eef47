//! Load on three nodes as it comes through a balancer: clients that follow readiness, each request sent once.

use crate::cluster::{Ask, LONG, outcome};
use crate::fleet::{self, Fleet};
use crate::http;
use crate::process::wait_until;
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
pub const PATIENCE: &str = "[jit]\ndeadline_ms = 2500\n[standin]\nopen_after_ms = 5000\n[shutdown]\nleave_ms = 1000\n";

/// What was answered, and how long it took.
struct Told {
    place: u16,
    status: u16,
    outcome: String,
    took: Duration,
}

/// Load that is under way.
pub struct Load<'a> {
    pool: &'a Pool,
    told: &'a Mutex<Vec<Told>>,
}

impl Load<'_> {
    /// Waits until so many more requests were answered.
    pub fn wait_more(&self, count: usize) {
        let enough = self.told.lock().expect("no panic").len() + count;
        wait_until("load", LONG, || self.told.lock().expect("no panic").len() > enough);
    }

    /// Waits until the balancer sends requests to this place.
    pub fn wait_used(&self, place: u16) {
        wait_until("it is used again", LONG, || self.pool.0[usize::from(place) - 1].load(Ordering::Relaxed));
    }
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

/// Whether this answer is the cluster's own. It may be called a replay though its client asked once: where the way to a
/// leader breaks between its decision and its reply, the node asks the next leader for the same token again.
fn is_decided(line: &Told) -> bool {
    line.status == 200 && matches!(line.outcome.as_str(), "decided" | "replayed")
}

/// Asks while `steps` are done. No request may be lost, each must be decided, in time, and have its one hold.
pub fn under_load(fleet: &mut Fleet, steps: impl FnOnce(&mut Fleet, &Load<'_>)) {
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
        let load = Load { pool: &pool, told: &told };
        // Whatever fails in here ends the load too.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| steps(fleet, &load)));
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
    assert!(told.iter().all(is_decided), "{seen:?}");
    assert!(slowest < SLOWEST_MAX, "slowest {slowest:?}");
    let held: u64 = (0..CLIENTS).map(|client| held_cents(fleet, client)).sum();
    assert_eq!(held, told.len() as u64, "each hold once");
    wait_until("all to agree", LONG, || fleet.ctl(&["verify"]).0 == 0);
}

fn held_cents(fleet: &Fleet, client: u64) -> u64 {
    let account = fleet.order(&["account", "show", &format!("user-{client}")]);
    let held = account["balances"]["USD"]["held"].as_str().expect("a balance").replace('.', "");
    held.parse().expect("an amount")
}
