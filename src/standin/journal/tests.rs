//! The journal on a disk that forgets, tears, rots and fails.

use super::samples::{authorize, void};
use super::sim::SimFiles;
use super::*;
use crate::limits::Whose;
use std::convert::Infallible;
use std::time::Instant;

const OWNER: Owner = Owner { node: 1, incarnation: 1 };
const AGAIN: Owner = Owner { node: 1, incarnation: 2 };
const NOW: Timestamp = Timestamp(1000);

/// Keeps paused time from running ahead of the writer's thread: it stands while a blocking task runs.
pub(crate) struct StoppedClock {
    _running: SyncSender<()>,
}

impl StoppedClock {
    pub(crate) fn new() -> StoppedClock {
        let (running, stopped) = sync_channel::<()>(0);
        // Ends when this is dropped.
        tokio::task::spawn_blocking(move || stopped.recv());
        StoppedClock { _running: running }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum No {
    Kept(NotKept),
    Limit,
}

impl From<NotKept> for No {
    fn from(not_kept: NotKept) -> No {
        No::Kept(not_kept)
    }
}

impl From<Infallible> for No {
    fn from(never: Infallible) -> No {
        match never {}
    }
}

fn open(files: &SimFiles, owner: Owner) -> Journal {
    Journal::open(Arc::new(files.clone()), owner, 100_000)
}

async fn approve(journal: &Journal, token: &str, counter: u64, window: u64) -> Result<u64, No> {
    let mut writing = journal.approve::<No>((NOW, window), authorize(token, counter, 10), Turn::First, |_| Ok(()))?;
    if writing.durable().await {
        journal.stands(writing.number);
        Ok(writing.number)
    } else {
        journal.revoke(writing.number, NOW, void(token, counter));
        Err(No::Kept(NotKept::Unwritable))
    }
}

async fn decline(journal: &Journal, token: &str, counter: u64) -> Option<u64> {
    let mut writing = journal.decline(NOW, void(token, counter)).unwrap()?;
    writing.durable().await.then_some(writing.number)
}

/// What is owed: token and whether it was approved.
fn owed(journal: &Journal) -> Vec<(String, Verdict)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    while let Some(said) = journal.oldest_owed(&seen) {
        seen.insert(said.number);
        let verdict = if matches!(said.word, Word::Approved(_)) { Verdict::Approved } else { Verdict::Declined };
        all.push((said.word.token().to_string(), verdict));
    }
    all
}

fn used(journal: &Journal, window: u64) -> u64 {
    let of = authorize("t", 1, 0);
    let whose = Whose { program: of.program, user: of.user, currency: of.amount.currency() };
    journal.with_usage(window, |usage| usage.of(&whose).minor)
}

fn said(token: &str, verdict: Verdict) -> (String, Verdict) {
    (token.to_owned(), verdict)
}

/// The writer lives on its own thread: waits until it has come to something, at most ten seconds.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn what_was_said_is_owed_after_a_restart_and_counts_in_its_window() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    approve(&journal, "t1", 1, 5).await.unwrap();
    decline(&journal, "t2", 2).await.unwrap();
    drop(journal);

    let journal = open(&disk.crash(1), AGAIN);
    assert_eq!(journal.condition(), Condition::Good);
    assert_eq!(owed(&journal), [said("t1", Verdict::Approved), said("t2", Verdict::Declined)]);
    assert_eq!((used(&journal, 5), used(&journal, 4)), (10, 10));
    let of = authorize("t1", 9, 10);
    assert_eq!(journal.verdict(of.program, of.token, of.fingerprint), Some(Verdict::Approved));
    assert_eq!(journal.verdict(of.program, of.token, Fingerprint([8; 16])), None);
    assert_eq!(used(&journal, 6), 0);
    assert_eq!(journal.unsettled(), 2, "a new window settles nothing");
}

#[tokio::test]
async fn settled_is_not_owed_again_and_still_used() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    let number = approve(&journal, "t1", 1, 5).await.unwrap();
    decline(&journal, "t2", 2).await.unwrap();
    let syncs = disk.syncs();
    journal.settled(number);
    eventually("the settlement is written", || disk.syncs() > syncs);

    let journal = open(&disk.crash(1), AGAIN);
    assert_eq!(owed(&journal), [said("t2", Verdict::Declined)]);
    assert_eq!(used(&journal, 5), 10);
}

