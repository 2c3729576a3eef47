//! A command of the history, with its outcome, as JSON that an operator can read.
//!
//! What must hold: amounts are decimal text with exactly the currency's digits, and words are those of the other
//! answers. What cannot be read is said, never guessed. Not here: finding it (`cluster`).

use super::views::decline_reason;
use super::words;
use cluster::{HistoryGap, HistoryRecord, Made};
use ledger::{
    Amount, Attempt, Authorize, Balance, Command, Decision, Dropped, Effect, MoveDirection, Opening, Output, Party,
    Program, RequestKind, Settled, Shelved, Token, UserToken, Verdict, decode_command, decode_output, format_minor,
};
use proto::admin::v1 as wire;
use serde::Serialize;

/// What stands in the history, in the order in which it is read.
#[derive(Default, Serialize)]
pub(super) struct Line {
    log_index: u64,
    /// Among the commands of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u32>,
    time_us: u64,
    kind: &'static str,
    program: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<Told>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    /// What was approved, if it was less than was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<String>,
    /// The account's balance in the currency, when it was decided and afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Around>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Around>,
    /// What a reported fact is, and how far the processor had got with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<&'static str>,
    /// The card transaction that it belongs to, and what that holds and has posted afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    posted: Option<String>,
    /// Of `open`: each account that was asked for. Those that were there already are left as they were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    openings: Vec<Opened>,
    /// How many holds a sweep has let expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<u32>,
    /// How many records were forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<u32>,
    /// Who gave the order, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// And on what grounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct Opened {
    user: String,
    currency: &'static str,
    credit: String,
}

impl Opened {
    fn of(opening: &Opening) -> Opened {
        Opened {
            user: opening.user.as_str().to_owned(),
            currency: opening.currency.code(),
            credit: format_minor(i128::from(opening.credit_minor), opening.currency),
        }
    }
}

#[derive(Serialize)]
struct Told {
    node: u64,
    incarnation: u64,
    counter: u64,
}

#[derive(Serialize)]
struct Around {
    posted: String,
    held: String,
    available: String,
}

impl Around {
    fn of(balance: &Balance) -> Around {
        let text = |minor: i64| format_minor(i128::from(minor), balance.currency);
        let Balance { posted_minor, held_minor, .. } = *balance;
        Around { posted: text(posted_minor), held: text(held_minor), available: text(balance.available_minor()) }
    }
}

/// Puts into an explanation what stands in the history of a decision, or the reason why it is missing.
pub(super) fn explained(
    found: Result<(u64, HistoryRecord), HistoryGap>,
    response: wire::ExplainResponse,
) -> wire::ExplainResponse {
    let (log_index, record) = match found {
        Ok(found) => found,
        Err(gap) => return wire::ExplainResponse { history: gap.to_string(), ..response },
    };
    let line = Line::of(log_index, &record);
    let around = line.as_ref().ok().and_then(|line| line.before.as_ref().zip(line.after.as_ref()));
    let change = around.map(|(before, after)| wire::Change {
        posted_before: before.posted.clone(),
        held_before: before.held.clone(),
        available_before: before.available.clone(),
        posted_after: after.posted.clone(),
        held_after: after.held.clone(),
        available_after: after.available.clone(),
    });
    let made =
        record.made.map(|Made { term, leader, made_us, applied_us }| wire::Made { term, leader, made_us, applied_us });
    let history = line.map_or_else(str::to_owned, |line| line.json());
    wire::ExplainResponse { log_index, history, change, made, ..response }
}

