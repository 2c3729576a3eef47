//! The whole life of a card transaction over a cluster of real processes: asked at one node, reported at another, read
//! at a third; a report of nobody waits among the dead letters until its account is there.

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

use cluster::{Ask, Cluster, LONG, PATIENT};
use process::wait_until;
use rustix::process::Signal;

/// `marqeta:holdfast-dev-Password1!`
const BASIC: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";

/// A completed clearing of a request; the last one.
fn clearing(of: &Ask, token: &str, amount: &str) -> String {
    let Ask { token: jit, user, .. } = of;
    format!(
        r#"{{"type":"authorization.clearing","state":"COMPLETION","token":"{token}","preceding_related_transaction_token":"tx-{jit}","user_token":"{user}","amount":{amount},"currency_code":"USD","is_final_clearing":true,"gpa":{{"impacted_amount":-{amount},"currency_code":"USD"}},"gpa_order":{{"amount":{amount},"currency_code":"USD","jit_funding":{{"token":"jit-{token}","method":"pgfs.authorization.capture","user_token":"{user}","amount":{amount},"original_jit_funding_token":"{jit}"}}}}}}"#
    )
}

fn post(cluster: &Cluster, node: u16, items: &[String]) -> (u16, String) {
    let body = format!("{{\"transactions\":[{}]}}", items.join(","));
    match http::post(cluster.jit(node), "/v1/webhooks", BASIC, &body) {
        Ok(answer) => (answer.status, answer.body),
        Err(error) => (0, error.to_string()),
    }
}

fn balance(cluster: &Cluster, user: &str) -> (String, String) {
    let (exit, account) = cluster.ctl(&["account", "show", user]);
    let of = |name: &str| account["balances"]["USD"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(exit, 0, "{account}");
    (of("posted"), of("held"))
}

fn money(posted: &str, held: &str) -> (String, String) {
    (posted.to_owned(), held.to_owned())
}

#[test]
fn asked_at_one_node_cleared_at_another_read_at_a_third() {
    let cluster = Cluster::start_with(&[], PATIENT);
    let ask = Ask { token: "life-1".into(), user: "demo-7".into(), cents: 4820 };
    assert_eq!(cluster.ask(1, &ask).expect("an answer").status, 200);
    assert_eq!(balance(&cluster, "demo-7"), money("1000.00", "48.20"));

    let nobody = Ask { token: "life-2".into(), user: "nobody-yet".into(), cents: 500 };
    let items = [clearing(&ask, "clear-1", "45.00"), clearing(&nobody, "clear-2", "5.00")];
    for node in [2, 3, 2] {
        assert_eq!(post(&cluster, node, &items), (200, r#"{"items":2,"dead_letters":1}"#.to_owned()));
        assert_eq!(balance(&cluster, "demo-7"), money("955.00", "0.00"));
    }

    // The letter is on every node, and is booked once the account is there.
    let (_, listed) = cluster.ctl_of(3, &["deadletter", "list"]);
    let id = listed["letters"][0]["id"].as_str().expect("a letter").to_owned();
    assert_eq!((&listed["letters"][0]["why"], &listed["count"]), (&"account_unknown".into(), &1.into()), "{listed}");
    assert_eq!(cluster.ctl(&["deadletter", "replay", &id]).0, 1);
    assert_eq!(cluster.ctl(&["account", "open", "nobody-yet", "--currency", "USD"]).0, 0);
    let (exit, booked) = cluster.ctl_of(2, &["deadletter", "replay", &id]);
    assert_eq!((exit, &booked["effect"]), (0, &"unpromised".into()), "{booked}");
    assert_eq!(balance(&cluster, "nobody-yet"), money("-5.00", "0.00"));
    assert_eq!(cluster.ctl(&["deadletter", "list"]).1["count"], 0);

    assert_eq!(http::post(cluster.jit(1), "/v1/webhooks", "Basic eDp5", "{}").expect("an answer").status, 401);
    let ping = r#"{"pings":[{"token":"marqeta","payload":"healthcheck"}]}"#;
    let echoed = http::post(cluster.jit(3), "/v1/webhooks", BASIC, ping).expect("an answer");
    assert_eq!((echoed.status, echoed.body.as_str()), (200, ping));
    let metrics = http::get(cluster.admin_http(2), "/metrics").expect("metrics").body;
    for line in [
        "holdfast_webhook_posts_total{outcome=\"Committed\"} 2",
        "holdfast_webhook_items_total{outcome=\"Applied\"} 1",
        "holdfast_ledger_dead_letters 0",
        "holdfast_ledger_dead_letters_full 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    cluster.verify();
}

#[test]
fn a_report_is_repeated_through_a_leader_kill_until_it_is_committed_and_counts_once() {
    let mut cluster = Cluster::start_with(&["--restart-after", "1"], PATIENT);
    let asks: Vec<Ask> =
        (0..20).map(|n| Ask { token: format!("kill-{n}"), user: "demo-8".into(), cents: 1000 }).collect();
    for ask in &asks {
        assert_eq!(cluster.ask(1, ask).expect("an answer").status, 200);
    }
    let leader = cluster.leader();
    let pid = cluster.pid(leader);
    std::thread::scope(|scope| {
        for (number, ask) in asks.iter().enumerate() {
            let cluster = &cluster;
            scope.spawn(move || {
                let node = |round: usize| [1, 2, 3][(number + round) % 3];
                let items = [clearing(ask, &format!("clear-{number}"), "9.00")];
                let mut round = 0;
                wait_until("the report to be committed", LONG, || {
                    round += 1;
                    let (status, body) = post(cluster, node(round), &items);
                    assert!(matches!(status, 0 | 200 | 503), "{status} {body}");
                    status == 200
                });
            });
        }
        process::send(pid, Signal::KILL);
    });
    assert_eq!(balance(&cluster, "demo-8"), money("820.00", "0.00"), "20 x 9.00, each once");
    cluster.leader();
    wait_until("all nodes to agree", LONG, || cluster.ctl(&["verify"]).0 == 0);
}
