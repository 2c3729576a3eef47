//! Clocks that are wrong: ahead, behind, too fast or too slow.
//!
//! What must hold: a node that did not look at its clock while it was wrong was not met; at the end it is right again.
//! What a clock gains it gains in steps, each a fifth of a second after the last one.

use super::{Active, Field, Kept};
use crate::scenario::fault::Skew;
use anyhow::Result;
use std::time::Instant;

/// Clocks since they were set first.
pub struct Wrong {
    skew: Skew,
    since: Instant,
    ahead_ms: i64,
    /// How often each node had looked before.
    looks: Vec<(u64, u64)>,
}

/// Sets them.
pub fn begin(field: &mut Field<'_>, active: &mut Active, skew: Skew) -> Result<()> {
    set(field, active, skew.ahead_ms)?;
    // Looks before the first step was made do not count; those after it, and not counted, are only missed.
    let looks = active.nodes.iter().map(|node| Ok((*node, field.target.clock_looks(*node)?))).collect::<Result<_>>()?;
    active.kept = Kept::Clock(Wrong { skew, since: Instant::now(), ahead_ms: skew.ahead_ms, looks });
    Ok(())
}

/// Sets them on, as far as they have gained.
pub fn gain(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::Clock(wrong) = &mut active.kept else { return Ok(()) };
    let passed = i64::try_from(wrong.since.elapsed().as_millis()).unwrap_or(i64::MAX);
    wrong.ahead_ms = wrong.skew.ahead_ms.saturating_add(wrong.skew.gain_ms_per_s.saturating_mul(passed) / 1000);
    let ahead = wrong.ahead_ms;
    set(field, active, ahead)
}

/// Sets them right.
pub fn end(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::Clock(wrong) = std::mem::replace(&mut active.kept, Kept::Nothing) else { return Ok(()) };
    let looks: Vec<_> = active.nodes.iter().map(|node| field.target.clock_looks(*node)).collect();
    let mut first = Ok(());
    for node in &active.nodes {
        first = first.and(field.target.set_clock(*node, 0));
    }
    for ((node, before), looks) in wrong.looks.into_iter().zip(looks) {
        let looks = looks?.saturating_sub(before);
        let text =
            format!("node {node} looked {looks} times at a clock that is {} ms ahead in the end", wrong.ahead_ms);
        active.sign(looks > 0 && wrong.ahead_ms != 0, text);
    }
    first
}

fn set(field: &mut Field<'_>, active: &Active, ahead_ms: i64) -> Result<()> {
    active.nodes.iter().try_for_each(|node| field.target.set_clock(*node, ahead_ms))
}
