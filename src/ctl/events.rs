//! The feed of events, printed as it comes, and the journal of an account.
//!
//! What must hold: a line is printed whole and in order, and nothing is left out: after a lost call it goes on at the
//! index where it was, at whichever node answers. At least once: what was printed before a failure comes again only if
//! the caller begins again.

use super::answer::{Answer, Column, table};
use super::nodes::{Client, Nodes, READ};
use super::{Failure, Style, command, print, print_failure, time};
use ledger::Program;
use proto::admin::v1 as wire;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// How long the node waits for something new.
const WAIT_MS: u32 = 2_000;
/// How long nobody may answer while following: longer than any change of leader or restart of a node.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
/// Rows of one call.
const PAGE: u32 = 1_000;

/// Prints events until there are no more, or for ever. The exit code is that of the failure that ended it.
pub(super) async fn run(
    of: command::Events,
    program: Program,
    mut nodes: Nodes,
    style: Style,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut request = wire::WatchEventsRequest {
        program: program.as_str().to_owned(),
        from_index: of.begin.from,
        since_us: of.begin.since_us(),
        wait_ms: if of.follow { WAIT_MS } else { 0 },
    };
    let mut silent_since = tokio::time::Instant::now();
    loop {
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.watch_events(request).await }
        };
        let page = match nodes.call(READ, ask).await {
            Ok(page) => page,
            Err(Failure::Unavailable(_)) if of.follow && silent_since.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(failure) => return print_failure(&failure, style, out, err),
        };
        silent_since = tokio::time::Instant::now();
        let mut text = String::new();
        for event in &page.events {
            text.push_str(&event.json);
            text.push('\n');
        }
        // Who reads no more is told nothing more.
        if !text.is_empty() && !print(&text, out, err) {
            return 0;
        }
        if page.end && !of.follow {
            return 0;
        }
        (request.from_index, request.since_us) = (page.next_index, 0);
    }
}

/// Rows of an account, at most as many as the first request says and a few more of the last index.
pub(super) async fn journal(nodes: &mut Nodes, first: wire::ListJournalRequest) -> Result<Answer, Failure> {
    let (wanted, mut request) = (first.limit as usize, first);
    let mut events: Vec<Value> = Vec::new();
    let (next, end) = loop {
        let left = u32::try_from(wanted.saturating_sub(events.len())).unwrap_or(PAGE);
        request.limit = left.clamp(1, PAGE);
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_journal(request).await }
        };
        let page = nodes.call(READ, ask).await?;
        for event in page.events {
            let read = serde_json::from_str(&event.json);
            events.push(read.map_err(|error| Failure::Unknown(format!("read the answer: {error}")))?);
        }
        if page.end || events.len() >= wanted {
            break (page.next_index, page.end);
        }
        (request.from_index, request.since_us) = (page.next_index, 0);
    };
    let mut text = journal_text(&events);
    if !end {
        text.push_str(&format!("there may be more: --from {next}\n"));
    }
    Answer::done(&json!({ "events": events, "next_index": next, "end": end }), text)
}

fn journal_text(events: &[Value]) -> String {
    let head = [
        Column::Right("INDEX"),
        Column::Left("TIME"),
        Column::Left("KIND"),
        Column::Right("AMOUNT"),
        Column::Left("CURRENCY"),
        Column::Left("OUTCOME"),
        Column::Left("REASON"),
        Column::Left("TOKEN"),
    ];
    let rows = events.iter().map(|event| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        // Of a reported fact what it is says more than that it is one.
        let kind = if event["role"].is_string() { text("role") } else { text("kind") };
        let token = if event["token"].is_string() { text("token") } else { text("transaction") };
        let at = time::utc(event["time_us"].as_u64().unwrap_or_default());
        let index = event["log_index"].to_string();
        vec![index, at, kind, text("amount"), text("currency"), text("outcome"), text("reason"), token]
    });
    table(&head, rows.collect())
}
