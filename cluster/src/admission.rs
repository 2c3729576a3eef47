//! How an empty node comes to an identity.
//!
//! **What lives here.** [`admit`], run once in the life of a directory, before there is an identity in it. A node that
//! is one of the static members takes the id that its configuration gives it, unless the cluster says that this id
//! lives on another disk: then this directory is a new or an emptied one, and the node that was there is lost. Whoever
//! is not a static member, or is such a lost one, asks to be taken in as a learner, under an id that the cluster
//! mints. Which cluster that is, if the configuration does not say: `naming.rs`.
//!
//! **What must hold.** No answer makes an old id live again: `peers/call.rs` refuses Raft's messages for another disk,
//! whatever was found out here. This is only to say it early and in words.
//!
//! **Crash story.** The identity is written when the cluster has answered. A kill before leaves a learner that nobody
//! is; the next try is taken in under another id, and takes the place of that one, whose address it has.

use crate::peers::{ANYBODY, Dial, Ids, within};
use crate::start::StartError;
use crate::store::identity::{Birth, DiskId};
use crate::{Config, Member, naming};
use proto::peer::v1::{JoinRequest, StatusRequest, StatusResponse};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a peer may take to say how it is.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long one member may take to have a node taken in: it asks its leader, which commits the change.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// No new try is begun after this; a supervisor starts the node again.
const JOIN_TOTAL: Duration = Duration::from_secs(60);
/// Between two looks for the node that makes the cluster.
const NAME_PAUSE: Duration = Duration::from_millis(100);
/// Between two rounds over all addresses.
const JOIN_PAUSE: Duration = Duration::from_millis(500);

/// What the cluster says of a static member's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody was found who belongs to a cluster, or nobody has come under the id yet: it is this node's.
    Free,
    /// The id lives on another disk.
    Lost,
    /// It is not, or not any more, a member's.
    Stranger,
}

/// Finds out who this node is to be.
pub(crate) async fn admit(
    config: &Config,
    secure: Option<tls::Peers>,
    dial: Option<Arc<dyn Dial>>,
) -> Result<Birth, StartError> {
    let disk = DiskId(config.chance);
    let ids = Ids::of_nobody(&config.cluster, disk).reaching(secure, dial);
    if !config.members.contains_key(&config.node) {
        return join(config, &ids).await;
    }
    let (claim, cluster) = found(config, &ids).await?;
    match claim {
        Claim::Free => Ok(Birth { cluster, configured: config.cluster, node: config.node, disk, minted: false }),
        Claim::Lost | Claim::Stranger if config.join.ask.is_empty() => Err(refused(config.node, claim)),
        Claim::Lost | Claim::Stranger => {
            tracing::warn!(
                node = config.node,
                ?claim,
                "this id is not for an empty directory: joining under a new one"
            );
            join(config, &ids).await
        }
    }
}

/// What the others say of the static member's id, and of which cluster. Asks until somebody knows a cluster.
async fn found(config: &Config, ids: &Ids) -> Result<(Claim, [u8; 16]), StartError> {
    let until = Instant::now() + JOIN_TOTAL;
    let mut told = false;
    loop {
        let reports = ask_all(ids, &addresses(config)).await;
        let cluster = naming::named(config, &reports)?;
        if let Some(cluster) = cluster {
            return Ok((claim(config.node, &reports), cluster));
        }
        let first = config.members.first_key_value().map_or(0, |(id, _)| *id);
        if Instant::now() >= until {
            return Err(StartError::Join(format!(
                "there is no cluster yet at the addresses of cluster.members: node {first} makes it, and does not answer"
            )));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(node = config.node, first, "waiting for the node that makes the cluster");
        }
        tokio::time::sleep(NAME_PAUSE).await;
    }
}

fn refused(node: u64, claim: Claim) -> StartError {
    let why = match claim {
        Claim::Lost => "lives on another disk: this directory is empty or was emptied",
        Claim::Free | Claim::Stranger => "is not one of its members",
    };
    StartError::Damaged(format!(
        "the cluster is made, and node {node} {why}. It does not come back under that id. Let it join under a new one \
         with cluster.join, then have it take the old one's place: holdfast ctl cluster replace {node} NEW"
    ))
}

