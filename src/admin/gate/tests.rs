//! The gate as callers meet it: tokens, roles, and the line in the log.

use super::super::fake::{Fake, about, stand_in};
use super::*;
use crate::admin::{Role, serve, service};
use proto::admin::v1 as wire;
use proto::admin::v1::admin_client::AdminClient;
use std::io::Write;
use tls::Names;
use tokio::net::TcpListener;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

const TOKENS: [(&str, &str, Role); 4] = [
    ("vera", "token-of-vera-0123", Role::Viewer),
    ("oscar", "token-of-oscar-0123", Role::Operator),
    ("rita", "token-of-rita-0123", Role::Risk),
    ("ada", "token-of-ada-01234", Role::Admin),
];

/// What is logged on this thread until the guard is dropped.
#[derive(Clone, Default)]
struct Log(Arc<parking_lot::Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Another place to log to, for as long as the tests run: while there is one only, a thread without it that reaches a
/// line first has that line switched off for all.
static ANOTHER: std::sync::LazyLock<tracing::Dispatch> =
    std::sync::LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));

impl Log {
    fn begin() -> (Log, tracing::subscriber::DefaultGuard) {
        std::sync::LazyLock::force(&ANOTHER);
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The fields of the audit lines so far.
    fn acts(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["target"] == "holdfast::audit").map(|line| line["fields"].clone()).collect()
    }
}

async fn behind(gate: Gate) -> AdminClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service(Fake::new(), about(), stand_in());
    tokio::spawn(serve((listener, tls::Wire::Plain), gate, service, std::future::pending()));
    AdminClient::connect(format!("http://{address}")).await.unwrap()
}

fn gate() -> Gate {
    let mut access = Access::default();
    for (name, token, role) in TOKENS {
        access.token(token, name, role);
    }
    Gate::new(access, Counter::default())
}

fn by<T>(token: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn freeze(user: &str) -> wire::SetAccountStatusRequest {
    let status = wire::AccountStatus::Frozen.into();
    wire::SetAccountStatusRequest { program: String::new(), user_token: user.to_owned(), status }
}

#[tokio::test]
async fn each_role_may_what_the_table_says() {
    let mut client = behind(gate()).await;
    let opening = wire::Opening { user_token: "a".into(), currency: "USD".into(), credit: "5".into() };
    let open = wire::OpenAccountsRequest { program: String::new(), openings: vec![opening] };
    client.open_accounts(by(TOKENS[3].1, open)).await.expect("an admin opens");
    for (name, token, role) in TOKENS {
        let may = [
            client.cluster_status(by(token, wire::ClusterStatusRequest {})).await.map(drop),
            client.snapshot(by(token, wire::SnapshotRequest {})).await.map(drop),
            client.set_account_status(by(token, freeze("a"))).await.map(drop),
            client.move_money(by(token, wire::MoveMoneyRequest::default())).await.map(drop),
        ];
        for (answer, needed) in may.into_iter().zip([Role::Viewer, Role::Operator, Role::Risk, Role::Admin]) {
            let refused = answer.is_err_and(|status| status.code() == Code::PermissionDenied);
            assert_eq!(refused, !role.may(needed), "{name} {needed:?}");
        }
    }
}

#[tokio::test]
async fn who_is_not_known_is_refused_before_anything_is_read() {
    let gate = gate();
    let mut client = behind(gate.clone()).await;
    let message = || wire::ClusterStatusRequest {};
    let mut codes = vec![client.cluster_status(message()).await.unwrap_err().code()];
    for wrong in ["", "token-of-vera-0124", "Token-of-vera-0123", "token-of-vera-0123 x"] {
        codes.push(client.cluster_status(by(wrong, message())).await.unwrap_err().code());
    }
    assert_eq!(codes, [Code::Unauthenticated; 5]);
    let mut basic = tonic::Request::new(message());
    basic.metadata_mut().insert("authorization", "Basic dG9rZW4tb2YtdmVyYS0wMTIz".parse().unwrap());
    assert_eq!(client.cluster_status(basic).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(gate.turned_away.get(), 6);
    for _ in 6..20 {
        let _ = client.cluster_status(by("wrong-wrong-wrong", message())).await;
    }
    let error = client.cluster_status(by("wrong-wrong-wrong", message())).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    client.cluster_status(by(TOKENS[0].1, message())).await.expect("who is right is let in all the same");

    let mut next = Access::default();
    next.token("token-of-eve-01234", "eve", Role::Viewer);
    gate.renew(next);
    client.cluster_status(by("token-of-eve-01234", message())).await.expect("the new one");
    assert!(client.cluster_status(by(TOKENS[0].1, message())).await.is_err(), "the old one");
}

#[tokio::test]
async fn an_act_leaves_one_line_with_who_what_why_and_what_came_of_it() {
    let (log, _guard) = Log::begin();
    let mut client = behind(gate()).await;
    let mut request = by(TOKENS[2].1, freeze("nobody"));
    let reason = MetadataValue::from_bytes("lost card\n4111 1111 1111 1111".as_bytes());
    request.metadata_mut().insert_bin("holdfast-reason-bin", reason);
    let _ = client.set_account_status(request).await;
    let _ = client.set_account_status(by(TOKENS[0].1, freeze("nobody"))).await;
    let _ = client.snapshot(by(TOKENS[1].1, wire::SnapshotRequest {})).await;
    let _ = client.show_account(by(TOKENS[0].1, wire::ShowAccountRequest::default())).await;
    let acts = log.acts();
    let of = |act: &serde_json::Value, name: &str| act[name].as_str().unwrap_or_default().to_owned();
    let lines: Vec<_> = acts.iter().map(|act| ["who", "role", "rpc", "outcome"].map(|name| of(act, name))).collect();
    assert_eq!(
        lines,
        [
            ["rita", "risk", "SetAccountStatus", "refused"],
            ["vera", "viewer", "SetAccountStatus", "refused: not the role"],
            ["oscar", "operator", "Snapshot", "done"],
        ]
    );
    assert_eq!(of(&acts[0], "what"), "user nobody of default: Frozen");
    assert_eq!(of(&acts[0], "source"), "127.0.0.1");
    assert!(of(&acts[0], "why").starts_with("lost card") && !of(&acts[0], "why").contains("4111"), "{acts:?}");
}

#[test]
fn certificates_name_somebody_by_one_of_their_names() {
    let mut access = Access::default();
    access.certificate("holdfast://c/1", Role::Operator);
    let names = |text: &[&str]| Names::from_iter(text.iter().map(|name| (*name).to_owned()));
    let known = access.identify(None, Some(&names(&["node-1", "holdfast://c/1"]))).unwrap();
    assert_eq!((&*known.name, known.role), ("holdfast://c/1", Role::Operator));
    assert_eq!(access.identify(None, Some(&names(&["holdfast://c/11"]))), Err(Unknown::Wrong));
    assert_eq!(access.identify(None, None), Err(Unknown::Nothing));
    // A wrong token is not made good by a certificate.
    assert_eq!(access.identify(Some(b"Bearer x"), Some(&names(&["holdfast://c/1"]))), Err(Unknown::Wrong));
}
