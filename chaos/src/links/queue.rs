//! The packets of one direction go through this program: delayed, lost, repeated, overtaken. `chaos packets`, which the
//! nemesis starts in a node's network namespace, takes them from the kernel's queue (NFQUEUE) and gives them back.
//!
//! What must hold: a packet is neither changed nor kept for ever. What is held is bounded, and when this program is
//! told to end it lets everything go at once. If it dies, the rule lets packets pass it by. Not here: which packets
//! (`rule` in `packets`).
//!
//! What each manner is. *Lost*: the packet is dropped. *Repeated*: a copy of it is sent again at once; the copy is a
//! packet like any other, and passes here too. *Overtaken*: the packet is held back while those after it pass. *Late*
//! and *narrow* keep the order, as in a proxy. The queue is looked at once a millisecond, so every packet that passes
//! here is late by up to that.

use super::Shape;
use crate::draw::draw;
use anyhow::{Context, Result};
use nfq::{Message, Queue, Verdict};
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Packets that are held at a time; more are dropped, as by any full queue.
const HELD_MAX: usize = 4_096;
/// From one look at the queue to the next.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Options of `chaos packets`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of the kernel's queue
    #[arg(long)]
    queue: u16,
    /// Where it says what it did: made when it has begun, written when it ends
    #[arg(long)]
    told: PathBuf,
    /// Of what is drawn
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    delay_ms: u64,
    #[arg(long)]
    jitter_ms: u64,
    #[arg(long)]
    bytes_per_s: u64,
    #[arg(long)]
    loss_percent: u64,
    #[arg(long)]
    repeat_percent: u64,
    #[arg(long)]
    reorder_percent: u64,
    #[arg(long)]
    reorder_ms: u64,
}

/// What was done to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// That came.
    pub packets: u64,
    /// Bytes that were made late, or waited for their turn.
    pub shaped: u64,
    /// Packets that were dropped.
    pub lost: u64,
    /// Copies that were sent.
    pub repeated: u64,
    /// Packets that were overtaken by at least one other.
    pub overtaken: u64,
}

impl Told {
    /// Both together.
    pub fn and(self, other: Told) -> Told {
        Told {
            packets: self.packets + other.packets,
            shaped: self.shaped + other.shaped,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            overtaken: self.overtaken + other.overtaken,
        }
    }
}

/// The words after `chaos` that make this shape of a queue.
pub fn words(queue: u64, told: &str, seed: u64, shape: Shape) -> Vec<String> {
    let options = [
        ("queue", queue),
        ("seed", seed),
        ("delay-ms", shape.delay_ms),
        ("jitter-ms", shape.jitter_ms),
        ("bytes-per-s", shape.bytes_per_s),
        ("loss-percent", shape.loss_percent),
        ("repeat-percent", shape.repeat_percent),
        ("reorder-percent", shape.reorder_percent),
        ("reorder-ms", shape.reorder_ms),
    ];
    let mut words: Vec<String> = ["packets", "--told", told].map(str::to_owned).to_vec();
    words.extend(options.iter().flat_map(|(name, value)| [format!("--{name}"), value.to_string()]));
    words
}

/// Whether this machine can: tries the rule in a network namespace of its own.
pub fn possible() -> Result<(), String> {
    let rule = ["--net", "iptables", "-w", "-t", "mangle", "-A", "OUTPUT", "-j", "NFQUEUE", "--queue-num", "1"];
    let tried = crate::process::output("unshare", &[&rule[..], &["--queue-bypass"]].concat());
    tried.map(drop).map_err(|error| format!("needs root, iptables and NFQUEUE: {error}"))
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    lost: bool,
    repeated: bool,
    overtaken: bool,
}

/// Draws it. The same seed, number and shape give the same.
fn fate(shape: Shape, seed: u64, number: u64) -> Fate {
    let happens = |what: u64, percent: u64| draw(seed, number, what) % 100 < percent;
    Fate {
        lost: happens(1, shape.loss_percent),
        repeated: happens(2, shape.repeat_percent),
        overtaken: happens(3, shape.reorder_percent),
    }
}

