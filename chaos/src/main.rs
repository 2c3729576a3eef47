//! The `chaos` binary: load, faults and checkers, from outside the product.
//!
//! What must hold: it speaks only HTTP and gRPC, and what it says about money is computed from what the product
//! answered, not from the product's own code. Not here: anything that runs inside a node.

use chaos::check::command as check;
use chaos::{guard, links, load, run, scenario, show};
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
    /// Lists the scenarios that come with this program.
    List(show::ListArgs),
    /// Checks scenario files; without any, those that come with this program.
    Validate(show::ValidateArgs),
    /// Prints the JSON schema of scenario files.
    Schema,
    /// Runs scenarios: 0 all pass, 1 violated, 2 usage, 3 inconclusive, 4 not possible here.
    Run(run::Args),
    /// Renders reports of earlier runs again, and one table of them all.
    Report(show::ReportArgs),
    /// Undoes what is left when the program that started it has gone.
    #[command(hide = true)]
    Guard,
    /// Passes on the packets of a direction between two nodes, late, twice or not at all.
    #[command(hide = true)]
    Packets(links::queue::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Check(args) => check::run(&args),
        Command::List(args) => ExitCode::from(show::list(&args)),
        Command::Validate(args) => ExitCode::from(show::validate(&args)),
        Command::Schema => {
            print!("{}", scenario::catalogue::schema());
            ExitCode::SUCCESS
        }
        Command::Run(args) => ExitCode::from(run::run(&args)),
        Command::Report(args) => ExitCode::from(show::report(&args)),
        Command::Guard => {
            guard::run();
            ExitCode::SUCCESS
        }
        Command::Packets(args) => links::queue::run(&args),
    }
}
