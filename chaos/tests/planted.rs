//! Checkers against the product: an honest one passes, and each of ten planted bugs is caught by the checker that is
//! there for it.
//!
//! What must hold: the product is built with the feature `planted`, once, into a directory of its own; `HOLDFAST_PLANT`
//! chooses the bug when a node starts. Everything that a test starts dies with it. One cluster at a time: these tests
//! share the machine's cores. Run by `cargo test -p chaos --features planted --test planted`.

#[path = "planted/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "../../tests/support/ports.rs"]
mod ports;
#[path = "../../tests/support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "planted/product.rs"]
mod product;

use chaos::admin::Admin;
use chaos::books;
use chaos::check::{self, Finding, Verdict};
use chaos::history::{History, Recorder, StandInLimits, append};
use chaos::workload::{self, Mix, Profile, Settings};
use cluster::Cluster;
use product::product;
use proto::admin::v1::{BooksRequest, BreakerMode, SetBreakerRequest};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Whole clusters of debug builds on two shared cores: the longest deadline that the configuration allows.
const PATIENT: [(&str, &str); 2] =
    [("HOLDFAST__JIT__DEADLINE_MS", "2500"), ("HOLDFAST__STANDIN__OPEN_AFTER_MS", "5000")];
/// The node's own deadline, and what a loaded machine adds to it.
const DEADLINE: Duration = Duration::from_millis(3_000);
/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A run: what the cluster is told, what is asked of it, and what is done to it.
struct Run {
    env: Vec<(&'static str, &'static str)>,
    profile: Profile,
    stories: u64,
    /// Nodes that are killed while stories are played.
    kill: &'static [u16],
    /// Node 1 alone is asked, while its breaker is held open; it is killed between two rounds of stories.
    alone: Option<StandInLimits>,
}

impl Default for Run {
    fn default() -> Self {
        let profile = Profile { accounts: 6, credit: 40_000, ..Profile::default() };
        Run { env: PATIENT.to_vec(), profile, stories: 600, kill: &[], alone: None }
    }
}

/// What was recorded, and what the checkers found in it.
struct Checked {
    history: History,
    findings: Vec<Finding>,
    took: Duration,
}

impl Run {
    /// Nodes approve alone, so much that a round of stories uses all of it.
    fn alone() -> Run {
        let limits = StandInLimits {
            nodes: 3,
            per_transaction: 5_000,
            per_account: 60_000,
            per_account_count: 300,
            per_node: 30_000,
            total: None,
            window_s: 86_400,
        };
        let mut env = PATIENT.to_vec();
        env.extend([
            ("HOLDFAST__STANDIN__POLICY", "approve"),
            ("HOLDFAST__STANDIN__PER_TRANSACTION", "50.00 USD"),
            ("HOLDFAST__STANDIN__PER_ACCOUNT", "600.00 USD"),
            ("HOLDFAST__STANDIN__PER_ACCOUNT_COUNT", "300"),
            ("HOLDFAST__STANDIN__PER_NODE", "300.00 USD"),
        ]);
        let mix = Mix { authorize: 1, live: 0, read: 0, change: 0 };
        let profile = Profile { mix, accounts: 6, credit: 100_000, ..Profile::default() };
        Run { env, profile, stories: 100, alone: Some(limits), ..Run::default() }
    }

    /// Plays it on a cluster of its own that has this bug, reads the books, and checks.
    fn play(&self, plant: &str) -> Checked {
        let binary = product();
        // A test that failed has left nothing behind: its cluster is gone.
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner());
        let began = Instant::now();
        let env: Vec<_> = self.env.iter().copied().chain([("HOLDFAST_PLANT", plant)]).collect();
        let mut cluster = Cluster::start(binary, &env);
        let directory = tempfile::tempdir().expect("make a directory");
        let path = directory.path().join("history.jsonl");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let writer = self.settings(&cluster, "").history(&path, self.alone).expect("a history");
        let recorder = writer.recorder();
        let stop = Arc::new(AtomicBool::new(false));
        let watching = runtime.spawn(watch(cluster.admins(), recorder.clone(), stop.clone()));
        if self.alone.is_some() {
            self.round(&mut cluster, &runtime, &recorder, "one");
            cluster.kill(1);
            runtime.block_on(breaker(&cluster.admins()[..1], BreakerMode::ForcedOpen));
            self.round(&mut cluster, &runtime, &recorder, "two");
            runtime.block_on(breaker(&cluster.admins()[..1], BreakerMode::Auto));
        } else {
            self.round(&mut cluster, &runtime, &recorder, "one");
        }
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(watching).expect("no panic");
        drop(recorder);
        writer.finish().expect("written");
        let mut history = History::read(&path).expect("a history");
        let admins = cluster.admins();
        history.books = runtime.block_on(async {
            let admin = Admin::new(&admins).expect("admin interfaces");
            books::collect(&admin, &history, cluster::LONG).await.expect("books")
        });
        append(&path, &history.books).expect("written");
        assert_eq!(History::read(&path).expect("a history"), history, "what is kept is what was checked");
        if let Ok(keep) = std::env::var("CHAOS_KEEP") {
            std::fs::copy(&path, Path::new(&keep).join(format!("planted-{plant}.jsonl"))).expect("kept");
        }
        let findings = check::all(&history);
        Checked { history, findings, took: began.elapsed() }
    }

    /// Opens accounts and plays stories under these names, while nodes are killed.
    fn round(&self, cluster: &mut Cluster, runtime: &Runtime, recorder: &Recorder, run: &str) {
        let settings = self.settings(cluster, run);
        runtime.block_on(workload::open(&settings, recorder)).expect("accounts");
        if self.alone.is_some() {
            // A node that was just started has no books to approve by, and would decline all of it.
            runtime.block_on(caught_up(&cluster.admins()[..1]));
            runtime.block_on(breaker(&cluster.admins()[..1], BreakerMode::ForcedOpen));
        }
        let recorder = recorder.clone();
        let playing = runtime.spawn(async move { workload::run(&settings, &recorder, &Arc::default()).await });
        self.kill.iter().for_each(|node| cluster.kill(*node));
        let summary = runtime.block_on(playing).expect("no panic").expect("played");
        assert_eq!((summary.stories, summary.reports_left), (self.stories, 0), "{summary:?}");
    }

    fn settings(&self, cluster: &Cluster, run: &str) -> Settings {
        let nodes = cluster.nodes();
        Settings {
            seed: 7,
            run: format!("planted{run}"),
            nodes: if self.alone.is_some() { nodes[..1].to_vec() } else { nodes },
            admins: cluster.admins(),
            authorization: BASIC.into(),
            currency: ledger::Currency::from_code("USD").expect("a currency"),
            profile: self.profile.clone(),
            clients: 6,
            rate: None,
            duration: None,
            stories: Some(self.stories),
            patience: Duration::from_secs(8),
            deadline: DEADLINE,
        }
    }
}

