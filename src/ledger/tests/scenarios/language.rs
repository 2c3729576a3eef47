//! The table language of the scenarios: one line per command, the expectation last.
//!
//! ```text
//! open A 100.00 [USD]                      credit|debit KEY USER AMOUNT [CURRENCY]
//! freeze|unfreeze|close USER               void TOKEN
//! authorize|force|verify|inquire|notice TOKEN USER AMOUNT [CURRENCY]
//! increment|single|announce|lend TOKEN USER AMOUNT [CURRENCY]
//! report ROLE WORD USER AMOUNT [CURRENCY]  wait SECONDS
//! sweep
//! ```
//!
//! Names: `tx=T` the transaction, `of=T` the original request; of reports also `jit=T` and `after=T`, what precedes.
//! `expires=N` seconds, or `mcc=N`, which says how long; of clearings `last=yes`, `release=AMOUNT` and `part=1/2`.
//!
//! Options: `by=N` names the attempt (else each line is a new one), `print=N` the fingerprint, `times=N` repeats the
//! line with new attempts and expects the same of each, `in=P` the programme. After `->` come what the command
//! answers and what the line's account then has in the line's currency. A decision that is expected without
//! `replayed` must not be one. After every line the whole books are checked.

use holdfast_ledger::*;
use std::collections::BTreeMap;

pub struct World {
    pub ledger: Ledger,
    clock: u64,
    attempts: u64,
    /// Whose account a token was last asked for, so that a void's line can expect balances.
    asked: BTreeMap<String, (String, Currency)>,
}

/// A line, taken apart.
struct Line {
    verb: String,
    words: Vec<String>,
    currency: Currency,
    program: Program,
    by: Option<u64>,
    print: u8,
    times: u64,
    /// Everything else of the form `name=value`.
    options: BTreeMap<String, String>,
    expected: Vec<String>,
}

const OPTIONS: [&str; 9] = ["tx", "of", "jit", "after", "expires", "last", "release", "part", "mcc"];

/// Runs a table on empty books and returns them.
pub fn check(table: &str) -> World {
    let mut world = World { ledger: Ledger::new(), clock: 1_000, attempts: 1_000, asked: BTreeMap::new() };
    world.run(table);
    world
}

pub fn usd() -> Currency {
    Currency::from_code("USD").expect("listed")
}

pub fn program(text: &str) -> Program {
    Program::new(text).expect("a programme")
}

pub fn user(text: &str) -> UserToken {
    UserToken::new(text).expect("a user")
}

pub fn token(text: &str) -> Token {
    Token::new(text).expect("a token")
}

