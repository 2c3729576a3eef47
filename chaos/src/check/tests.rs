//! Both sides of every promise, in small histories.

use super::story::history;
use super::{Finding, Verdict, all, verdict};
use crate::history::{Fault, History, Phase, StandInLimits, Status, books};
use Verdict::{Held, Inconclusive, Violated};

fn found(history: &History, checker: &str) -> Finding {
    all(history).into_iter().find(|finding| finding.checker == checker).expect("a checker")
}

/// Each story with what a checker finds in it.
fn check(checker: &str, stories: &[(Verdict, &str)]) {
    for (verdict, story) in stories {
        let finding = found(&history(story), checker);
        assert_eq!(finding.verdict, *verdict, "{story}\n{finding:?}");
    }
}

const OPENED: &str = "0-1 open A 1000 -> ok\n";

#[test]
fn a_token_has_one_answer() {
    let two = |first: &str, second: &str, third: &str| {
        format!(
            "{OPENED} 2-3 authorize t A 5 -> {first}\n 4-5 authorize t A 5 -> {second}\n 6-7 authorize t A 5 -> {third}"
        )
    };
    check(
        "token",
        &[
            (Held, &two("yes", "yes", "lost")),
            (Violated, &two("yes", "no", "yes")),
            (Held, &two("no-alone", "no", "no")),
            (Held, &two("no", "yes-alone", "yes")),
            (Violated, &two("no", "no-alone", "yes")),
            (Violated, &format!("{OPENED} 2-3 authorize t A 5 -> yes\n 4-5 authorize t A 6 -> yes")),
        ],
    );
}

#[test]
fn a_token_is_decided_in_the_log_once() {
    let mut twice = history(&format!("{OPENED} 2-3 authorize t A 5 -> yes\n books A 1000 5 t:5"));
    let applied = |index, replayed| books::Applied {
        index,
        place: 0,
        command: serde_json::json!({"kind": "authorization", "token": "t", "replayed": replayed, "outcome": "approved"}),
    };
    twice.books.applied = vec![applied(1, false), applied(2, true)];
    assert_eq!(found(&twice, "token").verdict, Held);
    twice.books.applied.push(applied(3, false));
    assert_eq!(found(&twice, "token").verdict, Violated);
}

#[test]
fn what_was_approved_is_in_the_books() {
    let asked = format!("{OPENED} 2-3 authorize t A 5 -> yes\n");
    check(
        "acknowledged",
        &[
            (Inconclusive, &asked),
            (Held, &format!("{asked} books A 1000 5 t:5")),
            (Violated, &format!("{asked} books A 1000 4 t:4")),
            (Held, &format!("{asked} 4-5 report r t A clearing 1 -> ok\n books A 999 4 t:4")),
        ],
    );
    // Found by `chaos run isolated-approves`: a node that was cut off approved another amount than the others.
    let two = |first: &str, held| {
        let asked = format!("{OPENED} 2-3 authorize t A 4 -> {first}\n 4-5 authorize t A 5 -> yes-alone\n");
        format!("{asked} books A 1000 {held} t:{held}")
    };
    check(
        "acknowledged",
        &[
            (Held, &two("yes", 4)),
            (Held, &two("yes-alone", 4)),
            (Held, &two("yes-alone", 5)),
            (Violated, &two("yes-alone", 3)),
            (Violated, &two("yes", 3)),
        ],
    );
    let mut lost = history(&format!("{asked} books A 1000 0"));
    assert_eq!(found(&lost, "acknowledged").verdict, Inconclusive, "nobody has asked for the token");
    for (known, outcome, expected) in
        [(false, "", Violated), (true, "declined", Violated), (true, "approved", Violated)]
    {
        let (token, outcome) = ("t".to_owned(), outcome.to_owned());
        lost.books.tokens = vec![books::Token { token, known, outcome, reason: String::new() }];
        assert_eq!(found(&lost, "acknowledged").verdict, expected, "{known}");
    }
}

