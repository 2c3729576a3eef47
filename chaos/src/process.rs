//! Processes of ours, and what `/proc` says of any.
//!
//! What must hold: a process that is started here is in a group of its own and known to the guard; dropped, the whole
//! group is killed and waited for. Not here: what they run.

use crate::guard::{Guard, Promise, Undo};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// A process that ends with us.
pub struct Process {
    child: Child,
    _promise: Promise,
}

impl Process {
    /// Starts it; what it says is appended to the log.
    pub fn start(guard: &Arc<Guard>, command: &mut Command, log: &Path) -> Result<Process> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file: File = file.with_context(|| format!("open {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("start {program}"))?;
        let group = i32::try_from(child.id()).context("a process id")?;
        match guard.promise(Undo::Kill(group)) {
            Ok(promise) => Ok(Process { child, _promise: promise }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    pub fn signal(&self, kind: Signal) -> Result<()> {
        signal(self.pid(), kind)
    }

    /// Kills its group and waits for it.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            // A group that is gone is what is wanted.
            let _ = Pid::from_raw(self.pid()).map(|group| kill_process_group(group, Signal::KILL));
        }
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends any process a signal.
pub fn signal(pid: i32, kind: Signal) -> Result<()> {
    let id = Pid::from_raw(pid).context("not a process id")?;
    kill_process(id, kind).with_context(|| format!("signal process {pid}"))
}

/// The letter of its state in `/proc`, as `S`, `T` (stopped) or `Z`; none if there is no such process.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// What was started with these words, by its process id.
pub fn find(holds: impl Fn(&[String]) -> bool) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").ok()?;
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).find(|pid| {
        let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<String> =
            text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        holds(&words) && !matches!(state(*pid), None | Some('Z' | 'X'))
    })
}

/// Runs a program to its end. What it printed, or what it complained of.
pub fn output(program: &str, words: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(format!("{program}: {}", text(&output.stderr))) }
}
