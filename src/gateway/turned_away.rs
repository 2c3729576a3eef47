//! Requests that get neither 200 nor 402. None of them moves money; each is counted.

use crate::metrics::Outcome;
use crate::refusal::Fault;
use crate::reply::{push_display, push_text};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use std::fmt::Display;

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    NotFound,
    MethodNotAllowed,
    Unauthorized,
    /// Wrong once more, from where so many wrong ones have come of late.
    TooManyAttempts,
    WrongSignature,
    NotJson,
    Compressed,
    TooLarge,
    /// The body did not arrive by the deadline.
    TooSlow,
    /// The body broke off, or its framing is wrong.
    BrokenBody,
    /// Nobody can be answered.
    Malformed(Fault),
}

impl TurnedAway {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            TurnedAway::NotFound => StatusCode::NOT_FOUND,
            TurnedAway::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            TurnedAway::Unauthorized | TurnedAway::WrongSignature => StatusCode::UNAUTHORIZED,
            TurnedAway::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            TurnedAway::NotJson | TurnedAway::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            TurnedAway::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            TurnedAway::TooSlow => StatusCode::REQUEST_TIMEOUT,
            TurnedAway::BrokenBody | TurnedAway::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            TurnedAway::NotFound => Outcome::NotFound,
            TurnedAway::MethodNotAllowed => Outcome::MethodNotAllowed,
            TurnedAway::Unauthorized | TurnedAway::TooManyAttempts | TurnedAway::WrongSignature => {
                Outcome::Unauthorized
            }
            TurnedAway::NotJson | TurnedAway::Compressed => Outcome::UnsupportedMediaType,
            TurnedAway::TooLarge => Outcome::TooLarge,
            TurnedAway::TooSlow => Outcome::TooSlow,
            TurnedAway::BrokenBody | TurnedAway::Malformed(_) => Outcome::Malformed,
        }
    }

    /// `{"error":{"field":…,"message":…}}`
    pub(crate) fn bytes(self) -> Vec<u8> {
        let (field, message): (_, &dyn Display) = match &self {
            TurnedAway::NotFound => ("path", &"not found"),
            TurnedAway::MethodNotAllowed => ("method", &"must be POST"),
            TurnedAway::Unauthorized => ("authorization", &"missing or wrong"),
            TurnedAway::TooManyAttempts => ("authorization", &"wrong too often"),
            TurnedAway::WrongSignature => ("x-marqeta-signature", &"missing or wrong"),
            TurnedAway::NotJson => ("content-type", &"must be JSON"),
            TurnedAway::Compressed => ("content-encoding", &"must be identity"),
            TurnedAway::TooLarge => ("body", &"too large"),
            TurnedAway::TooSlow => ("body", &"did not arrive in time"),
            TurnedAway::BrokenBody => ("body", &"broke off"),
            TurnedAway::Malformed(fault) => (fault.field, &fault.problem),
        };
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(b"{\"error\":{\"field\":");
        push_text(&mut out, field);
        out.extend_from_slice(b",\"message\":\"");
        push_display(&mut out, message);
        out.extend_from_slice(b"\"}}");
        out
    }
}

/// What the head says of the body: JSON, as it is, and not too much.
pub(crate) fn by_content(headers: &HeaderMap, bytes_min: u64, bytes_max: usize) -> Result<(), TurnedAway> {
    if !headers.get_all(CONTENT_TYPE).iter().all(is_json) {
        return Err(TurnedAway::NotJson);
    }
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return Err(TurnedAway::Compressed);
    }
    if bytes_min > bytes_max as u64 {
        return Err(TurnedAway::TooLarge);
    }
    Ok(())
}

/// `application/json` or anything `+json`, whatever its parameters.
fn is_json(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or(value).trim_ascii();
    let suffix = essence.len().checked_sub(5).and_then(|start| essence.get(start..));
    essence.eq_ignore_ascii_case(b"application/json")
        || (essence.contains(&b'/') && suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json")))
}

fn is_identity(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_all_its_names() {
        for name in ["application/json", "Application/JSON; charset=utf-8", " application/vnd.api+json ;v=1"] {
            assert!(is_json(&HeaderValue::from_str(name).unwrap()), "{name}");
        }
        for name in ["", "text/plain", "application/jsonp", "+json", "application/x-www-form-urlencoded", "json"] {
            assert!(!is_json(&HeaderValue::from_str(name).unwrap()), "{name}");
        }
    }
}
