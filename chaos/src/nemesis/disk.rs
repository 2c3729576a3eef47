//! Faults of disks: lost, damaged, full, slow or failing.
//!
//! What must hold: only files of a node that does not run are touched, and only below its own directories. A copy is
//! kept of whatever is damaged, and is put back at the end if the node would not start without it. What a node does
//! with damage is seen from outside: it ends, or it answers.

use super::{Active, Field, Kept};
use crate::process::{Process, output};
use crate::scenario::DamagedNode;
use crate::scenario::fault::{Damage, File, How};
use crate::target::Files;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For strace to attach.
const ATTACH_MAX: Duration = Duration::from_secs(10);
/// A sector of the log.
const SECTOR: usize = 512;

/// What was there before.
pub struct Saved {
    node: u64,
    /// Where it was, and where it is kept.
    pieces: Vec<(PathBuf, PathBuf)>,
}

/// A tool that stands between a node and its disk.
pub struct Tracer {
    node: u64,
    tool: Process,
    told: PathBuf,
}

/// What is done to each sync.
#[derive(Clone, Copy)]
pub enum Injection {
    /// It takes this many milliseconds longer.
    Delay(u64),
    /// It fails with EIO.
    Fail,
}

/// Takes everything from one node.
pub fn lose(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let node = one(active)?;
    let files = files(field, node)?;
    let shown = field.target.kill(node)?;
    active.sign(true, shown);
    let mut saved = Saved { node, pieces: Vec::new() };
    // The log may lie below the data: the outer one goes with all that is in it.
    let inner = files.log.starts_with(&files.data);
    for dir in [Some(&files.data), (!inner).then_some(&files.log)].into_iter().flatten() {
        let aside = aside(dir)?;
        fs::rename(dir, &aside).with_context(|| format!("move {} aside", dir.display()))?;
        saved.pieces.push((dir.clone(), aside));
        active.sign(!dir.exists(), format!("{} is gone", dir.display()));
    }
    active.kept = Kept::File(saved);
    field.target.start_node(node)
}

/// Damages one file of one node.
pub fn damage(field: &mut Field<'_>, active: &mut Active, damage: Damage) -> Result<()> {
    let node = one(active)?;
    if damage.file == File::Snapshot {
        field.runtime.block_on(field.admin.snapshot(node))?;
    }
    let files = files(field, node)?;
    let shown = field.target.kill(node)?;
    active.sign(true, shown);
    let damaged = file(&files, damage.file).and_then(|path| {
        let copy = aside(&path)?;
        fs::copy(&path, &copy).with_context(|| format!("copy {}", path.display()))?;
        active.kept = Kept::File(Saved { node, pieces: vec![(path.clone(), copy)] });
        spoil(&path, damage)
    });
    // The node is started in any case.
    let started = field.target.start_node(node);
    active.sign(true, damaged?);
    started
}

/// Sees what the node did, and puts back what it could not do without.
pub fn repair(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::File(saved) = std::mem::replace(&mut active.kept, Kept::Nothing) else {
        return Ok(());
    };
    let node = saved.node;
    if field.target.pid(node).is_some() {
        let serves = field.observer.said(node).is_some_and(|said| said.in_contact);
        active.damaged = serves.then_some(DamagedNode::Recovers);
        let does = if serves { "serves with what it found" } else { "runs, and is in no contact with the others" };
        active.sign(true, format!("node {node} {does}"));
        return saved.forget();
    }
    active.damaged = Some(DamagedNode::Refuses);
    let logs = field.target.logs();
    let log = logs.iter().find(|(name, _)| *name == format!("node-{node}.log")).map(|(_, path)| path.clone());
    let text = log.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)");
    active.sign(true, format!("node {node} did not start: {last}"));
    saved.put_back()?;
    field.target.start_node(node)
}

impl Saved {
    fn put_back(&self) -> Result<()> {
        for (place, kept) in &self.pieces {
            if place.is_dir() {
                fs::remove_dir_all(place).with_context(|| format!("remove {}", place.display()))?;
            }
            fs::rename(kept, place).with_context(|| format!("put {} back", place.display()))?;
        }
        Ok(())
    }

    fn forget(&self) -> Result<()> {
        for (_, kept) in &self.pieces {
            let removed = if kept.is_dir() { fs::remove_dir_all(kept) } else { fs::remove_file(kept) };
            removed.with_context(|| format!("remove {}", kept.display()))?;
        }
        Ok(())
    }
}

/// The only node of a fault that takes one.
fn one(active: &Active) -> Result<u64> {
    match active.nodes[..] {
        [node] => Ok(node),
        _ => bail!("files are taken from one node at a time: {:?} are {}", active.nodes, active.nodes.len()),
    }
}

