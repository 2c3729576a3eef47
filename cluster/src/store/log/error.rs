//! Why a log is not opened, with the operator's way out.
//!
//! **What must hold.** Each error names the file or directory. None of them is healed by trying again, except a lock
//! that another process gives back.
//!
//! **What is deliberately not here.** Errors while running: those go to callbacks as `io::Error`.

use std::io;
use std::path::PathBuf;

/// Why a log was not opened. None of these is to be tried again without an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no log.
    #[error(
        "no log in {}: if this node was ever a member, it must not come back under its id; remove it from the \
         cluster and add it again, empty, with a new id", dir.display()
    )]
    Missing {
        /// Where it should be.
        dir: PathBuf,
    },
    /// A log must not be made where one is.
    #[error("there is a log in {} already", dir.display())]
    Exists {
        /// Where it is.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("another process uses the log in {}", dir.display())]
    InUse {
        /// Which log.
        dir: PathBuf,
    },
    /// A segment is not there.
    #[error(
        "log segment {} is missing, acknowledged data with it: remove this node from the cluster and add it again, \
         empty, with a new id", file.display()
    )]
    MissingSegment {
        /// Which one.
        file: PathBuf,
    },
    /// The oldest segments are not there.
    #[error(
        "log entries {from} to {} are missing: remove this node from the cluster and add it again, empty, with a \
         new id", to.saturating_sub(1)
    )]
    MissingEntries {
        /// The first missing index.
        from: u64,
        /// The first index that is there.
        to: u64,
    },
    /// Bytes are not what was written.
    #[error(
        "log segment {} is damaged at offset {offset} ({what}): remove this node from the cluster and add it again, \
         empty, with a new id", file.display()
    )]
    Corrupt {
        /// Which segment.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The options cannot work.
    #[error("log options: {0}")]
    Options(&'static str),
    /// The disk failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// How it failed.
        source: io::Error,
    },
}

pub(super) fn io_error(doing: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}
