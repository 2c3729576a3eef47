//! How much a node may approve alone, and what it has used of that: model M2, rule for rule.
//!
//! **What must hold.** Rule 1: a node uses `limit / nodes` of each limit that the whole cluster must keep, rounded
//! down, `nodes` being the *configured* ones: a node that is cut off cannot tell who else is. Rule 2: what it used
//! counts for the whole window of log time. Nothing gives it back: not a restart, not contact, not settlement, not a
//! clock that runs back. All of one currency: a request in another one finds no limit, and is declined.
//!
//! **What is deliberately not here.** Where it is kept durable: [`crate::journal`].

use ledger::{Amount, Currency, Program, UserToken};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// Limits as an operator states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// How many nodes the cluster is configured to have.
    pub nodes: u32,
    /// For one request.
    pub per_transaction: Amount,
    /// For one account and window, over the whole cluster.
    pub per_account: Amount,
    /// Approvals for one account and window, over the whole cluster.
    pub per_account_count: u32,
    /// For one node and window, all accounts together.
    pub per_node: Amount,
    /// For the whole cluster and window; none: `per_node` alone.
    pub total: Option<Amount>,
    /// The window of log time.
    pub window: Duration,
}

/// Why limits bound nothing, or allow nothing. Names the key of `[standin]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("standin.{key}: {problem}")]
pub struct LimitError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A node's part of the limits. Never without a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) nodes: NonZeroU32,
    pub(crate) currency: Currency,
    pub(crate) transaction_minor: u64,
    pub(crate) account_minor: u64,
    pub(crate) account_count: u32,
    pub(crate) node_minor: u64,
    pub(crate) window_us: u64,
}

/// Whose money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whose {
    pub(crate) program: Program,
    pub(crate) user: UserToken,
    pub(crate) currency: Currency,
}

/// What was used for one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// In this window.
    pub(crate) minor: u64,
    /// In this window.
    pub(crate) count: u32,
    /// Of whatever window: approved, and not yet seen in the books.
    pub(crate) unsettled_minor: u64,
}

/// What a node has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    window: u64,
    node: HashMap<Currency, u64>,
    accounts: HashMap<Whose, Used>,
}

fn wrong<T>(key: &'static str, problem: &'static str) -> Result<T, LimitError> {
    Err(LimitError { key, problem })
}

impl Limits {
    /// A node's part (rule 1).
    pub fn new(stated: &Stated) -> Result<Limits, LimitError> {
        let Some(nodes) = NonZeroU32::new(stated.nodes) else { return wrong("nodes", "there are none") };
        let currency = stated.per_transaction.currency();
        let total = stated.total.unwrap_or(stated.per_node);
        let all = [("per_account", stated.per_account), ("per_node", stated.per_node), ("total", total)];
        if let Some((key, _)) = all.iter().find(|(_, amount)| amount.currency() != currency) {
            return wrong(key, "is of another currency than standin.per_transaction");
        }
        let part = |amount: Amount| amount.minor() / u64::from(nodes.get());
        let node_minor = stated.total.map_or(stated.per_node.minor(), |total| stated.per_node.minor().min(part(total)));
        let window_us = u64::try_from(stated.window.as_micros()).unwrap_or(u64::MAX);
        let limits = Limits {
            nodes,
            currency,
            transaction_minor: stated.per_transaction.minor(),
            account_minor: part(stated.per_account),
            account_count: stated.per_account_count / nodes.get(),
            node_minor,
            window_us,
        };
        let parts = [
            ("per_transaction", limits.transaction_minor),
            ("per_account", limits.account_minor),
            ("per_account_count", u64::from(limits.account_count)),
            ("per_node", stated.per_node.minor()),
            ("total", limits.node_minor),
            ("window_s", limits.window_us),
        ];
        match parts.into_iter().find(|(_, part)| *part == 0) {
            Some((key, _)) => wrong(key, "leaves a node nothing: divided by the configured nodes it is 0"),
            None => Ok(limits),
        }
    }

    /// Its number: which window a log time lies in.
    pub(crate) fn window_of(&self, log_time: ledger::Timestamp) -> u64 {
        log_time.0 / self.window_us
    }

    /// The most that a node can approve for one account in one window: amount and count bound it.
    pub fn account_most_minor(&self) -> u64 {
        self.account_minor.min(self.transaction_minor.saturating_mul(u64::from(self.account_count)))
    }
}

