//! `explain TOKEN`: what came in, how it was decided, and what became of it.
//!
//! What must hold: what a node does not know is left out, and never made up. Not here: what it means (`admin`).

use super::Failure;
use super::answer::Answer;
use super::nodes::{Client, Nodes, READ};
use super::time;
use ledger::{Program, Token};
use proto::admin::v1 as wire;
use serde::Serialize;

#[derive(Serialize)]
struct Explained {
    token: String,
    known: bool,
    outcome: Option<String>,
    decline_reason: Option<String>,
    log_index: Option<u64>,
    decided_at_us: Option<u64>,
    user_token: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    history: Option<String>,
    /// Around the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Timing>,
    /// The card transaction as it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<serde_json::Value>,
    /// The version that looked at it, if a rule fired or a limit counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
}

#[derive(Serialize)]
struct Side {
    posted: String,
    held: String,
    available: String,
}

#[derive(Serialize)]
struct Change {
    before: Side,
    after: Side,
}

impl Change {
    fn of(change: wire::Change) -> Change {
        Change {
            before: Side { posted: change.posted_before, held: change.held_before, available: change.available_before },
            after: Side { posted: change.posted_after, held: change.held_after, available: change.available_after },
        }
    }

    fn text(&self) -> String {
        let Change { before, after } = self;
        let step = |before: &str, after: &str| match before == after {
            true => before.to_owned(),
            false => format!("{before} -> {after}"),
        };
        format!(
            "posted {}, held {}, available {}",
            step(&before.posted, &after.posted),
            step(&before.held, &after.held),
            step(&before.available, &after.available)
        )
    }
}

/// How its entry came to be.
#[derive(Serialize)]
struct Made {
    term: u64,
    leader: u64,
    made_us: u64,
    applied_us: u64,
}

impl Made {
    fn of(made: wire::Made) -> Made {
        Made { term: made.term, leader: made.leader, made_us: made.made_us, applied_us: made.applied_us }
    }

    fn text(&self) -> String {
        let Made { term, leader, made_us, applied_us } = self;
        // Of two nodes' clocks one may be ahead.
        let applied = match applied_us.checked_sub(*made_us) {
            Some(us) => format!("applied {us} us later by the clock of the node that was asked"),
            None => "the clock of the node that was asked is behind".to_owned(),
        };
        format!("term {term}, made by node {leader} at {}; {applied}", time::utc(*made_us))
    }
}

/// How long it took where it was answered.
#[derive(Serialize)]
struct Timing {
    node: u64,
    read_us: u64,
    decided_us: u64,
}

impl Timing {
    fn text(&self) -> String {
        let Timing { node, read_us, decided_us } = self;
        format!("answered by node {node}: read in {read_us} us, decided in {decided_us} us")
    }
}

#[derive(Serialize)]
struct Rules {
    version: u64,
    fired: Vec<String>,
    counted: Vec<String>,
    counted_amount: Option<String>,
}

pub(super) async fn explain(token: Token, program: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    let request = wire::ExplainRequest { program: program.as_str().to_owned(), token: token.as_str().to_owned() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.explain(request).await }
    };
    let mut response = nodes.call(READ, ask).await?;
    if response.known && response.timing.is_none() {
        let elsewhere = nodes.others(ask, |other: &wire::ExplainResponse| other.timing.is_some()).await;
        response.timing = elsewhere.and_then(|other| other.timing);
    }
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let explained = Explained {
        token: request.token.clone(),
        known: response.known,
        outcome: said(response.outcome),
        decline_reason: said(response.decline_reason),
        log_index: Some(response.log_index).filter(|index| *index > 0),
        decided_at_us: Some(response.decided_at_us).filter(|_| response.known),
        user_token: said(response.user_token),
        amount: said(response.amount),
        currency: said(response.currency),
        history: said(response.history),
        balance: response.change.map(Change::of),
        made: response.made.map(Made::of),
        timing: response.timing.map(|timing| Timing {
            node: timing.node,
            read_us: timing.read_us,
            decided_us: timing.decided_us,
        }),
        transaction: serde_json::from_str(&response.transaction).ok(),
        rules: Some(Rules {
            version: response.controls_version,
            fired: response.fired,
            counted: response.counted,
            counted_amount: said(response.counted_amount),
        })
        .filter(|rules| rules.version > 0),
    };
    let text = if explained.known { explained.text() } else { format!("nothing is known of {}\n", request.token) };
    Answer::done(&explained, text)
}

/// What happened to the card transaction, a line for each fact.
fn since(transaction: &serde_json::Value) -> String {
    let text = |of: &serde_json::Value| of.as_str().unwrap_or_default().to_owned();
    let facts = transaction["facts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |fact: &serde_json::Value| {
        let at = time::utc(fact["at_us"].as_u64().unwrap_or_default());
        let word = fact["word"].as_str().unwrap_or("not reported");
        let (role, amount) = (text(&fact["role"]), text(&fact["amount"]));
        format!("         {at}  {role} {amount}, {word}\n")
    };
    let (held, posted) = (text(&transaction["held"]), text(&transaction["posted"]));
    let now = format!("since    held {held}, posted {posted} {}\n", text(&transaction["currency"]));
    facts.iter().fold(now, |all, fact| all + &line(fact))
}

impl Rules {
    fn text(&self) -> String {
        let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let amount = self.counted_amount.as_ref().map(|amount| format!(" with {amount}")).unwrap_or_default();
        let (fired, counted) = (list(&self.fired), list(&self.counted));
        format!("version {}; fired: {fired}; counted by: {counted}{amount}", self.version)
    }
}

impl Explained {
    fn text(&self) -> String {
        let amount = self.amount.as_ref().zip(self.currency.as_ref());
        let lines = [
            ("token", Some(self.token.clone())),
            ("outcome", self.outcome.clone()),
            ("reason", self.decline_reason.clone()),
            ("decided", self.decided_at_us.map(time::utc)),
            ("index", self.log_index.map(|index| index.to_string())),
            ("user", self.user_token.clone()),
            ("amount", amount.map(|(amount, currency)| format!("{amount} {currency}"))),
            ("balance", self.balance.as_ref().map(Change::text)),
            ("rules", self.rules.as_ref().map(Rules::text)),
            ("entry", self.made.as_ref().map(Made::text)),
            ("time", self.timing.as_ref().map(Timing::text)),
            ("history", self.history.clone()),
        ];
        let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut text: String = known.map(|(name, value)| format!("{name:<8} {value}\n")).collect();
        text.push_str(&self.transaction.as_ref().map(since).unwrap_or_default());
        text
    }
}
