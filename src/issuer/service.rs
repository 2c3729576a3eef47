//! Every rpc of the issuer's interface: check the fields, ask the cluster, say what came of it.
//!
//! What must hold: a command's fields are all checked before it is proposed, and its programme is the guard's.

use super::{answers, guard};
use crate::admin::{Cluster, ask, cut, deadline, feed, fields, misfit};
use ledger::{AccountStatus, AccountView, Command, Move, MoveDirection, Open, Opening, Output, Program, SetStatus};
use proto::admin::v1::{Event, ListJournalRequest};
use proto::issuer::v1 as wire;
use proto::issuer::v1::issuer_server::Issuer;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// The issuer's interface of one node.
pub struct Service<C>(C);

type Answer<T> = Result<Response<T>, Status>;

impl<C: Cluster> Service<C> {
    /// In front of this cluster.
    pub fn new(cluster: C) -> Self {
        Service(cluster)
    }

    async fn propose(&self, metadata: &MetadataMap, command: Command) -> Result<Output, Status> {
        let deadline = deadline::of(metadata, deadline::WRITE_MAX);
        ask::propose(&self.0, command, deadline).await?.map_err(answers::refused)
    }

    /// Proposes a command that is answered with an account.
    async fn change(&self, metadata: &MetadataMap, command: Command) -> Result<(AccountView, bool), Status> {
        match self.propose(metadata, command).await? {
            Output::Account { account, replayed } => Ok((account, replayed)),
            other => Err(misfit(&other)),
        }
    }

    async fn move_money(
        &self,
        request: &Request<wire::MoveRequest>,
        direction: MoveDirection,
    ) -> Answer<wire::MoveResponse> {
        let program = guard::program(request)?;
        let movement = movement(program, request.get_ref(), direction)?;
        let (account, replayed) = self.change(request.metadata(), Command::Move(movement)).await?;
        let account = Some(answers::account(&program, &account));
        Ok(Response::new(wire::MoveResponse { account, replayed }))
    }

    /// Waits until the books show what was decided before the call.
    async fn begin_read(&self, metadata: &MetadataMap) -> Result<(), Status> {
        ask::wait_for_books(&self.0, deadline::of(metadata, deadline::READ_MAX)).await
    }
}

fn movement(program: Program, request: &wire::MoveRequest, direction: MoveDirection) -> Result<Move, Status> {
    let key = fields::token("key", &request.key)?;
    let user = fields::user("user_token", &request.user_token)?;
    let currency = fields::currency("currency", &request.currency)?;
    let amount = fields::amount("amount", &request.amount, currency)?;
    Ok(Move { program, key, user, direction, amount })
}

fn opening(request: &wire::OpenAccountRequest) -> Result<Opening, Status> {
    let user = fields::user("user_token", &request.user_token)?;
    let currency = fields::currency("currency", &request.currency)?;
    let credit_minor = match request.credit.as_str() {
        "" => 0,
        text => fields::amount("credit", text, currency)?.minor(),
    };
    Ok(Opening { user, currency, credit_minor })
}

fn status(number: i32) -> Result<AccountStatus, Status> {
    match wire::AccountStatus::try_from(number) {
        Ok(wire::AccountStatus::Active) => Ok(AccountStatus::Active),
        Ok(wire::AccountStatus::Frozen) => Ok(AccountStatus::Frozen),
        Ok(wire::AccountStatus::Closed) => Ok(AccountStatus::Closed),
        Ok(wire::AccountStatus::Unspecified) => Err(fields::invalid("status", "is missing")),
        Err(_) => Err(fields::invalid("status", "is unknown")),
    }
}

#[tonic::async_trait]
impl<C: Cluster> Issuer for Service<C> {
    async fn open_account(&self, request: Request<wire::OpenAccountRequest>) -> Answer<wire::OpenAccountResponse> {
        let program = guard::program(&request)?;
        let open = Open { program, openings: vec![opening(request.get_ref())?] };
        match self.propose(request.metadata(), Command::Open(open)).await? {
            Output::Opened { opened, .. } => Ok(Response::new(wire::OpenAccountResponse { existed: opened == 0 })),
            other => Err(misfit(&other)),
        }
    }

    async fn credit(&self, request: Request<wire::MoveRequest>) -> Answer<wire::MoveResponse> {
        self.move_money(&request, MoveDirection::Credit).await
    }

    async fn debit(&self, request: Request<wire::MoveRequest>) -> Answer<wire::MoveResponse> {
        self.move_money(&request, MoveDirection::Debit).await
    }

    async fn set_status(&self, request: Request<wire::SetStatusRequest>) -> Answer<wire::SetStatusResponse> {
        let program = guard::program(&request)?;
        let wanted = request.get_ref();
        let user = fields::user("user_token", &wanted.user_token)?;
        let change = SetStatus { program, user, status: status(wanted.status)? };
        let (account, replayed) = self.change(request.metadata(), Command::SetStatus(change)).await?;
        let account = Some(answers::account(&program, &account));
        Ok(Response::new(wire::SetStatusResponse { account, replayed }))
    }

    async fn show_account(&self, request: Request<wire::ShowAccountRequest>) -> Answer<wire::ShowAccountResponse> {
        let program = guard::program(&request)?;
        let user = fields::user("user_token", &request.get_ref().user_token)?;
        self.begin_read(request.metadata()).await?;
        let found = self.0.read(|books| books.account(&program, &user));
        let found = found.ok_or_else(|| answers::refused(ledger::Refusal::AccountUnknown))?;
        let account = Some(answers::account(&program, &found));
        Ok(Response::new(wire::ShowAccountResponse { account }))
    }

    async fn list_holds(&self, request: Request<wire::ListHoldsRequest>) -> Answer<wire::ListHoldsResponse> {
        let program = guard::program(&request)?;
        let wanted = request.get_ref();
        let user = fields::user("user_token", &wanted.user_token)?;
        let limit = fields::page_limit(wanted.limit)?;
        self.begin_read(request.metadata()).await?;
        let rows = self.0.read(|books| {
            books.account(&program, &user).map(|_| books.holds(&program, &user, wanted.after, limit + 1))
        });
        let rows = rows.ok_or_else(|| answers::refused(ledger::Refusal::AccountUnknown))?;
        let (rows, more) = cut(rows, limit);
        Ok(Response::new(wire::ListHoldsResponse { holds: rows.iter().map(answers::hold).collect(), more }))
    }

    async fn list_journal(&self, request: Request<wire::ListJournalRequest>) -> Answer<wire::ListJournalResponse> {
        let program = guard::program(&request)?;
        let wire::ListJournalRequest { user_token, from_index, since_us, limit } = request.into_inner();
        let wanted = ListJournalRequest { program: String::new(), user_token, from_index, since_us, limit };
        let found = feed::journal(&self.0, program, &wanted).await?;
        let event = |Event { index, place, time_us, json }| wire::Event { index, place, time_us, json };
        let events = found.events.into_iter().map(event).collect();
        Ok(Response::new(wire::ListJournalResponse { events, next_index: found.next_index, end: found.end }))
    }
}
