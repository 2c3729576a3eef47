//! Walks of the models, played on the real books and journals: after each step both must say the same.

use super::real::{Books, Node, program, request, token, usd, user, void_of};
use super::{each, quietly};
use crate::choice::Say;
use crate::journal::{Turn, Verdict, Word};
use crate::limits::{Limits, Stated, Whose};
use crate::policy::{Approve, Case, Refusal};
use ledger::{
    AccountStatus, Attempt, Authorize, Command, Decision, Event, Facts, Names, Output, Role, SetStatus, Timestamp,
    TokenStatus, Word as Said,
};
use model::dice::Dice;
use model::explore::Model;
use model::settlement::{self, Action, Mutant, Settlement, Status};
use std::time::Duration;

const TOKENS: usize = 3;
/// As many attempts of a token as the books keep one by one (`ledger::token`).
const ATTEMPTS_MAX: usize = 8;

/// The real side of M1.
struct Real {
    books: Books,
    nodes: Vec<Node>,
    requests: Vec<Option<Authorize>>,
    counter: u64,
}

fn account_of(token: usize) -> u64 {
    token as u64
}

fn verdict_of(verdict: Verdict) -> settlement::Verdict {
    match verdict {
        Verdict::Approved => settlement::Verdict::Approved,
        Verdict::Declined => settlement::Verdict::Declined,
    }
}

fn told(output: Output) -> settlement::Verdict {
    match output {
        Output::Decision(Decision { verdict: ledger::Verdict::Approved, .. }) => settlement::Verdict::Approved,
        Output::Decision(Decision { verdict: ledger::Verdict::Declined(_), .. }) => settlement::Verdict::Declined,
        other => panic!("no decision: {other:?}"),
    }
}

impl Real {
    fn new(model: &Settlement) -> Real {
        Real {
            books: Books::new(TOKENS as u64, 1_000_000),
            nodes: (0..u64::from(model.nodes)).map(Node::new).collect(),
            requests: vec![None; model.attempts.len()],
            counter: 0,
        }
    }

    fn at(&self, attempt: usize) -> (Authorize, usize) {
        let request = self.requests[attempt].clone().expect("it was asked");
        let node = request.attempt.node as usize;
        (request, node)
    }

    /// Plays a step. What the model cannot see (what `apply` answers) is compared here.
    fn play(&mut self, model: &Settlement, after: &settlement::State, action: Action) {
        match action {
            Action::Ask { attempt, node } => {
                let Node { owner, .. } = &self.nodes[usize::from(node)];
                self.counter += 1;
                let of = Attempt { node: owner.node, incarnation: owner.incarnation, counter: self.counter };
                let number = model.attempts[attempt];
                self.requests[attempt] = Some(request(number as u64, account_of(number), of, 10));
            }
            Action::Apply { attempt, funds } => self.apply((after, model.attempts[attempt]), attempt, funds),
            Action::Journal { attempt, verdict } => self.journal(attempt, verdict),
            Action::Settle { attempt } => self.settle(after, attempt),
            Action::SeeSettled { attempt } => {
                let (request, node) = self.at(attempt);
                let owed = self.nodes[node].owed();
                let of = |word: &Word| match word {
                    Word::Approved(approved) => approved.attempt == request.attempt,
                    Word::Declined(void) => void.attempt == request.attempt,
                };
                let said = owed.into_iter().find(|said| of(&said.word)).expect("the journal owes it");
                self.nodes[node].journal.settled(said.number);
                self.nodes[node].write();
            }
            Action::Restart { node } => self.nodes[usize::from(node)].restart(self.counter),
            Action::End { token: number } => self.end(number),
            // These change what the processor and the network know, and nothing that is real here.
            Action::Propose { .. }
            | Action::Answer { .. }
            | Action::StandIn { .. }
            | Action::TurnAway { .. }
            | Action::Replay { .. } => {}
        }
    }

