//! Books from a backup: they say no until somebody has looked through what they lack, and say so in bytes for ever.

use holdfast_ledger::*;

fn program() -> Program {
    Program::new("default").expect("an id")
}

fn user() -> UserToken {
    UserToken::new("alice").expect("an id")
}

fn usd(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("USD").expect("one")).expect("in range")
}

fn restored(meanwhile: Meanwhile) -> Command {
    let (since, taken_at) = (Timestamp(5_000), Timestamp(9_000));
    Command::Restored(Box::new(Restored { since, taken_at, cluster: [0xab; 16], index: 300, meanwhile }))
}

fn reconciled() -> Command {
    let note = |text| Note::new(text).expect("printable");
    Command::Reconciled(Box::new(Reconciled { who: note("ann"), why: note("ticket 4711") }))
}

fn request(token: &str, kind: RequestKind, minor: u64) -> Command {
    Command::Authorize(Authorize {
        program: program(),
        attempt: Attempt { node: 2, incarnation: 7, counter: 1 },
        token: Token::new(token).expect("an id"),
        fingerprint: Fingerprint([minor as u8; 16]),
        kind,
        user: user(),
        amount: usd(minor),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    })
}

/// Alice has 100.00, of which `before` holds 10.00.
fn books() -> Ledger {
    let mut books = Ledger::new();
    let opening = Opening { user: user(), currency: usd(0).currency(), credit_minor: 10_000 };
    books.apply(Timestamp(1), &Command::Open(Open { program: program(), openings: vec![opening] }));
    assert_eq!(verdict(&mut books, "before", RequestKind::Authorization, 1_000), Verdict::Approved);
    books
}

fn verdict(books: &mut Ledger, token: &str, kind: RequestKind, minor: u64) -> Verdict {
    match books.apply(Timestamp(2), &request(token, kind, minor)) {
        Output::Decision(decision) => decision.verdict,
        other => panic!("{other:?}"),
    }
}

fn change(books: &mut Ledger, command: &Command) -> bool {
    match books.apply(Timestamp(3), command) {
        Output::Reconciling { changed } => changed,
        other => panic!("{other:?}"),
    }
}

const NOT_YET: Verdict = Verdict::Declined(DeclineReason::Reconciling);

#[test]
fn until_it_is_looked_through_new_requests_are_declined_and_known_ones_answered_as_before() {
    let mut books = books();
    assert!(change(&mut books, &restored(Meanwhile::Decline)));
    assert!(!change(&mut books, &restored(Meanwhile::Decline)), "it is so already");
    assert_eq!(books.restored().map(|restored| restored.index), Some(300));
    for (number, kind) in [
        RequestKind::Authorization,
        RequestKind::Verification,
        RequestKind::BalanceInquiry,
        RequestKind::Incremental,
        RequestKind::SingleDebit,
        RequestKind::CreditAuthorization,
        RequestKind::FastCredit,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(verdict(&mut books, &format!("new-{number}"), kind, 1), NOT_YET, "{kind:?}");
    }
    assert_eq!(verdict(&mut books, "told", RequestKind::Notice, 1), Verdict::Approved);
    assert_eq!(verdict(&mut books, "before", RequestKind::Authorization, 1_000), Verdict::Approved);
    let Command::Authorize(alone) = request("alone", RequestKind::Authorization, 1) else { unreachable!("a request") };
    assert_eq!(books.foresee(&alone), Err(DeclineReason::Reconciling), "nor may a node approve it alone");

    assert!(change(&mut books, &reconciled()));
    assert!(!change(&mut books, &reconciled()), "it is over already");
    assert_eq!(books.restored(), None);
    assert_eq!(verdict(&mut books, "new-0", RequestKind::Authorization, 1), NOT_YET, "decided is decided");
    assert_eq!(verdict(&mut books, "after", RequestKind::Authorization, 1), Verdict::Approved);
    assert!(books.check().is_empty());
}

