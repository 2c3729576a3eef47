//! A disk for one node whose power can be cut: ext4 on a loop device, which the kernel shuts down without writing
//! anything back. Needs root.
//!
//! What must hold: that a cut keeps what was synced and drops what was not is tried on a disk of its own before it is
//! relied on ([`possible`]), and seen again at each cut by two files. Mounts go when this is dropped, or by the guard.
//! Not here: hardware that lies about a flush, and torn sectors.

use crate::guard::{Guard, Promise, Undo};
use crate::process::output;
use anyhow::{Context, Result, anyhow, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sparse: room for a node's log of small segments and its snapshots.
const IMAGE_BYTES: u64 = 300 << 20;
/// A process that was killed lets go of its files.
const FREE_MAX: Duration = Duration::from_secs(10);
/// Synced before each cut.
const KEPT: &str = "chaos-kept";
/// Written before each cut, and not synced.
const LOST: &str = "chaos-lost";
/// `EXT4_IOC_SHUTDOWN` with the flag that leaves the journal unwritten, on all of these at once.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
disks = [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]
for disk in disks:
    fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))
";

/// An image and where it is mounted.
pub struct PowerDisk {
    image: PathBuf,
    place: PathBuf,
    undo: Undo,
    promise: Option<Promise>,
}

/// Whether this machine can: tries it.
pub fn possible(guard: &Arc<Guard>, dir: &Path) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can mount a disk of its own".to_owned());
    }
    let place = dir.join("power-probe");
    let tried = || -> Result<()> {
        let mut disk = PowerDisk::mount(guard, &place)?;
        cut(&[&disk])?;
        let (as_a_cut_does, text) = disk.back()?;
        ensure!(as_a_cut_does, "{text}");
        Ok(())
    };
    let result = tried().map_err(|error| format!("a cut of power cannot be made here: {error:#}"));
    // It may not be there.
    drop((fs::remove_dir(&place), fs::remove_file(place.with_extension("img"))));
    result
}

/// Cuts the power of all of these at once.
pub fn cut(disks: &[&PowerDisk]) -> Result<()> {
    for disk in disks {
        disk.mark()?;
    }
    let places: Vec<&str> = disks.iter().map(|disk| text(&disk.place)).collect::<Result<_>>()?;
    let cut = if output("python3", &["-V"]).is_ok() {
        output("python3", &[&["-c", SHUTDOWN][..], &places].concat()).map(drop)
    } else {
        // One after the other, some milliseconds apart.
        let each = |place: &&str| output("xfs_io", &["-x", "-c", "shutdown", place]).map(drop);
        places.iter().try_for_each(each)
    };
    cut.map_err(|error| anyhow!("neither python3 nor xfs_io shuts the disk down: {error}"))?;
    for disk in disks {
        let writes = File::create(disk.place.join("chaos-after")).is_ok();
        ensure!(!writes, "{} takes writes after its power was cut", disk.place.display());
    }
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

impl PowerDisk {
    /// Makes one and mounts it where a node will keep its things.
    pub fn mount(guard: &Arc<Guard>, place: &Path) -> Result<PowerDisk> {
        fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
        let image = place.with_extension("img");
        let file = File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES));
        file.with_context(|| format!("make {}", image.display()))?;
        output("mkfs.ext4", &["-q", "-F", text(&image)?]).map_err(|error| anyhow!(error))?;
        let undo = Undo::Run(["umount", "-l", text(place)?].map(str::to_owned).to_vec());
        let promise = Some(guard.promise(undo.clone())?);
        let disk = PowerDisk { image, place: place.to_owned(), undo, promise };
        disk.turn_on()?;
        Ok(disk)
    }

    fn turn_on(&self) -> Result<()> {
        let words = ["-o", "loop", text(&self.image)?, text(&self.place)?];
        output("mount", &words).map(drop).map_err(|error| anyhow!(error))
    }

    /// Writes the two files that tell what a cut has kept.
    fn mark(&self) -> Result<()> {
        let put =
            |name: &str| File::create(self.place.join(name)).and_then(|mut file| file.write_all(b"x").map(|()| file));
        put(KEPT).and_then(|file| file.sync_all()).context("sync a file before the cut")?;
        File::open(&self.place).and_then(|root| root.sync_all()).context("sync the directory before the cut")?;
        put(LOST).map(drop).context("write a file before the cut")
    }

    /// Turns it on again; the file system's journal is replayed. Whether it kept what a cut keeps, and lost the rest.
    pub fn back(&mut self) -> Result<(bool, String)> {
        let place = text(&self.place)?.to_owned();
        let deadline = Instant::now() + FREE_MAX;
        // Healing waits here also after an interrupt.
        while let Err(why) = output("umount", &[&place]) {
            ensure!(Instant::now() < deadline, "the disk is still in use: {why}");
            std::thread::sleep(Duration::from_millis(25));
        }
        self.turn_on()?;
        let kept = fs::read(self.place.join(KEPT)).is_ok_and(|bytes| bytes == b"x");
        let lost = fs::read(self.place.join(LOST)).map_or(true, |bytes| bytes.is_empty());
        for name in [KEPT, LOST] {
            // The second one is gone as a rule.
            drop(fs::remove_file(self.place.join(name)));
        }
        let word = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
        let text = format!(
            "{place} is back: what was synced before the cut is {}, what was not is {}",
            word(kept, "there", "gone"),
            word(lost, "gone", "there"),
        );
        Ok((kept && lost, text))
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        self.undo.run();
        self.promise = None;
    }
}
