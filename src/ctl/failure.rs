//! Why a command was not done, or may not have been. The kind decides the exit code.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The question makes no sense.
    Usage(String),
    /// The books or the cluster said no. Nothing changed.
    Refused(String),
    /// Nobody could be asked. Nothing was done.
    Unavailable(String),
    /// It may have been done.
    Unknown(String),
}

impl Failure {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Failure::Usage(_) => "usage",
            Failure::Refused(_) => "refused",
            Failure::Unavailable(_) => "unavailable",
            Failure::Unknown(_) => "unknown",
        }
    }

    pub(crate) fn exit(&self) -> u8 {
        match self {
            Failure::Refused(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unavailable(_) => 3,
            Failure::Unknown(_) => 4,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Failure::Usage(message)
            | Failure::Refused(message)
            | Failure::Unavailable(message)
            | Failure::Unknown(message) => message,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "error": { "kind": self.kind(), "message": self.message() } })
    }
}
