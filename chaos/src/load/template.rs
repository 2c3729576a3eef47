//! The bytes of a request, built once and patched for each request at fixed places.
//!
//! What must hold: every patched request is valid HTTP/1.1 with a right `Content-Length` and a valid JSON body, and
//! nothing is allocated or formatted on the way. Numbers keep the widths that the template left for them: counters with
//! leading zeros, amounts with leading spaces (JSON allows white space before a value). Not here: what is asked
//! (`plan`).

use super::plan::Ask;

/// A token is `RUNID` as 8-4 hexadecimal digits, a constant, and the number with 12 digits: as long as a UUID.
const TOKEN_DIGITS: usize = 12;
/// The account number in a user token.
pub const USER_DIGITS: usize = 6;
/// Room for an amount: 10^15 minor units, a point, and one to spare.
const AMOUNT_WIDTH: usize = 17;

/// What stands before the numbers in the names of this run.
#[derive(Clone, Debug)]
pub struct Names {
    /// 48 bits that tell this run's tokens from those of other runs.
    pub run: u64,
    /// What the user tokens begin with.
    pub user_prefix: String,
}

impl Names {
    /// The token of a request, as in its `jit_funding.token`.
    pub fn token(&self, number: u64) -> String {
        format!("{}{number:012}", self.token_head(0))
    }

    /// The user token of an account.
    pub fn user(&self, number: u64) -> String {
        format!("{}{number:06}", self.user_prefix)
    }

    /// The part of a token before its number. `family` tells the tokens within one message apart.
    fn token_head(&self, family: u8) -> String {
        format!("{:08x}-{:04x}-400{family}-8000-", self.run >> 16, self.run & 0xffff)
    }
}

/// How the requests look.
#[derive(Clone, Debug)]
pub struct Style {
    /// The request line's path.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The value of the `Authorization` header, if one is sent.
    pub authorization: Option<String>,
    /// ISO 4217 alpha-3.
    pub currency: String,
    /// Its digits after the point.
    pub digits: u8,
    /// The small body of the bare server instead of an authorization.
    pub plain: bool,
}

/// A request that can be patched.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    tokens: Vec<usize>,
    users: Vec<usize>,
    amounts: Vec<usize>,
    digits: u8,
}

/// Marks in the body that [`Template::new`] replaces and remembers.
const TOKEN_MARK: char = '\u{1}';
const USER_MARK: char = '\u{2}';
const AMOUNT_MARK: char = '\u{3}';

