//! Whatever ends this program, what it started and broke is put right: by a process that outlives it.
//!
//! What must hold: before a process is started, a node paused or a network changed, the guard knows how to undo it.
//! The guard waits at a pipe that only this program holds. A kill -9, a panic and a Ctrl-C close the pipe alike; then
//! the guard undoes what is left, the newest first. It has a process group of its own, so that the terminal's signals
//! pass it by. Not here: the orderly undoing, which is done by whoever made the promise.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// How something is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Kill a process group.
    Kill(i32),
    /// Let a process go on that stands still.
    Continue(i32),
    /// Run a program, whatever it says.
    Run(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Promise { id: u64, undo: Undo },
    Kept { id: u64 },
}

/// The guard's process, from this program's side.
pub struct Guard {
    inner: Mutex<Inner>,
    child: Mutex<Child>,
}

struct Inner {
    pipe: Option<ChildStdin>,
    next: u64,
}

/// What is still to be undone. Dropped when it has been.
pub struct Promise {
    guard: Arc<Guard>,
    id: u64,
}

impl Guard {
    /// Starts it.
    pub fn start() -> Result<Arc<Guard>> {
        let own = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(own)
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the guard")?;
        let pipe = child.stdin.take();
        Ok(Arc::new(Guard { inner: Mutex::new(Inner { pipe, next: 0 }), child: Mutex::new(child) }))
    }

    /// Tells it what is to be undone; only then may it be done.
    pub fn promise(self: &Arc<Guard>, undo: Undo) -> Result<Promise> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let id = inner.next;
        inner.next += 1;
        inner.say(&Line::Promise { id, undo }).context("tell the guard")?;
        drop(inner);
        Ok(Promise { guard: self.clone(), id })
    }
}

impl Inner {
    fn say(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.pipe.as_mut().context("the guard is gone")?.write_all(text.as_bytes())?;
        Ok(())
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // A guard that is gone has nothing to be told.
        let _ = self.guard.inner.lock().unwrap_or_else(PoisonError::into_inner).say(&Line::Kept { id: self.id });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.inner.lock().unwrap_or_else(PoisonError::into_inner).pipe.take());
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// What the guard's process does: reads promises until the pipe ends, then undoes what is left.
pub fn run() {
    let mut open: Vec<(u64, Undo)> = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Line::Promise { id, undo }) => open.push((id, undo)),
            Ok(Line::Kept { id }) => open.retain(|(other, _)| *other != id),
            Err(_) => break,
        }
    }
    while let Some((_, undo)) = open.pop() {
        undo.run();
    }
}

impl Undo {
    /// Undoes it as far as it goes.
    pub fn run(&self) {
        // What is gone already needs no undoing.
        match self {
            Undo::Kill(group) => drop(Pid::from_raw(*group).map(|group| kill_process_group(group, Signal::KILL))),
            Undo::Continue(pid) => drop(Pid::from_raw(*pid).map(|pid| kill_process(pid, Signal::CONT))),
            Undo::Run(words) => {
                if let Some((program, words)) = words.split_first() {
                    let quiet = || Stdio::null();
                    let mut command = Command::new(program);
                    drop(command.args(words).stdin(quiet()).stdout(quiet()).stderr(quiet()).status());
                }
            }
        }
    }
}
