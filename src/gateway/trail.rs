//! What a request is called in logs and replies: an id of ours, and the caller's place in a trace.
//!
//! What must hold: an id never comes from outside, so nothing that a caller writes is said back or logged by it. Of a
//! `traceparent` (W3C Trace Context) only what has its exact form is kept.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// The header of replies.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives ids that no other process gives, as far as chance allows: 64 bits at random, and a counter.
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        // Keyed by the system's randomness at each start.
        RequestIds { process: RandomState::new().hash_one("holdfast request ids"), next: AtomicU64::new(1) }
    }
}

/// A request's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId {
    process: u64,
    number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.process, self.number)
    }
}

/// What a request is called.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    id: RequestId,
    trace: Option<String>,
}

impl RequestIds {
    pub(crate) fn trail(&self, headers: &HeaderMap) -> Trail {
        let id = RequestId { process: self.process, number: self.next.fetch_add(1, Ordering::Relaxed) };
        Trail { id, trace: headers.get("traceparent").and_then(|value| traceparent(value.as_bytes())) }
    }
}

impl Trail {
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// `VERSION-TRACE-PARENT-FLAGS` as it came; empty without one.
    pub(crate) fn trace(&self) -> &str {
        self.trace.as_deref().unwrap_or_default()
    }

    /// The id as it stands in the reply.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.id.to_string()).ok()
    }
}

/// `00-` 32 hex digits `-` 16 hex digits `-` 2 hex digits, in lower case, neither id all zeros.
fn traceparent(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let formed = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && parts.next().is_none();
    let named = |part: &str| part.bytes().any(|byte| byte != b'0');
    (formed && named(trace) && named(parent)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_exact_form_is_kept() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(good.as_bytes()).as_deref(), Some(good));
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4111111111111111-00f067aa0ba902b7-01",
            "4111111111111111",
        ] {
            assert_eq!(traceparent(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn ids_differ() {
        let (ids, other) = (RequestIds::default(), RequestIds::default());
        let id = |ids: &RequestIds| ids.trail(&HeaderMap::new()).id().to_string();
        let all = [id(&ids), id(&ids), id(&other)];
        assert!(all[0] != all[1] && all[0] != all[2], "{all:?}");
        assert!(all.iter().all(|id| id.len() >= 18 && !id.contains(' ')));
    }
}
