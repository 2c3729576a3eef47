//! What is due when: beginnings, repetitions and ends of all steps, in order.
//!
//! What must hold: what began is ended, also after an error, an interrupt or the load's end; what was due late is done
//! late rather than never. Not here: doing it (`nemesis`).

use crate::nemesis::{self, Active, Field};
use crate::scenario::fault::Step;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    End,
    Again,
    Begin,
}

/// A step that was made, with its times since the load began.
pub struct Done {
    /// What was made and seen.
    pub active: Active,
    /// When it was begun.
    pub began_ms: u64,
    /// When it was healed.
    pub ended_ms: u64,
}

/// What came of a whole timeline.
#[derive(Default)]
pub struct Outcome {
    /// Those that were made.
    pub done: Vec<Done>,
    /// What could not be made or healed, in words.
    pub troubles: Vec<String>,
}

/// All events of a timeline as due time, place of the step and kind; at one moment ends come first.
fn events(timeline: &[Step]) -> Vec<(u64, Kind, usize)> {
    let mut events = Vec::new();
    for (place, step) in timeline.iter().enumerate() {
        let end = step.at_ms + step.for_ms;
        events.extend([(step.at_ms, Kind::Begin, place), (end, Kind::End, place)]);
        let every = step.fault.every_ms();
        if every > 0 {
            let times = (1..).map(|count| step.at_ms + count * every).take_while(|at| *at < end);
            events.extend(times.map(|at| (at, Kind::Again, place)));
        }
    }
    // What is over at once ends right after it began.
    events.sort_by_key(|(at, kind, place)| (*at, timeline[*place].for_ms == 0, *kind, *place));
    events
}

/// Plays it, from `zero` on.
pub fn play(field: &mut Field<'_>, timeline: &[Step], zero: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    let mut active: BTreeMap<usize, (Active, u64)> = BTreeMap::new();
    let now_ms = || u64::try_from(zero.elapsed().as_millis()).unwrap_or(u64::MAX);
    for (at, kind, place) in events(timeline) {
        if !field.stop.wait_until(zero + Duration::from_millis(at)) {
            outcome.troubles.push("interrupted".to_owned());
            break;
        }
        let step = &timeline[place];
        let failed =
            |what: &str, error: anyhow::Error| format!("{what} of step {place}, {}: {error:#}", step.fault.name());
        match kind {
            Kind::Begin => {
                let began = now_ms();
                tell(began, &format!("{} on {:?}", step.fault.name(), step.on));
                match nemesis::begin(field, place, step.clone()) {
                    Ok(begun) => drop(active.insert(place, (begun, began))),
                    Err(error) => outcome.troubles.push(failed("begin", error)),
                }
                if step.for_ms == 0
                    && let Some((begun, began)) = active.remove(&place)
                {
                    finish(field, &mut outcome, begun, (began, now_ms()));
                }
            }
            Kind::Again => {
                if let Some((begun, _)) = active.get_mut(&place)
                    && let Err(error) = nemesis::again(field, begun)
                {
                    outcome.troubles.push(failed("repetition", error));
                }
            }
            Kind::End => {
                if let Some((begun, began)) = active.remove(&place) {
                    tell(now_ms(), &format!("{} is healed", step.fault.name()));
                    finish(field, &mut outcome, begun, (began, now_ms()));
                }
            }
        }
    }
    for (begun, began) in std::mem::take(&mut active).into_values() {
        finish(field, &mut outcome, begun, (began, now_ms()));
    }
    outcome
}

fn finish(field: &mut Field<'_>, outcome: &mut Outcome, mut active: Active, (began_ms, ended_ms): (u64, u64)) {
    if let Err(error) = nemesis::end(field, &mut active) {
        outcome.troubles.push(format!("heal step {}, {}: {error:#}", active.place, active.step.fault.name()));
    }
    outcome.done.push(Done { active, began_ms, ended_ms });
}

/// A line for who watches.
fn tell(at_ms: u64, what: &str) {
    eprintln!("  {:>3}.{:03} s  {what}", at_ms / 1000, at_ms % 1000);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::fault::{Every, Fault, Role};

    fn step(at_ms: u64, for_ms: u64, fault: Fault) -> Step {
        Step { at_ms, for_ms, on: Role::Leader, fault }
    }

    #[test]
    fn events_come_in_order_and_what_ends_makes_room_for_what_begins() {
        let timeline = [
            step(1_000, 1_000, Fault::Kill),
            step(2_000, 1_000, Fault::Flap(Every { every_ms: 400 })),
            step(2_000, 0, Fault::Snapshot),
        ];
        let seen = events(&timeline);
        assert_eq!(
            seen,
            [
                (1_000, Kind::Begin, 0),
                (2_000, Kind::End, 0),
                (2_000, Kind::Begin, 1),
                (2_000, Kind::End, 2),
                (2_000, Kind::Begin, 2),
                (2_400, Kind::Again, 1),
                (2_800, Kind::Again, 1),
                (3_000, Kind::End, 1),
            ]
        );
    }
}
