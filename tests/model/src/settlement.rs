//! M1: the settlement of answers that were given without knowing.
//!
//! A *token* is the processor's. An *attempt* is one request for it at one node: `(node, incarnation, counter)`, unique
//! for ever. What was proposed is never lost for certain: once sent, it may commit at any later step, once, often, or
//! never. That is all that leader changes, retries and replays can do to it, so no log is modelled, only the books.
//!
//! 1. **Two ways to answer.** With what `apply` said to *this attempt's own* proposal; or alone, once this attempt's
//!    verdict is in the node's journal. Never from what another attempt was told. Once the journal is written, the
//!    first way is shut. A decline of what this node never proposed needs no journal and owes nothing.
//! 2. **A node does not contradict itself**: with a verdict for the token in its journal, it proposes no other attempt
//!    of it, but gives the same verdict again and journals it for that attempt too. A request that comes while another
//!    of its token waits at the node is the same attempt.
//! 3. The books keep per token what stands, and per attempt whether it was told yes (`claimed`), told no (`refused`),
//!    whether its node said no alone (`disclaimed`) or yes alone (`forced`). They keep so many attempts one by one; of
//!    those beyond that, the union.
//! 4. **authorize(attempt)**: an attempt that was told before is told the same, if it is kept. Else `Open` becomes
//!    `Held` or `Declined`; on `Held` it is claimed and told yes; on `Declined` or `Closed` it is refused and told no.
//! 5. **force(attempt)** settles "approved by us". Not `Held`: place the hold, whatever was said before. Once per
//!    attempt, and never a second hold.
//! 6. **void(attempt)** settles "declined by us". `Open` becomes `Closed` (a tombstone). `Held` becomes `Closed` and
//!    the hold is released **only if nobody else may have promised it**: nobody forced it, and whoever was claimed is
//!    kept and has disclaimed.
//! 7. **Conflict** is not stored; it is `Held` while anybody was refused or has disclaimed. The hold stays until the
//!    processor's own event tells.
//! 8. A journal record is replayed until its settlement is **seen applied** in the node's own books; only then is it
//!    done.
//! 9. **The end.** The processor's own event ends the hold, and every doubt with it. Nothing that is settled later
//!    places another one, or releases it again.

mod books;
mod properties;

pub use books::{Books, Marks, Status};

/// A planted mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A restart loses the journal.
    ForgetJournal,
    /// The answer leaves first, the journal is written after.
    AnswerBeforeJournal,
    /// A journal record is done with as soon as its settlement is proposed.
    DoneWhenProposed,
    /// A forced hold is placed without a look at the token.
    SettleTwice,
    /// A void finds no hold and leaves no trace.
    NoTombstone,
    /// A void releases the hold, whoever else may have promised it.
    VoidForAll,
    /// A void speaks for all attempts of its node, not for one.
    VoidForNode,
    /// What became of attempts that are not kept is forgotten.
    ForgetBeyond,
    /// A hold is placed although the processor has ended the transaction.
    HoldAfterEnd,
    /// A decline of what was proposed owes nothing.
    OweNothing,
}

/// The mistakes, all of them.
pub const MUTANTS: [Mutant; 10] = [
    Mutant::ForgetJournal,
    Mutant::AnswerBeforeJournal,
    Mutant::DoneWhenProposed,
    Mutant::SettleTwice,
    Mutant::NoTombstone,
    Mutant::VoidForAll,
    Mutant::VoidForNode,
    Mutant::ForgetBeyond,
    Mutant::HoldAfterEnd,
    Mutant::OweNothing,
];

/// What is searched.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// How many nodes.
    pub nodes: u8,
    /// The token of each attempt, in the order in which the processor sends them.
    pub attempts: Vec<usize>,
    /// How often nodes go down, all together.
    pub restarts_max: u8,
    /// How often the processor ends a hold, all together.
    pub ends_max: u8,
    /// How many attempts of a token the books keep one by one.
    pub kept_max: usize,
    /// The mistake.
    pub mutant: Option<Mutant>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Declined,
}

/// One attempt, with what its node keeps of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Where it was asked; none: not yet.
    pub node: Option<u8>,
    /// Its node went down while the processor waited: whether an answer left is not known.
    pub cut: bool,
    /// It may commit from here on.
    pub proposed: bool,
    /// What `apply` said to this attempt's own proposal.
    pub decided: Option<Verdict>,
    /// Durable: what this node has promised on its own.
    pub journal: Option<Verdict>,
    /// Its settlement was proposed.
    pub replayed: bool,
    /// Its settlement was applied.
    pub settled: bool,
    /// Durable: the settlement was seen applied.
    pub done: bool,
    /// What the processor was told.
    pub answer: Option<Verdict>,
    /// It was declined alone and owes nothing.
    pub turned_away: bool,
}

