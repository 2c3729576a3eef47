//! The `chaos` binary: load, faults and checkers, from outside the product.
//!
//! What must hold: it speaks only HTTP and gRPC, and what it says about money is computed from what the product
//! answered, not from the product's own code. Not here: anything that runs inside a node.

use chaos::check::command as check;
use chaos::load;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads, breaks and checks a Holdfast cluster from outside.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, about, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends authorizations, measures the answers, and checks the books afterwards.
    Load(Box<load::Args>),
    /// Checks a recorded history, and the books afterwards, against every promise.
    Check(check::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Check(args) => check::run(&args),
    }
}
