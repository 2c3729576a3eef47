//! Snapshot and log brought together before the Raft core starts: it refuses to start, or goes wrong later, where
//! they do not meet.
//!
//! **What lives here.** [`settle`], run at each start. A node whose good snapshots end below its log's purge point
//! cannot rebuild its state from its own disk: it fetches a snapshot from a peer. And a log that does not go through
//! the snapshot, because another leader's entries stand there, is cut at it.
//!
//! **What must hold.** Nothing that a quorum may be counting on is removed: only what the durable snapshot covers, and
//! what can never be committed. This node serves nothing yet and grants nobody its vote. Tries, waits and bytes are
//! bounded.
//!
//! **Why the cut loses nothing.** A snapshot holds committed entries only, and at its index exactly one entry can ever
//! be committed: its own. If the log has another one there, or ends below, then
//! - what stands at or above the index follows that other entry, so it can never be committed, whoever it was
//!   acknowledged to: it is truncated;
//! - what stands below may have been acknowledged, and is covered: it goes by a purge *up to the snapshot*. From then
//!   on the purge point says durably that this node needs a snapshot at least this new, so that an older one, from
//!   another peer or a shelf that rotted since, is never taken for enough.
//!
//! If the log has the snapshot's own entry, everything above stays: it may have been acknowledged. The last log id only
//! grows, so a later vote is only stricter.
//!
//! **Crash story.** While the snapshot comes in there is a `.tmp`, which the next open removes, and the fetch starts
//! anew. Once it has its name, the next start finds it by itself. The vote is raised first, which is lawful alone.
//! After the truncation and before the purge, the log ends below the snapshot, and the next start purges. A kill inside
//! either leaves it done or not done. A live follower that was killed between taking a snapshot in and cutting its log
//! is repaired in the same way.
//!
//! **What is deliberately not here.** Lost logs and votes: such a node never comes back (`disk.rs`).

use crate::codec;
use crate::log::RaftLog;
use crate::peers::{Client, Ids};
use crate::snapshot::{SnapshotFile, Snapshots};
use crate::start::StartError;
use crate::types::{LogId, Member, Vote};
use futures::StreamExt;
use openraft::storage::RaftLogStorage;
use proto::peer::v1::{FetchSnapshotRequest, SnapshotPart};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Streaming;

/// How patient a fetch is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// No new try is begun after this.
    pub(crate) total: Duration,
    /// Between two rounds over all members. A peer that had none new enough takes one meanwhile.
    pub(crate) pause: Duration,
    /// A peer that says nothing for this long is given up: longer than a loaded disk takes for one chunk.
    pub(crate) silence: Duration,
    /// One transfer as a whole: 16 GiB, the most that is taken in, at 32 MiB/s and some room.
    pub(crate) transfer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            total: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            silence: Duration::from_secs(10),
            transfer: Duration::from_secs(600),
        }
    }
}

/// Where snapshots are fetched from, and as whom.
pub(crate) struct Sources<'a> {
    pub(crate) ids: &'a Ids,
    pub(crate) members: &'a BTreeMap<u64, Member>,
}

/// Makes snapshot and log fit together. When this returns, the Raft core can rebuild the state from them.
pub(crate) async fn settle(
    sources: Sources<'_>,
    log: &RaftLog,
    snapshots: &Snapshots,
    patience: Patience,
) -> Result<(), StartError> {
    if let Some(index) = needed(log)
        && last_of(snapshots)?.is_none_or(|last| last.index < index)
    {
        tracing::warn!(index, "no good snapshot reaches the log: fetching one from a peer before this node can start");
        let file = sources.fetch(index, snapshots, patience).await?;
        snapshots.keep(file);
    }
    match last_of(snapshots)? {
        Some(last) => align(sources.ids.node, log, last).await,
        None => Ok(()),
    }
}

/// What a snapshot must cover at least: what is purged, and what was known to be committed but is not in the log.
fn needed(log: &RaftLog) -> Option<u64> {
    let absent = log.committed().filter(|committed| log.id_at(committed.index) != Some(*committed));
    log.purged().max(absent).map(|id| id.index)
}

/// What the newest good snapshot covers.
fn last_of(snapshots: &Snapshots) -> Result<Option<LogId>, StartError> {
    let current = snapshots.current().map_err(disk("read the snapshot"))?;
    Ok(current.and_then(|snapshot| snapshot.meta.last_log_id))
}

/// Cuts a log that does not go through the snapshot. The reasons and the crash story are at the top.
async fn align(node: u64, log: &RaftLog, last: LogId) -> Result<(), StartError> {
    let here = log.id_at(last.index);
    if here == Some(last) || log.purged().is_some_and(|purged| purged.index > last.index) {
        return Ok(());
    }
    let committed_here = log.committed().filter(|committed| committed.index >= last.index);
    if committed_here.is_some_and(|committed| committed != last && log.id_at(committed.index) == Some(committed)) {
        return Err(disagree(last, here));
    }
    if log.purged().is_some_and(|purged| purged.index == last.index) {
        return Err(disagree(last, here));
    }
    raise_vote(node, log, last).await?;
    let mut log = log.clone();
    if here.is_some() {
        tracing::warn!(snapshot = %last, "the log holds entries of another leader at the snapshot's index: cut");
        let below = last.index.checked_sub(1).and_then(|index| log.id_at(index));
        log.truncate_after(below).await.map_err(disk("truncate the log at the snapshot"))?;
    }
    log.purge(last).await.map_err(disk("purge the log up to the snapshot"))
}

