//! The network between simulated nodes: connections as TCP's, over links that can be slow, cut in one direction, or
//! break what runs over them.
//!
//! **What must hold.** Bytes of a connection arrive in order or not at all. A link that is cut keeps what was sent, and
//! delivers it when it is whole again, as TCP does that sends again; a connection that breaks loses it. A node that
//! lost its power is silent; one whose process was killed closes its connections. Everything that arrives is traced.
//!
//! **What is deliberately not here.** When a link is cut: `plan`.

use crate::dice::Dice;
use crate::trace::Trace;
use cluster::{Dial, Wire};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// What may be on its way in one direction of a connection, as a socket's buffers have it.
const WINDOW_BYTES: usize = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 64;
/// How often one that connects over a cut link tries again; the caller bounds it.
const AGAIN: Duration = Duration::from_millis(10);
/// What comes over a link that was cut comes at most this late after it is whole: the sender has paused.
const RESUME_MS_MAX: u64 = 120;

/// The network. Clones share it.
#[derive(Clone)]
pub struct Net(Arc<Mutex<Inner>>);

struct Inner {
    now_ms: u64,
    dice: Dice,
    trace: Trace,
    links: BTreeMap<(u64, u64), Link>,
    nodes: BTreeMap<u64, Place>,
    pipes: BTreeMap<u64, Pipe>,
    next_pipe: u64,
}

/// One direction between two nodes.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// How many faults cut it.
    cuts: u32,
    resumes_ms: u64,
    least_ms: u64,
    most_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// The process has ended; the machine answers for it.
    Ended,
    Off,
}

struct Place {
    power: Power,
    life: u64,
    accept: Option<mpsc::Sender<Box<dyn Wire>>>,
}

/// A node, in one of its lives.
type Whom = (u64, u64);

/// One direction of a connection.
struct Pipe {
    from: Whom,
    to: Whom,
    queue: VecDeque<(u64, Vec<u8>)>,
    /// What has arrived.
    ready: VecDeque<u8>,
    bytes: usize,
    last_due_ms: u64,
    /// Nothing more is sent.
    closed: bool,
    /// And that has arrived.
    ended: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    ends: u8,
}

/// The name under which a node is reached.
pub fn address(node: u64) -> String {
    format!("node-{node}:7000")
}

fn node_of(address: &str) -> Option<u64> {
    address.strip_prefix("node-")?.strip_suffix(":7000")?.parse().ok()
}

