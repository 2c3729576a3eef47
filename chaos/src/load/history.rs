//! A line per attempt, for checkers that come after the run.
//!
//! What must hold: nothing is left out and nothing waits in memory without bound; a disk that cannot keep up slows the
//! load instead (the report then shows it as requests not sent in time). A failed write ends the history and is
//! reported at the end. Not here: what the lines prove.
//!
//! A line: `{"token","user","amount","target","start_us","end_us","status","outcome","body"}`; times are microseconds
//! since the start of the run, `amount` is in minor units, `status` 0 with outcome `lost` is an attempt whose reply was
//! lost, `body` is a hash of the reply's body in 16 hexadecimal digits.

use super::reply::Outcome;
use super::template::Names;
use anyhow::Context;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Records that a thread collects before it hands them over.
const CHUNK: usize = 256;
/// Chunks that may wait for the writer: 256 x 256 records of 72 bytes are below 5 MB.
const CHUNKS_MAX: usize = 256;

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The token's number.
    pub token: u64,
    /// The account's number.
    pub user: u64,
    /// Minor units.
    pub amount: u64,
    /// The target's index.
    pub target: usize,
    /// When it was sent.
    pub start_us: u64,
    /// When its reply was there, or was given up.
    pub end_us: u64,
    /// Status, outcome and body hash; `None` if the reply was lost.
    pub reply: Option<(u16, Outcome, u64)>,
}

/// One thread's end of the history.
pub struct Recorder {
    sender: SyncSender<Vec<Record>>,
    chunk: Vec<Record>,
}

impl Recorder {
    /// Adds a record; waits while the writer is behind.
    pub fn push(&mut self, record: Record) {
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

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The file and its thread.
pub struct History {
    sender: SyncSender<Vec<Record>>,
    writer: JoinHandle<std::io::Result<()>>,
}

impl History {
    /// Creates the file and starts its writer.
    pub fn create(path: &Path, names: Names, targets: Vec<String>) -> anyhow::Result<History> {
        let file = File::create(path).with_context(|| format!("create history {}", path.display()))?;
        let (sender, receiver) = sync_channel(CHUNKS_MAX);
        let writer = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || write_all(file, &receiver, &names, &targets))
            .context("start the history's thread")?;
        Ok(History { sender, writer })
    }

    /// An end for one thread.
    pub fn recorder(&self) -> Recorder {
        Recorder { sender: self.sender.clone(), chunk: Vec::with_capacity(CHUNK) }
    }

    /// Waits until everything is written; all recorders must be gone.
    pub fn finish(self) -> anyhow::Result<()> {
        drop(self.sender);
        let written = self.writer.join().map_err(|_| anyhow::anyhow!("the history's thread panicked"))?;
        written.context("write history")
    }
}

fn write_all(file: File, receiver: &Receiver<Vec<Record>>, names: &Names, targets: &[String]) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    for record in receiver.iter().flatten() {
        write_line(&mut out, &record, names, targets)?;
    }
    out.flush()
}

/// Names are made of characters that JSON need not escape: the prefix and the targets are checked when they come in.
fn write_line(out: &mut impl Write, record: &Record, names: &Names, targets: &[String]) -> std::io::Result<()> {
    let (status, outcome, body) = match record.reply {
        Some((status, outcome, body)) => (status, outcome.name(), body),
        None => (0, "lost", 0),
    };
    writeln!(
        out,
        r#"{{"token":"{}","user":"{}","amount":{},"target":"{}","start_us":{},"end_us":{},"status":{status},"outcome":"{outcome}","body":"{body:016x}"}}"#,
        names.token(record.token),
        names.user(record.user),
        record.amount,
        targets.get(record.target).map_or("", String::as_str),
        record.start_us,
        record.end_us,
    )
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, History, Record};
    use crate::load::reply::Outcome;
    use crate::load::template::Names;

    #[test]
    fn every_record_becomes_one_json_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("history.jsonl");
        let names = Names { run: 1, user_prefix: "u-".into() };
        let history = History::create(&path, names, vec!["a:1".into()]).expect("a file");
        let mut recorder = history.recorder();
        let count = CHUNK as u64 * 3 + 1;
        for token in 0..count {
            let reply = (token != 1).then_some((200, Outcome::Decided, 0xab));
            recorder.push(Record { token, user: 2, amount: 3, target: 0, start_us: 4, end_us: 5, reply });
        }
        drop(recorder);
        history.finish().expect("written");
        let text = std::fs::read_to_string(path).expect("text");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len() as u64, count);
        assert_eq!(lines[0]["token"], "00000000-0001-4000-8000-000000000000");
        assert_eq!(lines[0]["body"], "00000000000000ab");
        assert_eq!((&lines[1]["status"], &lines[1]["outcome"]), (&0.into(), &"lost".into()));
        assert_eq!((&lines[2]["user"], &lines[2]["target"]), (&"u-000002".into(), &"a:1".into()));
    }
}
