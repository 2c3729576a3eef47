//! A whole cluster in one thread, from one seed: `sim run SEED` replays it bit for bit.
//!
//! `run` is one seed in this process, which asks the system for neither time nor chance (`fixed.c`). `many` runs a
//! range of seeds, each in a process of its own. `shrink` looks for the fewest faults with which a seed still fails.

mod books;
mod dice;
mod disk;
// The product's own glue between the ledger and the cluster; the feature that it names, and what only the product's
// tests use, are the product's.
#[allow(unexpected_cfgs, dead_code)]
#[path = "../../../src/machine.rs"]
mod glue;
mod many;
mod net;
mod oracle;
mod plan;
mod run;
mod shrink;
mod trace;
mod traffic;
#[path = "../../../src/version.rs"]
mod version;
mod world;

use clap::{Args, Parser, Subcommand};
use run::{Only, Planted, Verdict};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use trace::Trace;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The seed that this process is fixed to; `fixed.c` reads it, too.
pub const SEED: &str = "HOLDFAST_SIM_SEED";

/// As a process's first thread has: without optimization, futures of whole servers lie on the stack.
const STACK_BYTES: usize = 8 * 1024 * 1024;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Runs one seed. Exit 0: all is as it must be, 1: violated.
    Run(One),
    /// Runs many seeds, each in a process of its own.
    Many(many::Range),
    /// Finds the fewest faults with which a seed fails.
    Shrink(One),
}

/// One seed, and which of its faults happen.
#[derive(Args, Clone, Debug)]
pub struct One {
    /// The seed.
    seed: u64,
    /// Only so many faults, from the first on.
    #[arg(long)]
    first: Option<usize>,
    /// Without these faults, by number from 0.
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// A bug on purpose.
    #[arg(long)]
    plant: Option<Planted>,
    /// Writes every event to this file.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Prints the plan first.
    #[arg(long)]
    plan: bool,
}

impl One {
    /// The arguments that say the same.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.seed.to_string()];
        arguments.extend(self.first.map(|first| format!("--first={first}")));
        if !self.without.is_empty() {
            let numbers: Vec<String> = self.without.iter().map(usize::to_string).collect();
            arguments.push(format!("--without={}", numbers.join(",")));
        }
        if let Some(value) = self.plant.as_ref().and_then(clap::ValueEnum::to_possible_value) {
            arguments.push(format!("--plant={}", value.get_name()));
        }
        arguments
    }
}

fn main() -> ExitCode {
    match Line::parse().command {
        Sub::Run(one) => run_one(&one),
        Sub::Many(range) => many::run(&range),
        Sub::Shrink(one) => shrink::run(one),
    }
}

fn run_one(one: &One) -> ExitCode {
    if std::env::var(SEED).ok() != Some(one.seed.to_string()) {
        return begin_anew(one.seed);
    }
    // A level, or targets with one each: `openraft=debug,cluster=trace`.
    if let Some(targets) = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok()) {
        let lines = tracing_subscriber::fmt::layer().without_time().with_writer(std::io::stderr);
        tracing_subscriber::registry().with(lines.with_filter(targets)).init();
    }
    std::panic::set_hook(Box::new(|panic| oracle::panicked(&format!("panic: {panic}"))));
    let trace = Trace::default();
    if let Some(path) = &one.trace
        && let Err(error) = trace.write_to(path)
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::from(2);
    }
    let plan = plan::Plan::of(one.seed);
    if one.plan {
        println!("{plan:#?}");
    }
    let only = Only { first: one.first, without: one.without.clone(), plant: one.plant };
    // In a thread of its own, which has drawn nothing yet: what was made ready before changes nothing in the run.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run::run(plan, &only, trace));
    let Ok(Ok(verdict)) = thread.map(std::thread::JoinHandle::join) else {
        println!("seed {} FAILED\n  the simulation itself ended in a panic", one.seed);
        return ExitCode::from(1);
    };
    println!("{}", line(one, &verdict));
    ExitCode::from(u8::from(verdict.violation.is_some()))
}

/// Becomes a process that is fixed to the seed.
fn begin_anew(seed: u64) -> ExitCode {
    let error = match std::env::current_exe() {
        Ok(own) => Command::new(own).args(std::env::args_os().skip(1)).env(SEED, seed.to_string()).exec(),
        Err(error) => error,
    };
    eprintln!("begin anew with {SEED}: {error}");
    ExitCode::from(2)
}

fn line(one: &One, verdict: &Verdict) -> String {
    let Verdict { violation, trace: (hash, events), sim_ms, faults, applied, asked, lives } = verdict;
    let word = if violation.is_some() { "FAILED" } else { "ok" };
    let mut line = format!(
        "seed {} {word} hash={hash:016x} events={events} sim_ms={sim_ms} faults={faults} applied={} tokens={} answered={} \
         unknown={} lives={} leaders={}",
        one.seed, applied.0, applied.1, asked.0, asked.1, lives.0, lives.1
    );
    if let Some(violation) = violation {
        line.push_str(&format!("\n  {violation}\n  again: sim run {}", one.arguments().join(" ")));
    }
    line
}
