//! Whole lives of card transactions, told in any order, as often as you like: the books end the same.
//!
//! **What lives here.** Stories are made up and kept by hand, step by step and in the order in which they happened
//! (`story`): that is the independent model, which knows no sets of facts. Then their messages are repeated and
//! shuffled over all lives of a world, and the books that have seen them must agree with every story's end.
//!
//! `HOLDFAST_CASES` is how many lives are tried (2,000 if it is not set), `HOLDFAST_SEED` the seed of the first world.
//! A failing world names its seed. The three planted bugs are each caught: that is the test of this test.

extern crate std;

mod story;

use crate::chain::planted::{Bug, plant};
use crate::{
    AccountStatus, Amount, Command, Currency, Ledger, Move, MoveDirection, Open, Opening, Program, SetStatus, Sweep,
    Timestamp, Token, UserToken,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::collections::BTreeMap;
use story::{Ends, Random, Story};

const LIVES_PER_WORLD: u64 = 10;
const CASES: u64 = 2_000;
/// More than all lives of a world can take: funds are never what decides, because then the order would.
const OPENING_MINOR: u64 = 1_000_000_000;
/// The last of them is frozen: we say no to everything, and the processor may overrule us.
const USERS: [&str; 4] = ["A", "B", "C", "frozen"];
const CURRENCIES: [&str; 2] = ["USD", "JPY"];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn program() -> Program {
    Program::new("default").expect("an id")
}

fn user(name: &str) -> UserToken {
    UserToken::new(name).expect("an id")
}

fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("listed")
}

fn opened() -> Ledger {
    let openings = USERS.iter().flat_map(|name| {
        CURRENCIES.iter().map(|code| Opening {
            user: user(name),
            currency: currency(code),
            credit_minor: OPENING_MINOR,
        })
    });
    let mut ledger = Ledger::new();
    ledger.apply(Timestamp(1), &Command::Open(Open { program: program(), openings: openings.collect() }));
    let (program, user, status) = (program(), user("frozen"), AccountStatus::Frozen);
    ledger.apply(Timestamp(1), &Command::SetStatus(SetStatus { program, user, status }));
    ledger
}

/// One world: some lives, their messages shuffled. What is wrong in the end, if anything.
fn live(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let mut wanted: BTreeMap<(&str, &str), Ends> = BTreeMap::new();
    let mut messages = Vec::new();
    for life in 0..LIVES_PER_WORLD {
        let name = USERS[random.below(USERS.len() as u64) as usize];
        let code = CURRENCIES[random.below(CURRENCIES.len() as u64) as usize];
        let mut story = Story::new(&mut random, life, user(name), currency(code), name == "frozen");
        story.tell();
        let (ends, told) = story.close();
        let sum = wanted.entry((name, code)).or_default();
        sum.held += ends.held;
        sum.posted += ends.posted;
        sum.pending += ends.pending;
        for message in told {
            for _ in 0..=random.below(3) {
                messages.push(message.clone());
            }
        }
    }
    random.shuffle(&mut messages);
    let mut ledger = opened();
    for (at, message) in messages.iter().enumerate() {
        ledger.apply(Timestamp(2 + at as u64), message);
    }
    let told = |difference| messages.iter().fold(difference, |text, message| format!("{text}\n{message:?}"));
    compare(&ledger, &wanted).map_err(told)?;
    forget(&mut ledger, &wanted)
}

fn compare(ledger: &Ledger, wanted: &BTreeMap<(&str, &str), Ends>) -> Result<(), String> {
    for ((name, code), ends) in wanted {
        let view = ledger.account(&program(), &user(name)).ok_or("no account")?;
        let balance = view.balances.iter().find(|balance| balance.currency.code() == *code).ok_or("no purse")?;
        let of = ledger.chains.iter().filter(|chain| chain.user == user(name) && chain.currency == currency(code));
        let found = Ends {
            held: balance.held_minor,
            posted: balance.posted_minor - OPENING_MINOR as i64,
            pending: of.map(|chain| chain.target.pending_minor as i64).sum(),
        };
        if found != *ends {
            return Err(format!("{name} {code}: the books have {found:?}, the stories end with {ends:?}"));
        }
    }
    match ledger.check().first() {
        None => Ok(()),
        Some(violation) => Err(format!("{violation}")),
    }
}

/// After a month nothing is held any more, and nothing else has changed.
fn forget(ledger: &mut Ledger, wanted: &BTreeMap<(&str, &str), Ends>) -> Result<(), String> {
    let month = Timestamp(32 * 86_400 * 1_000_000);
    ledger.apply(month, &Command::Sweep(Sweep { from: 0, parts: 1 }));
    for (at, name) in USERS.iter().enumerate() {
        let key = Token::new(&format!("touch-{at}")).expect("an id");
        // One in and one out, to look at the account.
        for (key, direction) in [(key, MoveDirection::Credit), (touch(at), MoveDirection::Debit)] {
            let amount = Amount::new(1, currency("USD")).expect("in range");
            let movement = Move { program: program(), key, user: user(name), direction, amount };
            ledger.apply(month, &Command::Move(movement));
        }
    }
    let ended = wanted.iter().map(|(key, ends)| (*key, Ends { held: 0, ..*ends })).collect();
    compare(ledger, &ended)
}

fn touch(at: usize) -> Token {
    Token::new(&format!("back-{at}")).expect("an id")
}

/// The first world that differs, and how.
fn first_difference(seed: u64, worlds: u64) -> Option<(u64, String)> {
    (seed..seed + worlds).find_map(|seed| live(seed).err().map(|difference| (seed, difference)))
}

#[test]
fn any_order_and_any_repetition_end_in_the_same_books() {
    let (seed, lives) = (number("HOLDFAST_SEED").unwrap_or(1), number("HOLDFAST_CASES").unwrap_or(CASES));
    let worlds = lives.div_ceil(LIVES_PER_WORLD);
    if let Some((seed, difference)) = first_difference(seed, worlds) {
        panic!("HOLDFAST_SEED={seed} HOLDFAST_CASES=1: {difference}");
    }
    std::println!("{} lives from seed {seed}: no difference", worlds * LIVES_PER_WORLD);
}

#[test]
fn each_planted_bug_is_caught() {
    for bug in [Bug::DoubleRelease, Bug::LostRemainder, Bug::WrongKey] {
        let planted = plant(bug);
        let found = first_difference(1, CASES / LIVES_PER_WORLD);
        drop(planted);
        let (seed, difference) = found.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        std::println!("{bug:?} is caught by seed {seed}: {difference}");
    }
    assert_eq!(first_difference(1, 1), None);
}
