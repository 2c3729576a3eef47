//! A file of accounts, line by line: each becomes an opening, or is named with what is wrong with it.
//!
//! What must hold: memory and message are bounded, whatever the file is. A line of CSV and a JSON line go through the
//! same checks. Not here: the columns of CSV (`csv`).

use super::csv::Columns;
use crate::ctl::account::amount;
use ledger::{Currency, UserToken};
use proto::admin::v1 as wire;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Accounts of one file: about 150 MB in memory. More go into several files.
const LINES_MAX: usize = 1_000_000;
/// A line with all of its fields has fewer than 200.
const LINE_BYTES_MAX: u64 = 4096;
/// Wrong lines that are named.
const NAMED_MAX: usize = 20;
/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a line is written in.
pub(super) enum Format {
    /// One object a line.
    Json,
    /// RFC 4180, with a header. A record is one line: no field of an account may hold a line break.
    Csv,
}

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) user_token: String,
    pub(super) currency: String,
    pub(super) credit: Option<String>,
}

/// By its name: `.csv` is CSV, anything else and standard input are JSON lines.
pub(super) fn read_file(path: &Path) -> Result<Vec<wire::Opening>, String> {
    if path == Path::new("-") {
        return read(io::stdin().lock(), Format::Json);
    }
    let csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let file = File::open(path).map_err(|error| error.to_string())?;
    read(BufReader::new(file), if csv { Format::Csv } else { Format::Json })
}

/// All openings, or all that is wrong.
pub(super) fn read(mut source: impl BufRead, format: Format) -> Result<Vec<wire::Opening>, String> {
    let (mut columns, mut before) = match format {
        Format::Json => (None, 0),
        Format::Csv => (Some(header(&mut source)?), 1),
    };
    let mut found = Found::default();
    while let Some(line) = next_line(&mut source).map_err(|error| format!("line {}: {error}", before + 1))? {
        before += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if found.first_seen.len() >= LINES_MAX {
            return Err(format!("line {before}: more than {LINES_MAX} accounts: split the file"));
        }
        let line = match &mut columns {
            None => json_line(&line),
            Some(columns) => columns.line(&line),
        };
        found.add(before, line.and_then(check));
    }
    found.all()
}

fn header(source: &mut impl BufRead) -> Result<Columns, String> {
    let line = next_line(source).map_err(|error| format!("line 1: {error}"))?;
    let line = line.ok_or("is empty: the header user_token,currency,credit is missing")?;
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
    Columns::of(line).map_err(|why| format!("line 1: {why}"))
}

/// What the lines so far were.
#[derive(Default)]
struct Found {
    openings: Vec<wire::Opening>,
    first_seen: BTreeMap<(UserToken, Currency), usize>,
    wrong: Vec<String>,
    wrong_count: usize,
}

impl Found {
    fn add(&mut self, number: usize, checked: Result<((UserToken, Currency), wire::Opening), String>) {
        let checked = checked.and_then(|(key, opening)| match self.first_seen.get(&key) {
            Some(first) => Err(format!("the same account and currency as in line {first}")),
            None => {
                self.first_seen.insert(key, number);
                Ok(opening)
            }
        });
        match checked {
            Ok(opening) => self.openings.push(opening),
            Err(why) => {
                self.wrong_count += 1;
                if self.wrong.len() < NAMED_MAX {
                    self.wrong.push(format!("line {number}: {why}"));
                }
            }
        }
    }

    fn all(mut self) -> Result<Vec<wire::Opening>, String> {
        if self.wrong.is_empty() {
            return Ok(self.openings);
        }
        if self.wrong_count > self.wrong.len() {
            self.wrong.push(format!("and {} more", self.wrong_count - self.wrong.len()));
        }
        Err(format!("nothing was sent\n{}", self.wrong.join("\n")))
    }
}

/// The next line, of bounded length.
fn next_line(source: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(if line.is_empty() { None } else { Some(line) })
}

fn json_line(line: &[u8]) -> Result<Line, String> {
    // The parser counts lines too, and every one of ours is its first.
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
    })
}

fn check(line: Line) -> Result<((UserToken, Currency), wire::Opening), String> {
    let Line { user_token, currency, credit } = line;
    let user = UserToken::new(&user_token).map_err(|error| format!("user_token: {error}"))?;
    let known = Currency::from_code(&currency);
    let known = known.ok_or_else(|| "currency: is not an alpha-3 code of ISO 4217".to_owned())?;
    let credit = match credit.as_deref() {
        None | Some("") => String::new(),
        Some(text) => amount("credit", text, known).map_err(|failure| failure.message().to_owned())?.to_string(),
    };
    Ok(((user, known), wire::Opening { user_token, currency, credit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_become_openings() {
        let text = r#"{"user_token":"a","currency":"USD","credit":"10.5"}

            {"currency":"JPY","user_token":"a"}
            {"user_token":"b","currency":"USD","credit":""}"#;
        let openings = read(text.as_bytes(), Format::Json).expect("all lines are good");
        let openings: Vec<_> =
            openings.iter().map(|one| (one.user_token.as_str(), one.currency.as_str(), one.credit.as_str())).collect();
        assert_eq!(openings, [("a", "USD", "10.50"), ("a", "JPY", ""), ("b", "USD", "")]);
    }

    #[test]
    fn every_wrong_line_is_named() {
        let text = [
            r#"{"user_token":"a","currency":"USD"}"#,
            r#"{"user_token":"","currency":"USD"}"#,
            r#"{"user_token":"b","currency":"XXY"}"#,
            r#"{"user_token":"c","currency":"USD","credit":"-1.00"}"#,
            r#"{"user_token":"d","currency":"USD","credit":"1.001"}"#,
            r#"{"user_token":"e","currency":"USD","credit":1}"#,
            r#"{"user_token":"f","currency":"USD","limit":"1"}"#,
            r#"{"user_token":"a","currency":"USD"}"#,
            "nonsense",
        ]
        .join("\n");
        let wrong = read(text.as_bytes(), Format::Json).expect_err("most lines are wrong");
        let wanted = [
            "nothing was sent",
            "line 2: user_token: is empty",
            "line 3: currency: is not an alpha-3 code of ISO 4217",
            "line 4: credit: -1.00 is negative",
            "line 5: credit: 1.001 has more decimals than the currency (USD)",
            "line 6: invalid type: integer `1`, expected a string",
            "line 7: unknown field `limit`",
            "line 8: the same account and currency as in line 1",
            "line 9: expected",
        ];
        let lines: Vec<&str> = wrong.lines().collect();
        assert_eq!(lines.len(), wanted.len(), "{wrong}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{line:?} begins with {wanted:?}");
        }
    }

    #[test]
    fn many_wrong_lines_and_endless_lines_are_bounded() {
        let wrong = read("x\n".repeat(50).as_bytes(), Format::Json).expect_err("all lines are wrong");
        assert_eq!(wrong.lines().count(), 1 + NAMED_MAX + 1);
        assert!(wrong.ends_with("and 30 more"), "{wrong}");
        let endless = " ".repeat(LINE_BYTES_MAX as usize + 1);
        assert_eq!(read(endless.as_bytes(), Format::Json), Err("line 1: longer than 4096 bytes".to_owned()));
    }
}
