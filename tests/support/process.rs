//! Processes that end with the test that started them, and waiting for what they do.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A process in a group of its own. Dropped, the whole group is killed.
pub struct Process {
    child: Child,
    lines: Mutex<Receiver<String>>,
    /// What it has printed so far, as far as it was waited for.
    pub seen: Vec<String>,
    errors: Option<thread::JoinHandle<String>>,
}

impl Process {
    /// Starts it, without a terminal or standard input.
    pub fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("start the process");
        let (sender, lines) = channel();
        let out = child.stdout.take().expect("standard output");
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut err = child.stderr.take().expect("standard error");
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Process { child, lines: Mutex::new(lines), seen: Vec::new(), errors: Some(errors) }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a process id")
    }

    /// Reads on until a line has this in it; panics with all that was printed if none comes in time.
    pub fn wait_line(&mut self, part: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let lines = self.lines.get_mut().expect("no panic");
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}); printed:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Takes in what it has printed meanwhile, without waiting.
    pub fn drain(&mut self) {
        self.seen.extend(self.lines.get_mut().expect("no panic").try_iter());
    }

    /// Waits for its end; gives its exit status and what it wrote to standard error.
    pub fn wait_end(&mut self, limit: Duration) -> (ExitStatus, String) {
        let mut status = None;
        wait_until("the process to end", limit, || {
            status = self.child.try_wait().expect("wait for the process");
            status.is_some()
        });
        let errors = self.errors.take().map(|reader| reader.join().expect("read standard error"));
        (status.expect("an exit status"), errors.unwrap_or_default())
    }

    /// Sends it and all its children a signal, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        let group = Pid::from_raw(self.pid()).expect("a process id");
        kill_process_group(group, signal).expect("send a signal");
    }

    /// Sends it, and it alone, a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.pid()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let errors = self.errors.take().filter(|_| thread::panicking()).and_then(|reader| reader.join().ok());
        if let Some(errors) = errors.filter(|errors| !errors.is_empty()) {
            let lines: Vec<_> = errors.lines().collect();
            let (_, last) = lines.split_at(lines.len().saturating_sub(LAST_LINES));
            eprintln!("the last lines of process {}:\n{}", self.child.id(), last.join("\n"));
        }
    }
}

/// How much of a process's standard error a failed test prints.
const LAST_LINES: usize = 60;

/// Sends a process a signal.
pub fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("send a signal");
}

/// Whether a process has ended. One that nobody has waited for yet has, once its first thread is the only one left:
/// until then the others hold its ports and its files.
pub fn is_gone(pid: i32) -> bool {
    let alone = |pid| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(true, |threads| threads.count() <= 1);
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')) && alone(pid),
        Err(_) => true,
    }
}

/// Whether a process was stopped by a signal and has not gone on.
pub fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Looks again and again until it holds; panics if it does not in time.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}
