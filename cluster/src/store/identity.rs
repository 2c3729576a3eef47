//! Who this node is: a small file beside the log.
//!
//! **What lives here.** [`Identity`] with its file, and [`examine`], the rule what a node may do that finds its
//! identity, its log, both or none.
//!
//! **What must hold.** A node whose log is lost never comes back under its old id: its lost vote could be given twice,
//! its lost entries were counted in quorums. So the identity is made before the log, says durably that the node may
//! have voted *before* the first vote is saved, and after that a missing log is an error. The incarnation rises
//! durably at each start, so that attempts of two lives never share a number.
//!
//! An empty directory has no memory, so the file alone cannot keep a *wiped* node out. Each identity is therefore
//! minted with a random [`DiskId`], the membership binds a node's id to it, and no node takes part in Raft for a
//! caller that knows its id by another disk (`peers/call.rs`).
//!
//! **What is deliberately not here.** Making new ids: the cluster does that (`orders.rs`).

use super::files::{Files, read_exact_at, replace};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "identity";
const MAGIC_1: &[u8; 8] = b"HFIDENT\x01";
/// Magic, cluster, node, incarnation, voted, CRC. Read for ever, written no more.
const BYTES_1: usize = 8 + 16 + 8 + 8 + 1 + 4;
const MAGIC: &[u8; 8] = b"HFIDENT\x02";
/// Magic, cluster, configured, node, incarnation, disk, flags, CRC.
const BYTES: usize = 8 + 16 + 16 + 8 + 8 + 16 + 1 + 4;
const FLAG_VOTED: u8 = 1;
const FLAG_UNCLAIMED: u8 = 2;
const FLAG_MINTED: u8 = 4;

/// What tells one life of a directory from another: 16 random bytes, minted with the identity, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DiskId(pub [u8; 16]);

impl std::fmt::Debug for DiskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl DiskId {
    /// Of exactly 16 bytes that are not all zero.
    pub fn read(bytes: &[u8]) -> Option<DiskId> {
        <[u8; 16]>::try_from(bytes).ok().filter(|bytes| *bytes != [0; 16]).map(DiskId)
    }
}

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which cluster: the id that its nodes call each other by.
    pub cluster: [u8; 16],
    /// What nodes of this configuration find each other by, as it was when this was made. It is `cluster` only where
    /// the configuration gave that.
    pub configured: [u8; 16],
    /// Which node of it.
    pub node: u64,
    /// How often it was started; 0 before the first start.
    pub incarnation: u64,
    /// This life of the directory. `None`: made by a version that did not tell disks apart; its next start mints one.
    pub disk: Option<DiskId>,
    /// Whether it may ever have answered a vote or an append: then a missing log is a lost log.
    pub has_voted: bool,
    /// It was a member before disks were told apart, so it also takes calls that name no disk.
    pub unclaimed: bool,
    /// The cluster gave it its id; the configuration did not.
    pub minted: bool,
}

/// What an identity is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// See [`Identity::cluster`].
    pub cluster: [u8; 16],
    /// See [`Identity::configured`].
    pub configured: [u8; 16],
    /// See [`Identity::node`].
    pub node: u64,
    /// See [`Identity::disk`].
    pub disk: DiskId,
    /// See [`Identity::minted`].
    pub minted: bool,
}

/// Why a node may not start as it is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The identity file is not what was written.
    #[error(
        "identity file {} is damaged: restore it from a copy of this very node, or remove this node from the cluster \
         and add it again, empty, with a new id", file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
    },
    /// There is an identity already.
    #[error("identity file {} exists already", file.display())]
    Exists {
        /// Which file.
        file: PathBuf,
    },
    /// A log of nobody.
    #[error(
        "there is a log but no identity: restore the identity file, or empty the log's directory and add this node \
         to the cluster with a new id"
    )]
    LogWithoutIdentity,
    /// Somebody whose log is gone.
    #[error(
        "the log of node {node} is gone: it must not come back under this id; restore the log's directory, or remove \
         the node from the cluster, empty its directories and add it again with a new id"
    )]
    IdentityWithoutLog {
        /// Which node.
        node: u64,
    },
    /// The disk failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// How it failed.
        source: io::Error,
    },
}

/// What a node finds of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it may be given an identity.
    New,
    /// An identity that never voted and no log yet: the log is to be made.
    Unfinished(Identity),
    /// Both.
    Member(Identity),
}

/// The rule: log and identity belong together.
pub fn examine(identity: Option<Identity>, log_exists: LogExists) -> Result<Standing, IdentityError> {
    match (identity, log_exists) {
        (None, LogExists::No) => Ok(Standing::New),
        (None, LogExists::Yes) => Err(IdentityError::LogWithoutIdentity),
        (Some(identity), LogExists::Yes) => Ok(Standing::Member(identity)),
        (Some(identity), LogExists::No) if identity.has_voted => {
            Err(IdentityError::IdentityWithoutLog { node: identity.node })
        }
        (Some(identity), LogExists::No) => Ok(Standing::Unfinished(identity)),
    }
}

