//! Card numbers out of what is kept.
//!
//! **What must hold.** Of every run of 13 to 19 digits that passes the check of card numbers (Luhn), written together,
//! with single blanks or hyphens between, or with escaped digits, only the last four stay. A bare number becomes a
//! string, so that it is no number any more and JSON still.

/// Digits of a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// What stays.
const SHOWN: usize = 4;

/// The text without card numbers.
pub(crate) fn mask(text: &str) -> String {
    let bytes = unescaped(text).into_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut inside = Inside::Bare;
    while let Some(byte) = bytes.get(at).copied() {
        let mut next = at + 1;
        if byte.is_ascii_digit() {
            let places = run(&bytes, at);
            next = places.last().map_or(at, |last| *last) + 1;
            match bytes.get(at..next) {
                Some(run) if is_card(&bytes, &places) => cover(run, inside, &mut out),
                run => out.extend_from_slice(run.unwrap_or_default()),
            }
        } else if inside == Inside::Text && byte == b'\\' {
            // The next byte is escaped.
            next = (at + 2).min(bytes.len());
            out.extend_from_slice(bytes.get(at..next).unwrap_or_default());
        } else {
            inside = match (inside, byte) {
                (Inside::Bare, b'"') => Inside::Text,
                (Inside::Text, b'"') => Inside::Bare,
                (inside, _) => inside,
            };
            out.push(byte);
        }
        at = next;
    }
    // Only digits were changed, and only to other ASCII.
    String::from_utf8(out).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Bare,
    Text,
}

/// Digits that are written as `\u0030` to `\u0039` become plain ones, which mean the same.
fn unescaped(text: &str) -> String {
    if !text.contains("\\u003") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digit = escape.strip_prefix("\\u003").and_then(|tail| tail.chars().next()).filter(char::is_ascii_digit);
        // An escape is two bytes at least; what follows the backslash may be one too, and is no beginning of another.
        let length = match digit {
            Some(digit) => {
                out.push(digit);
                6
            }
            None => {
                let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                out.push_str(escape.get(..length).unwrap_or(escape));
                length
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Where the digits of the run are that begins here.
fn run(bytes: &[u8], from: usize) -> Vec<usize> {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut places = vec![from];
    let mut at = from;
    loop {
        if digit(at + 1) {
            at += 1;
        } else if matches!(bytes.get(at + 1), Some(b' ' | b'-')) && digit(at + 2) {
            at += 2;
        } else {
            return places;
        }
        places.push(at);
    }
}

fn is_card(bytes: &[u8], places: &[usize]) -> bool {
    if !DIGITS.contains(&places.len()) {
        return false;
    }
    let digits = places.iter().rev().filter_map(|at| bytes.get(*at)).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// All but the last digits of a run.
fn cover(run: &[u8], inside: Inside, out: &mut Vec<u8>) {
    let quote = |out: &mut Vec<u8>| {
        if inside == Inside::Bare {
            out.push(b'"');
        }
    };
    quote(out);
    let covered = run.len().saturating_sub(SHOWN);
    let shown =
        run.iter().enumerate().map(|(at, byte)| if at < covered && byte.is_ascii_digit() { b'*' } else { *byte });
    out.extend(shown);
    quote(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_however_they_are_written() {
        for (text, expected) in [
            (r#"{"a":"4111111111111111"}"#, r#"{"a":"************1111"}"#),
            (r#"{"a":"4111 1111 1111 1111"}"#, r#"{"a":"**** **** **** 1111"}"#),
            (r#"{"a":"4111-1111-1111-1111 x"}"#, r#"{"a":"****-****-****-1111 x"}"#),
            (r#"{"a":4111111111111111,"b":"x"}"#, r#"{"a":"************1111","b":"x"}"#),
            (r#"{"4222222222222":"378282246310005"}"#, r#"{"*********2222":"***********0005"}"#),
            (r#"{"a":"\"6011000990139424"}"#, r#"{"a":"\"************9424"}"#),
            (r#"{"a":"\u0034111111111111111"}"#, r#"{"a":"************1111"}"#),
            (r#"{"a":"\\u0034"}"#, r#"{"a":"\\u0034"}"#),
            ("cut off 4111111111111111", "cut off \"************1111\""),
            (r#""é 4111111111111111"#, r#""é ************1111"#),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            // One digit off, too short, too long.
            r#"{"a":"4111111111111112"}"#,
            r#"{"a":"424242424242"}"#,
            r#"{"a":"41111111111111111111111"}"#,
            r#"{"a":"0d7f1c52-7d0b-4a57-9a0e-5b2f6a9c1e01","amount":48.20}"#,
            r#"{"a":"2026-01-14T17:05:09Z","b":"601417000123"}"#,
            "",
            "\\",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
