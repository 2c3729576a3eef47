//! Many seeds, each in a process of its own: what one leaves behind is nothing to the next, and one that hangs or
//! aborts is a failure like any other.

use crate::One;
use clap::Args;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A seed takes some seconds on a machine that is busy. One that takes this long does not end: time stands still in it.
const HANGS: Duration = Duration::from_secs(120);
/// Between two looks at a process that runs.
const LOOK: Duration = Duration::from_millis(10);

/// Which seeds.
#[derive(Args, Clone, Debug)]
pub struct Range {
    /// The first.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many.
    #[arg(long, default_value_t = 50)]
    count: u64,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// No seed is begun after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Only what fails, and the sum.
    #[arg(long)]
    quiet: bool,
    /// Runs each seed twice, and has it fail if the two runs are not the same.
    #[arg(long)]
    twice: bool,
}

/// What a process said.
pub struct Said {
    /// Its verdict in a line, or why there is none.
    pub text: String,
    /// Nothing was violated.
    pub passed: bool,
}

/// Runs one seed in a process of its own.
pub fn one(one: &One) -> std::io::Result<Said> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("run")
        .args(one.arguments())
        .env(crate::SEED, one.seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + HANGS;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Ok(Said {
                text: format!("seed {} FAILED\n  hangs: killed after {HANGS:?}", one.seed),
                passed: false,
            });
        }
        // Poll: until the process ends, or hangs.
        std::thread::sleep(LOOK);
    };
    let mut text = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut text)?;
    }
    if text.is_empty() {
        text = format!("seed {} FAILED\n  ended with {status} and said nothing", one.seed);
    }
    Ok(Said { text: text.trim_end().to_owned(), passed: status.success() })
}

/// Runs all; exit 1 if one failed.
pub fn run(range: &Range) -> ExitCode {
    let (next, ran) = (AtomicU64::new(range.from), AtomicU64::new(0));
    let (failed, sim_ms) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let until = range.seconds.map(|seconds| began + Duration::from_secs(seconds));
    let work = || {
        while until.is_none_or(|until| Instant::now() < until) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - range.from >= range.count {
                return;
            }
            let seed = One { seed, first: None, without: Vec::new(), plant: None, trace: None, plan: false };
            let failed_to = |error| Said { text: format!("{seed:?}: {error}"), passed: false };
            let mut said = one(&seed).unwrap_or_else(failed_to);
            if range.twice {
                let again = one(&seed).unwrap_or_else(failed_to);
                if again.text != said.text {
                    said = Said { text: format!("{}\n  and again: {}", said.text, again.text), passed: false };
                }
            }
            ran.fetch_add(1, Ordering::Relaxed);
            failed.fetch_add(u64::from(!said.passed), Ordering::Relaxed);
            sim_ms.fetch_add(field(&said.text, "sim_ms=").unwrap_or(0), Ordering::Relaxed);
            if !said.passed || !range.quiet {
                println!("{}", said.text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..range.jobs.max(1) {
            scope.spawn(work);
        }
    });
    let (ran, failed) = (ran.into_inner(), failed.into_inner());
    let (sim_s, took_s) = (sim_ms.into_inner() / 1_000, began.elapsed().as_secs());
    println!("{ran} seeds from {}, {failed} failed; {sim_s} s simulated in {took_s} s", range.from);
    ExitCode::from(u8::from(failed > 0))
}

/// A number that a verdict's line names.
fn field(text: &str, name: &str) -> Option<u64> {
    text.split(name).nth(1)?.split_whitespace().next()?.parse().ok()
}
