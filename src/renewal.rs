//! Looking again at what may be renewed while the node runs: certificates, who may speak with which secret, and those
//! settings that need no restart.
//!
//! What must hold: files are looked at in bounded intervals, and at once when somebody says so (SIGHUP); what cannot be
//! used changes nothing and is said once; all of one configuration comes into force together. A setting that needs a
//! restart stays as it was at the start, whatever else has changed with it, and is said by its name.

use crate::admin::Gate;
use crate::config::{Admin, Config, ConfigError, Issuer, Joined, Log, Program, Shutdown, StandIn};
use crate::issuer;
use crate::replicated::Replicated;
use crate::secure::Certificates;
use gateway::{Credentials, Gateway};
use standin::Desk;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use toml::{Table, Value};

/// Settings that come into force without a restart: those that [`in_force`] takes over.
#[cfg(test)]
pub const AGAIN: [&str; 15] = [
    "audit.interval_s",
    "log.level",
    "log.requests",
    "shutdown.leave_ms",
    "standin.available_percent",
    "standin.max_state_age_ms",
    "standin.per_account",
    "standin.per_account_count",
    "standin.per_node",
    "standin.per_transaction",
    "standin.policy",
    "standin.refuse",
    "standin.refuse_mccs",
    "standin.rules",
    "standin.total",
];

/// How a running node hears that there is something new, and reads it.
pub struct Again {
    /// Somebody says that there is.
    pub at_once: Arc<Notify>,
    /// Reads the configuration as it was read at the start.
    pub config: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
    /// Has the log follow `log.level` and `log.requests`.
    pub log: Box<dyn Fn(&Config) + Send + Sync>,
}

/// Where those who speak are known.
pub struct Speakers {
    /// The processor's door.
    pub gateway: Arc<Gateway<Replicated>>,
    /// The issuer's interface.
    pub issuers: issuer::Guard,
    /// The operators'.
    pub operators: Gate,
}

/// Where it is answered alone, and as whom.
pub struct Alone {
    /// The desk.
    pub desk: Arc<Desk<Replicated>>,
    /// The node's id.
    pub node: u64,
    /// Whether the cluster gave it that.
    pub joined: Joined,
}

/// What is renewed.
pub struct Renewal {
    certificates: Certificates,
    speakers: Speakers,
    alone: Alone,
    again: Again,
    every: Duration,
    in_force: Credited,
    /// The rest as it was at the start.
    at_start: Config,
    /// And as it is in force, for those who look at it now and then.
    settings: watch::Sender<Config>,
    /// What was complained of last.
    complaint: String,
}

/// Who may speak.
#[derive(PartialEq, Eq)]
struct Credited {
    programs: Vec<Program>,
    issuer: Issuer,
    admin: Admin,
}

impl Credited {
    /// Takes them out of a configuration, which is the rest then.
    fn take(config: &mut Config) -> Credited {
        let (programs, issuer) = (std::mem::take(&mut config.programs), std::mem::take(&mut config.issuer));
        Credited { programs, issuer, admin: std::mem::take(&mut config.admin) }
    }
}

/// What of a changed configuration comes into force while the node runs: who may speak, and settings that need no
/// restart. What is said alone is among them, but not who has which part of its limits nor the window that they count
/// in: those would give back what was used.
fn in_force(at_start: &Config, told: &Config) -> Config {
    let (was, told) = (at_start.clone(), told.clone());
    let Config { programs, issuer, admin, audit, .. } = told;
    let standin = StandIn {
        open_after_ms: was.standin.open_after_ms,
        undecided_percent: was.standin.undecided_percent,
        nodes: was.standin.nodes,
        window_s: was.standin.window_s,
        ..told.standin
    };
    let shutdown = Shutdown { leave_ms: told.shutdown.leave_ms, ..was.shutdown };
    let log = Log { requests: told.log.requests, level: told.log.level, ..was.log };
    Config { programs, issuer, admin, audit, standin, shutdown, log, ..was }
}

/// A configuration without who may speak, which a running node takes over whole.
#[cfg(test)]
pub(crate) fn without_renewed(mut config: Config) -> Config {
    Credited::take(&mut config);
    config
}

impl Renewal {
    /// Of a node that has started with the configuration that `settings` holds.
    pub fn new(
        again: Again,
        certificates: Certificates,
        speakers: Speakers,
        (alone, settings): (Alone, watch::Sender<Config>),
    ) -> Renewal {
        let mut at_start = settings.borrow().clone();
        let in_force = Credited::take(&mut at_start);
        settings.send_replace(at_start.clone());
        let every = at_start.look_interval();
        Renewal { certificates, speakers, alone, again, every, in_force, at_start, settings, complaint: String::new() }
    }

