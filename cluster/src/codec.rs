//! How Raft's things become bytes: on disk and between nodes. With its part `members` the only file of this room that
//! names `bincode`.
//!
//! The consensus library's own serialization is not used: its layouts change between releases, ours are pinned by
//! golden bytes. Every message begins with [`VERSION`]. An entry is a small header and then the batch as it came, so
//! that commands are encoded once, where they were proposed.

mod members;

pub(crate) use members::{Described, decode_header, decode_meta, encode_header, encode_meta, highest};

use crate::Malformed;
use crate::types::{Batch, Carries, Entry, LogId, Payload, Types, Vote};
use crate::types::{LeaderId, log_id};
use bincode::{Decode, Encode};
use bytes::{Bytes, BytesMut};
use members::{WireMembership, WireSeats};
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError};
use openraft::raft::{TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};

/// First byte of everything that is encoded here.
pub(crate) const VERSION: u8 = 1;

/// No header is larger; a length that claims more is refused before anything is allocated.
const HEADER_BYTES_MAX: usize = 256 * 1024;

/// What stands before an entry's commands takes no more.
const ENTRY_HEAD_BYTES: usize = 64;

#[derive(Encode, Decode, Clone, Copy)]
struct WireLogId(u64, u64, u64);

#[derive(Encode, Decode)]
struct WireVote(u64, u64, bool);

#[derive(Encode, Decode)]
enum WirePayload {
    Blank,
    Batch {
        stamp_us: u64,
        mark: bool,
        count: u32,
    },
    Membership(WireMembership),
    /// With the disk that each id is bound to. Written only where there is one.
    Seats(WireSeats),
    /// The cluster's version rises. Written only when every member has said that it reads this.
    Version {
        stamp_us: u64,
        version: u32,
    },
}

#[derive(Encode, Decode)]
struct WireEntry(WireLogId, WirePayload);

#[derive(Encode, Decode)]
struct WireAppend {
    vote: WireVote,
    prev: Option<WireLogId>,
    commit: Option<WireLogId>,
    lengths: Vec<u32>,
}

#[derive(Encode, Decode)]
enum WireAppended {
    Upto(Option<WireLogId>),
    Conflict(WireLogId),
    HigherVote(WireVote),
}

#[derive(Encode, Decode)]
struct WireVoteRequest(WireVote, Option<WireLogId>, bool);

#[derive(Encode, Decode)]
struct WireVoteResponse(WireVote, bool, Option<WireLogId>);

#[derive(Encode, Decode)]
struct WireTransfer(WireVote, u64, Option<WireLogId>);

#[derive(Encode, Decode)]
enum WireTransferred {
    Done,
    VoteChanged(WireVote, WireVote),
    LogNotFlushed(Option<WireLogId>, Option<WireLogId>),
}

impl From<LogId> for WireLogId {
    fn from(id: LogId) -> Self {
        WireLogId(id.leader_id.term, id.leader_id.node_id, id.index)
    }
}

impl From<WireLogId> for LogId {
    fn from(WireLogId(term, node, index): WireLogId) -> Self {
        log_id(term, node, index)
    }
}

impl From<&Vote> for WireVote {
    fn from(vote: &Vote) -> Self {
        WireVote(vote.leader_id.term, vote.leader_id.node_id, vote.committed)
    }
}

impl From<WireVote> for Vote {
    fn from(WireVote(term, node_id, committed): WireVote) -> Self {
        Vote { leader_id: LeaderId { term, node_id }, committed }
    }
}

fn malformed(what: &'static str, why: impl Into<String>) -> Malformed {
    Malformed { what, why: why.into() }
}

fn write(into: &mut Vec<u8>, value: impl Encode) {
    write_version(into, VERSION, value);
}

fn write_version(into: &mut Vec<u8>, version: u8, value: impl Encode) {
    into.push(version);
    // Writing to a Vec has no way to fail; what was written is checked whenever it is read.
    let bytes = bincode::encode_to_vec(value, bincode::config::standard());
    into.extend_from_slice(&bytes.unwrap_or_default());
}

fn encode(value: impl Encode) -> Bytes {
    let mut bytes = Vec::with_capacity(64);
    write(&mut bytes, value);
    bytes.into()
}

/// Reads a value and says how many bytes it took.
fn read<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<(T, usize), Malformed> {
    read_version(what, VERSION, bytes)
}

fn read_version<T: Decode<()>>(what: &'static str, wanted: u8, bytes: &[u8]) -> Result<(T, usize), Malformed> {
    match bytes.split_first() {
        Some((version, rest)) if *version == wanted => {
            let config = bincode::config::standard().with_limit::<HEADER_BYTES_MAX>();
            let (value, taken) =
                bincode::decode_from_slice(rest, config).map_err(|e| malformed(what, e.to_string()))?;
            Ok((value, taken + 1))
        }
        Some((version, _)) => Err(malformed(what, format!("version {version} is not known here"))),
        None => Err(malformed(what, "no bytes")),
    }
}

