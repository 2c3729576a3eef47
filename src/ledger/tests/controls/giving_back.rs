//! What limits count follows what is spent.

use super::shop::*;
use holdfast_ledger::*;
use proptest::prelude::*;

fn counting() -> Shop {
    let day = Limit { amount: Some(usd(1_000)), ..limit(Window::Day) };
    Shop::with(vec![rule("daily", Vec::new(), Then::Limit(day))])
}

#[test]
fn a_void_gives_back_all_of_it() {
    let mut shop = counting();
    let request = shop.request(usd(700));
    shop.decide(&request);
    assert_eq!(shop.used(), (1, 700));
    assert_eq!((shop.void(&request), shop.used()), (Settled::Done, (0, 0)));
    // And only once.
    assert_eq!((shop.void(&request), shop.used()), (Settled::Nothing, (0, 0)));
    assert_eq!(shop.ask(1_000), Verdict::Approved);
}

#[test]
fn reversals_give_back_what_they_take_back() {
    let mut shop = counting();
    let request = shop.request(usd(700));
    shop.decide(&request);
    shop.event(&request, 700, Role::Authorization, Word::Pending);
    assert_eq!(shop.used(), (1, 700));
    shop.event(&request, 200, Role::Reversal, Word::Pending);
    assert_eq!(shop.used(), (1, 500));
    shop.event(&request, 700, Role::FullReversal, Word::Pending);
    assert_eq!(shop.used(), (0, 0));
}

#[test]
fn a_clearing_of_less_gives_back_the_rest_and_a_refund_nothing() {
    let mut shop = counting();
    let request = shop.request(usd(700));
    shop.decide(&request);
    let last = Clearing { last: true, ..Clearing::default() };
    shop.event(&request, 600, Role::Clearing(last), Word::Completed);
    assert_eq!(shop.used(), (1, 600));
    shop.event(&request, 600, Role::Credit, Word::Completed);
    assert_eq!(shop.used(), (1, 600));
}

#[test]
fn what_the_processor_says_never_was_is_given_back_and_taken_again() {
    let mut shop = counting();
    let request = shop.request(usd(700));
    shop.decide(&request);
    shop.event(&request, 700, Role::Authorization, Word::Declined);
    assert_eq!(shop.used(), (0, 0));
    // It was completed after all.
    let mut shop = counting();
    let request = shop.request(usd(300));
    shop.decide(&request);
    shop.event(&request, 100, Role::Reversal, Word::Pending);
    assert_eq!(shop.used(), (1, 200));
}

/// The newest loses first, in the slot of its own time.
#[test]
fn an_increment_is_given_back_before_what_it_increments() {
    let mut shop = counting();
    let first = shop.request(usd(300));
    shop.decide(&first);
    shop.now += DAY;
    let (kind, original) = (RequestKind::Incremental, Some(first.token));
    let more = Authorize { kind, original, ..shop.request(usd(200)) };
    assert_eq!(shop.decide(&more), Verdict::Approved);
    assert_eq!(shop.used(), (1, 200));
    shop.event(&first, 150, Role::Reversal, Word::Pending);
    assert_eq!(shop.used(), (1, 50));
    shop.event(&first, 100, Role::Reversal, Word::Pending);
    assert_eq!(shop.used(), (0, 0));
}

/// A reversal that came first is known when the request comes.
#[test]
fn what_was_reversed_before_it_was_asked_is_not_counted() {
    let mut shop = counting();
    let request = shop.request(usd(700));
    shop.event(&request, 300, Role::Reversal, Word::Pending);
    assert_eq!(shop.decide(&request), Verdict::Approved);
    assert_eq!(shop.used(), (1, 400));
}

#[test]
fn an_expired_hold_is_given_back() {
    let life = Limit { count: Some(1), ..limit(Window::Lifetime) };
    let mut shop = Shop::with(vec![rule("once", Vec::new(), Then::Limit(life))]);
    let request = Authorize { expires_after: Some(Seconds(60)), ..shop.request(usd(1)) };
    assert_eq!(shop.decide(&request), Verdict::Approved);
    assert_eq!(shop.ask(1), declined(DeclineReason::ControlCount));
    shop.now += HOUR;
    assert_eq!(shop.ask(1), Verdict::Approved);
}

/// An approval that a node gave alone counts when it comes into the books, and no rule undoes it.
#[test]
fn a_forced_approval_is_counted() {
    let mut shop = counting();
    let request = shop.request(usd(1_500));
    assert_eq!(shop.apply(Command::Force(request.clone())), Output::Settled(Settled::Done));
    assert_eq!(shop.used(), (1, 1_500));
    let tallies = shop.ledger.tallies(&program());
    assert_eq!(tallies, [Tally { looked: 1, fired: 1, decided: 0, spared: 1 }]);
    assert_eq!(shop.ask(1), declined(DeclineReason::ControlAmount));
    // One that the books had declined before.
    let mut shop = counting();
    let request = shop.request(usd(1_500));
    assert_eq!(shop.decide(&request), declined(DeclineReason::ControlAmount));
    let force = Authorize { attempt: Attempt { counter: 999, ..request.attempt }, ..request };
    assert_eq!(shop.apply(Command::Force(force)), Output::Settled(Settled::Conflict));
    assert_eq!(shop.used(), (1, 1_500));
}

