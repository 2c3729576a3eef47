//! The bytes of format 1, for ever: whatever is on a disk must still open. Never edit a line; add new ones.

use holdfast_ledger::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn program() -> Program {
    Program::new("default").expect("an id")
}

fn user() -> UserToken {
    UserToken::new("demo-1").expect("an id")
}

fn token(text: &str) -> Token {
    Token::new(text).expect("an id")
}

fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("listed")
}

fn authorize(kind: RequestKind) -> Authorize {
    Authorize {
        program: program(),
        attempt: Attempt { node: 3, incarnation: 300, counter: 70_000 },
        token: token("t1"),
        fingerprint: Fingerprint(*b"0123456789abcdef"),
        kind,
        user: user(),
        amount: Amount::new(1_234, currency("USD")).expect("in range"),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }
}

fn account_view() -> AccountView {
    let balances = vec![Balance { currency: currency("JPY"), posted_minor: -500, held_minor: 7 }];
    AccountView { user: user(), status: AccountStatus::Frozen, balances, holds: 1 }
}

fn movement() -> Move {
    let amount = Amount::new(Amount::MINOR_MAX, currency("KWD")).expect("in range");
    Move { program: program(), key: token("k1"), user: user(), direction: MoveDirection::Debit, amount }
}

fn open() -> Open {
    let credit_minor = 100_000;
    Open { program: program(), openings: vec![Opening { user: user(), currency: currency("USD"), credit_minor }] }
}

fn void() -> Void {
    let Authorize { program, attempt, token, fingerprint, .. } = authorize(RequestKind::Authorization);
    Void { program, attempt, token, fingerprint }
}

#[test]
fn commands() {
    let related = Authorize { transaction: Some(token("tx")), ..authorize(RequestKind::Notice) };
    let status = |status| Command::SetStatus(SetStatus { program: program(), user: user(), status });
    for (command, golden) in [
        (
            Command::Authorize(authorize(RequestKind::Authorization)),
            "01010764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566010664656d6f2d31fbd204fb480300",
        ),
        (
            Command::Authorize(authorize(RequestKind::Verification)),
            "01010764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566020664656d6f2d31fbd204fb480300",
        ),
        (
            Command::Authorize(authorize(RequestKind::BalanceInquiry)),
            "01010764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566030664656d6f2d31fbd204fb480300",
        ),
        (
            Command::Authorize(related),
            "01010764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566040664656d6f2d31fbd204fb480301027478",
        ),
        (
            Command::Force(authorize(RequestKind::Authorization)),
            "01020764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566010664656d6f2d31fbd204fb480300",
        ),
        (Command::Void(void()), "01030764656661756c7403fb2c01fc7011010002743130313233343536373839616263646566"),
        (Command::Open(open()), "01040764656661756c74010664656d6f2d31fb4803fca0860100"),
        (Command::Move(movement()), "01050764656661756c74026b310664656d6f2d3102fd0080c6a47e8d0300fb9e01"),
        (
            Command::Move(Move { direction: MoveDirection::Credit, ..movement() }),
            "01050764656661756c74026b310664656d6f2d3101fd0080c6a47e8d0300fb9e01",
        ),
        (status(AccountStatus::Active), "01060764656661756c740664656d6f2d3101"),
        (status(AccountStatus::Frozen), "01060764656661756c740664656d6f2d3102"),
        (status(AccountStatus::Closed), "01060764656661756c740664656d6f2d3103"),
    ] {
        let mut bytes = Vec::new();
        encode_command(&command, &mut bytes);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_command(&bytes), Ok(command));
    }
}

fn check_output(output: Output, golden: &str) {
    let mut bytes = Vec::new();
    encode_output(&output, &mut bytes);
    assert_eq!(hex(&bytes), golden);
    assert_eq!(decode_output(&bytes), Ok(output));
}

#[test]
fn outputs() {
    let inquired = Decision {
        verdict: Verdict::Approved,
        replayed: true,
        partial_minor: None,
        balances: account_view().balances,
        change: None,
    };
    check_output(Output::Decision(inquired.clone()), "0101000101fb8801fbe7030e");
    let before = account_view().balances[0];
    let change = Change { before, after: Balance { held_minor: before.held_minor + 500, ..before } };
    let approved = Decision { replayed: false, balances: vec![], change: Some(change), ..inquired };
    check_output(Output::Decision(approved.clone()), "010e00000000fb8801fbe7030efbe703fbf603");
    check_output(
        Output::Decision(Decision { partial_minor: Some(500), ..approved }),
        "010e00000001fbf401fb8801fbe7030efbe703fbf603",
    );
    check_output(Output::Opened { opened: 256, existed: 1 }, "0103fb000101");
    check_output(
        Output::Account { account: account_view(), replayed: true },
        "01040664656d6f2d310201fb8801fbe7030e0101",
    );
    for (settled, golden) in [
        (Settled::Done, "010201"),
        (Settled::Nothing, "010202"),
        (Settled::Conflict, "010203"),
        (Settled::Impossible, "010204"),
    ] {
        check_output(Output::Settled(settled), golden);
    }
    for (refusal, golden) in [
        (Refusal::AccountUnknown, "010501"),
        (Refusal::CurrencyNotHeld, "010502"),
        (Refusal::AccountClosed, "010503"),
        (Refusal::KeyConflict, "010504"),
        (Refusal::AmountOutOfRange, "010505"),
        (Refusal::InsufficientFunds, "010506"),
        (Refusal::NotEmpty, "010507"),
        (Refusal::TooMany, "010508"),
    ] {
        check_output(Output::Refused(refusal), golden);
    }
}

