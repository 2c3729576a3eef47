//! One token, one decision, the same bytes: whichever node is asked, however often, across crashes.

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

use cluster::{Ask, Cluster, LONG, PATIENT, outcome};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Barrier;

fn ask(token: &str, user: &str, cents: u64) -> Ask {
    Ask { token: token.to_owned(), user: user.to_owned(), cents }
}

/// 200 requests for one token at once, spread over the nodes; gives the different bodies of those that were answered
/// with a decision.
fn storm(cluster: &Cluster, ask: &Ask) -> BTreeSet<(u16, String)> {
    let start = Barrier::new(200);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..200u16)
            .map(|number| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    cluster.ask(1 + number % 3, ask)
                })
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let answered: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    assert!(answered.iter().all(|answer| matches!(answer.status, 200 | 402)), "only 200 and 402");
    let decided = answered.into_iter().filter(|answer| matches!(outcome(answer), "decided" | "replayed"));
    decided.map(|answer| (answer.status, answer.body)).collect()
}

#[test]
fn two_hundred_repeats_at_once_are_one_hold_with_one_body() {
    let cluster = Cluster::start_with(&[], PATIENT);
    let bodies = storm(&cluster, &ask("storm-1", "demo-2", 2500));
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(cluster.held("demo-2"), "25.00");
    let declined = storm(&cluster, &ask("storm-2", "demo-2", 9_999_999));
    assert_eq!(declined.len(), 1, "{declined:?}");
    assert!(declined.iter().all(|(status, body)| *status == 402 && body.contains("INSUFFICIENT_FUNDS")));
    assert_eq!(cluster.held("demo-2"), "25.00");
    cluster.verify();
}

#[test]
fn repeats_during_a_leader_kill_are_one_hold_with_one_body() {
    let mut cluster = Cluster::start_with(&["--restart-after", "1"], PATIENT);
    let leader = cluster.leader();
    let pid = cluster.pid(leader);
    let asked = ask("storm-3", "demo-3", 700);
    let bodies = std::thread::scope(|scope| {
        let storming = scope.spawn(|| storm(&cluster, &asked));
        process::send(pid, Signal::KILL);
        storming.join().expect("no panic")
    });
    assert!(bodies.len() <= 1, "{bodies:?}");
    cluster.leader();
    let later = storm(&cluster, &asked);
    assert!(bodies.is_subset(&later) && later.len() == 1, "{bodies:?} and later {later:?}");
    assert_eq!(cluster.held("demo-3"), "7.00");
    cluster.verify();
}

#[test]
fn decisions_and_their_bytes_survive_all_nodes_being_killed() {
    let mut cluster = Cluster::start_with(&[], PATIENT);
    let asks: Vec<Ask> = (0..60).map(|n| ask(&format!("kept-{n}"), &format!("demo-{}", 10 + n % 5), 100 + n)).collect();
    let ask_in_turn = |(ask, node)| cluster.ask(node, ask).expect("an answer");
    let before: Vec<_> = asks.iter().zip([1, 2, 3].into_iter().cycle()).map(ask_in_turn).collect();
    assert!(before.iter().all(|answer| answer.status == 200 && outcome(answer) == "decided"));
    for node in 1..=3 {
        process::send(cluster.pid(node), Signal::KILL);
    }
    cluster.up.signal(Signal::INT);
    let (status, errors) = cluster.up.wait_end(LONG);
    assert!(status.success(), "{errors}");
    cluster.start_again(&[]);
    for (ask, (answer, node)) in asks.iter().zip(before.iter().zip([2, 3, 1].into_iter().cycle())) {
        let again = cluster.ask(node, ask).expect("an answer");
        assert_eq!((again.status, &again.body, outcome(&again)), (answer.status, &answer.body, "replayed"));
    }
    let other = Ask { cents: 1, ..asks[0].clone() };
    let refused = cluster.ask(1, &other).expect("an answer");
    assert!(refused.status == 402 && refused.body.contains("DUPLICATE_TRANSACTION"), "{}", refused.body);
    cluster.verify();
}
