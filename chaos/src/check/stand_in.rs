//! Stand-in stays within its bound, and each answer that a node gave alone is in the books once.
//!
//! The bound is that of docs/standin.md: for an account at most min(L / N, (C / N) x T) by one node in a window of log
//! time, and at most B by one node in all. Log time is not seen from outside: windows are counted by the wall clock of
//! the run, and where the run touches several, the bound is that of all of them together.

use super::told::{Told, by_token};
use super::{Finding, Look};
use crate::history::{History, StandInLimits};
use std::collections::{BTreeMap, BTreeSet};

/// Clocks of machines may differ by so much, and log time may lag so much behind them while a node is cut off.
const CLOCKS_US: u64 = 60_000_000;

/// Looks at every yes that was said alone.
pub fn check(history: &History) -> Finding {
    let mut look = Look::new("stand_in");
    // Per node, and per node and account: what was approved alone. A token counts once where it was said.
    let mut nodes: BTreeMap<&str, u128> = BTreeMap::new();
    let mut accounts: BTreeMap<(&str, &str), u128> = BTreeMap::new();
    let mut tokens: BTreeSet<&str> = BTreeSet::new();
    let asked = by_token(history);
    for asked in &asked {
        let alone = asked.requests.iter().filter(|(_, told)| *told == Told::YesAlone);
        for node in alone.map(|(op, _)| &*op.node).collect::<BTreeSet<_>>() {
            look.looked += 1;
            tokens.insert(asked.token);
            *nodes.entry(node).or_default() += u128::from(asked.amount);
            *accounts.entry((node, asked.account)).or_default() += u128::from(asked.amount);
            let most = history.begin.stand_in.map_or(0, |limits| limits.per_transaction);
            if asked.amount > most {
                look.violated(format!("{}: {} approved alone at {node}, at most {most}", asked.token, asked.amount));
            }
        }
    }
    if tokens.is_empty() {
        return look.finish();
    }
    let windows = history.begin.stand_in.map_or(1, |limits| windows(history, limits));
    let limits = history.begin.stand_in.map(bounds).unwrap_or_default();
    for (node, spent) in nodes {
        within(&mut look, &format!("node {node}"), spent, limits.node * windows);
    }
    for ((node, account), spent) in accounts {
        within(&mut look, &format!("node {node}, account {account}"), spent, limits.account * windows);
    }
    if look.needs_books(history) {
        settled_once(&mut look, history, &tokens);
    }
    look.finish()
}

fn within(look: &mut Look, who: &str, spent: u128, most: u128) {
    if spent > most {
        look.violated(format!("{who}: {spent} approved alone, at most {most} may be"));
    }
}

/// What one node may approve in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    node: u128,
    account: u128,
}

fn bounds(limits: StandInLimits) -> Bounds {
    let StandInLimits { nodes, per_transaction, per_account, per_account_count, per_node, total, .. } = limits;
    let nodes = u128::from(nodes.max(1));
    let by_count = u128::from(per_account_count) / nodes * u128::from(per_transaction);
    Bounds {
        node: total.map_or(u128::MAX, |total| u128::from(total) / nodes).min(per_node.into()),
        account: (u128::from(per_account) / nodes).min(by_count),
    }
}

/// How many windows the run touches.
fn windows(history: &History, limits: StandInLimits) -> u128 {
    let length = limits.window_s.max(1).saturating_mul(1_000_000);
    let last = history.ops.last().map_or(0, |op| op.ended_us);
    let first = history.begin.unix_us.saturating_sub(CLOCKS_US) / length;
    u128::from(history.begin.unix_us.saturating_add(last) / length - first) + 1
}

/// Each has a force in the log that found or placed its hold; two that placed one would be two.
fn settled_once(look: &mut Look, history: &History, tokens: &BTreeSet<&str>) {
    if history.books.settled.as_ref().is_none_or(|settled| !settled.log) {
        look.doubt("the log was not read".into());
        return;
    }
    let mut forced: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for applied in history.books.applied.iter().filter(|applied| applied.command["kind"] == "force") {
        let Some(token) = applied.command["token"].as_str() else { continue };
        let (all, placed) = forced.entry(token).or_default();
        *all += 1;
        *placed += u32::from(applied.command["outcome"] == "settled");
    }
    for token in tokens {
        match forced.get(token) {
            None => look.violated(format!("{token}: approved alone, and no force of it in the log")),
            Some((_, placed)) if *placed > 1 => look.violated(format!("{token}: forced {placed} times")),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, bounds};
    use crate::history::StandInLimits;

    #[test]
    fn the_bound_is_that_of_the_manual() {
        let limits = StandInLimits {
            nodes: 3,
            per_transaction: 5_000,
            per_account: 6_000,
            per_account_count: 30,
            per_node: 4_500,
            total: None,
            window_s: 86_400,
        };
        assert_eq!(bounds(limits), Bounds { node: 4_500, account: 2_000 });
        assert_eq!(bounds(StandInLimits { total: Some(3_000), ..limits }).node, 1_000);
        let few = StandInLimits { per_account_count: 5, per_transaction: 700, ..limits };
        assert_eq!(bounds(few).account, 700, "five thirds are one");
    }
}
