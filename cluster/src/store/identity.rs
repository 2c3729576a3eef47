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
//! **What is deliberately not here.** Making new ids: the operator and the cluster do that.

use super::files::{Files, read_exact_at, replace};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "identity";
const MAGIC: &[u8; 8] = b"HFIDENT\x01";
/// Magic, cluster, node, incarnation, voted, CRC.
const BYTES: usize = 8 + 16 + 8 + 8 + 1 + 4;

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which cluster.
    pub cluster: [u8; 16],
    /// Which node of it.
    pub node: u64,
    /// How often it was started; 0 before the first start.
    pub incarnation: u64,
    /// Whether it may ever have answered a vote or an append: then a missing log is a lost log.
    pub has_voted: bool,
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
        let mut bytes = [0; BYTES];
        let size = file.size().map_err(io_error("size identity"))?;
        if size != BYTES as u64 {
            return Err(IdentityError::Damaged { file: path });
        }
        read_exact_at(&*file, &mut bytes, 0).map_err(io_error("read identity"))?;
        match decode(&bytes) {
            Some(identity) => Ok(Some(identity)),
            None => Err(IdentityError::Damaged { file: path }),
        }
    }

    /// Makes the identity of a new node, which never voted and was never started.
    pub fn create(files: &dyn Files, dir: &Path, cluster: [u8; 16], node: u64) -> Result<Identity, IdentityError> {
        let identity = Identity { cluster, node, incarnation: 0, has_voted: false };
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

    /// Counts a start, durably, before anything is done in its name; the new identity.
    pub fn next_incarnation(&self, files: &dyn Files, dir: &Path) -> Result<Identity, IdentityError> {
        let next = Identity { incarnation: self.incarnation.saturating_add(1), ..self.clone() };
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
    bytes.extend_from_slice(&identity.node.to_le_bytes());
    bytes.extend_from_slice(&identity.incarnation.to_le_bytes());
    bytes.push(u8::from(identity.has_voted));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<Identity> {
    let (body, crc) = bytes.split_last_chunk()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (cluster, body) = body.split_first_chunk()?;
    let (node, body) = body.split_first_chunk()?;
    let (incarnation, body) = body.split_first_chunk()?;
    let has_voted = match body {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let (node, incarnation) = (u64::from_le_bytes(*node), u64::from_le_bytes(*incarnation));
    Some(Identity { cluster: *cluster, node, incarnation, has_voted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::sim::SimFiles;

    const CLUSTER: [u8; 16] = *b"cluster-of-three";

    fn dir() -> &'static Path {
        Path::new("/node/log")
    }

    #[test]
    fn the_released_format_does_not_change() {
        let identity = Identity { cluster: CLUSTER, node: 3, incarnation: 7, has_voted: true };
        let golden = b"HFIDENT\x01cluster-of-three\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01";
        let bytes = encode(&identity);
        assert_eq!(&bytes[..golden.len()], golden);
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(decode(&bytes.try_into().unwrap()), Some(identity));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let sim = SimFiles::new();
        Identity::create(&*sim.process(), dir(), CLUSTER, 1).unwrap();
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
        Identity::create(&*sim.process(), dir(), CLUSTER, 1).unwrap();
        for seed in 0..64 {
            for step in 0..8 {
                let sim = sim.fork();
                let files = sim.process();
                let old = Identity::load(&*files, dir()).unwrap().unwrap();
                let old = old.next_incarnation(&*files, dir()).unwrap();
                sim.power_off_after(step);
                let voted = old.set_voted(&*files, dir());
                let counted = voted.as_ref().map(|voted| voted.next_incarnation(&*files, dir()));
                sim.crash(seed);
                let found = Identity::load(&*sim.process(), dir()).unwrap().unwrap();
                assert!(found.incarnation >= old.incarnation, "seed {seed} step {step}");
                assert!(voted.is_err() || found.has_voted, "seed {seed} step {step}");
                if let Ok(Ok(counted)) = counted {
                    assert_eq!(found, counted, "seed {seed} step {step}");
                }
            }
        }
    }

    #[test]
    fn log_and_identity_belong_together() {
        let never = Identity { cluster: CLUSTER, node: 1, incarnation: 1, has_voted: false };
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
        Identity::create(&*files, dir(), CLUSTER, 1).unwrap();
        assert!(matches!(Identity::create(&*files, dir(), CLUSTER, 2), Err(IdentityError::Exists { .. })));
    }
}
