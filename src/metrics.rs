//! What is read off the node when somebody asks for `/metrics`. All names of this room are here.

use crate::alarms::{Alarms, State};
use crate::auditor::{Findings, Found};
use crate::machine::LedgerMachine;
use crate::replicated::Replicated;
use crate::secure::Certificates;
use crate::sweeper::Unconfirmed;
use cluster::{ClockCheck, Node};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use standin::breaker::Phase;
use standin::journal::Condition;
use standin::policy::Refusal;
use standin::{Desk, Status};
use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Raft's state and the books' size, as this node sees them.
#[derive(Debug)]
pub struct RaftState {
    /// The node.
    pub node: Node<LedgerMachine>,
    /// What the last walk found.
    pub unconfirmed: Unconfirmed,
    /// How many decisions this machine is meant to remember.
    pub tokens_max: u64,
    /// What audits have found while this node led.
    pub findings: Findings,
}

impl RaftState {
    /// Of this node, with nothing found yet.
    pub fn new(node: Node<LedgerMachine>, tokens_max: u64) -> RaftState {
        RaftState { node, unconfirmed: Unconfirmed::default(), tokens_max, findings: Findings::default() }
    }
}

/// The calls at the issuer's interface that had no credentials, or wrong ones.
pub fn issuer_turned_away(registry: &mut Registry) -> Counter {
    let counter = Counter::default();
    let help = "Calls at the issuer's interface without credentials, or with wrong ones";
    registry.register("holdfast_issuer_unauthenticated", help, counter.clone());
    counter
}

/// The calls of the operators' interface whose callers were not known.
pub fn admin_turned_away(registry: &mut Registry) -> Counter {
    let counter = Counter::default();
    let help = "Calls of the admin interface by callers who are not known";
    registry.register("holdfast_admin_unauthenticated", help, counter.clone());
    counter
}

/// Name, help and value.
type Row = (&'static str, &'static str, i64);

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn raft(node: &Node<LedgerMachine>) -> [Row; 10] {
    let progress = node.progress();
    let contact_ms = node.contact_age().map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let leads = i64::from(node.leader() == Some(node.id()));
    [
        ("holdfast_raft_is_leader", "1 on the node that leads", leads),
        ("holdfast_raft_leader_id", "Who leads, 0 if nobody is known to", count(node.leader().unwrap_or(0))),
        ("holdfast_raft_term", "Raft's term on this node", count(progress.term)),
        ("holdfast_raft_last_log_index", "Last entry in this node's log", count(progress.last_log_index)),
        ("holdfast_raft_applied_index", "Last entry applied on this node", count(progress.applied_index)),
        ("holdfast_raft_snapshot_index", "What the newest snapshot covers", count(progress.snapshot_index)),
        ("holdfast_raft_purged_index", "Up to where the log is gone", count(progress.purged_index)),
        ("holdfast_raft_log_bytes", "Bytes of entries kept in the log", count(progress.log_bytes)),
        ("holdfast_raft_contact_age_milliseconds", "Age of quorum contact, -1: never", contact_ms),
        ("holdfast_raft_in_contact", "1 while in quorum contact", i64::from(node.in_contact())),
    ]
}

/// Nothing where it cannot be told.
fn clock(node: &Node<LedgerMachine>) -> impl Iterator<Item = Row> {
    let rows = |check: ClockCheck| {
        let help = "How far this clock is ahead of the middle one of all members', at the least; negative: behind";
        [
            ("holdfast_clock_ahead_microseconds", help, check.ahead_us),
            ("holdfast_clock_unfit", "1 while this clock is so wrong that the node does not lead", check.unfit.into()),
        ]
    };
    node.clock_check().map(rows).into_iter().flatten()
}

fn books(node: &Node<LedgerMachine>) -> [Row; 12] {
    node.read(|machine| {
        let books = machine.as_ref();
        let troubled = books.troubled();
        [
            ("holdfast_ledger_accounts", "Accounts in the books", count(books.accounts_count())),
            ("holdfast_ledger_holds", "Holds that stand", count(books.holds_count())),
            ("holdfast_ledger_tokens", "Decisions remembered", count(books.tokens_count())),
            (
                "holdfast_ledger_conflicts",
                "Holds that stand although somebody was told no",
                count(books.conflicts_count()),
            ),
            ("holdfast_ledger_chains_overshot", "Card transactions paid beyond their hold", count(troubled.overshoots)),
            ("holdfast_ledger_chains_unpromised", "Card transactions paid without a hold", count(troubled.unpromised)),
            (
                "holdfast_ledger_chains_late",
                "Card transactions paid after their hold had expired",
                count(troubled.late),
            ),
            (
                "holdfast_ledger_chains_excess",
                "Card transactions given back more than was paid",
                count(troubled.excesses),
            ),
            ("holdfast_ledger_chains_differing", "Card transactions whose facts differ", count(troubled.differing)),
            ("holdfast_ledger_chains_expired", "Card transactions whose hold expired here", count(troubled.expired)),
            ("holdfast_ledger_dead_letters", "Reports that could not be booked", count(books.letters_count())),
            (
                "holdfast_ledger_dead_letters_full",
                "1 while one more would find no room, and reports are sent back: alarm",
                i64::from(books.letters_count() >= ledger::DeadLetter::COUNT_MAX),
            ),
        ]
    })
}

