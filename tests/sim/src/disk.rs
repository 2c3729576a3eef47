//! The disk of a simulated node: in memory, losing what was not synced, and as slow as the seed says.
//!
//! **What is deliberately not here.** How it forgets: that is the store's own simulated disk, which its tests use, too.

use crate::dice::Dice;
use crate::trace::Trace;
use cluster::store::files::sim::{Call, Failure, SimFiles};
use cluster::store::files::{File, Files, Lock, Work};
use parking_lot::Mutex;
use std::io::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The disk of one node, for all its lives.
#[derive(Clone)]
pub struct Disk {
    node: u64,
    files: SimFiles,
    dice: Arc<Mutex<Dice>>,
    /// How long a group takes at most, in microseconds.
    most_us: Arc<AtomicU64>,
    /// Planted: syncs of the log do nothing.
    lies: Arc<AtomicBool>,
    trace: Trace,
}

impl Disk {
    /// An empty one.
    pub fn new(node: u64, seed: u64, most_us: u64, trace: Trace) -> Disk {
        Disk {
            node,
            files: SimFiles::new(),
            dice: Arc::new(Mutex::new(Dice::new(seed ^ node, "disk"))),
            most_us: Arc::new(AtomicU64::new(most_us)),
            lies: Arc::default(),
            trace,
        }
    }

    /// From now on syncs of the log do nothing, and say that they did.
    pub fn lie(&self) {
        self.lies.store(true, Ordering::Relaxed);
    }

    /// How long a group takes at most from now on.
    pub fn pace(&self, most_us: u64) {
        self.most_us.store(most_us, Ordering::Relaxed);
    }

    /// As one life of the node sees it.
    pub fn life(&self) -> Arc<dyn Files> {
        Arc::new(Life { disk: self.clone(), files: self.files.process() })
    }

    /// The process ends: what is written can be read, by the next life.
    pub fn end(&self) {
        self.files.restart();
    }

    /// The power goes: of what is not synced some sectors stay and some do not.
    pub fn power_off(&self, tear: u64) {
        self.files.crash(tear);
    }

    /// So many more changes happen, then the power is gone.
    pub fn power_off_after(&self, changes: u64) {
        self.files.power_off_after(changes);
    }

    /// Whether a change was refused since.
    pub fn power_is_off(&self) -> bool {
        self.files.power_is_off()
    }

    /// The next sync fails, as on a medium that is worn out.
    pub fn fail_next_sync(&self) {
        self.files.fail(Call::Sync, 1, Failure::Io);
    }

    /// Faults that have not come yet do not come any more.
    pub fn heal(&self) {
        self.files.mend();
    }

    fn takes(&self) -> Duration {
        let most_us = self.most_us.load(Ordering::Relaxed);
        Duration::from_micros(self.dice.lock().below(most_us + 1))
    }
}

/// The disk in one life.
struct Life {
    disk: Disk,
    files: Arc<dyn Files>,
}

struct Handle {
    disk: Disk,
    file: Arc<dyn File>,
    is_log: bool,
}

impl Life {
    fn handle(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        // A segment has its name only when it is full of zeros.
        let name = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let is_log = name.starts_with("spare-") || name.ends_with(".log");
        Arc::new(Handle { disk: self.disk.clone(), file, is_log })
    }
}

impl Files for Life {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.files.create_dir_all(dir)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(self.handle(path, self.files.create(path)?))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(self.handle(path, self.files.open(path)?))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.files.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.files.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.files.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        self.files.lock(path)
    }

    fn work(&self) -> Work {
        let disk = self.disk.clone();
        Work::Here(Arc::new(move || disk.takes()))
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let done = self.file.write_at(bytes, offset);
        let (node, sum) = (self.disk.node, crc32fast::hash(bytes));
        self.disk.trace.note("write", format_args!("{node} {offset} {} {sum:08x} {}", bytes.len(), done.is_ok()));
        done
    }

    fn sync_data(&self) -> Result<()> {
        if self.is_log && self.disk.lies.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.file.sync_data()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }

    fn size(&self) -> Result<u64> {
        self.file.size()
    }
}
