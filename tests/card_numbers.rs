//! Card numbers and verification codes in every field that is no identifier, of every message there is: none of them is
//! anywhere afterwards. Not on the disks of the nodes, not in their logs, their metrics, their pages, nor in what `ctl`
//! says; with a quorum and without one.
//!
//! The messages are those of the conformance scenarios, each object of them with more fields, known free texts
//! replaced. What is looked for is found where it may be: the mark beside each number stands in the dead letters.

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

use cluster::{Cluster, LONG, outcome};
use process::wait_until;
use rustix::process::Signal;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";
/// Published test numbers; all pass Luhn's check.
const CARDS: [&str; 4] = ["4111111111111111", "5555555555554444", "378282246310005", "6011000990139424"];
const CODE: &str = "947";
/// Stands beside the numbers in every text.
const MARK: &str = "ZQXJVK";
/// Free texts that the processor's messages have.
const FREE: [&str; 18] = [
    "name",
    "city",
    "postal_code",
    "memo",
    "note",
    "address1",
    "retrieval_reference_number",
    "system_trace_audit_number",
    "institution_id_code",
    "network_reference_id",
    "acquirer_reference_id",
    "approval_code",
    "last_four",
    "funding_source_token",
    "subnetwork",
    "network",
    "created_time",
    "user_transaction_time",
];

/// With approvals alone, all of what can be logged, and a history.
const SETTINGS: [(&str, &str); 8] = [
    ("HOLDFAST__STANDIN__POLICY", "approve"),
    ("HOLDFAST__STANDIN__PER_TRANSACTION", "50.00 USD"),
    ("HOLDFAST__STANDIN__PER_ACCOUNT", "60.00 USD"),
    ("HOLDFAST__STANDIN__PER_ACCOUNT_COUNT", "30"),
    ("HOLDFAST__STANDIN__PER_NODE", "45.00 USD"),
    ("HOLDFAST__LOG__LEVEL", "debug"),
    ("HOLDFAST__LOG__REQUESTS", "true"),
    ("HOLDFAST__LOG__FORMAT", "json"),
];

fn spaced(card: &str, between: char) -> String {
    let groups: Vec<String> = card.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into()).collect();
    groups.join(&between.to_string())
}

/// Puts numbers and codes into an object and all objects within it.
fn spoil(value: &mut Value, round: usize) {
    let card = CARDS[round % CARDS.len()];
    let text = format!("{MARK} {} exp 12/28 code {CODE}", spaced(card, ' '));
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| spoil(one, round + 1)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(old) if FREE.contains(&name.as_str()) => old.clone_from(&text),
                    other => spoil(other, round + 1),
                }
            }
            add(fields, card, &text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Unknown fields, flat and nested, as texts, numbers and names.
fn add(fields: &mut Map<String, Value>, card: &str, text: &str) {
    let number: u64 = card.parse().expect("a number");
    fields.insert("cvv".into(), CODE.into());
    fields.insert(card.to_owned(), format!("{MARK} {}", spaced(card, '-')).into());
    let nested = json!({
        "pan": number, "card_number": card, "CVV2": 947, "note": text,
        "list": [[card], { "security_code": CODE, "track2_data": format!(";{card}=28122011000094700000?") }],
    });
    fields.insert("card_details".into(), nested);
}

/// A message of a scenario.
struct Message {
    path: String,
    body: Value,
}

/// Everything that the scenarios open and send, each with ids of its own.
fn messages() -> (Vec<Message>, BTreeMap<String, String>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let (mut messages, mut accounts) = (Vec::new(), BTreeMap::new());
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).expect("the scenarios").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for (number, path) in paths.iter().enumerate() {
        let text = std::fs::read_to_string(path).expect("a scenario");
        let scenario: Value = serde_json::from_str(&text.replace("{run}", &format!("{number:012}"))).expect("JSON");
        for account in scenario["accounts"].as_array().into_iter().flatten() {
            let text = |key: &str| account[key].as_str().expect("a text").to_owned();
            accounts.insert(text("user_token"), text("currency"));
        }
        for step in scenario["steps"].as_array().into_iter().flatten() {
            if let Some(path) = step["post"].as_str() {
                messages.push(Message { path: path.to_owned(), body: step["body"].clone() });
            }
        }
    }
    (messages, accounts)
}

