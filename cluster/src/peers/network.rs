//! Raft's messages on their way to a peer.

use super::call::{Ids, within};
use super::{Client, ride};
use crate::codec;
use crate::disk::apart;
use crate::silence::Silence;
use crate::snapshot::SnapshotFile;
use crate::types::{Seat, Types, Vote};
use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt};
use openraft::alias::SnapshotOf;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use proto::peer::v1::{Raw, SnapshotPart};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// The longest wait between two tries to reach a peer.
const BACKOFF: Duration = Duration::from_millis(50);

/// A replication stream with requests out and no answer for this long is given up and opened anew. It is longer than
/// any fsync of a healthy disk, and shorter than a request's deadline.
const STREAM_SILENCE_MAX: Duration = Duration::from_millis(500);

/// A snapshot is sent in chunks of this size; a chunk that is not taken within [`CHUNK_TIMEOUT`] ends the transfer.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNK_TIMEOUT: Duration = Duration::from_secs(10);
/// Installing means reading the file back and rebuilding the state: seconds for a million accounts.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Makes the connections to peers.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) ids: Ids,
    /// Whether followers are to hear nothing.
    pub(crate) silence: Silence,
}

/// One connection to one peer.
pub(crate) struct Peer {
    ids: Ids,
    silence: Silence,
    target: u64,
    client: Result<Client, String>,
    /// Heartbeats go as single calls, replication over one long stream.
    heartbeat: bool,
    /// When a stream could last not be opened.
    refused: Option<Instant>,
}

impl Peers {
    fn connect(&self, target: u64, seat: &Seat, heartbeat: bool) -> Peer {
        Peer {
            ids: self.ids.clone(),
            silence: self.silence.clone(),
            target,
            client: self.ids.client(target, &seat.member.peer),
            heartbeat,
            refused: None,
        }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, seat: &Seat) -> Peer {
        self.connect(target, seat, false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, seat: &Seat) -> Peer {
        self.connect(target, seat, true)
    }
}

fn unreachable(why: impl std::fmt::Display) -> Unreachable<Types> {
    Unreachable::new(&AnyError::error(why))
}

fn network(why: impl std::fmt::Display) -> NetworkError<Types> {
    NetworkError::new(&AnyError::error(why))
}

fn rpc_error(status: Status) -> RPCError<Types> {
    match status.code() {
        tonic::Code::Unavailable => RPCError::Unreachable(unreachable(status.message())),
        _ => RPCError::Network(network(status.message())),
    }
}

fn raw(body: Bytes) -> Raw {
    Raw { body }
}

impl Peer {
    fn client(&self) -> Result<Client, RPCError<Types>> {
        self.client.clone().map_err(|why| RPCError::Unreachable(unreachable(why)))
    }

    /// What a leader says to its followers, heartbeats and entries, waits while it is to be silent.
    fn may_lead(&self) -> Result<(), RPCError<Types>> {
        if self.silence.is_kept() {
            return Err(RPCError::Unreachable(unreachable("no quorum answers: nothing is sent")));
        }
        Ok(())
    }

    async fn heartbeat(&self, body: Bytes, limit: Duration) -> Result<StreamAppendResult<Types>, RPCError<Types>> {
        self.may_lead()?;
        let request = self.ids.request(self.target, raw(body));
        let reply = within(limit, self.client()?.heartbeat(request)).await.map_err(rpc_error)?;
        codec::decode_appended(&reply.body).map_err(|e| RPCError::Network(network(e)))
    }

    /// Opens a stream, a while after the last time that it could not be opened. Raft's own pause comes with the first
    /// request of a stream, which a peer that takes no connection never asks for: without this one, a follower that is
    /// down keeps its leader busy with tries.
    async fn open_stream<S>(
        &mut self,
        input: S,
        limit: Duration,
    ) -> Result<BoxStream<'static, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        if let Some(refused) = self.refused {
            tokio::time::sleep_until(refused + BACKOFF).await;
        }
        let opened = self.try_open_stream(input, limit).await;
        self.refused = opened.is_err().then(Instant::now);
        opened
    }

    async fn try_open_stream<S>(
        &self,
        input: S,
        limit: Duration,
    ) -> Result<BoxStream<'static, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        self.may_lead()?;
        let waiting = Arc::new(Waiting::default());
        let sent = waiting.clone();
        let outgoing = ride::together(input).map(move |request| {
            sent.one_more();
            raw(codec::encode_append(&request))
        });
        let request = self.ids.request(self.target, outgoing);
        let mut client = self.client()?;
        let incoming = within(limit, client.append(request)).await.map_err(rpc_error)?;
        Ok(Box::pin(futures::stream::unfold(Some((incoming, waiting)), next_result)))
    }
}

