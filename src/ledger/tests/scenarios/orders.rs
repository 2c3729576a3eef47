//! Facts that come in another order than they happened, before our own answer, or from somebody else's.

use crate::language::{check, program, token, usd, user};
use holdfast_ledger::*;

/// Pitfall 16.
#[test]
fn a_reversal_before_its_authorization_is_a_tombstone() {
    check(
        "
        open       A  100.00
        report     reversed cleared A 60.00 jit=j2 of=j1 tx=x2 after=x1 -> noted  held 0.00
        authorize  j1 A 60.00 tx=x1   -> declined Voided  held 0.00
        authorize  j1 A 60.00 tx=x1   -> declined Voided  replayed
        force      j1 A 60.00 tx=x1 by=7  -> done  held 0.00  conflicts 0  unplaced 0
    ",
    );
}

#[test]
fn a_partial_reversal_may_come_first() {
    check(
        "
        open       A  250.00
        report     reversal pending A 100.00 of=j1 tx=r1   -> excess  held 0.00
        authorize  j1 A 250.00                             -> approved  held 150.00  excesses 0
    ",
    );
}

/// Pitfalls 1 and 2, and the timeout: the processor's word decides what became of our answer.
#[test]
fn declined_by_the_processor_releases_and_stays_so() {
    check(
        "
        open       A  100.00
        authorize  j1 A 60.00 tx=x1 by=1                       -> approved  held 60.00
        report     authorization declined A 60.00 jit=j1 tx=x1 -> applied   held 0.00  available 100.00
        authorize  j1 A 60.00 tx=x1 by=2                       -> declined Voided  replayed  held 0.00
        void       j1 by=1                                     -> nothing   held 0.00
        force      j1 A 60.00 tx=x1 by=3                       -> nothing   held 0.00  unplaced 0
        report     authorization pending A 60.00 jit=j1 tx=x1  -> repeated  held 0.00

        report     authorization error A 10.00 jit=k1 tx=x2    -> noted     held 0.00
        authorize  k1 A 10.00 tx=x2                            -> declined Voided  held 0.00
        force      k1 A 10.00 tx=x2 by=4                       -> nothing   held 0.00  unplaced 0
    ",
    );
}

/// Pitfall 20.
#[test]
fn a_clearing_may_come_first() {
    check(
        "
        open       A  100.00
        report     clearing completed A 60.00 jit=j2 of=j1 tx=x2 after=x1 -> unpromised  posted 40.00  unpromiseds 1
        authorize  j1 A 60.00 tx=x1                            -> approved   held 0.00  posted 40.00  unpromiseds 0
        report     authorization pending A 60.00 jit=j1 tx=x1  -> noted      held 0.00  posted 40.00
        report     clearing completed A 20.00 jit=j4 of=j3 tx=x4 -> unpromised  posted 20.00
        authorize  j3 A 30.00                                  -> approved   held 10.00
    ",
    );
}

#[test]
fn the_processor_approves_without_us() {
    check(
        "
        open       A  50.00
        report     authorization pending A 60.00 tx=x1             -> applied   held 60.00  available -10.00
        authorize  j1 A 60.00 tx=x1                                -> approved  held 60.00  holds 1
        report     authorization pending A 60.00 jit=j1 tx=x1      -> repeated  held 60.00
        force      j1 A 60.00 tx=x1 by=9                           -> nothing   held 60.00
        report     clearing completed A 60.00 tx=x2 after=x1       -> applied   held 0.00  posted -10.00
    ",
    );
}

/// We said no, the processor's stand-in said yes: its word counts.
#[test]
fn a_decline_that_the_processor_overruled_is_held() {
    check(
        "
        open       A  50.00
        authorize  j1 A 60.00 tx=x1                             -> declined InsufficientFunds
        report     authorization pending A 60.00 jit=j1 tx=x1   -> applied  held 60.00  available -10.00
        authorize  j1 A 60.00 tx=x1                             -> declined InsufficientFunds  replayed  held 60.00
        force      j1 A 60.00 tx=x1 by=5                        -> done     held 60.00  holds 1
        report     reversed cleared A 60.00 tx=r1 after=x1      -> applied  held 0.00
    ",
    );
}

