//! What rules refuse, and for which reason.

use super::shop::*;
use holdfast_ledger::DeclineReason::*;
use holdfast_ledger::*;

const YES: Verdict = Verdict::Approved;

fn mcc(mcc: u16) -> Facts {
    Facts { mcc: Some(mcc), ..Facts::default() }
}

fn card(name: &str) -> Facts {
    Facts { card: Some(token(name)), ..Facts::default() }
}

#[test]
fn a_merchants_category_is_denied_and_silence_is_not() {
    let gambling = Condition::Mcc(vec![(7800, 7802), (7995, 7995)]);
    let mut shop = Shop::with(vec![rule("no-gambling", vec![gambling], Then::Deny)]);
    for (facts, verdict) in [
        (mcc(7995), declined(ControlMerchant)),
        (mcc(7801), declined(ControlMerchant)),
        (mcc(7803), YES),
        (Facts::default(), YES),
    ] {
        assert_eq!(shop.ask_with(100, facts), verdict, "{facts:?}");
    }
    assert_eq!(shop.ask(100), YES);
}

/// An allow-list is a denial with an exemption, and what is not said is not exempt.
#[test]
fn an_exemption_never_follows_from_silence() {
    let at_home = Condition::Country(vec![Country::new("USA").expect("a country")]);
    let only = Rule { unless: vec![at_home], ..rule("only-at-home", Vec::new(), Then::Deny) };
    let mut shop = Shop::with(vec![only]);
    let country = |name| Facts { country: Country::new(name).ok(), ..Facts::default() };
    assert_eq!(shop.ask_with(100, country("USA")), YES);
    assert_eq!(shop.ask_with(100, country("GBR")), declined(ControlMerchant));
    assert_eq!(shop.ask_with(100, Facts::default()), declined(ControlMerchant));
}

/// Every condition has a request that it matches and one that it does not.
#[test]
fn every_condition_matches_what_it_says_and_nothing_else() {
    let said = Facts {
        mcc: Some(5411),
        merchant: Some(token("m1")),
        country: Country::new("USA").ok(),
        card: Some(token("c1")),
        product: Some(token("p1")),
        channel: Channel::Ecommerce,
        entry: Entry::Manual,
        cash: CashKind::Goods,
        card_present: Fact::No,
        cross_border: Fact::Yes,
        network_score: Some(600),
        processor_score: Some(60),
        outside_score: Some(6),
        risk: Risk::High,
        advice: Advice::Review,
        security_code: Check::Mismatch,
        address: Check::Partial,
        three_ds: Check::Match,
        ..Facts::default()
    };
    let other = UserToken::new("bob").expect("an id");
    for (matching, not) in [
        (Condition::Product(vec![token("p1")]), Condition::Product(vec![token("p2")])),
        (Condition::Account(vec![other, user()]), Condition::Account(vec![other])),
        (Condition::Card(vec![token("c1")]), Condition::Card(vec![token("c2")])),
        (Condition::Kind(vec![RequestKind::Authorization]), Condition::Kind(vec![RequestKind::SingleDebit])),
        (Condition::Mcc(vec![(5411, 5411)]), Condition::Mcc(vec![(5412, 9999), (0, 5410)])),
        (Condition::Merchant(vec![token("m1")]), Condition::Merchant(vec![token("m2")])),
        (
            Condition::Country(vec![Country::new("USA").expect("one")]),
            Condition::Country(vec![Country::new("GBR").expect("one")]),
        ),
        (Condition::Channel(vec![Channel::Ecommerce]), Condition::Channel(vec![Channel::Unknown, Channel::Atm])),
        (Condition::Entry(vec![Entry::Manual, Entry::Chip]), Condition::Entry(vec![Entry::Chip])),
        (Condition::Cash(vec![CashKind::Goods]), Condition::Cash(vec![CashKind::Cash])),
        (Condition::CardPresent(Fact::No), Condition::CardPresent(Fact::Yes)),
        (Condition::CrossBorder(Fact::Yes), Condition::CrossBorder(Fact::No)),
        (Condition::AtLeast(usd(100)), Condition::AtLeast(usd(101))),
        (Condition::AtLeast(usd(0)), Condition::AtLeast(eur(0))),
        (Condition::NetworkScore(600), Condition::NetworkScore(601)),
        (Condition::ProcessorScore(60), Condition::ProcessorScore(61)),
        (Condition::OutsideScore(6), Condition::OutsideScore(7)),
        (Condition::Risk(vec![Risk::High]), Condition::Risk(vec![Risk::Low, Risk::Medium])),
        (Condition::Advice(vec![Advice::Review]), Condition::Advice(vec![Advice::Decline])),
        (Condition::SecurityCode(vec![Check::Mismatch]), Condition::SecurityCode(vec![Check::Match])),
        (Condition::Address(vec![Check::Partial]), Condition::Address(vec![Check::Match])),
        (Condition::ThreeDs(vec![Check::Match]), Condition::ThreeDs(vec![Check::Unknown])),
        (Condition::FirstUse(Fact::Yes), Condition::FirstUse(Fact::No)),
    ] {
        for (condition, denied) in [(matching, true), (not, false)] {
            let mut shop = Shop::with(vec![rule("r", vec![condition.clone()], Then::Deny)]);
            assert_eq!(shop.ask_with(100, said) != YES, denied, "{condition:?}");
            // And a rule never panics over silence.
            shop.ask(100);
        }
    }
}

