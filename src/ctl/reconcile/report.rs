//! What a comparison found, for people and programs, and the repairs that it proposes.
//!
//! What must hold: everything is counted; at most [`ROWS_MAX`] are shown, so that a file of any size can be compared.
//! Repairs go to a file of their own as they are found. None is carried out here.

use crate::ctl::answer::{Answer, Column, table};
use crate::ctl::{Failure, time};
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Rows that are shown.
const ROWS_MAX: usize = 1_000;

/// One difference.
#[derive(Serialize)]
pub(super) struct Row {
    /// `missing_here`, `missing_there`, `differs`, `impossible`, `unreadable`.
    pub(super) finding: &'static str,
    /// Of the file; none for what the file does not have.
    pub(super) line: Option<u64>,
    pub(super) token: String,
    pub(super) role: String,
    pub(super) user: String,
    pub(super) amount: String,
    pub(super) currency: String,
    pub(super) detail: String,
}

/// All that was found so far.
pub(super) struct Report {
    counts: BTreeMap<&'static str, u64>,
    rows: Vec<Row>,
    repairs: Option<(PathBuf, BufWriter<File>)>,
    written: u64,
}

impl Report {
    /// Repairs are written to this file, which must not be there.
    pub(super) fn new(repairs: Option<PathBuf>) -> io::Result<Report> {
        let open = |path: PathBuf| Ok::<_, io::Error>((path.clone(), BufWriter::new(File::create_new(path)?)));
        Ok(Report { counts: BTreeMap::new(), rows: Vec::new(), repairs: repairs.map(open).transpose()?, written: 0 })
    }

    /// One of the file, with what the books say to it.
    pub(super) fn compared(&mut self, line: u64, item: &str, of: &wire::ComparedReport) -> io::Result<()> {
        let finding = match of.verdict.as_str() {
            "known" => "known",
            "nothing" => "without_money",
            "noted" => "unconfirmed_here",
            "missing" => "missing_here",
            "differs" => "differs",
            "impossible" => "impossible",
            _ => "unreadable",
        };
        *self.counts.entry(finding).or_default() += 1;
        if ["known", "without_money", "unconfirmed_here"].contains(&finding) {
            // A report that moves nothing is worth posting, but is no difference of money.
            return if finding == "unconfirmed_here" { self.repair(item) } else { Ok(()) };
        }
        let ours = if of.ours.is_empty() { String::new() } else { format!(", here {}", of.ours) };
        let token = if of.transaction.is_empty() { &of.jit_token } else { &of.transaction };
        self.push(Row {
            finding,
            line: Some(line),
            token: token.clone(),
            role: of.role.clone(),
            user: of.user_token.clone(),
            amount: of.amount.clone(),
            currency: of.currency.clone(),
            detail: format!("{}{ours}", of.detail),
        });
        // What cannot be read cannot be posted.
        if finding == "unreadable" { Ok(()) } else { self.repair(item) }
    }

    /// A hold that stands here and that the file does not name.
    pub(super) fn missing_there(&mut self, hold: &wire::Hold) -> io::Result<()> {
        *self.counts.entry("missing_there").or_default() += 1;
        self.push(Row {
            finding: "missing_there",
            line: None,
            token: hold.token.clone(),
            role: "authorization".to_owned(),
            user: hold.user_token.clone(),
            amount: hold.amount.clone(),
            currency: hold.currency.clone(),
            detail: format!("held since {}", time::utc(hold.placed_at_us)),
        });
        self.repair(&release(hold))
    }

    fn push(&mut self, row: Row) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(row);
        }
    }

    /// A body to post to `/v1/webhooks`.
    fn repair(&mut self, item: &str) -> io::Result<()> {
        let Some((_, file)) = &mut self.repairs else { return Ok(()) };
        self.written += 1;
        writeln!(file, "{{\"transactions\":[{item}]}}")
    }

    /// The answer: exit 1 if money differs.
    pub(super) fn answer(mut self) -> Result<Answer, Failure> {
        let repairs = match &mut self.repairs {
            Some((path, file)) => {
                let synced = file.flush().and_then(|()| file.get_ref().sync_all());
                synced.map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
                Some(path.clone())
            }
            None => None,
        };
        let count = |name: &str| self.counts.get(name).copied().unwrap_or(0);
        let found: u64 =
            ["missing_here", "missing_there", "differs", "impossible", "unreadable"].map(count).iter().sum();
        let head = [
            Column::Left("FINDING"),
            Column::Right("LINE"),
            Column::Left("TOKEN"),
            Column::Left("ROLE"),
            Column::Left("USER"),
            Column::Right("AMOUNT"),
            Column::Left("CURRENCY"),
            Column::Left("DETAIL"),
        ];
        let cells = |row: &Row| {
            let line = row.line.map(|line| line.to_string()).unwrap_or_default();
            let texts = [&row.token, &row.role, &row.user, &row.amount, &row.currency, &row.detail].map(Clone::clone);
            [row.finding.to_owned(), line].into_iter().chain(texts).collect()
        };
        let mut text =
            if self.rows.is_empty() { String::new() } else { table(&head, self.rows.iter().map(cells).collect()) };
        if found > self.rows.len() as u64 {
            text.push_str(&format!("and {} more\n", found - self.rows.len() as u64));
        }
        for (name, count) in &self.counts {
            text.push_str(&format!("{name:<17} {count}\n"));
        }
        if let Some(path) = &repairs {
            text.push_str(&format!("{} bodies to post are in {}: nothing was posted\n", self.written, path.display()));
        }
        let document = json!({
            "counts": self.counts,
            "rows": self.rows,
            "rows_left_out": found - self.rows.len() as u64,
            "repairs": repairs,
            "repairs_written": self.written,
        });
        Ok(Answer { exit: u8::from(found > 0), ..Answer::done(&document, text)? })
    }
}

/// The report that would release a hold that the processor does not know of: its token is made from the hold's, so
/// that posted twice it is one.
fn release(hold: &wire::Hold) -> String {
    let digest = Sha256::digest(hold.token.as_bytes());
    let name: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (amount, currency, user) = (&hold.amount, text(&hold.currency), text(&hold.user_token));
    let token = text(&hold.token);
    format!(
        "{{\"type\":\"authorization.reversal\",\"state\":\"CLEARED\",\"token\":\"reconcile-{name}\",\"user_token\":{user},\
         \"amount\":{amount},\"currency_code\":{currency},\"gpa_order\":{{\"amount\":{amount},\"currency_code\":{currency},\
         \"state\":\"REVERSED\",\"jit_funding\":{{\"token\":\"reconcile-{name}\",\"method\":\"pgfs.authorization.reversal\",\
         \"user_token\":{user},\"amount\":{amount},\"original_jit_funding_token\":{token}}}}}}}"
    )
}
