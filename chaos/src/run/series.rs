//! What the clients saw as time went on, in steps of a quarter of a second, for the plots.

use super::measure::{End, Request, quantile};
use serde::{Deserialize, Serialize};

/// One step.
pub const STEP_MS: u64 = 250;

/// The requests that began within one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When the step begins, since the load began.
    pub at_ms: u64,
    /// Decided within the deadline.
    pub decided: u64,
    /// Answered by a node alone.
    pub stand_in: u64,
    /// Declined without a decision.
    pub undecided: u64,
    /// Decided or answered, but late.
    pub late: u64,
    /// Without a reply, or with one that is none.
    pub failed: u64,
    /// Median.
    pub p50_us: u64,
    /// 99 of a hundred.
    pub p99_us: u64,
}

/// All steps from the first request to the last.
pub fn points(requests: &[Request], deadline_us: u64) -> Vec<Point> {
    let step_us = STEP_MS * 1000;
    let last = requests.iter().map(|request| request.start_us / step_us).max().unwrap_or(0);
    let mut points: Vec<Point> =
        (0..=last).map(|number| Point { at_ms: number * STEP_MS, ..Point::default() }).collect();
    let mut took = vec![Vec::new(); points.len()];
    for request in requests {
        let place = usize::try_from(request.start_us / step_us).unwrap_or(usize::MAX);
        let (Some(point), Some(took)) = (points.get_mut(place), took.get_mut(place)) else { continue };
        took.push(request.took_us());
        let count = match request.end {
            End::Lost | End::Strange => &mut point.failed,
            End::Decided | End::StandIn | End::Undecided if !request.is_in_time(deadline_us) => &mut point.late,
            End::Decided => &mut point.decided,
            End::StandIn => &mut point.stand_in,
            End::Undecided => &mut point.undecided,
        };
        *count += 1;
    }
    for (point, took) in points.iter_mut().zip(&mut took) {
        took.sort_unstable();
        (point.p50_us, point.p99_us) = (quantile(took, 5_000), quantile(took, 9_900));
    }
    points
}
