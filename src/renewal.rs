//! Looking again at what may be renewed while the node runs: certificates, and who may speak with which secret.
//!
//! What must hold: files are looked at in bounded intervals, and at once when somebody says so (SIGHUP); what cannot be
//! used changes nothing and is said once; secrets of one configuration come into force together. Nothing else of the
//! configuration is taken over: that needs a restart, which is said too.

use crate::admin::Gate;
use crate::config::{Admin, Config, ConfigError, Issuer, Program};
use crate::issuer;
use crate::replicated::Replicated;
use crate::secure::Certificates;
use gateway::{Credentials, Gateway};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

/// How a running node hears that there is something new, and reads it.
pub struct Again {
    /// Somebody says that there is.
    pub at_once: Arc<Notify>,
    /// Reads the configuration as it was read at the start.
    pub config: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
}

/// What is renewed.
pub struct Renewal {
    certificates: Certificates,
    gateway: Arc<Gateway<Replicated>>,
    issuers: issuer::Guard,
    operators: Gate,
    again: Again,
    every: Duration,
    in_force: Speakers,
    at_start: Config,
    /// What was complained of last.
    complaint: String,
}

/// Who may speak.
#[derive(PartialEq, Eq)]
struct Speakers {
    programs: Vec<Program>,
    issuer: Issuer,
    admin: Admin,
}

impl Speakers {
    /// Takes them out of a configuration, which is the rest then.
    fn take(config: &mut Config) -> Speakers {
        let (programs, issuer) = (std::mem::take(&mut config.programs), std::mem::take(&mut config.issuer));
        Speakers { programs, issuer, admin: std::mem::take(&mut config.admin) }
    }
}

/// A configuration without what a running node takes over.
#[cfg(test)]
pub(crate) fn without_renewed(mut config: Config) -> Config {
    Speakers::take(&mut config);
    config
}

impl Renewal {
    /// Of a node that has started with this configuration.
    pub fn new(
        config: &Config,
        again: Again,
        certificates: Certificates,
        (gateway, issuers, operators): (Arc<Gateway<Replicated>>, issuer::Guard, Gate),
    ) -> Renewal {
        let mut at_start = config.clone();
        let in_force = Speakers::take(&mut at_start);
        let every = config.look_interval();
        Renewal {
            certificates,
            gateway,
            issuers,
            operators,
            again,
            every,
            in_force,
            at_start,
            complaint: String::new(),
        }
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
                () = at_once.notified() => tracing::info!("looking at certificates and secrets again"),
                _ = ticks.tick() => {}
            }
            let look = move || {
                self.look();
                self
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(renewal) => self = renewal,
                Err(error) => {
                    tracing::error!(%error, "looking at certificates and secrets ended in a panic: restart the node");
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

    /// Takes over who may speak, and says what of the rest has changed.
    fn take(&mut self, mut config: Config) -> Result<(), String> {
        let (door, issuers, access) = (config.gateway(), config.issuer(), config.admin_access());
        let speakers = Speakers::take(&mut config);
        if speakers != self.in_force {
            let issuers = Credentials::new(&issuers).map_err(|error| format!("issuer.credentials: {error}"))?;
            self.gateway.renew(door.programs, door.webhooks.access).map_err(|error| error.to_string())?;
            self.issuers.renew(issuers);
            self.operators.renew(access);
            self.in_force = speakers;
            tracing::info!(target: "holdfast::audit", "new credentials are in force");
        }
        if config == self.at_start { Ok(()) } else { Err("changed settings come into force at a restart".to_owned()) }
    }
}