#[tokio::test]
async fn a_limit_that_says_no_leaves_no_trace() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    let refused = journal.approve::<No>((NOW, 5), authorize("t1", 1, 10), Turn::First, |_| Err(No::Limit));
    assert_eq!(refused.map(|_| ()), Err(No::Limit));
    assert_eq!((journal.unsettled(), used(&journal, 5)), (0, 0));
}

#[tokio::test]
async fn a_token_uses_the_limits_once_and_is_not_approved_for_two_meanings() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    approve(&journal, "t1", 1, 5).await.unwrap();
    assert_eq!(approve(&journal, "t1", 2, 5).await, Err(No::Kept(NotKept::Used)));
    let mut again = journal.approve::<No>((NOW, 5), authorize("t1", 3, 10), Turn::Again, |_| Ok(())).unwrap();
    assert!(again.durable().await);
    journal.stands(again.number);
    assert_eq!((used(&journal, 5), journal.unsettled()), (10, 2));
    journal.settled(again.number);
    let journal = open(&disk.crash(1), AGAIN);
    assert_eq!(used(&journal, 5), 10);
}

#[tokio::test]
async fn an_approval_that_did_not_leave_is_owed_as_a_void_also_after_a_restart() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    let mut writing = journal.approve::<No>((NOW, 5), authorize("t1", 1, 10), Turn::First, |_| Ok(())).unwrap();
    assert!(writing.durable().await);
    assert_eq!(owed(&journal), [], "not before it stands");
    assert_eq!(journal.unsettled(), 1);
    let syncs = disk.syncs();
    journal.revoke(writing.number, NOW, void("t1", 1));
    eventually("the decline is written", || disk.syncs() > syncs);
    assert_eq!(owed(&journal), [said("t1", Verdict::Declined)]);

    let journal = open(&disk.crash(1), AGAIN);
    assert_eq!(owed(&journal), [said("t1", Verdict::Declined)]);
    assert_eq!(used(&journal, 5), 10, "what it used stays used");
}

#[tokio::test]
async fn a_failed_sync_ends_all_rights_and_declines_live_in_memory() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    approve(&journal, "t1", 1, 5).await.unwrap();
    disk.fail_next_sync();
    assert_eq!(approve(&journal, "t2", 2, 5).await, Err(No::Kept(NotKept::Unwritable)));
    assert!(matches!(journal.condition(), Condition::Unwritable(_)));
    assert_eq!(approve(&journal, "t3", 3, 5).await, Err(No::Kept(NotKept::Unwritable)));
    assert_eq!(decline(&journal, "t4", 4).await, None);
    let all = [said("t1", Verdict::Approved), said("t2", Verdict::Declined), said("t4", Verdict::Declined)];
    assert_eq!(owed(&journal), all);
}

#[tokio::test]
async fn a_journal_that_cannot_be_relied_on_gives_no_right() {
    let disk = SimFiles::default();
    approve(&open(&disk, OWNER), "t1", 1, 5).await.unwrap();
    let good = disk.content(NAME).unwrap();
    let mut rotten = good.clone();
    rotten[SECTOR_BYTES + 40] ^= 1;
    for (bytes, owner) in [(rotten, AGAIN), (good, Owner { node: 2, incarnation: 1 }), (vec![1; 100], AGAIN)] {
        let disk = SimFiles::default();
        disk.put(NAME, bytes);
        let journal = open(&disk, owner);
        assert!(matches!(journal.condition(), Condition::Unreadable(_)));
        assert_eq!(approve(&journal, "t9", 9, 5).await, Err(No::Kept(NotKept::Unwritable)));
        assert_eq!(decline(&journal, "t9", 9).await, None);
        assert_eq!(journal.unsettled(), 1);
    }
}

