//! Models M1 and M2 as random walks over the real books, the real journal's memory and the real policy.
//!
//! **What lives here.** A world of three nodes and one ledger. What was proposed may be applied now, late, again, or
//! never; a partition is the absence of that; a node may restart at any step and knows then what its disk holds. After
//! the walk everything is settled, and the money is counted.
//!
//! **What must hold.** Never two holds for a token; an approval ends as one hold; a decline ends as none, or on record
//! as a conflict; what was approved alone is within every limit of the whole cluster; a node is closed only with all
//! that it promised in the books. Each planted mistake must be found. `HOLDFAST_CASES` says how many walks.

use crate::breaker::{Admission, Asked, Breaker, Look, Phase, Rules};
use crate::choice::Say;
use crate::facts::Refusals;
use crate::journal::book::Book;
use crate::journal::format::{Content, Debt};
use crate::journal::{Said, Verdict, Word};
use crate::limits::{Limits, Stated, Whose};
use crate::policy::{Approve, Case};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Decision, Facts, Fingerprint, Ledger, Output, Program, RequestKind,
    Timestamp, Token, UserToken, Void,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const NODES: u32 = 3;
const ACCOUNTS: u64 = 2;
const TOKENS: u64 = 4;
const LIMIT: u64 = 60;
const BUDGET: u64 = 90;

/// A mistake, planted in the world around the real parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    ForgetJournal,
    SkipTombstone,
    SettleTwice,
    LiveNodes,
    CloseBeforeSettled,
}

/// A xorshift generator: the same seed, the same walk.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What the processor and the disk know; the code under test does not.
struct Asking {
    request: Authorize,
    decided: Option<ledger::Verdict>,
    proposed: bool,
    waits: bool,
    cut: bool,
    alone: bool,
    answer: Option<Verdict>,
}

struct Node {
    book: Book,
    disk: Vec<Content>,
    breaker: Breaker,
    now: Instant,
}

struct World {
    dice: Dice,
    mutant: Option<Mutant>,
    books: Ledger,
    time: u64,
    nodes: Vec<Node>,
    asked: Vec<Asking>,
    policy: Approve,
}

fn usd(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap()
}

fn program() -> Program {
    Program::new("default").unwrap()
}

fn user(account: u64) -> UserToken {
    UserToken::new(&format!("u-{account}")).unwrap()
}

fn policy(nodes: u32) -> Approve {
    let stated = Stated {
        nodes,
        per_transaction: usd(20),
        per_account: usd(LIMIT),
        per_account_count: 30,
        per_node: usd(1000),
        total: Some(usd(BUDGET)),
        window: Duration::from_secs(3600),
    };
    Approve {
        limits: Limits::new(&stated).unwrap(),
        available_percent: 100,
        state_age_max: Duration::from_secs(60),
        refusals: Refusals::default(),
        rules: Vec::new(),
        otherwise: Say::Approve,
    }
}

impl World {
    fn new(seed: u64, mutant: Option<Mutant>) -> World {
        let now = Instant::now();
        let node = || Node {
            book: Book::default(),
            disk: Vec::new(),
            breaker: Breaker::new(Rules { dwell: Duration::ZERO, ..Rules::default() }, now),
            now,
        };
        let mut books = Ledger::new();
        let opening =
            |account| ledger::Opening { user: user(account), currency: usd(0).currency(), credit_minor: 10_000 };
        let openings = (0..ACCOUNTS).map(opening).collect();
        books.apply(Timestamp(1), &Command::Open(ledger::Open { program: program(), openings }));
        World {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            mutant,
            books,
            time: 1,
            nodes: (0..NODES).map(|_| node()).collect(),
            asked: Vec::new(),
            // A node that is cut off sees one live node: itself.
            policy: policy(if mutant == Some(Mutant::LiveNodes) { 1 } else { NODES }),
        }
    }

