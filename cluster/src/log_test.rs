//! Log and applier against openraft's own suite for stores: over real files, and over a disk that forgets what was
//! not synced. What the suite does not know, a crash, is below it.

use crate::applier::{Applier, State};
use crate::codec;
use crate::counter::Counter;
use crate::disk::{self, Opened};
use crate::log::RaftLog;
use crate::metrics::Stages;
use crate::store::files::sim::SimFiles;
use crate::store::files::{Files, RealFiles};
use crate::store::identity::{Birth, DiskId};
use crate::store::log::{Log, Options};
use crate::types::{Batch, Carries, Entry, LogId, Payload, Types, Vote, log_id};
use crate::versions::Limit;
use crate::{Config, Join, Member, SnapshotRule, Timing};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, StorageError};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

/// The smallest segments, so that the suite crosses from one to the next.
const SEGMENT_BYTES: u64 = 16 * 1024;

/// A node's settings under a directory. Nobody listens at its peer's address.
pub(crate) fn config(dir: &Path) -> Config {
    let member = |port: u16| Member { peer: format!("127.0.0.1:{port}"), admin: String::new() };
    Config {
        cluster: [7; 16],
        cluster_is_given: true,
        node: 1,
        members: BTreeMap::from([(1, member(1)), (2, member(2))]),
        bootstrap: false,
        log_dir: dir.join("log"),
        data_dir: dir.join("data"),
        history_dir: None,
        segment_bytes: SEGMENT_BYTES,
        timing: Timing::default(),
        snapshots: SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() },
        clock: Arc::new(|| 0),
        clock_skew_max: None,
        version_max: 1,
        packed_since: 0,
        chance: [9; 16],
        join: Join::default(),
    }
}

/// Opens what is there, as a start does.
pub(crate) fn open(files: Arc<dyn Files>, dir: &Path) -> Opened {
    let config = config(dir);
    let owner = disk::owner(&config, &*files).expect("whose it is");
    let (cluster, configured, node) = (config.cluster, config.cluster, config.node);
    let birth = Birth { cluster, configured, node, disk: DiskId(config.chance), minted: false };
    let identity = owner.unwrap_or_else(|| disk::give(&config, &*files, birth).expect("an identity"));
    disk::open(&config, identity, files, Arc::new(Stages::default()), Arc::new(|_| {})).expect("open the disk")
}

/// The machine over what was opened.
pub(crate) fn applier(opened: &Opened) -> Applier<Counter> {
    let limit = Limit { max: 1, on_fatal: Arc::new(|_| ()) };
    Applier::new(State::empty(), opened.snapshots.clone(), Arc::new(Stages::default()), limit)
}

pub(crate) fn blank(id: LogId) -> Entry {
    Entry { log_id: id, payload: Payload::Blank }
}

/// Appends and waits until it is on the disk.
pub(crate) async fn append(log: &RaftLog, ids: &[LogId]) {
    let entries: Vec<Entry> = ids.iter().copied().map(blank).collect();
    log.clone().append(entries, IOFlushed::noop()).await.expect("append");
    // Groups are written in order: when this vote is durable, what was appended before it is, too.
    let vote = log.vote().unwrap_or(Vote { leader_id: ids[0].leader_id, committed: false });
    log.clone().save_vote(&vote).await.expect("save the vote");
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The log as the suite needs it: some of its tests begin a log in the middle or leave a hole, which Raft never does
/// and our log refuses. Here the hole is filled with blank entries first.
struct Filled(RaftLog);

impl RaftLogReader<Types> for Filled {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        self.0.try_get_log_entries(range).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.0.read_vote().await
    }
}

impl RaftLogStorage<Types> for Filled {
    type LogReader = RaftLog;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        self.0.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> RaftLog {
        self.0.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.save_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.0.save_committed(committed).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.0.read_committed().await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut next = self.0.get_log_state().await?.last_log_id.map_or(0, |id| id.index + 1);
        let mut filled = Vec::new();
        for entry in entries {
            filled.extend((next..entry.log_id.index).map(|index| blank(log_id(0, 0, index))));
            next = entry.log_id.index + 1;
            filled.push(entry);
        }
        self.0.append(filled, callback).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.0.truncate_after(last).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.0.purge(upto).await
    }
}

struct OnRealFiles;

impl StoreBuilder<Types, Filled, Applier<Counter>, tempfile::TempDir> for OnRealFiles {
    async fn build(&self) -> Result<(tempfile::TempDir, Filled, Applier<Counter>), StorageError<Types>> {
        let dir = tempfile::tempdir().expect("a directory");
        let opened = open(Arc::new(RealFiles), dir.path());
        let applier = applier(&opened);
        Ok((dir, Filled(opened.log), applier))
    }
}

