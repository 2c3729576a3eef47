//! Retention: what is over goes, and nothing else.

use super::shop::*;
use holdfast_ledger::*;

const REMEMBERED: u64 = 60 * DAY;

fn remembering() -> Shop {
    let mut shop = Shop::new();
    let settings = Settings { remember_days: 60, ..Settings::DEFAULT };
    shop.set_document(Document { settings, ..Document::default() });
    shop
}

/// Whole walks; how many records are gone. A name may lead nowhere only after its part was walked, so it takes two of
/// them; a third one finds nothing.
fn forget_all(shop: &mut Shop) -> u32 {
    let mut walk = || {
        let (mut from, mut gone) = (0, 0);
        loop {
            let Output::Forgotten { forgotten, next } =
                shop.ledger.apply(Timestamp(shop.now), &Command::Forget(Forget { from, parts: 256 }))
            else {
                panic!("another output");
            };
            gone += forgotten;
            from = next;
            if from == 0 {
                return gone;
            }
        }
    };
    let gone = walk() + walk();
    assert_eq!(walk(), 0);
    assert_eq!(shop.ledger.check(), []);
    gone
}

fn counts(shop: &Shop) -> (u64, u64, u64, u64) {
    let books = &shop.ledger;
    (books.tokens_count(), books.chains_count(), books.names_count(), books.movements_count())
}

#[test]
fn what_is_over_goes_whole_and_what_stands_stays() {
    let mut shop = remembering();
    // Cleared, declined, voided; and one that still holds.
    let cleared = shop.request(usd(500));
    shop.decide(&cleared);
    let last = Clearing { last: true, ..Clearing::default() };
    shop.event(&cleared, 500, Role::Clearing(last), Word::Completed);
    assert_eq!(shop.ask(1_000_000_000), declined(DeclineReason::InsufficientFunds));
    let voided = shop.request(usd(5));
    shop.decide(&voided);
    shop.void(&voided);
    let held = shop.request(usd(7));
    shop.decide(&held);
    let refund = Authorize { kind: RequestKind::CreditAuthorization, ..shop.request(usd(9)) };
    shop.decide(&refund);
    let (key, direction) = (token("k"), MoveDirection::Credit);
    shop.apply(Command::Move(Move { program: program(), key, user: user(), direction, amount: usd(1) }));
    let before = shop.ledger.account(&program(), &user());
    let all = counts(&shop);

    shop.now += REMEMBERED - DAY;
    assert_eq!((forget_all(&mut shop), counts(&shop)), (0, all));
    shop.now += 2 * DAY;
    assert!(forget_all(&mut shop) > 0);
    // The hold and the announced credit are there with their names; nothing else is.
    assert_eq!(counts(&shop), (2, 1, 3, 0));
    assert_eq!(shop.ledger.account(&program(), &user()), before);
    for (request, known) in [(&cleared, false), (&voided, false), (&held, true), (&refund, true)] {
        assert_eq!(shop.ledger.token(&program(), &request.token).is_some(), known, "{request:?}");
    }
    // What still stands goes on as if nothing had happened.
    shop.event(&held, 7, Role::Clearing(last), Word::Completed);
    shop.event(&refund, 9, Role::Credit, Word::Completed);
    shop.now += REMEMBERED + DAY;
    forget_all(&mut shop);
    assert_eq!(counts(&shop), (0, 0, 0, 0));
    assert_eq!(shop.ledger.troubled(), Troubled::default());
}

#[test]
fn nobody_forgets_unless_the_programme_says_so() {
    let mut shop = Shop::new();
    assert_eq!(shop.ask(1_000_000_000), declined(DeclineReason::InsufficientFunds));
    shop.now += 4_000 * DAY;
    assert!(!shop.ledger.has_old(0, u16::MAX, Timestamp(shop.now)));
    assert_eq!(forget_all(&mut shop), 0);
    let short = Settings { remember_days: 59, ..Settings::DEFAULT };
    assert!(Document { settings: short, ..Document::default() }.check().is_err());
}

/// However much is over, one command is bounded, and the next goes on.
#[test]
fn a_command_forgets_a_bounded_number() {
    let mut shop = remembering();
    for number in 0..600 {
        let request = shop.request(usd(1_000_000_000 + number));
        shop.ledger.apply(Timestamp(shop.now), &Command::Authorize(request));
    }
    shop.now += REMEMBERED + DAY;
    let (mut from, mut most) = (0, 0);
    while shop.ledger.tokens_count() > 0 {
        let forget = Command::Forget(Forget { from, parts: 256 });
        let output = shop.ledger.apply(Timestamp(shop.now), &forget);
        let Output::Forgotten { forgotten, next } = output else { panic!("{output:?}") };
        (from, most) = (next, most.max(forgotten));
    }
    assert!(most <= Forget::RECORDS_MAX);
}

/// Conflicts that nobody settled are counted no longer when they are forgotten.
#[test]
fn what_is_counted_along_stays_right() {
    let mut shop = remembering();
    let request = shop.request(usd(5));
    let unknown = Authorize { user: UserToken::new("nobody").expect("an id"), ..request };
    assert_eq!(shop.apply(Command::Force(unknown)), Output::Settled(Settled::Impossible));
    assert_eq!(shop.ledger.impossible_count(), 1);
    shop.now += REMEMBERED + DAY;
    forget_all(&mut shop);
    assert_eq!(shop.ledger.impossible_count(), 0);
}

#[test]
fn bytes() {
    let mut bytes = Vec::new();
    encode_command(&Command::Forget(Forget { from: 8, parts: 256 }), &mut bytes);
    assert_eq!(bytes, [1, 20, 8, 0xfb, 0, 1]);
    assert_eq!(decode_command(&bytes), Ok(Command::Forget(Forget { from: 8, parts: 256 })));
    bytes.clear();
    encode_output(&Output::Forgotten { forgotten: 3, next: 16 }, &mut bytes);
    assert_eq!(bytes, [1, 13, 3, 16]);
    assert_eq!(decode_output(&bytes), Ok(Output::Forgotten { forgotten: 3, next: 16 }));
}
