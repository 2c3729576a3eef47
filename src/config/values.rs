//! Values that are more than text: each is checked as it is read.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The 16 bytes that two clusters never share; 32 hex digits in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(pub [u8; 16]);

impl TryFrom<String> for ClusterId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "must be 32 hex digits";
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let number = u128::from_str_radix(&text, 16).map_err(|_| WRONG)?;
        Ok(ClusterId(number.to_be_bytes()))
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        let mut text = String::with_capacity(32);
        for byte in id.0 {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The `decline_reason` of an answer without a decision: one of the values that the processor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UndecidedReason(pub gateway::Reason);

impl Default for UndecidedReason {
    fn default() -> Self {
        UndecidedReason(gateway::Reason::TRANSACTION_NOT_PERMITTED)
    }
}

impl TryFrom<String> for UndecidedReason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let reason = gateway::Reason::from_name(&text);
        reason.map(UndecidedReason).ok_or_else(|| format!("{text:?} is no decline reason of the processor"))
    }
}

impl From<UndecidedReason> for String {
    fn from(reason: UndecidedReason) -> String {
        reason.0.name().to_owned()
    }
}
