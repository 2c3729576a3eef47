//! The sections of the file. Each field says what it means, its default, its bounds, and since when there is one.

use super::values::{Money, RefusedKinds, RefusedMccs};
use super::{ClusterId, Secret, UndecidedReason};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// This node's number if it is one of `cluster.members`, never reused for another disk; whoever joins later is
    /// given one by the cluster. At least 1. Required without `cluster.join`. Since 0.1.0.
    pub id: u64,
    /// Where snapshots and the database are. Required. Since 0.1.0.
    pub data_dir: PathBuf,
    /// Where the log and the identity are; a disk of their own serves them best. Default `data_dir`/log. Since 0.1.0.
    pub log_dir: Option<PathBuf>,
    /// How many remembered decisions this machine's memory is meant for, some 400 to 700 bytes each: an alarm comes
    /// before, nothing is refused. Default 20,000,000. Since 0.1.0.
    pub tokens_max: u64,
    /// An alarm is raised when the file system of `data_dir` or `log_dir` has less than this left. Default 1024,
    /// 0 (never) to 1048576. Since 0.1.0.
    pub space_min_mib: u64,
    /// So much memory is touched when the node starts, before it is ready. For virtual machines whose host lends memory
    /// when it is first touched: later it is the cardholder who waits for it. Default 0, at most 1048576, in units of
    /// 32. Since 0.1.0.
    pub memory_touched_mib: u64,
}

impl Default for Node {
    fn default() -> Self {
        Node {
            id: 0,
            data_dir: PathBuf::new(),
            log_dir: None,
            tokens_max: 20_000_000,
            space_min_mib: 1024,
            memory_touched_mib: 0,
        }
    }
}

/// `[audit]`: do all nodes have the same books?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// How often the leader has the books of all nodes compared; each works out a digest of all of them, about two
    /// seconds of one core for a million accounts. A node that differs from a majority stops. Default 3600, 0 (never)
    /// or 10 to 604800. Since 0.1.0.
    pub interval_s: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { interval_s: 3600 }
    }
}

/// `[cluster]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// What the cluster is called: nodes find each other by it when the cluster is made, and certificates name it.
    /// Default `holdfast`, 1 to 64 printable characters. Since 0.1.0.
    pub name: String,
    /// The cluster's id, 32 hex digits. Default a random one, which the cluster mints when it is made and every node
    /// keeps in its identity. Since 0.1.0.
    pub id: Option<ClusterId>,
    /// Whether this node may make the cluster: with an empty store, the lowest id of `members`, and no peer that
    /// belongs to one already. Default false. Since 0.1.0.
    pub bootstrap: bool,
    /// All nodes as the cluster is first made; later changes are made with `holdfast ctl`. Required with `bootstrap`,
    /// this node among them unless it joins; at most 9. Since 0.1.0.
    pub members: Vec<Member>,
    /// `HOST:PORT` of peer listeners that an empty node asks to be taken in: one that is not in `members`, or one whose
    /// disk was lost. Default none, at most 9. Since 0.1.0.
    pub join: Vec<String>,
    /// `HOST:PORT` at which the others reach this node's peer listener once it has joined. Required with `join` for a
    /// node that is not in `members`; that one's is the default. Since 0.1.0.
    pub advertise_peer: String,
    /// The same of its admin gRPC. Required as that is. Since 0.1.0.
    pub advertise_admin: String,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            name: "holdfast".to_owned(),
            id: None,
            bootstrap: false,
            members: Vec::new(),
            join: Vec::new(),
            advertise_peer: String::new(),
            advertise_admin: String::new(),
        }
    }
}

/// One of `cluster.members`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Member {
    /// Its `node.id`. Required. Since 0.1.0.
    pub id: u64,
    /// `HOST:PORT` at which the others reach its peer listener. Required. Since 0.1.0.
    pub peer: String,
    /// `HOST:PORT` of its admin gRPC. Required. Since 0.1.0.
    pub admin: String,
}

/// `[listen]`. Each is `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The processor's door. Default `127.0.0.1:8441`. Since 0.1.0.
    pub jit: String,
    /// Probes and metrics. Default `127.0.0.1:9441`. Since 0.1.0.
    pub admin_http: String,
    /// The operator's gRPC. Whoever reaches it may do anything. Default `127.0.0.1:9541`. Since 0.1.0.
    pub admin_grpc: String,
    /// The other nodes. Default `127.0.0.1:7441`. Since 0.1.0.
    pub peer: String,
    /// The issuer's gRPC. Default empty: off.
    /// Needs `issuer.credentials`. Since 0.1.0.
    pub issuer: String,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            jit: "127.0.0.1:8441".to_owned(),
            admin_http: "127.0.0.1:9441".to_owned(),
            admin_grpc: "127.0.0.1:9541".to_owned(),
            peer: "127.0.0.1:7441".to_owned(),
            issuer: String::new(),
        }
    }
}