    fn apply(&mut self, (after, number): (&settlement::State, usize), attempt: usize, funds: bool) {
        let (request, _) = self.at(attempt);
        let status = |status| Command::SetStatus(SetStatus { program: program(), user: request.user, status });
        if !funds {
            self.books.apply(&status(AccountStatus::Frozen));
        }
        let verdict = told(self.books.apply(&Command::Authorize(request.clone())));
        self.books.apply(&status(AccountStatus::Active));
        // The first word counts, and the books say it again to whom they keep.
        if after.tokens[number].keeps(attempt) {
            assert_eq!(after.attempts[attempt].decided, Some(verdict), "what apply says to attempt {attempt}");
        }
    }

    fn journal(&mut self, attempt: usize, verdict: settlement::Verdict) {
        let (request, node) = self.at(attempt);
        let Node { journal, .. } = &self.nodes[node];
        let said = journal.verdict(request.program, request.token, request.fingerprint);
        let at = Timestamp(self.books.time);
        match verdict {
            settlement::Verdict::Approved => {
                let turn = if said.is_none() { Turn::First } else { Turn::Again };
                let writing = journal.approve::<Refusal>((at, 0), request, turn, |_| Ok(()));
                let mut writing = writing.expect("nothing refuses");
                self.nodes[node].write();
                assert!(writing.is_durable());
                self.nodes[node].journal.stands(writing.number);
            }
            settlement::Verdict::Declined => {
                let mut writing = journal.decline(at, void_of(&request)).expect("there is room").expect("a disk");
                self.nodes[node].write();
                assert!(writing.is_durable());
            }
        }
    }

    fn settle(&mut self, after: &settlement::State, attempt: usize) {
        let (request, _) = self.at(attempt);
        // As the journal would say it, also when it is done with it already: late, and again.
        let word = match after.attempts[attempt].journal.expect("it is in the journal") {
            settlement::Verdict::Approved => Word::approved(request),
            settlement::Verdict::Declined => Word::Declined(void_of(&request)),
        };
        let settled = self.books.apply(&word.settlement());
        assert!(matches!(settled, Output::Settled(_)), "{settled:?}");
    }

    fn end(&mut self, number: usize) {
        let names = Names {
            jit: Some(ledger::Token::new(&format!("end-{number}")).unwrap()),
            original: Some(token(number as u64)),
            ..Names::default()
        };
        let event = Event {
            program: program(),
            names,
            user: user(account_of(number)),
            amount: usd(10),
            role: Role::FullReversal,
            word: Said::Completed,
            expires_after: None,
            facts: None,
        };
        let booked = self.books.apply(&Command::Event(event));
        assert!(matches!(booked, Output::Booked(booked) if !booked.effect.refused()), "{booked:?}");
    }

    fn compare(&self, model: &Settlement, state: &settlement::State) {
        for (number, known) in state.tokens.iter().enumerate() {
            let view = self.books.ledger.token(&program(), &token(number as u64));
            let status = match view.as_ref().map(|view| view.status) {
                None => Status::Open,
                Some(TokenStatus::Held { .. } | TokenStatus::Linked { .. } | TokenStatus::Approved) => Status::Held,
                Some(TokenStatus::Declined) => Status::Declined,
                Some(TokenStatus::Closed) => Status::Closed,
            };
            assert_eq!(status, known.status, "what stands for token {number}");
            let holds = self.books.holds(account_of(number), number as u64);
            assert_eq!(i64::try_from(holds), Ok(i64::from(known.holds)), "holds of token {number}");
            let (forced, conflict) = view.map_or((false, false), |view| (view.forced, view.conflict));
            assert_eq!((forced, conflict), (known.forced(), known.conflict()), "forced, in conflict: token {number}");
        }
        for (at, attempt) in state.attempts.iter().enumerate().filter(|(_, attempt)| attempt.node.is_some()) {
            let (request, node) = self.at(at);
            let said = self.nodes[node].journal.verdict(request.program, request.token, request.fingerprint);
            assert_eq!(said.map(verdict_of), model.said_at_node(state, at), "what node {node} said of attempt {at}");
            assert!(attempt.journal.is_none() || said.is_some());
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let here = |attempt: &&settlement::Attempt| attempt.node == Some(at as u8) && attempt.owes();
            let owed = state.attempts.iter().filter(here).count();
            assert_eq!(node.journal.unsettled(), owed, "what node {at} owes");
        }
        let broken = self.books.ledger.check();
        assert!(broken.is_empty(), "{broken:?}");
    }
}

