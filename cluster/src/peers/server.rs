//! A node's answers to its peers.

use super::MESSAGE_BYTES_MAX;
use super::call::Ids;
use super::members;
use super::network::snapshot_parts;
use super::secure;
use crate::codec;
use crate::node::Shared;
use crate::operate::VERSION;
use crate::orders::Comer;
use crate::propose::{Fate, Ticket};
use crate::store::identity::DiskId;
use crate::{Malformed, Member, OrderError, StateMachine};
use futures::{Stream, StreamExt};
use openraft::alias::SnapshotOf;
use proto::peer::v1::peer_server::{Peer, PeerServer as Service};
use proto::peer::v1::{
    ChangeMembersRequest, ChangeMembersResponse, DigestRequest, DigestResponse, FetchSnapshotRequest, ForwardFrame,
    ForwardOutcome, ForwardReplies, ForwardReply, HandOverRequest, HandOverResponse, JoinRequest, JoinResponse,
    MarkRequest, MarkResponse, Raw, ReadIndexRequest, ReadIndexResponse, SnapshotPart, StatusRequest, StatusResponse,
};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Replies that wait to be sent on one forwarding stream. A follower has at most as many commands out.
const REPLIES_MAX: usize = 32 * 1024;
/// Replies in one frame.
const FRAME_MAX: usize = 512;
/// A forwarded command may not wait longer than this, whatever the peer says.
const TTL_MAX: Duration = Duration::from_secs(10);
/// How long a digest may wait for its index to be applied.
const APPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a mark, a hand-over or a change of the members may take.
const ORDER_TIMEOUT: Duration = Duration::from_secs(3);

/// The service of one node.
pub(crate) struct Local<M: StateMachine> {
    pub(crate) ids: Ids,
    pub(crate) shared: Arc<Shared<M>>,
}

/// The tonic service around it.
pub(crate) type PeerServer<M> = Service<Local<M>>;

