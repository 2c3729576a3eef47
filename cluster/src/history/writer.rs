//! The thread that fills the database behind the hot path.
//!
//! What must hold: whatever the database does (refuse, be damaged, panic), the node goes on. A damaged one is moved
//! aside under a name of its own; a bounded number of them is kept for whoever wants to look.

use super::database::{Database, Failure};
use super::queue::{Group, Queue};
use super::{Door, Options};
use crate::metrics::Stages;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a database is begun anew in the life of a process; then the history stays off.
const ANEW_MAX: u32 = 3;
/// Damaged databases that are kept.
const DAMAGED_MAX: u32 = 2;
/// A process that was just killed may hold sled's lock for a moment: 2 s in all.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) queue: Arc<Queue>,
    pub(super) door: Door,
    pub(super) stages: Arc<Stages>,
}

/// sled panics on some damage.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Damaged("sled panicked".to_owned())))
}

impl Writer {
    pub(super) fn run(self) {
        let mut anew = 0;
        let mut left = None;
        while anew <= ANEW_MAX {
            match self.write_all(&mut left) {
                Ok(()) => break,
                Err(error) => tracing::error!(%error, anew, "the history is interrupted"),
            }
            // Readers first: sled's lock goes with the last of them.
            *self.door.lock() = None;
            self.stages.history_lost();
            anew += 1;
        }
        // Without a writer nothing may pile up.
        self.queue.end();
        *self.door.lock() = None;
    }

    /// Writes until the end, or until the database fails: then what was in hand stays in `left`.
    fn write_all(&self, left: &mut Option<Group>) -> Result<(), Failure> {
        let mut database = match self.open() {
            Err(Failure::Damaged(why)) => {
                tracing::error!(%why, "the history is damaged: begun anew");
                self.stages.history_lost();
                set_aside(&self.dir)?;
                self.open()?
            }
            opened => opened?,
        };
        *self.door.lock() = Some(database.reader());
        self.queue.catalogue_again();
        loop {
            let Some(group) = left.take().or_else(|| self.queue.take()) else {
                return Ok(());
            };
            let written = caught(|| database.write(&group));
            match written {
                Ok(count) => self.stages.history_written(count),
                Err(error) => {
                    *self.door.lock() = None;
                    drop(database);
                    if matches!(error, Failure::Damaged(_)) {
                        set_aside(&self.dir)?;
                    }
                    let first = group.entries.first().map_or(0, |written| written.index);
                    let skipped_to = group.skipped_to.max(first.saturating_sub(1));
                    *left = Some(Group { skipped_to, ..group });
                    return Err(error);
                }
            }
        }
    }

    fn open(&self) -> Result<Database, Failure> {
        for _ in 0..LOCK_TRIES {
            match caught(|| Database::open(&self.dir, self.options.clone())) {
                Err(Failure::Disk(error)) if error.to_string().contains("could not acquire lock") => {
                    std::thread::park_timeout(LOCK_PAUSE);
                }
                opened => return opened,
            }
        }
        Err(Failure::Disk(io::Error::other("another process has it")))
    }
}

/// Moves a damaged database away. A kill in between leaves a name free, or one more than are kept until the next time.
fn set_aside(dir: &Path) -> io::Result<()> {
    let named = |number: u32| dir.with_extension(format!("damaged-{number}"));
    remove(&named(DAMAGED_MAX))?;
    for number in (1..DAMAGED_MAX).rev() {
        rename(&named(number), &named(number + 1))?;
    }
    rename(dir, &named(1))
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
