//! One HTTP/1.1 exchange, bounded, as any client could make it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// Status line and headers as they came.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Asks for a path.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    get_from(local(port), path)
}

/// The same, wherever it is.
pub fn get_from(at: SocketAddr, path: &str) -> io::Result<Answer> {
    exchange(at, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Posts JSON with this `Authorization` header.
pub fn post(port: u16, path: &str, authorization: &str, body: &str) -> io::Result<Answer> {
    post_to(local(port), path, authorization, body)
}

/// The same, wherever it is.
pub fn post_to(at: SocketAddr, path: &str, authorization: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    exchange(
        at,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn exchange(at: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(1024 * 1024).read_to_string(&mut text)?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
