//! Decimal text and minor units, in integers only.
//!
//! What must hold: `parse` undoes `format`, refuses what the currency has no digits for, and never rounds.
//! Not here: which currency has how many digits (the ledger's table knows).

/// Minor units as decimal text with exactly `digits` digits, negative as `-5.00`.
pub fn format(minor: i128, digits: u8) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let unit = 10u128.pow(u32::from(digits));
    let whole = minor.unsigned_abs() / unit;
    if digits == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{:0width$}", minor.unsigned_abs() % unit, width = usize::from(digits))
}

/// Minor units of a decimal text with at most `digits` digits after the point; `None` for anything else.
pub fn parse(text: &str, digits: u8) -> Option<i128> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = usize::from(digits);
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // 24 digits before the point stay far below 2^127 with the three digits that any currency has.
    if whole.is_empty() || whole.len() > 24 || fraction.len() > digits || !plain(whole) || !plain(fraction) {
        return None;
    }
    let minor = format!("{whole}{fraction:0<digits$}").parse::<i128>().ok()?;
    Some(if negative { -minor } else { minor })
}

#[cfg(test)]
mod tests {
    use super::{format, parse};
    use proptest::prelude::*;

    #[test]
    fn text_to_minor_units() {
        for (text, digits, minor) in [
            ("48.20", 2, Some(4_820)),
            ("48.2", 2, Some(4_820)),
            ("48", 2, Some(4_800)),
            ("-5.00", 2, Some(-500)),
            ("500", 0, Some(500)),
            ("1.234", 3, Some(1_234)),
            ("1.234", 2, None),
            ("500.0", 0, None),
            ("", 2, None),
            (".5", 2, None),
            ("1e3", 2, None),
            ("+1", 2, None),
        ] {
            assert_eq!(parse(text, digits), minor, "{text} with {digits} digits");
        }
    }

    proptest! {
        #[test]
        fn parse_undoes_format(minor in any::<i64>(), digits in 0u8..=3) {
            prop_assert_eq!(parse(&format(i128::from(minor), digits), digits), Some(i128::from(minor)));
        }
    }
}
