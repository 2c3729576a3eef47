//! The feed of events, and an account's part of it: the history in the order of the log.
//!
//! What must hold: an index is given whole or not at all, in order, without a gap, so that whoever goes on at
//! `next_index` misses nothing; what is not there any more is an error, never an empty answer. A call is bounded in
//! bytes, in rows and in what it looks through.

use super::history::Line;
use super::{Cluster, fields};
use cluster::{HistoryGap, HistoryRecord};
use ledger::{Command, Program, UserToken, decode_command};
use proto::admin::v1 as wire;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// Bytes of commands of one page: their JSON is a few times that, far below what a client takes.
const PAGE_BYTES: usize = 512 * 1024;
/// The most bytes of commands that one call for a journal looks through.
const LOOKED_BYTES_MAX: usize = 32 * PAGE_BYTES;
/// How long a call may wait for something new.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The history is written in groups, a few times a second.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Where a call begins.
async fn begin(cluster: &impl Cluster, from_index: u64, since_us: u64) -> Result<u64, Status> {
    match (from_index, since_us) {
        (from, 0) => Ok(from),
        (0, since) => cluster.history_since(since).await.map_err(gap),
        (_, _) => Err(fields::invalid("since_us", "excludes from_index")),
    }
}

/// All events of a programme, and those that belong to none.
pub(super) async fn watch(
    cluster: &impl Cluster,
    request: &wire::WatchEventsRequest,
) -> Result<wire::WatchEventsResponse, Status> {
    let program = fields::program(&request.program)?;
    let from = begin(cluster, request.from_index, request.since_us).await?;
    let until = Instant::now() + WAIT_MAX.min(Duration::from_millis(request.wait_ms.into()));
    loop {
        let page = cluster.history_page(from, PAGE_BYTES).await.map_err(gap)?;
        let mut events = Vec::new();
        for (index, records) in &page.entries {
            let of = |command: &Command| belongs(command, &program);
            events.extend(numbered(*index, records, of, request.since_us));
        }
        let end = page.entries.is_empty();
        if !end || Instant::now() + LOOK_AGAIN > until {
            return Ok(wire::WatchEventsResponse { events, next_index: page.next, end });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Those of an account: at most so many, and a few more of the last index.
pub(crate) async fn journal(
    cluster: &impl Cluster,
    program: Program,
    request: &wire::ListJournalRequest,
) -> Result<wire::WatchEventsResponse, Status> {
    let user = fields::user("user_token", &request.user_token)?;
    let limit = fields::page_limit(request.limit)?;
    let mut next_index = begin(cluster, request.from_index, request.since_us).await?;
    let (mut events, mut looked) = (Vec::new(), 0);
    loop {
        let page = cluster.history_page(next_index, PAGE_BYTES).await.map_err(gap)?;
        let end = page.entries.is_empty();
        for (index, records) in &page.entries {
            looked += records.iter().map(|record| record.command.len()).sum::<usize>();
            let of = |command: &Command| concerns(cluster, command, &program, &user);
            events.extend(numbered(*index, records, of, request.since_us));
            next_index = index + 1;
            if events.len() >= limit {
                return Ok(wire::WatchEventsResponse { events, next_index, end: false });
            }
        }
        next_index = page.next;
        if end || looked >= LOOKED_BYTES_MAX {
            return Ok(wire::WatchEventsResponse { events, next_index, end });
        }
    }
}

/// The events of one index that are wanted.
fn numbered<'a>(
    index: u64,
    records: &'a [HistoryRecord],
    wanted: impl Fn(&Command) -> bool + 'a,
    since_us: u64,
) -> impl Iterator<Item = wire::Event> + 'a {
    let event = move |(place, record): (u32, &HistoryRecord)| {
        // What this release cannot read is told, not left out.
        let known = decode_command(&record.command);
        let there = record.time_us >= since_us && known.map_or(true, |command| wanted(&command));
        there.then(|| wire::Event { index, place, time_us: record.time_us, json: Line::placed(index, place, record) })
    };
    (0..).zip(records).filter_map(event)
}

/// A sweep belongs to every programme, and so does forgetting.
fn belongs(command: &Command, program: &Program) -> bool {
    let of = match command {
        Command::Authorize(request) | Command::Force(request) => &request.program,
        Command::Void(void) => &void.program,
        Command::Open(open) => &open.program,
        Command::Move(movement) => &movement.program,
        Command::SetStatus(change) => &change.program,
        Command::Event(event) => &event.program,
        Command::Shelve(letter) => &letter.program,
        Command::DropLetter(drop) => &drop.program,
        Command::SetControls(set) => &set.program,
        Command::SetParty(set) => &set.program,
        Command::Sweep(_) | Command::Forget(_) | Command::Restored(_) | Command::Reconciled(_) => return true,
    };
    of == program
}

/// Whether a command is about an account. A void names only its token, which the books know.
fn concerns(cluster: &impl Cluster, command: &Command, program: &Program, user: &UserToken) -> bool {
    let of = match command {
        Command::Authorize(request) | Command::Force(request) => request.user,
        Command::Move(movement) => movement.user,
        Command::SetStatus(change) => change.user,
        Command::Event(event) => event.user,
        Command::Open(open) => {
            return open.program == *program && open.openings.iter().any(|opening| opening.user == *user);
        }
        Command::Void(void) => {
            let asked = cluster.read(|books| books.token(program, &void.token).and_then(|token| token.user));
            return void.program == *program && asked == Some(*user);
        }
        Command::Sweep(_)
        | Command::Forget(_)
        | Command::Restored(_)
        | Command::Reconciled(_)
        | Command::Shelve(_)
        | Command::DropLetter(_)
        | Command::SetControls(_)
        | Command::SetParty(_) => return false,
    };
    of == *user && belongs(command, program)
}

fn gap(gap: HistoryGap) -> Status {
    match gap {
        HistoryGap::TooOld { .. } | HistoryGap::Gap { .. } => Status::out_of_range(gap.to_string()),
        HistoryGap::Off | HistoryGap::Nothing | HistoryGap::Damaged(_) => Status::unavailable(gap.to_string()),
    }
}