#[tokio::test]
async fn a_missing_journal_gives_no_right_until_an_operator_says_so() {
    let disk = SimFiles::default();
    assert!(matches!(open(&disk, AGAIN).condition(), Condition::Unreadable(_)));
    disk.put(NAME, Vec::new());
    let journal = open(&disk, AGAIN);
    approve(&journal, "t1", 1, 5).await.unwrap();
    assert_eq!(owed(&open(&disk.crash(1), Owner { node: 1, incarnation: 3 })).len(), 1);
}

#[tokio::test]
async fn no_more_is_owed_than_may_be() {
    let journal = Journal::open(Arc::new(SimFiles::default()), OWNER, 2);
    decline(&journal, "t1", 1).await.unwrap();
    approve(&journal, "t2", 2, 5).await.unwrap();
    assert_eq!(approve(&journal, "t3", 3, 5).await, Err(No::Kept(NotKept::Full)));
    assert_eq!(journal.decline(NOW, void("t4", 4)).err(), Some(NotKept::Full));
}

#[tokio::test]
async fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    for seed in 0..40 {
        for step in 0..24 {
            let disk = SimFiles::default();
            let journal = open(&disk, OWNER);
            disk.power_off_after(step);
            let mut acknowledged = Vec::new();
            for counter in 0..6 {
                let writings: Vec<_> = (0..3)
                    .map(|part| {
                        let token = format!("t{counter}-{part}");
                        journal
                            .approve::<No>((NOW, 5), authorize(&token, counter * 3 + part, 10), Turn::First, |_| Ok(()))
                    })
                    .collect();
                for mut writing in writings.into_iter().flatten() {
                    if writing.durable().await {
                        journal.stands(writing.number);
                        acknowledged.push(writing.number);
                    }
                }
            }
            drop(journal);
            let found = open(&disk.crash(seed), AGAIN);
            assert_eq!(found.condition(), Condition::Good, "seed {seed} step {step}");
            let mut seen = BTreeSet::new();
            while let Some(said) = found.oldest_owed(&seen) {
                seen.insert(said.number);
            }
            assert!(acknowledged.iter().all(|number| seen.contains(number)), "seed {seed} step {step}");
        }
    }
}

/// A compaction with the power going off after each of its steps.
#[tokio::test]
async fn a_crash_during_compaction_loses_nothing() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    for counter in 0..40 {
        let number = approve(&journal, &format!("t{counter}"), counter, counter / 10).await.unwrap();
        if counter % 2 == 0 {
            journal.settled(number);
        }
    }
    decline(&journal, "last", 99).await.unwrap();
    // Three windows are over, so what was settled in them is not live any more.
    assert_eq!(used(&journal, 3), 100);
    let expected = owed(&journal);
    assert_eq!(expected.len(), 21);
    let sectors = (disk.content(NAME).unwrap().len() / SECTOR_BYTES) as u64;
    for seed in 0..20 {
        for step in 0..10 {
            let disk = disk.copy();
            let file = disk.open(NAME).unwrap();
            let book = Arc::clone(&journal.book);
            let health = Health::new(Condition::Good);
            let files: Arc<dyn Files> = Arc::new(disk.clone());
            let writer = Writer { files, owner: OWNER, file, sectors, book, health, compact_at: 0 };
            let (queue, notes) = sync_channel(4);
            queue.send(Note::Settled(u64::MAX)).unwrap();
            drop(queue);
            disk.power_off_after(step);
            Pen::new(writer, notes).write_forever();
            let found = open(&disk.crash(seed), AGAIN);
            assert_eq!(found.condition(), Condition::Good, "seed {seed} step {step}");
            assert_eq!(owed(&found), expected, "seed {seed} step {step}");
            assert_eq!(used(&found, 3), 100, "seed {seed} step {step}");
        }
    }
    assert!(disk.copy().content(TEMPORARY).is_none());
}

