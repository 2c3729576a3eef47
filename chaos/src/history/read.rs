//! Reads a history back.
//!
//! What must hold: a line that cannot be read is an error with its number, never skipped; a request without an end is
//! unknown; a file without its last line is told from a whole one.

use super::books;
use super::line::{Answer, Begin, Ended, Fault, Line, Lost, Status, Task, VERSION};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The most requests that are read: 2 million of about 400 bytes are below a gigabyte.
const OPS_MAX: usize = 2_000_000;

/// How a request ended, for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Yes, or done.
    Ok,
    /// No, and nothing was done.
    Declined,
    /// Not heard: it may have been done, and may still be.
    Unknown,
}

/// A request and its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Its number.
    pub id: u64,
    /// `HOST:PORT` of the node that was asked.
    pub node: String,
    /// What was asked.
    pub task: Task,
    /// When it left.
    pub invoked_us: u64,
    /// When its end was heard of, or nothing more was waited for.
    pub ended_us: u64,
    /// How it ended.
    pub heard: Heard,
    /// What was heard.
    pub answer: Answer,
}

/// The books after a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// Accounts that took part.
    pub accounts: Vec<books::Account>,
    /// Approved tokens without a hold of their own.
    pub tokens: Vec<books::Token>,
    /// The log, as far as it could be read.
    pub applied: Vec<books::Applied>,
    /// Of all nodes.
    pub digests: Vec<books::Digest>,
    /// Of all nodes.
    pub stand_in: Vec<books::StandIn>,
    /// How the reading ended; none: the books were not read.
    pub settled: Option<books::Settled>,
}

/// A whole history.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What the run was about.
    pub begin: Begin,
    /// By the time at which they left.
    pub ops: Vec<Op>,
    /// In the order in which they were written.
    pub statuses: Vec<Status>,
    /// The same.
    pub faults: Vec<Fault>,
    /// What the books said.
    pub books: Books,
    /// The last line of the clients is there.
    pub complete: bool,
}

/// Why a file is not a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("read {path}: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is not one of a history.
    #[error("line {line}: {why}")]
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

impl History {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<History, HistoryError> {
        let unreadable = |error| HistoryError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let mut reading = Reading::default();
        for (index, text) in BufReader::new(file).lines().enumerate() {
            let malformed = |why: String| HistoryError::Malformed { line: index + 1, why };
            let line =
                serde_json::from_str(&text.map_err(unreadable)?).map_err(|error| malformed(error.to_string()))?;
            reading.take(line, index).map_err(malformed)?;
        }
        reading.finish()
    }
}

#[derive(Default)]
struct Reading {
    begin: Option<Begin>,
    ops: Vec<Op>,
    /// Where the requests without an end are.
    open: HashMap<u64, usize>,
    statuses: Vec<Status>,
    faults: Vec<Fault>,
    books: Books,
    last_us: u64,
    complete: bool,
}

impl Reading {
    fn take(&mut self, line: Line, index: usize) -> Result<(), String> {
        if self.complete && !line.is_of_books() {
            return Err("follows the last line of the run, and is none of the books".into());
        }
        if self.begin.is_none() != matches!(line, Line::Begin(_)) {
            return Err("the first line, and only that, is `begin`".into());
        }
        match line {
            Line::Begin(begin) if begin.version != VERSION => {
                return Err(format!("version: {} is not known, only {VERSION}", begin.version));
            }
            Line::Begin(begin) => self.begin = Some(begin),
            Line::Invoke(invoke) => {
                if self.ops.len() == OPS_MAX {
                    return Err(format!("more than {OPS_MAX} requests"));
                }
                if self.open.insert(invoke.op, self.ops.len()).is_some() {
                    return Err(format!("op: {} begins twice", invoke.op));
                }
                self.ops.push(Op {
                    id: invoke.op,
                    node: invoke.node,
                    task: invoke.task,
                    invoked_us: invoke.at_us,
                    ended_us: u64::MAX,
                    heard: Heard::Unknown,
                    answer: Answer { lost: Some(Lost::Unfinished), ..Answer::default() },
                });
            }
            Line::Ok(ended) => self.end(ended, Heard::Ok)?,
            Line::Declined(ended) => self.end(ended, Heard::Declined)?,
            Line::Unknown(ended) => self.end(ended, Heard::Unknown)?,
            Line::Status(status) => self.statuses.push(status),
            Line::Fault(fault) => self.faults.push(fault),
            Line::Account(account) => self.books.accounts.push(account),
            Line::Token(token) => self.books.tokens.push(token),
            Line::Applied(applied) => self.books.applied.push(applied),
            Line::Digest(digest) => self.books.digests.push(digest),
            Line::StandIn(stand_in) => self.books.stand_in.push(stand_in),
            Line::Settled(settled) => self.books.settled = Some(settled),
            Line::End { lines } if lines == index as u64 => self.complete = true,
            Line::End { lines } => return Err(format!("lines: {lines} were written, {index} are here")),
        }
        Ok(())
    }

    fn end(&mut self, ended: Ended, heard: Heard) -> Result<(), String> {
        let op = self.open.remove(&ended.op).and_then(|at| self.ops.get_mut(at));
        let op = op.ok_or_else(|| format!("op: {} ends without a beginning, or twice", ended.op))?;
        if ended.at_us < op.invoked_us {
            return Err(format!("at_us: op {} ends before it begins", ended.op));
        }
        self.last_us = self.last_us.max(ended.at_us);
        (op.ended_us, op.heard, op.answer) = (ended.at_us, heard, ended.answer);
        Ok(())
    }

    fn finish(self) -> Result<History, HistoryError> {
        let empty = HistoryError::Malformed { line: 1, why: "there is no line".into() };
        let Reading { begin, mut ops, open, statuses, faults, books, last_us, complete } = self;
        for at in open.into_values() {
            ops[at].ended_us = last_us.max(ops[at].invoked_us);
        }
        ops.sort_by_key(|op| (op.invoked_us, op.id));
        Ok(History { begin: begin.ok_or(empty)?, ops, statuses, faults, books, complete })
    }
}

#[cfg(test)]
mod tests;
