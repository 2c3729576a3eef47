//! The log as its user sees it: order, callbacks, faults, purge, locks.

use super::*;
use crate::store::files::RealFiles;
use crate::store::files::sim::{Call, Failure, SimFiles};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Nothing in these tests takes this long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn dir() -> &'static Path {
    Path::new("/node/log")
}

pub(super) fn options() -> Options {
    Options { segment_bytes: 16 << 10, ..Options::default() }
}

/// Content that tells its index.
pub(super) fn payload(index: u64, bytes: usize) -> Bytes {
    let mut content = index.to_be_bytes().to_vec();
    content.resize(bytes.max(8), index as u8);
    content.into()
}

/// A simulated disk with a log on it.
pub(super) struct Disk {
    pub(super) sim: SimFiles,
}

/// An open log, and what was fatal to it.
pub(super) struct Opened {
    pub(super) log: Log,
    pub(super) recovered: Recovered,
    fatal: Arc<AtomicUsize>,
}

impl Disk {
    pub(super) fn new() -> Disk {
        let sim = SimFiles::new();
        Log::create(&*sim.process(), dir(), &options()).unwrap();
        Disk { sim }
    }

    pub(super) fn open(&self) -> Opened {
        self.open_with(options())
    }

    fn open_with(&self, options: Options) -> Opened {
        let fatal = Arc::new(AtomicUsize::new(0));
        let count = fatal.clone();
        let on_fatal = Box::new(move |_: &io::Error| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let (log, recovered) = Log::open(self.sim.process(), dir(), options, on_fatal).unwrap();
        Opened { log, recovered, fatal }
    }

    pub(super) fn segments(&self) -> Vec<String> {
        let mut names = self.sim.process().list(dir()).unwrap();
        names.retain(|name| name.ends_with(".log"));
        names
    }
}

/// A callback and its answer.
pub(super) fn answer() -> (Done, mpsc::Receiver<io::Result<()>>) {
    let (send, receive) = mpsc::channel();
    (Box::new(move |result| drop(send.send(result))), receive)
}

impl Opened {
    fn wait(&self, request: impl FnOnce(&Log, Done)) -> io::Result<()> {
        let (done, told) = answer();
        request(&self.log, done);
        told.recv_timeout(PATIENCE).unwrap()
    }

    pub(super) fn append(&self, indexes: Range<u64>, bytes: usize) {
        let entries = indexes.map(|index| (index, payload(index, bytes))).collect();
        self.wait(|log, done| log.append(entries, done)).unwrap();
    }

    pub(super) fn vote(&self, vote: &'static str) {
        self.wait(|log, done| log.save_vote(vote.into(), done)).unwrap();
    }

    fn purge(&self, upto: u64) {
        self.wait(|log, done| log.purge(upto, payload(upto, 8), done)).unwrap();
    }

    pub(super) fn close(self) {
        self.log.close().unwrap();
    }

