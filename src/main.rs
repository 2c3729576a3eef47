//! The `holdfast` binary: a whole cluster on loopback, one node, or the operator's command line.
//!
//! **What lives here.** Composition: only `node`, `machine`, `replicated` and `admin` know more than one room.

mod admin;
mod alarms;
mod auditor;
mod backup;
mod certs;
mod chance;
mod clock;
mod config;
mod conformance;
mod controls;
mod ctl;
mod exchange;
mod issuer;
mod machine;
mod metrics;
mod node;
#[cfg(feature = "planted")]
mod planted;
mod probe;
mod probes;
mod renewal;
mod replicated;
mod restore;
mod secure;
mod serve;
mod sweeper;
mod touch;
mod up;
mod version;
mod watchdog;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Small allocations from many threads dominate a request; the system's allocator contends there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A replicated JIT funding gateway for card issuers
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A whole cluster on loopback: durable nodes, demo accounts, a real authorization
    Up(up::Args),
    /// One node
    Serve(serve::Args),
    /// What is in force, or whether it holds together
    Config(config::command::Args),
    /// The operator's command line
    Ctl(ctl::Args),
    /// Look at backups, without a cluster
    Backup(backup::Args),
    /// Make the nodes of a new cluster of a backup, in fresh directories
    Restore(restore::Args),
    /// Play the processor's part against a running cluster, and compare every reply and balance
    Conformance(conformance::Args),
    /// Certificates to try TLS out with
    Certs(certs::Args),
    /// One question over HTTP, for health checks where there is no shell
    Probe(probe::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let code = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Config(args) => {
            config::command::run(&args, &mut std::io::stdout(), &mut std::io::stderr()).unwrap_or(1)
        }
        Command::Certs(args) => certs::run(&args, &mut std::io::stdout(), &mut std::io::stderr()),
        Command::Backup(args) => backup::run(args, &mut std::io::stdout(), &mut std::io::stderr()),
        Command::Restore(args) => restore::run(&args, &mut std::io::stdout(), &mut std::io::stderr()),
        Command::Up(args) => on_runtime(up::run(args)),
        Command::Probe(args) => on_runtime(probe::run(args, &mut std::io::stdout(), &mut std::io::stderr())),
        Command::Ctl(args) => on_runtime(ctl::run(args, &mut std::io::stdout(), &mut std::io::stderr())),
        Command::Conformance(args) => {
            on_runtime(conformance::run(args, &mut std::io::stdout(), &mut std::io::stderr()))
        }
    };
    ExitCode::from(code)
}

/// `--json` promises one document on standard output, also for what cannot be read.
fn misused(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    const WITH_JSON: [&str; 4] = ["ctl", "conformance", "backup", "restore"];
    if words.first().is_some_and(|word| WITH_JSON.iter().any(|name| word == name)) {
        let code = ctl::misused(error, words, &mut std::io::stdout(), &mut std::io::stderr());
        return ExitCode::from(code);
    }
    error.exit()
}

fn on_runtime(work: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("holdfast: start a runtime: {error}");
            1
        }
    }
}
