//! A command of the history, with its outcome, as JSON that an operator can read.
//!
//! What must hold: amounts are decimal text with exactly the currency's digits, and words are those of the other
//! answers. What cannot be read is said, never guessed. Not here: finding it (`cluster`).

use super::views::decline_reason;
use cluster::{HistoryGap, HistoryRecord};
use ledger::{
    Amount, Attempt, Authorize, Command, Decision, Dropped, Effect, MoveDirection, Output, Party, Program, RequestKind,
    Settled, Shelved, Token, UserToken, Verdict, decode_command, decode_output,
};
use serde::Serialize;

/// What stands in the history, in the order in which it is read.
#[derive(Default, Serialize)]
struct Line {
    log_index: u64,
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
}

#[derive(Serialize)]
struct Told {
    node: u64,
    incarnation: u64,
    counter: u64,
}

/// The log index, and the command with its outcome as JSON or the reason why it is missing.
pub(super) fn explained(found: Result<(u64, HistoryRecord), HistoryGap>) -> (u64, String) {
    match found {
        Ok((log_index, record)) => (log_index, text(log_index, &record)),
        Err(gap) => (0, gap.to_string()),
    }
}

fn text(log_index: u64, record: &HistoryRecord) -> String {
    let (Ok(command), Ok(output)) = (decode_command(&record.command), decode_output(&record.output)) else {
        return "what stands in the history is of another version".to_owned();
    };
    let mut line = Line { log_index, time_us: record.time_us, ..Line::default() };
    line.asked(&command);
    line.answered(&output);
    serde_json::to_string(&line).unwrap_or_else(|error| error.to_string())
}

impl Line {
    fn asked(&mut self, command: &Command) {
        match command {
            Command::Authorize(asked) => self.request(request_kind(asked.kind), asked),
            Command::Force(asked) => self.request("force", asked),
            Command::Void(void) => {
                self.key("void", &void.program, Some(&void.token));
                self.attempt(void.attempt);
            }
            Command::Open(open) => self.key("open", &open.program, None),
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
            }
            Command::Sweep(_) => self.kind = "sweep",
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

    fn answered(&mut self, output: &Output) {
        match output {
            Output::Decision(decision) => self.decided(decision),
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
            }
            Output::Swept { .. } => self.outcome = "swept",
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
            Output::Controls { changed, .. } | Output::Party { changed, .. } => {
                self.outcome = "done";
                self.replayed = Some(!changed);
            }
        }
    }

    fn decided(&mut self, decision: &Decision) {
        self.replayed = Some(decision.replayed);
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
