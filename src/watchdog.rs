//! Ends the process when its core is dead: it would answer nothing any more, and a restart is the way out.
//!
//! **What must hold.** A core that has ended is seen within seconds, and so is a runtime whose threads all stand still:
//! a deadlock takes along whatever runs on it, also who would report it. So a task asks the core, and a thread of its
//! own, which takes no lock, hears whether that task still asks. Rounds are counted, not time, so that a process that
//! was stopped and goes on is not taken for dead.

use crate::machine::LedgerMachine;
use crate::probes::ALIVE_MAX;
use cluster::Node;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// The exit code of a process whose core has died (EX_SOFTWARE): a supervisor should start it again.
pub const CORE_DEAD: i32 = 70;

/// How often the task asks and the thread listens.
const EVERY: Duration = Duration::from_secs(1);
/// So many bad answers in a row end the process.
const PATIENCE: u32 = 5;
/// So many rounds without an answer of either kind end it too. The task may need two rounds for one.
const SILENCE_MAX: u32 = 10;
const SILENT: &[u8] = b"holdfast serve: the threads that Raft runs on stand still\n";
/// What the task's count becomes when nobody needs to ask any more.
const STOPPED: u64 = u64::MAX;

/// The task and the thread.
pub struct Watchdog {
    asked: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Watchdog {
    /// Starts both; the task on this runtime.
    pub fn start(node: Node<LedgerMachine>, runtime: &Handle) -> io::Result<Watchdog> {
        let asked = Arc::new(AtomicU64::new(0));
        let heard = asked.clone();
        std::thread::Builder::new().name("holdfast-watch".to_owned()).spawn(move || listen(&heard))?;
        let task = runtime.spawn(ask(node, asked.clone()));
        Ok(Watchdog { asked, task })
    }

    /// The node is being taken down.
    pub fn stop(self) {
        self.task.abort();
        self.asked.store(STOPPED, Ordering::Relaxed);
    }
}

async fn ask(node: Node<LedgerMachine>, asked: Arc<AtomicU64>) {
    let mut bad = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        match node.alive(ALIVE_MAX).await {
            Ok(()) => bad = 0,
            Err(reason) => {
                bad += 1;
                tracing::warn!(%reason, bad, "the core does not do its work");
            }
        }
        if bad >= PATIENCE {
            tracing::error!("the core is dead");
            std::process::exit(CORE_DEAD);
        }
        // A task that is aborted goes on until its next wait, and may count after the stop.
        let _ = asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count != STOPPED).then(|| count + 1));
    }
}

fn listen(asked: &AtomicU64) {
    let mut silence = Silence::default();
    loop {
        std::thread::sleep(EVERY);
        match asked.load(Ordering::Relaxed) {
            STOPPED => return,
            count if silence.lasts(count) => {
                // Past the log, whose lock may be what everybody waits for.
                let _ = rustix::io::write(std::io::stderr(), SILENT);
                std::process::exit(CORE_DEAD);
            }
            _ => {}
        }
    }
}

/// How many rounds the count has not moved.
#[derive(Default)]
struct Silence {
    last: u64,
    rounds: u32,
}

impl Silence {
    /// A round has passed; whether it was one too many.
    fn lasts(&mut self, count: u64) -> bool {
        self.rounds = if count == self.last { self.rounds + 1 } else { 0 };
        self.last = count;
        self.rounds >= SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_from_the_last_answer() {
        let mut silence = Silence::default();
        assert!((0..SILENCE_MAX - 1).all(|_| !silence.lasts(0)));
        assert!(!silence.lasts(1), "an answer in the last round");
        assert!((0..SILENCE_MAX - 1).all(|_| !silence.lasts(1)));
        assert!(silence.lasts(1));
    }
}
