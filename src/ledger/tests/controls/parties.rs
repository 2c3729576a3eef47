//! Cards and users: who may take part.

use super::shop::*;
use holdfast_ledger::*;

fn set(party: Party, state: PartyState, by: SaidBy, said_at: u64) -> SetParty {
    SetParty { program: program(), party, state, by, said_at: Timestamp(said_at), holder: None }
}

fn card() -> Party {
    Party::Card(token("c1"))
}

fn by_card(name: &str) -> Facts {
    Facts { card: Some(token(name)), ..Facts::default() }
}

fn say(shop: &mut Shop, said: SetParty) -> (PartyState, bool) {
    match shop.apply(Command::SetParty(said)) {
        Output::Party { state, changed } => (state, changed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_that_is_not_active_is_declined_and_others_are_not() {
    for state in [PartyState::Suspended, PartyState::Lost, PartyState::Closed] {
        let mut shop = Shop::new();
        assert_eq!(shop.ask_with(1, by_card("c1")), Verdict::Approved);
        say(&mut shop, set(card(), state, SaidBy::Processor, 5));
        assert_eq!(shop.ask_with(1, by_card("c1")), declined(DeclineReason::CardNotActive));
        assert_eq!(shop.ask_with(1, by_card("c2")), Verdict::Approved);
        assert_eq!(shop.ask(1), Verdict::Approved);
        say(&mut shop, set(card(), PartyState::Active, SaidBy::Processor, 6));
        assert_eq!(shop.ask_with(1, by_card("c1")), Verdict::Approved);
    }
}

/// The account holder, or the child that acts for it; and money still comes in.
#[test]
fn a_user_that_is_not_active_spends_nothing() {
    let mut shop = Shop::new();
    let child = UserToken::new("child").expect("an id");
    let by_child = Facts { acting: Some(child), ..by_card("c1") };
    assert_eq!(shop.ask_with(1, by_child), Verdict::Approved);
    say(&mut shop, set(Party::User(child), PartyState::Suspended, SaidBy::Processor, 5));
    assert_eq!(shop.ask_with(1, by_child), declined(DeclineReason::UserNotActive));
    assert_eq!(shop.ask_with(1, by_card("c1")), Verdict::Approved);
    say(&mut shop, set(Party::User(user()), PartyState::Closed, SaidBy::Processor, 5));
    assert_eq!(shop.ask_with(1, by_card("c1")), declined(DeclineReason::UserNotActive));
    let refund = Authorize { kind: RequestKind::CreditAuthorization, ..shop.request(usd(5)) };
    assert_eq!(shop.decide(&refund), Verdict::Approved);
}

/// A business is a user of its own token.
#[test]
fn a_business_that_is_not_active_spends_nothing_through_its_users() {
    let mut shop = Shop::new();
    let business = UserToken::new("shop").expect("an id");
    let of_business = Facts { business: Some(business), ..by_card("c1") };
    assert_eq!(shop.ask_with(1, of_business), Verdict::Approved);
    say(&mut shop, set(Party::User(business), PartyState::Closed, SaidBy::Processor, 5));
    assert_eq!(shop.ask_with(1, of_business), declined(DeclineReason::UserNotActive));
    assert_eq!(shop.ask_with(1, by_card("c1")), Verdict::Approved);
}

/// In every order of what the processor says, the latest counts; a repetition changes nothing.
#[test]
fn transitions_may_come_in_any_order() {
    let told = [(PartyState::Active, 1), (PartyState::Suspended, 2), (PartyState::Lost, 2), (PartyState::Active, 1)];
    for shift in 0..told.len() {
        for reversed in [false, true] {
            let mut order = told;
            order.rotate_left(shift);
            if reversed {
                order.reverse();
            }
            let mut shop = Shop::new();
            for (state, at) in order {
                say(&mut shop, set(card(), state, SaidBy::Processor, at));
            }
            let view = shop.ledger.party(&program(), &card()).expect("known");
            assert_eq!(view.state, PartyState::Lost, "{order:?}");
            let again = set(card(), PartyState::Lost, SaidBy::Processor, 2);
            assert_eq!(say(&mut shop, again), (PartyState::Lost, false));
        }
    }
}

#[test]
fn the_worse_of_operator_and_processor_counts() {
    let mut shop = Shop::new();
    assert_eq!(say(&mut shop, set(card(), PartyState::Suspended, SaidBy::Operator, 0)), (PartyState::Suspended, true));
    let reinstated = set(card(), PartyState::Active, SaidBy::Processor, u64::MAX);
    assert_eq!(say(&mut shop, reinstated), (PartyState::Suspended, true));
    assert_eq!(say(&mut shop, set(card(), PartyState::Active, SaidBy::Operator, 0)), (PartyState::Active, true));
}

#[test]
fn unknown_cards_are_refused_where_the_programme_says_so() {
    let mut shop = Shop::new();
    let settings = Settings { unknown_cards: UnknownCards::Refuse, ..Settings::DEFAULT };
    shop.set_document(Document { settings, ..Document::default() });
    assert_eq!(shop.ask(1), declined(DeclineReason::CardUnknown));
    assert_eq!(shop.ask_with(1, by_card("c1")), declined(DeclineReason::CardUnknown));
    say(&mut shop, SetParty { holder: Some(user()), ..set(card(), PartyState::Active, SaidBy::Processor, 1) });
    assert_eq!(shop.ask_with(1, by_card("c1")), Verdict::Approved);
    let view = shop.ledger.party(&program(), &card()).expect("known");
    assert_eq!(view.holder, Some(user()));
}

/// What a node alone foresees is what the books would say, and looking changes nothing.
#[test]
fn a_node_alone_foresees_what_the_books_would_say() {
    let daily = Limit { count: Some(1), ..limit(Window::Day) };
    let mut shop = Shop::with(vec![rule("daily", Vec::new(), Then::Limit(daily))]);
    let request = shop.request(usd(1));
    let before = shop.ledger.digest();
    assert_eq!(shop.ledger.foresee(&request), Ok(()));
    assert_eq!(shop.ledger.digest(), before);
    shop.decide(&request);
    let second = shop.request(usd(1));
    assert_eq!(shop.ledger.foresee(&second), Err(DeclineReason::ControlCount));
    say(&mut shop, set(Party::User(user()), PartyState::Suspended, SaidBy::Operator, 0));
    assert_eq!(shop.ledger.foresee(&second), Err(DeclineReason::UserNotActive));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Never edit a line; add new ones.
#[test]
fn bytes() {
    let said = SetParty { holder: Some(user()), ..set(card(), PartyState::Lost, SaidBy::Processor, 7) };
    let user = set(Party::User(user()), PartyState::Suspended, SaidBy::Operator, 0);
    let mut shop = Shop::new();
    let acted = Facts { acting: UserToken::new("child").ok(), ..Facts::default() };
    let request = Authorize { facts: Some(acted), ..shop.request(usd(5)) };
    let business = UserToken::new("shop").ok();
    let of_business = Authorize { facts: Some(Facts { business, ..acted }), ..request.clone() };
    for (command, golden) in [
        (Command::SetParty(said), "01130764656661756c74010263310301070103616461".to_owned()),
        (Command::SetParty(user), "01130764656661756c74020361646102020000".to_owned()),
        (Command::Authorize(request.clone()), format!("0111{REQUEST}")),
        (Command::Force(request.clone()), format!("0112{REQUEST}")),
        (Command::Authorize(of_business.clone()), format!("0115{REQUEST}0473686f70")),
        (Command::Force(of_business), format!("0116{REQUEST}0473686f70")),
    ] {
        let mut bytes = Vec::new();
        encode_command(&command, &mut bytes);
        assert_eq!(hex(&bytes), golden, "{command:?}");
        assert_eq!(decode_command(&bytes), Ok(command));
    }
    for (reason, number) in
        [(DeclineReason::CardNotActive, "0f"), (DeclineReason::CardUnknown, "10"), (DeclineReason::UserNotActive, "11")]
    {
        let decision = Decision {
            verdict: declined(reason),
            replayed: false,
            partial_minor: None,
            balances: Vec::new(),
            change: None,
        };
        check(Output::Decision(decision), &format!("0101{number}0000"));
    }
    check(Output::Party { state: PartyState::Closed, changed: true }, "010b0401");
    say(&mut shop, said);
    let new = |record: &String| record.starts_with("0110") || record.starts_with("0111");
    let mut records: Vec<String> = shop.ledger.records().map(|record| hex(&record)).filter(new).collect();
    records.sort();
    assert_eq!(records, ["011001", RECORD]);
}

fn check(output: Output, golden: &str) {
    let mut bytes = Vec::new();
    encode_output(&output, &mut bytes);
    assert_eq!(hex(&bytes), golden, "{output:?}");
    assert_eq!(decode_output(&bytes), Ok(output));
}

const REQUEST: &str = "0764656661756c7401010102743100000000000000010000000000000000010361646105fb4803010278310000000000000000000000000000000000000000000000000001056368696c6400";
const RECORD: &str = "01110764656661756c7403636331010307000103616461";
