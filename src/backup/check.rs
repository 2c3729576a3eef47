//! Restoring a backup in memory: the only proof that it can be restored.

use super::{BackupError, BackupFile};
use crate::machine::LedgerMachine;
use cluster::StateMachine;

/// A backup that was read whole and restored.
pub(crate) struct Checked {
    /// The books, with the digest that the backup says.
    pub(crate) machine: LedgerMachine,
    /// SHA-256 of the file.
    pub(crate) sum: [u8; 32],
    /// Broken invariants of the books, in words. A backup that has any is of a cluster that was broken already.
    pub(crate) violations: Vec<String>,
}

/// Compares every check of the file, restores its books in memory, compares their digest, and audits them. Takes as
/// much memory as a node.
pub(crate) fn check(file: &BackupFile) -> Result<Checked, BackupError> {
    let sum = file.sum()?;
    let restored = cluster::read_state::<LedgerMachine>(file.snapshot()?);
    let machine = restored.map_err(|error| BackupError::damaged(file.path(), error))?;
    let violations = machine.violations();
    Ok(Checked { machine, sum, violations })
}
