//! Members that come and go while the cluster works, and disks that are lost on the way.
#![allow(missing_docs)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nodes;
#[path = "support/work.rs"]
mod work;

use cluster::{MemberChange, MemberOrder, OrderError, ProposeError, Role, SnapshotRule, StartError};
use counter::{Add, Counter};
use nodes::{Nodes, PATIENCE, Place, wait_until};
use std::time::{Duration, Instant};
use work::{add, add_all, all_equal, snapshot};

/// Gives an order through a node.
fn order(nodes: &Nodes<Counter>, at: u64, order: MemberOrder) -> Result<MemberChange, OrderError> {
    nodes.on(at, nodes.nodes[&at].change_members(order, Instant::now() + PATIENCE))
}

/// Waits until the leader sees a member healthy and close, and gives it a vote.
fn promote(nodes: &Nodes<Counter>, id: u64) -> MemberChange {
    let mut done = None;
    wait_until("a learner that may vote", || {
        done = order(nodes, nodes.leader(), MemberOrder::Promote(id)).ok();
        done.is_some()
    });
    done.expect("promoted")
}

/// What a node is, as another one sees it.
fn role(nodes: &Nodes<Counter>, at: u64, id: u64) -> Option<Role> {
    let status = nodes.on(at, nodes.nodes[&at].status());
    status.members.into_iter().find(|member| member.id == id).map(|member| member.role)
}

/// Starts a node in one more place; gives the place's number.
fn join(nodes: &mut Nodes<Counter>) -> u64 {
    let number = nodes.places.keys().max().map_or(1, |last| last + 1);
    let mut place = Place::new();
    place.joins = true;
    nodes.places.insert(number, place);
    nodes.restart(number).expect("taken in");
    number
}

#[test]
fn a_node_joins_without_a_vote_gets_one_and_is_taken_out_for_ever() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..20);
    let place = join(&mut nodes);
    assert_eq!(nodes.nodes[&place].id(), 4, "the next id");
    all_equal(&nodes, 20);
    assert_eq!(role(&nodes, nodes.leader(), 4), Some(Role::Learner));
    add(&nodes, 4, 20);
    assert_eq!(promote(&nodes, 4).voters, [1, 2, 3, 4]);
    // Through a follower, and asked again.
    let follower = nodes.follower();
    let again = order(&nodes, follower, MemberOrder::Promote(4)).expect("so already");
    assert_eq!((again.changed, again.voters), (false, vec![1, 2, 3, 4]));
    if nodes.leader() == 4 {
        nodes.on(4, nodes.nodes[&4].hand_over(Some(1), Instant::now() + PATIENCE)).expect("handed over");
    }
    let removed = order(&nodes, nodes.leader(), MemberOrder::Remove(4)).expect("removed");
    assert_eq!((removed.voters, removed.learners), (vec![1, 2, 3], vec![]));
    wait_until("it hears that it is out", || nodes.fatal(4).is_some_and(|why| why.contains("was removed")));
    nodes.crash(4, 1);
    // Its disk brings the old id; an empty one gets another.
    nodes.restart(4).expect("it starts, to be told again");
    wait_until("it hears it again", || nodes.fatal(4).is_some());
    nodes.wipe(4);
    nodes.restart(4).expect("taken in");
    assert_eq!(nodes.nodes[&4].id(), 5, "ids are never given twice");
}

#[test]
fn an_id_stays_gone_after_snapshots_and_restarts() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..4);
    let place = join(&mut nodes);
    let leader = nodes.leader();
    order(&nodes, leader, MemberOrder::Remove(4)).expect("removed");
    nodes.crash(place, 1);
    for id in 1..=3 {
        add_all(&nodes, id * 10..id * 10 + 4);
        snapshot(&nodes, id);
    }
    for id in 1..=3 {
        nodes.crash(id, id);
        nodes.restart(id).expect("start again");
    }
    nodes.leader();
    nodes.wipe(place);
    nodes.restart(place).expect("taken in");
    assert_eq!(nodes.nodes[&place].id(), 5);
}

