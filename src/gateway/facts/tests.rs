//! Messages and what they say about themselves.

use super::*;

fn said(transaction: &str) -> Facts {
    read(transaction, "pgfs.authorization")
}

fn token(text: &str) -> Option<Token> {
    Token::new(text).ok()
}

#[test]
fn a_whole_message() {
    let facts = said(
        r#"{
        "card_token": "card-1", "card_product_token": "product-1",
        "card_acceptor": {"mid": "MID000998", "mcc": "7011", "country_code": "GBR"},
        "pos": {"pan_entry_mode": "CHIP_CONTACTLESS", "card_presence": true, "is_recurring": false, "partial_approval_capable": true},
        "transaction_metadata": {"payment_channel": "OTHER", "moto_indicator": null,
            "cross_border_transaction": true, "is_lodging_auto_rental": true, "authorization_life_cycle": 30},
        "fraud": {"network": {"transaction_risk_score": "97"},
            "issuer_processor": {"score": 12, "risk_level": "high", "recommended_action": "decline"}},
        "card_security_code_verification": {"type": "CVV2", "response": {"code": "0001"}},
        "address_verification": {"response": {"code": "0100"}},
        "cardholder_authentication_data": {"authentication_status": "SUCCESSFUL"},
        "is_preauthorization": true,
        "authorization_expiration": "2026-02-14T17:05:09Z", "acting_user_token": "child-1",
        "business_token": "shop-1"
    }"#,
    );
    let expected = Facts {
        mcc: Some(7011),
        merchant: token("MID000998"),
        country: Country::new("GBR").ok(),
        card: token("card-1"),
        product: token("product-1"),
        acting: UserToken::new("child-1").ok(),
        business: UserToken::new("shop-1").ok(),
        partial_ok: Fact::Yes,
        channel: Channel::CardPresent,
        entry: Entry::Contactless,
        cash: CashKind::Unknown,
        card_present: Fact::Yes,
        cross_border: Fact::Yes,
        network_score: Some(97),
        processor_score: Some(12),
        outside_score: None,
        risk: Risk::High,
        advice: Advice::Decline,
        security_code: Check::Mismatch,
        address: Check::Partial,
        three_ds: Check::Match,
        lodging_or_rental: Fact::Yes,
        preauthorization: Fact::Yes,
        life_days: Some(30),
        stands_until: Some(Timestamp(1_771_088_709_000_000)),
    };
    assert_eq!(facts, expected);
}

#[test]
fn what_cannot_be_read_is_unknown_and_refuses_nothing() {
    for transaction in [
        "{}",
        "[]",
        "",
        r#"{"card_acceptor": [], "pos": 7, "fraud": null, "transaction_metadata": "x"}"#,
        r#"{"card_acceptor": {"mcc": "58 12", "mid": "", "country_code": "826"}}"#,
        r#"{"card_acceptor": {"mcc": 70000, "mid": {}, "country_code": ["GBR"]}}"#,
        r#"{"card_acceptor": {"mcc": "5812", "mcc": "5813", "mid": "a", "mid": "b"}}"#,
        r#"{"card_token": "x", "card_token": "y", "card_product_token": "ü"}"#,
        r#"{"pos": {"pan_entry_mode": "TELEPATHY", "card_presence": "perhaps"}}"#,
        r#"{"transaction_metadata": {"authorization_life_cycle": -1}}"#,
        r#"{"authorization_expiration": "tomorrow"}"#,
        r#"{"authorization_expiration": "1969-12-31T23:59:59Z"}"#,
        r#"{"fraud": {"network": {"transaction_risk_score": 1e2}, "issuer_processor": {"risk_level": "purple"}}}"#,
    ] {
        assert_eq!(said(transaction), Facts::default(), "{transaction}");
    }
}

#[test]
fn older_models_write_texts() {
    let facts = said(
        r#"{"card_acceptor": {"mcc": 5812, "mid": "01-460    "},
        "pos": {"card_presence": "1", "is_recurring": "FALSE"}, "estimated_authorization": "false"}"#,
    );
    assert_eq!((facts.mcc, facts.merchant), (Some(5812), token("01-460")));
    assert_eq!((facts.card_present, facts.preauthorization), (Fact::Yes, Fact::No));
}

#[test]
fn channels() {
    for (method, transaction, expected) in [
        ("pgfs.pindebit.atm.withdrawal", r#"{"pos": {"card_presence": true}}"#, Channel::Atm),
        ("", r#"{"card_acceptor": {"mcc": "6011"}}"#, Channel::Atm),
        ("", r#"{"transaction_metadata": {"payment_channel": "ECOMMERCE"}}"#, Channel::Ecommerce),
        (
            "",
            r#"{"transaction_metadata": {"payment_channel": "ECOMMERCE"}, "pos": {"is_recurring": true}}"#,
            Channel::Recurring,
        ),
        ("", r#"{"transaction_metadata": {"moto_indicator": "MANUAL"}}"#, Channel::MailOrPhone),
        ("", r#"{"transaction_metadata": {"payment_channel": "MOTO"}}"#, Channel::MailOrPhone),
        ("", r#"{"pos": {"card_presence": true}}"#, Channel::CardPresent),
        ("", r#"{"pos": {"card_presence": false}}"#, Channel::Unknown),
    ] {
        assert_eq!(read(transaction, method).channel, expected, "{method} {transaction}");
    }
}

#[test]
fn what_is_as_good_as_money() {
    for (method, expected) in [
        ("pgfs.authorization", CashKind::Unknown),
        ("pgfs.authorization.cashback", CashKind::Cash),
        ("pgfs.atm.withdrawal", CashKind::Cash),
        ("pgfs.pindebit.quasi.cash", CashKind::QuasiCash),
    ] {
        assert_eq!(read("{}", method).cash, expected, "{method}");
    }
}
