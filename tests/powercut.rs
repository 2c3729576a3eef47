//! The power is cut under load, at all nodes at once or at one, also while a snapshot is taken: nothing acknowledged
//! is missing afterwards, and every node answers it with the same bytes.
//!
//! `HOLDFAST_ROUNDS` says how often (default 2 of each). Where the machine cannot do it the tests print
//! `unsupported: power cut: …` and claim nothing; with `HOLDFAST_REQUIRE_POWERCUT=1` they fail then. Run with
//! `--nocapture` to see what was done.

#[path = "support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/loop_disk.rs"]
mod loop_disk;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use cluster::{Ask, Cluster, LONG, outcome};
use loop_disk::{Bench, Disk};
use process::wait_until;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const ASKING: u64 = 8;
/// More than any demo account has: declined, and the decline must be remembered too.
const TOO_MUCH: u64 = 500_000;

/// One token, and the decision that was acknowledged: none if no answer came, or an undecided one.
struct Told {
    ask: Ask,
    decision: Option<(u16, String)>,
}

/// A cluster whose nodes keep their things on disks of their own.
struct Site {
    cluster: Cluster,
    disks: Vec<Disk>,
    bench: Bench,
    told: Mutex<Vec<Told>>,
    counter: AtomicU64,
    snapshots_hit: u64,
}

/// Ends the load, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The tests share two cores: one at a time.
static ONE: Mutex<()> = Mutex::new(());

