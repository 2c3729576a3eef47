//! `chaos load`: the load driver.
//!
//! What must hold: it costs the nodes, with which it shares the machine, as little as it can; it measures without
//! coordinated omission; what it finds wrong it says by its exit code. The order is: open the accounts, read the
//! books, send, read the books until they settle, report. Not here: faults (other subcommands).

mod args;
mod books;
mod figures;
mod open;
mod plan;
mod pool;
mod record;
mod report;
mod run;
mod schedule;
mod tally;
mod template;

pub use args::Args;

use crate::admin::Admin;
use crate::history::Writer;
use crate::money;
use crate::workload::look_at;
use anyhow::{Context, ensure};
use args::Settings;
use books::Finding;
use figures::Figures;
use open::Reading;
use pool::Pool;
use record::Record;
use report::{Report, millis};
use run::{Found, Shared};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tally::Sums;

const VIOLATED: u8 = 1;
const USAGE: u8 = 2;
const INCONCLUSIVE: u8 = 3;

/// Runs the load and says how it went.
pub fn run(args: &Args) -> ExitCode {
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("chaos load: {error:#}");
            return ExitCode::from(USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("start a runtime").and_then(|runtime| runtime.block_on(drive(settings))) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            eprintln!("chaos load: {error:#}");
            ExitCode::from(INCONCLUSIVE)
        }
    }
}

async fn drive(settings: Settings) -> anyhow::Result<u8> {
    let admin = Admin::new(&settings.admins)?;
    let mut new_with = None;
    if let Some(credit) = &settings.open_credit {
        let opened = admin.open(&settings, credit).await?;
        eprintln!("accounts {}*: {} opened, {} existed", settings.names.user_prefix, opened.opened, opened.existed);
        let credit = money::parse(credit, settings.style.digits).and_then(|minor| u64::try_from(minor).ok());
        new_with = credit.filter(|_| opened.existed == 0);
    }
    let before = match settings.settle_timeout {
        Some(_) => Some(admin.books(&settings).await?),
        None => None,
    };
    let accounts = before.map_or(settings.plan.accounts, |reading| reading.accounts);
    ensure!(accounts >= settings.plan.accounts, "only {accounts} of {} accounts are there", settings.plan.accounts);
    let addresses = resolve(&settings.targets).await?;
    let checks = resolve(&settings.checks).await?;
    let pool = if checks.is_empty() { Ok(Pool::unchecked(addresses.len())) } else { Pool::watch(checks) };
    let pool = pool.context("start the checks")?;
    let history = match &settings.history {
        Some(path) => Some(record::write(path, &settings, new_with)?),
        None => None,
    };
    let cpu_before = cpu_time();
    let shared = Arc::new(Shared {
        settings,
        addresses,
        pool,
        start: Instant::now(),
        stop: AtomicBool::new(false),
        done: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        worst_us: AtomicU64::new(0),
    });
    let sent = Arc::new(AtomicBool::new(false));
    let looking = history.as_ref().map(|history| {
        let seen = record::seen(history.sink(), shared.start);
        let (admin, sent) = (admin.clone(), sent.clone());
        tokio::spawn(async move { look_at(&admin, seen, &sent).await })
    });
    let found = send(&shared, history.as_ref()).await?;
    let finished = Instant::now();
    let cpu = cpu_time().saturating_sub(cpu_before);
    sent.store(true, Ordering::Relaxed);
    if let Some(looking) = looking {
        looking.await.context("the task that looks at nodes failed")?;
    }
    let history_written = history.map_or(Ok(()), Writer::finish);
    let finished = shared.end().map_or(finished, |end| end.min(finished));
    let measured = finished.saturating_duration_since(shared.measure_from());
    conclude(&shared.settings, &admin, Sent { found, before, measured, cpu, history_written }).await
}

/// What is known when the last reply is there.
struct Sent {
    found: Found,
    before: Option<Reading>,
    measured: Duration,
    cpu: Duration,
    history_written: anyhow::Result<()>,
}

/// Sends everything; with an interrupt, what is under way is still waited for.
async fn send(shared: &Arc<Shared>, history: Option<&Writer<Record>>) -> anyhow::Result<Found> {
    let mut threads = Vec::new();
    for number in 0..shared.settings.threads {
        let recorder = history.map(Writer::sink);
        let shared = shared.clone();
        let thread = std::thread::Builder::new().name(format!("load-{number}"));
        threads.push(thread.spawn(move || run::run_thread(shared, number, recorder)).context("start a thread")?);
    }
    let mut joined =
        tokio::task::spawn_blocking(move || threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>());
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut told = 0;
    let all = loop {
        tokio::select! {
            all = &mut joined => break all.context("join the threads")?,
            _ = second.tick() => told = tell(shared, told),
            Ok(()) = tokio::signal::ctrl_c() => shared.stop.store(true, Ordering::Relaxed),
        }
    };
    let targets = shared.settings.targets.len();
    let mut sum = Found { warmup: Figures::new(targets), measured: Figures::new(targets), sums: Sums::default() };
    for found in all {
        let found = found.map_err(|_| anyhow::anyhow!("a sending thread panicked"))??;
        sum.warmup.add(&found.warmup);
        sum.measured.add(&found.measured);
        sum.sums.add(&found.sums);
    }
    Ok(sum)
}

