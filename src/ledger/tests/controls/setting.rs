//! Setting controls: versions, checks, and what an edit keeps.

use super::shop::*;
use holdfast_ledger::*;

fn daily(count: u32) -> Rule {
    rule("daily", Vec::new(), Then::Limit(Limit { count: Some(count), ..limit(Window::Day) }))
}

#[test]
fn an_edit_keeps_the_counter_and_a_new_window_begins_anew() {
    let mut shop = Shop::with(vec![daily(2)]);
    assert_eq!((shop.ask(5), shop.ask(5)), (Verdict::Approved, Verdict::Approved));
    shop.set(vec![rule("another", Vec::new(), Then::Most(usd(9))), daily(3)]);
    assert_eq!(shop.used(), (2, 10));
    assert_eq!((shop.ask(5), shop.ask(5)), (Verdict::Approved, declined(DeclineReason::ControlCount)));
    let weekly = Limit { count: Some(3), ..limit(Window::Week) };
    shop.set(vec![rule("daily", Vec::new(), Then::Limit(weekly))]);
    assert_eq!(shop.used(), (0, 0));
    // A counter that was taken out does not come back.
    shop.set(vec![daily(3)]);
    assert_eq!((shop.ask(5), shop.used()), (Verdict::Approved, (1, 5)));
}

#[test]
fn a_version_replaces_the_one_that_it_was_based_on() {
    let mut shop = Shop::new();
    let set = |shop: &mut Shop, based_on, rules| {
        let document = Document { rules, ..Document::default() };
        shop.apply(Command::SetControls(Box::new(SetControls { program: program(), based_on, document })))
    };
    assert_eq!(set(&mut shop, 0, vec![daily(1)]), Output::Controls { version: 1, changed: true });
    assert_eq!(set(&mut shop, 0, vec![daily(2)]), Output::Refused(Refusal::ControlsChanged));
    assert_eq!(set(&mut shop, 2, vec![daily(2)]), Output::Refused(Refusal::ControlsChanged));
    // The same again, as after an unknown outcome.
    assert_eq!(set(&mut shop, 0, vec![daily(1)]), Output::Controls { version: 1, changed: false });
    assert_eq!(set(&mut shop, 1, Vec::new()), Output::Controls { version: 2, changed: true });
}

#[test]
fn an_unsound_document_is_refused_whole() {
    let condition = |when| Document { rules: vec![rule("r", vec![when], Then::Deny)], ..Document::default() };
    let limited = |limit| Document { rules: vec![rule("r", Vec::new(), Then::Limit(limit))], ..Document::default() };
    let settings = |settings| Document { settings, ..Document::default() };
    let many = |count: usize, then: Then| {
        let rules = (0..count).map(|at| rule(&format!("r{at}"), Vec::new(), then)).collect();
        Document { rules, ..Document::default() }
    };
    let day = limit(Window::Day);
    let counted = Limit { count: Some(1), ..day };
    let tokens = |count: usize| (0..count).map(|at| token(&format!("{at:030}"))).collect::<Vec<_>>();
    for (document, what) in [
        (condition(Condition::Mcc(vec![(2, 1)])), "a range"),
        (condition(Condition::Mcc(vec![(1, 10_000)])), "a range"),
        (condition(Condition::Merchant(Vec::new())), "a list without entries"),
        (condition(Condition::Merchant(tokens(1001))), "a list with more than 1000"),
        (Document { rules: vec![rule("r", Vec::new(), Then::Deny)], ..Document::default() }, "denies everything"),
        (Document { rules: vec![daily(1), daily(2)], ..Document::default() }, "another rule with this name"),
        (limited(day), "needs an amount or a count"),
        (limited(Limit { of: Counted::Declines, amount: Some(usd(1)), ..day }), "declines have no amount"),
        (limited(Limit { of: Counted::Declines, count: Some(0), ..day }), "count of 0 declines"),
        (limited(Limit { window: Window::Rolling(Seconds(59)), ..counted }), "a rolling window"),
        (limited(Limit { window: Window::Rolling(Seconds(u32::MAX)), ..counted }), "a rolling window"),
        (many(257, Then::Most(usd(1))), "more than 256 rules"),
        (many(33, Then::Limit(counted)), "more than 32 limits"),
        (Document { rules: vec![rule("r", Vec::new(), Then::Travel(Seconds(0)))], ..Document::default() }, "travel"),
        (settings(Settings { hold_days: 6, ..Settings::DEFAULT }), "hold_days"),
        (settings(Settings { hold_days_long: 30, ..Settings::DEFAULT }), "hold_days_long"),
        (settings(Settings { hold_days: 40, ..Settings::DEFAULT }), "hold_days_long"),
        (settings(Settings { unconfirmed_after: Seconds(1), ..Settings::DEFAULT }), "unconfirmed_after"),
        (
            Document {
                rules: vec![rule("r", vec![Condition::Card(tokens(900)), Condition::Product(tokens(900))], Then::Deny)],
                ..Document::default()
            },
            "48 KiB",
        ),
        (
            Document {
                rules: vec![Rule { when: vec![Condition::FirstUse(Fact::Yes); 33], ..daily(1) }],
                ..Document::default()
            },
            "32 conditions",
        ),
    ] {
        let error = document.check().expect_err(what).to_string();
        assert!(error.contains(what), "{error}, not {what}");
        let mut shop = Shop::new();
        assert_eq!(shop.set_document(document), Output::Refused(Refusal::ControlsUnsound), "{what}");
        assert_eq!(shop.version(), 0);
    }
}

/// As many as there can be, each with as much as fits: a decision still ends, and the books still come back.
#[test]
fn the_largest_document_works() {
    let list = (0..1000u16).map(|at| (at, at)).collect::<Vec<_>>();
    let window = limit(Window::Rolling(Seconds(3600)));
    let mut rules: Vec<Rule> = (0..32)
        .map(|at| rule(&format!("limit-{at}"), Vec::new(), Then::Limit(Limit { count: Some(1_000), ..window })))
        .collect();
    rules.push(rule("long", vec![Condition::Mcc(list)], Then::Deny));
    rules.extend((33..256).map(|at| rule(&format!("most-{at}"), Vec::new(), Then::Most(usd(1_000)))));
    let mut shop = Shop::with(rules);
    for _ in 0..30 {
        assert_eq!(shop.ask(1), Verdict::Approved);
        shop.now += HOUR / 24;
    }
    let limits = shop.ledger.limits(&program(), &user(), None, None);
    assert_eq!(limits.len(), 32);
    assert!(limits.iter().all(|limit| (24..=25).contains(&limit.count)));
}

#[test]
fn how_long_a_hold_stands_is_the_programmes() {
    let mut shop = Shop::new();
    let settings = Settings { hold_days: 10, hold_days_long: 40, ..Settings::DEFAULT };
    shop.set_document(Document { settings, ..Document::default() });
    let of = |shop: &mut Shop, mcc| {
        shop.ask_with(1, Facts { mcc: Some(mcc), ..Facts::default() });
        let holds = shop.ledger.holds(&program(), &user(), 0, 100);
        let last = holds.last().expect("a hold");
        (last.expires_at.expect("expires").0 - last.placed_at.0) / DAY
    };
    // And a day.
    assert_eq!((of(&mut shop, 5411), of(&mut shop, 7011)), (11, 41));
}
