//! What happened, in order: folded into a hash, and written down where somebody wants to read it.
//!
//! Two runs of a seed are the same run if and only if their hashes are: every byte that reaches a node, every group on
//! a disk, every command that is applied and every answer is in it.

use parking_lot::Mutex;
use std::fmt::{Arguments, Write as _};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Clones share it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    hash: u64,
    events: u64,
    now_ms: u64,
    line: String,
    file: Option<BufWriter<File>>,
    /// How many events of each kind.
    counts: std::collections::BTreeMap<&'static str, u64>,
}

impl Trace {
    /// Writes each event to a file, too.
    pub fn write_to(&self, path: &Path) -> std::io::Result<()> {
        self.0.lock().file = Some(BufWriter::new(File::create(path)?));
        Ok(())
    }

    /// From now on events are of this time.
    pub fn at(&self, now_ms: u64) {
        self.0.lock().now_ms = now_ms;
    }

    /// Something happened.
    pub fn note(&self, kind: &'static str, what: Arguments<'_>) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        inner.line.clear();
        // Writing to a string does not fail.
        let _ = writeln!(inner.line, "{} {kind} {what}", inner.now_ms);
        for byte in inner.line.as_bytes() {
            inner.hash = (inner.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        inner.hash ^= inner.hash >> 29;
        inner.events += 1;
        *inner.counts.entry(kind).or_default() += 1;
        if let Some(file) = &mut inner.file {
            // A full disk must not change the run.
            let _ = file.write_all(inner.line.as_bytes());
        }
    }

    /// The hash, and of how many events.
    pub fn sum(&self) -> (u64, u64) {
        let inner = self.0.lock();
        (inner.hash, inner.events)
    }

    /// How many events of a kind.
    pub fn count(&self, kind: &str) -> u64 {
        self.0.lock().counts.get(kind).copied().unwrap_or(0)
    }
}
