//! The node processes: starting them, telling when one ends, stopping them all.
//!
//! What must hold: a node never outlives `up`. Each holds the read end of a pipe as its standard input and stops when
//! the write end, which only `up` has, is closed: by a planned stop, or by the system when `up` is killed. They stay in
//! its process group, so that a signal to the group reaches them as well.

use super::plan::Planned;
use super::refusal::Refusal;
use super::say::say;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a node may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);

/// All nodes, each looked after by a task.
pub(super) struct Nodes {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    running: Running,
}

/// Which nodes run right now.
#[derive(Clone)]
pub(super) struct Running(Arc<[AtomicBool]>);

impl Running {
    /// Whether the node at this place of the plan runs.
    pub(super) fn has(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|running| running.load(Ordering::Relaxed))
    }

    fn set(&self, place: usize, runs: bool) {
        if let Some(running) = self.0.get(place) {
            running.store(runs, Ordering::Relaxed);
        }
    }
}

/// What a task needs to look after its node.
struct Keeper {
    planned: Planned,
    place: usize,
    executable: PathBuf,
    restart_after: Option<Duration>,
    stop: watch::Receiver<bool>,
    running: Running,
}

impl Nodes {
    /// Starts them. One that dies stays down, or is started again after this long.
    pub(super) fn start(planned: &[Planned], restart_after: Option<Duration>) -> Result<Nodes, Refusal> {
        let executable = std::env::current_exe().map_err(Refusal::failed("find the executable"))?;
        let (stop, stopped) = watch::channel(false);
        let running = Running(planned.iter().map(|_| AtomicBool::new(false)).collect());
        let mut tasks = JoinSet::new();
        for (place, planned) in planned.iter().enumerate() {
            let keeper = Keeper {
                planned: planned.clone(),
                place,
                executable: executable.clone(),
                restart_after,
                stop: stopped.clone(),
                running: running.clone(),
            };
            tasks.spawn(keeper.keep());
        }
        Ok(Nodes { tasks, stop, running })
    }

    /// Which of them run, as time goes on.
    pub(super) fn running(&self) -> Running {
        self.running.clone()
    }

    /// Completes when all are down and none will be started again.
    pub(super) async fn all_gone(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Asks all to stop, and kills those that do not in time.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        self.all_gone().await;
    }
}

impl Keeper {
    async fn keep(mut self) {
        let id = self.planned.id;
        loop {
            match spawn(&self.executable, &self.planned) {
                Ok((child, pipe)) => {
                    if self.watch(child, pipe).await {
                        return;
                    }
                }
                Err(error) => say(format_args!("node {id} cannot be started: {error}")),
            }
            let Some(pause) = self.restart_after else { return };
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Follows one process to its end. Says whether it was stopped, not died.
    async fn watch(&mut self, mut child: Child, pipe: ChildStdin) -> bool {
        let id = self.planned.id;
        let pid = child.id().unwrap_or_default();
        say(format_args!("node {id} started: pid {pid}, log {}", self.planned.log.display()));
        self.running.set(self.place, true);
        // Stopping comes first: nodes that got the terminal's Ctrl-C as well end at the same moment.
        let stopped = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => true,
            ended = child.wait() => {
                self.running.set(self.place, false);
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                match self.restart_after {
                    None => say(format_args!("node {id} ended ({how}) and stays down")),
                    Some(pause) => say(format_args!("node {id} ended ({how}), starts again in {} s", pause.as_secs())),
                }
                false
            }
        };
        if stopped {
            drop(pipe);
            if timeout(STOP_MAX, child.wait()).await.is_err() {
                say(format_args!("node {id} did not stop in {} s: killed", STOP_MAX.as_secs()));
                if let Err(error) = child.kill().await {
                    say(format_args!("node {id} cannot be killed: {error}"));
                }
            }
            self.running.set(self.place, false);
        }
        stopped
    }
}

fn spawn(executable: &Path, planned: &Planned) -> io::Result<(Child, ChildStdin)> {
    let log = OpenOptions::new().create(true).append(true).open(&planned.log)?;
    let mut child = Command::new(executable)
        .args(["serve", "--stop-with-stdin", "--config"])
        .arg(&planned.file)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    // Taken out, because waiting for a child closes what is left in it.
    let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the pipe is missing"))?;
    Ok((child, pipe))
}
