//! What may happen in the books of one account, made from what was asked and heard of it.
//!
//! What must hold: whatever the product may rightly do is among the acts; what it may not is not. A request is one act
//! at least: its effect. A no without a decision is two that may be left out: the effect and its void.

use crate::check::told::Told;
use crate::history::{AccountStatus, Answer, Direction, Heard, History, Op, Report, ReportKind, Task};
use crate::http::reply::hash;
use crate::workload::own_token;
use ledger::{
    AccountView, Amount, Attempt, Authorize, Clearing, Command, Currency, DeclineReason, Event, Fingerprint, Move,
    MoveDirection, Names, Open, Opening, Output, Program, RequestKind, Role, SetStatus, Token, UserToken, Verdict,
    Void, Word,
};
use std::collections::{BTreeMap, HashMap};

/// The programme of all workloads.
const PROGRAM: &str = "default";
/// How many attempts of a token the books keep one by one; of one with more it cannot be said what a void does.
const ATTEMPTS_MAX: usize = 8;
/// After all requests and settlements: when the books were read.
const AFTERWARDS: u64 = u64::MAX - 1;

/// Something that may happen once.
#[derive(Clone, Debug)]
pub struct Act {
    /// Of which request; none: the books afterwards.
    pub op: Option<u64>,
    /// Not before.
    pub from_us: u64,
    /// Not after; none: perhaps never.
    pub until_us: Option<u64>,
    /// What it does to the books; none: it only reads them.
    pub command: Option<Command>,
    /// What must come of it.
    pub expect: Expect,
    /// Acts of one group may depend on each other's order by more than the balance.
    pub group: usize,
    /// Where the log has it, if it was read: what is tried first.
    pub rank: Option<u64>,
}

/// What must come of an act.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Whatever comes.
    Anything,
    /// An approval.
    Approved,
    /// A decline; with the reason that the processor was told, if it was kept.
    Declined(Option<String>),
    /// A change that is done, or a fact that is booked, with this account afterwards.
    Done(Seen),
    /// A refusal by the books.
    Refused,
    /// This account.
    Account(Seen),
}

/// What was seen of an account; what was not, is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Booked.
    pub posted: Option<i64>,
    /// Held.
    pub held: Option<i64>,
    /// Its status.
    pub status: Option<AccountStatus>,
}

impl Seen {
    fn of(answer: &Answer) -> Seen {
        Seen { posted: answer.posted, held: answer.held, status: answer.account_status }
    }

    /// Whether the account is as it was seen.
    pub fn is(&self, account: &AccountView) -> bool {
        let balance = account.balances.first();
        let same = |seen: Option<i64>, is: Option<i64>| seen.is_none_or(|seen| Some(seen) == is);
        let status = match account.status {
            ledger::AccountStatus::Active => AccountStatus::Active,
            ledger::AccountStatus::Frozen => AccountStatus::Frozen,
            ledger::AccountStatus::Closed => AccountStatus::Closed,
        };
        same(self.posted, balance.map(|balance| balance.posted_minor))
            && same(self.held, balance.map(|balance| balance.held_minor))
            && self.status.is_none_or(|seen| seen == status)
    }
}

impl Expect {
    /// Whether this came of it.
    pub fn allows(&self, output: &Output) -> bool {
        match (self, output) {
            (Expect::Anything, _) => true,
            (Expect::Approved, Output::Decision(decision)) => decision.verdict == Verdict::Approved,
            (Expect::Declined(told), Output::Decision(decision)) => match decision.verdict {
                Verdict::Approved => false,
                Verdict::Declined(reason) => told.as_deref().is_none_or(|told| told == word_for(reason)),
            },
            (Expect::Done(seen), Output::Account { account, .. }) => seen.is(account),
            (Expect::Done(_), Output::Booked(booked)) => !booked.effect.refused(),
            (Expect::Done(_), Output::Opened { .. }) => true,
            (Expect::Refused, Output::Refused(_)) => true,
            (_, _) => false,
        }
    }
}

