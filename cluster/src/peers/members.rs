//! Orders on the members, on the wire.

use crate::Member;
use crate::orders::{MemberChange, MemberOrder};
use proto::peer::v1::change_members_request::{Add, Order, Replace};
use proto::peer::v1::{ChangeMembersRequest, ChangeMembersResponse};

pub(super) fn order(order: Order) -> MemberOrder {
    match order {
        Order::Add(Add { peer, admin }) => MemberOrder::Add(Member { peer, admin }),
        Order::Promote(id) => MemberOrder::Promote(id),
        Order::Remove(id) => MemberOrder::Remove(id),
        Order::Replace(Replace { old, new }) => MemberOrder::Replace { old, new },
    }
}

/// An order on its way to the leader.
pub(crate) fn wire(order: MemberOrder) -> ChangeMembersRequest {
    let order = match order {
        MemberOrder::Add(Member { peer, admin }) => Order::Add(Add { peer, admin }),
        MemberOrder::Promote(id) => Order::Promote(id),
        MemberOrder::Remove(id) => Order::Remove(id),
        MemberOrder::Replace { old, new } => Order::Replace(Replace { old, new }),
    };
    ChangeMembersRequest { order: Some(order) }
}

pub(super) fn response(change: MemberChange) -> ChangeMembersResponse {
    let MemberChange { id, changed, voters, learners } = change;
    ChangeMembersResponse { id, changed, voters, learners }
}

/// The leader's answer.
pub(crate) fn change(response: ChangeMembersResponse) -> MemberChange {
    let ChangeMembersResponse { id, changed, voters, learners } = response;
    MemberChange { id, changed, voters, learners }
}