#[test]
fn an_account_has_what_was_brought_and_paid() {
    let asked = format!("{OPENED} 2-3 move k A 50 -> ok\n 4-5 move l A -30 -> lost\n");
    check(
        "money",
        &[
            (Inconclusive, &asked),
            (Held, &format!("{asked} books A 1050 0")),
            (Held, &format!("{asked} books A 1020 0")),
            (Violated, &format!("{asked} books A 1019 0")),
            (Violated, &format!("{asked} books A 1051 0")),
            (
                Held,
                &format!("{asked} 6-7 report r t A last 20 -> ok\n 8-9 report r t A last 20 -> ok\n books A 1030 0"),
            ),
            (Violated, &format!("{asked} 6-7 report r t A last 20 -> ok\n books A 1050 0")),
            (Held, &format!("{asked} 6-7 report r t A last 20 -> lost\n books A 1050 0")),
            (Violated, &format!("{OPENED} books B 1 0")),
            (Inconclusive, "2-3 move k A 50 -> ok\n books A 1050 0"),
        ],
    );
}

#[test]
fn another_meaning_that_was_declined_alone_does_not_take_a_hold_away() {
    let two = |first: &str, second: &str| {
        format!("{OPENED} 2-3 authorize t A 5 -> {first}\n 4-5 authorize t A 4 -> {second}\n books A 1000 5 t:5")
    };
    let stories = [
        (Held, two("yes-alone", "no-alone")),
        (Held, two("lost", "no-alone")),
        (Violated, two("no-alone", "yes-alone")),
        (Violated, two("no-alone", "no-alone")),
    ];
    check("holds", &stories.each_ref().map(|(verdict, story)| (*verdict, &**story)));
}

/// Found by `chaos run stand-in-approves`: nodes that were cut off each approved another amount.
#[test]
fn of_two_meanings_that_two_nodes_approved_alone_either_may_be_held() {
    let asked = format!("{OPENED} 2-3 authorize t A 4 -> yes-alone\n 4-5 authorize t A 5 -> yes-alone\n");
    let stories = [
        (Held, "books A 1000 4 t:4"),
        (Held, "6-7 read A 1000 5 -> ok\n books A 1000 5 t:5"),
        (Violated, "6-7 read A 1000 9 -> ok\n books A 1000 5 t:5"),
        (Violated, "books A 1000 9 t:4 t:5"),
        (Violated, "books A 1000 6 t:6"),
    ];
    let stories = stories.map(|(verdict, end)| (verdict, format!("{asked} {end}")));
    check("holds", &stories.each_ref().map(|(verdict, story)| (*verdict, &**story)));
}

#[test]
fn a_hold_stands_for_a_token_that_may_stand_once() {
    let with = |answer: &str, books: &str| format!("{OPENED} 2-3 authorize t A 5 -> {answer}\n books A 1000 {books}");
    check(
        "holds",
        &[
            (Held, &with("yes", "5 t:5")),
            (Violated, &with("yes", "10 t:5 t:5")),
            (Violated, &with("yes", "6 t:6")),
            (Violated, &with("yes", "6 t:5")),
            (Violated, &with("no", "5 t:5")),
            (Violated, &with("no-alone", "5 t:5")),
            (Held, &with("lost", "5 t:5")),
            (Held, &with("yes-alone", "5 t:5")),
            (Violated, &with("yes", "6 t:5 u:1")),
        ],
    );
    let cleared = |report: &str, held| {
        format!(
            "{OPENED} 2-3 authorize t A 9 -> yes\n 4-5 report r t A {report}\n 6-7 read A 1000 {held} -> ok\n books A 1000 0"
        )
    };
    check(
        "holds",
        &[
            (Held, &cleared("clearing 4 -> ok", 5)),
            (Violated, &cleared("clearing 4 -> ok", 6)),
            (Held, &cleared("clearing 4 -> lost", 9)),
            (Violated, &cleared("full 9 -> ok", 1)),
            (Violated, &cleared("last 1 -> ok", 1)),
        ],
    );
}

