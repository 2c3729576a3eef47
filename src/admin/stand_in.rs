//! The port of stand-in, and its answers: what one node says alone is that node's own affair, so nothing here asks a
//! cluster, and everything works without a quorum.

use proto::admin::v1 as wire;
use standin::breaker::{Mode, Order};
use standin::journal::Condition;
use standin::{Decide, Desk, Status};
use std::io;

/// The stand-in of the node that answers.
pub trait StandIn: Send + Sync + 'static {
    /// As it stands.
    fn status(&self) -> Status;
    /// Opens the breaker and keeps it open.
    /// An error: it is open, and a restart will forget it.
    fn force_open(&self, order: Order) -> io::Result<()>;
    /// Lets the breaker rule itself again.
    /// An error: it does, and a restart may open it anew.
    fn auto(&self, order: Order) -> io::Result<()>;
}

impl<D: Decide> StandIn for Desk<D> {
    fn status(&self) -> Status {
        Desk::status(self)
    }

    fn force_open(&self, order: Order) -> io::Result<()> {
        Desk::force_open(self, order)
    }

    fn auto(&self, order: Order) -> io::Result<()> {
        Desk::auto(self, order)
    }
}

/// On the wire.
pub(super) fn response(node: u64, status: &Status) -> wire::StandInStatusResponse {
    let (mode, order) = match &status.mode {
        Mode::Auto(order) => ("auto", order.clone()),
        Mode::ForcedOpen(order) => ("forced-open", Some(order.clone())),
    };
    let (who, why) = order.map(|Order { who, why }| (who, why)).unwrap_or_default();
    let (journal, journal_problem) = match &status.journal {
        Condition::Good => ("good", String::new()),
        Condition::Absent => ("absent", String::new()),
        Condition::Unreadable(problem) => ("unreadable", problem.clone()),
        Condition::Unwritable(problem) => ("unwritable", problem.clone()),
    };
    let money = |minor: u128, currency| ledger::format_minor(i128::try_from(minor).unwrap_or(i128::MAX), currency);
    let exposure = status.exposure.map(|exposure| wire::Exposure {
        currency: exposure.currency.code().to_owned(),
        window: exposure.window,
        spent: money(exposure.spent_minor.into(), exposure.currency),
        left: money(exposure.left_minor.into(), exposure.currency),
        worst_case: money(exposure.worst_case_minor, exposure.currency),
    });
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    wire::StandInStatusResponse {
        node,
        phase: status.phase.name().to_owned(),
        mode: mode.to_owned(),
        who,
        why,
        changed_ms_ago: status.changed.map(|(ago, ..)| millis(ago)),
        changed_from: status.changed.map(|(_, from, _)| from.name().to_owned()).unwrap_or_default(),
        cause: status.changed.map(|(.., cause)| cause.name().to_owned()).unwrap_or_default(),
        contact_age_ms: Some(millis(status.contact_age)),
        owed: status.owed,
        policy: if exposure.is_some() { "approve" } else { "decline" }.to_owned(),
        journal: journal.to_owned(),
        journal_problem,
        exposure,
    }
}
