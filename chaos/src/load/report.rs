//! What is said at the end: a table for people, one JSON document for programs.
//!
//! What must hold: both say the same; the JSON changes only by adding (its schema is in the long help). Integers only:
//! rates are per second, shares in parts per million, times in microseconds. Not here: measuring, judging.

use super::args::Settings;
use super::books::Finding;
use super::figures::{Figures, Target};
use super::tally::Sums;
use crate::http::reply::Outcome;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// Of one target, or of all.
#[derive(Debug, Serialize)]
pub struct Row {
    requests: u64,
    rate_per_s: u64,
    outcomes: Vec<OutcomeCount>,
    undecided_ppm: u64,
    latency_us: Latency,
    late: u64,
    unexpected_status: u64,
    lost: u64,
    timeouts: u64,
    connect_errors: u64,
    reconnects: u64,
    idle_closed: u64,
}

#[derive(Debug, Serialize)]
struct OutcomeCount {
    status: u16,
    outcome: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Latency {
    min: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
struct TargetRow {
    target: String,
    #[serde(flatten)]
    row: Row,
}

#[derive(Debug, Serialize)]
struct Promises {
    tokens: u64,
    firm: i128,
    stand_in: i128,
    undecided: i128,
    unknown: i128,
    unknown_tokens: u64,
    mismatches: u64,
    mismatch_tokens: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Books {
    verdict: &'static str,
    reason: String,
    waited_ms: u64,
    held_before: i128,
    held_after: i128,
    posted_before: i128,
    posted_after: i128,
    accounts: u64,
    holds: u64,
}

/// Everything that is known at the end.
pub struct Result<'a> {
    /// What was to be done.
    pub settings: &'a Settings,
    /// After the warm-up.
    pub figures: &'a Figures,
    /// In the warm-up.
    pub warmup: &'a Figures,
    /// What was promised.
    pub sums: &'a Sums,
    /// What the books say, if they were read.
    pub books: Option<&'a Finding>,
    /// How long was measured.
    pub measured: Duration,
    /// What this process has used of the processors.
    pub cpu: Duration,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// How the program ends.
    pub exit_code: u8,
}

/// The report, as it is written.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    run_id: String,
    user_prefix: String,
    seed: u64,
    mode: &'static str,
    connections: u64,
    threads: u64,
    rate_wanted: Option<u64>,
    measured_us: u64,
    driver_cpu_us: u64,
    warmup_requests: u64,
    not_sent: u64,
    sent_late: u64,
    unknown_requests: u64,
    strict: bool,
    total: Row,
    targets: Vec<TargetRow>,
    promises: Promises,
    books: Option<Books>,
    findings: Vec<String>,
    exit_code: u8,
}

impl Row {
    fn new(target: &Target, measured: Duration) -> Row {
        let mut outcomes: Vec<_> = target
            .replies
            .iter()
            .map(|((status, outcome), count)| OutcomeCount { status: *status, outcome: outcome.name(), count: *count })
            .collect();
        outcomes.sort_by_key(|outcome| (outcome.status, outcome.outcome));
        let requests = target.requests();
        let at = |quantile| target.latency.value_at_quantile(quantile);
        Row {
            requests,
            rate_per_s: share(requests, 1_000_000, micros(measured)),
            outcomes,
            undecided_ppm: share(target.of(Outcome::Undecided), 1_000_000, requests),
            latency_us: Latency {
                min: target.latency.min(),
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p99_9: at(0.999),
                max: target.latency.max(),
            },
            late: target.late,
            unexpected_status: target.unexpected,
            lost: target.lost,
            timeouts: target.timeouts,
            connect_errors: target.connect_errors,
            reconnects: target.reconnects,
            idle_closed: target.idle_closed,
        }
    }
}

impl Report {
    /// Puts it together.
    pub fn new(result: Result<'_>) -> Report {
        let Result { settings, figures, sums, measured, .. } = result;
        let digits = settings.style.digits;
        let targets = settings.targets.iter().zip(&figures.targets);
        Report {
            version: 1,
            run_id: format!("{:012x}", settings.names.run),
            user_prefix: settings.names.user_prefix.clone(),
            seed: settings.plan.seed,
            mode: if settings.rate.is_some() { "open" } else { "closed" },
            connections: settings.connections,
            threads: settings.threads,
            rate_wanted: settings.rate,
            measured_us: micros(measured),
            driver_cpu_us: micros(result.cpu),
            warmup_requests: result.warmup.total().requests(),
            not_sent: figures.not_sent,
            sent_late: figures.sent_late,
            unknown_requests: figures.unknown,
            strict: settings.strict,
            total: Row::new(&figures.total(), measured),
            targets: targets
                .map(|(name, target)| TargetRow { target: name.clone(), row: Row::new(target, measured) })
                .collect(),
            promises: Promises {
                tokens: sums.tokens,
                firm: sums.firm,
                stand_in: sums.stand_in,
                undecided: sums.undecided,
                unknown: sums.unknown,
                unknown_tokens: sums.unknown_tokens,
                mismatches: sums.mismatches,
                mismatch_tokens: sums.examples.iter().flatten().map(|token| settings.names.token(*token)).collect(),
            },
            books: result.books.map(|finding| Books {
                verdict: finding.verdict.name(),
                reason: finding.reason(sums, digits),
                waited_ms: u64::try_from(finding.waited.as_millis()).unwrap_or(u64::MAX),
                held_before: finding.before.held,
                held_after: finding.after.held,
                posted_before: finding.before.posted,
                posted_after: finding.after.posted,
                accounts: finding.after.accounts,
                holds: finding.after.holds,
            }),
            findings: result.findings,
            exit_code: result.exit_code,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        // Writing to a string does not fail.
        let mut text = String::new();
        let _ = writeln!(
            text,
            "run {}  seed {}  {} loop  {} connections  measured {} s  driver cpu {} s  (warm-up {} requests)",
            self.run_id,
            self.seed,
            self.mode,
            self.connections,
            millis(self.measured_us / 1_000),
            millis(self.driver_cpu_us / 1_000),
            self.warmup_requests,
        );
        let width = self.targets.iter().map(|row| row.target.len()).max().unwrap_or_default().max(6);
        let _ = writeln!(
            text,
            "\n{:width$} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  latency in ms",
            "target", "requests", "rate/s", "min", "p50", "p90", "p99", "p99.9", "max",
        );
        let rows = || self.targets.iter().map(|row| (row.target.as_str(), &row.row)).chain([("total", &self.total)]);
        for (name, row) in rows() {
            let [min, p50, p90, p99, p99_9, max] = row.latency_us.all().map(millis);
            let _ = writeln!(
                text,
                "{name:width$} {:>10} {:>8} {min:>9} {p50:>9} {p90:>9} {p99:>9} {p99_9:>9} {max:>9}",
                row.requests, row.rate_per_s,
            );
        }
        let _ = writeln!(
            text,
            "\n{:width$} {:>8} {:>8} {:>8} {:>8} {:>11} {:>10} {:>11}  outcomes",
            "target", "late", "odd", "lost", "timeout", "no connect", "reconnect", "undecided %",
        );
        for (name, row) in rows() {
            let _ = writeln!(
                text,
                "{name:width$} {:>8} {:>8} {:>8} {:>8} {:>11} {:>10} {:>11}  {}",
                row.late,
                row.unexpected_status,
                row.lost,
                row.timeouts,
                row.connect_errors,
                row.reconnects,
                decimal(row.undecided_ppm, 10_000, 4),
                row.outcome_text(),
            );
        }
        self.write_rest(&mut text);
        text
    }

    fn write_rest(&self, text: &mut String) {
        if let Some(rate) = self.rate_wanted {
            let _ = writeln!(
                text,
                "\nschedule: {rate}/s wanted; {} not sent in time, {} sent more than 1 ms late",
                self.not_sent, self.sent_late,
            );
        }
        let _ = writeln!(
            text,
            "\ntokens: {} asked, {} of unknown outcome; repeats that differ: {}",
            self.promises.tokens, self.promises.unknown_tokens, self.promises.mismatches,
        );
        if let Some(books) = &self.books {
            let _ = writeln!(text, "books: {} after {} ms: {}", books.verdict, books.waited_ms, books.reason);
        }
        for finding in &self.findings {
            let _ = writeln!(text, "! {finding}");
        }
    }
}

impl Row {
    fn outcome_text(&self) -> String {
        let parts: Vec<_> =
            self.outcomes.iter().map(|one| format!("{} {} {}", one.status, one.outcome, one.count)).collect();
        parts.join(", ")
    }
}

impl Latency {
    fn all(&self) -> [u64; 6] {
        [self.min, self.p50, self.p90, self.p99, self.p99_9, self.max]
    }
}

/// Thousandths as decimal text: microseconds as milliseconds, milliseconds as seconds.
pub fn millis(thousandths: u64) -> String {
    decimal(thousandths, 1_000, 3)
}

fn decimal(value: u64, unit: u64, digits: usize) -> String {
    format!("{}.{:0digits$}", value / unit, value % unit)
}

/// `part * scale / whole`, 0 of nothing.
fn share(part: u64, scale: u64, whole: u64) -> u64 {
    let share = u128::from(part) * u128::from(scale) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{decimal, millis, share};

    #[test]
    fn numbers_without_floats() {
        assert_eq!(millis(1_234_567), "1234.567");
        assert_eq!(millis(5), "0.005");
        assert_eq!(decimal(123_456, 10_000, 4), "12.3456");
        assert_eq!(share(30_000, 1_000_000, 2_000_000), 15_000);
        assert_eq!(share(1, 1_000_000, 0), 1_000_000);
    }
}
