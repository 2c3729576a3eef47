//! The links between nodes, each direction by itself: what passes, how late, how fast, and what was held back.
//!
//! What must hold: a direction that is cut lets no byte through until it is healed, and says how many it held; so
//! whether a partition had an effect is counted, not believed. Not here: carrying bytes (`links/proxy.rs`).

pub mod packets;
pub mod proxy;
pub mod queue;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// How a direction behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Nothing passes.
    pub cut: bool,
    /// Everything comes this much later.
    pub delay_ms: u64,
    /// And up to this much more.
    pub jitter_ms: u64,
    /// No more than this passes; 0 is no limit.
    pub bytes_per_s: u64,
    /// Of a hundred packets, so many do not arrive.
    pub loss_percent: u64,
    /// Of a hundred packets, so many arrive twice.
    pub repeat_percent: u64,
    /// Of a hundred packets, so many are held back while others pass.
    pub reorder_percent: u64,
    /// For how long.
    pub reorder_ms: u64,
}

impl Shape {
    /// Something is done to packets that are not cut off.
    pub fn is_more_than_cut(self) -> bool {
        Shape { cut: false, ..self } != Shape::default()
    }
}

/// What went over a direction so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes that arrived.
    pub passed: AtomicU64,
    /// Bytes that came while the direction was cut.
    pub held: AtomicU64,
    /// Bytes that were made late, or waited for their turn.
    pub shaped: AtomicU64,
    /// Connections that were broken on purpose.
    pub broken: AtomicU64,
    /// Connections that the sending side began while the direction was cut.
    pub waited: AtomicU64,
}

/// What went over a direction, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Counters`].
    pub passed: u64,
    /// See [`Counters`].
    pub held: u64,
    /// See [`Counters`].
    pub shaped: u64,
    /// See [`Counters`].
    pub broken: u64,
    /// See [`Counters`].
    pub waited: u64,
    /// Packets that were dropped one by one.
    pub lost: u64,
    /// Packets that were sent twice.
    pub repeated: u64,
    /// Packets that others have overtaken.
    pub overtaken: u64,
}

/// One direction between two nodes.
pub struct Direction {
    shape: watch::Sender<Shape>,
    /// Counts up when connections are to be broken.
    breaks: watch::Sender<u64>,
    /// What went over it.
    pub counters: Counters,
}

/// All directions of a cluster.
#[derive(Clone)]
pub struct Links(Arc<BTreeMap<(u64, u64), Direction>>);

impl Links {
    /// Of nodes `1..=nodes`, all open.
    pub fn new(nodes: u64) -> Links {
        let pairs = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to)));
        let directions = pairs.filter(|(from, to)| from != to).map(|pair| {
            let direction = Direction {
                shape: watch::Sender::new(Shape::default()),
                breaks: watch::Sender::new(0),
                counters: Counters::default(),
            };
            (pair, direction)
        });
        Links(Arc::new(directions.collect()))
    }

    fn direction(&self, from: u64, to: u64) -> Option<&Direction> {
        self.0.get(&(from, to))
    }

    /// From now on.
    pub fn set(&self, from: u64, to: u64, shape: Shape) {
        if let Some(direction) = self.direction(from, to) {
            direction.shape.send_replace(shape);
        }
    }

    /// Breaks all connections between two nodes, whoever began them.
    pub fn break_connections(&self, one: u64, other: u64) {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(direction) = self.direction(from, to) {
                direction.breaks.send_modify(|count| *count += 1);
            }
        }
    }

    /// What went over a direction so far.
    pub fn counts(&self, from: u64, to: u64) -> Counts {
        self.direction(from, to).map_or_else(Counts::default, |direction| {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let counters = &direction.counters;
            Counts {
                passed: read(&counters.passed),
                held: read(&counters.held),
                shaped: read(&counters.shaped),
                broken: read(&counters.broken),
                waited: read(&counters.waited),
                // A proxy carries streams.
                lost: 0,
                repeated: 0,
                overtaken: 0,
            }
        })
    }
}

impl Counts {
    /// What went over it since.
    pub fn since(self, before: Counts) -> Counts {
        Counts {
            passed: self.passed - before.passed,
            held: self.held - before.held,
            shaped: self.shaped - before.shaped,
            broken: self.broken - before.broken,
            waited: self.waited - before.waited,
            lost: self.lost - before.lost,
            repeated: self.repeated - before.repeated,
            overtaken: self.overtaken - before.overtaken,
        }
    }
}
