//! What a new cluster's id is: random, minted once, the same on all nodes.
//!
//! **What lives here.** The rule by which a static member with an empty directory comes to the id of its cluster, from
//! what those at its members' addresses say ([`named`]). `admission.rs` asks them.
//!
//! **What must hold.** All nodes of a cluster have one id, and no two clusters have the same, be they configured alike:
//! it stands in every call, identity, snapshot and backup, and what bears another is refused. The static member that
//! may make the cluster (`seats.rs`) is the one that mints it; the others take it from whoever has it already, and
//! wait until somebody does. Whoever belongs to a cluster knows best.
//!
//! **Crash story.** An id is on a disk before anybody hears of it. If the node that minted it loses its directory
//! before the cluster is made, it takes it back from those that took it. If nobody had, it mints another. A node that
//! was given an id of a cluster that never was says so and ends (`seats.rs`); it has voted for nobody.
//!
//! **What is deliberately not here.** Ids that are given: by the configuration, by the cluster that takes a node in, by
//! a restore.

use crate::Config;
use crate::start::StartError;
use proto::peer::v1::StatusResponse;
use std::collections::BTreeSet;

/// The cluster's id; `None`: nobody has one yet, and it is not for this node to mint it.
pub(crate) fn named(config: &Config, reports: &[StatusResponse]) -> Result<Option<[u8; 16]>, StartError> {
    if config.cluster_is_given {
        return Ok(Some(config.cluster));
    }
    let of = |belonging: bool| -> BTreeSet<[u8; 16]> {
        let asked = reports.iter().filter(|report| report.belongs == belonging);
        asked.filter_map(|report| id_of(report, config)).collect()
    };
    let made = of(true);
    let found = if made.is_empty() { of(false) } else { made };
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Ok(mints(config).then(|| minted(config.chance))),
        (Some(id), None) => Ok(Some(id)),
        (Some(one), Some(other)) => Err(StartError::Join(format!(
            "at the addresses of cluster.members are nodes of different clusters, {} and {} among them: give this node \
             the one that it is to be of as cluster.id, or stop the others",
            text(&one),
            text(&other)
        ))),
    }
}

/// A cluster's id as text.
pub(crate) fn text(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it falls to a node with this configuration to make the cluster, if there is none.
pub(crate) fn mints(config: &Config) -> bool {
    config.bootstrap && config.members.keys().next() == Some(&config.node)
}

/// The cluster that a node says it is of. A program that says none has the one that all were configured with.
fn id_of(report: &StatusResponse, config: &Config) -> Option<[u8; 16]> {
    if report.cluster.is_empty() {
        return Some(config.cluster);
    }
    report.cluster.as_ref().try_into().ok()
}

/// Of this start's random bytes, which its disk goes by: the other bits, so that nobody takes one for the other.
fn minted(chance: [u8; 16]) -> [u8; 16] {
    chance.map(|byte| !byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Member;

    const ALIKE: [u8; 16] = [7; 16];
    const OTHER: [u8; 16] = [8; 16];

    fn config(node: u64, bootstrap: bool, given: bool) -> Config {
        let dir = std::path::Path::new("/node");
        let members = (1..=3).map(|id| (id, Member::default())).collect();
        Config { node, bootstrap, members, cluster_is_given: given, ..crate::log_test::config(dir) }
    }

    fn report(belongs: bool, cluster: &[u8]) -> StatusResponse {
        StatusResponse { belongs, cluster: cluster.to_vec().into(), ..StatusResponse::default() }
    }

    #[test]
    fn one_node_mints_and_the_others_wait_for_it() {
        let mints = |node, bootstrap| named(&config(node, bootstrap, false), &[]).expect("no conflict");
        let id = mints(1, true).expect("minted");
        assert_ne!(id, ALIKE, "it is not what all are configured with");
        assert_ne!(id, config(1, true, false).chance, "nor what its disk goes by");
        assert_eq!(mints(2, true), None);
        assert_eq!(mints(1, false), None, "it may not make a cluster");
    }

    #[test]
    fn an_id_is_taken_from_whoever_has_it() {
        let (none, bad): (&[u8], &[u8]) = (&[], &[1, 2]);
        for (reports, expected) in [
            (vec![report(false, &OTHER)], OTHER),
            (vec![report(false, &OTHER), report(false, &OTHER), report(false, bad)], OTHER),
            (vec![report(false, &[9; 16]), report(true, &OTHER)], OTHER),
            (vec![report(true, none), report(true, &ALIKE)], ALIKE),
        ] {
            for node in [1, 3] {
                assert_eq!(named(&config(node, true, false), &reports).expect("one"), Some(expected), "{reports:?}");
            }
        }
    }

    #[test]
    fn between_two_clusters_nothing_is_guessed() {
        let reports = [report(true, &OTHER), report(true, &ALIKE), report(false, &OTHER)];
        let why = named(&config(3, true, false), &reports).expect_err("two").to_string();
        assert!(why.contains(&text(&OTHER)) && why.contains(&text(&ALIKE)), "{why}");
        assert_eq!(named(&config(3, true, true), &reports).expect("given"), Some(ALIKE));
    }
}
