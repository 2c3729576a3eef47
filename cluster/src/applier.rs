//! Applies committed entries to the machine, and offers the machine's state to readers and snapshots.
//!
//! **What must hold.** Entries are applied in order, each once, with a log time that strictly increases. One poll
//! applies for at most [`POLL`], so that Raft's timers on the same runtime are never kept waiting by a long batch or a
//! slow machine. A committed entry that cannot be decoded stops the node: it is never skipped.

use crate::codec;
use crate::config::Clock;
use crate::disk::apart;
use crate::history::{History, Made, Written};
use crate::metrics::Stages;
use crate::snapshot::{Builder, SnapshotFile, Snapshots};
use crate::types::{Batch, Carries, Entry, LeaderId, LogId, Outputs, Payload, SnapshotMeta, StoredMembership, Types};
use crate::versions::Limit;
use crate::{Malformed, Stamp, StateMachine};
use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long one poll applies before it lets others run; a single command is never split.
const POLL: Duration = Duration::from_micros(500);

/// So many commands at a time tell the machine that they come.
const WARM: usize = 64;

/// About what an answer takes.
const OUTPUT_BYTES: usize = 32;

/// How long copies are freed after each entry.
const FREEING: Duration = Duration::from_micros(300);

/// So many copies wait to be freed by and by; more are freed at once.
const OLD_MAX: usize = 4;

/// Frozen copies kept for digests at a marked index.
const MARKS_MAX: usize = 2;

/// The machine, and how far it has come. Shared with readers.
pub(crate) struct State<M> {
    inner: RwLock<Inner<M>>,
    /// The cluster's version, as in `inner`: every proposal asks for it, and must not wait for a batch to be applied.
    version: AtomicU32,
    /// Copies that nobody needs any more, the oldest first.
    old: Mutex<VecDeque<M>>,
}

struct Inner<M> {
    machine: M,
    applied: Option<LogId>,
    membership: StoredMembership,
    /// The highest id that was ever given to a node: ids are never given twice.
    minted: u64,
    /// The cluster's version.
    version: u32,
    time_us: u64,
    marks: VecDeque<(u64, M)>,
    /// Commands of an entry have been applied that is not finished: the machine is between two indexes.
    midway: bool,
    /// Who waits for the entry to be finished.
    waiting: Vec<oneshot::Sender<Frozen<M>>>,
}

/// The state at one index, for a snapshot or a backup.
pub(crate) struct Frozen<M> {
    pub(crate) machine: M,
    pub(crate) meta: SnapshotMeta,
    /// The highest id that was ever given to a node.
    pub(crate) minted: u64,
    /// The cluster's version.
    pub(crate) version: u32,
    pub(crate) time_us: u64,
}

impl<M: StateMachine> State<M> {
    pub(crate) fn empty() -> Arc<Self> {
        let inner = Inner {
            machine: M::empty(),
            applied: None,
            membership: StoredMembership::default(),
            minted: 0,
            version: 0,
            time_us: 0,
            marks: VecDeque::new(),
            midway: false,
            waiting: Vec::new(),
        };
        Arc::new(State { inner: RwLock::new(inner), version: AtomicU32::new(0), old: Mutex::default() })
    }

