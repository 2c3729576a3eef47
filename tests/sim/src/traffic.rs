//! What clients do: requests that are repeated at other nodes, settlements of what was answered alone, what the
//! processor reports, and operators' movements; with deadlines, and with outcomes that stay unknown.

use crate::dice::Dice;
use crate::oracle;
use crate::plan::Traffic as Load;
use cluster::ProposeError;
use ledger::{
    Amount, Attempt, Authorize, Clearing, Command, Currency, Decision, Event, Fingerprint, Move, MoveDirection, Names,
    Open, Opening, Output, Program, RequestKind, Role, Seconds, Sweep, Token, UserToken, Verdict, Void, Word,
};
use std::collections::{BTreeMap, VecDeque};

/// Tokens that may be asked for again.
const RECENT: usize = 40;
/// A request is proposed so often at most; a settlement for as long as it is owed.
const TRIES_MAX: u32 = 4;
/// Settlements that wait at most; beyond, nobody asks anything new.
const OWED_MAX: usize = 200;

/// Something that is asked of a node.
pub struct Ask {
    /// Names the question.
    pub id: u64,
    /// Of whom.
    pub node: u64,
    /// What.
    pub command: Command,
    /// For how long.
    pub for_ms: u64,
}

#[derive(Clone)]
struct Op {
    command: Command,
    node: u64,
    tries: u32,
    /// It is asked until it is answered.
    owed: bool,
}

/// The clients.
pub struct Traffic {
    load: Load,
    nodes: u64,
    dice: Dice,
    next: u64,
    attempts: u64,
    named: u64,
    pending: BTreeMap<u64, Op>,
    /// What is asked next, and from when on.
    again: VecDeque<(u64, Op)>,
    recent: VecDeque<Authorize>,
    approved: VecDeque<Authorize>,
    /// How many were answered, and how many were not.
    pub answered: u64,
    /// How many outcomes stayed unknown.
    pub unknown: u64,
}

fn program() -> Program {
    Program::new("default").expect("a name")
}

fn usd() -> Currency {
    Currency::from_code("USD").expect("a currency")
}

fn amount(minor: u64) -> Amount {
    Amount::new(minor, usd()).expect("in range")
}

fn user(number: u64) -> UserToken {
    UserToken::new(&format!("u{number}")).expect("a name")
}

fn token(kind: char, number: u64) -> Token {
    Token::new(&format!("{kind}{number}")).expect("a name")
}

fn fingerprint(token: &Token, minor: u64) -> Fingerprint {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&crc32fast::hash(token.as_str().as_bytes()).to_le_bytes());
    bytes[8..].copy_from_slice(&minor.to_le_bytes());
    Fingerprint(bytes)
}

impl Traffic {
    /// As the plan says.
    pub fn new(load: Load, nodes: u64, seed: u64) -> Traffic {
        Traffic {
            load,
            nodes,
            dice: Dice::new(seed, "traffic"),
            next: 0,
            attempts: 0,
            named: 0,
            pending: BTreeMap::new(),
            again: VecDeque::new(),
            recent: VecDeque::new(),
            approved: VecDeque::new(),
            answered: 0,
            unknown: 0,
        }
    }

    /// The accounts. The first command of all.
    pub fn open(&mut self) {
        let accounts = self.load.accounts;
        let opening = |number| Opening { user: user(number), currency: usd(), credit_minor: 30_000 + 10_000 * number };
        let openings = (1..=accounts).map(opening).collect();
        self.owe(Command::Open(Open { program: program(), openings }), 0);
    }

    /// One request through each node: does it serve?
    pub fn probe(&mut self) {
        for node in 1..=self.nodes {
            let request = self.request();
            let op = Op { command: Command::Authorize(request), node, tries: 0, owed: true };
            self.again.push_back((0, op));
        }
    }

    /// Whether every question is answered that must be.
    pub fn is_settled(&self) -> bool {
        self.again.is_empty() && self.pending.is_empty()
    }

