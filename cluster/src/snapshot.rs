//! Snapshots of the state, as Raft sees them. The files are in [`crate::store::snapshots`].
//!
//! **What must hold.** A snapshot is offered only when its file is durable and was read back. Two are kept, and the
//! log is purged only below the *older*, so that a damaged one costs a longer replay and nothing else. Building one
//! never stops applying: the state is frozen in microseconds and written from the copy.

use crate::applier::{Frozen, State};
use crate::codec::{self, Described};
use crate::disk::apart;
use crate::history::{History, SnapshotRecord};
use crate::node::Shared;
use crate::store::files::{Files, Work};
use crate::store::snapshots::{Header, Raw, Reader, Shelf, SnapshotError, Stored};
use crate::types::{SnapshotMeta, Types};
use crate::{Malformed, StateMachine};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::alias::SnapshotOf;
use openraft::storage::RaftSnapshotBuilder;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the trigger looks whether one is due.
const LOOK: Duration = Duration::from_secs(1);
/// A snapshot that a peer sends may not be larger: ten times what a million accounts with a hold each take.
const RECEIVE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// The snapshots of one node.
pub(crate) struct Snapshots {
    shelf: Shelf,
    work: Work,
    cluster: [u8; 16],
    bytes_per_second: u64,
    /// The newest good one; checked when it was written, received or found.
    newest: parking_lot::Mutex<Option<SnapshotFile>>,
    /// Whose catalogue is told what there is.
    catalogue: OnceLock<Arc<History>>,
}

/// A snapshot on the disk, checked.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    stored: Stored,
    raw: Arc<Raw>,
    work: Work,
}

impl Snapshots {
    /// Opens the directory, and finds and checks the newest good snapshot.
    pub(crate) fn open(
        files: Arc<dyn Files>,
        dir: &Path,
        cluster: [u8; 16],
        bytes_per_second: u64,
    ) -> io::Result<Arc<Snapshots>> {
        let work = files.work();
        let shelf = Shelf::open(files, &dir.join("snapshots"))?;
        let newest = shelf.newest_good()?.newest;
        let newest = newest.map(|stored| SnapshotFile::open(&shelf, stored, &work)).transpose()?;
        let newest = parking_lot::Mutex::new(newest);
        Ok(Arc::new(Snapshots { shelf, work, cluster, bytes_per_second, newest, catalogue: OnceLock::new() }))
    }

    /// Where work on them is done.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// What openraft is offered.
    pub(crate) fn current(&self) -> io::Result<Option<SnapshotOf<Types, SnapshotFile>>> {
        let Some(file) = self.newest.lock().clone() else {
            return Ok(None);
        };
        let meta = file.meta().map_err(broken)?;
        Ok(Some(SnapshotOf::<Types, _> { meta, snapshot: file }))
    }

    /// The cluster's version in the newest one; 0 if there is none.
    pub(crate) fn version(&self) -> io::Result<u32> {
        let newest = self.newest.lock().clone();
        newest.map_or(Ok(0), |file| file.described().map(|described| described.version))
    }

    /// The newest one's index and size.
    pub(crate) fn newest(&self) -> Option<(u64, u64)> {
        self.newest.lock().as_ref().map(|file| (file.stored.header.index, file.size_bytes()))
    }

    /// The names of those that are damaged, as far as it was seen.
    pub(crate) fn damaged(&self) -> Vec<String> {
        self.shelf.damaged()
    }

    /// Up to where the log may be purged: what the older of two covers.
    pub(crate) fn purge_upto(&self) -> Option<u64> {
        self.shelf.purge_floor().ok().flatten()
    }

    /// A snapshot that was written or taken in is the newest from now on. Blocks.
    pub(crate) fn keep(&self, file: SnapshotFile) {
        *self.newest.lock() = Some(file);
        self.tell();
    }

