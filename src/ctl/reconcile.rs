//! `ctl reconcile`: after a restore, from what is missing to deciding again.
//!
//! **What lives here.** `compare` takes an export of the processor's transactions, one JSON object a line as from its
//! list endpoint, through the books; `done` ends the mode that follows a restore. `export` reads lines, `report`
//! says what was found.
//!
//! **What must hold.** Nothing is repaired: bodies to post are written to a file, and whoever posts them answers for
//! it. Memory is bounded, whatever the size of the file. What is missing *there* is judged only between the first and
//! the last time in the file, because an export knows nothing of what was before or after it; and only holds that no
//! report has confirmed, because what was reported the processor knows.

mod export;
mod report;

use super::answer::Answer;
use super::nodes::{Client, KEYED, Nodes, READ};
use super::{Failure, command};
use export::{Export, Named};
use ledger::Program;
use proto::admin::v1 as wire;
use report::Report;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Items of one call.
const ITEMS: usize = 128;
/// Holds that are looked for in the file at a time: some 20 MB. Of more, the file is read again.
const HOLDS_MAX: usize = 100_000;
/// Holds of one call.
const PAGE: u32 = 1_000;

pub(super) async fn run(of: command::Reconcile, program: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    match (of.command, of.file) {
        (Some(command::ReconcileCommand::Done(order)), _) => done(order, &mut nodes).await,
        (None, Some(file)) => {
            let report = Report::new(of.repairs).map_err(|error| Failure::Usage(format!("--repairs: {error}")))?;
            compare(&file, report, program.as_str(), &mut nodes).await
        }
        (None, None) => Err(Failure::Usage("give the export's file, or `done`".to_owned())),
    }
}

/// Said twice it changes nothing.
async fn done(order: command::Order, nodes: &mut Nodes) -> Result<Answer, Failure> {
    let request = wire::EndReconcilingRequest { who: order.who, why: order.why };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.end_reconciling(request).await }
    };
    let changed = nodes.call(KEYED, ask).await?.changed;
    let text = if changed {
        "requests are decided again\n"
    } else {
        "nothing had to change: the books are not waiting to be reconciled\n"
    };
    Answer::done(&json!({ "changed": changed }), text.to_owned())
}

/// The first and the last time in a file.
#[derive(Clone, Copy, Default)]
struct Span(Option<(u64, u64)>);

impl Span {
    fn add(&mut self, time_us: u64) {
        let (first, last) = self.0.unwrap_or((time_us, time_us));
        self.0 = Some((first.min(time_us), last.max(time_us)));
    }

    fn has(self, time_us: u64) -> bool {
        self.0.is_some_and(|(first, last)| (first..=last).contains(&time_us))
    }
}

async fn compare(path: &Path, mut report: Report, program: &str, nodes: &mut Nodes) -> Result<Answer, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", path.display()));
    let kept = |error: std::io::Error| Failure::Refused(format!("write the repairs: {error}"));
    let (mut after, mut first_time) = (0, true);
    loop {
        let (mut holds, last) = holds(program, after, nodes).await?;
        if holds.is_empty() && !first_time {
            return report.answer();
        }
        let mut file = Export::open(path).map_err(|error| wrong(&error))?;
        let (mut span, mut batch) = (Span::default(), Vec::new());
        while let Some(line) = file.next().map_err(|why| wrong(&why))? {
            let named = Named::of(&line);
            named.tokens().for_each(|token| _ = holds.remove(token));
            named.created_us().into_iter().for_each(|time_us| span.add(time_us));
            batch.push((file.line, line));
            if first_time && batch.len() == ITEMS {
                judge(&mut batch, &mut report, program, nodes).await?;
            } else if !first_time {
                batch.clear();
            }
        }
        judge(&mut batch, &mut report, program, nodes).await?;
        let missing = holds.values().filter(|hold| span.has(hold.placed_at_us));
        missing.into_iter().try_for_each(|hold| report.missing_there(hold)).map_err(kept)?;
        first_time = false;
        match last {
            Some(last) => after = last,
            None => return report.answer(),
        }
    }
}

/// Has the books say what these lines are to them.
async fn judge(
    batch: &mut Vec<(u64, String)>,
    report: &mut Report,
    program: &str,
    nodes: &mut Nodes,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let items = batch.iter().map(|(_, item)| item.clone().into()).collect();
    let request = wire::CompareReportsRequest { program: program.to_owned(), items };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.compare_reports(request).await }
    };
    let compared = nodes.call(READ, ask).await?.reports;
    if compared.len() != batch.len() {
        return Err(Failure::Unknown("the node's answer does not fit the question".to_owned()));
    }
    for ((line, item), found) in batch.drain(..).zip(&compared) {
        let kept = report.compared(line, &item, found);
        kept.map_err(|error| Failure::Refused(format!("write the repairs: {error}")))?;
    }
    Ok(())
}

/// Holds that no report has confirmed, by their token, and where to go on if there are more.
async fn holds(
    program: &str,
    mut after: u64,
    nodes: &mut Nodes,
) -> Result<(BTreeMap<String, wire::Hold>, Option<u64>), Failure> {
    let mut found = BTreeMap::new();
    loop {
        let request = wire::ListUnconfirmedHoldsRequest {
            program: program.to_owned(),
            older_than_s: 0,
            after,
            limit: PAGE,
            stale: false,
        };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_unconfirmed_holds(request).await }
        };
        let page = nodes.call(READ, ask).await?;
        after = page.holds.iter().map(|hold| hold.number).max().unwrap_or(after);
        found.extend(page.holds.into_iter().map(|hold| (hold.token.clone(), hold)));
        if !page.more {
            return Ok((found, None));
        }
        if found.len() >= HOLDS_MAX {
            return Ok((found, Some(after)));
        }
    }
}
