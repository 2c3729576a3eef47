//! Workloads: what a card processor, its retries and an operator do to a cluster, all of it from a seed and recorded.
//!
//! **What lives here.** [`run`] plays *stories* (`plan`): an authorization with retries of its token at other nodes, a
//! whole card transaction whose reports come in any order, late and repeated, a balance read, an operator's change.
//! Clients (`client`) play them over their own connections, for a time or for a number of stories, as fast as they go
//! or at a rate. [`watch`] records meanwhile what nodes say of their term.
//!
//! **What must hold.** A request is recorded before it leaves; what was not heard is unknown, never failed. The same
//! seed and profile give the same stories, whatever the cluster does. Everything is bounded: connections, tries,
//! reports that wait. Not here: how fast a cluster is (`load`, which measures without coordinated omission).

mod body;
mod client;
mod pace;
mod plan;

pub use body::own_token;
pub use plan::{Mix, Names, Profile};

use crate::admin::Admin;
use crate::history::{Answer, Begin, Heard, Line, Recorder, Status, Task, VERSION, Writer};
use crate::money;
use anyhow::{Context, ensure};
use client::{Client, Shared};
use ledger::Currency;
use proto::admin::v1::{ClusterStatusRequest, OpenAccountsRequest, Opening};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// Accounts in one call; the interface takes no more.
const OPENINGS_MAX: usize = 256;
/// How often nodes are asked for their term.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// How long one such answer may take.
const WATCH_MAX: Duration = Duration::from_secs(1);

/// What to do to which cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything random comes from it.
    pub seed: u64,
    /// What the names of this run begin with: letters and digits, at most 12. One run of a cluster has one of its own.
    pub run: String,
    /// `HOST:PORT` of the nodes' listeners for the processor.
    pub nodes: Vec<String>,
    /// `HOST:PORT` of the nodes' admin interfaces.
    pub admins: Vec<String>,
    /// The value of the `Authorization` header.
    pub authorization: String,
    /// Of all money.
    pub currency: Currency,
    /// What is asked.
    pub profile: Profile,
    /// Clients that play stories at the same time, each over a connection to every node.
    pub clients: u64,
    /// Requests per second over all clients; none: as fast as they go.
    pub rate: Option<u64>,
    /// No story is begun after it.
    pub duration: Option<Duration>,
    /// No more stories than that.
    pub stories: Option<u64>,
    /// How long a client waits for a reply.
    pub patience: Duration,
    /// After that an answer is late: what goes into the history's first line.
    pub deadline: Duration,
}

/// What was done, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Stories begun.
    pub stories: u64,
    /// Requests sent, those of operators included.
    pub requests: u64,
    /// Of them, those whose end was not heard.
    pub unknown: u64,
    /// Reports that no node has taken in the end.
    pub reports_left: u64,
}

impl Settings {
    /// Names of this run.
    pub fn names(&self) -> Names {
        Names { run: self.run.clone() }
    }

    /// Creates the history of a run with these settings.
    pub fn history(
        &self,
        path: &Path,
        stand_in: Option<crate::history::StandInLimits>,
    ) -> anyhow::Result<Writer<Line>> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let begin = Begin {
            version: VERSION,
            seed: self.seed,
            unix_us: u64::try_from(unix.as_micros()).unwrap_or(u64::MAX),
            currency: self.currency.code().into(),
            nodes: self.nodes.clone(),
            deadline_us: u64::try_from(self.deadline.as_micros()).unwrap_or(u64::MAX),
            stand_in,
        };
        Writer::of_lines(path, begin)
    }
}

/// Opens all accounts of the profile, each with its first credit. Needs a quorum within some 15 s.
pub async fn open(settings: &Settings, recorder: &Recorder) -> anyhow::Result<()> {
    let admin = Admin::new(&settings.admins)?;
    let names = settings.names();
    let credit = money::format(settings.profile.credit.into(), settings.currency.digits());
    let accounts: Vec<String> = (0..settings.profile.accounts).map(|number| names.account(number)).collect();
    for chunk in accounts.chunks(OPENINGS_MAX) {
        let opening = |account: &String| Opening {
            user_token: account.clone(),
            currency: settings.currency.code().into(),
            credit: credit.clone(),
        };
        let openings = chunk.iter().map(opening).collect();
        let request = OpenAccountsRequest { program: String::new(), openings };
        let task = |account: &String| Task::Open { account: account.clone(), credit: settings.profile.credit };
        let ops: Vec<u64> = chunk.iter().map(|account| recorder.invoke("", task(account))).collect();
        let done = admin.call(0, |mut client| {
            let request = request.clone();
            async move { client.open_accounts(request).await }
        });
        done.await.context("open accounts")?;
        ops.into_iter().for_each(|op| recorder.end(op, Heard::Ok, Answer::default()));
    }
    Ok(())
}

/// Plays stories until time or number is reached, or `stop` is set; then posts the reports that are still to come. The
/// accounts must be open.
pub async fn run(settings: &Settings, recorder: &Recorder, stop: &Arc<AtomicBool>) -> anyhow::Result<Summary> {
    ensure!(settings.duration.is_some() || settings.stories.is_some(), "neither a duration nor a number of stories");
    ensure!(!settings.nodes.is_empty() && !settings.admins.is_empty(), "no nodes");
    settings.profile.validate()?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for node in &settings.nodes {
        let found = tokio::net::lookup_host(node).await.with_context(|| format!("look up {node}"))?.next();
        addresses.push(found.with_context(|| format!("{node} has no address"))?);
    }
    let admin = Admin::new(&settings.admins)?;
    let shared = Arc::new(Shared::new(settings.clone(), addresses, recorder.clone(), stop.clone()));
    let mut clients = JoinSet::new();
    for number in 0..settings.clients.max(1) {
        clients.spawn(Client::new(shared.clone(), admin.clone(), number).play_all());
    }
    while let Some(ended) = clients.join_next().await {
        ended.context("a client's task failed")?;
    }
    Ok(shared.summary())
}

/// Records what each node says of its term, until `stop` is set.
pub async fn watch(admins: &[String], recorder: &Recorder, stop: &AtomicBool) -> anyhow::Result<()> {
    look_at(&Admin::new(admins)?, |status| recorder.status(status), stop).await;
    Ok(())
}

/// Hands over what each node says of its term, without the time, until `stop` is set.
pub async fn look_at(admin: &Admin, each: impl Fn(Status), stop: &AtomicBool) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        for client in admin.clients() {
            let mut client = client.clone();
            let asked = tokio::time::timeout(WATCH_MAX, client.cluster_status(ClusterStatusRequest {})).await;
            // A node that does not answer says nothing of its term.
            let Ok(Ok(answer)) = asked else { continue };
            let status = answer.into_inner();
            let own = status.nodes.iter().find(|node| node.id == status.answered_by);
            each(Status {
                at_us: 0,
                node: status.answered_by,
                term: status.term,
                leader: status.leader,
                applied: own.map_or(0, |node| node.applied),
            });
        }
    }
}