#[test]
fn stand_in_stays_within_its_bound_and_is_settled_once() {
    let limits = StandInLimits {
        nodes: 3,
        per_transaction: 10,
        per_account: 45,
        per_account_count: 30,
        per_node: 20,
        total: None,
        window_s: 86_400,
    };
    let told = |amounts: &[u64], forced: &[&str]| {
        let line = |(number, amount)| format!("2-3 authorize t{number} A {amount} -> yes-alone\n");
        let lines: String = amounts.iter().enumerate().map(line).collect();
        let mut history = history(&format!("{OPENED} {lines} books A 1000 0"));
        history.begin.stand_in = Some(limits);
        let force = |token: &&str| books::Applied {
            index: 1,
            place: 0,
            command: serde_json::json!({"kind": "force", "token": token, "outcome": "settled"}),
        };
        history.books.applied = forced.iter().map(force).collect();
        found(&history, "stand_in").verdict
    };
    assert_eq!(told(&[10, 5], &["t0", "t1"]), Held);
    assert_eq!(told(&[10, 6], &["t0", "t1"]), Violated, "a third of 45 for one account");
    assert_eq!(told(&[11], &["t0"]), Violated, "in one transaction");
    assert_eq!(told(&[10], &[]), Violated, "never settled");
    assert_eq!(told(&[10], &["t0", "t0"]), Violated, "settled twice");
    assert_eq!(found(&history("2-3 authorize t A 5 -> yes-alone"), "stand_in").verdict, Violated, "without limits");
}

#[test]
fn replicas_agree() {
    let digest = |node, digest: Option<&str>, violations: &[&str]| books::Digest {
        node,
        index: 9,
        digest: digest.map(str::to_owned),
        violations: violations.iter().map(|text| (*text).to_owned()).collect(),
    };
    for (digests, expected) in [
        (vec![], Inconclusive),
        (vec![digest(1, Some("a"), &[]), digest(2, Some("a"), &[])], Held),
        (vec![digest(1, Some("a"), &[]), digest(2, None, &[])], Inconclusive),
        (vec![digest(1, Some("a"), &[]), digest(2, Some("b"), &[])], Violated),
        (vec![digest(1, Some("a"), &["held is wrong"]), digest(2, Some("a"), &[])], Violated),
    ] {
        let mut history = history(OPENED);
        history.books.digests = digests;
        assert_eq!(found(&history, "digests").verdict, expected);
    }
}

#[test]
fn terms_only_grow_and_have_one_leader() {
    let status = |node, term, leader| Status { at_us: 0, node, term, leader, applied: 0 };
    for (statuses, expected) in [
        (vec![], Inconclusive),
        (vec![status(1, 2, Some(1)), status(2, 1, None), status(2, 2, Some(1)), status(1, 3, None)], Held),
        (vec![status(1, 2, None), status(1, 0, None), status(1, 2, None)], Held),
        (vec![status(1, 2, None), status(1, 1, None)], Violated),
        (vec![status(1, 2, Some(1)), status(2, 2, Some(2))], Violated),
        (vec![status(1, 2, Some(1)), status(2, 3, Some(2))], Held),
    ] {
        let history = History { statuses, ..history(OPENED) };
        assert_eq!(found(&history, "terms").verdict, expected);
    }
}

#[test]
fn every_request_is_answered_in_time_unless_its_node_could_not() {
    let late = format!("{OPENED} 200-301 authorize t A 5 -> yes");
    check("in_time", &[(Held, &format!("{OPENED} 2-102 authorize t A 5 -> yes")), (Violated, &late)]);
    let fault = |at_us, phase, excuses| Fault { at_us, name: "pause".into(), nodes: vec!["n".into()], phase, excuses };
    for (faults, expected) in [
        (vec![fault(250, Phase::Begin, true)], Held),
        (vec![fault(250, Phase::Begin, false)], Violated),
        (vec![fault(302, Phase::Begin, true)], Violated),
        (vec![fault(100, Phase::Begin, true), fault(150, Phase::End, true)], Held),
        (vec![Fault { nodes: vec!["m".into()], ..fault(250, Phase::Begin, true) }], Violated),
    ] {
        let history = History { faults, ..history(&late) };
        assert_eq!(found(&history, "in_time").verdict, expected);
    }
    let mut refused = history(&format!("{OPENED} 2-3 authorize t A 5 -> no"));
    refused.ops[1].answer.status = Some(503);
    assert_eq!(found(&refused, "in_time").verdict, Violated);
}

