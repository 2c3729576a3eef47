//! The bytes that came with chains, still format 1, for ever. Never edit a line; add new ones.

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

fn usd() -> Currency {
    Currency::from_code("USD").expect("listed")
}

fn amount(minor: u64) -> Amount {
    Amount::new(minor, usd()).expect("in range")
}

fn authorize(kind: RequestKind) -> Authorize {
    Authorize {
        program: program(),
        attempt: Attempt { node: 3, incarnation: 300, counter: 70_000 },
        token: token("t2"),
        fingerprint: Fingerprint(*b"0123456789abcdef"),
        kind,
        user: user(),
        amount: amount(1_234),
        transaction: Some(token("x2")),
        original: Some(token("t1")),
        preceding: Some(token("x1")),
        expires_after: Some(Seconds(604_800)),
        facts: None,
    }
}

/// All that facts can say.
fn facts() -> Facts {
    Facts {
        mcc: Some(7011),
        merchant: Some(token("m1")),
        country: Country::new("GBR").ok(),
        card: Some(token("c1")),
        product: Some(token("p1")),
        acting: None,
        business: None,
        partial_ok: Fact::Unknown,
        channel: Channel::Ecommerce,
        entry: Entry::OnFile,
        cash: CashKind::Goods,
        card_present: Fact::No,
        cross_border: Fact::Yes,
        network_score: Some(650),
        processor_score: Some(99),
        outside_score: Some(1),
        risk: Risk::High,
        advice: Advice::Review,
        security_code: Check::Match,
        address: Check::Partial,
        three_ds: Check::Mismatch,
        lodging_or_rental: Fact::Yes,
        preauthorization: Fact::No,
        life_days: Some(30),
        stands_until: Some(Timestamp(1_800_000_000_000_000)),
    }
}

fn event(role: Role, word: Word) -> Event {
    let names = Names {
        jit: Some(token("t2")),
        transaction: Some(token("x2")),
        original: Some(token("t1")),
        preceding: Some(token("x1")),
    };
    let expires_after = Some(Seconds(604_800));
    Event { program: program(), names, user: user(), amount: amount(1_234), role, word, expires_after, facts: None }
}

fn check_command(command: Command, golden: &str) {
    let mut bytes = Vec::new();
    encode_command(&command, &mut bytes);
    assert_eq!(hex(&bytes), golden, "{command:?}");
    assert_eq!(decode_command(&bytes), Ok(command));
}

#[test]
fn requests() {
    let asks = "0764656661756c7403fb2c01fc701101000274323031323334353637383961626364656";
    let more = "0664656d6f2d31fbd204fb4803010278320102743101027831";
    for (kind, number) in [
        (RequestKind::Incremental, "605"),
        (RequestKind::SingleDebit, "606"),
        (RequestKind::CreditAuthorization, "607"),
        (RequestKind::FastCredit, "608"),
    ] {
        let tail = format!("{asks}{number}{more}01fc803a0900");
        check_command(Command::Authorize(authorize(kind)), &format!("0107{tail}"));
        check_command(Command::Force(authorize(kind)), &format!("0108{tail}"));
    }
    // What needs nothing new is written as it always was.
    let plain = Authorize {
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
        transaction: None,
        ..authorize(RequestKind::Incremental)
    };
    check_command(
        Command::Authorize(plain),
        "01010764656661756c7403fb2c01fc7011010002743230313233343536373839616263646566050664656d6f2d31fbd204fb480300",
    );
}

#[test]
fn facts_follow_what_has_them() {
    let request = "0764656661756c7403fb2c01fc7011010002743230313233343536373839616263646566060664656d6f2d31fbd204fb4803\
                   01027832010274310102783101fc803a0900";
    let event = "0764656661756c74010274320102783201027431010278310664656d6f2d31fbd204fb480304000401fc803a0900";
    let said =
        "01fb631b01026d31014742520102633101027031020601020101fb8a020163010103020102030102011e01fd0080982817650600";
    let unsaid = "0".repeat(2 * 22);
    for (facts, golden) in [(facts(), said), (Facts::default(), unsaid.as_str())] {
        let single = Authorize { facts: Some(facts), ..authorize(RequestKind::SingleDebit) };
        check_command(Command::Authorize(single.clone()), &format!("010d{request}{golden}"));
        check_command(Command::Force(single), &format!("010e{request}{golden}"));
        let reversal = Event { facts: Some(facts), ..self::event(Role::Reversal, Word::Error) };
        check_command(Command::Event(reversal), &format!("010f{event}{golden}"));
    }
}

#[test]
fn events() {
    let head = "01090764656661756c7401027432010278320102743101027831";
    let money = "0664656d6f2d31fbd204fb4803";
    let part = Some(Part { number: 2, count: 4 });
    for (role, word, golden) in [
        (Role::Authorization, Word::Pending, "010001"),
        (Role::Incremental, Word::Cleared, "020002"),
        (Role::SingleDebit, Word::Declined, "030003"),
        (Role::Reversal, Word::Error, "040004"),
        (Role::FullReversal, Word::Completed, "050005"),
        (Role::Clearing(Clearing { last: true, released_minor: 7, part }), Word::Completed, "0601010701020405"),
        (Role::ForceCapture, Word::Completed, "070005"),
        (Role::CreditAuthorization, Word::Completed, "080005"),
        (Role::FastCredit, Word::Completed, "090005"),
        (Role::Credit, Word::Completed, "0a0005"),
        (Role::CreditReversal, Word::Completed, "0b0005"),
        (Role::AdjustmentCredit, Word::Completed, "0c0005"),
        (Role::AdjustmentDebit, Word::Completed, "0d0005"),
    ] {
        check_command(Command::Event(event(role, word)), &format!("{head}{money}{golden}01fc803a0900"));
    }
    check_command(Command::Sweep(Sweep { from: 512, parts: 256 }), "010afb0002fb0001");
}