impl Usage {
    /// The window that is being counted.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Goes to a later window; an earlier one is ignored (rule 2). What is unsettled stays counted as such.
    pub(crate) fn turn(&mut self, window: u64) {
        if window <= self.window {
            return;
        }
        self.window = window;
        self.node.clear();
        self.accounts.retain(|_, used| {
            *used = Used { unsettled_minor: used.unsettled_minor, ..Used::default() };
            used.unsettled_minor > 0
        });
    }

    /// Counts an approval of a window; one of an earlier window only as unsettled.
    pub(crate) fn add(&mut self, window: u64, whose: Whose, minor: u64) {
        self.turn(window);
        let used = self.accounts.entry(whose).or_default();
        used.unsettled_minor = used.unsettled_minor.saturating_add(minor);
        if window == self.window {
            used.minor = used.minor.saturating_add(minor);
            used.count = used.count.saturating_add(1);
            let node = self.node.entry(whose.currency).or_default();
            *node = node.saturating_add(minor);
        }
    }

    /// The books have it now, so what is available says it. The window goes on counting it (rule 2).
    pub(crate) fn seen_in_books(&mut self, whose: Whose, minor: u64) {
        if let Some(used) = self.accounts.get_mut(&whose) {
            used.unsettled_minor = used.unsettled_minor.saturating_sub(minor);
            if *used == Used::default() {
                self.accounts.remove(&whose);
            }
        }
    }

    /// What this node has approved in the window.
    pub(crate) fn node_minor(&self, currency: Currency) -> u64 {
        self.node.get(&currency).copied().unwrap_or_default()
    }

    /// What this node has approved for one account.
    pub(crate) fn of(&self, whose: &Whose) -> Used {
        self.accounts.get(whose).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(minor: u64) -> Amount {
        Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap()
    }

    fn stated() -> Stated {
        Stated {
            nodes: 3,
            per_transaction: usd(50),
            per_account: usd(200),
            per_account_count: 8,
            per_node: usd(1000),
            total: None,
            window: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_node_has_its_part_rounded_down() {
        let limits = Limits::new(&stated()).unwrap();
        assert_eq!((limits.account_minor, limits.account_count, limits.node_minor), (66, 2, 1000));
        assert_eq!(limits.account_most_minor(), 66);
        let limits = Limits::new(&Stated { total: Some(usd(2000)), per_account: usd(900), ..stated() }).unwrap();
        assert_eq!((limits.node_minor, limits.account_minor, limits.account_most_minor()), (666, 300, 100));
        assert_eq!(limits.window_of(ledger::Timestamp(19_999_999)), 1);
    }

    #[test]
    fn limits_that_bound_or_allow_nothing_are_refused() {
        let key = |stated: Stated| Limits::new(&stated).unwrap_err().key;
        assert_eq!(key(Stated { nodes: 0, ..stated() }), "nodes");
        assert_eq!(key(Stated { per_transaction: usd(0), ..stated() }), "per_transaction");
        assert_eq!(key(Stated { per_account: usd(2), ..stated() }), "per_account");
        assert_eq!(key(Stated { per_account_count: 2, ..stated() }), "per_account_count");
        assert_eq!(key(Stated { per_node: usd(0), ..stated() }), "per_node");
        assert_eq!(key(Stated { total: Some(usd(2)), ..stated() }), "total");
        assert_eq!(key(Stated { window: Duration::ZERO, ..stated() }), "window_s");
        let euro = Amount::new(5, Currency::from_code("EUR").unwrap()).unwrap();
        assert_eq!(key(Stated { per_node: euro, ..stated() }), "per_node");
    }

    #[test]
    fn a_window_is_never_given_back() {
        let whose = Whose {
            program: Program::new("default").unwrap(),
            user: UserToken::new("u").unwrap(),
            currency: usd(0).currency(),
        };
        let mut usage = Usage::default();
        usage.add(5, whose, 40);
        usage.seen_in_books(whose, 40);
        assert_eq!(usage.of(&whose), Used { minor: 40, count: 1, unsettled_minor: 0 });
        usage.turn(4);
        assert_eq!((usage.window(), usage.node_minor(whose.currency)), (5, 40));
        // Found in the journal of an earlier window: owed, but used up then.
        usage.add(3, whose, 7);
        assert_eq!(usage.of(&whose), Used { minor: 40, count: 1, unsettled_minor: 7 });
        usage.turn(6);
        assert_eq!(usage.of(&whose), Used { minor: 0, count: 0, unsettled_minor: 7 });
        usage.seen_in_books(whose, 7);
        assert_eq!(usage.accounts.len(), 0);
    }
}