struct OnADiskThatForgets;

impl StoreBuilder<Types, Filled, Applier<Counter>> for OnADiskThatForgets {
    async fn build(&self) -> Result<((), Filled, Applier<Counter>), StorageError<Types>> {
        let opened = open(SimFiles::new().process(), Path::new("/node"));
        let applier = applier(&opened);
        Ok(((), Filled(opened.log), applier))
    }
}

#[test]
fn the_suite_passes_on_real_files() {
    run(Suite::test_all(OnRealFiles)).expect("lawful");
}

#[test]
fn the_suite_passes_on_a_disk_that_forgets() {
    run(Suite::test_all(OnADiskThatForgets)).expect("lawful");
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut() {
    let ids: Vec<LogId> = (0..=20).map(|index| log_id(3, 1, index)).collect();
    for seed in 0..8 {
        let disk = SimFiles::new();
        let opened = open(disk.process(), Path::new("/node"));
        run(async {
            let mut log = opened.log.clone();
            append(&log, &ids).await;
            log.save_committed(Some(ids[12])).await.expect("save committed");
            log.truncate_after(Some(ids[15])).await.expect("truncate");
            log.purge(ids[4]).await.expect("purge");
        });
        disk.crash(seed);
        drop(opened);
        let mut log = open(disk.process(), Path::new("/node")).log;
        let state = run(log.get_log_state()).expect("a state");
        assert_eq!(state.last_purged_log_id, Some(ids[4]));
        assert_eq!(state.last_log_id, Some(ids[15]));
        assert_eq!(log.committed(), Some(ids[12]), "it rode with a later group");
        assert_eq!(log.vote().map(|vote| vote.leader_id), Some(ids[0].leader_id));
        let found = run(log.try_get_log_entries(0..100)).expect("entries");
        assert_eq!(found.iter().map(|entry| entry.log_id).collect::<Vec<_>>(), ids[5..=15]);
        assert_eq!(log.bytes(), found.iter().map(|e| codec::encode_entry(e).len() as u64).sum());
        assert_eq!((log.id_at(3), log.id_at(4), log.id_at(5)), (None, Some(ids[4]), Some(ids[5])));
        assert_eq!((log.id_at(15), log.id_at(16)), (Some(ids[15]), None));
    }
}

#[test]
fn a_read_that_begins_below_the_purge_point_gives_nothing_to_replicate() {
    let ids: Vec<LogId> = (0..=9).map(|index| log_id(3, 1, index)).collect();
    let disk = SimFiles::new();
    let opened = open(disk.process(), Path::new("/node"));
    run(async {
        let mut log = opened.log.clone();
        append(&log, &ids).await;
        log.purge(ids[4]).await.expect("purge");
        assert_eq!(log.limited_get_log_entries(3, 9).await.expect("read").len(), 0);
        let found = log.limited_get_log_entries(5, 9).await.expect("read");
        assert_eq!(found.iter().map(|entry| entry.log_id).collect::<Vec<_>>(), ids[5..9]);
    });
}

/// A later program may write kinds of entries that this one does not know, once the version has risen.
#[test]
fn what_cannot_be_read_is_told_from_what_a_later_program_wrote() {
    let entry = |index: u64, carries: Carries| {
        let batch = Batch { stamp_us: 1, carries, count: 0, commands: bytes::Bytes::new() };
        (index, codec::encode_entry(&Entry { log_id: log_id(1, 1, index), payload: Payload::Normal(batch) }))
    };
    let unknown = |index: u8| (u64::from(index), bytes::Bytes::from(vec![1, 1, 1, index, 99]));
    for (entries, version) in [
        (vec![entry(1, Carries::Version(2)), entry(2, Carries::Mark), unknown(3)], 2),
        (vec![entry(1, Carries::Mark), unknown(2)], 0),
    ] {
        let files = SimFiles::new().process();
        let dir = Path::new("/log");
        let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
        files.create_dir_all(dir).expect("a directory");
        Log::create(&*files, dir, &options).expect("made");
        let work = files.work();
        let (log, mut found) = Log::open(files, dir, options, Box::new(|_| ())).expect("opened");
        found.entries = entries;
        let refused = RaftLog::new(Arc::new(log), found, work, None);
        assert_eq!(refused.err().map(|(version, _)| version), Some(version));
    }
}
