//! Verification codes, PINs and magnetic stripes out of what is kept: they have no form to be known by, so they are
//! known by the names of their fields.
//!
//! What must hold: JSON stays JSON, and what was cut off is read as far as it goes. None of the names is one that an
//! item is booked by. Not here: a code in the middle of a text, which nothing tells from another number.

/// Names of fields in lower case, without what joins their words.
const NAMES: [&str; 22] = [
    "cardsecuritycode",
    "cardverificationcode",
    "cardverificationvalue",
    "cav2",
    "cid",
    "csc",
    "cvc",
    "cvc2",
    "cvn",
    "cvv",
    "cvv2",
    "cvvnumber",
    "icvv",
    "pin",
    "pinblock",
    "securitycode",
    "track",
    "track1",
    "track1data",
    "track2",
    "track2data",
    "verificationvalue",
];
const COVERED: &str = "\"***\"";

/// The text with their values covered.
pub(super) fn cover(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(string_len(from));
        out.extend([before, word]);
        rest = after;
        let value = after.trim_start().strip_prefix(':').map(str::trim_start).unwrap_or_default();
        let length = value_len(value);
        if length > 0 && !value.starts_with("null") && is_secret(word) {
            out.push_str(after.strip_suffix(value).unwrap_or_default());
            out.push_str(COVERED);
            rest = value.get(length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn is_secret(word: &str) -> bool {
    let name: String = word.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str())
}

/// Of a string with its quotes, or of what there is of it.
fn string_len(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    text.len()
}

/// Of a value, whatever it is; 0 if there is none.
fn value_len(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b'"') => string_len(text),
        Some(b'{' | b'[') => container_len(text),
        _ => text.find(|one: char| ",}]".contains(one) || one.is_whitespace()).unwrap_or(text.len()),
    }
}

fn container_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += string_len(text.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::cover;

    #[test]
    fn values_of_such_names_are_covered_whatever_they_are() {
        for (text, expected) in [
            (r#"{"cvv":"947","a":1}"#, r#"{"cvv":"***","a":1}"#),
            (r#"{"CVV-2" : 947 }"#, r#"{"CVV-2" : "***" }"#),
            (r#"{"card":{"security_code":947}}"#, r#"{"card":{"security_code":"***"}}"#),
            (r#"{"cvc":["9\"4",{"x":"}"}],"b":[]}"#, r#"{"cvc":"***","b":[]}"#),
            (r#"{"Track2 Data":";4111=2512?","é":"ü"}"#, r#"{"Track2 Data":"***","é":"ü"}"#),
            (r#"{"pin":null,"pin_block":""}"#, r#"{"pin":null,"pin_block":"***"}"#),
            // Cut off, or no JSON at all.
            (r#"{"cvv":"94"#, r#"{"cvv":"***""#),
            (r#"{"cvv":{"a":1"#, r#"{"cvv":"***""#),
            (r#"{"cvv":"#, r#"{"cvv":"#),
            (r#"{"cvv":}"#, r#"{"cvv":}"#),
            (r#""cvv"#, r#""cvv"#),
            (r#"{"a":"\"#, r#"{"a":"\"#),
        ] {
            assert_eq!(cover(text), expected, "{text}");
            assert_eq!(cover(expected), expected, "once is enough");
        }
    }

    #[test]
    fn other_names_and_values_stay() {
        for text in [
            r#"{"card_security_code_verification":{"response":{"code":"0001"}},"pin_entry_mode":"TRUE"}"#,
            r#"{"memo":"cvv 947","list":["cvv","947"],"tracking":"1"}"#,
            "",
        ] {
            assert_eq!(cover(text), text);
        }
    }
}
