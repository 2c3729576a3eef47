//! The bytes of a reply.
//!
//! What must hold: they are a function of the request and the decision alone: no node, no time, no index, so that a
//! repeat of a decided token gets the same bytes from any node for ever. Keys in a fixed order, no spaces, amounts with
//! exactly the currency's digits. Golden tests pin them.

use crate::Reason;
use crate::order::{Identity, Order};
use crate::reason::{UNDECIDED_MEMO, of_decline};
use crate::refusal::Refusal;
use ledger::{Amount, Balance, Currency, Decision, RequestKind, Token, Verdict, format_minor};
use std::io::Write;

/// What the processor is told.
pub(crate) enum Word<'a> {
    Approved {
        /// How much, if it is less than was asked.
        partial_minor: Option<u64>,
        balances: Option<&'a [Balance]>,
    },
    Declined {
        reason: Reason,
        memo: &'static str,
    },
    Refused(Refusal),
}

impl<'a> Word<'a> {
    pub(crate) fn of_decision(decision: &'a Decision, kind: RequestKind) -> Word<'a> {
        match decision.verdict {
            Verdict::Approved => Word::Approved {
                partial_minor: decision.partial_minor,
                balances: (kind == RequestKind::BalanceInquiry).then_some(&decision.balances),
            },
            Verdict::Declined(reason) => {
                let (reason, memo) = of_decline(reason);
                Word::Declined { reason, memo }
            }
        }
    }

    pub(crate) fn undecided(reason: Reason) -> Word<'static> {
        Word::Declined { reason, memo: UNDECIDED_MEMO }
    }

    pub(crate) fn is_approved(&self) -> bool {
        matches!(self, Word::Approved { .. })
    }
}

/// Everything that a reply's bytes depend on.
pub(crate) struct Reply<'a> {
    identity: &'a Identity<'a>,
    original: Option<Token>,
    amount: Option<Amount>,
    currency: Option<Currency>,
    send_approved_flag: SendApprovedFlag,
    word: Word<'a>,
}

/// Whether replies begin with `"approved"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendApprovedFlag {
    Yes,
    No,
}

