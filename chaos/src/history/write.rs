//! Writes a history: one thread, a bounded queue in front of it.
//!
//! What must hold: nothing is left out and nothing waits in memory without bound; a disk that cannot keep up slows the
//! clients instead, who then block for that long. A failed write ends the history and is reported at the end; the file
//! then has no last line.

use super::line::{Answer, Begin, Ended, Fault, Invoke, Line, Phase, Status, Task};
use super::read::{Books, Heard};
use anyhow::Context;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// What a [`Sink`] collects before it hands it over.
const CHUNK: usize = 256;
/// Chunks that may wait for the writer: 256 x 256 records of 72 bytes are below 5 MB.
const CHUNKS_MAX: usize = 256;

/// The file and its thread. `T` is what is handed over: lines, or something smaller that becomes lines.
pub struct Writer<T> {
    sender: SyncSender<Vec<T>>,
    thread: JoinHandle<std::io::Result<()>>,
    began: Instant,
}

impl<T: Send + 'static> Writer<T> {
    /// Creates the file, writes its first line and starts the thread. `unfold` makes lines of what is handed over.
    pub fn create(
        path: &Path,
        begin: Begin,
        unfold: impl FnMut(T, &mut dyn FnMut(Line)) + Send + 'static,
    ) -> anyhow::Result<Writer<T>> {
        let file = File::create(path).with_context(|| format!("create history {}", path.display()))?;
        let (sender, receiver) = sync_channel(CHUNKS_MAX);
        let thread = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || write_all(file, begin, &receiver, unfold))
            .context("start the history's thread")?;
        Ok(Writer { sender, thread, began: Instant::now() })
    }

    /// An end for one thread that hands over many.
    pub fn sink(&self) -> Sink<T> {
        Sink { sender: self.sender.clone(), chunk: Vec::with_capacity(CHUNK) }
    }

    /// Waits until everything is written. All ends must be gone, or it waits for them.
    pub fn finish(self) -> anyhow::Result<()> {
        drop(self.sender);
        let written = self.thread.join().map_err(|_| anyhow::anyhow!("the history's thread panicked"))?;
        written.context("write history")
    }
}

impl Writer<Line> {
    /// A history whose lines are written as they come.
    pub fn of_lines(path: &Path, begin: Begin) -> anyhow::Result<Writer<Line>> {
        Writer::create(path, begin, |line, sink| sink(line))
    }

    /// An end for any number of tasks.
    pub fn recorder(&self) -> Recorder {
        Recorder { sender: self.sender.clone(), began: self.began, ops: Arc::default() }
    }
}

/// One thread's end of a history.
pub struct Sink<T> {
    sender: SyncSender<Vec<T>>,
    chunk: Vec<T>,
}

impl<T> Sink<T> {
    /// Adds one; waits while the writer is behind.
    pub fn push(&mut self, record: T) {
        self.chunk.push(record);
        if self.chunk.len() == CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        // The writer is gone only after a failed write, which it reports itself.
        let _ = self.sender.send(chunk);
    }
}

impl<T> Drop for Sink<T> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes what clients do and hear, as it happens. Clones write to the same history.
#[derive(Clone)]
pub struct Recorder {
    sender: SyncSender<Vec<Line>>,
    began: Instant,
    ops: Arc<AtomicU64>,
}

impl Recorder {
    /// Microseconds since the history began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A request is about to leave for this node. Its number.
    pub fn invoke(&self, node: &str, task: Task) -> u64 {
        let op = self.ops.fetch_add(1, Ordering::Relaxed);
        self.write(Line::Invoke(Invoke { at_us: self.now_us(), op, node: node.to_owned(), task }));
        op
    }

    /// It has ended, now.
    pub fn end(&self, op: u64, heard: Heard, answer: Answer) {
        let ended = Ended { at_us: self.now_us(), op, answer };
        self.write(match heard {
            Heard::Ok => Line::Ok(ended),
            Heard::Declined => Line::Declined(ended),
            Heard::Unknown => Line::Unknown(ended),
        });
    }

    /// A node said this of the cluster, now. The time in it is set here.
    pub fn status(&self, status: Status) {
        self.write(Line::Status(Status { at_us: self.now_us(), ..status }));
    }

    /// A nemesis begins or ends something, now.
    pub fn fault(&self, name: &str, nodes: &[String], phase: Phase, excuses: bool) {
        let (name, nodes) = (name.to_owned(), nodes.to_vec());
        self.write(Line::Fault(Fault { at_us: self.now_us(), name, nodes, phase, excuses }));
    }

    /// Any other line.
    pub fn write(&self, line: Line) {
        // As with a sink: the writer itself reports why it is gone.
        let _ = self.sender.send(vec![line]);
    }
}

/// Adds what the books said to a whole history.
pub fn append(path: &Path, books: &Books) -> anyhow::Result<()> {
    let file = File::options().append(true).open(path).with_context(|| format!("open history {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let Books { accounts, tokens, applied, digests, stand_in, settled } = books.clone();
    let lines = accounts.into_iter().map(Line::Account);
    let lines = lines.chain(tokens.into_iter().map(Line::Token)).chain(applied.into_iter().map(Line::Applied));
    let lines = lines.chain(digests.into_iter().map(Line::Digest)).chain(stand_in.into_iter().map(Line::StandIn));
    for line in lines.chain(settled.into_iter().map(Line::Settled)) {
        put_line(&mut out, &line).context("write history")?;
    }
    out.flush().context("write history")
}

fn write_all<T>(
    file: File,
    begin: Begin,
    receiver: &Receiver<Vec<T>>,
    mut unfold: impl FnMut(T, &mut dyn FnMut(Line)),
) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let mut lines = 0;
    let mut failed = None;
    let mut put = |line: Line| {
        lines += 1;
        if failed.is_none() {
            failed = put_line(&mut out, &line).err();
        }
    };
    put(Line::Begin(begin));
    for record in receiver.iter().flatten() {
        unfold(record, &mut put);
    }
    match failed {
        Some(error) => Err(error),
        None => put_line(&mut out, &Line::End { lines }).and_then(|()| out.flush()),
    }
}

fn put_line(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
