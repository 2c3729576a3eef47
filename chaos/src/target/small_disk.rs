//! A disk of limited size for one node: a tmpfs of its own. Needs root.
//!
//! What must hold: it is taken off when this is dropped, or by the guard, whoever still has files open in it. It has no
//! durability to lose: what is tried here is only that there is no room.

use crate::guard::{Guard, Promise, Undo};
use crate::process::output;
use anyhow::{Context, Result, anyhow, ensure};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Room for a node's log of small segments and its snapshots.
const SIZE: &str = "96m";
/// What fills it.
const FILLER: &str = "chaos-filler";
/// Written at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A mount.
pub struct SmallDisk {
    place: PathBuf,
    undo: Undo,
    _promise: Promise,
}

/// Whether this machine lets us.
pub fn possible() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can mount a small disk".to_owned());
    }
    output("mount", &["-V"]).map(drop)
}

impl SmallDisk {
    /// Mounts one where a node will keep its things.
    pub fn mount(guard: &Arc<Guard>, place: &Path) -> Result<SmallDisk> {
        std::fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
        let path = place.to_str().context("the path is not UTF-8")?;
        let undo = Undo::Run(["umount", "-l", path].map(str::to_owned).to_vec());
        let promise = guard.promise(undo.clone())?;
        output("mount", &["-t", "tmpfs", "-o", &format!("size={SIZE}"), "chaos", path])
            .map_err(|error| anyhow!(error))?;
        Ok(SmallDisk { place: place.to_owned(), undo, _promise: promise })
    }

    /// Writes until there is no room.
    pub fn fill(&self) -> Result<String> {
        let mut file = File::create(self.place.join(FILLER)).context("make the filler")?;
        let mut count = 0u64;
        let full = loop {
            match file.write(&[1; CHUNK_BYTES]) {
                Ok(written) => count += written as u64,
                Err(error) => break error,
            }
        };
        ensure!(full.kind() == std::io::ErrorKind::StorageFull, "the disk is not full: {full}");
        Ok(format!("{} is full: {full}, after {count} more bytes", self.place.display()))
    }

    /// Gives the room back.
    pub fn empty(&self) -> Result<()> {
        std::fs::remove_file(self.place.join(FILLER)).context("remove the filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.undo.run();
    }
}
