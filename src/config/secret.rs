//! Text that is never shown.
//!
//! What must hold: neither `Debug` nor serialization gives it away, so that no log line, error or rendered config can.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What stands in a secret's place.
const MASK: &str = "********";

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