/// What the processor is told for a reason; as the gateway's own tests pin it.
fn word_for(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::FingerprintMismatch => "DUPLICATE_TRANSACTION",
        DeclineReason::AccountUnknown
        | DeclineReason::CurrencyNotHeld
        | DeclineReason::Voided
        | DeclineReason::ChainFull
        | DeclineReason::ControlOther
        | DeclineReason::Reconciling => "TRANSACTION_NOT_PERMITTED",
        DeclineReason::AccountClosed => "CLOSED_ACCOUNT",
        DeclineReason::AccountFrozen | DeclineReason::UserNotActive => "CARDHOLDER_NOT_ACTIVE",
        DeclineReason::AmountOutOfRange => "INVALID_AMOUNT",
        DeclineReason::InsufficientFunds => "INSUFFICIENT_FUNDS",
        DeclineReason::ControlAmount => "AMOUNT_LIMIT_EXCEEDED",
        DeclineReason::ControlCount => "TRANSACTION_COUNT_LIMIT_EXCEEDED",
        DeclineReason::ControlMerchant => "INVALID_MERCHANT",
        DeclineReason::Fraud => "SUSPECTED_FRAUD",
        DeclineReason::CardNotActive => "CARD_NOT_ACTIVE",
        DeclineReason::CardUnknown => "INVALID_CARD",
    }
}

/// Where the log has what: places counted through, by kind and name, in their order.
#[derive(Debug, Default)]
pub struct Log {
    places: HashMap<(&'static str, String), Vec<u64>>,
}

impl Log {
    /// Of the books of a history.
    pub fn of(history: &History) -> Log {
        let mut log = Log::default();
        for (place, applied) in (0..).zip(&history.books.applied) {
            let word = |key: &str| applied.command[key].as_str().unwrap_or_default();
            let mut put = |kind, name: &str| log.places.entry((kind, name.to_owned())).or_default().push(place);
            match word("kind") {
                "authorization" => put("authorize", word("token")),
                "force" => put("force", word("token")),
                "void" => put("void", word("token")),
                "credit" | "debit" => put("move", word("token")),
                "event" => put("event", word("transaction")),
                "set_status" => put("status", word("user")),
                "open" => {
                    let openings = applied.command["openings"].as_array();
                    let users = openings.into_iter().flatten().filter_map(|opening| opening["user"].as_str());
                    users.for_each(|user| put("open", user));
                }
                _ => {}
            }
        }
        log
    }
}

/// Why an account cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{0} requests, the most is {most}", most = super::ACTS_MAX)]
    TooMany(usize),
    #[error("{0}: asked so often, and not all heard, that the books cannot tell its attempts apart")]
    TooOften(String),
    #[error("op {0}: not something that the ledger can be told")]
    NotSayable(u64),
}

/// Everything that may happen to an account, by the time from which on it may.
pub fn acts(history: &History, log: &Log, account: &str, ops: &[&Op]) -> Result<Vec<Act>, Unfit> {
    let mut making = Making { history, log, acts: Vec::new(), groups: HashMap::new(), used: HashMap::new() };
    let mut asked: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for op in ops {
        making.op(op).ok_or(Unfit::NotSayable(op.id))?;
        if let (Task::Authorize { token, .. }, Some(told)) = (&op.task, Told::of(op)) {
            let entry = asked.entry(token).or_default();
            *entry = (entry.0 + 1, entry.1 || !matches!(told, Told::Yes | Told::No));
        }
    }
    if let Some((token, _)) = asked.iter().find(|(_, (count, open))| *count > ATTEMPTS_MAX && *open) {
        return Err(Unfit::TooOften((*token).to_owned()));
    }
    let settled = history.books.settled.as_ref().is_some_and(|settled| settled.settled);
    if let Some(books) = history.books.accounts.iter().find(|books| settled && books.account == account) {
        let seen = Seen { posted: Some(books.posted), held: Some(books.held), status: Some(books.status) };
        let group = making.group("afterwards");
        making.acts.push(Act {
            op: None,
            from_us: AFTERWARDS,
            until_us: Some(u64::MAX),
            command: None,
            expect: Expect::Account(seen),
            group,
            rank: None,
        });
    }
    let mut acts = making.acts;
    if acts.len() > super::ACTS_MAX {
        return Err(Unfit::TooMany(acts.len()));
    }
    acts.sort_by_key(|act| act.from_us);
    Ok(acts)
}

