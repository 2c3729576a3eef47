//! `holdfast ctl` as a process: arguments, environment, exit codes and what goes to which output, against a scripted
//! admin interface.
//!
//! **What is not here.** What each command does in detail: that is tested beside the code, over a fake cluster.

use proto::admin::v1::admin_server::{Admin, AdminServer};
use proto::admin::v1::*;
use serde_json::Value;
use std::process::{Output, Stdio};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Moves money as its key says.
struct Script;

type Answer<T> = Result<Response<T>, Status>;

fn unscripted<T>() -> Answer<T> {
    Err(Status::unimplemented("not in the script"))
}

fn alice() -> Answer<AccountResponse> {
    let balance =
        Balance { currency: "USD".into(), posted: "1000.00".into(), held: "0.00".into(), available: "1000.00".into() };
    let account = Account {
        user_token: "alice".into(),
        status: AccountStatus::Active.into(),
        balances: vec![balance],
        holds: 0,
        program: "default".into(),
    };
    Ok(Response::new(AccountResponse { account: Some(account), replayed: false }))
}

#[tonic::async_trait]
impl Admin for Script {
    async fn list_alarms(&self, _: Request<ListAlarmsRequest>) -> Answer<ListAlarmsResponse> {
        unscripted()
    }

    async fn compare_reports(&self, _: Request<CompareReportsRequest>) -> Answer<CompareReportsResponse> {
        unscripted()
    }

    async fn end_reconciling(&self, _: Request<EndReconcilingRequest>) -> Answer<EndReconcilingResponse> {
        unscripted()
    }

    type BackupStream = tonic::codegen::BoxStream<BackupPart>;

    async fn backup(&self, _: Request<BackupRequest>) -> Answer<Self::BackupStream> {
        unscripted()
    }

    async fn move_money(&self, request: Request<MoveMoneyRequest>) -> Answer<AccountResponse> {
        match request.get_ref().key.as_str() {
            "done" => alice(),
            "refused" => Err(Status::failed_precondition("not enough is available")),
            "no-quorum" => Err(Status::unavailable("no quorum")),
            _ => Err(Status::deadline_exceeded("outcome unknown")),
        }
    }

    async fn show_account(&self, _: Request<ShowAccountRequest>) -> Answer<AccountResponse> {
        alice()
    }

    async fn open_accounts(&self, _: Request<OpenAccountsRequest>) -> Answer<OpenAccountsResponse> {
        unscripted()
    }

    async fn set_account_status(&self, _: Request<SetAccountStatusRequest>) -> Answer<AccountResponse> {
        unscripted()
    }

    async fn list_accounts(&self, _: Request<ListAccountsRequest>) -> Answer<ListAccountsResponse> {
        unscripted()
    }

    async fn list_holds(&self, _: Request<ListHoldsRequest>) -> Answer<ListHoldsResponse> {
        unscripted()
    }

    async fn list_unconfirmed_holds(&self, _: Request<ListUnconfirmedHoldsRequest>) -> Answer<ListHoldsResponse> {
        unscripted()
    }

    async fn books(&self, _: Request<BooksRequest>) -> Answer<BooksResponse> {
        unscripted()
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        unscripted()
    }

    async fn list_dead_letters(&self, _: Request<ListDeadLettersRequest>) -> Answer<ListDeadLettersResponse> {
        unscripted()
    }

    async fn show_dead_letter(&self, _: Request<DeadLetterRequest>) -> Answer<DeadLetter> {
        unscripted()
    }

    async fn replay_dead_letter(&self, _: Request<ReplayDeadLetterRequest>) -> Answer<ReplayDeadLetterResponse> {
        unscripted()
    }

    async fn drop_dead_letter(&self, _: Request<DeadLetterRequest>) -> Answer<DropDeadLetterResponse> {
        unscripted()
    }

    async fn set_controls(&self, _: Request<SetControlsRequest>) -> Answer<SetControlsResponse> {
        unscripted()
    }

    async fn show_controls(&self, _: Request<ShowControlsRequest>) -> Answer<ShowControlsResponse> {
        unscripted()
    }

    async fn list_limits(&self, _: Request<ListLimitsRequest>) -> Answer<ListLimitsResponse> {
        unscripted()
    }

    async fn set_party(&self, _: Request<SetPartyRequest>) -> Answer<PartyResponse> {
        unscripted()
    }

    async fn show_party(&self, _: Request<ShowPartyRequest>) -> Answer<PartyResponse> {
        unscripted()
    }

