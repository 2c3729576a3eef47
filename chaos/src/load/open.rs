//! Opening this run's accounts and reading its books.
//!
//! What must hold: every call is idempotent, so that the client may repeat it. Not here: what the books prove
//! (`books`).

use super::args::Settings;
use super::template::Names;
use crate::admin::Admin;
use crate::money;
use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{BooksRequest, OpenAccountsRequest, OpenAccountsResponse, Opening};
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// Accounts in one call; the interface takes no more.
const BATCH: u64 = 256;
/// Calls under way at once: enough to fill the log's batches, too few to starve anything.
const CALLS_MAX: usize = 8;

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

impl Admin {
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
