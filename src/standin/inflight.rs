//! Requests in flight on this node, so that a repeat attaches to the first instead of proposing again (pitfall 9).
//!
//! What must hold: at most one first per key at any time; everyone attached hears of the first's landing or of its
//! being dropped, whichever comes; no entry outlives its first. The map is as large as there are requests in flight,
//! which the front door bounds. Across nodes, and after the landing, the books themselves recognise repeats.

use crate::Answer;
use ledger::{Fingerprint, Program, Token};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use tokio::sync::watch;

/// What makes two requests the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) program: Program,
    pub(crate) token: Token,
    pub(crate) fingerprint: Fingerprint,
}

impl Hash for Key {
    /// A fingerprint is a digest of nearly all that the key stands for: nobody can make many keys that share one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.0.hash(state);
    }
}

/// Made by the first who attaches, so that a request without repeats pays for the map entry only.
type Listeners = Option<watch::Sender<Option<Answer>>>;

#[derive(Debug, Default)]
pub(crate) struct InFlight {
    firsts: Mutex<HashMap<Key, Listeners>>,
}

/// What a request is on this node.
pub(crate) enum Boarding<'a> {
    First(First<'a>),
    Attached(Attached),
}

impl InFlight {
    /// Makes the request the first of its key, or attaches it to the one that is.
    pub(crate) fn board(&self, key: Key) -> Boarding<'_> {
        match self.firsts.lock().entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                Boarding::First(First { in_flight: self, key, answer: None })
            }
            Entry::Occupied(mut occupied) => {
                let sender = occupied.get_mut().get_or_insert_with(|| watch::Sender::new(None));
                Boarding::Attached(Attached(sender.subscribe()))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.firsts.lock().is_empty()
    }
}

/// The one that proposes. Dropped without landing (its client went away), it wakes the attached, and one of them
/// becomes first with an attempt of its own.
pub(crate) struct First<'a> {
    in_flight: &'a InFlight,
    key: Key,
    answer: Option<Answer>,
}

impl First<'_> {
    /// Tells everyone attached.
    pub(crate) fn land(mut self, answer: &Answer) {
        self.answer = Some(answer.clone());
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        // The one place where the entry goes: twice, and it might be the next first's.
        let listeners = self.in_flight.firsts.lock().remove(&self.key).flatten();
        if let (Some(sender), Some(answer)) = (listeners, self.answer.take()) {
            sender.send_replace(Some(answer));
        }
        // Without an answer, the sender's going is what wakes the attached.
    }
}

/// One that waits for the first.
pub(crate) struct Attached(watch::Receiver<Option<Answer>>);

impl Attached {
    /// The first's answer, or none if the first was dropped without one.
    pub(crate) async fn outcome(mut self) -> Option<Answer> {
        match self.0.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        }
    }
}
