//! The command line as operators use it, over a fake cluster and real connections.

mod backup;
mod controls;
mod events;
mod import;
mod letters;
mod reconcile;

use super::{Args, misused, run};
use crate::admin::fake::{Fake, Mood, served};
use clap::Parser;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Printed {
    exit: u8,
    out: String,
    err: String,
}

impl Printed {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("one JSON document: {error}: {self:?}"))
    }

    /// The exit code, and the kind of error in the JSON document.
    fn failed(&self) -> (u8, String) {
        (self.exit, self.json()["error"]["kind"].as_str().unwrap_or_default().to_owned())
    }
}

/// Types a line of words, separated by single spaces.
async fn ctl(line: &str) -> Printed {
    let words: Vec<OsString> = std::iter::once("ctl").chain(line.split(' ')).map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = match Line::try_parse_from(&words) {
        Ok(line) => run(line.args, &mut out, &mut err).await,
        Err(error) => misused(&error, words, &mut out, &mut err),
    };
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Printed { exit, out: text(out), err: text(err) }
}

/// An address where nobody listens.
fn deserted() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[tokio::test]
async fn an_account_lives() {
    let at = served(Fake::new()).await;
    let opened = ctl(&format!("--endpoint {at} --json account open alice --currency USD --credit 1000")).await;
    assert_eq!((opened.exit, &opened.json()["opened"]), (0, &Value::Bool(true)));
    let again = ctl(&format!("account open alice --currency USD --credit 1000 --json --endpoint http://{at}")).await;
    assert_eq!((again.exit, &again.json()["opened"]), (0, &Value::Bool(false)));

    let shown = ctl(&format!("account show alice --json --endpoint {at}")).await;
    let wanted = r#"{"user_token":"alice","program":"default","status":"active","balances":{"USD":{"posted":"1000.00","held":"0.00","available":"1000.00"}},"holds":0}"#;
    assert_eq!((shown.exit, shown.out.as_str()), (0, format!("{wanted}\n").as_str()));

    for (replayed, posted) in [(false, "1010.50"), (true, "1010.50")] {
        let moved = ctl(&format!("account credit alice 10.5 --currency USD --key k1 --json --endpoint {at}")).await;
        assert_eq!((moved.exit, &moved.json()["replayed"]), (0, &Value::Bool(replayed)));
        assert_eq!(moved.json()["balances"]["USD"]["posted"], posted);
    }
    for (verb, status) in [("freeze", "frozen"), ("unfreeze", "active")] {
        let changed = ctl(&format!("account {verb} alice --json --endpoint {at}")).await;
        assert_eq!((changed.exit, &changed.json()["status"]), (0, &Value::from(status)));
    }
    let refused = ctl(&format!("account close alice --json --endpoint {at}")).await;
    assert_eq!(refused.failed(), (1, "refused".to_owned()));
    let debited = ctl(&format!("account debit alice 1010.50 --currency USD --key k2 --endpoint {at}")).await;
    assert_eq!(debited.exit, 0, "{debited:?}");
    let closed = ctl(&format!("account close alice --json --endpoint {at}")).await;
    assert_eq!((closed.exit, &closed.json()["status"]), (0, &Value::from("closed")));
    let unknown = ctl(&format!("account show bob --json --endpoint {at}")).await;
    assert_eq!(unknown.failed(), (1, "refused".to_owned()));
}

#[tokio::test]
async fn tables_are_aligned() {
    let at = served(Fake::new()).await;
    for (user, currency, credit) in [("a", "USD", "5"), ("longer-name", "JPY", "1234567")] {
        ctl(&format!("account open {user} --currency {currency} --credit {credit} --endpoint {at}")).await;
    }
    let listed = ctl(&format!("account list --endpoint {at}")).await;
    let wanted = "\
USER         STATUS  HOLDS  CURRENCY   POSTED  HELD  AVAILABLE
a            active      0  USD          5.00  0.00       5.00
longer-name  active      0  JPY       1234567     0    1234567
";
    assert_eq!((listed.exit, listed.out.as_str()), (0, wanted));
    let first = ctl(&format!("account list --limit 1 --json --endpoint {at}")).await.json();
    assert_eq!((first["accounts"].as_array().map(Vec::len), &first["more"]), (Some(1), &Value::Bool(true)));
    let holds = ctl(&format!("account holds a --json --endpoint {at}")).await;
    assert_eq!((holds.exit, holds.out.as_str()), (0, "{\"holds\":[],\"more\":false,\"user_token\":\"a\"}\n"));
    let holds = ctl(&format!("account holds --unconfirmed-for 10m --json --endpoint {at}")).await;
    assert_eq!((holds.exit, holds.out.as_str()), (0, "{\"holds\":[],\"more\":false,\"unconfirmed_for_s\":600}\n"));
}