fn open(cluster: &Cluster, accounts: &BTreeMap<String, String>) {
    let line = |(user, currency): (&String, &String)| {
        json!({ "user_token": user, "currency": currency, "credit": "1000" }).to_string() + "\n"
    };
    let file = cluster.dir.path().join("accounts.jsonl");
    std::fs::write(&file, accounts.iter().map(line).collect::<String>()).expect("write the accounts");
    let (code, said) = cluster.ctl(&["account", "import", file.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "{said}");
}

/// Sends all, each to another node; says how many were answered with which status.
fn send(cluster: &Cluster, nodes: &[u16], messages: &[Message], fresh: &str) -> BTreeMap<(String, u16), u32> {
    let mut statuses = BTreeMap::new();
    for (place, Message { path, body }) in messages.iter().enumerate() {
        let mut body = body.clone();
        spoil(&mut body, place);
        let body = body.to_string().replace("c0ffee00", fresh);
        let node = nodes[place % nodes.len()];
        let answer = http::post(cluster.jit(node), path, BASIC, &body).expect("an answer");
        assert!(absent(&answer.body) || path == "/v1/webhooks" && body.contains("pings"), "{}", answer.body);
        *statuses.entry((path.clone(), answer.status)).or_default() += 1;
    }
    statuses
}

/// What is wrong in other places than a field of a known message.
fn send_oddities(cluster: &Cluster, node: u16) {
    let card = CARDS[0];
    let (port, text) = (cluster.jit(node), format!("{MARK} {card} code {CODE}"));
    let funding = |method: &str, amount: &str| {
        format!(
            "{{\"gpa_order\":{{\"currency_code\":\"{card}\",\"jit_funding\":{{\"token\":\"odd-1\",\"method\":\
             \"{method}\",\"user_token\":\"demo-3\",\"amount\":{amount}}}}}}}"
        )
    };
    for (path, authorization, body) in [
        (format!("/v1/jit/{card}"), BASIC.to_owned(), "{}".to_owned()),
        (format!("/v1/jit?pan={card}&cvv={CODE}"), BASIC.to_owned(), funding("pgfs.authorization", "1.00")),
        ("/v1/jit".to_owned(), format!("Bearer {card}"), "{}".to_owned()),
        ("/v1/jit".to_owned(), "Basic NDExMTExMTExMTExMTExMTpaUVhKVks=".to_owned(), "{}".to_owned()),
        ("/v1/jit".to_owned(), BASIC.to_owned(), format!("{text} is no JSON")),
        ("/v1/jit".to_owned(), BASIC.to_owned(), format!("{{\"{text}\":1}}")),
        ("/v1/jit".to_owned(), BASIC.to_owned(), funding(&text, "1.00")),
        ("/v1/jit".to_owned(), BASIC.to_owned(), funding("pgfs.authorization", &format!("\"{card}\""))),
        ("/v1/webhooks".to_owned(), BASIC.to_owned(), format!("{{\"{text}\":[{{\"a\":{card}}}]}}")),
        ("/v1/webhooks".to_owned(), BASIC.to_owned(), format!("{{\"transactions\":[\"{text}\",{card},null]}}")),
        (
            "/v1/webhooks".to_owned(),
            BASIC.to_owned(),
            format!("{{\"transactions\":[{{\"type\":\"{text}\",\"token\":\"odd-2\",\"amount\":\"{card}\"}}]}}"),
        ),
        (
            "/v1/webhooks".to_owned(),
            BASIC.to_owned(),
            // Larger than what a letter keeps whole, and with a number where it is cut.
            format!("{{\"transactions\":[{{\"type\":\"x\",\"pad\":\"{}\"}}]}}", format!("{MARK} {card} ").repeat(400)),
        ),
    ] {
        let answer = http::post(port, &path, &authorization, &body).expect("an answer");
        // Whoever asks is told the method that it asked by.
        assert!(
            absent(&answer.body) || answer.body.contains(&format!("\"method\":\"{MARK}")),
            "{path}: {}",
            answer.body
        );
    }
}

/// The numbers as they may be written: together, in groups, as packed digits, as integers.
fn needles() -> Vec<Vec<u8>> {
    let mut needles = Vec::new();
    for card in CARDS {
        needles.extend([card.to_owned(), spaced(card, ' '), spaced(card, '-')].map(String::into_bytes));
        needles.push(card.encode_utf16().flat_map(u16::to_le_bytes).collect());
        let even = if card.len() % 2 == 0 { card.to_owned() } else { format!("{card}0") };
        let packed = even.as_bytes().chunks(2).map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0'));
        needles.push(packed.collect());
        let number: u64 = card.parse().expect("a number");
        let short = |bytes: [u8; 8]| bytes.into_iter().filter(|byte| *byte != 0).collect();
        needles.extend([short(number.to_le_bytes()), short(number.to_be_bytes())]);
    }
    // A code has three digits: it is looked for as the value of a field.
    needles.extend([format!("\"{CODE}\""), format!(":{CODE},"), format!(":{CODE}}}")].map(String::into_bytes));
    needles.push(b"000094700000".to_vec());
    needles
}

/// The first of these that stands in the bytes.
fn first_found<'a>(bytes: &[u8], needles: &'a [Vec<u8>]) -> Option<&'a Vec<u8>> {
    // Most bytes are zeros of a log that is written before it is used: one pass, by the first byte.
    let mut by_first: [Vec<&Vec<u8>>; 256] = std::array::from_fn(|_| Vec::new());
    needles.iter().for_each(|needle| by_first[usize::from(needle[0])].push(needle));
    let begins = |(place, byte): (usize, &u8)| {
        by_first[usize::from(*byte)].iter().copied().find(|needle| bytes[place..].starts_with(needle))
    };
    bytes.iter().enumerate().find_map(begins)
}

