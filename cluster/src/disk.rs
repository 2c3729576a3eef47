//! Opening what a node keeps on its disk, in the order that keeps it safe.
//!
//! The identity is made before the log, and says durably that the node may have voted before the first vote is saved;
//! after that a missing log, or a log without its vote, stops the node. Snapshots may be lost; they are rebuilt.
//!
//! Crash story of the first start: a kill between identity and log leaves an identity that never voted, and the next
//! start goes on from there. The incarnation is counted up only once the directory's lock is held.

use crate::audit;
use crate::history::{self, History};
use crate::log::{BeforeVote, RaftLog};
use crate::metrics::Stages;
use crate::snapshot::Snapshots;
use crate::start::StartError;
use crate::store::files::{Files, Takes, Work};
use crate::store::identity::{self, Birth, DiskId, Identity, IdentityError, Standing};
use crate::store::log::{GroupStats, Log, OnFatal, OpenError, Options, Recovered, Turn, Turns};
use crate::{Config, Malformed, versions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What a node found or made on its disk.
pub(crate) struct Opened {
    pub(crate) log: RaftLog,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) identity: Identity,
    /// What tells this life of the directory from any other.
    pub(crate) disk: DiskId,
    pub(crate) history: Option<Arc<History>>,
}

/// Whose directory this is; `None` if it is nobody's yet. Blocks.
pub(crate) fn owner(config: &Config, files: &dyn Files) -> Result<Option<Identity>, StartError> {
    let dir = &config.log_dir;
    files.create_dir_all(dir).map_err(|source| disk_error("create the log directory", source))?;
    let identity = Identity::load(files, dir).map_err(identity_error)?;
    let exists = Log::exists(files, dir).map_err(|source| disk_error("look for the log", source))?;
    match identity::examine(identity, exists.into()).map_err(identity_error)? {
        Standing::New => Ok(None),
        Standing::Unfinished(identity) | Standing::Member(identity) => {
            whose(config, dir, &identity)?;
            match audit::note(files, dir).map_err(|source| disk_error("look for a note", source))? {
                Some(why) => Err(StartError::Damaged(format!("{}: {why}", dir.display()))),
                None => Ok(Some(identity)),
            }
        }
    }
}

/// Gives the directory to a node. Blocks.
pub(crate) fn give(config: &Config, files: &dyn Files, birth: Birth) -> Result<Identity, StartError> {
    Identity::create(files, &config.log_dir, birth).map_err(identity_error)
}

/// Opens or makes everything else. Blocks; called off the runtime.
pub(crate) fn open(
    config: &Config,
    identity: Identity,
    files: Arc<dyn Files>,
    stages: Arc<Stages>,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Opened, StartError> {
    let observed = stages.clone();
    let options = Options {
        segment_bytes: config.segment_bytes,
        observer: Some(Arc::new(move |group: &GroupStats| {
            observed.appended(Duration::from_micros(group.write_us + group.sync_us));
        })),
        ..Options::default()
    };
    let dir = &config.log_dir;
    if !Log::exists(&*files, dir).map_err(|source| disk_error("look for the log", source))? {
        Log::create(&*files, dir, &options).map_err(open_error)?;
    }
    let fatal = Box::new(move |error: &io::Error| on_fatal(&format!("the log cannot be written any more: {error}")));
    let (log, found) = open_log(files.clone(), dir, options, fatal).map_err(open_error)?;
    if identity.has_voted && found.vote.is_none() {
        return Err(StartError::Damaged(format!(
            "the log in {} has lost its vote: remove this node from the cluster and add it again, empty, with a new id",
            dir.display()
        )));
    }
    let identity = identity.next_incarnation(&*files, dir, DiskId(config.chance)).map_err(identity_error)?;
    // It has one from its first start of this version on.
    let disk = identity.disk.unwrap_or(DiskId(config.chance));
    let before_vote = before_vote(files.clone(), dir, &identity);
    let work = files.work();
    let snapshots = Snapshots::open(files, &config.data_dir, identity.cluster, config.snapshots.bytes_per_second)
        .map_err(|source| disk_error("open the snapshots", source))?;
    let log = RaftLog::new(Arc::new(log), found, work, before_vote);
    // What a later program has written is no damage.
    let log = log.map_err(|(version, error)| {
        let version = version.max(snapshots.version().unwrap_or(0));
        versions::allows(config.version_max, version).map_or_else(StartError::Version, |()| damaged(error))
    })?;
    let history = history(config, identity.cluster, stages);
    if let Some(history) = &history {
        snapshots.catalogue_in(history);
    }
    Ok(Opened { log, snapshots, identity, disk, history })
}

/// Does what may wait for a disk, where these files want it done.
pub(crate) async fn apart<T: Send + 'static>(work: &Work, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match work {
        Work::Threads => tokio::task::spawn_blocking(job).await.map_err(io::Error::other),
        Work::Here(_) => Ok(job()),
    }
}