impl<'a> Reply<'a> {
    /// To an order. An amount that could not be read is shown as zero, with the currency's digits if it has any.
    pub(crate) fn to(order: &'a Order<'a>, send_approved_flag: SendApprovedFlag, word: Word<'a>) -> Reply<'a> {
        let amount = match &order.ask {
            Ok(ask) => Some(ask.amount),
            Err(refused) => refused.amount,
        };
        let (original, currency) = (order.original, order.currency);
        Reply { identity: &order.identity, original, amount, currency, send_approved_flag, word }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        // Three ids of 36, a method of 64, a memo of 99 and the keys fit; only escapes or balances take more.
        let mut out = Vec::with_capacity(448);
        out.push(b'{');
        if self.send_approved_flag == SendApprovedFlag::Yes {
            let approved: &[u8] = if self.word.is_approved() { b"true" } else { b"false" };
            out.extend_from_slice(b"\"approved\":");
            out.extend_from_slice(approved);
            out.push(b',');
        }
        out.extend_from_slice(b"\"jit_funding\":{\"token\":");
        push_text(&mut out, self.identity.token.as_str());
        out.extend_from_slice(b",\"method\":");
        push_text(&mut out, &self.identity.method);
        out.extend_from_slice(b",\"user_token\":");
        push_text(&mut out, self.identity.user.as_str());
        out.extend_from_slice(b",\"amount\":");
        match self.currency {
            Some(currency) => push_minor(&mut out, self.shown_minor(), currency),
            None => out.push(b'0'),
        }
        if let Some(original) = &self.original {
            out.extend_from_slice(b",\"original_jit_funding_token\":");
            push_text(&mut out, original.as_str());
        }
        self.push_word(&mut out);
        out.extend_from_slice(b"}}");
        out
    }

    /// What was approved of it, or else what was asked.
    fn shown_minor(&self) -> u64 {
        match self.word {
            Word::Approved { partial_minor: Some(minor), .. } => minor,
            Word::Approved { partial_minor: None, .. } | Word::Declined { .. } | Word::Refused(_) => {
                self.amount.map_or(0, Amount::minor)
            }
        }
    }

    fn push_word(&self, out: &mut Vec<u8>) {
        match &self.word {
            Word::Approved { balances: None, .. } => {}
            Word::Approved { balances: Some(balances), .. } => push_balances(out, balances),
            Word::Declined { reason, memo } => {
                push_reason(out, *reason);
                push_text(out, memo);
            }
            Word::Refused(refusal) => {
                push_reason(out, refusal.reason);
                out.push(b'"');
                push_display(out, &refusal.fault);
                out.push(b'"');
            }
        }
    }
}

fn push_reason(out: &mut Vec<u8>, reason: Reason) {
    out.extend_from_slice(b",\"decline_reason\":\"");
    out.extend_from_slice(reason.name().as_bytes());
    out.extend_from_slice(b"\",\"memo\":");
}

fn push_balances(out: &mut Vec<u8>, balances: &[Balance]) {
    out.extend_from_slice(b",\"balances\":{");
    for (place, balance) in balances.iter().enumerate() {
        let code = balance.currency.code().as_bytes();
        out.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(code);
        out.extend_from_slice(b"\":{\"currency_code\":\"");
        out.extend_from_slice(code);
        out.extend_from_slice(b"\",\"ledger_balance\":");
        push_minor(out, balance.posted_minor, balance.currency);
        out.extend_from_slice(b",\"available_balance\":");
        push_minor(out, balance.available_minor(), balance.currency);
        out.push(b'}');
    }
    out.push(b'}');
}

fn push_minor(out: &mut Vec<u8>, minor: impl Into<i128>, currency: Currency) {
    out.extend_from_slice(format_minor(minor, currency).as_bytes());
}

/// A JSON string of printable ASCII, which ids, methods and our own texts are: only two characters need an escape.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// A text of ours, in which nothing needs an escape.
pub(crate) fn push_display(out: &mut Vec<u8>, text: &dyn std::fmt::Display) {
    // Writing to a vector fails only if `Display` does, and ours do not; what was written up to there stays valid.
    let _ = write!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::read;
    use ledger::DeclineReason;

    fn body(funding: &str) -> Vec<u8> {
        format!(r#"{{"gpa_order":{{"currency_code":"USD","jit_funding":{{{funding}}}}}}}"#).into_bytes()
    }

    const PLAIN: &str = r#""token":"t-1","method":"pgfs.authorization","user_token":"u-1","amount":48.2"#;

    fn reply(funding: &str, send_approved_flag: SendApprovedFlag, decision: &Decision, kind: RequestKind) -> String {
        let body = body(funding);
        let order = read(&body).unwrap();
        let word = Word::of_decision(decision, kind);
        String::from_utf8(Reply::to(&order, send_approved_flag, word).bytes()).unwrap()
    }

    fn decision(verdict: Verdict, balances: Vec<Balance>) -> Decision {
        Decision { verdict, replayed: false, partial_minor: None, balances, change: None }
    }

    /// The amount is what was approved; a repeat of the token gets the same bytes, for the decision says so again.
    #[test]
    fn an_approval_in_part() {
        let partial = Decision { partial_minor: Some(2_000), ..decision(Verdict::Approved, vec![]) };
        assert_eq!(
            reply(PLAIN, SendApprovedFlag::Yes, &partial, RequestKind::Authorization),
            r#"{"approved":true,"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"u-1","amount":20.00}}"#
        );
    }

    #[test]
    fn an_approval() {
        let approved = decision(Verdict::Approved, vec![]);
        assert_eq!(
            reply(PLAIN, SendApprovedFlag::Yes, &approved, RequestKind::Authorization),
            r#"{"approved":true,"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"u-1","amount":48.20}}"#
        );
        assert_eq!(
            reply(PLAIN, SendApprovedFlag::No, &approved, RequestKind::Authorization),
            r#"{"jit_funding":{"token":"t-1","method":"pgfs.authorization","user_token":"u-1","amount":48.20}}"#
        );
    }

    #[test]
    fn a_decline_with_everything_echoed() {
        let declined = decision(Verdict::Declined(DeclineReason::InsufficientFunds), vec![]);
        let funding = r#""token":"t\"1\\","method":"p/\u0041","user_token":"u-1","amount":5e2,"original_jit_funding_token":"t-0""#;
        assert_eq!(
            reply(funding, SendApprovedFlag::Yes, &declined, RequestKind::Authorization),
            r#"{"approved":false,"jit_funding":{"token":"t\"1\\","method":"p/A","user_token":"u-1","amount":500.00,"original_jit_funding_token":"t-0","decline_reason":"INSUFFICIENT_FUNDS","memo":"not enough available"}}"#
        );
    }

    #[test]
    fn balances_are_in_replies_to_inquiries_only() {
        let balance = |code: &str, posted_minor, held_minor| Balance {
            currency: Currency::from_code(code).unwrap(),
            posted_minor,
            held_minor,
        };
        let approved = decision(Verdict::Approved, vec![balance("JPY", 500, 0), balance("USD", 31_010, 36_010)]);
        let funding = r#""token":"t-1","method":"pgfs.balanceinquiry","user_token":"u-1""#;
        assert_eq!(
            reply(funding, SendApprovedFlag::Yes, &approved, RequestKind::BalanceInquiry),
            r#"{"approved":true,"jit_funding":{"token":"t-1","method":"pgfs.balanceinquiry","user_token":"u-1","amount":0.00,"balances":{"JPY":{"currency_code":"JPY","ledger_balance":500,"available_balance":500},"USD":{"currency_code":"USD","ledger_balance":310.10,"available_balance":-50.00}}}}"#
        );
        assert!(!reply(PLAIN, SendApprovedFlag::Yes, &approved, RequestKind::Authorization).contains("balances"));
    }

    #[test]
    fn every_reply_is_json_and_every_memo_short() {
        let bodies = [
            body(&PLAIN.replace("48.2", "48.205")),
            body(&PLAIN.replace("48.2", "null")),
            body(&PLAIN.replace("48.2", "1e-9999")),
            br#"{"jit_funding":{"token":"t","method":"m","user_token":"u","amount":1},"gpa_order_unload":7}"#.to_vec(),
        ];
        for body in bodies {
            let order = read(&body).unwrap();
            let refused = order.ask.unwrap_err();
            let bytes = Reply::to(&order, SendApprovedFlag::Yes, Word::Refused(refused.refusal)).bytes();
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert!(json["jit_funding"]["memo"].as_str().unwrap().len() <= 99);
            assert!(json["jit_funding"]["amount"].is_number());
        }
    }
}
