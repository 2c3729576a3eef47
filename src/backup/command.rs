//! `holdfast backup`: what a file holds, and whether a cluster could be made of it. Needs no cluster and no node.
//!
//! Exit codes: 0 it is good; 1 it is damaged, or its books are unsound; 2 there is no such file, or usage.

use super::{BackupError, BackupFile, Checked, Head, check};
use crate::admin::views::hexadecimal;
use crate::ctl::{Answer, Failure, finish, utc};
use clap::Subcommand;
use cluster::StateMachine;
use ledger::Ledger;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Look at backups, without a cluster
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print exactly one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Restore it in memory, audit its books and compare their digest; takes as much memory as a node
    Verify {
        /// What `holdfast ctl backup` wrote
        file: PathBuf,
    },
    /// Say what it is of, from its head alone: nothing else of it is read or checked
    Show {
        /// What `holdfast ctl backup` wrote
        file: PathBuf,
    },
}

/// Does it, and returns the exit code.
pub fn run(args: Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let done = match args.command {
        Command::Verify { file } => verify(&file),
        Command::Show { file } => show(&file),
    };
    finish(done, args.json, out, err)
}

/// What is said of a backup.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    bytes: u64,
    #[serde(flatten)]
    head: Head,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
}

#[derive(Serialize)]
struct Verified {
    sound: bool,
    violations: Vec<String>,
    sha256: String,
    accounts: u64,
    holds: u64,
    tokens: u64,
}

fn show(path: &Path) -> Result<Answer, Failure> {
    let file = BackupFile::open(path).map_err(Failure::from)?;
    let shown = Shown { file: path.to_owned(), bytes: file.bytes(), head: file.head, verified: None };
    Answer::done(&shown, shown.text())
}

fn verify(path: &Path) -> Result<Answer, Failure> {
    let file = BackupFile::open(path).map_err(Failure::from)?;
    let Checked { machine, sum, violations } = check(&file).map_err(Failure::from)?;
    let books: &Ledger = machine.as_ref();
    let verified = Verified {
        sound: violations.is_empty(),
        violations,
        sha256: hexadecimal(&sum),
        accounts: books.accounts_count(),
        holds: books.holds_count(),
        tokens: books.tokens_count(),
    };
    debug_assert_eq!(hexadecimal(&machine.digest()), file.head.digest, "compared when it was read");
    let sound = verified.sound;
    let shown = Shown { file: path.to_owned(), bytes: file.bytes(), head: file.head, verified: Some(verified) };
    let answer = Answer::done(&shown, shown.text())?;
    Ok(Answer { exit: if sound { 0 } else { 1 }, ..answer })
}

impl Shown {
    fn text(&self) -> String {
        let Head { cluster_name, cluster_id, node, index, log_time_us, digest, records, taken_at_us, version } =
            &self.head;
        let mut text = format!(
            "file      {}\nbytes     {}\ncluster   {cluster_name} ({cluster_id})\ntaken     {} from node {node}, \
             holdfast {version}\nholds     all up to log index {index}, log time {}\nrecords   {records}\n\
             digest    {digest}\n",
            self.file.display(),
            self.bytes,
            utc(*taken_at_us),
            utc(*log_time_us),
        );
        if let Some(verified) = &self.verified {
            let Verified { sound, violations, sha256, accounts, holds, tokens } = verified;
            text.push_str(&format!(
                "sha256    {sha256}\nbooks     {accounts} accounts, {holds} holds, {tokens} tokens\n"
            ));
            for violation in violations {
                text.push_str(&format!("UNSOUND   {violation}\n"));
            }
            text.push_str(if *sound { "restored in memory, digest compared, books audited: good\n" } else { "" });
        }
        text
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Failure {
        match &error {
            BackupError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Failure::Usage(error.to_string())
            }
            BackupError::Io { .. } | BackupError::Damaged { .. } | BackupError::Refused { .. } => {
                Failure::Refused(error.to_string())
            }
        }
    }
}