impl<M: StateMachine> Local<M> {
    pub(crate) fn into_service(self) -> PeerServer<M> {
        Service::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Checks who calls, and unwraps.
    #[allow(clippy::result_large_err)]
    fn open<T>(&self, request: Request<T>) -> Result<(u64, T), Status> {
        let from = self.ids.check(request.metadata())?;
        secure::prove(&self.ids, from, &request)?;
        Ok((from, request.into_inner()))
    }

    /// The same, for Raft's own messages.
    #[allow(clippy::result_large_err)]
    fn open_raft<T>(&self, request: Request<T>) -> Result<(u64, T), Status> {
        let from = self.ids.check_raft(request.metadata())?;
        secure::prove(&self.ids, from, &request)?;
        Ok((from, request.into_inner()))
    }

    /// The same, for calls of those who may not belong yet.
    #[allow(clippy::result_large_err)]
    fn open_to_all<T>(&self, request: Request<T>) -> Result<T, Status> {
        let from = self.ids.check_open(request.metadata())?;
        secure::prove(&self.ids, from, &request)?;
        Ok(request.into_inner())
    }
}

/// An order that was not carried out, for the node that passed it on.
fn not_done(error: OrderError) -> Status {
    match error {
        OrderError::NoQuorum(why) => Status::unavailable(why),
        OrderError::Refused(why) => Status::failed_precondition(why),
        OrderError::Unknown(why) => Status::deadline_exceeded(why),
    }
}

fn malformed(error: Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn fatal(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

fn raw(body: bytes::Bytes) -> Response<Raw> {
    Response::new(Raw { body })
}

#[tonic::async_trait]
impl<M: StateMachine> Peer for Local<M> {
    type AppendStream = Replies<Raw>;
    type FetchSnapshotStream = Replies<SnapshotPart>;
    type ForwardStream = Replies<ForwardReplies>;

    async fn append(&self, request: Request<Streaming<Raw>>) -> Result<Response<Self::AppendStream>, Status> {
        let (_, incoming) = self.open_raft(request)?;
        // A message that cannot be read ends the stream: the leader opens a new one and sends it again.
        let requests = incoming
            .map(|message| message.ok().and_then(|raw| codec::decode_append(&raw.body).ok()))
            .take_while(|request| futures::future::ready(request.is_some()))
            .filter_map(futures::future::ready);
        let shared = self.shared.clone();
        let results = self.shared.raft.stream_append(requests).map(move |result| match result {
            Ok(result) => {
                if result.is_ok() {
                    shared.contact.heard();
                }
                Ok(Raw { body: codec::encode_appended(&result) })
            }
            Err(error) => Err(fatal(error)),
        });
        Ok(Response::new(Box::pin(results)))
    }

    async fn heartbeat(&self, request: Request<Raw>) -> Result<Response<Raw>, Status> {
        let (_, message) = self.open_raft(request)?;
        let request = codec::decode_append(&message.body).map_err(malformed)?;
        let (prev, last) = (request.prev_log_id, request.entries.last().map(|e| e.log_id).or(request.prev_log_id));
        let response = self.shared.raft.append_entries(request).await.map_err(fatal)?;
        if response.is_success() {
            self.shared.contact.heard();
        }
        Ok(raw(codec::encode_appended(&response.into_stream_result(prev, last))))
    }

    async fn vote(&self, request: Request<Raw>) -> Result<Response<Raw>, Status> {
        let (_, message) = self.open_raft(request)?;
        let request = codec::decode_vote_request(&message.body).map_err(malformed)?;
        let response = self.shared.raft.vote(request).await.map_err(fatal)?;
        Ok(raw(codec::encode_vote_response(&response)))
    }

    async fn pre_vote(&self, request: Request<Raw>) -> Result<Response<Raw>, Status> {
        let (_, message) = self.open_raft(request)?;
        let request = codec::decode_vote_request(&message.body).map_err(malformed)?;
        let response = self.shared.raft.pre_vote(request).await.map_err(fatal)?;
        Ok(raw(codec::encode_vote_response(&response)))
    }

    async fn transfer_leader(&self, request: Request<Raw>) -> Result<Response<Raw>, Status> {
        let (_, message) = self.open_raft(request)?;
        let request = codec::decode_transfer(&message.body).map_err(malformed)?;
        let response = self.shared.raft.handle_transfer_leader(request).await.map_err(fatal)?;
        Ok(raw(codec::encode_transferred(&response)))
    }

    async fn install_snapshot(&self, request: Request<Streaming<SnapshotPart>>) -> Result<Response<Raw>, Status> {
        let (from, mut parts) = self.open_raft(request)?;
        let first = parts.message().await?.ok_or_else(|| Status::invalid_argument("no head"))?;
        let mut head = first.head.as_ref();
        let vote = codec::unframe("snapshot head", &mut head).and_then(codec::decode_vote).map_err(malformed)?;
        let meta = codec::unframe("snapshot head", &mut head).and_then(codec::decode_meta).map_err(malformed)?;
        tracing::info!(from, last = ?meta.last_log_id, "receiving a snapshot");
        let chunks = futures::stream::unfold(parts, |mut parts| async move {
            match parts.message().await {
                Ok(Some(part)) => Some((Ok(part.chunk), parts)),
                Ok(None) => None,
                Err(status) => Some((Err(std::io::Error::other(status.message().to_owned())), parts)),
            }
        });
        let file = self.shared.snapshots.receive(chunks).await.map_err(|e| Status::data_loss(e.to_string()))?;
        if file.meta().map_err(malformed)? != meta {
            return Err(Status::data_loss("the file is not the snapshot that was announced"));
        }
        self.shared.contact.heard();
        let response = self
            .shared
            .raft
            .install_full_snapshot(vote, SnapshotOf::<crate::types::Types, _> { meta, snapshot: file })
            .await
            .map_err(fatal)?;
        Ok(raw(codec::encode_vote(&response.vote)))
    }

    async fn fetch_snapshot(
        &self,
        request: Request<FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        self.open(request)?;
        let current = self.shared.snapshots.current().map_err(fatal)?;
        // Only a node that cannot start without one asks. What there is may end too early for it, and it will ask
        // again: with this it finds a newer one then. Raft writes one at a time.
        let applied = self.shared.state.applied().map(|id| id.index);
        if applied > self.shared.snapshots.newest().map(|(index, _)| index) {
            self.shared.raft.trigger().snapshot().await.map_err(fatal)?;
        }
        let snapshot = current.ok_or_else(|| Status::not_found("no snapshot yet, one is being written"))?;
        let head = codec::encode_meta(&snapshot.meta);
        Ok(Response::new(Box::pin(snapshot_parts(head, snapshot.snapshot).map(Ok))))
    }

    async fn forward(
        &self,
        request: Request<Streaming<ForwardFrame>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let (_, frames) = self.open(request)?;
        let (replies, ready) = mpsc::channel(REPLIES_MAX);
        tokio::spawn(take_frames(self.shared.clone(), frames, replies));
        let stream = futures::stream::unfold(ready, |mut ready| async move {
            let mut taken = Vec::with_capacity(16);
            (ready.recv_many(&mut taken, FRAME_MAX).await > 0).then(|| (Ok(ForwardReplies { replies: taken }), ready))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn read_index(&self, request: Request<ReadIndexRequest>) -> Result<Response<ReadIndexResponse>, Status> {
        self.open(request)?;
        let index = self.shared.leader_read_index().await.map_err(fatal)?;
        Ok(Response::new(ReadIndexResponse { index }))
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        let (_, DigestRequest { index, agreed }) = self.open(request)?;
        let deadline = Instant::now() + APPLY_TIMEOUT;
        let (digest, violations) = self.shared.digest_at(index, deadline).await.map_err(Status::unavailable)?;
        if !agreed.is_empty() && agreed != digest[..] {
            let shared = self.shared.clone();
            // Writes its note. The process ends with it, so there is no answer.
            let noted = tokio::task::spawn_blocking(move || shared.alike.differs(index)).await;
            return Err(Status::aborted(format!("this node differs: {noted:?}")));
        }
        let version = VERSION.to_owned();
        Ok(Response::new(DigestResponse { digest: digest.to_vec().into(), violations, version }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.open_to_all(request)?;
        Ok(Response::new(self.shared.own_status()))
    }

    async fn hand_over(&self, request: Request<HandOverRequest>) -> Result<Response<HandOverResponse>, Status> {
        let (_, HandOverRequest { to }) = self.open(request)?;
        let leader = self.shared.hand_over(to, Instant::now() + ORDER_TIMEOUT).await.map_err(Status::unavailable)?;
        Ok(Response::new(HandOverResponse { leader }))
    }

    async fn mark(&self, request: Request<MarkRequest>) -> Result<Response<MarkResponse>, Status> {
        self.open(request)?;
        let index = self.shared.mark(Instant::now() + ORDER_TIMEOUT).await.map_err(Status::unavailable)?;
        Ok(Response::new(MarkResponse { index }))
    }

    async fn change_members(
        &self,
        request: Request<ChangeMembersRequest>,
    ) -> Result<Response<ChangeMembersResponse>, Status> {
        let (_, ChangeMembersRequest { order }) = self.open(request)?;
        let order = order.ok_or_else(|| Status::invalid_argument("no order"))?;
        let deadline = Instant::now() + ORDER_TIMEOUT;
        let change = self.shared.change_members(members::order(order), deadline).await.map_err(not_done)?;
        Ok(Response::new(members::response(change)))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let JoinRequest { disk, peer, admin, version_max } = self.open_to_all(request)?;
        let disk = DiskId::read(&disk).ok_or_else(|| Status::invalid_argument("disk: is not 16 bytes"))?;
        self.ids.client(super::ANYBODY, &peer).map_err(|why| Status::invalid_argument(format!("peer: {why}")))?;
        let deadline = Instant::now() + ORDER_TIMEOUT;
        let comer = Comer { disk, member: Member { peer, admin }, version_max };
        let id = self.shared.have_taken_in(comer, deadline).await.map_err(not_done)?;
        let cluster = self.shared.config.cluster.to_vec().into();
        Ok(Response::new(JoinResponse { id, cluster, seats: self.shared.seats() }))
    }
}

/// Takes forwarded commands until the stream ends. Each command is answered on its own, as soon as its fate is known.
async fn take_frames<M: StateMachine>(
    shared: Arc<Shared<M>>,
    mut frames: Streaming<ForwardFrame>,
    replies: mpsc::Sender<ForwardReply>,
) {
    while let Ok(Some(frame)) = frames.message().await {
        let now = Instant::now();
        let mut tickets = Vec::with_capacity(frame.items.len());
        for item in frame.items {
            let deadline = now + Duration::from_millis(item.ttl_ms.into()).min(TTL_MAX);
            // A poison command would stop every node that applies it: what cannot be read is not proposed.
            let readable = M::decode_command(&item.command);
            // What a newer node forwards, and not every member would understand, is not proposed either.
            let known = readable.is_ok_and(|command| M::since(&command) <= shared.state.version());
            let takes = shared.leads() && known;
            match takes.then(|| shared.proposer.submit(item.command, deadline)).flatten() {
                Some(ticket) => tickets.push((item.seq, deadline, ticket)),
                None => {
                    let _ = replies.send(reply(item.seq, Fate::NotProposed)).await;
                }
            }
        }
        // One task per frame: the commands of a frame mostly ride in one batch and are answered together.
        let replies = replies.clone();
        tokio::spawn(async move { answer(tickets, replies).await });
    }
}

async fn answer(tickets: Vec<(u64, Instant, Ticket)>, replies: mpsc::Sender<ForwardReply>) {
    for (seq, deadline, ticket) in tickets {
        let fate = ticket.wait(deadline).await;
        if replies.send(reply(seq, fate)).await.is_err() {
            return;
        }
    }
}

fn reply(seq: u64, fate: Fate) -> ForwardReply {
    let (outcome, output) = match fate {
        Fate::Applied(output) => (ForwardOutcome::Applied, output),
        Fate::NotProposed => (ForwardOutcome::NotProposed, bytes::Bytes::new()),
        Fate::Unknown => (ForwardOutcome::Unknown, bytes::Bytes::new()),
    };
    ForwardReply { seq, outcome: outcome.into(), output }
}