    async fn watch_events(&self, _: Request<WatchEventsRequest>) -> Answer<WatchEventsResponse> {
        unscripted()
    }

    async fn list_journal(&self, _: Request<ListJournalRequest>) -> Answer<WatchEventsResponse> {
        unscripted()
    }

    async fn cluster_status(&self, _: Request<ClusterStatusRequest>) -> Answer<ClusterStatusResponse> {
        unscripted()
    }

    async fn transfer_leader(&self, _: Request<TransferLeaderRequest>) -> Answer<TransferLeaderResponse> {
        unscripted()
    }

    async fn change_members(&self, _: Request<ChangeMembersRequest>) -> Answer<ChangeMembersResponse> {
        unscripted()
    }

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Answer<SnapshotResponse> {
        unscripted()
    }

    async fn list_snapshots(&self, _: Request<ListSnapshotsRequest>) -> Answer<ListSnapshotsResponse> {
        unscripted()
    }

    async fn verify(&self, _: Request<VerifyRequest>) -> Answer<VerifyResponse> {
        unscripted()
    }

    async fn stand_in_status(&self, _: Request<StandInStatusRequest>) -> Answer<StandInStatusResponse> {
        unscripted()
    }

    async fn set_breaker(&self, _: Request<SetBreakerRequest>) -> Answer<StandInStatusResponse> {
        unscripted()
    }
}

/// Serves the script until the test's runtime ends; returns `HOST:PORT`.
async fn scripted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = tonic::transport::Server::builder().add_service(AdminServer::new(Script));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// An address where nobody listens.
fn deserted() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

/// Runs `holdfast ctl` with words separated by single spaces.
async fn ctl(endpoints: &str, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("ctl")
        .args(line.split(' '))
        .env("HOLDFAST_ENDPOINTS", endpoints)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("one JSON document: {error}: {output:?}"))
}

#[tokio::test]
async fn exit_codes_say_what_happened() {
    let at = scripted().await;
    for (key, exit, kind) in [
        ("done", 0, Value::Null),
        ("refused", 1, Value::from("refused")),
        ("no-quorum", 3, Value::from("unavailable")),
        ("lost", 4, Value::from("unknown")),
    ] {
        let line = format!("account credit alice 5 --currency USD --key {key}");
        let found = ctl(&at, &format!("--json {line}")).await;
        assert_eq!(found.status.code(), Some(exit), "{found:?}");
        assert_eq!(json(&found)["error"]["kind"], kind);
        let found = ctl(&at, &line).await;
        assert_eq!(found.status.code(), Some(exit), "{found:?}");
        assert_eq!((found.stdout.is_empty(), found.stderr.is_empty()), (exit != 0, exit == 0), "{found:?}");
    }
    let negative = ctl(&at, "account credit alice -5.00 --currency USD --key k --json").await;
    assert_eq!((negative.status.code(), &json(&negative)["error"]["kind"]), (Some(2), &Value::from("usage")));
    let missing = ctl(&at, "account credit alice 5 --currency USD").await;
    assert_eq!((missing.status.code(), missing.stdout.is_empty()), (Some(2), true));
    let missing = ctl(&at, "account credit alice 5 --currency USD --json").await;
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(json(&missing)["error"]["kind"], "usage");
    let nobody = ctl(&deserted(), "account show alice --json").await;
    assert_eq!((nobody.status.code(), &json(&nobody)["error"]["kind"]), (Some(3), &Value::from("unavailable")));
}

#[tokio::test]
async fn endpoints_come_from_everywhere_and_dead_ones_are_passed_over() {
    let (at, dead) = (scripted().await, deserted());
    for (environment, line) in [
        (format!("{dead},{at}"), "--json account show alice".to_owned()),
        (dead.clone(), format!("--endpoint http://{at} account show alice --json")),
        (dead.clone(), format!("account show alice --json --endpoint {dead} --endpoint {at}")),
        (dead.clone(), format!("account --endpoint {at} --json show alice --endpoint {dead}")),
        (dead.clone(), format!("--endpoint {at} account show alice --json --endpoint {dead}")),
    ] {
        let shown = ctl(&environment, &line).await;
        assert_eq!(shown.status.code(), Some(0), "{line}: {shown:?}");
        let account = json(&shown);
        assert_eq!((&account["user_token"], &account["status"]), (&"alice".into(), &"active".into()));
        let balance = serde_json::json!({ "posted": "1000.00", "held": "0.00", "available": "1000.00" });
        assert_eq!(account["balances"], serde_json::json!({ "USD": balance }));
    }
}
