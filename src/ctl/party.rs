//! The commands on cards and users.

use super::answer::Answer;
use super::nodes::{Client, KEYED, Nodes, READ};
use super::{Failure, command, time};
use ledger::Program;
use proto::admin::v1 as wire;
use proto::admin::v1::party_name::Name;
use serde::Serialize;
use wire::PartyState::{Active, Closed, Lost, Suspended};

/// What is known of a card or a user, as JSON.
#[derive(Serialize)]
struct Party {
    #[serde(flatten)]
    name: NameOf,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum NameOf {
    CardToken(String),
    UserToken(String),
}

#[derive(Serialize)]
struct Said {
    state: &'static str,
    at_us: u64,
}

pub(super) async fn card(command: command::Card, program: Program, nodes: Nodes) -> Result<Answer, Failure> {
    use command::Card;
    let (of, state) = match command {
        Card::Show(of) => (of, None),
        Card::Freeze(of) => (of, Some(Suspended)),
        Card::Unfreeze(of) => (of, Some(Active)),
        Card::Lost(of) => (of, Some(Lost)),
        Card::Close(of) => (of, Some(Closed)),
    };
    run(Name::CardToken(of.card.as_str().to_owned()), state, program, nodes).await
}

pub(super) async fn user(command: command::UserParty, program: Program, nodes: Nodes) -> Result<Answer, Failure> {
    use command::UserParty;
    let (of, state) = match command {
        UserParty::Show(of) => (of, None),
        UserParty::Freeze(of) => (of, Some(Suspended)),
        UserParty::Unfreeze(of) => (of, Some(Active)),
        UserParty::Close(of) => (of, Some(Closed)),
    };
    run(Name::UserToken(of.user.as_str().to_owned()), state, program, nodes).await
}

/// Sets a state, or shows what there is. A state that is so already is set again without harm.
async fn run(
    name: Name,
    state: Option<wire::PartyState>,
    program: Program,
    mut nodes: Nodes,
) -> Result<Answer, Failure> {
    let program = program.as_str().to_owned();
    let party = Some(wire::PartyName { name: Some(name.clone()) });
    let (response, changed) = match state {
        None => {
            let request = wire::ShowPartyRequest { program, party, stale: false };
            let ask = |mut client: Client| {
                let request = request.clone();
                async move { client.show_party(request).await }
            };
            (nodes.call(READ, ask).await?, None)
        }
        Some(state) => {
            let request = wire::SetPartyRequest { program, party, state: state.into() };
            let ask = |mut client: Client| {
                let request = request.clone();
                async move { client.set_party(request).await }
            };
            let response = nodes.call(KEYED, ask).await?;
            let changed = response.changed;
            (response, Some(changed))
        }
    };
    let found = Party::new(name, &response, changed);
    let text = found.text();
    Answer::done(&found, text)
}

fn word(state: wire::PartyState) -> &'static str {
    match state {
        wire::PartyState::Unspecified => "unknown",
        Active => "active",
        Suspended => "suspended",
        Lost => "lost",
        Closed => "closed",
    }
}

impl Party {
    fn new(name: Name, response: &wire::PartyResponse, changed: Option<bool>) -> Party {
        let said = |state: wire::PartyState, at_us| match state {
            wire::PartyState::Unspecified => None,
            state => Some(Said { state: word(state), at_us }),
        };
        Party {
            name: match name {
                Name::CardToken(card) => NameOf::CardToken(card),
                Name::UserToken(user) => NameOf::UserToken(user),
            },
            state: word(response.state()),
            processor: said(response.processor(), response.processor_at_us),
            operator: said(response.operator(), response.operator_at_us),
            holder: Some(response.holder.clone()).filter(|holder| !holder.is_empty()),
            changed,
        }
    }

    fn text(&self) -> String {
        let (kind, name) = match &self.name {
            NameOf::CardToken(card) => ("card", card),
            NameOf::UserToken(user) => ("user", user),
        };
        let said = |said: &Option<Said>| {
            let said = said.as_ref()?;
            Some(format!("{} since {}", said.state, time::utc(said.at_us)))
        };
        let lines = [
            (kind, Some(name.clone())),
            ("state", Some(self.state.to_owned())),
            ("processor", said(&self.processor)),
            ("operator", said(&self.operator)),
            ("holder", self.holder.clone()),
        ];
        let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.map(|(name, value)| format!("{name:<10} {value}\n")).collect()
    }
}