impl World {
    pub fn run(&mut self, table: &str) {
        for text in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line = parse(text);
            if line.verb == "wait" {
                self.clock += line.word(0).parse::<u64>().expect("seconds") * 1_000_000;
                continue;
            }
            for _ in 0..line.times {
                let (command, user, currency) = self.command(&line);
                self.clock += 1;
                let output = self.ledger.apply(Timestamp(self.clock), &command);
                self.expect(text, &line, &output, &user, currency);
                assert_eq!(self.ledger.check(), [], "{text}");
            }
        }
    }

    /// The command, and the account and currency that its expectations are about.
    fn command(&mut self, line: &Line) -> (Command, String, Currency) {
        self.attempts += 1;
        let attempt = Attempt { node: 1, incarnation: 1, counter: line.by.unwrap_or(self.attempts) };
        let status = |status| Command::SetStatus(SetStatus { program: line.program, user: user(line.word(0)), status });
        let command = match line.verb.as_str() {
            "authorize" => Command::Authorize(line.authorize(attempt, RequestKind::Authorization)),
            "verify" => Command::Authorize(line.authorize(attempt, RequestKind::Verification)),
            "inquire" => Command::Authorize(line.authorize(attempt, RequestKind::BalanceInquiry)),
            "notice" => Command::Authorize(line.authorize(attempt, RequestKind::Notice)),
            "increment" => Command::Authorize(line.authorize(attempt, RequestKind::Incremental)),
            "single" => Command::Authorize(line.authorize(attempt, RequestKind::SingleDebit)),
            "announce" => Command::Authorize(line.authorize(attempt, RequestKind::CreditAuthorization)),
            "lend" => Command::Authorize(line.authorize(attempt, RequestKind::FastCredit)),
            "report" => Command::Event(line.event()),
            "sweep" => Command::Sweep(Sweep { from: 0, parts: Sweep::PARTS_MAX }),
            "force" => Command::Force(line.authorize(attempt, RequestKind::Authorization)),
            "credit" => line.movement(MoveDirection::Credit),
            "debit" => line.movement(MoveDirection::Debit),
            "void" => line.void(attempt),
            "open" => line.open(),
            "freeze" => status(AccountStatus::Frozen),
            "unfreeze" => status(AccountStatus::Active),
            "close" => status(AccountStatus::Closed),
            verb => panic!("no such verb: {verb}"),
        };
        let (owner, currency) = match &command {
            Command::Authorize(_) | Command::Force(_) => {
                let asked = (line.word(1).to_string(), line.currency);
                self.asked.insert(line.word(0).into(), asked.clone());
                asked
            }
            Command::Void(_) => self.asked.get(line.word(0)).cloned().unwrap_or(("nobody".into(), line.currency)),
            Command::Move(_) => (line.word(1).into(), line.currency),
            Command::Event(event) => (event.user.as_str().into(), line.currency),
            Command::Sweep(_)
            | Command::Shelve(_)
            | Command::DropLetter(_)
            | Command::SetControls(_)
            | Command::SetParty(_)
            | Command::Forget(_)
            | Command::Restored(_)
            | Command::Reconciled(_) => ("nobody".into(), line.currency),
            Command::Open(_) | Command::SetStatus(_) => (line.word(0).into(), line.currency),
        };
        (command, owner, currency)
    }

    /// The chain that a report was booked in, or that a request belongs to.
    fn chain(&self, line: &Line, output: &Output) -> Option<ChainView> {
        match output {
            Output::Booked(booked) => self.ledger.chain_view(&line.program, booked.chain?),
            Output::Decision(_) => {
                let (owner, jit) = (user(line.word(1)), token(line.word(0)));
                self.ledger.chain_of_jit(&line.program, &owner, line.currency, &jit)
            }
            Output::Settled(_) | Output::Opened { .. } | Output::Account { .. } | Output::Refused(_) => None,
            Output::Swept { .. }
            | Output::Shelved(_)
            | Output::Dropped(_)
            | Output::Controls { .. }
            | Output::Party { .. }
            | Output::Forgotten { .. }
            | Output::Reconciling { .. } => None,
        }
    }

    fn expect(&self, text: &str, line: &Line, output: &Output, owner: &str, currency: Currency) {
        let account = self.ledger.account(&line.program, &user(owner));
        let balance = account
            .as_ref()
            .and_then(|account| account.balances.iter().find(|balance| balance.currency == currency).copied());
        let shown = |minor: Option<i64>| minor.map_or("none".to_string(), |minor| format_minor(minor, currency));
        let mut words = line.expected.iter().map(String::as_str).peekable();
        let mut balances = Vec::new();
        let mut replayed = false;
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{text}: {word} of what?"));
            let (wanted, found) = match word {
                "replayed" => {
                    replayed = true;
                    continue;
                }
                "has" => {
                    balances.push(value().to_string());
                    continue;
                }
                "declined" | "refused" => (format!("{word} {}", value()), answer(output)),
                "opened" => (format!("opened {}", value()), answer(output)),
                "held" => (value().into(), shown(balance.map(|balance| balance.held_minor))),
                "posted" => (value().into(), shown(balance.map(|balance| balance.posted_minor))),
                "available" => (value().into(), shown(balance.map(|balance| balance.available_minor()))),
                "holds" => (value().into(), account.as_ref().map_or(0, |account| account.holds).to_string()),
                "conflicts" => (value().into(), self.ledger.conflicts_count().to_string()),
                "unplaced" => (value().into(), self.ledger.impossible_count().to_string()),
                "pending" => {
                    let chain = self.chain(line, output);
                    let minor = chain.map_or(0, |chain| chain.pending_minor);
                    (value().into(), format_minor(minor, currency))
                }
                "overshoots" => (value().into(), self.ledger.troubled().overshoots.to_string()),
                "unpromiseds" => (value().into(), self.ledger.troubled().unpromised.to_string()),
                "excesses" => (value().into(), self.ledger.troubled().excesses.to_string()),
                "lates" => (value().into(), self.ledger.troubled().late.to_string()),
                "differing" => (value().into(), self.ledger.troubled().differing.to_string()),
                "chains" => (value().into(), self.ledger.chains_count().to_string()),
                "swept" => (format!("swept {}", value()), answer(output)),
                "applied" | "noted" | "repeated" | "overshoot" | "unpromised" | "late" | "excess" | "differs" => {
                    (word.into(), answer(output))
                }
                "approved" | "done" | "nothing" | "conflict" | "impossible" | "ok" => (word.into(), answer(output)),
                _ => panic!("{text}: no such expectation: {word}"),
            };
            assert_eq!(found, wanted, "{text}: {word}");
        }
        let (was_replayed, were) = match output {
            Output::Decision(decision) => (decision.replayed, decision.balances.as_slice()),
            Output::Account { replayed, .. } => (*replayed, [].as_slice()),
            Output::Settled(_) | Output::Opened { .. } | Output::Refused(_) => (false, [].as_slice()),
            Output::Booked(_)
            | Output::Swept { .. }
            | Output::Shelved(_)
            | Output::Dropped(_)
            | Output::Controls { .. }
            | Output::Party { .. }
            | Output::Forgotten { .. }
            | Output::Reconciling { .. } => (false, [].as_slice()),
        };
        assert_eq!(was_replayed, replayed, "{text}: replayed");
        assert_eq!(were.iter().map(inquired).collect::<Vec<_>>(), balances, "{text}: balances");
    }
}

