//! A leader that no quorum answers falls silent, so that the others choose one that hears them.
//!
//! A leader that is heard and hears nobody (a rule of a firewall for one direction, a proxy that is stuck) decides
//! nothing, and its heartbeats keep the others from an election: the cluster stood still for as long as it lasted.
//! openraft lets such a leader lead on.
//!
//! What must hold: silence is only ever longer waiting, never another answer, so it needs no proof of its own. A leader
//! whose acknowledgements are late on a busy machine is not silenced, and one that is silent speaks up now and then:
//! where nobody else can lead, it goes on leading once it is heard again. Not here: giving up the role, which Raft does
//! when a later term is heard of.

use crate::machine::StateMachine;
use crate::node::Shared;
use crate::raft::Handle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Silence begins after so many leases without a quorum: with the lease and the election that follow, about as long as
/// the breaker waits.
const LEASES_BEFORE: u32 = 2;
/// The others' lease, the longest wait before an election, and one more for its votes.
const LEASES_SILENT: u32 = 3;
/// Then it is tried whether anybody answers.
const LEASES_SPEAKING: u32 = 1;

/// Whether Raft's messages to followers are held back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence(Arc<AtomicBool>);

impl Silence {
    /// Right now.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a leader is silent whose quorum acknowledged it last so long ago.
fn silent(age: Duration, lease: Duration) -> bool {
    let Some(over) = age.checked_sub(lease * LEASES_BEFORE) else { return false };
    let cycle = (lease * (LEASES_SILENT + LEASES_SPEAKING)).as_micros().max(1);
    over.as_micros() % cycle < (lease * LEASES_SILENT).as_micros()
}

/// Looks at every heartbeat, for as long as the node runs.
pub(crate) async fn keep<M: StateMachine>(shared: Arc<Shared<M>>, silence: Silence) {
    let timing = shared.config.timing;
    let mut ticks = tokio::time::interval(timing.heartbeat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A new leader has not been acknowledged yet: it has not lost anybody.
        let age = if shared.leads() { shared.raft.quorum_age() } else { None };
        let now = age.is_some_and(|age| silent(age, timing.election_max));
        if now && !silence.0.swap(now, Ordering::Relaxed) {
            tracing::warn!(?age, "no quorum answers: silent, so that another node can lead");
        }
        silence.0.store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::silent;
    use std::time::Duration;

    #[test]
    fn a_leader_without_answers_is_silent_long_enough_for_an_election_and_tries_again() {
        let at = |ms| silent(Duration::from_millis(ms), Duration::from_millis(300));
        for (ms, expected) in [
            (0, false),
            (599, false),
            (600, true),
            (1_499, true),
            (1_500, false),
            (1_799, false),
            (1_800, true),
            (2_699, true),
            (2_700, false),
        ] {
            assert_eq!(at(ms), expected, "{ms} ms");
        }
    }
}
