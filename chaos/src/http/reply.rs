//! Reads a reply of HTTP/1.1, as little of it as the driver needs.
//!
//! What must hold: however the bytes are split, the same reply comes out; whatever the bytes are, nothing panics and
//! no more than [`HEAD_BYTES_MAX`] + [`BODY_BYTES_MAX`] is ever waited for. Not here: sockets (`connection`).
//! Chunked bodies are refused: neither Holdfast nor the bare server sends any.

/// The longest head that is accepted.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The longest body that is accepted.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// How the answer came about, by the header `x-holdfast-outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Decided by the cluster for this request.
    Decided,
    /// Decided before; the same bytes again.
    Replayed,
    /// Approved by one node alone.
    StandIn,
    /// Declined without a decision.
    Undecided,
    /// Refused before anything was proposed.
    Refused,
    /// The header is not there.
    Absent,
    /// The header says something else.
    Other,
}

impl Outcome {
    /// As it is printed, and as the header says it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Decided => "decided",
            Outcome::Replayed => "replayed",
            Outcome::StandIn => "stand-in",
            Outcome::Undecided => "undecided",
            Outcome::Refused => "refused",
            Outcome::Absent => "absent",
            Outcome::Other => "other",
        }
    }

    fn from_header(value: &[u8]) -> Outcome {
        match value {
            b"decided" => Outcome::Decided,
            b"replayed" => Outcome::Replayed,
            b"stand-in" => Outcome::StandIn,
            b"undecided" => Outcome::Undecided,
            b"refused" => Outcome::Refused,
            _ => Outcome::Other,
        }
    }
}

/// A whole reply, without its body's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// By our header.
    pub outcome: Outcome,
    /// The connection may be used again.
    pub keep_alive: bool,
    /// A hash of the body's bytes.
    pub body_hash: u64,
    /// How many of them there are, at the reply's end.
    pub body_bytes: usize,
    /// How many bytes of the buffer the reply takes.
    pub size_bytes: usize,
}

/// Not a reply that we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// The first line is not that of an HTTP/1 reply.
    #[error("not an HTTP/1 status line")]
    StatusLine,
    /// No head within the limit.
    #[error("the head is too long")]
    HeadTooLong,
    /// No length, two lengths, or one that is not a number within the limit.
    #[error("no usable content length")]
    Length,
    /// More than one reply to one request.
    #[error("bytes after the reply's end")]
    Excess,
}

/// The reply at the start of `bytes`; `None` while some of it is missing.
pub fn parse(bytes: &[u8]) -> Result<Option<Reply>, Garbage> {
    let Some(head_end) = find_head_end(&bytes[..bytes.len().min(HEAD_BYTES_MAX)]) else {
        return if bytes.len() >= HEAD_BYTES_MAX { Err(Garbage::HeadTooLong) } else { Ok(None) };
    };
    let mut lines = bytes[..head_end].split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let (status, mut keep_alive) = status_line(lines.next().unwrap_or_default())?;
    let mut outcome = Outcome::Absent;
    let mut length = None;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err(Garbage::Length);
            }
            length = Some(length_of(value)?);
        } else if name.eq_ignore_ascii_case(b"x-holdfast-outcome") {
            outcome = Outcome::from_header(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            keep_alive = value.eq_ignore_ascii_case(b"keep-alive") || (keep_alive && !closes(value));
        }
    }
    let length = length.ok_or(Garbage::Length)?;
    let Some(body) = bytes.get(head_end..head_end + length) else {
        return Ok(None);
    };
    Ok(Some(Reply {
        status,
        outcome,
        keep_alive,
        body_hash: hash(body),
        body_bytes: length,
        size_bytes: head_end + length,
    }))
}

/// Where the head ends, its empty line included.
pub fn find_head_end(bytes: &[u8]) -> Option<usize> {
    // Four bytes that end a head contain a line feed at the end: step over everything else.
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        let end = from + at + 1;
        if bytes[..end].ends_with(b"\r\n\r\n") {
            return Some(end);
        }
        from = end;
    }
    None
}

/// The status code, and whether this version of HTTP keeps connections open unless told otherwise.
fn status_line(line: &[u8]) -> Result<(u16, bool), Garbage> {
    let (keep_alive, rest) = match line.strip_prefix(b"HTTP/1.1 ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix(b"HTTP/1.0 ").ok_or(Garbage::StatusLine)?),
    };
    match rest {
        [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            Ok((digit(a) * 100 + digit(b) * 10 + digit(c), keep_alive))
        }
        _ => Err(Garbage::StatusLine),
    }
}

fn length_of(value: &[u8]) -> Result<usize, Garbage> {
    let text = std::str::from_utf8(value).map_err(|_| Garbage::Length)?;
    if text.is_empty() || text.len() > 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Garbage::Length);
    }
    text.parse().ok().filter(|length| *length <= BODY_BYTES_MAX).ok_or(Garbage::Length)
}

/// `close` is among the options of a `Connection` header.
fn closes(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// FNV-1a: two different bodies of one token collide once in 2^64, and bodies are too short for speed to matter.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{BODY_BYTES_MAX, Garbage, HEAD_BYTES_MAX, Outcome, hash, parse};
    use proptest::prelude::*;

    fn reply(status: u16, outcome: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\nX-Holdfast-Outcome: {outcome}\r\ncontent-LENGTH: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn heads_and_what_they_mean() {
        for (head, status, outcome, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Outcome::Absent, true),
            ("HTTP/1.1 402\r\nContent-Length:0\r\nx-holdfast-outcome:undecided\r\n\r\n", 402, Outcome::Undecided, true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", 200, Outcome::Absent, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Outcome::Absent, false),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, Outcome::Absent, true),
            ("HTTP/1.1 503 No\r\nx-holdfast-outcome: new\r\nContent-Length: 0\r\n\r\n", 503, Outcome::Other, true),
        ] {
            let reply = parse(head.as_bytes()).expect("a reply").expect("whole");
            assert_eq!((reply.status, reply.outcome, reply.keep_alive), (status, outcome, keep_alive), "{head}");
        }
    }

    #[test]
    fn what_is_refused() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
        let fat = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
        for (bytes, why) in [
            ("SSH-2.0-x\r\n\r\n", Garbage::StatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", Garbage::StatusLine),
            ("HTTP/1.1 100 Continue\r\n\r\n", Garbage::StatusLine),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Garbage::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Garbage::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Garbage::Length),
            (fat.as_str(), Garbage::Length),
            (long.as_str(), Garbage::HeadTooLong),
        ] {
            assert_eq!(parse(bytes.as_bytes()), Err(why), "{}", &bytes[..bytes.len().min(60)]);
        }
    }

    proptest! {
        #[test]
        fn a_reply_is_whole_exactly_when_its_last_byte_is_there(
            status in 200u16..600, body in proptest::collection::vec(any::<u8>(), 0..300),
            outcome in prop_oneof![Just("decided"), Just("stand-in"), Just("refused")],
        ) {
            let bytes = reply(status, outcome, &body);
            for end in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..end]), Ok(None));
            }
            let whole = parse(&bytes).expect("a reply").expect("whole");
            prop_assert_eq!(whole.status, status);
            prop_assert_eq!(whole.outcome.name(), outcome);
            prop_assert_eq!(whole.body_hash, hash(&body));
            prop_assert_eq!(whole.size_bytes, bytes.len());
            prop_assert_eq!(whole.body_bytes, body.len());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat());
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0usize..60, byte: u8) {
            let mut bytes = reply(200, "decided", b"{}");
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
