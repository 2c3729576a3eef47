//! ISO 4217: codes, numbers and digits.
//!
//! **What must hold.** A [`Currency`] is always a listed one, so that its digits are known wherever an amount is.
//! Look-ups by number are one index, because every decoded amount makes one.

mod table;

use table::ROWS;

/// A currency of ISO 4217. Holds the numeric code (JPY 392, USD 840, KWD 414), which is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u16);

struct Row {
    numeric: u16,
    code: &'static str,
    digits: u8,
}

/// Numeric codes have three digits.
const NUMBERS: usize = 1000;
const UNLISTED: u8 = u8::MAX;
const ROW_OF_NUMBER: [u8; NUMBERS] = index_by_number();

const fn index_by_number() -> [u8; NUMBERS] {
    // Positions and the mark for "unlisted" share a byte.
    assert!(ROWS.len() < UNLISTED as usize);
    let mut index = [UNLISTED; NUMBERS];
    let mut at = 0;
    while at < ROWS.len() {
        let numeric = ROWS[at].numeric as usize;
        assert!(index[numeric] == UNLISTED, "each number once");
        index[numeric] = at as u8;
        at += 1;
    }
    index
}

impl Currency {
    /// By alpha-3 code, upper case.
    pub fn from_code(code: &str) -> Option<Currency> {
        let at = ROWS.binary_search_by(|row| row.code.cmp(code)).ok()?;
        ROWS.get(at).map(|row| Currency(row.numeric))
    }

    /// By numeric code.
    pub fn from_numeric(numeric: u16) -> Option<Currency> {
        row_of(numeric).map(|row| Currency(row.numeric))
    }

    /// All listed currencies, by code.
    pub fn all() -> impl Iterator<Item = Currency> {
        ROWS.iter().map(|row| Currency(row.numeric))
    }

    fn row(self) -> &'static Row {
        // The constructors let only listed ones in, so the first row is never what is taken.
        row_of(self.0).unwrap_or(&ROWS[0])
    }

    /// The alpha-3 code.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The numeric code.
    pub fn numeric(self) -> u16 {
        self.0
    }

    /// How many digits after the point (JPY 0, USD 2, KWD 3).
    pub fn digits(self) -> u8 {
        self.row().digits
    }
}

fn row_of(numeric: u16) -> Option<&'static Row> {
    let at = *ROW_OF_NUMBER.get(usize::from(numeric))?;
    ROWS.get(usize::from(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found_both_ways() {
        assert!(ROWS.is_sorted_by(|left, right| left.code < right.code));
        for currency in Currency::all() {
            assert_eq!(Currency::from_code(currency.code()), Some(currency));
            assert_eq!(Currency::from_numeric(currency.numeric()), Some(currency));
            assert!(currency.digits() <= 4, "{}", currency.code());
        }
    }

    #[test]
    fn digits_are_those_of_the_standard() {
        let digits = |code| Currency::from_code(code).map(Currency::digits);
        let of = |wanted| Currency::all().filter(move |currency| currency.digits() == wanted).map(Currency::code);
        assert!(of(0).eq([
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF"
        ]));
        assert!(of(3).eq(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]));
        assert!(of(4).eq(["CLF", "UYW"]));
        assert_eq!(of(1).count(), 0);
        assert_eq!(digits("USD"), Some(2));
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for code in ["", "usd", "US", "USDD", "XAU", "XXX", "XTS", "ZZZ"] {
            assert_eq!(Currency::from_code(code), None, "{code}");
        }
        for numeric in [0, 959, 999, 1000, u16::MAX] {
            assert_eq!(Currency::from_numeric(numeric), None, "{numeric}");
        }
    }
}
