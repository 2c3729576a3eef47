//! Backups as files: writing one, checking one, and what `holdfast backup` does.
//!
//! **What lives here.** [`Head`] is what a backup says of itself. `file` is the format and its reader, `writer` writes
//! one, `place` gives names and keeps the newest, `check` restores one in memory.
//!
//! **What must hold.** A file gets its name only when it is whole, synced and was read back. A bit that differs
//! anywhere in it, or a byte that is missing or too many, is found before anything of it is believed. An older backup
//! is never written over unless told, and removed only when a newer one is durable.
//!
//! **What is deliberately not here.** Taking one from a node (`admin`, `ctl`), and making a cluster of one (`restore`).

mod check;
mod command;
mod file;
pub(crate) mod place;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use check::{Checked, check};
pub use command::{Args, run};
pub(crate) use file::BackupFile;
pub(crate) use writer::{Existing, Writer, Written};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a backup says of itself. Stands at the front of the file as JSON, so that it can be read without us; fields are
/// only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// What the cluster was called.
    pub(crate) cluster_name: String,
    /// Its id, as hexadecimal text.
    pub(crate) cluster_id: String,
    /// The node that gave it.
    pub(crate) node: u64,
    /// The last log entry that is in it.
    pub(crate) index: u64,
    /// Log time at that entry: what came later is not in it.
    pub(crate) log_time_us: u64,
    /// Digest of the books, as hexadecimal text.
    pub(crate) digest: String,
    /// How many records follow.
    pub(crate) records: u64,
    /// When it was taken, by the clock of the machine that wrote the file.
    pub(crate) taken_at_us: u64,
    /// Of the node's program.
    pub(crate) version: String,
}

/// Why there is no backup, or why this one must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The disk refused.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Something is in the way.
    #[error("{}: {why}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// What to do.
        why: &'static str,
    },
}

impl BackupError {
    pub(crate) fn damaged(path: &Path, what: impl ToString) -> BackupError {
        BackupError::Damaged { path: path.to_owned(), what: what.to_string() }
    }

    fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> BackupError {
        move |source| BackupError::Io { doing, path: path.to_owned(), source }
    }
}
