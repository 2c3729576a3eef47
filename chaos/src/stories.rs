//! Stories that are played beside whatever else happens: recorded, and judged by every checker afterwards.
//!
//! What must hold: a history that could not be recorded to its end says so; the books are read only after the last
//! story. Not here: which stories there are (`workload`), what a judgement means for a run (`run`, `nemesis`).

use crate::admin::Admin;
use crate::books;
use crate::check::{self, Finding};
use crate::history::{History, Line, Recorder, StandInLimits, Writer, append};
use crate::sender::Login;
use crate::workload::{self, Profile, Settings, Summary};
use anyhow::{Context, Result, anyhow};
use ledger::Currency;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// As long as a processor waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Until nodes have settled what they owe.
const SETTLE_MAX: Duration = Duration::from_secs(45);
/// After the load: stories under way, and reports that are still to come.
const END_MAX: Duration = Duration::from_secs(60);

/// What is played, and where.
pub struct Order<'a> {
    /// What its file is called.
    pub name: String,
    /// Which stories.
    pub profile: Profile,
    /// Requests per second.
    pub rate_per_s: u64,
    /// Clients that play at the same time.
    pub clients: u64,
    /// No story is begun after it.
    pub duration: Duration,
    /// After that an answer is late.
    pub deadline: Duration,
    /// Everything random comes from it.
    pub seed: u64,
    /// What nodes may approve alone.
    pub limits: Option<StandInLimits>,
    /// The nodes' doors.
    pub doors: &'a [String],
    /// The nodes' admin interfaces.
    pub admins: &'a [String],
    /// Who asks.
    pub login: &'a Login,
    /// A directory.
    pub out: &'a Path,
}

/// Stories under way.
pub struct Stories {
    writer: Writer<Line>,
    recorder: Recorder,
    stop: Arc<AtomicBool>,
    play: JoinHandle<Result<Summary>>,
    watch: JoinHandle<Result<()>>,
    path: PathBuf,
}

/// Stories that are over.
pub struct Played {
    /// What every checker said.
    pub findings: Vec<Finding>,
    /// What was done.
    pub summary: Summary,
    /// With the books.
    pub history: History,
}

impl Stories {
    /// Opens the accounts and begins.
    pub fn start(runtime: &Runtime, order: Order<'_>) -> Result<Stories> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settings = Settings {
            seed: order.seed,
            // A run of a cluster has a name of its own.
            run: format!("{:x}", since.as_millis()),
            nodes: order.doors.to_vec(),
            admins: order.admins.to_vec(),
            authorization: order.login.header(),
            currency: Currency::from_code("USD").context("USD is a currency")?,
            profile: order.profile,
            clients: order.clients,
            rate: Some(order.rate_per_s),
            duration: Some(order.duration),
            stories: None,
            patience: PATIENCE,
            deadline: order.deadline,
        };
        let path = order.out.join(format!("{}.jsonl", order.name));
        let writer = settings.history(&path, order.limits)?;
        let recorder = writer.recorder();
        runtime.block_on(workload::open(&settings, &recorder)).context("open the stories' accounts")?;
        let stop = Arc::new(AtomicBool::new(false));
        let play = {
            let (settings, recorder, stop) = (settings.clone(), recorder.clone(), stop.clone());
            runtime.spawn(async move { workload::run(&settings, &recorder, &stop).await })
        };
        let watch = {
            let (admins, recorder, stop) = (settings.admins.clone(), recorder.clone(), stop.clone());
            runtime.spawn(async move { workload::watch(&admins, &recorder, &stop).await })
        };
        Ok(Stories { writer, recorder, stop, play, watch, path })
    }

    /// To record faults with.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Waits for the last story, reads the books at these admin interfaces, and lets every checker judge.
    pub fn finish(self, runtime: &Runtime, admins: &[String]) -> Result<Played> {
        let Stories { writer, recorder, stop, play, watch, path } = self;
        let played = runtime.block_on(async { tokio::time::timeout(END_MAX, play).await });
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(watch).context("the watch of terms failed")??;
        let summary = played.map_err(|_| anyhow!("the stories did not end"))?.context("the stories failed")??;
        drop(recorder);
        writer.finish()?;
        let mut history = History::read(&path)?;
        let admin = {
            let _inside = runtime.enter();
            Admin::new(admins)?
        };
        history.books = runtime.block_on(books::collect(&admin, &history, SETTLE_MAX)).context("read the books")?;
        append(&path, &history.books)?;
        Ok(Played { findings: check::all(&history), summary, history })
    }
}
