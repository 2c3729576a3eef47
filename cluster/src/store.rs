//! What a node keeps on its disk for Raft: the log, its identity, the snapshots. Opaque bytes only.
//!
//! **What lives here.** [`log`] (entries, vote, committed), [`identity`] (who this node is, and whether it ever
//! voted), [`snapshots`] (whole states as checked files), and [`files`], the few file operations they need, real or
//! simulated with crashes and faults.
//!
//! **What must hold.** Whatever was acknowledged is there after any crash, or the open is refused with an error that
//! names file and offset. Acknowledged data is never dropped silently, and a missing file never reads as a new store.
//!
//! **What is deliberately not here.** No type of openraft, no async, no encoding of entries, and no decision when to
//! snapshot or purge.

pub mod files;
pub mod identity;
pub mod log;
pub mod snapshots;