async fn watch(admins: Vec<String>, recorder: Recorder, stop: Arc<AtomicBool>) {
    workload::watch(&admins, &recorder, &stop).await.expect("admin interfaces");
}

/// Waits until these nodes show all that was decided before the call: such a read waits for it, or says that it did not
/// come.
async fn caught_up(admins: &[String]) {
    let admin = Admin::new(admins).expect("admin interfaces");
    let read = admin.call(0, |mut client| async move { client.books(BooksRequest::default()).await });
    read.await.expect("books of a quorum");
}

async fn breaker(admins: &[String], mode: BreakerMode) {
    let admin = Admin::new(admins).expect("admin interfaces");
    let order = SetBreakerRequest { mode: mode.into(), who: "a test".into(), why: "planted".into() };
    let told = admin.call(0, |mut client| {
        let order = order.clone();
        async move { client.set_breaker(order).await }
    });
    told.await.expect("an answer");
}

impl Checked {
    fn told(&self) -> String {
        self.findings.iter().map(|finding| format!("{finding:?}\n")).collect()
    }

    /// Everything is held, and every checker has looked at something.
    fn is_held(&self, plant: &str, idle: &[&str]) {
        assert_eq!(check::verdict(&self.history, &self.findings), Verdict::Held, "{}", self.told());
        let looked = |finding: &Finding| finding.looked > 0 || idle.contains(&finding.checker);
        assert!(self.findings.iter().all(looked), "{}", self.told());
        println!("{plant}: {} requests, held, {:?}", self.history.ops.len(), self.took);
    }

    /// The bug is caught, by this checker at least.
    fn is_caught_by(&self, plant: &str, checker: &str) {
        let violated = self.findings.iter().filter(|finding| finding.verdict == Verdict::Violated);
        let by: Vec<_> = violated.clone().map(|finding| finding.checker).collect();
        assert!(by.contains(&checker), "{plant} is caught by {by:?}, not by {checker}\n{}", self.told());
        let why = violated.filter(|finding| finding.checker == checker).find_map(|finding| finding.why.first());
        println!("{plant}: {} requests, caught by {by:?}, {:?}: {why:?}", self.history.ops.len(), self.took);
    }
}

fn catches(plant: &str, checker: &str) {
    Run::default().play(plant).is_caught_by(plant, checker);
}

#[test]
fn an_honest_product_is_held_while_its_nodes_are_killed() {
    Run { kill: &[1, 2, 3], ..Run::default() }.play("").is_held("honest, killed", &["stand_in"]);
}

#[test]
fn an_honest_product_is_held_while_answers_are_lost_inside_it() {
    Run::default().play("lost-answer").is_held("honest, answers lost", &["stand_in"]);
}

#[test]
fn an_honest_product_is_held_while_it_answers_alone() {
    Run::alone().play("").is_held("honest, alone", &[]);
}

#[test]
fn an_approval_before_its_commit_is_caught() {
    catches("approve-before-commit", "acknowledged");
}

#[test]
fn a_forgotten_token_is_caught() {
    catches("forget-token", "token");
}

#[test]
fn a_second_hold_for_a_retry_is_caught() {
    catches("second-hold", "holds");
}

#[test]
fn a_decision_by_stale_books_is_caught() {
    catches("stale-decision", "linear");
}

#[test]
fn a_lost_void_is_caught() {
    catches("lost-void", "holds");
}

#[test]
fn a_forgotten_journal_is_caught() {
    Run::alone().play("forget-journal").is_caught_by("forget-journal", "stand_in");
}

#[test]
fn applying_by_the_own_clock_is_caught() {
    catches("own-clock", "digests");
}

#[test]
fn a_term_that_goes_back_is_caught() {
    catches("term-back", "terms");
}

#[test]
fn a_clearing_that_makes_money_is_caught() {
    catches("half-clearing", "money");
}

#[test]
fn a_late_answer_is_caught() {
    catches("late-answer", "in_time");
}
