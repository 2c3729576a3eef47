//! For tests: a cluster that is a ledger in a mutex, with moods.

use super::{About, Access, Cluster, Gate};
use crate::machine::LedgerMachine;
use bytes::Bytes;
use cluster::store::snapshots::Header;
use cluster::{
    Backup, HistoryGap, HistoryPage, HistoryRecord, Made, Member, MemberChange, MemberDigest, MemberOrder,
    MemberStatus, OrderError, ProposeError, Role, SnapshotRecord, Status,
};
use ledger::{Command, Ledger, Output, Timestamp, encode_command, encode_output};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::net::TcpListener;

/// What becomes of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// All is well.
    Quorum,
    /// Nothing is proposed or read.
    NoQuorum,
    /// Commands are applied, but nobody is told.
    AppliedButUnknown,
    /// Commands are lost, and nobody knows.
    LostAndUnknown,
    /// Node 3 is not reached.
    NodeMissing,
    /// Node 3 has other books.
    NodeDiffers,
}

/// Nodes 1 to 3 of a cluster, of which the first leads.
#[derive(Clone)]
pub(crate) struct Fake {
    books: Arc<Mutex<Ledger>>,
    history: Arc<Mutex<Vec<HistoryRecord>>>,
    /// Up to here the history is no longer kept.
    forgotten: Arc<AtomicU64>,
    mood: Arc<Mutex<Mood>>,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        let mood = Arc::new(Mutex::new(Mood::Quorum));
        Fake { books: Arc::default(), history: Arc::default(), forgotten: Arc::default(), mood }
    }

    /// Another door to the same books, with a mood of its own.
    pub(crate) fn door(&self, mood: Mood) -> Fake {
        Fake { mood: Arc::new(Mutex::new(mood)), ..self.clone() }
    }

    /// Forgets the history up to an index.
    pub(crate) fn forget(&self, upto: u64) {
        self.forgotten.store(upto, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    pub(crate) fn apply(&self, command: &Command) -> Output {
        let mut books = self.books.lock();
        let at = Timestamp(books.now().0.max(1_700_000_000_000_000) + 1);
        let output = books.apply(at, command);
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        encode_command(command, &mut asked);
        encode_output(&output, &mut answered);
        self.history.lock().push(HistoryRecord {
            time_us: at.0,
            command: asked.into(),
            output: answered.into(),
            made: Some(Made { term: 4, leader: 2, made_us: at.0, applied_us: at.0 + 1_500 }),
        });
        output
    }

    fn mood(&self) -> Mood {
        *self.mood.lock()
    }

    fn ordered<T>(&self, done: T) -> Result<T, OrderError> {
        match self.mood() {
            Mood::NoQuorum => Err(OrderError::NoQuorum("no leader is known".to_owned())),
            Mood::Quorum | Mood::AppliedButUnknown | Mood::LostAndUnknown | Mood::NodeMissing | Mood::NodeDiffers => {
                Ok(done)
            }
        }
    }
}

impl Cluster for Fake {
    fn id(&self) -> u64 {
        1
    }

    async fn propose(&self, command: Command, _: Instant) -> Result<Output, ProposeError> {
        match self.mood() {
            Mood::NoQuorum => Err(ProposeError::NotProposed),
            Mood::LostAndUnknown => Err(ProposeError::Unknown),
            Mood::AppliedButUnknown => {
                self.apply(&command);
                Err(ProposeError::Unknown)
            }
            Mood::Quorum | Mood::NodeMissing | Mood::NodeDiffers => Ok(self.apply(&command)),
        }
    }

    async fn read_barrier(&self, _: Instant) -> Result<(), OrderError> {
        self.ordered(())
    }

    fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.books.lock())
    }

    async fn history_at(&self, time_us: u64) -> Result<(u64, HistoryRecord), HistoryGap> {
        let history = self.history.lock();
        let mut numbered = (1..).zip(history.iter());
        let found = numbered.find(|(_, record)| record.time_us == time_us);
        found.map(|(index, record)| (index, record.clone())).ok_or(HistoryGap::Nothing)
    }

    /// An entry for each command, three a page.
    async fn history_page(&self, from: u64, _: usize) -> Result<HistoryPage, HistoryGap> {
        let history = self.history.lock();
        let from = from.max(1);
        if from <= self.forgotten.load(Ordering::Relaxed) {
            return Err(HistoryGap::TooOld { oldest: self.forgotten.load(Ordering::Relaxed) + 1 });
        }
        let entries = (1..).zip(history.iter()).filter(|(index, _)| *index >= from).take(3);
        let entries: Vec<_> = entries.map(|(index, record)| (index, vec![record.clone()])).collect();
        let next = entries.last().map_or(from, |(index, _)| index + 1);
        Ok(HistoryPage { entries, next })
    }

    async fn history_since(&self, time_us: u64) -> Result<u64, HistoryGap> {
        let history = self.history.lock();
        Ok(history.iter().take_while(|record| record.time_us < time_us).count() as u64)
    }

    async fn status(&self) -> Status {
        let quorum = self.mood() != Mood::NoQuorum;
        let member = |id: u64| MemberStatus {
            id,
            role: if id == 1 && quorum { Role::Leader } else { Role::Follower },
            applied: 18 - id,
            healthy: quorum,
            member: Member { peer: format!("127.0.0.1:744{id}"), admin: format!("127.0.0.1:954{id}") },
            version_max: 1,
        };
        Status {
            answered_by: 1,
            // Remembered even without a quorum, as a real node does.
            leader: Some(1),
            term: 3,
            quorum,
            last_log_index: 17,
            snapshot_index: 9,
            purged_index: 4,
            version: 1,
            members: (1..=3).map(member).collect(),
        }
    }

    async fn hand_over(&self, to: Option<u64>, _: Instant) -> Result<u64, OrderError> {
        match self.ordered(to)? {
            Some(to) if to > 3 => Err(OrderError::Refused(format!("node {to} is not a voter"))),
            to => Ok(to.unwrap_or(2)),
        }
    }

    /// Adds node 4; node 3 is a learner in its eyes, node 1 cannot be spared, and replacing ends nobody knows how.
    async fn change_members(&self, order: MemberOrder, _: Instant) -> Result<MemberChange, OrderError> {
        let change = |id, voters: &[u64], learners: &[u64]| MemberChange {
            id,
            changed: true,
            voters: voters.into(),
            learners: learners.into(),
        };
        match self.ordered(order)? {
            MemberOrder::Add(_) => Ok(change(4, &[1, 2], &[3, 4])),
            MemberOrder::Promote(id) => Ok(MemberChange { changed: id == 3, ..change(id, &[1, 2, 3], &[]) }),
            MemberOrder::Remove(1) => Err(OrderError::Refused("node 1 leads".to_owned())),
            MemberOrder::Remove(id) => Ok(change(id, &[1, 2], &[])),
            MemberOrder::Replace { .. } => Err(OrderError::Unknown("no quorum in time".to_owned())),
        }
    }

    async fn snapshot(&self, _: Instant) -> Result<(u64, u64), OrderError> {
        self.ordered((17, 4096))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HistoryGap> {
        let members = [1, 2, 3].into();
        Ok(vec![SnapshotRecord { index: 9, time_us: 1_000_000, digest: [0xab; 16], size_bytes: 4096, members }])
    }

    async fn backup(&self) -> Result<Backup, OrderError> {
        use cluster::StateMachine;
        let books = self.books.lock().clone();
        let (time_us, machine) = (books.now().0, LedgerMachine::of(books));
        let header = Header {
            cluster: [0xc0; 16],
            index: 17,
            log_id: Bytes::new(),
            membership: Bytes::new(),
            time_us,
            // Node 3 is asked in a mood of its own: what it sends does not have the digest that it tells.
            digest: if self.mood() == Mood::NodeDiffers { [7; 16] } else { machine.digest() },
            records: machine.records_count(),
        };
        Ok(Backup::of(header, machine, 0, drop))
    }

    async fn verify(&self, _: Instant) -> Result<(u64, Vec<MemberDigest>), OrderError> {
        let digest = |id: u64| MemberDigest {
            id,
            result: match self.mood() {
                Mood::NodeMissing if id == 3 => Err("no route to host".to_owned()),
                Mood::NodeDiffers if id == 3 => Ok(([7; 16], vec!["the places of USD sum to 1".to_owned()])),
                _ => Ok(([1; 16], Vec::new())),
            },
            version: String::new(),
        };
        self.ordered((17, (1..=3).map(digest).collect()))
    }
}

