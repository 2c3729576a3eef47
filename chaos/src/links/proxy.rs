//! A proxy in front of each node's peer listener: carries every byte between two nodes, or does not.
//!
//! What must hold: bytes of one direction arrive whole and in order or not at all, as over TCP; memory is bounded, so
//! what is slow or cut makes the sender wait. A connection whose sender is not known is refused: no byte may pass a
//! link uncounted. Not here: what links do (`links`). Loss, reordering and repetition of single packets are below TCP
//! and cannot be made here (`links/queue.rs` makes them).
//!
//! A cut holds bytes back instead of dropping them, and lets them go on when it is healed: a network that comes back
//! within TCP's own retries looks the same. New connections are taken and left without an answer.

use super::source::Processes;
use super::{Direction, Links, Shape};
use crate::draw::mix;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// One read.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on their way in one direction: 1 MiB.
const CHUNKS_MAX: usize = 64;

/// The proxies of a cluster. Dropped, all their connections are closed.
pub struct Proxies {
    /// Where the others reach each node, the first node first.
    pub addresses: Vec<SocketAddr>,
    /// Who runs as which process.
    pub processes: Processes,
    tasks: Vec<AbortHandle>,
}

impl Drop for Proxies {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Proxies {
    /// Puts one in front of each of these peer listeners, the first node's first.
    pub fn start(runtime: &tokio::runtime::Runtime, links: &Links, peers: &[SocketAddr]) -> Result<Proxies> {
        let processes = Processes::default();
        let mut proxies = Proxies { addresses: Vec::new(), processes: processes.clone(), tasks: Vec::new() };
        for (node, peer) in (1u64..).zip(peers) {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("listen for a node's peers")?;
            proxies.addresses.push(listener.local_addr()?);
            let accepting = accept(listener, links.clone(), processes.clone(), Target { node, peer: *peer });
            proxies.tasks.push(runtime.spawn(accepting).abort_handle());
        }
        Ok(proxies)
    }
}

/// Who is behind a proxy.
#[derive(Clone, Copy)]
struct Target {
    node: u64,
    peer: SocketAddr,
}

async fn accept(listener: TcpListener, links: Links, processes: Processes, target: Target) {
    // A connection ends with its proxy.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, theirs)) = accepted else { continue };
        let (links, processes) = (links.clone(), processes.clone());
        connections.spawn(async move {
            let Ok(ours) = stream.local_addr() else { return };
            let from = tokio::task::spawn_blocking(move || processes.node_of(theirs, ours)).await;
            let Some(from) = from.ok().flatten() else { return };
            let (Some(there), Some(back)) = (links.direction(from, target.node), links.direction(target.node, from))
            else {
                return;
            };
            if there.shape.borrow().cut {
                there.counters.waited.fetch_add(1, Ordering::Relaxed);
            }
            carry(stream, target.peer, there, back).await;
        });
    }
}

/// Carries one connection until one side ends it or it is broken.
async fn carry(near: TcpStream, peer: SocketAddr, there: &Direction, back: &Direction) {
    let mut breaks = there.breaks.subscribe();
    let broken = async {
        // The sender lives as long as the links.
        drop(breaks.changed().await);
        there.counters.broken.fetch_add(1, Ordering::Relaxed);
    };
    let work = async {
        // Nobody reaches the other side through a direction that is cut.
        let mut shape = there.shape.subscribe();
        drop(shape.wait_for(|shape| !shape.cut).await);
        let Ok(far) = TcpStream::connect(peer).await else { return };
        drop((near.set_nodelay(true), far.set_nodelay(true)));
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = pump(near_read, far_write, there) => {}
            () = pump(far_read, near_write, back) => {}
        }
    };
    tokio::select! {
        () = broken => {}
        () = work => {}
    }
}

/// One direction of one connection.
async fn pump(read: OwnedReadHalf, write: OwnedWriteHalf, direction: &Direction) {
    let (sender, receiver) = channel(CHUNKS_MAX);
    tokio::join!(take(read, sender, direction), give(write, receiver, direction));
}

/// Reads, and says when each piece is due at the other side.
async fn take(mut read: OwnedReadHalf, sender: Sender<(Instant, Vec<u8>)>, direction: &Direction) {
    let mut number = 0u64;
    let (mut due, mut free) = (Instant::now(), Instant::now());
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = match read.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        chunk.truncate(count);
        number += 1;
        let shape = *direction.shape.borrow();
        let now = Instant::now();
        if shape.cut {
            direction.counters.held.fetch_add(count as u64, Ordering::Relaxed);
        }
        if shape.delay_ms + shape.jitter_ms + shape.bytes_per_s > 0 {
            direction.counters.shaped.fetch_add(count as u64, Ordering::Relaxed);
        }
        free = now.max(free) + transfer(shape, count);
        // Order stays: nothing overtakes what left before.
        due = due.max(free + lateness(shape, number));
        if sender.send((due, chunk)).await.is_err() {
            return;
        }
    }
}

