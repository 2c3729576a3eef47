//! The door in TLS.

use crate::books::{Door, body, config, eventually};
use crate::client::{Client, post};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tls::make::{Authority, Subject};
use tls::{Ask, Files, Identity, Looked, Protocol, Wire};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);

/// The door's certificate, the caller's, and who has signed both.
struct Certificates {
    dir: TempDir,
    authority: Authority,
    identity: Arc<Identity>,
}

impl Certificates {
    fn new(ask: Ask) -> Certificates {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("test", DAY).unwrap());
        std::fs::write(dir.path().join("ca.crt"), authority.certificate()).unwrap();
        sign(&authority, &dir, "door");
        sign(&authority, &dir, "processor");
        let [certificate, key, ca] = ["door.crt", "door.key", "ca.crt"].map(|name| dir.path().join(name));
        let files = Files { certificate, key, ca: (ask != Ask::Nobody).then_some(ca) };
        let identity = Arc::new(Identity::open("jit", files, ask, Protocol::Http1).unwrap());
        Certificates { dir, authority, identity }
    }

    fn wire(&self) -> Wire {
        Wire::Tls(self.identity.clone())
    }

    fn caller(&self, own: Option<&str>) -> tls::Client {
        let path = |name: &str| self.dir.path().join(name);
        let own = own.map(|name| (path(&format!("{name}.crt")), path(&format!("{name}.key"))));
        let own = own.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        tls::Client::open(&path("ca.crt"), own, Protocol::Http1).unwrap()
    }

    async fn client(&self, door: &Door) -> Client {
        Client::over(self.caller(None).connect(&door.address.to_string()).await.unwrap())
    }
}

fn sign(authority: &Authority, dir: &TempDir, name: &str) {
    let addresses = vec!["127.0.0.1".parse().unwrap()];
    let subject = Subject { name: name.into(), dns: vec![name.into()], addresses, node: None };
    authority.sign(&subject, DAY).unwrap().write(dir.path(), name).unwrap();
}

#[tokio::test]
async fn the_same_is_answered_as_in_plain_text() {
    let certificates = Certificates::new(Ask::Nobody);
    let (plain, secure) = (Door::open().await, Door::speaking(certificates.wire(), config()).await);
    let (mut in_plain, mut in_tls) = (plain.client().await, certificates.client(&secure).await);
    for (token, user) in [("t-1", "ada"), ("t-1", "ada"), ("t-2", "poor"), ("t-3", "unreachable")] {
        let answers = (in_plain.jit(&body(token, user)).await, in_tls.jit(&body(token, user)).await);
        assert_eq!((answers.0.outcome(), &answers.0.body), (answers.1.outcome(), &answers.1.body));
    }
    let piped: String = (0..50).map(|number| post(&body(&format!("p-{number}"), "ada"))).collect();
    in_tls.send(piped).await;
    for number in 0..50 {
        assert!(in_tls.response().await.body.contains(&format!(r#""token":"p-{number}""#)));
    }
}

#[tokio::test]
async fn a_new_certificate_breaks_no_connection() {
    let certificates = Certificates::new(Ask::Nobody);
    let door = Door::speaking(certificates.wire(), config()).await;
    let mut before = certificates.client(&door).await;
    before.send(post(&body("t-1", "gated"))).await;
    eventually("it is proposed", || door.books.proposed() == 1).await;
    let names = async || {
        let stream = certificates.caller(None).connect(&door.address.to_string()).await.unwrap();
        stream.names().unwrap_or_default().iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["door"]);

    let addresses = vec!["127.0.0.1".parse().unwrap()];
    let renewed = Subject { name: "renewed".into(), dns: vec!["renewed".into()], addresses, node: None };
    certificates.authority.sign(&renewed, DAY).unwrap().write(certificates.dir.path(), "door").unwrap();
    assert!(matches!(certificates.identity.look(), Looked::Renewed));
    assert_eq!(names().await, ["renewed"]);
    door.books.open_gate();
    assert_eq!(before.response().await.outcome(), (200, "decided"));
    assert_eq!(before.jit(&body("t-2", "ada")).await.status, 200);
}

#[tokio::test]
async fn whoever_must_show_a_certificate_and_has_none_is_not_heard() {
    let certificates = Certificates::new(Ask::Everybody);
    let door = Door::speaking(certificates.wire(), config()).await;
    let address = door.address.to_string();
    let known = certificates.caller(Some("processor")).connect(&address).await.unwrap();
    assert_eq!(Client::over(known).jit(&body("t-1", "ada")).await.status, 200);
    if let Ok(unknown) = certificates.caller(None).connect(&address).await {
        let mut unknown = Client::over(unknown);
        unknown.try_send(post(&body("t-2", "ada"))).await;
        assert!(unknown.ends().await);
    }
    eventually("it has failed", || door.gateway.metrics().handshakes_failed() == 1).await;
    assert_eq!(door.books.proposed(), 1);
}

#[tokio::test]
async fn plain_text_at_a_door_in_tls_is_not_heard() {
    let certificates = Certificates::new(Ask::Nobody);
    let door = Door::speaking(certificates.wire(), config()).await;
    let mut plain = door.client().await;
    plain.try_send(post(&body("t-1", "ada"))).await;
    assert!(plain.try_response().await.is_none());
    eventually("it has failed", || door.gateway.metrics().handshakes_failed() == 1).await;
    assert_eq!(door.books.proposed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_holds_its_place_for_three_seconds() {
    let certificates = Certificates::new(Ask::Nobody);
    let mut config = config();
    config.connections_max = 1;
    let door = Door::speaking(certificates.wire(), config).await;
    let mut silent = door.client().await;
    eventually("it is accepted", || door.gateway.metrics().connections() == 1).await;
    let start = Instant::now();
    assert!(door.client().await.ends().await, "there is no second place");
    assert!(silent.ends().await);
    assert!((2..=3).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let metrics = door.gateway.metrics();
    assert_eq!((metrics.connections_refused(), metrics.handshakes_failed()), (1, 1));
}

#[tokio::test]
async fn a_drain_does_not_wait_for_handshakes() {
    let certificates = Certificates::new(Ask::Nobody);
    let mut door = Door::speaking(certificates.wire(), config()).await;
    let mut silent = door.client().await;
    eventually("it is accepted", || door.gateway.metrics().connections() == 1).await;
    let start = Instant::now();
    door.drain();
    assert!(silent.ends().await);
    door.closed().await;
    assert!(start.elapsed() < tls::HANDSHAKE_MAX / 2, "{:?}", start.elapsed());
}