#[tokio::test]
async fn slips_are_usage_errors_that_name_what_is_wrong() {
    // Nobody is asked: the endpoint is deserted.
    let at = deserted();
    for (line, part) in [
        ("account credit a -5.00 --currency USD --key k", "AMOUNT: -5.00 is negative"),
        ("account credit a 5.001 --currency USD --key k", "AMOUNT: 5.001 has more decimals than the currency (USD)"),
        ("account debit a five --currency USD --key k", "AMOUNT: five is not decimal text (USD)"),
        ("account open a --currency USD --credit -1", "--credit: -1 is negative"),
        ("account open a --currency XXY", "is not an alpha-3 code"),
        ("account credit a 5 --currency USD", "--key"),
        ("account show a --endpoint nonsense", "is not HOST:PORT"),
        ("account list --limit 0", "--limit"),
        ("account holds", "USER"),
        ("account holds --unconfirmed-for 10", "must be a number with s, m, h or d"),
        ("account holds a --unconfirmed-for 10m", "cannot be used with"),
        ("account nonsense", "nonsense"),
    ] {
        let wrong = ctl(&format!("--endpoint {at} --json {line}")).await;
        assert_eq!(wrong.failed(), (2, "usage".to_owned()), "{line}: {wrong:?}");
        let message = wrong.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(part), "{line}: {message}");
        let plain = ctl(&format!("--endpoint {at} {line}")).await;
        assert_eq!((plain.exit, plain.out.as_str()), (2, ""), "{line}");
        assert!(plain.err.contains(part), "{line}: {plain:?}");
    }
}

#[tokio::test]
async fn nodes_that_do_nothing_are_passed_over() {
    let fake = Fake::new();
    let alone = served(fake.door(Mood::NoQuorum)).await;
    let well = served(fake.clone()).await;
    let dead = deserted();
    let line = "--json account open alice --currency USD --credit 5";
    let nobody = ctl(&format!("--endpoint {dead} --endpoint {alone} {line}")).await;
    assert_eq!(nobody.failed(), (3, "unavailable".to_owned()));
    let message = nobody.json()["error"]["message"].to_string();
    assert!(message.contains(&dead) && message.contains(&alone), "every endpoint is named: {message}");

    let opened = ctl(&format!("--endpoint {dead},{alone} --endpoint {well} {line}")).await;
    assert_eq!((opened.exit, &opened.json()["opened"]), (0, &Value::Bool(true)));
    let nobody = ctl(&format!("--endpoint {alone} --json verify")).await;
    assert_eq!(nobody.failed(), (3, "unavailable".to_owned()));
    let stale = ctl(&format!("--endpoint {alone} --json account show alice --stale")).await;
    assert_eq!(stale.exit, 0);
}

#[tokio::test]
async fn an_unknown_outcome_is_repeated_by_key_and_never_called_refused() {
    let fake = Fake::new();
    let (well, applied) = (served(fake.clone()).await, served(fake.door(Mood::AppliedButUnknown)).await);
    let lost = served(fake.door(Mood::LostAndUnknown)).await;
    ctl(&format!("--endpoint {well} account open alice --currency USD")).await;
    let credit = "--json account credit alice 5 --currency USD --key";

    // Applied, then found again by its key: money moves once.
    let moved = ctl(&format!("--endpoint {applied} --endpoint {well} {credit} k1")).await;
    assert_eq!((moved.exit, &moved.json()["balances"]["USD"]["posted"]), (0, &Value::from("5.00")));
    assert_eq!(moved.json()["replayed"], Value::Bool(true));
    // Lost, then done.
    let moved = ctl(&format!("--endpoint {lost} --endpoint {well} {credit} k2")).await;
    assert_eq!((moved.exit, &moved.json()["balances"]["USD"]["posted"]), (0, &Value::from("10.00")));
    // Unknown everywhere.
    let unknown = ctl(&format!("--endpoint {lost} {credit} k3")).await;
    assert_eq!(unknown.failed(), (4, "unknown".to_owned()));
    // Lost, then refused: the lost one may still come true.
    let debit = "--json account debit alice 11 --currency USD --key k4";
    let unknown = ctl(&format!("--endpoint {lost} --endpoint {well} {debit}")).await;
    assert_eq!(unknown.failed(), (4, "unknown".to_owned()));
    let refused = ctl(&format!("--endpoint {well} {debit}")).await;
    assert_eq!(refused.failed(), (1, "refused".to_owned()));
    // Without a key nothing is repeated.
    let unknown = ctl(&format!("--endpoint {lost} --endpoint {well} --json account freeze alice")).await;
    assert_eq!(unknown.failed(), (4, "unknown".to_owned()));
    let shown = ctl(&format!("--endpoint {well} --json account show alice")).await.json();
    assert_eq!((&shown["status"], &shown["balances"]["USD"]["posted"]), (&"active".into(), &"10.00".into()));
}

