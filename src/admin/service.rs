//! Every rpc of the admin interface: check the fields, ask the cluster, say what came of it.
//!
//! What must hold: a command's fields are all checked before it is proposed; reads wait for the barrier unless the
//! caller wants them stale. Not here: the checks (`fields`), the answers' texts (`views`), listening (`serve`).

use super::controls::{self, Wanted};
use super::gate::{note, note_in};
use super::letters::{self, Shown};
use super::scans::Scans;
use super::{
    Cluster, StandIn, ask, backup, compare, deadline, feed, fields, history, members, stand_in, transaction, views,
};
use crate::alarms::Alarms;
use crate::clock::wall_clock_us;
use gateway::Recent;
use ledger::{Command, DeadLetter, Dropped, HoldView, Ledger, Move, Output, Program, Seconds, Timestamp, UserToken};
use proto::admin::v1 as wire;
use proto::admin::v1::admin_server::{Admin, AdminServer};
use std::sync::Arc;
use std::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// The admin interface of one node.
pub struct Service<C> {
    cluster: C,
    about: About,
    scans: Scans,
    stand_in: Arc<dyn StandIn>,
}

/// What is only shown, or stands in backups.
pub struct About {
    /// As hexadecimal text.
    pub cluster_id: String,
    /// As operators call it.
    pub cluster_name: String,
    /// How long the latest requests took at this node.
    pub recent: Arc<Recent>,
    /// What it raises alarms for.
    pub alarms: Arc<dyn Alarms>,
}

/// The admin interface, ready to be served.
pub fn service<C: Cluster>(cluster: C, about: About, stand_in: Arc<dyn StandIn>) -> AdminServer<Service<C>> {
    AdminServer::new(Service { cluster, about, scans: Scans::new(), stand_in })
}

type Answer<T> = Result<Response<T>, Status>;

impl<C: Cluster> Service<C> {
    async fn propose(&self, metadata: &MetadataMap, command: Command) -> Result<Output, Status> {
        let deadline = deadline::of(metadata, deadline::WRITE_MAX);
        ask::propose(&self.cluster, command, deadline).await?.map_err(views::refused)
    }

    /// Proposes a command that is answered with an account.
    async fn change(
        &self,
        metadata: &MetadataMap,
        program: Program,
        command: Command,
    ) -> Answer<wire::AccountResponse> {
        match self.propose(metadata, command).await? {
            Output::Account { account, replayed } => {
                let account = Some(views::account(&program, &account));
                Ok(Response::new(wire::AccountResponse { account, replayed }))
            }
            other => Err(misfit(&other)),
        }
    }

    /// Begins a read: the deadline, once the books show what the caller may expect.
    async fn begin_read(&self, metadata: &MetadataMap, freshness: Freshness) -> Result<Instant, Status> {
        let deadline = deadline::of(metadata, deadline::READ_MAX);
        if freshness == Freshness::Stale {
            return Ok(deadline);
        }
        ask::wait_for_books(&self.cluster, deadline).await.map(|()| deadline)
    }

    async fn scan<T: Send + 'static>(
        &self,
        deadline: Instant,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Status> {
        self.scans.run(&self.cluster, deadline, look).await
    }
}

/// What a read may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    /// Everything decided before the call.
    Linearizable,
    /// Whatever this node has.
    Stale,
}

fn freshness(stale: bool) -> Freshness {
    if stale { Freshness::Stale } else { Freshness::Linearizable }
}

/// An output that does not belong to its command.
pub(crate) fn misfit(output: &Output) -> Status {
    tracing::error!(?output, "an output that does not fit its command");
    Status::internal("the books gave an answer that does not fit the question")
}

/// One row more than the page has was asked for, to know whether there is more.
pub(crate) fn cut<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

#[tonic::async_trait]
impl<C: Cluster> Admin for Service<C> {
    type BackupStream = backup::Parts;

    async fn open_accounts(&self, request: Request<wire::OpenAccountsRequest>) -> Answer<wire::OpenAccountsResponse> {
        let open = fields::open(request.get_ref())?;
        note(&request, || format!("{} accounts of {}", open.openings.len(), open.program));
        match self.propose(request.metadata(), Command::Open(open)).await? {
            Output::Opened { opened, existed } => Ok(Response::new(wire::OpenAccountsResponse { opened, existed })),
            other => Err(misfit(&other)),
        }
    }

