//! The commands on the cluster.

use super::answer::{Answer, Column, table};
use super::nodes::{COMPARE, Client, KEYED, LONG_ORDER, Nodes, ORDER, READ};
use super::{Failure, command, promote, time};
use proto::admin::v1 as wire;
use proto::admin::v1::change_members_request::{Add, Order, Replace};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

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
        command::Cluster::Add { peer, admin } => change(Order::Add(Add { peer, admin }), nodes).await,
        command::Cluster::Promote { until: Some(voters), wait_s, .. } => {
            promote::until(voters, Duration::from_secs(wait_s), nodes).await
        }
        command::Cluster::Promote { id, .. } => {
            let id = id.ok_or_else(|| Failure::Usage("promote: which learner?".to_owned()))?;
            change(Order::Promote(id), nodes).await
        }
        command::Cluster::Remove { id } => change(Order::Remove(id), nodes).await,
        command::Cluster::Replace { old, new } => change(Order::Replace(Replace { old, new }), nodes).await,
        command::Cluster::TransferLeader { to } => {
            let request = wire::TransferLeaderRequest { to };
            let ask = |mut client: Client| async move { client.transfer_leader(request).await };
            let leader = nodes.call(ORDER, ask).await?.leader;
            Answer::done(&json!({ "leader": leader }), format!("node {leader} leads\n"))
        }
    }
}

/// Changes the members. Only an addition is not idempotent: asked twice, it mints two ids.
async fn change(order: Order, mut nodes: Nodes) -> Result<Answer, Failure> {
    let manner = if matches!(order, Order::Add(_)) { ORDER } else { KEYED };
    let request = wire::ChangeMembersRequest { order: Some(order.clone()) };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.change_members(request).await }
    };
    let wire::ChangeMembersResponse { id, changed, voters, learners } = nodes.call(manner, ask).await?;
    let list = |ids: &[u64]| match ids {
        [] => "none".to_owned(),
        ids => ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    };
    let done = match (&order, changed) {
        (Order::Add(_), _) => format!("node {id} may come: start it with cluster.join"),
        (_, false) => "it is so already".to_owned(),
        (Order::Promote(id), true) => format!("node {id} votes"),
        (Order::Remove(id), true) => format!("node {id} is out, for ever"),
        (Order::Replace(Replace { old, new }), true) => format!("node {new} votes, node {old} is out, for ever"),
    };
    let mut text = format!("{done}\nvoters    {}\nlearners  {}\n", list(&voters), list(&learners));
    if voters.len() % 2 == 0 {
        text.push_str(&format!("{} voters bear no more losses than {}: go on\n", voters.len(), voters.len() - 1));
    }
    let document = json!({ "id": id, "changed": changed, "voters": voters, "learners": learners });
    Answer::done(&document, text)
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
    cluster_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Restored>,
}

impl Status {
    /// The cluster's version, and who holds it where it is while another node understands more.
    fn version(&self) -> String {
        let highest = self.nodes.iter().map(|node| node.cluster_version_max).max().unwrap_or(0);
        let behind = self.nodes.iter().filter(|node| node.cluster_version_max < highest);
        let behind: Vec<String> = behind.map(|node| node.id.to_string()).collect();
        if highest <= self.cluster_version || behind.is_empty() {
            return self.cluster_version.to_string();
        }
        format!(
            "{}, and {highest} once a program that understands it runs as, and answers for, node {}",
            self.cluster_version,
            behind.join(", ")
        )
    }
}

/// The books come from a backup, and nobody has said that what they lack was looked through.
#[derive(Serialize)]
struct Restored {
    /// What came later is missing.
    since_us: u64,
    taken_at_us: u64,
    cluster_id: String,
    index: u64,
    declines: bool,
}

impl From<wire::Restored> for Restored {
    fn from(of: wire::Restored) -> Restored {
        let wire::Restored { since_us, taken_at_us, cluster_id, index, declines } = of;
        Restored { since_us, taken_at_us, cluster_id, index, declines }
    }
}

impl Restored {
    fn text(&self) -> String {
        let meanwhile = if self.declines { "new requests are DECLINED" } else { "requests are decided all the same" };
        format!(
            "RESTORED  from a backup of cluster {} up to log index {}, taken {}\nlacks     whatever came after {}; \
             {meanwhile} until: holdfast ctl reconcile done\n",
            self.cluster_id,
            self.index,
            time::utc(self.taken_at_us),
            time::utc(self.since_us),
        )
    }
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
    cluster_version_max: u32,
}

impl From<wire::NodeStatus> for Node {
    fn from(node: wire::NodeStatus) -> Node {
        let wire::NodeStatus { id, role, applied, healthy, peer_address, admin_address, lag, cluster_version_max } =
            node;
        Node { id, role, applied, healthy, lag, peer_address, admin_address, cluster_version_max }
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
        cluster_version: response.cluster_version,
        restored: response.restored.map(Restored::from),
    };
    let leader = status.leader.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let quorum = if status.quorum { "yes" } else { "no" };
    let mut text = format!(
        "cluster   {}\nversion   {}\nleader    {leader}\nterm      {}\nquorum    {quorum}\nlog       {} to {}\nsnapshot  {}\n\
         seen by   {}\n{}\n",
        status.cluster_id,
        status.version(),
        status.term,
        status.purged_index + 1,
        status.last_log_index,
        status.snapshot_index,
        status.answered_by,
        status.restored.as_ref().map(Restored::text).unwrap_or_default(),
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
