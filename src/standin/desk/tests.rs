//! The desk with its breaker, its policy and its journal, against a scripted cluster in paused time.

use super::*;
use crate::Alone;
use crate::Orders;
use crate::breaker::Cause;
use crate::choice::Say;
use crate::facts::Refusals;
use crate::files::Files;
use crate::journal::Condition;
use crate::journal::sim::SimFiles;
use crate::known::InBooks;
use crate::limits::{Limits, Stated};
use crate::policy::{Approve, Refusal};
use crate::tests::{Scripted, Step, approved, eventually, request, voids};
use ledger::{
    AccountStatus, AccountView, Amount, Authorize, Balance, Currency, DeclineReason, Fingerprint, Ledger, Program,
    Settled, Timestamp, Token, UserToken,
};
use parking_lot::Mutex;
use std::future::pending;
use std::sync::Arc;

/// What the node knows, as a test wants it.
#[derive(Clone)]
struct Scene(Arc<Mutex<Truth>>);

struct Truth {
    heard: tokio::time::Instant,
    /// The others are heard at every moment.
    connected: bool,
    status: AccountStatus,
    foreseen: Result<(), DeclineReason>,
    in_books: InBooks,
}

impl Scene {
    fn new() -> Scene {
        let heard = tokio::time::Instant::now();
        let (status, foreseen) = (AccountStatus::Active, Ok(()));
        let truth = Truth { heard, connected: true, status, foreseen, in_books: InBooks::Yes };
        Scene(Arc::new(Mutex::new(truth)))
    }

    fn cut(&self) {
        let mut truth = self.0.lock();
        (truth.connected, truth.heard) = (false, tokio::time::Instant::now());
    }

    fn join(&self) {
        self.0.lock().connected = true;
    }
}

impl Known for Scene {
    fn account(&self, _: &Program, user: &UserToken) -> Option<AccountView> {
        let currency = Currency::from_code("USD").unwrap();
        let balances = vec![Balance { currency, posted_minor: 1_000_000, held_minor: 0 }];
        Some(AccountView { user: *user, status: self.0.lock().status, balances, holds: 0 })
    }

    fn foresee(&self, _: &Authorize) -> Result<(), DeclineReason> {
        self.0.lock().foreseen
    }

    fn log_time(&self) -> Timestamp {
        Timestamp(1_000_000)
    }

    fn accounts_count(&self) -> u64 {
        100
    }

    fn contact_age(&self) -> Option<Duration> {
        let truth = self.0.lock();
        Some(if truth.connected { Duration::ZERO } else { truth.heard.elapsed() })
    }

    fn state_age(&self) -> Option<Duration> {
        self.contact_age()
    }

    fn forced(&self, _: &Program, _: &Token, _: Attempt) -> InBooks {
        self.0.lock().in_books
    }

    fn voided(&self, _: &Program, _: &Token, _: Attempt) -> InBooks {
        self.0.lock().in_books
    }
}

struct Node {
    desk: Arc<Desk<Scripted>>,
    cluster: Scripted,
    scene: Scene,
    disk: SimFiles,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn usd(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap()
}

/// A node may approve 100.00 for an account, twice, and 150.00 in all.
fn approve() -> Policy {
    let stated = Stated {
        nodes: 3,
        per_transaction: usd(5000),
        per_account: usd(30_000),
        per_account_count: 6,
        per_node: usd(15_000),
        total: None,
        window: Duration::from_secs(86_400),
    };
    Policy::Approve(Approve {
        limits: Limits::new(&stated).unwrap(),
        available_percent: 100,
        state_age_max: Duration::from_secs(60),
        refusals: Refusals::default(),
        rules: Vec::new(),
        otherwise: Say::Approve,
    })
}

impl Node {
    fn start(policy: Policy, disk: SimFiles, incarnation: u64, steps: impl IntoIterator<Item = Step>) -> Node {
        let (cluster, scene) = (Scripted::new(steps), Scene::new());
        let owner = Owner { node: 1, incarnation };
        let files: Arc<dyn Files> = Arc::new(disk.clone());
        let parts = Parts {
            owner,
            settings: Settings::default(),
            policy,
            orders: Some(Orders::new(Arc::clone(&files))),
            journal: Journal::open(files, owner, 1000),
            known: Box::new(scene.clone()),
        };
        let desk = Arc::new(Desk::of(cluster.clone(), parts));
        let watching = Arc::clone(&desk);
        let tasks = vec![
            tokio::spawn(async move { watching.watch_forever(pending()).await }),
            tokio::spawn(Arc::clone(&desk).settle_forever(pending())),
        ];
        Node { desk, cluster, scene, disk, tasks }
    }

