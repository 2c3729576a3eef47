//! Amounts: from a number's text to minor units, exactly. The way back is [`ledger::format_minor`].
//!
//! What must hold: no float and no rounding anywhere. What cannot be had exactly in the currency's minor units is
//! refused, and a hostile text costs no more than an honest one.

use crate::refusal::Problem;
use ledger::{Amount, Currency};
use rust_decimal::Decimal;

/// A non-negative JSON number, not yet in a currency: `mantissa` × 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    mantissa: i128,
    exponent: i32,
}

/// A mantissa has at most 28 digits that count; a longer text is nothing but zeros, or refused.
const MANTISSA_BYTES_MAX: usize = 64;

impl Number {
    pub(crate) const ZERO: Number = Number { mantissa: 0, exponent: 0 };

    /// Reads a JSON value's text.
    pub(crate) fn read(text: &str) -> Result<Number, Problem> {
        match text.as_bytes().first() {
            Some(b'0'..=b'9') => {}
            Some(b'-') => return Err(Problem::Negative),
            Some(b'"') => return Err(Problem::TextNotNumber),
            _ if text == "null" => return Err(Problem::Null),
            _ => return Err(Problem::NotNumber),
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        // Zeros at the end of the fraction mean nothing, however many there are.
        let mantissa = match mantissa.split_once('.') {
            Some(_) => mantissa.trim_end_matches('0').trim_end_matches('.'),
            None => mantissa,
        };
        if mantissa.len() > MANTISSA_BYTES_MAX {
            return Err(Problem::TooManyDigits);
        }
        let mantissa = Decimal::from_str_exact(mantissa).map_err(|_| Problem::TooManyDigits)?;
        if mantissa.is_zero() {
            return Ok(Number::ZERO);
        }
        let scale = i32::try_from(mantissa.scale()).map_err(|_| Problem::TooManyDigits)?;
        Ok(Number { mantissa: mantissa.mantissa(), exponent: read_exponent(exponent)? - scale })
    }

    /// In minor units of the currency.
    pub(crate) fn in_currency(self, currency: Currency) -> Result<Amount, Problem> {
        let shift = self.exponent + i32::from(currency.digits());
        // 10^39 is beyond 128 bits, so a larger power is out of range one way, and not exact the other.
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        let minor = match power {
            _ if self.mantissa == 0 => 0,
            Some(power) if shift >= 0 => self.mantissa.checked_mul(power).ok_or(Problem::OutOfRange)?,
            None if shift >= 0 => return Err(Problem::OutOfRange),
            Some(power) if self.mantissa % power == 0 => self.mantissa / power,
            Some(_) | None => {
                return Err(Problem::TooManyDecimals { found: self.decimals(), currency });
            }
        };
        let minor = u64::try_from(minor).map_err(|_| Problem::OutOfRange)?;
        Amount::new(minor, currency).map_err(|_| Problem::OutOfRange)
    }

    /// How many decimals it has when written out.
    fn decimals(self) -> u32 {
        let mut decimals = self.exponent.min(0).unsigned_abs();
        let mut mantissa = self.mantissa;
        while decimals > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            decimals -= 1;
        }
        decimals
    }
}

/// An exponent of a mantissa that is not zero. Beyond four digits the amount is absurd whatever the mantissa is.
fn read_exponent(text: &str) -> Result<i32, Problem> {
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    let digits = digits.trim_start_matches('0');
    if digits.len() > 4 {
        return Err(if sign < 0 { Problem::TooManyDigits } else { Problem::OutOfRange });
    }
    if digits.is_empty() {
        return Ok(0);
    }
    digits.parse::<i32>().map(|exponent| sign * exponent).map_err(|_| Problem::NotNumber)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).unwrap()
    }

    fn minor(text: &str, code: &str) -> Result<u64, String> {
        let amount = Number::read(text).and_then(|number| number.in_currency(currency(code)));
        amount.map(Amount::minor).map_err(|problem| problem.to_string())
    }

    #[test]
    fn exact_amounts_are_read() {
        let zeros = "0".repeat(5_000);
        for (text, code, expected) in [
            ("48.20", "USD", 4820),
            ("48.2", "USD", 4820),
            ("48", "USD", 4800),
            ("48.200", "USD", 4820),
            ("4.82e1", "USD", 4820),
            ("4820E-2", "USD", 4820),
            ("48200e-3", "USD", 4820),
            ("0.4820e+02", "USD", 4820),
            ("4.82e0001", "USD", 4820),
            ("0", "USD", 0),
            ("0.000000", "USD", 0),
            ("0e999999999999", "USD", 0),
            ("0.01", "USD", 1),
            ("500", "JPY", 500),
            ("500.00", "JPY", 500),
            ("5e2", "JPY", 500),
            ("1.234", "KWD", 1234),
            ("10000000000000.00", "USD", 1_000_000_000_000_000),
            (&format!("48.2{zeros}"), "USD", 4820),
        ] {
            assert_eq!(minor(text, code), Ok(expected), "{text} {code}");
        }
    }

    #[test]
    fn the_rest_is_refused_by_name() {
        let nines = "9".repeat(5_000);
        for (text, code, expected) in [
            ("48.205", "USD", "3 decimals, USD has 2"),
            ("0.5", "JPY", "1 decimals, JPY has 0"),
            ("1.2345", "KWD", "4 decimals, KWD has 3"),
            ("1e-3", "USD", "3 decimals, USD has 2"),
            ("1e-9999", "USD", "9999 decimals, USD has 2"),
            ("1.00000000000000000000000000001", "USD", "too many digits"),
            ("1e-999999999999", "USD", "too many digits"),
            ("1e999999999", "USD", "out of range"),
            ("1e9999", "USD", "out of range"),
            ("1e38", "USD", "out of range"),
            ("10000000000000.01", "USD", "out of range"),
            ("-0", "USD", "negative"),
            ("-0.00", "USD", "negative"),
            ("-1", "USD", "negative"),
            ("\"48.20\"", "USD", "a string, must be a number"),
            ("null", "USD", "null"),
            ("true", "USD", "not a number"),
            ("{}", "USD", "not a number"),
            (&nines, "USD", "too many digits"),
            (&format!("0.{nines}"), "USD", "too many digits"),
        ] {
            assert_eq!(minor(text, code), Err(expected.to_owned()), "{text} {code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            minor_units in 0..=Amount::MINOR_MAX,
            code in prop::sample::select(vec!["USD", "JPY", "KWD"]),
        ) {
            let text = ledger::format_minor(minor_units, currency(code));
            prop_assert_eq!(minor(&text, code), Ok(minor_units));
            prop_assert_eq!(minor(&format!("{text}e0"), code), Ok(minor_units));
            prop_assert_eq!(minor(&format!("{text}e-0000"), code), Ok(minor_units));
        }

        #[test]
        fn any_text_is_answered(text in "[-0-9.eE+\"nul]{0,80}") {
            let _ = minor(&text, "USD");
        }
    }
}