impl Line {
    fn word(&self, at: usize) -> &str {
        self.words.get(at).unwrap_or_else(|| panic!("{}: word {at} is missing", self.verb))
    }

    fn amount(&self, at: usize) -> Amount {
        let text = self.words.get(at).map_or("0", String::as_str);
        Amount::parse(text, self.currency).unwrap_or_else(|error| panic!("{text} {error}"))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([self.print; 16])
    }

    fn authorize(&self, attempt: Attempt, kind: RequestKind) -> Authorize {
        Authorize {
            program: self.program,
            attempt,
            token: token(self.word(0)),
            fingerprint: self.fingerprint(),
            kind,
            user: user(self.word(1)),
            amount: self.amount(2),
            transaction: self.name("tx"),
            original: self.name("of"),
            preceding: self.name("after"),
            expires_after: self.expires_after(),
            facts: self.facts(),
        }
    }

    fn name(&self, option: &str) -> Option<Token> {
        self.options.get(option).map(|text| token(text))
    }

    /// With `mcc=N`, what a message says that says nothing else.
    fn facts(&self) -> Option<Facts> {
        let mcc = self.options.get("mcc").map(|text| text.parse().expect("a category"));
        mcc.map(|mcc| Facts { mcc: Some(mcc), ..Facts::default() })
    }

    fn expires_after(&self) -> Option<Seconds> {
        self.options.get("expires").map(|text| Seconds(text.parse().expect("seconds")))
    }

    fn event(&self) -> Event {
        let word = match self.word(1) {
            "pending" => Word::Pending,
            "cleared" => Word::Cleared,
            "declined" => Word::Declined,
            "error" => Word::Error,
            "completed" => Word::Completed,
            word => panic!("no such word: {word}"),
        };
        Event {
            program: self.program,
            names: Names {
                jit: self.name("jit"),
                transaction: self.name("tx"),
                original: self.name("of"),
                preceding: self.name("after"),
            },
            user: user(self.word(2)),
            amount: self.amount(3),
            role: self.role(),
            word,
            expires_after: self.expires_after(),
            facts: self.facts(),
        }
    }

