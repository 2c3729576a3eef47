//! Model M1: answers given alone are settled, once, and nobody's promise is taken away.

use crate::language::{check, program, token, user};

#[test]
fn a_void_releases_what_nobody_else_was_promised() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved  held 60.00
        void       t1          by=1 -> done      held 0.00  available 100.00  holds 0
        void       t1          by=1 -> nothing   held 0.00
        authorize  t1 A  60.00 by=2 -> declined Voided  replayed  held 0.00
    ",
    );
}

#[test]
fn an_attempt_is_told_the_same_after_its_void() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved
        void       t1          by=1 -> done  held 0.00
        authorize  t1 A  60.00 by=1 -> approved  replayed  held 0.00
    ",
    );
}

#[test]
fn a_void_leaves_a_hold_that_another_attempt_was_promised() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved
        authorize  t1 A  60.00 by=2 -> approved  replayed  conflicts 0
        void       t1          by=1 -> conflict  held 60.00  conflicts 1
        void       t1          by=1 -> conflict  held 60.00  conflicts 1
        void       t1          by=2 -> done      held 0.00   conflicts 0
    ",
    );
}

#[test]
fn a_void_by_an_attempt_that_was_never_told_leaves_the_hold() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved
        void       t1          by=2 -> conflict  held 60.00  conflicts 1
        void       t1          by=1 -> done      held 0.00  conflicts 0
    ",
    );
}

#[test]
fn a_void_that_comes_first_leaves_a_tombstone() {
    check(
        "
        open       A  100.00
        void       t1 print=1  by=1 -> done
        authorize  t1 A  60.00 by=1 -> declined Voided  replayed  held 0.00
        authorize  t1 A  60.00 by=2 -> declined Voided  replayed  held 0.00
        authorize  t1 A  60.00 by=2 print=2 -> declined FingerprintMismatch
        void       t1          by=2 -> nothing
    ",
    );
}

#[test]
fn a_void_of_something_else_touches_nothing() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1         -> approved
        void       t1          by=1 print=2 -> nothing  held 60.00  conflicts 0
        void       t1          by=1 print=1 -> done     held 0.00
    ",
    );
}

#[test]
fn a_void_of_a_decline_changes_nothing() {
    check(
        "
        open       A   10.00
        authorize  t1 A  60.00 by=1 -> declined InsufficientFunds
        void       t1          by=1 -> nothing
        authorize  t1 A  60.00 by=2 -> declined InsufficientFunds  replayed
    ",
    );
}

#[test]
fn a_void_of_an_approval_without_a_hold_closes_it() {
    check(
        "
        open       A   10.00
        verify     t1 A   0.00 by=1 -> approved
        verify     t1 A   0.00 by=2 -> approved  replayed
        void       t1          by=1 -> nothing   conflicts 0
        void       t1          by=2 -> done
        verify     t1 A   0.00 by=3 -> declined Voided  replayed
    ",
    );
}

#[test]
fn a_force_places_a_hold_without_a_look_at_the_balance() {
    check(
        "
        open       A   10.00
        force      t1 A  60.00 by=1 -> done      held 60.00  available -50.00  holds 1
        force      t1 A  60.00 by=1 -> nothing   held 60.00  holds 1
        force      t1 A  60.00 by=2 -> nothing   held 60.00  holds 1
        authorize  t1 A  60.00 by=3 -> approved  replayed  held 60.00  holds 1
        authorize  t1 A  60.00 by=1 -> approved  replayed  held 60.00  conflicts 0
    ",
    );
}

#[test]
fn a_forced_hold_is_never_voided() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved
        force      t1 A  60.00 by=2 -> nothing   holds 1
        void       t1          by=1 -> conflict  held 60.00  conflicts 1
        void       t1          by=2 -> conflict  held 60.00  conflicts 1
    ",
    );
}

#[test]
fn a_force_after_a_decline_places_the_hold_and_is_a_conflict() {
    check(
        "
        open       A   10.00
        authorize  t1 A  60.00 by=1 -> declined InsufficientFunds
        force      t1 A  60.00 by=2 -> conflict  held 60.00  available -50.00  conflicts 1  holds 1
        force      t1 A  60.00 by=2 -> conflict  held 60.00  holds 1
        authorize  t1 A  60.00 by=1 -> declined InsufficientFunds  replayed
        authorize  t1 A  60.00 by=3 -> approved  replayed  conflicts 1
    ",
    );
}

#[test]
fn a_force_after_a_void_places_the_hold_and_is_a_conflict() {
    check(
        "
        open       A  100.00
        void       t1          by=1 -> done
        authorize  t1 A  60.00 by=2 -> declined Voided  replayed
        force      t1 A  60.00 by=3 -> conflict  held 60.00  conflicts 1
        authorize  t1 A  60.00 by=2 -> declined Voided  replayed
        authorize  t1 A  60.00 by=4 -> approved  replayed  holds 1
    ",
    );
}

