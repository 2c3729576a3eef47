//! Changing the members of a running cluster.
//!
//! **What lives here.** [`MemberOrder`], what may be asked for; [`decide`], the rules of what is refused and why, over
//! a [`View`]; and carrying an order out, on the leader, whichever node took it.
//!
//! **What must hold.**
//! - One change at a time, and only over a membership that is committed: the change says which one it is based on, and
//!   the core refuses it if another came in between.
//! - A node votes only once it follows closely and is bound to its disk.
//! - After a change a majority of the voters is healthy, as far as the leader can see; so is one of those before,
//!   because a joint change needs both.
//! - Ids are minted from the replicated state, one above all that were ever given, and never given again.
//!
//! **What is deliberately not here.** Who may give orders (the admin interface), and stand-in rights: a node that was
//! taken in later has none (docs/standin.md).

use crate::node::Shared;
use crate::peers::ANYBODY;
use crate::store::identity::DiskId;
use crate::types::{LogId, Membership, Seat};
use crate::{Member, OrderError, StateMachine, versions};
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::Precondition;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::{Instant, timeout_at};

/// All members, learners too. A quorum of more than nine answers no sooner, and each learner costs the leader a copy of
/// everything.
pub(crate) const MEMBERS_MAX: usize = 9;
/// A learner that is further behind may not vote. In entries: about what half a second of full load brings.
const LAG_MAX: u64 = 500;

/// A change of the members that an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberOrder {
    /// Mints an id for a node that will come up at this address and join.
    Add(Member),
    /// Gives a learner a vote.
    Promote(u64),
    /// Takes a member out, for ever.
    Remove(u64),
    /// Gives a learner the vote of another member, which is taken out, in one change.
    Replace {
        /// Who goes.
        old: u64,
        /// Who votes instead.
        new: u64,
    },
}

/// An empty node that asks to be taken in.
#[derive(Clone, Debug)]
pub(crate) struct Comer {
    pub(crate) disk: DiskId,
    pub(crate) member: Member,
    /// The highest version of a cluster that its program understands.
    pub(crate) version_max: u32,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// Whom it was about: of an addition the new id.
    pub id: u64,
    /// False: it was so already.
    pub changed: bool,
    /// Who votes now.
    pub voters: Vec<u64>,
    /// Who follows without a vote.
    pub learners: Vec<u64>,
}

/// How one member is, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    voter: bool,
    bound: bool,
    healthy: bool,
    /// Entries behind the leader's log.
    lag: u64,
    peer: String,
}

/// What an order is judged by.
#[derive(Clone, Debug)]
struct View {
    leader: u64,
    minted: u64,
    members: BTreeMap<u64, Seen>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    /// It is so already.
    Nothing(u64),
    Add(u64),
    Promote(u64),
    RemoveVoter(u64),
    RemoveLearner(u64),
    Replace {
        old: u64,
        new: u64,
    },
}

impl View {
    fn voters(&self) -> BTreeSet<u64> {
        self.members.iter().filter(|(_, seen)| seen.voter).map(|(id, _)| *id).collect()
    }

    /// Refuses to leave voters of whom no majority is healthy.
    fn bearable(&self, voters: &BTreeSet<u64>) -> Result<(), String> {
        let healthy = |id: &&u64| self.members.get(id).is_some_and(|seen| seen.healthy);
        let (alive, needed) = (voters.iter().filter(healthy).count(), voters.len() / 2 + 1);
        if alive >= needed {
            return Ok(());
        }
        let down: Vec<String> = voters.iter().filter(|id| !healthy(id)).map(u64::to_string).collect();
        Err(format!(
            "of the voters {} only {alive} would be healthy, and a quorum is {needed} (not healthy: {})",
            voters.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            down.join(", ")
        ))
    }

    /// A member that may be given a vote.
    fn ready(&self, id: u64) -> Result<(), String> {
        let seen = self.member(id)?;
        if !seen.bound {
            return Err(format!("node {id} has not come up yet: start it with cluster.join"));
        }
        if !seen.healthy {
            return Err(format!("node {id} is not healthy: it does not answer, or hears nothing of the leader"));
        }
        if seen.lag > LAG_MAX {
            return Err(format!(
                "node {id} is {} entries behind the leader, and at most {LAG_MAX} are allowed: wait until it has caught up",
                seen.lag
            ));
        }
        Ok(())
    }

    fn member(&self, id: u64) -> Result<&Seen, String> {
        self.members.get(&id).ok_or_else(|| format!("node {id} is not a member"))
    }

    /// A member that may be taken out.
    fn dispensable(&self, id: u64) -> Result<(), String> {
        if id != self.leader {
            return Ok(());
        }
        let hint = "hand leadership over first: holdfast ctl cluster transfer-leader";
        Err(format!("node {id} leads, and whoever waits for it would wait for an election: {hint}"))
    }
}

