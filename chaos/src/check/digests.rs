//! Replicas agree: at one log index all nodes have the same digest, and each finds its own books sound.

use super::{Finding, Look};
use crate::history::History;
use std::collections::BTreeSet;

/// Looks at every node.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("digests");
    let digests = &history.books.digests;
    if digests.is_empty() {
        look.doubt("no digest was read".into());
    }
    for digest in digests {
        look.looked += 1;
        if digest.digest.is_none() {
            look.doubt(format!("node {} was not reached", digest.node));
        }
        for violation in &digest.violations {
            look.violated(format!("node {}: {violation}", digest.node));
        }
    }
    let different: BTreeSet<_> = digests.iter().filter_map(|digest| digest.digest.as_deref()).collect();
    if different.len() > 1 {
        let each =
            digests.iter().map(|digest| format!("{} has {}", digest.node, digest.digest.as_deref().unwrap_or("?")));
        let index = digests.first().map_or(0, |digest| digest.index);
        look.violated(format!("at log index {index}: {}", each.collect::<Vec<_>>().join(", ")));
    }
    look.finish()
}
