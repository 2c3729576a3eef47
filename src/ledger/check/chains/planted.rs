//! Planted corruption of chains: each kind must be caught, by the audit and by the restore.

use super::super::Violation;
use super::owner;
use crate::books::Ledger;
use crate::chain::Chain;
use crate::chain::name::{Name, Named, To};
use crate::parts::Keyed;
use crate::token::{Standing, TokenRecord};
use crate::*;
use alloc::vec;

/// A chain of an authorization, a reversal and a clearing, with a hold of 20 left, and one that was overshot.
fn books() -> Ledger {
    let program = Program::new("default").expect("an id");
    let user = UserToken::new("A").expect("an id");
    let usd = Currency::from_code("USD").expect("listed");
    let token = |text| Token::new(text).expect("an id");
    let amount = |minor| Amount::new(minor, usd).expect("in range");
    let request = |name| Authorize {
        program,
        attempt: Attempt { node: 1, incarnation: 1, counter: 1 },
        token: token(name),
        fingerprint: Fingerprint([1; 16]),
        kind: RequestKind::Authorization,
        user,
        amount: amount(60),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: Some(Seconds(60)),
        facts: None,
    };
    let event = |original, name, minor, role| Event {
        program,
        names: Names { original: Some(token(original)), transaction: Some(token(name)), ..Names::default() },
        user,
        amount: amount(minor),
        role,
        word: Word::Completed,
        expires_after: None,
        facts: None,
    };
    let mut ledger = Ledger::new();
    for command in [
        Command::Open(Open { program, openings: vec![Opening { user, currency: usd, credit_minor: 1_000 }] }),
        Command::Authorize(request("t1")),
        Command::Authorize(request("t2")),
        Command::Event(event("t1", "x1", 10, Role::Reversal)),
        Command::Event(event("t1", "x2", 30, Role::Clearing(Clearing::default()))),
        Command::Event(event("t2", "x3", 70, Role::Clearing(Clearing::default()))),
    ] {
        ledger.apply(Timestamp(1), &command);
    }
    assert_eq!(ledger.check(), []);
    assert_eq!((ledger.chains_count(), ledger.holds_count(), ledger.troubled().overshoots), (2, 1, 1));
    ledger
}

fn chain(ledger: &mut Ledger) -> &mut Chain {
    let key = ledger.chains.iter().find(|chain| chain.hold.is_some()).expect("one").clone();
    ledger.chains.get_mut(key.key()).expect("one")
}

fn restored(ledger: &Ledger) -> Result<Ledger, Malformed> {
    let mut restore = Restore::new();
    ledger.records().try_for_each(|record| restore.add(&record))?;
    restore.finish()
}

fn unsound(violation: &Violation) -> bool {
    matches!(violation, Violation::ChainUnsound { .. })
}

#[test]
fn each_corruption_is_caught() {
    type Plant = fn(&mut Ledger);
    let plants: [(&str, Plant); 10] = [
        ("a fact forgotten", |ledger| _ = chain(ledger).links.pop()),
        ("a fact changed", |ledger| chain(ledger).links[1].minor += 1),
        ("a word lost", |ledger| chain(ledger).links[2].word = None),
        ("a yes lost", |ledger| chain(ledger).links[0].approved = false),
        ("a hold not known", |ledger| chain(ledger).hold = None),
        ("a hold of somebody else", |ledger| chain(ledger).hold = Some(2)),
        ("a shared name", |ledger| chain(ledger).links[2].names = chain(ledger).links[1].names.clone()),
        ("a number not given yet", |ledger| ledger.scalars.last_chain = 0),
        ("a name that leads elsewhere", |ledger| {
            let owner = owner(chain(ledger));
            let key = owner.key_of(Named::transaction(Token::new("x1").expect("an id")));
            let name = ledger.names.get_mut(Name::lookup(&owner.program, key.as_bytes())).expect("known");
            name.to = To::Chain(99);
        }),
        ("a token that forgets its chain", |ledger| {
            let program = Program::new("default").expect("an id");
            let token = Token::new("t1").expect("an id");
            let record = ledger.tokens.get_mut(TokenRecord::key_of(&program, &token)).expect("remembered");
            record.standing = Standing::Approved;
        }),
    ];
    for (name, plant) in plants {
        let mut ledger = books();
        plant(&mut ledger);
        let violations = ledger.check();
        assert!(violations.iter().any(unsound), "{name}: {violations:?}");
        assert!(restored(&ledger).is_err(), "{name}: restored");
    }
}

#[test]
fn a_lost_count_is_caught() {
    let mut ledger = books();
    ledger.scalars.tallies.overshoots = 0;
    let violations = ledger.check();
    assert!(matches!(violations[..], [Violation::CountDiffers { of: "overshoots", kept: 0, found: 1 }]));
    assert!(restored(&ledger).is_err());
}

#[test]
fn what_a_restore_gives_expires_as_before() {
    let mut ledger = books();
    let mut again = restored(&ledger).expect("restored");
    for ledger in [&mut ledger, &mut again] {
        let mut expired = 0;
        for step in 0..256u16 {
            let sweep = Command::Sweep(Sweep { from: step * 256, parts: 256 });
            let Output::Swept { expired: now, .. } = ledger.apply(Timestamp(61_000_000), &sweep) else { continue };
            expired += now;
        }
        assert_eq!((expired, ledger.holds_count()), (1, 0));
        assert_eq!(ledger.check(), []);
    }
    assert_eq!(ledger.digest(), again.digest());
}