    fn approving(steps: impl IntoIterator<Item = Step>) -> Node {
        Node::start(approve(), SimFiles::default(), 1, steps)
    }

    /// Cut off for long enough.
    async fn open(&self) {
        self.scene.cut();
        eventually("open", || self.desk.phase() == Phase::Open).await;
    }

    fn script(&self, steps: impl IntoIterator<Item = Step>) {
        *self.cluster.script.lock() = steps.into_iter().collect();
    }

    fn settlements(&self) -> Vec<Command> {
        let seen = self.cluster.seen.lock();
        seen.iter().filter(|command| !matches!(command, Command::Authorize(_))).cloned().collect()
    }
}

fn of(token: &str, user: &str) -> Request {
    Request { user: UserToken::new(user).unwrap(), ..request(token) }
}

#[tokio::test(start_paused = true)]
async fn it_opens_in_time_answers_all_who_wait_and_everybody_later_at_once() {
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Never]);
    node.scene.cut();
    let cut = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(node.desk.answer(request("t1")).await, Answer::StandIn(Alone::Declined));
    let waited = cut.elapsed();
    assert!(waited >= Duration::from_millis(1200) && waited < Duration::from_millis(1300), "{waited:?}");
    assert_eq!((node.desk.owed(), node.desk.counts().unknown), (1, 1), "it had been proposed");

    let seen = node.cluster.seen();
    let start = tokio::time::Instant::now();
    assert_eq!(node.desk.answer(request("t2")).await, Answer::StandIn(Alone::Declined));
    assert!(start.elapsed() < Duration::from_millis(1), "{:?}", start.elapsed());
    assert_eq!((node.desk.owed(), node.cluster.seen()), (1, seen), "nothing was proposed, nothing is owed");
    let status = node.desk.status();
    assert_eq!(status.changed.map(|(_, from, cause)| (from, cause)), Some((Phase::Closed, Cause::ContactLost)));
}

#[tokio::test(start_paused = true)]
async fn reports_go_to_the_cluster_unless_the_breaker_is_open() {
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Say(approved()), Step::Never]);
    let report = || node.desk.report(Command::Sweep(ledger::Sweep { from: 0, parts: 1 }), soon());
    assert_eq!(report().await, approved(), "whatever the cluster says");
    let start = tokio::time::Instant::now();
    assert_eq!(report().await, Err(NoDecision::Unknown), "no longer than its deadline");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    node.open().await;
    let seen = node.cluster.seen();
    assert_eq!(report().await, Err(NoDecision::NotProposed));
    assert_eq!((node.cluster.seen(), node.desk.owed()), (seen, 0), "nothing was proposed, nothing is owed");
}

/// In a second.
fn soon() -> Instant {
    (tokio::time::Instant::now() + Duration::from_secs(1)).into_std()
}