    /// What is asked now, beside what is asked again.
    pub fn ask(&mut self, now_ms: u64, new: New) -> Vec<Ask> {
        let per_second = self.load.per_second;
        if new == New::Some && self.again.len() < OWED_MAX && self.dice.below(1_000) < per_second {
            let op = self.fresh();
            self.again.push_back((now_ms, op));
        }
        let mut asks = Vec::new();
        for _ in 0..self.again.len() {
            let Some((from_ms, op)) = self.again.pop_front() else { break };
            if from_ms > now_ms {
                self.again.push_back((from_ms, op));
                continue;
            }
            let (least, most) = self.load.deadline_ms;
            let for_ms = self.dice.between(least, most);
            self.next += 1;
            asks.push(Ask { id: self.next, node: op.node, command: op.command.clone(), for_ms });
            self.pending.insert(self.next, op);
        }
        asks
    }

    /// A node has ended: nobody knows what became of what it was asked.
    pub fn lost(&mut self, node: u64, now_ms: u64) {
        let asked: Vec<u64> = self.pending.iter().filter(|(_, op)| op.node == node).map(|(id, _)| *id).collect();
        for id in asked {
            self.answer(id, Err(ProposeError::Unknown), now_ms);
        }
    }

    /// A question has its answer. One that nobody waits for any more is left.
    pub fn answer(&mut self, id: u64, outcome: Result<Output, ProposeError>, now_ms: u64) {
        let Some(op) = self.pending.remove(&id) else { return };
        match outcome {
            Ok(output) => {
                self.answered += 1;
                oracle::told(&op.command, &output);
                self.follow(&op, &output, now_ms);
            }
            Err(ProposeError::NotProposed | ProposeError::TooNew { .. }) => self.retry(op, now_ms),
            Err(ProposeError::Unknown) => {
                self.unknown += 1;
                self.unknown(op, now_ms);
            }
        }
    }

    fn unknown(&mut self, op: Op, now_ms: u64) {
        let Command::Authorize(request) = &op.command else { return self.retry(op, now_ms) };
        if op.owed {
            return self.retry(op, now_ms);
        }
        match self.dice.below(10) {
            0..=4 => self.retry(op, now_ms),
            5..=6 => {
                let Authorize { program, attempt, token, fingerprint, .. } = *request;
                self.owe(Command::Void(Void { program, attempt, token, fingerprint }), now_ms);
            }
            7 => {
                let command = Command::Force(request.clone());
                self.owe(command, now_ms);
            }
            _ => {}
        }
    }

    /// Again at some node, as another attempt if it is a request: whoever asks again asks anew.
    fn retry(&mut self, mut op: Op, now_ms: u64) {
        op.tries += 1;
        if op.tries >= TRIES_MAX && !op.owed {
            return;
        }
        let node = self.dice.between(1, self.nodes);
        let elsewhere = if op.owed && matches!(op.command, Command::Authorize(_)) { op.node } else { node };
        op.node = elsewhere;
        let attempt = self.attempt(op.node);
        if let Command::Authorize(request) = &mut op.command {
            request.attempt = attempt;
        }
        let from_ms = now_ms + self.dice.between(1, 60);
        self.again.push_back((from_ms, op));
    }

    fn owe(&mut self, command: Command, now_ms: u64) {
        let node = self.dice.between(1, self.nodes);
        self.again.push_back((now_ms, Op { command, node, tries: 0, owed: true }));
    }

    fn attempt(&mut self, node: u64) -> Attempt {
        self.attempts += 1;
        Attempt { node, incarnation: 1, counter: self.attempts }
    }

