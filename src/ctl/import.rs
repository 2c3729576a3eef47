//! Opening many accounts from a file of JSON lines or CSV.
//!
//! What must hold: every line is checked before anything is sent, and each wrong one is named by its number. What is
//! sent is idempotent line by line, so an import that broke off is simply done again, and one that meets a cluster
//! without a leader waits for it. Memory is bounded by the limits in `lines`.

mod csv;
mod lines;

use super::Failure;
use super::account::open_accounts;
use super::answer::Answer;
use super::nodes::Nodes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::Open;
use proto::admin::v1 as wire;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long one batch is tried again: longer than any fail-over, shorter than an operator's patience.
const TRYING_MAX: Duration = Duration::from_secs(30);
/// Between two rounds over all nodes.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn run(nodes: &mut Nodes, program: String, file: PathBuf) -> Result<Answer, Failure> {
    let shown = file.display().to_string();
    let reading = tokio::task::spawn_blocking(move || lines::read_file(&file)).await;
    let openings = match reading {
        Ok(openings) => openings.map_err(|why| Failure::Usage(format!("{shown}: {why}")))?,
        Err(error) => return Err(Failure::Unavailable(format!("{shown}: {error}"))),
    };
    let bar = bar(openings.len());
    let sent = send(nodes, &program, &openings, &bar).await;
    bar.finish_and_clear();
    let Sent { opened, existed, lines } = sent.map_err(|(failure, sent)| broken_off(failure, &sent, openings.len()))?;
    let mut document = json!({ "lines": lines, "opened": opened, "existed": existed });
    let mut text = format!("{lines} lines: {opened} opened, {existed} were there already\n");
    if nodes.answers_lost() > 0 && existed > 0 {
        // A batch was sent again, and what its lost try had opened counts as being there.
        document["answers_lost"] = json!(nodes.answers_lost());
        text.push_str("answers were lost on the way: some of those that were there may be from this import\n");
    }
    Answer::done(&document, text)
}

/// What was sent and answered.
#[derive(Default)]
struct Sent {
    opened: u64,
    existed: u64,
    lines: usize,
}

async fn send(
    nodes: &mut Nodes,
    program: &str,
    openings: &[wire::Opening],
    bar: &ProgressBar,
) -> Result<Sent, (Failure, Sent)> {
    let mut sent = Sent::default();
    for batch in openings.chunks(Open::MAX) {
        let request = wire::OpenAccountsRequest { program: program.to_owned(), openings: batch.to_vec() };
        let done = match patiently(nodes, &request, bar).await {
            Ok(done) => done,
            Err(failure) => return Err((failure, sent)),
        };
        sent.opened += u64::from(done.opened);
        sent.existed += u64::from(done.existed);
        sent.lines += batch.len();
        bar.set_position(sent.lines as u64);
    }
    Ok(sent)
}

/// Goes round the nodes until one has done it, or it has become clear that none will.
async fn patiently(
    nodes: &mut Nodes,
    request: &wire::OpenAccountsRequest,
    bar: &ProgressBar,
) -> Result<wire::OpenAccountsResponse, Failure> {
    let give_up_at = Instant::now() + TRYING_MAX;
    let mut maybe_done = false;
    loop {
        let failure = match open_accounts(nodes, request).await {
            Ok(done) => {
                bar.set_message("");
                return Ok(done);
            }
            Err(failure @ (Failure::Usage(_) | Failure::Refused(_))) if !maybe_done => return Err(failure),
            Err(failure) => failure,
        };
        match failure {
            Failure::Usage(_) | Failure::Refused(_) => return Err(Failure::Unknown(failure.message().to_owned())),
            Failure::Unknown(_) => maybe_done = true,
            Failure::Unavailable(_) => {}
        }
        if Instant::now() >= give_up_at {
            let text = failure.message().to_owned();
            return Err(if maybe_done { Failure::Unknown(text) } else { Failure::Unavailable(text) });
        }
        bar.set_message("no node takes it, trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// On standard error, and only if that is a terminal.
fn bar(lines: usize) -> ProgressBar {
    let template = "opening {wide_bar} {pos}/{len} ({per_sec}, {eta} left) {msg}";
    let bar = ProgressBar::with_draw_target(Some(lines as u64), ProgressDrawTarget::stderr());
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Once something was sent, "nothing was done" is no longer true.
fn broken_off(failure: Failure, sent: &Sent, total: usize) -> Failure {
    if sent.lines == 0 {
        return failure;
    }
    let Sent { opened, existed, lines } = sent;
    let progress = format!(
        "{}; {lines} of {total} lines were done before ({opened} opened, {existed} were there already): import again, \
         what was done is found done",
        failure.message()
    );
    match failure {
        Failure::Usage(_) => Failure::Usage(progress),
        Failure::Refused(_) => Failure::Refused(progress),
        Failure::Unavailable(_) | Failure::Unknown(_) => Failure::Unknown(progress),
    }
}
