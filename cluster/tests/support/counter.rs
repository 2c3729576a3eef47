//! The simplest machine that can tell whether the cluster keeps its promises: it adds, remembers by key, and keeps the
//! log's times.

use bytes::Bytes;
use cluster::{Malformed, Stamp, StateMachine};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Adds `amount` once per `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    pub key: u64,
    pub amount: u64,
    /// How long `apply` keeps its thread busy: a machine that is slower than any ledger.
    pub busy_us: u64,
}

/// A planted fault: node 2 adds one more for this key.
pub const SKEWED: u64 = u64::MAX;

/// Keys from here on need as many versions of the cluster as they are above it.
pub const NEWER: u64 = u64::MAX / 2;

/// What the counter says: the sum after the key was first seen, and whether it was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub sum: u64,
    pub replayed: bool,
    pub time_us: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Counter {
    pub sum: u64,
    pub keys: Arc<BTreeMap<u64, (u64, u64)>>,
    pub last_us: u64,
    /// Set when log time did not increase.
    pub ran_back: bool,
    /// The keys that [`StateMachine::warm`] was told last and that are not applied yet, and whether all were told.
    pub told: Told,
}

/// What was announced. No part of the state.
#[derive(Clone, Debug, Default)]
pub struct Told {
    coming: Arc<Mutex<VecDeque<u64>>>,
    pub missed: bool,
}

fn malformed(what: &'static str) -> Malformed {
    Malformed { what, why: "wrong length".to_owned() }
}

fn numbers<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u64; N], Malformed> {
    let mut found = [0; N];
    if bytes.len() != N * 8 {
        return Err(malformed(what));
    }
    for (number, chunk) in found.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_le_bytes(chunk.try_into().map_err(|_| malformed(what))?);
    }
    Ok(found)
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

impl StateMachine for Counter {
    type Command = Add;
    type Output = Sum;

    fn empty() -> Self {
        Counter::default()
    }

    fn since(add: &Add) -> u32 {
        add.key.checked_sub(NEWER).and_then(|versions| u32::try_from(versions).ok()).unwrap_or(0)
    }

    fn apply(&mut self, stamp: Stamp, add: &Add) -> Sum {
        if add.busy_us > 0 {
            let until = std::time::Instant::now() + Duration::from_micros(add.busy_us);
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        let told = self.told.coming.lock().expect("no panic").pop_front();
        self.told.missed |= told != Some(add.key);
        self.ran_back |= stamp.time_us <= self.last_us;
        self.last_us = stamp.time_us;
        if let Some((sum, time_us)) = self.keys.get(&add.key) {
            return Sum { sum: *sum, replayed: true, time_us: *time_us };
        }
        let skew = u64::from(add.key == SKEWED && std::thread::current().name() == Some("node-2"));
        self.sum = self.sum.wrapping_add(add.amount).wrapping_add(skew);
        Arc::make_mut(&mut self.keys).insert(add.key, (self.sum, stamp.time_us));
        Sum { sum: self.sum, replayed: false, time_us: stamp.time_us }
    }

    fn warm(&self, commands: &[Add]) {
        *self.told.coming.lock().expect("no panic") = commands.iter().map(|add| add.key).collect();
    }

    fn freeze(&self) -> Self {
        self.clone()
    }

    fn digest(&self) -> [u8; 16] {
        let mixed = self.keys.iter().fold(self.sum, |mix, (key, (sum, at))| {
            mix.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(key ^ sum.rotate_left(17) ^ at.rotate_left(31))
        });
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&mixed.to_le_bytes());
        digest[8..].copy_from_slice(&self.last_us.to_le_bytes());
        digest
    }

    fn violations(&self) -> Vec<String> {
        if self.ran_back { vec!["log time ran back".to_owned()] } else { Vec::new() }
    }

    fn records_count(&self) -> u64 {
        1 + self.keys.len() as u64
    }

    fn records(&self) -> Box<dyn Iterator<Item = Vec<u8>> + Send + '_> {
        let head = bytes(&[self.sum, self.last_us, u64::from(self.ran_back)]);
        let keys = self.keys.iter().map(|(key, (sum, at))| bytes(&[*key, *sum, *at]));
        Box::new(std::iter::once(head).chain(keys))
    }

    fn restore(records: &mut dyn Iterator<Item = Bytes>) -> Result<Self, Malformed> {
        let head = records.next().ok_or_else(|| malformed("counter"))?;
        let [sum, last_us, ran_back] = numbers("counter", &head)?;
        let mut keys = BTreeMap::new();
        for record in records {
            let [key, sum, at] = numbers("key", &record)?;
            keys.insert(key, (sum, at));
        }
        Ok(Counter { sum, keys: Arc::new(keys), last_us, ran_back: ran_back != 0, told: Told::default() })
    }

    fn encode_command(add: &Add, into: &mut Vec<u8>) {
        into.extend_from_slice(&bytes(&[add.key, add.amount, add.busy_us]));
    }

    fn decode_command(from: &[u8]) -> Result<Add, Malformed> {
        let [key, amount, busy_us] = numbers("add", from)?;
        Ok(Add { key, amount, busy_us })
    }

    fn encode_output(output: &Sum, into: &mut Vec<u8>) {
        into.extend_from_slice(&bytes(&[output.sum, u64::from(output.replayed), output.time_us]));
    }

    fn decode_output(from: &[u8]) -> Result<Sum, Malformed> {
        let [sum, replayed, time_us] = numbers("sum", from)?;
        Ok(Sum { sum, replayed: replayed != 0, time_us })
    }
}
