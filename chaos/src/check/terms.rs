//! Terms only grow, and a term has one leader at most.
//!
//! A node says its term when it is asked; it may come back after a restart, but never with an earlier one: its vote is
//! on its disk. Looks that overlap are not ordered here: each node is asked one look after the other.

use super::{Finding, Look};
use crate::history::History;
use std::collections::BTreeMap;

/// Looks at every look at a node.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("terms");
    let mut terms: BTreeMap<u64, u64> = BTreeMap::new();
    let mut leaders: BTreeMap<u64, u64> = BTreeMap::new();
    // A node that says 0 has not read its disk yet.
    for status in history.statuses.iter().filter(|status| status.term > 0) {
        look.looked += 1;
        let last = terms.entry(status.node).or_default();
        if status.term < *last {
            look.violated(format!("node {}: term {} after {last}, at {} us", status.node, status.term, status.at_us));
        }
        *last = status.term.max(*last);
        // Of others a node may know late; of itself it knows.
        if status.leader == Some(status.node) {
            let leader = *leaders.entry(status.term).or_insert(status.node);
            if leader != status.node {
                look.violated(format!("term {}: both {leader} and {} lead", status.term, status.node));
            }
        }
    }
    if look.looked == 0 {
        look.doubt("no node was asked for its term".into());
    }
    look.finish()
}
