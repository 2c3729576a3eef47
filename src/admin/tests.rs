//! The admin gRPC interface as its callers see it, over a fake cluster and real connections.

use super::fake::{Fake, Mood, served};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Fingerprint, Output, Program, RequestKind, Token, UserToken,
};
use proto::admin::v1 as wire;
use proto::admin::v1::admin_client::AdminClient;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

async fn client(fake: &Fake) -> AdminClient<Channel> {
    let address = served(fake.clone()).await;
    AdminClient::connect(format!("http://{address}")).await.expect("the fake listens")
}

fn opening(user: &str, currency: &str, credit: &str) -> wire::Opening {
    wire::Opening { user_token: user.into(), currency: currency.into(), credit: credit.into() }
}

fn open(openings: Vec<wire::Opening>) -> wire::OpenAccountsRequest {
    wire::OpenAccountsRequest { program: String::new(), openings }
}

fn movement(direction: wire::Direction, key: &str, amount: &str) -> wire::MoveMoneyRequest {
    wire::MoveMoneyRequest {
        program: String::new(),
        user_token: "a".into(),
        key: key.into(),
        direction: direction.into(),
        amount: amount.into(),
        currency: "USD".into(),
    }
}

fn show(user: &str) -> wire::ShowAccountRequest {
    wire::ShowAccountRequest { program: String::new(), user_token: user.into(), stale: false }
}

