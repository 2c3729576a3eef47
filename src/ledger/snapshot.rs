//! The books as a stream of records, back again, and the digest over them.
//!
//! **What lives here.** [`Ledger::records`] says everything that is in the books, each record on its own and bounded
//! (an account's holds are records of their own); [`Restore`] makes books of them; [`Ledger::digest`] sums
//! them up.
//!
//! **What must hold.** The head comes first, an account before its holds. What is restored adds up, or is refused. The
//! digest depends neither on the parts nor on the order of records. What is not here: files, blocks and checksums.

use crate::account::{Account, Hold};
use crate::books::{Ledger, Scalars};
use crate::chain::Chain;
use crate::chain::name::Name;
use crate::chain::tally::Tallies;
use crate::codec::{self, Malformed};
use crate::controls::{Programme, Usage};
use crate::letters::Letter;
use crate::movement::Movement;
use crate::party::Known;
use crate::postings::Totals;
use crate::token::{Standing, TokenRecord};
use crate::{Program, Restored, Timestamp, UserToken};
use alloc::boxed::Box;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The first record: what there is only one of, and how many of the others are to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub scalars: Scalars,
    pub extent: Extent,
}

/// How many records of each kind follow. Holds are in the scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub accounts: u64,
    pub tokens: u64,
    pub movements: u64,
    pub chains: u64,
    pub names: u64,
}

/// The head of books that have never seen a chain, as it is written for ever.
pub(crate) struct HeadOne {
    pub now: Timestamp,
    pub last_hold: u64,
    pub totals: Totals,
    pub holds: u64,
    pub conflicts: u64,
    pub impossible: u64,
    pub accounts: u64,
    pub tokens: u64,
    pub movements: u64,
}

/// The head of books with chains.
pub(crate) struct HeadTwo {
    pub one: HeadOne,
    pub last_chain: u64,
    pub tallies: Tallies,
    pub chains: u64,
    pub names: u64,
}