    /// Looks at the machine. Keep it short: applying waits. For a long look, freeze.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        look(&self.inner.read().machine)
    }

    pub(crate) fn applied(&self) -> Option<LogId> {
        self.inner.read().applied
    }

    /// The highest id that was given to a node, as far as this state knows.
    pub(crate) fn minted(&self) -> u64 {
        self.inner.read().minted
    }

    /// The cluster's version, as far as this state knows: it only rises.
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// The frozen copy of a marked index, if it is still kept.
    pub(crate) fn marked(&self, index: u64) -> Option<M> {
        let inner = self.inner.read();
        inner.marks.iter().find(|(at, _)| *at == index).map(|(_, machine)| machine.freeze())
    }

    pub(crate) fn freeze(&self) -> Frozen<M> {
        self.inner.read().frozen()
    }

    /// The state at an index, whoever asks and when: at once, or as soon as the entry that is being applied is
    /// finished. Nothing comes if the node stops before that.
    pub(crate) fn freeze_between_entries(&self) -> oneshot::Receiver<Frozen<M>> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.write();
        inner.waiting.push(sender);
        if !inner.midway {
            inner.give_frozen();
        }
        receiver
    }

    /// Puts another state in place.
    fn replace(&self, state: Frozen<M>) {
        let Frozen { machine, meta, minted, version, time_us } = state;
        let mut inner = self.inner.write();
        let mut old: Vec<M> = inner.marks.drain(..).map(|(_, machine)| machine).collect();
        old.push(std::mem::replace(&mut inner.machine, machine));
        inner.applied = meta.last_log_id;
        inner.membership = meta.last_membership;
        inner.minted = minted;
        inner.version = version;
        self.version.store(version, Ordering::Release);
        inner.time_us = time_us;
        inner.midway = false;
        inner.give_frozen();
        drop(inner);
        old.into_iter().for_each(|machine| self.let_go(machine));
    }

    /// Takes a copy that nobody needs any more, to be freed by and by where entries are applied.
    ///
    /// At a million accounts it may be a gigabyte. Freed at once by another thread, all of it comes back to the
    /// allocator of the one that applies, which then spends up to 20 ms of one batch on taking it in.
    pub(crate) fn let_go(&self, copy: M) {
        let mut old = self.old.lock();
        old.push_back(copy);
        let too_many = if old.len() > OLD_MAX { old.pop_front() } else { None };
        drop(old);
        if let Some(oldest) = too_many {
            // Nobody waits for it. Where there is no thread to be had, it is freed here.
            _ = std::thread::Builder::new().name("free".to_owned()).spawn(move || drop(oldest));
        }
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.old.lock().len()
    }

    /// Frees a little of what was let go.
    fn free_some(&self) {
        let mut old = self.old.lock();
        let until = (!old.is_empty()).then(|| Instant::now() + FREEING);
        while let Some(oldest) = old.front_mut() {
            if !oldest.free_some() {
                old.pop_front();
            }
            if until.is_none_or(|until| Instant::now() >= until) {
                return;
            }
        }
    }

    /// Applies commands of the batch at `id` for one poll, and says how many; `told` is `None` when nobody wants to
    /// know.
    fn apply_some(&self, id: LogId, stamp_us: u64, commands: &[M::Command], told: &mut Option<Told>) -> usize {
        let until = Instant::now() + POLL;
        let mut inner = self.inner.write();
        let mut applied = 0;
        for (place, command) in commands.iter().enumerate() {
            if place % WARM == 0 {
                inner.machine.warm(&commands[place..commands.len().min(place + WARM)]);
            }
            inner.midway = true;
            inner.time_us = stamp_us.max(inner.time_us.saturating_add(1));
            let stamp = Stamp { index: id.index, time_us: inner.time_us };
            let output = inner.machine.apply(stamp, command);
            if let Some(told) = told.as_mut() {
                M::encode_output(&output, &mut told.bytes);
                told.ends.push(told.bytes.len() as u32);
                told.times_us.push(inner.time_us);
            }
            applied = place + 1;
            if Instant::now() >= until {
                break;
            }
        }
        applied
    }

    /// The entry is applied.
    fn finish(&self, entry: &Entry) {
        let mut inner = self.inner.write();
        inner.applied = Some(entry.log_id());
        match &entry.payload {
            Payload::Membership(membership) => {
                inner.minted = inner.minted.max(codec::highest(membership));
                inner.membership = StoredMembership::new(Some(entry.log_id()), membership.clone());
            }
            Payload::Normal(batch) => match batch.carries {
                Carries::Mark => {
                    let copy = inner.machine.freeze();
                    inner.marks.push_back((entry.log_id().index, copy));
                    if inner.marks.len() > MARKS_MAX
                        && let Some((_, oldest)) = inner.marks.pop_front()
                    {
                        self.let_go(oldest);
                    }
                }
                Carries::Version(version) => {
                    inner.version = inner.version.max(version);
                    self.version.store(inner.version, Ordering::Release);
                }
                Carries::Commands => {}
            },
            Payload::Blank => {}
        }
        inner.midway = false;
        inner.give_frozen();
    }
}

impl<M: StateMachine> Inner<M> {
    fn frozen(&self) -> Frozen<M> {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        let (minted, version, time_us) = (self.minted, self.version, self.time_us);
        Frozen { machine: self.machine.freeze(), meta, minted, version, time_us }
    }

    /// Gives those who wait what they wait for. Whoever gave up meanwhile gets nothing.
    fn give_frozen(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            if !waiting.is_closed() {
                let _ = waiting.send(self.frozen());
            }
        }
    }
}