fn read_all<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<T, Malformed> {
    whole(what, bytes, read(what, bytes)?)
}

fn whole<T>(what: &'static str, bytes: &[u8], (value, taken): (T, usize)) -> Result<T, Malformed> {
    if taken != bytes.len() {
        return Err(malformed(what, format!("{} bytes too many", bytes.len() - taken)));
    }
    Ok(value)
}

/// Splits a batch into its commands.
pub(crate) fn split(commands: &[u8], count: u32) -> Result<Vec<&[u8]>, Malformed> {
    let mut found = Vec::with_capacity((count as usize).min(commands.len() / 4));
    let mut rest = commands;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or_else(|| malformed("batch", "ends inside a length"))?;
        let parts = after.split_at_checked(u32::from_le_bytes(*length) as usize);
        let (command, after) = parts.ok_or_else(|| malformed("batch", "ends inside a command"))?;
        found.push(command);
        rest = after;
    }
    if found.len() != count as usize {
        return Err(malformed("batch", format!("{} commands, {count} announced", found.len())));
    }
    Ok(found)
}

/// Appends one command to a batch that is being made.
pub(crate) fn push_command(batch: &mut BytesMut, command: &[u8]) {
    batch.extend_from_slice(&(command.len() as u32).to_le_bytes());
    batch.extend_from_slice(command);
}

pub(crate) fn encode_log_id(id: &LogId) -> Bytes {
    encode(WireLogId::from(*id))
}

pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, Malformed> {
    Ok(read_all::<WireLogId>("log id", bytes)?.into())
}

pub(crate) fn encode_vote(vote: &Vote) -> Bytes {
    encode(WireVote::from(vote))
}

pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, Malformed> {
    Ok(read_all::<WireVote>("vote", bytes)?.into())
}

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let mut bytes = Vec::with_capacity(ENTRY_HEAD_BYTES);
    let id = WireLogId::from(entry.log_id());
    match &entry.payload {
        Payload::Blank => write(&mut bytes, WireEntry(id, WirePayload::Blank)),
        Payload::Membership(membership) if members::any_disk(membership) => {
            write(&mut bytes, WireEntry(id, WirePayload::Seats(membership.into())));
        }
        Payload::Membership(membership) => {
            write(&mut bytes, WireEntry(id, WirePayload::Membership(membership.into())));
        }
        Payload::Normal(Batch { stamp_us, carries: Carries::Version(version), .. }) => {
            write(&mut bytes, WireEntry(id, WirePayload::Version { stamp_us: *stamp_us, version: *version }));
        }
        Payload::Normal(Batch { stamp_us, carries, count, commands }) => {
            bytes.reserve(ENTRY_HEAD_BYTES + commands.len());
            let mark = matches!(carries, Carries::Mark);
            let payload = WirePayload::Batch { stamp_us: *stamp_us, mark, count: *count };
            write(&mut bytes, WireEntry(id, payload));
            bytes.extend_from_slice(commands);
        }
    }
    bytes.into()
}

/// Reads an entry; the commands stay in the buffer they came in.
pub(crate) fn decode_entry(bytes: &Bytes) -> Result<Entry, Malformed> {
    let (WireEntry(id, payload), taken) = read("entry", bytes)?;
    let rest = bytes.slice(taken..);
    let payload = match payload {
        WirePayload::Batch { stamp_us, mark, count } => {
            let carries = if mark { Carries::Mark } else { Carries::Commands };
            let batch = Batch { stamp_us, carries, count, commands: rest };
            batch.commands()?;
            Payload::Normal(batch)
        }
        WirePayload::Blank if rest.is_empty() => Payload::Blank,
        WirePayload::Membership(membership) if rest.is_empty() => Payload::Membership(membership.read()?),
        WirePayload::Seats(seats) if rest.is_empty() => Payload::Membership(seats.read()?),
        WirePayload::Version { stamp_us, version } if rest.is_empty() => {
            let carries = Carries::Version(version);
            Payload::Normal(Batch { stamp_us, carries, count: 0, commands: Bytes::new() })
        }
        WirePayload::Blank | WirePayload::Membership(_) | WirePayload::Seats(_) | WirePayload::Version { .. } => {
            return Err(malformed("entry", "bytes too many"));
        }
    };
    Ok(Entry { log_id: id.into(), payload })
}

pub(crate) fn encode_append(request: &AppendEntriesRequest<Types>) -> Bytes {
    let entries: Vec<Bytes> = request.entries.iter().map(encode_entry).collect();
    let head = WireAppend {
        vote: (&request.vote).into(),
        prev: request.prev_log_id.map(Into::into),
        commit: request.leader_commit.map(Into::into),
        lengths: entries.iter().map(|entry| entry.len() as u32).collect(),
    };
    let mut bytes = Vec::with_capacity(128 + entries.iter().map(Bytes::len).sum::<usize>());
    write(&mut bytes, head);
    for entry in &entries {
        bytes.extend_from_slice(entry);
    }
    bytes.into()
}

