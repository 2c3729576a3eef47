//! The commands on reports that could not be booked.

use super::answer::{Answer, Column, table};
use super::nodes::{Client, KEYED, Nodes, READ};
use super::{Failure, command, file, time};
use ledger::Program;
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::json;

/// Rows of one call.
const PAGE: u32 = 1000;
/// An item is a fraction of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A letter as JSON.
#[derive(Serialize)]
struct Letter {
    id: String,
    program: String,
    kind: String,
    why: String,
    detail: String,
    kept: String,
    kept_at_us: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    item: String,
}

impl From<wire::DeadLetter> for Letter {
    fn from(letter: wire::DeadLetter) -> Letter {
        let wire::DeadLetter { id, program, kind, why, detail, kept, kept_at_us, item } = letter;
        let item = String::from_utf8_lossy(&item).into_owned();
        Letter { id, program, kind, why, detail, kept, kept_at_us, item }
    }
}

pub(super) async fn run(command: command::DeadLetter, program: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    use command::DeadLetter::{Drop, List, Replay, Show};
    let program = program.as_str().to_owned();
    match command {
        List { after, rows, freshness } => {
            let first =
                wire::ListDeadLettersRequest { program, after_us: after, limit: rows.limit, stale: freshness.stale };
            list(&mut nodes, first).await
        }
        Show { id } => show(&mut nodes, wire::DeadLetterRequest { program, id: id.as_str().to_owned() }).await,
        Replay { id, file } => {
            let item = match file {
                None => Vec::new(),
                Some(path) => checked(file::read(path, FILE_BYTES_MAX).await?)?,
            };
            let item = item.into();
            replay(&mut nodes, wire::ReplayDeadLetterRequest { program, id: id.as_str().to_owned(), item }).await
        }
        Drop { id } => drop_one(&mut nodes, wire::DeadLetterRequest { program, id: id.as_str().to_owned() }).await,
    }
}

async fn list(nodes: &mut Nodes, mut request: wire::ListDeadLettersRequest) -> Result<Answer, Failure> {
    let mut left = request.limit;
    let mut letters: Vec<Letter> = Vec::new();
    let (more, count, count_max) = loop {
        request.limit = left.min(PAGE);
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_dead_letters(request).await }
        };
        let page = nodes.call(READ, ask).await?;
        left = left.saturating_sub(u32::try_from(page.letters.len()).unwrap_or(left));
        request.after_us = page.letters.last().map_or(request.after_us, |last| last.kept_at_us);
        letters.extend(page.letters.into_iter().map(Letter::from));
        if left == 0 || !page.more {
            break (page.more, page.count, page.count_max);
        }
    };
    let mut text = letters_text(&letters);
    text.push_str(&format!("{count} of at most {count_max} over all programmes\n"));
    let document = json!({ "letters": letters, "more": more, "count": count, "count_max": count_max });
    Answer::done(&document, text)
}

fn letters_text(letters: &[Letter]) -> String {
    let head = [
        Column::Left("ID"),
        Column::Left("KEPT AT"),
        Column::Left("KIND"),
        Column::Left("WHY"),
        Column::Left("DETAIL"),
        Column::Left("KEPT"),
    ];
    let rows = letters.iter().map(|of| {
        let (id, at) = (of.id.clone(), time::utc(of.kept_at_us));
        vec![id, at, of.kind.clone(), of.why.clone(), of.detail.clone(), of.kept.clone()]
    });
    table(&head, rows.collect())
}

async fn show(nodes: &mut Nodes, request: wire::DeadLetterRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.show_dead_letter(request).await }
    };
    let letter = Letter::from(nodes.call(READ, ask).await?);
    let text = format!("{}\n{}\n", letters_text(std::slice::from_ref(&letter)), letter.item);
    Answer::done(&letter, text)
}

/// Booking is idempotent by the item's own names.
async fn replay(nodes: &mut Nodes, request: wire::ReplayDeadLetterRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.replay_dead_letter(request).await }
    };
    let effect = nodes.call(KEYED, ask).await?.effect;
    let text = format!("{effect}; {} is out of the list\n", request.id);
    Answer::done(&json!({ "id": request.id, "effect": effect }), text)
}

async fn drop_one(nodes: &mut Nodes, request: wire::DeadLetterRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.drop_dead_letter(request).await }
    };
    nodes.call(KEYED, ask).await?;
    Answer::done(&json!({ "id": request.id, "dropped": true }), format!("{} is out of the list\n", request.id))
}

fn checked(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("the item: {why}"));
    match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::Object(_)) => Ok(bytes),
        Ok(_) => Err(wrong("is not one JSON object".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