/// A record on its way out.
pub(crate) enum Piece<'a> {
    /// Boxed: it is larger than all others, and each of them is handed on a few times.
    Head(Box<Head>),
    Account(&'a Account),
    Hold(&'a Account, &'a Hold),
    Token(&'a TokenRecord),
    Movement(&'a Movement),
    Chain(&'a Chain),
    Name(&'a Name),
    /// How many letters follow, if any do.
    LettersCount(u64),
    Letter(&'a Letter),
    /// How many programmes with controls and how many usages follow, if any do.
    ControlsCount(u64, u64),
    Programme(&'a Programme),
    Usage(&'a Usage),
    /// How many cards and users follow, if any do.
    PartiesCount(u64),
    Party(&'a Known),
    /// Where they come from, if they are known to lack something.
    Restored(&'a Restored),
}

/// A record on its way in.
pub(crate) enum Record {
    Head(Head),
    Account(Account),
    Hold((Program, UserToken, Hold)),
    Token(TokenRecord),
    Movement(Movement),
    Chain(Chain),
    Name(Name),
    LettersCount(u64),
    Letter(Letter),
    ControlsCount((u64, u64)),
    Programme(Programme),
    Usage(Usage),
    PartiesCount(u64),
    Party(Known),
    Restored(Restored),
}

impl Ledger {
    /// Everything, as bytes for [`Restore::add`], in an order that it takes. Reads as it is asked, so that nothing but
    /// one record is in memory twice.
    pub fn records(&self) -> impl Iterator<Item = Vec<u8>> {
        self.pieces().map(|piece| {
            let mut bytes = Vec::new();
            codec::encode_piece(&piece, &mut bytes);
            bytes
        })
    }

    /// How many records [`Ledger::records`] gives: the head, and each account, hold, token, movement,
    /// chain, name, dead letter, programme with controls, usage, card and user; and one each for the counts of
    /// letters, of controls, and of cards and users, if there are any; and where the books come from, while that
    /// matters.
    pub fn records_count(&self) -> u64 {
        let old = 1 + self.accounts_count() + self.holds_count() + self.tokens_count() + self.movements_count();
        let letters = self.letters.len();
        let controls = self.controls_count().map_or(0, |(programmes, usages)| 1 + programmes + usages);
        let parties = self.parties.len();
        let restored = u64::from(self.restored.is_some());
        let new = letters + u64::from(letters > 0) + controls + parties + u64::from(parties > 0) + restored;
        old + self.chains.len() + self.names.len() + new
    }

    /// How many programmes have controls, and how many usages there are, if there is any of them.
    fn controls_count(&self) -> Option<(u64, u64)> {
        Some((self.programmes.len(), self.usages.len())).filter(|counts| *counts != (0, 0))
    }

    /// 128 bits that are the same for the same records, and differ for others but for an accident: the sum, modulo
    /// 2^128, of the first half of the SHA-256 of each record's bytes. It tells replicas that have drifted apart; it is
    /// no seal against a forger. Scans.
    pub fn digest(&self) -> [u8; 16] {
        let mut bytes = Vec::new();
        let mut sum = 0u128;
        for piece in self.pieces() {
            bytes.clear();
            codec::encode_piece(&piece, &mut bytes);
            let mut half = [0; 16];
            half.copy_from_slice(&Sha256::digest(&bytes)[..16]);
            sum = sum.wrapping_add(u128::from_be_bytes(half));
        }
        sum.to_be_bytes()
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let accounts = self.accounts.iter().flat_map(|account| {
            let holds = account.holds.iter().map(move |hold| Piece::Hold(account, hold));
            core::iter::once(Piece::Account(account)).chain(holds)
        });
        core::iter::once(Piece::Head(Box::new(self.head())))
            .chain(accounts)
            .chain(self.tokens.iter().map(Piece::Token))
            .chain(self.movements.iter().map(Piece::Movement))
            .chain(self.chains.iter().map(Piece::Chain))
            .chain(self.names.iter().map(Piece::Name))
            .chain(Some(self.letters.len()).filter(|count| *count > 0).map(Piece::LettersCount))
            .chain(self.letters.iter().map(Piece::Letter))
            .chain(self.controls_count().map(|(programmes, usages)| Piece::ControlsCount(programmes, usages)))
            .chain(self.programmes.iter().map(Piece::Programme))
            .chain(self.usages.iter().map(Piece::Usage))
            .chain(Some(self.parties.len()).filter(|count| *count > 0).map(Piece::PartiesCount))
            .chain(self.parties.iter().map(Piece::Party))
            .chain(self.restored.iter().map(Piece::Restored))
    }

    fn head(&self) -> Head {
        Head {
            scalars: self.scalars.clone(),
            extent: Extent {
                accounts: self.accounts.len(),
                tokens: self.tokens.len(),
                movements: self.movements.len(),
                chains: self.chains.len(),
                names: self.names.len(),
            },
        }
    }
}

/// Makes books of records.
#[derive(Default)]
pub struct Restore {
    head: Option<Head>,
    letters: Option<u64>,
    controls: Option<(u64, u64)>,
    parties: Option<u64>,
    ledger: Ledger,
}

impl Restore {
    /// Nothing yet.
    pub fn new() -> Restore {
        Restore::default()
    }

    /// Takes the next record.
    pub fn add(&mut self, record: &[u8]) -> Result<(), Malformed> {
        match (codec::decode_record(record)?, &self.head) {
            (Record::Head(head), None) => {
                // From here on numbers go up by one for each hold; half of all numbers is enough for ever.
                if head.scalars.last_hold.max(head.scalars.last_chain) > u64::MAX / 2 {
                    return Err(Malformed::Content("hold or chain number out of range"));
                }
                self.head = Some(head);
                Ok(())
            }
            (Record::Head(_), Some(_)) => Err(Malformed::Misplaced("second head")),
            (_, None) => Err(Malformed::Misplaced("record before the head")),
            (Record::Account(account), Some(_)) => once(self.ledger.accounts.insert(account)),
            (Record::Hold((program, user, hold)), Some(_)) => self.add_hold(&program, &user, hold),
            (Record::Token(token), Some(_)) => {
                check_token(&token)?;
                once(self.ledger.tokens.insert(token))
            }
            (Record::Movement(movement), Some(_)) => once(self.ledger.movements.insert(movement)),
            (Record::Chain(chain), Some(_)) => once(self.ledger.chains.insert(chain)),
            (Record::Name(name), Some(_)) => once(self.ledger.names.insert(name)),
            (Record::LettersCount(count), Some(_)) => match self.letters.replace(count) {
                None => Ok(()),
                Some(_) => Err(Malformed::Misplaced("second count of letters")),
            },
            (Record::Letter(letter), Some(_)) => once(self.ledger.letters.insert(letter)),
            (Record::ControlsCount(counts), Some(_)) => match self.controls.replace(counts) {
                None => Ok(()),
                Some(_) => Err(Malformed::Misplaced("second count of controls")),
            },
            (Record::Programme(programme), Some(_)) => once(self.ledger.programmes.insert(programme)),
            (Record::Usage(usage), Some(_)) => once(self.ledger.usages.insert(usage)),
            (Record::PartiesCount(count), Some(_)) => match self.parties.replace(count) {
                None => Ok(()),
                Some(_) => Err(Malformed::Misplaced("second count of cards and users")),
            },
            (Record::Party(party), Some(_)) => once(self.ledger.parties.insert(party)),
            (Record::Restored(restored), Some(_)) => once(self.ledger.restored.replace(restored).is_none()),
        }
    }

    /// The books, if everything came and adds up.
    pub fn finish(self) -> Result<Ledger, Malformed> {
        let Restore { head, letters, controls, parties, mut ledger } = self;
        let head = head.ok_or(Malformed::Misplaced("no head"))?;
        ledger.scalars = head.scalars.clone();
        let counted = ledger.letters.len() == letters.unwrap_or(0)
            && ledger.parties.len() == parties.unwrap_or(0)
            && ledger.controls_count() == controls;
        if ledger.head() != head || !counted {
            return Err(Malformed::Misplaced("records are missing, or there are too many"));
        }
        match ledger.check_records().into_iter().next() {
            None => Ok(ledger),
            Some(violation) => Err(Malformed::Unsound(violation)),
        }
    }

    fn add_hold(&mut self, program: &Program, user: &UserToken, hold: Hold) -> Result<(), Malformed> {
        let account = self.ledger.accounts.get_mut(Account::key_of(program, user));
        let account = account.ok_or(Malformed::Misplaced("hold before its account"))?;
        if account.holds.last().is_some_and(|last| last.number >= hold.number) {
            return Err(Malformed::Misplaced("hold out of order"));
        }
        account.add_hold(hold);
        Ok(())
    }
}

fn once(inserted: bool) -> Result<(), Malformed> {
    if inserted { Ok(()) } else { Err(Malformed::Misplaced("second record with this key")) }
}

/// What a token says of itself must be possible.
fn check_token(token: &TokenRecord) -> Result<(), Malformed> {
    let possible = match token.standing {
        Standing::Held { .. } | Standing::Approved | Standing::Linked => token.asked.is_some(),
        Standing::Declined => token.asked.is_some() && token.declined.is_some(),
        Standing::Closed => true,
    };
    if possible { Ok(()) } else { Err(Malformed::Content("no such token")) }
}
