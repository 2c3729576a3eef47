//! The columns of a CSV file: `user_token`, `currency`, and `credit` if it has one, in any order.
//!
//! What must hold: every record has exactly the header's fields, is one line, and closes its quotes. A file that was
//! cut in the middle of a quoted amount is refused, not read as a smaller amount.

use super::lines::Line;
use csv_core::{ReadRecordResult, Reader};

/// What a header may name.
const USER_TOKEN: &str = "user_token";
const CURRENCY: &str = "currency";
const CREDIT: &str = "credit";

/// Where each column is, and the parser, which is made once.
pub(super) struct Columns {
    parser: Reader,
    count: usize,
    user_token: usize,
    currency: usize,
    credit: Option<usize>,
}

impl Columns {
    /// Reads the header.
    pub(super) fn of(line: &[u8]) -> Result<Columns, String> {
        let mut parser = Reader::new();
        let names = fields(&mut parser, line)?;
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        for (at, name) in names.iter().enumerate() {
            if ![USER_TOKEN, CURRENCY, CREDIT].contains(&name.as_str()) {
                return Err(format!("unknown column {name:?}: there are {USER_TOKEN}, {CURRENCY} and {CREDIT}"));
            }
            if place(name) != Some(at) {
                return Err(format!("the column {name} is given twice"));
            }
        }
        let needed = |wanted: &str| place(wanted).ok_or_else(|| format!("the column {wanted} is missing"));
        let (user_token, currency, credit) = (needed(USER_TOKEN)?, needed(CURRENCY)?, place(CREDIT));
        Ok(Columns { parser, count: names.len(), user_token, currency, credit })
    }

    /// Reads one record.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Line, String> {
        let mut fields = fields(&mut self.parser, line)?;
        if fields.len() != self.count {
            return Err(format!("has {} fields, the header has {}", fields.len(), self.count));
        }
        let mut take = |at: usize| fields.get_mut(at).map(std::mem::take).unwrap_or_default();
        Ok(Line { user_token: take(self.user_token), currency: take(self.currency), credit: self.credit.map(take) })
    }
}

/// The fields of a line of bounded length.
fn fields(parser: &mut Reader, line: &[u8]) -> Result<Vec<String>, String> {
    // Those around a field, and those that stand doubled for one inside, come in pairs.
    if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        return Err("a quote is not closed on its line".to_owned());
    }
    parser.reset();
    // A field never has more bytes than it was written with, and a line no more fields than bytes.
    let (mut text, mut ends) = (vec![0; line.len() + 1], vec![0; line.len() + 1]);
    let (mut read, mut written, mut count) = (0, 0, 0);
    loop {
        // Empty input says that the file ends: so does the record, even without a line break.
        let (result, took, wrote, ended) = parser.read_record(&line[read..], &mut text[written..], &mut ends[count..]);
        (read, written, count) = (read + took, written + wrote, count + ended);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record if line[read..].iter().all(u8::is_ascii_whitespace) => break,
            ReadRecordResult::Record => return Err("holds more than one record".to_owned()),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return Err("has no end".to_owned()),
            ReadRecordResult::End => break,
        }
    }
    let starts = std::iter::once(0).chain(ends[..count].iter().copied());
    let fields = starts.zip(&ends[..count]).map(|(start, end)| std::str::from_utf8(&text[start..*end]));
    fields.map(|field| field.map(str::to_owned).map_err(|_| "is not UTF-8".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use crate::ctl::import::lines::{Format, read};

    fn csv(text: &str) -> Result<Vec<String>, String> {
        let openings = read(text.as_bytes(), Format::Csv)?;
        Ok(openings.iter().map(|one| format!("{} {} {}", one.user_token, one.currency, one.credit)).collect())
    }

    #[test]
    fn records_become_openings() {
        let wanted = Ok(vec!["a USD 10.50".to_owned(), "b JPY ".to_owned()]);
        for text in [
            "user_token,currency,credit\na,USD,10.5\nb,JPY,\n",
            "user_token,currency,credit\na,USD,10.5\nb,JPY,",
            "\u{feff}user_token,currency,credit\r\na,USD,10.50\r\n\r\nb,JPY,\r\n",
            "\"user_token\",\"currency\",\"credit\"\n\"a\",\"USD\",\"10.5\"\n\"b\",JPY,\"\"\n",
            "credit,user_token,currency\n10.5,a,USD\n\n,b,JPY\n",
        ] {
            assert_eq!(csv(text), wanted, "{text:?}");
        }
        assert_eq!(csv("currency,user_token\nUSD,a\n"), Ok(vec!["a USD ".to_owned()]));
        assert_eq!(csv("user_token,currency,credit\n"), Ok(vec![]));
        let quoted = "user_token,currency,credit\n\"a, \"\"b\"\"\",USD,1\n";
        assert_eq!(csv(quoted), Ok(vec!["a, \"b\" USD 1.00".to_owned()]));
    }

    #[test]
    fn a_wrong_header_is_named() {
        for (text, wanted) in [
            ("", "is empty: the header user_token,currency,credit is missing"),
            ("\n", "line 1: the column user_token is missing"),
            ("user_token,credit\na,1\n", "line 1: the column currency is missing"),
            ("a,USD,1\n", "line 1: unknown column \"a\": there are user_token, currency and credit"),
            ("user_token,currency,user_token\n", "line 1: the column user_token is given twice"),
            ("user_token,currency,\"credit\n", "line 1: a quote is not closed on its line"),
        ] {
            assert_eq!(csv(text), Err(wanted.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn every_wrong_record_is_named() {
        let text = "user_token,currency,credit\r\na,USD,1.00\r\nb,USD\r\nc,USD,1,2\r\nd,USD,ten\r\ne,USD,1.001\r\n\
                    f,usd,1\r\n,USD,1\r\ng,USD,\"1\r\n000\"\r\n\r\na,USD,2\r\nh,USD,-1\r\ni,USD,5\rj,USD,5\r\n";
        let wrong = csv(text).expect_err("most lines are wrong");
        let wanted = [
            "nothing was sent",
            "line 3: has 2 fields, the header has 3",
            "line 4: has 4 fields, the header has 3",
            "line 5: credit: ten is not decimal text (USD)",
            "line 6: credit: 1.001 has more decimals than the currency (USD)",
            "line 7: currency: is not an alpha-3 code of ISO 4217",
            "line 8: user_token: is empty",
            "line 9: a quote is not closed on its line",
            "line 10: a quote is not closed on its line",
            "line 12: the same account and currency as in line 2",
            "line 13: credit: -1 is negative: money from an account is a debit",
            "line 14: holds more than one record",
        ];
        assert_eq!(wrong.lines().collect::<Vec<_>>(), wanted);
        let bytes = read(&b"user_token,currency\n\xff,USD\n"[..], Format::Csv);
        assert_eq!(bytes, Err("nothing was sent\nline 2: is not UTF-8".to_owned()));
        let cut = csv("user_token,currency,credit\na,USD,\"1");
        assert_eq!(cut, Err("nothing was sent\nline 2: a quote is not closed on its line".to_owned()));
    }
}
