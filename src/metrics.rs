//! What is read off the node when somebody asks for `/metrics`. All names of this room are here.

use crate::machine::LedgerMachine;
use cluster::Node;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

/// Raft's state and the books' size, as this node sees them.
#[derive(Debug)]
pub struct RaftState(pub Node<LedgerMachine>);

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

fn books(node: &Node<LedgerMachine>) -> [Row; 4] {
    node.read(|machine| {
        let books = machine.as_ref();
        [
            ("holdfast_ledger_accounts", "Accounts in the books", count(books.accounts_count())),
            ("holdfast_ledger_holds", "Holds that stand", count(books.holds_count())),
            ("holdfast_ledger_tokens", "Decisions remembered", count(books.tokens_count())),
            (
                "holdfast_ledger_conflicts",
                "Holds that stand although somebody was told no",
                count(books.conflicts_count()),
            ),
        ]
    })
}

impl Collector for RaftState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, value) in raft(&self.0).into_iter().chain(books(&self.0)) {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