/// A restart gave the limits of an earlier window back: compaction had dropped what was used in it once the next window
/// had begun, and after the restart the node's log time had fallen back into it. Found by a walk of model M2.
#[test]
fn a_restart_into_an_earlier_window_gives_nothing_back() {
    let disk = SimFiles::default();
    let (journal, pen) = Journal::with_pen(Arc::new(disk.clone()), OWNER, 100);
    let mut pen = pen.unwrap();
    let writing = journal.approve::<No>((NOW, 3), authorize("t", 1, 10), Turn::First, |_| Ok(())).unwrap();
    while pen.write_waiting() {}
    journal.stands(writing.number);
    journal.settled(writing.number);
    while pen.write_waiting() {}
    assert_eq!(used(&journal, 4), 0, "the next window has begun, and nothing is used in it");
    pen.compact();
    assert_eq!(used(&open(&disk, AGAIN), 3), 10);

    // With an approval in the next one the earlier one is over for ever.
    let writing = journal.approve::<No>((NOW, 4), authorize("u", 2, 7), Turn::First, |_| Ok(())).unwrap();
    while pen.write_waiting() {}
    journal.stands(writing.number);
    pen.compact();
    let again = open(&disk, AGAIN);
    assert_eq!((used(&again, 3), again.book.lock().live_count()), (7, 1));
}

#[tokio::test]
async fn a_large_journal_is_compacted_and_goes_on() {
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    let all: Vec<Writing> = (0..3000)
        .map(|counter| journal.decline(NOW, void(&format!("t{counter}"), counter)).unwrap().unwrap())
        .collect();
    for mut writing in all {
        assert!(writing.durable().await);
        journal.settled(writing.number);
    }
    journal.with_usage(1, |_| ());
    let before = disk.content(NAME).unwrap().len();
    // Settled declines stay remembered, so it is approvals of ended windows that go.
    for counter in 3000..7000 {
        let number = approve(&journal, &format!("t{counter}"), counter, 1).await.unwrap();
        journal.settled(number);
    }
    journal.with_usage(2, |_| ());
    let mut counter = 7000;
    while disk.content(NAME).unwrap().len() >= before + 4000 * SECTOR_BYTES {
        assert!(counter < 20_000, "it is never compacted");
        let number = approve(&journal, &format!("t{counter}"), counter, counter).await.unwrap();
        journal.settled(number);
        counter += 1;
    }
    approve(&journal, "last", counter, counter).await.unwrap();
    let found = open(&disk.crash(1), AGAIN);
    assert_eq!(found.condition(), Condition::Good);
    assert_eq!(owed(&found).last(), Some(&said("last", Verdict::Approved)));
    let of = void("t7", 0);
    assert_eq!(found.verdict(of.program, of.token, of.fingerprint), Some(Verdict::Declined));
}

#[test]
fn every_flipped_bit_of_a_whole_group_is_damage() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let disk = SimFiles::default();
    let journal = open(&disk, OWNER);
    runtime.block_on(async {
        approve(&journal, "t1", 1, 5).await.unwrap();
        approve(&journal, "t2", 2, 5).await.unwrap();
    });
    let good = disk.content(NAME).unwrap();
    assert_eq!(good.len(), 3 * SECTOR_BYTES);
    for bit in 0..good.len() * 8 {
        let mut rotten = good.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        let disk = SimFiles::default();
        disk.put(NAME, rotten);
        let read = recovery::read(&*disk.open(NAME).unwrap(), 1);
        assert!(matches!(read, Err(Unreadable::Damaged(_))), "bit {bit}: {read:?}");
    }
    // A sector that was there and is gone, with an acknowledged one after it.
    let mut holed = good;
    holed[SECTOR_BYTES..2 * SECTOR_BYTES].fill(0);
    let disk = SimFiles::default();
    disk.put(NAME, holed);
    assert!(matches!(recovery::read(&*disk.open(NAME).unwrap(), 1), Err(Unreadable::Damaged(1))));
}

#[tokio::test]
async fn it_works_on_a_real_directory() {
    let dir = tempfile::tempdir().unwrap();
    let files = || Arc::new(crate::files::Directory(dir.path().to_owned()));
    let journal = Journal::open(files(), OWNER, 100);
    approve(&journal, "t1", 1, 5).await.unwrap();
    assert_eq!(journal.syncs().groups, 1);
    let journal = Journal::open(files(), AGAIN, 100);
    assert_eq!(owed(&journal), [said("t1", Verdict::Approved)]);
}