#[test]
fn the_most_of_one_request_is_in_its_own_currency() {
    let mut shop = Shop::with(vec![rule("most", Vec::new(), Then::Most(usd(5_000)))]);
    assert_eq!(shop.ask(5_000), YES);
    assert_eq!(shop.ask(5_001), declined(ControlAmount));
    let euros = shop.request(eur(9_999));
    assert_eq!(shop.decide(&euros), YES);
}

/// Of all that fire, the lowest reason is told, whatever the order of the rules; money comes after rules.
#[test]
fn the_first_reason_by_a_fixed_order_is_told() {
    let deny = |name, condition: Condition| rule(name, vec![condition], Then::Deny);
    let fraud = Rule { purpose: Purpose::Fraud, ..deny("risky", Condition::Risk(vec![Risk::High])) };
    let online = deny("offline-only", Condition::Channel(vec![Channel::Ecommerce]));
    let shops = deny("no-casinos", Condition::Mcc(vec![(7995, 7995)]));
    let count = Limit { count: Some(0), ..limit(Window::Day) };
    let often = rule("never", vec![Condition::Merchant(vec![token("m")])], Then::Limit(count));
    let most = rule("most", Vec::new(), Then::Most(usd(100)));
    let mut rules = vec![fraud, online, shops, often, most];
    let mut facts = Facts { risk: Risk::High, channel: Channel::Ecommerce, merchant: Some(token("m")), ..mcc(7995) };
    for _ in 0..2 {
        rules.reverse();
        let mut shop = Shop::with(rules.clone());
        assert_eq!(shop.ask_with(1_000_000_000, facts), declined(ControlAmount));
        assert_eq!(shop.ask_with(100, facts), declined(ControlCount));
        let fired = shop.ledger.token(&program(), &token("t2")).and_then(|token| token.judged).expect("judged");
        assert_eq!(fired.fired.len(), 4);
        assert!(fired.fired.iter().all(|rule| rule.name.is_some()));
        facts.merchant = None;
        assert_eq!(shop.ask_with(100, facts), declined(ControlMerchant));
        facts.mcc = None;
        assert_eq!(shop.ask_with(100, facts), declined(ControlOther));
        facts.channel = Channel::Unknown;
        assert_eq!(shop.ask_with(100, facts), declined(Fraud));
        facts.risk = Risk::Low;
        assert_eq!(shop.ask_with(100, facts), YES);
        facts = Facts { risk: Risk::High, channel: Channel::Ecommerce, merchant: Some(token("m")), ..mcc(7995) };
    }
}

#[test]
fn a_rolling_limit_counts_money_and_requests_and_forgets() {
    let hour = Limit { amount: Some(usd(1_000)), count: Some(3), ..limit(Window::Rolling(Seconds(3600))) };
    let mut shop = Shop::with(vec![rule("hourly", Vec::new(), Then::Limit(hour))]);
    assert_eq!(shop.ask(600), YES);
    assert_eq!(shop.ask(401), declined(ControlAmount));
    assert_eq!(shop.ask(400), YES);
    assert_eq!(shop.used(), (2, 1_000));
    assert_eq!(shop.ask(1), declined(ControlAmount));
    shop.now += HOUR + HOUR / 12;
    assert_eq!(shop.used_now(), (0, 0));
    for _ in 0..3 {
        assert_eq!(shop.ask(1), YES);
    }
    assert_eq!(shop.ask(1), declined(ControlCount));
    // Not at all what was asked in another currency: the limit looks at dollars.
    let euros = shop.request(eur(1_000_000));
    assert_eq!(shop.decide(&euros), YES);
    assert_eq!(shop.used(), (3, 3));
}