pub(crate) fn decode_append(bytes: &Bytes) -> Result<AppendEntriesRequest<Types>, Malformed> {
    let (head, mut at): (WireAppend, usize) = read("append request", bytes)?;
    let mut entries = Vec::with_capacity(head.lengths.len());
    for length in head.lengths {
        let length = length as usize;
        if bytes.len() - at < length {
            return Err(malformed("append request", "ends inside an entry"));
        }
        entries.push(decode_entry(&bytes.slice(at..at + length))?);
        at += length;
    }
    if at != bytes.len() {
        return Err(malformed("append request", "bytes too many"));
    }
    Ok(AppendEntriesRequest {
        vote: head.vote.into(),
        prev_log_id: head.prev.map(Into::into),
        entries,
        leader_commit: head.commit.map(Into::into),
    })
}

pub(crate) fn encode_appended(result: &StreamAppendResult<Types>) -> Bytes {
    encode(match result {
        Ok(upto) => WireAppended::Upto(upto.map(Into::into)),
        Err(StreamAppendError::Conflict(at)) => WireAppended::Conflict((*at).into()),
        Err(StreamAppendError::HigherVote(vote)) => WireAppended::HigherVote(vote.into()),
    })
}

pub(crate) fn decode_appended(bytes: &[u8]) -> Result<StreamAppendResult<Types>, Malformed> {
    Ok(match read_all("append result", bytes)? {
        WireAppended::Upto(upto) => Ok(upto.map(Into::into)),
        WireAppended::Conflict(at) => Err(StreamAppendError::Conflict(at.into())),
        WireAppended::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.into())),
    })
}

pub(crate) fn encode_vote_request(request: &VoteRequest<Types>) -> Bytes {
    let last = request.last_log_id.map(Into::into);
    encode(WireVoteRequest((&request.vote).into(), last, request.leadership_transfer))
}

pub(crate) fn decode_vote_request(bytes: &[u8]) -> Result<VoteRequest<Types>, Malformed> {
    let WireVoteRequest(vote, last, transfer) = read_all("vote request", bytes)?;
    let mut request = VoteRequest::new(vote.into(), last.map(Into::into));
    request.leadership_transfer = transfer;
    Ok(request)
}

pub(crate) fn encode_vote_response(response: &VoteResponse<Types>) -> Bytes {
    let last = response.last_log_id.map(Into::into);
    encode(WireVoteResponse((&response.vote).into(), response.vote_granted, last))
}

pub(crate) fn decode_vote_response(bytes: &[u8]) -> Result<VoteResponse<Types>, Malformed> {
    let WireVoteResponse(vote, granted, last) = read_all("vote response", bytes)?;
    Ok(VoteResponse::new(Vote::from(vote), last.map(Into::into), granted))
}

pub(crate) fn encode_transfer(request: &TransferLeaderRequest<Types>) -> Bytes {
    let last = request.last_log_id().map(|id| (*id).into());
    encode(WireTransfer(request.from_leader().into(), *request.to_node_id(), last))
}

pub(crate) fn decode_transfer(bytes: &[u8]) -> Result<TransferLeaderRequest<Types>, Malformed> {
    let WireTransfer(vote, to, last) = read_all("transfer request", bytes)?;
    Ok(TransferLeaderRequest::new(vote.into(), to, last.map(Into::into)))
}

pub(crate) fn encode_transferred(response: &TransferLeaderResponse<Types>) -> Bytes {
    encode(match response {
        Ok(()) => WireTransferred::Done,
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            WireTransferred::VoteChanged(expected.into(), actual.into())
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            WireTransferred::LogNotFlushed(expected.map(Into::into), actual.map(Into::into))
        }
    })
}

pub(crate) fn decode_transferred(bytes: &[u8]) -> Result<TransferLeaderResponse<Types>, Malformed> {
    Ok(match read_all("transfer response", bytes)? {
        WireTransferred::Done => Ok(()),
        WireTransferred::VoteChanged(expected, actual) => {
            Err(TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() })
        }
        WireTransferred::LogNotFlushed(expected, actual) => Err(TransferLeaderError::LogNotFlushed {
            expected: expected.map(Into::into),
            actual: actual.map(Into::into),
        }),
    })
}

/// A message behind its length, so that several fit in one field.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_le_bytes(), message].concat()
}

/// Takes what [`framed`] made off the front.
pub(crate) fn unframe<'a>(what: &'static str, from: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let (length, rest) = from.split_first_chunk::<4>().ok_or_else(|| malformed(what, "ends inside a length"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if rest.len() < length {
        return Err(malformed(what, "ends inside a message"));
    }
    let (message, rest) = rest.split_at(length);
    *from = rest;
    Ok(message)
}
