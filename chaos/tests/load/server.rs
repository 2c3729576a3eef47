//! A server that answers like Holdfast: two JIT ports and one admin port over one set of books, with planted faults.
//!
//! What must hold: without a fault its books and bytes are true. Replies leave in pieces, so that the driver must put
//! them together. Not here: deadlines, replication, durability.

use proto::admin::v1::admin_server::{Admin, AdminServer};
use proto::admin::v1::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Some requests are carried out, and their connection is closed without a reply.
    DropReplies,
    /// Some replies say `Connection: close`, and some connections are closed after a reply without a word.
    CloseAfterReply,
    /// Some repeats get another body.
    AnotherBody,
    /// One approval is not held.
    HoldTooSmall,
    /// One cent too much is held.
    HoldTooLarge,
    /// Money is posted.
    Posts,
    /// Some requests get a 500 and are not carried out.
    ServerError,
    /// Some requests are told no without a decision, and their holds stay.
    UndecidedHolds,
}

#[derive(Default)]
struct Books {
    users: HashSet<String>,
    decided: HashMap<String, (u16, String)>,
    held: u64,
    requests: u64,
}

/// The running server; it ends with the test's runtime.
pub struct Server {
    targets: Vec<String>,
    admin: String,
}

/// An address where nobody listens, reserved as long as the socket lives.
pub fn dead_address() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    (socket, address)
}

impl Server {
    /// Starts it on free ports.
    pub async fn start(fault: Fault) -> Server {
        let books = Arc::new(Mutex::new(Books::default()));
        let mut targets = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            targets.push(listener.local_addr().expect("an address").to_string());
            tokio::spawn(accept(listener, books.clone(), fault));
        }
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let admin = incoming.local_addr().expect("an address").to_string();
        let service = AdminServer::new(Operator { books, fault });
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Server { targets, admin }
    }

    /// For `--target`.
    pub fn targets(&self) -> String {
        self.targets.join(",")
    }

    /// For `--admin`: the first one is dead, so that it must be passed over.
    pub fn admin(&self) -> String {
        format!("127.0.0.1:1,{}", self.admin)
    }
}

async fn accept(listener: TcpListener, books: Arc<Mutex<Books>>, fault: Fault) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, books.clone(), fault));
    }
}

/// One connection, until either side closes it.
async fn serve(mut stream: TcpStream, books: Arc<Mutex<Books>>, fault: Fault) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut buffer).await? {
        let turn = {
            let mut books = books.lock().expect("no panic");
            books.requests += 1;
            books.requests
        };
        let (status, outcome, text) = answer(&books, fault, turn, &head, &body);
        let close = fault == Fault::CloseAfterReply && turn.is_multiple_of(7);
        if fault == Fault::DropReplies && turn.is_multiple_of(50) {
            return Ok(());
        }
        let connection = if close { "Connection: close\r\n" } else { "" };
        let reply = format!(
            "HTTP/1.1 {status} X\r\n{connection}x-holdfast-outcome: {outcome}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        let (first, rest) = reply.split_at(turn as usize % reply.len());
        stream.write_all(first.as_bytes()).await?;
        tokio::task::yield_now().await;
        stream.write_all(rest.as_bytes()).await?;
        if close {
            return Ok(());
        }
    }
    Ok(())
}

