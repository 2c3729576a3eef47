//! What this room counts. All names are here; units are in the names.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// From 50 us, below one fsync of a good disk, to 1.6 s, twice a request's deadline.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_35, 0.000_5, 0.000_75, 0.001, 0.002, 0.003_5, 0.005, 0.01, 0.025, 0.1, 0.4, 0.8,
    1.6,
];
/// From a lonely command to a full batch.
const COMMANDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The stages of a commit.
#[derive(Debug)]
pub struct Stages {
    queue: Histogram,
    append: Histogram,
    commit: Histogram,
    apply: Histogram,
    batch: Histogram,
    applied: Counter,
    elections: Counter,
    history_written: Counter,
    history_dropped: Counter,
    history_lost: Counter,
}

impl Default for Stages {
    fn default() -> Self {
        Stages {
            queue: Histogram::new(SECONDS),
            append: Histogram::new(SECONDS),
            commit: Histogram::new(SECONDS),
            apply: Histogram::new(SECONDS),
            batch: Histogram::new(COMMANDS),
            applied: Counter::default(),
            elections: Counter::default(),
            history_written: Counter::default(),
            history_dropped: Counter::default(),
            history_lost: Counter::default(),
        }
    }
}

impl Stages {
    pub(crate) fn queued(&self, time: Duration) {
        self.queue.observe(time.as_secs_f64());
    }

    pub(crate) fn appended(&self, time: Duration) {
        self.append.observe(time.as_secs_f64());
    }

    pub(crate) fn committed(&self, time: Duration) {
        self.commit.observe(time.as_secs_f64());
    }

    pub(crate) fn applied(&self, commands: usize, time: Duration) {
        self.apply.observe(time.as_secs_f64());
        self.applied.inc_by(commands as u64);
    }

    pub(crate) fn batch(&self, commands: usize) {
        // A batch has at most 512 commands.
        self.batch.observe(commands as f64);
    }

    pub(crate) fn leader_changed(&self) {
        self.elections.inc();
    }

    pub(crate) fn history_written(&self, entries: usize) {
        self.history_written.inc_by(entries as u64);
    }

    pub(crate) fn history_dropped(&self) {
        self.history_dropped.inc();
    }

    pub(crate) fn history_lost(&self) {
        self.history_lost.inc();
    }

    fn register_history(&self, registry: &mut Registry) {
        registry.register(
            "holdfast_history_written_entries",
            "Log entries written to this node's history",
            self.history_written.clone(),
        );
        registry.register(
            "holdfast_history_dropped_entries",
            "Log entries missing in this node's history because its writer did not keep up",
            self.history_dropped.clone(),
        );
        registry.register(
            "holdfast_history_interruptions",
            "How often this node's history was damaged or could not be written",
            self.history_lost.clone(),
        );
    }

    /// Puts everything under `holdfast_commit_…`, `holdfast_raft_…` and `holdfast_history_…`.
    pub fn register(&self, registry: &mut Registry) {
        let stage = "Time a command waits until its batch is made";
        registry.register_with_unit("holdfast_commit_queue", stage, Unit::Seconds, self.queue.clone());
        let stage = "Time of one write and fdatasync of the log on this node";
        registry.register_with_unit("holdfast_commit_append", stage, Unit::Seconds, self.append.clone());
        let stage = "Time from proposing a batch until a quorum has it on disk, on the leader";
        registry.register_with_unit("holdfast_commit_replicate", stage, Unit::Seconds, self.commit.clone());
        let stage = "Time to apply one batch on this node";
        registry.register_with_unit("holdfast_commit_apply", stage, Unit::Seconds, self.apply.clone());
        registry.register("holdfast_commit_batch_commands", "Commands in one batch", self.batch.clone());
        registry.register("holdfast_commit_applied_commands", "Commands applied on this node", self.applied.clone());
        registry.register("holdfast_raft_leader_changes", "Leader changes seen by this node", self.elections.clone());
        self.register_history(registry);
    }
}
