//! From the file's words to what each room takes.

use super::{ClusterId, Config, LogFormat, LogLevel};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

const MIB: u64 = 1024 * 1024;

impl Config {
    /// How often all nodes' books are compared, if ever.
    pub fn audit_interval(&self) -> Option<Duration> {
        Some(self.audit.interval_s).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// How far a node's clock may be from the others', if that is looked at.
    pub fn clock_skew_max(&self) -> Option<Duration> {
        Some(self.raft.clock_skew_max_ms).filter(|ms| *ms > 0).map(Duration::from_millis)
    }

    /// What the processor's door is told.
    pub fn gateway(&self) -> gateway::Config {
        let program = |program: &super::Program| gateway::ProgramConfig {
            name: program.name.clone(),
            user: program.user.clone(),
            passwords: program.passwords.iter().map(|secret| secret.reveal().to_owned()).collect(),
        };
        let revealed = |secrets: &[super::Secret]| secrets.iter().map(|secret| secret.reveal().to_owned()).collect();
        let access = |program: &super::Program| gateway::WebhookAccess {
            program: program.name.clone(),
            user: program.webhook_user.clone(),
            passwords: revealed(&program.webhook_passwords),
            secrets: revealed(&program.webhook_secrets),
        };
        gateway::Config {
            webhooks: gateway::WebhookConfig {
                deadline: Duration::from_millis(self.webhooks.deadline_ms),
                // At most 512, see `validate`.
                items_max: usize::try_from(self.webhooks.items_max).unwrap_or(usize::MAX),
                access: self.programs.iter().map(access).collect(),
                ..gateway::WebhookConfig::default()
            },
            deadline: Duration::from_millis(self.jit.deadline_ms),
            undecided_reason: self.jit.undecided_reason.0,
            send_approved_flag: self.jit.approved_flag,
            // At most 65,536, see `validate`.
            connections_max: usize::try_from(self.jit.connections_max).unwrap_or(usize::MAX),
            drain_timeout: Duration::from_millis(self.shutdown.drain_ms),
            ..gateway::Config::new(self.programs.iter().map(program).collect())
        }
    }

    /// What the cluster is told. The clock gives microseconds since the Unix epoch; `chance` are random bytes.
    pub fn cluster(&self, clock: Arc<dyn Fn() -> u64 + Send + Sync>, chance: [u8; 16]) -> cluster::Config {
        let member = |member: &super::Member| {
            let reached = cluster::Member { peer: member.peer.clone(), admin: member.admin.clone() };
            (member.id, reached)
        };
        cluster::Config {
            cluster: self.cluster_id().0,
            cluster_is_given: self.cluster.id.is_some(),
            node: self.node.id,
            members: self.cluster.members.iter().map(member).collect(),
            bootstrap: self.cluster.bootstrap,
            join: cluster::Join { ask: self.cluster.join.clone(), own: self.own_address() },
            log_dir: self.log_dir(),
            data_dir: self.node.data_dir.clone(),
            history_dir: Some(self.node.data_dir.join("history")),
            segment_bytes: self.raft.segment_mib * MIB,
            timing: cluster::Timing {
                heartbeat: Duration::from_millis(self.raft.heartbeat_ms),
                election_min: Duration::from_millis(self.raft.election_min_ms),
                election_max: Duration::from_millis(self.raft.election_max_ms),
            },
            snapshots: cluster::SnapshotRule {
                log_bytes: self.snapshot.log_mib * MIB,
                interval: Duration::from_secs(self.snapshot.interval_s),
                bytes_per_second: self.snapshot.mib_per_second * MIB,
            },
            clock,
            clock_skew_max: self.clock_skew_max(),
            version_max: crate::version::CLUSTER_VERSION_MAX,
            packed_since: crate::version::PACKED_HISTORY,
            chance,
        }
    }

    /// Where the others reach this node: as it is told, or else as a static member.
    fn own_address(&self) -> cluster::Member {
        let own = self.cluster.members.iter().find(|member| member.id == self.node.id);
        let or = |text: &str, of: fn(&super::Member) -> &String| match own {
            Some(member) if text.is_empty() => of(member).clone(),
            Some(_) | None => text.to_owned(),
        };
        cluster::Member {
            peer: or(&self.cluster.advertise_peer, |member| &member.peer),
            admin: or(&self.cluster.advertise_admin, |member| &member.admin),
        }
    }

    /// What nodes find each other by: the id that is given, or the first 16 bytes of SHA-256 over `holdfast cluster`, a
    /// zero byte and the name. It stands in every identity, so the recipe is for ever.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster.id.unwrap_or_else(|| {
            let digest = Sha256::new().chain_update(b"holdfast cluster\0").chain_update(&self.cluster.name).finalize();
            ClusterId(std::array::from_fn(|place| digest[place]))
        })
    }

    /// Where the log is.
    pub fn log_dir(&self) -> PathBuf {
        self.node.log_dir.clone().unwrap_or_else(|| self.node.data_dir.join("log"))
    }
}

impl LogLevel {
    /// As the log knows it.
    pub fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

impl LogFormat {
    /// Whether lines are for machines.
    pub fn is_json(self) -> bool {
        match self {
            LogFormat::Text => false,
            LogFormat::Json => true,
        }
    }
}
