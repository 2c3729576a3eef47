//! Random schedules of everything that can go wrong around stand-in, with the money counted at the end.
//!
//! **What lives here.** Three nodes and one ledger. A node that is cut off hears nothing, is heard by nobody, and knows
//! the books as they were; what it sent before may be applied late, again, or never. The processor retries at any node.
//! Any node may lose its power at any step, cut off or not, and knows then what its disk holds. After the walk
//! everything is settled, and the money is counted.
//!
//! **What must hold.** Never two holds for a token; an approval ends as one hold; a decline of what may have been
//! proposed ends as none, or on record as a conflict; what was approved alone in a window is within every limit of the
//! whole cluster, and at each step no more is lost from there on than the metric shows as the worst case; a node is
//! closed only with all that it said alone in the books. Each planted mistake must be found.

use super::real::{Books, Node, program, request, token, usd, user, void_of};
use super::{each, quietly};
use crate::breaker::{Admission, Asked, Breaker, Look, Phase, Rules};
use crate::choice::Say;
use crate::journal::{Said, Turn, Verdict, Word, Writing};
use crate::limits::{Limits, Stated, Whose};
use crate::policy::{Approve, Case, Refusal};
use ledger::{Attempt, Authorize, Command, Decision, Ledger, Output, Timestamp, Token};
use model::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const NODES: u64 = 3;
const ACCOUNTS: u64 = 2;
const TOKENS: u64 = 6;
const PER_TRANSACTION: u64 = 20;
const LIMIT: u64 = 61;
const COUNT: u32 = 8;
const BUDGET: u64 = 92;
/// Of log time; a step takes up to [`STEP_US`], so a walk sees a few windows.
const WINDOW_US: u64 = 4_000;
const STEP_US: u64 = 60;

/// A mistake, planted in the world around the real parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    ForgetJournal,
    SkipTombstone,
    SettleTwice,
    LiveNodes,
    CloseBeforeSettled,
}

/// What the processor and the disk know; the code under test does not.
struct Asking {
    request: Authorize,
    account: u64,
    proposed: bool,
    /// Its proposal is on a link that is cut.
    stuck: bool,
    decided: Option<ledger::Verdict>,
    waits: bool,
    /// Its node went down while the processor waited.
    cut: bool,
    /// An approval on its way to the disk, and in which window it counts.
    writing: Option<(Writing, u64)>,
    answer: Option<Verdict>,
    /// Answered without the books.
    alone: bool,
    /// The node owes nothing for the answer.
    turned_away: bool,
    /// The answer left although its void was not on the disk, and then the power went (docs/standin.md, Settlement).
    void_lost: bool,
}

/// A node and what it knows.
struct Place {
    node: Node,
    breaker: Breaker,
    now: Instant,
    cut_off: bool,
    /// The books as it last heard of them.
    known: Ledger,
    /// What it will know of the books after a restart, as long as it hears nothing.
    snapshot: Ledger,
}

/// What was shown at some step, to be held against what came.
struct Shown {
    window: u64,
    worst_minor: u128,
    lost_before: u64,
}

struct World {
    dice: Dice,
    mutant: Option<Mutant>,
    books: Books,
    places: Vec<Place>,
    asked: Vec<Asking>,
    policy: Approve,
    /// By window, node and account: what was told approved alone.
    lost: BTreeMap<(u64, u64, u64), u64>,
    shown: Vec<Shown>,
}

fn stated(nodes: u32) -> Stated {
    Stated {
        nodes,
        per_transaction: usd(PER_TRANSACTION),
        per_account: usd(LIMIT),
        per_account_count: COUNT,
        per_node: usd(1000),
        total: Some(usd(BUDGET)),
        window: Duration::from_micros(WINDOW_US),
    }
}

/// docs/standin.md, word for word: `min(A x N x a, (N - 1) x B + B - spent)`.
fn worst_case(spent_minor: u64) -> u128 {
    let account = (LIMIT / NODES).min(u64::from(COUNT) / NODES * PER_TRANSACTION);
    let node = BUDGET / NODES;
    u128::from((ACCOUNTS * NODES * account).min((NODES - 1) * node + node.saturating_sub(spent_minor)))
}