/// Whether there is a log; see `Log::exists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogExists {
    /// There is none.
    No,
    /// There is one, good or not.
    Yes,
}

impl From<bool> for LogExists {
    fn from(exists: bool) -> Self {
        if exists { LogExists::Yes } else { LogExists::No }
    }
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> IdentityError {
    move |source| IdentityError::Io { doing, source }
}

impl Identity {
    /// Reads it; `None` if there is no file.
    pub fn load(files: &dyn Files, dir: &Path) -> Result<Option<Identity>, IdentityError> {
        let path = dir.join(NAME);
        let file = match files.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open identity")(error)),
        };
        let size = file.size().map_err(io_error("size identity"))?;
        if size != BYTES as u64 && size != BYTES_1 as u64 {
            return Err(IdentityError::Damaged { file: path });
        }
        let mut bytes = vec![0; size as usize];
        read_exact_at(&*file, &mut bytes, 0).map_err(io_error("read identity"))?;
        match decode(&bytes) {
            Some(identity) => Ok(Some(identity)),
            None => Err(IdentityError::Damaged { file: path }),
        }
    }

    /// Makes the identity of a new node, which never voted and was never started.
    pub fn create(files: &dyn Files, dir: &Path, birth: Birth) -> Result<Identity, IdentityError> {
        let Birth { cluster, configured, node, disk, minted } = birth;
        let identity = Identity {
            cluster,
            configured,
            node,
            incarnation: 0,
            disk: Some(disk),
            has_voted: false,
            unclaimed: false,
            minted,
        };
        identity.make(files, dir).map(|()| identity)
    }

    /// Makes this identity where there is none.
    pub(crate) fn make(&self, files: &dyn Files, dir: &Path) -> Result<(), IdentityError> {
        files.create_dir_all(dir).map_err(io_error("create identity directory"))?;
        if Identity::load(files, dir)?.is_some() {
            return Err(IdentityError::Exists { file: dir.join(NAME) });
        }
        self.store(files, dir)
    }

    /// Counts a start, durably, before anything is done in its name; the new identity. One that has no disk yet is
    /// given this one.
    pub fn next_incarnation(&self, files: &dyn Files, dir: &Path, fresh: DiskId) -> Result<Identity, IdentityError> {
        let incarnation = self.incarnation.saturating_add(1);
        let next = Identity { incarnation, disk: Some(self.disk.unwrap_or(fresh)), ..self.clone() };
        next.store(files, dir)?;
        Ok(next)
    }

    /// Says durably that others may rely on this node's log; to be called before the first vote is saved.
    pub fn set_voted(&self, files: &dyn Files, dir: &Path) -> Result<Identity, IdentityError> {
        let next = Identity { has_voted: true, ..self.clone() };
        if !self.has_voted {
            next.store(files, dir)?;
        }
        Ok(next)
    }

    fn store(&self, files: &dyn Files, dir: &Path) -> Result<(), IdentityError> {
        replace(files, dir, NAME, &encode(self)).map_err(io_error("write identity"))
    }
}

fn encode(identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&identity.cluster);
    bytes.extend_from_slice(&identity.configured);
    bytes.extend_from_slice(&identity.node.to_le_bytes());
    bytes.extend_from_slice(&identity.incarnation.to_le_bytes());
    bytes.extend_from_slice(&identity.disk.map_or([0; 16], |disk| disk.0));
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    bytes.push(
        flag(identity.has_voted, FLAG_VOTED)
            | flag(identity.unclaimed, FLAG_UNCLAIMED)
            | flag(identity.minted, FLAG_MINTED),
    );
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Identity> {
    let (body, crc) = bytes.split_last_chunk()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
        return None;
    }
    match body.strip_prefix(MAGIC) {
        Some(body) if bytes.len() == BYTES => decode_2(body),
        Some(_) => None,
        None if bytes.len() == BYTES_1 => decode_1(body.strip_prefix(MAGIC_1)?),
        None => None,
    }
}

