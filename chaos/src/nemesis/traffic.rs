//! Faults that come in by the door: slow clients, more load, storms of repeats, one token at two nodes.
//!
//! What must hold: what such traffic is promised counts like any other: its books are checked too.

use super::{Active, Field, Kept};
use crate::draw::mix;
use crate::history::{History, Task};
use crate::scenario::Load;
use crate::scenario::fault::{Clients as SlowClients, Spike};
use crate::sender::{Order, Workload};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// From one byte to the next.
const BYTE_EVERY: Duration = Duration::from_millis(250);
/// A head that is never finished.
const HEAD: &[u8] =
    b"POST /v1/jit HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaa";

/// Clients that send a byte at a time.
pub struct Clients {
    // Dropped, all of them hang up.
    _tasks: JoinSet<()>,
    counts: Arc<SlowCounts>,
}

#[derive(Default)]
struct SlowCounts {
    opened: AtomicU64,
    bytes: AtomicU64,
    turned_away: AtomicU64,
}

/// Senders that were started, and what is compared of them.
pub struct Loads {
    senders: Vec<Workload>,
    compare: Compare,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Nothing,
    Decisions,
}

/// How many requests of a spike repeat a token.
#[derive(Clone, Copy)]
pub enum Repeats {
    /// One of twenty.
    Few,
    /// Nine of ten.
    Most,
}

/// Opens the connections.
pub fn slow_clients(field: &mut Field<'_>, active: &mut Active, clients: SlowClients) -> Result<()> {
    let doors = doors(field, active);
    let counts = Arc::new(SlowCounts::default());
    let mut tasks = JoinSet::new();
    for number in 0..clients.connections {
        let door = doors[usize::try_from(number).unwrap_or(0) % doors.len()].clone();
        tasks.spawn_on(dawdle(door, counts.clone()), field.runtime.handle());
    }
    active.kept = Kept::Clients(Clients { _tasks: tasks, counts });
    Ok(())
}

async fn dawdle(door: String, counts: Arc<SlowCounts>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(&door).await {
            counts.opened.fetch_add(1, Ordering::Relaxed);
            for byte in HEAD.chunks(1) {
                if stream.write_all(byte).await.is_err() {
                    counts.turned_away.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                counts.bytes.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(BYTE_EVERY).await;
            }
        }
        tokio::time::sleep(BYTE_EVERY).await;
    }
}

/// Hangs up.
pub fn end_clients(active: &mut Active) -> Result<()> {
    let Kept::Clients(clients) = std::mem::replace(&mut active.kept, Kept::Nothing) else {
        return Ok(());
    };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (opened, bytes, away) =
        (read(&clients.counts.opened), read(&clients.counts.bytes), read(&clients.counts.turned_away));
    let text = format!("{opened} slow connections sent {bytes} bytes; {away} were closed by the nodes meanwhile");
    active.sign(opened > 0 && bytes > opened, text);
    Ok(())
}

/// Starts another sender with accounts of its own.
pub fn spike(field: &mut Field<'_>, active: &mut Active, spike: Spike, repeats: Repeats) -> Result<()> {
    let repeat_percent = match repeats {
        Repeats::Few => 5,
        Repeats::Most => 90,
    };
    let load = Load { repeat_percent, ..load(active, spike) };
    let doors = doors(field, active);
    let order = Order {
        name: format!("step-{}", active.place),
        load,
        doors: &doors,
        admins: &field.target.admins(),
        login: &field.login,
        seed: mix(field.seed ^ active.place as u64),
        more: Vec::new(),
    };
    let sender = Workload::start(&field.guard, &field.stop, &field.out, &order)?;
    active.kept = Kept::Loads(Loads { senders: vec![sender], compare: Compare::Nothing });
    Ok(())
}

/// Starts two senders that ask the same tokens at the same time, each at nodes of its own.
pub fn duplicates(field: &mut Field<'_>, active: &mut Active, spike: Spike) -> Result<()> {
    let doors = doors(field, active);
    let seed = mix(field.seed ^ active.place as u64);
    // Twelve hexadecimal digits name the tokens of both.
    let run = format!("{:012x}", mix(seed) >> 16);
    let mut senders = Vec::new();
    for (number, name) in ["a", "b"].into_iter().enumerate() {
        let mut doors = doors.clone();
        let count = doors.len();
        doors.rotate_left(number % count);
        doors.truncate(1);
        let order = Order {
            name: format!("step-{}-{name}", active.place),
            load: Load { repeat_percent: 0, ..load(active, spike) },
            doors: &doors,
            admins: &field.target.admins(),
            login: &field.login,
            seed,
            more: ["--no-check", "--run-id", &run].map(str::to_owned).to_vec(),
        };
        senders.push(Workload::start(&field.guard, &field.stop, &field.out, &order)?);
    }
    active.kept = Kept::Loads(Loads { senders, compare: Compare::Decisions });
    Ok(())
}

fn load(active: &Active, spike: Spike) -> Load {
    Load {
        rate_per_s: spike.rate_per_s,
        connections: spike.connections,
        duration_ms: active.step.for_ms,
        accounts: 200,
        hot_percent: 0,
        repeat_percent: 0,
        timeout_ms: 3_000,
        deadline_ms: 850,
    }
}

/// The doors of the nodes that are met.
pub fn doors(field: &Field<'_>, active: &Active) -> Vec<String> {
    let all = field.target.doors();
    // Behind one address for all there is no choosing.
    if all.len() as u64 != field.target.nodes() {
        return all;
    }
    let met = active.nodes.iter().filter_map(|node| all.get(usize::try_from(node - 1).ok()?).cloned());
    met.collect()
}

/// Waits for the senders; gives what they found wrong.
pub fn conclude(field: &mut Field<'_>, active: &mut Active, loads: Loads) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let mut histories = Vec::new();
    for sender in loads.senders {
        let (name, history) = (sender.name.clone(), sender.history.clone());
        let (code, report) = sender.finish(&field.stop)?;
        let requests = report["total"]["requests"].as_u64().unwrap_or(0);
        active.sign(requests > 0, format!("{name}: {requests} requests answered"));
        if code == 1 {
            violations.push(format!("{name}: {}", report["findings"]));
        }
        histories.push(decisions(&history)?);
    }
    if loads.compare == Compare::Decisions
        && let [one, other] = &histories[..]
    {
        let both = one.iter().filter_map(|(token, first)| other.get(token).map(|second| (token, first, second)));
        let (mut same, mut different) = (0u64, Vec::new());
        for (token, first, second) in both {
            if first == second { same += 1 } else { different.push(token) }
        }
        active.sign(same > 0, format!("{same} tokens were decided at two nodes, with the same bytes"));
        let examples = different.iter().take(3);
        violations.extend(examples.map(|token| format!("token {token} has two decisions")));
    }
    Ok(violations)
}

/// Status and body of each token that was decided.
fn decisions(path: &Path) -> Result<BTreeMap<String, (u16, String)>> {
    let history = History::read(path).with_context(|| format!("read {}", path.display()))?;
    let mut decided = BTreeMap::new();
    for op in history.ops {
        let Task::Authorize { token, .. } = op.task else { continue };
        if matches!(op.answer.outcome.as_deref(), Some("decided" | "replayed")) {
            decided.insert(token, (op.answer.status.unwrap_or(0), op.answer.body.unwrap_or_default()));
        }
    }
    Ok(decided)
}
