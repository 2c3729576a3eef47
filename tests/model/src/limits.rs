//! M2: static limits. No node asks anybody; each spends its part of a limit that the whole cluster must keep.
//!
//! 1. Each node may spend `limit / N` per account, `count / N` times, and `budget / N` in all, rounded down, N being
//!    the **configured** nodes.
//! 2. What it spent counts for the whole **window** of log time, as far as the node knows it. Neither restart, nor
//!    contact, nor settlement gives anything back. While it runs, a node never returns to an earlier window. After a
//!    restart its log time may have fallen back; then it counts in the newest window in which it has spent, or in that
//!    of its log time, if that is newer; and what it has spent there still counts.
//!
//! The quorum is taken to have spent every balance already, so whatever is promised alone is lost in full.

use crate::explore::{Model, Property};

/// A planted mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A node divides by the nodes it can see.
    LiveNodes,
    /// A restart loses what was spent.
    ForgetJournal,
    /// A settled spend no longer counts, and the node may spend it again in the same window.
    ResetAtDrain,
    /// A node whose log time falls back begins that window anew.
    FollowBack,
    /// At the turn of a window what was spent in it is forgotten.
    ForgetAtTurn,
}

/// The mistakes, all of them.
pub const MUTANTS: [Mutant; 4] = [Mutant::LiveNodes, Mutant::ForgetJournal, Mutant::ResetAtDrain, Mutant::FollowBack];

/// What is searched.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Configured.
    pub nodes: u8,
    /// How many accounts.
    pub accounts: usize,
    /// Amount per account and window.
    pub limit: u8,
    /// Approvals per account and window.
    pub count: u8,
    /// Amount per window, all accounts together.
    pub budget: u8,
    /// The amounts that are asked for.
    pub tickets: Vec<u8>,
    /// How many windows there are.
    pub windows: u8,
    /// The mistake.
    pub mutant: Option<Mutant>,
}

/// What one node knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The window that it counts in.
    pub window: u8,
    /// Durable: by window, of each account: how much, and how often.
    pub spent: Vec<Vec<(u8, u8)>>,
    /// It hears nobody.
    pub cut_off: bool,
}

/// All nodes, and what was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The window that log time is in.
    pub now: u8,
    /// By node.
    pub nodes: Vec<Node>,
    /// By window and account.
    pub lost: Vec<Vec<u8>>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It hears nobody from here on.
    CutOff {
        /// Which.
        node: usize,
    },
    /// It hears the others, and what time it is.
    Rejoin {
        /// Which.
        node: usize,
    },
    /// It goes down and comes back.
    Restart {
        /// Which.
        node: usize,
        /// The window that its log time is in then.
        window: u8,
    },
    /// Log time goes on to the next window.
    Turn,
    /// Somebody asks it for an approval.
    StandIn {
        /// Whom.
        node: usize,
        /// Of which account.
        account: usize,
        /// How much.
        amount: u8,
    },
}

impl Model for Limits {
    type State = State;
    type Action = Action;

    fn first(&self) -> State {
        let spent = vec![vec![(0, 0); self.accounts]; usize::from(self.windows)];
        let node = Node { window: 0, spent, cut_off: false };
        State {
            now: 0,
            nodes: vec![node; usize::from(self.nodes)],
            lost: vec![vec![0; self.accounts]; usize::from(self.windows)],
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Turn);
        for node in 0..state.nodes.len() {
            actions.extend([Action::CutOff { node }, Action::Rejoin { node }]);
            actions.extend((0..=state.nodes[node].window).map(|window| Action::Restart { node, window }));
            for account in 0..self.accounts {
                actions.extend(self.tickets.iter().map(|&amount| Action::StandIn { node, account, amount }));
            }
        }
    }

    fn next(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::CutOff { node } => state.nodes[node].cut_off = true,
            Action::Rejoin { node } => {
                let now = state.now;
                state.nodes[node].cut_off = false;
                self.hear(&mut state.nodes[node], now);
                if self.mutant == Some(Mutant::ResetAtDrain) {
                    forget(&mut state.nodes[node].spent);
                }
            }
            Action::Restart { node, window } => self.restart(&mut state.nodes[node], window),
            Action::Turn => {
                state.now += 1;
                let now = state.now;
                let hears: Vec<usize> = (0..state.nodes.len()).filter(|node| !state.nodes[*node].cut_off).collect();
                hears.into_iter().for_each(|node| self.hear(&mut state.nodes[node], now));
                if state.now >= self.windows {
                    return None;
                }
            }
            Action::StandIn { node, account, amount } => {
                if !self.allows(last, node, account, amount) {
                    return None;
                }
                let window = usize::from(state.nodes[node].window);
                let used = &mut state.nodes[node].spent[window][account];
                *used = (used.0 + amount, used.1 + 1);
                state.lost[window][account] += amount;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the loss of a window is within limits and budget", |model: &Limits, state: &State| {
                state.lost.iter().all(|lost| {
                    let all: u8 = lost.iter().sum();
                    lost.iter().all(|lost| *lost <= model.limit) && all <= model.budget
                })
            }),
            Property::sometimes("a limit is used up, as far as it divides", |model: &Limits, state: &State| {
                state.lost.iter().any(|lost| lost.contains(&model.divisible(model.limit)))
            }),
            Property::sometimes("the budget is used up, as far as it divides", |model: &Limits, state: &State| {
                state.lost.iter().any(|lost| lost.iter().sum::<u8>() == model.divisible(model.budget))
            }),
        ]
    }
}

impl Limits {
    /// Rule 1.
    pub fn allows(&self, state: &State, at: usize, account: usize, amount: u8) -> bool {
        let (node, parts) = (&state.nodes[at], self.parts(state, at));
        let spent = &node.spent[usize::from(node.window)];
        let (used, count) = spent[account];
        let all: u8 = spent.iter().map(|(used, _)| *used).sum();
        used + amount <= self.limit / parts && count < self.count / parts && all + amount <= self.budget / parts
    }

    /// Rule 2.
    fn hear(&self, node: &mut Node, window: u8) {
        if window > node.window {
            if self.mutant == Some(Mutant::ForgetAtTurn) {
                forget(&mut node.spent);
            }
            node.window = window;
        }
    }

    /// Rule 2, after a restart.
    fn restart(&self, node: &mut Node, window: u8) {
        match self.mutant {
            Some(Mutant::ForgetJournal) => forget(&mut node.spent),
            Some(Mutant::FollowBack) if window < node.window => forget(&mut node.spent),
            _ => {}
        }
        let newest = node.spent.iter().rposition(|spent| spent.iter().any(|(_, count)| *count > 0));
        node.window = newest.map_or(window, |newest| window.max(newest as u8));
    }

    /// A node that is cut off cannot tell who else is, so only the configured number will do.
    fn parts(&self, state: &State, node: usize) -> u8 {
        let visible = state.nodes.iter().filter(|node| !node.cut_off).count();
        match self.mutant {
            Some(Mutant::LiveNodes) if state.nodes[node].cut_off => 1,
            Some(Mutant::LiveNodes) => u8::try_from(visible).unwrap_or(self.nodes),
            _ => self.nodes,
        }
    }

    fn divisible(&self, total: u8) -> u8 {
        total - total % self.nodes
    }
}

fn forget(spent: &mut [Vec<(u8, u8)>]) {
    spent.iter_mut().for_each(|spent| spent.fill((0, 0)));
}
