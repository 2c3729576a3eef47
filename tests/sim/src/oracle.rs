//! What must be true at every moment, whatever goes wrong.
//!
//! **What lives here.** The one order of commands that all nodes must apply, as whichever node was first has applied
//! it; beside it the books that follow from it, kept by a ledger of our own; what clients were told; and who led when.
//!
//! **What must hold.** The first thing that is not so is kept in words and ends the run.
//!
//! A run is one thread, and the world says whose turn it is ([`turn_of`]), so what is applied finds its way here
//! without a handle.

use crate::trace::Trace;
use cluster::{Progress, Stamp};
use ledger::{Attempt, Command, DeclineReason, Ledger, Output, Settled, Timestamp, Token, Verdict};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The books keep so many attempts of a token one by one.
const ATTEMPTS_KEPT: usize = 8;
/// Books of so many indexes back can still be compared.
const BOOKS_KEPT: usize = 2_000;

thread_local! {
    static ORACLE: RefCell<Oracle> = RefCell::new(Oracle::default());
}

/// What one node has applied at one place of the order.
struct Applied {
    stamp: Stamp,
    command: Command,
    output: Output,
}

/// What the books' answers have said of a token.
#[derive(Default)]
struct Said {
    /// What each attempt was told.
    attempts: BTreeMap<Attempt, Verdict>,
    /// A node approved it alone: from then on attempts that were told no stand beside others that are told yes.
    forced: bool,
    /// To requests with the token's own fingerprint, the last word.
    verdict: Option<Verdict>,
    /// A client was told so.
    told: Option<Verdict>,
}

#[derive(Default)]
struct Oracle {
    trace: Trace,
    /// Whose turn it is: node and life.
    turn: (u64, u64),
    order: Vec<Applied>,
    /// Where each life of a node is in the order.
    cursors: BTreeMap<(u64, u64), usize>,
    books: Ledger,
    /// The books after each index before the last.
    kept: VecDeque<(u64, Ledger)>,
    /// The digest of those that were compared last.
    compared: Option<(u64, [u8; 16])>,
    tokens: BTreeMap<Token, Said>,
    leaders: BTreeSet<(u64, u64)>,
    terms: BTreeMap<u64, u64>,
    planted: Option<Plant>,
    violation: Option<String>,
}

/// A bug that is planted in what the nodes apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Node 2 takes one minor unit more, now and then.
    Unlike,
    /// Repeats are decided anew: the token is forgotten.
    Forgetful,
}

fn with<T>(work: impl FnOnce(&mut Oracle) -> T) -> T {
    ORACLE.with(|oracle| work(&mut oracle.borrow_mut()))
}

/// Begins.
pub fn begin(trace: Trace, planted: Option<Plant>) {
    with(|oracle| *oracle = Oracle { trace, planted, ..Oracle::default() });
}

/// From now on it is this node's turn, in this life.
pub fn turn_of(node: u64, life: u64) {
    with(|oracle| oracle.turn = (node, life));
}

/// Something is not as it must be.
pub fn violated(what: String) {
    with(|oracle| oracle.violated(what));
}

/// Somebody has panicked, perhaps in here.
pub fn panicked(what: &str) {
    let noted = ORACLE.try_with(|oracle| match oracle.try_borrow_mut() {
        Ok(mut oracle) => oracle.violated(what.to_owned()),
        Err(_) => eprintln!("{what}"),
    });
    if noted.is_err() {
        eprintln!("{what}");
    }
}

/// The first violation.
pub fn violation() -> Option<String> {
    with(|oracle| oracle.violation.clone())
}

/// What becomes of a command before it is applied: itself, unless a bug is planted.
pub fn before(command: Command) -> Command {
    with(|oracle| match (oracle.planted, command) {
        (Some(Plant::Unlike), Command::Authorize(mut request))
            if oracle.turn.0 == 2 && request.attempt.counter % 97 == 0 =>
        {
            if let Ok(amount) = ledger::Amount::new(request.amount.minor() + 1, request.amount.currency()) {
                request.amount = amount;
            }
            Command::Authorize(request)
        }
        (Some(Plant::Forgetful), Command::Authorize(mut request)) if request.attempt.counter % 5 == 0 => {
            let name = format!("{}-again", request.token);
            request.token = Token::new(&name).unwrap_or(request.token);
            Command::Authorize(request)
        }
        (_, command) => command,
    })
}

/// The node whose turn it is has applied this.
pub fn applied(stamp: Stamp, command: Command, output: &Output) {
    with(|oracle| oracle.applied(stamp, command, output));
}

/// The node whose turn it is goes on behind a snapshot, with a whole entry.
pub fn restored() {
    with(|oracle| {
        let turn = oracle.turn;
        oracle.cursors.remove(&turn);
    });
}

/// A client was told this about its command.
pub fn told(command: &Command, output: &Output) {
    with(|oracle| oracle.told(command, output));
}