/// Rule 6, and the processor's own event.
#[test]
fn a_void_never_takes_what_the_processor_has_confirmed() {
    check(
        "
        open       A  100.00
        authorize  j1 A 60.00 tx=x1 by=1                        -> approved  held 60.00
        void       j1               by=2                        -> conflict  held 60.00  conflicts 1
        report     authorization pending A 60.00 jit=j1 tx=x1   -> noted     held 60.00  conflicts 0
        void       j1               by=1                        -> nothing   held 60.00  conflicts 0

        authorize  k1 A 20.00 tx=x2 by=3                        -> approved  held 80.00
        increment  k2 A 10.00 of=k1 by=4                        -> approved  held 90.00
        void       k2               by=4                        -> done      held 80.00
        void       k1               by=3                        -> done      held 60.00
        report     authorization pending A 20.00 jit=k1 tx=x2   -> applied   held 80.00
    ",
    );
}

#[test]
fn two_chains_turn_out_to_be_one() {
    check(
        "
        open       A  200.00
        authorize  j1 A 100.00                                -> approved  held 100.00
        report     reversal pending A 10.00 of=j1 tx=r1       -> applied   held 90.00   chains 1
        report     clearing completed A 50.00 tx=c1 after=x1  -> unpromised  posted 150.00  chains 2
        report     authorization pending A 100.00 jit=j1 tx=x1 -> applied  held 40.00  posted 150.00  chains 1  holds 1
        report     clearing completed A 50.00 tx=c1 after=x1  -> repeated  held 40.00
    ",
    );
}

#[test]
fn names_count_within_an_account_and_a_currency() {
    check(
        "
        open    A  100.00
        open    A  100 JPY
        open    B  100.00
        authorize  j1 A 60.00 tx=x1                         -> approved  held 60.00
        report  reversed cleared B 60.00 of=j1 tx=r1        -> noted     held 0.00
        report  reversed cleared A 60 JPY of=j1 tx=r1       -> noted     held 0
        report  clearing completed A 50.00 of=j1 tx=c1      -> applied   held 10.00
    ",
    );
}

#[test]
fn what_cannot_be_booked_is_refused_and_changes_nothing() {
    check(
        "
        report  clearing completed A 1.00 tx=c1       -> refused AccountUnknown
        open    A  100.00
        report  clearing completed A 1 JPY tx=c1      -> refused CurrencyNotHeld
        report  clearing completed A 1.00 of=j1 after=x1  -> refused Unnamed
        report  clearing completed A 1.00 tx=c1       -> unpromised  posted 99.00
    ",
    );
}

#[test]
fn the_same_transaction_told_differently_is_noticed() {
    check(
        "
        open    A  100.00
        report  authorization pending A 10.00 tx=x1   -> applied  held 10.00
        report  authorization pending A 12.00 tx=x1   -> differs  held 12.00  differing 1
        report  authorization pending A 10.00 tx=x1   -> repeated held 12.00
        report  authorization cleared A 11.00 tx=x1   -> applied  held 11.00  differing 1
    ",
    );
}

#[test]
fn a_chain_has_a_bound() {
    let mut world = check("open A 1000.00");
    let event = |number: usize| Event {
        program: program("default"),
        names: Names {
            transaction: Some(token(&format!("c{number}"))),
            original: Some(token("j1")),
            ..Names::default()
        },
        user: user("A"),
        amount: Amount::new(1, usd()).expect("in range"),
        role: Role::ForceCapture,
        word: Word::Completed,
        expires_after: None,
        facts: None,
    };
    let mut report = |number| match world.ledger.apply(Timestamp(2_000), &Command::Event(event(number))) {
        Output::Booked(booked) => booked,
        output => panic!("not booked: {output:?}"),
    };
    for number in 0..256 {
        assert!(!report(number).effect.refused(), "{number}");
    }
    assert_eq!(report(255).posted_minor, -256);
    assert_eq!(report(256).effect, Effect::ChainFull);
    assert_eq!(report(0).effect, Effect::Repeated);
    assert_eq!(world.ledger.check(), []);
    world.run("increment j2 A 1.00 of=j1 -> declined ChainFull  posted 997.44");
    world.run("force j2 A 1.00 of=j1 by=1 -> impossible  unplaced 1");
}
