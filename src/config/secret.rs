//! Text that is never shown.
//!
//! A secret is the text itself, or `file:PATH`: then each line of that file is one, so that a file alone can hold the
//! old and the new while one is being replaced.
//!
//! What must hold: neither `Debug` nor serialization gives it away, so that no log line, error or rendered config can.

use super::{Config, ConfigError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::path::Path;

/// What stands in a secret's place.
const MASK: &str = "********";

/// What stands before the path of a file.
const FILE: &str = "file:";
/// Eight secrets of 256 bytes have 2 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A password or key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Config {
    /// Puts what stands in files in the place of their names.
    pub(super) fn read_secrets(&mut self) -> Result<(), ConfigError> {
        for (index, program) in self.programs.iter_mut().enumerate() {
            let field = |name: &str| format!("programs[{index}].{name}");
            expand(&field("passwords"), &mut program.passwords)?;
            expand(&field("webhook_passwords"), &mut program.webhook_passwords)?;
            expand(&field("webhook_secrets"), &mut program.webhook_secrets)?;
        }
        for (index, one) in self.issuer.credentials.iter_mut().enumerate() {
            expand(&format!("issuer.credentials[{index}].passwords"), &mut one.passwords)?;
        }
        for (index, one) in self.admin.tokens.iter_mut().enumerate() {
            expand(&format!("admin.tokens[{index}].tokens"), &mut one.tokens)?;
        }
        Ok(())
    }
}

fn expand(field: &str, secrets: &mut Vec<Secret>) -> Result<(), ConfigError> {
    if !secrets.iter().any(|secret| secret.0.starts_with(FILE)) {
        return Ok(());
    }
    let mut all = Vec::new();
    for (index, secret) in secrets.drain(..).enumerate() {
        match secret.0.strip_prefix(FILE) {
            None => all.push(secret),
            Some(path) => all.extend(lines(&format!("{field}[{index}]"), Path::new(path))?),
        }
    }
    *secrets = all;
    Ok(())
}

fn lines(field: &str, path: &Path) -> Result<Vec<Secret>, ConfigError> {
    let wrong = |problem: &str| ConfigError::field(field, format!("{}: {problem}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong("is larger than 64 KiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let secrets: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(Secret::new).collect();
    if secrets.is_empty() { Err(wrong("holds no secret")) } else { Ok(secrets) }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual message would quote what was found.
        String::deserialize(deserializer).map(Secret).map_err(|_| de::Error::custom("must be text in quotes"))
    }
}