/// What those who belong say of the id. A binding is for ever, so even an old report of one counts.
pub(crate) fn claim(node: u64, reports: &[StatusResponse]) -> Claim {
    // One of the first release says nothing of its members.
    let belonging: Vec<_> = reports.iter().filter(|report| report.belongs && !report.seats.is_empty()).collect();
    let mut claim = if belonging.is_empty() { Claim::Free } else { Claim::Stranger };
    for seat in belonging.iter().flat_map(|report| &report.seats).filter(|seat| seat.id == node) {
        if !seat.disk.is_empty() {
            return Claim::Lost;
        }
        claim = Claim::Free;
    }
    claim
}

/// Where members may be: those that were configured to be asked, and the static ones. Not this node itself.
fn addresses(config: &Config) -> Vec<String> {
    let own = config.members.get(&config.node).map_or(&config.join.own.peer, |member| &member.peer);
    let known = config.members.values().map(|member| &member.peer);
    let all: BTreeSet<&String> = config.join.ask.iter().chain(known).filter(|address| *address != own).collect();
    all.into_iter().cloned().collect()
}

/// Asks whoever listens at these addresses how they are; those that do not answer are left out.
pub(crate) async fn ask_all(ids: &Ids, addresses: &[String]) -> Vec<StatusResponse> {
    let asked = addresses.iter().map(|address| async move {
        let mut peer = ids.client(ANYBODY, address).ok()?;
        within(ASK_TIMEOUT, peer.status(ids.request(ANYBODY, StatusRequest {}))).await.ok()
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// Asks one after the other, round after round, until a cluster has taken this node in.
async fn join(config: &Config, ids: &Ids) -> Result<Birth, StartError> {
    let addresses = addresses(config);
    if config.join.ask.is_empty() {
        return Err(StartError::Config(format!(
            "node {} is not one of cluster.members, and cluster.join names nobody to ask",
            config.node
        )));
    }
    let until = Instant::now() + JOIN_TOTAL;
    let mut why = String::new();
    while Instant::now() < until {
        for address in &addresses {
            match join_at(config, ids, address).await {
                Ok(birth) => {
                    tracing::info!(node = birth.node, at = address, "the cluster has taken this node in as a learner");
                    return Ok(birth);
                }
                Err(reason) => why = format!("{address}: {reason}"),
            }
        }
        tracing::warn!(%why, "not taken in yet");
        tokio::time::sleep(JOIN_PAUSE).await;
    }
    Err(StartError::Join(format!("no member of the cluster took this node in (last: {why})")))
}

async fn join_at(config: &Config, ids: &Ids, address: &str) -> Result<Birth, String> {
    let Member { peer, admin } = config.join.own.clone();
    let join = JoinRequest { disk: ids.disk.0.to_vec().into(), peer, admin, version_max: config.version_max };
    let request = ids.request(ANYBODY, join);
    let mut asked = ids.client(ANYBODY, address)?;
    let response = within(JOIN_TIMEOUT, asked.join(request)).await.map_err(|status| status.message().to_owned())?;
    let cluster = response.cluster.as_ref().try_into().map_err(|_| "the cluster's id is not 16 bytes".to_owned())?;
    if response.id == ANYBODY {
        return Err("the id is 0".to_owned());
    }
    Ok(Birth { cluster, configured: config.cluster, node: response.id, disk: ids.disk, minted: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::peer::v1::Seat;

    fn report(belongs: bool, seats: &[(u64, &[u8])]) -> StatusResponse {
        let seat = |(id, disk): &(u64, &[u8])| Seat { id: *id, disk: disk.to_vec().into(), ..Seat::default() };
        StatusResponse { belongs, seats: seats.iter().map(seat).collect(), ..StatusResponse::default() }
    }

    #[test]
    fn an_id_is_free_until_it_is_bound_to_a_disk() {
        let bound: &[u8] = &[7; 16];
        let nobody = report(false, &[]);
        let open = report(true, &[(1, bound), (2, bound), (3, b"")]);
        let closed = report(true, &[(1, bound), (2, bound), (3, bound)]);
        let gone = report(true, &[(1, bound), (2, bound)]);
        let first_release = report(true, &[]);
        for (reports, expected) in [
            (vec![], Claim::Free),
            (vec![nobody.clone()], Claim::Free),
            (vec![first_release], Claim::Free),
            (vec![nobody.clone(), open.clone()], Claim::Free),
            (vec![open, closed.clone()], Claim::Lost),
            (vec![gone.clone(), closed], Claim::Lost),
            (vec![gone, nobody], Claim::Stranger),
        ] {
            assert_eq!(claim(3, &reports), expected, "{reports:?}");
        }
    }
}
