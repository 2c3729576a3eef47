//! Visits every state that a model can reach, breadth first, so that the way to a failure is a shortest one.
//!
//! **What must hold.** A search ends: [`Search::states_max`] bounds it, and what was cut off is said. States are told
//! apart by 64 bits of their hash: with two million states the chance that any two are confused is one in ten million.
//!
//! **What is deliberately not here.** Threads, liveness over cycles, reductions: the scopes are small enough.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// What can be searched.
pub trait Model {
    /// Everything that the future depends on.
    type State: Clone + Hash;
    /// One step.
    type Action: Copy + Debug;

    /// Where it begins.
    fn first(&self) -> Self::State;
    /// What might be done; some of it may turn out to be impossible.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);
    /// The state after an action; none if it cannot be done or changes nothing.
    fn next(&self, state: &Self::State, action: Self::Action) -> Option<Self::State>;
    /// What is looked at in each state.
    fn properties(&self) -> Vec<Property<Self>>;
}

/// Whether a property must hold in all states, or in one at least, so that it is known to be reached at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In every state.
    Always,
    /// In some state.
    Sometimes,
}

/// Something that is true or false of a state.
pub struct Property<M: Model + ?Sized> {
    /// In words.
    pub name: &'static str,
    /// Where it must be true.
    pub kind: Kind,
    /// Whether it is.
    pub holds: fn(&M, &M::State) -> bool,
}

impl<M: Model + ?Sized> Property<M> {
    /// Must hold in every state.
    pub fn always(name: &'static str, holds: fn(&M, &M::State) -> bool) -> Self {
        Property { name, kind: Kind::Always, holds }
    }

    /// Must hold in some state.
    pub fn sometimes(name: &'static str, holds: fn(&M, &M::State) -> bool) -> Self {
        Property { name, kind: Kind::Sometimes, holds }
    }
}

/// What a search is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Beyond this many states it stops.
    pub states_max: usize,
    /// Looks only at properties with these words in their names.
    pub only: &'static str,
}

/// What a search found.
#[derive(Debug)]
pub struct Found<A> {
    /// How many states were visited.
    pub states: usize,
    /// How many steps the last of them is away from the first.
    pub depth: usize,
    /// Whether all that can be reached were visited.
    pub complete: bool,
    /// The first property that failed, and a shortest way there.
    pub failure: Option<(&'static str, Vec<A>)>,
    /// What should be reached and was not.
    pub never_seen: Vec<&'static str>,
}

fn mark<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Search {
    /// Searches until something fails, or nothing is left.
    pub fn run<M: Model>(self, model: &M) -> Found<M::Action> {
        let first = model.first();
        let mut properties = model.properties();
        properties.retain(|property| property.name.contains(self.only));
        // Where each state was reached from: one entry per state, which is all that is kept of it.
        let mut from: HashMap<u64, Option<(u64, M::Action)>> = HashMap::from([(mark(&first), None)]);
        let (mut layer, mut next_layer) = (vec![first], Vec::new());
        let (mut depth, mut actions) = (0, Vec::new());
        loop {
            for state in layer.drain(..) {
                let here = mark(&state);
                let failed = properties.iter().find(|of| of.kind == Kind::Always && !(of.holds)(model, &state));
                if let Some(failed) = failed {
                    let failure = Some((failed.name, way(&from, here)));
                    return Found { states: from.len(), depth, complete: false, failure, never_seen: Vec::new() };
                }
                properties.retain(|of| of.kind == Kind::Always || !(of.holds)(model, &state));
                model.actions(&state, &mut actions);
                for action in actions.drain(..) {
                    let Some(next) = model.next(&state, action) else { continue };
                    if let Entry::Vacant(vacant) = from.entry(mark(&next)) {
                        vacant.insert(Some((here, action)));
                        next_layer.push(next);
                    }
                }
            }
            let complete = next_layer.is_empty();
            if complete || from.len() > self.states_max {
                let unseen = properties.iter().filter(|of| of.kind == Kind::Sometimes);
                let never_seen = unseen.map(|of| of.name).collect();
                return Found { states: from.len(), depth, complete, failure: None, never_seen };
            }
            std::mem::swap(&mut layer, &mut next_layer);
            depth += 1;
        }
    }
}

/// The steps that lead to a state.
fn way<A: Copy>(from: &HashMap<u64, Option<(u64, A)>>, to: u64) -> Vec<A> {
    let mut steps = Vec::new();
    let mut at = to;
    while let Some(Some((before, action))) = from.get(&at) {
        steps.push(*action);
        at = *before;
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two counters up to three.
    struct Counters;

    impl Model for Counters {
        type State = [u8; 2];
        type Action = usize;

        fn first(&self) -> [u8; 2] {
            [0; 2]
        }

        fn actions(&self, _: &[u8; 2], actions: &mut Vec<usize>) {
            actions.extend([0, 1]);
        }

        fn next(&self, state: &[u8; 2], at: usize) -> Option<[u8; 2]> {
            let mut state = *state;
            state[at] += 1;
            (state[at] <= 3).then_some(state)
        }

        fn properties(&self) -> Vec<Property<Self>> {
            vec![
                Property::always("the sum is below six", |_, state: &[u8; 2]| state[0] + state[1] < 6),
                Property::sometimes("both are alike and not zero", |_, state: &[u8; 2]| {
                    state[0] == state[1] && state[0] > 0
                }),
                Property::sometimes("a counter is four", |_, state: &[u8; 2]| state.contains(&4)),
            ]
        }
    }

    #[test]
    fn a_failure_is_found_with_a_shortest_way() {
        let found = Search { states_max: 100, only: "" }.run(&Counters);
        let (name, steps) = found.failure.expect("the sum gets there");
        assert_eq!((name, steps.len(), found.states, found.depth), ("the sum is below six", 6, 16, 6));
    }

    #[test]
    fn what_was_cut_off_and_what_was_never_seen_is_said() {
        let found = Search { states_max: 10, only: "a counter" }.run(&Counters);
        assert!(!found.complete && found.failure.is_none());
        assert_eq!(found.never_seen, ["a counter is four"]);
    }
}