impl World {
    fn new(seed: u64, mutant: Option<Mutant>) -> World {
        let now = Instant::now();
        let mut dice = Dice::new(seed);
        let books = Books::new(ACCOUNTS, 60 + dice.below(300));
        let place = |id| Place {
            node: Node::new(id),
            breaker: Breaker::new(Rules { dwell: Duration::ZERO, ..Rules::default() }, now),
            now,
            cut_off: false,
            known: books.ledger.clone(),
            snapshot: books.ledger.clone(),
        };
        // A node that is cut off sees one live node: itself.
        let nodes = if mutant == Some(Mutant::LiveNodes) { 1 } else { NODES as u32 };
        let policy = Approve {
            limits: Limits::new(&stated(nodes)).unwrap(),
            available_percent: 100,
            state_age_max: Duration::from_secs(60),
            refusals: Default::default(),
            rules: Vec::new(),
            otherwise: Say::Approve,
        };
        let places = (0..NODES).map(place).collect();
        let (asked, lost, shown) = (Vec::new(), BTreeMap::new(), Vec::new());
        World { dice, mutant, books, places, asked, policy, lost, shown }
    }

    fn apply(&mut self, command: &Command) -> Output {
        self.books.time += self.dice.below(STEP_US);
        let command = match (self.mutant, command) {
            (Some(Mutant::SettleTwice), Command::Force(force)) => {
                // Placed without a look at what the token has already.
                let token = Token::new(&format!("{}-{}", force.token, force.attempt.counter)).unwrap();
                Command::Force(Authorize { token, ..force.clone() })
            }
            (Some(Mutant::SkipTombstone), Command::Void(void))
                if self.books.ledger.token(&void.program, &void.token).is_none() =>
            {
                return Output::Settled(ledger::Settled::Nothing);
            }
            _ => command.clone(),
        };
        self.books.apply(&command)
    }

    fn step(&mut self) {
        match self.dice.below(14) {
            0 | 1 => self.ask(),
            2 | 3 => self.propose_or_apply(),
            4 => self.answer(),
            5 | 6 => self.pick().into_iter().for_each(|at| self.stand_in(at)),
            7 => self.pick().into_iter().for_each(|at| self.disk(at)),
            8 => self.settle_one(),
            9 => self.look(),
            10 => self.partition(),
            11 => self.hear(),
            12 => self.show(),
            _ if self.dice.one_in(3) => self.restart(),
            _ => {}
        }
    }

    fn node(&mut self) -> usize {
        self.dice.below(NODES) as usize
    }

    fn pick(&mut self) -> Option<usize> {
        let all: Vec<usize> = (0..self.asked.len()).collect();
        self.dice.pick(&all)
    }

    fn ask(&mut self) {
        let (at, number) = (self.node(), self.dice.below(TOKENS));
        let owner = self.places[at].node.owner;
        let counter = self.asked.len() as u64;
        let attempt = Attempt { node: owner.node, incarnation: owner.incarnation, counter };
        let waits_already = |asking: &Asking| {
            asking.waits && asking.request.attempt.node == owner.node && asking.request.token == token(number)
        };
        if self.asked.iter().any(waits_already) {
            // It would share that one's attempt.
            return;
        }
        self.asked.push(Asking {
            request: request(number, number % ACCOUNTS, attempt, 10),
            account: number % ACCOUNTS,
            proposed: false,
            stuck: false,
            decided: None,
            waits: true,
            cut: false,
            writing: None,
            answer: None,
            alone: false,
            turned_away: false,
            void_lost: false,
        });
    }

    fn place_of(&self, at: usize) -> usize {
        self.asked[at].request.attempt.node as usize
    }

    fn said(&self, at: usize) -> Option<Verdict> {
        let request = &self.asked[at].request;
        let journal = &self.places[self.place_of(at)].node.journal;
        journal.verdict(request.program, request.token, request.fingerprint)
    }

