//! Faults of the network: which directions they cut or slow, and the counts that show it.
//!
//! What must hold: two faults on one direction add up, and the end of one leaves the other.

use super::{Active, Field, Kept};
use crate::links::{Counts, Shape};
use crate::scenario::fault::Fault;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Duration;

/// For a broken connection to be noticed.
const BREAK_MAX: Duration = Duration::from_secs(1);

/// What had gone over each direction before.
pub type Before = BTreeMap<(u64, u64), Counts>;

/// Everybody who is there, or may come while the fault lasts.
fn everybody(field: &Field<'_>) -> Vec<u64> {
    let spares = field.target.nodes() + 1..=field.target.places();
    field.members.iter().copied().chain(spares).collect()
}

/// The directions that a fault changes, as pairs of sender and receiver.
fn directions(fault: &Fault, nodes: &[u64], all: &[u64]) -> Vec<(u64, u64)> {
    let place = |node: u64| all.iter().position(|other| *other == node).unwrap_or(0);
    let total = all.len();
    let all = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))).filter(|(from, to)| from != to);
    let inside = |node: u64| nodes.contains(&node);
    let neighbours = |one: u64, other: u64| {
        let apart = place(one).abs_diff(place(other));
        apart == 1 || apart + 1 == total
    };
    let changed = |(from, to): &(u64, u64)| match fault {
        Fault::Deaf => !inside(*from) && inside(*to),
        Fault::Mute => inside(*from) && !inside(*to),
        Fault::Bridge => !inside(*from) && !inside(*to),
        Fault::Ring => !neighbours(*from, *to),
        Fault::Shatter => true,
        _between => inside(*from) != inside(*to),
    };
    all.filter(changed).collect()
}

fn shape(fault: &Fault) -> Shape {
    match fault {
        Fault::Delay(delay) => Shape { delay_ms: delay.delay_ms, jitter_ms: delay.jitter_ms, ..Shape::default() },
        Fault::Rate(rate) => Shape { bytes_per_s: rate.kib_per_s.saturating_mul(1024), ..Shape::default() },
        Fault::Loss(share) => Shape { loss_percent: share.percent, ..Shape::default() },
        Fault::Duplicate(share) => Shape { repeat_percent: share.percent, ..Shape::default() },
        Fault::Reorder(reorder) => {
            Shape { reorder_percent: reorder.percent, reorder_ms: reorder.late_ms, ..Shape::default() }
        }
        _cuts => Shape { cut: true, ..Shape::default() },
    }
}

/// What several faults make of one direction.
fn together(shapes: impl Iterator<Item = Shape>) -> Shape {
    let narrower = |one: u64, other: u64| match (one, other) {
        (0, rate) | (rate, 0) => rate,
        (one, other) => one.min(other),
    };
    shapes.fold(Shape::default(), |sum, shape| Shape {
        cut: sum.cut || shape.cut,
        delay_ms: sum.delay_ms + shape.delay_ms,
        jitter_ms: sum.jitter_ms + shape.jitter_ms,
        bytes_per_s: narrower(sum.bytes_per_s, shape.bytes_per_s),
        loss_percent: (sum.loss_percent + shape.loss_percent).min(100),
        repeat_percent: (sum.repeat_percent + shape.repeat_percent).min(100),
        reorder_percent: (sum.reorder_percent + shape.reorder_percent).min(100),
        reorder_ms: sum.reorder_ms.max(shape.reorder_ms),
    })
}

/// Changes the directions.
pub fn begin(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    // A ring is one of those who are there now.
    let all = match active.step.fault {
        Fault::Ring => field.members.iter().copied().collect(),
        _others => everybody(field),
    };
    let directions = directions(&active.step.fault, &active.nodes, &all);
    let before = directions.iter().map(|(from, to)| ((*from, *to), field.target.link_counts(*from, *to))).collect();
    active.kept = Kept::Counts(before);
    apply(field, active, Some(shape(&active.step.fault)))
}

/// Sets what this fault makes of its directions; none heals.
fn apply(field: &mut Field<'_>, active: &Active, shape: Option<Shape>) -> Result<()> {
    let Kept::Counts(before) = &active.kept else { return Ok(()) };
    let mut first = Ok(());
    for (from, to) in before.keys() {
        let shapes = field.shapes.entry((*from, *to)).or_default();
        match shape {
            Some(shape) => drop(shapes.insert(active.place, shape)),
            None => drop(shapes.remove(&active.place)),
        }
        let sum = together(shapes.values().copied());
        first = first.and(field.target.set_link(*from, *to, sum));
    }
    first
}