/// How a node says that it is.
pub fn saw(node: u64, progress: &Progress) {
    with(|oracle| oracle.saw(node, progress));
}

/// Compares a node's books with those that follow from the order. `None`: they are too old to say.
pub fn compare(node: u64, applied_index: u64, books: &Ledger) -> Option<()> {
    with(|oracle| {
        let (index, expected) = oracle.expected(applied_index)?;
        if books.digest() != expected {
            oracle.violated(format!("books: node {node} at index {applied_index} has others than follow from {index}"));
        }
        Some(())
    })
}

/// Does what was decided add up, and is what clients were told in the books? For the end of a run.
pub fn settle() {
    with(Oracle::settle);
}

/// How many commands were applied, and how many tokens there are.
pub fn counts() -> (usize, usize) {
    with(|oracle| (oracle.order.len(), oracle.tokens.len()))
}

impl Oracle {
    /// The digest of the books at an index, which are checked, too. What is between two commands changes no books: the
    /// newest that are not newer are meant.
    fn expected(&mut self, applied_index: u64) -> Option<(u64, [u8; 16])> {
        let newest = self.order.last().map(|last| (last.stamp.index, &self.books));
        let newest = newest.filter(|(index, _)| *index <= applied_index);
        let kept =
            || self.kept.iter().rev().find(|(index, _)| *index <= applied_index).map(|(index, books)| (*index, books));
        let (index, books) = newest.or_else(kept)?;
        if let Some(compared) = self.compared.filter(|(compared, _)| *compared == index) {
            return Some(compared);
        }
        let (digest, violations) = (books.digest(), books.check());
        if let Some(first) = violations.first() {
            self.violated(format!("books: at index {index}: {first}"));
        }
        self.compared = Some((index, digest));
        self.compared
    }

    fn violated(&mut self, what: String) {
        if self.violation.is_none() {
            self.trace.note("violated", format_args!("{what}"));
            self.violation = Some(what);
        }
    }

    fn applied(&mut self, stamp: Stamp, command: Command, output: &Output) {
        let (node, life) = self.turn;
        self.trace.note("apply", format_args!("{node} {} {}", stamp.index, stamp.time_us));
        let at = match self.cursors.get(&self.turn) {
            Some(next) => *next,
            // A life begins behind its snapshot, with a whole entry.
            None => self.order.partition_point(|known| known.stamp.index < stamp.index),
        };
        self.cursors.insert((node, life), at + 1);
        let Some(known) = self.order.get(at) else {
            return self.applied_first(stamp, command, output);
        };
        if known.stamp != stamp || known.command != command {
            let (was, is) = (known.stamp, stamp);
            let text = format!(
                "order: node {node} applied {command:?} at {is:?}; another node {:?} at {was:?}",
                known.command
            );
            return self.violated(text);
        }
        if known.output != *output {
            let text =
                format!("output: node {node} said {output:?} to {command:?} at {stamp:?}; another {:?}", known.output);
            self.violated(text);
        }
    }

    fn applied_first(&mut self, stamp: Stamp, command: Command, output: &Output) {
        if let Some(last) = self.order.last()
            && (last.stamp.index > stamp.index || last.stamp.time_us >= stamp.time_us)
        {
            let text = format!("order: {stamp:?} after {:?} at node {}", last.stamp, self.turn.0);
            return self.violated(text);
        }
        // An entry is finished when the next one begins.
        if let Some(last) = self.order.last().filter(|last| last.stamp.index < stamp.index) {
            self.kept.push_back((last.stamp.index, self.books.clone()));
        }
        let expected = self.books.apply(Timestamp(stamp.time_us), &command);
        if self.kept.len() > BOOKS_KEPT {
            self.kept.pop_front();
        }
        if expected != *output {
            let text =
                format!("output: node {} said {output:?} to {command:?}, the books say {expected:?}", self.turn.0);
            self.violated(text);
        }
        self.trace.note("first", format_args!("{} {command:?} {output:?}", stamp.index));
        self.decided(&command, output);
        self.order.push(Applied { stamp, command, output: output.clone() });
    }

