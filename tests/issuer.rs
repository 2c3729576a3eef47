//! The issuer's interface over a cluster of real processes: written at one node, known again and read at the others.

#[path = "support/cluster.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod cluster;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod http;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use cluster::{Ask, Cluster, PATIENT};
use proto::issuer::v1::issuer_client::IssuerClient;
use proto::issuer::v1::{ListHoldsRequest, MoveRequest, OpenAccountRequest, ShowAccountRequest};
use tonic::transport::Channel;
use tonic::{Code, Request};

/// `issuer:holdfast-dev-Password1!`
const ISSUER: &str = "Basic aXNzdWVyOmhvbGRmYXN0LWRldi1QYXNzd29yZDEh";
/// `marqeta:holdfast-dev-Password1!`
const PROCESSOR: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

async fn client(cluster: &Cluster, node: u16) -> IssuerClient<Channel> {
    let address = format!("http://127.0.0.1:{}", cluster.issuer(node));
    IssuerClient::connect(address).await.expect("every node listens")
}

fn with<T>(authorization: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", authorization.parse().expect("ASCII"));
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_at_one_node_and_read_at_another() {
    let cluster = Cluster::start_with(&[], PATIENT);
    let open = OpenAccountRequest { user_token: "anna".into(), currency: "USD".into(), credit: "100.00".into() };
    for (node, existed) in [(2, false), (3, true)] {
        let opened = client(&cluster, node).await.open_account(with(ISSUER, open.clone())).await.expect("opens");
        assert_eq!(opened.into_inner().existed, existed, "node {node}");
    }
    let salary = MoveRequest {
        key: "salary-1".into(),
        user_token: "anna".into(),
        amount: "2500.00".into(),
        currency: "USD".into(),
    };
    for (node, replayed) in [(1, false), (2, true), (3, true)] {
        let moved = client(&cluster, node).await.credit(with(ISSUER, salary.clone())).await.expect("moves");
        assert_eq!(moved.into_inner().replayed, replayed, "node {node}");
    }
    // The processor finds what the issuer has opened, and the issuer what the processor has had held.
    let ask = Ask { token: "anna-1".into(), user: "anna".into(), cents: 260_000 };
    assert_eq!(cluster.ask(3, &ask).expect("an answer").status, 200);
    let show = ShowAccountRequest { user_token: "anna".into() };
    let shown = client(&cluster, 2).await.show_account(with(ISSUER, show.clone())).await.expect("shows");
    let account = shown.into_inner().account.expect("an account");
    let money = &account.balances[0];
    assert_eq!((money.posted.as_str(), money.held.as_str(), money.available.as_str()), ("2600.00", "2600.00", "0.00"));
    let holds = ListHoldsRequest { user_token: "anna".into(), ..Default::default() };
    let listed = client(&cluster, 1).await.list_holds(with(ISSUER, holds)).await.expect("lists").into_inner();
    assert_eq!((listed.holds[0].token.as_str(), listed.more), ("anna-1", false));

    for authorization in [PROCESSOR, "Basic aXNzdWVyOndyb25n"] {
        let refused = client(&cluster, 1).await.show_account(with(authorization, show.clone())).await;
        assert_eq!(refused.expect_err("turned away").code(), Code::Unauthenticated);
    }
    let metrics = http::get(cluster.admin_http(1), "/metrics").expect("metrics").body;
    assert!(metrics.contains("\nholdfast_issuer_unauthenticated_total 2\n"), "{metrics}");
}
