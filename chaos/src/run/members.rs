//! The invariant `members`: in the end every node knows the same members, those that the timeline's changes leave, and
//! each has a vote.
//!
//! What must hold: a node that cannot be asked is no pass; one that is behind may catch up for a while.

use super::judge::{Judgement, Outcome};
use crate::nemesis::Field;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For the last change to have come to everybody.
const AGREE_MAX: Duration = Duration::from_secs(20);

/// What a node said: its list of members with their roles, or why it said nothing.
type Said = Result<Vec<(u64, String)>, String>;

/// Asks all members.
pub fn judge(field: &Field<'_>) -> Judgement {
    let mut said = BTreeMap::new();
    field.stop.poll(AGREE_MAX, || {
        let ask = |node: u64| field.runtime.block_on(field.admin.members(node)).map_err(|error| format!("{error:#}"));
        said = field.members.iter().map(|node| (*node, ask(*node))).collect();
        outcome(&field.members, &said) == Outcome::Pass
    });
    let outcome = match (outcome(&field.members, &said), field.stop.is_set()) {
        // It may only have been behind.
        (Outcome::Violated, true) => Outcome::Unknown,
        (outcome, _) => outcome,
    };
    let text = |(node, said): (&u64, &Said)| match said {
        Ok(members) => {
            let each: Vec<String> = members.iter().map(|(id, role)| format!("{id} {role}")).collect();
            format!("node {node}: {}", each.join(", "))
        }
        Err(why) => format!("node {node}: {why}"),
    };
    Judgement {
        name: "members".to_owned(),
        wanted: format!("{:?} at every node, each with a vote", field.members),
        got: said.iter().map(text).collect::<Vec<_>>().join("; "),
        outcome,
    }
}

fn outcome(wanted: &BTreeSet<u64>, said: &BTreeMap<u64, Said>) -> Outcome {
    let right = |members: &[(u64, String)]| {
        let ids: BTreeSet<u64> = members.iter().map(|(id, _)| *id).collect();
        ids == *wanted && members.len() == wanted.len() && members.iter().all(|(_, role)| role != "learner")
    };
    let wrong = said.values().flatten().any(|members| !right(members));
    let silent = said.is_empty() || said.values().any(Result::is_err);
    match (wrong, silent) {
        (true, _) => Outcome::Violated,
        (false, true) => Outcome::Unknown,
        (false, false) => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lists: &[&[(u64, &str)]]) -> BTreeMap<u64, Said> {
        let list = |members: &&[(u64, &str)]| Ok(members.iter().map(|(id, role)| (*id, (*role).to_owned())).collect());
        (1..).zip(lists.iter().map(list)).collect()
    }

    #[test]
    fn everybody_must_know_the_members_and_all_must_vote() {
        let wanted = [1, 3].into();
        let good: &[(u64, &str)] = &[(1, "leader"), (3, "follower")];
        assert_eq!(outcome(&wanted, &said(&[good, good])), Outcome::Pass);
        for bad in [
            &[(1, "leader")][..],
            &[(1, "leader"), (3, "learner")],
            &[(1, "leader"), (2, "follower"), (3, "follower")],
            &[(1, "leader"), (3, "follower"), (3, "follower")],
        ] {
            assert_eq!(outcome(&wanted, &said(&[good, bad])), Outcome::Violated, "{bad:?}");
        }
        let mut silent = said(&[good]);
        silent.insert(3, Err("no answer".to_owned()));
        assert_eq!(outcome(&wanted, &silent), Outcome::Unknown);
        assert_eq!(outcome(&wanted, &BTreeMap::new()), Outcome::Unknown);
    }
}
