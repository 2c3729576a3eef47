//! What a node has heard of the other members lately: once a second it asks each how it is and what time it has.
//!
//! What must hold: what is told from here is this node's own and costs nobody a question, so it can be told without a
//! quorum and however often somebody asks. It says how old it is. Nothing is decided by it but whether this node's
//! clock is fit for leading ([`crate::fitness`]).

use crate::clocks::{ClockCheck, Clocks, Judged, Reading};
use crate::node::Shared;
use crate::peers::{Client, within};
use crate::{Member, Node, StateMachine};
use parking_lot::RwLock;
use proto::peer::v1::{StatusRequest, StatusResponse};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often each is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A member as this node has heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: u64,
    /// Where it is reached.
    pub member: Member,
    /// Whether it has a vote.
    pub voter: bool,
    /// What it said last; `None`: it was not heard since this node started.
    pub said: Option<Said>,
}

/// What a member said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// How long ago.
    pub ago: Duration,
    /// Up to which log index it had applied.
    pub applied: u64,
    /// How many entries it was behind what this node had applied then; negative: ahead.
    pub behind: i64,
    /// Whether it was in contact with a quorum.
    pub in_contact: bool,
    /// Whether it answered requests.
    pub serving: bool,
    /// How far its clock is ahead of the middle one, in microseconds, if that can be told.
    pub ahead_us: Option<i64>,
}

/// What is known of all.
#[derive(Default)]
pub(crate) struct Neighbours {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    heard: BTreeMap<u64, Heard>,
    readings: BTreeMap<u64, Reading>,
    clocks: Option<Clocks>,
    judged: Judged,
}

struct Heard {
    at: Instant,
    /// What this node had applied when the answer came.
    applied_here: u64,
    status: StatusResponse,
}

impl Neighbours {
    /// Whether this node's clock is so wrong that it should not lead.
    pub(crate) fn is_unfit(&self) -> bool {
        self.known.read().judged.is_unfit()
    }

    /// Whether a member's clock is known to be off by more than this.
    pub(crate) fn is_off(&self, id: u64, most_us: u64) -> bool {
        self.known.read().clocks.as_ref().is_some_and(|clocks| clocks.is_off(id, most_us))
    }
}

/// Asks for as long as the node runs.
pub(crate) async fn keep<M: StateMachine>(shared: Arc<Shared<M>>) {
    let mut clients: BTreeMap<u64, (String, Client)> = BTreeMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.reconnect(&mut clients);
        let asked = clients.iter().map(|(id, (_, client))| shared.hear(*id, client.clone()));
        let heard = futures::future::join_all(asked).await;
        shared.note(heard.into_iter().flatten().collect());
    }
}

/// What one answered.
struct Answer {
    id: u64,
    asked: Instant,
    round_trip: Duration,
    heard: Heard,
}

impl<M: StateMachine> Shared<M> {
    /// A connection to each of the other members, and to nobody else.
    fn reconnect(&self, clients: &mut BTreeMap<u64, (String, Client)>) {
        let mut members = self.members.read().clone();
        members.remove(&self.config.node);
        clients.retain(|id, (address, _)| members.get(id).is_some_and(|member| member.peer == *address));
        for (id, Member { peer, .. }) in members {
            if !clients.contains_key(&id)
                && let Ok(client) = self.ids.client(id, &peer)
            {
                clients.insert(id, (peer, client));
            }
        }
    }

    async fn hear(&self, id: u64, mut client: Client) -> Option<Answer> {
        let asked = Instant::now();
        let status = within(PATIENCE, client.status(self.ids.request(id, StatusRequest {}))).await.ok()?;
        let round_trip = asked.elapsed();
        let heard = Heard { at: Instant::now(), applied_here: self.applied_index(), status };
        Some(Answer { id, asked, round_trip, heard })
    }

    fn applied_index(&self) -> u64 {
        self.state.applied().map_or(0, |id| id.index)
    }

    fn note(&self, answers: Vec<Answer>) {
        let (members, now) = (self.members.read().clone(), Instant::now());
        let own = self.config.node;
        let mut known = self.neighbours.known.write();
        known.heard.retain(|id, _| members.contains_key(id));
        known.readings.retain(|id, reading| members.contains_key(id) && reading.is_fresh(now));
        for Answer { id, asked, round_trip, mut heard } in answers {
            known.readings.extend(Reading::new(heard.status.clock_us, asked, round_trip).map(|reading| (id, reading)));
            heard.status.seats.clear();
            known.heard.insert(id, heard);
        }
        let clock_us = (self.config.clock)();
        let clocks = Clocks::compare((own, clock_us), &known.readings, Instant::now(), members.len());
        let before = known.judged;
        if let Some(most) = self.config.clock_skew_max {
            known.judged = before.look(clocks.as_ref(), own, us(most));
        }
        if known.judged.is_unfit() != before.is_unfit() {
            let ahead_us = clocks.as_ref().and_then(|clocks| clocks.ahead_us(own));
            tracing::warn!(ahead_us, unfit = known.judged.is_unfit(), "this node's clock, against the others'");
        }
        known.clocks = clocks;
    }
}

/// A duration as clocks are compared.
pub(crate) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl<M: StateMachine> Node<M> {
    /// All members, as this node has heard of them. Asks nobody, and needs no quorum.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let shared = &self.shared;
        let members = shared.members.read().clone();
        let voters: Vec<u64> = shared.raft.voter_ids().collect();
        let own = shared.own_status();
        let known = shared.neighbours.known.read();
        let said = |id: u64, ago: Duration, applied_here: u64, status: &StatusResponse| Said {
            ago,
            applied: status.applied,
            behind: i64::try_from(i128::from(applied_here) - i128::from(status.applied)).unwrap_or(i64::MIN),
            in_contact: status.contact,
            serving: status.serving,
            ahead_us: known.clocks.as_ref().and_then(|clocks| clocks.ahead_us(id)),
        };
        let neighbour = |(id, member)| Neighbour {
            id,
            member,
            voter: voters.contains(&id),
            said: match known.heard.get(&id) {
                _ if id == own.id => Some(said(id, Duration::ZERO, own.applied, &own)),
                Some(heard) => Some(said(id, heard.at.elapsed(), heard.applied_here, &heard.status)),
                None => None,
            },
        };
        members.into_iter().map(neighbour).collect()
    }

    /// How this node's clock compares with the others'. `None`: too few of theirs are known.
    pub fn clock_check(&self) -> Option<ClockCheck> {
        let known = self.shared.neighbours.known.read();
        let unfit = known.judged.is_unfit();
        let clocks = known.clocks.as_ref();
        let check = clocks.and_then(|clocks| {
            let ahead_us = clocks.ahead_us(self.shared.config.node)?;
            Some(ClockCheck { ahead_us, apart_us: clocks.apart_us(), unfit })
        });
        check.or_else(|| unfit.then_some(ClockCheck { ahead_us: 0, apart_us: 0, unfit }))
    }
}