    /// Has this catalogue kept up from now on. Blocks.
    pub(crate) fn catalogue_in(&self, history: &Arc<History>) {
        if self.catalogue.set(history.clone()).is_ok() {
            self.tell();
        }
    }

    fn tell(&self) {
        let Some(history) = self.catalogue.get() else {
            return;
        };
        match self.records() {
            Ok(records) => history.catalogue(records),
            Err(error) => tracing::warn!(%error, "the snapshot catalogue is not kept up"),
        }
    }

    /// What there is, oldest first, as the files say. Blocks.
    pub(crate) fn records(&self) -> io::Result<Vec<SnapshotRecord>> {
        let mut records: Vec<SnapshotRecord> = Vec::new();
        for Stored { header, bytes, .. } in self.shelf.stored()? {
            let members = codec::decode_meta(&header.membership).map_err(broken)?.last_membership;
            records.push(SnapshotRecord {
                index: header.index,
                time_us: header.time_us,
                digest: header.digest,
                size_bytes: bytes,
                members: members.nodes().map(|(id, _)| *id).collect(),
            });
        }
        Ok(records)
    }

    /// Takes in a snapshot that a peer sends; durable and checked when this returns.
    pub(crate) async fn receive(
        &self,
        chunks: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> io::Result<SnapshotFile> {
        let mut incoming = self.shelf.receive(RECEIVE_BYTES_MAX).map_err(refused)?;
        futures::pin_mut!(chunks);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let written = apart(&self.work, move || incoming.write_chunk(&chunk).map(|()| incoming));
            incoming = written.await?.map_err(refused)?;
        }
        let (shelf, cluster, work) = (self.shelf.clone(), self.cluster, self.work.clone());
        let finished = apart(&self.work, move || {
            if incoming.header().map_err(refused)?.cluster != cluster {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a snapshot of another cluster"));
            }
            let stored = incoming.finish().map_err(refused)?;
            SnapshotFile::open(&shelf, stored, &work)
        });
        finished.await?
    }
}

