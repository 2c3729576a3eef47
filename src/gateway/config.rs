//! What the door can be told, and what it may not be told. Plain structs: reading files is the root's work.

use crate::Reason;
use ledger::Program;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Everything that the door can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may ask; at least one. No defaults: a door without credentials does not open.
    pub programs: Vec<ProgramConfig>,
    /// From the request's head having been read to its answer. Default 800 ms, 50 to 2,900 ms (Marqeta waits 3,000).
    pub deadline: Duration,
    /// `decline_reason` when there is no decision in time. Default `TRANSACTION_NOT_PERMITTED`.
    pub undecided_reason: Reason,
    /// Whether replies begin with `"approved"`. Default yes.
    pub send_approved_flag: bool,
    /// The largest body. Default 64 KiB, 1 KiB to 1 MiB.
    pub body_bytes_max: usize,
    /// The largest request line and headers together. Default 16 KiB, 1 KiB to 64 KiB.
    pub header_bytes_max: usize,
    /// Connections at a time; more are closed as soon as they are accepted. Default 4,096, 1 to 65,536.
    pub connections_max: usize,
    /// How long a head may take from its first byte, a new connection until that first byte, and a client to take an
    /// answer. Default 5 s, 100 ms to 60 s.
    pub header_read_timeout: Duration,
    /// How long a connection may stay without a request. Default 75 s, 1 s to 1 h.
    pub idle_timeout: Duration,
    /// How long requests in flight may take after the drain began. Default 5 s, up to 60 s.
    pub drain_timeout: Duration,
    /// What is different for reports.
    pub webhooks: WebhookConfig,
}

/// What the door is told about reports.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// From the post's head having been read to its answer. Default 5 s, 100 ms to 30 s: the processor sends it again
    /// after seconds to days.
    pub deadline: Duration,
    /// The largest body. Default 256 KiB, 1 KiB to 1 MiB: ten items of some KiB each.
    pub body_bytes_max: usize,
    /// Posts that are dealt with at a time; one more is told to come again. Default 256, 1 to 4,096: with the body's
    /// bound 64 MiB.
    pub posts_max: usize,
    /// Items that are proposed at a time. Default 128, 10 (one post) to 512: a quarter of a batch of 512, so that
    /// authorizations have the rest.
    pub items_max: usize,
    /// Credentials and secrets of programmes that have some of their own for reports.
    pub access: Vec<WebhookAccess>,
}

/// Who may report for a programme.
#[derive(Clone)]
pub struct WebhookAccess {
    /// The programme's name.
    pub program: String,
    /// User of HTTP Basic; empty: credentials are those of the requests.
    pub user: String,
    /// One password, or several while they are being rotated. None without a user.
    pub passwords: Vec<String>,
    /// Secrets of `X-Marqeta-Signature`, two at most: the old and the new. None: signatures are not looked at.
    pub secrets: Vec<String>,
}

impl fmt::Debug for WebhookAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookAccess")
            .field("program", &self.program)
            .field("user", &self.user)
            .field("passwords", &format_args!("{} masked", self.passwords.len()))
            .field("secrets", &format_args!("{} masked", self.secrets.len()))
            .finish()
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        WebhookConfig {
            deadline: Duration::from_secs(5),
            body_bytes_max: 256 * 1024,
            posts_max: 256,
            items_max: 128,
            access: Vec::new(),
        }
    }
}

/// A card programme and who speaks for it.
#[derive(Clone)]
pub struct ProgramConfig {
    /// Its name, which every key of the books carries: 1 to 16 characters.
    pub name: String,
    /// User of HTTP Basic: 1 to 128 printable characters without a colon.
    pub user: String,
    /// One password, or several while they are being rotated: each 1 to 256 characters.
    pub passwords: Vec<String>,
}

impl fmt::Debug for ProgramConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passwords = format_args!("{} masked", self.passwords.len());
        f.debug_struct("ProgramConfig")
            .field("name", &self.name)
            .field("user", &self.user)
            .field("passwords", &passwords)
            .finish()
    }
}

/// Which field is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct ConfigError {
    /// The field, as in `programs[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigError {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        ConfigError { field: field.into(), problem: problem.into() }
    }
}

