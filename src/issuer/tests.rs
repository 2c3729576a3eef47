//! The issuer's interface as its callers see it, over a fake cluster and real connections.

use super::{Guard, Service, serve};
use crate::admin::fake::{Fake, Mood};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::{Credentials, ProgramConfig};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Fingerprint, Output, Program, RequestKind, Token, UserToken,
};
use prometheus_client::metrics::counter::Counter;
use proto::issuer::v1 as wire;
use proto::issuer::v1::issuer_client::IssuerClient;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

type Client<I> = IssuerClient<InterceptedService<Channel, I>>;

/// An interface for two programmes: `issuer:first-password`, also `issuer:next-password`, and `other:other-password`.
struct Served {
    fake: Fake,
    address: String,
    turned_away: Counter,
}

impl Served {
    async fn new() -> Served {
        let (fake, turned_away) = (Fake::new(), Counter::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let guard = Guard::new(credentials(), turned_away.clone());
        tokio::spawn(serve((listener, tls::Wire::Plain), guard, Service::new(fake.clone()), std::future::pending()));
        Served { fake, address, turned_away }
    }

    /// A client with this metadata `authorization`, if any.
    async fn with(
        &self,
        header: Option<String>,
    ) -> Client<impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<>> {
        let channel = Channel::from_shared(self.address.clone()).expect("an address").connect().await;
        IssuerClient::with_interceptor(channel.expect("listens"), move |mut request: Request<()>| {
            if let Some(header) = &header {
                request.metadata_mut().insert("authorization", header.parse().expect("ASCII"));
            }
            Ok(request)
        })
    }

    async fn client(&self) -> Client<impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<>> {
        self.with(Some(basic("issuer:first-password"))).await
    }
}

fn credentials() -> Credentials {
    let one = |name: &str, user: &str, passwords: &[&str]| ProgramConfig {
        name: name.into(),
        user: user.into(),
        passwords: passwords.iter().map(|password| (*password).to_owned()).collect(),
    };
    let first = one("default", "issuer", &["first-password", "next-password"]);
    Credentials::new(&[first, one("other", "other", &["other-password"])]).expect("good names")
}

fn basic(plain: &str) -> String {
    format!("Basic {}", STANDARD.encode(plain))
}

fn opening(user: &str, currency: &str, credit: &str) -> wire::OpenAccountRequest {
    wire::OpenAccountRequest { user_token: user.into(), currency: currency.into(), credit: credit.into() }
}

fn movement(key: &str, amount: &str) -> wire::MoveRequest {
    wire::MoveRequest { key: key.into(), user_token: "a".into(), amount: amount.into(), currency: "USD".into() }
}

fn status(user: &str, status: wire::AccountStatus) -> wire::SetStatusRequest {
    wire::SetStatusRequest { user_token: user.into(), status: status.into() }
}

fn show(user: &str) -> wire::ShowAccountRequest {
    wire::ShowAccountRequest { user_token: user.into() }
}

fn said(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

/// The code of a refusal, and its reason.
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.expect_err("refused");
    let reason = status.metadata().get("holdfast-reason").and_then(|reason| reason.to_str().ok());
    (status.code(), reason.unwrap_or_default().to_owned())
}

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
async fn an_account_lives() {
    let served = Served::new().await;
    let mut client = served.client().await;
    for existed in [false, true] {
        let opened = client.open_account(opening("a", "USD", "1000")).await.expect("opens").into_inner();
        assert_eq!(opened.existed, existed);
    }
    client.open_account(opening("a", "JPY", "")).await.expect("adds a currency");
    for replayed in [false, true] {
        let moved = client.credit(movement("k1", "0.5")).await.expect("moves").into_inner();
        assert_eq!(
            (moved.replayed, moved.account.expect("an account").balances[1].posted.as_str()),
            (replayed, "1000.50")
        );
    }
    for replayed in [false, true] {
        let moved = client.debit(movement("k2", "0.55")).await.expect("moves").into_inner();
        assert_eq!(
            (moved.replayed, moved.account.expect("an account").balances[1].posted.as_str()),
            (replayed, "999.95")
        );
    }
    authorize(&served.fake, "t1", 20_000);
    let account = client.show_account(show("a")).await.expect("shows").into_inner().account.expect("an account");
    let balances = account.balances.iter().map(|of| [&*of.currency, &*of.posted, &*of.held, &*of.available]);
    let balances: Vec<[&str; 4]> = balances.collect();
    assert_eq!(balances, [["JPY", "0", "0", "0"], ["USD", "999.95", "200.00", "799.95"]]);
    assert_eq!((account.user_token.as_str(), account.holds, account.status()), ("a", 1, wire::AccountStatus::Active));

    for (wanted, replayed) in [(wire::AccountStatus::Frozen, false), (wire::AccountStatus::Frozen, true)] {
        let changed = client.set_status(status("a", wanted)).await.expect("freezes").into_inner();
        assert_eq!((changed.account.expect("an account").status(), changed.replayed), (wanted, replayed));
    }
    client.credit(movement("k3", "1")).await.expect("frozen accounts take money");
    client.set_status(status("a", wire::AccountStatus::Active)).await.expect("unfreezes");
    client.open_account(opening("b", "USD", "")).await.expect("opens");
    client.set_status(status("b", wire::AccountStatus::Closed)).await.expect("closes");
    let opened = client.open_account(opening("b", "USD", "5")).await.expect("answers").into_inner();
    assert!(opened.existed, "closed is for ever");
}

#[tokio::test]
async fn refusals_have_a_code_and_a_reason() {
    let served = Served::new().await;
    let mut client = served.client().await;
    client.open_account(opening("a", "USD", "10")).await.expect("opens");
    client.credit(movement("k", "1")).await.expect("moves");
    let unknown = || (Code::NotFound, "account_unknown".to_owned());
    let precondition = |reason: &str| (Code::FailedPrecondition, reason.to_owned());
    let conflict = (Code::AlreadyExists, "key_conflict".to_owned());

    assert_eq!(refused(client.credit(movement("k", "2")).await), conflict);
    assert_eq!(refused(client.debit(movement("k", "1")).await), conflict, "credits and debits share their keys");
    assert_eq!(refused(client.debit(movement("k2", "11.01")).await), precondition("insufficient_funds"));
    assert_eq!(refused(client.credit(movement("k2", "0")).await), precondition("amount_out_of_range"));
    let euro = wire::MoveRequest { currency: "EUR".into(), ..movement("k2", "1") };
    assert_eq!(refused(client.credit(euro).await), precondition("currency_not_held"));
    let nobody = wire::MoveRequest { user_token: "nobody".into(), ..movement("k2", "1") };
    assert_eq!(refused(client.credit(nobody).await), unknown());
    assert_eq!(refused(client.show_account(show("nobody")).await), unknown());
    let holds = wire::ListHoldsRequest { user_token: "nobody".into(), ..Default::default() };
    assert_eq!(refused(client.list_holds(holds).await), unknown());
    assert_eq!(refused(client.set_status(status("nobody", wire::AccountStatus::Frozen)).await), unknown());
    let close = status("a", wire::AccountStatus::Closed);
    assert_eq!(refused(client.set_status(close.clone()).await), precondition("not_empty"));
    // A refusal is not remembered.
    client.debit(movement("k2", "11")).await.expect("the same key, now with enough");
    client.set_status(close).await.expect("closes");
    assert_eq!(refused(client.credit(movement("k3", "1")).await), precondition("account_closed"));
    let reopen = status("a", wire::AccountStatus::Active);
    assert_eq!(refused(client.set_status(reopen).await), precondition("account_closed"));
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_proposed() {
    let served = Served::new().await;
    let mut client = served.client().await;
    for (request, why) in [
        (opening("", "USD", ""), "user_token: is empty"),
        (opening("a", "usd", ""), "currency: is not an alpha-3 code of ISO 4217"),
        (opening("a", "JPY", "1.0"), "credit: has more decimals than the currency"),
    ] {
        let wrong = client.open_account(request).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
    }
    let currency = wire::MoveRequest { currency: String::new(), ..movement("k", "1") };
    for (request, why) in [
        (movement("", "1"), "key: is empty"),
        (movement(&"k".repeat(37), "1"), "key: is too long"),
        (movement("k", "-1"), "amount: is not decimal text"),
        (movement("k", "1.001"), "amount: has more decimals than the currency"),
        (movement("k", "99999999999999999999"), "amount: is out of range"),
        (currency, "currency: is not an alpha-3 code of ISO 4217"),
    ] {
        let wrong = client.credit(request.clone()).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
        let wrong = client.debit(request).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
    }
    for (number, why) in [(0, "status: is missing"), (9, "status: is unknown")] {
        let request = wire::SetStatusRequest { user_token: "a".into(), status: number };
        let wrong = client.set_status(request).await.expect_err("wrong");
        assert_eq!(said(&wrong), (Code::InvalidArgument, why));
    }
    let list = wire::ListHoldsRequest { user_token: "a".into(), limit: 1001, ..Default::default() };
    let wrong = client.list_holds(list).await.expect_err("wrong");
    assert_eq!(said(&wrong), (Code::InvalidArgument, "limit: is above 1000"));
    assert_eq!(refused(client.show_account(show("a")).await).0, Code::NotFound, "nothing was proposed");
}

#[tokio::test]
async fn holds_come_in_pages() {
    let served = Served::new().await;
    let mut client = served.client().await;
    client.open_account(opening("a", "USD", "50")).await.expect("opens");
    for (token, minor) in [("t1", 1234), ("t2", 1), ("t3", 999_999)] {
        authorize(&served.fake, token, minor);
    }
    let first = wire::ListHoldsRequest { user_token: "a".into(), limit: 1, ..Default::default() };
    let found = client.list_holds(first.clone()).await.expect("lists").into_inner();
    let hold = &found.holds[0];
    assert_eq!((hold.token.as_str(), hold.amount.as_str(), hold.currency.as_str()), ("t1", "12.34", "USD"));
    assert!(found.more && hold.placed_at_us > 0);
    let next = wire::ListHoldsRequest { after: hold.number, ..first };
    let found = client.list_holds(next).await.expect("lists").into_inner();
    assert_eq!((found.holds[0].token.as_str(), found.holds.len(), found.more), ("t2", 1, false));
}

#[tokio::test]
async fn credentials_come_before_everything() {
    let served = Served::new().await;
    let wrong = [
        None,
        Some(String::new()),
        Some("Basic".to_owned()),
        Some("Bearer first-password".to_owned()),
        Some(basic("issuer:")),
        Some(basic("issuer:first-passwor")),
        Some(basic("issuer:other-password")),
        Some(basic("marqeta:first-password")),
    ];
    let count = wrong.len() as u64;
    for header in wrong {
        let mut client = served.with(header.clone()).await;
        // A field is wrong as well, and is not mentioned.
        let error = client.open_account(opening("", "USD", "")).await.expect_err("turned away");
        assert_eq!(error.code(), Code::Unauthenticated, "{header:?}");
        let error = client.show_account(show("a")).await.expect_err("turned away");
        assert_eq!(error.code(), Code::Unauthenticated, "{header:?}");
    }
    assert_eq!(served.turned_away.get(), 2 * count);
    // A method that is not there is no way to find out what is.
    let channel = Channel::from_shared(served.address.clone()).expect("an address").connect().await.expect("listens");
    let mut strange = proto::admin::v1::admin_client::AdminClient::new(channel);
    let error = strange.books(proto::admin::v1::BooksRequest::default()).await.expect_err("turned away");
    assert_eq!(error.code(), Code::Unauthenticated);

    for plain in ["issuer:first-password", "issuer:next-password"] {
        let mut client = served.with(Some(basic(plain))).await;
        client.open_account(opening("a", "USD", "")).await.expect("either password");
    }
}

#[tokio::test]
async fn a_programme_sees_only_its_own() {
    let served = Served::new().await;
    let mut first = served.client().await;
    let mut other = served.with(Some(basic("other:other-password"))).await;
    first.open_account(opening("a", "USD", "10")).await.expect("opens");
    first.credit(movement("k", "1")).await.expect("moves");
    let unknown = (Code::NotFound, "account_unknown".to_owned());
    assert_eq!(refused(other.show_account(show("a")).await), unknown);
    assert_eq!(refused(other.debit(movement("k9", "1")).await), unknown);
    assert_eq!(refused(other.set_status(status("a", wire::AccountStatus::Frozen)).await), unknown);
    let holds = wire::ListHoldsRequest { user_token: "a".into(), ..Default::default() };
    assert_eq!(refused(other.list_holds(holds).await), unknown);
    // The same names are other things there.
    let opened = other.open_account(opening("a", "USD", "7")).await.expect("opens").into_inner();
    assert!(!opened.existed);
    let moved = other.credit(movement("k", "2")).await.expect("moves").into_inner();
    assert_eq!((moved.replayed, moved.account.expect("an account").balances[0].posted.as_str()), (false, "9.00"));
    let account = first.show_account(show("a")).await.expect("shows").into_inner().account.expect("an account");
    assert_eq!(account.balances[0].posted, "11.00");
}

#[tokio::test]
async fn without_a_quorum_nothing_is_done_or_the_outcome_is_unknown() {
    let served = Served::new().await;
    let mut client = served.client().await;
    client.open_account(opening("a", "USD", "1")).await.expect("opens");
    served.fake.set(Mood::NoQuorum);
    let mut request = Request::new(show("a"));
    request.set_timeout(Duration::from_millis(300));
    let begun = Instant::now();
    let error = client.show_account(request).await.expect_err("no quorum");
    assert_eq!(said(&error), (Code::Unavailable, "no quorum: no leader is known"));
    assert!(begun.elapsed() < Duration::from_secs(2), "the caller's deadline counts");
    assert_eq!(client.credit(movement("k", "1")).await.expect_err("no quorum").code(), Code::Unavailable);

    served.fake.set(Mood::AppliedButUnknown);
    let error = client.credit(movement("k", "1")).await.expect_err("unknown");
    assert_eq!(said(&error), (Code::DeadlineExceeded, "outcome unknown: repeat with the same key"));
    let error = client.set_status(status("a", wire::AccountStatus::Frozen)).await.expect_err("unknown");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    let error = client.open_account(opening("b", "USD", "1")).await.expect_err("unknown");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    served.fake.set(Mood::Quorum);
    assert!(client.credit(movement("k", "1")).await.expect("moves").into_inner().replayed);
    assert!(client.set_status(status("a", wire::AccountStatus::Frozen)).await.expect("is").into_inner().replayed);
    assert!(client.open_account(opening("b", "USD", "1")).await.expect("is").into_inner().existed);
}

#[tokio::test]
async fn a_message_has_a_bound() {
    let served = Served::new().await;
    let mut client = served.client().await;
    let error = client.open_account(opening(&"a".repeat(16 * 1024), "USD", "")).await.expect_err("too large");
    assert_eq!(error.code(), Code::OutOfRange, "{error:?}");
    // Below it the fields are looked at.
    let error = client.open_account(opening(&"a".repeat(16_000), "USD", "")).await.expect_err("too long");
    assert_eq!(said(&error), (Code::InvalidArgument, "user_token: is too long"));
    client.open_account(opening("a", "USD", "")).await.expect("the connection goes on");
}

/// A header of HTTP/2 as it is, without compression.
fn header(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for() {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let served = Served::new().await;
    let mut stream = TcpStream::connect(served.address.trim_start_matches("http://")).await.expect("listens");
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/holdfast.issuer.v1.Issuer/Credit"),
        (":authority", "issuer"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &basic("issuer:first-password")),
    ];
    let block: Vec<u8> = headers.iter().flat_map(|(name, value)| header(name, value)).collect();
    let head = [0, 0, block.len() as u8, HEADERS, END_HEADERS, 0, 0, 0, 1];
    let sent = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &EMPTY_SETTINGS[..], &head, &block].concat();
    stream.write_all(&sent).await.expect("sends");
    let ended = async {
        let mut head = [0; 9];
        loop {
            stream.read_exact(&mut head).await.expect("frames");
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            stream.read_exact(&mut vec![0; length]).await.expect("their content");
            if (head[3], head[4] & END_STREAM) == (HEADERS, END_STREAM) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the call ends by itself");
}

#[tokio::test]
async fn a_drain_lets_the_calls_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let (stop, stopped) = oneshot::channel::<()>();
    let guard = Guard::new(credentials(), Counter::default());
    let serving = tokio::spawn(serve((listener, tls::Wire::Plain), guard, Service::new(Fake::new()), async {
        let _ = stopped.await;
    }));
    let served = Served { fake: Fake::new(), address, turned_away: Counter::default() };
    let mut client = served.client().await;
    client.open_account(opening("a", "USD", "")).await.expect("answers");
    stop.send(()).expect("still serving");
    tokio::time::timeout(Duration::from_secs(4), serving).await.expect("ends in time").expect("no panic");
}

#[tokio::test]
async fn the_journal_is_the_accounts_own_and_the_programmes_own() {
    let served = Served::new().await;
    let mut client = served.client().await;
    for user in ["a", "b"] {
        let open = wire::OpenAccountRequest { user_token: user.into(), currency: "USD".into(), credit: "10".into() };
        client.open_account(open).await.expect("opens");
    }
    let credit = |key: &str| wire::MoveRequest {
        user_token: "a".into(),
        key: key.into(),
        amount: "1.00".into(),
        currency: "USD".into(),
    };
    for key in ["k1", "k2"] {
        client.credit(credit(key)).await.expect("credits");
    }
    let list = wire::ListJournalRequest { user_token: "a".into(), limit: 2, ..Default::default() };
    let first = client.list_journal(list.clone()).await.expect("lists").into_inner();
    assert_eq!((first.events.len(), first.end), (2, false));
    let next = wire::ListJournalRequest { from_index: first.next_index, ..list.clone() };
    let rest = client.list_journal(next).await.expect("lists").into_inner();
    assert_eq!((rest.events.len(), rest.end), (1, true));
    assert!(rest.events[0].json.contains("\"token\":\"k2\"") && rest.events[0].json.contains("\"amount\":\"1.00\""));
    // The same account of another programme is another account.
    let mut other = served.with(Some(basic("other:other-password"))).await;
    assert_eq!(other.list_journal(list.clone()).await.expect("lists").into_inner().events, []);
    served.fake.forget(2);
    let old = wire::ListJournalRequest { from_index: 1, ..list };
    assert_eq!(client.list_journal(old).await.expect_err("too old").code(), Code::OutOfRange);
}