/// Minor units of two currencies are never added.
#[test]
fn a_limit_of_one_currency_neither_counts_nor_refuses_another() {
    let ever = Limit { amount: Some(usd(1_000)), ..limit(Window::Lifetime) };
    let mut shop = Shop::with(vec![rule("ever", Vec::new(), Then::Limit(ever))]);
    let euros = shop.request(eur(900));
    assert_eq!((shop.decide(&euros), shop.used()), (YES, (0, 0)));
    assert_eq!((shop.ask(1_000), shop.used()), (YES, (1, 1_000)));
    assert_eq!(shop.ask(1), declined(ControlAmount));
    assert_eq!(shop.ledger.tallies(&program())[0].looked, 2);
}

#[test]
fn calendar_windows_begin_where_the_programmes_calendar_says() {
    // Five hours west of UTC: the day begins at 05:00 UTC.
    let zone = Zone { name: None, offset_s: -5 * 3600, changes: Vec::new() };
    for (window, first, later) in [
        (Window::Day, START + 4 * HOUR, START + 5 * HOUR),
        // Sunday night, Monday.
        (Window::Week, START + 5 * DAY + 4 * HOUR, START + 5 * DAY + 5 * HOUR),
        // The last of November, December.
        (Window::Month, START + 6 * DAY + 4 * HOUR, START + 6 * DAY + 5 * HOUR),
    ] {
        let mut shop = Shop::new();
        let daily = Limit { count: Some(1), ..limit(window) };
        let rules = vec![rule("once", Vec::new(), Then::Limit(daily))];
        shop.set_document(Document { zone: zone.clone(), rules, ..Document::default() });
        shop.now = first;
        assert_eq!((shop.ask(1), shop.ask(1)), (YES, declined(ControlCount)), "{window:?}");
        shop.now = later;
        assert_eq!((shop.ask(1), shop.ask(1)), (YES, declined(ControlCount)), "{window:?}");
    }
    let ever = Limit { count: Some(1), ..limit(Window::Lifetime) };
    let mut shop = Shop::with(vec![rule("once", Vec::new(), Then::Limit(ever))]);
    assert_eq!(shop.ask(1), YES);
    shop.now += 4_000 * DAY;
    assert_eq!(shop.ask(1), declined(ControlCount));
}

#[test]
fn a_card_has_a_limit_of_its_own() {
    let daily = Limit { per: Per::Card, count: Some(1), ..limit(Window::Day) };
    let mut shop = Shop::with(vec![rule("per-card", Vec::new(), Then::Limit(daily))]);
    assert_eq!(shop.ask_with(1, card("c1")), YES);
    assert_eq!(shop.ask_with(1, card("c1")), declined(ControlCount));
    assert_eq!(shop.ask_with(1, card("c2")), YES);
    // Without a card there is nothing to count, and nothing to refuse.
    let small = Limit { per: Per::Card, amount: Some(usd(5)), ..limit(Window::Week) };
    let mut weekly = Shop::with(vec![rule("weekly", Vec::new(), Then::Limit(small))]);
    assert_eq!((weekly.ask(6), weekly.ask_with(6, card("c1"))), (YES, declined(ControlAmount)));
    assert_eq!((shop.ask(1), shop.ask(1)), (YES, YES));
    assert_eq!((shop.used_by(Some("c1")), shop.used_by(Some("c3"))), ((1, 1), (0, 0)));
}

#[test]
fn verifications_are_looked_at_and_not_counted() {
    let daily = Limit { count: Some(1), ..limit(Window::Day) };
    let gambling = rule("no-gambling", vec![Condition::Mcc(vec![(7995, 7995)])], Then::Deny);
    let mut shop = Shop::with(vec![gambling, rule("daily", Vec::new(), Then::Limit(daily))]);
    let verify = |shop: &mut Shop, facts| {
        let (kind, facts) = (RequestKind::Verification, Some(facts));
        let request = Authorize { kind, facts, ..shop.request(usd(0)) };
        shop.decide(&request)
    };
    assert_eq!(verify(&mut shop, mcc(7995)), declined(ControlMerchant));
    assert_eq!((verify(&mut shop, mcc(1)), verify(&mut shop, mcc(1))), (YES, YES));
    assert_eq!(shop.ask(1), YES);
    assert_eq!(verify(&mut shop, mcc(1)), declined(ControlCount));
}

