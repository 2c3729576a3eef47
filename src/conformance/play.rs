//! Plays one scenario: every step in order, up to the first that does not go as written.
//!
//! What must hold: a difference is never an error and an error never a difference. What the cluster says is compared
//! byte by byte; only `approved`, which a configuration can turn off, is not missed where it is off.

use super::scenario::{Expect, Letter, Order, Path, Post, Scenario, Step, Then, filled};
use super::target::Target;
use crate::ctl::Failure;
use crate::exchange::Answer;
use std::fmt::Write;

/// The header that says how an answer came about.
const OUTCOME: &str = "x-holdfast-outcome";
/// What a reply begins with unless it is turned off.
const FLAGS: [&str; 2] = ["{\"approved\":true,", "{\"approved\":false,"];

/// Where the cluster went another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// From 1 on; 0 before the first.
    pub(super) step: usize,
    /// What was done and compared.
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) got: String,
}

/// Plays it with names of this run.
pub(super) async fn play(scenario: &Scenario, target: &mut Target, run: &str) -> Result<Option<Difference>, Failure> {
    let mut accounts = scenario.accounts.clone();
    for account in &mut accounts {
        account.user_token = filled(&account.user_token, run);
    }
    if !accounts.is_empty() {
        refusable(target.open(&accounts).await)?
            .map_or(Ok(()), |why| Err(Failure::Usage(format!("{}.json: accounts: {why}", scenario.name))))?;
    }
    for (step, number) in scenario.steps.iter().zip(1..) {
        if let Some(difference) = take(step, target, run).await? {
            return Ok(Some(Difference { step: number, ..difference }));
        }
    }
    Ok(None)
}

async fn take(step: &Step, target: &mut Target, run: &str) -> Result<Option<Difference>, Failure> {
    match step {
        Step::Post(post) => send(post, target, run).await,
        Step::Balances { user_token, balances } => {
            let user_token = filled(user_token, run);
            let mut expected = String::new();
            for (currency, money) in balances {
                line(&mut expected, currency, [&money.posted, &money.held, &money.available]);
            }
            let mut got = String::new();
            for of in target.balances(&user_token).await? {
                line(&mut got, &of.currency, [&of.posted, &of.held, &of.available]);
            }
            Ok(differ(format!("balances of {user_token}"), expected, got))
        }
        Step::Order { user_token, order } => {
            let user_token = filled(user_token, run);
            let refused = refusable(target.order(&user_token, *order).await)?;
            let what = format!("{} {user_token}", verb(*order));
            Ok(refused.and_then(|why| differ(what, "done".to_owned(), format!("refused: {why}"))))
        }
        Step::Open(account) => {
            let account = super::scenario::Account { user_token: filled(&account.user_token, run), ..account.clone() };
            let what = format!("open {}", account.user_token);
            let refused = refusable(target.open(&[account]).await)?;
            Ok(refused.and_then(|why| differ(what, "done".to_owned(), format!("refused: {why}"))))
        }
        Step::Letter(letter) => deal(letter, target, run).await,
    }
}

async fn send(post: &Post, target: &mut Target, run: &str) -> Result<Option<Difference>, Failure> {
    let body = filled(&post.body, run);
    for time in 1..=post.times {
        let answer = target.post(post.path, &body).await?;
        let times = if post.times > 1 { format!(", time {time} of {}", post.times) } else { String::new() };
        let what = |what: &str| format!("POST {}{times}: {what}", post.path.text());
        if let Some((part, expected, got)) = compare(post, time, &answer, run) {
            return Ok(differ(what(part), expected, got));
        }
    }
    Ok(None)
}

/// The first part of an answer that is not as written.
fn compare(post: &Post, time: u32, answer: &Answer, run: &str) -> Option<(&'static str, String, String)> {
    let Expect { status, outcome, body } = &post.expect;
    let body = filled(body, run);
    if answer.status != *status {
        let of = |status: &dyn std::fmt::Display, body: &str| format!("{status} {body}");
        return Some(("status", of(status, &body), of(&answer.status, &answer.body)));
    }
    let with_flag = post.path != Path::Jit || FLAGS.iter().any(|flag| answer.body.starts_with(flag));
    let expected = if with_flag { body } else { without_flag(&body) };
    if answer.body != expected {
        return Some(("body", expected, answer.body.clone()));
    }
    // A decision is made once; whoever asks again is told the same.
    let outcome = match outcome.as_deref() {
        Some("decided") if time > 1 => Some("replayed"),
        outcome => outcome,
    };
    let got = answer.header(OUTCOME);
    (got != outcome).then(|| (OUTCOME, outcome.unwrap_or("none").to_owned(), got.unwrap_or("none").to_owned()))
}