/// The head and the body of the next request; none when the connection is closed.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<(String, Value)>> {
    loop {
        let text = String::from_utf8_lossy(buffer);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
            let length: usize = length.parse().expect("a number");
            if rest.len() >= length {
                let body = serde_json::from_str(&rest[..length]).expect("JSON");
                let (head, whole) = (head.to_owned(), head.len() + 4 + length);
                buffer.drain(..whole);
                return Ok(Some((head, body)));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Status, outcome and body.
fn answer(books: &Mutex<Books>, fault: Fault, turn: u64, head: &str, body: &Value) -> (u16, &'static str, String) {
    if head.starts_with("POST / ") {
        return (200, "", format!(r#"{{"token":{},"approved":true}}"#, body["token"]));
    }
    assert!(head.contains("Authorization: Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ=="), "{head}");
    let jit = &body["gpa_order"]["jit_funding"];
    let token = jit["token"].as_str().expect("a token").to_owned();
    let cents: u64 = jit["amount"].to_string().replace('.', "").parse().expect("an amount");
    // serde_json drops trailing zeros: 48.20 is read as 48.2.
    let digits = jit["amount"].to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    let cents = cents * 10u64.pow(2 - digits as u32);
    let mut books = books.lock().expect("no panic");
    assert!(books.users.contains(jit["user_token"].as_str().expect("a user")), "{jit}");
    if let Some((status, text)) = books.decided.get(&token) {
        let planted = if fault == Fault::AnotherBody && turn.is_multiple_of(20) { " " } else { "" };
        return (*status, "replayed", format!("{text}{planted}"));
    }
    if fault == Fault::ServerError && turn.is_multiple_of(40) {
        return (500, "", String::new());
    }
    let declined = cents.is_multiple_of(10);
    books.held += if declined { 0 } else { cents };
    if fault == Fault::UndecidedHolds && !declined && turn.is_multiple_of(40) {
        return (402, "undecided", "{}".into());
    }
    let status = if declined { 402 } else { 200 };
    let text = format!(r#"{{"approved":{},"jit_funding":{{"token":"{token}"}}}}"#, !declined);
    books.decided.insert(token, (status, text.clone()));
    (status, "decided", text)
}

struct Operator {
    books: Arc<Mutex<Books>>,
    fault: Fault,
}

#[tonic::async_trait]
impl Admin for Operator {
    async fn list_alarms(&self, _: Request<ListAlarmsRequest>) -> Result<Response<ListAlarmsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn compare_reports(
        &self,
        _: Request<CompareReportsRequest>,
    ) -> Result<Response<CompareReportsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn end_reconciling(
        &self,
        _: Request<EndReconcilingRequest>,
    ) -> Result<Response<EndReconcilingResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type BackupStream = tonic::codegen::BoxStream<BackupPart>;

    async fn backup(&self, _: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn open_accounts(
        &self,
        request: Request<OpenAccountsRequest>,
    ) -> Result<Response<OpenAccountsResponse>, Status> {
        let openings = request.into_inner().openings;
        assert!(openings.len() <= 256 && openings.iter().all(|opening| opening.credit == "1000000.00"));
        let mut books = self.books.lock().expect("no panic");
        let count = openings.len() as u32;
        let opened = openings.into_iter().filter(|opening| books.users.insert(opening.user_token.clone())).count();
        Ok(Response::new(OpenAccountsResponse { opened: opened as u32, existed: count - opened as u32 }))
    }

    async fn books(&self, request: Request<BooksRequest>) -> Result<Response<BooksResponse>, Status> {
        let prefix = request.into_inner().user_prefix;
        let books = self.books.lock().expect("no panic");
        let busy = books.requests > 0;
        let held = match self.fault {
            Fault::HoldTooSmall if busy => books.held - 1,
            Fault::HoldTooLarge if busy => books.held + 1,
            _ => books.held,
        };
        let posted = if busy && self.fault == Fault::Posts { 99 } else { 100 };
        let totals = vec![Balance {
            currency: "USD".into(),
            posted: format!("{posted}.00"),
            held: format!("{}.{:02}", held / 100, held % 100),
            available: String::new(),
        }];
        let accounts = books.users.iter().filter(|user| user.starts_with(&prefix)).count() as u64;
        Ok(Response::new(BooksResponse { totals, accounts, holds: 0, tokens: 0 }))
    }

    async fn move_money(&self, _: Request<MoveMoneyRequest>) -> Result<Response<AccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_account_status(
        &self,
        _: Request<SetAccountStatusRequest>,
    ) -> Result<Response<AccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn show_account(&self, _: Request<ShowAccountRequest>) -> Result<Response<AccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_accounts(&self, _: Request<ListAccountsRequest>) -> Result<Response<ListAccountsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_holds(&self, _: Request<ListHoldsRequest>) -> Result<Response<ListHoldsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_unconfirmed_holds(
        &self,
        _: Request<ListUnconfirmedHoldsRequest>,
    ) -> Result<Response<ListHoldsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_dead_letters(
        &self,
        _: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn show_dead_letter(&self, _: Request<DeadLetterRequest>) -> Result<Response<DeadLetter>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn replay_dead_letter(
        &self,
        _: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn drop_dead_letter(
        &self,
        _: Request<DeadLetterRequest>,
    ) -> Result<Response<DropDeadLetterResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_controls(&self, _: Request<SetControlsRequest>) -> Result<Response<SetControlsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn show_controls(&self, _: Request<ShowControlsRequest>) -> Result<Response<ShowControlsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_limits(&self, _: Request<ListLimitsRequest>) -> Result<Response<ListLimitsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_party(&self, _: Request<SetPartyRequest>) -> Result<Response<PartyResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn show_party(&self, _: Request<ShowPartyRequest>) -> Result<Response<PartyResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn watch_events(&self, _: Request<WatchEventsRequest>) -> Result<Response<WatchEventsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_journal(&self, _: Request<ListJournalRequest>) -> Result<Response<WatchEventsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn cluster_status(
        &self,
        _: Request<ClusterStatusRequest>,
    ) -> Result<Response<ClusterStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn transfer_leader(
        &self,
        _: Request<TransferLeaderRequest>,
    ) -> Result<Response<TransferLeaderResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn change_members(
        &self,
        _: Request<ChangeMembersRequest>,
    ) -> Result<Response<ChangeMembersResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<SnapshotResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_snapshots(
        &self,
        _: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn stand_in_status(
        &self,
        _: Request<StandInStatusRequest>,
    ) -> Result<Response<StandInStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_breaker(&self, _: Request<SetBreakerRequest>) -> Result<Response<StandInStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
