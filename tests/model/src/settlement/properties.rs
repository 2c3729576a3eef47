//! What must hold of M1 in every state, and what must be reached at all.

use super::{Action, Attempt, Books, Settlement, State, Status, Verdict};
use crate::explore::{Model, Property};

pub(super) fn all() -> Vec<Property<Settlement>> {
    vec![
        Property::always("a token has one hold at most, and none once it is ended", |_, state: &State| {
            state.tokens.iter().all(|token| (0..=i8::from(!token.ended)).contains(&token.holds))
        }),
        Property::always(
            "an approval ends as one hold, unless the processor ends it",
            |model: &Settlement, state: &State| {
                settled(model, state).all(|token| !token.said(Verdict::Approved) || token.stands())
            },
        ),
        Property::always("a decline ends as no hold, or one kept with care", |model: &Settlement, state: &State| {
            let nobody = |token: &Token| !token.said(Verdict::Approved) && token.said(Verdict::Declined);
            let excused = |token: &Token| token.cut() || token.books.more_than_kept();
            settled(model, state).all(|token| !nobody(&token) || excused(&token) || token.books.holds == 0)
        }),
        Property::always(
            "a hold that somebody declined who may have asked for it is a conflict",
            |model: &Settlement, state: &State| {
                settled(model, state)
                    .all(|token| !token.disclaimed() || token.books.holds == 0 || token.books.conflict())
            },
        ),
        Property::always("replay changes nothing", replay_is_idle),
        Property::always("calm drains", drains),
        Property::sometimes("two nodes differ, and it is on record", |model: &Settlement, state: &State| {
            settled(model, state).any(|token| token.said(Verdict::Approved) && token.books.conflict())
        }),
        Property::sometimes("a late commit is voided", |model: &Settlement, state: &State| {
            settled(model, state).any(|token| token.books.claimed() && token.books.status == Status::Closed)
        }),
    ]
}

/// A token all of whose promises are in the books.
struct Token<'a> {
    books: &'a Books,
    attempts: Vec<&'a Attempt>,
}

impl Token<'_> {
    fn said(&self, verdict: Verdict) -> bool {
        self.attempts.iter().any(|attempt| attempt.answer == Some(verdict))
    }

    /// Somebody was told no after a proposal.
    fn disclaimed(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.answer == Some(Verdict::Declined) && !attempt.turned_away)
    }

    fn cut(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.cut)
    }

    fn stands(&self) -> bool {
        self.books.status == Status::Held && (self.books.holds == 1 || self.books.ended)
    }
}

fn settled<'a>(model: &'a Settlement, state: &'a State) -> impl Iterator<Item = Token<'a>> {
    let of = move |token: usize| {
        let attempts = state.attempts.iter().zip(&model.attempts).filter(move |(_, of)| **of == token);
        Token { books: &state.tokens[token], attempts: attempts.map(|(attempt, _)| attempt).collect() }
    };
    let calm = |attempt: &&Attempt| !attempt.owes() && !attempt.waits() && !attempt.unwritten();
    (0..state.tokens.len()).map(of).filter(move |token| token.attempts.iter().all(calm))
}

/// Of attempts that are kept: what is beyond is answered by what stands.
fn replay_is_idle(model: &Settlement, state: &State) -> bool {
    let idle = |action| model.next(state, action).is_none_or(|next| next.tokens == state.tokens);
    (0..state.attempts.len()).all(|attempt| {
        let of = &state.attempts[attempt];
        let kept = state.tokens[model.attempts[attempt]].keeps(model.claimant(state, attempt));
        let again = |funds| idle(Action::Apply { attempt, funds });
        (!kept || of.decided.is_none() || (again(true) && again(false)))
            && (!of.settled || idle(Action::Settle { attempt }))
    })
}

/// Liveness, as far as a state can tell: without faults, in whatever state, every journal is done with.
fn drains(model: &Settlement, state: &State) -> bool {
    let mut state = state.clone();
    for attempt in 0..state.attempts.len() {
        for action in [Action::Replay { attempt }, Action::Settle { attempt }, Action::SeeSettled { attempt }] {
            state = model.next(&state, action).unwrap_or(state);
        }
    }
    state.attempts.iter().all(|attempt| !attempt.owes())
}
