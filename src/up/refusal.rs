//! Why `up` does not go on, and the exit code that says so.

use std::fmt;

/// What stops `up`. Unless the text says otherwise, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Exit 2: what was asked for cannot be: another directory's files, other nodes than before, a wrong setting.
    Wrong(String),
    /// Exit 3: somebody else has the directory or a port.
    InUse(String),
    /// Exit 1: the system refused, or no node came up.
    Failed(String),
}

impl Refusal {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Refusal::Failed(_) => 1,
            Refusal::Wrong(_) => 2,
            Refusal::InUse(_) => 3,
        }
    }

    /// For `map_err`: what was tried, and what the system said.
    pub(super) fn failed(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Refusal {
        move |error| Refusal::Failed(format!("{what}: {error}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Wrong(text) | Refusal::InUse(text) | Refusal::Failed(text) => f.write_str(text),
        }
    }
}