impl Config {
    /// The defaults for these programmes.
    pub fn new(programs: Vec<ProgramConfig>) -> Self {
        Config {
            programs,
            deadline: Duration::from_millis(800),
            undecided_reason: Reason::TRANSACTION_NOT_PERMITTED,
            send_approved_flag: true,
            body_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            connections_max: 4096,
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(5),
            webhooks: WebhookConfig::default(),
        }
    }

    /// Checks every field; names the first that is out of bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let millis = Duration::from_millis;
        within("deadline", self.deadline, millis(50)..=millis(2_900))?;
        within("body_bytes_max", self.body_bytes_max, 1024..=1024 * 1024)?;
        within("header_bytes_max", self.header_bytes_max, 1024..=64 * 1024)?;
        within("connections_max", self.connections_max, 1..=65_536)?;
        within("header_read_timeout", self.header_read_timeout, millis(100)..=millis(60_000))?;
        within("idle_timeout", self.idle_timeout, millis(1_000)..=millis(3_600_000))?;
        within("drain_timeout", self.drain_timeout, millis(0)..=millis(60_000))?;
        self.validate_programs()?;
        self.validate_webhooks()
    }

    fn validate_programs(&self) -> Result<(), ConfigError> {
        if self.programs.is_empty() {
            return Err(ConfigError::new("programs", "is empty"));
        }
        let mut credentials = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (index, program) in self.programs.iter().enumerate() {
            let field = |name: &str| format!("programs[{index}].{name}");
            Program::new(&program.name).map_err(|error| ConfigError::new(field("name"), error.to_string()))?;
            if !names.insert(&program.name) {
                return Err(ConfigError::new(field("name"), "is given twice"));
            }
            if !is_printable(&program.user, 128) || program.user.contains(':') {
                return Err(ConfigError::new(field("user"), "must be 1 to 128 printable characters without a colon"));
            }
            if program.passwords.is_empty() {
                return Err(ConfigError::new(field("passwords"), "is empty"));
            }
            for (number, password) in program.passwords.iter().enumerate() {
                let field = field(&format!("passwords[{number}]"));
                if !is_printable(password, 256) {
                    return Err(ConfigError::new(field, "must be 1 to 256 printable characters"));
                }
                if !credentials.insert((&program.user, password)) {
                    return Err(ConfigError::new(field, "is given twice for this user"));
                }
            }
        }
        Ok(())
    }
}

impl Config {
    /// Two programmes must not share the credentials of their reports, whether they are their own or the requests'.
    fn validate_webhooks(&self) -> Result<(), ConfigError> {
        let webhooks = &self.webhooks;
        let millis = Duration::from_millis;
        within("webhooks.deadline", webhooks.deadline, millis(100)..=millis(30_000))?;
        within("webhooks.body_bytes_max", webhooks.body_bytes_max, 1024..=1024 * 1024)?;
        within("webhooks.posts_max", webhooks.posts_max, 1..=4096)?;
        within("webhooks.items_max", webhooks.items_max, 10..=512)?;
        let own = |name: &String| webhooks.access.iter().any(|of| of.program == *name && !of.user.is_empty());
        let others = self.programs.iter().filter(|program| !own(&program.name));
        let mut credentials: BTreeSet<_> =
            others.flat_map(|program| program.passwords.iter().map(|password| (&program.user, password))).collect();
        for (index, access) in webhooks.access.iter().enumerate() {
            let wrong = |name: &str, problem: &str| {
                Err(ConfigError::new(format!("webhooks.access[{index}].{name}"), problem.to_owned()))
            };
            if !self.programs.iter().any(|program| program.name == access.program) {
                return wrong("program", "is no programme");
            }
            if webhooks.access.iter().take(index).any(|other| other.program == access.program) {
                return wrong("program", "is given twice");
            }
            if access.user.is_empty() != access.passwords.is_empty() {
                return wrong("passwords", "and a user belong together");
            }
            if !access.user.is_empty() && (!is_printable(&access.user, 128) || access.user.contains(':')) {
                return wrong("user", "must be 1 to 128 printable characters without a colon");
            }
            if !access.passwords.iter().all(|password| is_printable(password, 256)) {
                return wrong("passwords", "must be 1 to 256 printable characters");
            }
            if !access.passwords.iter().all(|password| credentials.insert((&access.user, password))) {
                return wrong("passwords", "are given twice for this user");
            }
            if access.secrets.len() > 2 {
                return wrong("secrets", "are more than 2");
            }
            if !access.secrets.iter().all(|secret| (16..=256).contains(&secret.len())) {
                return wrong("secrets", "must be 16 to 256 bytes");
            }
        }
        Ok(())
    }
}

