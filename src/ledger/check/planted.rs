//! Planted corruption: each kind must be caught, by the audit and, where sums can tell, by the restore.

use super::Violation;
use crate::books::Ledger;
use crate::parts::Keyed;
use crate::token::{Standing, TokenRecord};
use crate::*;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// One account with two holds, one of them in conflict.
fn books() -> Ledger {
    let program = Program::new("default").expect("an id");
    let user = UserToken::new("A").expect("an id");
    let usd = Currency::from_code("USD").expect("listed");
    let request = |token, counter| Authorize {
        program,
        attempt: Attempt { node: 1, incarnation: 1, counter },
        token: Token::new(token).expect("an id"),
        fingerprint: Fingerprint([1; 16]),
        kind: RequestKind::Authorization,
        user,
        amount: Amount::new(60, usd).expect("in range"),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    };
    let mut ledger = Ledger::new();
    for command in [
        Command::Open(Open { program, openings: vec![Opening { user, currency: usd, credit_minor: 100 }] }),
        Command::Authorize(request("t1", 1)),
        Command::Authorize(request("t2", 1)),
        Command::Force(request("t2", 2)),
    ] {
        ledger.apply(Timestamp(1), &command);
    }
    assert_eq!(ledger.check(), []);
    assert_eq!((ledger.holds_count(), ledger.conflicts_count()), (2, 1));
    ledger
}

fn account(ledger: &mut Ledger) -> &mut crate::account::Account {
    let key = ledger.accounts.iter().next().expect("one").clone();
    ledger.accounts.get_mut(key.key()).expect("one")
}

fn token<'a>(ledger: &'a mut Ledger, name: &str) -> &'a mut TokenRecord {
    let program = Program::new("default").expect("an id");
    let token = Token::new(name).expect("an id");
    ledger.tokens.get_mut(TokenRecord::key_of(&program, &token)).expect("remembered")
}

fn letter(bytes: usize) -> Letter {
    let name = Token::new("letter").expect("an id");
    let program = Program::new("default").expect("an id");
    let (why, kept, bytes) = (Why::Malformed, Kept::Whole, vec![b' '; bytes]);
    let letter = DeadLetter { program, id: name, kind: name, why, detail: String::new(), kept, bytes };
    Letter { letter, at: Timestamp(1) }
}

fn restored(ledger: &Ledger) -> Result<Ledger, Malformed> {
    let mut restore = Restore::new();
    ledger.records().try_for_each(|record| restore.add(&record))?;
    restore.finish()
}

#[test]
fn each_corruption_is_caught() {
    type Plant = fn(&mut Ledger);
    type Caught = fn(&Violation) -> bool;
    let plants: Vec<(&str, Plant, Caught)> = vec![
        (
            "money out of nowhere",
            |ledger| account(ledger).purses[0].available_minor += 1,
            |violation| matches!(violation, Violation::TotalDiffers { total: "available", .. }),
        ),
        (
            "held without a hold",
            |ledger| account(ledger).purses[0].held_minor += 1,
            |violation| matches!(violation, Violation::HeldDiffers { .. }),
        ),
        (
            "negative held",
            |ledger| account(ledger).purses[0].held_minor = -1,
            |violation| matches!(violation, Violation::OutOfRange { .. }),
        ),
        (
            "funding lost",
            |ledger| ledger.scalars.totals.0[0].funding += 1,
            |violation| matches!(violation, Violation::Unbalanced { sum: 1, .. }),
        ),
        (
            "hold struck out",
            |ledger| _ = account(ledger).holds.pop(),
            |violation| matches!(violation, Violation::CountDiffers { of: "holds", .. }),
        ),
        (
            "holds out of order",
            |ledger| account(ledger).holds.reverse(),
            |violation| matches!(violation, Violation::Disordered { .. }),
        ),
        (
            "hold number not given yet",
            |ledger| ledger.scalars.last_hold = 1,
            |violation| matches!(violation, Violation::Disordered { .. }),
        ),
        (
            "token forgets its hold",
            |ledger| token(ledger, "t1").standing = Standing::Closed,
            |violation| matches!(violation, Violation::CountDiffers { of: "held tokens", .. }),
        ),
        (
            "conflict not counted",
            |ledger| ledger.scalars.conflicts = 0,
            |violation| matches!(violation, Violation::CountDiffers { of: "conflicts", .. }),
        ),
        (
            "letter larger than one may be",
            |ledger| _ = ledger.letters.insert(letter(DeadLetter::BYTES_MAX + 1)),
            |violation| matches!(violation, Violation::CountDiffers { of: "dead letters", kept: 1, found: 0 }),
        ),
    ];
    for (name, plant, caught) in plants {
        let mut ledger = books();
        plant(&mut ledger);
        let violations = ledger.check();
        assert!(violations.iter().any(caught), "{name}: {violations:?}");
        assert!(violations.iter().all(|violation| !violation.to_string().is_empty()), "{name}");
        assert!(restored(&ledger).is_err(), "{name}: restored");
    }
}

#[test]
fn crossed_tokens_are_caught_by_the_audit() {
    let mut ledger = books();
    token(&mut ledger, "t1").standing = Standing::Held { hold: 2 };
    token(&mut ledger, "t2").standing = Standing::Held { hold: 1 };
    let violations = ledger.check();
    let holds = violations.iter().filter(|violation| matches!(violation, Violation::HoldWithoutToken { .. }));
    let tokens = violations.iter().filter(|violation| matches!(violation, Violation::TokenWithoutHold { .. }));
    assert_eq!((holds.count(), tokens.count()), (2, 2), "{violations:?}");
    assert!(matches!(restored(&ledger), Err(Malformed::Unsound(Violation::TokenWithoutHold { .. }))));
}

#[test]
fn records_that_are_missing_twice_there_or_early_are_refused() {
    let records: Vec<Vec<u8>> = books().records().collect();
    let add = |order: &[usize]| {
        let mut restore = Restore::new();
        order.iter().try_for_each(|at| restore.add(&records[*at]))?;
        restore.finish()
    };
    let all: Vec<usize> = (0..records.len()).collect();
    assert_eq!(all.len(), 6, "head, account, two holds, two tokens");
    assert!(add(&all).is_ok());
    for at in &all {
        let without: Vec<usize> = all.iter().filter(|other| *other != at).copied().collect();
        assert!(add(&without).is_err(), "without {at}");
        let twice: Vec<usize> = all.iter().chain([at]).copied().collect();
        assert!(matches!(add(&twice), Err(Malformed::Misplaced(_))), "twice {at}");
    }
    assert!(matches!(add(&[0, 2, 1]), Err(Malformed::Misplaced(_))), "a hold before its account");
    assert!(matches!(add(&[]), Err(Malformed::Misplaced(_))), "nothing at all");
}
