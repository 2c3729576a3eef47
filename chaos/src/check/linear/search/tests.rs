//! The search against one that tries every order of small histories, and against its bound.

use super::{Found, search};
use crate::check::linear::act::{Act, Log, acts};
use crate::check::story::history;
use ledger::{Ledger, Timestamp, UserToken};
use proptest::prelude::*;

fn of(story: &str) -> Vec<Act> {
    let history = history(story);
    let ops: Vec<_> = history.ops.iter().collect();
    acts(&history, &Log::default(), "A", &ops).expect("acts")
}

/// Tries every order of every choice.
fn brute(acts: &[Act], taken: &mut Vec<bool>, ledger: &Ledger) -> bool {
    let open = |taken: &[bool], at: usize| !taken[at] && acts[at].until_us.is_some();
    if !(0..acts.len()).any(|at| open(taken, at)) {
        return true;
    }
    let frontier =
        (0..acts.len()).filter(|at| open(taken, *at)).filter_map(|at| acts[at].until_us).min().unwrap_or(u64::MAX);
    for at in (0..acts.len()).filter(|at| acts[*at].from_us <= frontier) {
        if taken[at] {
            continue;
        }
        let mut next = ledger.clone();
        let fits = match &acts[at].command {
            Some(command) => acts[at].expect.allows(&next.apply(Timestamp(1), command)),
            None => match (&acts[at].expect, super::program()) {
                (super::Expect::Account(seen), Some(program)) => {
                    let user = UserToken::new("A").expect("a name");
                    next.account(&program, &user).is_some_and(|account| seen.is(&account))
                }
                (_, _) => false,
            },
        };
        if fits {
            taken[at] = true;
            let found = brute(acts, taken, &next);
            taken[at] = false;
            if found {
                return true;
            }
        }
    }
    false
}

/// A request with times, and an answer that may be wrong.
fn line() -> impl Strategy<Value = String> {
    let times = (2u64..12, 0u64..6);
    let token = 0..3usize;
    let answer = prop_oneof![4 => Just("yes"), 4 => Just("no"), 1 => Just("no-alone"), 1 => Just("lost")];
    let authorize = (times.clone(), token.clone(), answer).prop_map(|((from, length), token, answer)| {
        format!("{from}-{} authorize t{token} A {} -> {answer}", from + length, 400 + 100 * token)
    });
    let read = (times.clone(), prop_oneof![Just(0), Just(400), Just(500), Just(900)])
        .prop_map(|((from, length), held)| format!("{from}-{} read A 1000 {held} -> ok", from + length));
    let report = (times, token, prop_oneof![Just("full"), Just("reversal")], prop_oneof![Just("ok"), Just("lost")])
        .prop_map(|((from, length), token, kind, heard)| {
            format!("{from}-{} report r{token}{kind} t{token} A {kind} 100 -> {heard}", from + length)
        });
    prop_oneof![4 => authorize, 1 => read, 1 => report]
}

proptest! {
    #[test]
    fn it_finds_an_order_exactly_if_there_is_one(lines in proptest::collection::vec(line(), 1..6)) {
        let acts = of(&format!("0-1 open A 1000 -> ok\n{}", lines.join("\n")));
        let expected = brute(&acts, &mut vec![false; acts.len()], &Ledger::new());
        let found = search("A", &acts, 1_000_000);
        prop_assert_eq!(found == Found::Order, expected, "{:?}\n{}", found, lines.join("\n"));
        let is_too_far = matches!(found, Found::TooFar { .. });
        prop_assert!(!is_too_far);
    }
}

#[test]
fn a_bound_that_is_hit_is_neither_yes_nor_no() {
    let many: String = (0..12).map(|number| format!("2-9 authorize t{number} A 90 -> yes\n")).collect();
    // 12 of 90 are more than 1000: there is no order, and many to try.
    let acts = of(&format!("0-1 open A 1000 -> ok\n{many}"));
    assert_eq!(search("A", &acts, 100), Found::TooFar { steps: 100 });
    assert!(matches!(search("A", &acts, 1_000_000), Found::None { explained: 12, .. }));
}

#[test]
fn ten_thousand_requests_one_after_the_other_take_a_step_each() {
    let many: String = (0..10_000)
        .map(|number| format!("{}-{} authorize t{number} A 1 -> yes\n", 2 * number + 2, 2 * number + 3))
        .collect();
    let acts = of(&format!("0-1 open A 1000000 -> ok\n{many}"));
    assert_eq!(search("A", &acts, 10_001), Found::Order);
}