/// The status line: in place on a terminal, otherwise a line each with `--progress`.
fn tell(shared: &Shared, told: u64) -> u64 {
    let done = shared.done.load(Ordering::Relaxed);
    let worst = shared.worst_us.swap(0, Ordering::Relaxed);
    let terminal = std::io::stderr().is_terminal();
    if (terminal || shared.settings.progress) && done > 0 {
        let (open, close) = if terminal && !shared.settings.progress { ("\r\x1b[K", "") } else { ("", "\n") };
        let seconds = shared.start.elapsed().as_secs();
        let lost = shared.lost.load(Ordering::Relaxed);
        eprint!("{open}{seconds:>4} s  {:>7}/s  worst {} ms  lost {lost}{close}", done - told, millis(worst));
    }
    done
}

/// Reads the books, reports, and chooses the exit code.
async fn conclude(settings: &Settings, admin: &Admin, sent: Sent) -> anyhow::Result<u8> {
    let Sent { found, before, measured, cpu, history_written } = sent;
    let Found { warmup, measured: figures, sums } = found;
    let mut findings = Vec::new();
    let books = match settings.settle_timeout.zip(before) {
        None => None,
        Some((patience, before)) => {
            let checked = tokio::select! {
                checked = books::check(admin, settings, before, &sums, patience) => checked,
                Ok(()) = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
            };
            let unread = |error: &anyhow::Error| findings.push(format!("the books could not be read: {error:#}"));
            checked.inspect_err(unread).ok()
        }
    };
    if let Err(error) = history_written {
        findings.push(format!("the history is incomplete: {error:#}"));
    }
    let mut exit_code = if findings.is_empty() { 0 } else { INCONCLUSIVE };
    let total = figures.total();
    if total.requests() + warmup.total().requests() == 0 {
        findings.push("no target has answered".into());
        exit_code = INCONCLUSIVE;
    }
    if books.as_ref().is_some_and(|finding| finding.verdict == books::Verdict::Unsettled) {
        findings.push("the books have not settled in time".into());
        exit_code = INCONCLUSIVE;
    }
    for (name, target) in settings.targets.iter().zip(&figures.targets) {
        findings.extend(target.first_loss.iter().map(|why| format!("{name}: first lost reply: {why}")));
    }
    let violations = violations(settings, &figures, &sums, books.as_ref());
    if !violations.is_empty() {
        exit_code = VIOLATED;
        findings.extend(violations);
    }
    let books = books.as_ref();
    let (figures, warmup, sums) = (&figures, &warmup, &sums);
    let report =
        Report::new(report::Result { settings, figures, warmup, sums, books, measured, cpu, findings, exit_code });
    publish(settings, &report)?;
    Ok(exit_code)
}

fn violations(settings: &Settings, figures: &Figures, sums: &Sums, books: Option<&Finding>) -> Vec<String> {
    let mut violations = Vec::new();
    if let Some(finding) = books.filter(|finding| finding.verdict.is_violation()) {
        violations.push(finding.reason(sums, settings.style.digits));
    }
    if sums.mismatches > 0 {
        violations.push(format!("{} replies differ from an earlier decided reply to their token", sums.mismatches));
    }
    let total = figures.total();
    if settings.strict && total.late + total.unexpected + total.timeouts > 0 {
        violations.push(format!(
            "strict: {} replies were late, {} of another status, {} never came",
            total.late, total.unexpected, total.timeouts
        ));
    }
    violations
}

/// The table to the standard output, unless the JSON goes there.
fn publish(settings: &Settings, report: &Report) -> anyhow::Result<()> {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    let json = serde_json::to_string_pretty(report).context("write the report")?;
    let mut stdout = std::io::stdout().lock();
    match &settings.json {
        Some(path) if path.as_os_str() == "-" => writeln!(stdout, "{json}").context("write the report")?,
        other => {
            if let Some(path) = other {
                std::fs::write(path, json + "\n").with_context(|| format!("write {}", path.display()))?;
            }
            write!(stdout, "{}", report.table()).context("write the report")?;
        }
    }
    Ok(())
}

async fn resolve(targets: &[String]) -> anyhow::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for target in targets {
        let mut found = tokio::net::lookup_host(target).await.with_context(|| format!("look up {target}"))?;
        addresses.push(found.next().with_context(|| format!("{target} has no address"))?);
    }
    Ok(addresses)
}

/// What this process has used of the processors.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
