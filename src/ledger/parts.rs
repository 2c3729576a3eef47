//! A table whose copies are free: a copy shares everything, and a write afterwards copies only its own path.
//!
//! **What lives here.** [`Parts`]: 262,144 parts below a root of 4,096 nodes of 8 leaves of 8 parts, each part a small
//! sorted list of shared records. A record's part is the top 18 bits of [`Key::hash`], which is fixed for ever so that
//! every node shapes its memory alike; nothing stored or compared (digests, snapshots) depends on it. Commands that go
//! through a table by and by name a [section](Parts::section) of it, which is four parts.
//!
//! **What must hold.** A copy never changes by what is done to the original. The first write to a path after a copy
//! clones at most the root (4,096 pointers), one node and one leaf (8 pointers each), one part (about 4 pointers at a
//! million records) and one record; the worst batch after a snapshot pays for its own commands and for nothing else.
//! A cloned pointer is a counter somewhere else in memory that is counted up, so few of them matter, and those of the
//! root are paid for once: with a quarter of the parts, a batch of 256 beside a snapshot took a sixth longer and the
//! first one after the copy nearly half; a root twice as wide gained nothing more.
//!
//! **What is not here.** Forgetting: a record is removed only when another one has taken its content in, or when an
//! operator says so.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bits of a hash that choose a part.
const BITS: u32 = 18;
const ROOT: usize = 4096;
const FAN: usize = 8;
const _: () = assert!(ROOT * FAN * FAN == 1 << BITS, "each part has its place");

/// The name of a record: its programme and its own name within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key<'a> {
    pub program: &'a [u8],
    pub name: &'a [u8],
}

impl Key<'_> {
    /// Both texts with their lengths, eight bytes at a time, each step mixed by a multiplication whose halves are
    /// folded: every bit of the text moves the top bits, which choose the part.
    pub(crate) fn hash(&self) -> u64 {
        let hash = mix_text(0x9e37_79b9_7f4a_7c15, self.program);
        mix_text(hash, self.name)
    }
}

fn mix_text(mut hash: u64, text: &[u8]) -> u64 {
    hash = mix(hash, text.len() as u64);
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
    (product as u64) ^ ((product >> 64) as u64)
}

/// What can be kept in [`Parts`]: it knows its own key, which never changes.
pub(crate) trait Keyed: Clone {
    fn key(&self) -> Key<'_>;
}

/// The hash stands beside the pointer, so that a search touches no record but the one it finds.
#[derive(Clone)]
struct Slot<R> {
    hash: u64,
    record: Arc<R>,
}

type Part<R> = Vec<Slot<R>>;
type Leaf<R> = [Option<Arc<Part<R>>>; FAN];
type Node<R> = [Option<Arc<Leaf<R>>>; FAN];
type Root<R> = [Option<Arc<Node<R>>>; ROOT];

/// See the module. An empty one is two words.
#[derive(Clone)]
pub(crate) struct Parts<R> {
    root: Option<Arc<Root<R>>>,
    len: u64,
}

impl<R> Default for Parts<R> {
    fn default() -> Self {
        Parts { root: None, len: 0 }
    }
}

/// Where in the root, in its node and in its leaf the part of a hash is.
fn path(hash: u64) -> [usize; 3] {
    // 18 bits fit.
    let part = (hash >> (u64::BITS - BITS)) as usize;
    [part / (FAN * FAN), part / FAN % FAN, part % FAN]
}

/// The same for all parts of a section, whose number is the top 16 bits.
fn paths_of(section: u16) -> impl Iterator<Item = [usize; 3]> {
    let first = u64::from(section) << (u64::BITS - u16::BITS);
    (0..1 << (BITS - u16::BITS)).map(move |part: u64| path(first | part << (u64::BITS - BITS)))
}

/// What there is below a node, with its place.
fn there<T>(below: &[Option<Arc<T>>]) -> impl Iterator<Item = (usize, &Arc<T>)> {
    below.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_ref()?)))
}

/// Parts are sorted by hash, and by key where hashes collide.
fn search<R: Keyed>(part: &Part<R>, hash: u64, key: Key<'_>) -> Result<usize, usize> {
    part.binary_search_by(|slot| slot.hash.cmp(&hash).then_with(|| slot.record.key().cmp(&key)))
}

