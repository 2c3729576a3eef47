//! Which targets are in the pool, as the checks of a load balancer find them.
//!
//! What must hold: a target is out after two checks in a row that were not answered with 200, and in again after two
//! that were, as with the balancer of this repository (`haproxy/haproxy.cfg`). Where nothing is in, everything is: a
//! request goes somewhere and finds out. Not here: what becomes of requests that are under way.

use crate::http::get::get;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

const PATH: &str = "/readyz?quorum";
/// From one check to the next, and the most that one may take.
const EVERY: Duration = Duration::from_millis(250);
const LIMIT: Duration = Duration::from_millis(300);
/// So many checks in a row that say otherwise change it.
const IN_A_ROW: u32 = 2;

/// The targets by number.
pub struct Pool {
    has: Vec<AtomicBool>,
}

impl Pool {
    /// Of targets that nobody checks: all are in.
    pub fn unchecked(targets: usize) -> Arc<Pool> {
        Arc::new(Pool { has: (0..targets).map(|_| AtomicBool::new(true)).collect() })
    }

    /// Checks the targets at these addresses until nobody needs the pool any more.
    pub fn watch(checks: Vec<SocketAddr>) -> std::io::Result<Arc<Pool>> {
        let pool = Pool::unchecked(checks.len());
        for (target, address) in checks.into_iter().enumerate() {
            let watched = Arc::downgrade(&pool);
            std::thread::Builder::new()
                .name(format!("check-{target}"))
                .spawn(move || check(&watched, target, address))?;
        }
        Ok(pool)
    }

    /// Where to go: to this one, or to the next that is in.
    pub fn from(&self, target: usize) -> usize {
        let count = self.has.len();
        let mut round = (0..count).map(|step| (target + step) % count);
        round.find(|place| self.has[*place].load(Ordering::Relaxed)).unwrap_or(target)
    }
}

fn check(pool: &Weak<Pool>, target: usize, address: SocketAddr) {
    let mut against = 0;
    while let Some(pool) = pool.upgrade() {
        let good = get(address, PATH, LIMIT).is_ok_and(|(status, _)| status == 200);
        let flag = &pool.has[target];
        against = if good == flag.load(Ordering::Relaxed) { 0 } else { against + 1 };
        if against >= IN_A_ROW {
            flag.store(good, Ordering::Relaxed);
            against = 0;
        }
        drop(pool);
        std::thread::sleep(EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_that_is_in_is_taken_and_without_any_the_first_choice() {
        let pool = Pool::unchecked(3);
        let out = |target: usize| pool.has[target].store(false, Ordering::Relaxed);
        assert_eq!((0..3).map(|target| pool.from(target)).collect::<Vec<_>>(), [0, 1, 2]);
        out(1);
        assert_eq!((0..3).map(|target| pool.from(target)).collect::<Vec<_>>(), [0, 2, 2]);
        out(2);
        assert_eq!((0..3).map(|target| pool.from(target)).collect::<Vec<_>>(), [0, 0, 0]);
        out(0);
        assert_eq!((0..3).map(|target| pool.from(target)).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
