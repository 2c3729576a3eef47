//! The bytes of controls, still format 1, for ever. Never edit a line; add new ones.

use super::shop::*;
use holdfast_ledger::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A document that says everything that can be said.
pub fn everything() -> Document {
    let all = vec![
        Condition::Product(vec![token("p1")]),
        Condition::Account(vec![user()]),
        Condition::Card(vec![token("c1")]),
        Condition::Kind(vec![RequestKind::Authorization]),
        Condition::Mcc(vec![(5411, 5499)]),
        Condition::Merchant(vec![token("m1")]),
        Condition::Country(vec![Country::new("USA").expect("one")]),
        Condition::Channel(vec![Channel::Ecommerce]),
        Condition::Entry(vec![Entry::Manual]),
        Condition::Cash(vec![CashKind::Cash]),
        Condition::CardPresent(Fact::No),
    ];
    let unless = vec![
        Condition::CrossBorder(Fact::Yes),
        Condition::AtLeast(usd(100)),
        Condition::NetworkScore(600),
        Condition::ProcessorScore(60),
        Condition::OutsideScore(6),
        Condition::Risk(vec![Risk::High]),
        Condition::Advice(vec![Advice::Decline]),
        Condition::SecurityCode(vec![Check::Mismatch]),
        Condition::Address(vec![Check::Partial]),
        Condition::ThreeDs(vec![Check::Unknown]),
        Condition::FirstUse(Fact::Yes),
    ];
    let window = |name: &str, window| {
        let limit = Limit { count: Some(5), amount: Some(usd(1_000)), ..limit(window) };
        rule(name, Vec::new(), Then::Limit(limit))
    };
    let declines = Limit { per: Per::Card, of: Counted::Declines, count: Some(3), ..limit(Window::Week) };
    Document {
        settings: Settings {
            hold_days: 8,
            hold_days_long: 32,
            unknown_cards: UnknownCards::Refuse,
            partial_approval: PartialApproval::Available,
            unconfirmed_after: Seconds(900),
            remember_days: 400,
        },
        zone: Zone { name: Some(token("Europe/Berlin")), offset_s: 3600, changes: vec![(Timestamp(START), 7200)] },
        rules: vec![
            Rule { unless, ..rule("deny", all, Then::Deny) },
            Rule { mode: Mode::Shadow, purpose: Purpose::Fraud, ..rule("most", Vec::new(), Then::Most(usd(5))) },
            window("rolling", Window::Rolling(Seconds(3600))),
            window("day", Window::Day),
            rule("week", Vec::new(), Then::Limit(declines)),
            window("month", Window::Month),
            window("ever", Window::Lifetime),
            rule("travel", Vec::new(), Then::Travel(Seconds(7200))),
        ],
    }
}

#[test]
fn commands_and_outputs() {
    let set = SetControls { program: program(), based_on: 3, document: everything() };
    let command = Command::SetControls(Box::new(set));
    let mut bytes = Vec::new();
    encode_command(&command, &mut bytes);
    assert_eq!(hex(&bytes), include_str!("everything.hex").trim());
    assert_eq!(decode_command(&bytes), Ok(command));
    for end in 0..bytes.len() {
        assert!(decode_command(&bytes[..end]).is_err());
    }
    for (output, golden) in [
        (Output::Controls { version: 300, changed: true }, "010afb2c0101"),
        (Output::Controls { version: 1, changed: false }, "010a0100"),
        (Output::Refused(Refusal::ControlsChanged), "010509"),
        (Output::Refused(Refusal::ControlsUnsound), "01050a"),
    ] {
        let mut bytes = Vec::new();
        encode_output(&output, &mut bytes);
        assert_eq!(hex(&bytes), golden, "{output:?}");
        assert_eq!(decode_output(&bytes), Ok(output));
    }
    for (reason, number) in [
        (DeclineReason::ControlAmount, "0a"),
        (DeclineReason::ControlCount, "0b"),
        (DeclineReason::ControlMerchant, "0c"),
        (DeclineReason::ControlOther, "0d"),
        (DeclineReason::Fraud, "0e"),
    ] {
        let decision = Decision {
            verdict: declined(reason),
            replayed: false,
            partial_minor: None,
            balances: Vec::new(),
            change: None,
        };
        let mut bytes = Vec::new();
        encode_output(&Output::Decision(decision), &mut bytes);
        assert_eq!(hex(&bytes), format!("0101{number}0000"));
    }
}

#[test]
fn records_and_their_digest() {
    let mut shop = Shop::with(vec![
        rule("most", Vec::new(), Then::Most(usd(50))),
        rule("day", Vec::new(), Then::Limit(Limit { count: Some(5), ..limit(Window::Day) })),
        rule("travel", Vec::new(), Then::Travel(Seconds(60))),
    ]);
    let card = Facts { card: Some(token("c1")), country: Country::new("USA").ok(), ..Facts::default() };
    shop.ask_with(7, Facts { card_present: Fact::Yes, ..card });
    shop.ask(51);
    let kinds = ["010c", "010d", "010e", "010f"];
    let new = |record: &String| kinds.iter().any(|kind| record.starts_with(kind));
    let mut records: Vec<String> = shop.ledger.records().map(|record| hex(&record)).filter(new).collect();
    records.sort();
    assert_eq!(records, RECORDS);
}

const RECORDS: [&str; 6] = [
    "010c0102",
    "010d0764656661756c7401fd034013820e610600071f0101fb58020000000003046d6f7374010100000232fb4803036461790101000003010200010001050674726176656c01010000043c030102030303020101000200000002000000",
    "010e0764656661756c740363633100000101555341fd044013820e610600",
    "010e0764656661756c74046161646101010201fb2e51070000",
    "010f0764656661756c7402743100000000000000010000000000000000fd044013820e61060001036164610107fb4803010100010101010001000001fd044013820e6106000102633107000102",
    "010f0764656661756c7402743200000000000000020000000000000000fd054013820e61060001036164610133fb48030300010a010102020001000001fd054013820e6106000000010100",
];