impl Attempt {
    /// The processor waits for its answer.
    pub fn waits(&self) -> bool {
        self.node.is_some() && self.answer.is_none() && !self.cut
    }

    /// It has a verdict in the journal that is not done.
    pub fn owes(&self) -> bool {
        self.journal.is_some() && !self.done
    }

    /// Promised alone, not yet written down, and still alive to do so.
    fn unwritten(&self) -> bool {
        let alone = self.answer.is_some() && self.answer != self.decided && !self.turned_away;
        alone && self.journal.is_none() && !self.cut
    }
}

/// All attempts, and the books.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// As in [`Settlement::attempts`].
    pub attempts: Vec<Attempt>,
    /// By token.
    pub tokens: Vec<Books>,
    restarts: u8,
    ends: u8,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    /// The processor asks a node.
    Ask { attempt: usize, node: u8 },
    /// The node proposes it.
    Propose { attempt: usize },
    /// Now, late, or again: decided by the books as they are at this step.
    Apply { attempt: usize, funds: bool },
    /// With what `apply` said.
    Answer { attempt: usize },
    /// The verdict is in the journal.
    Journal { attempt: usize, verdict: Verdict },
    /// With what is in the journal.
    StandIn { attempt: usize, verdict: Verdict },
    /// No, and nothing was proposed.
    TurnAway { attempt: usize },
    /// The settlement is proposed.
    Replay { attempt: usize },
    /// The settlement is applied: now, late, or again.
    Settle { attempt: usize },
    /// The node sees that it was.
    SeeSettled { attempt: usize },
    /// A node goes down and comes back.
    Restart { node: u8 },
    /// The processor takes back the whole transaction.
    End { token: usize },
}

impl crate::explore::Model for Settlement {
    type State = State;
    type Action = Action;

    fn first(&self) -> State {
        let tokens = self.attempts.iter().max().map_or(0, |token| token + 1);
        State {
            attempts: vec![Attempt::default(); self.attempts.len()],
            tokens: vec![Books::default(); tokens],
            restarts: 0,
            ends: 0,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if let Some(attempt) = state.attempts.iter().position(|attempt| attempt.node.is_none()) {
            actions.extend((0..self.nodes).map(|node| Action::Ask { attempt, node }));
        }
        if state.restarts < self.restarts_max {
            actions.extend((0..self.nodes).map(|node| Action::Restart { node }));
        }
        if state.ends < self.ends_max {
            actions.extend((0..state.tokens.len()).map(|token| Action::End { token }));
        }
        for attempt in 0..state.attempts.len() {
            actions.extend([true, false].map(|funds| Action::Apply { attempt, funds }));
            for verdict in [Verdict::Approved, Verdict::Declined] {
                actions.extend([Action::Journal { attempt, verdict }, Action::StandIn { attempt, verdict }]);
            }
            actions.extend([Action::Propose { attempt }, Action::Answer { attempt }, Action::TurnAway { attempt }]);
            actions.extend([Action::Replay { attempt }, Action::Settle { attempt }, Action::SeeSettled { attempt }]);
        }
    }

    fn next(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action).then_some(state)
    }

    fn properties(&self) -> Vec<crate::explore::Property<Self>> {
        properties::all()
    }
}

