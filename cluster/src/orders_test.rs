//! What is refused, and in which words.

use super::*;

fn seen(voter: bool, healthy: bool) -> Seen {
    Seen { voter, bound: true, healthy, lag: 0, peer: String::new() }
}

/// Voters 1 to 3, of whom 1 leads, and the learner 5; 4 is gone.
fn view() -> View {
    let mut members: BTreeMap<u64, Seen> = (1..=3).map(|id| (id, seen(true, true))).collect();
    members.insert(5, seen(false, true));
    for (id, seen) in &mut members {
        seen.peer = format!("node-{id}:7441");
    }
    View { leader: 1, minted: 5, members }
}

fn with(id: u64, change: impl FnOnce(&mut Seen)) -> View {
    let mut view = view();
    change(view.members.get_mut(&id).expect("a member"));
    view
}

fn down(ids: &[u64]) -> View {
    let mut view = view();
    for id in ids {
        view.members.get_mut(id).expect("a member").healthy = false;
    }
    view
}

fn add(port: u16) -> MemberOrder {
    MemberOrder::Add(Member { peer: format!("node-{port}:7441"), admin: String::new() })
}

fn refused(order: &MemberOrder, view: &View) -> String {
    decide(order, view).expect_err("refused")
}

#[test]
fn an_id_is_one_above_all_that_were_ever_given() {
    assert_eq!(decide(&add(9), &view()), Ok(Plan::Add(6)));
    let mut later = view();
    later.members.remove(&5);
    assert_eq!(decide(&add(9), &later), Ok(Plan::Add(6)), "5 is gone and does not come back");
    assert_eq!(refused(&add(3), &view()), "node 3 is at node-3:7441 already");
    for id in 6..=10 {
        later.members.insert(id, seen(false, true));
    }
    later.members.insert(11, seen(false, true));
    assert_eq!(refused(&add(12), &later), "there are 9 members already: remove those that are gone");
}

#[test]
fn only_a_learner_that_follows_closely_may_vote() {
    let order = MemberOrder::Promote(5);
    assert_eq!(decide(&order, &view()), Ok(Plan::Promote(5)));
    assert_eq!(decide(&order, &with(5, |seen| seen.lag = LAG_MAX)), Ok(Plan::Promote(5)));
    let behind = with(5, |seen| seen.lag = LAG_MAX + 1);
    assert!(refused(&order, &behind).starts_with("node 5 is 501 entries behind the leader, and at most 500"));
    assert!(refused(&order, &down(&[5])).starts_with("node 5 is not healthy"));
    assert!(refused(&order, &with(5, |seen| seen.bound = false)).starts_with("node 5 has not come up yet"));
    assert_eq!(refused(&MemberOrder::Promote(4), &view()), "node 4 is not a member");
    assert_eq!(decide(&MemberOrder::Promote(3), &view()), Ok(Plan::Nothing(3)));
}

#[test]
fn four_voters_need_three() {
    // One of three is down, which leaves a quorum; one of four that is down leaves one as well.
    assert_eq!(decide(&MemberOrder::Promote(5), &down(&[3])), Ok(Plan::Promote(5)));
    let why = refused(&MemberOrder::Promote(5), &down(&[2, 3]));
    assert_eq!(why, "of the voters 1, 2, 3, 5 only 2 would be healthy, and a quorum is 3 (not healthy: 2, 3)");
}

#[test]
fn a_voter_that_is_needed_is_not_taken_out() {
    assert_eq!(decide(&MemberOrder::Remove(3), &view()), Ok(Plan::RemoveVoter(3)));
    assert_eq!(decide(&MemberOrder::Remove(3), &down(&[3])), Ok(Plan::RemoveVoter(3)), "it is the one that is down");
    let why = refused(&MemberOrder::Remove(2), &down(&[3]));
    assert_eq!(why, "of the voters 1, 3 only 1 would be healthy, and a quorum is 2 (not healthy: 3)");
    assert!(refused(&MemberOrder::Remove(1), &view()).starts_with("node 1 leads"));
    assert_eq!(decide(&MemberOrder::Remove(5), &down(&[5])), Ok(Plan::RemoveLearner(5)));
}

#[test]
fn what_was_taken_out_may_be_taken_out_again_and_nobody_else() {
    assert_eq!(decide(&MemberOrder::Remove(4), &view()), Ok(Plan::Nothing(4)));
    assert_eq!(refused(&MemberOrder::Remove(6), &view()), "node 6 never was a member");
    assert_eq!(refused(&MemberOrder::Remove(0), &view()), "node 0 never was a member");
}

#[test]
fn a_dead_voter_is_replaced_in_one_step() {
    let order = |old, new| MemberOrder::Replace { old, new };
    assert_eq!(decide(&order(3, 5), &down(&[3])), Ok(Plan::Replace { old: 3, new: 5 }));
    assert_eq!(decide(&order(3, 5), &view()), Ok(Plan::Replace { old: 3, new: 5 }), "a healthy one, too");
    assert!(refused(&order(1, 5), &view()).starts_with("node 1 leads"));
    assert!(refused(&order(3, 2), &view()).starts_with("node 2 has a vote already"));
    assert!(refused(&order(5, 5), &view()).starts_with("node 5 has no vote"));
    assert!(refused(&order(3, 5), &down(&[5])).starts_with("node 5 is not healthy"));
    let why = refused(&order(3, 5), &down(&[2, 3]));
    assert!(why.starts_with("of the voters 1, 2, 3 only 1 would be healthy"), "both majorities are needed: {why}");
    let mut done = view();
    done.members.remove(&3);
    done.members.get_mut(&5).expect("a member").voter = true;
    assert_eq!(decide(&order(3, 5), &done), Ok(Plan::Nothing(5)), "asked again");
}
