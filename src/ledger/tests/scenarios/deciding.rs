//! Requests: who is told what, in which order of reasons, and what stays.

use crate::language::{check, program, token, usd, user};
use holdfast_ledger::*;

#[test]
fn a_hold_lowers_what_is_available_at_once() {
    check(
        "
        open       A  100.00        -> opened 1  posted 100.00
        authorize  t1 A  60.00      -> approved  posted 100.00  held 60.00  available 40.00  holds 1
        authorize  t2 A  40.01      -> declined InsufficientFunds  held 60.00  available 40.00
        authorize  t3 A  40.00      -> approved  held 100.00  available 0.00  holds 2
        authorize  t4 A   0.01      -> declined InsufficientFunds
    ",
    );
}

#[test]
fn a_token_is_decided_once() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 by=1 -> approved  held 60.00
        authorize  t1 A  60.00 by=1 -> approved  replayed  held 60.00
        authorize  t1 A  60.00 by=2 -> approved  replayed  held 60.00  holds 1
    ",
    );
}

#[test]
fn a_decline_outlives_a_credit() {
    check(
        "
        open       A   10.00
        authorize  t1 A  60.00 by=1 -> declined InsufficientFunds
        credit     k1 A 100.00      -> ok  available 110.00
        authorize  t1 A  60.00 by=1 -> declined InsufficientFunds  replayed
        authorize  t1 A  60.00 by=2 -> declined InsufficientFunds  replayed  held 0.00
        authorize  t2 A  60.00      -> approved
    ",
    );
}

#[test]
fn another_fingerprint_is_declined_and_leaves_the_first_alone() {
    check(
        "
        open       A  100.00
        authorize  t1 A  60.00 print=1 by=1 -> approved
        authorize  t1 A  10.00 print=2 by=2 -> declined FingerprintMismatch  held 60.00
        authorize  t1 A  10.00 print=2 by=1 -> declined FingerprintMismatch  held 60.00
        authorize  t1 A  60.00 print=1 by=2 -> approved  replayed  held 60.00  conflicts 0
    ",
    );
}

#[test]
fn a_token_belongs_to_its_programme() {
    check(
        "
        open       A  100.00 in=red
        open       A   20.00 in=blue
        authorize  t1 A  60.00 in=red  -> approved  held 60.00
        authorize  t1 A  60.00 in=blue -> declined InsufficientFunds  held 0.00
        authorize  t1 A  60.00         -> declined AccountUnknown
    ",
    );
}

#[test]
fn reasons_come_in_their_order() {
    check(
        "
        authorize  t1 A  60.00          -> declined AccountUnknown
        open       A  100.00
        authorize  t2 A  60.00 EUR      -> declined CurrencyNotHeld
        freeze     A                    -> ok
        authorize  t3 A  60.00 EUR      -> declined CurrencyNotHeld
        authorize  t4 A  900.00         -> declined AccountFrozen
        authorize  t1 A  60.00 print=2  -> declined FingerprintMismatch
        unfreeze   A                    -> ok
        authorize  t4 A  900.00         -> declined AccountFrozen  replayed
        authorize  t5 A  900.00         -> declined InsufficientFunds
        debit      k1 A  100.00         -> ok  posted 0.00
        close      A                    -> ok
        authorize  t6 A  900.00         -> declined AccountClosed
    ",
    );
}

#[test]
fn verifications_look_at_the_account_and_hold_nothing() {
    check(
        "
        verify     t1 A    0.00     -> declined AccountUnknown
        open       A    0.00
        verify     t2 A    0.00     -> approved  held 0.00  holds 0
        verify     t3 A    5.00     -> approved  held 0.00  holds 0
        authorize  t4 A    0.00     -> approved  held 0.00  holds 0
        authorize  t5 A    0.01     -> declined InsufficientFunds
        verify     t6 A    0.00 EUR -> declined CurrencyNotHeld
        freeze     A
        verify     t7 A    0.00     -> declined AccountFrozen
        authorize  t8 A    0.00     -> declined AccountFrozen
        authorize  t4 A    0.00     -> approved  replayed
        close      A
        verify     t9 A    0.00     -> declined AccountClosed
    ",
    );
}

#[test]
fn an_inquiry_is_answered_the_same_for_ever() {
    check(
        "
        inquire    t0 A             -> declined AccountUnknown
        open       A  100.00 USD
        open       A     500 JPY
        open       A   1.234 KWD
        authorize  t1 A  60.00      -> approved
        inquire    t2 A             -> approved  has JPY=500/500  has KWD=1.234/1.234  has USD=100.00/40.00
        credit     k1 A  10.00
        inquire    t2 A             -> approved  replayed  has JPY=500/500  has KWD=1.234/1.234  has USD=100.00/40.00
        inquire    t3 A             -> approved  has JPY=500/500  has KWD=1.234/1.234  has USD=110.00/50.00
        freeze     A
        inquire    t4 A             -> declined AccountFrozen
    ",
    );
}

#[test]
fn a_notice_is_approved_whatever_the_account() {
    check(
        "
        notice     t1 A   60.00         -> approved
        open       B  10.00
        freeze     B
        notice     t2 B   60.00 EUR     -> approved
        notice     t2 B   60.00 EUR     -> approved  replayed
        notice     t2 B   60.00 print=2 -> declined FingerprintMismatch
        open       A  100.00            -> opened 1  held 0.00
    ",
    );
}

