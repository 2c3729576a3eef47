//! The cluster's version: since when what is new may be proposed.
//!
//! **What lives here.** The version is a number in the log. Every node says which one its program understands at most
//! (`Config::version_max`), and a leader has it rise, by an entry of its own, to what all members understand. A command
//! says from which version on it is understood ([`StateMachine::since`]); below that it is not proposed.
//!
//! **What must hold.**
//! - It only rises, and never above what every member, learners too, has said of itself; the members do not change
//!   while they are asked and the entry is written. A member that does not answer holds it where it is.
//! - A program that does not understand the cluster's version does nothing in it: it does not start on a directory with
//!   that version in its log or its snapshot, is not taken in, takes no such snapshot, and ends at such an entry,
//!   before it reads anything behind it.
//! - So after the rise no older program takes part, and before it every program takes part that could.
//!
//! **What is deliberately not here.** Which command needs which version: that is the machine's.

use crate::log::RaftLog;
use crate::node::Shared;
use crate::snapshot::Snapshots;
use crate::start::StartError;
use crate::store::snapshots::Header;
use crate::types::Carries;
use crate::{Malformed, StateMachine, codec};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an entry that has the version rise may take. If it was lost, the next look writes it again.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// The cluster's version in a snapshot or backup with this head.
pub fn version_of(header: &Header) -> Result<u32, Malformed> {
    codec::decode_header(&header.membership).map(|described| described.version)
}

/// Whether a program that understands versions up to `max` may take part. An error says what to do.
pub(crate) fn allows(max: u32, version: u32) -> Result<(), String> {
    if version <= max {
        return Ok(());
    }
    let understood = if max == 0 { "knows of no versions yet".to_owned() } else { format!("understands up to {max}") };
    Err(format!(
        "the cluster has version {version}, and this program {understood}: it must not take part. Start the newer \
         program; the books are as they were, and there is no way back to this one (docs/upgrade.md)"
    ))
}

/// What this program understands, and what becomes of the node when the cluster is beyond it.
#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) max: u32,
    pub(crate) on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Limit {
    /// Ends the node if the cluster has a version that is not understood here.
    pub(crate) fn allows(&self, version: u32) -> io::Result<()> {
        allows(self.max, version).map_err(|why| {
            (self.on_fatal)(&why);
            io::Error::other(why)
        })
    }

    /// Refuses to start on a disk of a later version, be it of an entry that is not committed yet.
    pub(crate) fn may_start(&self, log: &RaftLog, snapshots: &Snapshots) -> Result<(), StartError> {
        let read = |source| StartError::Disk { what: "read the snapshot".to_owned(), source };
        let version = log.version().max(snapshots.version().map_err(read)?);
        allows(self.max, version).map_err(StartError::Version)
    }
}

impl<M: StateMachine> Shared<M> {
    /// Has the version rise to what every member understands. On the leader only; safe to repeat.
    pub(crate) async fn raise(&self) -> Result<(), String> {
        let now = self.state.version();
        if self.config.version_max <= now {
            return Ok(());
        }
        // Nobody is taken in meanwhile.
        let Ok(_one_at_a_time) = self.changing.try_lock() else { return Ok(()) };
        let Some((_, membership)) = self.settled_membership() else { return Ok(()) };
        let asked = membership.nodes().map(|(id, seat)| self.status_of(*id, &seat.member.peer));
        let answers = futures::future::join_all(asked).await;
        // Nobody who does not answer understands anything.
        let understood = answers.iter().map(|answer| answer.as_ref().map_or(0, |status| status.version_max)).min();
        let Some(to) = understood.filter(|to| *to > now) else { return Ok(()) };
        self.write_alone(Carries::Version(to), Instant::now() + WRITE_MAX).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[test]
    fn a_program_takes_part_up_to_what_it_understands() {
        for (max, version, allowed) in [(0, 0, true), (1, 0, true), (1, 1, true), (2, 1, true), (1, 2, false)] {
            assert_eq!(allows(max, version).is_ok(), allowed, "{max} {version}");
        }
        let why = allows(1, 2).expect_err("refused");
        assert!(why.starts_with("the cluster has version 2, and this program understands up to 1"), "{why}");
        assert!(allows(0, 1).expect_err("refused").contains("this program knows of no versions yet"));
    }

    #[test]
    fn a_node_ends_where_the_cluster_is_beyond_it() {
        let ended = Arc::new(Mutex::new(String::new()));
        let heard = ended.clone();
        let limit = Limit { max: 1, on_fatal: Arc::new(move |why| heard.lock().push_str(why)) };
        limit.allows(1).expect("allowed");
        assert_eq!(*ended.lock(), "");
        limit.allows(2).expect_err("refused");
        assert!(ended.lock().contains("version 2"));
    }
}
