//! `holdfast serve`: one node as a process.
//!
//! Exit codes: 0 stopped when told to; 2 the configuration is wrong; 3 a port or a directory is in use; 1 the disk
//! refused, or holds what must not be used; 70 the core died.

use crate::config::{Config, environment};
use crate::node::{self, BringUpError, Stop};
use crate::renewal::Again;
use cluster::StartError;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// How many milliseconds later the allocator gives freed memory back to the system; -1 is never.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Runs one node until SIGTERM or SIGINT; then leadership is handed over and requests in flight are answered. On
/// SIGTERM balancers are given time to notice first. On SIGHUP certificates, secrets and some settings are
/// read again.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Stop when standard input ends: whoever started this node takes it along
    #[arg(long)]
    stop_with_stdin: bool,
}

/// Runs it, and returns the exit code.
pub fn run(args: &Args) -> u8 {
    keep_freed_memory();
    let config = match Config::load(Some(&args.config), environment()) {
        Ok(config) => config,
        Err(error) => return complain(&error, 2),
    };
    let log = log_to_stderr(&config);
    use_small_pages();
    let (look, file) = (Arc::new(Notify::new()), args.config.clone());
    let load = move || Config::load(Some(&file), environment());
    let again = Again { at_once: look.clone(), config: Box::new(load), log };
    match node::run(&config, again, stop_signal(args.stop_with_stdin, look)) {
        Ok(()) => 0,
        Err(error) => complain(&error, code(&error)),
    }
}

fn complain(error: &dyn std::error::Error, code: u8) -> u8 {
    eprintln!("holdfast serve: {error}");
    code
}

fn code(error: &BringUpError) -> u8 {
    match error {
        BringUpError::Config(_)
        | BringUpError::Gateway(_)
        | BringUpError::Certificate { .. }
        | BringUpError::Cluster(StartError::Config(_)) => 2,
        BringUpError::Listen { .. } | BringUpError::Cluster(StartError::InUse(_)) => 3,
        BringUpError::System { .. }
        | BringUpError::Cluster(
            StartError::Damaged(_)
            | StartError::Disk { .. }
            | StartError::Raft(_)
            | StartError::Join(_)
            | StartError::Version(_),
        ) => 1,
    }
}

/// Begins to log; what comes back has it follow a changed level.
fn log_to_stderr(config: &Config) -> Box<dyn Fn(&Config) + Send + Sync> {
    let (filter, handle) = reload::Layer::new(targets(config));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    if config.log.format.is_json() {
        registry.with(lines.json()).init()
    } else {
        registry.with(lines).init()
    }
    // It fails only when there is no log any more.
    Box::new(move |config| _ = handle.reload(targets(config)))
}

/// What is worth a line, by whose it is.
fn targets(config: &Config) -> Targets {
    // The consensus library tells at INFO what only its authors want to know.
    let noisy = ["openraft", "h2", "hyper", "tonic", "tower"];
    Targets::new()
        .with_default(config.log.level.filter())
        .with_targets(noisy.map(|target| (target, LevelFilter::WARN)))
        .with_target("holdfast::request", if config.log.requests { LevelFilter::DEBUG } else { LevelFilter::OFF })
        .with_target("holdfast::audit", LevelFilter::INFO)
}

/// Has the allocator keep for the next copy of the books what the last one left. To give it back to the system stops
/// the thread that applies for several milliseconds at a time, and the next snapshot needs as much again
/// (docs/measurements.md).
///
/// The allocator takes such a wish from the environment alone, at its first allocation: so the process starts itself
/// anew, once, with the same number and the same streams. Whoever sets the variable decides otherwise.
fn keep_freed_memory() {
    if std::env::var_os(PURGE_DELAY).is_none()
        && let Ok(own) = std::env::current_exe()
    {
        // Returns only when it failed; then memory is given back, and all else is as well.
        let _ = Command::new(own).args(std::env::args_os().skip(1)).env(PURGE_DELAY, "-1").exec();
    }
}

/// A first touch of a large page clears 2 MiB at once, in the middle of somebody's request: small pages cost less here
/// (docs/measurements.md), and memory follows what is used. Where the system does not know the switch, all goes on.
fn use_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::info!(%error, "transparent huge pages stay as the system has them");
    }
}

/// Completes when the process is told to stop, and says how. SIGHUP has certificates and secrets looked at.
async fn stop_signal(with_stdin: bool, look: Arc<Notify>) -> Stop {
    let mut closed = pin!(stdin_end(with_stdin));
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::error!("signals cannot be caught: stopping at once");
        return Stop::AtOnce;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => return Stop::Leaving,
            _ = interrupt.recv() => return Stop::AtOnce,
            () = &mut closed => return Stop::AtOnce,
            _ = hangup.recv() => look.notify_one(),
        }
    }
}

/// Waits for the end of standard input on a thread of its own; never, if nobody asked for it.
async fn stdin_end(wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(count) if count > 0) {}
        // The receiver lives as long as the process.
        let _ = ended.send(());
    });
    let _ = end.await;
}
