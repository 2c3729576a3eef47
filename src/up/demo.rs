//! The authorization that `up` sends on the first start, and the line that one can paste.
//!
//! Tokens, users and amounts are a seam; everything else in the body is invented, shaped as the processor sends it.

use super::plan::Client;
use super::say::say;
use crate::exchange::{Answer, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddrV4;

/// Where the processor asks.
const PATH: &str = "/v1/jit";

/// An authorization of 12.34 USD on `demo-1`.
const BODY: &str = r#"{
  "type": "authorization", "state": "PENDING", "token": "demo-transaction-1",
  "user_token": "demo-1", "acting_user_token": "demo-1",
  "card_token": "demo-card-1", "card_product_token": "demo-debit",
  "gpa": {"currency_code": "USD", "ledger_balance": 0, "available_balance": 0, "credit_balance": 0,
          "pending_credits": 0},
  "gpa_order": {
    "token": "demo-order-1", "amount": 12.34, "transaction_token": "demo-load-1", "state": "PENDING",
    "funding": {"amount": 12.34, "source": {"type": "programgateway", "token": "**********0001", "active": true,
                "name": "holdfast", "is_default_account": false}},
    "funding_source_token": "**********0001",
    "jit_funding": {"token": "demo-authorization-1", "method": "pgfs.authorization",
                    "user_token": "demo-1", "acting_user_token": "demo-1", "amount": 12.34},
    "user_token": "demo-1", "currency_code": "USD"
  },
  "created_time": "2026-01-05T12:30:00Z", "user_transaction_time": "2026-01-05T12:30:00Z",
  "settlement_date": "2026-01-05T00:00:00Z",
  "request_amount": 12.34, "amount": 12.34, "currency_code": "USD",
  "network": "VISA", "subnetwork": "VISANET", "acquirer_fee_amount": 0,
  "acquirer": {"institution_id_code": "000111", "retrieval_reference_number": "600512000001",
               "system_trace_audit_number": "000001"},
  "card": {"last_four": "0001", "metadata": {}}, "user": {"metadata": {}},
  "card_acceptor": {"mid": "MID000111", "mcc": "5812", "name": "HARBOUR CAFE", "city": "Portland",
                    "postal_code": "04101", "country_code": "USA"},
  "pos": {"pan_entry_mode": "CHIP_CONTACTLESS", "pin_entry_mode": "TRUE", "card_presence": true,
          "card_holder_presence": true, "partial_approval_capable": false, "is_recurring": false},
  "transaction_metadata": {"payment_channel": "OTHER"}, "network_reference_id": "VXX0000001"
}"#;

/// The headers of the first authorization.
pub(super) fn headers(client: &Client) -> [(&'static str, String); 2] {
    let plain = format!("{}:{}", client.user, client.password.reveal());
    let authorization = format!("Basic {}", STANDARD.encode(plain));
    [("Content-Type", "application/json".to_owned()), ("Authorization", authorization)]
}

/// The first authorization.
pub(super) fn request<'a>(headers: &'a [(&'static str, String)]) -> Request<'a> {
    Request { method: "POST", path: PATH, headers, body: BODY }
}

/// Prints the exchange. The credential is named, not shown.
pub(super) fn show(address: SocketAddrV4, client: &Client, answer: &Answer) {
    say(format_args!("> POST {PATH} HTTP/1.1"));
    say(format_args!("> host: {address}"));
    say(format_args!("> authorization: Basic (user {})", client.user));
    say(format_args!("> content-type: application/json"));
    for line in BODY.lines() {
        say(format_args!("> {line}"));
    }
    say(format_args!("< {}", answer.status_line));
    for name in ["content-type", "content-length", "x-holdfast-outcome"] {
        if let Some(value) = answer.header(name) {
            say(format_args!("< {name}: {value}"));
        }
    }
    say(format_args!("< {}", answer.body));
}

/// A command that asks for 5.00 USD on `demo-1` under this token.
pub(super) fn curl(address: SocketAddrV4, client: &Client, token: &str) -> String {
    let user = quote(&format!("{}:{}", client.user, client.password.reveal()));
    let body = format!(
        r#"{{"token":"{token}","currency_code":"USD","gpa_order":{{"currency_code":"USD","jit_funding":{{"token":"{token}","method":"pgfs.authorization","user_token":"demo-1","amount":5.00}}}}}}"#
    );
    let body = quote(&body);
    format!("curl -sS -i -w '\\n' -u {user} -H 'Content-Type: application/json' -d {body} http://{address}{PATH}")
}

/// As one word of a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn client(password: &str) -> Client {
        Client { program: "default".into(), user: "marqeta".into(), password: Secret::new(password) }
    }

    #[test]
    fn the_body_says_what_the_seam_says() {
        let body: serde_json::Value = serde_json::from_str(BODY).unwrap();
        let funding = &body["gpa_order"]["jit_funding"];
        assert_eq!(funding["token"], "demo-authorization-1");
        assert_eq!(funding["user_token"], "demo-1");
        assert_eq!(funding["amount"].to_string(), "12.34");
        assert_eq!(body["gpa_order"]["currency_code"], "USD");
    }

    #[test]
    fn the_credential_is_that_of_http_basic() {
        let headers = headers(&client("holdfast-dev-Password1!"));
        assert_eq!(headers[1].1, "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==");
    }

    #[test]
    fn the_line_survives_a_shell() {
        let line = curl(SocketAddrV4::new([127, 0, 0, 1].into(), 8442), &client("it's $a `b` \"c\"!"), "t-1");
        let output = std::process::Command::new("sh")
            .args(["-c", &line.replacen("curl", "printf '%s\\n'", 1)])
            .output()
            .unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = words.lines().collect();
        assert_eq!(words[5], "marqeta:it's $a `b` \"c\"!");
        assert_eq!(words[7], "Content-Type: application/json");
        let body: serde_json::Value = serde_json::from_str(words[9]).unwrap();
        assert_eq!(body["gpa_order"]["jit_funding"]["token"], "t-1");
        assert_eq!(words[10], "http://127.0.0.1:8442/v1/jit");
    }
}
