//! Two sides over loopback, with certificates made on the spot.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tls::make::{Authority, Made, Subject};
use tls::{Ask, Client, Files, HANDSHAKE_MAX, Identity, Incoming, Looked, NodeName, Peers, Protocol, Stream, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with an authority's files.
struct Place {
    dir: TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap(), authority: Authority::new("test", DAY).unwrap() };
        std::fs::write(place.path("ca.crt"), place.authority.certificate()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn made(&self, host: &str, node: Option<NodeName>) -> Made {
        let subject = Subject {
            name: host.to_owned(),
            dns: vec![host.to_owned()],
            addresses: vec!["127.0.0.1".parse().unwrap()],
            node,
        };
        self.authority.sign(&subject, DAY).unwrap()
    }

    fn write(&self, name: &str, made: &Made) {
        made.write(self.dir.path(), name).unwrap();
    }

    fn files(&self, name: &str, ca: Option<&Path>) -> Files {
        let ca = ca.map(Path::to_owned);
        Files { certificate: self.path(&format!("{name}.crt")), key: self.path(&format!("{name}.key")), ca }
    }

    fn server(&self, name: &str, ask: Ask) -> Arc<Identity> {
        let ca = self.path("ca.crt");
        let files = self.files(name, (ask != Ask::Nobody).then_some(&ca));
        Arc::new(Identity::open("jit", files, ask, Protocol::Http1).unwrap())
    }

    fn client(&self, own: Option<&str>) -> Client {
        let own = own.map(|name| (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key"))));
        let own = own.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        Client::open(&self.path("ca.crt"), own, Protocol::Http1).unwrap()
    }
}

/// Answers each byte with itself, as long as anybody sends some.
async fn echo(wire: Wire) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut incoming = Incoming::new("echo", listener, wire, 8);
        loop {
            let (mut stream, place) = incoming.accept().await;
            tokio::spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
                drop(place);
            });
        }
    });
    address
}