fn said(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

/// Places a hold as the gateway would.
fn authorize(fake: &Fake, token: &str, minor: u64) -> Output {
    let currency = Currency::from_code("USD").expect("listed");
    fake.apply(&Command::Authorize(Authorize {
        program: Program::new("default").expect("good"),
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: Token::new(token).expect("good"),
        fingerprint: Fingerprint([0; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("a").expect("good"),
        amount: Amount::new(minor, currency).expect("in range"),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }))
}

#[tokio::test]
async fn money_is_moved_once_by_key_and_refused_in_words() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    let accounts = open(vec![opening("a", "USD", "1000"), opening("a", "JPY", "500"), opening("a", "USD", "7")]);
    let opened = client.open_accounts(accounts).await.expect("opens").into_inner();
    assert_eq!((opened.opened, opened.existed), (2, 1));

    for replayed in [false, true] {
        let moved = client.move_money(movement(wire::Direction::Debit, "k", "0.05")).await.expect("moves").into_inner();
        assert_eq!(moved.replayed, replayed);
    }
    authorize(&fake, "t1", 20_000);
    let account = client.show_account(show("a")).await.expect("shows").into_inner().account.expect("an account");
    let balances = account.balances.iter().map(|of| [&*of.currency, &*of.posted, &*of.held, &*of.available]);
    let balances: Vec<[&str; 4]> = balances.collect();
    assert_eq!(balances, [["JPY", "500", "0", "500"], ["USD", "999.95", "200.00", "799.95"]]);
    assert_eq!(
        (account.program.as_str(), account.holds, account.status()),
        ("default", 1, wire::AccountStatus::Active)
    );

    for (request, why) in [
        (movement(wire::Direction::Credit, "k", "0.05"), "the key was used before for something else"),
        (movement(wire::Direction::Debit, "k2", "799.96"), "not enough is available"),
        (movement(wire::Direction::Debit, "k3", "0"), "the amount is zero or beyond what the books can hold"),
    ] {
        let refused = client.move_money(request).await.expect_err("refused");
        assert_eq!(said(&refused), (Code::FailedPrecondition, why));
    }
    let close = wire::SetAccountStatusRequest {
        program: String::new(),
        user_token: "a".into(),
        status: wire::AccountStatus::Closed.into(),
    };
    let refused = client.set_account_status(close).await.expect_err("refused");
    assert_eq!(said(&refused), (Code::FailedPrecondition, "closing needs zero posted in every currency and no hold"));
    let unknown = client.show_account(show("nobody")).await.expect_err("unknown");
    assert_eq!(said(&unknown), (Code::NotFound, "there is no such account"));
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_proposed() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    let many = (0..257).map(|number| opening(&number.to_string(), "USD", "")).collect();
    for (request, why) in [
        (open(vec![]), "openings: is empty"),
        (open(many), "openings: has more than 256"),
        (open(vec![opening("a", "USD", ""), opening("", "USD", "")]), "openings[1].user_token: is empty"),
        (open(vec![opening("a", "usd", "")]), "openings[0].currency: is not an alpha-3 code of ISO 4217"),
        (open(vec![opening("a", "JPY", "1.0")]), "openings[0].credit: has more decimals than the currency"),
    ] {
        let wrong = client.open_accounts(request).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
    }
    for (request, why) in [
        (movement(wire::Direction::Unspecified, "k", "1"), "direction: is missing"),
        (movement(wire::Direction::Credit, "", "1"), "key: is empty"),
        (movement(wire::Direction::Credit, "k", "-1.00"), "amount: is not decimal text"),
        (movement(wire::Direction::Credit, "k", "99999999999999999999"), "amount: is out of range"),
        (
            wire::MoveMoneyRequest { direction: 9, ..movement(wire::Direction::Credit, "k", "1") },
            "direction: is unknown",
        ),
        (
            wire::MoveMoneyRequest { program: "x".repeat(17), ..movement(wire::Direction::Credit, "k", "1") },
            "program: is too long",
        ),
    ] {
        let wrong = client.move_money(request).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
    }
    let list = wire::ListAccountsRequest { limit: 1001, ..Default::default() };
    let wrong = client.list_accounts(list).await.expect_err("wrong");
    assert_eq!(said(&wrong), (Code::InvalidArgument, "limit: is above 1000"));
    let status = wire::SetAccountStatusRequest { user_token: "a".into(), ..Default::default() };
    let wrong = client.set_account_status(status).await.expect_err("wrong");
    assert_eq!(said(&wrong), (Code::InvalidArgument, "status: is missing"));
    let books = client.books(wire::BooksRequest::default()).await.expect("reads").into_inner();
    assert_eq!(books.accounts, 0);
}

#[tokio::test]
async fn pages_follow_each_other_and_sums_are_over_the_prefix() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    let users = ["a1", "a2", "a3", "b"].map(|user| opening(user, "USD", "10"));
    client.open_accounts(open(users.to_vec())).await.expect("opens");
    let page = |after: &str| wire::ListAccountsRequest {
        user_prefix: "a".into(),
        after: after.into(),
        limit: 2,
        ..Default::default()
    };
    for (after, wanted, more) in [("", vec!["a1", "a2"], true), ("a2", vec!["a3"], false), ("a3", vec![], false)] {
        let found = client.list_accounts(page(after)).await.expect("lists").into_inner();
        let users: Vec<_> = found.accounts.iter().map(|account| account.user_token.as_str()).collect();
        assert_eq!((users, found.more), (wanted, more), "after {after:?}");
    }
    let request = wire::BooksRequest { user_prefix: "a".into(), ..Default::default() };
    let books = client.books(request).await.expect("reads").into_inner();
    assert_eq!((books.accounts, books.totals[0].posted.as_str()), (3, "30.00"));
}

#[tokio::test]
async fn holds_and_tokens_are_explained() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    client.open_accounts(open(vec![opening("a", "USD", "50")])).await.expect("opens");
    for (token, minor) in [("t1", 1234), ("t2", 1), ("t3", 999_999)] {
        authorize(&fake, token, minor);
    }
    let request = wire::ListHoldsRequest { user_token: "a".into(), limit: 1, ..Default::default() };
    let found = client.list_holds(request.clone()).await.expect("lists").into_inner();
    assert_eq!((found.holds[0].token.as_str(), found.holds[0].amount.as_str(), found.more), ("t1", "12.34", true));
    let after = found.holds[0].number;
    let found = client.list_holds(wire::ListHoldsRequest { after, ..request }).await.expect("lists").into_inner();
    assert_eq!((found.holds[0].token.as_str(), found.more), ("t2", false));

    let request = wire::ListUnconfirmedHoldsRequest { limit: 1, ..Default::default() };
    let found = client.list_unconfirmed_holds(request.clone()).await.expect("lists").into_inner();
    let first = &found.holds[0];
    assert_eq!((first.token.as_str(), first.user_token.as_str(), found.more), ("t1", "a", true));
    // These books' time stands still in 1970, but nobody has confirmed anything since.
    for (older_than_s, count) in [(3_600, 1), (u32::MAX, 0)] {
        let old = wire::ListUnconfirmedHoldsRequest { older_than_s, ..request.clone() };
        assert_eq!(client.list_unconfirmed_holds(old).await.expect("lists").into_inner().holds.len(), count);
    }

    for (token, known, outcome, reason, amount) in [
        ("t1", true, "approved", "", "12.34"),
        ("t3", true, "declined", "insufficient_funds", "9999.99"),
        ("t4", false, "", "", ""),
    ] {
        let request = wire::ExplainRequest { token: token.into(), ..Default::default() };
        let said = client.explain(request).await.expect("explains").into_inner();
        let found = (said.known, said.outcome.as_str(), said.decline_reason.as_str(), said.amount.as_str());
        assert_eq!(found, (known, outcome, reason, amount), "{token}");
        assert_eq!((said.log_index > 0, said.history.is_empty()), (known, !known));
        if known {
            let history: serde_json::Value = serde_json::from_str(&said.history).expect("JSON");
            let attempt = serde_json::json!({"node": 1, "incarnation": 1, "counter": 1});
            assert_eq!(history["attempt"], attempt);
            let words = ["kind", "token", "user", "amount", "currency", "outcome"].map(|name| history[name].as_str());
            assert_eq!(words, ["authorization", token, "a", amount, "USD", outcome].map(Some));
            assert_eq!(history["reason"].as_str().unwrap_or_default(), reason);
            let numbers = (&history["log_index"], &history["time_us"], &history["replayed"]);
            assert_eq!(numbers, (&said.log_index.into(), &said.decided_at_us.into(), &false.into()));
            let change = said.change.expect("around the decision");
            let (available, held) = if outcome == "approved" { ("37.66", "12.34") } else { ("37.65", "12.35") };
            assert_eq!((change.available_after.as_str(), change.held_after.as_str()), (available, held));
            assert_eq!(history["before"]["available"].as_str(), Some(change.available_before.as_str()));
            assert_eq!(change.available_before, if outcome == "approved" { "50.00" } else { "37.65" });
            assert_eq!(said.made.map(|made| (made.term, made.leader)), Some((4, 2)));
            assert_eq!(said.timing, None, "nobody was asked at a door");
        }
    }
}

