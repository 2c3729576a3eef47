//! Every scope of both models, whole; and every planted mistake, found.
//!
//! `HOLDFAST_MODEL=all` searches the wide scopes too: some minutes.

use crate::explore::{Found, Model, Search};
use crate::limits::{self, Limits};
use crate::settlement::{self, Settlement};

/// More than the widest scope has.
const STATES_MAX: usize = 20_000_000;

fn settlement(attempts: usize) -> Settlement {
    Settlement { nodes: 2, attempts: vec![0; attempts], restarts_max: 1, ends_max: 1, kept_max: 8, mutant: None }
}

fn limits() -> Limits {
    let tickets = vec![1, 2];
    Limits { nodes: 3, accounts: 2, limit: 6, count: 9, budget: 9, tickets, windows: 1, mutant: None }
}

fn wide() -> bool {
    std::env::var("HOLDFAST_MODEL").is_ok_and(|scopes| scopes == "all")
}

fn search<M: Model>(title: &str, model: &M, only: &'static str) -> Found<M::Action> {
    let found = Search { states_max: STATES_MAX, only }.run(model);
    println!("{title:<44} {:>9} states, {:>2} steps deep", found.states, found.depth);
    found
}

/// Searches a scope to its end: everything holds, and what should be reached is.
fn holds<M: Model>(title: &str, model: &M) {
    let found = search(title, model, "");
    assert!(found.failure.is_none(), "{title}: {:#?}", found.failure);
    assert!(found.complete, "{title}: cut off");
    assert!(found.never_seen.is_empty(), "{title}: never seen: {:?}", found.never_seen);
}

/// Looks for the mistake by what it costs.
fn finds<M: Model>(title: &str, model: &M, cost: &'static str) {
    let found = search(title, model, cost);
    let (name, steps) = found.failure.unwrap_or_else(|| panic!("{title} is not found"));
    println!("    not so: {name}");
    steps.iter().enumerate().for_each(|(step, action)| println!("    {:>2}  {action:?}", step + 1));
}

#[test]
fn every_answer_is_settled_once() {
    holds("M1, two attempts, a restart, an end", &settlement(2));
    // The second attempt is beyond what is kept.
    holds("M1, two attempts, one kept", &Settlement { kept_max: 1, ..settlement(2) });
    holds("M1, three nodes, two restarts", &Settlement { nodes: 3, restarts_max: 2, ..settlement(2) });
    let calm = |kept_max| Settlement { restarts_max: 0, ends_max: 0, kept_max, ..settlement(3) };
    holds("M1, three attempts", &calm(8));
    holds("M1, three attempts, two kept", &calm(2));
    if wide() {
        holds("M1, three attempts, a restart, an end", &settlement(3));
    }
}

#[test]
fn limits_that_nobody_shares_bound_the_loss() {
    holds("M2, three nodes", &limits());
    holds("M2, limits that do not divide", &Limits { limit: 8, budget: 11, ..limits() });
    holds("M2, two windows", &Limits { nodes: 2, limit: 4, budget: 6, windows: 2, ..limits() });
    let five = Limits { nodes: 5, limit: 10, count: 10, budget: 15, ..limits() };
    holds("M2, five nodes, one account", &Limits { accounts: 1, budget: 10, ..five.clone() });
    if wide() {
        holds("M2, five nodes", &five);
    }
}

/// The count bounds an account as well as the amount does: `min(limit, count x ticket)`.
#[test]
fn a_count_bounds_an_account_too() {
    let model = Limits { count: 3, tickets: vec![1], accounts: 1, ..limits() };
    let found = search("M2, one approval for each node", &model, "");
    assert!(found.complete && found.failure.is_none());
    assert_eq!(found.never_seen.len(), 2, "three of six is all that can be lost");
}

#[test]
fn every_mistake_in_settling_is_found() {
    use settlement::Mutant;
    for mutant in settlement::MUTANTS {
        let cost = match mutant {
            Mutant::SettleTwice | Mutant::HoldAfterEnd => "a token has one hold at most",
            Mutant::NoTombstone | Mutant::OweNothing => "a decline ends as no hold",
            Mutant::ForgetJournal
            | Mutant::AnswerBeforeJournal
            | Mutant::DoneWhenProposed
            | Mutant::VoidForAll
            | Mutant::VoidForNode
            | Mutant::ForgetBeyond => "an approval ends as one hold",
        };
        let kept_max = if mutant == Mutant::ForgetBeyond { 1 } else { 8 };
        finds(&format!("M1, {mutant:?}"), &Settlement { mutant: Some(mutant), kept_max, ..settlement(2) }, cost);
    }
}

#[test]
fn every_mistake_with_limits_is_found() {
    for mutant in limits::MUTANTS {
        use limits::Mutant::{FollowBack, ForgetAtTurn, ForgetJournal, LiveNodes, ResetAtDrain};
        let windows = match mutant {
            LiveNodes | ForgetJournal | ResetAtDrain => 1,
            FollowBack | ForgetAtTurn => 2,
        };
        finds(&format!("M2, {mutant:?}"), &Limits { mutant: Some(mutant), windows, ..limits() }, "the loss");
    }
}