fn files(field: &Field<'_>, node: u64) -> Result<Files> {
    field.target.files(node).with_context(|| format!("the files of node {node} are out of reach"))
}

/// A name beside it.
fn aside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).context("a path without a name")?;
    Ok(path.with_file_name(format!("chaos-aside-{name}")))
}

/// Which file is meant.
fn file(files: &Files, which: File) -> Result<PathBuf> {
    let newest = |dir: &Path, ending: &str| {
        let entries = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
        let paths = entries.flatten().map(|entry| entry.path());
        let named = paths.filter(|path| path.extension().is_some_and(|extension| extension == ending));
        // A spare segment is full of zeros and has nothing to lose.
        let newest = named.filter(|path| written(path).is_ok_and(|count| count > 0)).max();
        newest.with_context(|| format!("no .{ending} file is in {}", dir.display()))
    };
    let path = match which {
        File::Log | File::Vote => newest(&files.log, "log")?,
        File::Snapshot => newest(&files.data.join("snapshots"), "snapshot")?,
        File::Identity => files.log.join("identity"),
        File::Database => files.data.join("history").join("db"),
        File::Journal => files.data.join("standin.journal"),
    };
    ensure!(path.is_file(), "{} is not there", path.display());
    Ok(path)
}

/// How many bytes lie before the zeros at the end.
fn written(path: &Path) -> Result<usize> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |place| place + 1))
}

/// Damages it; says what was done.
fn spoil(path: &Path, damage: Damage) -> Result<String> {
    let count = written(path)?;
    ensure!(count > 0, "{} has nothing in it", path.display());
    let mut bytes = fs::read(path)?;
    let name = path.display();
    let text = match damage.how {
        How::FlipBit => {
            let place = match damage.file {
                File::Vote => newest_vote(&bytes).with_context(|| format!("no vote is in {name}"))?,
                File::Log | File::Snapshot | File::Identity | File::Database | File::Journal => count / 2,
            };
            bytes[place] ^= 0b0000_1000;
            format!("bit 3 of byte {place} of {name} is flipped")
        }
        How::TearEnd => {
            let sector = (count - 1) / SECTOR * SECTOR;
            let middle = sector + (count - sector) / 2;
            bytes[middle..count].fill(0);
            format!("bytes {middle} to {count} of {name} are zero")
        }
    };
    fs::write(path, bytes).with_context(|| format!("write {name}"))?;
    Ok(text)
}

/// Where the newest vote of a segment is: in the middle of its bytes. A segment is sectors with a head of 32 bytes; in
/// the first sector of each group records begin: kind, index, length, bytes (docs/formats.md).
fn newest_vote(segment: &[u8]) -> Option<usize> {
    const HEAD: usize = 32;
    const VOTE: u8 = 2;
    let number = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize);
    let mut newest = None;
    for (place, sector) in segment.chunks_exact(SECTOR).enumerate() {
        let is_first = &sector[4..7] == b"HFL" && number(&sector[24..28])? == 0;
        let end = HEAD + number(&sector[28..32])?.min(SECTOR - HEAD);
        let mut at = HEAD;
        while is_first && at + 13 <= end {
            let (kind, length) = (sector[at], number(&sector[at + 9..at + 13])?);
            let begin = at + 13;
            at = begin.saturating_add(length);
            if kind == VOTE && length > 0 && at <= end {
                newest = Some(place * SECTOR + begin + length / 2);
            }
        }
    }
    newest
}

/// Stands between these nodes and their disks.
pub fn trace(field: &mut Field<'_>, active: &mut Active, injection: Injection) -> Result<()> {
    output("strace", &["-V"]).map_err(anyhow::Error::msg)?;
    let what = match injection {
        Injection::Delay(ms) => format!("delay_enter={}", ms.saturating_mul(1000)),
        Injection::Fail => "error=EIO".to_owned(),
    };
    let mut tracers = Vec::new();
    for node in active.nodes.clone() {
        let pid = field.target.pid(node).with_context(|| format!("node {node} does not run"))?;
        let told = field.out.join(format!("strace-{}-node-{node}.txt", active.place));
        let mut command = Command::new("strace");
        command.args(["-f", "-e", "trace=fdatasync,fsync", "-e", &format!("inject=fdatasync,fsync:{what}")]);
        command.arg("-o").arg(&told).args(["-p", &pid.to_string()]);
        let tool = Process::start(&field.guard, &mut command, &field.out.join("strace.log"))?;
        tracers.push(Tracer { node, tool, told });
        // A node whose sync fails may have ended before anybody looked.
        let attached = || traced_by(pid).is_some_and(|tracer| tracer != 0) || field.target.pid(node) != Some(pid);
        ensure!(field.stop.poll(ATTACH_MAX, attached), "strace does not attach to node {node}, process {pid}");
    }
    active.kept = Kept::Tracers(tracers);
    Ok(())
}