/// When what may be sent.
struct Schedule {
    shape: Shape,
    seed: u64,
    /// When the line is free again.
    free: Instant,
    /// When the last one that kept its place is due.
    due: Instant,
}

impl Schedule {
    /// When this packet is due.
    fn due(&mut self, now: Instant, number: u64, bytes: usize, overtaken: bool) -> Instant {
        let jitter = draw(self.seed, number, 4) % (self.shape.jitter_ms + 1);
        let transfer = match self.shape.bytes_per_s {
            0 => Duration::ZERO,
            rate => Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate),
        };
        self.free = now.max(self.free) + transfer;
        let due = self.free + Duration::from_millis(self.shape.delay_ms + jitter);
        if overtaken {
            return due + Duration::from_millis(self.shape.reorder_ms);
        }
        self.due = self.due.max(due);
        self.due
    }
}

/// One that is held.
struct Held {
    message: Message,
    /// It was held back to be overtaken.
    back: bool,
}

struct Work {
    queue: Queue,
    again: rustix::fd::OwnedFd,
    schedule: Schedule,
    held: BTreeMap<(Instant, u64), Held>,
    number: u64,
    /// The highest number that was let go.
    highest: u64,
    told: Told,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("start a runtime").and_then(|runtime| runtime.block_on(work(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos packets: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(args: &Args) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut queue = Queue::open().context("open the kernel's queue")?;
    queue.bind(args.queue).context("bind the kernel's queue")?;
    queue.set_queue_max_len(args.queue, HELD_MAX as u32).context("set the queue's length")?;
    queue.set_nonblocking(true);
    let again = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).context("open a raw socket")?;
    let now = Instant::now();
    let mut work = Work {
        queue,
        again,
        schedule: Schedule { shape: shape(args), seed: args.seed, free: now, due: now },
        held: BTreeMap::new(),
        number: 0,
        highest: 0,
        told: Told::default(),
    };
    std::fs::write(&args.told, "").with_context(|| format!("write {}", args.told.display()))?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = looks.tick() => work.look()?,
        }
    }
    let all = work.held.last_key_value().map_or_else(Instant::now, |((due, _), _)| *due);
    work.let_go(all)?;
    std::fs::write(&args.told, serde_json::to_string(&work.told)?)
        .with_context(|| format!("write {}", args.told.display()))
}

fn shape(args: &Args) -> Shape {
    Shape {
        cut: false,
        delay_ms: args.delay_ms,
        jitter_ms: args.jitter_ms,
        bytes_per_s: args.bytes_per_s,
        loss_percent: args.loss_percent,
        repeat_percent: args.repeat_percent,
        reorder_percent: args.reorder_percent,
        reorder_ms: args.reorder_ms,
    }
}

impl Work {
    /// Takes what has come, and lets go what is due.
    fn look(&mut self) -> Result<()> {
        for _ in 0..HELD_MAX {
            match self.queue.recv() {
                Ok(message) => self.receive(message)?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // More came than the socket holds: the kernel has dropped some, as from any full queue.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {}
                Err(error) => return Err(error).context("take a packet"),
            }
        }
        self.let_go(Instant::now())
    }

    fn receive(&mut self, mut message: Message) -> Result<()> {
        let (now, number, shape) = (Instant::now(), self.number + 1, self.schedule.shape);
        self.number = number;
        self.told.packets += 1;
        let fate = fate(shape, self.schedule.seed, number);
        if fate.lost || self.held.len() >= HELD_MAX {
            self.told.lost += 1;
            message.set_verdict(Verdict::Drop);
            return self.queue.verdict(message).context("drop a packet");
        }
        if fate.repeated && self.send_again(message.get_payload()) {
            self.told.repeated += 1;
        }
        let bytes = message.get_original_len();
        if shape.delay_ms + shape.jitter_ms + shape.bytes_per_s > 0 {
            self.told.shaped += bytes as u64;
        }
        let due = self.schedule.due(now, number, bytes, fate.overtaken);
        self.held.insert((due, number), Held { message, back: fate.overtaken });
        self.let_go(now)
    }