fn found(bytes: &[u8], needle: &[u8]) -> bool {
    first_found(bytes, &[needle.to_vec()]).is_some()
}

fn absent(text: &str) -> bool {
    first_found(text.as_bytes(), &needles()).is_none()
}

/// Everything that nodes have written, by name.
fn files(dir: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, all);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // A file may be renamed or removed meanwhile.
            all.insert(path.display().to_string(), bytes);
        }
    }
}

/// Everything that nodes say, by what was asked.
fn said(cluster: &Cluster, nodes: &[u16]) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for node in nodes {
        for path in ["/", "/metrics", "/readyz"] {
            let answer = http::get(cluster.admin_http(*node), path).expect("an answer");
            all.insert(format!("{path} of {node}"), answer.body.into_bytes());
        }
        for words in [
            &["deadletter", "list"][..],
            &["events"],
            &["account", "list"],
            &["account", "journal", "demo-3"],
            &["account", "holds", "demo-3"],
            &["explain", "odd-1"],
            &["alarms"],
            &["standin", "status"],
            &["controls", "report"],
        ] {
            for style in [&[][..], &["--json"]] {
                all.insert(format!("{words:?} {style:?} of {node}"), ctl(cluster, *node, &[style, words].concat()));
            }
        }
    }
    all
}

fn ctl(cluster: &Cluster, node: u16, words: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("ctl").arg("--endpoint").arg(format!("127.0.0.1:{}", cluster.admin_grpc(node)));
    let output = command.args(words).output().expect("run ctl");
    [output.stdout, output.stderr].concat()
}

/// Each dead letter in full, and what is remembered of each request.
fn letters_and_tokens(cluster: &Cluster, messages: &[Message]) -> BTreeMap<String, Vec<u8>> {
    let (code, listed) = cluster.ctl(&["deadletter", "list"]);
    assert_eq!(code, 0, "{listed}");
    let ids = listed["letters"].as_array().expect("letters").iter().filter_map(|letter| letter["id"].as_str());
    let mut all: BTreeMap<String, Vec<u8>> =
        ids.take(60).map(|id| (format!("letter {id}"), ctl(cluster, 1, &["deadletter", "show", id]))).collect();
    let token = |message: &Message| message.body["gpa_order"]["jit_funding"]["token"].as_str().map(str::to_owned);
    let tokens: BTreeSet<String> = messages.iter().filter_map(token).collect();
    for token in tokens.iter().take(20) {
        all.insert(format!("token {token}"), ctl(cluster, 2, &["explain", token]));
    }
    all
}