#[tokio::test(start_paused = true)]
async fn it_settles_and_only_then_closes() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved));
    assert_eq!(node.desk.owed(), 1);
    assert!(node.settlements().is_empty(), "without contact nothing is tried");

    node.scene.0.lock().in_books = InBooks::NotYet;
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    node.scene.join();
    eventually("half open", || node.desk.phase() == Phase::HalfOpen).await;
    node.script([Step::Say(approved()), Step::Say(Ok(Output::Settled(Settled::Done)))]);
    // Whichever comes first takes the script's first step: the settlement then tries again.
    let probe = loop {
        match node.desk.answer(request("probe")).await {
            Answer::Decided(_) => break true,
            Answer::Undecided | Answer::StandIn(_) => node.script([Step::Say(approved())]),
        }
        if node.desk.phase() != Phase::HalfOpen {
            break false;
        }
    };
    assert!(probe);
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((node.desk.phase(), node.desk.owed()), (Phase::HalfOpen, 1), "applied, but not seen here");

    node.scene.0.lock().in_books = InBooks::Yes;
    eventually("closed", || node.desk.phase() == Phase::Closed).await;
    assert_eq!(node.desk.owed(), 0);
    assert!(matches!(node.settlements().first(), Some(Command::Force(force)) if force.token.as_str() == "t1"));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_closing_that_is_near() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved));
    node.scene.0.lock().in_books = InBooks::NotYet;
    node.script([Step::Say(approved())]);
    node.scene.join();
    eventually("half open", || node.desk.phase() == Phase::HalfOpen).await;
    assert!(matches!(node.desk.answer(request("probe")).await, Answer::Decided(_)));
    let waiting = tokio::spawn({
        let desk = Arc::clone(&node.desk);
        async move { desk.answer(of("t2", "b")).await }
    });
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    node.script([Step::Say(Ok(Output::Settled(Settled::Done))), Step::Say(approved())]);
    node.scene.0.lock().in_books = InBooks::Yes;
    let answer = waiting.await.unwrap();
    assert!(matches!(answer, Answer::Decided(_) | Answer::StandIn(Alone::Approved)), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn limits_are_used_up_and_a_restart_does_not_give_them_back() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    let answers = [of("t1", "a"), of("t2", "a"), of("t3", "a"), of("t4", "b"), of("t5", "c")];
    let mut said = Vec::new();
    for request in answers {
        said.push(node.desk.answer(request).await == Answer::StandIn(Alone::Approved));
    }
    // 48.20 each: two for an account, three in all.
    assert_eq!(said, [true, true, false, true, false]);
    let counts = node.desk.counts();
    assert_eq!(counts.refusals[Refusal::PerAccount as usize], 1);
    assert_eq!(counts.refusals[Refusal::PerNode as usize], 1);
    let exposure = node.desk.status().exposure.unwrap();
    assert_eq!((exposure.spent_minor, exposure.left_minor), (3 * 4820, 15_000 - 3 * 4820));
    assert_eq!(exposure.worst_case_minor, 2 * 15_000 + 540);

    let again = Node::start(approve(), node.disk.crash(1), 2, [Step::Never]);
    assert_eq!(again.desk.owed(), 3);
    again.open().await;
    assert_eq!(again.desk.answer(of("t6", "d")).await, Answer::StandIn(Alone::Declined));
    assert_eq!(again.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved), "M1 rule 2");
    assert_eq!(again.desk.owed(), 4);

    again.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    again.scene.join();
    eventually("settled", || again.desk.owed() == 0).await;
    let mut attempts: Vec<Attempt> = again
        .settlements()
        .iter()
        .filter_map(|command| if let Command::Force(force) = command { Some(force.attempt) } else { None })
        .collect();
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.iter().map(|attempt| attempt.incarnation).collect::<Vec<_>>(), [1, 1, 1, 2]);
    assert_eq!(again.desk.status().exposure.unwrap().spent_minor, 3 * 4820, "settled is still spent");
}

#[tokio::test(start_paused = true)]
async fn frozen_accounts_rules_and_old_books_are_declined() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    node.scene.0.lock().status = AccountStatus::Frozen;
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Declined));
    node.scene.0.lock().status = AccountStatus::Active;
    node.scene.0.lock().foreseen = Err(DeclineReason::Fraud);
    assert_eq!(node.desk.answer(of("t3", "a")).await, Answer::StandIn(Alone::Declined));
    node.scene.0.lock().foreseen = Ok(());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(node.desk.answer(of("t2", "a")).await, Answer::StandIn(Alone::Declined));
    let counts = node.desk.counts();
    assert_eq!(counts.refusals[Refusal::Status as usize], 1);
    assert_eq!(counts.refusals[Refusal::Controls as usize], 1);
    assert_eq!(counts.refusals[Refusal::StateAge as usize], 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_policy_answers_and_the_node_does_not_contradict_itself() {
    let node = Node::approving([Step::Never]);
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved));
    assert_eq!(node.desk.phase(), Phase::Closed);
    node.script([Step::Say(Ok(Output::Settled(Settled::Nothing)))]);
    eventually("settled", || node.desk.owed() == 0).await;
    let seen = node.cluster.seen();
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved));
    assert_eq!(node.desk.counts().said_again, 1);
    eventually("settled for this attempt too", || node.desk.owed() == 0).await;
    assert_eq!(node.cluster.seen(), seen + 1);
    let mut other = of("t1", "a");
    other.fingerprint = Fingerprint([8; 16]);
    node.script([Step::Never]);
    assert_eq!(node.desk.answer(other).await, Answer::Undecided, "a token has one meaning");
}