#[test]
fn outputs() {
    let check = |output: Output, golden: &str| {
        let mut bytes = Vec::new();
        encode_output(&output, &mut bytes);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_output(&bytes), Ok(output));
    };
    for (effect, number) in [
        (Effect::Applied, "01"),
        (Effect::Noted, "02"),
        (Effect::Repeated, "03"),
        (Effect::Overshoot, "04"),
        (Effect::Unpromised, "05"),
        (Effect::Late, "06"),
        (Effect::Excess, "07"),
        (Effect::Differs, "08"),
        (Effect::AccountUnknown, "10"),
        (Effect::CurrencyNotHeld, "11"),
        (Effect::ChainFull, "12"),
        (Effect::OutOfRange, "13"),
        (Effect::Unnamed, "14"),
    ] {
        let booked = Booked { effect, chain: Some(300), held_minor: 5, posted_minor: -500 };
        check(Output::Booked(booked), &format!("0106{number}01fb2c0105fbe703"));
    }
    check(Output::Swept { expired: 3, next: 256 }, "010703fb0001");
    let verdict = Verdict::Declined(DeclineReason::ChainFull);
    check(
        Output::Decision(Decision {
            verdict,
            replayed: false,
            partial_minor: None,
            balances: Vec::new(),
            change: None,
        }),
        "0101090000",
    );
}

/// Clearings that claim more than an amount can be are refused where they are read.
#[test]
fn a_released_amount_has_the_bound_of_amounts() {
    let clearing = Clearing { last: false, released_minor: Amount::MINOR_MAX + 1, part: None };
    let mut bytes = Vec::new();
    encode_command(&Command::Event(event(Role::Clearing(clearing), Word::Completed)), &mut bytes);
    assert_eq!(decode_command(&bytes), Err(Malformed::Content("amount out of range")));
}

#[test]
fn records_and_their_digest() {
    let opening = Opening { user: user(), currency: usd(), credit_minor: 100_000 };
    let mut ledger = Ledger::new();
    let first = Authorize {
        token: token("t1"),
        transaction: Some(token("x1")),
        original: None,
        preceding: None,
        ..authorize(RequestKind::Authorization)
    };
    let alone = Authorize { token: token("t9"), transaction: Some(token("x9")), ..first.clone() };
    for command in [
        Command::Open(Open { program: program(), openings: vec![opening] }),
        Command::Authorize(first),
        Command::Authorize(alone),
        Command::Event(event(Role::Reversal, Word::Pending)),
        Command::Event(Event {
            names: Names { transaction: Some(token("x3")), preceding: Some(token("x1")), ..Names::default() },
            amount: amount(34),
            ..event(Role::Clearing(Clearing::default()), Word::Completed)
        }),
    ] {
        ledger.apply(Timestamp(1_700_000_000_000_000), &command);
    }
    let mut records: Vec<String> = ledger.records().map(|record| hex(&record)).collect();
    records.sort();
    assert_eq!(records, RECORDS);
    assert_eq!(hex(&ledger.digest()), "deeb74b31f51255beec0d439096590f2");
    assert_eq!(ledger.check(), []);
    let mut restore = Restore::new();
    for record in ledger.records() {
        assert_eq!(restore.add(&record), Ok(()));
    }
    assert_eq!(ledger.records_count(), ledger.records().count() as u64);
    assert_eq!(restore.finish().map(|ledger| ledger.digest()), Ok(ledger.digest()));
}

// The order within a kind is that of the hashes, which no stored byte depends on.
const RECORDS: [&str; 12] = [
    "01020764656661756c740664656d6f2d310101fb4803fc58030300fba409",
    "01040764656661756c7402743130313233343536373839616263646566fd00401e18240a0600010664656d6f2d3101fbd204fb480305000003fb2c01fc70110100010000",
    "01040764656661756c7402743930313233343536373839616263646566fd00401e18240a0600010664656d6f2d3101fbd204fb480301020003fb2c01fc70110100010000",
    "0106fd00401e18240a06000201fb4803fcfb0c0300fc58030300fba409010000010200010100000000000106",
    "01070764656661756c740664656d6f2d3102fbd204fb4803fd00401e18240a0600027439fd00e001e9b00a0600",
    "01080764656661756c74010664656d6f2d31fb4803050102743102027831010274320202783202027833030201027431020278310100fbd2040001fd00401e18240a0600fd00e001e9b00a06000201027432020278320400fbd204010100fd00401e18240a0600fd00e001e9b00a06000102027833060100000022010500fd00401e18240a0600fd00e001e9b00a060000000000",
    "01090764656661756c740c01034802743164656d6f2d31020001",
    "01090764656661756c740c01034802743264656d6f2d31020001",
    "01090764656661756c740c02034802783164656d6f2d31020001",
    "01090764656661756c740c02034802783264656d6f2d31020001",
    "01090764656661756c740c02034802783364656d6f2d31020001",
    "01090764656661756c740c02034802783964656d6f2d31010102743900",
];