#[test]
fn a_force_holds_on_frozen_and_closed_accounts() {
    check(
        "
        open       A   10.00
        freeze     A
        force      t1 A  60.00 -> done  held 60.00
        open       B    0.00
        close      B
        force      t2 B  60.00 -> done  held 60.00  posted 0.00  available -60.00
    ",
    );
}

#[test]
fn a_force_that_cannot_be_placed_is_recorded() {
    check(
        "
        force      t1 A  60.00 by=1     -> impossible  unplaced 1
        authorize  t1 A  60.00 by=2     -> declined AccountUnknown  replayed
        open       A  100.00
        force      t2 A  60.00 by=1 EUR -> impossible  unplaced 2
        force      t1 A  60.00 by=1     -> impossible  unplaced 2  held 0.00
        force      t1 A  60.00 by=3     -> conflict    unplaced 1  held 60.00  conflicts 1
        void       t3          by=1     -> done
        force      t3 B  60.00 by=2     -> impossible  unplaced 2
        authorize  t3 B  60.00 by=3     -> declined Voided  replayed
    ",
    );
}

#[test]
fn a_force_of_something_else_is_recorded_and_holds_nothing() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1         -> approved
        force      t1 A  20.00 by=2 print=2 -> impossible  held 60.00  holds 1  unplaced 1  conflicts 0
        force      t1 A  20.00 by=2 print=2 -> impossible  held 60.00  holds 1  unplaced 1
        void       t1          by=1         -> done        held 0.00   unplaced 1
    ",
    );
}

#[test]
fn a_forced_zero_holds_nothing() {
    check(
        "
        force      t1 A   0.00 by=1 -> done  holds 0
        authorize  t1 A   0.00 by=2 -> approved  replayed
        open       A   10.00
        void       t2          by=1 -> done
        force      t2 A   0.00 by=2 -> done  holds 0  conflicts 0  unplaced 0
        authorize  t2 A   0.00 by=3 -> approved  replayed
    ",
    );
}

#[test]
fn the_eighth_attempt_is_still_kept_by_itself() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1         -> approved
        authorize  t1 A  60.00 by=2         -> approved  replayed
        authorize  t1 A  60.00 by=3         -> approved  replayed
        authorize  t1 A  60.00 by=4         -> approved  replayed
        authorize  t1 A  60.00 by=5         -> approved  replayed
        authorize  t1 A  60.00 by=6         -> approved  replayed
        authorize  t1 A  60.00 by=7         -> approved  replayed
        authorize  t1 A  60.00 by=8         -> approved  replayed
        void       t1          by=1         -> conflict
        void       t1          by=2         -> conflict
        void       t1          by=3         -> conflict
        void       t1          by=4         -> conflict
        void       t1          by=5         -> conflict
        void       t1          by=6         -> conflict
        void       t1          by=7         -> conflict  held 60.00
        void       t1          by=8         -> done      held 0.00  conflicts 0
    ",
    );
}

#[test]
fn a_promise_to_a_ninth_attempt_is_never_taken_back() {
    let mut world = check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved
    ",
    );
    for attempt in 2..=8 {
        world.run(&format!("authorize t1 A 60.00 by={attempt} -> approved replayed"));
    }
    world.run(
        "
        authorize  t1 A  60.00 by=9 -> approved  replayed
        authorize  t1 A  60.00 by=9 -> approved  replayed  conflicts 0
    ",
    );
    for attempt in 1..=9 {
        world.run(&format!("void t1 by={attempt} -> conflict  held 60.00  conflicts 1"));
    }
}

#[test]
fn a_ninth_attempt_that_was_refused_counts_as_a_conflict() {
    let world = check(
        "
        open       A   10.00
        authorize  t1 A  60.00 by=1         -> declined InsufficientFunds
        authorize  t1 A  60.00 times=7      -> declined InsufficientFunds  replayed
        authorize  t1 A  60.00 by=9         -> declined InsufficientFunds  replayed
        force      t1 A  60.00 by=10        -> conflict  held 60.00  conflicts 1
        force      t1 A  60.00 by=10        -> conflict  held 60.00  holds 1
        authorize  t1 A  60.00 by=9         -> approved  replayed
        authorize  t1 A  60.00 by=1         -> declined InsufficientFunds  replayed
        force      t2 A   1.00 by=1         -> done
        force      t2 A   1.00 times=7      -> nothing
        void       t2          by=9         -> conflict  conflicts 2
    ",
    );
    let holds = world.ledger.holds(&program("default"), &user("A"), 0, 10);
    assert!(holds.iter().all(|hold| hold.forced && hold.conflict));
    assert_eq!(
        holds.iter().map(|hold| (hold.number, hold.token)).collect::<Vec<_>>(),
        [(1, token("t1")), (2, token("t2"))]
    );
    assert_eq!(world.ledger.holds(&program("default"), &user("A"), 1, 10).len(), 1);
    assert_eq!(world.ledger.holds(&program("default"), &user("A"), 0, 1)[0].number, 1);
    assert_eq!(world.ledger.holds(&program("default"), &user("A"), 2, 10), []);
    assert_eq!(world.ledger.token(&program("default"), &token("t2")).map(|view| view.conflict), Some(true));
}
