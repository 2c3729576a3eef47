//! What is wrong with a certificate, a key or an authority.

use std::path::{Path, PathBuf};

/// A file that cannot be used, and why. Never holds what stands in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    path: PathBuf,
    problem: String,
}

impl Error {
    pub(crate) fn new(path: &Path, problem: impl Into<String>) -> Error {
        Error { path: path.to_owned(), problem: problem.into() }
    }
}