    fn role(&self) -> Role {
        match self.word(0) {
            "authorization" => Role::Authorization,
            "incremental" => Role::Incremental,
            "single" => Role::SingleDebit,
            "reversal" => Role::Reversal,
            "reversed" => Role::FullReversal,
            "clearing" => Role::Clearing(self.clearing()),
            "forced" => Role::ForceCapture,
            "announcement" => Role::CreditAuthorization,
            "loan" => Role::FastCredit,
            "credit" => Role::Credit,
            "dropped" => Role::CreditReversal,
            "credited" => Role::AdjustmentCredit,
            "debited" => Role::AdjustmentDebit,
            role => panic!("no such role: {role}"),
        }
    }

    fn clearing(&self) -> Clearing {
        let released = self.options.get("release").map(|text| Amount::parse(text, self.currency).expect("an amount"));
        let part = self.options.get("part").map(|text| {
            let (number, count) = text.split_once('/').expect("one of how many");
            Part { number: number.parse().expect("a number"), count: count.parse().expect("a number") }
        });
        let last = self.options.contains_key("last");
        Clearing { last, released_minor: released.map_or(0, Amount::minor), part }
    }

    fn void(&self, attempt: Attempt) -> Command {
        let (token, fingerprint) = (token(self.word(0)), self.fingerprint());
        Command::Void(Void { program: self.program, attempt, token, fingerprint })
    }

    fn movement(&self, direction: MoveDirection) -> Command {
        let (key, user, amount) = (token(self.word(0)), user(self.word(1)), self.amount(2));
        Command::Move(Move { program: self.program, key, user, direction, amount })
    }

    fn open(&self) -> Command {
        let credit_minor = self.amount(1).minor();
        let opening = Opening { user: user(self.word(0)), currency: self.currency, credit_minor };
        Command::Open(Open { program: self.program, openings: vec![opening] })
    }
}

/// `USD=100.00/40.00`: posted and available.
fn inquired(balance: &Balance) -> String {
    let shown = |minor: i64| format_minor(minor, balance.currency);
    format!("{}={}/{}", balance.currency.code(), shown(balance.posted_minor), shown(balance.available_minor()))
}

fn answer(output: &Output) -> String {
    match output {
        Output::Decision(Decision { verdict: Verdict::Approved, .. }) => "approved".into(),
        Output::Decision(Decision { verdict: Verdict::Declined(reason), .. }) => format!("declined {reason:?}"),
        Output::Settled(settled) => format!("{settled:?}").to_lowercase(),
        Output::Opened { opened, .. } => format!("opened {opened}"),
        Output::Account { .. } => "ok".into(),
        Output::Refused(refusal) => format!("refused {refusal:?}"),
        Output::Booked(booked) if booked.effect.refused() => format!("refused {:?}", booked.effect),
        Output::Booked(booked) => format!("{:?}", booked.effect).to_lowercase(),
        Output::Swept { expired, .. } => format!("swept {expired}"),
        Output::Shelved(shelved) => format!("{shelved:?}"),
        Output::Dropped(dropped) => format!("{dropped:?}"),
        Output::Controls { version, .. } => format!("version {version}"),
        Output::Party { state, .. } => format!("{state:?}"),
        Output::Forgotten { forgotten, .. } => format!("forgotten {forgotten}"),
        Output::Reconciling { .. } => "ok".into(),
    }
}

fn parse(text: &str) -> Line {
    let (command, expected) = text.split_once("->").unwrap_or((text, ""));
    let mut words = command.split_whitespace();
    let mut line = Line {
        verb: words.next().expect("a verb").into(),
        words: Vec::new(),
        currency: usd(),
        program: program("default"),
        by: None,
        print: 1,
        times: 1,
        options: BTreeMap::new(),
        expected: expected.split_whitespace().map(String::from).collect(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("by", value)) => line.by = Some(value.parse().expect("a number")),
            Some(("print", value)) => line.print = value.parse().expect("a number"),
            Some(("times", value)) => line.times = value.parse().expect("a number"),
            Some(("in", value)) => line.program = program(value),
            Some((name, value)) if OPTIONS.contains(&name) => _ = line.options.insert(name.into(), value.into()),
            Some(_) => panic!("{text}: no such option: {word}"),
            None => match Currency::from_code(word) {
                Some(currency) => line.currency = currency,
                None => line.words.push(word.into()),
            },
        }
    }
    line
}