async fn echoes(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let exchange = async {
        stream.write_all(b"x").await?;
        stream.read_exact(&mut byte).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("in time").is_ok() && byte == *b"x"
}

async fn connect(client: &Client, address: SocketAddr) -> std::io::Result<Stream> {
    tokio::time::timeout(PATIENCE, client.connect(&address.to_string())).await.expect("in time")
}

fn names(stream: &Stream) -> Vec<String> {
    stream.names().unwrap_or_default().iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_renewal_is_seen_by_new_connections_and_breaks_no_old_one() {
    let place = Place::new();
    place.write("a", &place.made("old.example", None));
    let identity = place.server("a", Ask::Nobody);
    let address = echo(Wire::Tls(identity.clone())).await;
    let client = place.client(None);
    let mut before = connect(&client, address).await.unwrap();
    assert_eq!(names(&before), ["old.example"]);
    assert!(matches!(identity.look(), Looked::Same));

    place.write("a", &place.made("new.example", None));
    assert!(matches!(identity.look(), Looked::Renewed));
    let mut after = connect(&client, address).await.unwrap();
    assert_eq!(names(&after), ["new.example"]);
    assert!(echoes(&mut after).await && echoes(&mut before).await);
}

#[tokio::test]
async fn a_renewal_that_is_half_done_replaces_nothing_and_is_complained_of_once() {
    let place = Place::new();
    place.write("a", &place.made("old.example", None));
    let identity = place.server("a", Ask::Nobody);
    let address = echo(Wire::Tls(identity.clone())).await;
    let renewed = place.made("new.example", None);

    std::fs::write(place.path("a.crt"), &renewed.certificate).unwrap();
    let Looked::Unusable(error) = identity.look() else { panic!("a certificate of another key") };
    assert!(error.to_string().contains("does not go with the key"), "{error}");
    assert!(matches!(identity.look(), Looked::StillUnusable));
    let mut stream = connect(&place.client(None), address).await.unwrap();
    assert!(names(&stream) == ["old.example"] && echoes(&mut stream).await);

    std::fs::write(place.path("a.key"), &renewed.key).unwrap();
    assert!(matches!(identity.look(), Looked::Renewed));
    std::fs::remove_file(place.path("a.key")).unwrap();
    assert!(matches!(identity.look(), Looked::Unusable(_)));
    assert!(matches!(identity.look(), Looked::StillUnusable));
    assert_eq!(names(&connect(&place.client(None), address).await.unwrap()), ["new.example"]);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let place = Place::new();
    place.write("a", &place.made("a.example", None));
    let open = |files: Files| Identity::open("jit", files, Ask::Nobody, Protocol::Http1).unwrap_err().to_string();
    for (name, text, wanted) in [
        ("a.key", "", "holds no private key as PEM"),
        ("a.crt", "", "holds no certificate as PEM"),
        ("a.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    ] {
        let kept = std::fs::read(place.path(name)).unwrap();
        std::fs::write(place.path(name), text).unwrap();
        let error = open(place.files("a", None));
        assert!(error.contains(name) && error.contains(wanted), "{error}");
        std::fs::write(place.path(name), kept).unwrap();
    }
    let missing = open(place.files("b", None));
    assert!(missing.contains("b.crt: No such file"), "{missing}");
    std::fs::write(place.path("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let large = open(Files { certificate: place.path("large"), ..place.files("a", None) });
    assert!(large.contains("is larger than 1 MiB"), "{large}");
}

#[test]
fn the_end_is_that_of_the_first_certificate_to_run_out() {
    let place = Place::new();
    let short = place.authority.sign(&Subject { name: "s".into(), ..Subject::default() }, DAY / 2).unwrap();
    let long = place.made("long.example", None);
    let chain = format!("{}{}", long.certificate, short.certificate);
    place.write("a", &Made { certificate: chain, key: long.key });
    let left = place.server("a", Ask::Nobody).not_after().duration_since(SystemTime::now()).unwrap();
    assert!(left <= DAY / 2 && left > DAY / 2 - Duration::from_secs(60), "{left:?}");
}

#[tokio::test]
async fn whom_the_authority_has_not_signed_is_not_believed() {
    let (place, other) = (Place::new(), Place::new());
    place.write("a", &place.made("a.example", None));
    let address = echo(Wire::Tls(place.server("a", Ask::Nobody))).await;
    assert!(connect(&other.client(None), address).await.is_err());
    // Another host than the certificate is for.
    other.write("b", &other.authority.sign(&Subject { dns: vec!["b".into()], ..Subject::default() }, DAY).unwrap());
    let address = echo(Wire::Tls(other.server("b", Ask::Nobody))).await;
    assert!(connect(&other.client(None), address).await.is_err());
}

#[tokio::test]
async fn callers_are_known_by_their_certificates() {
    let (place, other) = (Place::new(), Place::new());
    place.write("a", &place.made("a.example", None));
    place.write("ada", &place.made("ada.example", None));
    other.write("eve", &other.made("ada.example", None));
    // Of another authority, presented to whoever has this one's.
    for file in ["eve.crt", "eve.key"] {
        std::fs::copy(other.path(file), place.path(file)).unwrap();
    }
    for (ask, own, let_in) in [
        (Ask::WhoeverHas, None, true),
        (Ask::WhoeverHas, Some("ada"), true),
        (Ask::WhoeverHas, Some("eve"), false),
        (Ask::Everybody, None, false),
        (Ask::Everybody, Some("ada"), true),
        (Ask::Everybody, Some("eve"), false),
    ] {
        let address = echo(Wire::Tls(place.server("a", ask))).await;
        // In TLS 1.3 a caller hears of it only when it reads.
        let answered = match connect(&place.client(own), address).await {
            Ok(mut stream) => echoes(&mut stream).await,
            Err(_) => false,
        };
        assert_eq!(answered, let_in, "{ask:?} {own:?}");
    }
    let error = Identity::open("jit", place.files("a", None), Ask::Everybody, Protocol::Http1).unwrap_err();
    assert!(error.to_string().contains("an authority is needed"), "{error}");
}

fn node(place: &Place, cluster: &str, node: &str) -> Peers {
    let own = NodeName { cluster: cluster.to_owned(), node: node.to_owned() };
    let file = format!("{cluster}-{node}");
    place.write(&file, &place.made("node.example", Some(own)));
    Peers::new(peer_identity(place, &file), cluster, &[node.to_owned()]).unwrap()
}

fn peer_identity(place: &Place, file: &str) -> Arc<Identity> {
    let files = place.files(file, Some(&place.path("ca.crt")));
    Arc::new(Identity::open("peer", files, Ask::Everybody, Protocol::Http2).unwrap())
}

#[tokio::test]
async fn a_node_is_who_its_certificate_says() {
    let place = Place::new();
    let (one, two, stranger) = (node(&place, "c", "1"), node(&place, "c", "2"), node(&place, "d", "1"));
    let address = echo(two.wire()).await.to_string();
    // With id 0 any node of the cluster will do.
    for wanted in [2, 0] {
        let mut stream = one.connect(wanted, &address, PATIENCE).await.unwrap();
        assert!(echoes(&mut stream).await);
    }
    // It is node 2, and no other; and to a node of another cluster it is nobody.
    for (caller, wanted) in [(&one, 3), (&one, 1), (&stranger, 2), (&stranger, 0)] {
        let error = caller.connect(wanted, &address, PATIENCE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.to_string().contains("holdfast://c/2"), "{error}");
    }
    // Known by its host it may have any id, and at another host it is nobody.
    let by_host = echo(node(&place, "c", "127.0.0.1").wire()).await.to_string();
    one.connect(7, &by_host, PATIENCE).await.unwrap();
    let elsewhere = echo(node(&place, "c", "127.0.0.2").wire()).await.to_string();
    assert!(one.connect(7, &elsewhere, PATIENCE).await.is_err());
}

#[tokio::test]
async fn whoever_is_called_knows_which_node_calls() {
    let place = Place::new();
    let (one, two, stranger) = (node(&place, "c", "1"), node(&place, "c", "2"), node(&place, "d", "1"));
    place.write("operator", &place.made("ada.example", None));
    let own = (place.path("operator.crt"), place.path("operator.key"));
    let operator = Client::open(&place.path("ca.crt"), Some((&own.0, &own.1)), Protocol::Http2).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accept = async || {
        let (stream, _) = listener.accept().await.unwrap();
        two.caller(&two.wire().greet(stream).await.unwrap())
    };
    assert_eq!(tokio::join!(accept(), one.connect(2, &address, PATIENCE)).0, ["1"]);
    assert!(tokio::join!(accept(), stranger.connect(2, &address, PATIENCE)).0.is_empty());
    assert!(tokio::join!(accept(), operator.connect(&address)).0.is_empty());
}

#[test]
fn a_node_that_has_not_its_own_certificate_does_not_start() {
    let place = Place::new();
    node(&place, "c", "1");
    place.write("plain", &place.made("node.example", None));
    let own = ["2".to_owned(), "node-2".to_owned()];
    let error = Peers::new(peer_identity(&place, "c-1"), "c", &own).unwrap_err();
    assert_eq!(error, "the certificate must be for holdfast://c/2 or holdfast://c/node-2, and has holdfast://c/1");
    let error = Peers::new(peer_identity(&place, "plain"), "c", &own).unwrap_err();
    assert!(error.ends_with("and has no such name"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_ends() {
    let place = Place::new();
    place.write("a", &place.made("a.example", None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let start = tokio::time::Instant::now();
    let error = Wire::Tls(place.server("a", Ask::Nobody)).greet(stream).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, HANDSHAKE_MAX.as_secs()));
}

#[tokio::test]
async fn silent_callers_delay_nobody_and_hold_no_more_than_their_places() {
    let place = Place::new();
    place.write("a", &place.made("a.example", None));
    let address = echo(Wire::Tls(place.server("a", Ask::Nobody))).await;
    // Seven of eight places.
    let mut silent = Vec::new();
    for _ in 0..7 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut stream = connect(&place.client(None), address).await.unwrap();
    assert!(echoes(&mut stream).await);
    let mut one_more = TcpStream::connect(address).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, one_more.read_to_end(&mut Vec::new())).await.expect("closed at once");
    assert!(ended.is_ok_and(|read| read == 0));
}