/// Of all that is asked in the programme, or of all cards of a product, whoever asks.
#[test]
fn limits_of_a_product_and_of_the_programme_count_for_everybody_and_are_given_back() {
    for per in [Per::Product, Per::Programme] {
        let day = Limit { per, amount: Some(usd(1_000)), ..limit(Window::Day) };
        let mut shop = Shop::with(vec![rule("daily", Vec::new(), Then::Limit(day))]);
        let other = UserToken::new("bob").expect("an id");
        let opening = Opening { user: other, currency: usd(0).currency(), credit_minor: 10_000 };
        shop.apply(Command::Open(Open { program: program(), openings: vec![opening] }));
        let gold = Facts { product: Some(token("gold")), ..Facts::default() };
        let first = Authorize { facts: Some(gold), ..shop.request(usd(700)) };
        assert_eq!(shop.decide(&first), Verdict::Approved);
        let second = Authorize { facts: Some(gold), user: other, ..shop.request(usd(400)) };
        assert_eq!(shop.decide(&second), declined(DeclineReason::ControlAmount), "{per:?}");
        let silver = Facts { product: Some(token("silver")), ..Facts::default() };
        let elsewhere = Authorize { facts: Some(silver), ..shop.request(usd(400)) };
        let bare = shop.request(usd(400));
        for request in [elsewhere, bare] {
            let verdict = shop.decide(&request);
            assert_eq!(verdict == Verdict::Approved, per == Per::Product, "{per:?}");
        }
        let gold = token("gold");
        let used = |shop: &Shop| {
            let limits = shop.ledger.limits(&program(), &other, None, Some(&gold));
            (limits[0].count, limits[0].minor)
        };
        assert_eq!(used(&shop), (1, 700));
        shop.event(&first, 200, Role::Reversal, Word::Pending);
        assert_eq!(used(&shop), (1, 500), "{per:?}");
        let third = Authorize { facts: second.facts, user: other, ..shop.request(usd(500)) };
        assert_eq!(shop.decide(&third), Verdict::Approved);
        assert_eq!((shop.void(&first), used(&shop)), (Settled::Done, (1, 500)), "{per:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u64),
    Increment(usize, u64),
    Void(usize),
    Reverse(usize, u64),
    Close(usize),
    Confirm(usize),
    Deny(usize),
    Clear(usize, u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..400u64).prop_map(Step::Ask),
        (0..8usize, 1..200u64).prop_map(|(of, minor)| Step::Increment(of, minor)),
        (0..8usize).prop_map(Step::Void),
        (0..8usize, 1..300u64).prop_map(|(of, minor)| Step::Reverse(of, minor)),
        (0..8usize).prop_map(Step::Close),
        (0..8usize).prop_map(Step::Confirm),
        (0..8usize).prop_map(Step::Deny),
        (0..8usize, 1..500u64, any::<bool>()).prop_map(|(of, minor, last)| Step::Clear(of, minor, last)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: a limit counts at least what is held, as far as it was asked for and no more was paid than was
    /// promised; it never counts more than was approved; and when nothing stands it counts nothing.
    #[test]
    fn a_limit_counts_what_is_spent(steps in prop::collection::vec(step(), 1..40)) {
        let ever = Limit { amount: Some(usd(10_000_000)), ..limit(Window::Lifetime) };
        let mut shop = Shop::with(vec![rule("ever", Vec::new(), Then::Limit(ever))]);
        let mut asked: Vec<Authorize> = Vec::new();
        let mut approved = 0;
        for step in steps {
            match step {
                Step::Ask(minor) => {
                    let request = shop.request(usd(minor));
                    approved += u64::from(shop.decide(&request) == Verdict::Approved) * minor;
                    asked.push(request);
                }
                Step::Increment(of, minor) => {
                    let Some(original) = asked.get(of).map(|of| of.token) else { continue };
                    let kind = RequestKind::Incremental;
                    let request = Authorize { kind, original: Some(original), ..shop.request(usd(minor)) };
                    approved += u64::from(shop.decide(&request) == Verdict::Approved) * minor;
                }
                Step::Void(of) => { asked.get(of).cloned().map(|of| shop.void(&of)); }
                Step::Reverse(of, minor) => {
                    asked.get(of).cloned().map(|of| shop.event(&of, minor, Role::Reversal, Word::Pending));
                }
                Step::Close(of) => {
                    asked.get(of).cloned().map(|of| shop.event(&of, 0, Role::FullReversal, Word::Pending));
                }
                Step::Confirm(of) => {
                    let of = asked.get(of).cloned();
                    of.map(|of| shop.event(&of, of.amount.minor(), Role::Authorization, Word::Pending));
                }
                Step::Deny(of) => {
                    let of = asked.get(of).cloned();
                    of.map(|of| shop.event(&of, of.amount.minor(), Role::Authorization, Word::Declined));
                }
                Step::Clear(of, minor, last) => {
                    let clearing = Clearing { last, ..Clearing::default() };
                    asked.get(of).cloned().map(|of| shop.event(&of, minor, Role::Clearing(clearing), Word::Completed));
                }
            }
            let (count, minor) = shop.used();
            let account = shop.ledger.account(&program(), &user()).expect("open");
            let [euros, dollars] = account.balances[..] else { panic!("two currencies") };
            prop_assert_eq!(euros.held_minor, 0);
            prop_assert!(minor >= dollars.held_minor.unsigned_abs(), "{} counted, {} held", minor, dollars.held_minor);
            prop_assert!(minor <= approved);
            prop_assert_eq!(count == 0, minor == 0);
        }
        // Everything is taken back: nothing is counted but what was paid.
        for of in &asked {
            shop.void(of);
            shop.event(of, 0, Role::FullReversal, Word::Pending);
        }
        let account = shop.ledger.account(&program(), &user()).expect("open");
        let paid = account.balances.iter().map(|balance| 100_000_000 - balance.posted_minor).sum::<i64>();
        prop_assert!(shop.used().1 <= paid.unsigned_abs());
    }
}
