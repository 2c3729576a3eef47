//! What a node of a cluster must be told.

use crate::types::Member;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings of one node. The application reads its own files and fills this in.
#[derive(Clone)]
pub struct Config {
    /// The cluster's id, or what nodes without one find each other by.
    pub cluster: [u8; 16],
    /// Whether `cluster` is the id itself. If it is not, the cluster mints one when it is made (`naming.rs`).
    pub cluster_is_given: bool,
    /// This node's id, if it is one of `members`. Whoever joins later gets its id from the cluster; so does a static
    /// member that has lost its disk.
    pub node: u64,
    /// All nodes as they are when the cluster is first made.
    pub members: BTreeMap<u64, Member>,
    /// Whether this node may make the cluster: it does so only with an empty store, the lowest id of `members`, a
    /// majority of them there, and none that says it already belongs to one.
    pub bootstrap: bool,
    /// How an empty node that is not one of `members` comes in.
    pub join: Join,
    /// Where the log and the identity are. May lie on a disk of its own.
    pub log_dir: PathBuf,
    /// Where snapshots and the database are.
    pub data_dir: PathBuf,
    /// Where the history is; `None`: none is kept. A directory on a real disk, whatever the other files lie on.
    pub history_dir: Option<PathBuf>,
    /// How large a log segment is. It is written full of zeros before use.
    pub segment_bytes: u64,
    /// Raft's timers.
    pub timing: Timing,
    /// When a snapshot is taken without being asked for.
    pub snapshots: SnapshotRule,
    /// The clock that stamps batches, in microseconds since the Unix epoch.
    pub clock: Clock,
    /// A node whose clock is further from the others' does not lead while another can. `None`: it leads all the same.
    pub clock_skew_max: Option<Duration>,
    /// The highest version of a cluster that this program understands; see [`crate::StateMachine::since`].
    pub version_max: u32,
    /// From which version of the cluster on the history's chunks are packed: who came before cannot read them.
    pub packed_since: u32,
    /// Random bytes of this very start, not all zero. A directory that is made in it goes by them: they tell it from
    /// every other.
    pub chance: [u8; 16],
}

/// How an empty node comes into a cluster that is made already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// `HOST:PORT` of members' peer listeners, one of which will do. Empty: it does not join.
    pub ask: Vec<String>,
    /// Where the others will reach this node.
    pub own: Member,
}

/// Microseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Raft's timers. A dead leader is replaced after about `election_max` + `election_min..election_max` + one round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader reminds its followers.
    pub heartbeat: Duration,
    /// Shortest wait before an election.
    pub election_min: Duration,
    /// Longest wait before an election, and the leader's lease.
    pub election_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
        }
    }
}

/// When a snapshot is taken without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRule {
    /// When the log has grown to this many bytes.
    pub log_bytes: u64,
    /// When the last one is this old and something was applied since.
    pub interval: Duration,
    /// Bytes per second while it is written, so that the log's fsyncs are not delayed. 0: as fast as it goes.
    pub bytes_per_second: u64,
}

impl Default for SnapshotRule {
    fn default() -> Self {
        SnapshotRule {
            log_bytes: 256 * 1024 * 1024,
            interval: Duration::from_secs(300),
            bytes_per_second: 32 * 1024 * 1024,
        }
    }
}

impl Config {
    /// The cluster's id as text.
    pub fn cluster_text(&self) -> String {
        crate::naming::text(&self.cluster)
    }

    /// What openraft is told.
    pub(crate) fn raft(&self) -> Result<openraft::Config, String> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let config = openraft::Config {
            cluster_name: self.cluster_text(),
            heartbeat_interval: millis(self.timing.heartbeat),
            election_timeout_min: millis(self.timing.election_min),
            election_timeout_max: millis(self.timing.election_max),
            enable_pre_vote: Some(true),
            // A leader sends entries before its own disk has them. Back after a power cut without its tail, and leading
            // on in its old term, it would give other entries the ids of those that its followers have committed.
            enable_leader_restore: Some(false),
            // Entries hold whole batches: our own trigger decides by bytes and time, and our own purge keeps the log
            // that the older of two snapshots needs.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            // 16 batches of 64 KiB; reads are bounded by bytes as well.
            max_payload_entries: 64,
            max_append_entries: Some(64),
            replication_lag_threshold: 10_000,
            ..openraft::Config::default()
        };
        config.validate().map_err(|e| e.to_string())
    }
}
