//! A made-up life of one card transaction, kept by hand: what is held and posted is reckoned step by step, as the
//! processor's documentation tells it, while the messages of it are collected.

use super::program;
use crate::{
    Amount, Attempt, Authorize, Clearing, Command, Currency, Event, Fingerprint, Names, Part, RequestKind, Role,
    Seconds, Token, UserToken, Void, Word,
};
use alloc::format;
use alloc::vec::Vec;

/// SplitMix64: small, and the same everywhere.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// From 1 to the most.
    fn up_to(&mut self, most: i64) -> i64 {
        1 + self.below(most.max(1) as u64) as i64
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// Where a life has brought an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub held: i64,
    pub posted: i64,
    pub pending: i64,
}

pub(super) struct Story<'a> {
    random: &'a mut Random,
    life: u64,
    user: UserToken,
    currency: Currency,
    /// We say no to everything.
    frozen: bool,
    /// Numbers for names.
    steps: u64,
    first: Names,
    /// What the next message may name as preceding.
    last: Option<Token>,
    ends: Ends,
    told: Vec<Command>,
}

/// Who said yes to a request of ours.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Yes,
    No,
    /// Two nodes said different things; only the processor knows.
    Unclear,
}

impl<'a> Story<'a> {
    pub(super) fn new(
        random: &'a mut Random,
        life: u64,
        user: UserToken,
        currency: Currency,
        frozen: bool,
    ) -> Story<'a> {
        let (first, ends) = (Names::default(), Ends::default());
        Story { random, life, user, currency, frozen, steps: 0, first, last: None, ends, told: Vec::new() }
    }

    pub(super) fn close(self) -> (Ends, Vec<Command>) {
        (self.ends, self.told)
    }

    pub(super) fn tell(&mut self) {
        match self.random.below(10) {
            0..=5 => self.purchase(),
            6 => self.single(),
            7 => self.refund(),
            8 => self.fast(),
            _ => self.aside(),
        }
    }

    fn purchase(&mut self) {
        let amount = self.random.up_to(5_000);
        let names = self.names();
        self.first = names;
        if !self.promise(names, Role::Authorization, RequestKind::Authorization, amount) {
            return;
        }
        let mut promising = true;
        for _ in 0..self.random.below(6) {
            match self.random.below(4) {
                0 if promising => self.increment(),
                1 if self.ends.held > 1 => self.reverse(),
                2 | 3 if self.ends.held > 1 => self.clear(),
                _ => promising &= !self.overdo(),
            }
            if !promising {
                break;
            }
        }
        match self.random.below(5) {
            0 => self.end(Role::FullReversal, 1, Word::Cleared),
            1 => {
                let paid = self.random.up_to(3_000);
                let clearing = Clearing { last: true, ..Clearing::default() };
                self.end(Role::Clearing(clearing), paid, Word::Completed);
                self.ends.posted -= paid;
            }
            2 => self.in_parts(),
            _ => {}
        }
    }

    /// A promise, ours or the processor's. Whether it stands.
    fn promise(&mut self, names: Names, role: Role, kind: RequestKind, amount: i64) -> bool {
        let silent = self.random.one_in(5);
        let answer = if names.jit.is_some() { self.answer(names, kind, amount) } else { Answer::No };
        let certain = answer == Answer::Unclear || names.jit.is_none();
        if silent && !certain {
            // No word: what we said counts.
            if answer == Answer::Yes {
                self.last = names.transaction;
                self.ends.held += amount;
            }
            return answer == Answer::Yes;
        }
        if self.random.one_in(6) {
            let word = if self.random.one_in(2) { Word::Declined } else { Word::Error };
            if self.random.one_in(2) {
                self.report(names, role, amount, Word::Pending);
            }
            self.report(names, role, amount, word);
            return false;
        }
        self.report(names, role, amount, Word::Pending);
        if self.random.one_in(3) {
            self.report(names, role, amount, Word::Cleared);
        }
        self.last = names.transaction;
        self.ends.held += amount;
        true
    }

    /// What our nodes say to a request.
    fn answer(&mut self, names: Names, kind: RequestKind, amount: i64) -> Answer {
        let Some(token) = names.jit else {
            return Answer::No;
        };
        let attempt = |counter| Attempt { node: 1, incarnation: 1, counter };
        let request = |attempt| Authorize {
            program: program(),
            attempt,
            token,
            fingerprint: Fingerprint([7; 16]),
            kind,
            user: self.user,
            amount: Amount::new(amount as u64, self.currency).expect("in range"),
            transaction: names.transaction,
            original: names.original,
            preceding: names.preceding,
            expires_after: Some(Seconds(31 * 86_400)),
            facts: None,
        };
        let (one, two) = (request(attempt(1)), request(attempt(2)));
        let void = |attempt| Void { program: program(), attempt, token, fingerprint: Fingerprint([7; 16]) };
        let (told, answer) = match self.random.below(8) {
            // Both nodes alone, or the books and a node alone, and they differ.
            0 => ([Command::Authorize(one), Command::Void(void(attempt(2)))].to_vec(), Answer::Unclear),
            1 => ([Command::Force(one), Command::Void(void(attempt(2)))].to_vec(), Answer::Unclear),
            // The answer came too late: the node has said no, and takes it back in the books.
            2 => ([Command::Authorize(one), Command::Void(void(attempt(1)))].to_vec(), Answer::No),
            3 => ([Command::Force(one)].to_vec(), Answer::Yes),
            4 if !self.frozen => ([Command::Force(one), Command::Authorize(two)].to_vec(), Answer::Yes),
            _ if self.frozen => ([Command::Authorize(one)].to_vec(), Answer::No),
            _ => ([Command::Authorize(one)].to_vec(), Answer::Yes),
        };
        self.told.extend(told);
        answer
    }

    fn increment(&mut self) {
        let amount = self.random.up_to(2_000);
        let names = self.following();
        _ = self.promise(names, Role::Incremental, RequestKind::Incremental, amount);
    }

    fn reverse(&mut self) {
        let amount = self.random.up_to(self.ends.held - 1);
        let word = if self.random.one_in(4) { Word::Declined } else { Word::Pending };
        let names = self.following();
        self.report(names, Role::Reversal, amount, word);
        if word == Word::Pending {
            self.ends.held -= amount;
        }
    }

    /// A smaller clearing: the rest stays.
    fn clear(&mut self) {
        let paid = self.random.up_to(self.ends.held - 1);
        let rest = self.ends.held - paid;
        let released = if self.random.one_in(3) { self.random.up_to(rest) } else { 0 };
        let names = self.following();
        let role = Role::Clearing(Clearing { released_minor: released as u64, ..Clearing::default() });
        if self.random.one_in(3) {
            self.report(names, role, paid, Word::Pending);
        }
        self.report(names, role, paid, Word::Completed);
        self.ends.held -= paid + released;
        self.ends.posted -= paid;
    }

    /// More than there is: nothing is promised after it. Whether it was done.
    fn overdo(&mut self) -> bool {
        let amount = self.ends.held + self.random.up_to(500);
        let names = self.following();
        match self.random.below(4) {
            0 => self.report(names, Role::Reversal, amount, Word::Pending),
            1 => {
                self.report(names, Role::Clearing(Clearing::default()), amount, Word::Completed);
                self.ends.posted -= amount;
            }
            _ => return false,
        }
        self.ends.held = 0;
        true
    }

    /// Something that ends the promise, and perhaps a clearing that comes all the same.
    fn end(&mut self, role: Role, amount: i64, word: Word) {
        let names = self.following();
        self.report(names, role, amount, word);
        self.ends.held = 0;
        if self.random.one_in(3) {
            let paid = self.random.up_to(900);
            let names = self.following();
            self.report(names, Role::ForceCapture, paid, Word::Completed);
            self.ends.posted -= paid;
        }
    }

    /// Several clearings that say how many they are.
    fn in_parts(&mut self) {
        let count = 2 + self.random.below(3) as u8;
        let told = if self.random.one_in(3) { count - 1 } else { count };
        for number in 1..=told {
            let paid = self.random.up_to(700);
            let names = self.following();
            let role = Role::Clearing(Clearing { part: Some(Part { number, count }), ..Clearing::default() });
            self.report(names, role, paid, Word::Completed);
            self.ends.held = (self.ends.held - paid).max(0);
            self.ends.posted -= paid;
        }
        if told == count {
            self.ends.held = 0;
        }
    }

    fn single(&mut self) {
        let amount = self.random.up_to(5_000);
        let names = self.names();
        self.first = names;
        if !self.promise(names, Role::SingleDebit, RequestKind::SingleDebit, amount) || self.random.one_in(3) {
            return;
        }
        self.report(names, Role::SingleDebit, amount, Word::Completed);
        self.last = names.transaction;
        self.ends.held = 0;
        self.ends.posted -= amount;
        let back = self.random.up_to(amount);
        let names = self.following();
        match self.random.below(4) {
            0 => {
                self.report(names, Role::Reversal, back, Word::Pending);
                self.ends.posted += back;
            }
            1 => {
                self.report(names, Role::FullReversal, back, Word::Cleared);
                self.ends.posted += amount;
            }
            _ => {}
        }
    }

    fn refund(&mut self) {
        let amount = self.random.up_to(5_000);
        let names = self.names();
        self.first = names;
        if self.random.one_in(2) {
            self.report(names, Role::Credit, amount, Word::Completed);
            self.ends.posted += amount;
            return;
        }
        self.report(names, Role::CreditAuthorization, amount, Word::Pending);
        self.ends.pending += amount;
        self.resolve(0);
    }

    fn fast(&mut self) {
        let amount = self.random.up_to(5_000);
        let names = self.names();
        self.first = names;
        let answer = self.answer(names, RequestKind::FastCredit, amount);
        if answer != Answer::Yes || self.random.one_in(3) {
            let declined = self.random.one_in(3);
            self.report(names, Role::FastCredit, amount, if declined { Word::Declined } else { Word::Pending });
            if declined {
                return;
            }
        }
        self.ends.posted += amount;
        self.resolve(amount);
    }

    /// An announced credit comes, with another amount perhaps, or does not. What it was lent is given back.
    fn resolve(&mut self, lent: i64) {
        let came = self.random.up_to(5_000);
        let names = self.following();
        match self.random.below(3) {
            0 => {
                self.report(names, Role::Credit, came, Word::Completed);
                self.ends.posted += came - lent;
            }
            1 => {
                self.report(names, Role::CreditReversal, came, Word::Cleared);
                self.ends.posted -= lent;
            }
            _ => return,
        }
        self.ends.pending = 0;
    }

    fn aside(&mut self) {
        let amount = self.random.up_to(5_000);
        let names = self.names();
        let (role, sign) = match self.random.below(3) {
            0 => (Role::AdjustmentCredit, 1),
            1 => (Role::AdjustmentDebit, -1),
            _ => (Role::ForceCapture, -1),
        };
        if self.random.one_in(2) {
            self.report(names, role, amount, Word::Pending);
        }
        if self.random.one_in(4) {
            return self.report(names, role, amount, Word::Declined);
        }
        self.report(names, role, amount, Word::Completed);
        self.ends.posted += sign * amount;
    }

    fn report(&mut self, names: Names, role: Role, amount: i64, word: Word) {
        let amount = Amount::new(amount as u64, self.currency).expect("in range");
        let (program, user, expires_after) = (program(), self.user, Some(Seconds(31 * 86_400)));
        self.told.push(Command::Event(Event { program, names, user, amount, role, word, expires_after, facts: None }));
    }

    fn name(&mut self, kind: &str) -> Token {
        Token::new(&format!("{kind}-{}-{}", self.life, self.steps)).expect("an id")
    }

    /// New names of its own; some transactions are not funded by us and have no request.
    fn names(&mut self) -> Names {
        self.steps += 1;
        let funded = match (self.steps, self.first.jit) {
            (1, _) => !self.random.one_in(6),
            (_, Some(_)) => true,
            (_, None) => self.random.one_in(2),
        };
        let jit = funded.then(|| self.name("j"));
        Names { jit, transaction: Some(self.name("x")), ..Names::default() }
    }

    /// New names that lead back to the first: by its request, by its transaction, or by what came last.
    fn following(&mut self) -> Names {
        let own = self.names();
        let last = if self.random.one_in(2) { self.last } else { None };
        let preceding = last.or(self.first.transaction);
        match (self.first.jit, self.random.below(3)) {
            (Some(_), 0) | (None, _) => Names { preceding, ..own },
            (original, 1) => Names { original, ..own },
            (original, _) => Names { original, preceding, ..own },
        }
    }
}
