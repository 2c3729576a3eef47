//! Operators: accounts are opened, credited, frozen, closed, listed and summed.

use crate::language::{check, program, usd, user};
use holdfast_ledger::*;

#[test]
fn an_account_is_opened_once_per_currency() {
    check(
        "
        open   A  100.00      -> opened 1  posted 100.00
        open   A   50.00      -> opened 0  posted 100.00
        open   A      70 JPY  -> opened 1  posted 70
        freeze A
        open   A   1.000 KWD  -> opened 1  posted 1.000
        open   B    0.00
        close  B
        open   B    5.00 EUR  -> opened 0  posted none
    ",
    );
}

#[test]
fn openings_are_refused_as_a_whole() {
    let opening =
        |number: usize, credit_minor| Opening { user: user(&format!("u{number}")), currency: usd(), credit_minor };
    let open = |openings| Command::Open(Open { program: program("default"), openings });
    let mut ledger = Ledger::new();
    for (openings, output) in [
        ((0..257).map(|number| opening(number, 1)).collect(), Output::Refused(Refusal::TooMany)),
        (vec![opening(1, 1), opening(2, Amount::MINOR_MAX + 1)], Output::Refused(Refusal::AmountOutOfRange)),
        (vec![opening(1, 1), opening(2, u64::MAX)], Output::Refused(Refusal::AmountOutOfRange)),
        (vec![], Output::Opened { opened: 0, existed: 0 }),
    ] {
        assert_eq!(ledger.apply(Timestamp(1), &open(openings)), output);
        assert_eq!(ledger.accounts_count(), 0);
    }
    let full: Vec<Opening> = (0..256).map(|number| opening(number, Amount::MINOR_MAX)).collect();
    assert_eq!(ledger.apply(Timestamp(1), &open(full)), Output::Opened { opened: 256, existed: 0 });
    let twice = vec![opening(255, 7), opening(256, 7), opening(256, 9)];
    assert_eq!(ledger.apply(Timestamp(1), &open(twice)), Output::Opened { opened: 1, existed: 2 });
    assert_eq!(ledger.account(&program("default"), &user("u256")).map(|view| view.balances[0].posted_minor), Some(7));
    assert_eq!(ledger.check(), []);
}

#[test]
fn a_movement_happens_once_for_its_key() {
    check(
        "
        open    A  100.00
        open    B  100.00
        credit  k1 A  10.00   -> ok  posted 110.00
        credit  k1 A  10.00   -> ok  replayed  posted 110.00
        credit  k1 A  10.01   -> refused KeyConflict  posted 110.00
        debit   k1 A  10.00   -> refused KeyConflict
        credit  k1 B  10.00   -> refused KeyConflict  posted 100.00
        authorize k1 A 10.00  -> approved  held 10.00
        debit   k2 A 100.01   -> refused InsufficientFunds
        debit   k2 A 100.00   -> ok  posted 10.00  available 0.00
        debit   k2 A 100.00   -> ok  replayed  posted 10.00
    ",
    );
}

#[test]
fn movements_are_refused_in_their_order() {
    check(
        "
        credit  k1 A  0.00      -> refused AccountUnknown
        open    A  10.00
        credit  k1 A  0.00 EUR  -> refused CurrencyNotHeld
        credit  k1 A  0.00      -> refused AmountOutOfRange
        freeze  A
        credit  k1 A  5.00      -> ok  posted 15.00
        debit   k2 A  15.00     -> ok  posted 0.00
        close   A
        credit  k3 A  0.00      -> refused AccountClosed
        credit  k3 A  0.00 EUR  -> refused CurrencyNotHeld
        credit  k1 A  5.00      -> ok  replayed
    ",
    );
}

#[test]
fn closed_is_final_and_needs_an_empty_account() {
    check(
        "
        freeze    A            -> refused AccountUnknown
        open      A  10.00
        unfreeze  A            -> ok  replayed
        freeze    A            -> ok
        freeze    A            -> ok  replayed
        close     A            -> refused NotEmpty
        debit     k1 A 10.00
        force     t1 A  1.00 by=1  -> done  held 1.00
        close     A            -> refused NotEmpty
        open      B   0.00
        authorize t2 B  0.00   -> approved
        close     B            -> ok
        close     B            -> ok  replayed
        freeze    B            -> refused AccountClosed
        unfreeze  B            -> refused AccountClosed
    ",
    );
}

#[test]
fn accounts_are_listed_in_pages_and_summed() {
    let world = check(
        "
        open  demo-1    1.00
        open  demo-10   2.00
        open  demo-2    4.00
        open  demo-2     300 JPY
        open  other     8.00
        open  demo-3   16.00 in=red
        authorize t demo-2 1.00 -> approved
    ",
    );
    let default = program("default");
    let page = |prefix, after: Option<&str>, limit| -> Vec<String> {
        let accounts = world.ledger.accounts_from(&default, prefix, after.map(user), limit);
        accounts.iter().map(|account| account.user.as_str().to_string()).collect()
    };
    assert_eq!(page("", None, 10), ["demo-1", "demo-10", "demo-2", "other"]);
    assert_eq!(page("demo-", None, 2), ["demo-1", "demo-10"]);
    assert_eq!(page("demo-", Some("demo-10"), 2), ["demo-2"]);
    assert_eq!(page("demo-1", None, 10), ["demo-1", "demo-10"]);
    assert!(page("demo-", Some("demo-2"), 2).is_empty());
    assert!(page("", None, 0).is_empty());

    let books = world.ledger.totals(&default, "demo-");
    assert_eq!((books.accounts, books.holds), (3, 1));
    let shown: Vec<_> =
        books.totals.iter().map(|total| format_minor(total.available_minor(), total.currency)).collect();
    assert_eq!(shown, ["300", "6.00"]);
    assert_eq!(world.ledger.totals(&default, "nobody"), Books::default());
}