/// Cuts what is healed and heals what is cut.
pub fn flap(field: &mut Field<'_>, active: &Active) -> Result<()> {
    let is_cut = field.shapes.values().any(|shapes| shapes.contains_key(&active.place));
    apply(field, active, (!is_cut).then(|| shape(&active.step.fault)))
}

/// Heals; something must have tried to pass meanwhile.
pub fn end(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let healed = apply(field, active, None);
    let Kept::Counts(before) = std::mem::replace(&mut active.kept, Kept::Nothing) else { return healed };
    if before.is_empty() {
        active.sign(false, "there is no direction that it changes");
    }
    // Two followers may have nothing to say to each other: it is enough that some of it was met.
    let mut met = 0;
    let mut text = Vec::new();
    for ((from, to), before) in before {
        let counts = field.target.link_counts(from, to).since(before);
        let (count, of) = match active.step.fault {
            Fault::Delay(_) | Fault::Rate(_) => (counts.shaped, "bytes slowed"),
            Fault::Loss(_) => (counts.lost, "packets lost"),
            Fault::Duplicate(_) => (counts.repeated, "packets repeated"),
            Fault::Reorder(_) => (counts.overtaken, "packets overtaken"),
            _cuts => (counts.held, "bytes held back"),
        };
        met += count + counts.waited;
        // Of nodes that never came there is nothing to say.
        if [from, to].iter().all(|node| *node <= field.target.nodes()) {
            let waited = if counts.waited > 0 { format!(" and {} connections", counts.waited) } else { String::new() };
            text.push(format!("{from} to {to}: {count} {of}{waited}"));
        }
    }
    active.sign(met > 0, text.join("; "));
    healed
}

/// Breaks all connections between these nodes and the others.
pub fn cut(field: &mut Field<'_>, active: &mut Active) -> Result<()> {
    let pairs = directions(&Fault::Isolate, &active.nodes, &everybody(field));
    let pairs: Vec<_> = pairs.into_iter().filter(|(from, to)| from < to).collect();
    let broken = |field: &Field<'_>| -> u64 {
        let both = |(one, other): &(u64, u64)| {
            field.target.link_counts(*one, *other).broken + field.target.link_counts(*other, *one).broken
        };
        pairs.iter().map(both).sum()
    };
    let before = broken(field);
    for (one, other) in &pairs {
        field.target.break_connections(*one, *other)?;
    }
    field.stop.poll(BREAK_MAX, || broken(field) > before);
    let count = broken(field) - before;
    active.sign(count > 0, format!("{count} connections broken"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::fault::Every;

    #[test]
    fn each_fault_cuts_its_directions() {
        let of = |fault: Fault, nodes: &[u64], total| directions(&fault, nodes, &(1..=total).collect::<Vec<_>>());
        assert_eq!(of(Fault::Isolate, &[2], 3), [(1, 2), (2, 1), (2, 3), (3, 2)]);
        assert_eq!(of(Fault::Flap(Every { every_ms: 1 }), &[2], 3), of(Fault::Isolate, &[2], 3));
        assert_eq!(of(Fault::Deaf, &[2], 3), [(1, 2), (3, 2)]);
        assert_eq!(of(Fault::Mute, &[2], 3), [(2, 1), (2, 3)]);
        assert_eq!(of(Fault::Bridge, &[2], 3), [(1, 3), (3, 1)]);
        assert_eq!(of(Fault::Ring, &[], 3), []);
        assert_eq!(of(Fault::Shatter, &[2], 3).len(), 6);
        let ring = of(Fault::Ring, &[], 5);
        assert!(ring.len() == 10 && !ring.contains(&(1, 5)) && !ring.contains(&(2, 3)) && ring.contains(&(1, 3)));
        assert_eq!(of(Fault::Isolate, &[1, 4], 5).len(), 12);
        // Without node 2 its neighbours are neighbours.
        let ring = directions(&Fault::Ring, &[], &[1, 3, 4, 5, 6]);
        assert!(ring.len() == 10 && !ring.contains(&(1, 3)) && !ring.contains(&(6, 1)) && ring.contains(&(1, 4)));
    }

    #[test]
    fn faults_on_one_direction_add_up() {
        let slow = Shape { delay_ms: 5, jitter_ms: 1, bytes_per_s: 900, loss_percent: 60, ..Shape::default() };
        let cut = Shape { cut: true, bytes_per_s: 500, ..Shape::default() };
        let sum =
            Shape { cut: true, delay_ms: 10, jitter_ms: 2, bytes_per_s: 500, loss_percent: 100, ..Shape::default() };
        assert_eq!(together([slow, cut, slow].into_iter()), sum);
        assert_eq!(together([].into_iter()), Shape::default());
    }
}
