//! Approval in part: where the programme and the request let it be.

use super::shop::*;
use holdfast_ledger::*;

const RICH: u64 = 100_000_000;

fn shop(partial_approval: PartialApproval) -> Shop {
    let mut shop = Shop::new();
    let settings = Settings { partial_approval, ..Settings::DEFAULT };
    let life = Limit { amount: Some(usd(10 * RICH)), ..limit(Window::Lifetime) };
    let rules = vec![rule("ever", Vec::new(), Then::Limit(life))];
    shop.set_document(Document { settings, rules, ..Document::default() });
    shop
}

fn capable(shop: &mut Shop, minor: u64) -> Authorize {
    let facts = Some(Facts { partial_ok: Fact::Yes, ..Facts::default() });
    Authorize { facts, ..shop.request(usd(minor)) }
}

fn decide(shop: &mut Shop, request: &Authorize) -> Decision {
    match shop.apply(Command::Authorize(request.clone())) {
        Output::Decision(decision) => decision,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_there_is_is_approved_held_counted_and_told_again() {
    let mut shop = shop(PartialApproval::Available);
    let whole = capable(&mut shop, RICH - 500);
    assert_eq!(decide(&mut shop, &whole).partial_minor, None);
    let request = capable(&mut shop, 700);
    for replayed in [false, true] {
        let decision = decide(&mut shop, &request);
        assert_eq!((decision.verdict, decision.partial_minor), (Verdict::Approved, Some(500)));
        assert_eq!(decision.replayed, replayed);
        let holds = shop.ledger.holds(&program(), &user(), 0, 10);
        assert_eq!(holds.last().map(|hold| hold.amount), Some(usd(500)));
        assert_eq!(shop.used(), (2, RICH));
    }
    // A repeat after money has come does not make more of it.
    let key = token("k");
    let direction = MoveDirection::Credit;
    shop.apply(Command::Move(Move { program: program(), key, user: user(), direction, amount: usd(1_000) }));
    assert_eq!(decide(&mut shop, &request).partial_minor, Some(500));
    // And its life goes on with what was approved.
    shop.event(&request, 500, Role::Clearing(Clearing::default()), Word::Completed);
    assert_eq!(shop.ledger.token(&program(), &request.token).and_then(|token| token.amount), Some(usd(500)));
    assert_eq!(shop.used(), (2, RICH));
}

#[test]
fn nothing_is_approved_in_part_that_was_not_meant_to_be() {
    let mut never = shop(PartialApproval::Never);
    let request = capable(&mut never, RICH + 1);
    assert_eq!(decide(&mut never, &request).verdict, declined(DeclineReason::InsufficientFunds));
    let mut shop = shop(PartialApproval::Available);
    // The terminal cannot.
    assert_eq!(shop.ask(RICH + 1), declined(DeclineReason::InsufficientFunds));
    // Not a kind that can.
    let single = Authorize { kind: RequestKind::SingleDebit, ..capable(&mut shop, RICH + 1) };
    assert_eq!(decide(&mut shop, &single).verdict, declined(DeclineReason::InsufficientFunds));
    // Nothing is there.
    let all = capable(&mut shop, RICH);
    assert_eq!(decide(&mut shop, &all).verdict, Verdict::Approved);
    let more = capable(&mut shop, 1);
    assert_eq!(decide(&mut shop, &more).verdict, declined(DeclineReason::InsufficientFunds));
}

#[test]
fn bytes() {
    let decision = Decision {
        verdict: Verdict::Approved,
        replayed: true,
        partial_minor: Some(500),
        balances: Vec::new(),
        change: None,
    };
    let mut bytes = Vec::new();
    encode_output(&Output::Decision(decision.clone()), &mut bytes);
    assert_eq!(bytes, [1, 12, 0, 1, 0, 0xfb, 0xf4, 0x01]);
    assert_eq!(decode_output(&bytes), Ok(Output::Decision(decision)));
}
