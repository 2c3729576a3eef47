//! The desk against a scripted cluster, in paused time.

use crate::{Answer, Decide, Desk, NoDecision, Request, Settings};
use ledger::{
    Amount, Command, Currency, Decision, DeclineReason, Fingerprint, Output, Program, RequestKind, Settled, Token,
    UserToken, Verdict, Void,
};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const BUDGET: Duration = Duration::from_millis(800);

/// What the cluster does with the next command; when the script is over, the last step is repeated.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(Result<Output, NoDecision>),
    After(Duration, Result<Output, NoDecision>),
    Never,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) script: Arc<Mutex<VecDeque<Step>>>,
    pub(crate) seen: Arc<Mutex<Vec<Command>>>,
}

impl Scripted {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Scripted { script: Arc::new(Mutex::new(steps.into_iter().collect())), seen: Arc::default() }
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.lock().len()
    }
}

impl Decide for Scripted {
    async fn decide(&self, command: Command, _deadline: Instant) -> Result<Output, NoDecision> {
        self.seen.lock().push(command);
        let step = {
            let mut script = self.script.lock();
            if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
        };
        match step {
            Some(Step::Say(result)) => result,
            Some(Step::After(time, result)) => {
                tokio::time::sleep(time).await;
                result
            }
            Some(Step::Never) | None => pending().await,
        }
    }
}

pub(crate) fn approved() -> Result<Output, NoDecision> {
    Ok(Output::Decision(decision(Verdict::Approved, false)))
}

fn decision(verdict: Verdict, replayed: bool) -> Decision {
    Decision { verdict, replayed, partial_minor: None, balances: Vec::new(), change: None }
}