impl<R: Keyed> Parts<R> {
    /// How many records there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn get(&self, key: Key<'_>) -> Option<&R> {
        let hash = key.hash();
        let part = self.part_at(path(hash))?;
        let at = search(part, hash, key).ok()?;
        Some(&part[at].record)
    }

    /// The record for changing; its path is copied if a copy of the table shares it. The key must stay as it is.
    pub(crate) fn get_mut(&mut self, key: Key<'_>) -> Option<&mut R> {
        let hash = key.hash();
        let [high, middle, low] = path(hash);
        let node = Arc::make_mut(self.root.as_mut()?)[high].as_mut()?;
        let leaf = Arc::make_mut(node)[middle].as_mut()?;
        let part = Arc::make_mut(leaf)[low].as_mut()?;
        // Only what is there is worth a copy of its part.
        let at = search(part, hash, key).ok()?;
        Some(Arc::make_mut(&mut Arc::make_mut(part)[at].record))
    }

    /// Adds a record. False, and nothing changes, if there is one with its key.
    pub(crate) fn insert(&mut self, record: R) -> bool {
        let hash = record.key().hash();
        let part = self.part_mut(hash);
        let Err(at) = search(part, hash, record.key()) else {
            return false;
        };
        Arc::make_mut(part).insert(at, Slot { hash, record: Arc::new(record) });
        self.len += 1;
        true
    }

    /// Changes the record with the key of this one, or adds this one.
    pub(crate) fn upsert(&mut self, record: R, change: impl FnOnce(&mut R)) {
        let hash = record.key().hash();
        let part = self.part_mut(hash);
        match search(part, hash, record.key()) {
            Ok(at) => change(Arc::make_mut(&mut Arc::make_mut(part)[at].record)),
            Err(at) => {
                Arc::make_mut(part).insert(at, Slot { hash, record: Arc::new(record) });
                self.len += 1;
            }
        }
    }

    /// Takes a record out, if there is one with this key.
    pub(crate) fn remove(&mut self, key: Key<'_>) -> Option<R> {
        let hash = key.hash();
        let [high, middle, low] = path(hash);
        let node = Arc::make_mut(self.root.as_mut()?)[high].as_mut()?;
        let leaf = Arc::make_mut(node)[middle].as_mut()?;
        let part = Arc::make_mut(leaf)[low].as_mut()?;
        let at = search(part, hash, key).ok()?;
        self.len -= 1;
        Some(Arc::unwrap_or_clone(Arc::make_mut(part).remove(at).record))
    }

    /// Frees a node of a table that nobody needs any more, some 250 records at a million; false when nothing is left of
    /// it. What it shares with copies stays theirs.
    pub(crate) fn free_some(&mut self) -> bool {
        let root = self.root.as_mut().and_then(Arc::get_mut);
        match root.and_then(|root| root.iter_mut().find_map(Option::take)) {
            Some(node) => {
                drop(node);
                true
            }
            None => self.root.take().is_some(),
        }
    }

    /// Walks the paths of up to `N` hashes side by side, for [`crate::warm`]: a step of all of them, then the next one.
    pub(crate) fn warm<const N: usize>(&self, hashes: &[u64]) {
        let Some(root) = self.root.as_deref() else { return };
        let mut leaves: [Option<&Arc<Leaf<R>>>; N] = [const { None }; N];
        for (lane, hash) in leaves.iter_mut().zip(hashes) {
            let [high, middle, _] = path(*hash);
            *lane = root[high].as_ref().and_then(|node| node[middle].as_ref());
        }
        let mut parts: [Option<&Arc<Part<R>>>; N] = [const { None }; N];
        for ((lane, leaf), hash) in parts.iter_mut().zip(leaves).zip(hashes) {
            let [_, _, low] = path(*hash);
            *lane = leaf.and_then(|leaf| leaf[low].as_ref());
        }
        let mut slots: [&[Slot<R>]; N] = [&[]; N];
        for (lane, part) in slots.iter_mut().zip(parts) {
            *lane = part.map_or(&[], |part| part.as_slice());
        }
        let mut found: [Option<&R>; N] = [None; N];
        for ((lane, slots), hash) in found.iter_mut().zip(slots).zip(hashes) {
            let at = slots.partition_point(|slot| slot.hash < *hash);
            *lane = slots.get(at).filter(|slot| slot.hash == *hash).map(|slot| &*slot.record);
        }
        let seen: usize = found.iter().flatten().map(|record| record.key().name.len()).sum();
        // Somebody has to want it, or the compiler leaves all of it out.
        core::hint::black_box(seen);
    }

    /// The part where a hash belongs, its path made if it is not there.
    fn part_mut(&mut self, hash: u64) -> &mut Arc<Part<R>> {
        let [high, middle, low] = path(hash);
        let root = self.root.get_or_insert_with(|| Arc::new([const { None }; ROOT]));
        let node = Arc::make_mut(root)[high].get_or_insert_with(|| Arc::new([const { None }; FAN]));
        let leaf = Arc::make_mut(node)[middle].get_or_insert_with(|| Arc::new([const { None }; FAN]));
        // Below a quarter of a million records most parts have one.
        Arc::make_mut(leaf)[low].get_or_insert_with(|| Arc::new(Vec::with_capacity(1)))
    }

    fn part_at(&self, [high, middle, low]: [usize; 3]) -> Option<&Part<R>> {
        self.root.as_ref()?[high].as_ref()?[middle].as_ref()?[low].as_deref()
    }

    /// The records of one section, of which there are 65,536, in the order of their hashes.
    pub(crate) fn section(&self, number: u16) -> impl Iterator<Item = &R> {
        let parts = paths_of(number).filter_map(|path| self.part_at(path));
        parts.flat_map(|part| part.iter().map(|slot| &*slot.record))
    }

    /// All records, in the order of their hashes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots().map(|(_, slot)| &*slot.record)
    }

    /// How many records stand where a search would not find them; none, unless memory or code is broken.
    pub(crate) fn misplaced(&self) -> u64 {
        let mut last = None;
        let mut misplaced = 0;
        for (place, slot) in self.slots() {
            let now = (slot.hash, slot.record.key());
            let sound = now.1.hash() == slot.hash && path(slot.hash) == place && last.is_none_or(|last| last < now);
            misplaced += u64::from(!sound);
            last = Some(now);
        }
        misplaced
    }

    fn slots(&self) -> impl Iterator<Item = ([usize; 3], &Slot<R>)> {
        let nodes = self.root.iter().flat_map(|root| there(&**root));
        let leaves = nodes.flat_map(|(high, node)| there(&**node).map(move |(middle, leaf)| ((high, middle), leaf)));
        let parts = leaves
            .flat_map(|((high, middle), leaf)| there(&**leaf).map(move |(low, part)| ([high, middle, low], part)));
        parts.flat_map(|(place, part)| part.iter().map(move |slot| (place, slot)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[derive(Clone, Debug, PartialEq)]
    struct Note {
        name: String,
        text: &'static str,
    }

    impl Keyed for Note {
        fn key(&self) -> Key<'_> {
            key(&self.name)
        }
    }

    fn key(name: &str) -> Key<'_> {
        Key { program: b"default", name: name.as_bytes() }
    }

    fn filled(count: usize) -> Parts<Note> {
        let mut parts = Parts::default();
        for number in 0..count {
            assert!(parts.insert(Note { name: format!("demo-{number}"), text: "old" }));
        }
        parts
    }

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(key("").hash(), 0xe1f5_19c9_8e7a_1141);
        assert_eq!(key("demo-1").hash(), 0x1869_8169_1b35_95e1);
        assert_eq!(Key { program: b"defaul", name: b"tdemo-1" }.hash(), 0x18fe_d704_d332_6b8f);
    }

    #[test]
    fn what_was_inserted_is_found_once() {
        let mut parts = filled(5_000);
        assert_eq!((parts.len(), parts.iter().count(), parts.misplaced()), (5_000, 5_000, 0));
        assert_eq!(parts.get(key("demo-4999")).map(|note| note.text), Some("old"));
        assert_eq!(parts.get(key("demo-5000")), None);
        assert!(!parts.insert(Note { name: "demo-7".into(), text: "new" }));
        assert_eq!(parts.get(key("demo-7")).map(|note| note.text), Some("old"));
        assert_eq!(parts.len(), 5_000);
    }

    #[test]
    fn a_copy_never_changes() {
        let mut parts = filled(2_000);
        let frozen = parts.clone();
        for number in 0..2_000 {
            let name = format!("demo-{number}");
            parts.get_mut(key(&name)).expect("was inserted").text = "new";
        }
        assert!(parts.insert(Note { name: "another".into(), text: "new" }));
        assert!(frozen.iter().all(|note| note.text == "old"));
        assert!(parts.iter().all(|note| note.text == "new"));
        assert_eq!((frozen.len(), frozen.iter().count(), parts.len()), (2_000, 2_000, 2_001));
        assert!(frozen.get(key("another")).is_none());
    }

    #[test]
    fn a_table_is_freed_by_and_by_and_its_copies_keep_what_they_have() {
        let mut parts = filled(2_000);
        let mut old = parts.clone();
        for number in 0..1_000 {
            parts.get_mut(key(&format!("demo-{number}"))).expect("was inserted").text = "new";
        }
        let mut shared = old.clone();
        assert!(shared.free_some() && !shared.free_some(), "a table shared from its root has nothing of its own");
        let steps = (0..10_000).take_while(|_| old.free_some()).count();
        assert!((FAN..10_000).contains(&steps) && old.iter().next().is_none(), "freed in {steps} steps");
        let told = |text| parts.iter().filter(|note| note.text == text).count();
        assert_eq!((told("new"), told("old"), parts.misplaced()), (1_000, 1_000, 0));
    }

    #[test]
    fn the_sections_are_the_whole_table_in_its_order() {
        let parts = filled(5_000);
        let by_section = (0..=u16::MAX).flat_map(|number| parts.section(number));
        assert!(by_section.eq(parts.iter()), "each record once, in the order of the hashes");
        let first = parts.iter().next().expect("filled");
        let number = (first.key().hash() >> 48) as u16;
        assert!(parts.section(number).any(|note| note == first), "its number is the top 16 bits");
    }

    #[test]
    fn sequential_names_spread_over_the_sections() {
        let parts = filled(65_536);
        // One on average; a random placement has at most about 8 or 9.
        assert!((0..=u16::MAX).map(|number| parts.section(number).count()).max() < Some(12));
    }
}