#[test]
fn decisions() {
    for (verdict, golden) in [
        (Verdict::Approved, "0101000000"),
        (Verdict::Declined(DeclineReason::FingerprintMismatch), "0101010000"),
        (Verdict::Declined(DeclineReason::AccountUnknown), "0101020000"),
        (Verdict::Declined(DeclineReason::CurrencyNotHeld), "0101030000"),
        (Verdict::Declined(DeclineReason::AccountClosed), "0101040000"),
        (Verdict::Declined(DeclineReason::AccountFrozen), "0101050000"),
        (Verdict::Declined(DeclineReason::AmountOutOfRange), "0101060000"),
        (Verdict::Declined(DeclineReason::InsufficientFunds), "0101070000"),
        (Verdict::Declined(DeclineReason::Voided), "0101080000"),
    ] {
        check_output(
            Output::Decision(Decision {
                verdict,
                replayed: false,
                partial_minor: None,
                balances: Vec::new(),
                change: None,
            }),
            golden,
        );
    }
}

#[test]
fn records_and_their_digest() {
    let mut ledger = Ledger::new();
    let credit = Amount::new(5, currency("USD")).expect("in range");
    let late = |counter| Attempt { node: 1, incarnation: 2, counter };
    let named = |name, request: Authorize| Authorize { token: token(name), ..request };
    for command in [
        Command::Open(open()),
        Command::Move(Move { direction: MoveDirection::Credit, amount: credit, ..movement() }),
        Command::Authorize(authorize(RequestKind::Authorization)),
        Command::Void(Void { attempt: late(1), ..void() }),
        Command::Force(Authorize { attempt: late(2), ..authorize(RequestKind::Authorization) }),
        Command::Authorize(named("t2", authorize(RequestKind::BalanceInquiry))),
        Command::Void(Void { token: token("t3"), ..void() }),
        Command::Force(Authorize {
            user: UserToken::new("nobody").expect("an id"),
            ..named("t4", authorize(RequestKind::Authorization))
        }),
    ] {
        ledger.apply(Timestamp(1_700_000_000_000_000), &command);
    }
    let mut records: Vec<String> = ledger.records().map(|record| hex(&record)).collect();
    // The order within a kind is that of the hashes, which no stored byte depends on.
    records.sort();
    assert_eq!(
        records,
        [
            "0101fd00401e18240a06000101fb4803fc490d0300fca6030300fba409010101010401",
            "01020764656661756c740664656d6f2d310101fb4803fca6030300fba409",
            "01030764656661756c740664656d6f2d3101fbd204fb4803fd00401e18240a0600027431",
            "01040764656661756c7402743130313233343536373839616263646566fd00401e18240a0600010664656d6f2d3101fbd204fb480301010003fb2c01fc7011010001000102010201040102020800",
            "01040764656661756c7402743230313233343536373839616263646566fd00401e18240a0600010664656d6f2d3103fbd204fb480302000003fb2c01fc701101000100010001fb4803fc4a0d0300fba409",
            "01040764656661756c7402743330313233343536373839616263646566fd00401e18240a06000004000003fb2c01fc70110100040000",
            "01040764656661756c7402743430313233343536373839616263646566fd00401e18240a060001066e6f626f647901fbd204fb48030300010203fb2c01fc70110100080000",
            "01050764656661756c74026b310664656d6f2d310105fb4803fd00401e18240a0600",
        ]
    );
    assert_eq!(hex(&ledger.digest()), "f98ff025ac209dd08e9495626ec040b7");
    let mut restore = Restore::new();
    for record in ledger.records() {
        assert_eq!(restore.add(&record), Ok(()));
    }
    assert_eq!(restore.finish().map(|ledger| ledger.digest()), Ok(ledger.digest()));
}

#[test]
fn other_versions_and_cut_bytes_are_refused() {
    let mut bytes = Vec::new();
    encode_command(&Command::Open(open()), &mut bytes);
    for length in 1..bytes.len() {
        assert!(matches!(decode_command(&bytes[..length]), Err(Malformed::Content(_))), "{length}");
    }
    assert_eq!(decode_command(&[]), Err(Malformed::Version));
    for version in [0, 2, 255] {
        bytes[0] = version;
        assert_eq!(decode_command(&bytes), Err(Malformed::Version));
    }
}

/// What a length claims is not what is allocated.
#[test]
fn a_claimed_length_is_bounded() {
    let claim = [&[1, 4, 7][..], b"default", &[0xfd], &u64::MAX.to_le_bytes()].concat();
    assert!(matches!(decode_command(&claim), Err(Malformed::Content(_))));
    let output = [&[1, 1, 0, 0, 0xfd][..], &(1u64 << 40).to_le_bytes()].concat();
    assert!(matches!(decode_output(&output), Err(Malformed::Content(_))));
}

/// The most that a batch of 64 KiB can carry must be readable, if only to be refused by the books.
#[test]
fn the_largest_command_of_a_batch_is_read() {
    let opening = Opening { user: UserToken::new("A").expect("an id"), currency: currency("AUD"), credit_minor: 0 };
    let command = Command::Open(Open { program: Program::new("p").expect("an id"), openings: vec![opening; 16_380] });
    let mut bytes = Vec::new();
    encode_command(&command, &mut bytes);
    assert!(bytes.len() > 65_500 && bytes.len() <= 65_536, "{}", bytes.len());
    assert_eq!(decode_command(&bytes), Ok(command.clone()));
    assert_eq!(Ledger::new().apply(Timestamp(1), &command), Output::Refused(Refusal::TooMany));
}
