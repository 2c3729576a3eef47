//! The journal's bytes: one record in one sector.
//!
//! A sector is what a disk writes whole or not at all, so after a crash each record is there or it is not; what is
//! neither whole nor empty is damage. A record says to which group it belongs (from which sector up to which), so a
//! group that was not written to its end is told from one that lost a sector later.
//!
//! ```text
//!   0  "HFSJ"           4  version 1       5  kind             6  length of the body, u16
//!   8  sector, u64     16  group's first, u64     24  sector after the group, u64
//!  32  body            508  CRC-32 of all before
//! ```
//!
//! Bodies: 1 header (node u64, incarnation u64); 2 said and owed, 3 said and settled (number u64, log time u64, window
//! u64, then the command that settles it, in the ledger's own format); 4 settled (numbers u64). All little-endian.
//! Numbers of kinds are for ever.

use ledger::{Authorize, Command, Fact, Facts, Fingerprint, Program, Timestamp, Token, Void};

pub(crate) const SECTOR_BYTES: usize = 512;
const BODY_AT: usize = 32;
const CRC_AT: usize = SECTOR_BYTES - 4;
const MAGIC: &[u8; 4] = b"HFSJ";
const VERSION: u8 = 1;
/// How many settled ones one record can name.
pub(crate) const SETTLED_MAX: usize = (CRC_AT - BODY_AT) / 8;

/// What a node said alone about one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Settled by a force of it.
    Approved(Box<Authorize>),
    /// Settled by a void of it.
    Declined(Void),
}

/// A word with its number in the journal, the log time at which it was said, and the window that it counts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) window: u64,
    pub(crate) word: Word,
}

/// Whether its settlement was seen applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Debt {
    Owed,
    Settled,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Header { node: u64, incarnation: u64 },
    Said(Said, Debt),
    Settled(Vec<u64>),
}

/// Where a record stands. Sector 0 is the header's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sector: u64,
    pub(crate) group_start: u64,
    pub(crate) group_end: u64,
}

/// What a sector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Never written.
    Empty,
    Record(Place, Box<Content>),
    /// Neither.
    Damaged,
}

impl Word {
    /// A yes, with what a force of it looks at: nobody is asked any more who acts, for which business, nor
    /// whether a part will do.
    pub(crate) fn approved(request: Authorize) -> Word {
        let facts =
            request.facts.map(|facts| Facts { acting: None, business: None, partial_ok: Fact::Unknown, ..facts });
        Word::Approved(Box::new(Authorize { facts, ..request }))
    }

    pub(crate) fn program(&self) -> Program {
        match self {
            Word::Approved(request) => request.program,
            Word::Declined(void) => void.program,
        }
    }

