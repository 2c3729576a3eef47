//! The traffic of a run: `chaos load` as a process of its own, and what it leaves.
//!
//! What must hold: the sender's pauses are not the runner's, and its end is waited for; so a run is judged by
//! everything that was sent. Not here: sending (`load`), reading what it recorded (`run/measure.rs`).

use crate::guard::Guard;
use crate::process::Process;
use crate::scenario::Load;
use crate::stop::Stop;
use anyhow::{Context, Result, bail};
use base64::Engine;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Opening the accounts, on a busy machine.
const BEGIN_MAX: Duration = Duration::from_secs(60);
/// The books settle after the last reply.
const SETTLE_S: u64 = 45;
/// After the time it was given: opening, the last replies, the books.
const SLACK: Duration = Duration::from_secs(120);

/// What is sent, and where.
pub struct Order<'a> {
    /// What its files are called.
    pub name: String,
    /// How much of what.
    pub load: Load,
    /// Where requests go.
    pub doors: &'a [String],
    /// Where the books are read.
    pub admins: &'a [String],
    /// Who asks.
    pub login: &'a Login,
    /// Of the requests.
    pub seed: u64,
    /// Further options of `chaos load`.
    pub more: Vec<String>,
}

/// Who asks, by HTTP Basic.
#[derive(Clone, Debug, clap::Args)]
pub struct Login {
    /// User of the Basic authentication
    #[arg(long, default_value = "marqeta")]
    user: String,
    /// Password of the Basic authentication
    #[arg(long, default_value = "holdfast-dev-Password1!")]
    password: String,
}

impl Login {
    /// The value of the `Authorization` header.
    pub fn header(&self) -> String {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.user, self.password));
        format!("Basic {login}")
    }
}

/// A sender under way.
pub struct Workload {
    process: Process,
    /// What it was called.
    pub name: String,
    report: PathBuf,
    /// A line per attempt.
    pub history: PathBuf,
    log: PathBuf,
    duration: Duration,
}

impl Workload {
    /// Starts it and waits until it sends.
    pub fn start(guard: &Arc<Guard>, stop: &Stop, out: &Path, order: &Order<'_>) -> Result<Workload> {
        let file = |ending: &str| out.join(format!("{}.{ending}", order.name));
        let (report, history, log) = (file("json"), file("jsonl"), file("log"));
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.args(words(order)).arg("--json").arg(&report).arg("--history").arg(&history);
        let process = Process::start(guard, &mut command, &log)?;
        let duration = Duration::from_millis(order.load.duration_ms);
        let mut workload = Workload { process, name: order.name.clone(), report, history, log, duration };
        // The history's file is made right before the first request.
        let mut ended = None;
        stop.poll(BEGIN_MAX, || {
            ended = workload.process.ended();
            workload.history.exists() || ended.is_some()
        });
        if !workload.history.exists() {
            bail!("the load has not begun: {}", workload.said());
        }
        Ok(workload)
    }

    /// What it said last.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)").to_owned()
    }

    /// Waits for its end, and gives its exit code and its report. The user's interrupt makes it end early.
    pub fn finish(mut self, stop: &Stop) -> Result<(i32, Value)> {
        let limit = self.duration + SLACK + Duration::from_secs(SETTLE_S);
        let mut status = None;
        stop.poll(limit, || {
            status = self.process.ended();
            status.is_some()
        });
        if status.is_none() {
            // It reports what it has.
            self.process.signal(Signal::INT)?;
            Stop::default().poll(Duration::from_secs(10), || {
                status = self.process.ended();
                status.is_some()
            });
        }
        let code = status.and_then(|status| status.code()).context("the load had to be killed")?;
        let text = std::fs::read_to_string(&self.report);
        let text = text.with_context(|| format!("the load ended with {code} and no report: {}", self.said()))?;
        Ok((code, serde_json::from_str(&text).context("read the load's report")?))
    }
}

fn words(order: &Order<'_>) -> Vec<String> {
    let load = &order.load;
    let mut words = vec!["load".to_owned(), "--failover".to_owned(), "--retry".to_owned()];
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    option("user", order.login.user.clone());
    option("password", order.login.password.clone());
    option("target", order.doors.join(","));
    option("admin", order.admins.join(","));
    option("rate", load.rate_per_s.to_string());
    option("connections", load.connections.to_string());
    option("duration", format!("{}ms", load.duration_ms));
    option("warmup", "0s".to_owned());
    option("accounts", load.accounts.to_string());
    option("hot", load.hot_percent.to_string());
    option("repeat-share", load.repeat_percent.to_string());
    option("timeout", format!("{}ms", load.timeout_ms));
    option("deadline-ms", load.deadline_ms.to_string());
    option("settle-timeout", format!("{SETTLE_S}s"));
    option("seed", order.seed.to_string());
    words.extend(order.more.iter().cloned());
    words
}
