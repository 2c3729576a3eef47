//! Money: minor units of one currency, and its decimal text.
//!
//! **What must hold.** Text and amount are exact both ways: [`format_minor`] writes all of the currency's digits, and
//! [`Amount::parse`] takes nothing that it would have to round. No float exists anywhere.
//! **What is not here.** The processor's JSON numbers (with exponents and spare zeros) are read by `gateway`.

use crate::Currency;
use alloc::string::String;
use core::fmt::{self, Write};

/// Minor units of one currency, never negative. No `Add`: a sum can overflow or mix currencies, so it must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    minor: u64,
    currency: Currency,
}

/// Why there is no such amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// Above [`Amount::MINOR_MAX`].
    OutOfRange,
    /// The two are of different currencies.
    CurrencyMismatch,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AmountError::OutOfRange => "is out of range",
            AmountError::CurrencyMismatch => "is of another currency",
        })
    }
}

impl core::error::Error for AmountError {}

impl Amount {
    /// The largest amount of one movement: 10^15 minor units (10 trillion dollars). A balance of ±2^62 takes more than
    /// 4,000 of them, and is checked all the same.
    pub const MINOR_MAX: u64 = 1_000_000_000_000_000;

    /// An amount in minor units.
    pub fn new(minor: u64, currency: Currency) -> Result<Amount, AmountError> {
        if minor > Self::MINOR_MAX {
            return Err(AmountError::OutOfRange);
        }
        Ok(Amount { minor, currency })
    }

    /// Minor units.
    pub fn minor(self) -> u64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum, if both are of one currency and it is in range.
    pub fn checked_add(self, other: Amount) -> Result<Amount, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::CurrencyMismatch);
        }
        // Both are at most 10^15, so the sum fits in 64 bits.
        Amount::new(self.minor + other.minor, self.currency)
    }

    /// An amount that was an [`Amount`] before it was taken apart into a record.
    pub(crate) fn rejoined(minor: u64, currency: Currency) -> Amount {
        debug_assert!(minor <= Self::MINOR_MAX, "records are made from amounts");
        Amount { minor, currency }
    }

    /// Reads decimal text as operators write it: digits, and then perhaps a point and at least one and at most the
    /// currency's digits. No sign, no exponent, no spaces.
    pub fn parse(text: &str, currency: Currency) -> Result<Amount, AmountTextError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountTextError::NotDecimal),
            Some(parts) => parts,
            None => (text, ""),
        };
        let decimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !decimal(whole) || !decimal(fraction) {
            return Err(AmountTextError::NotDecimal);
        }
        let digits = usize::from(currency.digits());
        let Some(missing) = digits.checked_sub(fraction.len()) else {
            return Err(AmountTextError::ExcessDigits);
        };
        let zeros = core::iter::repeat_n(b'0', missing);
        let minor = whole.bytes().chain(fraction.bytes()).chain(zeros).try_fold(0, |minor: u64, digit| {
            minor.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|minor| *minor <= Self::MINOR_MAX)
        });
        Ok(Amount { minor: minor.ok_or(AmountTextError::OutOfRange)?, currency })
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountTextError {
    /// Not plain decimal text.
    NotDecimal,
    /// More digits after the point than the currency has.
    ExcessDigits,
    /// Above [`Amount::MINOR_MAX`].
    OutOfRange,
}

impl fmt::Display for AmountTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AmountTextError::NotDecimal => "is not decimal text",
            AmountTextError::ExcessDigits => "has more decimals than the currency",
            AmountTextError::OutOfRange => "is out of range",
        })
    }
}

impl core::error::Error for AmountTextError {}

/// Decimal text with exactly the currency's digits: `48.20`, `500` (JPY), `1.234` (KWD), `-5.00`.
pub fn format_minor(minor: impl Into<i128>, currency: Currency) -> String {
    let minor: i128 = minor.into();
    let magnitude = minor.unsigned_abs();
    let unit = 10u128.pow(u32::from(currency.digits()));
    let sign = if minor < 0 { "-" } else { "" };
    let mut text = String::with_capacity(24);
    // Writing into a string cannot fail.
    let _ = match usize::from(currency.digits()) {
        0 => write!(text, "{sign}{magnitude}"),
        width => write!(text, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit),
    };
    text
}

impl fmt::Display for Amount {
    /// The number alone, with exactly the currency's digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_minor(self.minor, self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).expect("listed")
    }

    #[test]
    fn text_has_exactly_the_digits_of_the_currency() {
        for (minor, code, text) in [
            (4820, "USD", "48.20"),
            (-500, "USD", "-5.00"),
            (-5, "USD", "-0.05"),
            (0, "USD", "0.00"),
            (500, "JPY", "500"),
            (-500, "JPY", "-500"),
            (1234, "KWD", "1.234"),
            (1, "CLF", "0.0001"),
            (i64::MIN, "USD", "-92233720368547758.08"),
            (i64::MAX, "JPY", "9223372036854775807"),
        ] {
            assert_eq!(format_minor(minor, currency(code)), text);
        }
    }

    #[test]
    fn parsing_is_exact_or_refused() {
        use AmountTextError::{ExcessDigits, NotDecimal, OutOfRange};
        for (text, code, wanted) in [
            ("48.20", "USD", Ok(4820)),
            ("48.2", "USD", Ok(4820)),
            ("48", "USD", Ok(4800)),
            ("0", "USD", Ok(0)),
            ("0048.20", "USD", Ok(4820)),
            ("48.200", "USD", Err(ExcessDigits)),
            ("48.", "USD", Err(NotDecimal)),
            (".5", "USD", Err(NotDecimal)),
            ("", "USD", Err(NotDecimal)),
            (".", "USD", Err(NotDecimal)),
            ("-1", "USD", Err(NotDecimal)),
            ("+1", "USD", Err(NotDecimal)),
            ("1e2", "USD", Err(NotDecimal)),
            ("1.2.3", "USD", Err(NotDecimal)),
            ("1,00", "USD", Err(NotDecimal)),
            (" 1", "USD", Err(NotDecimal)),
            ("١", "USD", Err(NotDecimal)),
            ("500", "JPY", Ok(500)),
            ("500.0", "JPY", Err(ExcessDigits)),
            ("1.234", "KWD", Ok(1234)),
            ("1.2345", "KWD", Err(ExcessDigits)),
            ("1.2345", "UYW", Ok(12345)),
            ("10000000000000.00", "USD", Ok(Amount::MINOR_MAX)),
            ("10000000000000.01", "USD", Err(OutOfRange)),
            ("99999999999999999999999999999999", "USD", Err(OutOfRange)),
        ] {
            assert_eq!(Amount::parse(text, currency(code)).map(Amount::minor), wanted, "{text} {code}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for currency in Currency::all() {
            for minor in [0, 1, 9, 10, 99, 100, 12345, Amount::MINOR_MAX] {
                let amount = Amount { minor, currency };
                assert_eq!(Amount::parse(&format_minor(minor, currency), currency), Ok(amount));
            }
        }
    }
}