impl Template {
    /// Lays the request out.
    pub fn new(style: &Style, names: &Names) -> Template {
        let body = if style.plain { plain_body(names) } else { authorization_body(names, &style.currency) };
        let mut template = Template {
            bytes: Vec::new(),
            tokens: Vec::new(),
            users: Vec::new(),
            amounts: Vec::new(),
            digits: if style.plain { 0 } else { style.digits },
        };
        let mut laid_out = Vec::with_capacity(body.len() + 256);
        for character in body.chars() {
            let (places, width) = match character {
                TOKEN_MARK => (&mut template.tokens, TOKEN_DIGITS),
                USER_MARK => (&mut template.users, USER_DIGITS),
                AMOUNT_MARK => (&mut template.amounts, AMOUNT_WIDTH),
                plain => {
                    laid_out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            places.push(laid_out.len());
            laid_out.resize(laid_out.len() + width, b'0');
        }
        let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", style.path, style.host);
        if let Some(authorization) = &style.authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", laid_out.len()));
        for place in template.tokens.iter_mut().chain(&mut template.users).chain(&mut template.amounts) {
            *place += head.len();
        }
        template.bytes = head.into_bytes();
        template.bytes.append(&mut laid_out);
        template
    }

    /// The request for this.
    pub fn patch(&mut self, ask: Ask) -> &[u8] {
        for place in &self.tokens {
            write_number(&mut self.bytes[*place..*place + TOKEN_DIGITS], ask.token);
        }
        for place in &self.users {
            write_number(&mut self.bytes[*place..*place + USER_DIGITS], ask.user);
        }
        for place in &self.amounts {
            write_amount(&mut self.bytes[*place..*place + AMOUNT_WIDTH], ask.amount, self.digits);
        }
        &self.bytes
    }

    /// The request as it was patched last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes with leading zeros; digits beyond the field are cut, which the bounds on numbers and accounts rule out.
fn write_number(field: &mut [u8], number: u64) {
    let mut rest = number;
    for byte in field.iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Writes with leading spaces and exactly `digits` digits after the point.
fn write_amount(field: &mut [u8], minor: u64, digits: u8) {
    let mut rest = minor;
    let mut written = 0;
    let mut point = digits == 0;
    for byte in field.iter_mut().rev() {
        *byte = if !point && written == digits {
            point = true;
            b'.'
        } else if rest == 0 && written > digits {
            b' '
        } else {
            let digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
            digit
        };
    }
}

/// What the bare server reads.
fn plain_body(names: &Names) -> String {
    format!(
        r#"{{"token":"{}{TOKEN_MARK}","user_token":"user_{USER_MARK}","amount":{AMOUNT_MARK}}}"#,
        names.token_head(0)
    )
}

/// An authorization as a card processor sends it, with invented values.
fn authorization_body(names: &Names, currency: &str) -> String {
    let funding = format!("{}{TOKEN_MARK}", names.token_head(0));
    let transaction = format!("{}{TOKEN_MARK}", names.token_head(1));
    let order = format!("{}{TOKEN_MARK}", names.token_head(2));
    let user = format!("{}{USER_MARK}", names.user_prefix);
    let amount = AMOUNT_MARK;
    let zero = r#""ledger_balance":0,"available_balance":0,"credit_balance":0,"pending_credits":0"#;
    [
        format!(r#"{{"type":"authorization","state":"PENDING","token":"{transaction}","#),
        format!(r#""user_token":"{user}","acting_user_token":"{user}","#),
        r#""card_token":"card-load-4242","card_product_token":"product-load-debit","#.into(),
        format!(r#""gpa":{{"currency_code":"{currency}",{zero},"#),
        format!(r#""balances":{{"{currency}":{{"currency_code":"{currency}",{zero}}}}}}},"#),
        format!(r#""gpa_order":{{"token":"{order}","amount":{amount},"transaction_token":"{transaction}","#),
        format!(r#""state":"PENDING","funding":{{"amount":{amount},"source":{{"type":"programgateway","#),
        r#""token":"**********4242","active":true,"name":"load","is_default_account":false,"#.into(),
        r#""created_time":"2026-02-01T08:00:00Z","last_modified_time":"2026-02-01T08:00:00Z"}},"#.into(),
        r#""funding_source_token":"**********4242","#.into(),
        format!(r#""jit_funding":{{"token":"{funding}","method":"pgfs.authorization","user_token":"{user}","#),
        format!(r#""acting_user_token":"{user}","amount":{amount}}},"#),
        format!(r#""user_token":"{user}","currency_code":"{currency}"}},"#),
        r#""created_time":"2026-03-04T10:11:12Z","user_transaction_time":"2026-03-04T10:11:12Z","#.into(),
        r#""settlement_date":"2026-03-04T00:00:00Z","#.into(),
        format!(r#""request_amount":{amount},"amount":{amount},"currency_code":"{currency}","#),
        r#""network":"VISA","subnetwork":"VISANET","acquirer_fee_amount":0,"#.into(),
        r#""acquirer":{"institution_id_code":"000424","retrieval_reference_number":"606310000424","#.into(),
        r#""system_trace_audit_number":"000424"},"user":{"metadata":{}},"#.into(),
        r#""card":{"last_four":"4242","metadata":{}},"issuer_received_time":"2026-03-04T10:11:12.131Z","#.into(),
        r#""card_acceptor":{"mid":"MID000424","mcc":"5411","name":"LOAD STREET GROCER","city":"Oakland","#.into(),
        r#""postal_code":"94607","country_code":"USA"},"pos":{"pan_entry_mode":"CHIP_CONTACTLESS","#.into(),
        r#""pin_entry_mode":"TRUE","card_presence":true,"card_holder_presence":true,"#.into(),
        r#""partial_approval_capable":false,"is_recurring":false},"#.into(),
        r#""transaction_metadata":{"payment_channel":"OTHER"},"network_reference_id":"VXX0000424"}"#.into(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::{Names, Style, Template};
    use crate::http::reply::find_head_end;
    use crate::load::plan::Ask;
    use proptest::prelude::*;
    use serde_json::Value;

    fn style(digits: u8, plain: bool) -> Style {
        Style {
            path: "/v1/jit".into(),
            host: "127.0.0.1:8441".into(),
            authorization: Some("Basic eDp5".into()),
            currency: "USD".into(),
            digits,
            plain,
        }
    }

    fn names() -> Names {
        Names { run: 0x1a2b_3c4d_5e6f, user_prefix: "load-1a2b3c4d5e6f-".into() }
    }

    /// The body, after the head was checked against it.
    fn body(bytes: &[u8]) -> Vec<u8> {
        let end = find_head_end(bytes).expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).expect("text");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        assert_eq!(length.trim().parse::<usize>().expect("a number"), bytes.len() - end);
        bytes[end..].to_vec()
    }

    proptest! {
        #[test]
        fn every_patched_request_is_valid_json_and_says_what_was_asked(
            token in 0u64..1_000_000_000_000, user in 0u64..1_000_000, amount in 0u64..=1_000_000_000_000_000,
            digits in prop_oneof![Just(0u8), Just(2), Just(3)],
        ) {
            let mut template = Template::new(&style(digits, false), &names());
            template.patch(Ask { token: 999_999_999_999, user: 999_999, amount: 1_000_000_000_000_000 });
            let text = body(template.patch(Ask { token, user, amount }));
            let json: Value = serde_json::from_slice(&text).expect("valid JSON");
            let expected = names().token(token);
            let jit = &json["gpa_order"]["jit_funding"];
            prop_assert_eq!(jit["token"].as_str().map(str::len), Some(36));
            prop_assert_eq!(jit["token"].as_str(), Some(expected.as_str()));
            let user_token = names().user(user);
            prop_assert_eq!(jit["user_token"].as_str(), Some(user_token.as_str()));
            prop_assert_eq!(json["user_token"].as_str(), Some(user_token.as_str()));
            prop_assert_ne!(jit["token"].as_str(), json["token"].as_str());
            let written = crate::money::format(i128::from(amount), digits);
            let places = String::from_utf8(text).expect("text").replace(' ', "").matches(&format!(":{written},")).count();
            prop_assert!(places >= 4, "{} stands {} times", written, places);
        }

        #[test]
        fn the_plain_body_is_what_the_bare_server_reads(user in 0u64..1_000_000, amount in 0u64..1_000_000) {
            let mut template = Template::new(&style(2, true), &names());
            let json: Value = serde_json::from_slice(&body(template.patch(Ask { token: 5, user, amount }))).expect("JSON");
            let number = json["user_token"].as_str().and_then(|text| text.strip_prefix("user_")?.parse().ok());
            prop_assert_eq!(number, Some(user));
            prop_assert_eq!(json["amount"].as_u64(), Some(amount));
            let expected = names().token(5);
            prop_assert_eq!(json["token"].as_str(), Some(expected.as_str()));
        }
    }
}
