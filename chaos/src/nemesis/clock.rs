//! Clocks that are wrong: ahead, behind, too fast or too slow.
//!
//! What must hold: whether a clock is wrong is read from the node itself; at the end it is right again. What a clock
//! gains it gains in steps, each a fifth of a second after the last one.

use super::{Active, Field, Kept};
use crate::scenario::fault::Skew;
use anyhow::Result;
use std::time::Instant;

/// So far apart may what was set and what a node says be: it says full seconds, and is asked over the network.
const READING_MS: u64 = 400;

/// A clock since it was set first.
pub struct Wrong {
    skew: Skew,
    since: Instant,
    ahead_ms: i64,
}

/// Sets them.
pub fn begin(field: &mut Field<'_>, active: &mut Active, skew: Skew) -> Result<()> {
    active.kept = Kept::Clock(Wrong { skew, since: Instant::now(), ahead_ms: skew.ahead_ms });
    set(field, active, skew.ahead_ms)?;
    if skew.gain_ms_per_s == 0 {
        read(field, active, skew.ahead_ms);
    }
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
    if wrong.skew.gain_ms_per_s != 0 {
        read(field, active, wrong.ahead_ms);
    }
    let mut first = Ok(());
    for node in &active.nodes {
        first = first.and(field.target.set_clock(*node, 0));
    }
    first
}

fn set(field: &mut Field<'_>, active: &Active, ahead_ms: i64) -> Result<()> {
    active.nodes.iter().try_for_each(|node| field.target.set_clock(*node, ahead_ms))
}

/// What the nodes say; a node that does not run says nothing, and that is no sign.
fn read(field: &Field<'_>, active: &mut Active, wanted_ms: i64) {
    for node in active.nodes.clone() {
        let said = field.target.clock(node);
        let text = said.map_or_else(|| "says nothing of it".to_owned(), |said| format!("says {said} ms"));
        let shows = said.is_some_and(|said| said.abs_diff(wanted_ms) <= READING_MS);
        active.sign(shows, format!("the clock of node {node} was set {wanted_ms} ms ahead; it {text}"));
    }
}