fn rounds() -> u64 {
    let text = std::env::var("HOLDFAST_ROUNDS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// The bench, or a loud word that this machine has none.
fn bench() -> Option<Bench> {
    match Bench::new() {
        Ok(bench) => Some(bench),
        Err(reason) => {
            println!("unsupported: power cut: {reason}");
            let required = std::env::var("HOLDFAST_REQUIRE_POWERCUT").is_ok_and(|value| value == "1");
            assert!(!required, "HOLDFAST_REQUIRE_POWERCUT is set: {reason}");
            None
        }
    }
}

impl Site {
    /// `up` takes only an empty directory: so it begins on the ordinary disk, and what its nodes have moves.
    fn new(bench: Bench, more: &[&str]) -> Site {
        let mut cluster = Cluster::start(&[]);
        cluster.up.signal(Signal::INT);
        assert!(cluster.up.wait_end(LONG).0.success());
        let mut disks = Vec::new();
        for node in 1..=3 {
            let disk = bench.disk(&format!("disk-{node}")).expect("make a disk");
            let (from, to) = (cluster.dir.path().join(format!("node-{node}")), disk.data());
            let copied = Command::new("cp").arg("-a").args([&from, &to]).status();
            assert!(copied.expect("run cp").success());
            std::fs::remove_dir_all(&from).expect("remove what was copied");
            std::os::unix::fs::symlink(&to, &from).expect("point to the disk");
            disks.push(disk);
        }
        assert!(Command::new("sync").status().expect("run sync").success());
        cluster.start_again(more);
        let (told, counter) = (Mutex::new(Vec::new()), AtomicU64::new(0));
        Site { cluster, disks, bench, told, counter, snapshots_hit: 0 }
    }

    fn count(&self) -> usize {
        self.told.lock().expect("no panic").len()
    }

    /// Asks until told to stop; what a node does not answer is repeated at another one.
    fn ask_on(&self, worker: u64, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let cents = if number % 10 == 9 { TOO_MUCH } else { 1 };
            let (token, user) = (format!("load-{number}"), format!("demo-{}", 11 + worker));
            let ask = Ask { token, user, cents };
            let nodes = (0..3).cycle().skip((number % 3) as usize).take(12);
            let answer = nodes.map(|node| self.cluster.ask(1 + node, &ask)).find_map(Result::ok);
            let fair = answer.iter().all(|answer| matches!(answer.status, 200 | 402));
            assert!(fair, "only 200 and 402");
            let decided = answer.filter(|answer| matches!(outcome(answer), "decided" | "replayed"));
            let decision = decided.map(|answer| (answer.status, answer.body));
            self.told.lock().expect("no panic").push(Told { ask, decision });
        }
    }

    /// Cuts the power of these nodes' disks under load, every other time while snapshots are being taken; `after` runs
    /// while the load goes on.
    fn cut(&mut self, nodes: &[u16], round: u64, after: impl FnOnce(&Site)) {
        let stop = AtomicBool::new(false);
        let of: Vec<&Disk> = nodes.iter().map(|node| &self.disks[usize::from(node - 1)]).collect();
        let site = &*self;
        let hit = std::thread::scope(|scope| {
            let _end = End(&stop);
            for worker in 0..ASKING {
                let stop = &stop;
                scope.spawn(move || site.ask_on(worker, stop));
            }
            let armed = site.bench.arm(&of).expect("arm");
            // Never the same place in a segment or a group.
            let enough = site.count() + 60 + (round as usize * 37) % 150;
            wait_until("load before the cut", LONG, || site.count() > enough);
            let mut snapshots = Vec::new();
            if round % 2 == 1 {
                snapshots.extend(nodes.iter().map(|node| site.snapshot(*node)));
                let seen = std::time::Instant::now();
                while !of.iter().any(|disk| disk.has_half_written()) && seen.elapsed().as_millis() < 500 {
                    std::thread::yield_now();
                }
            }
            armed.cut().expect("cut the power");
            // From here on nothing gets its name any more.
            let hit = of.iter().filter(|disk| disk.has_half_written()).count();
            assert!(of.iter().all(|disk| disk.is_off()), "a disk takes writes after the cut");
            after(site);
            for mut snapshot in snapshots {
                let _ = snapshot.kill();
                let _ = snapshot.wait();
            }
            hit as u64
        });
        self.snapshots_hit += hit;
    }

    /// Lets a node take a snapshot, without waiting for it.
    fn snapshot(&self, node: u16) -> std::process::Child {
        let endpoint = format!("127.0.0.1:{}", self.cluster.admin_http(node) + 10);
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(["ctl", "--endpoint", &endpoint, "cluster", "snapshot"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("run ctl")
    }

    /// Takes the disk off and puts it back on, as a machine does that starts again.
    fn power_on(&mut self, node: u16) {
        let disk = &mut self.disks[usize::from(node - 1)];
        disk.unmount();
        disk.mount().expect("mount again");
    }

    /// Every acknowledged decision stands, on every node, in the same bytes; what had none gets one now, the same from
    /// every node. So the books must hold exactly what was approved. Gives the answers compared.
    fn check(&self, from: usize) -> u64 {
        let mut told = self.told.lock().expect("no panic");
        let share = told.len().saturating_sub(from).div_ceil(4).max(1);
        let compared = std::thread::scope(|scope| {
            let threads: Vec<_> = told[from..]
                .chunks_mut(share)
                .map(|lines| scope.spawn(|| lines.iter_mut().map(|line| self.same_everywhere(line)).sum::<u64>()))
                .collect();
            let done = threads.into_iter().map(|thread| thread.join().expect("a checker"));
            done.sum()
        });
        let mut approved: BTreeMap<&str, u64> = BTreeMap::new();
        let yes = |line: &&Told| line.decision.as_ref().is_some_and(|(status, _)| *status == 200);
        for line in told.iter().filter(yes) {
            *approved.entry(&line.ask.user).or_default() += line.ask.cents;
        }
        for (user, cents) in approved {
            let expected = format!("{}.{:02}", cents / 100, cents % 100);
            assert_eq!(self.cluster.held(user), expected, "{user}");
        }
        self.cluster.verify();
        compared
    }

    fn same_everywhere(&self, line: &mut Told) -> u64 {
        for node in 1..=3 {
            let mut answer = None;
            wait_until("a decision", LONG, || {
                answer = self.cluster.ask(node, &line.ask).ok();
                answer.as_ref().is_some_and(|answer| matches!(outcome(answer), "decided" | "replayed"))
            });
            let answer = answer.expect("a decision");
            let lost = line.decision.is_some() && outcome(&answer) == "decided";
            assert!(!lost, "{} was acknowledged and is forgotten", line.ask.token);
            let now = (answer.status, answer.body);
            assert_eq!(*line.decision.get_or_insert_with(|| now.clone()), now, "{}", line.ask.token);
        }
        3
    }

    fn report(&self, cuts: u64, during: &str, compared: u64) {
        let (told, hit) = (self.count(), self.snapshots_hit);
        println!("{cuts} cuts of {during}: {told} tokens, {compared} answers compared, none lost, none changed");
        println!("{hit} disks were cut with a snapshot half written");
    }
}

#[test]
fn a_power_cut_of_all_nodes_loses_nothing() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(bench) = bench() else { return };
    let mut site = Site::new(bench, &[]);
    let mut compared = 0;
    for round in 0..rounds() {
        let from = site.count();
        let pids = [1, 2, 3].map(|node| site.cluster.pid(node));
        site.cut(&[1, 2, 3], round, |_| {
            for pid in pids.into_iter().filter(|pid| !process::is_gone(*pid)) {
                process::send(pid, Signal::KILL);
            }
        });
        site.cluster.up.signal(Signal::INT);
        assert!(site.cluster.up.wait_end(LONG).0.success());
        for node in 1..=3 {
            site.power_on(node);
        }
        site.cluster.start_again(&[]);
        compared += site.check(from);
        site.report(round + 1, "all nodes", compared);
    }
    compared += site.check(0);
    site.report(rounds(), "all nodes", compared);
}

#[test]
fn a_power_cut_of_one_node_loses_nothing() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(bench) = bench() else { return };
    let mut site = Site::new(bench, &["--restart-after", "1"]);
    let mut compared = 0;
    for round in 0..rounds() {
        let from = site.count();
        let leader = site.cluster.leader();
        let victim = if round % 4 < 2 { leader } else { 1 + leader % 3 };
        let pid = site.cluster.pid(victim);
        site.cut(&[victim], round, |site| {
            if !process::is_gone(pid) {
                process::send(pid, Signal::KILL);
            }
            let enough = site.count() + 150;
            wait_until("the others to go on", LONG, || site.count() > enough);
        });
        // `up` tries the node again and again meanwhile: without its disk it must not begin anew.
        site.power_on(victim);
        compared += site.check(from);
        site.report(round + 1, "one node", compared);
    }
    compared += site.check(0);
    site.report(rounds(), "one node", compared);
}