    /// Looks until `stop` completes: every interval, and when somebody says so.
    pub async fn look_forever(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let at_once = self.again.at_once.clone();
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = at_once.notified() => {
                    tracing::info!("looking at certificates, secrets and settings again");
                    // Whoever says so is told again what cannot be.
                    self.complaint.clear();
                }
                _ = ticks.tick() => {}
            }
            let look = move || {
                self.look();
                self
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(renewal) => self = renewal,
                Err(error) => {
                    tracing::error!(%error, "looking at certificates and settings ended in a panic: restart the node");
                    return stop.await;
                }
            }
        }
    }

    fn look(&mut self) {
        self.certificates.look();
        let complaint = match (self.again.config)() {
            Err(error) => format!("the configuration cannot be read again, what was is in force: {error}"),
            Ok(config) => self.take(config).err().unwrap_or_default(),
        };
        if complaint != self.complaint && !complaint.is_empty() {
            tracing::error!(problem = complaint, "not all is renewed");
        }
        self.complaint = complaint;
    }

    /// Takes over who may speak and what needs no restart, and says which of the rest has changed.
    fn take(&mut self, mut told: Config) -> Result<(), String> {
        let mut config = in_force(&self.at_start, &told);
        let policy = config.stand_in_policy_of(self.alone.node, self.alone.joined);
        let policy = policy.map_err(|error| error.to_string())?;
        let (door, issuers, access) = (config.gateway(), config.issuer(), config.admin_access());
        let credited = Credited::take(&mut config);
        Credited::take(&mut told);
        if credited != self.in_force {
            let issuers = Credentials::new(&issuers).map_err(|error| format!("issuer.credentials: {error}"))?;
            let speakers = &self.speakers;
            speakers.gateway.renew(door.programs, door.webhooks.access).map_err(|error| error.to_string())?;
            speakers.issuers.renew(issuers);
            speakers.operators.renew(access);
            self.in_force = credited;
            tracing::info!(target: "holdfast::audit", "new credentials are in force");
        }
        let new = differing(&self.settings.borrow(), &config)?;
        let later = differing(&config, &told)?;
        if !new.is_empty() {
            if new.iter().any(|key| key.starts_with("standin.")) {
                self.alone.desk.follow(policy);
            }
            (self.again.log)(&config);
            self.settings.send_replace(config.clone());
            tracing::info!(target: "holdfast::audit", settings = new.join(", "), "new settings are in force");
        }
        let names = later.join(", ");
        if later.is_empty() { Ok(()) } else { Err(format!("changed settings come into force at a restart: {names}")) }
    }
}

/// By which keys two configurations differ, as in `jit.deadline_ms`.
fn differing(one: &Config, other: &Config) -> Result<Vec<String>, String> {
    let table = |config: &Config| Table::try_from(config).map_err(|error| error.to_string());
    let mut found = Vec::new();
    differ("", &table(one)?, &table(other)?, &mut found);
    Ok(found)
}

fn differ(within: &str, one: &Table, other: &Table, found: &mut Vec<String>) {
    // A key that has no value is not there at all.
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    for key in keys {
        let name = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        match (one.get(key), other.get(key)) {
            (Some(Value::Table(one)), Some(Value::Table(other))) => differ(&name, one, other, found),
            (one, other) if one != other => found.push(name),
            (_, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn load(more: &str) -> Config {
        let text = format!(
            "node = {{ id = 1, data_dir = '/d' }}\nprograms = [{{ name = 'p', user = 'u', passwords = ['999999999999'] }}]\n{more}"
        );
        Config::from_text(&text, Path::new("t.toml"), std::iter::empty()).unwrap()
    }

    #[test]
    fn what_differs_is_named_by_its_key() {
        let changed = "log.level = 'debug'\njit.deadline_ms = 700\ntls.look_s = 5\nnode.log_dir = '/l'\n\
                       standin.rules = [{ policy = 'decline' }]\n";
        let changed = load(&changed.replace("node.log_dir = '/l'\n", ""));
        let keys = differing(&load(""), &changed).unwrap();
        assert_eq!(keys, ["jit.deadline_ms", "log.level", "standin.rules", "tls.look_s"]);
        assert!(differing(&changed, &changed).unwrap().is_empty());
        let with_id = load("cluster.id = '00000000000000000000000000000001'\n");
        assert_eq!(differing(&load(""), &with_id).unwrap(), ["cluster.id"], "one that has no value by default");
    }

    /// Who changed the window beside a limit had it in force at once, and what was used of the limits given back.
    #[test]
    fn what_needs_a_restart_stays_as_it_was_whatever_changes_with_it() {
        let standin = "policy = 'approve'\nper_transaction = '5.00 USD'\nper_account = '6.00 USD'\nper_account_count = 9\n\
                       per_node = '7.00 USD'\ntotal = '9.00 USD'\navailable_percent = 50\nmax_state_age_ms = 2000\n\
                       refuse = 'cash'\nrefuse_mccs = '7995'\nrules = [{ policy = 'decline' }]\n\
                       nodes = [1, 2]\nwindow_s = 60\nopen_after_ms = 1300\nundecided_percent = 90\n";
        let told = load(&format!(
            "audit.interval_s = 20\nlog = {{ level = 'debug', requests = true, format = 'json' }}\n\
             shutdown = {{ leave_ms = 1, drain_ms = 2 }}\njit.deadline_ms = 700\n[standin]\n{standin}"
        ));
        let at_start = load("");
        let next = in_force(&at_start, &told);
        assert_eq!(differing(&at_start, &next).unwrap(), AGAIN, "all that changes at once");
        let later = [
            "jit.deadline_ms",
            "log.format",
            "shutdown.drain_ms",
            "standin.nodes",
            "standin.open_after_ms",
            "standin.undecided_percent",
            "standin.window_s",
        ];
        assert_eq!(differing(&next, &told).unwrap(), later, "all that waits");
    }

    #[test]
    fn the_page_names_the_settings_that_need_no_restart() {
        let page = include_str!("../docs/operating.md");
        let listed = page.split("<!-- again -->").nth(1).expect("the list, between its marks");
        let mut keys: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        keys.sort_unstable();
        assert_eq!(keys, AGAIN, "docs/operating.md");
    }
}
