//! `ctl alarms`: those of every node that is given. Exit 3 if any of them does not answer: who is down is likely to be
//! the one that somebody should look at, and has no alarm to show for it. Otherwise 1 if any is raised.

use super::Failure;
use super::answer::{Answer, Column, table};
use super::nodes::{Client, Nodes, READ};
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct Node {
    id: u64,
    alarms: Vec<Alarm>,
}

/// A node that could not be asked.
#[derive(Serialize)]
struct Silent {
    endpoint: String,
    why: String,
}

#[derive(Serialize)]
struct Alarm {
    name: String,
    state: String,
    detail: String,
    effect: String,
    page: String,
}

impl From<wire::ListAlarmsResponse> for Node {
    fn from(response: wire::ListAlarmsResponse) -> Node {
        let alarm = |of: wire::Alarm| {
            let wire::Alarm { name, state, detail, effect, page } = of;
            Alarm { name, state, detail, effect, page }
        };
        Node { id: response.node, alarms: response.alarms.into_iter().map(alarm).collect() }
    }
}

/// As when nobody answers.
const SILENT: u8 = 3;

pub(super) async fn run(mut nodes: Nodes) -> Result<Answer, Failure> {
    let ask = |mut client: Client| async move { client.list_alarms(wire::ListAlarmsRequest {}).await };
    let (answers, passed) = nodes.each_that_answers(READ, ask).await?;
    let nodes: Vec<Node> = answers.into_iter().map(Node::from).collect();
    let silent: Vec<Silent> = passed.into_iter().map(|(endpoint, why)| Silent { endpoint, why }).collect();
    let raised = || nodes.iter().flat_map(|node| node.alarms.iter().map(move |alarm| (node.id, alarm)));
    let raised = || raised().filter(|(_, alarm)| alarm.state == "on");
    let any = raised().next().is_some();
    let head = [Column::Right("NODE"), Column::Left("ALARM"), Column::Left("STATE"), Column::Left("DETAIL")];
    let row = |node: u64, alarm: &Alarm| {
        vec![node.to_string(), alarm.name.clone(), alarm.state.clone(), alarm.detail.clone()]
    };
    let rows = nodes.iter().flat_map(|node| node.alarms.iter().map(move |alarm| row(node.id, alarm)));
    let mut text = table(&head, rows.collect());
    for (node, alarm) in raised() {
        text.push_str(&format!(
            "\nnode {node}: {}: {}\n  effect: {}\n  see {}\n",
            alarm.name, alarm.detail, alarm.effect, alarm.page
        ));
    }
    for Silent { endpoint, why } in &silent {
        text.push_str(&format!("\n{endpoint} does not answer: {why}\n"));
    }
    let answer = Answer::done(&json!({ "raised": any, "nodes": nodes, "silent": silent }), text)?;
    Ok(Answer { exit: if silent.is_empty() { u8::from(any) } else { SILENT }, ..answer })
}
