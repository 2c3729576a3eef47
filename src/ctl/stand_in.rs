//! The commands on what a node says alone. They go to every endpoint that is given: one node or all of them.

use super::answer::{Answer, Column, table};
use super::nodes::{Client, KEYED, Nodes, READ};
use super::{Failure, command};
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct Node {
    id: u64,
    phase: String,
    mode: String,
    who: String,
    why: String,
    changed_ms_ago: Option<u64>,
    changed_from: String,
    cause: String,
    contact_age_ms: Option<u64>,
    owed: u64,
    policy: String,
    journal: String,
    journal_problem: String,
    exposure: Option<Exposure>,
}

#[derive(Serialize)]
struct Exposure {
    currency: String,
    window: u64,
    spent: String,
    left: String,
    worst_case: String,
}

impl From<wire::StandInStatusResponse> for Node {
    fn from(status: wire::StandInStatusResponse) -> Node {
        let exposure = status.exposure.map(|exposure| {
            let wire::Exposure { currency, window, spent, left, worst_case } = exposure;
            Exposure { currency, window, spent, left, worst_case }
        });
        Node {
            id: status.node,
            phase: status.phase,
            mode: status.mode,
            who: status.who,
            why: status.why,
            changed_ms_ago: status.changed_ms_ago,
            changed_from: status.changed_from,
            cause: status.cause,
            contact_age_ms: status.contact_age_ms,
            owed: status.owed,
            policy: status.policy,
            journal: status.journal,
            journal_problem: status.journal_problem,
            exposure,
        }
    }
}

pub(super) async fn breaker(command: command::Breaker, mut nodes: Nodes) -> Result<Answer, Failure> {
    let (mode, order) = match command {
        command::Breaker::Status => return breaker_answer(read(&mut nodes).await?),
        command::Breaker::ForceOpen(order) => (wire::BreakerMode::ForcedOpen, order),
        command::Breaker::Auto(order) => (wire::BreakerMode::Auto, order),
    };
    let request = wire::SetBreakerRequest { mode: mode.into(), who: order.who, why: order.why };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.set_breaker(request).await }
    };
    breaker_answer(nodes.each(KEYED, ask).await?.into_iter().map(Node::from).collect())
}

pub(super) async fn status(mut nodes: Nodes) -> Result<Answer, Failure> {
    let nodes = read(&mut nodes).await?;
    let head = [
        Column::Right("NODE"),
        Column::Left("POLICY"),
        Column::Left("JOURNAL"),
        Column::Right("OWED"),
        Column::Right("SPENT"),
        Column::Right("LEFT"),
        Column::Right("WORST CASE"),
        Column::Left("CURRENCY"),
    ];
    let row = |node: &Node| {
        let money = node.exposure.as_ref().map_or_else(Vec::new, |exposure| {
            let Exposure { currency, spent, left, worst_case, .. } = exposure;
            vec![spent.clone(), left.clone(), worst_case.clone(), currency.clone()]
        });
        let mut row = vec![node.id.to_string(), node.policy.clone(), node.journal.clone(), node.owed.to_string()];
        row.extend(if money.is_empty() {
            vec!["0".to_owned(), "0".to_owned(), "0".to_owned(), String::new()]
        } else {
            money
        });
        row
    };
    let mut text = table(&head, nodes.iter().map(row).collect());
    for node in nodes.iter().filter(|node| !node.journal_problem.is_empty()) {
        text.push_str(&format!("node {}: {}\n", node.id, node.journal_problem));
    }
    Answer::done(&json!({ "nodes": nodes }), text)
}

async fn read(nodes: &mut Nodes) -> Result<Vec<Node>, Failure> {
    let ask = |mut client: Client| async move { client.stand_in_status(wire::StandInStatusRequest {}).await };
    Ok(nodes.each(READ, ask).await?.into_iter().map(Node::from).collect())
}

fn breaker_answer(nodes: Vec<Node>) -> Result<Answer, Failure> {
    let head = [
        Column::Right("NODE"),
        Column::Left("PHASE"),
        Column::Left("MODE"),
        Column::Left("CAUSE"),
        Column::Right("CHANGED MS AGO"),
        Column::Right("CONTACT MS"),
        Column::Left("WHO"),
        Column::Left("WHY"),
    ];
    let number = |number: Option<u64>| number.map_or_else(|| "never".to_owned(), |number| number.to_string());
    let rows = nodes.iter().map(|node| {
        vec![
            node.id.to_string(),
            node.phase.clone(),
            node.mode.clone(),
            node.cause.clone(),
            number(node.changed_ms_ago),
            number(node.contact_age_ms),
            node.who.clone(),
            node.why.clone(),
        ]
    });
    let text = table(&head, rows.collect());
    Answer::done(&json!({ "nodes": nodes }), text)
}
