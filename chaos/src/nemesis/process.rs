//! Faults of processes: killed, stopped, standing still, again and again; and what an operator does to them.

use super::{Active, Field, Kept};
use anyhow::{Result, ensure};
use std::time::Duration;

/// For a node that replays its log on a busy machine.
const BACK_MAX: Duration = Duration::from_secs(45);
/// For the others to choose another leader.
const ELECTION_MAX: Duration = Duration::from_secs(5);

/// Kills all of them, at once.
pub fn kill(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let shown = field.target.kill(node)?;
        active.sign(true, shown);
    }
    another_leads(field, active);
    Ok(())
}

/// Tells each to stop and waits until it has.
pub fn stop(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let shown = field.target.stop_node(node)?;
        active.sign(true, shown);
    }
    another_leads(field, active);
    Ok(())
}

/// If the leader was met and a majority was not, another one must have come: else the fault was none.
pub fn another_leads(field: &Field<'_>, active: &mut Active) {
    let left = field.members.iter().filter(|node| !active.nodes.contains(node)).count();
    if !active.nodes.contains(&active.leader) || left * 2 <= field.members.len() {
        return;
    }
    let mut led = None;
    field.stop.poll(ELECTION_MAX, || {
        led = field.observer.leader().filter(|leader| !active.nodes.contains(leader));
        led.is_some()
    });
    let (old, term) = (active.leader, active.term);
    match led {
        Some(new) => {
            let now = field.observer.term();
            active.sign(now > term, format!("node {new} leads in term {now} instead of node {old} in term {term}"));
        }
        None => active.sign(false, format!("nobody leads instead of node {old} after {ELECTION_MAX:?}")),
    }
}

/// Starts all of them again.
pub fn start(field: &mut Field<'_>, active: &Active) -> Result<()> {
    let mut first = Ok(());
    for node in &active.nodes {
        first = first.and(field.target.start_node(*node));
    }
    first
}

/// Kills those that run and starts those that do not.
pub fn crash(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let Kept::Kills(kills) = &mut active.kept else { return Ok(()) };
    for node in &active.nodes {
        if field.target.pid(*node).is_some() {
            field.target.kill(*node)?;
            *kills += 1;
        } else {
            field.target.start_node(*node)?;
        }
    }
    Ok(())
}

/// Leaves them running.
pub fn end_crashes(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    start(field, active)?;
    if let Kept::Kills(kills) = active.kept {
        let nodes = active.nodes.len() as u64;
        active.sign(kills > nodes, format!("nodes {:?} were killed {kills} times in all", active.nodes));
    }
    Ok(())
}

/// Lets them stand still.
pub fn pause(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let shown = field.target.pause(node)?;
        active.sign(true, shown);
    }
    another_leads(field, active);
    Ok(())
}

/// Lets them go on, if they stood still until now.
pub fn resume(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let mut first = Ok(());
    for node in active.nodes.clone() {
        // A node that nobody could ask stood still; its last word is from before.
        let silent = field.observer.said(node).is_none();
        active.sign(silent, format!("node {node} {}", if silent { "answered nothing" } else { "answered meanwhile" }));
        first = first.and(field.target.resume(node));
    }
    first
}

/// One after the other: stop, start, wait until it is in contact again.
pub fn roll(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    // Who leads goes last, so that leadership moves once.
    let mut nodes = active.nodes.clone();
    nodes.sort_by_key(|node| *node == active.leader);
    for node in nodes {
        let shown = field.target.stop_node(node)?;
        active.sign(true, shown);
        field.observer.ended(node);
        field.target.start_node(node)?;
        let total = field.members.len() as u64;
        let back = field.stop.poll(BACK_MAX, || field.observer.is_steady(total));
        ensure!(back, "node {node} was not back after {BACK_MAX:?}");
    }
    Ok(())
}

/// Hands leadership over.
pub fn transfer(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let old = active.leader;
    let new = field.runtime.block_on(field.admin.transfer_leader(old))?;
    active.sign(new != old, format!("leadership went from node {old} to node {new}"));
    Ok(())
}

/// Takes a snapshot at each of them.
pub fn snapshot(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let (index, bytes) = field.runtime.block_on(field.admin.snapshot(node))?;
        active.sign(index > 0, format!("node {node} took a snapshot of {bytes} bytes up to entry {index}"));
    }
    Ok(())
}

/// Has the orchestrator delete, evict or drain.
pub fn order(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for node in active.nodes.clone() {
        let shown = field.target.order(node, &active.step.fault)?;
        active.sign(true, shown);
    }
    Ok(())
}

/// Gives drained machines back.
pub fn uncordon(field: &mut Field<'_>, active: &Active) -> Result<()> {
    let mut first = Ok(());
    for node in &active.nodes {
        first = first.and(field.target.end_order(*node));
    }
    first
}