fn lateness(shape: Shape, number: u64) -> Duration {
    let jitter = mix(number) % (shape.jitter_ms + 1);
    Duration::from_millis(shape.delay_ms + jitter)
}

fn transfer(shape: Shape, count: usize) -> Duration {
    match shape.bytes_per_s {
        0 => Duration::ZERO,
        rate => Duration::from_micros((count as u64).saturating_mul(1_000_000) / rate),
    }
}

/// Writes what is due, when the direction is open.
async fn give(mut write: OwnedWriteHalf, mut receiver: Receiver<(Instant, Vec<u8>)>, direction: &Direction) {
    let mut shape = direction.shape.subscribe();
    while let Some((due, chunk)) = receiver.recv().await {
        sleep_until(due).await;
        if shape.wait_for(|shape| !shape.cut).await.is_err() {
            return;
        }
        direction.counters.passed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if write.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpListener as Listener;

    struct Bench {
        runtime: tokio::runtime::Runtime,
        links: Links,
        _proxies: Proxies,
        near: std::net::TcpStream,
        far: std::net::TcpStream,
    }

    /// This process is node 1 and connects to node 2.
    fn bench() -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let links = Links::new(2);
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let unused = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let peers = [unused, listener.local_addr().unwrap()];
        let proxies = Proxies::start(&runtime, &links, &peers).unwrap();
        proxies.processes.set(1, i32::try_from(std::process::id()).unwrap());
        let near = std::net::TcpStream::connect(proxies.addresses[1]).unwrap();
        let (far, _) = listener.accept().unwrap();
        Bench { runtime, links, _proxies: proxies, near, far }
    }

    const SOON: Duration = Duration::from_secs(20);

    /// Whether this comes within the limit.
    fn hear(stream: &mut std::net::TcpStream, text: &str, limit: Duration) -> bool {
        stream.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = vec![0; text.len()];
        match stream.read_exact(&mut bytes) {
            Ok(()) => {
                assert_eq!(bytes, text.as_bytes());
                true
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                false
            }
        }
    }

    #[test]
    fn a_direction_that_is_cut_holds_everything_and_the_other_goes_on() {
        let mut bench = bench();
        bench.near.write_all(b"one").unwrap();
        assert!(hear(&mut bench.far, "one", SOON));
        bench.links.set(1, 2, Shape { cut: true, ..Shape::default() });
        bench.near.write_all(b"two").unwrap();
        assert!(!hear(&mut bench.far, "two", Duration::from_millis(200)));
        bench.far.write_all(b"back").unwrap();
        assert!(hear(&mut bench.near, "back", SOON));
        bench.links.set(1, 2, Shape::default());
        assert!(hear(&mut bench.far, "two", SOON));
        let counts = bench.links.counts(1, 2);
        assert_eq!((counts.held, counts.passed), (3, 6));
        assert_eq!(bench.links.counts(2, 1).passed, 4);
    }

    #[test]
    fn a_slow_direction_is_slow_and_keeps_the_order() {
        let mut bench = bench();
        bench.links.set(1, 2, Shape { delay_ms: 80, jitter_ms: 40, ..Shape::default() });
        let since = std::time::Instant::now();
        for text in ["a", "b", "c", "d"] {
            bench.near.write_all(text.as_bytes()).unwrap();
        }
        assert!(hear(&mut bench.far, "abcd", SOON));
        assert!(since.elapsed() >= Duration::from_millis(80), "{:?}", since.elapsed());
        assert_eq!(bench.links.counts(1, 2).shaped, 4);

        bench.links.set(1, 2, Shape { bytes_per_s: 10_000, ..Shape::default() });
        let since = std::time::Instant::now();
        let text = "x".repeat(3_000);
        bench.near.write_all(text.as_bytes()).unwrap();
        assert!(hear(&mut bench.far, &text, SOON));
        assert!(since.elapsed() >= Duration::from_millis(290), "{:?}", since.elapsed());
    }

    #[test]
    fn a_broken_connection_ends_at_both_sides_and_is_counted() {
        let mut bench = bench();
        bench.near.write_all(b"one").unwrap();
        assert!(hear(&mut bench.far, "one", SOON));
        bench.links.break_connections(2, 1);
        for stream in [&mut bench.near, &mut bench.far] {
            stream.set_read_timeout(Some(SOON)).unwrap();
            let ended = stream.read(&mut [0; 1]);
            assert!(matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        }
        assert_eq!(bench.links.counts(1, 2).broken, 1);
        drop(bench.runtime);
    }
}
