//! Whether a node's directories may be used for a restore.
//!
//! What must hold: what is in them is never touched, unless a restore that was cut off has left it. A note in the log's
//! directory says that: it is made in empty directories only, before anything else is, and goes when the node is
//! whole. The identity is written last, so a node with one is whole, note or not.

use cluster::store::files::RealFiles;
use cluster::store::identity::Identity;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NOTE: &str = "restore.unfinished";
/// What a fresh file system has at its root.
const NOTHING: &str = "lost+found";

/// A node's directories.
pub(super) struct Place {
    pub(super) log_dir: PathBuf,
    pub(super) data_dir: PathBuf,
}

/// What is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// Nothing, or what a restore has left that was cut off.
    Yes,
    /// This very restore.
    Done,
}

impl Place {
    /// Looks. An error says what is in the way.
    pub(super) fn look(&self, cluster: [u8; 16], node: u64) -> Result<Fresh, String> {
        let found = Identity::load(&RealFiles, &self.log_dir).map_err(|error| error.to_string())?;
        match found {
            Some(found) if found.cluster == cluster && found.node == node => {
                self.end();
                return Ok(Fresh::Done);
            }
            Some(found) => {
                return Err(format!(
                    "{} belongs to node {} of another cluster: restore into fresh directories",
                    self.log_dir.display(),
                    found.node
                ));
            }
            None => {}
        }
        if self.log_dir.join(NOTE).exists() {
            return Ok(Fresh::Yes);
        }
        for dir in [&self.log_dir, &self.data_dir] {
            if let Some(name) = self.something(dir).map_err(|error| format!("look into {}: {error}", dir.display()))? {
                let dir = dir.display();
                return Err(format!("{dir} holds {name}: restore into fresh directories"));
            }
        }
        Ok(Fresh::Yes)
    }

    /// A name in a directory, other than that of the log's directory.
    fn something(&self, dir: &Path) -> io::Result<Option<String>> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.path() != self.log_dir && entry.file_name() != NOTHING {
                return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
            }
        }
        Ok(None)
    }

    /// Leaves the note, and removes what a restore has left that was cut off.
    pub(super) fn begin(&self, cluster: [u8; 16]) -> Result<(), String> {
        let tried = || -> io::Result<()> {
            fs::create_dir_all(&self.log_dir)?;
            let mut note = File::create(self.log_dir.join(NOTE))?;
            note.write_all(crate::admin::views::hexadecimal(&cluster).as_bytes())?;
            note.sync_all()?;
            File::open(&self.log_dir)?.sync_all()?;
            for entry in fs::read_dir(&self.log_dir)? {
                let entry = entry?;
                if entry.file_type()?.is_file() && entry.file_name() != NOTE {
                    fs::remove_file(entry.path())?;
                }
            }
            match fs::remove_dir_all(self.data_dir.join("snapshots")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        };
        tried().map_err(|error| format!("prepare {}: {error}", self.log_dir.display()))
    }

    /// The node is whole. A note that stays says nothing beside an identity.
    pub(super) fn end(&self) {
        let _ = fs::remove_file(self.log_dir.join(NOTE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place { log_dir: dir.join("data/log"), data_dir: dir.join("data") }
    }

    #[test]
    fn only_empty_directories_and_what_a_cut_off_restore_has_left_are_used() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = place(dir.path());
        assert_eq!(place.look([1; 16], 1), Ok(Fresh::Yes), "there is nothing at all");
        fs::create_dir_all(&place.log_dir).expect("made");
        fs::create_dir(place.data_dir.join(NOTHING)).expect("made");
        assert_eq!(place.look([1; 16], 1), Ok(Fresh::Yes), "two empty directories, one on a file system of its own");

        for path in [place.log_dir.join("x.log"), place.data_dir.join("standin.journal")] {
            fs::write(&path, "x").expect("written");
            let refused = place.look([1; 16], 1).expect_err("something is there");
            assert!(refused.contains(path.file_name().expect("a name").to_str().expect("UTF-8")), "{refused}");
            fs::remove_file(&path).expect("removed");
        }

        place.begin([1; 16]).expect("begun");
        fs::write(place.log_dir.join("0000000000000001.log"), "half").expect("written");
        fs::create_dir(place.data_dir.join("snapshots")).expect("made");
        fs::write(place.data_dir.join("snapshots/half.tmp"), "half").expect("written");
        assert_eq!(place.look([1; 16], 1), Ok(Fresh::Yes), "a restore was cut off");
        place.begin([1; 16]).expect("begun again");
        assert!(!place.log_dir.join("0000000000000001.log").exists() && !place.data_dir.join("snapshots").exists());
        place.end();
        assert_eq!(place.look([1; 16], 1), Ok(Fresh::Yes));
    }
}