/// `[jit]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Jit {
    /// From the request's head having been read to its answer. Default 800, 50 to 2500: the processor waits 3,000.
    /// Since 0.1.0.
    pub deadline_ms: u64,
    /// `decline_reason` when there is no decision in time. Default `TRANSACTION_NOT_PERMITTED`. Since 0.1.0.
    pub undecided_reason: UndecidedReason,
    /// Whether replies begin with `"approved"`. Default true. Since 0.1.0.
    pub approved_flag: bool,
    /// Connections at a time; more are closed at once. Default 4096, 1 to 65536. Since 0.1.0.
    pub connections_max: u64,
}

impl Default for Jit {
    fn default() -> Self {
        Jit {
            deadline_ms: 800,
            undecided_reason: UndecidedReason::default(),
            approved_flag: true,
            connections_max: 4096,
        }
    }
}

/// `[standin]`: what a node answers without a quorum. The same on every node: each uses its part of the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StandIn {
    /// `decline`, or `approve` within limits, all of which must then be given. Default `decline`. Since 0.1.0.
    pub policy: StandInPolicy,
    /// The breaker opens when quorum contact is lost for this long. Default 1200, 100 to 60000, at least two
    /// `raft.election_max_ms` and 200 more, so that a fail-over is over before. Since 0.1.0.
    pub open_after_ms: u64,
    /// It also opens when this many of a hundred requests are not decided in time, in two spans of `open_after_ms` in a
    /// row. Default 80, 0 (never) or 50 to 100. Since 0.1.0.
    pub undecided_percent: u32,
    /// The ids that share what the whole cluster may approve: each of them its part, the others nothing. Default those
    /// of `cluster.members`; a node that joined later has a part only if it stands here. At most 64. Since 0.1.0.
    pub nodes: Vec<u64>,
    /// The most that one request is approved for, as `50.00 USD`. No default. Since 0.1.0.
    pub per_transaction: Money,
    /// The most for one account and window, over the whole cluster. No default. Since 0.1.0.
    pub per_account: Money,
    /// How many approvals for one account and window, over the whole cluster. No default. Since 0.1.0.
    pub per_account_count: u32,
    /// The most that one node approves in a window. No default. Since 0.1.0.
    pub per_node: Money,
    /// The most that the whole cluster approves in a window; empty: `per_node` alone bounds it. Since 0.1.0.
    pub total: Money,
    /// The window of log time that the limits count in. Default 86400, 60 to 31536000. Since 0.1.0.
    pub window_s: u64,
    /// At most this much of what an account was last known to have available, over the whole cluster. Default 100,
    /// 1 to 100. Since 0.1.0.
    pub available_percent: u32,
    /// Nothing is approved on books that may be older. Default 300000, 1000 to 86400000. Since 0.1.0.
    pub max_state_age_ms: u64,
    /// Kinds that are never approved, separated by commas: `cash`, `quasi-cash`, `gift-card`, `cross-border`,
    /// `first-use`, `raised-limits`. What may be one of them, because nothing says otherwise, is refused too.
    /// Default none. Since 0.1.0.
    pub refuse: RefusedKinds,
    /// Merchant categories that are never approved, separated by commas; a request without one is refused too.
    /// Default none. Since 0.1.0.
    pub refuse_mccs: RefusedMccs,
    /// Which requests may be approved at all; the first that matches decides, and `policy` what none matches. At most
    /// 64. Default none. Since 0.1.0.
    pub rules: Vec<StandInRule>,
}

/// One of `standin.rules`. What is empty asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StandInRule {
    /// Names of `programs`. Since 0.1.0.
    pub programs: Vec<String>,
    /// Merchant categories: four digits, a range as `5400-5499`, or a group's name as in controls. Since 0.1.0.
    pub mccs: Vec<String>,
    /// Channels, named as in controls. Since 0.1.0.
    pub channels: Vec<String>,
    /// At most so much, as `25.00 USD`, in the currency of the limits. Since 0.1.0.
    pub up_to: Money,
    /// `approve` or `decline`. Required. Since 0.1.0.
    pub policy: Option<StandInPolicy>,
}

impl Default for StandIn {
    fn default() -> Self {
        StandIn {
            policy: StandInPolicy::Decline,
            open_after_ms: 1200,
            undecided_percent: 80,
            nodes: Vec::new(),
            per_transaction: Money::default(),
            per_account: Money::default(),
            per_account_count: 0,
            per_node: Money::default(),
            total: Money::default(),
            window_s: 86_400,
            available_percent: 100,
            max_state_age_ms: 300_000,
            refuse: RefusedKinds::default(),
            refuse_mccs: RefusedMccs::default(),
            rules: Vec::new(),
        }
    }
}

/// What a node says alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StandInPolicy {
    /// No.
    #[default]
    Decline,
    /// Yes within limits.
    Approve,
}