#[test]
fn a_wiped_voter_does_not_come_back_under_its_id() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..10);
    wait_until("all are bound", || role(&nodes, nodes.leader(), 3).is_some());
    nodes.wipe(3);
    nodes.leader();
    let refused = nodes.restart(3).expect_err("refused");
    let StartError::Damaged(why) = refused else { panic!("{refused}") };
    assert!(why.contains("lives on another disk") && why.contains("cluster replace 3 NEW"), "{why}");
    // Told where to ask, it comes in under a new id and takes the lost one's place.
    nodes.places.get_mut(&3).expect("a place").joins = true;
    nodes.restart(3).expect("taken in");
    assert_eq!(nodes.nodes[&3].id(), 4);
    let mut done = None;
    wait_until("it may take the place", || {
        let leader = nodes.nodes.values().find_map(|node| node.leader().filter(|id| *id < 3));
        done = leader.and_then(|at| order(&nodes, at, MemberOrder::Replace { old: 3, new: 4 }).ok());
        done.is_some()
    });
    assert_eq!(done.expect("replaced").voters, [1, 2, 4]);
    // It counts: without one of the others there is a quorum.
    nodes.crash(2, 2);
    wait_until("it decides with the one that is left", || {
        let command = Add { key: 99, amount: 1, busy_us: 0 };
        let proposed = nodes.nodes[&1].propose(&command, Instant::now() + Duration::from_secs(1));
        nodes.on(1, proposed).is_ok()
    });
}

#[test]
fn a_voter_that_was_wiped_while_nobody_was_there_elects_nobody() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..10);
    all_equal(&nodes, 10);
    // What 2 does not have, only 1 and 3 remember.
    if nodes.leader() == 2 {
        nodes.on(2, nodes.nodes[&2].hand_over(Some(1), Instant::now() + PATIENCE)).expect("handed over");
    }
    nodes.crash(2, 2);
    add(&nodes, 1, 10);
    nodes.crash(1, 1);
    nodes.wipe(3);
    nodes.restart(3).expect("nobody says that it is another one");
    nodes.restart(2).expect("start");
    // Several elections' time. Node 2 goes on remembering that 1 led.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let led = nodes.nodes.values().filter_map(cluster::Node::leader).find(|leader| *leader != 1);
        assert_eq!(led, None, "an empty node must elect nobody");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    nodes.restart(1).expect("start");
    wait_until("the old ones decide", || {
        let command = Add { key: 11, amount: 1, busy_us: 0 };
        let done = nodes.on(1, nodes.nodes[&1].propose(&command, Instant::now() + Duration::from_secs(1)));
        !matches!(done, Err(ProposeError::NotProposed | ProposeError::Unknown))
    });
    assert_eq!(nodes.nodes[&1].read(|counter| counter.sum), 12, "nothing acknowledged is lost");
    wait_until("the empty one is told", || nodes.fatal(3).is_some_and(|why| why.contains("lives on another disk")));
    assert_eq!(nodes.nodes[&3].read(|counter| counter.sum), 0, "and was given nothing");
}

#[test]
fn a_static_member_that_comes_late_takes_part() {
    let mut nodes = Nodes::<Counter>::down(3, SnapshotRule { bytes_per_second: 0, ..SnapshotRule::default() });
    nodes.restart(2).expect("start");
    nodes.restart(1).expect("start");
    add_all(&nodes, 0..10);
    nodes.restart(3).expect("start");
    all_equal(&nodes, 10);
    let other = if nodes.leader() == 1 { 2 } else { 1 };
    nodes.crash(other, 1);
    let at = 3 - other;
    wait_until("it counts in a quorum", || {
        let command = Add { key: 50, amount: 1, busy_us: 0 };
        nodes.on(at, nodes.nodes[&at].propose(&command, Instant::now() + Duration::from_secs(1))).is_ok()
    });
}

#[test]
fn what_would_cost_the_quorum_is_refused() {
    let mut nodes = Nodes::<Counter>::start(3);
    add_all(&nodes, 0..4);
    let leader = nodes.leader();
    let refused = |nodes: &Nodes<Counter>, what: MemberOrder| match order(nodes, nodes.leader(), what) {
        Err(OrderError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(&nodes, MemberOrder::Remove(leader)).contains("hand leadership over first"));
    assert_eq!(refused(&nodes, MemberOrder::Promote(7)), "node 7 is not a member");
    let [down, up] = [1, 2, 3].into_iter().filter(|id| *id != leader).collect::<Vec<_>>()[..] else { panic!() };
    nodes.crash(down, 1);
    let why = refused(&nodes, MemberOrder::Remove(up));
    assert!(why.contains("a quorum is 2"), "{why}");
    let added = order(&nodes, up, MemberOrder::Add(cluster::Member { peer: "127.0.0.1:1".into(), admin: "".into() }));
    assert_eq!(added.expect("an id").id, 4);
    assert!(refused(&nodes, MemberOrder::Promote(4)).contains("has not come up yet"));
}
