//! Opening many accounts from a file of JSON lines.
//!
//! What must hold: every line is checked before anything is sent, and each wrong one is named by its number. What is
//! sent is idempotent, so an import that broke off is simply done again. Memory is bounded by the limits below.

use super::Failure;
use super::account::{amount, open_accounts};
use super::answer::Answer;
use super::nodes::Nodes;
use ledger::{Currency, Open, UserToken};
use proto::admin::v1 as wire;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Accounts of one file: about 150 MB in memory. More go into several files.
const LINES_MAX: usize = 1_000_000;
/// A line with all of its fields has fewer than 200.
const LINE_BYTES_MAX: u64 = 4096;
/// Wrong lines that are named.
const NAMED_MAX: usize = 20;

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    user_token: String,
    currency: String,
    credit: Option<String>,
}

pub(super) async fn run(nodes: &mut Nodes, program: String, file: PathBuf) -> Result<Answer, Failure> {
    let shown = file.display().to_string();
    let reading = tokio::task::spawn_blocking(move || read_file(&file)).await;
    let openings = match reading {
        Ok(openings) => openings.map_err(|why| Failure::Usage(format!("{shown}: {why}")))?,
        Err(error) => return Err(Failure::Unavailable(format!("{shown}: {error}"))),
    };
    let total = openings.len();
    let (mut opened, mut existed, mut sent) = (0u64, 0u64, 0);
    for batch in openings.chunks(Open::MAX) {
        let request = wire::OpenAccountsRequest { program: program.clone(), openings: batch.to_vec() };
        let done = open_accounts(nodes, &request).await.map_err(|failure| broken_off(failure, sent, total))?;
        opened += u64::from(done.opened);
        existed += u64::from(done.existed);
        sent += batch.len();
    }
    let document = json!({ "lines": total, "opened": opened, "existed": existed });
    Answer::done(&document, format!("{total} lines: {opened} opened, {existed} were there already\n"))
}

/// Once something was sent, "nothing was done" is no longer true.
fn broken_off(failure: Failure, sent: usize, total: usize) -> Failure {
    if sent == 0 {
        return failure;
    }
    let progress = format!("{}; {sent} of {total} accounts were sent before: import again", failure.message());
    match failure {
        Failure::Usage(_) => Failure::Usage(progress),
        Failure::Refused(_) => Failure::Refused(progress),
        Failure::Unavailable(_) | Failure::Unknown(_) => Failure::Unknown(progress),
    }
}

fn read_file(path: &Path) -> Result<Vec<wire::Opening>, String> {
    if path == Path::new("-") {
        return read(io::stdin().lock());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    read(BufReader::new(file))
}

/// All openings, or all that is wrong.
fn read(mut source: impl BufRead) -> Result<Vec<wire::Opening>, String> {
    let mut openings = Vec::new();
    let mut first_seen: BTreeMap<(UserToken, Currency), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut wrong_count = 0usize;
    for number in 1.. {
        let Some(line) = next_line(&mut source).map_err(|error| format!("line {number}: {error}"))? else {
            break;
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if first_seen.len() >= LINES_MAX {
            return Err(format!("line {number}: more than {LINES_MAX} accounts: split the file"));
        }
        let checked = check(&line).and_then(|(key, opening)| match first_seen.get(&key) {
            Some(first) => Err(format!("the same account and currency as in line {first}")),
            None => {
                first_seen.insert(key, number);
                Ok(opening)
            }
        });
        match checked {
            Ok(opening) => openings.push(opening),
            Err(why) => {
                wrong_count += 1;
                if wrong.len() < NAMED_MAX {
                    wrong.push(format!("line {number}: {why}"));
                }
            }
        }
    }
    if wrong_count > wrong.len() {
        wrong.push(format!("and {} more", wrong_count - wrong.len()));
    }
    if wrong.is_empty() { Ok(openings) } else { Err(format!("nothing was sent\n{}", wrong.join("\n"))) }
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

fn check(line: &[u8]) -> Result<((UserToken, Currency), wire::Opening), String> {
    // The parser counts lines too, and every one of ours is its first.
    let Line { user_token, currency, credit } = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
    })?;
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
        let openings = read(text.as_bytes()).expect("all lines are good");
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
        let wrong = read(text.as_bytes()).expect_err("most lines are wrong");
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
        let wrong = read("x\n".repeat(50).as_bytes()).expect_err("all lines are wrong");
        assert_eq!(wrong.lines().count(), 1 + NAMED_MAX + 1);
        assert!(wrong.ends_with("and 30 more"), "{wrong}");
        let endless = " ".repeat(LINE_BYTES_MAX as usize + 1);
        assert_eq!(read(endless.as_bytes()), Err("line 1: longer than 4096 bytes".to_owned()));
    }
}
