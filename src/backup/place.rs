//! Names for backups in a directory, and keeping only the newest.
//!
//! What must hold: only what has a name of ours for this very cluster is ever removed, only when as many newer ones are
//! there, and a temporary file only when no process writes it.

use super::{BackupError, Head};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".backup";

/// A name that sorts by the time when the backup was taken: `NAME-ID-TIME-INDEX.backup`.
pub(crate) fn path(dir: &Path, head: &Head) -> PathBuf {
    let digits: String = crate::ctl::utc(head.taken_at_us).chars().filter(char::is_ascii_alphanumeric).collect();
    dir.join(format!("{}{digits}-{:012}{SUFFIX}", prefix(head), head.index))
}

/// What all names of this cluster begin with.
fn prefix(head: &Head) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = head.cluster_name.chars().take(32).map(plain).collect();
    let id: String = head.cluster_id.chars().take(8).collect();
    format!("{name}-{id}-")
}

/// Removes all but the newest so many of this cluster, and what killed writers have left. Says what is gone.
pub(crate) fn keep_newest(dir: &Path, head: &Head, count: usize) -> Result<Vec<PathBuf>, BackupError> {
    let failed = BackupError::io("look through", dir);
    let prefix = prefix(head);
    let mut finished = Vec::new();
    let mut gone = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        if is_ours(rest.strip_suffix(SUFFIX)) {
            finished.push(entry.path());
        } else if is_ours(rest.strip_suffix(".tmp").and_then(|rest| rest.strip_suffix(SUFFIX)))
            && is_abandoned(&entry.path())
        {
            gone.push(entry.path());
        }
    }
    finished.sort();
    gone.extend(finished.iter().take(finished.len().saturating_sub(count)).cloned());
    for path in &gone {
        std::fs::remove_file(path).map_err(BackupError::io("remove", path))?;
    }
    Ok(gone)
}

/// `TIME-INDEX`, both digits but for the letters of the time.
fn is_ours(middle: Option<&str>) -> bool {
    middle.and_then(|middle| middle.split_once('-')).is_some_and(|(time, index)| {
        let timed = time.len() >= 22 && time.bytes().all(|byte| byte.is_ascii_digit() || b"TZ".contains(&byte));
        timed && index.len() >= 12 && index.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}