/// One of `[[programs]]`: a card programme and who speaks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Program {
    /// Its name, which every account of it carries: 1 to 16 printable characters. Required. Since 0.1.0.
    pub name: String,
    /// User of HTTP Basic: 1 to 128 printable characters without a colon. Required. Since 0.1.0.
    pub user: String,
    /// One password, or several while they are being rotated: 12 to 256 printable characters each, at most 8.
    /// Required. Since 0.1.0.
    pub passwords: Vec<Secret>,
    /// User of HTTP Basic for webhooks. Default none: webhooks come with the credentials of the requests. Since 0.1.0.
    pub webhook_user: String,
    /// Its passwords, as above. Since 0.1.0.
    pub webhook_passwords: Vec<Secret>,
    /// Secrets of `X-Marqeta-Signature`, the old and the new while one is being replaced: at most 2 of 16 to 256 bytes.
    /// Default none: signatures are not looked at. Since 0.1.0.
    pub webhook_secrets: Vec<Secret>,
}

/// `[issuer]`: the issuer's own interface, at `listen.issuer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Issuer {
    /// Who may use it, at most 64. Default nobody. Since 0.1.0.
    pub credentials: Vec<IssuerCredentials>,
}

/// One of `issuer.credentials`: a caller, and the programme whose accounts it may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct IssuerCredentials {
    /// User of HTTP Basic: 1 to 128 printable characters without a colon. Required. Since 0.1.0.
    pub user: String,
    /// One password, or several while they are being rotated: 12 to 256 printable characters each, at most 8, and none
    /// that the processor has. Required. Since 0.1.0.
    pub passwords: Vec<Secret>,
    /// Which of `programs`. Default the first. Since 0.1.0.
    pub program: String,
}

/// `[webhooks]`: the processor's reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// From the post's head having been read to its answer. Default 5000, 100 to 30000: what is not committed by then
    /// is answered with 503 and sent again. Since 0.1.0.
    pub deadline_ms: u64,
    /// Items that are proposed at a time; the others wait, so that authorizations go before. Default 128, 10 to 512.
    /// Since 0.1.0.
    pub items_max: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Webhooks { deadline_ms: 5000, items_max: 128 }
    }
}

/// `[raft]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    /// How often a leader reminds its followers. Default 50, 10 to 1000. Since 0.1.0.
    pub heartbeat_ms: u64,
    /// Shortest wait before an election. Default 150, 30 to 10000, at least 3 heartbeats: one lost packet must not
    /// cost an election. Since 0.1.0.
    pub election_min_ms: u64,
    /// Longest wait before an election, and the leader's lease. Default 300, 60 to 20000, at least a heartbeat more
    /// than the shortest, so that two candidates rarely meet. Since 0.1.0.
    pub election_max_ms: u64,
    /// How large a segment of the log is; it is written full of zeros before use. Default 64, 1 to 1024. Since 0.1.0.
    pub segment_mib: u64,
    /// A node whose clock is further from the middle one of all members' does not lead while another can, and raises
    /// the alarm CLOCK_SKEW. Default 500, 0 (never) or 10 to 60000. Since 0.1.0.
    pub clock_skew_max_ms: u64,
}

impl Default for Raft {
    fn default() -> Self {
        Raft { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300, segment_mib: 64, clock_skew_max_ms: 500 }
    }
}

/// `[snapshot]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// One is taken when the log has grown by this much. Default 256, 1 to 65536, at least a segment of the log.
    /// Since 0.1.0.
    pub log_mib: u64,
    /// One is taken when the last is this old and something was applied since. Default 300, 1 to 86400. Since 0.1.0.
    pub interval_s: u64,
    /// How fast it is written, so that the log's fsyncs are not delayed. Default 32, 0 (as fast as it goes) to 4096.
    /// Since 0.1.0.
    pub mib_per_second: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot { log_mib: 256, interval_s: 300, mib_per_second: 32 }
    }
}

/// `[shutdown]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// For so long a node that gets SIGTERM goes on answering, while `/readyz` says no and each answer ends its
    /// connection: longer than a balancer takes to notice. Default 1000, 0 to 60000. Since 0.1.0.
    pub leave_ms: u64,
    /// How long requests in flight may take once it takes no more. Default 5000, 0 to 60000. Since 0.1.0.
    pub drain_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown { leave_ms: 1000, drain_ms: 5000 }
    }
}

/// `[log]`. It goes to standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` for people, `json` for machines, a line each. Default `text`. Since 0.1.0.
    pub format: LogFormat,
    /// Whether each request and each post of reports has a line, with its id, its place in a trace, status and time.
    /// Default false. Since 0.1.0.
    pub requests: bool,
    /// What is worth a line: `error`, `warn`, `info`, `debug` or `trace`. Default `info`. Since 0.1.0.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is worth a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What wakes a human.
    Error,
    /// What should be looked at.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// `[dev]`. Not for production.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Dev {
    /// `/readyz` is held back until the accounts `demo-1` to `demo-N` of the first programme exist, so that whoever
    /// waits for it can use them. The node does not open them; `holdfast up` does. Default 0 (off), at most 256.
    /// Since 0.1.0.
    pub demo_accounts: u32,
}
