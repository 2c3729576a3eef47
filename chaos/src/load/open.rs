//! The admin interfaces: opening this run's accounts and reading its books.
//!
//! What must hold: every call is idempotent, so it is repeated at the next interface while the answer is that nothing
//! or something unknown was done; the number of tries is bounded. Not here: what the books prove (`books`).

use super::args::Settings;
use super::money;
use super::template::Names;
use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{BooksRequest, OpenAccountsRequest, OpenAccountsResponse, Opening};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// Accounts in one call; the interface takes no more.
const BATCH: u64 = 256;
/// Calls under way at once: enough to fill the log's batches, too few to starve anything.
const CALLS_MAX: usize = 8;
/// Tries of one call: with the pauses between them about 10 s, longer than a fail-over.
const TRIES_MAX: usize = 14;
const PAUSE_MAX: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(1);
const CALL_MAX: Duration = Duration::from_secs(10);
/// After this no further try is begun, however few there were.
const TRYING_MAX: Duration = Duration::from_secs(15);

/// The sums over this run's accounts, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What has been booked.
    pub posted: i128,
    /// What is held.
    pub held: i128,
    /// How many accounts there are.
    pub accounts: u64,
    /// How many holds stand.
    pub holds: u64,
}

/// All admin interfaces of a cluster.
#[derive(Clone)]
pub struct Admin {
    clients: Vec<AdminClient<Channel>>,
}

impl Admin {
    /// Connects when it is first used.
    pub fn new(addresses: &[String]) -> anyhow::Result<Admin> {
        let mut clients = Vec::new();
        for address in addresses {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).context("admin address")?;
            let channel = endpoint.connect_timeout(CONNECT_MAX).timeout(CALL_MAX).tcp_nodelay(true).connect_lazy();
            clients.push(AdminClient::new(channel));
        }
        Ok(Admin { clients })
    }

    /// Opens all accounts of the run. How many were new, and how many were there.
    pub async fn open(&self, settings: &Settings, credit: &str) -> anyhow::Result<OpenAccountsResponse> {
        let bar = bar(settings);
        let mut total = OpenAccountsResponse::default();
        let mut calls = JoinSet::new();
        let mut first = 0;
        while first < settings.plan.accounts || !calls.is_empty() {
            if first < settings.plan.accounts && calls.len() < CALLS_MAX {
                let last = (first + BATCH).min(settings.plan.accounts);
                let openings = openings(&settings.names, first..last, &settings.style.currency, credit);
                let admin = self.clone();
                calls.spawn(async move { admin.open_batch((first / BATCH) as usize, openings).await });
                first = last;
                continue;
            }
            let Some(done) = calls.join_next().await else { break };
            let done = done.context("a call's task failed")??;
            total.opened += done.opened;
            total.existed += done.existed;
            bar.inc(u64::from(done.opened) + u64::from(done.existed));
        }
        bar.finish_and_clear();
        let known = u64::from(total.opened) + u64::from(total.existed);
        ensure!(known == settings.plan.accounts, "asked for {} accounts, {known} are there", settings.plan.accounts);
        Ok(total)
    }

    async fn open_batch(&self, start: usize, openings: Vec<Opening>) -> anyhow::Result<OpenAccountsResponse> {
        let request = OpenAccountsRequest { program: String::new(), openings };
        let ask = |mut client: AdminClient<Channel>| {
            let request = request.clone();
            async move { client.open_accounts(request).await }
        };
        self.call(start, ask).await.context("open accounts")
    }

    /// Reads the sums over the run's accounts, linearizably.
    pub async fn books(&self, settings: &Settings) -> anyhow::Result<Reading> {
        let user_prefix = settings.names.user_prefix.clone();
        let request = BooksRequest { program: String::new(), user_prefix, stale: false };
        let ask = |mut client: AdminClient<Channel>| {
            let request = request.clone();
            async move { client.books(request).await }
        };
        let books = self.call(0, ask).await.context("read the books")?;
        let mut reading = Reading { accounts: books.accounts, holds: books.holds, ..Reading::default() };
        for balance in books.totals.iter().filter(|balance| balance.currency == settings.style.currency) {
            let minor = |text: &str| {
                money::parse(text, settings.style.digits).with_context(|| format!("not an amount: {text:?}"))
            };
            reading.posted += minor(&balance.posted)?;
            reading.held += minor(&balance.held)?;
        }
        Ok(reading)
    }

    /// Calls one interface after the other, from number `start` on.
    async fn call<T, F>(&self, start: usize, ask: impl Fn(AdminClient<Channel>) -> F) -> anyhow::Result<T>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut pause = Duration::from_millis(50);
        let mut last = None;
        let began = Instant::now();
        for number in start..start + TRIES_MAX {
            let status = match ask(self.clients[number % self.clients.len()].clone()).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            if !may_pass(status.code()) {
                bail!("{}: {}", status.code(), status.message());
            }
            last = Some(status);
            if began.elapsed() >= TRYING_MAX {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let last = last.map_or_else(String::new, |status| format!("{}: {}", status.code(), status.message()));
        bail!("no admin interface answers; the last said {last}")
    }
}

/// Another try, at another interface, may succeed.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Aborted
            | Code::Internal
            | Code::ResourceExhausted
    )
}

fn openings(names: &Names, users: std::ops::Range<u64>, currency: &str, credit: &str) -> Vec<Opening> {
    users
        .map(|user| Opening { user_token: names.user(user), currency: currency.into(), credit: credit.into() })
        .collect()
}

/// A progress bar, drawn only on a terminal.
fn bar(settings: &Settings) -> ProgressBar {
    let style = ProgressStyle::with_template("opening accounts {bar:40} {human_pos}/{human_len} {per_sec} eta {eta}");
    let bar = ProgressBar::new(settings.plan.accounts);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
