//! Do all members have the same books? Asked by the leader now and then, and answered by everybody at one log index.
//!
//! **What must hold.** A member whose digest differs from the one that a majority of all members has is wrong, or the
//! majority is, and nobody could tell: so it stops, durably, and says what to do. It compares itself: what is told to
//! it is the digest of the others and the index. Without a majority for one digest nobody stops, because nobody knows
//! who is wrong; it is reported all the same. A member that was not reached is neither right nor wrong, and neither is
//! one that runs another version of the program: it may write the same books differently, and a rolling upgrade must
//! not end in nodes that stop each other.
//!
//! **How it fails.** A kill after the comparison and before the note is on the disk leaves a node that starts again and
//! is found at the next audit. With the note a start is refused, until the node is replaced.
//!
//! **What is deliberately not here.** When to audit (the root decides), and what the digest is made of (the machine).

use crate::operate::{MemberDigest, OrderError, VERSION};
use crate::peers::within;
use crate::store::files::{Files, read_exact_at, replace};
use crate::{Node, StateMachine};
use bytes::Bytes;
use proto::peer::v1::DigestRequest;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a member that differs may take to see it for itself: it works its digest out again.
const SEE_TIMEOUT: Duration = Duration::from_secs(30);
/// The note of a node that must not start again. In the directory of the log and the identity.
const NOTE: &str = "diverged";
/// A note is a sentence.
const NOTE_BYTES_MAX: usize = 4096;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// At which index.
    pub index: u64,
    /// Members with the digest that a majority has.
    pub agreed: Vec<u64>,
    /// Members with another one; if there is no majority, all that were reached.
    pub differ: Vec<u64>,
    /// Members that could not be asked, and why.
    pub unreached: Vec<(u64, String)>,
    /// Broken invariants, by member.
    pub violations: Vec<(u64, String)>,
}

/// The digest of a majority, if there is one, and what that makes of the members. Only those of this version count.
fn judge(index: u64, members: &[MemberDigest]) -> (Option<[u8; 16]>, Audited) {
    let mut audited = Audited { index, ..Audited::default() };
    let mut having: BTreeMap<[u8; 16], Vec<u64>> = BTreeMap::new();
    for member in members {
        match &member.result {
            Ok(_) if member.version != VERSION => {
                let why = format!("runs version {:?}, and this is {VERSION}", member.version);
                audited.unreached.push((member.id, why));
            }
            Ok((digest, violations)) => {
                having.entry(*digest).or_default().push(member.id);
                audited.violations.extend(violations.iter().map(|text| (member.id, text.clone())));
            }
            Err(why) => audited.unreached.push((member.id, why.clone())),
        }
    }
    let most = having.iter().find(|(_, ids)| ids.len() > members.len() / 2).map(|(digest, _)| *digest);
    match most {
        Some(digest) => {
            audited.agreed = having.remove(&digest).unwrap_or_default();
            audited.differ = having.into_values().flatten().collect();
        }
        // Those that agree are too few to be a majority, but nobody differs from them.
        None if having.len() <= 1 => audited.agreed = having.into_values().flatten().collect(),
        None => audited.differ = having.into_values().flatten().collect(),
    }
    audited.differ.sort_unstable();
    (most, audited)
}

impl<M: StateMachine> Node<M> {
    /// Compares all members, and has those stop that differ from a majority. To be asked of the leader.
    pub async fn audit(&self, deadline: std::time::Instant) -> Result<Audited, OrderError> {
        let (index, members) = self.verify(deadline).await?;
        let (most, audited) = judge(index, &members);
        let Some(most) = most else { return Ok(audited) };
        for id in &audited.differ {
            tracing::error!(node = id, index, "this member's books differ from the majority's");
            if *id == self.id() {
                let shared = self.shared.clone();
                let _ = tokio::task::spawn_blocking(move || shared.alike.differs(index)).await;
                continue;
            }
            let Ok(mut peer) = self.peer(*id) else { continue };
            let agreed = Bytes::copy_from_slice(&most);
            let request = self.shared.ids.request(*id, DigestRequest { index, agreed });
            // It ends before it answers.
            let _ = within(SEE_TIMEOUT, peer.digest(request)).await;
        }
        Ok(audited)
    }
}