fn look(where_to: &BTreeMap<String, Vec<u8>>) {
    let needles = needles();
    for (name, bytes) in where_to {
        let found = first_found(bytes, &needles).map(|needle| String::from_utf8_lossy(needle));
        assert_eq!(found, None, "in {name}");
    }
}

#[test]
fn what_is_looked_for_is_found_where_it_is() {
    let mut body = json!({ "memo": "x", "a": [{ "name": "y" }] });
    spoil(&mut body, 0);
    let text = body.to_string();
    assert_eq!(text.matches(MARK).count(), 6, "{text}");
    assert!(needles().iter().filter(|needle| found(text.as_bytes(), needle)).count() >= 6, "{text}");
    let packed = [0_u8, 0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 7];
    assert!(needles().iter().any(|needle| found(&packed, needle)));
    assert!(absent("4111 1111 1111 1112, cvv ***, 1947"));
}

#[test]
fn no_card_number_and_no_code_is_anywhere_afterwards() {
    let mut cluster = Cluster::start_with(&[], &SETTINGS);
    let (messages, accounts) = messages();
    assert!(messages.len() > 100, "{}", messages.len());
    open(&cluster, &accounts);
    let statuses = send(&cluster, &[1, 2, 3], &messages, "c0ffee00");
    println!("with a quorum: {statuses:?}");
    assert!(statuses[&("/v1/jit".to_owned(), 200)] > 20 && statuses[&("/v1/webhooks".to_owned(), 200)] > 50);
    for node in 1..=3 {
        send_oddities(&cluster, node);
        assert_eq!(cluster.ctl_of(node, &["cluster", "snapshot"]).0, 0);
    }
    let backup = cluster.dir.path().join("backup");
    assert_eq!(cluster.ctl(&["backup", backup.to_str().expect("UTF-8")]).0, 0);
    let mut all = said(&cluster, &[1, 2, 3]);
    all.extend(letters_and_tokens(&cluster, &messages));
    let marked = |all: &BTreeMap<String, Vec<u8>>, part: &str| {
        all.iter().any(|(name, bytes)| name.contains(part) && found(bytes, MARK.as_bytes()))
    };
    assert!(marked(&all, "letter "), "the dead letters have what stood beside the numbers");
    look(&all);

    // Two nodes are killed: the third answers alone, and keeps a journal of it.
    let pids: Vec<i32> = [2, 3].map(|node| cluster.pid(node)).to_vec();
    pids.iter().for_each(|pid| process::send(*pid, Signal::KILL));
    wait_until("the breaker to open", LONG, || {
        cluster.ctl_of(1, &["breaker", "status"]).1["nodes"][0]["phase"] == "open"
    });
    let requests: Vec<Message> = messages.into_iter().filter(|message| message.path == "/v1/jit").collect();
    let statuses = send(&cluster, &[1], &requests, "a1a1a1a1");
    println!("alone: {statuses:?}");
    let ask = cluster::Ask { token: "alone-1".into(), user: "demo-2".into(), cents: 500 };
    let mut body: Value = serde_json::from_str(&ask.body()).expect("JSON");
    spoil(&mut body, 0);
    let answer = http::post(cluster.jit(1), "/v1/jit", BASIC, &body.to_string()).expect("an answer");
    assert_eq!((answer.status, outcome(&answer)), (200, "stand-in"));
    send_oddities(&cluster, 1);
    look(&said(&cluster, &[1]));

    cluster.up.drain();
    let mut written = BTreeMap::from([("standard output of up".to_owned(), cluster.up.seen.join("\n").into_bytes())]);
    files(cluster.dir.path(), &mut written);
    for part in ["node-1.log", "node-3.log", "standin.journal", "/log/", "snapshot", "history", "backup"] {
        assert!(
            written.iter().any(|(name, bytes)| name.contains(part) && !bytes.is_empty()),
            "{part}: {:?}",
            written.keys()
        );
    }
    assert!(marked(&written, "/log/"), "the dead letters are in the log");
    look(&written);
    let journal = written.iter().find(|(name, _)| name.contains("node-1") && name.contains("standin.journal"));
    assert!(found(journal.expect("it").1, b"alone-1"), "what was approved alone is in the journal");
}