fn refused(error: SnapshotError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn broken(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl SnapshotFile {
    fn open(shelf: &Shelf, stored: Stored, work: &Work) -> io::Result<SnapshotFile> {
        let raw = Arc::new(shelf.open_raw(&stored)?);
        Ok(SnapshotFile { stored, raw, work: work.clone() })
    }

    /// Where its bytes are read.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// Raft's description of it, from its header.
    pub(crate) fn meta(&self) -> Result<SnapshotMeta, Malformed> {
        codec::decode_meta(&self.stored.header.membership)
    }

    /// What its header says of it.
    pub(crate) fn described(&self) -> io::Result<Described> {
        codec::decode_header(&self.stored.header.membership).map_err(broken)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.stored.bytes
    }

    /// Some bytes of the file as it lies on the disk; none at the end.
    pub(crate) fn read(&self, at: u64, length: usize) -> io::Result<Bytes> {
        self.raw.read_chunk(at, length)
    }

    /// The state with all that describes it. Blocks.
    pub(crate) fn restore<M: StateMachine>(&self) -> io::Result<Frozen<M>> {
        let machine = read_state(self.raw.reader().map_err(refused)?)?;
        let Described { meta, minted, version } = self.described()?;
        Ok(Frozen { machine, meta, minted, version, time_us: self.stored.header.time_us })
    }
}

/// The state that a snapshot's stream holds, once all of it was read and has the digest that its head says. Blocks.
pub fn read_state<M: StateMachine>(mut reader: Reader) -> io::Result<M> {
    let told = reader.header().digest;
    let mut failed = None;
    let mut records = std::iter::from_fn(|| match reader.next()? {
        Ok(record) => Some(record),
        Err(error) => {
            failed = Some(io::Error::from(error));
            None
        }
    });
    let machine = M::restore(&mut records);
    if let Some(error) = failed {
        return Err(error);
    }
    let machine = machine.map_err(broken)?;
    if machine.digest() != told {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the state does not have the snapshot's digest"));
    }
    Ok(machine)
}

impl<M: StateMachine> Frozen<M> {
    /// The head of its snapshot. Takes seconds for a large state.
    pub(crate) fn header(&self, cluster: [u8; 16]) -> Header {
        Header {
            cluster,
            index: self.meta.last_log_id.map_or(0, |id| id.index),
            log_id: self.meta.last_log_id.map(|id| codec::encode_log_id(&id)).unwrap_or_default(),
            membership: codec::encode_header(&Described {
                meta: self.meta.clone(),
                minted: self.minted,
                version: self.version,
            }),
            time_us: self.time_us,
            digest: self.machine.digest(),
            records: self.machine.records_count(),
        }
    }
}

/// Writes one snapshot.
pub(crate) struct Builder<M> {
    frozen: Option<Frozen<M>>,
    state: Arc<State<M>>,
    snapshots: Arc<Snapshots>,
}

impl<M: StateMachine> Builder<M> {
    /// Freezes the state here and now: Raft asks for a builder between two entries, while writing goes on beside
    /// applying, when the state may be in the middle of a batch.
    pub(crate) fn new(state: &Arc<State<M>>, snapshots: Arc<Snapshots>) -> Self {
        Builder { frozen: Some(state.freeze()), state: state.clone(), snapshots }
    }
}

impl<M: StateMachine> RaftSnapshotBuilder<Types> for Builder<M> {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotFile>> {
        let frozen = self.frozen.take().ok_or_else(|| io::Error::other("a builder writes one snapshot"))?;
        let (state, snapshots) = (self.state.clone(), self.snapshots.clone());
        let meta = frozen.meta.clone();
        let started = Instant::now();
        let file = apart(&self.snapshots.work, move || {
            let header = frozen.header(snapshots.cluster);
            let written = snapshots.shelf.write(&header, frozen.machine.records(), snapshots.bytes_per_second);
            state.let_go(frozen.machine);
            let file = SnapshotFile::open(&snapshots.shelf, written.map_err(refused)?, &snapshots.work)?;
            snapshots.keep(file.clone());
            Ok::<_, io::Error>(file)
        });
        let file = file.await??;
        let (bytes, took_ms) = (file.size_bytes(), started.elapsed().as_millis() as u64);
        tracing::info!(last = ?meta.last_log_id.map(|id| id.index), bytes, took_ms, "snapshot written");
        Ok(SnapshotOf::<Types, _> { meta, snapshot: file })
    }
}

/// Takes a snapshot when the log has grown or time has passed, and purges the log below the older of two.
///
/// Nodes take turns: each adds a share of the rule by its place among the members, so that two seldom write at once.
pub(crate) async fn take_when_due<M: StateMachine>(shared: Arc<Shared<M>>, mut stopped: watch::Receiver<bool>) {
    let rule = shared.config.snapshots;
    let place = shared.members.read().keys().position(|id| *id == shared.config.node).unwrap_or(0) as u32;
    let stagger = |share: u32| share.saturating_mul(place.min(8)) / 8;
    let bytes_max = rule.log_bytes.saturating_add(u64::from(stagger(100)) * (rule.log_bytes / 100));
    let mut last = Instant::now() + rule.interval * stagger(100) / 100;
    loop {
        if tokio::time::timeout(LOOK, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
            return;
        }
        let applied = shared.state.applied().map_or(0, |id| id.index);
        let news = shared.snapshots.newest().is_none_or(|(index, _)| index < applied);
        let due = shared.log.bytes() > bytes_max || Instant::now().saturating_duration_since(last) > rule.interval;
        if news && due {
            last = Instant::now();
            if shared.raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
        let purged = shared.log.purged().map(|id| id.index);
        if let Some(upto) = shared.snapshots.purge_upto().filter(|upto| purged.is_none_or(|purged| *upto > purged))
            && shared.raft.trigger().purge_log(upto).await.is_err()
        {
            return;
        }
    }
}
