//! The power of nodes' disks is cut.
//!
//! What must hold: what was synced is there afterwards and what was not is gone; each disk shows that by two files of
//! its own, else the cut was none.

use super::process::another_leads;
use super::{Active, Field};
use anyhow::Result;

/// Cuts it for all of them at once, and kills them.
pub fn cut(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    for shown in field.target.cut_power(&active.nodes)? {
        active.sign(true, shown);
    }
    another_leads(field, active);
    Ok(())
}

/// Turns it on again and starts them.
pub fn back(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let mut first = Ok(());
    for node in active.nodes.clone() {
        match field.target.give_power(node) {
            Ok((shows, text)) => active.sign(shows, text),
            Err(error) => first = first.and(Err(error)),
        }
        first = first.and(field.target.start_node(node));
    }
    first
}