    fn indexes(&self) -> Vec<u64> {
        self.recovered.entries.iter().map(|(index, _)| *index).collect()
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn everything_comes_back() {
    let disk = Disk::new();
    let log = disk.open();
    assert_eq!(log.recovered, Recovered::default());
    log.vote("term 1");
    log.append(0..5, 100);
    log.log.save_committed("at 3".into()).unwrap();
    log.wait(|log, done| log.truncate_after(Some(2), done)).unwrap();
    log.append(3..9, 50);
    log.purge(1);
    log.vote("term 2");
    log.close();
    let log = disk.open();
    let expected = Recovered {
        vote: Some("term 2".into()),
        committed: Some("at 3".into()),
        purged: Some((1, payload(1, 8))),
        entries: (2..9).map(|index| (index, payload(index, if index < 3 { 100 } else { 50 }))).collect(),
    };
    assert_eq!(log.recovered, expected);
}

#[test]
fn truncating_everything_leaves_the_purge_point() {
    let disk = Disk::new();
    let log = disk.open();
    log.append(0..5, 10);
    log.wait(|log, done| log.truncate_after(None, done)).unwrap();
    log.append(0..3, 10);
    log.purge(7);
    log.wait(|log, done| log.truncate_after(Some(6), done)).unwrap_err();
    log.wait(|log, done| log.truncate_after(Some(7), done)).unwrap();
    log.append(8..9, 10);
    drop(log);
    assert_eq!(disk.open().indexes(), [8]);
}

#[test]
fn committed_alone_costs_no_sync_but_at_the_close() {
    let disk = Disk::new();
    let log = disk.open();
    log.append(0..1, 10);
    wait_until("the spare", || disk.sim.process().list(dir()).unwrap().iter().any(|name| name.starts_with("spare")));
    wait_until("its last sync", || !log.log.health().nospace && log.log.pool.idle());
    let syncs = disk.sim.syncs();
    log.log.save_committed("at 0".into()).unwrap();
    log.wait(|log, done| log.append(vec![], done)).unwrap();
    assert_eq!(disk.sim.syncs(), syncs + 1, "it rides, even with an empty append");
    log.log.save_committed("at 1".into()).unwrap();
    assert_eq!(disk.sim.syncs(), syncs + 1);
    log.close();
    assert_eq!(disk.open().recovered.committed, Some("at 1".into()));
}

#[test]
fn what_arrives_during_a_sync_is_one_group_and_in_order() {
    let disk = Disk::new();
    let stats = Arc::new(Mutex::new(Vec::new()));
    let seen = stats.clone();
    let observer: Observer = Arc::new(move |group| seen.lock().push(*group));
    let log = disk.open_with(Options { observer: Some(observer), group_bytes_max: 1000, ..options() });
    wait_until("the spare", || log.log.pool.idle());
    disk.sim.hold_syncs();
    let (send, told) = mpsc::channel();
    for index in 0..21 {
        let send = send.clone();
        let done = Box::new(move |result: io::Result<()>| send.send((index, result.is_ok())).unwrap());
        log.log.append(vec![(index, payload(index, 87))], done);
        if index == 0 {
            wait_until("the first group", || log.log.shared.queue.lock().in_flight_since.is_some());
        }
    }
    assert_eq!(log.log.backlog_bytes(), 2100);
    assert!(log.log.health().waiting_since.is_some());
    assert!(told.try_recv().is_err(), "nothing is told before the sync");
    disk.sim.release_syncs();
    let order: Vec<_> = (0..21).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(order, (0..21).map(|index| (index, true)).collect::<Vec<_>>());
    log.close();
    let records: Vec<_> = stats.lock().iter().map(|group| group.records).collect();
    assert_eq!(records, [1, 10, 10]);
}

#[test]
fn impossible_requests_are_refused_and_the_log_lives() {
    let disk = Disk::new();
    let log = disk.open();
    log.append(0..3, 10);
    for index in [0, 2, 4, u64::MAX] {
        let refused = log.wait(|log, done| log.append(vec![(index, payload(0, 8))], done));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput, "index {index}");
    }
    log.wait(|log, done| log.append(vec![(3, payload(3, 8)), (5, payload(5, 8))], done)).unwrap_err();
    log.wait(|log, done| log.append(vec![(3, payload(3, 9 << 10))], done)).unwrap_err();
    log.wait(|log, done| log.save_vote(vec![0; SMALL_BYTES_MAX + 1].into(), done)).unwrap_err();
    log.wait(|log, done| log.truncate_after(Some(3), done)).unwrap_err();
    log.log.save_committed(vec![0; SMALL_BYTES_MAX + 1].into()).unwrap_err();
    log.purge(1);
    log.purge(1);
    log.wait(|log, done| log.purge(0, Bytes::new(), done)).unwrap_err();
    log.append(3..4, 10);
    log.log.close().unwrap();
    let closed = log.wait(|log, done| log.append(vec![(4, payload(4, 8))], done));
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    drop(log);
    assert_eq!(disk.open().indexes(), [2, 3]);
}

#[test]
fn the_largest_request_fits_everywhere() {
    let disk = Disk::new();
    let log = disk.open();
    let most = (8 << 10) - RECORD_HEAD;
    log.wait(|log, done| log.save_vote(vec![1; SMALL_BYTES_MAX].into(), done)).unwrap();
    log.purge(0);
    for index in 1..8 {
        log.log.save_committed(vec![2; SMALL_BYTES_MAX].into()).unwrap();
        log.append(index..index + 1, most);
    }
    log.close();
    assert_eq!(disk.open().indexes(), (1..8).collect::<Vec<_>>());
}

/// Writes and syncs fail at every point of a run with rolls: each callback once, errors to the end, fatal once.
#[test]
fn after_an_error_everybody_is_told_once() {
    let mut failed = 0;
    for call in [Call::Write, Call::Sync, Call::Directory] {
        for failure in [Failure::Io, Failure::NoSpace] {
            for nth in 1..24 {
                let disk = Disk::new();
                let log = disk.open_with(Options { group_bytes_max: 1000, ..options() });
                wait_until("the spare", || log.log.pool.idle());
                disk.sim.fail(call, nth, failure);
                let (send, told) = mpsc::channel();
                for index in 0..30 {
                    let send = send.clone();
                    let done = Box::new(move |result: io::Result<()>| send.send((index, result.is_ok())).unwrap());
                    log.log.append(vec![(index, payload(index, 900))], done);
                }
                drop(send);
                // A request that comes after the death is refused at once, maybe before the queued ones are told.
                let mut told: Vec<(u64, bool)> = (0..30).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
                told.sort_unstable();
                let good = told.iter().take_while(|(_, good)| *good).count() as u64;
                let expected: Vec<_> = (0..30).map(|index| (index, index < good)).collect();
                assert_eq!(told, expected, "{call:?} {failure:?} {nth}");
                let closed = log.log.close();
                assert_eq!(closed.is_err(), good < 30, "{call:?} {failure:?} {nth}");
                assert_eq!(log.fatal.load(Ordering::SeqCst), usize::from(good < 30), "{call:?} {failure:?} {nth}");
                assert_eq!(log.log.health().dead, good < 30);
                failed += u32::from(good < 30);
                drop(log);
                disk.sim.crash(nth);
                let found = disk.open().indexes();
                assert!(found.len() as u64 >= good, "{call:?} {failure:?} {nth}: {} of {good}", found.len());
            }
        }
    }
    assert!(failed > 60, "{failed}");
}

#[test]
fn a_full_disk_ahead_of_need_only_shows() {
    let disk = Disk::new();
    disk.sim.fail(Call::Write, 2, Failure::NoSpace);
    let log = disk.open();
    wait_until("the failure", || log.log.health().nospace);
    for index in 0..12 {
        log.append(index..index + 1, 1200);
    }
    assert!(!log.log.health().dead, "the disk had room again when it was needed");
    log.close();
    assert_eq!(disk.open().indexes(), (0..12).collect::<Vec<_>>());
}

#[test]
fn purged_segments_are_used_again_and_give_nothing_back() {
    let disk = Disk::new();
    let log = disk.open();
    for index in 0..200 {
        log.append(index..index + 1, 1200);
        if index % 10 == 9 {
            log.purge(index - 3);
        }
    }
    log.vote("term 9");
    wait_until("the spares", || log.log.pool.idle());
    assert!(disk.segments().len() <= 3, "{:?}", disk.segments());
    assert!(log.log.pool.made() < 40);
    log.close();
    for seed in 0..20 {
        let sim = disk.sim.fork();
        sim.crash(seed);
        let log = Disk { sim }.open();
        assert_eq!(log.indexes(), [197, 198, 199]);
        assert_eq!(log.recovered.vote, Some("term 9".into()));
    }
}

#[test]
fn what_a_killed_process_left_in_the_cache_is_made_durable() {
    for seed in 0..40 {
        let disk = Disk::new();
        let log = disk.open();
        wait_until("the spare", || log.log.pool.idle());
        log.vote("term 1");
        // The write happens, the sync does not, and marks the pages clean.
        disk.sim.fail(Call::Sync, 1, Failure::Io);
        log.wait(|log, done| log.append(vec![(0, payload(0, 2000))], done)).unwrap_err();
        drop(log);
        disk.sim.restart();
        let reopened = disk.open();
        assert_eq!(reopened.indexes(), [0]);
        disk.sim.crash(seed);
        drop(reopened);
        assert_eq!(disk.open().indexes(), [0], "seed {seed}");
    }
}

#[test]
fn a_callback_that_panics_keeps_nobody_waiting() {
    let disk = Disk::new();
    let log = disk.open();
    log.log.append(vec![(0, payload(0, 8))], Box::new(|_| panic!("planted by the test")));
    log.append(1..2, 8);
    log.close();
}

#[test]
fn two_processes_never_share_a_log() {
    let real = tempfile::tempdir().unwrap();
    let sim = Disk::new();
    let both: [(Arc<dyn Files>, &Path); 2] = [(Arc::new(RealFiles), real.path()), (sim.sim.process(), dir())];
    Log::create(&RealFiles, real.path(), &options()).unwrap();
    for (files, dir) in both {
        assert!(matches!(Log::create(&*files, dir, &options()), Err(OpenError::Exists { .. })));
        let (log, _) = Log::open(files.clone(), dir, options(), Box::new(|_| {})).unwrap();
        let second = Log::open(files.clone(), dir, options(), Box::new(|_| {}));
        assert!(matches!(second, Err(OpenError::InUse { .. })));
        drop(log);
        Log::open(files, dir, options(), Box::new(|_| {})).unwrap();
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    for segment_bytes in [0, 8 << 10, (16 << 10) + 1, 2 << 30] {
        let made = Log::create(&*SimFiles::new().process(), dir(), &Options { segment_bytes, ..options() });
        assert!(matches!(made, Err(OpenError::Options(_))), "{segment_bytes}");
    }
}

#[test]
fn a_log_without_threads_writes_when_it_is_its_turn() {
    let disk = Disk::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let wake = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let (log, _, mut turns) = Log::open_in_turns(disk.sim.process(), dir(), options(), Box::new(|_| {}), wake).unwrap();
    assert_eq!(turns.turn(), Turn::Idle);
    // Over more than one segment: spares are made by whoever needs them.
    for index in 0..40 {
        let (done, told) = answer();
        log.append(vec![(index, payload(index, 1_000))], done);
        assert_eq!(asked.load(Ordering::SeqCst) as u64, index + 1);
        assert!(told.try_recv().is_err(), "nothing is written before its turn");
        assert_eq!(turns.turn(), Turn::Wrote);
        told.try_recv().unwrap().unwrap();
    }
    assert!(disk.segments().len() > 1);
    log.close().unwrap();
    assert_eq!(turns.turn(), Turn::Ended);
    drop((log, turns));
    assert_eq!(disk.open().recovered.entries.len(), 40);
}