pub(crate) fn request(token: &str) -> Request {
    Request {
        program: Program::new("default").unwrap(),
        token: Token::new(token).unwrap(),
        fingerprint: Fingerprint([7; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("u-1").unwrap(),
        amount: Amount::new(4820, Currency::from_code("USD").unwrap()).unwrap(),
        transaction: None,
        original: None,
        preceding: None,
        facts: None,
        deadline: tokio::time::Instant::now().into_std() + BUDGET,
    }
}

fn desk(steps: impl IntoIterator<Item = Step>) -> (Arc<Desk<Scripted>>, Scripted) {
    let cluster = Scripted::new(steps);
    (Arc::new(Desk::new(cluster.clone(), 1, 1)), cluster)
}

pub(crate) fn voids(cluster: &Scripted) -> Vec<Void> {
    let seen = cluster.seen.lock();
    seen.iter().filter_map(|command| if let Command::Void(void) = command { Some(*void) } else { None }).collect()
}

fn settler(desk: &Arc<Desk<Scripted>>) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(Arc::clone(desk).settle_forever(async move {
        let _ = stopped.await;
    }));
    (stop, task)
}

/// Lets the tasks run until the condition holds; paused time goes on by itself, at most a minute of it.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_the_answer() {
    let no = decision(Verdict::Declined(DeclineReason::InsufficientFunds), true);
    let (desk, _) = desk([Step::Say(approved()), Step::Say(Ok(Output::Decision(no.clone())))]);
    assert_eq!(desk.answer(request("t1")).await, Answer::Decided(decision(Verdict::Approved, false)));
    assert_eq!(desk.answer(request("t2")).await, Answer::Decided(no));
    assert_eq!(desk.owed(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_kept_when_the_cluster_never_returns_and_the_attempt_is_owed() {
    let (desk, cluster) = desk([Step::Never]);
    let start = tokio::time::Instant::now();
    assert_eq!(desk.answer(request("t1")).await, Answer::Undecided);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(780) && took < BUDGET, "{took:?}");
    assert_eq!(desk.owed(), 1);
    assert_eq!(desk.counts().unknown, 1);
    assert_eq!(cluster.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_proposed_owes_nothing_and_unknown_owes_a_void() {
    let (desk, _) = desk([Step::Say(Err(NoDecision::NotProposed)), Step::Say(Err(NoDecision::Unknown))]);
    assert_eq!(desk.answer(request("t1")).await, Answer::Undecided);
    assert_eq!((desk.owed(), desk.counts().not_proposed), (0, 1));
    assert_eq!(desk.answer(request("t2")).await, Answer::Undecided);
    assert_eq!((desk.owed(), desk.counts().unknown), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_time_left_is_not_proposed() {
    let (desk, cluster) = desk([Step::Say(approved())]);
    let mut late = request("t1");
    late.deadline = tokio::time::Instant::now().into_std() + Duration::from_millis(20);
    assert_eq!(desk.answer(late.clone()).await, Answer::Undecided);
    assert_eq!((cluster.seen(), desk.owed(), desk.counts().not_proposed), (0, 0, 1));

    late.deadline += Duration::from_millis(1);
    assert!(matches!(desk.answer(late).await, Answer::Decided(_)));
}

#[tokio::test(start_paused = true)]
async fn an_output_of_the_wrong_kind_is_never_an_approval() {
    let (desk, _) = desk([Step::Say(Ok(Output::Settled(Settled::Done)))]);
    assert_eq!(desk.answer(request("t1")).await, Answer::Undecided);
    let counts = desk.counts();
    assert_eq!((counts.wrong_output, counts.owed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn two_hundred_repeats_in_flight_are_one_proposal() {
    let (desk, cluster) = desk([Step::After(Duration::from_millis(100), approved())]);
    let answers = futures::future::join_all((0..200).map(|_| desk.answer(request("t1")))).await;
    assert_eq!(cluster.seen(), 1);
    let fresh = answers.iter().filter(|answer| **answer == Answer::Decided(decision(Verdict::Approved, false)));
    let repeated = answers.iter().filter(|answer| **answer == Answer::Decided(decision(Verdict::Approved, true)));
    assert_eq!((fresh.count(), repeated.count()), (1, 199));
    assert_eq!(desk.counts().attached, 199);
    assert!(desk.in_flight.is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_fingerprint_or_programme_does_not_attach() {
    let (desk, cluster) = desk([Step::After(Duration::from_millis(100), approved())]);
    let mut other_fingerprint = request("t1");
    other_fingerprint.fingerprint = Fingerprint([8; 16]);
    let mut other_program = request("t1");
    other_program.program = Program::new("second").unwrap();
    tokio::join!(desk.answer(request("t1")), desk.answer(other_fingerprint), desk.answer(other_program));
    assert_eq!(cluster.seen(), 3);
}

#[tokio::test(start_paused = true)]
async fn after_the_landing_a_repeat_asks_the_books_again() {
    let (desk, cluster) = desk([Step::Say(approved())]);
    desk.answer(request("t1")).await;
    desk.answer(request("t1")).await;
    assert_eq!(cluster.seen(), 2);
}

#[tokio::test(start_paused = true)]
async fn repeats_of_an_undecided_first_share_its_decline_and_its_one_void() {
    let (desk, cluster) = desk([Step::Never]);
    let answers = futures::future::join_all((0..10).map(|_| desk.answer(request("t1")))).await;
    assert!(answers.iter().all(|answer| *answer == Answer::Undecided));
    assert_eq!((cluster.seen(), desk.owed(), desk.counts().not_proposed), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_first_makes_one_of_the_attached_first_with_an_attempt_of_its_own() {
    let (desk, cluster) = desk([Step::Never, Step::Say(approved())]);
    let first = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.answer(request("t1")).await }
    });
    eventually("the first is proposed", || cluster.seen() == 1).await;
    let attached = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { futures::future::join_all((0..5).map(|_| desk.answer(request("t1")))).await }
    });
    eventually("all are attached", || desk.counts().attached == 5).await;

    first.abort();
    let answers = attached.await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Decided(_))), "{answers:?}");
    let attempts: Vec<u64> =
        cluster
            .seen
            .lock()
            .iter()
            .filter_map(|command| {
                if let Command::Authorize(authorize) = command { Some(authorize.attempt.counter) } else { None }
            })
            .collect();
    assert_eq!(attempts.len(), 5 - answers.iter().filter(|answer| is_repeated(answer)).count() + 1);
    assert!(attempts.windows(2).all(|pair| pair[0] < pair[1]), "{attempts:?}");
    assert_eq!(desk.owed(), 0, "a cut request told nobody anything");
    assert!(desk.in_flight.is_empty());
}

fn is_repeated(answer: &Answer) -> bool {
    matches!(answer, Answer::Decided(Decision { replayed: true, .. }))
}

#[tokio::test(start_paused = true)]
async fn an_attached_request_keeps_its_own_deadline_and_owes_nothing() {
    let (desk, cluster) = desk([Step::Never]);
    let first = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.answer(request("t1")).await }
    });
    eventually("the first is proposed", || cluster.seen() == 1).await;

    let start = tokio::time::Instant::now();
    let mut hasty = request("t1");
    hasty.deadline = start.into_std() + Duration::from_millis(100);
    assert_eq!(desk.answer(hasty).await, Answer::Undecided);
    assert!(start.elapsed() <= Duration::from_millis(101), "{:?}", start.elapsed());
    assert_eq!((desk.owed(), desk.counts().not_proposed), (0, 1));

    assert_eq!(first.await.unwrap(), Answer::Undecided);
    assert_eq!(desk.owed(), 1, "the first's attempt owes when it gives up");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_leaves_nothing_behind() {
    let (desk, cluster) = desk([Step::Never]);
    assert!(tokio::time::timeout(Duration::from_millis(50), desk.answer(request("t1"))).await.is_err());
    assert_eq!((cluster.seen(), desk.owed()), (1, 0));
    assert!(desk.in_flight.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_void_is_proposed_until_it_is_seen_applied() {
    let unknown = Step::Say(Err(NoDecision::Unknown));
    let refused = Step::Say(Err(NoDecision::NotProposed));
    let wrong = Step::Say(approved());
    let (desk, cluster) =
        desk([unknown.clone(), unknown, refused, wrong, Step::Never, Step::Say(Ok(Output::Settled(Settled::Done)))]);
    desk.answer(request("t1")).await;
    assert_eq!(desk.owed(), 1);

    let (_stop, _task) = settler(&desk);
    eventually("settled", || desk.owed() == 0).await;
    let voids = voids(&cluster);
    assert_eq!(voids.len(), 5);
    let Command::Authorize(authorize) = cluster.seen.lock()[0].clone() else {
        unreachable!("the first is the request")
    };
    for void in voids {
        assert_eq!((void.attempt, void.token), (authorize.attempt, authorize.token));
        assert_eq!((void.program, void.fingerprint), (authorize.program, authorize.fingerprint));
    }
    let counts = desk.counts();
    assert_eq!((counts.settled, counts.wrong_output, counts.conflicts), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn conflicts_and_impossible_voids_are_done_and_counted() {
    let (desk, _) = desk([
        Step::Say(Err(NoDecision::Unknown)),
        Step::Say(Err(NoDecision::Unknown)),
        Step::Say(Ok(Output::Settled(Settled::Conflict))),
        Step::Say(Ok(Output::Settled(Settled::Impossible))),
    ]);
    desk.answer(request("t1")).await;
    desk.answer(request("t2")).await;
    let (_stop, _task) = settler(&desk);
    eventually("settled", || desk.owed() == 0).await;
    let counts = desk.counts();
    assert_eq!((counts.settled, counts.conflicts, counts.impossible), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn settling_is_oldest_first_and_bounded() {
    let cluster = Scripted::new([Step::Say(Err(NoDecision::Unknown))]);
    let settings = Settings { settling_max: 3, ..Settings::default() };
    let desk = Arc::new(Desk::with_settings(cluster.clone(), 1, 1, settings));
    for number in 0..10 {
        desk.answer(request(&format!("t{number}"))).await;
    }
    *cluster.script.lock() = [Step::After(Duration::from_millis(500), Ok(Output::Settled(Settled::Done)))].into();
    let (_stop, _task) = settler(&desk);
    eventually("some are proposed", || !voids(&cluster).is_empty()).await;
    assert_eq!(voids(&cluster).len(), 3);
    eventually("settled", || desk.owed() == 0).await;
    let order: Vec<String> = voids(&cluster).iter().map(|void| void.token.to_string()).collect();
    assert_eq!(order, (0..10).map(|number| format!("t{number}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_survives_a_stop_of_the_settler() {
    let (desk, cluster) = desk([Step::Say(Err(NoDecision::Unknown)), Step::Never]);
    desk.answer(request("t1")).await;
    let (stop, task) = settler(&desk);
    eventually("proposed", || voids(&cluster).len() == 1).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(desk.owed(), 1);

    *cluster.script.lock() = [Step::Say(Ok(Output::Settled(Settled::Done)))].into();
    let (_stop, _task) = settler(&desk);
    eventually("settled", || desk.owed() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_settler_wakes_for_what_comes_to_be_owed() {
    let (desk, _) = desk([Step::Say(Err(NoDecision::Unknown)), Step::Say(Ok(Output::Settled(Settled::Nothing)))]);
    let (_stop, _task) = settler(&desk);
    tokio::task::yield_now().await;
    desk.answer(request("t1")).await;
    eventually("settled", || desk.counts().settled == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_keeps_the_answer_and_counts_the_drop() {
    let cluster = Scripted::new([Step::Say(Err(NoDecision::Unknown))]);
    let settings = Settings { owed_max: 2, ..Settings::default() };
    let desk = Desk::with_settings(cluster, 1, 1, settings);
    for number in 0..3 {
        assert_eq!(desk.answer(request(&format!("t{number}"))).await, Answer::Undecided);
    }
    let counts = desk.counts();
    assert_eq!((counts.owed, counts.owed_dropped, counts.unknown), (2, 1, 3));
}

/// What a process that stood still meets when it goes on: its deadline has passed, and its answer is there.
async fn stand_still() {
    tokio::time::advance(BUDGET * 3).await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_learned_of_after_the_deadline_is_taken_back() {
    let (desk, cluster) = desk([Step::After(Duration::from_millis(5), approved())]);
    let mut answer = std::pin::pin!(desk.answer(request("t1")));
    assert!(futures::poll!(&mut answer).is_pending());
    stand_still().await;
    assert_eq!(answer.await, Answer::Undecided);
    assert_eq!((cluster.seen(), desk.owed(), desk.counts().unknown), (1, 1, 1), "its void is owed");
}

#[tokio::test(start_paused = true)]
async fn a_decline_that_is_learned_of_after_the_deadline_is_told() {
    let no = decision(Verdict::Declined(DeclineReason::InsufficientFunds), false);
    let (desk, _) = desk([Step::After(Duration::from_millis(5), Ok(Output::Decision(no.clone())))]);
    let mut answer = std::pin::pin!(desk.answer(request("t1")));
    assert!(futures::poll!(&mut answer).is_pending());
    stand_still().await;
    assert_eq!(answer.await, Answer::Decided(no));
    assert_eq!(desk.owed(), 0, "nothing is held");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_its_void_owed_only_after_the_deadline() {
    let (desk, _) = desk([Step::Never]);
    for (wait, owed) in [(BUDGET / 2, 0), (BUDGET * 3, 1)] {
        {
            let mut answer = std::pin::pin!(desk.answer(request("t1")));
            assert!(futures::poll!(&mut answer).is_pending());
            tokio::time::advance(wait).await;
        }
        assert_eq!(desk.owed(), owed, "dropped after {wait:?}");
    }
}
