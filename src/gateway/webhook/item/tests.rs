//! Row by row: what each type and method is for the books; then states, amounts, flags and names.

use super::super::table::{METHODS, TYPES};
use super::*;
use ledger::Amount;

fn program() -> Program {
    Program::new("default").unwrap()
}

fn told(text: &str) -> String {
    match read(program(), text) {
        Ok(Reading::Fact(event)) => format!("{:?} {:?} {}", event.role, event.word, event.amount),
        Ok(other) => format!("{other:?}"),
        Err(unread) => format!("{:?} {}", unread.why, unread.fault),
    }
}

fn event(text: &str) -> Event {
    match read(program(), text) {
        Ok(Reading::Fact(event)) => *event,
        other => panic!("{other:?}: {text}"),
    }
}

/// An item of 31.50 EUR with what is given more.
fn item(kind: &str, state: &str, more: &str) -> String {
    format!(
        r#"{{"type":"{kind}","state":"{state}","token":"x1","user_token":"ada","amount":31.50,"currency_code":"EUR"{more}}}"#
    )
}

fn load(amount: &str, more: &str) -> String {
    format!(r#","gpa_order":{{"amount":{amount},"currency_code":"EUR"{more}}}"#)
}

fn unload(amount: &str, more: &str) -> String {
    format!(r#","gpa_order_unload":{{"amount":{amount}{more}}}"#)
}

fn jit(method: &str, amount: &str) -> String {
    format!(r#","jit_funding":{{"token":"j1","method":"{method}","user_token":"ada","amount":{amount}}}"#)
}

const CLEARED: &str = "Clearing(Clearing { last: false, released_minor: 0, part: None })";

/// Each type, by what a completed item of it is without a box. `=` stands for the plain clearing.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    ("Authorization Completed 31.50", "account.funding.authorization authorization authorization.atm.withdrawal \
      authorization.cashback authorization.quasi.cash authorization.standin pindebit.authorization"),
    ("Incremental Completed 31.50", "authorization.incremental"),
    ("Malformed gpa_order.amount: missing", "authorization.advice"),
    ("FullReversal Completed 31.50", "account.funding.authorization.reversal authorization.reversal \
      authorization.reversal.issuerexpiration billpayment.reversal pindebit.authorization.reversal \
      pindebit.authorization.reversal.issuerexpiration"),
    ("Reversal Completed 31.50", "account.funding.auth_plus_capture.reversal pindebit.reversal"),
    ("= Completed 31.50", "account.funding.authorization.clearing authorization.clearing \
      authorization.clearing.atm.withdrawal authorization.clearing.cashback authorization.clearing.quasi.cash \
      billpayment.clearing pindebit.authorization.clearing"),
    ("SingleDebit Completed 31.50", "account.funding.auth_plus_capture billpayment pindebit \
      pindebit.atm.withdrawal pindebit.cashback pindebit.quasi.cash pindebit.transfer"),
    // Paid by their clearings, never by themselves.
    ("CreditAuthorization Cleared 31.50", "original.credit.authorization refund.authorization"),
    ("CreditAuthorization Completed 31.50", "original.credit.auth_plus_capture"),
    ("Credit Completed 31.50", "original.credit.authorization.clearing pindebit.refund refund \
      refund.authorization.clearing"),
    ("CreditReversal Completed 31.50", "original.credit.authorization.reversal refund.authorization.reversal"),
    ("AdjustmentCredit Completed 31.50", "authorization.clearing.chargeback.provisional.credit credit.adjustment \
      directdeposit.credit directdeposit.debit.reversal dispute.credit pindebit.chargeback.provisional.credit \
      pindebit.credit.adjustment"),
    ("AdjustmentDebit Completed 31.50", "authorization.clearing.chargeback.provisional.debit debit.adjustment \
      directdeposit.credit.reversal directdeposit.debit dispute.debit original.credit.auth_plus_capture.reversal \
      pindebit.chargeback.provisional.debit pindebit.debit.adjustment pindebit.refund.reversal"),
    ("Companion", "account.credit account.debit fee.charge fee.charge.pending fee.charge.refund fee.charge.reversal \
      fee.charge.waived fee.collection.credit fee.collection.debit fps.credit.clear fps.credit.clear.reverse \
      fps.credit.open fps.credit.open.reverse fps.debit.clear fps.debit.clear.reverse fps.debit.hold \
      fps.debit.hold.reverse funds.expire gpa.credit gpa.credit.authorization gpa.credit.authorization.billpayment \
      gpa.credit.authorization.billpayment.reversal gpa.credit.authorization.reversal gpa.credit.billpayment \
      gpa.credit.chargeback gpa.credit.chargeback.reversal gpa.credit.issueroperator gpa.credit.networkload \
      gpa.credit.networkload.reversal gpa.credit.pending gpa.credit.pending.reversal gpa.credit.reversal gpa.debit \
      gpa.debit.authorization gpa.debit.issueroperator gpa.debit.networkload gpa.debit.pending \
      gpa.debit.pending.reversal gpa.debit.reversal gpa.grant interest.posting.adjustment interest.posting.clear \
      interest.posting.clear.reverse open.banking.fps.debit.clear open.banking.fps.debit.clear.reverse \
      open.banking.fps.debit.hold open.banking.fps.debit.hold.reverse programreserve.credit programreserve.debit \
      pushtocard.debit pushtocard.reversal reward.earn transfer.fee transfer.from.checking.clear \
      transfer.from.checking.hold transfer.from.savings.clear transfer.from.savings.hold transfer.peer \
      transfer.program transfer.to.checking.clear transfer.to.checking.open transfer.to.savings.clear \
      transfer.to.savings.open"),
    // A case without a box and without a move is not the account holder's.
    ("Moneyless", "authorization.clearing.chargeback authorization.clearing.chargeback.completed \
      authorization.clearing.chargeback.reversal authorization.clearing.chargeback.writeoff \
      authorization.clearing.representment pindebit.chargeback pindebit.chargeback.completed \
      pindebit.chargeback.reversal pindebit.chargeback.writeoff address.verification authorization.pin.change \
      authorization.pin.unblock balanceinquiry directdeposit.credit.pending directdeposit.credit.pending.reversal \
      directdeposit.credit.reject directdeposit.debit.pending directdeposit.debit.pending.reversal \
      directdeposit.debit.reject pin.change.reversal pin.change.reversal.advice pin.change.via.api \
      pindebit.balanceinquiry pindebit.checkavs pindebit.pin.change pindebit.pin.unblock product.inquiry \
      refund.authorization.advice token.activation-request token.advice transit.offer"),
];

#[test]
fn every_type_has_its_row() {
    let mut listed: Vec<&str> = Vec::new();
    for (expected, kinds) in ROWS {
        for kind in kinds.split_whitespace() {
            assert_eq!(told(&item(kind, "COMPLETION", "")), expected.replace('=', CLEARED), "{kind}");
            listed.push(kind);
        }
    }
    listed.sort_unstable();
    assert_eq!(listed, TYPES.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
}

/// Each method, by what a completed item of an unlisted type in the box of that method's direction is.
#[rustfmt::skip]
const METHOD_ROWS: &[(&str, &str)] = &[
    ("Authorization Completed 7.00", "pgfs.atm.withdrawal pgfs.authorization pgfs.authorization.account_verification \
      pgfs.authorization.cashback pgfs.authorization.quasi.cash pgfs.authorization.standin pgfs.pindebit.authorization"),
    ("Incremental Completed 7.00", "pgfs.authorization.incremental"),
    ("Reversal Completed 7.00", "pgfs.authorization.advice"),
    ("FullReversal Completed 7.00", "pgfs.authorization.reversal pgfs.billpayment.reversal \
      pgfs.pindebit.authorization.reversal"),
    ("= Completed 7.00", "pgfs.atm.clearing.withdrawal pgfs.authorization.capture pgfs.authorization.clearing \
      pgfs.authorization.clearing.quasi.cash pgfs.billpayment.capture pgfs.pindebit.authorization.clearing"),
    ("ForceCapture Completed 7.00", "pgfs.force_capture"),
    ("SingleDebit Completed 7.00", "pgfs.auth_plus_capture pgfs.auth_plus_capture.standin pgfs.billpayment \
      pgfs.pindebit pgfs.pindebit.atm.withdrawal pgfs.pindebit.cashback pgfs.pindebit.quasi.cash"),
    ("CreditAuthorization Cleared 7.00", "pgfs.original.credit.authorization pgfs.refund.authorization"),
    ("CreditAuthorization Completed 7.00", "pgfs.network.load pgfs.original.credit.auth_plus_capture"),
    ("Credit Completed 7.00", "pgfs.original.credit.authorization.clearing pgfs.pindebit.refund pgfs.refund \
      pgfs.refund.authorization.clearing"),
    ("CreditReversal Completed 7.00", "pgfs.original.credit.authorization.reversal pgfs.refund.authorization.reversal"),
    ("AdjustmentCredit Completed 7.00", "pgfs.adjustment.credit pgfs.authorization.capture.chargeback \
      pgfs.directdeposit.credit pgfs.directdeposit.debit.reversal pgfs.dispute.credit pgfs.pindebit.chargeback"),
    ("AdjustmentDebit Completed 7.00", "pgfs.adjustment.debit pgfs.authorization.capture.chargeback.reversal \
      pgfs.directdeposit.credit.reversal pgfs.directdeposit.debit pgfs.dispute.debit \
      pgfs.pindebit.chargeback.reversal"),
    ("Moneyless", "pgfs.balanceinquiry pgfs.pindebit.balanceinquiry pgfs.product.inquiry"),
];

#[test]
fn every_method_has_its_row() {
    let mut listed: Vec<&str> = Vec::new();
    for (expected, methods) in METHOD_ROWS {
        for method in methods.split_whitespace() {
            let box_of = if expected.starts_with("AdjustmentCredit") { unload } else { load };
            let text = item("made.up.tomorrow", "COMPLETION", &box_of("9.99", &jit(method, "7.00")));
            assert_eq!(told(&text), expected.replace('=', CLEARED), "{method}");
            listed.push(method);
        }
    }
    listed.sort_unstable();
    assert_eq!(listed, METHODS.iter().map(|(method, _)| *method).collect::<Vec<_>>());
}

#[test]
fn states_are_words() {
    for (state, expected) in [
        ("PENDING", "Authorization Pending 31.50"),
        ("CLEARED", "Authorization Cleared 31.50"),
        ("COMPLETION", "Authorization Completed 31.50"),
        ("DECLINED", "Authorization Declined 31.50"),
        ("ERROR", "Authorization Error 31.50"),
        ("pending", "Malformed state: not known"),
        ("", "Malformed state: not known"),
    ] {
        assert_eq!(told(&item("authorization", state, "")), expected);
    }
}

#[test]
fn a_reversal_is_full_or_partial_by_state_and_order() {
    let order = |state: &str| load("31.50", &format!(r#","state":"{state}""#));
    for (state, more, expected) in [
        ("PENDING", order("PENDING"), "Reversal Pending 31.50"),
        ("PENDING", String::new(), "Reversal Pending 31.50"),
        ("CLEARED", order("REVERSED"), "FullReversal Cleared 31.50"),
        ("CLEARED", String::new(), "FullReversal Cleared 31.50"),
        // A partial one that has been followed by its clearing.
        ("CLEARED", order("COMPLETION"), "Reversal Cleared 31.50"),
        ("DECLINED", order("DECLINED"), "Reversal Declined 31.50"),
    ] {
        assert_eq!(told(&item("authorization.reversal", state, &more)), expected, "{state} {more}");
    }
    let bare = r#"{"type":"authorization.reversal.issuerexpiration","state":"CLEARED","token":"x","user_token":"ada","currency_code":"EUR"}"#;
    assert_eq!(told(bare), "FullReversal Cleared 0.00", "whatever there is ends");
}

#[test]
fn the_amount_is_what_was_asked_of_us_else_what_moved() {
    let gpa = |text: &str| format!(r#","gpa":{{{text}}}"#);
    for (more, expected) in [
        (load("9.00", &jit("pgfs.authorization", "7.00")) + &gpa(r#""impacted_amount":-8.00"#), "7.00"),
        (load("9.00", "") + &gpa(r#""impacted_amount":-8.00,"currency_code":"EUR""#), "8.00"),
        (load("9.00", "") + &gpa(r#""impacted_amount":0,"currency_code":"USD""#), "9.00"),
        (
            load("9.00", "")
                + &gpa(r#""impacted_amount":0,"currency_code":"USD","balances":{"EUR":{"impacted_amount":-6.5}}"#),
            "6.50",
        ),
        (load("9.00", ""), "9.00"),
        (load("null", ""), "31.50"),
        (String::new(), "31.50"),
    ] {
        let expected = format!("Authorization Pending {expected}");
        assert_eq!(told(&item("authorization", "PENDING", &more)), expected, "{more}");
    }
}

#[test]
fn an_advice_counts_by_its_difference_and_never_by_its_new_total() {
    for (state, more, expected) in [
        ("PENDING", load("100.00", &jit("pgfs.authorization.reversal", "100.00")), "Reversal Pending 100.00"),
        ("PENDING", load("100.00", ""), "Reversal Pending 100.00"),
        ("PENDING", r#","gpa":{"impacted_amount":100.00}"#.to_owned(), "Reversal Pending 100.00"),
        ("PENDING", r#","gpa":{"impacted_amount":-31.50}"#.to_owned(), "Malformed gpa_order.amount: missing"),
        ("PENDING", String::new(), "Malformed gpa_order.amount: missing"),
        ("DECLINED", String::new(), "Reversal Declined 0.00"),
    ] {
        assert_eq!(told(&item("authorization.advice", state, &more)), expected, "{more}");
    }
}

#[test]
fn clearings_say_what_becomes_of_the_rest() {
    let clearing = |more: &str| event(&item("authorization.clearing", "COMPLETION", more)).role;
    let part = |number, count| Some(Part { number, count });
    for (more, last, released_minor, part) in [
        ("", false, 0, None),
        (r#","is_final_clearing":true"#, true, 0, None),
        (r#","is_final_clearing":false,"amount_to_be_released":2.5"#, false, 250, None),
        (r#","multi_clearing_sequence_number":"02","multi_clearing_sequence_count":"04""#, false, 0, part(2, 4)),
        (r#","multi_clearing_sequence_number":1,"multi_clearing_sequence_count":1"#, false, 0, part(1, 1)),
        (r#","multi_clearing_sequence_number":"05","multi_clearing_sequence_count":"04""#, false, 0, None),
        (r#","multi_clearing_sequence_number":"00","multi_clearing_sequence_count":"00""#, false, 0, None),
        (r#","multi_clearing_sequence_number":"01","multi_clearing_sequence_count":"999""#, false, 0, None),
        (r#","multi_clearing_sequence_number":"  ","multi_clearing_sequence_count":"01""#, false, 0, None),
        (r#","is_final_clearing":null,"amount_to_be_released":null"#, false, 0, None),
    ] {
        assert_eq!(clearing(more), Role::Clearing(Clearing { last, released_minor, part }), "{more}");
    }
    for (more, expected) in [
        (r#","is_final_clearing":"true""#, "Malformed is_final_clearing: not true or false"),
        (r#","amount_to_be_released":-1"#, "Malformed amount_to_be_released: negative"),
        (r#","amount_to_be_released":1.005"#, "Malformed amount_to_be_released: 3 decimals, EUR has 2"),
        (r#","multi_clearing_sequence_number":"x""#, "Malformed multi_clearing_sequence_number: not a number"),
    ] {
        assert_eq!(told(&item("authorization.clearing", "COMPLETION", more)), expected);
    }
}

#[test]
fn a_clearing_that_corrects_another_touches_no_promise() {
    let memo = |text: &str| format!(r#","transaction_metadata":{{"memo":"{text}"}}"#);
    for (more, expected) in [
        (memo("CREDIT_ADJUSTMENT"), "AdjustmentCredit Completed 31.50"),
        (memo("DEBIT_ADJUSTMENT"), "AdjustmentDebit Completed 31.50"),
        (memo("CREDIT_ADJUSTMENT") + r#","gpa":{"impacted_amount":-4.00}"#, "AdjustmentDebit Completed 4.00"),
        (memo("something else"), &format!("{CLEARED} Completed 31.50")),
    ] {
        assert_eq!(told(&item("authorization.clearing", "COMPLETION", &more)), expected, "{more}");
    }
}

#[test]
fn what_is_nothing_to_the_books_needs_nothing_but_its_type() {
    assert_eq!(told(r#"{"type":"gpa.credit","state":"ODD","gpa_order":7,"amount":"x"}"#), "Companion");
    assert_eq!(told(r#"{"type":"token.advice"}"#), "Moneyless");
    assert_eq!(told(r#"{"type":"gpa.credit","type":"refund"}"#), "Malformed type: given twice");
    assert_eq!(told(r#"{"type":"fee.charge"}"#), "Malformed state: missing");
}

#[test]
fn fast_funds_may_be_spent_at_once() {
    let fast = |value: &str| format!(r#","original_credit":{{"fast_funds_enabled":{value}}}"#);
    for (more, expected) in [
        (fast("true"), "FastCredit Pending 31.50"),
        (fast("false"), "CreditAuthorization Pending 31.50"),
        (String::new(), "CreditAuthorization Pending 31.50"),
    ] {
        assert_eq!(told(&item("original.credit.authorization", "PENDING", &more)), expected);
    }
}

#[test]
fn adjustments_go_the_way_of_their_box_or_of_the_balance() {
    for (more, expected) in [
        (load("5.00", ""), "AdjustmentDebit Completed 5.00"),
        (unload("5.00", ""), "AdjustmentCredit Completed 5.00"),
        (r#","gpa":{"impacted_amount":-4.00}"#.to_owned(), "AdjustmentDebit Completed 4.00"),
        (r#","gpa":{"impacted_amount":4.00}"#.to_owned(), "AdjustmentCredit Completed 4.00"),
    ] {
        assert_eq!(told(&item("dispute.credit", "COMPLETION", &more)), expected, "{more}");
    }
}

#[test]
fn a_case_follows_its_own_end() {
    let case = |text: &str| format!(r#","chargeback":{{{text}}}"#);
    let back = || unload("5.00", &jit("pgfs.authorization.capture.chargeback", "5.00"));
    for (kind, state, more, expected) in [
        ("chargeback", "COMPLETION", back(), "AdjustmentCredit Completed 5.00"),
        ("chargeback", "COMPLETION", back() + &case(r#""credit_user":false"#), "Moneyless"),
        ("chargeback", "DECLINED", back() + &case(r#""state":"INITIATED""#), "AdjustmentCredit Declined 5.00"),
        (
            "chargeback.completed",
            "DECLINED",
            back() + &case(r#""state":"CASE_WON""#),
            "AdjustmentCredit Completed 5.00",
        ),
        (
            "chargeback.completed",
            "DECLINED",
            case(r#""state":"CASE_WON","credit_user":true"#),
            "Malformed gpa_order_unload: missing",
        ),
        ("chargeback.completed", "DECLINED", case(r#""state":"CASE_WON""#), "Moneyless"),
        (
            "chargeback.reversal",
            "DECLINED",
            load("5.00", "") + &case(r#""state":"CASE_LOST""#),
            "AdjustmentDebit Completed 5.00",
        ),
        ("chargeback.reversal", "COMPLETION", load("5.00", ""), "AdjustmentDebit Completed 5.00"),
    ] {
        let kind = format!("authorization.clearing.{kind}");
        assert_eq!(told(&item(&kind, state, &more)), expected, "{kind} {state} {more}");
    }
}

#[test]
fn names_and_user_are_those_of_the_funding_else_of_the_transaction() {
    let token = |text: &str| Token::new(text).ok();
    let more = r#","preceding_related_transaction_token":"x0","gpa_order":{"jit_funding":{"token":"j1","method":"pgfs.authorization","user_token":"bob","amount":1,"original_jit_funding_token":"j0"}}"#;
    let with = event(&item("authorization", "PENDING", more));
    let names = Names { jit: token("j1"), transaction: token("x1"), original: token("j0"), preceding: token("x0") };
    assert_eq!((with.names, with.user.as_str(), with.program), (names, "bob", program()));
    let without = event(&item("authorization", "PENDING", ""));
    let names = Names { transaction: token("x1"), ..Names::default() };
    assert_eq!((without.names, without.user.as_str(), without.expires_after), (names, "ada", None));
}

#[test]
fn currencies_have_their_own_digits() {
    let yen = item("refund", "COMPLETION", "").replace("EUR", "JPY").replace("31.50", "500");
    assert_eq!(event(&yen).amount, Amount::new(500, Currency::from_code("JPY").unwrap()).unwrap());
    assert_eq!(told(&yen.replace("500", "500.5")), "Malformed amount: 1 decimals, JPY has 0");
    assert_eq!(told(&yen.replace("500", "5E2")), "Credit Completed 500");
}

#[test]
fn what_is_wrong_is_named() {
    for (from, to, expected) in [
        (r#""type":"refund","#, "", "Malformed type: missing"),
        (r#""refund""#, "7", "Malformed type: not a string"),
        (r#""refund""#, r#""refund.from.tomorrow""#, "TypeUnknown type: not known"),
        (r#""state":"COMPLETION","#, "", "Malformed state: missing"),
        (r#""token":"x1","#, "", "Malformed token: missing"),
        (r#""x1""#, r#""""#, "Malformed token: is empty"),
        (r#""user_token":"ada","#, "", "Malformed user_token: missing"),
        (r#""ada""#, "null", "Malformed user_token: missing"),
        ("31.50", r#""31.50""#, "Malformed amount: a string, must be a number"),
        ("31.50", "-31.50", "Malformed amount: negative"),
        ("31.50", "1e99", "Malformed amount: out of range"),
        (r#""amount":31.50,"#, "", "Malformed amount: missing"),
        (r#""EUR""#, r#""XXX""#, "Malformed currency_code: not a known currency"),
        (r#""token":"x1""#, r#""token":"x1","token":"x2""#, "Malformed token: given twice"),
        (r#""token":"x1""#, r#""token":"x1","gpa_order":7"#, "Malformed gpa_order: not a JSON object"),
        (r#""token":"x1""#, r#""token":"x1","gpa":[]"#, "Malformed gpa: not a JSON object"),
        (r#"{"type""#, r#"[{"type""#, "Malformed item: not a JSON object"),
    ] {
        let text = item("refund", "COMPLETION", "");
        assert!(text.contains(from));
        assert_eq!(told(&text.replacen(from, to, 1)), expected, "{to}");
    }
    let both = load("1.00", &jit("pgfs.authorization", "1.00")) + &unload("1.00", &jit("pgfs.refund", "1.00"));
    assert_eq!(
        told(&item("refund", "COMPLETION", &both)),
        "Malformed gpa_order_unload.jit_funding: given beside gpa_order"
    );
    let half = load("1.00", r#","jit_funding":{"method":"pgfs.refund"}"#);
    assert_eq!(told(&item("refund", "COMPLETION", &half)), "Malformed jit_funding.token: missing");
}
