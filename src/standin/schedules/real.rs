//! What is real in a schedule: the books, and the nodes' journals on simulated disks.

use crate::journal::sim::SimFiles;
use crate::journal::{Journal, Owner, Pen, Said};
use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Fingerprint, Ledger, Opening, Output, Program, RequestKind,
    Timestamp, Token, UserToken, Void,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn usd(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap()
}

pub(super) fn program() -> Program {
    Program::new("default").unwrap()
}

pub(super) fn user(account: u64) -> UserToken {
    UserToken::new(&format!("u-{account}")).unwrap()
}

pub(super) fn token(number: u64) -> Token {
    Token::new(&format!("t-{number}")).unwrap()
}

/// A request for money of the token's account.
pub(super) fn request(number: u64, account: u64, attempt: Attempt, minor: u64) -> Authorize {
    Authorize {
        program: program(),
        attempt,
        token: token(number),
        fingerprint: Fingerprint([number as u8; 16]),
        kind: RequestKind::Authorization,
        user: user(account),
        amount: usd(minor),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }
}

pub(super) fn void_of(request: &Authorize) -> Void {
    let Authorize { program, attempt, token, fingerprint, .. } = *request;
    Void { program, attempt, token, fingerprint }
}

/// The books that a quorum agrees on, and log time.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) time: u64,
}

impl Books {
    pub(super) fn new(accounts: u64, credit_minor: u64) -> Books {
        let mut books = Books { ledger: Ledger::new(), time: 0 };
        let opening = |account| Opening { user: user(account), currency: usd(0).currency(), credit_minor };
        let openings = (0..accounts).map(opening).collect();
        books.apply(&Command::Open(ledger::Open { program: program(), openings }));
        books
    }

    pub(super) fn apply(&mut self, command: &Command) -> Output {
        self.time += 1;
        self.ledger.apply(Timestamp(self.time), command)
    }

    /// How many holds stand for a token of an account.
    pub(super) fn holds(&self, account: u64, number: u64) -> usize {
        let holds = self.ledger.holds(&program(), &user(account), 0, 10_000);
        holds.iter().filter(|hold| hold.token == token(number)).count()
    }
}

/// A node's journal, its disk, and how often it started.
pub(super) struct Node {
    pub(super) journal: Journal,
    pub(super) owner: Owner,
    pen: Pen,
    disk: SimFiles,
}

impl Node {
    pub(super) fn new(node: u64) -> Node {
        Node::on(SimFiles::default(), Owner { node, incarnation: 1 })
    }

    fn on(disk: SimFiles, owner: Owner) -> Node {
        let (journal, pen) = Journal::with_pen(Arc::new(disk.clone()), owner, 10_000);
        Node { journal, owner, pen: pen.expect("its disk loses, but never lies"), disk }
    }

    /// The disk has caught up.
    pub(super) fn write(&mut self) {
        while self.pen.write_waiting() {}
    }

    /// The journal's file has nothing in it that it can do without.
    pub(super) fn compact(&mut self) {
        self.write();
        self.pen.compact();
    }

    /// Power loss, and the power is back. The seed says what survives of what was not synced.
    pub(super) fn restart(&mut self, seed: u64) {
        let owner = Owner { incarnation: self.owner.incarnation + 1, ..self.owner };
        *self = Node::on(self.disk.crash(seed), owner);
    }

    /// Comes back on an empty disk, as if that were right.
    pub(super) fn restart_without_journal(&mut self) {
        *self = Node::new(self.owner.node);
    }

    /// Everything that is owed, oldest first.
    pub(super) fn owed(&self) -> Vec<Said> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        while let Some(said) = self.journal.oldest_owed(&seen) {
            seen.insert(said.number);
            all.push(said);
        }
        all
    }
}
