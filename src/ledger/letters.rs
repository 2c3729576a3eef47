//! Reports that could not be booked, kept until somebody has looked at them.
//!
//! **What lives here.** [`DeadLetter`]: an item of a report that names nobody whom the books know, or that cannot be
//! understood. Operators list them, send them again, perhaps corrected, and drop them.
//!
//! **What must hold.** A letter is kept once, however often it is reported: its id is made from what it says. The list
//! has a bound in letters and in bytes; what does not fit is refused, so that whoever reported it keeps it.
//!
//! **What is not here.** What a letter means: that is read outside, and comes back as an [`crate::Event`]. Nothing
//! here moves money. Numbers of reasons are for ever.

use crate::books::Ledger;
use crate::parts::{Key, Keyed};
use crate::{Effect, Output, Program, Timestamp, Token};
use alloc::string::String;
use alloc::vec::Vec;

/// An item that could not be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The programme that the credentials named.
    pub program: Program,
    /// Made from the content, so that a repetition is known.
    pub id: Token,
    /// Which kind of report it came in.
    pub kind: Token,
    /// Why it could not be booked.
    pub why: Why,
    /// The field at fault, for people; at most [`DeadLetter::DETAIL_BYTES_MAX`].
    pub detail: String,
    /// How much of the item was kept.
    pub kept: Kept,
    /// The item, card numbers masked; at most [`DeadLetter::BYTES_MAX`].
    pub bytes: Vec<u8>,
}

impl DeadLetter {
    /// The most bytes of an item that are kept.
    pub const BYTES_MAX: usize = 4096;
    /// A field's name and a few words.
    pub const DETAIL_BYTES_MAX: usize = 160;
    /// The most letters at a time, over all programmes: 4,096 of 4 KiB are 16 MiB.
    pub const COUNT_MAX: u64 = 4096;

    pub(crate) fn fits(&self) -> bool {
        self.bytes.len() <= Self::BYTES_MAX && self.detail.len() <= Self::DETAIL_BYTES_MAX
    }
}

/// Why an item could not be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Why {
    /// It is not what it should be; the detail names the field.
    Malformed = 1,
    /// Nobody knows reports of this kind.
    KindUnknown = 2,
    /// The books refused it: no such account.
    AccountUnknown = 3,
    /// The books refused it: the account does not hold the currency.
    CurrencyNotHeld = 4,
    /// The books refused it: the card transaction has as many facts as they keep.
    ChainFull = 5,
    /// The books refused it: a balance would leave its range.
    OutOfRange = 6,
    /// The books refused it: it has no name of its own.
    Unnamed = 7,
    /// It is of a type that nobody knows.
    TypeUnknown = 8,
}

impl Why {
    /// What the books said, if they refused.
    pub fn of(effect: Effect) -> Option<Why> {
        match effect {
            Effect::Applied
            | Effect::Noted
            | Effect::Repeated
            | Effect::Overshoot
            | Effect::Unpromised
            | Effect::Late
            | Effect::Excess
            | Effect::Differs => None,
            Effect::AccountUnknown => Some(Why::AccountUnknown),
            Effect::CurrencyNotHeld => Some(Why::CurrencyNotHeld),
            Effect::ChainFull => Some(Why::ChainFull),
            Effect::OutOfRange => Some(Why::OutOfRange),
            Effect::Unnamed => Some(Why::Unnamed),
        }
    }
}

/// How much of an item was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kept {
    /// All of it.
    Whole = 1,
    /// The fields that matter for money: it can be sent again.
    Essence = 2,
    /// Its beginning.
    Cut = 3,
}

/// Takes a letter out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropLetter {
    /// The letter's programme.
    pub program: Program,
    /// Its id.
    pub id: Token,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Shelved {
    /// It is in the list.
    Kept = 1,
    /// It was in the list already.
    Known = 2,
    /// There is no room: it is not kept.
    Full = 3,
    /// It is larger than a letter may be: it is not kept.
    TooLarge = 4,
}

/// What became of a [`DropLetter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dropped {
    /// It was in the list, and is no more.
    Gone = 1,
    /// There is no such letter.
    Unknown = 2,
}

/// A letter in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What was kept.
    pub letter: DeadLetter,
    /// Log time at which it was first kept; no two letters have the same.
    pub at: Timestamp,
}

impl Letter {
    pub(crate) fn key_of<'a>(program: &'a Program, id: &'a Token) -> Key<'a> {
        Key { program: program.as_bytes(), name: id.as_bytes() }
    }
}

impl Keyed for Letter {
    fn key(&self) -> Key<'_> {
        Letter::key_of(&self.letter.program, &self.letter.id)
    }
}

impl Ledger {
    pub(crate) fn shelve(&mut self, letter: &DeadLetter) -> Output {
        Output::Shelved(if self.letters.get(Letter::key_of(&letter.program, &letter.id)).is_some() {
            Shelved::Known
        } else if !letter.fits() {
            Shelved::TooLarge
        } else if self.letters.len() >= DeadLetter::COUNT_MAX {
            Shelved::Full
        } else {
            self.letters.insert(Letter { letter: letter.clone(), at: self.scalars.now });
            Shelved::Kept
        })
    }

    pub(crate) fn drop_letter(&mut self, drop: &DropLetter) -> Output {
        Output::Dropped(match self.letters.remove(Letter::key_of(&drop.program, &drop.id)) {
            Some(_) => Dropped::Gone,
            None => Dropped::Unknown,
        })
    }

    /// How many dead letters there are, over all programmes.
    pub fn letters_count(&self) -> u64 {
        self.letters.len()
    }

    /// One dead letter.
    pub fn letter(&self, program: &Program, id: &Token) -> Option<Letter> {
        self.letters.get(Letter::key_of(program, id)).cloned()
    }

    /// At most `limit` dead letters of a programme that were kept after `after`, oldest first. Scans the list.
    pub fn letters(&self, program: &Program, after: Timestamp, limit: usize) -> Vec<Letter> {
        let later = |letter: &&Letter| letter.letter.program == *program && letter.at > after;
        let mut page: Vec<&Letter> = self.letters.iter().filter(later).collect();
        page.sort_unstable_by_key(|letter| letter.at);
        page.into_iter().take(limit).cloned().collect()
    }
}
