//! One client: connections to all nodes, and the stories that it plays over them.
//!
//! What must hold: a request is recorded before its first byte leaves and ends once; a connection that could not be
//! made has asked nothing, so nothing is recorded of it. Each request is tried a bounded number of times. A report that
//! no node takes waits in a bounded queue, as the processor keeps it, and is posted again; retries that come late wait
//! there too.

use super::body::{self, Style};
use super::pace::Pace;
use super::plan::{Names, Step};
use super::{Settings, Summary};
use crate::admin::Admin;
use crate::draw::mix;
use crate::history::{Answer, Heard, Lost, Recorder, Task};
use crate::http::connection::Connection;
use crate::http::reply::Outcome;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod operate;

/// Tries of a request, each at the next node. A processor makes two or three.
const TRIES_MAX: u32 = 6;
/// Between two tries: together shorter than a fail-over, so that some requests see all of it.
const PAUSE: Duration = Duration::from_millis(50);
/// Reports and retries that wait; more are given up and counted.
const LATE_MAX: usize = 10_000;
/// How often a report is begun again before it is given up: with the tries of each some 30 s.
const ROUNDS_MAX: u32 = 100;

/// What all clients of a run share.
pub struct Shared {
    settings: Settings,
    names: Names,
    addresses: Vec<SocketAddr>,
    recorder: Recorder,
    stop: Arc<AtomicBool>,
    pace: Pace,
    until: Option<Instant>,
    stories: AtomicU64,
    requests: AtomicU64,
    unknown: AtomicU64,
    reports_left: AtomicU64,
    late: Mutex<VecDeque<Late>>,
}

/// A request or a report that is still to come.
struct Late {
    task: Task,
    rounds: u32,
}

impl Shared {
    /// Of a run that begins now.
    pub fn new(settings: Settings, addresses: Vec<SocketAddr>, recorder: Recorder, stop: Arc<AtomicBool>) -> Shared {
        Shared {
            names: settings.names(),
            addresses,
            recorder,
            stop,
            pace: Pace::new(settings.rate),
            until: settings.duration.map(|duration| Instant::now() + duration),
            stories: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            reports_left: AtomicU64::new(0),
            late: Mutex::default(),
            settings,
        }
    }

