//! Holds that nobody ended: pitfalls 24, 25 and 41.

use crate::language::{check, program};
use holdfast_ledger::*;

#[test]
fn a_hold_expires_on_time_and_not_before() {
    check(
        "
        open       A  100.00
        authorize  j1 A  60.00 expires=100   -> approved  held 60.00
        wait       99
        authorize  j2 A  60.00               -> declined InsufficientFunds  held 60.00
        wait       1
        authorize  j3 A  60.00               -> approved  held 60.00  holds 1
        authorize  j1 A  60.00 expires=100   -> approved  replayed  held 60.00
    ",
    );
}

/// What comes twice at one instant does the same once, also if it promises for no time at all.
#[test]
fn a_hold_stands_through_the_instant_of_its_expiry() {
    let mut ledger = Ledger::new();
    let user = UserToken::new("A").expect("an id");
    let usd = Currency::from_code("USD").expect("listed");
    let openings = vec![Opening { user, currency: usd, credit_minor: 10 }];
    ledger.apply(Timestamp(1), &Command::Open(Open { program: program("default"), openings }));
    let report = Command::Event(Event {
        program: program("default"),
        names: Names { jit: Some(Token::new("j1").expect("an id")), ..Names::default() },
        user,
        amount: Amount::new(1, usd).expect("in range"),
        role: Role::Authorization,
        word: Word::Pending,
        expires_after: Some(Seconds(0)),
        facts: None,
    });
    let held = |ledger: &Ledger| ledger.account(&program("default"), &user).expect("opened").balances[0].held_minor;
    ledger.apply(Timestamp(2), &report);
    let digest = ledger.digest();
    ledger.apply(Timestamp(2), &report);
    assert_eq!((held(&ledger), ledger.digest()), (1, digest));
    ledger.apply(Timestamp(3), &report);
    assert_eq!((held(&ledger), ledger.check()), (0, vec![]));
}

#[test]
fn a_clearing_after_the_expiry_is_late_and_paid() {
    check(
        "
        open       A  100.00
        authorize  j1 A  60.00 tx=x1 expires=100             -> approved
        report     authorization pending A 60.00 jit=j1 tx=x1  -> noted  held 60.00
        wait       200
        report     clearing completed A 60.00 of=j1 tx=c1    -> late  held 0.00  posted 40.00  lates 1
        report     clearing completed A 60.00 of=j1 tx=c1    -> repeated  posted 40.00  lates 1
        increment  j2 A 10.00 of=j1                          -> declined Voided
    ",
    );
}

#[test]
fn the_last_promise_of_a_chain_decides_when_it_expires() {
    check(
        "
        open       A  100.00
        authorize  j1 A  60.00 expires=100          -> approved
        wait       50
        increment  j2 A  10.00 of=j1 expires=100    -> approved  held 70.00
        wait       60
        credit     k1 A  1.00                       -> ok  held 70.00
        wait       41
        credit     k2 A  1.00                       -> ok  held 0.00  available 102.00
    ",
    );
}

#[test]
fn a_sweep_finds_what_nobody_touches() {
    let mut world = check(
        "
        open       A  100.00
        open       B  100.00
        authorize  j1 A  60.00 expires=100   -> approved
        authorize  j2 B  60.00 expires=300   -> approved
        wait       200
    ",
    );
    let mut from = 0;
    let mut expired = 0;
    for _ in 0..256 {
        let output = world.ledger.apply(Timestamp(0), &Command::Sweep(Sweep { from, parts: 256 }));
        let Output::Swept { expired: now, next } = output else { panic!("not swept: {output:?}") };
        expired += now;
        from = next;
    }
    assert_eq!((expired, from), (0, 0), "the clock of the books has not moved");
    world.run("credit k A 0.01 -> ok  held 0.00");
    for _ in 0..256 {
        let output = world.ledger.apply(Timestamp(400_000_000), &Command::Sweep(Sweep { from, parts: 256 }));
        let Output::Swept { expired: now, next } = output else { panic!("not swept: {output:?}") };
        expired += now;
        from = next;
    }
    assert_eq!((expired, from, world.ledger.holds_count(), world.ledger.troubled().expired), (1, 0, 0, 2));
    assert_eq!(world.ledger.check(), []);
}

#[test]
fn a_sweep_is_bounded() {
    let mut world = check("open A 1000.00");
    for number in 0..300 {
        world.run(&format!("authorize j{number} A 1.00 expires=1 -> approved"));
        if number == 0 {
            assert_eq!(world.ledger.holds_count(), 1);
        }
    }
    let mut next = 0;
    let mut steps = Vec::new();
    while steps.is_empty() || next != 0 {
        let sweep = Command::Sweep(Sweep { from: next, parts: u16::MAX });
        let output = world.ledger.apply(Timestamp(10_000_000), &sweep);
        let Output::Swept { expired, next: then } = output else { panic!("not swept: {output:?}") };
        next = then;
        steps.push(expired);
    }
    assert_eq!(steps.iter().filter(|expired| **expired > 0).copied().collect::<Vec<_>>(), [256, 44]);
    assert_eq!(world.ledger.check(), []);
    world.run("credit k A 1.00 -> ok  held 0.00  available 1001.00");
}

#[test]
fn holds_that_nobody_has_confirmed_are_listed() {
    let mut world = check(
        "
        open       A  100.00
        authorize  j1 A  10.00 tx=x1   -> approved
        authorize  j2 A  10.00 tx=x2   -> approved
        report     authorization pending A 10.00 jit=j2 tx=x2  -> noted
        increment  j3 A  10.00 of=j2   -> approved
        increment  j5 A  10.00 of=j4   -> approved
        wait       600
        authorize  j6 A  10.00         -> approved
        wait       300
        credit     k A 1.00            -> ok
    ",
    );
    let tokens = |older_than| -> Vec<String> {
        let holds = world.ledger.unconfirmed_holds(&program("default"), Seconds(older_than), world.ledger.now(), 0, 10);
        holds.iter().map(|(_, hold)| hold.token.as_str().to_string()).collect()
    };
    assert_eq!(tokens(0), ["j1", "j4", "j6"]);
    assert_eq!(tokens(301), ["j1", "j4"]);
    assert!(tokens(901).is_empty());
    let count = |older_than| -> u64 {
        let at = world.ledger.now();
        (0..=u16::MAX).map(|part| world.ledger.count_unconfirmed(part, Seconds(older_than), at)).sum()
    };
    assert_eq!((count(0), count(301), count(901)), (3, 2, 0));
    world.run("authorize j7 A 0.01 -> approved");
}

/// Seven days, 31 for a hotel, a day longer than the processor's; the report of a hold that nobody asked for has its
/// own.
#[test]
fn a_hold_stands_as_long_as_its_facts_say() {
    check(
        "
        open       A  1000.00
        authorize  j1 A  10.00 mcc=5411                       -> approved
        authorize  j2 A  20.00 mcc=7011                       -> approved
        authorize  j3 A  40.00                                -> approved
        report     authorization pending A 80.00 tx=x4 mcc=5411  -> applied  held 150.00
        wait       691199
        verify     q1 A  0.00                                 -> approved  held 150.00
        wait       1
        verify     q2 A  0.00                                 -> approved  held 60.00  holds 2
        wait       2073600
        verify     q3 A  0.00                                 -> approved  held 40.00  holds 1
    ",
    );
}
