//! `ctl cluster promote --until`: votes for those that have joined, as they come and catch up.
//!
//! What must hold: it gives no vote that the cluster would refuse to give one by one, takes none, and ends in its time.
//! Repeated, it goes on where it was.

use super::Failure;
use super::answer::Answer;
use super::nodes::{Client, KEYED, Nodes, READ};
use proto::admin::v1 as wire;
use proto::admin::v1::change_members_request::Order;
use serde_json::json;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn until(wanted: u64, wait: Duration, mut nodes: Nodes) -> Result<Answer, Failure> {
    let end = Instant::now() + wait;
    let mut promoted = Vec::new();
    loop {
        let not_yet = match look(&mut nodes).await {
            Ok((voters, _)) if voters.len() as u64 >= wanted => return answer(&promoted, &voters),
            Ok((voters, learners)) => {
                let missing = usize::try_from(wanted).unwrap_or(usize::MAX) - voters.len();
                let why = promote(&mut nodes, &learners, missing, &mut promoted).await?;
                Failure::Refused(format!("{} of {wanted} vote: {why}", voters.len()))
            }
            Err(failure @ Failure::Unavailable(_)) => failure,
            Err(failure) => return Err(failure),
        };
        if Instant::now() + PAUSE > end {
            return Err(not_yet);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Who votes, and who follows without a vote.
async fn look(nodes: &mut Nodes) -> Result<(Vec<u64>, Vec<u64>), Failure> {
    let ask = |mut client: Client| async move { client.cluster_status(wire::ClusterStatusRequest {}).await };
    let members = nodes.call(READ, ask).await?.nodes;
    let (learners, voters): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| member.role == "learner");
    let ids = |members: Vec<wire::NodeStatus>| members.into_iter().map(|member| member.id).collect();
    Ok((ids(voters), ids(learners)))
}

/// Gives votes to at most so many, and says why the last one did not get one.
async fn promote(nodes: &mut Nodes, learners: &[u64], most: usize, promoted: &mut Vec<u64>) -> Result<String, Failure> {
    let mut why = "no other node has joined yet".to_owned();
    for id in learners.iter().take(most) {
        let request = wire::ChangeMembersRequest { order: Some(Order::Promote(*id)) };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.change_members(request).await }
        };
        match nodes.call(KEYED, ask).await {
            Ok(_) => promoted.push(*id),
            Err(Failure::Refused(because) | Failure::Unavailable(because)) => why = because,
            Err(failure) => return Err(failure),
        }
    }
    Ok(why)
}

fn answer(promoted: &[u64], voters: &[u64]) -> Result<Answer, Failure> {
    let list = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let done = match promoted {
        [] => "it is so already".to_owned(),
        ids => format!("got a vote: {}", list(ids)),
    };
    let document = json!({ "promoted": promoted, "voters": voters });
    Answer::done(&document, format!("{done}\nvoters    {}\n", list(voters)))
}
