//! The commands on the cluster.

use super::answer::{Answer, Column, table};
use super::nodes::{COMPARE, Client, LONG_ORDER, Nodes, ORDER, READ};
use super::{Failure, command, time};
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::json;

pub(super) async fn run(command: command::Cluster, mut nodes: Nodes) -> Result<Answer, Failure> {
    match command {
        command::Cluster::Status => {
            let ask = |mut client: Client| async move { client.cluster_status(wire::ClusterStatusRequest {}).await };
            status(nodes.call(READ, ask).await?)
        }
        command::Cluster::Snapshot { list: true } => {
            let ask = |mut client: Client| async move { client.list_snapshots(wire::ListSnapshotsRequest {}).await };
            snapshots(nodes.call(READ, ask).await?)
        }
        command::Cluster::Snapshot { list: false } => {
            let ask = |mut client: Client| async move { client.snapshot(wire::SnapshotRequest {}).await };
            let wire::SnapshotResponse { node, index, size_bytes } = nodes.call(LONG_ORDER, ask).await?;
            let document = json!({ "node": node, "index": index, "size_bytes": size_bytes });
            Answer::done(&document, format!("node {node} has a snapshot up to index {index}: {size_bytes} bytes\n"))
        }
        command::Cluster::TransferLeader { to } => {
            let request = wire::TransferLeaderRequest { to };
            let ask = |mut client: Client| async move { client.transfer_leader(request).await };
            let leader = nodes.call(ORDER, ask).await?.leader;
            Answer::done(&json!({ "leader": leader }), format!("node {leader} leads\n"))
        }
    }
}

#[derive(Serialize)]
struct Status {
    leader: Option<u64>,
    term: u64,
    quorum: bool,
    nodes: Vec<Node>,
    answered_by: u64,
    last_log_index: u64,
    snapshot_index: u64,
    purged_index: u64,
    cluster_id: String,
}

#[derive(Serialize)]
struct Node {
    id: u64,
    role: String,
    applied: u64,
    healthy: bool,
    lag: u64,
    peer_address: String,
    admin_address: String,
}

impl From<wire::NodeStatus> for Node {
    fn from(node: wire::NodeStatus) -> Node {
        let wire::NodeStatus { id, role, applied, healthy, peer_address, admin_address, lag } = node;
        Node { id, role, applied, healthy, lag, peer_address, admin_address }
    }
}

fn status(response: wire::ClusterStatusResponse) -> Result<Answer, Failure> {
    let status = Status {
        leader: response.leader,
        term: response.term,
        quorum: response.quorum,
        nodes: response.nodes.into_iter().map(Node::from).collect(),
        answered_by: response.answered_by,
        last_log_index: response.last_log_index,
        snapshot_index: response.snapshot_index,
        purged_index: response.purged_index,
        cluster_id: response.cluster_id,
    };
    let leader = status.leader.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let quorum = if status.quorum { "yes" } else { "no" };
    let mut text = format!(
        "cluster   {}\nleader    {leader}\nterm      {}\nquorum    {quorum}\nlog       {} to {}\nsnapshot  {}\n\
         seen by   {}\n\n",
        status.cluster_id,
        status.term,
        status.purged_index + 1,
        status.last_log_index,
        status.snapshot_index,
        status.answered_by,
    );
    let head = [
        Column::Right("NODE"),
        Column::Left("ROLE"),
        Column::Right("APPLIED"),
        Column::Right("LAG"),
        Column::Left("HEALTHY"),
        Column::Left("PEER"),
        Column::Left("ADMIN"),
    ];
    let rows = status.nodes.iter().map(|node| {
        let healthy = if node.healthy { "yes" } else { "no" };
        vec![
            node.id.to_string(),
            node.role.clone(),
            node.applied.to_string(),
            node.lag.to_string(),
            healthy.to_owned(),
            node.peer_address.clone(),
            node.admin_address.clone(),
        ]
    });
    text.push_str(&table(&head, rows.collect()));
    Answer::done(&status, text)
}

#[derive(Serialize)]
struct Snapshot {
    index: u64,
    time_us: u64,
    digest: String,
    size_bytes: u64,
    members: Vec<u64>,
}

fn snapshots(response: wire::ListSnapshotsResponse) -> Result<Answer, Failure> {
    let snapshot = |found: wire::SnapshotRecord| {
        let wire::SnapshotRecord { index, time_us, digest, size_bytes, members } = found;
        Snapshot { index, time_us, digest, size_bytes, members }
    };
    let snapshots: Vec<Snapshot> = response.snapshots.into_iter().map(snapshot).collect();
    let head = [
        Column::Right("INDEX"),
        Column::Left("TIME"),
        Column::Right("BYTES"),
        Column::Left("DIGEST"),
        Column::Left("MEMBERS"),
    ];
    let rows = snapshots.iter().map(|snapshot| {
        let members: Vec<String> = snapshot.members.iter().map(u64::to_string).collect();
        vec![
            snapshot.index.to_string(),
            time::utc(snapshot.time_us),
            snapshot.size_bytes.to_string(),
            snapshot.digest.clone(),
            members.join(" "),
        ]
    });
    let text = format!("node {}\n\n{}", response.node, table(&head, rows.collect()));
    Answer::done(&json!({ "node": response.node, "snapshots": snapshots }), text)
}

#[derive(Serialize)]
struct Verified {
    agreed: bool,
    index: u64,
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    id: u64,
    reached: bool,
    digest: Option<String>,
    violations: Vec<String>,
}

impl Verified {
    /// The members that were reached have other books than one another, or broken ones.
    fn differs(&self) -> bool {
        let mut digests = self.members.iter().filter_map(|member| member.digest.as_ref());
        let first = digests.next();
        digests.any(|digest| Some(digest) != first) || self.members.iter().any(|member| !member.violations.is_empty())
    }

    /// A difference weighs more than a member that is missing.
    fn exit(&self) -> u8 {
        match (self.differs(), self.agreed) {
            (true, _) => 1,
            (false, false) => 3,
            (false, true) => 0,
        }
    }
}

pub(super) async fn verify(allow_missing: bool, mut nodes: Nodes) -> Result<Answer, Failure> {
    let ask = |mut client: Client| async move { client.verify(wire::VerifyRequest { allow_missing }).await };
    let response = nodes.call(COMPARE, ask).await?;
    let members = response.members.into_iter().map(|member| Member {
        id: member.id,
        reached: member.reached,
        digest: member.reached.then_some(member.digest),
        violations: member.violations,
    });
    let verified = Verified { agreed: response.agreed, index: response.index, members: members.collect() };
    let head = [Column::Right("NODE"), Column::Left("REACHED"), Column::Left("DIGEST"), Column::Right("VIOLATIONS")];
    let rows = verified.members.iter().map(|member| {
        let reached = if member.reached { "yes" } else { "no" };
        let digest = member.digest.clone().unwrap_or_else(|| "-".to_owned());
        vec![member.id.to_string(), reached.to_owned(), digest, member.violations.len().to_string()]
    });
    let mut text = table(&head, rows.collect());
    for member in &verified.members {
        for violation in &member.violations {
            text.push_str(&format!("node {}: {violation}\n", member.id));
        }
    }
    text.push_str(&match verified.exit() {
        0 => format!("agreed at index {}\n", verified.index),
        1 => format!("DIFFERENT OR BROKEN at index {}\n", verified.index),
        _ => format!("not all members were reached at index {}: see --allow-missing\n", verified.index),
    });
    let answer = Answer::done(&verified, text)?;
    Ok(Answer { exit: verified.exit(), ..answer })
}