impl Net {
    /// Between so many nodes, with links that take so long at least and at most.
    pub fn new(nodes: u64, latency_ms: (u64, u64), seed: u64, trace: Trace) -> Net {
        let (least_ms, most_ms) = latency_ms;
        let link = Link { cuts: 0, resumes_ms: 0, least_ms, most_ms };
        let pairs = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to)));
        let place = || Place { power: Power::Off, life: 0, accept: None };
        Net(Arc::new(Mutex::new(Inner {
            now_ms: 0,
            dice: Dice::new(seed, "net"),
            trace,
            links: pairs.map(|pair| (pair, link)).collect(),
            nodes: (1..=nodes).map(|id| (id, place())).collect(),
            pipes: BTreeMap::new(),
            next_pipe: 0,
        })))
    }

    /// A node begins to live: what it accepts, and its way to others.
    pub fn begin(&self, node: u64) -> (mpsc::Receiver<Box<dyn Wire>>, Arc<dyn Dial>) {
        let (accept, accepted) = mpsc::channel(BACKLOG);
        let mut inner = self.0.lock();
        let mut life = 0;
        if let Some(place) = inner.nodes.get_mut(&node) {
            place.life += 1;
            (place.power, place.accept) = (Power::On, Some(accept));
            life = place.life;
        }
        (accepted, Arc::new(Way { net: self.clone(), from: (node, life) }))
    }

    /// Its process has ended.
    pub fn end(&self, node: u64) {
        self.lose(node, Power::Ended);
    }

    /// Its power is gone.
    pub fn power_off(&self, node: u64) {
        self.lose(node, Power::Off);
    }

    fn lose(&self, node: u64, power: Power) {
        if let Some(place) = self.0.lock().nodes.get_mut(&node) {
            (place.power, place.accept) = (power, None);
        }
    }

    /// Cuts one direction, once more.
    pub fn cut(&self, from: u64, to: u64) {
        if let Some(link) = self.0.lock().links.get_mut(&(from, to)) {
            link.cuts += 1;
        }
    }

    /// Takes one cut back.
    pub fn mend(&self, from: u64, to: u64) {
        let mut inner = self.0.lock();
        let resumes_ms = inner.now_ms + inner.dice.below(RESUME_MS_MAX);
        if let Some(link) = inner.links.get_mut(&(from, to)) {
            link.cuts = link.cuts.saturating_sub(1);
            link.resumes_ms = resumes_ms;
        }
    }

    /// Sets how long one direction takes.
    pub fn pace(&self, from: u64, to: u64, least_ms: u64, most_ms: u64) {
        if let Some(link) = self.0.lock().links.get_mut(&(from, to)) {
            (link.least_ms, link.most_ms) = (least_ms, most_ms);
        }
    }

    /// Breaks all connections between two nodes.
    pub fn break_all(&self, one: u64, other: u64) {
        let mut inner = self.0.lock();
        let between = |pipe: &Pipe| [(one, other), (other, one)].contains(&(pipe.from.0, pipe.to.0));
        let broken: Vec<u64> = inner.pipes.iter().filter(|(_, pipe)| between(pipe)).map(|(id, _)| *id).collect();
        let wakers: Vec<Waker> = broken.into_iter().flat_map(|id| inner.reset(id)).collect();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Time goes on: what is due arrives.
    pub fn deliver(&self, now_ms: u64) {
        let mut inner = self.0.lock();
        inner.now_ms = now_ms;
        let ids: Vec<u64> = inner.pipes.keys().copied().collect();
        let wakers: Vec<Waker> = ids.into_iter().flat_map(|id| inner.arrive(id)).collect();
        inner.pipes.retain(|_, pipe| pipe.ends > 0);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn passes(&self, from: u64, to: u64) -> bool {
        self.links.get(&(from, to)).is_some_and(|link| link.cuts == 0 && link.resumes_ms <= self.now_ms)
    }

    fn takes_ms(&mut self, from: u64, to: u64) -> u64 {
        let Some(link) = self.links.get(&(from, to)).copied() else { return 1 };
        self.dice.between(link.least_ms, link.most_ms).max(1)
    }

    fn arrive(&mut self, id: u64) -> Vec<Waker> {
        let now_ms = self.now_ms;
        let Some((from, to)) = self.pipes.get(&id).map(|pipe| (pipe.from, pipe.to)) else { return Vec::new() };
        if !self.passes(from.0, to.0) {
            return Vec::new();
        }
        let there = self.nodes.get(&to.0).map(|place| (place.power, place.life));
        let trace = self.trace.clone();
        let Some(pipe) = self.pipes.get_mut(&id) else { return Vec::new() };
        if pipe.reset {
            return Vec::new();
        }
        let due = pipe.queue.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms);
        match there {
            Some((Power::On, life)) if life == to.1 => {}
            // Nobody answers: the sender has to find out by itself.
            Some((Power::Off, _)) => return Vec::new(),
            // Whoever is there now does not know the connection.
            _ if due => return self.reset(id),
            _ => return Vec::new(),
        }
        let (mut arrived, mut sum) = (0, crc32fast::Hasher::new());
        while let Some((due_ms, bytes)) = pipe.queue.pop_front() {
            if due_ms > now_ms {
                pipe.queue.push_front((due_ms, bytes));
                break;
            }
            arrived += bytes.len();
            sum.update(&bytes);
            pipe.ready.extend(bytes);
        }
        let ended = pipe.closed && pipe.queue.is_empty() && !pipe.ended && pipe.last_due_ms <= now_ms;
        pipe.ended |= ended;
        if arrived == 0 && !ended {
            return Vec::new();
        }
        trace.note("net", format_args!("{}>{} {id} {arrived} {:08x} {ended}", from.0, to.0, sum.finalize()));
        pipe.reader.take().into_iter().collect()
    }

    /// Both directions of a connection are gone, and what was on its way with them.
    fn reset(&mut self, id: u64) -> Vec<Waker> {
        let mut wakers = Vec::new();
        // Two that belong together have neighbouring numbers, the even one first.
        for id in [id & !1, id | 1] {
            if let Some(pipe) = self.pipes.get_mut(&id).filter(|pipe| !pipe.reset) {
                pipe.reset = true;
                pipe.queue.clear();
                self.trace.note("reset", format_args!("{}>{} {id}", pipe.from.0, pipe.to.0));
                wakers.extend(pipe.reader.take());
                wakers.extend(pipe.writer.take());
            }
        }
        wakers
    }

    fn connect(&mut self, from: Whom, to: Whom) -> (u64, u64) {
        let first = self.next_pipe;
        self.next_pipe += 2;
        for (id, from, to) in [(first, from, to), (first + 1, to, from)] {
            let pipe = Pipe {
                from,
                to,
                queue: VecDeque::new(),
                ready: VecDeque::new(),
                bytes: 0,
                last_due_ms: 0,
                closed: false,
                ended: false,
                reset: false,
                reader: None,
                writer: None,
                ends: 2,
            };
            self.pipes.insert(id, pipe);
        }
        self.trace.note("connect", format_args!("{}>{} {first}", from.0, to.0));
        (first, first + 1)
    }
}