    /// Nothing else has it in its name.
    fn number(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    fn request(&mut self) -> Authorize {
        let number = self.number();
        let name = token('t', number);
        let minor = self.dice.between(1, 6_000);
        let expires_after = if self.dice.one_in(8) { Some(Seconds(self.dice.between(0, 5) as u32)) } else { None };
        let node = self.dice.between(1, self.nodes);
        let kind = match self.dice.below(20) {
            0 => RequestKind::Verification,
            1 => RequestKind::BalanceInquiry,
            2 => RequestKind::SingleDebit,
            _ => RequestKind::Authorization,
        };
        Authorize {
            program: program(),
            attempt: self.attempt(node),
            token: name,
            fingerprint: fingerprint(&name, minor),
            kind,
            user: user(self.dice.between(1, self.load.accounts)),
            amount: amount(minor),
            transaction: Some(token('x', number)),
            original: None,
            preceding: None,
            expires_after,
            facts: None,
        }
    }

    fn fresh(&mut self) -> Op {
        let node = self.dice.between(1, self.nodes);
        let command = if self.dice.percent(self.load.repeats) && !self.recent.is_empty() {
            let at = self.dice.below(self.recent.len() as u64) as usize;
            let mut request = self.recent[at].clone();
            request.attempt = self.attempt(node);
            if self.dice.one_in(20) {
                request.amount = amount(request.amount.minor() + 1);
                request.fingerprint = fingerprint(&request.token, request.amount.minor());
            }
            Command::Authorize(request)
        } else {
            match self.dice.below(24) {
                0 => Command::Sweep(Sweep { from: (self.dice.below(256) * 256) as u16, parts: Sweep::PARTS_MAX }),
                1 | 2 => self.movement(),
                _ => {
                    let request = self.request();
                    self.recent.push_back(request.clone());
                    if self.recent.len() > RECENT {
                        self.recent.pop_front();
                    }
                    Command::Authorize(request)
                }
            }
        };
        Op { command, node, tries: 0, owed: false }
    }

    fn movement(&mut self) -> Command {
        let number = self.number();
        let direction = if self.dice.one_in(3) { MoveDirection::Debit } else { MoveDirection::Credit };
        let (user, minor) = (user(self.dice.between(1, self.load.accounts)), self.dice.between(1, 4_000));
        Command::Move(Move { program: program(), key: token('m', number), user, direction, amount: amount(minor) })
    }

    /// What the processor reports about an approval, in any order and more than once.
    fn follow(&mut self, op: &Op, output: &Output, now_ms: u64) {
        if let (Command::Authorize(request), Output::Decision(Decision { verdict: Verdict::Approved, .. })) =
            (&op.command, output)
        {
            self.approved.push_back(request.clone());
            if self.approved.len() > RECENT {
                self.approved.pop_front();
            }
        }
        if self.approved.is_empty() || !self.dice.one_in(4) {
            return;
        }
        let at = self.dice.below(self.approved.len() as u64) as usize;
        let request = self.approved[at].clone();
        let event = self.event(&request);
        self.owe(Command::Event(event), now_ms + self.dice.clone().below(200));
        if self.dice.one_in(4) {
            self.owe(Command::Event(event), now_ms);
        }
    }

    fn event(&mut self, request: &Authorize) -> Event {
        let number = self.number();
        let minor = self.dice.between(1, request.amount.minor().max(1));
        let last = self.dice.one_in(2);
        let role = match self.dice.below(8) {
            0 => Role::FullReversal,
            1 => Role::Reversal,
            2 => Role::ForceCapture,
            3 => Role::AdjustmentCredit,
            _ => Role::Clearing(Clearing { last, ..Clearing::default() }),
        };
        Event {
            program: request.program,
            names: Names {
                jit: None,
                transaction: Some(token('e', number)),
                original: Some(request.token),
                preceding: request.transaction,
            },
            user: request.user,
            amount: amount(minor),
            role,
            word: if self.dice.one_in(4) { Word::Pending } else { Word::Completed },
            expires_after: None,
            facts: None,
        }
    }
}

/// Whether anything new is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New {
    /// As the load says.
    Some,
    /// Only what is owed.
    None,
}
