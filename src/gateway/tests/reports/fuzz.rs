//! Real messages, spoiled: an answer always, no panic, nothing but the honest 5xx, and no money moved by what is
//! refused.
//!
//! `HOLDFAST_CASES` says how many, `HOLDFAST_SEED` where they begin. A failure prints both, and the case, shrunk.

use crate::door::{Answer, Door};
use crate::orders::{cases, runtime};
use proptest::prelude::*;

const MESSAGES: [&str; 14] = [
    include_str!("../messages/authorization_pending.json"),
    include_str!("../messages/authorization_declined.json"),
    include_str!("../messages/incremental_pending.json"),
    include_str!("../messages/advice_down_to_30.json"),
    include_str!("../messages/reversal_partial_10.json"),
    include_str!("../messages/reversal_full.json"),
    include_str!("../messages/clearing_1_of_2.json"),
    include_str!("../messages/force_capture_1200.json"),
    include_str!("../messages/pindebit_completion.json"),
    include_str!("../messages/refund_authorization_clearing.json"),
    include_str!("../messages/original_credit_fast.json"),
    include_str!("../messages/chargeback_won_although_declined.json"),
    include_str!("../messages/commando_clearing_1100.json"),
    include_str!("../messages/companion_of_authorization.json"),
];

/// What is put in place of some bytes: JSON's own characters, and values that have been trouble before.
fn paste() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "1e99",
        "1E+2",
        "0.001",
        "\"x\"",
        "\\u0000",
        "\"token\":1,",
        "4111111111111111",
        "\"state\":\"CLEARED\",",
        "\"ada\"",
        "\"bob\"",
        "\"USD\"",
        "\u{fffd}",
    ]);
    prop_oneof![3 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..6)]
}

fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, paste()), 0..5);
    (prop::sample::select(MESSAGES.to_vec()), edits).prop_map(|(message, edits)| {
        let mut bytes = message.as_bytes().to_vec();
        for (at, len, paste) in edits {
            let start = at.index(bytes.len() + 1);
            let end = (start + len).min(bytes.len());
            bytes.splice(start..end, paste);
        }
        bytes
    })
}

/// A post of some of them; sometimes the envelope is spoiled too.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let items = prop::collection::vec(spoiled(), 0..4);
    let envelope = prop::sample::select(vec![
        ("{\"transactions\":[", "]}"),
        ("{\"transactions\":[", "]}"),
        ("{\"transactions\":[", "]}"),
        ("{\"cardtransitions\":[", "]}"),
        ("{\"surprises\":[", "]}"),
        ("{\"transactions\":[", "],\"transactions\":[]}"),
        ("{\"transactions\":", "}"),
        ("[", "]"),
    ]);
    (items, envelope)
        .prop_map(|(items, (before, after))| [before.as_bytes(), &items.join(&b","[..]), after.as_bytes()].concat())
}

/// Whether a run of digits may be a card number.
fn has_card(bytes: &[u8]) -> bool {
    bytes.split(|byte| !byte.is_ascii_digit()).any(|run| {
        let luhn = run.iter().rev().enumerate().map(|(place, byte)| {
            let digit = u32::from(byte - b'0') * (1 + place as u32 % 2);
            digit / 10 + digit % 10
        });
        run.len() >= 13 && (run.len() > 19 || luhn.sum::<u32>() % 10 == 0)
    })
}

/// One set of books for many cases: whatever came before, the next answer must be right as well.
struct Fuzzed {
    door: Door,
    runtime: tokio::runtime::Runtime,
}

impl Fuzzed {
    fn post(&self, body: &[u8]) -> (Answer, [u8; 16], [u8; 16]) {
        let money = || self.door.books.look(|books| books.digest());
        let before = money();
        let answer = self.runtime.block_on(self.door.post(body.to_vec()));
        (answer, before, money())
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_post_is_answered_and_what_is_refused_moves_nothing(bodies in prop::collection::vec(body(), 1..6)) {
        let fuzzed = Fuzzed { door: Door::open(), runtime: runtime() };
        for body in bodies {
            let shown = String::from_utf8_lossy(&body);
            let ((status, answer), before, after) = fuzzed.post(&body);
            prop_assert!([200, 400, 413].contains(&status), "{status} {answer}: {shown}");
            prop_assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok(), "{answer}: {shown}");
            if status != 200 {
                prop_assert_eq!(before, after, "refused, and yet something changed: {}", shown);
            }
            // Again: nothing may be booked twice. Only log time goes on.
            let money = |user, code| fuzzed.door.money(user, code);
            let all = || [money("ada", "EUR"), money("ada", "USD"), money("ada", "JPY"), money("bob", "USD")];
            let (first, letters) = (all(), fuzzed.door.letters().len());
            let ((again, _), ..) = fuzzed.post(&body);
            prop_assert_eq!((again, all(), fuzzed.door.letters().len()), (status, first, letters), "{}", shown);
            for letter in fuzzed.door.letters() {
                prop_assert!(!has_card(&letter.letter.bytes), "{:?} of {shown}", letter.letter);
            }
        }
        fuzzed.door.check();
    }
}
