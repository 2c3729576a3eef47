//! Has the books of all nodes compared now and then, by the node that leads.
//!
//! **What must hold.** Nothing depends on it: an audit that fails is tried again when its time comes next. A member
//! that differs from a majority stops by itself (`cluster`'s audit); what was found stays shown until an audit finds
//! otherwise, so that an alarm does not go out because the node that differs is down.

use crate::config::Config;
use crate::machine::LedgerMachine;
use cluster::{Audited, Node};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it looks whether it is time.
const LOOK: Duration = Duration::from_secs(1);
/// How long one audit may take: each node works out a digest of all its books.
const PATIENCE: Duration = Duration::from_secs(60);

/// What audits have found, as this node knows while it leads.
#[derive(Clone, Debug, Default)]
pub struct Findings(Arc<Mutex<Found>>);

/// What stands found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// At which index the last audit was; 0: none yet.
    pub index: u64,
    /// Members that differed and have not been seen to agree since.
    pub differ: Vec<u64>,
    /// Broken invariants, by member, of the last audit.
    pub violations: Vec<(u64, String)>,
    /// Members that the last audit could not ask.
    pub unreached: u64,
}

impl Findings {
    /// What stands found.
    pub fn get(&self) -> Found {
        self.0.lock().clone()
    }

    fn note(&self, audited: Audited, members: &[u64]) {
        let mut found = self.0.lock();
        found.differ.retain(|id| members.contains(id) && !audited.agreed.contains(id));
        found.differ.extend(&audited.differ);
        found.differ.sort_unstable();
        found.differ.dedup();
        found.index = audited.index;
        found.violations = audited.violations;
        found.unreached = audited.unreached.len() as u64;
    }
}

/// Audits every `audit.interval_s`, as it is in force, until `stop`.
pub async fn audit_forever(
    node: Node<LedgerMachine>,
    settings: watch::Receiver<Config>,
    findings: Findings,
    stop: impl Future<Output = ()>,
) {
    let mut last = Instant::now();
    let audits = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let due = settings.borrow().audit_interval().is_some_and(|interval| last.elapsed() >= interval);
            if due && node.leader() == Some(node.id()) {
                last = Instant::now();
                audit(&node, &findings).await;
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = audits => {}
    }
}

async fn audit(node: &Node<LedgerMachine>, findings: &Findings) {
    match node.audit(Instant::now() + PATIENCE).await {
        Ok(audited) => {
            let Audited { index, agreed, differ, unreached, violations } = &audited;
            tracing::info!(index, ?agreed, ?differ, ?unreached, ?violations, "audited the books of all nodes");
            findings.note(audited, &node.members());
        }
        Err(error) => tracing::warn!(%error, "the books could not be audited"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audited(agreed: &[u64], differ: &[u64]) -> Audited {
        Audited { index: 9, agreed: agreed.to_vec(), differ: differ.to_vec(), ..Audited::default() }
    }

    #[test]
    fn who_differed_stays_found_until_seen_to_agree_or_removed() {
        let findings = Findings::default();
        findings.note(audited(&[1, 3], &[2]), &[1, 2, 3]);
        assert_eq!((findings.get().differ, findings.get().index), (vec![2], 9));
        findings.note(audited(&[1, 3], &[]), &[1, 2, 3]);
        assert_eq!(findings.get().differ, [2], "it is down now, and not well");
        findings.note(audited(&[1, 2, 3], &[]), &[1, 2, 3]);
        assert_eq!(findings.get().differ, [0_u64; 0]);
        findings.note(audited(&[1, 3], &[2]), &[1, 2, 3]);
        findings.note(audited(&[1, 3, 4], &[]), &[1, 3, 4]);
        assert_eq!(findings.get().differ, [0_u64; 0], "it was replaced");
    }
}
