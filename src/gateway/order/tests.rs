//! Bodies and what becomes of them.

use super::*;
use proptest::prelude::*;

const FUNDING: &str = r#""token":"t-1","method":"pgfs.authorization","user_token":"u-1""#;

fn load(amount: &str) -> String {
    format!(r#"{{"token":"tx","gpa_order":{{"currency_code":"USD","jit_funding":{{{FUNDING}{amount}}}}}}}"#)
}

/// `asked KIND MINOR CODE`, `REASON memo`, or `400 field: message`.
fn outcome(body: impl AsRef<[u8]>) -> String {
    match read(body.as_ref()) {
        Err(fault) => format!("400 {fault}"),
        Ok(Order { ask: Err(refused), .. }) => {
            format!("{} {}", refused.refusal.reason.name(), refused.refusal.fault)
        }
        Ok(Order { ask: Ok(ask), .. }) => {
            format!("asked {:?} {} {}", ask.kind, ask.amount.minor(), ask.amount.currency().code())
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        assert_eq!(outcome(body), *expected, "{body}");
    }
}

#[test]
fn amounts() {
    for (amount, expected) in [
        (r#","amount":48.20"#, "asked Authorization 4820 USD"),
        (r#","amount":4.82e1"#, "asked Authorization 4820 USD"),
        (r#","amount":0.00"#, "asked Verification 0 USD"),
        ("", "INVALID_AMOUNT gpa_order.jit_funding.amount: missing"),
        (r#","amount":null"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: null"),
        (r#","amount":"48.20""#, "INVALID_AMOUNT gpa_order.jit_funding.amount: a string, must be a number"),
        (r#","amount":-0"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: negative"),
        (r#","amount":48.205"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: 3 decimals, USD has 2"),
        (r#","amount":1e999999999"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: out of range"),
        (r#","amount":[1]"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: not a number"),
        (r#","amount":1,"amount":1"#, "INVALID_AMOUNT gpa_order.jit_funding.amount: given twice"),
    ] {
        assert_eq!(outcome(load(amount)), expected, "{amount}");
    }
}

#[test]
fn a_real_message_says_what_it_is_about() {
    let body = include_bytes!("../tests/messages/authorization_request.json");
    let ask = read(body).expect("readable").ask.expect("asked");
    assert_eq!((ask.facts.mcc, ask.facts.country), (Some(5812), ledger::Country::new("GBR").ok()));
    assert_eq!((ask.facts.channel, ask.facts.entry), (ledger::Channel::CardPresent, ledger::Entry::Contactless));
    // It is no part of the meaning: a retry may say something else.
    let elsewhere = String::from_utf8_lossy(body).replace("5812", "7995");
    let again = read(elsewhere.as_bytes()).expect("readable").ask.expect("asked");
    assert_eq!((again.facts.mcc, again.fingerprint), (Some(7995), ask.fingerprint));
}

fn unload(method: &str, more: &str) -> String {
    let funding = FUNDING.replace("pgfs.authorization", method);
    format!(r#"{{"token":"tx","currency_code":"USD","gpa_order_unload":{{"jit_funding":{{{funding}{more}}}}}}}"#)
}

#[test]
fn methods_of_money_out() {
    let wrong = "TRANSACTION_NOT_PERMITTED gpa_order: the method moves money the other way";
    for (method, amount, expected) in [
        ("pgfs.authorization", "1", "asked Authorization 100 USD"),
        ("pgfs.authorization.cashback", "1", "asked Authorization 100 USD"),
        ("pgfs.authorization.quasi.cash", "1", "asked Authorization 100 USD"),
        ("pgfs.atm.withdrawal", "1", "asked Authorization 100 USD"),
        ("pgfs.billpayment", "1", "asked Authorization 100 USD"),
        ("pgfs.pindebit.authorization", "1", "asked Authorization 100 USD"),
        ("pgfs.authorization.incremental", "1", "asked Incremental 100 USD"),
        ("pgfs.authorization.incremental", "0", "asked Verification 0 USD"),
        ("pgfs.auth_plus_capture", "1", "asked SingleDebit 100 USD"),
        ("pgfs.pindebit", "1", "asked SingleDebit 100 USD"),
        ("pgfs.pindebit.atm.withdrawal", "1", "asked SingleDebit 100 USD"),
        ("pgfs.pindebit.cashback", "1", "asked SingleDebit 100 USD"),
        ("pgfs.pindebit.quasi.cash", "1", "asked SingleDebit 100 USD"),
        ("pgfs.product.inquiry", "null", "asked Verification 0 USD"),
        ("pgfs.product.inquiry", "1", "asked Authorization 100 USD"),
        ("never.seen", "1", "asked Authorization 100 USD"),
        ("never.seen", "0", "asked Notice 0 USD"),
        ("pgfs.authorization.account_verification", "0", "asked Verification 0 USD"),
        (
            "pgfs.authorization.account_verification",
            "1",
            "INVALID_AMOUNT gpa_order.jit_funding.amount: account verification must be 0",
        ),
        ("pgfs.balanceinquiry", "0", "asked BalanceInquiry 0 USD"),
        ("pgfs.pindebit.balanceinquiry", "null", "asked BalanceInquiry 0 USD"),
        ("pgfs.balanceinquiry", "-1", "INVALID_AMOUNT gpa_order.jit_funding.amount: negative"),
        ("pgfs.authorization.reversal", "1", "asked Notice 100 USD"),
        ("pgfs.refund.authorization", "1", wrong),
        ("pgfs.network.load", "1", wrong),
        ("pgfs.original.credit.authorization", "1", wrong),
    ] {
        let body = load(&format!(r#","amount":{amount}"#)).replace("pgfs.authorization", method);
        assert_eq!(outcome(body), expected, "{method} {amount}");
    }
    let absent = load("").replace("pgfs.authorization", "pgfs.balanceinquiry");
    assert_eq!(outcome(absent), "asked BalanceInquiry 0 USD");
}

#[test]
fn methods_of_money_in() {
    let wrong = "TRANSACTION_NOT_PERMITTED gpa_order_unload: the method moves money the other way";
    for (method, amount, expected) in [
        ("pgfs.refund.authorization", "1", "asked CreditAuthorization 100 USD"),
        ("pgfs.refund.authorization", "0", "asked Verification 0 USD"),
        ("pgfs.network.load", "1", "asked CreditAuthorization 100 USD"),
        ("pgfs.original.credit.authorization", "1", "asked CreditAuthorization 100 USD"),
        ("pgfs.original.credit.auth_plus_capture", "1", "asked CreditAuthorization 100 USD"),
        ("never.seen", "1", "asked CreditAuthorization 100 USD"),
        ("never.seen", "0", "asked Notice 0 USD"),
        ("pgfs.balanceinquiry", "0", "asked BalanceInquiry 0 USD"),
        ("pgfs.refund", "1", "asked Notice 100 USD"),
        ("pgfs.authorization", "1", wrong),
        ("pgfs.authorization.incremental", "1", wrong),
        ("pgfs.pindebit", "1", wrong),
    ] {
        assert_eq!(outcome(unload(method, &format!(r#","amount":{amount}"#))), expected, "{method} {amount}");
    }
}

#[test]
fn fast_funds_may_be_spent_at_once() {
    for (credit, expected) in [
        (r#"{"fast_funds_enabled":true}"#, "asked FastCredit 100 USD"),
        (r#"{"fast_funds_enabled":false}"#, "asked CreditAuthorization 100 USD"),
        (r#"{"fast_funds_enabled":null}"#, "asked CreditAuthorization 100 USD"),
        (r#"{"sender_name":"A"}"#, "asked CreditAuthorization 100 USD"),
        ("null", "asked CreditAuthorization 100 USD"),
        (
            r#"{"fast_funds_enabled":"true"}"#,
            "TRANSACTION_NOT_PERMITTED original_credit.fast_funds_enabled: not true or false",
        ),
        ("true", "TRANSACTION_NOT_PERMITTED original_credit: not a JSON object"),
    ] {
        let with = |method| {
            let body = unload(method, r#","amount":1"#);
            body.replacen('{', &format!(r#"{{"original_credit":{credit},"#), 1)
        };
        assert_eq!(outcome(with("pgfs.original.credit.authorization")), expected, "{credit}");
        // It says nothing about other methods.
        assert_eq!(outcome(with("pgfs.refund.authorization")), "asked CreditAuthorization 100 USD", "{credit}");
    }
}

#[test]
fn boxes() {
    check(&[
        (
            r#"{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1},"currency_code":"USD"}"#,
            "TRANSACTION_NOT_PERMITTED gpa_order: missing",
        ),
        (
            r#"{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":"1"},"currency_code":"USD"}"#,
            "INVALID_AMOUNT jit_funding.amount: a string, must be a number",
        ),
        (
            r#"{"gpa_order":null,"gpa_order_unload":{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1}},"currency_code":"USD"}"#,
            "asked CreditAuthorization 100 USD",
        ),
        (
            r#"{"gpa_order":{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1}},"gpa_order_unload":{},"currency_code":"USD"}"#,
            "TRANSACTION_NOT_PERMITTED gpa_order_unload: given beside gpa_order",
        ),
        (
            r#"{"gpa_order":{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1.001}},"gpa_order_unload":{},"currency_code":"USD"}"#,
            "INVALID_AMOUNT gpa_order.jit_funding.amount: 3 decimals, USD has 2",
        ),
        (
            r#"{"gpa_order":7,"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1},"currency_code":"USD"}"#,
            "TRANSACTION_NOT_PERMITTED gpa_order: not a JSON object",
        ),
        (
            r#"{"gpa_order":{},"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1},"currency_code":"USD"}"#,
            "TRANSACTION_NOT_PERMITTED gpa_order.jit_funding: missing",
        ),
        (
            r#"{"gpa_order":{"currency_code":"USD","jit_funding":{"token":"t","method":"m","user_token":"u","amount":1}},"gpa_order":{}}"#,
            "400 gpa_order: given twice",
        ),
    ]);
}

#[test]
fn currencies() {
    let amount = r#","amount":1"#;
    let body = load(amount);
    for (from, to, expected) in [
        (r#""currency_code":"USD","#, "", "TRANSACTION_NOT_PERMITTED currency_code: missing"),
        (r#""USD""#, r#""ZZZ""#, "TRANSACTION_NOT_PERMITTED gpa_order.currency_code: not a known currency"),
        (r#""USD""#, r#""usd""#, "TRANSACTION_NOT_PERMITTED gpa_order.currency_code: not a known currency"),
        (r#""USD""#, "840", "TRANSACTION_NOT_PERMITTED gpa_order.currency_code: not a string"),
        (
            r#""USD""#,
            r#""USD","currency_code":"USD""#,
            "TRANSACTION_NOT_PERMITTED gpa_order.currency_code: given twice",
        ),
        (r#""token":"tx""#, r#""token":"tx","currency_code":"JPY""#, "asked Authorization 100 USD"),
        (
            r#""gpa_order":{"currency_code":"USD","#,
            r#""currency_code":"JPY","gpa_order":{"#,
            "asked Authorization 1 JPY",
        ),
        (r#""USD""#, r#"null},"currency_code":"JPY","x":{"currency_code":"USD""#, "400 gpa_order.jit_funding: missing"),
    ] {
        assert_eq!(outcome(body.replacen(from, to, 1)), expected, "{to}");
    }
}

#[test]
fn other_tokens() {
    let body = load(r#","amount":1,"original_jit_funding_token":"t-0""#);
    let order = read(body.as_bytes()).unwrap();
    assert_eq!(order.original, Token::new("t-0").ok());
    let names = order.ask.unwrap().names;
    assert_eq!((names.transaction, names.original), (Token::new("tx").ok(), Token::new("t-0").ok()));
    let later = body.replacen('{', r#"{"preceding_related_transaction_token":"tx-0","#, 1);
    assert_eq!(read(later.as_bytes()).unwrap().ask.unwrap().names.preceding, Token::new("tx-0").ok());
    for (from, to, expected) in [
        (r#""tx""#, "null", "asked Authorization 100 USD"),
        (r#""tx""#, "7", "TRANSACTION_NOT_PERMITTED token: not a string"),
        (r#""tx""#, r#""""#, "TRANSACTION_NOT_PERMITTED token: is empty"),
        (r#""tx""#, r#""tx","token":"tx""#, "TRANSACTION_NOT_PERMITTED token: given twice"),
        (
            r#""token":"tx""#,
            r#""token":"tx","preceding_related_transaction_token":7"#,
            "TRANSACTION_NOT_PERMITTED preceding_related_transaction_token: not a string",
        ),
        (
            r#""t-0""#,
            r#""0123456789012345678901234567890123456""#,
            "TRANSACTION_NOT_PERMITTED gpa_order.jit_funding.original_jit_funding_token: is too long",
        ),
    ] {
        assert_eq!(outcome(body.replacen(from, to, 1)), expected, "{to}");
    }
}

#[test]
fn who_cannot_be_answered() {
    check(&[
        ("", "400 body: not a JSON object"),
        ("[]", "400 body: not a JSON object"),
        (r#"{"gpa_order":{}"#, "400 body: not a JSON object"),
        ("{}", "400 gpa_order.jit_funding: missing"),
        (r#"{"gpa_order":{"jit_funding":[]}}"#, "400 gpa_order.jit_funding: not a JSON object"),
        (r#"{"gpa_order":{"jit_funding":{}}}"#, "400 gpa_order.jit_funding.token: missing"),
        (r#"{"gpa_order_unload":{"jit_funding":{}}}"#, "400 gpa_order_unload.jit_funding.token: missing"),
        (r#"{"jit_funding":{"token":1}}"#, "400 jit_funding.token: not a string"),
        (r#"{"gpa_order":{"jit_funding":{"token":""}}}"#, "400 gpa_order.jit_funding.token: is empty"),
        (r#"{"gpa_order":{"jit_funding":{"token":"a","token":"a"}}}"#, "400 gpa_order.jit_funding.token: given twice"),
        (r#"{"gpa_order":{"jit_funding":{"token":"a","method":null}}}"#, "400 gpa_order.jit_funding.method: missing"),
        (
            r#"{"gpa_order":{"jit_funding":{"token":"a","method":"é"}}}"#,
            "400 gpa_order.jit_funding.method: has a character that is not printable ASCII",
        ),
        (
            r#"{"gpa_order":{"jit_funding":{"token":"a","method":"m","user_token":"\n"}}}"#,
            "400 gpa_order.jit_funding.user_token: has a character that is not printable ASCII",
        ),
    ]);
    assert_eq!(outcome(b"{\"x\":\"\xff\"}"), "400 body: not UTF-8");
    let long = load(r#","amount":1"#).replace("pgfs.authorization", &"m".repeat(65));
    assert_eq!(outcome(long), "400 gpa_order.jit_funding.method: is too long");
    let longest = load(r#","amount":1"#).replace("pgfs.authorization", &"m".repeat(64));
    assert_eq!(outcome(longest), "asked Authorization 100 USD");
}

#[test]
fn nothing_else_changes_the_fingerprint() {
    let fingerprint = |body: &str| read(body.as_bytes()).unwrap().ask.unwrap().fingerprint;
    let plain = load(r#","amount":48.20"#);
    let same = [
        load(r#","amount":48.2"#),
        load(r#","amount":482e-1,"acting_user_token":"u-2","tags":"x""#),
        plain.replace(
            r#""token":"tx""#,
            r#""token":"tx","created_time":"2026-01-14T17:05:09Z","card_acceptor":{"mid":"M"}"#,
        ),
        plain.replace(r#""gpa_order":{"#, r#""gpa_order":{"token":"other","amount":99,"state":"PENDING","#),
        plain.replace(r#""t-1""#, r#""t-2""#),
        plain.replace("u-1", "u\\u002d1"),
    ];
    for body in same {
        assert_eq!(fingerprint(&body), fingerprint(&plain), "{body}");
    }
    for body in [
        load(r#","amount":48.21"#),
        load(r#","amount":48.20,"original_jit_funding_token":"t-0""#),
        plain.replace("USD", "EUR"),
        plain.replace("u-1", "u-2"),
        plain.replace("\"tx\"", "\"ty\""),
        plain.replace("pgfs.authorization", "pgfs.authorization.incremental"),
    ] {
        assert_ne!(fingerprint(&body), fingerprint(&plain), "{body}");
    }
}

/// A valid body cut and pasted: most are broken somewhere inside.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (0..400_usize, 0..8_usize, prop::collection::vec(any::<u8>(), 0..6));
    let token =
        prop::sample::select(vec!["\"", "{", "}", "null", "1e9", ",", ":", "[", "\\u0000", "\\ud800", "gpa_order"]);
    let word = (0..400_usize, 0..8_usize, token.prop_map(|token| token.as_bytes().to_vec()));
    prop::collection::vec(prop_oneof![edit, word], 1..6).prop_map(|edits| {
        let mut body = load(r#","amount":48.20,"original_jit_funding_token":"t-0""#).into_bytes();
        for (start, len, paste) in edits {
            let start = start.min(body.len());
            let end = (start + len).min(body.len());
            body.splice(start..end, paste);
        }
        body
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..300)) {
        outcome(body);
    }

    #[test]
    fn any_mutation_is_answered(body in mutated()) {
        outcome(body);
    }

    /// Whoever can be answered is, whatever stands in the other fields.
    #[test]
    fn identity_is_enough(values in prop::collection::vec(prop::sample::select(vec![
        "null", "1", "-1", "1.5e3", "\"x\"", "\"\"", "{}", "[]", "true", "{\"jit_funding\":3}", "[[[{\"a\":[]}]]]",
    ]), 6)) {
        let [a, b, c, d, e, f] = values[..] else { unreachable!("six were made") };
        let body = format!(
            r#"{{"token":{a},"gpa_order_unload":{b},"currency_code":{c},"jit_funding":{d},"gpa_order":{{"currency_code":{e},"jit_funding":{{{FUNDING},"amount":{f}}}}}}}"#
        );
        let order = read(body.as_bytes());
        prop_assert!(order.is_ok(), "{:?}", order);
    }
}