impl Line {
    /// What stands in the history, or why it cannot be read.
    fn of(log_index: u64, record: &HistoryRecord) -> Result<Line, &'static str> {
        let (Ok(command), Ok(output)) = (decode_command(&record.command), decode_output(&record.output)) else {
            return Err("what stands in the history is of another version");
        };
        let mut line = Line { log_index, time_us: record.time_us, ..Line::default() };
        line.asked(&command);
        line.answered(&command, &output);
        Ok(line)
    }

    /// The JSON of a command by its index and place; one that cannot be read says so.
    pub(super) fn placed(log_index: u64, place: u32, record: &HistoryRecord) -> String {
        let line = Line::of(log_index, record).unwrap_or_else(|why| Line {
            log_index,
            time_us: record.time_us,
            kind: "unreadable",
            reason: Some(why.to_owned()),
            ..Line::default()
        });
        Line { place: Some(place), ..line }.json()
    }

    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }

    fn asked(&mut self, command: &Command) {
        match command {
            Command::Authorize(asked) => self.request(request_kind(asked.kind), asked),
            Command::Force(asked) => self.request("force", asked),
            Command::Void(void) => {
                self.key("void", &void.program, Some(&void.token));
                self.attempt(void.attempt);
            }
            Command::Open(open) => {
                self.key("open", &open.program, None);
                self.openings = open.openings.iter().map(Opened::of).collect();
            }
            Command::Move(movement) => {
                let kind = match movement.direction {
                    MoveDirection::Credit => "credit",
                    MoveDirection::Debit => "debit",
                };
                self.key(kind, &movement.program, Some(&movement.key));
                self.money(&movement.user, movement.amount);
            }
            Command::SetStatus(change) => {
                self.key("set_status", &change.program, None);
                self.user = Some(change.user.as_str().to_owned());
            }
            Command::Event(event) => {
                let names = &event.names;
                self.key("event", &event.program, names.jit.as_ref());
                self.money(&event.user, event.amount);
                self.transaction = names.transaction.map(|token| token.as_str().to_owned());
                self.role = Some(words::role(event.role));
                self.word = Some(words::word(event.word));
            }
            Command::Sweep(_) => self.kind = "sweep",
            Command::Forget(_) => self.kind = "forget",
            Command::Restored(_) => self.kind = "restored",
            Command::Reconciled(reconciled) => {
                self.kind = "reconciled";
                self.who = Some(reconciled.who.as_str().to_owned());
                self.why = Some(reconciled.why.as_str().to_owned());
            }
            Command::Shelve(letter) => self.key("shelve", &letter.program, Some(&letter.id)),
            Command::DropLetter(drop) => self.key("drop_letter", &drop.program, Some(&drop.id)),
            Command::SetControls(set) => self.key("set_controls", &set.program, None),
            Command::SetParty(set) => match set.party {
                Party::Card(card) => self.key("set_card", &set.program, Some(&card)),
                Party::User(user) => {
                    self.key("set_user", &set.program, None);
                    self.user = Some(user.as_str().to_owned());
                }
            },
        }
    }

    fn request(&mut self, kind: &'static str, asked: &Authorize) {
        self.key(kind, &asked.program, Some(&asked.token));
        self.money(&asked.user, asked.amount);
        self.attempt(asked.attempt);
        self.transaction = asked.transaction.map(|token| token.as_str().to_owned());
    }

    fn key(&mut self, kind: &'static str, program: &Program, token: Option<&Token>) {
        self.kind = kind;
        self.program = program.as_str().to_owned();
        self.token = token.map(|token| token.as_str().to_owned());
    }

    fn money(&mut self, user: &UserToken, amount: Amount) {
        self.user = Some(user.as_str().to_owned());
        self.amount = Some(amount.to_string());
        self.currency = Some(amount.currency().code().to_owned());
    }

    fn attempt(&mut self, attempt: Attempt) {
        self.attempt = Some(Told { node: attempt.node, incarnation: attempt.incarnation, counter: attempt.counter });
    }

    fn answered(&mut self, command: &Command, output: &Output) {
        match output {
            Output::Decision(decision) => {
                self.decided(decision);
                if let (Command::Authorize(asked), Some(minor)) = (command, decision.partial_minor) {
                    self.approved = Some(format_minor(i128::from(minor), asked.amount.currency()));
                }
            }
            Output::Settled(settled) => {
                self.outcome = match settled {
                    Settled::Done => "settled",
                    Settled::Nothing => "nothing_to_settle",
                    Settled::Conflict => "conflict",
                    Settled::Impossible => "impossible",
                };
            }
            Output::Opened { .. } => self.outcome = "opened",
            Output::Account { replayed, .. } => {
                self.outcome = "done";
                self.replayed = Some(*replayed);
            }
            Output::Refused(refusal) => {
                self.outcome = "refused";
                self.reason = Some(super::views::refused(*refusal).message().to_owned());
            }
            Output::Booked(booked) => {
                self.outcome = if booked.effect.refused() { "refused" } else { "booked" };
                self.reason = Some(effect(booked.effect).to_owned());
                self.chain = booked.chain;
                if let (Command::Event(event), Some(_)) = (command, booked.chain) {
                    let currency = event.amount.currency();
                    self.held = Some(format_minor(i128::from(booked.held_minor), currency));
                    self.posted = Some(format_minor(i128::from(booked.posted_minor), currency));
                }
            }
            Output::Swept { expired, .. } => {
                self.outcome = "swept";
                self.expired = Some(*expired);
            }
            Output::Shelved(shelved) => {
                self.outcome = match shelved {
                    Shelved::Kept => "kept",
                    Shelved::Known => "known",
                    Shelved::Full => "full",
                    Shelved::TooLarge => "too_large",
                };
            }
            Output::Dropped(dropped) => {
                self.outcome = match dropped {
                    Dropped::Gone => "dropped",
                    Dropped::Unknown => "unknown",
                };
            }
            Output::Forgotten { forgotten, .. } => {
                self.outcome = "forgotten";
                self.forgotten = Some(*forgotten);
            }
            Output::Controls { changed, .. } | Output::Party { changed, .. } | Output::Reconciling { changed } => {
                self.outcome = "done";
                self.replayed = Some(!changed);
            }
        }
    }

    fn decided(&mut self, decision: &Decision) {
        self.replayed = Some(decision.replayed);
        self.before = decision.change.map(|change| Around::of(&change.before));
        self.after = decision.change.map(|change| Around::of(&change.after));
        self.outcome = match decision.verdict {
            Verdict::Approved => "approved",
            Verdict::Declined(reason) => {
                self.reason = Some(decline_reason(reason).to_owned());
                "declined"
            }
        };
    }
}

fn request_kind(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Authorization => "authorization",
        RequestKind::Verification => "verification",
        RequestKind::BalanceInquiry => "balance_inquiry",
        RequestKind::Notice => "notice",
        RequestKind::Incremental => "incremental",
        RequestKind::SingleDebit => "single_debit",
        RequestKind::CreditAuthorization => "credit_authorization",
        RequestKind::FastCredit => "fast_credit",
    }
}

pub(super) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Applied => "applied",
        Effect::Noted => "noted",
        Effect::Repeated => "repeated",
        Effect::Overshoot => "overshoot",
        Effect::Unpromised => "unpromised",
        Effect::Late => "late",
        Effect::Excess => "excess",
        Effect::Differs => "differs",
        Effect::AccountUnknown => "account_unknown",
        Effect::CurrencyNotHeld => "currency_not_held",
        Effect::ChainFull => "chain_full",
        Effect::OutOfRange => "out_of_range",
        Effect::Unnamed => "unnamed",
    }
}