/// What `apply` said to the commands of a batch so far, and when.
#[derive(Default)]
struct Told {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    times_us: Vec<u64>,
}

impl Told {
    /// With room for so many answers.
    fn of(commands: usize) -> Told {
        Told {
            bytes: Vec::with_capacity(commands * OUTPUT_BYTES),
            ends: Vec::with_capacity(commands),
            times_us: Vec::with_capacity(commands),
        }
    }
}

/// The state machine as openraft sees it.
pub(crate) struct Applier<M> {
    state: Arc<State<M>>,
    snapshots: Arc<Snapshots>,
    stages: Arc<Stages>,
    history: Option<Arc<History>>,
    /// From which version on its chunks are packed.
    packed_since: u32,
    clock: Clock,
    limit: Limit,
}

impl<M: StateMachine> Applier<M> {
    pub(crate) fn new(state: Arc<State<M>>, snapshots: Arc<Snapshots>, stages: Arc<Stages>, limit: Limit) -> Self {
        Applier { state, snapshots, stages, history: None, packed_since: 0, clock: Arc::new(|| 0), limit }
    }

    /// Has everything that is applied written down, with the clock's time; from a version of the cluster on packed.
    pub(crate) fn with_history(self, history: Option<Arc<History>>, clock: Clock, packed_since: u32) -> Self {
        Applier { history, clock, packed_since, ..self }
    }

    async fn apply_batch(&self, id: LogId, batch: &Batch, wanted: bool) -> Result<Outputs, Malformed> {
        let started = Instant::now();
        // All are read before the first is applied: a batch that cannot be read leaves no half behind.
        let encoded = batch.commands()?;
        let mut commands = Vec::with_capacity(encoded.len());
        for command in encoded {
            commands.push(M::decode_command(command)?);
        }
        let mut left = commands.as_slice();
        let mut told = (wanted || self.history.is_some()).then(|| Told::of(commands.len()));
        while !left.is_empty() {
            let applied = self.state.apply_some(id, batch.stamp_us, left, &mut told);
            left = left.get(applied..).unwrap_or_default();
            if !left.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        self.stages.applied(commands.len(), started.elapsed());
        let Told { bytes, ends, times_us } = told.unwrap_or_default();
        let outputs = Outputs { bytes: bytes.into(), ends };
        if let Some(history) = &self.history {
            let LeaderId { term, node_id: leader } = id.leader_id;
            let made = Made { term, leader, made_us: batch.stamp_us, applied_us: (self.clock)() };
            let (batch, outputs) = (batch.clone(), outputs.clone());
            let packed = self.state.version() >= self.packed_since;
            history.record(Written { index: id.index, made, batch, outputs, times_us, packed });
        }
        Ok(outputs)
    }
}

fn poison(id: LogId, error: Malformed) -> io::Error {
    tracing::error!(%id, %error, "a committed entry cannot be applied: this node stops rather than skip it");
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<M: StateMachine> RaftStateMachine<Types> for Applier<M> {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder<M>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let inner = self.state.inner.read();
        Ok((inner.applied, inner.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let id = entry.log_id();
            let outputs = match &entry.payload {
                Payload::Normal(batch) => match batch.carries {
                    Carries::Commands => {
                        self.apply_batch(id, batch, responder.is_some()).await.map_err(|e| poison(id, e))?
                    }
                    Carries::Mark => Outputs::default(),
                    Carries::Version(version) => {
                        self.limit.allows(version)?;
                        tracing::info!(version, "the cluster's version");
                        Outputs::default()
                    }
                },
                Payload::Blank | Payload::Membership(_) => Outputs::default(),
            };
            self.state.finish(&entry);
            if let Some(responder) = responder {
                responder.send(outputs);
            }
            self.state.free_some();
            // A backlog of small entries must leave room for the timers, too.
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M> {
        Builder::new(&self.state, self.snapshots.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, file: SnapshotFile) -> io::Result<()> {
        let snapshots = self.snapshots.clone();
        self.limit.allows(file.described()?.version)?;
        let restored = apart(self.snapshots.work(), move || {
            let restored = file.restore::<M>()?;
            snapshots.keep(file);
            Ok::<_, io::Error>(restored)
        });
        let restored = restored.await??;
        self.state.replace(Frozen { meta: meta.clone(), ..restored });
        if let (Some(history), Some(last)) = (&self.history, meta.last_log_id) {
            history.skip_to(last.index);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, SnapshotFile>>> {
        self.snapshots.current()
    }
}