/// Whether this node is like the others; and what becomes of it if not.
pub(crate) struct Alike {
    files: Arc<dyn Files>,
    dir: PathBuf,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Alike {
    pub(crate) fn new(files: Arc<dyn Files>, dir: &Path, on_fatal: Arc<dyn Fn(&str) + Send + Sync>) -> Alike {
        Alike { files, dir: dir.to_owned(), on_fatal }
    }

    /// This node differs: it ends, and does not start again. Blocks for the note.
    pub(crate) fn differs(&self, index: u64) {
        let text = format!(
            "at log index {index} the books of this node differed from those of the majority: it must not decide any \
             more. Keep its directories for the inquiry, remove it from the cluster, and add it again, empty, with a \
             new id"
        );
        if let Err(error) = replace(&*self.files, &self.dir, NOTE, text.as_bytes()) {
            tracing::error!(%error, "the note that this node must not start again could not be written");
        }
        (self.on_fatal)(&text);
    }
}

/// What a node has noted that must not start.
pub(crate) fn note(files: &dyn Files, dir: &Path) -> io::Result<Option<String>> {
    if !files.list(dir)?.iter().any(|name| name == NOTE) {
        return Ok(None);
    }
    let file = files.open(&dir.join(NOTE))?;
    let length = usize::try_from(file.size()?).unwrap_or(usize::MAX).min(NOTE_BYTES_MAX);
    let mut bytes = vec![0; length];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::RealFiles;
    use parking_lot::Mutex;

    fn member(id: u64, digest: u8) -> MemberDigest {
        MemberDigest { id, result: Ok(([digest; 16], Vec::new())), version: VERSION.to_owned() }
    }

    fn gone(id: u64) -> MemberDigest {
        MemberDigest { id, result: Err("no answer".to_owned()), version: String::new() }
    }

    #[test]
    fn who_differs_from_a_majority_is_wrong() {
        for (members, most, agreed, differ) in [
            (vec![member(1, 5), member(2, 5), member(3, 5)], Some(5), vec![1, 2, 3], vec![]),
            (vec![member(1, 5), member(2, 6), member(3, 5)], Some(5), vec![1, 3], vec![2]),
            (vec![member(1, 5), gone(2), member(3, 5)], Some(5), vec![1, 3], vec![]),
            // Two of three that differ: nobody knows who is wrong.
            (vec![member(1, 5), gone(2), member(3, 6)], None, vec![], vec![1, 3]),
            (vec![member(1, 5), member(2, 6), member(3, 7)], None, vec![], vec![1, 2, 3]),
            // One that is alone says nothing.
            (vec![member(1, 5), gone(2), gone(3)], None, vec![1], vec![]),
            // Two of four are no majority.
            (vec![member(1, 5), member(2, 5), member(3, 6), member(4, 6)], None, vec![], vec![1, 2, 3, 4]),
        ] {
            let (found, audited) = judge(9, &members);
            assert_eq!((found, audited.agreed, audited.differ), (most.map(|one| [one; 16]), agreed, differ));
        }
    }

    /// In the middle of a rolling upgrade.
    #[test]
    fn another_version_is_neither_right_nor_wrong() {
        let other = |id, digest| MemberDigest { version: "9.9.9".to_owned(), ..member(id, digest) };
        let (most, audited) = judge(9, &[member(1, 5), other(2, 6), member(3, 5)]);
        assert_eq!((most, audited.agreed, audited.differ), (Some([5; 16]), vec![1, 3], vec![]));
        assert_eq!(audited.unreached[0].0, 2);
        let (most, audited) = judge(9, &[other(1, 5), member(2, 6), other(3, 5)]);
        assert_eq!((most, audited.agreed, audited.differ), (None, vec![2], vec![]));
    }

    #[test]
    fn what_is_broken_and_who_was_not_reached_is_said() {
        let broken = MemberDigest { result: Ok(([5; 16], vec!["a sum".to_owned()])), ..member(1, 5) };
        let (_, audited) = judge(9, &[broken, gone(2), member(3, 5)]);
        assert_eq!(audited.violations, [(1, "a sum".to_owned())]);
        assert_eq!(audited.unreached, [(2, "no answer".to_owned())]);
    }

    #[test]
    fn a_node_that_differs_ends_and_notes_it() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(note(&RealFiles, dir.path()).expect("reads"), None);
        let ended = Arc::new(Mutex::new(String::new()));
        let heard = ended.clone();
        let on_fatal = Arc::new(move |reason: &str| heard.lock().push_str(reason));
        Alike::new(Arc::new(RealFiles), dir.path(), on_fatal).differs(77);
        let noted = note(&RealFiles, dir.path()).expect("reads").expect("noted");
        assert!(noted.contains("at log index 77"), "{noted}");
        assert_eq!(*ended.lock(), noted);
    }
}