    fn apply(&mut self, command: &Command) -> Output {
        self.time += 1;
        let command = match (self.mutant, command) {
            (Some(Mutant::SettleTwice), Command::Force(force)) => {
                // Placed without a look at what the token has already.
                let token = Token::new(&format!("{}-{}", force.token, force.attempt.counter)).unwrap();
                Command::Force(Authorize { token, ..force.clone() })
            }
            (Some(Mutant::SkipTombstone), Command::Void(void))
                if self.books.token(&void.program, &void.token).is_none() =>
            {
                return Output::Settled(ledger::Settled::Nothing);
            }
            _ => command.clone(),
        };
        self.books.apply(Timestamp(self.time), &command)
    }

    fn step(&mut self) {
        match self.dice.below(10) {
            0 | 1 => self.ask(),
            2 | 3 => self.propose_or_apply(),
            4 => self.answer(),
            5 | 6 => self.pick().into_iter().for_each(|at| self.stand_in(at)),
            7 => self.settle_one(),
            8 => self.look(),
            _ if self.dice.below(4) == 0 => self.restart(),
            _ => {}
        }
    }

    fn ask(&mut self) {
        let (node, token) = (self.dice.below(u64::from(NODES)), self.dice.below(TOKENS));
        let counter = self.asked.len() as u64;
        let request = Authorize {
            program: program(),
            attempt: Attempt { node, incarnation: 1, counter },
            token: Token::new(&format!("t-{token}")).unwrap(),
            fingerprint: Fingerprint([token as u8; 16]),
            kind: RequestKind::Authorization,
            user: user(token % ACCOUNTS),
            amount: usd(11 + token),
            transaction: None,
            original: None,
            preceding: None,
            expires_after: None,
            facts: None,
        };
        let asking =
            Asking { request, decided: None, proposed: false, waits: true, cut: false, alone: false, answer: None };
        self.asked.push(asking);
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.asked.len() as u64;
        (count > 0).then(|| self.dice.below(count) as usize)
    }

    /// Now, late or again: decided by the books as they are.
    fn propose_or_apply(&mut self) {
        let Some(at) = self.pick() else { return };
        if !self.asked[at].proposed {
            self.asked[at].proposed = self.asked[at].waits;
            return;
        }
        let command = Command::Authorize(self.asked[at].request.clone());
        if let Output::Decision(Decision { verdict, .. }) = self.apply(&command) {
            let before = *self.asked[at].decided.get_or_insert(verdict);
            assert_eq!(before, verdict, "an attempt is told the same for ever (M1 rule 4)");
        }
    }

    /// With what `apply` said, unless the journal was written (M1 rule 1).
    fn answer(&mut self) {
        let Some(at) = self.pick() else { return };
        let asking = &mut self.asked[at];
        if let (true, Some(verdict)) = (asking.waits, asking.decided) {
            asking.waits = false;
            let approved = verdict == ledger::Verdict::Approved;
            asking.answer = Some(if approved { Verdict::Approved } else { Verdict::Declined });
        }
    }

    /// Alone: rule 2 first, then the policy.
    fn stand_in(&mut self, at: usize) {
        if !self.asked[at].waits {
            return;
        }
        let request = self.asked[at].request.clone();
        let node = request.attempt.node as usize;
        let before = self.nodes[node].book.verdict(request.program, request.token, request.fingerprint);
        let verdict = before.unwrap_or_else(|| self.by_policy(&request));
        let number = self.nodes[node].book.next_number();
        let said = |word| Said { number, at: Timestamp(self.time), window: 0, word };
        let Node { book, disk, .. } = &mut self.nodes[node];
        match verdict {
            Verdict::Approved => {
                let said = said(Word::Approved(Box::new(request)));
                disk.push(Content::Said(said.clone(), Debt::Owed));
                book.approve(said);
                book.durable(number);
            }
            Verdict::Declined => {
                let Authorize { program, attempt, token, fingerprint, .. } = request;
                let said = said(Word::Declined(Void { program, attempt, token, fingerprint }));
                disk.push(Content::Said(said.clone(), Debt::Owed));
                book.decline(said);
            }
        }
        let asking = &mut self.asked[at];
        asking.waits = false;
        // A kill between journal and answer: nobody knows whether it left.
        if self.dice.below(8) == 0 {
            asking.cut = true;
        } else {
            (asking.answer, asking.alone) = (Some(verdict), true);
        }
    }