/// The rules. A refusal says why.
fn decide(order: &MemberOrder, view: &View) -> Result<Plan, String> {
    let mut voters = view.voters();
    if view.members.values().all(|seen| !seen.bound) {
        return Err(UNTOLD.to_owned());
    }
    match order {
        MemberOrder::Add(member) => {
            if let Some((id, _)) = view.members.iter().find(|(_, seen)| seen.peer == member.peer) {
                return Err(format!("node {id} is at {} already", member.peer));
            }
            room(view.members.len())?;
            Ok(Plan::Add(view.minted + 1))
        }
        MemberOrder::Promote(id) => {
            if view.member(*id)?.voter {
                return Ok(Plan::Nothing(*id));
            }
            view.ready(*id)?;
            voters.insert(*id);
            view.bearable(&voters)?;
            Ok(Plan::Promote(*id))
        }
        MemberOrder::Remove(id) => {
            let Some(seen) = view.members.get(id) else {
                let gone = *id != ANYBODY && *id <= view.minted;
                return if gone { Ok(Plan::Nothing(*id)) } else { Err(format!("node {id} never was a member")) };
            };
            if !seen.voter {
                return Ok(Plan::RemoveLearner(*id));
            }
            view.dispensable(*id)?;
            voters.remove(id);
            view.bearable(&voters)?;
            Ok(Plan::RemoveVoter(*id))
        }
        MemberOrder::Replace { old, new } => {
            if !view.members.contains_key(old) && *old <= view.minted && view.member(*new)?.voter {
                return Ok(Plan::Nothing(*new));
            }
            if !view.member(*old)?.voter {
                return Err(format!("node {old} has no vote that node {new} could take over"));
            }
            if view.member(*new)?.voter {
                return Err(format!("node {new} has a vote already: remove node {old} instead"));
            }
            view.ready(*new)?;
            view.dispensable(*old)?;
            view.bearable(&voters)?;
            voters.remove(old);
            voters.insert(*new);
            view.bearable(&voters)?;
            Ok(Plan::Replace { old: *old, new: *new })
        }
    }
}

fn room(members: usize) -> Result<(), String> {
    if members < MEMBERS_MAX {
        return Ok(());
    }
    Err(format!("there are {MEMBERS_MAX} members already: remove those that are gone"))
}

/// Of a cluster that comes from the first release.
const UNTOLD: &str =
    "the members are not bound to their disks yet: not all of them have been seen in a version that does";

/// Under which id an empty node comes in, and the change that does it.
fn taking_in(
    seats: &BTreeMap<u64, Seat>,
    voters: &BTreeSet<u64>,
    minted: u64,
    seat: Seat,
) -> Result<(u64, ChangeMembers<u64, Seat>), String> {
    if seats.values().all(|seat| seat.disk.is_none()) {
        return Err(UNTOLD.to_owned());
    }
    let next = minted + 1;
    let here = seats.iter().find(|(id, other)| other.member.peer == seat.member.peer && !voters.contains(id));
    match here {
        // An operator has had this id minted for whoever comes up at this address.
        Some((id, waiting)) if waiting.disk.is_none() => Ok((*id, ChangeMembers::SetNodes([(*id, seat)].into()))),
        // A learner whose disk is gone: another one answers at its address now.
        Some((id, _)) => {
            let gone = ChangeMembers::RemoveNodes([*id].into());
            Ok((next, ChangeMembers::Batch(vec![gone, ChangeMembers::AddNodes([(next, seat)].into())])))
        }
        None => {
            room(seats.len())?;
            Ok((next, ChangeMembers::AddNodes([(next, seat)].into())))
        }
    }
}

impl Plan {
    fn id(&self) -> u64 {
        match self {
            Plan::Nothing(id) | Plan::Add(id) | Plan::Promote(id) | Plan::RemoveVoter(id) | Plan::RemoveLearner(id) => {
                *id
            }
            Plan::Replace { new, .. } => *new,
        }
    }

    /// What the core is to do; voters that go are no members any more.
    fn change(&self, order: &MemberOrder) -> Option<ChangeMembers<u64, Seat>> {
        Some(match (self, order) {
            (Plan::Add(id), MemberOrder::Add(member)) => {
                ChangeMembers::AddNodes(BTreeMap::from([(*id, Seat { member: member.clone(), disk: None })]))
            }
            (Plan::Promote(id), _) => ChangeMembers::AddVoterIds(BTreeSet::from([*id])),
            (Plan::RemoveVoter(id), _) => ChangeMembers::RemoveVoters(BTreeSet::from([*id])),
            (Plan::RemoveLearner(id), _) => ChangeMembers::RemoveNodes(BTreeSet::from([*id])),
            (Plan::Replace { old, new }, _) => ChangeMembers::Batch(vec![
                ChangeMembers::AddVoterIds(BTreeSet::from([*new])),
                ChangeMembers::RemoveVoters(BTreeSet::from([*old])),
            ]),
            (Plan::Nothing(_) | Plan::Add(_), _) => return None,
        })
    }
}

const BUSY: &str = "another change of the members is under way";