/// One walk: each step is one that the model can make.
fn walk_settlement(seed: u64, mutant: Option<Mutant>) {
    let mut dice = Dice::new(seed);
    // Sometimes more attempts of one token than the books keep one by one.
    let tokens = dice.pick(&[1, TOKENS]).unwrap_or(TOKENS) as u64;
    let attempts = (0..2 + dice.below(12)).map(|_| dice.below(tokens) as usize).collect();
    let model = Settlement { nodes: 3, attempts, restarts_max: 3, ends_max: 2, kept_max: ATTEMPTS_MAX, mutant };
    let (mut state, mut real) = (model.first(), Real::new(&model));
    let mut actions = Vec::new();
    for step in 0..20 + dice.below(120) {
        // Those that ask come first.
        model.actions(&state, &mut actions);
        let possible: Vec<_> =
            actions.drain(..).filter_map(|action| Some((action, model.next(&state, action)?))).collect();
        if possible.is_empty() {
            break;
        }
        // Asked early, more attempts get into each other's way.
        let asks = possible.iter().filter(|(action, _)| matches!(action, Action::Ask { .. })).count();
        let among = if asks > 0 && dice.one_in(3) { asks } else { possible.len() };
        let (action, next) = &possible[dice.below(among as u64) as usize];
        real.play(&model, next, *action);
        state = next.clone();
        let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| real.compare(&model, &state)));
        assert!(compared.is_ok(), "model and code differ after step {step}: {action:?}");
    }
}

#[test]
fn the_books_and_the_journal_do_what_model_m1_does() {
    each(1_000, |seed| walk_settlement(seed, None));
}

/// The comparison can fail: a model with a mistake is not what the code does. Not here: mistakes that change only what
/// the processor is told, and the one about attempts that are not kept, which walks meet too seldom.
#[test]
fn a_model_with_a_mistake_differs_from_the_code() {
    let seen = [
        Mutant::ForgetJournal,
        Mutant::DoneWhenProposed,
        Mutant::SettleTwice,
        Mutant::NoTombstone,
        Mutant::VoidForAll,
        Mutant::VoidForNode,
        Mutant::HoldAfterEnd,
    ];
    let missed = quietly(|| {
        let differs = |mutant, seed| std::panic::catch_unwind(|| walk_settlement(seed, Some(mutant))).is_err();
        seen.into_iter().find(|mutant| !(0..1_000).any(|seed| differs(*mutant, seed)))
    });
    assert_eq!(missed, None, "nobody notices");
}

/// The real side of M2: a policy, and journals.
struct Limited {
    policy: Approve,
    nodes: Vec<Node>,
    window_us: u64,
}

impl Limited {
    fn new(model: &model::limits::Limits) -> Limited {
        let window = Duration::from_secs(1);
        let stated = Stated {
            nodes: u32::from(model.nodes),
            per_transaction: usd(model.tickets.iter().copied().max().unwrap_or(1).into()),
            per_account: usd(model.limit.into()),
            per_account_count: model.count.into(),
            per_node: usd(1_000_000),
            total: Some(usd(model.budget.into())),
            window,
        };
        let policy = Approve {
            limits: Limits::new(&stated).unwrap(),
            available_percent: 100,
            state_age_max: Duration::from_secs(60),
            refusals: Default::default(),
            rules: Vec::new(),
            otherwise: Say::Approve,
        };
        let nodes = (0..u64::from(model.nodes)).map(Node::new).collect();
        Limited { policy, nodes, window_us: window.as_micros() as u64 }
    }

