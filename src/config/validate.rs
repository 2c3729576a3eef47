//! The bounds of each field and the relations between them. The first that does not hold is named.

use super::{Config, ConfigError};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

impl Config {
    /// Checks everything that can be checked without touching disk or network.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_node()?;
        self.validate_cluster()?;
        self.validate_listen()?;
        self.validate_tls()?;
        within("jit.deadline_ms", self.jit.deadline_ms, 50..=2500)?;
        within("jit.connections_max", self.jit.connections_max, 1..=65_536)?;
        within("webhooks.deadline_ms", self.webhooks.deadline_ms, 100..=30_000)?;
        within("webhooks.items_max", self.webhooks.items_max, 10..=512)?;
        self.validate_raft()?;
        self.validate_stand_in()?;
        within("snapshot.log_mib", self.snapshot.log_mib, 1..=65_536)?;
        at_least("snapshot.log_mib", self.snapshot.log_mib, "raft.segment_mib", self.raft.segment_mib)?;
        let never = self.audit.interval_s == 0;
        within("audit.interval_s", if never { 10 } else { self.audit.interval_s }, 10..=604_800)?;
        within("snapshot.interval_s", self.snapshot.interval_s, 1..=86_400)?;
        within("snapshot.mib_per_second", self.snapshot.mib_per_second, 0..=4096)?;
        within("shutdown.leave_ms", self.shutdown.leave_ms, 0..=60_000)?;
        within("shutdown.drain_ms", self.shutdown.drain_ms, 0..=60_000)?;
        within("dev.demo_accounts", u64::from(self.dev.demo_accounts), 0..=256)?;
        self.validate_programs()?;
        self.validate_issuer()?;
        self.validate_admin()
    }

    fn validate_node(&self) -> Result<(), ConfigError> {
        require("node.id", self.node.id != 0 || self.joins(), "is required, at least 1, without cluster.join")?;
        require("node.tokens_max", self.node.tokens_max > 0, "must be at least 1")?;
        within("node.space_min_mib", self.node.space_min_mib, 0..=1024 * 1024)?;
        within("node.memory_touched_mib", self.node.memory_touched_mib, 0..=1024 * 1024)?;
        require("node.data_dir", !self.node.data_dir.as_os_str().is_empty(), "is required")?;
        let log_dir = self.node.log_dir.as_ref();
        require("node.log_dir", log_dir.is_none_or(|dir| !dir.as_os_str().is_empty()), "is empty")?;
        require("node.log_dir", log_dir != Some(&self.node.data_dir), "is the same as node.data_dir")
    }

    fn validate_cluster(&self) -> Result<(), ConfigError> {
        let cluster = &self.cluster;
        let named = (1..=64).contains(&cluster.name.len()) && !cluster.name.chars().any(char::is_control);
        require("cluster.name", named, "must be 1 to 64 printable characters")?;
        let members = &cluster.members;
        require("cluster.members", members.len() <= 9, "are more than 9")?;
        let (mut ids, mut peers, mut admins) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, member) in members.iter().enumerate() {
            let field = |name: &str| format!("cluster.members[{index}].{name}");
            require(&field("id"), member.id != 0, "is required, at least 1")?;
            require(&field("id"), ids.insert(member.id), "is given twice")?;
            address(&field("peer"), &member.peer)?;
            require(&field("peer"), peers.insert(&member.peer), "is given twice")?;
            address(&field("admin"), &member.admin)?;
            require(&field("admin"), admins.insert(&member.admin), "is given twice")?;
        }
        let listed = members.is_empty() && !cluster.bootstrap || ids.contains(&self.node.id);
        require("cluster.members", listed || self.joins(), &format!("must list this node, {}", self.node.id))?;
        self.validate_join()
    }

    /// Whether an empty node asks to be taken in, unless it is one of the static members.
    fn joins(&self) -> bool {
        !self.cluster.join.is_empty()
    }

    fn validate_join(&self) -> Result<(), ConfigError> {
        let cluster = &self.cluster;
        require("cluster.join", cluster.join.len() <= 9, "are more than 9")?;
        for (index, text) in cluster.join.iter().enumerate() {
            address(&format!("cluster.join[{index}]"), text)?;
        }
        for (field, text) in
            [("cluster.advertise_peer", &cluster.advertise_peer), ("cluster.advertise_admin", &cluster.advertise_admin)]
        {
            let known = !text.is_empty() || !self.joins() || self.is_static();
            require(field, known, "is required with cluster.join: the others must be told where this node is reached")?;
            if !text.is_empty() {
                address(field, text)?;
            }
        }
        Ok(())
    }

    fn is_static(&self) -> bool {
        self.cluster.members.iter().any(|member| member.id == self.node.id)
    }

    fn validate_listen(&self) -> Result<(), ConfigError> {
        let listen = &self.listen;
        let all = [
            ("listen.jit", &listen.jit),
            ("listen.admin_http", &listen.admin_http),
            ("listen.admin_grpc", &listen.admin_grpc),
            ("listen.peer", &listen.peer),
        ];
        let mut taken = BTreeSet::new();
        let issuer = Some(("listen.issuer", &listen.issuer)).filter(|(_, text)| !text.is_empty());
        for (field, text) in all.into_iter().chain(issuer) {
            address(field, text)?;
            require(field, taken.insert(text), "is the address of another listener")?;
        }
        Ok(())
    }

    fn validate_programs(&self) -> Result<(), ConfigError> {
        require("programs", !self.programs.is_empty(), "are missing: a node without credentials does not start")?;
        require("programs", self.programs.len() <= 64, "are more than 64")?;
        for (index, program) in self.programs.iter().enumerate() {
            for (name, passwords) in
                [("passwords", &program.passwords), ("webhook_passwords", &program.webhook_passwords)]
            {
                let field = format!("programs[{index}].{name}");
                require(&field, passwords.len() <= 8, "are more than 8")?;
                for (number, password) in passwords.iter().enumerate() {
                    let field = format!("{field}[{number}]");
                    require(&field, password.reveal().chars().count() >= 12, "is shorter than 12 characters")?;
                }
            }
            let field = format!("programs[{index}].webhook_passwords");
            let both = program.webhook_user.is_empty() == program.webhook_passwords.is_empty();
            require(&field, both, "and webhook_user belong together")?;
            let field = format!("programs[{index}].webhook_secrets");
            require(&field, program.webhook_secrets.len() <= 2, "are more than 2")?;
            let sized = |secret: &super::Secret| (16..=256).contains(&secret.reveal().len());
            require(&field, program.webhook_secrets.iter().all(sized), "must be 16 to 256 bytes each")?;
        }
        // The door knows the rest. Its other fields are within its bounds already, so it names a programme's.
        self.gateway().validate().map_err(|error| ConfigError::field(error.field, error.problem))
    }

    fn validate_raft(&self) -> Result<(), ConfigError> {
        let raft = &self.raft;
        within("raft.heartbeat_ms", raft.heartbeat_ms, 10..=1000)?;
        within("raft.election_min_ms", raft.election_min_ms, 30..=10_000)?;
        within("raft.election_max_ms", raft.election_max_ms, 60..=20_000)?;
        let three = 3 * raft.heartbeat_ms;
        at_least("raft.election_min_ms", raft.election_min_ms, "3 x raft.heartbeat_ms", three)?;
        let apart = raft.election_min_ms + raft.heartbeat_ms;
        let relation = "raft.election_min_ms + raft.heartbeat_ms";
        at_least("raft.election_max_ms", raft.election_max_ms, relation, apart)?;
        within("raft.segment_mib", raft.segment_mib, 1..=1024)?;
        let never = raft.clock_skew_max_ms == 0;
        within("raft.clock_skew_max_ms", if never { 10 } else { raft.clock_skew_max_ms }, 10..=60_000)
    }
}

pub(super) fn require(field: &str, holds: bool, problem: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::field(field, problem)) }
}

pub(super) fn within(field: &str, value: u64, bounds: RangeInclusive<u64>) -> Result<(), ConfigError> {
    let (least, most) = (bounds.start(), bounds.end());
    require(field, value >= *least, &format!("{value} is below {least}"))?;
    require(field, value <= *most, &format!("{value} is above {most}"))
}

pub(super) fn at_least(field: &str, value: u64, relation: &str, least: u64) -> Result<(), ConfigError> {
    require(field, value >= least, &format!("{value} is below {relation} = {least}"))
}

/// `HOST:PORT`, a name, an IPv4 address or an IPv6 address in brackets. Names are resolved when they are used.
pub(crate) fn address(field: &str, text: &str) -> Result<(), ConfigError> {
    const WRONG: &str = "must be HOST:PORT";
    let (host, port) = text.rsplit_once(':').ok_or_else(|| ConfigError::field(field, WRONG))?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !bracketed && !host.is_empty() && host.bytes().all(plain),
    };
    let numbered = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0);
    require(field, named && numbered, WRONG)
}
