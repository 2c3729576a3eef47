//! The operator's interface of each node, for what a scenario needs beside the load.
//!
//! What must hold: each call ends by its limit. Not here: the books of the load's accounts (`load`).

use anyhow::{Context, Result, bail};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{ClusterStatusRequest, SnapshotRequest, TransferLeaderRequest, VerifyRequest, VerifyResponse};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

const CONNECT_MAX: Duration = Duration::from_secs(2);
/// A digest of all books, or a snapshot, takes its time on a busy machine.
const CALL_MAX: Duration = Duration::from_secs(30);

/// Clients of all nodes, the first node's first.
pub struct Admin(Vec<AdminClient<Channel>>);

impl Admin {
    /// Connects when it is first used. To be called inside a runtime.
    pub fn new(addresses: &[String]) -> Result<Admin> {
        let client = |address: &String| {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).context("admin address")?;
            Ok(AdminClient::new(endpoint.connect_timeout(CONNECT_MAX).timeout(CALL_MAX).connect_lazy()))
        };
        addresses.iter().map(client).collect::<Result<_>>().map(Admin)
    }

    /// Of all nodes, to ask one after the other.
    pub fn clients(&self) -> Vec<AdminClient<Channel>> {
        self.0.clone()
    }

    fn of(&self, node: u64) -> Result<AdminClient<Channel>> {
        let place = node.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.0.get(place)).cloned().with_context(|| format!("there is no node {node}"))
    }

    /// Hands leadership on from the node that has it; gives who has it now.
    pub async fn transfer_leader(&self, leader: u64) -> Result<u64> {
        let answer = self.of(leader)?.transfer_leader(TransferLeaderRequest { to: None }).await;
        Ok(answer.with_context(|| format!("ask node {leader} to hand leadership over"))?.into_inner().leader)
    }

    /// Takes a snapshot; gives the last entry in it and its size.
    pub async fn snapshot(&self, node: u64) -> Result<(u64, u64)> {
        let answer = self.of(node)?.snapshot(SnapshotRequest {}).await;
        let answer = answer.with_context(|| format!("ask node {node} for a snapshot"))?.into_inner();
        Ok((answer.index, answer.size_bytes))
    }

    /// The members as this node knows them: their ids and roles.
    pub async fn members(&self, node: u64) -> Result<Vec<(u64, String)>> {
        let answer = self.of(node)?.cluster_status(ClusterStatusRequest {}).await;
        let answer = answer.with_context(|| format!("ask node {node} for the members"))?.into_inner();
        Ok(answer.nodes.into_iter().map(|member| (member.id, member.role)).collect())
    }

    /// Compares the digests of all nodes; asked of the first that answers.
    pub async fn verify(&self) -> Result<VerifyResponse> {
        let mut why = None;
        for client in &self.0 {
            match client.clone().verify(VerifyRequest { allow_missing: false }).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => why = Some(status),
            }
        }
        match why {
            Some(status) => bail!("no node compares the digests: {}: {}", status.code(), status.message()),
            None => bail!("there is no node to ask"),
        }
    }
}
