//! What a running node observes of itself.

use super::{Alarm, Alarms, Journal, Observed, Space, judge};
use crate::auditor::{Findings, Found};
use crate::clock::wall_clock_us;
use crate::machine::LedgerMachine;
use crate::replicated::Replicated;
use crate::secure::Certificates;
use cluster::Node;
use standin::Desk;
use standin::journal::Condition;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The alarms of a node.
pub struct NodeAlarms {
    /// The node.
    pub node: Node<LedgerMachine>,
    /// Its stand-in.
    pub desk: Arc<Desk<Replicated>>,
    /// What its audits have found while it led.
    pub findings: Findings,
    /// Those of its listeners.
    pub certificates: Certificates,
    /// How many decisions this machine is meant to remember.
    pub tokens_max: u64,
    /// Where its files are.
    pub dirs: Vec<PathBuf>,
    /// See [`Observed::space_min_bytes`].
    pub space_min_bytes: u64,
    /// How far its clock may be from the others'; `None`: nobody looks.
    pub clock_skew_max_us: Option<u64>,
}

impl NodeAlarms {
    fn observe(&self) -> Observed {
        let status = self.desk.status();
        let journal = if status.journal == Condition::Good { Journal::Good } else { Journal::Bad };
        let (tokens, restored) = self.node.read(|machine| {
            let books = machine.as_ref();
            (books.tokens_count(), books.restored())
        });
        Observed {
            in_contact: self.node.in_contact(),
            spaces: self.dirs.iter().map(|dir| space(dir)).collect(),
            space_min_bytes: self.space_min_bytes,
            tokens: (tokens, self.tokens_max),
            budget: status.exposure.map(|exposure| (exposure.spent_minor, exposure.left_minor, journal)),
            lacks_since_us: restored.map(|restored| restored.since.0),
            damaged: self.node.damaged_snapshots(),
            diverged: diverged(self.findings.get()),
            clock: self.node.clock_check().zip(self.clock_skew_max_us),
            certificate_end_us: self
                .certificates
                .ends()
                .map(|(_, end)| since_1970_us(end))
                .min()
                .map(|end| (end, wall_clock_us())),
        }
    }
}

/// A node that has never led an audit has nothing to say of the others.
fn diverged(found: Found) -> Option<Result<(), String>> {
    if found.index == 0 {
        return None;
    }
    let differ = found.differ.iter().map(|id| format!("node {id} has other books"));
    let broken = found.violations.iter().map(|(id, violation)| format!("node {id}: {violation}"));
    let all: Vec<_> = differ.chain(broken).collect();
    Some(if all.is_empty() { Ok(()) } else { Err(all.join("; ")) })
}

fn since_1970_us(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

fn space(dir: &Path) -> Space {
    let left = rustix::fs::statvfs(dir).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    Space { dir: dir.to_owned(), left_bytes: left.map_err(|error| error.to_string()) }
}

impl Alarms for NodeAlarms {
    fn alarms(&self) -> Vec<Alarm> {
        judge(&self.observe())
    }
}
