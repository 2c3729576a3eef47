//! The user's interrupt, and waiting that it ends.
//!
//! What must hold: whoever waits here is woken by SIGINT and SIGTERM at once, so that healing begins at once. A second
//! signal changes nothing: healing is not to be interrupted.

use anyhow::{Context, Result};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Whether the user has had enough.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Set by the next SIGINT or SIGTERM.
    pub fn on_signals(runtime: &tokio::runtime::Runtime) -> Result<Stop> {
        let stop = Stop::default();
        let _inside = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let setter = stop.clone();
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                setter.set();
            }
        });
        Ok(stop)
    }

    /// Ends all waiting.
    pub fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it was.
    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until then. False if it was ended before.
    pub fn wait_until(&self, when: Instant) -> bool {
        let mut set = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = when.saturating_duration_since(Instant::now());
            if *set || left.is_zero() {
                return !*set;
            }
            set = self.0.1.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Looks again and again until it holds. False if it does not within the limit, or the user has had enough.
    pub fn poll(&self, limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
        const PAUSE: Duration = Duration::from_millis(25);
        let deadline = Instant::now() + limit;
        loop {
            if holds() {
                return true;
            }
            if Instant::now() >= deadline || !self.wait_until(Instant::now() + PAUSE) {
                return false;
            }
        }
    }
}
