//! The first state of a new cluster that begins with what another one had: one node's directories, before its first
//! start.
//!
//! **What must hold.** All nodes of the new cluster get the same state under the same log id, so that they agree before
//! the first of them leads. The log id is of term 1 and of node 0, which nobody is, so it is of no entry that any node
//! ever wrote or will write. Incarnations begin where the caller says: above all that the state remembers.
//!
//! **Crash story.** The log is made first, then the snapshot, the identity last. Until then the directory has a log and
//! no identity, with which no node starts; with the identity everything is there. Nothing here removes anything.
//!
//! **What is deliberately not here.** Whether the directories were empty, and where the state comes from.

use crate::codec::{self, Described};
use crate::store::files::Files;
use crate::store::identity::Identity;
use crate::store::log::{Log, Options};
use crate::store::snapshots::{Header, Shelf};
use crate::types::{Member, Membership, Seat, SnapshotMeta, StoredMembership, log_id};
use crate::{StartError, StateMachine, disk};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// One node of the new cluster.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The new cluster's id.
    pub cluster: [u8; 16],
    /// What its nodes are configured with, see [`Identity::configured`].
    pub configured: [u8; 16],
    /// This node.
    pub node: u64,
    /// All nodes, this one included; each of them votes.
    pub members: BTreeMap<u64, Member>,
    /// Its first start has the next incarnation.
    pub incarnation: u64,
    /// Where its log and identity will be.
    pub log_dir: PathBuf,
    /// Where its snapshots will be.
    pub data_dir: PathBuf,
    /// How large a log segment is.
    pub segment_bytes: u64,
}

/// What the new cluster begins with.
pub struct Beginning<'a, M> {
    /// The state.
    pub machine: &'a M,
    /// The log index under which it stands: the log goes on after it.
    pub index: u64,
    /// Log time goes on after this.
    pub time_us: u64,
    /// The cluster's version that the state is of.
    pub version: u32,
}

impl Seed {
    /// Makes the directories of a node that was never started. Blocks.
    pub fn plant<M: StateMachine>(
        &self,
        files: Arc<dyn Files>,
        beginning: &Beginning<'_, M>,
    ) -> Result<(), StartError> {
        if beginning.index == 0 || !self.members.contains_key(&self.node) {
            return Err(StartError::Config("a node is seeded with a state, and as one of its members".to_owned()));
        }
        let options = Options { segment_bytes: self.segment_bytes, ..Options::default() };
        Log::create(&*files, &self.log_dir, &options).map_err(disk::open_error)?;
        let shelf = Shelf::open(files.clone(), &self.data_dir.join("snapshots"));
        let shelf = shelf.map_err(|source| disk::disk_error("open the snapshots", source))?;
        let header = self.header(beginning)?;
        let stored = shelf.write(&header, beginning.machine.records(), 0);
        stored.map_err(|error| disk::disk_error("write the snapshot", error.into()))?;
        let identity = Identity {
            cluster: self.cluster,
            configured: self.configured,
            node: self.node,
            incarnation: self.incarnation,
            // Minted at its first start. Until the first leader has bound all ids to their disks, calls name none.
            disk: None,
            has_voted: false,
            unclaimed: true,
            minted: false,
        };
        identity.make(&*files, &self.log_dir).map_err(disk::identity_error)
    }

    fn header<M: StateMachine>(&self, beginning: &Beginning<'_, M>) -> Result<Header, StartError> {
        let last = log_id(1, 0, beginning.index);
        let voters: BTreeSet<u64> = self.members.keys().copied().collect();
        let seat = |(id, member): (&u64, &Member)| (*id, Seat { member: member.clone(), disk: None });
        let seats: BTreeMap<u64, Seat> = self.members.iter().map(seat).collect();
        let membership = Membership::new(vec![voters], seats);
        let membership = membership.map_err(|error| StartError::Config(error.to_string()))?;
        let last_membership = StoredMembership::new(Some(last), membership);
        Ok(Header {
            cluster: self.cluster,
            index: beginning.index,
            log_id: codec::encode_log_id(&last),
            membership: codec::encode_header(&Described {
                meta: SnapshotMeta { last_log_id: Some(last), last_membership },
                minted: 0,
                version: beginning.version,
            }),
            time_us: beginning.time_us,
            digest: beginning.machine.digest(),
            records: beginning.machine.records_count(),
        })
    }
}
