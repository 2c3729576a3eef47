//! `chaos check`: reads a history, asks for the books if it is told where, runs the checkers and says what they found.

use super::{Finding, Verdict, all, verdict};
use crate::admin::Admin;
use crate::books;
use crate::history::{History, append};
use anyhow::Context;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: u8 = 2;

const LONG_HELP: &str = "\
Checkers:
  token         one token, one decision: the same bytes from any node, decided in the log once
  acknowledged  no approval that somebody was told is lost
  money         an account has what was brought and paid, and nothing else
  linear        per account there is one order in which the sequential ledger gives every answer
  holds         a hold stands for one token that may stand, once, with no more than its reports have left
  stand_in      stand-in stays within its bound, and each of its answers is in the books once
  digests       all nodes have the same books, and each finds them sound
  terms         terms only grow, and a term has one leader
  in_time       every request for funds is answered in time with 200 or 402

The books are those that the history carries, or with --admin those that the nodes have now; nothing else may have
used its accounts since.

Exit code:
  0  every checker looked and found nothing wrong
  1  a promise is violated
  2  usage: the history cannot be read
  3  inconclusive: nothing wrong was found, but not everything could be looked at";

/// Options of `chaos check`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LONG_HELP)]
pub struct Args {
    /// The file that was recorded.
    history: PathBuf,
    /// Admin gRPC interfaces of the nodes: read the books from them. Repeatable or with commas.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    admin: Vec<String>,
    /// How long to wait for nodes to settle what they owe.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    patience: u64,
    /// Keep the books that were read in the history.
    #[arg(long, requires = "admin")]
    keep: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    verdict: Verdict,
    requests: usize,
    findings: &'a [Finding],
}

/// Checks, prints, and says how it went.
pub fn run(args: &Args) -> ExitCode {
    let history = match load(args) {
        Ok(history) => history,
        Err(error) => {
            eprintln!("chaos check: {error:#}");
            return ExitCode::from(USAGE);
        }
    };
    let findings = all(&history);
    let verdict = verdict(&history, &findings);
    if args.json {
        let document = Document { verdict, requests: history.ops.len(), findings: &findings };
        // Infallible: no map with other keys than text, no number that JSON lacks.
        println!("{}", serde_json::to_string_pretty(&document).expect("JSON"));
    } else {
        tell(&history, &findings, verdict);
    }
    ExitCode::from(exit_code(verdict))
}

/// As users see it.
pub fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Held => 0,
        Verdict::Violated => 1,
        Verdict::Inconclusive => 3,
    }
}

fn load(args: &Args) -> anyhow::Result<History> {
    let mut history = History::read(&args.history)?;
    if !args.admin.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
        let patience = Duration::from_secs(args.patience);
        let books = runtime.block_on(async {
            let admin = Admin::new(&args.admin)?;
            books::collect(&admin, &history, patience).await
        })?;
        if args.keep {
            append(&args.history, &books)?;
        }
        history.books = books;
    }
    Ok(history)
}

fn tell(history: &History, findings: &[Finding], verdict: Verdict) {
    println!("{} requests{}", history.ops.len(), if history.complete { "" } else { ", and the history was cut off" });
    for finding in findings {
        println!("{:<13} {:<13} {:>8} looked at", finding.checker, word(finding.verdict), finding.looked);
        finding.why.iter().for_each(|why| println!("    {why}"));
    }
    for missing in history.books.settled.iter().flat_map(|settled| &settled.missing) {
        println!("not read: {missing}");
    }
    println!("{}", word(verdict));
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "held",
        Verdict::Violated => "VIOLATED",
        Verdict::Inconclusive => "inconclusive",
    }
}