    fn by_policy(&mut self, request: &Authorize) -> Verdict {
        let account = self.books.account(&request.program, &request.user);
        let whose = Whose { program: request.program, user: request.user, currency: request.amount.currency() };
        let case = Case {
            whose,
            kind: request.kind,
            amount: request.amount,
            facts: Facts::default(),
            account: account.as_ref(),
            foreseen: Ok(()),
            state_age: Some(Duration::ZERO),
        };
        let usage = &self.nodes[request.attempt.node as usize].book.usage;
        let may = self.policy.check(&case, usage).is_ok() && self.dice.below(3) > 0;
        if may { Verdict::Approved } else { Verdict::Declined }
    }

    /// The settlement is applied; whether the node sees it, the dice say (M1 rule 8).
    fn settle_one(&mut self) {
        let node = self.dice.below(u64::from(NODES)) as usize;
        let skip = if self.dice.below(3) == 0 { self.nodes[node].book.oldest_owed(&BTreeSet::new()) } else { None };
        let skip = BTreeSet::from_iter(skip.map(|said| said.number));
        let Some(said) = self.nodes[node].book.oldest_owed(&skip).cloned() else { return };
        self.apply(&said.word.settlement());
        if self.dice.below(2) == 0 {
            self.done(node, said.number);
        }
    }

    fn done(&mut self, node: usize, number: u64) {
        let Node { book, disk, .. } = &mut self.nodes[node];
        book.settled(number);
        disk.push(Content::Settled(vec![number]));
    }

    fn look(&mut self) {
        let node = self.dice.below(u64::from(NODES)) as usize;
        let (connected, passed) = (self.dice.below(3) > 0, Duration::from_millis(200 + self.dice.below(1500)));
        let owed = if self.mutant == Some(Mutant::CloseBeforeSettled) { 0 } else { self.nodes[node].book.unsettled() };
        let of = &mut self.nodes[node];
        of.now += passed;
        let contact_age = if connected { Some(Duration::ZERO) } else { None };
        if of.breaker.admit(owed) == Admission::Probe {
            of.breaker.probed(of.now, Asked::Decided);
        }
        let change = of.breaker.look(of.now, Look { contact_age, owed });
        if change.is_some_and(|change| change.to == Phase::Closed) {
            self.all_in_books(node);
        }
    }

    /// A node that closes has everything that it said alone in the books.
    fn all_in_books(&self, node: usize) {
        for asking in self.asked.iter().filter(|asking| asking.alone && asking.request.attempt.node == node as u64) {
            let token = self.books.token(&asking.request.program, &asking.request.token);
            let there = match asking.answer {
                Some(Verdict::Approved) => token.is_some_and(|token| token.forced),
                Some(Verdict::Declined) | None => token.is_some(),
            };
            assert!(there, "closed before settled: {}", asking.request.token);
        }
    }

    fn restart(&mut self) {
        let node = self.dice.below(u64::from(NODES)) as usize;
        if self.mutant == Some(Mutant::ForgetJournal) {
            self.nodes[node].disk.clear();
        }
        self.nodes[node].book = Book::found(self.nodes[node].disk.clone());
        for asking in self.asked.iter_mut().filter(|asking| asking.request.attempt.node == node as u64) {
            asking.cut |= asking.waits;
            asking.waits = false;
        }
    }

    /// No more faults: everybody answers, everything is settled, twice over, and what is late comes.
    fn drain(&mut self) {
        for at in 0..self.asked.len() {
            self.stand_in(at);
        }
        for node in 0..self.nodes.len() {
            while let Some(said) = self.nodes[node].book.oldest_owed(&BTreeSet::new()).cloned() {
                self.apply(&said.word.settlement());
                self.done(node, said.number);
            }
        }
        // With a mistake planted this would heal it.
        if self.mutant.is_none() {
            self.settle_again();
        }
        for at in 0..self.asked.len() {
            if self.asked[at].proposed && self.dice.below(2) == 0 {
                self.apply(&Command::Authorize(self.asked[at].request.clone()));
            }
        }
    }