/// A gate through which everybody may.
pub(crate) fn gate() -> Gate {
    Gate::new(Access::default(), Counter::default())
}

/// Serves a fake's admin interface on a free port until the test's runtime ends; returns `HOST:PORT`.
pub(crate) async fn served(fake: Fake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let service = super::service(fake, about(), stand_in());
    tokio::spawn(super::serve((listener, tls::Wire::Plain), gate(), service, std::future::pending()));
    address
}

/// What the fake is called.
pub(crate) fn about() -> About {
    About {
        cluster_id: "c0".repeat(16),
        cluster_name: "fake".to_owned(),
        recent: Arc::default(),
        alarms: Arc::new(Quiet),
    }
}

/// Out of contact, and nothing else.
struct Quiet;

impl crate::alarms::Alarms for Quiet {
    fn alarms(&self) -> Vec<crate::alarms::Alarm> {
        crate::alarms::judge(&crate::alarms::Observed { tokens: (0, 1), ..Default::default() })
    }
}

/// A desk that is asked nothing.
pub(crate) fn stand_in() -> std::sync::Arc<dyn super::StandIn> {
    struct Undecided;
    impl standin::Decide for Undecided {
        async fn decide(&self, _: Command, _: Instant) -> Result<Output, standin::NoDecision> {
            Err(standin::NoDecision::NotProposed)
        }
    }
    std::sync::Arc::new(standin::Desk::new(Undecided, 2, 1))
}