struct Making<'a> {
    history: &'a History,
    log: &'a Log,
    acts: Vec<Act>,
    groups: HashMap<String, usize>,
    /// How many places of the log are given out, by kind and name.
    used: HashMap<(&'static str, String), usize>,
}

impl Making<'_> {
    fn group(&mut self, name: &str) -> usize {
        let next = self.groups.len();
        *self.groups.entry(name.to_owned()).or_insert(next)
    }

    /// The next place of the log for it; the last one again, if there are no more.
    fn rank(&mut self, kind: &'static str, name: &str) -> Option<u64> {
        let key = (kind, name.to_owned());
        let places = self.log.places.get(&key)?;
        let used = self.used.entry(key).or_default();
        *used += 1;
        places.get((*used).min(places.len()) - 1).copied()
    }

    /// None: it is nothing that the ledger can be told.
    fn op(&mut self, op: &Op) -> Option<()> {
        match &op.task {
            Task::Authorize { token, account, amount, transaction } => {
                let said = Said { token, account, amount: *amount, transaction: transaction.as_deref() };
                self.authorize(op, &said)
            }
            Task::Report(report) => self.report(op, report),
            Task::Read { account } => {
                if op.heard == Heard::Ok {
                    let expect = Expect::Account(Seen::of(&op.answer));
                    self.put(op, None, expect, ("read", account))?;
                }
                Some(())
            }
            Task::Open { account, credit } => {
                let opening =
                    Opening { user: UserToken::new(account).ok()?, currency: self.currency()?, credit_minor: *credit };
                let command = Command::Open(Open { program: program()?, openings: vec![opening] });
                self.put(op, Some(command), Expect::Done(Seen::default()), ("open", account))
            }
            Task::Move { account, key, direction, amount } => {
                let direction = match direction {
                    Direction::Credit => MoveDirection::Credit,
                    Direction::Debit => MoveDirection::Debit,
                };
                let command = Command::Move(Move {
                    program: program()?,
                    key: Token::new(key).ok()?,
                    user: UserToken::new(account).ok()?,
                    direction,
                    amount: self.amount(*amount)?,
                });
                self.put(op, Some(command), Expect::Done(Seen::of(&op.answer)), ("move", key))
            }
            Task::SetStatus { account, status } => {
                let status = match status {
                    AccountStatus::Active => ledger::AccountStatus::Active,
                    AccountStatus::Frozen => ledger::AccountStatus::Frozen,
                    AccountStatus::Closed => ledger::AccountStatus::Closed,
                };
                let user = UserToken::new(account).ok()?;
                let command = Command::SetStatus(SetStatus { program: program()?, user, status });
                self.put(op, Some(command), Expect::Done(Seen::of(&op.answer)), ("status", account))
            }
        }
    }

    /// One effect of a request that the books answer themselves.
    fn put(&mut self, op: &Op, command: Option<Command>, done: Expect, of: (&'static str, &str)) -> Option<()> {
        let (until_us, expect) = match op.heard {
            Heard::Ok => (Some(op.ended_us), done),
            Heard::Declined => (Some(op.ended_us), Expect::Refused),
            Heard::Unknown => (None, Expect::Anything),
        };
        let (group, rank) = (self.group(of.1), self.rank(of.0, of.1));
        self.acts.push(Act { op: Some(op.id), from_us: op.invoked_us, until_us, command, expect, group, rank });
        Some(())
    }

    fn authorize(&mut self, op: &Op, said: &Said<'_>) -> Option<()> {
        let told = Told::of(op)?;
        let reason = op.answer.reason.clone();
        let (effect, void, force) = match told {
            Told::Yes => (Some((Some(op.ended_us), Expect::Approved)), false, None),
            Told::No => (Some((Some(op.ended_us), Expect::Declined(reason))), false, None),
            Told::Refused => (None, false, None),
            Told::NoAlone => (Some((None, Expect::Anything)), true, None),
            // Settled before the books are read, if they were read then.
            Told::YesAlone => (Some((None, Expect::Anything)), false, Some(Some(AFTERWARDS - 1))),
            Told::Nothing => {
                let alone = self.history.begin.stand_in.is_some();
                (Some((None, Expect::Anything)), true, alone.then_some(None))
            }
        };
        let request = said.request(op.id, self.currency()?)?;
        let group = self.group(said.token);
        let mut put = |kind, until_us, command, expect| {
            let rank = self.rank(kind, said.token);
            let (op, from_us) = (Some(op.id), op.invoked_us);
            self.acts.push(Act { op, from_us, until_us, command: Some(command), expect, group, rank });
        };
        if let Some((until_us, expect)) = effect {
            put("authorize", until_us, Command::Authorize(request.clone()), expect);
        }
        if void {
            let Authorize { program, attempt, token, fingerprint, .. } = request;
            put("void", None, Command::Void(Void { program, attempt, token, fingerprint }), Expect::Anything);
        }
        if let Some(until_us) = force {
            put("force", until_us, Command::Force(request), Expect::Anything);
        }
        Some(())
    }

    fn report(&mut self, op: &Op, report: &Report) -> Option<()> {
        // What waits among the dead letters, or was not taken, is not in the books.
        if op.answer.dead_letter || op.heard == Heard::Declined {
            return Some(());
        }
        let (role, word) = match report.kind {
            ReportKind::Clearing => (Role::Clearing(Clearing::default()), Word::Completed),
            ReportKind::LastClearing => {
                (Role::Clearing(Clearing { last: true, ..Clearing::default() }), Word::Completed)
            }
            ReportKind::Reversal => (Role::Reversal, Word::Pending),
            ReportKind::FullReversal => (Role::FullReversal, Word::Cleared),
        };
        let token = |text: &str| Token::new(text).ok();
        let names = Names {
            jit: Some(token(&own_token(&report.transaction))?),
            transaction: Some(token(&report.transaction)?),
            original: Some(token(&report.original)?),
            preceding: Some(token(&report.preceding)?),
        };
        let command = Command::Event(Event {
            program: program()?,
            names,
            user: UserToken::new(&report.account).ok()?,
            amount: self.amount(report.amount)?,
            role,
            word,
            expires_after: None,
            facts: None,
        });
        self.put(op, Some(command), Expect::Done(Seen::default()), ("event", &report.transaction))?;
        // It belongs to its chain, whatever its own name is.
        let group = self.group(&report.original);
        self.acts.last_mut()?.group = group;
        Some(())
    }

    fn currency(&self) -> Option<Currency> {
        Currency::from_code(&self.history.begin.currency)
    }

    fn amount(&self, minor: u64) -> Option<Amount> {
        Amount::new(minor, self.currency()?).ok()
    }
}

/// A request for funds.
struct Said<'a> {
    token: &'a str,
    account: &'a str,
    amount: u64,
    transaction: Option<&'a str>,
}

impl Said<'_> {
    /// As the gateway would propose it. Each request is an attempt of its own: where the product joins two, both get
    /// the same answer, which two attempts can get as well.
    fn request(&self, op: u64, currency: Currency) -> Option<Authorize> {
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&self.amount.to_be_bytes());
        fingerprint[8..].copy_from_slice(&hash(self.transaction.unwrap_or_default().as_bytes()).to_be_bytes());
        Some(Authorize {
            program: program()?,
            attempt: Attempt { node: 1, incarnation: 1, counter: op },
            token: Token::new(self.token).ok()?,
            fingerprint: Fingerprint(fingerprint),
            kind: RequestKind::Authorization,
            user: UserToken::new(self.account).ok()?,
            amount: Amount::new(self.amount, currency).ok()?,
            transaction: self.transaction.and_then(|token| Token::new(token).ok()),
            original: None,
            preceding: None,
            expires_after: None,
            facts: None,
        })
    }
}

/// The programme, as the ledger names it.
pub fn program() -> Option<Program> {
    Program::new(PROGRAM).ok()
}