    pub(crate) fn token(&self) -> Token {
        match self {
            Word::Approved(request) => request.token,
            Word::Declined(void) => void.token,
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        match self {
            Word::Approved(request) => request.fingerprint,
            Word::Declined(void) => void.fingerprint,
        }
    }

    /// What settles it: M1 rule 5 or rule 6.
    pub(crate) fn settlement(&self) -> Command {
        match self {
            Word::Approved(request) => Command::Force((**request).clone()),
            Word::Declined(void) => Command::Void(*void),
        }
    }
}

/// Writes one record over a sector of zeros.
pub(crate) fn encode(place: Place, content: &Content) -> [u8; SECTOR_BYTES] {
    let (kind, body) = match content {
        Content::Header { node, incarnation } => (1, [node.to_le_bytes(), incarnation.to_le_bytes()].concat()),
        Content::Said(said, debt) => {
            let mut body = Vec::with_capacity(256);
            for number in [said.number, said.at.0, said.window] {
                body.extend_from_slice(&number.to_le_bytes());
            }
            ledger::encode_command(&said.word.settlement(), &mut body);
            (if *debt == Debt::Owed { 2 } else { 3 }, body)
        }
        Content::Settled(numbers) => {
            (4, numbers.iter().take(SETTLED_MAX).flat_map(|number| number.to_le_bytes()).collect())
        }
    };
    // Eight ids of at most 37, a programme, a fingerprint of 16, numbers of at most 9 each; see the test.
    debug_assert!(body.len() <= CRC_AT - BODY_AT, "every body fits");
    let mut head = Vec::with_capacity(SECTOR_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[VERSION, kind]);
    head.extend_from_slice(&(body.len() as u16).to_le_bytes());
    for number in [place.sector, place.group_start, place.group_end] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend_from_slice(&body);
    head.resize(CRC_AT, 0);
    let mut sector = [0; SECTOR_BYTES];
    sector[..CRC_AT].copy_from_slice(&head);
    sector[CRC_AT..].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
    sector
}

/// Reads the sector with this number.
pub(crate) fn decode(sector: u64, bytes: &[u8; SECTOR_BYTES]) -> Read {
    if bytes.iter().all(|byte| *byte == 0) {
        return Read::Empty;
    }
    match record(bytes) {
        Some((place, content)) if place.sector == sector => Read::Record(place, Box::new(content)),
        Some(_) | None => Read::Damaged,
    }
}

fn record(bytes: &[u8; SECTOR_BYTES]) -> Option<(Place, Content)> {
    let (checked, crc) = bytes.split_last_chunk()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(checked) {
        return None;
    }
    let rest = checked.strip_prefix(MAGIC)?;
    let (&[VERSION, kind], rest) = rest.split_first_chunk()? else { return None };
    let (length, rest) = rest.split_first_chunk()?;
    let (sector, rest) = number(rest)?;
    let (group_start, rest) = number(rest)?;
    let (group_end, rest) = number(rest)?;
    let body = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    let grouped = group_start <= sector && sector < group_end;
    let content = content(kind, body)?;
    grouped.then_some((Place { sector, group_start, group_end }, content))
}

fn content(kind: u8, body: &[u8]) -> Option<Content> {
    match kind {
        1 => {
            let (node, rest) = number(body)?;
            let (incarnation, rest) = number(rest)?;
            rest.is_empty().then_some(Content::Header { node, incarnation })
        }
        2 => said(body).map(|said| Content::Said(said, Debt::Owed)),
        3 => said(body).map(|said| Content::Said(said, Debt::Settled)),
        4 if body.len().is_multiple_of(8) => {
            Some(Content::Settled(body.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()))
        }
        _ => None,
    }
}

fn said(body: &[u8]) -> Option<Said> {
    let (number_, rest) = number(body)?;
    let (at, rest) = number(rest)?;
    let (window, rest) = number(rest)?;
    let word = match ledger::decode_command(rest).ok()? {
        Command::Force(request) => Word::Approved(Box::new(request)),
        Command::Void(void) => Word::Declined(void),
        // The journal holds settlements only.
        _ => return None,
    };
    Some(Said { number: number_, at: Timestamp(at), window, word })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples::{approved, declined};

    const PLACE: Place = Place { sector: 3, group_start: 2, group_end: 5 };

    fn contents() -> [Content; 5] {
        let said = |word| Said { number: 9, at: Timestamp(77), window: 4, word };
        [
            Content::Header { node: 2, incarnation: 7 },
            Content::Said(said(approved("t1", 4820)), Debt::Owed),
            Content::Said(said(declined("t2")), Debt::Settled),
            Content::Settled(vec![1, u64::MAX]),
            Content::Settled((0..SETTLED_MAX as u64).collect()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for content in contents() {
            assert_eq!(decode(3, &encode(PLACE, &content)), Read::Record(PLACE, Box::new(content)));
        }
        assert_eq!(decode(3, &[0; SECTOR_BYTES]), Read::Empty);
    }

    #[test]
    fn every_flipped_bit_and_a_wrong_place_are_damage() {
        for content in contents() {
            let bytes = encode(PLACE, &content);
            assert_eq!(decode(4, &bytes), Read::Damaged);
            for bit in 0..SECTOR_BYTES * 8 {
                let mut rotten = bytes;
                rotten[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(3, &rotten), Read::Damaged, "bit {bit}");
            }
        }
    }

    #[test]
    fn the_largest_word_fits() {
        let long = "x".repeat(36);
        let Word::Approved(mut request) = approved(&long, ledger::Amount::MINOR_MAX) else { unreachable!("approved") };
        request.attempt = ledger::Attempt { node: u64::MAX, incarnation: u64::MAX, counter: u64::MAX };
        request.user = ledger::UserToken::new(&long).unwrap();
        request.program = ledger::Program::new(&"p".repeat(ledger::Program::LEN_MAX)).unwrap();
        request.transaction = Token::new(&long).ok();
        request.original = Token::new(&long).ok();
        request.preceding = Token::new(&long).ok();
        request.expires_after = Some(ledger::Seconds(u32::MAX));
        let (long, most) = (Token::new(&long).ok(), Some(u16::MAX));
        request.facts = Some(ledger::Facts {
            mcc: most,
            merchant: long,
            country: ledger::Country::new("GBR").ok(),
            card: long,
            product: long,
            network_score: most,
            processor_score: most,
            outside_score: most,
            life_days: most,
            stands_until: Some(Timestamp(u64::MAX)),
            acting: Some(request.user),
            business: Some(request.user),
            partial_ok: Fact::Yes,
            ..ledger::Facts::default()
        });
        let word = Word::approved(*request);
        let said = Said { number: u64::MAX, at: Timestamp(u64::MAX), window: u64::MAX, word };
        let content = Content::Said(said, Debt::Owed);
        assert_eq!(decode(3, &encode(PLACE, &content)), Read::Record(PLACE, Box::new(content)));
    }

    #[test]
    fn the_released_format_does_not_change() {
        let bytes = encode(PLACE, &Content::Settled(vec![5]));
        let golden = b"HFSJ\x01\x04\x08\0\x03\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0";
        assert_eq!(&bytes[..golden.len()], golden);
        let owed = encode(PLACE, &contents()[1]);
        assert_eq!((owed[4], owed[5]), (1, 2));
        assert_eq!(owed[32..56], [9_u64, 77, 4].map(u64::to_le_bytes).concat());
        let Read::Record(_, content) = decode(3, &owed) else { unreachable!("it is a record") };
        let Content::Said(said, _) = *content else { unreachable!("it was said") };
        let mut command = Vec::new();
        ledger::encode_command(&said.word.settlement(), &mut command);
        assert_eq!(owed[56..56 + command.len()], command);
    }
}
