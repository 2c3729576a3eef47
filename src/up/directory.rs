//! Whose directory it is, and taking it.
//!
//! What must hold: nothing in a directory that is not ours is ever touched, and two `up` never share one. The lock is
//! on the directory itself, so that it holds before the first file is written and while the marker is replaced; the
//! system drops it when the process ends, however it ends.

use super::marker::{self, Marker};
use super::ports::NODES_MAX;
use super::refusal::Refusal;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A directory that was looked at, and locked if it exists. Nothing is written yet.
#[derive(Debug)]
pub(super) struct Directory {
    /// Absolute, so that it means the same to every node.
    path: PathBuf,
    lock: Option<File>,
    marker: Option<Marker>,
}

impl Directory {
    /// Looks, and refuses what is not empty and not ours, or in use.
    pub(super) fn look(path: &Path) -> Result<Directory, Refusal> {
        let path = std::path::absolute(path).map_err(Refusal::failed(path.display()))?;
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Directory { path, lock: None, marker: None }),
            Err(error) => Err(Refusal::Failed(format!("look at {}: {error}", path.display()))),
            Ok(found) if !found.is_dir() => {
                Err(Refusal::Wrong(format!("{} is not a directory; nothing was changed", path.display())))
            }
            Ok(_) => {
                let lock = lock(&path)?;
                let marker = Marker::read(&path);
                if marker.is_none() && !is_empty(&path)? {
                    return Err(Refusal::Wrong(format!(
                        "{} is not empty and was not made by `holdfast up`; nothing was changed",
                        path.display()
                    )));
                }
                Ok(Directory { path, lock: Some(lock), marker })
            }
        }
    }

    /// What was remembered, if it is ours already.
    pub(super) fn marker(&self) -> Option<&Marker> {
        self.marker.as_ref()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it ours, with this marker. A marker of another cluster over an old one is a fresh start: what the nodes
    /// had is removed between a marker that says so and the new one, so that a kill in between leaves a directory that
    /// is ours, and whose rest no node ever starts from. Whatever else lies there is left alone.
    pub(super) fn take(&mut self, marker: Marker) -> Result<(), Refusal> {
        if self.lock.is_none() {
            fs::create_dir_all(&self.path).map_err(Refusal::failed(format_args!("make {}", self.path.display())))?;
            self.lock = Some(lock(&self.path)?);
            if !is_empty(&self.path)? {
                return Err(Refusal::InUse(format!("{} was taken meanwhile", self.path.display())));
            }
        }
        if self.marker.as_ref() == Some(&marker) {
            return Ok(());
        }
        if let Some(before) = self.marker.as_ref().filter(|before| before.cluster != marker.cluster) {
            Marker { emptying: true, ..before.clone() }.write(&self.path)?;
            self.remove_nodes()?;
        }
        marker.write(&self.path)?;
        self.marker = Some(marker);
        Ok(())
    }

    fn remove_nodes(&self) -> Result<(), Refusal> {
        for node in 1..=NODES_MAX {
            for name in [format!("node-{node}"), format!("node-{node}.toml"), format!("node-{node}.log")] {
                let path = self.path.join(name);
                let removed = match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                    Ok(_) => fs::remove_file(&path),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    Err(error) => Err(error),
                };
                removed.map_err(Refusal::failed(format_args!("remove {}", path.display())))?;
            }
        }
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, Refusal> {
    let dir = File::open(path).map_err(Refusal::failed(format_args!("open {}", path.display())))?;
    match dir.try_lock() {
        Ok(()) => Ok(dir),
        Err(TryLockError::WouldBlock) => {
            Err(Refusal::InUse(format!("{} is in use by another `holdfast up`", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(Refusal::Failed(format!("lock {}: {error}", path.display()))),
    }
}

/// A marker that was being written when its writer was killed does not count.
fn is_empty(path: &Path) -> Result<bool, Refusal> {
    let failed = |error| Refusal::Failed(format!("look into {}: {error}", path.display()));
    for entry in fs::read_dir(path).map_err(failed)? {
        if entry.map_err(failed)?.file_name() != marker::TEMPORARY {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClusterId;

    fn marker(cluster: u8) -> Marker {
        Marker { nodes: 3, port_base: 0, cluster: ClusterId([cluster; 16]), authorization_sent: false, emptying: false }
    }

    fn members(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn looking_writes_nothing_and_taking_makes_it_ours() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        let mut dir = Directory::look(&path).unwrap();
        assert!(!path.exists() && dir.marker().is_none());
        dir.take(marker(1)).unwrap();
        drop(dir);
        assert_eq!(Directory::look(&path).unwrap().marker(), Some(&marker(1)));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("letter"), "mine").unwrap();
        assert_eq!(Directory::look(outer.path()).unwrap_err().exit_code(), 2);
        assert_eq!(Directory::look(&outer.path().join("letter")).unwrap_err().exit_code(), 2);
        fs::write(outer.path().join(marker::NAME), "spoilt").unwrap();
        assert_eq!(Directory::look(outer.path()).unwrap_err().exit_code(), 2);
        assert_eq!(members(outer.path()), [marker::NAME, "letter"]);
    }

    #[test]
    fn a_marker_half_written_at_a_kill_leaves_an_empty_directory() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join(marker::TEMPORARY), "# hol").unwrap();
        Directory::look(outer.path()).unwrap().take(marker(1)).unwrap();
        assert_eq!(members(outer.path()), [marker::NAME]);
    }

    #[test]
    fn two_do_not_share_one() {
        let outer = tempfile::tempdir().unwrap();
        let first = Directory::look(outer.path()).unwrap();
        assert_eq!(Directory::look(outer.path()).unwrap_err().exit_code(), 3);
        drop(first);
        Directory::look(outer.path()).unwrap();
    }

    #[test]
    fn two_that_saw_no_directory_do_not_share_it_either() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("new");
        let mut first = Directory::look(&path).unwrap();
        let mut second = Directory::look(&path).unwrap();
        first.take(marker(1)).unwrap();
        assert_eq!(second.take(marker(2)).unwrap_err().exit_code(), 3);
        drop(first);
        let mut third = Directory { path: path.clone(), lock: None, marker: None };
        assert_eq!(third.take(marker(3)).unwrap_err().exit_code(), 3);
        assert_eq!(Marker::read(&path), Some(marker(1)));
    }

    #[test]
    fn a_fresh_start_removes_what_the_nodes_had_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path();
        Directory::look(path).unwrap().take(marker(1)).unwrap();
        fs::create_dir_all(path.join("node-2/log")).unwrap();
        fs::write(path.join("node-2/log/segment"), "x").unwrap();
        for name in ["node-2.toml", "node-2.log", "letter", "node-10.log"] {
            fs::write(path.join(name), "x").unwrap();
        }
        let mut dir = Directory::look(path).unwrap();
        dir.take(Marker { authorization_sent: true, ..marker(1) }).unwrap();
        assert!(path.join("node-2/log/segment").exists(), "the same cluster goes on");
        dir.take(marker(2)).unwrap();
        assert_eq!(members(path), [marker::NAME, "letter", "node-10.log"]);
    }
}
