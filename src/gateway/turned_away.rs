//! Requests that get neither 200 nor 402. None of them moves money; each is counted.

use crate::metrics::Outcome;
use crate::refusal::Fault;
use crate::reply::{push_display, push_text};
use hyper::StatusCode;
use std::fmt::Display;

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    NotFound,
    MethodNotAllowed,
    Unauthorized,
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
            TurnedAway::Unauthorized => StatusCode::UNAUTHORIZED,
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
            TurnedAway::Unauthorized => Outcome::Unauthorized,
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
