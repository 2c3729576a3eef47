//! A node whose clock is wrong does not lead, as long as another can.
//!
//! A leader stamps what it proposes. A clock that is ahead moves log time ahead for all, for ever: holds expire early,
//! and log time stands still until the others' clocks have caught up.
//!
//! **What must hold.** A wrong clock never costs the cluster its leader. So a node whose clock is wrong hands
//! leadership over only to a follower that has answered within a lease, is close behind and is not known to be wrong
//! itself, and leads on while there is none. It does not begin an election, until there has been no leader for several
//! leases: then whoever else could lead has had its time, and it may be the only one that has everything that was
//! acknowledged. Once another is fit it hands over again. It votes and keeps the log like every other node.
//!
//! **What is deliberately not here.** Who says that it is wrong ([`crate::clocks`]).

use crate::machine::StateMachine;
use crate::neighbours::us;
use crate::node::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So many leases without contact: one for the others' lease, one for the longest wait before an election, and as much
/// again, because a first one may be split.
const LEASES_FOR_OTHERS: u32 = 4;
/// How long a hand-over may take, and then how long until the next try.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks several times in a lease, for as long as the node runs.
pub(crate) async fn keep<M: StateMachine>(shared: Arc<Shared<M>>) {
    let lease = shared.config.timing.election_max;
    let mut ticks = tokio::time::interval(shared.config.timing.heartbeat * 2);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut tried: Option<Instant> = None;
    loop {
        ticks.tick().await;
        if shared.in_contact() {
            heard = Instant::now();
        }
        let unfit = shared.neighbours.is_unfit();
        let others_had_time = heard.elapsed() > lease * LEASES_FOR_OTHERS;
        shared.raft.runtime_config().elect(!unfit || others_had_time);
        let again = tried.is_none_or(|tried| tried.elapsed() > HAND_OVER_TIMEOUT);
        if unfit && again && shared.leads() {
            tried = Some(Instant::now());
            shared.make_way().await;
        }
    }
}

impl<M: StateMachine> Shared<M> {
    /// Whether a member's clock is known to be wrong.
    pub(crate) fn clock_is_off(&self, id: u64) -> bool {
        self.config.clock_skew_max.is_some_and(|most| self.neighbours.is_off(id, us(most)))
    }

    async fn make_way(&self) {
        let Some(to) = self.fit_follower() else {
            tracing::debug!("this node's clock is wrong, and nobody else can lead now");
            return;
        };
        match self.hand_over(Some(to), Instant::now() + HAND_OVER_TIMEOUT).await {
            Ok(to) => tracing::warn!(to, "handed leadership over: this node's clock is wrong"),
            Err(why) => tracing::warn!(%why, "this node's clock is wrong, and it leads on"),
        }
    }
}