fn traced_by(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().parse().ok()
}

/// Goes away; nodes that have ended are started again.
pub fn untrace(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::Tracers(tracers) = std::mem::replace(&mut active.kept, Kept::Nothing) else {
        return Ok(());
    };
    for Tracer { node, mut tool, told } in tracers {
        drop(tool.signal(Signal::INT));
        field.stop.poll(Duration::from_secs(2), || tool.ended().is_some());
        tool.kill();
        let text = fs::read_to_string(&told).unwrap_or_default();
        let hits = text.lines().filter(|line| line.contains("INJECTED") || line.contains("DELAYED")).count();
        active.sign(hits > 0, format!("node {node}: {hits} syncs were met"));
        if field.target.pid(node).is_none() {
            active.sign(true, format!("node {node} has ended by itself"));
        }
        field.target.start_node(node)?;
    }
    Ok(())
}

/// Fills the disks of these nodes.
pub fn fill(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let shown = field.target.fill_disk(node)?;
        active.sign(true, shown);
    }
    Ok(())
}

/// Gives the room back; nodes that have ended are started again.
pub fn empty(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        field.target.empty_disk(node)?;
        let ended = field.target.pid(node).is_none();
        let did = if ended { "has ended by itself" } else { "still runs" };
        active.sign(true, format!("node {node} {did} on a full disk"));
        field.target.start_node(node)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_where_something_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.log");
        let mut bytes = vec![7; 700];
        bytes.resize(4096, 0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(written(&path).unwrap(), 700);
        let log = |how| Damage { file: File::Log, how };
        spoil(&path, log(How::FlipBit)).unwrap();
        let now = fs::read(&path).unwrap();
        let differ: Vec<_> = (0..4096).filter(|place| now[*place] != bytes[*place]).collect();
        assert_eq!(differ, [350]);

        fs::write(&path, &bytes).unwrap();
        spoil(&path, log(How::TearEnd)).unwrap();
        let now = fs::read(&path).unwrap();
        assert_eq!(now.iter().rposition(|byte| *byte != 0), Some(512 + (700 - 512) / 2 - 1));
        assert_eq!(now.len(), 4096);
    }

    #[test]
    fn nothing_is_damaged_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.log");
        fs::write(&path, [0; 1024]).unwrap();
        assert!(spoil(&path, Damage { file: File::Log, how: How::FlipBit }).is_err());
        let files = Files { data: dir.path().to_owned(), log: dir.path().to_owned() };
        assert!(file(&files, File::Log).unwrap_err().to_string().contains("no .log file"));
        assert!(file(&files, File::Identity).is_err());
    }

    #[test]
    fn the_newest_vote_is_found_among_other_records() {
        let record = |kind: u8, payload: &[u8]| {
            let mut bytes = vec![kind];
            bytes.extend([0; 8]);
            bytes.extend((payload.len() as u32).to_le_bytes());
            bytes.extend(payload);
            bytes
        };
        let sector = |ordinal: u32, records: &[u8]| {
            let mut bytes = vec![0; SECTOR];
            bytes[4..8].copy_from_slice(b"HFL\x01");
            bytes[24..28].copy_from_slice(&ordinal.to_le_bytes());
            bytes[28..32].copy_from_slice(&(records.len() as u32).to_le_bytes());
            bytes[32..32 + records.len()].copy_from_slice(records);
            bytes
        };
        let first = sector(0, &[record(6, &[9; 8]), record(2, &[7; 10])].concat());
        let entry = sector(0, &record(1, &[5; 100]));
        // What looks like a vote in the middle of a group is a part of something else.
        let later = sector(1, &record(2, &[1; 10]));
        let segment = [first, entry.clone(), later, vec![0; SECTOR]].concat();
        assert_eq!(newest_vote(&segment), Some(32 + 13 + 8 + 13 + 5));
        assert_eq!(newest_vote(&entry), None);
        assert_eq!(newest_vote(&[0; 100]), None);
    }

    #[test]
    fn what_was_taken_can_be_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("node");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("x"), "old").unwrap();
        let kept = aside(&place).unwrap();
        fs::rename(&place, &kept).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("x"), "new").unwrap();
        Saved { node: 1, pieces: vec![(place.clone(), kept)] }.put_back().unwrap();
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "old");
    }
}