#[test]
fn whoever_restores_may_choose_to_decide_meanwhile() {
    let mut books = books();
    change(&mut books, &restored(Meanwhile::Decide));
    assert_eq!(verdict(&mut books, "new", RequestKind::Authorization, 1), Verdict::Approved);
    assert!(books.restored().is_some());
}

#[test]
fn operators_and_reports_go_on_in_the_mode() {
    let mut books = books();
    change(&mut books, &restored(Meanwhile::Decline));
    let movement = Move {
        program: program(),
        key: Token::new("k1").expect("an id"),
        user: user(),
        direction: MoveDirection::Credit,
        amount: usd(500),
    };
    assert!(matches!(books.apply(Timestamp(4), &Command::Move(movement)), Output::Account { .. }));
    let Command::Authorize(forced) = request("forced", RequestKind::Authorization, 5) else {
        unreachable!("a request")
    };
    assert_eq!(books.apply(Timestamp(4), &Command::Force(forced)), Output::Settled(Settled::Done));
    let held = books.account(&program(), &user()).expect("open").balances[0].held_minor;
    assert_eq!(held, 1_005);
}

#[test]
fn snapshots_carry_the_mode_and_without_it_the_books_are_those_of_the_backup() {
    let mut books = books();
    let (before, records) = (books.digest(), books.records_count());
    books.apply(Timestamp(2), &restored(Meanwhile::Decline));
    assert_ne!(books.digest(), before);
    assert_eq!(books.records_count(), records + 1);
    let mut restore = Restore::new();
    let all: Vec<_> = books.records().collect();
    assert_eq!(all.len() as u64, books.records_count());
    all.iter().for_each(|record| restore.add(record).expect("a record"));
    assert!(restore.add(all.last().expect("the mode's")).is_err(), "there is only one");
    let mut back = Restore::new();
    all.iter().for_each(|record| back.add(record).expect("a record"));
    let mut back = back.finish().expect("whole");
    assert_eq!((back.digest(), back.restored()), (books.digest(), books.restored()));
    back.apply(Timestamp(2), &reconciled());
    assert_eq!(back.digest(), before, "at the log time of the backup");
}

#[test]
fn the_highest_incarnation_is_found() {
    assert_eq!(Ledger::new().last_incarnation(), 0);
    let mut books = books();
    assert_eq!(books.last_incarnation(), 7);
    let Command::Authorize(again) = request("before", RequestKind::Authorization, 1_000) else { unreachable!("one") };
    let attempt = Attempt { node: 1, incarnation: 12, counter: 1 };
    books.apply(Timestamp(3), &Command::Authorize(Authorize { attempt, ..again }));
    assert_eq!(books.last_incarnation(), 12, "retries count too");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Never edit a line; add new ones.
#[test]
fn bytes() {
    let cluster = "ab".repeat(16);
    for (command, golden) in [
        (restored(Meanwhile::Decline), format!("0117fb8813fb2823{cluster}fb2c0101")),
        (restored(Meanwhile::Decide), format!("0117fb8813fb2823{cluster}fb2c0102")),
        (reconciled(), "011803616e6e0b7469636b65742034373131".to_owned()),
    ] {
        let mut bytes = Vec::new();
        encode_command(&command, &mut bytes);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_command(&bytes), Ok(command));
    }
    for (output, golden) in [
        (Output::Reconciling { changed: true }, "010f01"),
        (Output::Reconciling { changed: false }, "010f00"),
        (
            Output::Decision(Decision {
                verdict: NOT_YET,
                replayed: false,
                partial_minor: None,
                balances: Vec::new(),
                change: None,
            }),
            "0101120000",
        ),
    ] {
        let mut bytes = Vec::new();
        encode_output(&output, &mut bytes);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_output(&bytes), Ok(output));
    }
    let mut books = Ledger::new();
    books.apply(Timestamp(2), &restored(Meanwhile::Decline));
    assert_eq!(hex(&books.records().last().expect("the mode's")), format!("0113fb8813fb2823{cluster}fb2c0101"));
}
