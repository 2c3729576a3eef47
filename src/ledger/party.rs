//! Cards and users: whether they may take part.
//!
//! **What lives here.** [`SetParty`]: what somebody says of a card or a user. Two may say something, the processor by
//! its transitions and an operator, and neither takes back what the other has said: the worse of the two counts.
//!
//! **What must hold.** Of what one of them says the latest counts, by the time at which it was said, so that
//! transitions may come in any order and repeatedly. Of two said at one time the worse counts. A card is not bound to
//! an account: the request names both, and the account pays.
//!
//! **What is not here.** Accounts have a status of their own. A user's state is looked at for the account holder and
//! for who acts in their place.

use crate::books::Ledger;
use crate::controls::UnknownCards;
use crate::kind_name::KindName;
use crate::parts::{Key, Keyed};
use crate::{Authorize, DeclineReason, Facts, Output, Program, Timestamp, Token, UserToken};
use alloc::boxed::Box;

/// A card, or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// By `card_token`.
    Card(Token),
    /// By `user_token`.
    User(UserToken),
}

/// Whether it may take part. The higher, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PartyState {
    /// It may.
    Active = 1,
    /// Not for now.
    Suspended = 2,
    /// Lost or stolen.
    Lost = 3,
    /// Never again, unless somebody says otherwise.
    Closed = 4,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// The processor, by a transition.
    Processor,
    /// An operator.
    Operator,
}

/// Says in what state a card or a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetParty {
    /// The programme.
    pub program: Program,
    /// Which.
    pub party: Party,
    /// What it is.
    pub state: PartyState,
    /// Who says so.
    pub by: SaidBy,
    /// When it was said; zero is now.
    pub said_at: Timestamp,
    /// Of a card: who holds it, if that was said.
    pub holder: Option<UserToken>,
}

/// What is known of a card or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyView {
    /// What counts.
    pub state: PartyState,
    /// What the processor said last, and when.
    pub processor: Option<(PartyState, Timestamp)>,
    /// What an operator said last, and when.
    pub operator: Option<(PartyState, Timestamp)>,
    /// Of a card: who holds it, as far as it was said.
    pub holder: Option<UserToken>,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub program: Program,
    pub name: Box<[u8]>,
    pub processor: Option<(PartyState, Timestamp)>,
    pub operator: Option<(PartyState, Timestamp)>,
    pub holder: Option<UserToken>,
}

impl Known {
    fn state(&self) -> PartyState {
        let said = [self.processor, self.operator].into_iter().flatten();
        said.map(|(state, _)| state).max().unwrap_or(PartyState::Active)
    }

    fn view(&self) -> PartyView {
        let Known { processor, operator, holder, .. } = *self;
        PartyView { state: self.state(), processor, operator, holder }
    }
}

impl Keyed for Known {
    fn key(&self) -> Key<'_> {
        Key { program: self.program.as_bytes(), name: &self.name }
    }
}

impl Party {
    fn name(&self) -> KindName {
        match self {
            Party::Card(card) => KindName::new(b'c', card.as_bytes()),
            Party::User(user) => KindName::new(b'u', user.as_bytes()),
        }
    }
}

impl Ledger {
    pub(crate) fn set_party(&mut self, set: &SetParty) -> Output {
        let name = set.party.name();
        let known = self.parties.get(name.key(&set.program)).cloned();
        let mut next = known.clone().unwrap_or_else(|| Known {
            program: set.program,
            name: name.as_bytes().into(),
            processor: None,
            operator: None,
            holder: None,
        });
        let at = if set.said_at == Timestamp(0) { self.scalars.now } else { set.said_at };
        let said = match set.by {
            SaidBy::Processor => &mut next.processor,
            SaidBy::Operator => &mut next.operator,
        };
        let news = (at, set.state);
        if said.is_none_or(|(state, before)| news > (before, state)) {
            *said = Some((set.state, at));
            next.holder = set.holder.or(next.holder);
        }
        let (state, changed) = (next.state(), known.as_ref() != Some(&next));
        if changed {
            self.parties.upsert(next.clone(), |known| *known = next);
        }
        Output::Party { state, changed }
    }

    /// What is known of a card or a user.
    pub fn party(&self, program: &Program, party: &Party) -> Option<PartyView> {
        self.parties.get(party.name().key(program)).map(Known::view)
    }

    /// Whether those who ask may take part, as far as the books know them: the account holder, who acts in their place,
    /// their business, and the card.
    pub(crate) fn may_take_part(&self, request: &Authorize) -> Result<(), DeclineReason> {
        let Facts { acting, business, card, .. } = request.facts.unwrap_or_default();
        let active = |party| self.party(&request.program, &party).is_none_or(|view| view.state == PartyState::Active);
        if self.parties.len() > 0 {
            let users = [Some(request.user), acting, business];
            if !users.into_iter().flatten().map(Party::User).all(active) {
                return Err(DeclineReason::UserNotActive);
            }
            if !card.map(Party::Card).is_none_or(active) {
                return Err(DeclineReason::CardNotActive);
            }
        }
        let strict = self.settings(&request.program).unknown_cards == UnknownCards::Refuse;
        let known = || card.is_some_and(|card| self.party(&request.program, &Party::Card(card)).is_some());
        if strict && !known() { Err(DeclineReason::CardUnknown) } else { Ok(()) }
    }
}
