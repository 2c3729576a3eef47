//! The life of one card transaction, as the set of facts that are known of it.
//!
//! **What lives here.** [`Chain`]: its [`Link`]s, one for each of the processor's transactions, and how the same fact
//! told twice, or two halves of one, become one link. What the set means in money is `target`; who moves the money is
//! `life`.
//!
//! **What must hold.** Joining is a least upper bound: any order and any repetition of the same facts gives the same
//! set. Two links are one if they share a name. A later stage of a transaction replaces an earlier one and is never
//! replaced by it; of two contents of one stage the larger counts.

pub(crate) mod name;
#[cfg(test)]
pub(crate) mod planted;
pub(crate) mod tally;
pub(crate) mod target;

use crate::event::{Role, Word};
use crate::parts::{Key, Keyed};
use crate::{Currency, Program, Timestamp, Token, UserToken};
use alloc::vec::Vec;
use name::Named;
use target::Target;

/// One card transaction of one account in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub program: Program,
    /// Given by the ledger, counting up from 1; big endian, so that it can be a key.
    pub number: [u8; 8],
    pub user: UserToken,
    pub currency: Currency,
    /// Every name that leads here, in the order in which they came: those of links, and those that links refer to.
    pub names: Vec<Named>,
    pub links: Vec<Link>,
    /// The hold that stands for all of it.
    pub hold: Option<u64>,
    /// When the hold expired here, if it did.
    pub expired: Option<Timestamp>,
    /// Something was paid after it had expired.
    pub late: bool,
    /// A transaction was told with two contents.
    pub differs: bool,
    /// What it means in money, as it stands in the books.
    pub target: Target,
}

/// A fact: one of the processor's transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its own names, in order.
    pub names: Vec<Named>,
    pub role: Role,
    pub minor: u64,
    /// What the processor has said last.
    pub word: Option<Word>,
    /// We said yes, and have not taken it back.
    pub approved: bool,
    /// Log time of the first news of it.
    pub at: Timestamp,
    /// When a hold of it expires; zero if it does not.
    pub expires_at: Timestamp,
}

/// A chain can grow no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Whether a fact was told with two contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Alike,
    Differing,
}

impl Link {
    fn rank(&self) -> u8 {
        self.word.map_or(0, Word::rank)
    }

    /// The processor stands by it.
    pub(crate) fn confirmed(&self) -> bool {
        match self.word {
            Some(Word::Pending | Word::Cleared | Word::Completed) => true,
            None | Some(Word::Declined | Word::Error) => false,
        }
    }

    /// The processor says that it never was.
    pub(crate) fn denied(&self) -> bool {
        self.word.is_some() && !self.confirmed()
    }

    /// The least fact that says all that both say.
    fn join(&mut self, other: Link) -> Joined {
        let (mine, theirs) = ((self.role, self.minor), (other.role, other.minor));
        let differs = mine != theirs && self.word.is_some() && other.word.is_some();
        if (other.rank(), other.word, other.minor, other.role) > (self.rank(), self.word, self.minor, self.role) {
            self.role = other.role;
            self.minor = other.minor;
            self.word = other.word;
        }
        self.approved |= other.approved;
        self.at = self.at.min(other.at);
        self.expires_at = self.expires_at.max(other.expires_at);
        for name in other.names {
            if let Err(at) = self.names.binary_search(&name) {
                self.names.insert(at, name);
            }
        }
        if differs { Joined::Differing } else { Joined::Alike }
    }
}

impl Chain {
    /// How many facts one card transaction can have: a hotel stay or a marketplace order has dozens.
    pub(crate) const LINKS_MAX: usize = 256;
    /// Each fact has two names and refers to two; a chain shares most of them.
    pub(crate) const NAMES_MAX: usize = 768;

    pub(crate) fn number(&self) -> u64 {
        u64::from_be_bytes(self.number)
    }

    /// Adds a fact, or joins it with what is known of it.
    pub(crate) fn add(&mut self, link: Link) -> Result<(), Full> {
        self.name(&link.names)?;
        let mut link = link;
        // Each link that shares a name goes into the new one; it takes the place of the first of them.
        let mut place = None;
        while let Some(at) = self.links.iter().position(|known| is_one(known, &link)) {
            let mut known = self.links.remove(at);
            #[cfg(test)]
            planted::releases_again(&mut known, &link);
            self.differs |= known.join(link) == Joined::Differing;
            link = known;
            place = Some(place.map_or(at, |place: usize| place.min(at)));
        }
        if self.links.len() >= Self::LINKS_MAX {
            return Err(Full);
        }
        self.links.insert(place.unwrap_or(self.links.len()), link);
        Ok(())
    }

    /// Makes the names lead here.
    pub(crate) fn name(&mut self, names: &[Named]) -> Result<(), Full> {
        for name in names {
            if !self.names.contains(name) {
                self.names.push(*name);
            }
        }
        if self.names.len() > Self::NAMES_MAX { Err(Full) } else { Ok(()) }
    }

    /// A name turns out to be another name of a fact.
    pub(crate) fn pair(&mut self, of: Named, name: Named) -> Result<(), Full> {
        if let Some(link) = self.link_mut(&of) {
            let mut link = link.clone();
            if let Err(at) = link.names.binary_search(&name) {
                link.names.insert(at, name);
            }
            self.add(link)?;
        }
        Ok(())
    }

    /// Takes in another chain that has turned out to be this one.
    pub(crate) fn merge(&mut self, other: Chain) -> Result<(), Full> {
        self.name(&other.names)?;
        for link in other.links {
            self.add(link)?;
        }
        self.expired = match (self.expired, other.expired) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.late |= other.late;
        self.differs |= other.differs;
        Ok(())
    }

    pub(crate) fn link(&self, name: &Named) -> Option<&Link> {
        self.links.iter().find(|link| link.names.contains(name))
    }

    pub(crate) fn link_mut(&mut self, name: &Named) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.names.contains(name))
    }

    /// When the hold expires: the latest of what is promised. Zero if it does not.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.links.iter().map(|link| link.expires_at).max().unwrap_or_default()
    }

    pub(crate) fn key_of<'a>(program: &'a Program, number: &'a [u8; 8]) -> Key<'a> {
        Key { program: program.as_bytes(), name: number }
    }
}

impl Keyed for Chain {
    fn key(&self) -> Key<'_> {
        Chain::key_of(&self.program, &self.number)
    }
}

/// Whether two facts are one.
fn is_one(known: &Link, link: &Link) -> bool {
    #[cfg(test)]
    if planted::confuses(known, link) {
        return true;
    }
    known.names.iter().any(|name| link.names.contains(name))
}

/// The first of the names, for a hold to carry.
pub(crate) fn title(names: &[Named]) -> Option<Token> {
    names.first().map(|name| name.token)
}
