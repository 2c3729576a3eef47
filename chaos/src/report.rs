//! What a run leaves behind: one JSON document, a page for people, and JUnit for machines that count tests.
//!
//! What must hold: all three say the same; the page needs nothing but itself; every report names the seed and the
//! command that repeats it. Not here: judging.

mod html;
mod junit;
mod plot;
mod table;

pub use junit::junit;
pub use table::table;

use crate::nemesis::Sign;
use crate::observe::Change;
use crate::run::judge::{Figures, Judgement};
use crate::run::series::Point;
use crate::run::timeline::Done;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was judged and held.
    Pass,
    /// Something did not hold.
    Violated,
    /// Something could not be told.
    Inconclusive,
    /// The target cannot do what the scenario needs.
    Unsupported,
}

impl Verdict {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass => 0,
            Verdict::Violated => 1,
            Verdict::Inconclusive => 3,
            Verdict::Unsupported => 4,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Violated => "violated",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Unsupported => "unsupported",
        }
    }
}

/// One fault as it was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// As in the file.
    pub fault: String,
    /// As in the file.
    pub on: String,
    /// Whom it met.
    pub nodes: Vec<u64>,
    /// Since the load began.
    pub began_ms: u64,
    /// Since the load began.
    pub ended_ms: u64,
    /// What was seen.
    pub signs: Vec<Sign>,
}

impl StepReport {
    /// Of a step that is over.
    pub fn new(done: Done) -> StepReport {
        let Done { active, began_ms, ended_ms } = done;
        let on = serde_json::to_value(active.step.on).ok().and_then(|on| on.as_str().map(str::to_owned));
        StepReport {
            fault: active.step.fault.name(),
            on: on.unwrap_or_default(),
            nodes: active.nodes,
            began_ms,
            ended_ms,
            signs: active.signs,
        }
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Of this format; only grows.
    pub version: u32,
    /// What the scenario is called.
    pub name: String,
    /// As in the file.
    pub title: String,
    /// As in the file.
    pub why: String,
    /// Where it ran.
    pub target: String,
    /// Of everything random.
    pub seed: u64,
    /// What repeats it.
    pub command: String,
    /// Seconds since 1970.
    pub started_s: u64,
    /// How long it took, with starting and checking.
    pub took_ms: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it is not a pass.
    pub reasons: Vec<String>,
    /// What the clients saw.
    pub figures: Figures,
    /// Each judgement.
    pub judgements: Vec<Judgement>,
    /// What was broken.
    pub steps: Vec<StepReport>,
    /// What the nodes said, as far as it changed.
    pub changes: Vec<Change>,
    /// What the clients saw as time went on.
    pub series: Vec<Point>,
    /// The deadline that requests were measured by.
    pub deadline_ms: u64,
    /// The load's own report.
    pub load: serde_json::Value,
    /// Logs and histories that were kept, beside the report.
    pub files: Vec<String>,
}

impl Report {
    /// Writes all forms into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let put = |name: &str, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
        };
        put("report.json", serde_json::to_string_pretty(self).context("write the report")? + "\n")?;
        put("report.html", html::page(self))?;
        put("junit.xml", junit(std::slice::from_ref(self)))
    }

    /// Reads one again.
    pub fn read(dir: &Path) -> Result<Report> {
        let path = dir.join("report.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a report", path.display()))
    }
}

/// Text inside an element or an attribute of HTML and XML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML knows no control characters but these.
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// A report for the tests of each form.
#[cfg(test)]
fn example() -> Report {
    use crate::run::judge::Outcome;
    let point = |at_ms, decided| Point { at_ms, decided, p50_us: 1_500, p99_us: 9_000, ..Point::default() };
    Report {
        version: 1,
        name: "kill-leader".to_owned(),
        title: "The <leader> dies".to_owned(),
        why: "Machines die.".to_owned(),
        target: "3 processes".to_owned(),
        seed: 7,
        command: "chaos run kill-leader --seed 7".to_owned(),
        started_s: 1_700_000_000,
        took_ms: 20_000,
        verdict: Verdict::Violated,
        reasons: vec!["p99_ms_max: 9, wanted at most 5".to_owned()],
        figures: Figures { requests: 100, p99_us: 9_000, recover_ms: None, ..Figures::default() },
        judgements: vec![Judgement {
            name: "p99_ms_max".to_owned(),
            wanted: "at most 5".to_owned(),
            got: "9".to_owned(),
            outcome: Outcome::Violated,
        }],
        steps: vec![StepReport {
            fault: "kill".to_owned(),
            on: "leader".to_owned(),
            nodes: vec![2],
            began_ms: 500,
            ended_ms: 900,
            signs: vec![Sign { shows: true, text: "process 5 ended".to_owned() }],
        }],
        changes: Vec::new(),
        series: vec![point(0, 20), point(250, 25), point(500, 3), point(750, 25)],
        deadline_ms: 850,
        load: serde_json::Value::Null,
        files: vec!["node-1.log".to_owned()],
    }
}
