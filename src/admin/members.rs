//! Orders on the members: from a message to what the cluster takes, and back.

use super::fields::invalid;
use crate::config::address;
use cluster::{Member, MemberChange, MemberOrder};
use proto::admin::v1 as wire;
use proto::admin::v1::change_members_request::{Add, Order, Replace};
use tonic::Status;

pub(super) fn order(request: wire::ChangeMembersRequest) -> Result<MemberOrder, Status> {
    match request.order.ok_or_else(|| invalid("order", "is required"))? {
        Order::Add(Add { peer, admin }) => {
            for (field, text) in [("add.peer", &peer), ("add.admin", &admin)] {
                address(field, text).map_err(|error| Status::invalid_argument(error.to_string()))?;
            }
            Ok(MemberOrder::Add(Member { peer, admin }))
        }
        Order::Promote(id) => Ok(MemberOrder::Promote(id)),
        Order::Remove(id) => Ok(MemberOrder::Remove(id)),
        Order::Replace(Replace { old, new }) => Ok(MemberOrder::Replace { old, new }),
    }
}

pub(super) fn response(change: MemberChange) -> wire::ChangeMembersResponse {
    let MemberChange { id, changed, voters, learners } = change;
    wire::ChangeMembersResponse { id, changed, voters, learners }
}
