//! Card numbers out of what is kept; and verification codes, by the names of their fields (`secrets`).
//!
//! **What must hold.** Of every run of 13 to 19 digits that passes the check of card numbers (Luhn), written together,
//! in groups with single blanks or hyphens between, or with escaped digits, only the last four stay; of a longer run
//! written together too, whatever it is. A bare number becomes a string, so that it is no number any more and JSON
//! still.
//!
//! A UUID stays whole. The processor's tokens are UUIDs, 29 of 10,000 have such digits in them, and an item with a
//! covered token would be booked under another name. None of its groups is long enough for a card number, and nobody
//! writes one in groups of 8-4-4 or 4-12.

mod secrets;

/// Digits of a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// What stays.
const SHOWN: usize = 4;
/// Hexadecimal digits of a UUID's groups, with hyphens between them.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
const UUID_LEN: usize = 36;

/// The text without card numbers and verification codes.
pub fn mask(text: &str) -> String {
    let bytes = secrets::cover(&unescaped(text)).into_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut inside = Inside::Bare;
    while let Some(byte) = bytes.get(at).copied() {
        let mut next = at + 1;
        if is_uuid_at(&bytes, at) {
            next = at + UUID_LEN;
            out.extend_from_slice(bytes.get(at..next).unwrap_or_default());
        } else if byte.is_ascii_digit() {
            next = at + run_len(bytes.get(at..).unwrap_or_default());
            cover(bytes.get(at..next).unwrap_or_default(), inside, &mut out);
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

/// Whether a UUID begins and ends here: a word of its own, not a part of a longer one.
fn is_uuid_at(bytes: &[u8], at: usize) -> bool {
    let joins = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let Some(word) = bytes.get(at..at + UUID_LEN) else { return false };
    if joins(at.checked_sub(1).and_then(|before| bytes.get(before))) || joins(bytes.get(at + UUID_LEN)) {
        return false;
    }
    let groups: Vec<&[u8]> = word.split(|byte| *byte == b'-').collect();
    let fits = |(group, len): (&&[u8], usize)| group.len() == len && group.iter().all(u8::is_ascii_hexdigit);
    groups.len() == UUID_GROUPS.len() && groups.iter().zip(UUID_GROUPS).all(fits)
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

/// How far digits go, with single blanks or hyphens between.
fn run_len(bytes: &[u8]) -> usize {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut len = 1;
    loop {
        if digit(len) {
            len += 1;
        } else if matches!(bytes.get(len), Some(b' ' | b'-')) && digit(len + 1) {
            len += 2;
        } else {
            return len;
        }
    }
}

/// Writes a run, card numbers in it covered.
fn cover(run: &[u8], inside: Inside, out: &mut Vec<u8>) {
    let mut covered = run.to_vec();
    let groups = groups(run);
    for (first, start) in groups.iter().enumerate() {
        for end in groups.iter().skip(first) {
            let span = start.0..end.1;
            let digits = run.get(span.clone()).unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit()).count();
            let together = start.0 == end.0;
            if digits > *DIGITS.end() && !together {
                break;
            }
            let card = DIGITS.contains(&digits) && passes(run.get(span.clone()).unwrap_or_default());
            if card || digits > *DIGITS.end() {
                hide(covered.get_mut(span).unwrap_or_default(), digits);
            }
        }
    }
    let quote: &[u8] = if inside == Inside::Bare && covered != run { b"\"" } else { b"" };
    out.extend_from_slice(&[quote, &covered, quote].concat());
}

/// Where digits stand together.
fn groups(run: &[u8]) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut start = 0;
    for (at, byte) in run.iter().enumerate() {
        if !byte.is_ascii_digit() {
            groups.push((start, at));
            start = at + 1;
        }
    }
    groups.push((start, run.len()));
    groups
}

/// Luhn's check.
fn passes(span: &[u8]) -> bool {
    let digits = span.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
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

/// Covers all digits of a span but the last.
fn hide(span: &mut [u8], digits: usize) {
    let digits = digits.saturating_sub(SHOWN);
    span.iter_mut().filter(|byte| byte.is_ascii_digit() || **byte == b'*').take(digits).for_each(|byte| *byte = b'*');
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
            // Beside other groups, and in a run that is longer than any card number.
            (r#""4111 1111 1111 1111 12/28""#, r#""**** **** **** 1111 12/28""#),
            (r#""01-4111111111111111-02""#, r#""01-************1111-02""#),
            // No UUID: joined to something, or with other groups.
            (r#""0-0d7f1c52-0000-4000-8009-741247423000""#, r#""0-0d7f1c52-0000-4000-****-********3000""#),
            (r#""4111-1111-1111-1111-0d7f1c52""#, r#""****-****-****-1111-0d7f1c52""#),
            (r#""4111111111111111100000-0000-4000-8000""#, r#""******************0000-0000-4000-8000""#),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            // One digit off, too short.
            r#"{"a":"4111111111111112"}"#,
            r#"{"a":"424242424242"}"#,
            r#"{"a":"0d7f1c52-7d0b-4a57-9a0e-5b2f6a9c1e01","amount":48.20}"#,
            r#"{"a":"2026-01-14T17:05:09Z","b":"601417000123"}"#,
            // A UUID, with digits in it that pass.
            r#"{"token":"0d7f1c52-0000-4000-8009-741247423000"}"#,
            r#"{"token":"0d7f1c52-0000-4000-8009-0a6678d0c000","x":"0d7f1c52-0000-4000-8009-741247423000"}"#,
            "0d7f1c52-0000-4000-8009-741247423000",
            "",
            "\\",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