/// Accepts connections, and hangs up on each as soon as a call has arrived.
async fn hang_up(listener: TcpListener) -> std::io::Result<()> {
    const PREFACE_BYTES: usize = 24;
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(&EMPTY_SETTINGS).await?;
        stream.read_exact(&mut [0; PREFACE_BYTES]).await?;
        let mut head = [0; 9];
        while head[3] != HEADERS {
            stream.read_exact(&mut head).await?;
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            stream.read_exact(&mut vec![0; length]).await?;
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_leaves_a_write_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("bound");
    let hanging_up = tokio::spawn(hang_up(listener));
    for (line, wanted) in [
        ("account credit a 1 --currency USD --key k", (4, "unknown".to_owned())),
        ("account freeze a", (4, "unknown".to_owned())),
        ("account show a", (3, "unavailable".to_owned())),
    ] {
        let broken = ctl(&format!("--endpoint {at} --json {line}")).await;
        assert_eq!(broken.failed(), wanted, "{line}: {broken:?}");
    }
    hanging_up.abort();
}

#[tokio::test]
async fn the_cluster_is_shown_and_ordered() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    let status = ctl(&format!("--endpoint {at} --json cluster status")).await.json();
    assert_eq!((&status["leader"], &status["term"], &status["quorum"]), (&1.into(), &3.into(), &true.into()));
    let node = &status["nodes"][0];
    assert_eq!((&node["id"], &node["role"]), (&1.into(), &"leader".into()));
    assert_eq!((&node["applied"], &node["healthy"]), (&17.into(), &true.into()));
    assert_eq!(status["nodes"][1]["role"], "follower");
    let text = ctl(&format!("--endpoint {at} cluster status")).await;
    assert!(text.out.contains("   3  follower       15    2  yes"), "{}", text.out);

    let snapshot = ctl(&format!("--endpoint {at} --json cluster snapshot")).await;
    assert_eq!(snapshot.out, "{\"index\":17,\"node\":1,\"size_bytes\":4096}\n");
    let listed = ctl(&format!("--endpoint {at} --json cluster snapshot --list")).await.json();
    let record = &listed["snapshots"][0];
    assert_eq!((&listed["node"], &record["index"], &record["size_bytes"]), (&1.into(), &9.into(), &4096.into()));
    assert_eq!((&record["digest"], &record["members"][2]), (&"ab".repeat(16).into(), &3.into()));
    let text = ctl(&format!("--endpoint {at} cluster snapshot --list")).await;
    assert!(text.out.contains("1970-01-01T00:00:01.000000Z"), "{}", text.out);
    let handed = ctl(&format!("--endpoint {at} --json cluster transfer-leader --to 3")).await;
    assert_eq!(handed.out, "{\"leader\":3}\n");
    let refused = ctl(&format!("--endpoint {at} --json cluster transfer-leader --to 4")).await;
    assert_eq!(refused.failed(), (1, "refused".to_owned()));
    let added = ctl(&format!("--endpoint {at} --json cluster add --peer h:1 --admin h:2")).await;
    assert_eq!(added.out, "{\"changed\":true,\"id\":4,\"learners\":[3,4],\"voters\":[1,2]}\n");
    let wrong = ctl(&format!("--endpoint {at} --json cluster add --peer h --admin h:2")).await;
    assert_eq!(wrong.failed(), (2, "usage".to_owned()));
    let promoted = ctl(&format!("--endpoint {at} cluster promote 3")).await;
    assert_eq!(promoted.out, "node 3 votes\nvoters    1, 2, 3\nlearners  none\n");
    let again = ctl(&format!("--endpoint {at} cluster promote 2")).await;
    assert!(again.out.starts_with("it is so already\n"), "{}", again.out);
    let enough = ctl(&format!("--endpoint {at} --json cluster promote --until 3")).await;
    assert_eq!(enough.out, "{\"promoted\":[],\"voters\":[1,2,3]}\n");
    let none = ctl(&format!("--endpoint {at} cluster promote --until 5 --wait-s 0")).await;
    assert_eq!((none.exit, none.err.contains("3 of 5 vote: no other node has joined yet")), (1, true), "{}", none.err);
    for misused in ["promote", "promote 3 --until 5", "promote --until 10"] {
        assert_eq!(ctl(&format!("--endpoint {at} cluster {misused}")).await.exit, 2, "{misused}");
    }
    let removed = ctl(&format!("--endpoint {at} cluster remove 3")).await;
    assert!(removed.out.ends_with("2 voters bear no more losses than 1: go on\n"), "{}", removed.out);
    let refused = ctl(&format!("--endpoint {at} --json cluster remove 1")).await;
    assert_eq!(refused.failed(), (1, "refused".to_owned()));
    let unknown = ctl(&format!("--endpoint {at} --json cluster replace 3 4")).await;
    assert_eq!(unknown.failed(), (4, "unknown".to_owned()));
    fake.set(Mood::NoQuorum);
    let status = ctl(&format!("--endpoint {at} --json cluster status")).await;
    assert_eq!((status.exit, &status.json()["leader"]), (0, &Value::Null));
}