    /// What was done so far.
    pub fn summary(&self) -> Summary {
        let most = self.settings.stories.unwrap_or(u64::MAX);
        Summary {
            stories: self.stories.load(Ordering::Relaxed).min(most),
            requests: self.requests.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            reports_left: self.reports_left.load(Ordering::Relaxed),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The next story's number; none when the run is over.
    fn next_story(&self) -> Option<u64> {
        if self.stopped() || self.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let number = self.stories.fetch_add(1, Ordering::Relaxed);
        self.settings.stories.is_none_or(|most| number < most).then_some(number)
    }

    fn put_late(&self, late: Late) {
        // Infallible: nothing panics while it is locked.
        let mut queue = self.late.lock().expect("not poisoned");
        if queue.len() < LATE_MAX && late.rounds < ROUNDS_MAX {
            queue.push_back(late);
        } else {
            self.reports_left.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take_late(&self) -> Option<Late> {
        // Infallible: nothing panics while it is locked.
        self.late.lock().expect("not poisoned").pop_front()
    }

    fn style(&self) -> Style<'_> {
        Style { currency: self.settings.currency.code(), digits: self.settings.currency.digits() }
    }

    fn count(&self, heard: Heard) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unknown.fetch_add(u64::from(heard == Heard::Unknown), Ordering::Relaxed);
    }
}

/// One of them.
pub struct Client {
    shared: Arc<Shared>,
    admin: Admin,
    links: Vec<Option<Connection>>,
    /// Where it asks, and when it posts what is late: not part of any story.
    chance: u64,
}

impl Client {
    /// The client with this number.
    pub fn new(shared: Arc<Shared>, admin: Admin, number: u64) -> Client {
        let links = shared.addresses.iter().map(|_| None).collect();
        let chance = mix(shared.settings.seed ^ mix(number));
        Client { shared, admin, links, chance }
    }

    /// Plays until the run is over, then posts what is still late.
    pub async fn play_all(mut self) {
        while let Some(number) = self.shared.next_story() {
            if self.draw().is_multiple_of(3) {
                self.send_late().await;
            }
            let shared = self.shared.clone();
            for step in shared.settings.profile.story(shared.settings.seed, &shared.names, number) {
                if !self.step(step).await {
                    break;
                }
            }
        }
        while !self.shared.stopped() && self.send_late().await {}
        if self.shared.stopped() {
            while self.shared.take_late().is_some() {
                self.shared.reports_left.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn draw(&mut self) -> u64 {
        self.chance = mix(self.chance);
        self.chance
    }

    fn any_node(&mut self) -> usize {
        (self.draw() % self.links.len() as u64) as usize
    }

    /// False if the story ends here.
    async fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Ask(task) => {
                let node = self.any_node();
                self.ask(&task, node).await == Heard::Ok
            }
            Step::AskTwice(task) => self.ask_twice(&task).await == Heard::Ok,
            Step::AskAgain(task) => {
                let node = self.any_node();
                self.ask(&task, node).await;
                true
            }
            Step::Post(report) => {
                self.send(Late { task: Task::Report(report), rounds: 0 }).await;
                true
            }
            Step::PostLate(report) => {
                self.shared.put_late(Late { task: Task::Report(report), rounds: 0 });
                true
            }
            Step::AskLate(task) => {
                self.shared.put_late(Late { task, rounds: 0 });
                true
            }
            Step::Operate(task) => {
                let number = self.any_node();
                self.shared.pace.turn().await;
                let client = self.admin.clients()[number % self.admin.clients().len()].clone();
                let heard = operate::operate(&self.shared, client, number, task).await;
                self.shared.count(heard);
                true
            }
        }
    }

    /// Asks from this node on until there is an answer.
    async fn ask(&mut self, task: &Task, node: usize) -> Heard {
        let count = self.links.len();
        for number in 0..TRIES_MAX {
            let at = (node + number as usize) % count;
            match exchange(&self.shared, &mut self.links[at], at, task).await {
                Some(heard @ (Heard::Ok | Heard::Declined)) => return heard,
                Some(Heard::Unknown) | None if self.shared.stopped() => break,
                Some(Heard::Unknown) | None => tokio::time::sleep(PAUSE).await,
            }
        }
        Heard::Unknown
    }

    /// Asks two nodes at the same time. Yes, if one says so; a processor takes the first answer.
    async fn ask_twice(&mut self, task: &Task) -> Heard {
        let first = self.any_node();
        let second = (first + 1) % self.links.len();
        let Ok([one, other]) = self.links.get_disjoint_mut([first, second]) else {
            return self.ask(task, first).await;
        };
        let shared = &self.shared;
        let both = tokio::join!(exchange(shared, one, first, task), exchange(shared, other, second, task));
        match both {
            (Some(Heard::Ok), _) | (_, Some(Heard::Ok)) => Heard::Ok,
            (Some(Heard::Declined), _) | (_, Some(Heard::Declined)) => Heard::Declined,
            (Some(Heard::Unknown) | None, Some(Heard::Unknown) | None) => self.ask(task, second).await,
        }
    }

    /// Sends one that waits; false if there is none.
    async fn send_late(&mut self) -> bool {
        let Some(late) = self.shared.take_late() else { return false };
        self.send(late).await;
        true
    }

    /// A processor keeps a report until it is taken; a request that was not answered is over.
    async fn send(&mut self, late: Late) {
        let node = self.any_node();
        let heard = self.ask(&late.task, node).await;
        if heard == Heard::Unknown && matches!(late.task, Task::Report(_)) {
            self.shared.put_late(Late { rounds: late.rounds + 1, ..late });
        }
    }
}

/// Sends a task over HTTP to one node. None: there was no connection, so nothing was asked.
async fn exchange(shared: &Shared, link: &mut Option<Connection>, node: usize, task: &Task) -> Option<Heard> {
    shared.pace.turn().await;
    let mut connection = match link.take().filter(|connection| !connection.is_stale()) {
        Some(connection) => connection,
        None => Connection::open(shared.addresses[node]).await.ok()?,
    };
    let settings = &shared.settings;
    let host = &settings.nodes[node];
    let (path, body) = match task {
        Task::Authorize { token, account, amount, transaction } => {
            let transaction = transaction.as_deref().unwrap_or(token);
            (body::JIT_PATH, body::authorization(shared.style(), token, transaction, account, *amount))
        }
        Task::Report(report) => (body::WEBHOOKS_PATH, body::report(shared.style(), report)),
        // Those go to an admin interface.
        Task::Read { .. } | Task::Open { .. } | Task::Move { .. } | Task::SetStatus { .. } => return None,
    };
    let bytes = body::request(host, path, &settings.authorization, &body);
    let op = shared.recorder.invoke(host, task.clone());
    let result = connection.exchange(&bytes, Instant::now() + settings.patience).await;
    let token = match task {
        Task::Authorize { token, .. } => Some(token.clone()),
        _ => None,
    };
    let (heard, answer) = match &result {
        Err(lost) => (Heard::Unknown, Answer { token, lost: Some(Lost::from(lost)), ..Answer::default() }),
        Ok(reply) => {
            let said: Value = serde_json::from_slice(connection.body(reply)).unwrap_or_default();
            let reason = said["jit_funding"]["decline_reason"].as_str().map(str::to_owned);
            let dead_letter = said["dead_letters"].as_u64().is_some_and(|letters| letters > 0);
            let outcome = (reply.outcome != Outcome::Absent).then(|| reply.outcome.name().to_owned());
            let (status, body) = (Some(reply.status), Some(format!("{:016x}", reply.body_hash)));
            let heard = match reply.status {
                200 => Heard::Ok,
                400..=499 => Heard::Declined,
                _ => Heard::Unknown,
            };
            (heard, Answer { token, status, outcome, body, reason, dead_letter, ..Answer::default() })
        }
    };
    shared.recorder.end(op, heard, answer);
    shared.count(heard);
    if result.is_ok_and(|reply| reply.keep_alive) {
        *link = Some(connection);
    }
    Some(heard)
}
