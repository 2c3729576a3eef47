//! Controls, limits, cards and users for operators.
//!
//! What must hold: a document is read and checked whole before it is proposed; it replaces the version that the caller
//! has seen, or the one that this node reads before it proposes.

use super::fields::{self, invalid};
use crate::controls;
use ledger::{
    Controls, Document, JudgedView, Ledger, LimitView, Mode, Party, PartyState, PartyView, Program, Purpose, RuleName,
    SaidBy, SetControls, SetParty, Tally, Timestamp, format_minor,
};
use proto::admin::v1 as wire;
use tonic::Status;

/// The longest text of a document: what fits into the log is a fraction of it.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A programme's controls and what they have done.
pub(super) struct Current {
    controls: Controls,
    tallies: Vec<Tally>,
}

/// What a call to set controls comes to.
pub(super) struct Wanted {
    pub(super) set: SetControls,
    pub(super) changes: Vec<String>,
    /// The current version.
    pub(super) version: u64,
}

/// Reads a document. Nothing is asked of the books.
pub(super) fn document(request: &wire::SetControlsRequest) -> Result<(Program, Document), Status> {
    let program = fields::program(&request.program)?;
    if request.document.len() > TEXT_BYTES_MAX {
        return Err(invalid("document", format_args!("is larger than {TEXT_BYTES_MAX} bytes")));
    }
    let document = controls::read(&request.document).map_err(|error| invalid("document", error))?;
    Ok((program, document))
}

/// A document against what is current.
pub(super) fn wanted(
    request: &wire::SetControlsRequest,
    (program, document): (Program, Document),
    current: Option<&Current>,
) -> Wanted {
    let nothing = Document::default();
    let changes = controls::changes(current.map_or(&nothing, |current| &current.controls.document), &document);
    let version = current.map_or(0, |current| current.controls.version);
    let based_on = request.based_on.unwrap_or(version);
    Wanted { set: SetControls { program, based_on, document }, changes, version }
}

/// A copy of what is current, so that nothing is worked out while applying waits.
pub(super) fn current(books: &Ledger, program: &Program) -> Option<Current> {
    let controls = books.controls(program)?.clone();
    Some(Current { controls, tallies: books.tallies(program).to_vec() })
}

pub(super) fn show(current: Option<&Current>) -> wire::ShowControlsResponse {
    let Some(Current { controls: current, tallies }) = current else {
        return wire::ShowControlsResponse::default();
    };
    let file = controls::write(&current.document);
    let rules = current.document.rules.iter().zip(&current.numbers).zip(tallies);
    let report = |((rule, number), tally): ((&ledger::Rule, &u32), &ledger::Tally)| wire::RuleReport {
        name: rule.name.as_str().to_owned(),
        number: *number,
        mode: match rule.mode {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        }
        .to_owned(),
        purpose: match rule.purpose {
            Purpose::Spend => "spend",
            Purpose::Fraud => "fraud",
        }
        .to_owned(),
        looked: tally.looked,
        fired: tally.fired,
        decided: tally.decided,
        spared: tally.spared,
    };
    wire::ShowControlsResponse {
        version: current.version,
        set_at_us: current.at.0,
        // Both formats take whatever the types can say.
        toml: toml::to_string(&file).unwrap_or_default(),
        json: serde_json::to_string(&file).unwrap_or_default(),
        rules: rules.map(report).collect(),
    }
}

pub(super) fn limit(view: &LimitView) -> wire::Limit {
    let limit = controls::limit(&view.limit);
    let currency = view.limit.amount.map(|most| most.currency());
    let text = |minor: u64| currency.map(|currency| format_minor(i128::from(minor), currency)).unwrap_or_default();
    wire::Limit {
        rule: view.rule.as_str().to_owned(),
        per: limit.per,
        window: limit.window,
        of: limit.of.unwrap_or_else(|| "approvals".to_owned()),
        count: view.count,
        count_max: view.limit.count,
        amount: text(view.minor),
        amount_max: view.limit.amount.map(|most| most.to_string()).unwrap_or_default(),
        currency: currency.map(|currency| currency.code().to_owned()).unwrap_or_default(),
    }
}

/// A rule's name, or its number where no rule counts like it any more.
pub(super) fn rule_names(rules: &[RuleName]) -> Vec<String> {
    let name = |rule: &RuleName| match rule.name {
        Some(name) => name.as_str().to_owned(),
        None => format!("#{} (gone)", rule.number),
    };
    rules.iter().map(name).collect()
}

/// What an explanation says of rules.
pub(super) fn explained(
    judged: Option<&JudgedView>,
    amount: Option<ledger::Amount>,
    response: wire::ExplainResponse,
) -> wire::ExplainResponse {
    let Some(judged) = judged else {
        return response;
    };
    let counted_amount = amount.filter(|_| !judged.counted.is_empty());
    wire::ExplainResponse {
        controls_version: judged.version,
        fired: rule_names(&judged.fired),
        counted: rule_names(&judged.counted),
        counted_amount: counted_amount
            .map(|amount| format_minor(i128::from(judged.minor), amount.currency()))
            .unwrap_or_default(),
        ..response
    }
}

pub(super) fn party_name(name: Option<&wire::PartyName>) -> Result<Party, Status> {
    match name.and_then(|name| name.name.as_ref()) {
        Some(wire::party_name::Name::CardToken(card)) => fields::token("party.card_token", card).map(Party::Card),
        Some(wire::party_name::Name::UserToken(user)) => fields::user("party.user_token", user).map(Party::User),
        None => Err(invalid("party", "is missing")),
    }
}

pub(super) fn set_party(request: &wire::SetPartyRequest) -> Result<SetParty, Status> {
    let state = match wire::PartyState::try_from(request.state) {
        Ok(wire::PartyState::Active) => PartyState::Active,
        Ok(wire::PartyState::Suspended) => PartyState::Suspended,
        Ok(wire::PartyState::Lost) => PartyState::Lost,
        Ok(wire::PartyState::Closed) => PartyState::Closed,
        Ok(wire::PartyState::Unspecified) => return Err(invalid("state", "is missing")),
        Err(_) => return Err(invalid("state", "is unknown")),
    };
    Ok(SetParty {
        program: fields::program(&request.program)?,
        party: party_name(request.party.as_ref())?,
        state,
        by: SaidBy::Operator,
        said_at: Timestamp(0),
        holder: None,
    })
}

pub(super) fn state(state: PartyState) -> wire::PartyState {
    match state {
        PartyState::Active => wire::PartyState::Active,
        PartyState::Suspended => wire::PartyState::Suspended,
        PartyState::Lost => wire::PartyState::Lost,
        PartyState::Closed => wire::PartyState::Closed,
    }
}

pub(super) fn party(view: &PartyView) -> wire::PartyResponse {
    let said = |said: Option<(PartyState, Timestamp)>| {
        let (word, at) = said.map_or((wire::PartyState::Unspecified, 0), |(word, at)| (state(word), at.0));
        (word.into(), at)
    };
    let ((processor, processor_at_us), (operator, operator_at_us)) = (said(view.processor), said(view.operator));
    wire::PartyResponse {
        state: state(view.state).into(),
        processor,
        processor_at_us,
        operator,
        operator_at_us,
        holder: view.holder.map(|user| user.as_str().to_owned()).unwrap_or_default(),
        changed: false,
    }
}
