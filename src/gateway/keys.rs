//! Who may speak at the door: credentials of requests and of reports, and what reports are signed with.
//!
//! What must hold: all of it is replaced at once, so that no request sees half of a rotation; two of each may be good
//! at a time.

use crate::config::{Config, ProgramConfig, WebhookAccess};
use crate::credentials::Credentials;
use crate::webhook::Secrets;
use ledger::{IdError, Program};

/// What is in force at one time.
pub(crate) struct Keys {
    pub(crate) requests: Credentials,
    pub(crate) reports: Credentials,
    secrets: Vec<(Program, Secrets)>,
}

impl Keys {
    pub(crate) fn new(config: &Config) -> Result<Keys, IdError> {
        let access = |program: &ProgramConfig| {
            config.webhooks.access.iter().find(|access: &&WebhookAccess| access.program == program.name)
        };
        // Who has no credentials of its own for reports has those of the requests.
        let own = |program: &ProgramConfig| match access(program).filter(|access| !access.user.is_empty()) {
            None => program.clone(),
            Some(access) => ProgramConfig {
                user: access.user.clone(),
                passwords: access.passwords.clone(),
                name: program.name.clone(),
            },
        };
        let programs: Vec<ProgramConfig> = config.programs.iter().map(own).collect();
        let secrets = config.webhooks.access.iter().map(|access| {
            let program = Program::new(&access.program)?;
            Ok((program, Secrets::new(&access.secrets)))
        });
        Ok(Keys {
            requests: Credentials::new(&config.programs)?,
            reports: Credentials::new(&programs)?,
            secrets: secrets.collect::<Result<_, _>>()?,
        })
    }

    /// What the reports of a programme are signed with; `None`: not at all.
    pub(crate) fn secrets(&self, program: Program) -> Option<&Secrets> {
        self.secrets.iter().find(|(of, _)| *of == program).map(|(_, secrets)| secrets)
    }
}
