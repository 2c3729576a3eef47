//! One HTTP/1.1 exchange on a connection of its own.
//!
//! What must hold: it ends by its limit and reads no more than a bound, whatever the other side does. Only what our
//! own nodes send is understood: a `Content-Length`, no chunks. `up`, `probe` and `conformance` ask with it.

use std::fmt::Write;
use std::io;
use std::time::Duration;
use tls::{Client, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer, head and body.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// As in `GET`.
    pub method: &'static str,
    /// With its query, if it has one.
    pub path: &'a str,
    /// Beside `Host`, `Connection` and `Content-Length`.
    pub headers: &'a [(&'static str, String)],
    /// Nothing, or what is sent with a `Content-Length`.
    pub body: &'a str,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As in `HTTP/1.1 200 OK`.
    pub status_line: String,
    /// The number in it.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As long as `Content-Length` says.
    pub body: String,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Asks `HOST:PORT`, within the limit; in TLS if there is somebody to speak it.
pub async fn ask(address: &str, client: Option<&Client>, request: &Request<'_>, limit: Duration) -> io::Result<Answer> {
    let exchange = async {
        let mut stream = match client {
            Some(client) => client.connect(address).await?,
            None => Stream::plain(TcpStream::connect(address).await?),
        };
        stream.write_all(render(address, request).as_bytes()).await?;
        let mut bytes = Vec::new();
        // Our nodes end a connection without a word of TLS that it is over; the length tells whether all has come.
        match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
    }
}

fn render(address: &str, request: &Request<'_>) -> String {
    let Request { method, path, headers, body } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in *headers {
        // Writing to a string does not fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?;
    let status = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.map(header).collect::<Option<_>>()?;
    let mut answer = Answer { status_line: status_line.to_owned(), status, headers, body: String::new() };
    let length: usize = answer.header("content-length")?.parse().ok()?;
    answer.body = rest.get(..length)?.to_owned();
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let text = "HTTP/1.1 402 Payment Required\r\nContent-Length: 2\r\nX-Holdfast-Outcome:  decided \r\n\r\n{}";
        let answer = parse(text.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (402, "{}"));
        assert_eq!(answer.header("x-holdfast-outcome"), Some("decided"));
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), None, "cut at {end}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_within_the_limit() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let request = Request { method: "GET", path: "/readyz", headers: &[], body: "" };
        let error = ask(&address, None, &request, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(silent);
        assert!(ask(&address, None, &request, Duration::from_secs(5)).await.is_err());
    }
}