#[test]
fn currencies_have_their_own_digits_and_their_own_money() {
    check(
        "
        open       A     500 JPY         -> opened 1  posted 500
        open       A   1.234 KWD         -> opened 1  posted 1.234
        authorize  t1 A    501 JPY       -> declined InsufficientFunds
        authorize  t2 A    500 JPY       -> approved  available 0
        authorize  t3 A  1.235 KWD       -> declined InsufficientFunds
        authorize  t4 A  1.234 KWD       -> approved  available 0.000
        authorize  t5 A   0.01 USD       -> declined CurrencyNotHeld
    ",
    );
}

/// 2^62 is 4,611 amounts of 10^15 and a rest of 0.69 x 10^15.
#[test]
fn balances_stop_at_their_bound() {
    let mut world = check(
        "
        open       A  10000000000000.00
        credit     c A 0.00                 -> refused AmountOutOfRange
    ",
    );
    let mut credit = |key: String, minor: u64| {
        let amount = Amount::new(minor, usd()).expect("in range");
        let (program, user) = (program("default"), user("A"));
        let direction = MoveDirection::Credit;
        world.ledger.apply(Timestamp(1), &Command::Move(Move { program, key: token(&key), user, direction, amount }))
    };
    for number in 1..4_611 {
        assert!(matches!(credit(format!("k{number}"), Amount::MINOR_MAX), Output::Account { .. }), "{number}");
    }
    let rest = (1 << 62) - 4_611 * Amount::MINOR_MAX;
    assert_eq!(credit("over".into(), rest + 1), Output::Refused(Refusal::AmountOutOfRange));
    assert!(matches!(credit("full".into(), rest), Output::Account { .. }));
    assert_eq!(credit("drop".into(), 1), Output::Refused(Refusal::AmountOutOfRange));
    world.run(
        "
        authorize  t1 A  0.01               -> approved  posted 46116860184273879.04
        credit     over A 0.01              -> refused AmountOutOfRange
        debit      d1 A 10000000000000.00   -> ok
        credit     k9999 A 0.01             -> ok
    ",
    );
}

#[test]
fn forced_holds_stop_at_the_bound_and_reason_so() {
    let mut ledger = check("open A 0.00").ledger;
    let request = |name: String, minor| Authorize {
        program: program("default"),
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: token(&name),
        fingerprint: Fingerprint([0; 16]),
        kind: RequestKind::Authorization,
        user: user("A"),
        amount: Amount::new(minor, usd()).expect("in range"),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    };
    let rest = (1 << 62) - 4_611 * Amount::MINOR_MAX;
    let mut force = |name: String, minor| ledger.apply(Timestamp(1), &Command::Force(request(name, minor)));
    for number in 1..=4_611 {
        assert_eq!(force(format!("f{number}"), Amount::MINOR_MAX), Output::Settled(Settled::Done));
    }
    assert_eq!(force("over".into(), rest + 1), Output::Settled(Settled::Impossible));
    assert_eq!(force("full".into(), rest), Output::Settled(Settled::Done));
    assert_eq!(force("drop".into(), 1), Output::Settled(Settled::Impossible));

    assert_eq!(ledger.check(), []);
    let decision = ledger.apply(Timestamp(1), &Command::Authorize(request("t1".into(), 1)));
    let verdict = Verdict::Declined(DeclineReason::AmountOutOfRange);
    let Output::Decision(decision) = decision else { panic!("{decision:?}") };
    assert_eq!(decision.verdict, verdict);
    assert_eq!(decision.change.map(|change| change.before), decision.change.map(|change| change.after));
}

#[test]
fn time_never_runs_back() {
    let mut ledger = Ledger::new();
    let open = Command::Open(Open { program: program("default"), openings: vec![] });
    for (at, now) in [(5, 5), (7, 7), (6, 7), (u64::MAX, u64::MAX), (0, u64::MAX)] {
        ledger.apply(Timestamp(at), &open);
        assert_eq!(ledger.now(), Timestamp(now));
    }
}

#[test]
fn a_token_can_be_explained() {
    let world = check(
        "
        open       A  100.00
        authorize  t1 A  60.00 -> approved
        authorize  t2 A  60.00 -> declined InsufficientFunds
        void       t3          -> done
    ",
    );
    let view = |name| world.ledger.token(&program("default"), &token(name));
    let held = view("t1").expect("remembered");
    assert_eq!((held.verdict, held.status), (Verdict::Approved, TokenStatus::Held { hold: 1 }));
    assert_eq!((held.user, held.at), (Some(user("A")), Timestamp(1_002)));
    assert_eq!(held.amount, Amount::new(6_000, usd()).ok());
    let declined = view("t2").expect("remembered");
    assert_eq!(declined.verdict, Verdict::Declined(DeclineReason::InsufficientFunds));
    let tombstone = view("t3").expect("remembered");
    assert_eq!((tombstone.status, tombstone.user), (TokenStatus::Closed, None));
    assert_eq!(view("t4"), None);
    assert_eq!(world.ledger.tokens_count(), 3);
}