#[tokio::test]
async fn without_a_quorum_only_stale_reads_are_answered() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    client.open_accounts(open(vec![opening("a", "USD", "1")])).await.expect("opens");
    fake.set(Mood::NoQuorum);
    let mut request = Request::new(show("a"));
    request.set_timeout(Duration::from_millis(200));
    let error = client.show_account(request).await.expect_err("no quorum");
    assert_eq!(said(&error), (Code::Unavailable, "no quorum: no leader is known"));
    let error = client.move_money(movement(wire::Direction::Credit, "k", "1")).await.expect_err("no quorum");
    assert_eq!(error.code(), Code::Unavailable);
    let stale = wire::ShowAccountRequest { stale: true, ..show("a") };
    assert!(client.show_account(stale).await.expect("stale").into_inner().account.is_some());
    let status = client.cluster_status(wire::ClusterStatusRequest {}).await.expect("shows").into_inner();
    assert_eq!((status.leader, status.quorum, status.nodes.len()), (None, false, 3));

    fake.set(Mood::AppliedButUnknown);
    let error = client.move_money(movement(wire::Direction::Credit, "k", "1")).await.expect_err("unknown");
    assert_eq!(said(&error), (Code::DeadlineExceeded, "outcome unknown: repeat with the same key"));
    fake.set(Mood::Quorum);
    let moved = client.move_money(movement(wire::Direction::Credit, "k", "1")).await.expect("moves").into_inner();
    assert!(moved.replayed, "the first one was applied");
}

#[tokio::test]
async fn verify_says_who_differs_and_who_is_missing() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    for (mood, allow_missing, agreed) in [
        (Mood::Quorum, false, true),
        (Mood::NodeMissing, false, false),
        (Mood::NodeMissing, true, true),
        (Mood::NodeDiffers, true, false),
    ] {
        fake.set(mood);
        let found = client.verify(wire::VerifyRequest { allow_missing }).await.expect("verifies").into_inner();
        assert_eq!((found.agreed, found.index), (agreed, 17), "{mood:?} {allow_missing}");
        assert_eq!(found.members[2].reached, mood != Mood::NodeMissing);
    }
}

#[tokio::test]
async fn a_drain_lets_the_calls_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let service = super::service(Fake::new(), super::fake::about(), super::fake::stand_in());
    let serving = tokio::spawn(super::serve((listener, tls::Wire::Plain), super::fake::gate(), service, async {
        let _ = stopped.await;
    }));
    let mut client = AdminClient::connect(format!("http://{address}")).await.expect("listens");
    client.cluster_status(wire::ClusterStatusRequest {}).await.expect("answers");
    stop.send(()).expect("still serving");
    tokio::time::timeout(Duration::from_secs(4), serving).await.expect("ends in time").expect("no panic");
}
