//! `holdfast conformance`: plays the processor's part against a running cluster, and compares every reply and balance.
//!
//! **What lives here.** [`Args`] is what can be typed, [`run`] does it. A scenario is a file (`scenario`): real
//! messages in, exact replies and balances out; those of `tests/conformance` are built in (`files`, `built_in`). `play`
//! plays one, `target` is the cluster as processor and operator see it, `access` what the processor shows at its door,
//! `matrix` says which methods are supported and tested, `report` is what is printed.
//!
//! **What must hold.** Every run has tokens and accounts of its own, so that it can be repeated on one cluster for
//! ever; nothing else on the cluster is touched. Every wait has a bound. Exit codes as of `ctl`: 0 all went as written;
//! 1 some did not; 2 usage, or a file that cannot be read; 3 nobody could be asked; 4 an answer was lost. With
//! `--json`, standard output is exactly one JSON document.
//!
//! **What is deliberately not here.** An opinion: what is right stands in the files.

mod access;
mod built_in;
mod files;
mod matrix;
mod play;
mod report;
mod scenario;
mod target;

use crate::config::Secret;
use crate::ctl::{AccessArgs, Endpoint, Failure, Nodes};
use access::Access;
use ledger::Program;
use report::Report;
use scenario::Scenario;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use target::Target;

/// Plays the processor's part against a running cluster, and compares every reply and balance.
///
/// Accounts and tokens of a run stay in the books: use a cluster that is there for trying things out.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the processor asks and reports, `http://HOST:PORT`; repeat it, and each message goes to the next node.
    #[arg(
        long = "url",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8441,http://127.0.0.1:8442,http://127.0.0.1:8443",
        value_parser = Endpoint::parse
    )]
    urls: Vec<Endpoint>,
    /// Admin interface of a node, as for `ctl --endpoint`.
    #[arg(
        long = "admin",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9541,http://127.0.0.1:9542,http://127.0.0.1:9543",
        value_parser = Endpoint::parse
    )]
    admins: Vec<Endpoint>,
    /// User of the Basic authentication.
    #[arg(long, default_value = "marqeta")]
    user: String,
    /// Password of the Basic authentication.
    #[arg(
        long,
        env = "HOLDFAST_PASSWORD",
        hide_env_values = true,
        default_value = "holdfast-dev-Password1!",
        value_parser = secret
    )]
    password: Secret,
    /// User of the Basic authentication of reports, if it is another one.
    #[arg(long, requires = "webhook_password")]
    webhook_user: Option<String>,
    /// Its password.
    #[arg(long, requires = "webhook_user", env = "HOLDFAST_WEBHOOK_PASSWORD", hide_env_values = true, value_parser = secret)]
    webhook_password: Option<Secret>,
    /// Sign reports with this secret (HMAC-SHA-256).
    #[arg(long, env = "HOLDFAST_WEBHOOK_SECRET", hide_env_values = true, value_parser = secret)]
    webhook_secret: Option<Secret>,
    #[command(flatten)]
    operator: AccessArgs,
    /// The card programme that the credentials stand for.
    #[arg(long, default_value = "default", value_parser = Program::new)]
    program: Program,
    /// Only this scenario; repeatable.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The files of this directory instead of those that are built in.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Print exactly one JSON document.
    #[arg(long)]
    json: bool,
    /// Only list the scenarios.
    #[arg(long, conflicts_with = "matrix")]
    list: bool,
    /// Only print which methods are supported and tested, as Markdown.
    #[arg(long, conflicts_with = "json")]
    matrix: bool,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Does it, prints what came of it, and returns the exit code.
pub async fn run(args: Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let mut report = Report::new(args.json, out);
    match conform(args, &mut report).await {
        Ok(()) => report.end(),
        Err(failure) => report.broke_off(&failure, err),
    }
}

async fn conform(args: Args, report: &mut Report<'_>) -> Result<(), Failure> {
    let scenarios = chosen(&args)?;
    if args.matrix {
        report.print(&matrix::markdown(&scenarios));
        return Ok(());
    }
    if args.list {
        report.list(&scenarios);
        return Ok(());
    }
    let run = run_id()?;
    report.begin(run);
    let access = Access::new(
        (&args.user, &args.password),
        args.webhook_user.as_deref().zip(args.webhook_password.as_ref()),
        args.webhook_secret,
    );
    let nodes = Nodes::new(args.admins, args.operator.read()?);
    let mut target = Target::new(args.urls, nodes, access, args.program);
    for (scenario, number) in scenarios.iter().zip(0..) {
        let started = Instant::now();
        let played = play::play(scenario, &mut target, &name_of(run, number)).await?;
        report.played(scenario, played, started.elapsed());
    }
    Ok(())
}

/// What was asked for, of the files that are meant. All of them are read first.
fn chosen(args: &Args) -> Result<Vec<Scenario>, Failure> {
    let all = match &args.files {
        Some(dir) => files::read(dir),
        None => files::built_in(),
    };
    let all = all.map_err(Failure::Usage)?;
    if let Some(unknown) = args.only.iter().find(|name| !all.iter().any(|scenario| scenario.name == **name)) {
        return Err(Failure::Usage(format!("--only {unknown}: there is no such scenario: see --list")));
    }
    Ok(all.into_iter().filter(|scenario| args.only.is_empty() || args.only.contains(&scenario.name)).collect())
}

/// What makes this run's names its own.
fn run_id() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    let read =
        std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(|error| Failure::Unavailable(format!("read random bytes: {error}")))?;
    Ok(u64::from_le_bytes(bytes))
}

/// What a scenario has in the place of `{run}`: twelve hexadecimal digits, so that a token can look like a UUID. Nine
/// of them are the run's, three the scenario's.
fn name_of(run: u64, number: u64) -> String {
    format!("{:09x}{:03x}", run & 0xf_ffff_ffff, number & 0xfff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_a_run_have_names_of_their_own() {
        assert_eq!(name_of(u64::MAX, 17), "fffffffff011");
        assert_eq!(name_of(0, 0).len(), 12);
    }

    fn drifted(name: &str, made: &str) -> bool {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::fs::read_to_string(path).unwrap() != made
    }

    #[test]
    fn the_document_says_what_is_supported_and_tested() {
        let made = matrix::markdown(&files::built_in().unwrap());
        assert!(
            !drifted("docs/conformance.md", &made),
            "make it again: cargo run -- conformance --matrix > docs/conformance.md"
        );
        assert!(drifted("docs/conformance.md", &made.replacen("pgfs.", "pgfz.", 1)));
    }
}