fn open_log(
    files: Arc<dyn Files>,
    dir: &Path,
    options: Options,
    fatal: OnFatal,
) -> Result<(Log, Recovered), OpenError> {
    let takes = match files.work() {
        Work::Threads => return Log::open(files, dir, options, fatal),
        Work::Here(takes) => takes,
    };
    let asked = Arc::new(Notify::new());
    let wake = asked.clone();
    let (log, found, turns) = Log::open_in_turns(files, dir, options, fatal, Box::new(move || wake.notify_one()))?;
    tokio::spawn(take_turns(turns, asked, takes));
    Ok((log, found))
}

/// The log's life without a thread: what is asked for while a group is on its way goes with the next one.
async fn take_turns(mut turns: Turns, asked: Arc<Notify>, takes: Takes) {
    loop {
        asked.notified().await;
        loop {
            tokio::time::sleep(takes()).await;
            match turns.turn() {
                Turn::Wrote => {}
                Turn::Idle => break,
                Turn::Ended => return,
            }
        }
    }
}

/// Without a history a node does all that it promises.
fn history(config: &Config, cluster: [u8; 16], stages: Arc<Stages>) -> Option<Arc<History>> {
    let dir = config.history_dir.clone()?;
    match History::start(dir, history::Options::new(cluster), stages) {
        Ok(history) => Some(Arc::new(history)),
        Err(error) => {
            tracing::error!(%error, "start the history");
            None
        }
    }
}

/// A directory that belongs to somebody else is not touched.
fn whose(config: &Config, dir: &Path, identity: &Identity) -> Result<(), StartError> {
    let same = identity.configured == config.cluster || identity.cluster == config.cluster;
    // An id that the cluster gave stands nowhere in the configuration.
    if same && (identity.minted || identity.node == config.node) {
        return Ok(());
    }
    let cluster = if same { "this cluster" } else { "another cluster" };
    Err(StartError::Config(format!(
        "{} belongs to node {} of {cluster}; this is node {}",
        dir.display(),
        identity.node,
        config.node
    )))
}

/// Marks the identity before the first vote, so that a lost log is noticed ever after.
fn before_vote(files: Arc<dyn Files>, dir: &Path, identity: &Identity) -> Option<BeforeVote> {
    if identity.has_voted {
        return None;
    }
    let (dir, identity) = (dir.to_owned(), identity.clone());
    Some(Box::new(move || identity.set_voted(&*files, &dir).map(drop).map_err(io::Error::other)))
}

pub(crate) fn identity_error(error: IdentityError) -> StartError {
    match error {
        IdentityError::Io { doing, source } => disk_error(doing, source),
        IdentityError::Damaged { .. }
        | IdentityError::Exists { .. }
        | IdentityError::LogWithoutIdentity
        | IdentityError::IdentityWithoutLog { .. } => StartError::Damaged(error.to_string()),
    }
}

pub(crate) fn disk_error(what: &str, source: io::Error) -> StartError {
    StartError::Disk { what: what.to_owned(), source }
}

fn damaged(error: Malformed) -> StartError {
    StartError::Damaged(error.to_string())
}

pub(crate) fn open_error(error: OpenError) -> StartError {
    match error {
        OpenError::InUse { .. } => StartError::InUse(error.to_string()),
        OpenError::Options(_) => StartError::Config(error.to_string()),
        OpenError::Io { doing, source } => disk_error(doing, source),
        OpenError::Missing { .. }
        | OpenError::Exists { .. }
        | OpenError::MissingSegment { .. }
        | OpenError::MissingEntries { .. }
        | OpenError::Corrupt { .. } => StartError::Damaged(error.to_string()),
    }
}
