//! The bytes of what a processor sends: messages with invented values, as small as the product takes them.
//!
//! What must hold: the same task is the same body, so that a repetition repeats.

use crate::history::{Report, ReportKind};
use crate::money;

/// Where funds are asked for.
pub const JIT_PATH: &str = "/v1/jit";
/// Where reports go.
pub const WEBHOOKS_PATH: &str = "/v1/webhooks";

/// How amounts look.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// ISO 4217 alpha-3.
    pub currency: &'a str,
    /// Its digits after the point.
    pub digits: u8,
}

/// A whole request of HTTP/1.1.
pub fn request(host: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// An authorization.
pub fn authorization(style: Style<'_>, token: &str, transaction: &str, account: &str, amount: u64) -> String {
    let currency = style.currency;
    let amount = money::format(amount.into(), style.digits);
    format!(
        r#"{{"type":"authorization","state":"PENDING","token":"{transaction}","user_token":"{account}","amount":{amount},"currency_code":"{currency}","gpa_order":{{"amount":{amount},"currency_code":"{currency}","jit_funding":{{"token":"{token}","method":"pgfs.authorization","user_token":"{account}","amount":{amount}}}}},"card_acceptor":{{"mcc":"5411","country_code":"USA"}}}}"#
    )
}

/// A post with one report.
pub fn report(style: Style<'_>, report: &Report) -> String {
    let Report { transaction, account, original, preceding, .. } = report;
    let currency = style.currency;
    let amount = money::format(report.amount.into(), style.digits);
    let (kind, method, state, order) = match report.kind {
        ReportKind::Clearing | ReportKind::LastClearing => {
            ("authorization.clearing", "pgfs.authorization.capture", "COMPLETION", "COMPLETION")
        }
        ReportKind::Reversal => ("authorization.reversal", "pgfs.authorization.reversal", "PENDING", "PENDING"),
        ReportKind::FullReversal => ("authorization.reversal", "pgfs.authorization.reversal", "CLEARED", "REVERSED"),
    };
    let last = report.kind == ReportKind::LastClearing;
    let own = own_token(transaction);
    format!(
        r#"{{"transactions":[{{"type":"{kind}","state":"{state}","token":"{transaction}","preceding_related_transaction_token":"{preceding}","user_token":"{account}","amount":{amount},"currency_code":"{currency}","is_final_clearing":{last},"gpa_order":{{"amount":{amount},"currency_code":"{currency}","state":"{order}","jit_funding":{{"token":"{own}","method":"{method}","user_token":"{account}","amount":{amount},"original_jit_funding_token":"{original}"}}}}}}]}}"#
    )
}

/// The `jit_funding.token` of a report, from its transaction token.
pub fn own_token(transaction: &str) -> String {
    format!("j{transaction}")
}

#[cfg(test)]
mod tests {
    use super::{Style, authorization, report, request};
    use crate::history::{Report, ReportKind};
    use serde_json::Value;

    const STYLE: Style<'_> = Style { currency: "USD", digits: 2 };

    #[test]
    fn bodies_are_json_and_heads_say_how_long_they_are() {
        let body = authorization(STYLE, "t1", "x1", "u1", 1_234);
        let json: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(json["gpa_order"]["jit_funding"]["amount"].to_string(), "12.34");
        let bytes = request("h:1", "/v1/jit", "Basic eDp5", &body);
        let text = String::from_utf8(bytes).expect("text");
        let (head, rest) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())) && rest == body);
        for kind in [ReportKind::Clearing, ReportKind::LastClearing, ReportKind::Reversal, ReportKind::FullReversal] {
            let told = Report {
                transaction: "x2".into(),
                account: "u1".into(),
                amount: 5,
                kind,
                original: "t1".into(),
                preceding: "x1".into(),
            };
            let json: Value = serde_json::from_str(&report(STYLE, &told)).expect("JSON");
            let item = &json["transactions"][0];
            assert_eq!(item["is_final_clearing"], kind == ReportKind::LastClearing);
            assert_eq!(item["gpa_order"]["jit_funding"]["original_jit_funding_token"], "t1");
        }
    }
}
