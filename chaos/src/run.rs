//! `chaos run`: scenarios, one after the other, and what they leave.
//!
//! What must hold: each begins with a cluster of its own or finds one in its steady state; the exit code is that of
//! the worst: violated before inconclusive before unsupported. Not here: one run (`run/one.rs`).

pub mod judge;
mod measure;
mod members;
mod one;
pub mod series;
mod stories;
pub mod timeline;

use crate::guard::Guard;
use crate::report::{Report, Verdict, junit, table};
use crate::scenario::Set;
use crate::scenario::catalogue::{Named, find, of_set};
use crate::sender::Login;
use crate::stop::Stop;
use crate::target::compose::Compose;
use crate::target::kubernetes::{Chart, Kubernetes};
use crate::target::local::Local;
use crate::target::up::Up;
use crate::target::wiring::loopback::Loopback;
use crate::target::wiring::netns::Netns;
use crate::target::{Kind, Site, Target};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Options of `chaos run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names (see `chaos list`), or paths of .yaml files
    #[arg(required_unless_present = "set")]
    scenarios: Vec<String>,
    /// All scenarios of a set as well
    #[arg(long)]
    set: Option<Set>,
    /// Where to run
    #[arg(long, value_enum, default_value = "local")]
    target: Kind,
    /// With --target local: break the running `holdfast up` of this directory instead of a cluster of its own
    #[arg(long, value_name = "DIR")]
    up: Option<PathBuf>,
    /// With --target compose
    #[arg(long, value_name = "FILE", default_value = "compose.yaml")]
    compose_file: PathBuf,
    /// Everything random comes from it; default: the scenario's own
    #[arg(long)]
    seed: Option<u64>,
    /// The program whose nodes are started; default: the one beside this program
    #[arg(long, value_name = "FILE")]
    holdfast: Option<PathBuf>,
    /// Where reports go, a directory for each run
    #[arg(long, value_name = "DIR", default_value = "chaos-runs")]
    out: PathBuf,
    #[command(flatten)]
    kubernetes: Chart,
    #[command(flatten)]
    login: Login,
    /// Keep logs and histories of runs that pass, too
    #[arg(long)]
    keep: bool,
}

/// Runs them, and returns the exit code.
pub fn run(args: &Args) -> u8 {
    match run_all(args) {
        Ok(reports) => {
            println!("\n{}", table(&reports));
            worst(&reports)
        }
        Err(error) => {
            eprintln!("chaos run: {error:#}");
            2
        }
    }
}

fn run_all(args: &Args) -> Result<Vec<Report>> {
    let mut chosen: Vec<Named> = args.scenarios.iter().map(|word| find(word)).collect::<Result<_>>()?;
    chosen.extend(args.set.map(of_set).transpose()?.unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = Arc::new(runtime.context("start a runtime")?);
    let stop = Stop::on_signals(&runtime)?;
    let guard = Guard::start()?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("make {}", args.out.display()))?;
    let out = args.out.canonicalize().context("find the directory of reports")?;
    let mut reports = Vec::new();
    for named in &chosen {
        if stop.is_set() {
            break;
        }
        let bench = Bench { args, out: &out, runtime: &runtime, stop: &stop, guard: &guard };
        let report = bench.run(named)?;
        println!("{}: {}", report.name, report.verdict.name());
        report.reasons.iter().for_each(|reason| println!("  {reason}"));
        reports.push(report);
    }
    std::fs::write(out.join("junit.xml"), junit(&reports)).context("write junit.xml")?;
    std::fs::write(out.join("summary.md"), table(&reports)).context("write summary.md")?;
    Ok(reports)
}

/// The exit code of several runs.
fn worst(reports: &[Report]) -> u8 {
    let verdicts = [Verdict::Violated, Verdict::Inconclusive, Verdict::Unsupported];
    let found = verdicts.into_iter().find(|verdict| reports.iter().any(|report| report.verdict == *verdict));
    match found {
        Some(verdict) => verdict.exit_code(),
        // Interrupted before the first: nothing was shown.
        None if reports.is_empty() => Verdict::Inconclusive.exit_code(),
        None => 0,
    }
}

/// What all runs share.
struct Bench<'a> {
    args: &'a Args,
    out: &'a Path,
    runtime: &'a Arc<tokio::runtime::Runtime>,
    stop: &'a Stop,
    guard: &'a Arc<Guard>,
}

impl Bench<'_> {
    fn run(&self, named: &Named) -> Result<Report> {
        let seed = self.args.seed.unwrap_or(named.scenario.seed);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let dir = self.out.join(format!("{}-{}", named.name, since.as_millis()));
        let work = dir.join("nodes");
        std::fs::create_dir_all(&work).with_context(|| format!("make {}", work.display()))?;
        eprintln!("{}: {} (seed {seed})", named.name, named.scenario.title);
        let begun = Instant::now();
        let mut target = self.target(work.clone())?;
        let setting = one::Setting {
            named,
            login: self.args.login.clone(),
            seed,
            out: dir.clone(),
            stop: self.stop.clone(),
            runtime: self.runtime.clone(),
            guard: self.guard.clone(),
        };
        let mut report = one::run(&setting, target.as_mut(), self.blank(named, seed, since.as_secs()));
        let logs = target.logs();
        drop(target);
        report.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let keep = self.args.keep || matches!(report.verdict, Verdict::Violated | Verdict::Inconclusive);
        report.files = keep_files(&dir, &work, &logs, keep)?;
        report.write(&dir)?;
        eprintln!("  {}", dir.join("report.html").display());
        Ok(report)
    }

    fn target(&self, work: PathBuf) -> Result<Box<dyn Target>> {
        let site = Site {
            guard: self.guard.clone(),
            stop: self.stop.clone(),
            runtime: self.runtime.clone(),
            work,
            holdfast: holdfast(self.args.holdfast.as_deref())?,
        };
        match (self.args.target, &self.args.up) {
            (Kind::Local, Some(dir)) => Ok(Box::new(Up::new(site, dir)?)),
            (_, Some(_)) => anyhow::bail!("--up goes with --target local only"),
            (Kind::Local, None) => {
                let wiring = Loopback::new(self.runtime.clone())?;
                Ok(Box::new(Local::new(site, Box::new(wiring))?))
            }
            (Kind::Netns, None) => {
                let wiring = Netns::new(self.guard.clone(), site.work.clone());
                Ok(Box::new(Local::new(site, Box::new(wiring))?))
            }
            (Kind::Compose, None) => Ok(Box::new(Compose::new(site, &self.args.compose_file)?)),
            (Kind::Kubernetes, None) => Ok(Box::new(Kubernetes::new(site, &self.args.kubernetes)?)),
        }
    }

    /// A report before anything has happened.
    fn blank(&self, named: &Named, seed: u64, started_s: u64) -> Report {
        let scenario = &named.scenario;
        let words: Vec<String> = std::env::args().collect();
        let program = words.first().map_or("chaos", String::as_str);
        Report {
            version: 1,
            name: named.name.clone(),
            title: scenario.title.clone(),
            why: scenario.why.clone(),
            target: String::new(),
            seed,
            command: format!("{program} run {} --seed {seed}{}", self.word(named), self.options()),
            started_s,
            took_ms: 0,
            verdict: Verdict::Inconclusive,
            reasons: Vec::new(),
            figures: judge::Figures::default(),
            judgements: Vec::new(),
            steps: Vec::new(),
            changes: Vec::new(),
            series: Vec::new(),
            deadline_ms: scenario.load.deadline_ms,
            load: serde_json::Value::Null,
            files: Vec::new(),
        }
    }

    /// As the scenario was named on the command line.
    fn word(&self, named: &Named) -> String {
        let is_it = |word: &&String| Path::new(word).file_stem().is_some_and(|stem| *stem == *named.name);
        self.args.scenarios.iter().find(is_it).unwrap_or(&named.name).clone()
    }

    fn options(&self) -> String {
        let target = clap::ValueEnum::to_possible_value(&self.args.target);
        let target = target.map_or_else(String::new, |value| format!(" --target {}", value.get_name()));
        let holdfast = self.args.holdfast.as_ref().map(|path| format!(" --holdfast {}", path.display()));
        target + &holdfast.unwrap_or_default()
    }
}

/// Moves logs beside the report, or removes what is not to be kept. Gives the names of what is.
fn keep_files(dir: &Path, work: &Path, logs: &[(String, PathBuf)], keep: bool) -> Result<Vec<String>> {
    if keep {
        for (name, path) in logs.iter().filter(|(_, path)| path.exists()) {
            std::fs::copy(path, dir.join(name)).with_context(|| format!("keep {}", path.display()))?;
        }
    }
    std::fs::remove_dir_all(work).with_context(|| format!("remove {}", work.display()))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).context("read the run's directory")?.flatten() {
        if keep {
            names.push(entry.file_name().to_string_lossy().into_owned());
        } else {
            std::fs::remove_file(entry.path()).context("remove what is not kept")?;
        }
    }
    names.sort();
    Ok(names)
}

/// The program of the nodes.
fn holdfast(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        ensure!(path.is_file(), "--holdfast: {} is not there", path.display());
        return path.canonicalize().context("--holdfast");
    }
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.with_file_name("holdfast"))
}