/// A node's term is never below that of its log. A follower hears of the term before it hears of the entries; this
/// node took the entries in without their leader, so it promises here not to follow an older one.
async fn raise_vote(node: u64, log: &RaftLog, last: LogId) -> Result<(), StartError> {
    if log.vote().is_some_and(|vote| vote.leader_id >= last.leader_id) {
        return Ok(());
    }
    if last.leader_id.node_id == node {
        return Err(StartError::Damaged(format!(
            "the snapshot ends with the entry {last} of this node's own leadership, of which its log knows nothing: the \
             log was rolled back. Remove this node from the cluster and add it again, empty, with a new id"
        )));
    }
    let vote = Vote { leader_id: last.leader_id, committed: false };
    log.clone().save_vote(&vote).await.map_err(disk("save the vote"))
}

fn disagree(snapshot: LogId, log: Option<LogId>) -> StartError {
    let log = log.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
    StartError::Damaged(format!(
        "the snapshot ends with the committed entry {snapshot} where the log, which is committed there too, has {log}: \
         one of them is not this node's. Remove this node from the cluster and add it again, empty, with a new id"
    ))
}

fn disk(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Disk { what: what.to_owned(), source }
}

impl Sources<'_> {
    /// A snapshot that covers `index` from whichever other member has one, durable and checked.
    async fn fetch(&self, index: u64, snapshots: &Snapshots, patience: Patience) -> Result<SnapshotFile, StartError> {
        let until = Instant::now() + patience.total;
        let mut why = "there is no other member".to_owned();
        loop {
            for (id, member) in self.members.iter().filter(|(id, _)| **id != self.ids.node) {
                let try_one = self.fetch_from(*id, member, index, snapshots, patience);
                match tokio::time::timeout(patience.transfer, try_one).await {
                    Ok(Ok(file)) => {
                        tracing::info!(from = id, bytes = file.size_bytes(), "fetched a snapshot");
                        return Ok(file);
                    }
                    Ok(Err(reason)) => why = format!("node {id}: {reason}"),
                    Err(_) => why = format!("node {id}: the transfer took too long"),
                }
                let left_ms = until.saturating_duration_since(Instant::now()).as_millis() as u64;
                tracing::warn!(%why, left_ms, "still without a snapshot");
                if left_ms == 0 {
                    return Err(unreached(index, &why));
                }
            }
            if Instant::now() + patience.pause >= until {
                return Err(unreached(index, &why));
            }
            tokio::time::sleep(patience.pause).await;
        }
    }

    async fn fetch_from(
        &self,
        id: u64,
        member: &Member,
        index: u64,
        snapshots: &Snapshots,
        patience: Patience,
    ) -> Result<SnapshotFile, String> {
        let mut client: Client = self.ids.client(id, &member.peer)?;
        let asked = client.fetch_snapshot(self.ids.request(id, FetchSnapshotRequest {}));
        let mut parts =
            crate::peers::within(patience.silence, asked).await.map_err(|status| status.message().to_owned())?;
        let head = next(&mut parts, patience.silence).await.map_err(|e| e.to_string())?;
        let head = head.ok_or("it sent nothing")?;
        let meta = codec::decode_meta(&head.head).map_err(|e| e.to_string())?;
        if meta.last_log_id.is_none_or(|last| last.index < index) {
            let has = meta.last_log_id.map_or(0, |last| last.index);
            return Err(format!("its snapshot ends at {has}, and one up to {index} is needed"));
        }
        let chunks = futures::stream::unfold(parts, |mut parts| async move {
            match next(&mut parts, patience.silence).await {
                Ok(part) => part.map(|part| (Ok(part.chunk), parts)),
                Err(error) => Some((Err(error), parts)),
            }
        });
        // The first error ends it: whoever takes the chunks stops there.
        let file = snapshots.receive(chunks.boxed()).await.map_err(|e| e.to_string())?;
        if file.meta().map_err(|e| e.to_string())? != meta {
            return Err("the file is not the snapshot that was announced".to_owned());
        }
        Ok(file)
    }
}

async fn next(parts: &mut Streaming<SnapshotPart>, silence: Duration) -> io::Result<Option<SnapshotPart>> {
    match tokio::time::timeout(silence, parts.message()).await {
        Ok(part) => part.map_err(|status| io::Error::other(status.message().to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sends nothing more")),
    }
}

fn unreached(index: u64, why: &str) -> StartError {
    StartError::Damaged(format!(
        "no good snapshot is left and the log begins only after index {index}, so the state cannot be rebuilt here, and \
         no peer gave a snapshot in time (last: {why}). Start the other nodes and start this one again; if they run, look \
         at the network between them; if no node has a snapshot that reaches its log, restore all from a backup"
    ))
}