    /// Everything that any disk still holds, once more: nothing may change.
    fn settle_again(&mut self) {
        let digest = self.books.digest();
        let said = |content: &Content| {
            if let Content::Said(said, _) = content { Some(said.word.settlement()) } else { None }
        };
        let again: Vec<Command> = self.nodes.iter().flat_map(|node| node.disk.iter().filter_map(said)).collect();
        for command in again {
            self.books.apply(Timestamp(0), &command);
        }
        assert_eq!(digest, self.books.digest(), "settled again, something changed");
    }

    fn check(&self) {
        assert!(self.books.check().is_empty(), "{:?}", self.books.check());
        let mut holds: BTreeMap<Token, usize> = BTreeMap::new();
        for account in 0..ACCOUNTS {
            for hold in self.books.holds(&program(), &user(account), 0, 10_000) {
                *holds.entry(hold.token).or_default() += 1;
            }
        }
        let asked: BTreeSet<Token> = self.asked.iter().map(|asking| asking.request.token).collect();
        assert!(
            holds.iter().all(|(token, count)| *count == 1 && asked.contains(token)),
            "more than one hold: {holds:?}"
        );
        for token in asked {
            self.check_token(token, holds.contains_key(&token));
        }
        self.check_limits();
    }

    fn check_token(&self, token: Token, held: bool) {
        let of: Vec<&Asking> = self.asked.iter().filter(|asking| asking.request.token == token).collect();
        let said = |verdict| of.iter().any(|asking| asking.answer == Some(verdict));
        let conflict = self.books.token(&program(), &token).is_some_and(|view| view.conflict);
        // What was cut may have committed; its hold stays.
        let cut = of.iter().any(|asking| asking.cut);
        assert!(held || !said(Verdict::Approved), "an approval without its hold: {token}");
        assert!(!held || said(Verdict::Approved) || cut || !said(Verdict::Declined), "a hold that nobody was promised");
        assert!(!held || !said(Verdict::Declined) || conflict, "a hold that somebody was declined, not on record");
    }

    /// M2: what was promised alone, as tokens, is within every limit of the whole cluster.
    fn check_limits(&self) {
        let mut by_account: BTreeMap<UserToken, u64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for asking in self.asked.iter().filter(|asking| asking.alone && asking.answer == Some(Verdict::Approved)) {
            // Two nodes may approve one token: both use their part, the processor has one hold.
            if seen.insert((asking.request.token, asking.request.attempt.node)) {
                *by_account.entry(asking.request.user).or_default() += asking.request.amount.minor();
            }
        }
        let worst = self.policy.worst_case_minor(ACCOUNTS, BUDGET / u64::from(NODES));
        let all: u64 = by_account.values().sum();
        assert!(by_account.values().all(|used| *used <= LIMIT) && all <= BUDGET, "above the limits: {by_account:?}");
        assert!(u128::from(all) <= worst, "above the worst case that was shown");
    }
}

fn cases() -> u64 {
    std::env::var("HOLDFAST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

fn walk(seed: u64, mutant: Option<Mutant>) {
    let mut world = World::new(seed, mutant);
    let steps = 20 + world.dice.below(120);
    (0..steps).for_each(|_| world.step());
    world.drain();
    world.check();
}

#[test]
fn no_schedule_breaks_a_promise() {
    for seed in 0..cases() {
        let walked = std::panic::catch_unwind(|| walk(seed, None));
        assert!(walked.is_ok(), "seed {seed}");
    }
}

/// How a mistake is found: by one of these words in the complaint, so that it is found for what it is.
fn found(mutant: Mutant, complaint: &str) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let complaints = (0..cases().max(2_000)).find_map(|seed| {
        let error = std::panic::catch_unwind(|| walk(seed, Some(mutant))).err()?;
        let text = error.downcast_ref::<String>().cloned();
        let text = text.or_else(|| error.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        text.contains(complaint).then_some((seed, text))
    });
    std::panic::set_hook(hook);
    assert!(complaints.is_some(), "{mutant:?} is not found by {complaint:?}");
}

#[test]
fn every_planted_mistake_is_found() {
    found(Mutant::ForgetJournal, "without its hold");
    found(Mutant::SkipTombstone, "a hold that");
    found(Mutant::SettleTwice, "more than one hold");
    found(Mutant::LiveNodes, "above the limits");
    found(Mutant::CloseBeforeSettled, "closed before settled");
}