    /// One token, one decision: a yes stays a yes unless a void takes it back, and a no stays a no.
    fn decided(&mut self, command: &Command, output: &Output) {
        match (command, output) {
            (Command::Authorize(request), Output::Decision(decision)) => {
                if decision.verdict == Verdict::Declined(DeclineReason::FingerprintMismatch) {
                    return;
                }
                let (token, verdict) = (request.token, decision.verdict);
                let said = self.tokens.entry(token).or_default();
                let known = said.verdict.is_some();
                let before = said.verdict.replace(verdict).filter(|before| *before != verdict);
                let same = said.attempts.insert(request.attempt, verdict).is_none_or(|told| told == verdict);
                let (forced, few) = (said.forced, said.attempts.len() < ATTEMPTS_KEPT);
                if few && !same {
                    self.violated(format!("token: {:?} of {token} is told {verdict:?} now", request.attempt));
                } else if let Some(before) = before.filter(|_| !forced) {
                    self.violated(format!("token: {token} was {before:?} and is {verdict:?}"));
                } else if known != decision.replayed {
                    self.violated(format!("token: {token} known {known}, replayed {}", decision.replayed));
                }
            }
            (Command::Void(void), Output::Settled(Settled::Done)) => {
                let said = self.tokens.entry(void.token).or_default();
                if said.told == Some(Verdict::Approved) {
                    let text = format!("token: {} was told approved, and a void released it", void.token);
                    return self.violated(text);
                }
                said.verdict = Some(Verdict::Declined(DeclineReason::Voided));
            }
            // A yes that a node gave alone counts, whatever the books said.
            (Command::Force(request), Output::Settled(Settled::Done | Settled::Conflict)) => {
                let said = self.tokens.entry(request.token).or_default();
                (said.verdict, said.forced) = (Some(Verdict::Approved), true);
            }
            _ => {}
        }
    }

    fn told(&mut self, command: &Command, output: &Output) {
        // What was told was applied, and applied so.
        let known = self.order.iter().rev().any(|applied| applied.command == *command && applied.output == *output);
        if !known {
            let text = format!("told: {output:?} to {command:?}, which no node has applied");
            return self.violated(text);
        }
        if let (Command::Authorize(request), Output::Decision(decision)) = (command, output)
            && decision.verdict != Verdict::Declined(DeclineReason::FingerprintMismatch)
        {
            let said = self.tokens.entry(request.token).or_default();
            if said.told == Some(Verdict::Approved) && decision.verdict != Verdict::Approved && !said.forced {
                let text =
                    format!("token: a client was told approved of {}, another {:?}", request.token, decision.verdict);
                return self.violated(text);
            }
            // A yes that somebody has is what must be kept.
            said.told = said.told.filter(|told| *told == Verdict::Approved).or(Some(decision.verdict));
        }
    }

    fn saw(&mut self, node: u64, progress: &Progress) {
        let (term, kept) = (progress.term, progress.kept_term);
        let last = self.terms.entry(node).or_default();
        // What it has not written yet it may forget.
        let back = kept > 0 && kept < *last;
        let was = std::mem::replace(last, kept.max(*last));
        if back {
            self.violated(format!("term: node {node} went from {was} back to {kept}"));
        }
        // A term may have several leaders one after the other: their ids are in what they write, and order them.
        if let Some(leader) = progress.leader.filter(|leader| term > 0 && self.leaders.insert((term, *leader))) {
            self.trace.note("leader", format_args!("{leader} in {term}"));
        }
    }

    fn settle(&mut self) {
        let program = match self.order.first() {
            Some(Applied { command: Command::Open(open), .. }) => open.program,
            _ => return self.violated("settle: no account was ever opened".to_owned()),
        };
        let mut missing = Vec::new();
        for (token, said) in &self.tokens {
            let Some(told) = said.told else { continue };
            let verdict = self.books.token(&program, token).map(|view| view.verdict);
            let kept = verdict == Some(told) || (told != Verdict::Approved && (said.forced || said.verdict == verdict));
            if !kept {
                missing.push(format!("token: a client was told {told:?} of {token}, the books say {verdict:?}"));
            }
        }
        if let Some(first) = missing.first() {
            return self.violated(first.clone());
        }
        let (expected, found) = (self.put_in(), i128::from(self.posted(&program)));
        if expected != found {
            self.violated(format!("money: {expected} was put in and taken, and {found} is there"));
        }
    }

    /// What came and went, by the answers: openings, movements once for their key, and what each chain has brought.
    fn put_in(&self) -> i128 {
        let (mut sum, mut chains) = (0, BTreeMap::new());
        for applied in &self.order {
            match (&applied.command, &applied.output) {
                (Command::Open(open), Output::Opened { opened, .. }) if *opened as usize == open.openings.len() => {
                    sum += open.openings.iter().map(|opening| i128::from(opening.credit_minor)).sum::<i128>();
                }
                (Command::Move(movement), Output::Account { replayed: false, .. }) => {
                    let minor = i128::from(movement.amount.minor());
                    sum += if movement.direction == ledger::MoveDirection::Credit { minor } else { -minor };
                }
                (Command::Event(_), Output::Booked(booked)) => {
                    if let Some(chain) = booked.chain {
                        chains.insert(chain, i128::from(booked.posted_minor));
                    }
                }
                _ => {}
            }
        }
        sum + chains.values().sum::<i128>()
    }

    fn posted(&self, program: &ledger::Program) -> i64 {
        self.books.totals(program, "").totals.iter().map(|total| total.posted_minor as i64).sum()
    }
}