fn decode_1(body: &[u8]) -> Option<Identity> {
    let (cluster, body) = body.split_first_chunk()?;
    let (node, body) = body.split_first_chunk()?;
    let (incarnation, body) = body.split_first_chunk()?;
    let has_voted = match body {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    Some(Identity {
        cluster: *cluster,
        configured: *cluster,
        node: u64::from_le_bytes(*node),
        incarnation: u64::from_le_bytes(*incarnation),
        disk: None,
        has_voted,
        // One that never took part is as new as one that is made today.
        unclaimed: has_voted,
        minted: false,
    })
}

fn decode_2(body: &[u8]) -> Option<Identity> {
    let (cluster, body) = body.split_first_chunk()?;
    let (configured, body) = body.split_first_chunk()?;
    let (node, body) = body.split_first_chunk()?;
    let (incarnation, body) = body.split_first_chunk()?;
    let (disk, body) = body.split_first_chunk::<16>()?;
    let [flags] = *body else { return None };
    if flags & !(FLAG_VOTED | FLAG_UNCLAIMED | FLAG_MINTED) != 0 {
        return None;
    }
    Some(Identity {
        cluster: *cluster,
        configured: *configured,
        node: u64::from_le_bytes(*node),
        incarnation: u64::from_le_bytes(*incarnation),
        disk: DiskId::read(disk),
        has_voted: flags & FLAG_VOTED != 0,
        unclaimed: flags & FLAG_UNCLAIMED != 0,
        minted: flags & FLAG_MINTED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::sim::SimFiles;

    const CLUSTER: [u8; 16] = *b"cluster-of-three";
    const DISK: DiskId = DiskId(*b"the-first-disk..");
    const OTHER: DiskId = DiskId(*b"not-this-disk...");

    fn birth(node: u64) -> Birth {
        Birth { cluster: CLUSTER, configured: CLUSTER, node, disk: DISK, minted: false }
    }

    fn dir() -> &'static Path {
        Path::new("/node/log")
    }

    #[test]
    fn the_released_format_does_not_change() {
        let identity = Identity {
            cluster: CLUSTER,
            configured: *b"its-config-says.",
            node: 3,
            incarnation: 7,
            disk: Some(DISK),
            has_voted: true,
            unclaimed: false,
            minted: true,
        };
        let golden =
            b"HFIDENT\x02cluster-of-threeits-config-says.\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0the-first-disk..\x05";
        let bytes = encode(&identity);
        assert_eq!(&bytes[..golden.len()], golden);
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(decode(&bytes), Some(identity));
    }

    #[test]
    fn the_first_format_still_opens_and_is_written_anew_at_the_next_start() {
        let sim = SimFiles::new();
        let files = sim.process();
        let mut bytes = b"HFIDENT\x01cluster-of-three\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01".to_vec();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        files.create_dir_all(dir()).unwrap();
        replace(&*files, dir(), NAME, &bytes).unwrap();
        let old = Identity::load(&*files, dir()).unwrap().unwrap();
        assert_eq!((old.node, old.incarnation, old.has_voted, old.disk), (3, 7, true, None));
        assert!(old.unclaimed, "it was a member before disks were told apart");
        let new = old.next_incarnation(&*files, dir(), DISK).unwrap();
        assert_eq!((new.incarnation, new.disk, new.unclaimed), (8, Some(DISK), true));
        assert_eq!(Identity::load(&*files, dir()).unwrap(), Some(new));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let sim = SimFiles::new();
        Identity::create(&*sim.process(), dir(), birth(1)).unwrap();
        for bit in 0..BYTES * 8 {
            let rotten = sim.fork();
            assert!(rotten.corrupt(&dir().join(NAME), bit as u64 / 8, |byte| byte ^ (1 << (bit % 8))));
            let found = Identity::load(&*rotten.process(), dir());
            assert!(matches!(found, Err(IdentityError::Damaged { .. })), "bit {bit}: {found:?}");
        }
    }

    #[test]
    fn a_crash_anywhere_leaves_the_old_or_the_new_one() {
        let sim = SimFiles::new();
        Identity::create(&*sim.process(), dir(), birth(1)).unwrap();
        for seed in 0..64 {
            for step in 0..8 {
                let sim = sim.fork();
                let files = sim.process();
                let old = Identity::load(&*files, dir()).unwrap().unwrap();
                let old = old.next_incarnation(&*files, dir(), OTHER).unwrap();
                sim.power_off_after(step);
                let voted = old.set_voted(&*files, dir());
                let counted = voted.as_ref().map(|voted| voted.next_incarnation(&*files, dir(), OTHER));
                sim.crash(seed);
                let found = Identity::load(&*sim.process(), dir()).unwrap().unwrap();
                assert!(found.incarnation >= old.incarnation, "seed {seed} step {step}");
                assert!(voted.is_err() || found.has_voted, "seed {seed} step {step}");
                assert_eq!(found.disk, Some(DISK), "it keeps the disk that it was made with");
                if let Ok(Ok(counted)) = counted {
                    assert_eq!(found, counted, "seed {seed} step {step}");
                }
            }
        }
    }

    #[test]
    fn log_and_identity_belong_together() {
        let files = SimFiles::new().process();
        let never = Identity::create(&*files, dir(), birth(1)).unwrap();
        let voted = Identity { has_voted: true, ..never.clone() };
        assert_eq!(examine(None, LogExists::No).unwrap(), Standing::New);
        assert_eq!(examine(Some(never.clone()), LogExists::No).unwrap(), Standing::Unfinished(never.clone()));
        assert_eq!(examine(Some(voted.clone()), LogExists::Yes).unwrap(), Standing::Member(voted.clone()));
        assert!(matches!(examine(None, LogExists::Yes), Err(IdentityError::LogWithoutIdentity)));
        let lost = examine(Some(voted), LogExists::No);
        assert!(matches!(lost, Err(IdentityError::IdentityWithoutLog { node: 1 })), "{lost:?}");
    }

    #[test]
    fn an_identity_is_not_made_twice() {
        let files = SimFiles::new().process();
        Identity::create(&*files, dir(), birth(1)).unwrap();
        assert!(matches!(Identity::create(&*files, dir(), birth(2)), Err(IdentityError::Exists { .. })));
    }
}
