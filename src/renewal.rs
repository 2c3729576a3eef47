//! Looking again at what may be renewed while the node runs: certificates.
//!
//! What must hold: files are looked at in bounded intervals, and at once when somebody says so (SIGHUP); what cannot be
//! used changes nothing. Not here: what is in the files (`secure`).

use crate::secure::Certificates;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

/// Looks until `stop` completes: every interval, and when `at_once` says so.
pub async fn look_forever(
    certificates: Certificates,
    every: Duration,
    at_once: Arc<Notify>,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = pin!(stop);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = at_once.notified() => tracing::info!("looking at certificates and secrets again"),
            _ = ticks.tick() => {}
        }
        let all = certificates.clone();
        if tokio::task::spawn_blocking(move || all.look()).await.is_err() {
            tracing::error!("the look at certificates ended in a panic");
        }
    }
}
