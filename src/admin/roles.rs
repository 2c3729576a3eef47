//! What each rpc of the operators' interface needs of its caller. The one place where that is said.
//!
//! What must hold: every rpc of the proto is here (a test reads it); one that is not is refused.

use serde::{Deserialize, Serialize};

/// What somebody may do. An admin may do everything, everybody may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    #[default]
    Viewer,
    /// And run the cluster: leadership, snapshots, backups, the breaker.
    Operator,
    /// And say who may spend: controls, accounts, cards and users frozen, reports that could not be booked.
    Risk,
    /// And move money.
    Admin,
}

impl Role {
    /// As the configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Risk => "risk",
            Role::Admin => "admin",
        }
    }

    /// Whether this role does for what needs that one.
    pub fn may(self, needed: Role) -> bool {
        self == Role::Admin || needed == Role::Viewer || self == needed
    }
}

/// Whether a call leaves a line of who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// Nothing changes.
    Silent,
    /// Something changes, or everything is taken away.
    Logged,
}

use Trace::{Logged, Silent};

/// Every rpc, the role it needs, and whether it is logged.
pub(super) const RPCS: &[(&str, Role, Trace)] = &[
    ("OpenAccounts", Role::Admin, Logged),
    ("MoveMoney", Role::Admin, Logged),
    ("SetAccountStatus", Role::Risk, Logged),
    ("ShowAccount", Role::Viewer, Silent),
    ("ListAccounts", Role::Viewer, Silent),
    ("ListHolds", Role::Viewer, Silent),
    ("ListUnconfirmedHolds", Role::Viewer, Silent),
    ("Books", Role::Viewer, Silent),
    ("Explain", Role::Viewer, Silent),
    ("WatchEvents", Role::Viewer, Silent),
    ("ListJournal", Role::Viewer, Silent),
    ("ListDeadLetters", Role::Viewer, Silent),
    ("ShowDeadLetter", Role::Viewer, Silent),
    ("ReplayDeadLetter", Role::Risk, Logged),
    ("DropDeadLetter", Role::Risk, Logged),
    ("SetControls", Role::Risk, Logged),
    ("ShowControls", Role::Viewer, Silent),
    ("ListLimits", Role::Viewer, Silent),
    ("SetParty", Role::Risk, Logged),
    ("ShowParty", Role::Viewer, Silent),
    ("ClusterStatus", Role::Viewer, Silent),
    ("ChangeMembers", Role::Operator, Logged),
    ("TransferLeader", Role::Operator, Logged),
    ("Snapshot", Role::Operator, Logged),
    ("Verify", Role::Viewer, Silent),
    ("ListSnapshots", Role::Viewer, Silent),
    ("Backup", Role::Operator, Logged),
    ("CompareReports", Role::Viewer, Silent),
    ("EndReconciling", Role::Admin, Logged),
    ("ListAlarms", Role::Viewer, Silent),
    ("StandInStatus", Role::Viewer, Silent),
    ("SetBreaker", Role::Operator, Logged),
];

/// What the rpc at this path needs.
pub(super) fn needs(path: &str) -> Option<(&'static str, Role, Trace)> {
    let name = path.strip_prefix("/holdfast.admin.v1.Admin/")?;
    RPCS.iter().find(|(known, ..)| *known == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = include_str!("../../proto/holdfast/admin/v1/admin.proto");

    #[test]
    fn every_rpc_of_the_interface_has_a_role_and_no_other() {
        let rpc = |line: &'static str| line.trim_start().strip_prefix("rpc ")?.split('(').next();
        let rpcs: Vec<&str> = PROTO.lines().filter_map(rpc).collect();
        let known: Vec<&str> = RPCS.iter().map(|(name, ..)| *name).collect();
        for name in &rpcs {
            assert!(known.contains(name), "{name} has no role in src/admin/roles.rs");
        }
        assert_eq!(rpcs.len(), known.len(), "{known:?}");
    }

    #[test]
    fn what_needs_more_than_to_look_is_logged() {
        for (name, needed, trace) in RPCS {
            assert_eq!(*needed == Role::Viewer, *trace == Trace::Silent, "{name}");
        }
    }

    #[test]
    fn an_admin_may_all_and_operator_and_risk_not_each_others() {
        let all = [Role::Viewer, Role::Operator, Role::Risk, Role::Admin];
        let may = |role: Role| all.map(|needed| role.may(needed));
        assert_eq!(may(Role::Viewer), [true, false, false, false]);
        assert_eq!(may(Role::Operator), [true, true, false, false]);
        assert_eq!(may(Role::Risk), [true, false, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
        assert_eq!(needs("/holdfast.admin.v1.Admin/Nothing"), None);
        assert_eq!(needs("/holdfast.issuer.v1.Issuer/ShowAccount"), None);
    }
}