#[test]
fn one_order_explains_every_answer() {
    let three = |first: &str, second: &str, third: &str| format!("{OPENED} {first}\n{second}\n{third}\n");
    check(
        "linear",
        &[
            (
                Held,
                &three("2-9 authorize a A 600 -> yes", "3-8 authorize b A 600 -> no", "10-11 read A 1000 600 -> ok"),
            ),
            (Violated, &three("2-9 authorize a A 600 -> yes", "3-8 authorize b A 600 -> yes", "")),
            // A no for want of money while there is enough, and nothing else under way.
            (Violated, &three("2-3 authorize a A 600 -> no", "4-5 authorize b A 600 -> yes", "")),
            // A stale read.
            (Violated, &three("2-3 authorize a A 600 -> yes", "4-5 read A 1000 0 -> ok", "")),
            (Held, &three("2-5 authorize a A 600 -> yes", "3-4 read A 1000 0 -> ok", "")),
            // What was not heard may have happened, later too, or not.
            (Held, &three("2-3 authorize a A 600 -> lost", "4-5 authorize b A 600 -> no", "6-7 read A 1000 600 -> ok")),
            (
                Held,
                &three("2-3 authorize a A 600 -> lost", "4-5 authorize b A 600 -> yes", "6-7 read A 1000 600 -> ok"),
            ),
            (Held, &three("2-3 authorize a A 600 -> lost", "4-5 read A 1000 0 -> ok", "6-7 read A 1000 600 -> ok")),
            // It may have been taken back as well, but then it is not held again.
            (Held, &three("2-3 authorize a A 600 -> lost", "4-5 read A 1000 600 -> ok", "6-7 read A 1000 0 -> ok")),
            (
                Violated,
                &format!(
                    "{OPENED} 2-3 authorize a A 6 -> lost\n 4-5 read A 1000 6 -> ok\n 6-7 read A 1000 0 -> ok\n 8-9 read A 1000 6 -> ok"
                ),
            ),
            // A no that was said alone is taken back, sooner or later.
            (
                Held,
                &three(
                    "2-3 authorize a A 600 -> no-alone",
                    "4-5 authorize b A 600 -> no",
                    "6-7 authorize c A 600 -> yes",
                ),
            ),
            (Violated, &three("2-3 authorize a A 600 -> no", "4-5 read A 1000 0 -> ok", "")),
            // A yes that was said alone is forced.
            (Held, &three("2-3 authorize a A 1600 -> yes-alone", "", "books A 1000 1600 a:1600")),
            (Violated, &three("2-3 authorize a A 600 -> yes-alone", "", "books A 1000 0")),
            // Frozen, and paid.
            (Violated, &three("2-3 status A frozen -> ok", "4-5 authorize a A 1 -> yes", "")),
            (Held, &three("2-5 status A frozen -> ok", "4-6 authorize a A 1 -> yes", "7-8 authorize b A 1 -> no")),
            (Held, &three("2-3 authorize a A 9 -> yes", "4-5 report r a A clearing 4 -> ok", "6-7 read A 996 5 -> ok")),
            (
                Violated,
                &three("2-3 authorize a A 9 -> yes", "4-5 report r a A clearing 4 -> ok", "6-7 read A 996 9 -> ok"),
            ),
            (Violated, &three("2-3 move k A 50 -> ok", "4-5 move k A 50 -> ok", "6-7 read A 1100 0 -> ok")),
            (Violated, &three("2-3 move k A -2000 -> ok", "", "")),
            (Held, &three("2-3 move k A -2000 -> refused", "", "books A 1000 0")),
            (Inconclusive, "2-3 read A 0 0 -> ok"),
        ],
    );
}

#[test]
fn a_history_is_green_only_if_it_is_whole_and_says_something() {
    let whole = history(&format!("{OPENED} 2-3 authorize t A 5 -> yes"));
    let held: Vec<Finding> = Vec::new();
    assert_eq!(verdict(&whole, &held), Held);
    assert_eq!(verdict(&History { complete: false, ..whole.clone() }, &held), Inconclusive);
    assert_eq!(verdict(&history(&format!("{OPENED} 2-3 authorize t A 5 -> lost")), &held), Inconclusive);
    assert_eq!(verdict(&whole, &[found(&whole, "money")]), Inconclusive, "the books were not read");
}
