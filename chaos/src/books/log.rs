//! The part of the log that a run has written, from the feed of events of any node that has all of it.

use crate::admin::Admin;
use crate::history::{History, Task, books};
use anyhow::{Context, bail};
use proto::admin::v1 as wire;
use serde_json::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long the feed is read: a million events take some ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a page waits for something new.
const WAIT_MS: u32 = 300;
/// So many pages without anything new are the end: the feed is behind the decisions by some hundred milliseconds.
const ENDS: u32 = 3;
/// The log begins before the run by as much as clocks may differ.
const CLOCKS_US: u64 = 60_000_000;

/// Every command about an account or a token of the history, in the order of the log.
pub async fn read(admin: &Admin, history: &History) -> anyhow::Result<Vec<books::Applied>> {
    let accounts = history.ops.iter().map(|op| op.task.account()).collect();
    let tokens = history.ops.iter().filter_map(|op| match &op.task {
        Task::Authorize { token, .. } => Some(&**token),
        _ => None,
    });
    let about = About { accounts, tokens: tokens.collect() };
    let mut last = None;
    for number in 0..admin.clients().len() {
        match read_at(admin, number, history.begin.unix_us.saturating_sub(CLOCKS_US), &about).await {
            Ok(applied) => return Ok(applied),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no admin interface")?)
}

/// What the history is about.
struct About<'a> {
    accounts: HashSet<&'a str>,
    tokens: HashSet<&'a str>,
}

impl About<'_> {
    /// A void names only its token, openings name their accounts in a list.
    fn has(&self, command: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let opened = command["openings"].as_array();
        let opens = opened.is_some_and(|all| all.iter().any(|one| self.accounts.contains(&*text(&one["user"]))));
        opens || self.accounts.contains(&*text(&command["user"])) || self.tokens.contains(&*text(&command["token"]))
    }
}

async fn read_at(
    admin: &Admin,
    number: usize,
    since_us: u64,
    about: &About<'_>,
) -> anyhow::Result<Vec<books::Applied>> {
    let mut client = admin.clients().get(number).cloned().context("no such admin interface")?;
    let began = Instant::now();
    let mut applied = Vec::new();
    let mut ends = 0;
    let mut request = wire::WatchEventsRequest { since_us, wait_ms: WAIT_MS, ..Default::default() };
    loop {
        let page = client.watch_events(request.clone()).await?.into_inner();
        for event in page.events {
            let command: Value = serde_json::from_str(&event.json).context("the JSON of an event")?;
            if about.has(&command) {
                applied.push(books::Applied { index: event.index, place: event.place, command });
            }
        }
        request = wire::WatchEventsRequest { from_index: page.next_index, since_us: 0, ..request };
        ends = if page.end { ends + 1 } else { 0 };
        if ends == ENDS {
            return Ok(applied);
        }
        if began.elapsed() >= PATIENCE {
            bail!("the feed does not come to an end within {PATIENCE:?}");
        }
    }
}