#[tokio::test]
async fn verify_exits_by_what_it_found() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    for (mood, more, exit, agreed) in [
        (Mood::Quorum, "", 0, true),
        (Mood::NodeMissing, "", 3, false),
        (Mood::NodeMissing, " --allow-missing", 0, true),
        (Mood::NodeDiffers, "", 1, false),
    ] {
        fake.set(mood);
        let found = ctl(&format!("--endpoint {at} --json verify{more}")).await;
        assert_eq!((found.exit, &found.json()["agreed"]), (exit, &agreed.into()), "{mood:?}{more}");
        let text = ctl(&format!("--endpoint {at} verify{more}")).await;
        assert_eq!(text.exit, exit);
        assert!(mood != Mood::NodeDiffers || text.out.contains("node 3: the places of USD sum to 1"), "{text:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_said_so() {
    let at = served(Fake::new()).await;
    let explained = ctl(&format!("--endpoint {at} --json explain t1")).await;
    assert_eq!((explained.exit, &explained.json()["known"]), (0, &Value::Bool(false)));
    let help = ctl("--help").await;
    assert_eq!((help.exit, help.err.as_str()), (0, ""));
    assert!(help.out.contains("--endpoint"), "{}", help.out);
}

#[tokio::test]
async fn an_import_is_checked_as_a_whole_and_can_be_repeated() {
    let fake = Fake::new();
    let at = served(fake.clone()).await;
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().display().to_string();
    // More than two batches of 256.
    for number in 0..600 {
        writeln!(file, r#"{{"user_token":"u{number:03}","currency":"USD","credit":"1.00"}}"#).expect("writes");
    }
    let import = format!("--endpoint {at} --json account import {path}");
    assert_eq!(ctl(&import).await.out, "{\"existed\":0,\"lines\":600,\"opened\":600}\n");
    assert_eq!(ctl(&import).await.out, "{\"existed\":600,\"lines\":600,\"opened\":0}\n");

    writeln!(file, r#"{{"user_token":"new","currency":"USD"}}"#).expect("writes");
    writeln!(file, "nonsense").expect("writes");
    let wrong = ctl(&import).await;
    assert_eq!(wrong.failed(), (2, "usage".to_owned()));
    assert!(wrong.out.contains("line 602"), "{wrong:?}");
    let unsent = ctl(&format!("--endpoint {at} --json account show new")).await;
    assert_eq!(unsent.failed(), (1, "refused".to_owned()));
    fake.set(Mood::NoQuorum);
    let missing = ctl(&format!("--endpoint {at} --json account import /nonexistent/file")).await;
    assert_eq!(missing.failed(), (2, "usage".to_owned()));
}
