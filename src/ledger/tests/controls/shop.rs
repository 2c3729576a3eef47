//! A programme with one account, requests that are short to write, and rules.

use holdfast_ledger::*;

pub const SECOND: u64 = 1_000_000;
pub const HOUR: u64 = 3600 * SECOND;
pub const DAY: u64 = 24 * HOUR;
/// 2026-11-25 00:00 UTC, a Wednesday.
pub const START: u64 = 20_782 * DAY;

pub fn program() -> Program {
    Program::new("default").expect("an id")
}

pub fn user() -> UserToken {
    UserToken::new("ada").expect("an id")
}

pub fn token(text: &str) -> Token {
    Token::new(text).expect("an id")
}

pub fn usd(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("USD").expect("listed")).expect("in range")
}

pub fn eur(minor: u64) -> Amount {
    Amount::new(minor, Currency::from_code("EUR").expect("listed")).expect("in range")
}

pub fn rule(name: &str, when: Vec<Condition>, then: Then) -> Rule {
    let (mode, purpose) = (Mode::Enforce, Purpose::Spend);
    Rule { name: token(name), mode, purpose, when, unless: Vec::new(), then }
}

pub fn limit(window: Window) -> Limit {
    Limit { per: Per::Account, window, of: Counted::Approvals, amount: None, count: None }
}

/// The books and a clock.
pub struct Shop {
    pub ledger: Ledger,
    pub now: u64,
    next: u64,
}

impl Shop {
    /// An account with a lot of money in two currencies.
    pub fn new() -> Shop {
        let mut shop = Shop { ledger: Ledger::new(), now: START, next: 0 };
        for currency in [usd(0).currency(), eur(0).currency()] {
            let opening = Opening { user: user(), currency, credit_minor: 100_000_000 };
            shop.apply(Command::Open(Open { program: program(), openings: vec![opening] }));
        }
        shop
    }

    pub fn with(rules: Vec<Rule>) -> Shop {
        let mut shop = Shop::new();
        shop.set(rules);
        shop
    }

    /// Every command is followed by the audit, and by a look whether the books come back from their records.
    pub fn apply(&mut self, command: Command) -> Output {
        self.now += 1;
        let output = self.ledger.apply(Timestamp(self.now), &command);
        assert_eq!(self.ledger.check(), [], "after {command:?}");
        let mut restore = Restore::new();
        assert_eq!(self.ledger.records_count(), self.ledger.records().count() as u64);
        for record in self.ledger.records() {
            assert_eq!(restore.add(&record), Ok(()));
        }
        let restored = restore.finish().expect("sound");
        assert_eq!(restored.digest(), self.ledger.digest());
        output
    }

    pub fn version(&self) -> u64 {
        self.ledger.controls(&program()).map_or(0, |controls| controls.version)
    }

    pub fn set_document(&mut self, document: Document) -> Output {
        let (program, based_on) = (program(), self.version());
        self.apply(Command::SetControls(Box::new(SetControls { program, based_on, document })))
    }

    pub fn set(&mut self, rules: Vec<Rule>) {
        let set = self.set_document(Document { rules, ..Document::default() });
        assert!(matches!(set, Output::Controls { .. }), "{set:?}");
    }

    pub fn request(&mut self, amount: Amount) -> Authorize {
        self.next += 1;
        let name = format!("t{}", self.next);
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&self.next.to_be_bytes());
        Authorize {
            program: program(),
            attempt: Attempt { node: 1, incarnation: 1, counter: self.next },
            token: token(&name),
            fingerprint: Fingerprint(fingerprint),
            kind: RequestKind::Authorization,
            user: user(),
            amount,
            transaction: Some(token(&format!("x{}", self.next))),
            original: None,
            preceding: None,
            expires_after: None,
            facts: None,
        }
    }

    pub fn decide(&mut self, request: &Authorize) -> Verdict {
        match self.apply(Command::Authorize(request.clone())) {
            Output::Decision(decision) => decision.verdict,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for dollars.
    pub fn ask(&mut self, minor: u64) -> Verdict {
        let request = self.request(usd(minor));
        self.decide(&request)
    }

    pub fn ask_with(&mut self, minor: u64, facts: Facts) -> Verdict {
        let request = Authorize { facts: Some(facts), ..self.request(usd(minor)) };
        self.decide(&request)
    }

    pub fn event(&mut self, of: &Authorize, minor: u64, role: Role, word: Word) -> Booked {
        self.next += 1;
        let own = matches!(role, Role::Authorization | Role::SingleDebit);
        let names = match own {
            true => Names { jit: Some(of.token), transaction: of.transaction, ..Names::default() },
            false => Names {
                transaction: Some(token(&format!("e{}", self.next))),
                original: Some(of.token),
                preceding: of.transaction,
                ..Names::default()
            },
        };
        let amount = Amount::new(minor, of.amount.currency()).expect("in range");
        let (program, user) = (program(), of.user);
        let event = Event { program, names, user, amount, role, word, expires_after: None, facts: None };
        match self.apply(Command::Event(event)) {
            Output::Booked(booked) => booked,
            other => panic!("{other:?}"),
        }
    }

    pub fn void(&mut self, of: &Authorize) -> Settled {
        let Authorize { program, attempt, token, fingerprint, .. } = *of;
        match self.apply(Command::Void(Void { program, attempt, token, fingerprint })) {
            Output::Settled(settled) => settled,
            other => panic!("{other:?}"),
        }
    }

    /// What the only limit counts for the account and a card: requests and money.
    pub fn used_by(&self, card: Option<&str>) -> (u64, u64) {
        let limits = self.ledger.limits(&program(), &user(), card.map(token).as_ref(), None);
        let [limit] = limits.as_slice() else { panic!("{limits:?}") };
        (limit.count, limit.minor)
    }

    pub fn used(&self) -> (u64, u64) {
        self.used_by(None)
    }

    /// The same once the books know what time it is.
    pub fn used_now(&mut self) -> (u64, u64) {
        self.apply(Command::Sweep(Sweep { from: 0, parts: 1 }));
        self.used()
    }
}

pub fn declined(reason: DeclineReason) -> Verdict {
    Verdict::Declined(reason)
}