/// Card testing: after so many declines in a short time the card is refused, and comes back when it is left alone.
#[test]
fn declines_in_a_short_time_close_the_card_for_as_long() {
    let declines =
        Limit { per: Per::Card, of: Counted::Declines, count: Some(3), ..limit(Window::Rolling(Seconds(600))) };
    let testing = Rule { purpose: Purpose::Fraud, ..rule("card-testing", Vec::new(), Then::Limit(declines)) };
    let mut shop = Shop::with(vec![testing]);
    for _ in 0..3 {
        assert_eq!(shop.ask_with(1_000_000_000, card("c1")), declined(InsufficientFunds));
    }
    for _ in 0..3 {
        assert_eq!(shop.ask_with(1, card("c1")), declined(Fraud));
    }
    assert_eq!(shop.ask_with(1, card("c2")), YES);
    // The refusals of this rule did not count.
    assert_eq!(shop.used_by(Some("c1")), (3, 0));
    shop.now += 700 * SECOND;
    assert_eq!(shop.ask_with(1, card("c1")), YES);
}

#[test]
fn a_card_cannot_be_in_two_countries_faster_than_travel() {
    let travel = Rule { purpose: Purpose::Fraud, ..rule("travel", Vec::new(), Then::Travel(Seconds(7200))) };
    let mut shop = Shop::with(vec![travel]);
    let at = |country: &str, card_present| Facts { country: Country::new(country).ok(), card_present, ..card("c1") };
    assert_eq!(shop.ask_with(1, at("USA", Fact::Yes)), YES);
    assert_eq!(shop.ask_with(1, at("GBR", Fact::No)), YES);
    assert_eq!(shop.ask_with(1, at("GBR", Fact::Yes)), declined(Fraud));
    assert_eq!(shop.ask_with(1, at("USA", Fact::Yes)), YES);
    shop.now += 2 * HOUR + SECOND;
    assert_eq!(shop.ask_with(1, at("GBR", Fact::Yes)), YES);
}

#[test]
fn the_first_use_of_a_card_is_the_first_that_was_approved() {
    let first = vec![Condition::FirstUse(Fact::Yes), Condition::AtLeast(usd(100))];
    let mut shop = Shop::with(vec![rule("begin-small", first, Then::Deny)]);
    assert_eq!(shop.ask_with(100, card("c1")), declined(ControlOther));
    assert_eq!(shop.ask_with(99, card("c1")), YES);
    assert_eq!(shop.ask_with(100, card("c1")), YES);
    // Without a card nobody knows.
    assert_eq!(shop.ask(100), YES);
}

#[test]
fn a_rule_in_shadow_is_recorded_and_decides_nothing() {
    let shadow = Rule { mode: Mode::Shadow, ..rule("try", Vec::new(), Then::Most(usd(50))) };
    let mut shop = Shop::with(vec![shadow.clone(), rule("most", Vec::new(), Then::Most(usd(100)))]);
    assert_eq!((shop.ask(50), shop.ask(51), shop.ask(101)), (YES, YES, declined(ControlAmount)));
    let tallies = shop.ledger.tallies(&program());
    let of = |looked, fired, decided, spared| Tally { looked, fired, decided, spared };
    assert_eq!(tallies, [of(3, 2, 0, 1), of(3, 1, 1, 0)]);
    let judged = shop.ledger.token(&program(), &token("t2")).and_then(|token| token.judged).expect("judged");
    assert_eq!(judged.fired, [RuleName { number: 1, name: Some(token("try")) }]);
    // Enforced, it goes on with what it has counted.
    shop.set(vec![Rule { mode: Mode::Enforce, ..shadow }]);
    assert_eq!(shop.ask(51), declined(ControlAmount));
    assert_eq!(shop.ledger.tallies(&program()), [of(4, 3, 1, 1)]);
}

#[test]
fn a_repeated_request_is_not_looked_at_again() {
    let daily = Limit { count: Some(1), ..limit(Window::Day) };
    let mut shop = Shop::with(vec![rule("daily", Vec::new(), Then::Limit(daily))]);
    let (first, second) = (shop.request(usd(1)), shop.request(usd(1)));
    for _ in 0..3 {
        assert_eq!((shop.decide(&first), shop.decide(&second)), (YES, declined(ControlCount)));
        assert_eq!(shop.used(), (1, 1));
    }
}

#[test]
fn rules_of_one_programme_are_nothing_to_another() {
    let mut shop = Shop::with(vec![rule("nothing", Vec::new(), Then::Most(usd(0)))]);
    let program = Program::new("other").expect("an id");
    let openings = vec![Opening { user: user(), currency: usd(0).currency(), credit_minor: 100 }];
    shop.apply(Command::Open(Open { program, openings }));
    let request = Authorize { program, ..shop.request(usd(1)) };
    assert_eq!((shop.decide(&request), shop.ask(1)), (YES, declined(ControlAmount)));
}
