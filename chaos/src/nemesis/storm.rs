//! A storm of reports: whole lives of transactions, out of order, late and again and again.
//!
//! What must hold: what is reported so moves the money that it should, once; every checker looks at the storm's own
//! history and accounts.

use super::{Active, Field, Kept, traffic};
use crate::check::Verdict;
use crate::draw::mix;
use crate::history::{Heard, Task};
use crate::scenario::fault::Storm;
use crate::stories::{Order, Stories};
use crate::workload::{Mix, Profile};
use anyhow::Result;
use std::collections::BTreeSet;
use std::time::Duration;

/// Few reports each: what an account's requests may have come to is searched for.
const ACCOUNTS: u64 = 400;
/// This share of the reports comes late, and the same share comes twice.
const LATE_PERCENT: u64 = 60;

/// Begins to post.
pub fn begin(field: &mut Field<'_>, active: &mut Active, storm: Storm) -> Result<()> {
    let order = Order {
        name: format!("storm-{}", active.place),
        profile: Profile {
            mix: Mix { authorize: 0, live: 1, read: 0, change: 0 },
            accounts: ACCOUNTS,
            hot_percent: 0,
            late_percent: LATE_PERCENT,
            ..Profile::default()
        },
        rate_per_s: storm.rate_per_s,
        clients: storm.clients,
        duration: Duration::from_millis(active.step.for_ms),
        deadline: Duration::from_millis(field.deadline_ms),
        seed: mix(field.seed ^ active.place as u64),
        limits: field.limits,
        doors: &traffic::doors(field, active),
        admins: &field.target.admins(),
        login: &field.login,
        out: &field.out,
    };
    active.kept = Kept::Storm(Stories::start(&field.runtime, order)?);
    Ok(())
}

/// Waits until all is posted; gives what the checkers found wrong.
pub fn conclude(field: &mut Field<'_>, active: &mut Active, storm: Stories) -> Result<Vec<String>> {
    let played = storm.finish(&field.runtime, &field.member_admins())?;
    let (mut posted, mut refused) = (0u64, 0u64);
    let mut different = BTreeSet::new();
    for op in &played.history.ops {
        let Task::Report(report) = &op.task else { continue };
        if op.heard == Heard::Ok {
            posted += 1;
            different.insert(&report.transaction);
        } else {
            refused += 1;
        }
    }
    let again = posted - different.len() as u64;
    let text = format!("{posted} reports were taken, {again} of them again; {refused} posts were not and came again");
    active.sign(posted > 0 && again > 0, text);
    let mut violations = Vec::new();
    // Lateness is what the load is judged by.
    for finding in played.findings.iter().filter(|finding| finding.checker != "in_time") {
        let text = format!("storm-{}/{}: {}", active.place, finding.checker, finding.why.join("; "));
        match finding.verdict {
            Verdict::Held => {}
            Verdict::Violated => violations.push(text),
            Verdict::Inconclusive => active.sign(false, text),
        }
    }
    active.sign(played.history.complete, "its history was recorded to its end");
    Ok(violations)
}