#[tokio::test(start_paused = true)]
async fn a_decline_is_said_again_too() {
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Never]);
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::Undecided);
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Declined));
    eventually("both attempts are voided", || node.desk.owed() == 0).await;
    let mut attempts: Vec<Attempt> = voids(&node.cluster).iter().map(|void| void.attempt).collect();
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_cannot_be_written_becomes_a_decline() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    node.disk.fail_next_sync();
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Declined));
    assert_eq!(node.desk.owed(), 1, "a void, in memory");
    assert_eq!(node.desk.answer(of("t2", "b")).await, Answer::StandIn(Alone::Declined));
    let status = node.desk.status();
    assert!(matches!(status.journal, Condition::Unwritable(_)));
    assert_eq!(status.exposure.unwrap().left_minor, 0);
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    node.scene.join();
    eventually("settled", || node.desk.owed() == 0).await;
    assert!(node.settlements().iter().all(|command| matches!(command, Command::Void(_))));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_gives_no_right_but_declines_as_before() {
    let disk = SimFiles::default();
    disk.put("standin.journal", vec![1; 4096]);
    let node = Node::start(approve(), disk, 2, [Step::Never]);
    assert_eq!(node.desk.status().exposure.unwrap().left_minor, 0);
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::Undecided);
    assert_eq!((node.desk.owed(), node.desk.counts().owed_in_memory), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn forced_open_it_answers_alone_until_it_is_given_back() {
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Say(approved())]);
    let order = Order { who: "ada".to_owned(), why: "drill".to_owned() };
    node.desk.force_open(order.clone()).unwrap();
    assert_eq!(node.desk.answer(request("t1")).await, Answer::StandIn(Alone::Declined));
    tokio::time::sleep(Duration::from_secs(60)).await;
    // And after a restart.
    let node = Node::start(Policy::Decline, node.disk.clone(), 2, [Step::Say(approved())]);
    assert_eq!(node.desk.status().mode, crate::breaker::Mode::ForcedOpen(order.clone()));
    assert_eq!(node.desk.answer(request("t2")).await, Answer::StandIn(Alone::Declined));
    node.desk.auto(order).unwrap();
    eventually("half open", || node.desk.phase() == Phase::HalfOpen).await;
    assert!(matches!(node.desk.answer(request("t3")).await, Answer::Decided(_)));
    eventually("closed", || node.desk.phase() == Phase::Closed).await;
}

/// A balancer that keeps requests away until the node is ready again must not keep it from becoming so.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_asked_nothing_closes_by_itself() {
    let swept = Step::Say(Ok(Output::Swept { expired: 0, next: 0 }));
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [swept]);
    node.open().await;
    node.scene.join();
    eventually("closed", || node.desk.phase() == Phase::Closed).await;
    assert_eq!(node.cluster.seen(), 1);
    // Where nobody decides, it stays open.
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Never]);
    node.open().await;
    node.scene.join();
    eventually("asked", || node.cluster.seen() > 0).await;
    assert_ne!(node.desk.phase(), Phase::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again() {
    let node = Node::start(Policy::Decline, SimFiles::default(), 1, [Step::Never]);
    node.open().await;
    node.scene.join();
    eventually("half open", || node.desk.phase() == Phase::HalfOpen).await;
    let probe = tokio::spawn({
        let desk = Arc::clone(&node.desk);
        async move { desk.answer(request("t1")).await }
    });
    eventually("the probe is out", || node.cluster.seen() > 0).await;
    assert_eq!(node.desk.answer(request("t2")).await, Answer::StandIn(Alone::Declined), "one probe only");
    assert_eq!(probe.await.unwrap(), Answer::Undecided);
    assert_eq!(node.desk.phase(), Phase::Open);
}

#[tokio::test(start_paused = true)]
async fn the_real_books_take_what_a_node_said_alone() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    let mut books = Ledger::new();
    assert_eq!(node.desk.answer(of("t1", "a")).await, Answer::StandIn(Alone::Approved));
    let opening =
        ledger::Opening { user: UserToken::new("a").unwrap(), currency: usd(0).currency(), credit_minor: 100 };
    let program = request("t1").program;
    books.apply(Timestamp(1), &Command::Open(ledger::Open { program, openings: vec![opening] }));
    node.script([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    node.scene.join();
    eventually("settled", || node.desk.owed() == 0).await;
    for (at, command) in node.settlements().iter().enumerate() {
        books.apply(Timestamp(at as u64 + 2), command);
    }
    let account = books.account(&program, &opening.user).unwrap();
    assert_eq!((account.holds, account.balances[0].available_minor()), (1, 100 - 4820));
}

#[tokio::test(start_paused = true)]
async fn an_approval_alone_does_not_leave_after_its_deadline() {
    let node = Node::approving([Step::Never]);
    node.open().await;
    // The disk is done while the process stands still: both are there when it goes on.
    let syncs = node.disk.syncs();
    let mut answer = std::pin::pin!(node.desk.answer(of("t1", "a")));
    let hanging = node.disk.hang();
    assert!(futures::poll!(&mut answer).is_pending(), "it waits for the disk");
    drop(hanging);
    let began = Instant::now();
    while node.disk.syncs() == syncs {
        assert!(began.elapsed() < Duration::from_secs(10), "not durable");
        std::thread::yield_now();
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(answer.await, Answer::StandIn(Alone::Declined));
    assert_eq!(node.desk.owed(), 1, "its void");
}
