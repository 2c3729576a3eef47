//! `ctl backup`: a node's stream into a file, or into a directory of which only the newest are kept.
//!
//! What must hold: a stream that breaks off leaves no file. Nothing in the cluster changes, so a try that failed is
//! simply made again; which node answers does not matter.

use super::answer::Answer;
use super::nodes::{Client, LONG_READ, Nodes};
use super::{Failure, command, time};
use crate::admin::views::hexadecimal;
use crate::backup::{Existing, Head, Writer, Written, place};
use crate::clock::wall_clock_us;
use bytes::Bytes;
use proto::admin::v1 as wire;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;

/// A node that sends nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Parts that wait for this machine's disk.
const PARTS_MAX: usize = 4;

pub(super) async fn run(of: command::Backup, mut nodes: Nodes) -> Result<Answer, Failure> {
    let in_directory = of.file.is_dir();
    if of.keep.is_some() && !in_directory {
        return Err(Failure::Usage(format!("{}: --keep needs a directory that is there", of.file.display())));
    }
    let request = wire::BackupRequest { stale: of.freshness.stale };
    let ask = |mut client: Client| async move { client.backup(request).await };
    let mut parts = nodes.call(LONG_READ, ask).await?;
    let head = next(&mut parts).await?.and_then(|first| first.head);
    let head = head.ok_or_else(|| Failure::Unavailable("the node's backup begins without a head".to_owned()))?;
    let head = Head {
        cluster_name: head.cluster_name,
        cluster_id: head.cluster_id,
        node: head.node,
        index: head.index,
        log_time_us: head.time_us,
        digest: head.digest,
        records: head.records,
        taken_at_us: wall_clock_us(),
        version: head.version,
    };
    let path = if in_directory { place::path(&of.file, &head) } else { of.file.clone() };
    let existing = if of.overwrite { Existing::Replace } else { Existing::Keep };
    let written = receive(parts, path.clone(), existing, head.clone()).await?;
    let removed = match of.keep {
        Some(keep) => thin(of.file, head.clone(), keep).await?,
        None => Vec::new(),
    };
    answer(path, &head, &written, removed)
}

async fn next(parts: &mut Streaming<wire::BackupPart>) -> Result<Option<wire::BackupPart>, Failure> {
    match timeout(SILENCE_MAX, parts.message()).await {
        Ok(Ok(part)) => Ok(part),
        Ok(Err(status)) => Err(Failure::Unavailable(format!("the backup broke off: {}", status.message()))),
        Err(_) => Err(Failure::Unavailable(format!("the node sent nothing for {} s", SILENCE_MAX.as_secs()))),
    }
}

/// Writes what comes. The file has its name only if all of it came, was synced and reads back as it was sent.
async fn receive(
    mut parts: Streaming<wire::BackupPart>,
    path: PathBuf,
    existing: Existing,
    head: Head,
) -> Result<Written, Failure> {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(PARTS_MAX);
    let (all_came, ended) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = Writer::create(&path, existing, &head)?;
        while let Some(chunk) = chunks.blocking_recv() {
            writer.write(&chunk)?;
        }
        match ended.blocking_recv() {
            Ok(()) => writer.finish().map(Some),
            Err(_) => Ok(None),
        }
    });
    let mut came = Ok(());
    loop {
        match next(&mut parts).await {
            // A writer that has given up takes no more; why, it says itself.
            Ok(Some(part)) => {
                if sender.send(part.chunk).await.is_err() {
                    break;
                }
            }
            Ok(None) => {
                let _ = all_came.send(());
                break;
            }
            Err(failure) => {
                came = Err(failure);
                drop(all_came);
                break;
            }
        }
    }
    drop(sender);
    let written = writing.await.map_err(|error| Failure::Unavailable(error.to_string()))?;
    match (written, came) {
        (Ok(Some(written)), _) => Ok(written),
        (Ok(None), Err(failure)) => Err(failure),
        (Ok(None), Ok(())) => Err(Failure::Unavailable("the backup broke off".to_owned())),
        (Err(error), _) => Err(error.into()),
    }
}

async fn thin(dir: PathBuf, head: Head, keep: u16) -> Result<Vec<PathBuf>, Failure> {
    let thinning = tokio::task::spawn_blocking(move || place::keep_newest(&dir, &head, keep.into()));
    let thinned = thinning.await.map_err(|error| Failure::Unavailable(error.to_string()))?;
    thinned.map_err(|error| Failure::Refused(format!("the backup is written, but older ones stay: {error}")))
}

fn answer(path: PathBuf, head: &Head, written: &Written, removed: Vec<PathBuf>) -> Result<Answer, Failure> {
    let document = json!({
        "file": path,
        "bytes": written.bytes,
        "sha256": hexadecimal(&written.sum),
        "index": head.index,
        "log_time_us": head.log_time_us,
        "digest": head.digest,
        "node": head.node,
        "removed": removed,
    });
    let mut text = format!(
        "{}\n{} bytes from node {}, all up to log index {}, log time {}, digest {}\n",
        path.display(),
        written.bytes,
        head.node,
        head.index,
        time::utc(head.log_time_us),
        head.digest,
    );
    for path in removed {
        text.push_str(&format!("removed {}\n", path.display()));
    }
    Answer::done(&document, text)
}
