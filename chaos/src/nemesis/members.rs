//! Members that change while other things break: a node is added, taken out or replaced, as an operator does it.
//!
//! What must hold: an order that is refused or not answered is given again, until it is carried out or the patience is
//! over; it goes to any node, as `ctl` sends it. The order runs beside the timeline, so that a leader can be killed
//! in the middle of it. Not here: whether the members are right in the end (`run/one.rs`).

use super::{Active, Field, Kept};
use crate::scenario::fault::Fault;
use anyhow::{Context, Result, bail, ensure};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::change_members_request::{Order, Replace};
use proto::admin::v1::{ChangeMembersRequest, ClusterStatusRequest, ClusterStatusResponse, TransferLeaderRequest};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// From one try to the next.
const PAUSE: Duration = Duration::from_millis(200);
/// After it has begun: a join takes up to a minute, and a learner on a busy machine some seconds to catch up.
const CHANGE_MAX: Duration = Duration::from_secs(90);
/// For a node that was taken out to hear of it and end.
const GONE_MAX: Duration = Duration::from_secs(20);

/// A change under way. Dropped, it is no longer asked for.
pub struct Change {
    task: JoinHandle<Result<Vec<String>>>,
    came: Option<u64>,
    went: Option<u64>,
}

impl Drop for Change {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is to become so.
#[derive(Clone, Debug)]
enum Wish {
    /// Who joins from this address has a vote, as this node.
    In { peer: String, node: u64 },
    /// This node is out.
    Out { node: u64 },
    /// Who joins from this address votes in the other's place.
    Instead { peer: String, node: u64, old: u64 },
}

/// Begins to change the members.
pub fn begin(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let one = || active.nodes.first().copied().context("no node is met");
    let (mut came, mut went) = (None, None);
    // It may lead before its order was seen to be carried out.
    let mut add = |field: &mut Field<'_>| -> Result<(u64, String)> {
        let new = field.target.add_node()?;
        field.observer.add(new.node, new.look);
        came = Some(new.node);
        Ok((new.node, new.peer))
    };
    let wish = match active.step.fault {
        Fault::AddMember => {
            let (node, peer) = add(field)?;
            Wish::In { peer, node }
        }
        Fault::RemoveMember => {
            went = Some(one()?);
            Wish::Out { node: one()? }
        }
        _replace => {
            let old = one()?;
            let shown = field.target.kill(old)?;
            active.sign(true, shown);
            if let Some(files) = field.target.files(old) {
                drop(std::fs::remove_dir_all(&files.log));
                std::fs::remove_dir_all(&files.data).with_context(|| format!("remove {}", files.data.display()))?;
                active.sign(!files.log.exists(), format!("{} is gone", files.data.display()));
            }
            went = Some(old);
            let (node, peer) = add(field)?;
            Wish::Instead { peer, node, old }
        }
    };
    let clients = field.admin.clients();
    let task = field.runtime.spawn(carry_out(wish, clients));
    active.kept = Kept::Change(Change { task, came, went });
    Ok(())
}

/// Waits for it, and counts with the new members from then on.
pub fn end(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::Change(mut change) = std::mem::replace(&mut active.kept, Kept::Nothing) else { return Ok(()) };
    let waited = field.runtime.block_on(async { tokio::time::timeout(CHANGE_MAX, &mut change.task).await });
    let seen = waited.map_err(|_| anyhow::anyhow!("not carried out within {CHANGE_MAX:?}"))?;
    for text in seen.context("the order failed")?? {
        active.sign(true, text);
    }
    if let Some(node) = change.went {
        field.members.remove(&node);
        field.observer.forget(node);
        // Who was killed has nothing to hear.
        let ended = field.stop.poll(GONE_MAX, || field.target.pid(node).is_none());
        active.sign(ended, format!("node {node} {}", if ended { "does not run any more" } else { "still runs" }));
    }
    if let Some(node) = change.came {
        field.members.insert(node);
        field.admin = {
            let _inside = field.runtime.enter();
            crate::operator::Admin::new(&field.target.admins())?
        };
    }
    Ok(())
}

/// Does what an operator does, and says what came of it when.
async fn carry_out(wish: Wish, clients: Vec<AdminClient<Channel>>) -> Result<Vec<String>> {
    let operator = Operator { clients, began: Instant::now() };
    let mut seen = Vec::new();
    let order = match wish {
        Wish::In { peer, node } => {
            seen.push(operator.joined(&peer, node).await?);
            Order::Promote(node)
        }
        Wish::Instead { peer, node, old } => {
            seen.push(operator.joined(&peer, node).await?);
            Order::Replace(Replace { old, new: node })
        }
        Wish::Out { node } => Order::Remove(node),
    };
    seen.push(operator.order(order).await?);
    Ok(seen)
}

struct Operator {
    clients: Vec<AdminClient<Channel>>,
    began: Instant,
}

impl Operator {
    /// Asks one node after the other, until it is so or the patience is over.
    async fn until<T, F>(&self, what: &str, ask: impl Fn(AdminClient<Channel>) -> F) -> Result<T>
    where
        F: Future<Output = Result<Option<T>, String>>,
    {
        let mut last = String::from("nobody has answered");
        for number in 0.. {
            let client = self.clients.get(number % self.clients.len().max(1)).context("there is no node to ask")?;
            match ask(client.clone()).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(why) => last = why,
            }
            if self.began.elapsed() >= CHANGE_MAX {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{what}: not within {CHANGE_MAX:?}; the last answer was: {last}")
    }

    fn after(&self) -> String {
        format!("after {} ms", self.began.elapsed().as_millis())
    }

    /// Waits until somebody has joined from an address.
    async fn joined(&self, peer: &str, node: u64) -> Result<String> {
        let found = self.until("a new node joins", |client| async move {
            let status = status(client).await?;
            Ok(status
                .nodes
                .into_iter()
                .find(|member| member.peer_address == peer)
                .map(|member| (member.id, member.role)))
        });
        let (id, role) = found.await?;
        ensure!(id == node, "the new node {node} was taken in as node {id}: it cannot be told apart here");
        Ok(format!("node {id} has joined as a {role} {}", self.after()))
    }

    /// Gives an order until it is carried out.
    async fn order(&self, order: Order) -> Result<String> {
        let response = self.until("the order", |client| {
            let order = order.clone();
            async move {
                if let Order::Remove(node) = order
                    && status(client.clone()).await?.leader == Some(node)
                {
                    // As the documentation has it: who leads hands over first.
                    let handed = client.clone().transfer_leader(TransferLeaderRequest { to: None }).await;
                    handed.map_err(|status| said(&status))?;
                }
                let asked = client.clone().change_members(ChangeMembersRequest { order: Some(order) }).await;
                asked.map(|answer| Some(answer.into_inner())).map_err(|status| said(&status))
            }
        });
        let response = response.await?;
        Ok(format!("{order:?} was carried out {}: voters {:?}", self.after(), response.voters))
    }
}

async fn status(mut client: AdminClient<Channel>) -> Result<ClusterStatusResponse, String> {
    client
        .cluster_status(ClusterStatusRequest {})
        .await
        .map(|answer| answer.into_inner())
        .map_err(|status| said(&status))
}

fn said(status: &tonic::Status) -> String {
    format!("{}: {}", status.code(), status.message())
}
