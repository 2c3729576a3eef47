//! A small HTTP/1.1 client that sends any bytes and reads one response at a time.

use crate::books::AUTHORIZATION;
use std::net::SocketAddr;
use std::time::Duration;
use tls::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    stream: Stream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Status and `x-holdfast-outcome`.
    pub fn outcome(&self) -> (u16, &str) {
        (self.status, self.header("x-holdfast-outcome").unwrap_or("none"))
    }
}

/// A whole request with credentials.
pub fn post(body: &str) -> String {
    post_with("", body)
}

/// The same with more header lines, each ended by CRLF.
pub fn post_with(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/jit HTTP/1.1\r\nhost: door\r\nauthorization: {AUTHORIZATION}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client::over(Stream::plain(stream))
    }

    pub fn over(stream: Stream) -> Client {
        Client { stream, unread: Vec::new() }
    }

    /// Sends and reads one response.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// Sends a body with credentials and reads one response.
    pub async fn jit(&mut self, body: &str) -> Response {
        self.ask(post(body)).await
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("sent in time").unwrap();
    }

    /// Sends what the other side may no longer want.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("sent or refused in time");
    }

    pub async fn response(&mut self) -> Response {
        self.try_response().await.expect("a response before the end")
    }

    /// The next response but for `100 Continue`; none if the connection ended before it.
    pub async fn try_response(&mut self) -> Option<Response> {
        loop {
            if let Some(response) = self.parse() {
                if response.status == 100 {
                    continue;
                }
                return Some(response);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads more; not if the connection has ended.
    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("an answer in time") {
            Ok(0) | Err(_) => false,
            Ok(len) => {
                self.unread.extend_from_slice(&buffer[..len]);
                true
            }
        }
    }

    /// Whether the next response is `100 Continue`.
    pub async fn continued(&mut self) -> bool {
        loop {
            if let Some(response) = self.parse() {
                return response.status == 100;
            }
            if !self.fill().await {
                return false;
            }
        }
    }

    /// Whether the connection ends without another response.
    pub async fn ends(&mut self) -> bool {
        self.try_response().await.is_none() && self.unread.is_empty()
    }

    fn parse(&mut self) -> Option<Response> {
        let head_len = self.unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.unread[..head_len].to_vec()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
        if self.unread.len() < head_len + length {
            return None;
        }
        let body = String::from_utf8(self.unread[head_len..head_len + length].to_vec()).unwrap();
        self.unread.drain(..head_len + length);
        Some(Response { status, headers, body })
    }
}