    async fn move_money(&self, request: Request<wire::MoveMoneyRequest>) -> Answer<wire::AccountResponse> {
        let movement = fields::movement(request.get_ref())?;
        note(&request, || {
            let Move { program, key, user, direction, amount } = &movement;
            format!("{direction:?} {amount} {}, user {user} of {program}, key {key}", amount.currency().code())
        });
        self.change(request.metadata(), movement.program, Command::Move(movement)).await
    }

    async fn set_account_status(
        &self,
        request: Request<wire::SetAccountStatusRequest>,
    ) -> Answer<wire::AccountResponse> {
        let change = fields::status_change(request.get_ref())?;
        note(&request, || format!("user {} of {}: {:?}", change.user, change.program, change.status));
        self.change(request.metadata(), change.program, Command::SetStatus(change)).await
    }

    async fn show_account(&self, request: Request<wire::ShowAccountRequest>) -> Answer<wire::AccountResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let user = fields::user("user_token", &wanted.user_token)?;
        self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let found = self.cluster.read(|books| books.account(&program, &user));
        let found = found.ok_or_else(|| Status::not_found("there is no such account"))?;
        let account = Some(views::account(&program, &found));
        Ok(Response::new(wire::AccountResponse { account, replayed: false }))
    }

    async fn list_accounts(&self, request: Request<wire::ListAccountsRequest>) -> Answer<wire::ListAccountsResponse> {
        let (metadata, _, wanted) = request.into_parts();
        let program = fields::program(&wanted.program)?;
        let prefix = fields::prefix(wanted.user_prefix)?;
        let after = fields::after(&wanted.after)?;
        let limit = fields::page_limit(wanted.limit)?;
        let deadline = self.begin_read(&metadata, freshness(wanted.stale)).await?;
        let scan = move |books: &Ledger| books.accounts_from(&program, &prefix, after, limit + 1);
        let (rows, more) = cut(self.scan(deadline, scan).await?, limit);
        let accounts = rows.iter().map(|row| views::account(&program, row)).collect();
        Ok(Response::new(wire::ListAccountsResponse { accounts, more }))
    }

    async fn list_holds(&self, request: Request<wire::ListHoldsRequest>) -> Answer<wire::ListHoldsResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let user = fields::user("user_token", &wanted.user_token)?;
        let limit = fields::page_limit(wanted.limit)?;
        self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let rows = self.cluster.read(|books| {
            books.account(&program, &user).map(|_| books.holds(&program, &user, wanted.after, limit + 1))
        });
        let rows = rows.ok_or_else(|| Status::not_found("there is no such account"))?;
        let (rows, more) = cut(rows, limit);
        Ok(Response::new(wire::ListHoldsResponse { holds: rows.iter().map(views::hold).collect(), more }))
    }

    async fn list_unconfirmed_holds(
        &self,
        request: Request<wire::ListUnconfirmedHoldsRequest>,
    ) -> Answer<wire::ListHoldsResponse> {
        let (metadata, _, wanted) = request.into_parts();
        let program = fields::program(&wanted.program)?;
        let limit = fields::page_limit(wanted.limit)?;
        let deadline = self.begin_read(&metadata, freshness(wanted.stale)).await?;
        let (older_than, after) = (Seconds(wanted.older_than_s), wanted.after);
        // The log's time stands still while nothing is decided.
        let wall = Timestamp(wall_clock_us());
        let scan = move |books: &Ledger| {
            books.unconfirmed_holds(&program, older_than, wall.max(books.now()), after, limit + 1)
        };
        let (rows, more) = cut(self.scan(deadline, scan).await?, limit);
        let hold = |(user, hold): &(UserToken, HoldView)| wire::Hold {
            user_token: user.as_str().to_owned(),
            ..views::hold(hold)
        };
        Ok(Response::new(wire::ListHoldsResponse { holds: rows.iter().map(hold).collect(), more }))
    }

    async fn books(&self, request: Request<wire::BooksRequest>) -> Answer<wire::BooksResponse> {
        let (metadata, _, wanted) = request.into_parts();
        let program = fields::program(&wanted.program)?;
        let prefix = fields::prefix(wanted.user_prefix)?;
        let deadline = self.begin_read(&metadata, freshness(wanted.stale)).await?;
        let scan = move |books: &Ledger| views::books(&books.totals(&program, &prefix), books.tokens_count());
        Ok(Response::new(self.scan(deadline, scan).await?))
    }

    async fn explain(&self, request: Request<wire::ExplainRequest>) -> Answer<wire::ExplainResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let token = fields::token("token", &wanted.token)?;
        self.begin_read(request.metadata(), Freshness::Linearizable).await?;
        let found = self.cluster.read(|books| {
            let found = books.token(&program, &token)?;
            let owner = found.user.zip(found.amount);
            let chain = owner.and_then(|(user, amount)| books.chain_of_jit(&program, &user, amount.currency(), &token));
            Some((found, chain))
        });
        let Some((found, chain)) = found else {
            return Ok(Response::new(wire::ExplainResponse::default()));
        };
        let response = wire::ExplainResponse {
            transaction: chain.as_ref().map(transaction::json).unwrap_or_default(),
            timing: self.about.recent.of(&program, &token).map(|timing| views::timing(self.cluster.id(), timing)),
            ..views::token(&found)
        };
        let response = history::explained(self.cluster.history_at(found.at.0).await, response);
        Ok(Response::new(controls::explained(found.judged.as_ref(), found.amount, response)))
    }

    async fn watch_events(&self, request: Request<wire::WatchEventsRequest>) -> Answer<wire::WatchEventsResponse> {
        feed::watch(&self.cluster, request.get_ref()).await.map(Response::new)
    }

    async fn list_journal(&self, request: Request<wire::ListJournalRequest>) -> Answer<wire::WatchEventsResponse> {
        let program = fields::program(&request.get_ref().program)?;
        feed::journal(&self.cluster, program, request.get_ref()).await.map(Response::new)
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Answer<wire::ListDeadLettersResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let limit = fields::page_limit(wanted.limit)?;
        let after = Timestamp(wanted.after_us);
        let deadline = self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let scan = move |books: &Ledger| (books.letters(&program, after, limit + 1), books.letters_count());
        let (rows, count) = self.scan(deadline, scan).await?;
        let (rows, more) = cut(rows, limit);
        let letters = rows.iter().map(|row| letters::message(row, Shown::Outside)).collect();
        let count_max = DeadLetter::COUNT_MAX;
        Ok(Response::new(wire::ListDeadLettersResponse { letters, more, count, count_max }))
    }

    async fn show_dead_letter(&self, request: Request<wire::DeadLetterRequest>) -> Answer<wire::DeadLetter> {
        let (program, id) = letters::named(&request.get_ref().program, &request.get_ref().id)?;
        self.begin_read(request.metadata(), Freshness::Linearizable).await?;
        let found = self.cluster.read(|books| books.letter(&program, &id)).ok_or_else(letters::missing)?;
        Ok(Response::new(letters::message(&found, Shown::Inside)))
    }

    async fn replay_dead_letter(
        &self,
        request: Request<wire::ReplayDeadLetterRequest>,
    ) -> Answer<wire::ReplayDeadLetterResponse> {
        let wanted = request.get_ref();
        let (program, id) = letters::named(&wanted.program, &wanted.id)?;
        let how = if wanted.item.is_empty() { "as it came" } else { "corrected" };
        note(&request, || format!("letter {id} of {program}, {how}"));
        self.begin_read(request.metadata(), Freshness::Linearizable).await?;
        let found = self.cluster.read(|books| books.letter(&program, &id)).ok_or_else(letters::missing)?;
        let deadline = deadline::of(request.metadata(), deadline::WRITE_MAX);
        letters::replay(&self.cluster, &found, &wanted.item, deadline).await.map(Response::new)
    }

    async fn drop_dead_letter(
        &self,
        request: Request<wire::DeadLetterRequest>,
    ) -> Answer<wire::DropDeadLetterResponse> {
        let (program, id) = letters::named(&request.get_ref().program, &request.get_ref().id)?;
        note(&request, || format!("letter {id} of {program}"));
        let deadline = deadline::of(request.metadata(), deadline::WRITE_MAX);
        match letters::drop_letter(&self.cluster, program, id, deadline).await? {
            Dropped::Gone => Ok(Response::new(wire::DropDeadLetterResponse {})),
            Dropped::Unknown => Err(letters::missing()),
        }
    }

    async fn set_controls(&self, request: Request<wire::SetControlsRequest>) -> Answer<wire::SetControlsResponse> {
        let (metadata, extensions, request) = request.into_parts();
        let (program, document) = controls::document(&request)?;
        let how = if request.dry_run { " (dry run)" } else { "" };
        note_in(&extensions, || format!("controls of {program}{how}, based on {:?}", request.based_on));
        self.begin_read(&metadata, Freshness::Linearizable).await?;
        let current = self.cluster.read(|books| controls::current(books, &program));
        let wanted = controls::wanted(&request, (program, document), current.as_ref());
        let Wanted { set, changes, version } = wanted;
        if request.dry_run {
            return Ok(Response::new(wire::SetControlsResponse { version, changed: false, changes }));
        }
        match self.propose(&metadata, Command::SetControls(Box::new(set))).await? {
            Output::Controls { version, changed } => {
                Ok(Response::new(wire::SetControlsResponse { version, changed, changes }))
            }
            other => Err(misfit(&other)),
        }
    }

    async fn show_controls(&self, request: Request<wire::ShowControlsRequest>) -> Answer<wire::ShowControlsResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let current = self.cluster.read(|books| controls::current(books, &program));
        Ok(Response::new(controls::show(current.as_ref())))
    }

    async fn list_limits(&self, request: Request<wire::ListLimitsRequest>) -> Answer<wire::ListLimitsResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let user = fields::user("user_token", &wanted.user_token)?;
        let named = |field, text: &str| match text {
            "" => Ok(None),
            text => fields::token(field, text).map(Some),
        };
        let card = named("card_token", &wanted.card_token)?;
        let product = named("card_product_token", &wanted.card_product_token)?;
        self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let limits = self.cluster.read(|books| books.limits(&program, &user, card.as_ref(), product.as_ref()));
        Ok(Response::new(wire::ListLimitsResponse { limits: limits.iter().map(controls::limit).collect() }))
    }

    async fn set_party(&self, request: Request<wire::SetPartyRequest>) -> Answer<wire::PartyResponse> {
        let set = controls::set_party(request.get_ref())?;
        note(&request, || format!("{:?} of {}: {:?}", set.party, set.program, set.state));
        match self.propose(request.metadata(), Command::SetParty(set)).await? {
            Output::Party { state, changed } => {
                let state = controls::state(state).into();
                Ok(Response::new(wire::PartyResponse { state, changed, ..wire::PartyResponse::default() }))
            }
            other => Err(misfit(&other)),
        }
    }

    async fn show_party(&self, request: Request<wire::ShowPartyRequest>) -> Answer<wire::PartyResponse> {
        let wanted = request.get_ref();
        let program = fields::program(&wanted.program)?;
        let party = controls::party_name(wanted.party.as_ref())?;
        self.begin_read(request.metadata(), freshness(wanted.stale)).await?;
        let view = self.cluster.read(|books| books.party(&program, &party));
        let view = view.ok_or_else(|| Status::not_found("nothing was ever said of it"))?;
        Ok(Response::new(controls::party(&view)))
    }

    async fn cluster_status(&self, _: Request<wire::ClusterStatusRequest>) -> Answer<wire::ClusterStatusResponse> {
        let status = self.cluster.status().await;
        let members = status.members.iter();
        Ok(Response::new(wire::ClusterStatusResponse {
            // Out of contact a node still remembers who led last; that is nobody to send anything to.
            leader: status.leader.filter(|_| status.quorum),
            term: status.term,
            quorum: status.quorum,
            nodes: members.map(|member| views::member(member, status.last_log_index)).collect(),
            answered_by: status.answered_by,
            last_log_index: status.last_log_index,
            snapshot_index: status.snapshot_index,
            purged_index: status.purged_index,
            cluster_id: self.about.cluster_id.clone(),
            restored: self.cluster.read(Ledger::restored).map(|restored| views::restored(&restored)),
            cluster_version: status.version,
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Answer<wire::TransferLeaderResponse> {
        let deadline = deadline::of(request.metadata(), deadline::WRITE_MAX);
        note(&request, || {
            format!("to {}", request.get_ref().to.map_or("whoever is furthest".to_owned(), |to| to.to_string()))
        });
        let leader = self.cluster.hand_over(request.get_ref().to, deadline).await.map_err(views::not_ordered)?;
        Ok(Response::new(wire::TransferLeaderResponse { leader }))
    }

    async fn change_members(
        &self,
        request: Request<wire::ChangeMembersRequest>,
    ) -> Answer<wire::ChangeMembersResponse> {
        let deadline = deadline::of(request.metadata(), deadline::WRITE_MAX);
        note(&request, || format!("{:?}", request.get_ref().order));
        let order = members::order(request.into_inner())?;
        let change = self.cluster.change_members(order, deadline).await.map_err(views::not_ordered)?;
        Ok(Response::new(members::response(change)))
    }

    async fn snapshot(&self, request: Request<wire::SnapshotRequest>) -> Answer<wire::SnapshotResponse> {
        let deadline = deadline::of(request.metadata(), deadline::SNAPSHOT_MAX);
        let (index, size_bytes) = self.cluster.snapshot(deadline).await.map_err(views::not_ordered)?;
        Ok(Response::new(wire::SnapshotResponse { node: self.cluster.id(), index, size_bytes }))
    }

    async fn list_snapshots(&self, _: Request<wire::ListSnapshotsRequest>) -> Answer<wire::ListSnapshotsResponse> {
        let snapshots = self.cluster.snapshots().await.map_err(|gap| Status::internal(gap.to_string()))?;
        let snapshots = snapshots.into_iter().map(views::snapshot).collect();
        Ok(Response::new(wire::ListSnapshotsResponse { node: self.cluster.id(), snapshots }))
    }

    async fn backup(&self, request: Request<wire::BackupRequest>) -> Answer<Self::BackupStream> {
        self.begin_read(request.metadata(), freshness(request.get_ref().stale)).await?;
        let backup = self.cluster.backup().await.map_err(views::not_ordered)?;
        Ok(Response::new(backup::parts(&self.about, self.cluster.id(), backup)))
    }

    async fn compare_reports(
        &self,
        request: Request<wire::CompareReportsRequest>,
    ) -> Answer<wire::CompareReportsResponse> {
        let (program, items) = compare::items(request.get_ref())?;
        let deadline = self.begin_read(request.metadata(), Freshness::Linearizable).await?;
        let reports = self.scan(deadline, move |books| compare::compare(books, program, &items)).await?;
        Ok(Response::new(wire::CompareReportsResponse { reports }))
    }

    async fn list_alarms(&self, _: Request<wire::ListAlarmsRequest>) -> Answer<wire::ListAlarmsResponse> {
        let alarms = self.about.alarms.alarms().iter().map(views::alarm).collect();
        Ok(Response::new(wire::ListAlarmsResponse { node: self.cluster.id(), alarms }))
    }

    async fn end_reconciling(
        &self,
        request: Request<wire::EndReconcilingRequest>,
    ) -> Answer<wire::EndReconcilingResponse> {
        let reconciled = fields::reconciled(request.get_ref())?;
        note(&request, || format!("by {}, because {}", request.get_ref().who, request.get_ref().why));
        match self.propose(request.metadata(), Command::Reconciled(Box::new(reconciled))).await? {
            Output::Reconciling { changed } => Ok(Response::new(wire::EndReconcilingResponse { changed })),
            other => Err(misfit(&other)),
        }
    }

    async fn stand_in_status(&self, _: Request<wire::StandInStatusRequest>) -> Answer<wire::StandInStatusResponse> {
        Ok(Response::new(stand_in::response(self.cluster.id(), &self.stand_in.status())))
    }

    async fn set_breaker(&self, request: Request<wire::SetBreakerRequest>) -> Answer<wire::StandInStatusResponse> {
        let order = fields::order(request.get_ref())?;
        let wanted = request.get_ref();
        note(&request, || format!("{:?}, by {}, because {}", wanted.mode(), wanted.who, wanted.why));
        match request.get_ref().mode() {
            wire::BreakerMode::ForcedOpen => self.stand_in.force_open(order),
            wire::BreakerMode::Auto => self.stand_in.auto(order),
            wire::BreakerMode::Unspecified => return Err(Status::invalid_argument("mode: is required")),
        }
        .map_err(|error| Status::internal(format!("it is in force, but not on the disk for a restart: {error}")))?;
        Ok(Response::new(stand_in::response(self.cluster.id(), &self.stand_in.status())))
    }

    async fn verify(&self, request: Request<wire::VerifyRequest>) -> Answer<wire::VerifyResponse> {
        let deadline = deadline::of(request.metadata(), deadline::WRITE_MAX);
        let (index, members) = self.cluster.verify(deadline).await.map_err(views::not_ordered)?;
        for (id, why) in members.iter().filter_map(|member| Some((member.id, member.result.as_ref().err()?))) {
            tracing::warn!(member = id, %why, "verify without a member");
        }
        let agreed = views::agreed(&members, request.get_ref().allow_missing);
        let members = members.iter().map(views::member_digest).collect();
        Ok(Response::new(wire::VerifyResponse { index, agreed, members }))
    }
}