fn audits(found: &Found) -> [Row; 4] {
    [
        ("holdfast_audit_index", "At which index all books were compared last while this node led", count(found.index)),
        ("holdfast_audit_differing_members", "Members whose books differed: alarm", count(found.differ.len() as u64)),
        ("holdfast_audit_violations", "Broken invariants that it found: alarm", count(found.violations.len() as u64)),
        ("holdfast_audit_unreached_members", "Members that it could not ask", count(found.unreached)),
    ]
}

impl Collector for RaftState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let unconfirmed = (
            "holdfast_ledger_unconfirmed_holds",
            "Holds older than their programme's unconfirmed_after that no report has confirmed, as the last walk found: alarm",
            count(self.unconfirmed.count()),
        );
        let tokens_max =
            ("holdfast_ledger_tokens_max", "Decisions that this machine is meant to remember", count(self.tokens_max));
        let rows = raft(&self.node).into_iter().chain(books(&self.node)).chain(audits(&self.findings.get()));
        for (name, help, value) in rows.chain([unconfirmed, tokens_max]).chain(clock(&self.node)) {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

/// The alarms that this node watches.
pub struct AlarmState(pub Arc<dyn Alarms>);

impl fmt::Debug for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlarmState")
    }
}

impl Collector for AlarmState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "1 while the alarm is raised; those that nobody watches are not here. See docs/runbooks.md";
        let mut family = encoder.encode_descriptor("holdfast_alarm", help, None, MetricType::Gauge)?;
        for alarm in self.0.alarms() {
            let value = match alarm.state {
                State::On(_) => 1,
                State::Off => 0,
                State::Unwatched => continue,
            };
            ConstGauge::<i64>::new(value).encode(family.encode_family(&[("alarm", alarm.name)])?)?;
        }
        Ok(())
    }
}

/// When the certificates of this node run out.
#[derive(Debug)]
pub struct CertificateEnds(pub Certificates);

impl Collector for CertificateEnds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut ends = self.0.ends().peekable();
        if ends.peek().is_none() {
            return Ok(());
        }
        let (name, help) = ("holdfast_certificate_not_after", "When a listener's certificate runs out, as Unix time");
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (listener, end) in ends {
            let since = end.duration_since(UNIX_EPOCH).map_or(0, |since| count(since.as_secs()));
            ConstGauge::new(since).encode(family.encode_family(&[("listener", listener)])?)?;
        }
        Ok(())
    }
}

/// The breaker, the journal and the limits of this node.
pub struct StandInState(pub Arc<Desk<Replicated>>);

impl fmt::Debug for StandInState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandInState")
    }
}

fn stand_in(status: &Status) -> [Row; 8] {
    let phase = match status.phase {
        Phase::Closed => 0,
        Phase::HalfOpen => 1,
        Phase::Open => 2,
    };
    let good = i64::from(status.journal == Condition::Good);
    let money = |minor: Option<u128>| minor.map_or(0, |minor| i64::try_from(minor).unwrap_or(i64::MAX));
    let exposure = status.exposure;
    let us = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    [
        ("holdfast_breaker_phase", "0 closed, 1 half open, 2 open", phase),
        ("holdfast_standin_journal_good", "1 while the journal can back an approval: alarm at 0", good),
        (
            "holdfast_standin_worst_case_minor",
            "What could be approved alone if every node were cut off now, in minor units",
            money(exposure.map(|exposure| exposure.worst_case_minor)),
        ),
        (
            "holdfast_standin_spent_minor",
            "What this node has approved alone in the window, in minor units",
            money(exposure.map(|exposure| exposure.spent_minor.into())),
        ),
        (
            "holdfast_standin_left_minor",
            "What this node may still approve alone in the window, in minor units",
            money(exposure.map(|exposure| exposure.left_minor.into())),
        ),
        ("holdfast_standin_journal_groups", "Groups that the journal has synced", count(status.syncs.groups)),
        ("holdfast_standin_journal_sync_microseconds", "Time of all of them together", us(status.syncs.total)),
        ("holdfast_standin_journal_sync_max_microseconds", "Time of the longest", us(status.syncs.longest)),
    ]
}

impl Collector for StandInState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.status();
        for (name, help, value) in stand_in(&status) {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counts = self.0.counts();
        let orphans = ConstGauge::new(count(counts.owed_dropped));
        let help = "Holds that may stand although their request was declined here, and nobody will void: target 0";
        orphans.encode(encoder.encode_descriptor("holdfast_orphan_holds", help, None, orphans.metric_type())?)?;
        let help = "Changes of the breaker's phase, by cause";
        let mut family = encoder.encode_descriptor("holdfast_breaker_transitions", help, None, MetricType::Counter)?;
        for (cause, times) in status.transitions {
            ConstCounter::new(times).encode(family.encode_family(&[("cause", cause.name())])?)?;
        }
        let help = "Requests declined alone, by why they were not approved";
        let mut family = encoder.encode_descriptor("holdfast_standin_declined", help, None, MetricType::Counter)?;
        for (refusal, times) in Refusal::ALL.into_iter().zip(counts.refusals) {
            ConstCounter::new(times).encode(family.encode_family(&[("why", refusal.name())])?)?;
        }
        Ok(())
    }
}