impl<M: StateMachine> Shared<M> {
    /// The membership, and where it stands in the log, if it is committed and no change of it is under way.
    pub(crate) fn settled_membership(&self) -> Option<(Option<LogId>, Membership)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let (effective, committed) = (&metrics.membership_config, &metrics.committed_membership_config);
        let uniform = effective.membership().get_joint_config().len() == 1;
        let settled = uniform && effective.log_id() == committed.log_id();
        settled.then(|| (*effective.log_id(), effective.membership().clone()))
    }

    /// Carries an order out. On the leader only.
    pub(crate) async fn change_members(
        &self,
        order: MemberOrder,
        deadline: Instant,
    ) -> Result<MemberChange, OrderError> {
        let _one_at_a_time = self.changing.try_lock().map_err(|_| OrderError::Refused(BUSY.to_owned()))?;
        self.caught_up(deadline).await?;
        let (at, membership) = self.settled_membership().ok_or_else(|| OrderError::Refused(BUSY.to_owned()))?;
        let view = self.view(&membership).await;
        let plan = decide(&order, &view).map_err(OrderError::Refused)?;
        if let Some(change) = plan.change(&order) {
            self.commit(change, at, deadline).await?;
            tracing::info!(?plan, "the members changed");
        }
        Ok(self.outcome(&plan))
    }

    /// Takes in an empty node as a learner, or says again which id it was given. On the leader only.
    pub(crate) async fn take_in(&self, comer: Comer, deadline: Instant) -> Result<u64, OrderError> {
        let Comer { disk, member, version_max } = comer;
        let Ok(_one_at_a_time) = timeout_at(deadline, self.changing.lock()).await else {
            return Err(OrderError::Refused(BUSY.to_owned()));
        };
        self.caught_up(deadline).await?;
        versions::allows(version_max, self.state.version()).map_err(OrderError::Refused)?;
        let (at, membership) = self.settled_membership().ok_or_else(|| OrderError::Refused(BUSY.to_owned()))?;
        let seats: BTreeMap<u64, Seat> = membership.nodes().map(|(id, seat)| (*id, seat.clone())).collect();
        if let Some((id, _)) = seats.iter().find(|(_, seat)| seat.disk == Some(disk)) {
            return Ok(*id);
        }
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let seat = Seat { member, disk: Some(disk) };
        let (id, change) = taking_in(&seats, &voters, self.minted(), seat).map_err(OrderError::Refused)?;
        self.commit(change, at, deadline).await?;
        tracing::info!(node = id, "took a node in as a learner");
        Ok(id)
    }

    /// Everything that was committed is applied here: so this is the leader, and it knows all ids that were ever given.
    async fn caught_up(&self, deadline: Instant) -> Result<(), OrderError> {
        let reached = async {
            let index = self.leader_read_index().await?;
            self.applied(index, deadline).await
        };
        match timeout_at(deadline, reached).await {
            Ok(done) => done.map_err(OrderError::NoQuorum),
            Err(_) => Err(OrderError::NoQuorum("the quorum did not answer in time".to_owned())),
        }
    }

    /// The highest id that was ever given.
    pub(crate) fn minted(&self) -> u64 {
        self.members.read().keys().copied().max().unwrap_or(0).max(self.state.minted())
    }

    async fn view(&self, membership: &Membership) -> View {
        let asked = membership.nodes().map(|(id, seat)| self.member_status(*id, seat.member.clone()));
        let statuses = futures::future::join_all(asked).await;
        let metrics = self.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log.map_or(0, |id| id.index);
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let seen = |status: crate::MemberStatus| {
            let own = (status.id == self.config.node).then_some(last);
            let matched = metrics.replication.as_ref().and_then(|all| all.get(&status.id)?.map(|id| id.index));
            let seen = Seen {
                voter: voters.contains(&status.id),
                bound: membership.get_node(&status.id).is_some_and(|seat| seat.disk.is_some()),
                healthy: status.healthy,
                lag: last.saturating_sub(own.or(matched).unwrap_or(0)),
                peer: status.member.peer,
            };
            (status.id, seen)
        };
        let members = statuses.into_iter().map(seen).collect();
        View { leader: self.config.node, minted: self.minted(), members }
    }

    async fn commit(
        &self,
        change: ChangeMembers<u64, Seat>,
        at: Option<LogId>,
        deadline: Instant,
    ) -> Result<(), OrderError> {
        let only_if = [Precondition::LastMembershipLogId { last_membership_log_id: at }];
        match timeout_at(deadline, self.raft.change_membership_if(change, false, only_if)).await {
            Ok(Ok(_)) => Ok(()),
            // A joint change has two steps, of which the first may stand.
            Ok(Err(error)) => Err(OrderError::Unknown(error.to_string())),
            Err(_) => Err(OrderError::Unknown("no quorum in time".to_owned())),
        }
    }

    fn outcome(&self, plan: &Plan) -> MemberChange {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        MemberChange {
            id: plan.id(),
            changed: !matches!(plan, Plan::Nothing(_)),
            voters: membership.voter_ids().collect(),
            learners: membership.learner_ids().collect(),
        }
    }
}

#[cfg(test)]
#[path = "orders_test.rs"]
mod tests;