fn is_printable(text: &str, len_max: usize) -> bool {
    (1..=len_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn within<T: PartialOrd + fmt::Debug>(field: &str, value: T, bounds: RangeInclusive<T>) -> Result<(), ConfigError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("is {value:?}, must be from {:?} to {:?}", bounds.start(), bounds.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let program = |name: &str, passwords: &[&str]| ProgramConfig {
            name: name.into(),
            user: "marqeta".into(),
            passwords: passwords.iter().map(|password| (*password).to_owned()).collect(),
        };
        Config::new(vec![program("default", &["one", "two"]), program("second", &["three"])])
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(config().validate(), Ok(()));
    }

    #[test]
    fn a_wrong_field_is_named() {
        type Spoil = fn(&mut Config);
        let cases: [(&str, Spoil); 12] = [
            ("deadline", |config| config.deadline = Duration::from_secs(3)),
            ("body_bytes_max", |config| config.body_bytes_max = 0),
            ("header_bytes_max", |config| config.header_bytes_max = 65 * 1024),
            ("connections_max", |config| config.connections_max = 0),
            ("header_read_timeout", |config| config.header_read_timeout = Duration::ZERO),
            ("idle_timeout", |config| config.idle_timeout = Duration::ZERO),
            ("drain_timeout", |config| config.drain_timeout = Duration::from_secs(61)),
            ("programs", |config| config.programs.clear()),
            ("programs[1].name", |config| config.programs[1].name = "default".into()),
            ("programs[0].user", |config| config.programs[0].user = "a:b".into()),
            ("programs[0].passwords", |config| config.programs[0].passwords.clear()),
            ("programs[1].passwords[0]", |config| config.programs[1].passwords[0] = "two".into()),
        ];
        for (field, spoil) in cases {
            let mut config = config();
            spoil(&mut config);
            assert_eq!(config.validate().map_err(|error| error.field), Err(field.to_owned()));
        }
    }

    #[test]
    fn a_wrong_field_of_the_reports_is_named() {
        type Spoil = fn(&mut WebhookConfig);
        let access = |program: &str, user: &str, passwords: &[&str], secrets: &[&str]| WebhookAccess {
            program: program.into(),
            user: user.into(),
            passwords: passwords.iter().map(|password| (*password).to_owned()).collect(),
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        };
        let sound = || {
            let mut config = config();
            config.webhooks.access = vec![
                access("default", "hook", &["four"], &["0123456789abcdef", "fedcba9876543210"]),
                access("second", "", &[], &[]),
            ];
            config
        };
        assert_eq!(sound().validate(), Ok(()));
        assert!(!format!("{:?}", sound()).contains("0123456789abcdef"));
        let cases: [(&str, Spoil); 12] = [
            ("deadline", |of| of.deadline = Duration::from_secs(31)),
            ("body_bytes_max", |of| of.body_bytes_max = 0),
            ("posts_max", |of| of.posts_max = 0),
            ("items_max", |of| of.items_max = 9),
            ("access[1].program", |of| of.access[1].program = "third".into()),
            ("access[1].program", |of| of.access[1].program = "default".into()),
            ("access[1].passwords", |of| of.access[1].user = "hook".into()),
            ("access[0].user", |of| of.access[0].user = "a:b".into()),
            ("access[0].passwords", |of| of.access[0].passwords = vec!["\n".into()]),
            // Those of the second programme's requests, which are those of its reports.
            ("access[0].passwords", |of| {
                (of.access[0].user, of.access[0].passwords) = ("marqeta".into(), vec!["three".into()]);
            }),
            ("access[0].secrets", |of| of.access[0].secrets.push("0123456789abcdef".into())),
            ("access[0].secrets", |of| of.access[0].secrets = vec!["short".into()]),
        ];
        for (field, spoil) in cases {
            let mut config = sound();
            spoil(&mut config.webhooks);
            let error = config.validate().map_err(|error| error.field);
            assert_eq!(error, Err(format!("webhooks.{field}")));
        }
    }

    #[test]
    fn secrets_are_masked() {
        assert!(!format!("{:?}", config()).contains("three"));
    }
}
