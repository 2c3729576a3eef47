//! What one node can be told: one TOML file, each key overridable by the environment.
//!
//! What must hold: a key that is not known is refused and named, wherever it stands; a [`Config`] that was loaded is
//! valid; no secret leaves in a message or a print.
//!
//! Not here: anything that can change a decision of the books, which is replicated state, set by a command. `[standin]`
//! is what a node says when there are no books to ask. Nor the
//! door's fixed bounds (bodies, heads, idle connections), which nobody has a reason to turn.

mod admin;
pub mod command;
mod issuer;
mod layers;
mod mapping;
#[cfg(test)]
mod reference;
mod secret;
mod sections;
mod stand_in;
mod tls;
mod validate;
mod values;

pub use admin::{Admin, AdminCertificate, AdminToken};
pub use secret::Secret;
pub use sections::{
    Audit, Cluster, Dev, Issuer, IssuerCredentials, Jit, Listen, Log, LogFormat, LogLevel, Member, Node, Program, Raft,
    Shutdown, Snapshot, StandIn, StandInPolicy, StandInRule, Webhooks,
};
pub use stand_in::Joined;
pub use tls::{Listener, Tls};
pub(crate) use validate::address;
pub use values::{ClusterId, Money, UndecidedReason};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that a node is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this node is, and where its files are.
    pub node: Node,
    /// Which cluster it belongs to.
    pub cluster: Cluster,
    /// Where it listens.
    pub listen: Listen,
    /// Its certificates.
    pub tls: Tls,
    /// The processor's door.
    pub jit: Jit,
    /// The processor's reports.
    pub webhooks: Webhooks,
    /// What is answered without a quorum.
    pub standin: StandIn,
    /// The card programmes that may ask. At least one; there are no default credentials. Since 0.1.0.
    pub programs: Vec<Program>,
    /// Who may use the issuer's interface.
    pub issuer: Issuer,
    /// Who may use the operators' interface.
    pub admin: Admin,
    /// Raft's timers and its log.
    pub raft: Raft,
    /// When all nodes' books are compared.
    pub audit: Audit,
    /// When snapshots are taken.
    pub snapshot: Snapshot,
    /// How a node stops.
    pub shutdown: Shutdown,
    /// What is logged, and how.
    pub log: Log,
    /// For trying things out.
    pub dev: Dev,
}

/// Why there is no configuration. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML. The line itself is left out: a password may stand in it.
    #[error("{} is not TOML: line {line}: {problem}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A key is unknown, or its value is not what it takes.
    #[error("{field}: {problem}")]
    Field {
        /// The key as in `jit.deadline_ms`, or the environment variable that overrides it.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ConfigError {
    pub(crate) fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        ConfigError::Field { field: field.into(), problem: problem.into() }
    }
}

impl Config {
    /// Defaults, then the file, then those variables of `env` that begin with `HOLDFAST__`. What comes back is valid.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
        let Some(path) = path else {
            return Config::from_text("", Path::new("(no file)"), env);
        };
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::from_text(&text, path, env)
    }

    /// As [`Config::load`], with the file's text at hand. The path is only for messages.
    pub fn from_text(
        text: &str,
        path: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut table = layers::parse(text, path)?;
        layers::overlay(&mut table, env)?;
        let mut config = Config::deserialize(table)
            .map_err(|error| ConfigError::field(path.display().to_string(), error.message()))?;
        config.read_secrets()?;
        config.validate()?;
        Ok(config)
    }

    /// What is in force, as TOML that [`Config::load`] takes again, but for the secrets, which are masked.
    pub fn render_masked(&self) -> Result<String, toml::ser::Error> {
        let mut shown = self.clone();
        shown.node.log_dir = Some(self.log_dir());
        toml::to_string(&shown)
    }
}

/// The variables of this process that [`Config::load`] looks at. One that is not UTF-8 is kept, so that it is refused.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value))).filter(|(name, _)| layers::is_ours(name))
}

#[cfg(test)]
mod tests;
