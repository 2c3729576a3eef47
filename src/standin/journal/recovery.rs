//! Reading a journal from its beginning to where it ends.
//!
//! **What must hold.** Everything that was acknowledged is found. A last group that was not written to its end is told
//! from damage, and dropped as a whole: none of it was acknowledged, so no answer of it has left. Everything else that
//! is not as it was written is damage, with its place.

use super::format::{Content, Place, Read, SECTOR_BYTES, decode};
use crate::files::File;
use std::io;

/// How much is read at a time.
const CHUNK_SECTORS: usize = 2048;

/// What a journal holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// In the order in which they were written.
    pub(crate) contents: Vec<Content>,
    /// Sectors up to the end of the last whole group; what lies beyond is to be cut off.
    pub(crate) sectors: u64,
}

/// Why a journal cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("read the journal: {0}")]
    Io(#[from] io::Error),
    #[error("the journal is damaged in sector {0}")]
    Damaged(u64),
    #[error("the journal belongs to node {0}")]
    Foreign(u64),
}

/// The last group so far, and where it lacks a sector.
#[derive(Default)]
struct Group {
    start: u64,
    end: u64,
    contents: Vec<Content>,
    hole: Option<u64>,
}

/// Reads it whole.
pub(crate) fn read(file: &dyn File, node: u64) -> Result<Found, Unreadable> {
    let mut found = Found { contents: Vec::new(), sectors: 1 };
    let mut group = Group { start: 1, end: 1, ..Group::default() };
    // A sector that is not there in full was never acknowledged.
    let whole = file.size()? / SECTOR_BYTES as u64;
    let mut chunk = vec![0; CHUNK_SECTORS * SECTOR_BYTES];
    let mut sector = 0;
    while sector < whole {
        let sectors = (whole - sector).min(CHUNK_SECTORS as u64);
        let bytes = &mut chunk[..sectors as usize * SECTOR_BYTES];
        fill(file, bytes, sector * SECTOR_BYTES as u64)?;
        for bytes in bytes.as_chunks::<SECTOR_BYTES>().0 {
            match (sector, decode(sector, bytes)) {
                (0, Read::Record(_, content)) => check_header(&content, node)?,
                (0, Read::Empty) | (_, Read::Damaged) => return Err(Unreadable::Damaged(sector)),
                (_, Read::Empty) => group.hole = group.hole.or(Some(sector)),
                (_, Read::Record(place, content)) => add(&mut found, &mut group, place, *content)?,
            }
            sector += 1;
        }
    }
    if whole == 0 {
        return Err(Unreadable::Damaged(0));
    }
    finish(&mut found, &mut group, whole);
    Ok(found)
}

fn check_header(content: &Content, node: u64) -> Result<(), Unreadable> {
    match content {
        Content::Header { node: of, .. } if *of == node => Ok(()),
        Content::Header { node: of, .. } => Err(Unreadable::Foreign(*of)),
        Content::Said(..) | Content::Settled(_) => Err(Unreadable::Damaged(0)),
    }
}

fn add(found: &mut Found, group: &mut Group, place: Place, content: Content) -> Result<(), Unreadable> {
    if place.sector >= group.end {
        // A new group begins only when all before it was acknowledged.
        let next = group.end;
        if let Some(hole) = group.hole.filter(|hole| *hole < place.group_start) {
            return Err(Unreadable::Damaged(hole));
        }
        if place.group_start != next {
            return Err(Unreadable::Damaged(place.sector));
        }
        let hole = group.hole;
        finish(found, group, next);
        *group = Group { start: place.group_start, end: place.group_end, contents: Vec::new(), hole };
    }
    if (place.group_start, place.group_end) != (group.start, group.end) {
        return Err(Unreadable::Damaged(place.sector));
    }
    group.contents.push(content);
    Ok(())
}

/// Takes the group over if it is there to its end.
fn finish(found: &mut Found, group: &mut Group, whole: u64) {
    if group.end <= whole && group.hole.is_none_or(|hole| hole >= group.end) {
        found.contents.append(&mut group.contents);
        found.sectors = group.end;
    }
}

fn fill(file: &dyn File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                buffer = buffer.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
        }
    }
    Ok(())
}