/// How many requests are out on a stream, and since when the oldest silence lasts.
struct Waiting {
    out: AtomicU64,
    epoch: Instant,
    since_ms: AtomicU64,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting { out: AtomicU64::new(0), epoch: Instant::now(), since_ms: AtomicU64::new(0) }
    }
}

impl Waiting {
    fn touch(&self) {
        self.since_ms.store(self.epoch.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn one_more(&self) {
        if self.out.fetch_add(1, Ordering::Relaxed) == 0 {
            self.touch();
        }
    }

    fn one_less(&self) {
        self.out.fetch_sub(1, Ordering::Relaxed);
        self.touch();
    }

    fn silent_for(&self) -> Duration {
        if self.out.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.since_ms.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(since)
    }
}

type Incoming = Option<(tonic::Streaming<Raw>, Arc<Waiting>)>;

async fn next_result(state: Incoming) -> Option<(Result<StreamAppendResult<Types>, RPCError<Types>>, Incoming)> {
    let (mut incoming, waiting) = state?;
    loop {
        match tokio::time::timeout(STREAM_SILENCE_MAX / 2, incoming.next()).await {
            Err(_) if waiting.silent_for() > STREAM_SILENCE_MAX => {
                return Some((Err(RPCError::Network(network("no answer on the stream"))), None));
            }
            Err(_) => continue,
            Ok(None) => return None,
            Ok(Some(Err(status))) => return Some((Err(rpc_error(status)), None)),
            Ok(Some(Ok(reply))) => {
                waiting.one_less();
                return Some(match codec::decode_appended(&reply.body) {
                    Ok(result) => (Ok(result), Some((incoming, waiting))),
                    Err(e) => (Err(RPCError::Network(network(e))), None),
                });
            }
        }
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let result = self.heartbeat(codec::encode_append(&request), option.hard_ttl()).await?;
        Ok(result.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        if !self.heartbeat {
            return async move { self.open_stream(input, option.hard_ttl()).await }.boxed();
        }
        async move {
            let mut results = Vec::with_capacity(1);
            if let Some(request) = input.next().await {
                results.push(self.heartbeat(codec::encode_append(&request), option.hard_ttl()).await);
            }
            let stream: BoxStream<'s, _> = Box::pin(futures::stream::iter(results));
            Ok(stream)
        }
        .boxed()
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let request = self.ids.request(self.target, raw(codec::encode_vote_request(&request)));
        let reply = within(option.hard_ttl(), self.client()?.vote(request)).await.map_err(rpc_error)?;
        codec::decode_vote_response(&reply.body).map_err(|e| RPCError::Network(network(e)))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let request = self.ids.request(self.target, raw(codec::encode_vote_request(&request)));
        let reply = within(option.hard_ttl(), self.client()?.pre_vote(request)).await.map_err(rpc_error)?;
        codec::decode_vote_response(&reply.body).map_err(|e| RPCError::Network(network(e)))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let request = self.ids.request(self.target, raw(codec::encode_transfer(&request)));
        let reply = within(option.hard_ttl(), self.client()?.transfer_leader(request)).await.map_err(rpc_error)?;
        codec::decode_transferred(&reply.body).map_err(|e| RPCError::Network(network(e)))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let head = Bytes::from(
            [codec::framed(&codec::encode_vote(&vote)), codec::framed(&codec::encode_meta(&snapshot.meta))].concat(),
        );
        let request = self.ids.request(self.target, snapshot_parts(head, snapshot.snapshot));
        let mut client = self.client()?;
        let send = within(INSTALL_TIMEOUT, client.install_snapshot(request));
        futures::pin_mut!(cancel);
        let reply = tokio::select! {
            closed = cancel => return Err(StreamingError::Closed(closed)),
            reply = send => reply.map_err(rpc_error)?,
        };
        let vote = codec::decode_vote(&reply.body).map_err(|e| StreamingError::Network(network(e)))?;
        Ok(SnapshotResponse::new(vote))
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

/// The parts of a snapshot on the wire: the head, then the file. A read error ends the stream early, and the
/// receiver, who knows the length and the checksums, refuses what it got.
pub(crate) fn snapshot_parts(head: Bytes, file: SnapshotFile) -> impl Stream<Item = SnapshotPart> + Send + 'static {
    let (send, receive) = tokio::sync::mpsc::channel::<SnapshotPart>(4);
    tokio::spawn(async move {
        let mut part = SnapshotPart { head, chunk: Bytes::new() };
        let mut at = 0;
        loop {
            let done = matches!(tokio::time::timeout(CHUNK_TIMEOUT, send.send(part)).await, Err(_) | Ok(Err(_)));
            if done || at >= file.size_bytes() {
                return;
            }
            let reader = file.clone();
            let chunk = apart(file.work(), move || reader.read(at, CHUNK_BYTES)).await;
            let Ok(Ok(chunk)) = chunk else { return };
            at += chunk.len() as u64;
            part = SnapshotPart { head: Bytes::new(), chunk };
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receive)
}