    /// Gives back what is due by then.
    fn let_go(&mut self, now: Instant) -> Result<()> {
        while let Some(entry) = self.held.first_entry() {
            let (due, number) = *entry.key();
            if due > now {
                break;
            }
            let Held { mut message, back } = entry.remove();
            self.told.overtaken += u64::from(back && self.highest > number);
            self.highest = self.highest.max(number);
            message.set_verdict(Verdict::Accept);
            self.queue.verdict(message).context("let a packet go")?;
        }
        Ok(())
    }

    /// Sends a whole packet of IPv4 as it is. One that cannot be sent is not repeated.
    fn send_again(&self, packet: &[u8]) -> bool {
        let to = destination(packet).map(|to| SocketAddrV4::new(to, 0));
        to.is_some_and(|to| sendto(&self.again, packet, SendFlags::empty(), &to).is_ok())
    }
}

/// Where a packet of IPv4 goes.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| Ipv4Addr::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lossy() -> Shape {
        Shape { loss_percent: 10, repeat_percent: 30, reorder_percent: 50, reorder_ms: 20, ..Shape::default() }
    }

    #[test]
    fn fates_are_drawn_by_their_shares() {
        let fates: Vec<Fate> = (0..10_000).map(|number| fate(lossy(), 7, number)).collect();
        let count = |holds: fn(&Fate) -> bool| fates.iter().filter(|fate| holds(fate)).count();
        assert!((900..1_100).contains(&count(|fate| fate.lost)));
        assert!((2_800..3_200).contains(&count(|fate| fate.repeated)));
        assert!((4_800..5_200).contains(&count(|fate| fate.overtaken)));
        assert_eq!(fates, (0..10_000).map(|number| fate(lossy(), 7, number)).collect::<Vec<_>>());
        let none = Fate { lost: false, repeated: false, overtaken: false };
        assert!((0..1_000).all(|number| fate(Shape::default(), 7, number) == none));
        assert!((0..1_000).all(|number| fate(Shape { loss_percent: 100, ..Shape::default() }, 7, number).lost));
    }

    #[test]
    fn only_what_is_to_be_overtaken_loses_its_place() {
        let now = Instant::now();
        let shape = Shape { delay_ms: 5, jitter_ms: 30, ..lossy() };
        let mut schedule = Schedule { shape, seed: 7, free: now, due: now };
        let due: Vec<Instant> = (0..200).map(|number| schedule.due(now, number, 100, false)).collect();
        assert!(due.is_sorted() && due[0] >= now + Duration::from_millis(5));
        let mut schedule = Schedule { shape: lossy(), seed: 7, free: now, due: now };
        assert_eq!(schedule.due(now, 1, 100, true), now + Duration::from_millis(20));
        assert_eq!(schedule.due(now, 2, 100, false), now);
    }

    #[test]
    fn a_narrow_line_sends_one_after_the_other() {
        let now = Instant::now();
        let mut schedule =
            Schedule { shape: Shape { bytes_per_s: 10_000, ..Shape::default() }, seed: 7, free: now, due: now };
        assert_eq!(schedule.due(now, 1, 1_000, false), now + Duration::from_millis(100));
        assert_eq!(schedule.due(now, 2, 500, false), now + Duration::from_millis(150));
    }

    #[test]
    fn a_destination_is_read_from_ipv4_alone() {
        let mut packet = vec![0x45; 20];
        packet[16..].copy_from_slice(&[10, 1, 2, 3]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 1, 2, 3)));
        packet[0] = 0x60;
        assert_eq!((destination(&packet), destination(&packet[..19]), destination(&[])), (None, None, None));
    }
}
