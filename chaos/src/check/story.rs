//! Histories told in lines, for the tests of the checkers.
//!
//! ```text
//! 0-1  open A 1000          -> ok
//! 2-5  authorize t1 A 600   -> yes           no, yes-alone, no-alone, lost
//! 3-4  read A 1000 600      -> ok            booked, held
//! 6-7  move k1 A 50         -> ok            negative: a debit; refused, lost
//! 6-7  report r1 t1 A clearing 20 -> ok      last, reversal, full; lost
//! 8-9  status A frozen      -> ok            active
//! books A 1000 600 t1:600                    booked, held, holds
//! ```

use crate::history::{
    AccountStatus, Answer, Begin, Books, Direction, Heard, History, Lost, Op, Report, ReportKind, Task, VERSION, books,
};

/// The history that these lines tell. Everything is settled if the books are in it.
pub fn history(story: &str) -> History {
    let mut ops: Vec<Op> = Vec::new();
    let mut books = Books::default();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("books ") {
            books.accounts.push(account(rest));
            books.settled = Some(books::Settled { settled: true, log: true, missing: Vec::new() });
            continue;
        }
        ops.push(op(line, ops.len() as u64));
    }
    ops.sort_by_key(|op| op.invoked_us);
    let begin = Begin {
        version: VERSION,
        seed: 1,
        unix_us: 1_000_000_000_000_000,
        currency: "USD".into(),
        nodes: vec!["n".into()],
        deadline_us: 100,
        stand_in: None,
    };
    History { begin, ops, statuses: Vec::new(), faults: Vec::new(), books, complete: true }
}

fn op(line: &str, id: u64) -> Op {
    let (asked, end) = line.split_once("->").expect("an end");
    let words: Vec<&str> = asked.split_whitespace().collect();
    let (from, until) = words[0].split_once('-').expect("times");
    let number = |at: usize| words[at].parse::<i64>().expect("a number");
    let text = |at: usize| words[at].to_owned();
    let mut answer = Answer::default();
    let task = match words[1] {
        "open" => Task::Open { account: text(2), credit: number(3) as u64 },
        "authorize" => {
            let transaction = Some(format!("x{}", words[2]));
            Task::Authorize { token: text(2), account: text(3), amount: number(4) as u64, transaction }
        }
        "read" => {
            (answer.posted, answer.held) = (Some(number(3)), Some(number(4)));
            Task::Read { account: text(2) }
        }
        "move" => {
            let direction = if number(4) < 0 { Direction::Debit } else { Direction::Credit };
            Task::Move { key: text(2), account: text(3), direction, amount: number(4).unsigned_abs() }
        }
        "report" => Task::Report(Report {
            transaction: text(2),
            account: text(4),
            amount: number(6) as u64,
            kind: match words[5] {
                "clearing" => ReportKind::Clearing,
                "last" => ReportKind::LastClearing,
                "reversal" => ReportKind::Reversal,
                _ => ReportKind::FullReversal,
            },
            original: text(3),
            preceding: format!("x{}", words[3]),
        }),
        "status" => {
            let status = if words[3] == "frozen" { AccountStatus::Frozen } else { AccountStatus::Active };
            Task::SetStatus { account: text(2), status }
        }
        other => panic!("{other}"),
    };
    let (heard, status, outcome) = match end.trim() {
        "ok" => (Heard::Ok, None, None),
        "refused" => (Heard::Declined, None, None),
        "yes" => (Heard::Ok, Some(200), Some("decided")),
        "no" => (Heard::Declined, Some(402), Some("decided")),
        "yes-alone" => (Heard::Ok, Some(200), Some("stand-in")),
        "no-alone" => (Heard::Declined, Some(402), Some("undecided")),
        "lost" => (Heard::Unknown, None, None),
        other => panic!("{other}"),
    };
    answer.lost = (heard == Heard::Unknown).then_some(Lost::Broken);
    answer.status = status;
    answer.outcome = outcome.map(str::to_owned);
    answer.body = status.map(|status: u16| format!("{status:016}"));
    let time = |text: &str| text.parse().expect("a time");
    Op { id, node: "n".into(), task, invoked_us: time(from), ended_us: time(until), heard, answer }
}

fn account(line: &str) -> books::Account {
    let words: Vec<&str> = line.split_whitespace().collect();
    let hold = |word: &&str| {
        let (token, amount) = word.split_once(':').expect("a hold");
        books::Hold { token: token.into(), amount: amount.parse().expect("a number"), forced: false, conflict: false }
    };
    let number = |at: usize| words[at].parse().expect("a number");
    let (posted, held) = (number(1), number(2));
    let holds = words[3..].iter().map(hold).collect();
    books::Account { account: words[0].into(), posted, held, status: AccountStatus::Active, holds }
}