impl Settlement {
    /// Does it, and says whether it can be done; if not, the state is spoiled.
    fn step(&self, state: &mut State, action: Action) -> bool {
        match action {
            Action::Ask { attempt, node } => self.ask(state, attempt, node),
            Action::Propose { attempt: at } => {
                let first = self.said_at_node(state, at).is_none();
                let attempt = &mut state.attempts[at];
                first && attempt.waits() && !std::mem::replace(&mut attempt.proposed, true)
            }
            Action::Apply { attempt: at, funds } => {
                let claimant = self.claimant(state, at);
                let verdict = state.tokens[self.attempts[at]].authorize(self, claimant, funds);
                let attempt = &mut state.attempts[at];
                attempt.decided = attempt.decided.or(Some(verdict));
                attempt.proposed
            }
            Action::Answer { attempt } => {
                let attempt = &mut state.attempts[attempt];
                let may = attempt.waits() && attempt.journal.is_none() && attempt.decided.is_some();
                attempt.answer = attempt.decided;
                may
            }
            Action::Journal { attempt, verdict } => {
                self.may_journal(state, attempt, verdict) && state.attempts[attempt].journal.replace(verdict).is_none()
            }
            Action::StandIn { attempt, verdict } => {
                let attempt = &mut state.attempts[attempt];
                let written = attempt.journal == Some(verdict) || self.mutant == Some(Mutant::AnswerBeforeJournal);
                written && attempt.waits() && attempt.answer.replace(verdict).is_none()
            }
            Action::TurnAway { attempt: at } => self.turn_away(state, at),
            Action::Replay { attempt } => {
                let attempt = &mut state.attempts[attempt];
                attempt.done |= self.mutant == Some(Mutant::DoneWhenProposed);
                attempt.journal.is_some() && !std::mem::replace(&mut attempt.replayed, true)
            }
            Action::Settle { attempt } => self.settle(state, attempt),
            Action::SeeSettled { attempt } => {
                let attempt = &mut state.attempts[attempt];
                attempt.settled && attempt.owes() && !std::mem::replace(&mut attempt.done, true)
            }
            Action::Restart { node } => {
                self.restart(state, node);
                true
            }
            Action::End { token } => {
                state.ends += 1;
                state.tokens[token].end()
            }
        }
    }

    /// Rule 2: what waits at the node for the token takes it along.
    fn ask(&self, state: &mut State, at: usize, node: u8) -> bool {
        let attached = self.at_node(state, node, self.attempts[at]).any(Attempt::waits);
        !attached && state.attempts[at].node.replace(node).is_none()
    }

    fn may_journal(&self, state: &State, at: usize, verdict: Verdict) -> bool {
        let attempt = &state.attempts[at];
        if self.mutant == Some(Mutant::AnswerBeforeJournal) {
            return attempt.answer == Some(verdict) && !attempt.cut && !attempt.turned_away;
        }
        let said = self.said_at_node(state, at);
        let due = verdict == Verdict::Approved || attempt.proposed || said.is_some();
        attempt.waits() && due && said.is_none_or(|said| said == verdict)
    }

    /// Rule 1, the last sentence.
    fn turn_away(&self, state: &mut State, at: usize) -> bool {
        let first = self.said_at_node(state, at).is_none();
        let attempt = &mut state.attempts[at];
        let unproposed = !attempt.proposed || self.mutant == Some(Mutant::OweNothing);
        let may = first && unproposed && attempt.journal.is_none() && attempt.waits();
        attempt.turned_away = true;
        attempt.answer = Some(Verdict::Declined);
        may
    }

    fn settle(&self, state: &mut State, at: usize) -> bool {
        let claimant = self.claimant(state, at);
        let attempt = &mut state.attempts[at];
        attempt.settled = true;
        let token = &mut state.tokens[self.attempts[at]];
        match attempt.journal {
            Some(Verdict::Approved) => token.force(self, claimant),
            Some(Verdict::Declined) => token.void(self, claimant),
            None => return false,
        }
        attempt.replayed
    }

    fn restart(&self, state: &mut State, node: u8) {
        state.restarts += 1;
        for attempt in state.attempts.iter_mut().filter(|attempt| attempt.node == Some(node)) {
            if self.mutant == Some(Mutant::ForgetJournal) {
                attempt.journal = None;
            }
            attempt.cut |= attempt.waits() || attempt.unwritten();
        }
    }

    /// What the node of an attempt has in its journal about the token.
    pub fn said_at_node(&self, state: &State, at: usize) -> Option<Verdict> {
        let node = state.attempts[at].node?;
        self.at_node(state, node, self.attempts[at]).find_map(|attempt| attempt.journal)
    }

    fn at_node<'a>(&'a self, state: &'a State, node: u8, token: usize) -> impl Iterator<Item = &'a Attempt> {
        let all = state.attempts.iter().zip(&self.attempts);
        all.filter(move |(attempt, of)| attempt.node == Some(node) && **of == token).map(|(attempt, _)| attempt)
    }

    fn claimant(&self, state: &State, attempt: usize) -> usize {
        match (self.mutant, state.attempts[attempt].node) {
            (Some(Mutant::VoidForNode), Some(node)) => usize::from(node),
            _ => attempt,
        }
    }
}