    /// Proposed if it was not; else applied: now, late or again, decided by the books as they are.
    fn propose_or_apply(&mut self) {
        let Some(at) = self.pick() else { return };
        if !self.asked[at].proposed {
            let may = self.asked[at].waits && self.asked[at].writing.is_none() && self.said(at).is_none();
            self.asked[at].proposed = may;
            self.asked[at].stuck = may && self.places[self.place_of(at)].cut_off;
            return;
        }
        if self.asked[at].stuck {
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
        let hears = !self.places[self.place_of(at)].cut_off;
        let asking = &mut self.asked[at];
        if let (true, true, None, Some(verdict)) = (hears, asking.waits, &asking.writing, asking.decided) {
            asking.waits = false;
            let approved = verdict == ledger::Verdict::Approved;
            asking.answer = Some(if approved { Verdict::Approved } else { Verdict::Declined });
        }
    }

    /// Alone: rule 2 first, then the policy.
    fn stand_in(&mut self, at: usize) {
        if !self.asked[at].waits || self.asked[at].writing.is_some() {
            return;
        }
        match self.said(at) {
            Some(Verdict::Approved) => match self.approve(at, Turn::Again) {
                Ok(writing) => self.asked[at].writing = Some(writing),
                Err(_) => self.decline(at),
            },
            Some(Verdict::Declined) => self.decline(at),
            None => match self.approve(at, Turn::First) {
                Ok(writing) => self.asked[at].writing = Some(writing),
                Err(_) if self.asked[at].proposed => self.decline(at),
                Err(_) => {
                    let asking = &mut self.asked[at];
                    (asking.waits, asking.turned_away) = (false, true);
                    asking.answer = Some(Verdict::Declined);
                }
            },
        }
    }

    fn approve(&mut self, at: usize, turn: Turn) -> Result<(Writing, u64), Refusal> {
        // A policy may say no for any reason.
        if turn == Turn::First && self.dice.one_in(3) {
            return Err(Refusal::Refused);
        }
        let request = self.asked[at].request.clone();
        let place = &mut self.places[request.attempt.node as usize];
        let account = place.known.account(&request.program, &request.user);
        let case = Case {
            whose: Whose { program: request.program, user: request.user, currency: request.amount.currency() },
            kind: request.kind,
            amount: request.amount,
            facts: Default::default(),
            account: account.as_ref(),
            foreseen: Ok(()),
            state_age: Some(Duration::ZERO),
        };
        let now = place.known.now();
        let (window, policy) = (self.policy.limits.window_of(now), &self.policy);
        let check = |usage: &_| if turn == Turn::First { policy.check(&case, usage) } else { Ok(()) };
        let writing = place.node.journal.approve((now, window), request, turn, check)?;
        // While it runs a node never counts in an earlier window; tests/model says which one it is.
        Ok((writing, place.node.journal.with_usage(window, |usage| usage.window())))
    }

    /// The disk has caught up, or it has not and the deadline is here.
    fn disk(&mut self, at: usize) {
        let Some((mut writing, window)) = self.asked[at].writing.take() else { return };
        let place = self.place_of(at);
        if self.dice.below(4) > 0 {
            self.places[place].node.write();
        }
        let durable = writing.is_durable();
        if !durable || self.dice.one_in(8) {
            // Too late: the attempt's last word is no.
            let (now, void) = (self.places[place].known.now(), void_of(&self.asked[at].request));
            self.places[place].node.journal.revoke(writing.number, now, void);
            self.declined(at);
            return;
        }
        self.places[place].node.journal.stands(writing.number);
        self.asked[at].waits = false;
        // A kill between journal and answer: nobody knows whether it left.
        if self.dice.one_in(8) {
            self.asked[at].cut = true;
        } else {
            self.approved(at, window);
        }
    }

    /// The processor has one hold for a token; two nodes that approve it use their parts all the same.
    fn approved(&mut self, at: usize, window: u64) {
        let uses = self.uses(at);
        let asking = &mut self.asked[at];
        (asking.answer, asking.alone) = (Some(Verdict::Approved), true);
        if uses {
            let Attempt { node, .. } = asking.request.attempt;
            *self.lost.entry((window, node, asking.account)).or_default() += asking.request.amount.minor();
        }
    }

    /// Whether an approval of it would be the first that its node tells of the token.
    fn uses(&self, at: usize) -> bool {
        let Attempt { node, .. } = self.asked[at].request.attempt;
        let alike = |other: &&Asking| {
            let told = other.alone && other.answer == Some(Verdict::Approved);
            told && other.request.token == self.asked[at].request.token && other.request.attempt.node == node
        };
        !self.asked.iter().any(|other| alike(&other))
    }

    /// No, and a void is owed.
    fn decline(&mut self, at: usize) {
        let place = self.place_of(at);
        let (now, void) = (self.places[place].known.now(), void_of(&self.asked[at].request));
        self.places[place].node.journal.decline(now, void).expect("there is room");
        self.declined(at);
    }

    fn declined(&mut self, at: usize) {
        let place = self.place_of(at);
        let asking = &mut self.asked[at];
        (asking.waits, asking.alone, asking.answer) = (false, true, Some(Verdict::Declined));
        // Mostly the disk is quick enough; else the void is lost if the power goes now.
        if self.dice.below(8) > 0 {
            self.places[place].node.write();
        } else if self.dice.one_in(2) {
            self.asked[at].void_lost = true;
            self.power_cut(place);
        } else {
            self.places[place].node.write();
        }
    }

    /// The settlement is applied; it is done once the node's own books show it (M1 rule 8).
    fn settle_one(&mut self) {
        let at = self.node();
        if self.places[at].cut_off {
            return;
        }
        let owed = self.places[at].node.owed();
        let Some(said) = owed.get(usize::from(self.dice.one_in(3))).or(owed.first()).cloned() else { return };
        self.apply(&said.word.settlement());
        self.hear_at(at);
        if self.dice.one_in(2) {
            self.done(at, &said);
        }
    }

    fn done(&mut self, at: usize, said: &Said) {
        let known = self.places[at].known.token(&said.word.program(), &said.word.token());
        let in_books = match said.word {
            Word::Approved(_) => known.is_some_and(|view| view.forced || view.impossible),
            Word::Declined(_) => known.is_some(),
        };
        if in_books {
            self.places[at].node.journal.settled(said.number);
        }
    }

    fn partition(&mut self) {
        let at = self.node();
        self.places[at].cut_off = !self.places[at].cut_off && self.dice.one_in(2);
        if !self.places[at].cut_off {
            // What was sent into the cut may still arrive, or never does.
            for asking in self.asked.iter_mut().filter(|asking| asking.request.attempt.node == at as u64) {
                asking.stuck &= self.dice.one_in(2);
            }
        }
    }

    fn hear(&mut self) {
        let at = self.node();
        self.hear_at(at);
    }

    fn hear_at(&mut self, at: usize) {
        if !self.places[at].cut_off {
            self.places[at].known = self.books.ledger.clone();
            if self.dice.one_in(8) {
                self.places[at].snapshot = self.books.ledger.clone();
            }
        }
    }

    fn look(&mut self) {
        let at = self.node();
        let passed = Duration::from_millis(200 + self.dice.below(1500));
        let place = &mut self.places[at];
        let closes_early = self.mutant == Some(Mutant::CloseBeforeSettled);
        let owed = if closes_early { 0 } else { place.node.journal.unsettled() };
        place.now += passed;
        let contact_age = if place.cut_off { None } else { Some(Duration::ZERO) };
        if place.breaker.admit(owed) == Admission::Probe {
            place.breaker.probed(place.now, Asked::Decided);
        }
        let change = place.breaker.look(place.now, Look { contact_age, owed });
        if change.is_some_and(|change| change.to == Phase::Closed) {
            self.all_in_books(at);
        }
    }

    /// A node that closes has everything that it said alone in the books.
    fn all_in_books(&self, at: usize) {
        let here = |asking: &&Asking| asking.alone && asking.request.attempt.node == at as u64 && !asking.void_lost;
        for asking in self.asked.iter().filter(here) {
            let token = self.books.ledger.token(&asking.request.program, &asking.request.token);
            let there = match asking.answer {
                Some(Verdict::Approved) => token.is_some_and(|token| token.forced),
                Some(Verdict::Declined) | None => token.is_some(),
            };
            assert!(there, "closed before settled: {}", asking.request.token);
        }
    }

    /// What the metric would show here and now, with the disk caught up: what was used for an approval that is neither
    /// told nor on the disk, a power loss gives back.
    fn show(&mut self) {
        let at = self.node();
        self.places[at].node.write();
        let place = &self.places[at];
        let (limits, now) = (&self.policy.limits, place.known.now());
        let (window, spent) = place
            .node
            .journal
            .with_usage(limits.window_of(now), |usage| (usage.window(), usage.node_minor(limits.currency)));
        let left = limits.node_minor.saturating_sub(spent);
        let worst_minor = self.policy.worst_case_minor(place.known.accounts_count(), left);
        if self.mutant.is_none() {
            assert_eq!(worst_minor, worst_case(spent), "the metric is the formula of docs/standin.md");
        }
        // What this node has spent counts as lost, whether the answer has left, may have left, or is still to be told.
        let others = self.lost_in(window) - self.lost_at(window, at as u64);
        let lost_before = others + spent;
        self.shown.push(Shown { window, worst_minor, lost_before });
    }

    fn lost_in(&self, window: u64) -> u64 {
        self.lost.range((window, 0, 0)..(window + 1, 0, 0)).map(|(_, minor)| minor).sum()
    }

    fn lost_at(&self, window: u64, node: u64) -> u64 {
        self.lost.range((window, node, 0)..(window, node + 1, 0)).map(|(_, minor)| minor).sum()
    }

    fn restart(&mut self) {
        let at = self.node();
        if self.dice.one_in(2) {
            self.places[at].node.write();
        }
        self.power_cut(at);
    }

    fn power_cut(&mut self, at: usize) {
        let seed = self.dice.below(u64::MAX);
        let place = &mut self.places[at];
        match self.mutant {
            Some(Mutant::ForgetJournal) => place.node.restart_without_journal(),
            _ => place.node.restart(seed),
        }
        place.known = place.snapshot.clone();
        place.breaker = Breaker::new(Rules { dwell: Duration::ZERO, ..Rules::default() }, place.now);
        for asking in self.asked.iter_mut().filter(|asking| asking.request.attempt.node == at as u64) {
            asking.cut |= asking.waits;
            asking.waits = false;
            asking.writing = None;
        }
    }

    /// No more faults: everybody answers, everything is settled, twice over, and what is late comes.
    fn drain(&mut self) {
        self.places.iter_mut().for_each(|place| place.cut_off = false);
        for at in 0..self.asked.len() {
            self.stand_in(at);
            self.disk(at);
        }
        let mut words: Vec<Word> = Vec::new();
        for at in 0..self.places.len() {
            self.places[at].node.write();
            for said in self.places[at].node.owed() {
                self.apply(&said.word.settlement());
                self.hear_at(at);
                self.done(at, &said);
                words.push(said.word);
            }
            let lost = self.mutant.is_none() && self.places[at].node.journal.unsettled() > 0;
            assert!(!lost, "a settlement is applied and never done with");
        }
        // With a mistake planted this would heal it.
        if self.mutant.is_none() {
            let digest = self.books.ledger.digest();
            for word in words {
                self.books.ledger.apply(Timestamp(0), &word.settlement());
            }
            assert_eq!(digest, self.books.ledger.digest(), "settled again, something changed");
        }
        for at in 0..self.asked.len() {
            if self.asked[at].proposed && self.dice.one_in(2) {
                self.apply(&Command::Authorize(self.asked[at].request.clone()));
            }
        }
    }

    fn check(&self) {
        let broken = self.books.ledger.check();
        assert!(broken.is_empty(), "{broken:?}");
        let mut holds: BTreeMap<Token, usize> = BTreeMap::new();
        for account in 0..ACCOUNTS {
            for hold in self.books.ledger.holds(&program(), &user(account), 0, 10_000) {
                *holds.entry(hold.token).or_default() += 1;
            }
        }
        let asked: BTreeSet<Token> = self.asked.iter().map(|asking| asking.request.token).collect();
        let one_each = holds.iter().all(|(token, count)| *count == 1 && asked.contains(token));
        assert!(one_each, "more than one hold: {holds:?}");
        for token in asked {
            self.check_token(token, holds.contains_key(&token));
        }
        self.check_limits();
    }

    fn check_token(&self, token: Token, held: bool) {
        let of: Vec<&Asking> = self.asked.iter().filter(|asking| asking.request.token == token).collect();
        let said = |verdict| of.iter().any(|asking| asking.answer == Some(verdict) && !asking.turned_away);
        let conflict = self.books.ledger.token(&program(), &token).is_some_and(|view| view.conflict);
        // What was cut may have committed, and what lost its void too; the hold stays.
        let cut = of.iter().any(|asking| asking.cut || asking.void_lost);
        let void_lost = of.iter().any(|asking| asking.void_lost);
        assert!(held || !said(Verdict::Approved), "an approval without its hold: {token}");
        assert!(!held || said(Verdict::Approved) || cut || !said(Verdict::Declined), "a hold that nobody was promised");
        let on_record = conflict || void_lost;
        assert!(!held || !said(Verdict::Declined) || on_record, "a hold that somebody was declined, not on record");
    }

    /// M2: what was promised alone is within every limit of the whole cluster, and within what was shown.
    fn check_limits(&self) {
        let windows: BTreeSet<u64> = self.lost.keys().map(|(window, ..)| *window).collect();
        for window in windows {
            let all = self.lost_in(window);
            let of =
                |account: u64| -> u64 { (0..NODES).filter_map(|node| self.lost.get(&(window, node, account))).sum() };
            let most = (0..ACCOUNTS).map(of).max().unwrap_or_default();
            assert!(all <= BUDGET && most <= LIMIT, "above the limits: {:?}", self.lost);
            assert!(u128::from(all) <= worst_case(0), "above the bound of docs/standin.md");
        }
        for shown in &self.shown {
            let since = self.lost_in(shown.window).saturating_sub(shown.lost_before);
            assert!(u128::from(since) <= shown.worst_minor, "above the worst case that was shown");
        }
    }
}

/// How far the walks have come: what they never reach they do not test.
#[derive(Default)]
struct Reached {
    conflicts: usize,
    most_lost: u64,
    late_voided: usize,
    cut: usize,
    voids_lost: usize,
    revoked: usize,
}

impl Reached {
    fn add(&mut self, world: &World) {
        let count = |what: fn(&Asking) -> bool| world.asked.iter().filter(|asking| what(asking)).count();
        let views = world
            .asked
            .iter()
            .filter_map(|asking| world.books.ledger.token(&asking.request.program, &asking.request.token));
        self.conflicts += views.filter(|view| view.conflict).count();
        self.most_lost =
            self.most_lost.max(world.lost.keys().map(|(window, ..)| world.lost_in(*window)).max().unwrap_or(0));
        self.cut += count(|asking| asking.cut);
        self.voids_lost += count(|asking| asking.void_lost);
        let approved = |asking: &Asking| asking.decided == Some(ledger::Verdict::Approved);
        self.late_voided += count(|asking| {
            asking.decided == Some(ledger::Verdict::Approved) && asking.answer == Some(Verdict::Declined)
        });
        self.revoked += world.asked.iter().filter(|asking| asking.alone && !approved(asking)).count();
    }
}

fn walk(seed: u64, mutant: Option<Mutant>) -> World {
    let mut world = World::new(seed, mutant);
    let steps = 20 + world.dice.below(200);
    (0..steps).for_each(|_| world.step());
    world.drain();
    world.check();
    world
}

#[test]
fn no_schedule_breaks_a_promise() {
    let reached = std::sync::Mutex::new(Reached::default());
    each(2_000, |seed| {
        let world = walk(seed, None);
        reached.lock().unwrap().add(&world);
    });
    let Reached { conflicts, most_lost, late_voided, cut, voids_lost, revoked } = reached.into_inner().unwrap();
    println!(
        "conflicts {conflicts}, most lost in a window {most_lost} of {BUDGET}, declined and applied {late_voided}"
    );
    println!("cut {cut}, voids lost {voids_lost}, alone and not applied {revoked}");
    if super::seeds(2_000).count() >= 1_000 {
        let nothing = [conflicts, late_voided, cut, voids_lost, revoked].contains(&0);
        assert!(!nothing && most_lost * 10 >= BUDGET * 8, "the walks do not come far enough");
    }
}

/// How a mistake is found: by one of these words in the complaint, so that it is found for what it is.
fn found(mutant: Mutant, complaint: &str) {
    let complains = |seed: u64| {
        let Err(error) = std::panic::catch_unwind(|| walk(seed, Some(mutant))) else { return false };
        let text = error.downcast_ref::<String>().cloned();
        let text = text.or_else(|| error.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        text.contains(complaint)
    };
    let first = quietly(|| (0..5_000).find(|seed| complains(*seed)));
    println!("{mutant:?} is found with seed {first:?}");
    assert!(first.is_some(), "{mutant:?} is not found by {complaint:?}");
}

#[test]
fn every_planted_mistake_is_found() {
    found(Mutant::ForgetJournal, "without its hold");
    found(Mutant::SkipTombstone, "a hold that");
    found(Mutant::SettleTwice, "more than one hold");
    found(Mutant::LiveNodes, "above the limits");
    found(Mutant::CloseBeforeSettled, "closed before settled");
}