    /// Whether the node says yes, by its policy and its journal. On the disk if it does.
    fn stand_in(&mut self, counter: u64, node: usize, account: usize, (amount, window): (u8, u8)) -> bool {
        let owner = self.nodes[node].owner;
        let of = Attempt { node: owner.node, incarnation: owner.incarnation, counter };
        let request = request(counter, account as u64, of, amount.into());
        let at = Timestamp(u64::from(window) * self.window_us);
        // Money does not matter to M2: there is always enough.
        let books = Books::new(account as u64 + 1, 1_000_000);
        let view = books.ledger.account(&request.program, &request.user);
        let case = Case {
            whose: Whose { program: request.program, user: request.user, currency: request.amount.currency() },
            kind: request.kind,
            amount: request.amount,
            facts: Facts::default(),
            account: view.as_ref(),
            foreseen: Ok(()),
            state_age: Some(Duration::ZERO),
        };
        let policy = &self.policy;
        let journal = &self.nodes[node].journal;
        let window = policy.limits.window_of(at);
        let kept = journal.approve::<Refusal>((at, window), request, Turn::First, |usage| policy.check(&case, usage));
        let Ok(mut writing) = kept else { return false };
        self.nodes[node].write();
        assert!(writing.is_durable());
        self.nodes[node].journal.stands(writing.number);
        true
    }
}

impl Limited {
    /// Whatever is owed is settled, and the journal made as small as it can be.
    fn settle_and_compact(&mut self, at: usize, window: u8) {
        let node = &mut self.nodes[at];
        node.owed().iter().for_each(|said| node.journal.settled(said.number));
        node.journal.with_usage(window.into(), |_| ());
        node.compact();
    }
}

fn walk_limits(seed: u64) {
    use model::limits::{Action, Limits};
    let mut dice = Dice::new(seed);
    let [limit, budget, count] = [(); 3].map(|()| 9 + dice.below(12) as u8);
    let model =
        Limits { nodes: 3, accounts: 2, limit, count, budget, tickets: vec![1, 2, 3], windows: 3, mutant: None };
    let (mut state, mut real) = (model.first(), Limited::new(&model));
    // What each node believes that log time is. The model has only what rule 2 makes of it.
    let mut believed = vec![0_u8; real.nodes.len()];
    let mut actions = Vec::new();
    for counter in 0..40 + dice.below(80) {
        model.actions(&state, &mut actions);
        // Approvals are what it is about, so the other steps are tried less often.
        actions.retain(|action| matches!(action, Action::StandIn { .. }) || dice.one_in(8));
        let Some(action) = dice.pick(&actions) else { continue };
        actions.clear();
        let next = model.next(&state, action);
        match action {
            Action::StandIn { node, account, amount } => {
                let said = real.stand_in(counter, node, account, (amount, believed[node]));
                assert_eq!(said, next.is_some(), "step {counter}: {action:?}");
            }
            Action::Restart { node, window } => {
                if dice.one_in(2) {
                    real.settle_and_compact(node, believed[node]);
                }
                real.nodes[node].restart(counter);
                believed[node] = window;
            }
            Action::CutOff { .. } | Action::Rejoin { .. } | Action::Turn => {}
        }
        let done = next.is_some();
        state = next.unwrap_or(state);
        let hears = |node: usize| match action {
            Action::Turn => done && !state.nodes[node].cut_off,
            Action::Rejoin { node: back } => back == node,
            Action::CutOff { .. } | Action::Restart { .. } | Action::StandIn { .. } => false,
        };
        (0..believed.len()).filter(|node| hears(*node)).for_each(|node| believed[node] = state.now);
    }
}

#[test]
fn the_policy_and_the_journal_do_what_model_m2_does() {
    each(1_000, walk_limits);
}