fn without_flag(body: &str) -> String {
    let rest = FLAGS.iter().find_map(|flag| body.strip_prefix(flag));
    rest.map_or_else(|| body.to_owned(), |rest| format!("{{{rest}"))
}

async fn deal(letter: &Letter, target: &mut Target, run: &str) -> Result<Option<Difference>, Failure> {
    let contains = filled(&letter.contains, run);
    let what = format!("dead letter with {contains}");
    let Some(found) = target.find_letter(&contains).await? else {
        return Ok(differ(what, letter.why.clone(), "no such letter".to_owned()));
    };
    if found.why != letter.why {
        return Ok(differ(what, letter.why.clone(), format!("{} ({})", found.why, found.detail)));
    }
    let mut effect = None;
    let refused = match target.settle_letter(found.id, letter).await {
        Ok(done) => {
            effect = done;
            None
        }
        other => refusable(other.map(drop))?,
    };
    let got = match refused {
        Some(why) => format!("refused: {why}"),
        None => effect.unwrap_or_else(|| "dropped".to_owned()),
    };
    let expected = match &letter.then {
        Then::Drop => "dropped",
        Then::Replay(effect) => effect,
    };
    Ok(differ(what, expected.to_owned(), got))
}

/// What the cluster has refused, apart from what could not be asked.
fn refusable(done: Result<(), Failure>) -> Result<Option<String>, Failure> {
    match done {
        Ok(()) => Ok(None),
        Err(Failure::Refused(why) | Failure::Usage(why)) => Ok(Some(why)),
        Err(failure) => Err(failure),
    }
}

fn differ(what: String, expected: String, got: String) -> Option<Difference> {
    (expected != got).then_some(Difference { step: 0, what, expected, got })
}

fn line(text: &mut String, currency: &str, [posted, held, available]: [&String; 3]) {
    let between = if text.is_empty() { "" } else { "; " };
    // Writing to a string does not fail.
    let _ = write!(text, "{between}{currency} posted {posted}, held {held}, available {available}");
}

fn verb(order: Order) -> &'static str {
    match order {
        Order::Freeze => "freeze",
        Order::Unfreeze => "unfreeze",
        Order::Close => "close",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, outcome: &str, body: &str) -> Answer {
        let headers = vec![(OUTCOME.to_owned(), outcome.to_owned())];
        Answer { status_line: String::new(), status, headers, body: body.to_owned() }
    }

    fn difference(time: u32, answer: &Answer) -> Option<(&'static str, String, String)> {
        let body = "{\"approved\":true,\"token\":\"t-{run}\"}".to_owned();
        let expect = Expect { status: 200, outcome: Some("decided".to_owned()), body };
        compare(&Post { path: Path::Jit, body: String::new(), times: 2, expect }, time, answer, "7")
    }

    #[test]
    fn an_answer_is_compared_whole() {
        let good = "{\"approved\":true,\"token\":\"t-7\"}";
        assert_eq!(difference(1, &answer(200, "decided", good)), None);
        assert_eq!(difference(2, &answer(200, "replayed", good)), None);
        let part = |time, answer: &Answer| difference(time, answer).map(|(part, ..)| part);
        assert_eq!(part(1, &answer(200, "replayed", good)), Some(OUTCOME));
        assert_eq!(part(2, &answer(200, "decided", good)), Some(OUTCOME));
        assert_eq!(part(1, &answer(402, "decided", good)), Some("status"));
        assert_eq!(part(1, &answer(200, "decided", &good.replace('7', "8"))), Some("body"));
        assert_eq!(part(1, &answer(200, "decided", &good.replace(":\"t", ": \"t"))), Some("body"));
        assert_eq!(part(1, &answer(200, "decided", &good.replace("true", "false"))), Some("body"));
    }

    #[test]
    fn a_cluster_that_sends_no_flag_is_as_good() {
        assert_eq!(difference(1, &answer(200, "decided", "{\"token\":\"t-7\"}")), None);
        assert!(difference(1, &answer(200, "decided", "{\"token\":\"t-8\"}")).is_some());
    }
}