/// A node's way to the others.
struct Way {
    net: Net,
    from: Whom,
}

impl Dial for Way {
    fn dial(&self, address: String) -> BoxFuture<'static, Result<Box<dyn Wire>>> {
        let (net, from) = (self.net.clone(), self.from);
        async move {
            let to = node_of(&address).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such host"))?;
            let takes_ms = net.0.lock().takes_ms(from.0, to);
            // Paused: simulated time.
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
            loop {
                let tried = net.try_connect(from, to);
                match tried {
                    Some(connected) => {
                        let takes_ms = net.0.lock().takes_ms(to, from.0);
                        // Paused: simulated time.
                        tokio::time::sleep(Duration::from_millis(takes_ms)).await;
                        return connected.map(|wire| Box::new(wire) as Box<dyn Wire>);
                    }
                    // Paused: simulated time.
                    None => tokio::time::sleep(AGAIN).await,
                }
            }
        }
        .boxed()
    }
}

impl Net {
    /// `None`: nobody answered, for now.
    fn try_connect(&self, from: Whom, to: u64) -> Option<Result<End>> {
        let mut inner = self.0.lock();
        if !inner.passes(from.0, to) || !inner.passes(to, from.0) {
            return None;
        }
        let place = inner.nodes.get(&to)?;
        if place.power == Power::Off {
            return None;
        }
        let (life, accept) = (place.life, place.accept.clone());
        let Some(accept) = accept else { return Some(Err(ErrorKind::ConnectionRefused.into())) };
        let (there, back) = inner.connect(from, (to, life));
        drop(inner);
        let own = End { net: self.clone(), reads: back, writes: there };
        let other = End { net: self.clone(), reads: there, writes: back };
        match accept.try_send(Box::new(other)) {
            Ok(()) => Some(Ok(own)),
            Err(_) => Some(Err(ErrorKind::ConnectionRefused.into())),
        }
    }
}

/// One node's end of a connection.
struct End {
    net: Net,
    reads: u64,
    writes: u64,
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let mut inner = self.net.0.lock();
        let Some(pipe) = inner.pipes.get_mut(&self.reads) else { return Poll::Ready(Ok(())) };
        if pipe.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if pipe.ready.is_empty() {
            if pipe.ended {
                return Poll::Ready(Ok(()));
            }
            pipe.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = into.remaining().min(pipe.ready.len());
        let bytes: Vec<u8> = pipe.ready.drain(..count).collect();
        into.put_slice(&bytes);
        pipe.bytes -= count;
        let writer = pipe.writer.take();
        drop(inner);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let mut inner = self.net.0.lock();
        let inner = &mut *inner;
        let Some(pipe) = inner.pipes.get(&self.writes) else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let (from, to) = (pipe.from.0, pipe.to.0);
        let due_ms = inner.now_ms + inner.takes_ms(from, to);
        let Some(pipe) = inner.pipes.get_mut(&self.writes) else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        if pipe.reset || pipe.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(WINDOW_BYTES.saturating_sub(pipe.bytes));
        if count == 0 {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        pipe.last_due_ms = pipe.last_due_ms.max(due_ms);
        pipe.queue.push_back((pipe.last_due_ms, bytes[..count].to_vec()));
        pipe.bytes += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(pipe) = self.net.0.lock().pipes.get_mut(&self.writes) {
            pipe.closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut inner = self.net.0.lock();
        let inner = &mut *inner;
        let mut alive = true;
        if let Some(pipe) = inner.pipes.get_mut(&self.writes) {
            alive = inner.nodes.get(&pipe.from.0).is_some_and(|place| place.power != Power::Off);
            pipe.ends = pipe.ends.saturating_sub(1);
            pipe.closed |= alive;
        }
        let Some(pipe) = inner.pipes.get_mut(&self.reads) else { return };
        pipe.ends = pipe.ends.saturating_sub(1);
        // What still comes is for nobody. Unread bytes reset a connection; here an end does.
        if alive && pipe.ends > 0 {
            pipe.to.1 = u64::MAX;
        }
    }
}
