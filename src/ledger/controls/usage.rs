//! What an account, a card, a product or the programme has used of the limits: counters in slots of time.
//!
//! **What must hold.** Buckets are sorted by rule and slot. One whose all was given back stays, in case it is taken
//! again. A bucket that no window looks at any more goes when its rule is counted next; those of rules that are gone go
//! with the first count under a new version. So an account has at most 25 buckets for each limit, and there are at most
//! [`Document::LIMITS_MAX`] limits.

use super::{Controls, Document, Per, Window, Zone};
use crate::kind_name::KindName;
use crate::parts::{Key, Keyed};
use crate::{Country, Program, Timestamp, Token, UserToken};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What one account, card, card product or programme has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub program: Program,
    /// The kind of subject and its token.
    pub name: Box<[u8]>,
    /// The version of the controls under which it was counted last.
    pub version: u64,
    pub buckets: Vec<Bucket>,
    /// A card: it was approved before.
    pub used: bool,
    /// A card: where it was last, and when, as far as it was there itself.
    pub last: Option<(Country, Timestamp)>,
}

/// What was counted for a rule in a slot of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub rule: u32,
    pub count: u32,
    pub slot: u64,
    pub minor: u64,
}

/// An account's usage.
pub(crate) fn of_account(user: &UserToken) -> KindName {
    KindName::new(b'a', user.as_bytes())
}

/// A card's usage.
pub(crate) fn of_card(card: &Token) -> KindName {
    KindName::new(b'c', card.as_bytes())
}

/// Whose usage a request may be part of.
#[derive(Clone, Copy)]
pub(crate) struct Subjects<'a> {
    pub user: &'a UserToken,
    pub card: Option<&'a Token>,
    pub product: Option<&'a Token>,
}

impl Subjects<'_> {
    /// The one that such limits count for, if the request names it.
    pub(crate) fn of(&self, per: Per) -> Option<KindName> {
        match per {
            Per::Account => Some(of_account(self.user)),
            Per::Card => self.card.map(of_card),
            Per::Product => self.product.map(|product| KindName::new(b'p', product.as_bytes())),
            Per::Programme => Some(KindName::new(b'g', b"")),
        }
    }
}

impl Usage {
    /// More than the bound above, for who reads one.
    pub(crate) const BUCKETS_MAX: usize = 26 * Document::LIMITS_MAX;

    pub(crate) fn empty(program: Program, subject: &KindName) -> Usage {
        let name = subject.as_bytes().into();
        Usage { program, name, version: 0, buckets: Vec::new(), used: false, last: None }
    }

    /// What counts for a rule at that time: how often, and how much.
    pub(crate) fn sum(&self, rule: u32, window: Window, zone: &Zone, now: Timestamp) -> (u64, u64) {
        let oldest = window.oldest(window.slot(zone, now));
        let from = self.buckets.partition_point(|bucket| (bucket.rule, bucket.slot) < (rule, oldest));
        let counted = self.buckets.iter().skip(from).take_while(|bucket| bucket.rule == rule);
        counted.fold((0, 0), |(count, minor), bucket| {
            (u64::saturating_add(count, bucket.count.into()), u64::saturating_add(minor, bucket.minor))
        })
    }

    /// Forgets what was counted for rules that are no more.
    pub(crate) fn follow(&mut self, controls: &Controls) {
        if self.version != controls.version {
            self.buckets.retain(|bucket| controls.rule(bucket.rule).is_some());
            self.version = controls.version;
        }
    }

    /// Counts once, with that much, in the slot of that time.
    pub(crate) fn count(&mut self, rule: u32, window: Window, zone: &Zone, at: Timestamp, minor: u64) {
        let slot = window.slot(zone, at);
        if let Ok(known) = self.find(rule, slot) {
            known.count = known.count.saturating_add(1);
            known.minor = known.minor.saturating_add(minor);
            return;
        }
        // Once a slot: what is too old goes.
        let oldest = window.oldest(slot);
        self.buckets.retain(|bucket| bucket.rule != rule || bucket.slot >= oldest);
        let place = self.buckets.partition_point(|bucket| (bucket.rule, bucket.slot) < (rule, slot));
        self.buckets.insert(place, Bucket { rule, count: 1, slot, minor });
    }

    /// Takes that much off the slot of that time, or adds it; and the one request, if there is none any more, or one
    /// again. A slot that is gone stays gone.
    pub(crate) fn correct(&mut self, rule: u32, slot: u64, was: u64, is: u64) {
        let Ok(known) = self.find(rule, slot) else {
            return;
        };
        known.minor = known.minor.saturating_sub(was).saturating_add(is);
        known.count = match (was, is) {
            (0, 0) => known.count,
            (0, _) => known.count.saturating_add(1),
            (_, 0) => known.count.saturating_sub(1),
            (_, _) => known.count,
        };
    }

    fn find(&mut self, rule: u32, slot: u64) -> Result<&mut Bucket, usize> {
        let at = self.buckets.binary_search_by_key(&(rule, slot), |bucket| (bucket.rule, bucket.slot))?;
        self.buckets.get_mut(at).ok_or(at)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.buckets.len() <= Self::BUCKETS_MAX
            && self.buckets.is_sorted_by(|left, right| (left.rule, left.slot) < (right.rule, right.slot))
    }
}

impl Keyed for Usage {
    fn key(&self) -> Key<'_> {
        Key { program: self.program.as_bytes(), name: &self.name }
    }
}
