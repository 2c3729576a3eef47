//! How long `apply` pauses while a snapshot is taken: `cargo bench --bench pause`.
//!
//! **What lives here.** Books of a million accounts with one hold each. Batches of 256 authorizations on distinct
//! accounts are decoded, announced, applied and their outputs encoded, as a node does; first alone, then beside a
//! thread that walks through memory of its own, which says what this machine does by itself, then with snapshots one
//! after another: a copy is frozen between two batches, another thread takes its digest and encodes its records, and it
//! is freed a little after each batch. Printed are the times of a batch and of a freeze: p50, p99 and the
//! maximum, and of the first batch after a freeze by itself. Ends with 1 if a batch, with the freeze before it, took
//! 10 ms or more.
//!
//! **What is not here.** Raft and the disk: what a whole node does under load is measured by `chaos load`.
#![allow(missing_docs)]

use ledger::{
    Amount, Attempt, Authorize, Command, Currency, Fingerprint, Ledger, Open, Opening, Output, Program, RequestKind,
    Timestamp, Token, UserToken, Verdict, decode_command, encode_command, encode_output,
};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// What the binary allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
const ACCOUNTS: u64 = 1_000_000;
const BATCH: u64 = 256;
const SNAPSHOTS: usize = 5;
const BATCHES_ALONE: usize = 1_000;
const BATCHES_BESIDE: usize = 1_500;
/// What the other thread walks through: more than caches hold.
const WALKED_BYTES: usize = 256 << 20;
/// So many commands at a time are announced to the ledger.
const WARM: usize = 64;
/// A batch begins every so often: 25,600 commands a second. Without a pace the books would double within seconds.
const PACE: Duration = Duration::from_millis(10);
/// How long a node frees after each entry.
const FREEING: Duration = Duration::from_micros(300);
/// A batch may not take longer, whatever is being written.
const LIMIT: Duration = Duration::from_millis(10);
/// A step through the accounts that meets each before it meets one again, far apart in the order of their opening.
const STRIDE: u64 = 611_953;

struct Bench {
    ledger: Ledger,
    program: Program,
    currency: Currency,
    next: u64,
    now: u64,
    /// The copy whose snapshot is written; it is gone before the next one is.
    old: Option<Ledger>,
}

impl Bench {
    fn filled() -> Bench {
        let program = Program::new("default").expect("short");
        let currency = Currency::from_code("USD").expect("known");
        let mut bench = Bench { ledger: Ledger::new(), program, currency, next: 0, now: 0, old: None };
        for first in (0..ACCOUNTS).step_by(Open::MAX) {
            let openings = (first..(first + Open::MAX as u64).min(ACCOUNTS))
                .map(|number| Opening { user: user(number), currency, credit_minor: 1_000_000 })
                .collect();
            bench.apply(&Command::Open(Open { program, openings }));
        }
        for _ in 0..ACCOUNTS {
            let command = bench.authorization();
            let output = bench.apply(&command);
            assert!(matches!(output, Output::Decision(decision) if matches!(decision.verdict, Verdict::Approved)));
        }
        bench
    }

    fn authorization(&mut self) -> Command {
        let number = self.next;
        self.next += 1;
        Command::Authorize(Authorize {
            program: self.program,
            attempt: Attempt { node: 1, incarnation: 1, counter: number },
            token: Token::new(&format!("{:08x}-0000-4000-8000-{number:012x}", number.wrapping_mul(0x9e37_79b1) as u32))
                .expect("36 characters"),
            fingerprint: Fingerprint([number as u8; 16]),
            kind: RequestKind::Authorization,
            user: user(number.wrapping_mul(STRIDE) % ACCOUNTS),
            amount: Amount::new(100, self.currency).expect("small"),
            transaction: Some(Token::new(&format!("{number:012x}-0000-4000-8000-00000000")).expect("35 characters")),
            original: None,
            preceding: None,
            expires_after: None,
            facts: None,
        })
    }

    fn apply(&mut self, command: &Command) -> Output {
        self.now += 1;
        self.ledger.apply(Timestamp(self.now), command)
    }

    /// The commands of a batch as they come from the log.
    fn batch(&mut self) -> Vec<Vec<u8>> {
        let encoded = |command: Command| {
            let mut bytes = Vec::with_capacity(256);
            encode_command(&command, &mut bytes);
            bytes
        };
        (0..BATCH).map(|_| encoded(self.authorization())).collect()
    }

    /// Applies a batch as a node does.
    fn timed(&mut self, batch: &[Vec<u8>], freeze: impl FnOnce(&Ledger)) -> Duration {
        let started = Instant::now();
        freeze(&self.ledger);
        let commands: Vec<Command> = batch.iter().map(|bytes| decode_command(bytes).expect("encoded")).collect();
        let mut told = Vec::new();
        for (at, command) in commands.iter().enumerate() {
            if at % WARM == 0 {
                self.ledger.warm(&commands[at..commands.len().min(at + WARM)]);
            }
            encode_output(&self.apply(command), &mut told);
        }
        black_box(told);
        let freeing = Instant::now();
        while self.old.as_mut().is_some_and(Ledger::free_some) && freeing.elapsed() < FREEING {}
        started.elapsed()
    }
}

/// Batches at their pace while this goes on.
fn paced(bench: &mut Bench, mut goes_on: impl FnMut(&mut Bench, usize) -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut next = Instant::now();
    while goes_on(bench, times.len()) {
        let batch = bench.batch();
        times.push(bench.timed(&batch, |_| {}));
        next += PACE;
        while Instant::now() < next {
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
    }
    times
}

/// Batches beside a thread that has as much to do as one that writes a snapshot, and shares nothing with the books.
fn beside_a_walk(bench: &mut Bench) -> Vec<Duration> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut memory = vec![1_u8; WALKED_BYTES];
            let mut at = 1_usize;
            while !stop.load(Ordering::Relaxed) {
                at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = (at >> 20) % WALKED_BYTES;
                memory[place] = memory[place].wrapping_add(1);
            }
            black_box(memory);
        });
        let times = paced(bench, |_, done| done < BATCHES_BESIDE);
        stop.store(true, Ordering::Relaxed);
        times
    })
}

fn user(number: u64) -> UserToken {
    UserToken::new(&format!("{number:08x}-0000-4000-8000-000000000000")).expect("36 characters")
}

/// Writes snapshots as a node does, without a disk: digest, records, and the copy comes back to be freed.
fn write_snapshots(copies: &Receiver<Ledger>, done: &SyncSender<(u64, Ledger)>) {
    while let Ok(copy) = copies.recv() {
        black_box(copy.digest());
        let bytes: u64 = copy.records().map(|record| record.len() as u64).sum();
        if done.send((bytes, copy)).is_err() {
            return;
        }
    }
}

fn micros(time: Duration) -> u128 {
    time.as_micros()
}

fn report(what: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let at = |share: usize| micros(times[(times.len() - 1) * share / 1000]);
    let max = times.last().copied().unwrap_or_default();
    println!(
        "{what:<42} n {:>6}  p50 {:>6} us  p99 {:>6} us  p99.9 {:>6} us  max {:>6} us",
        times.len(),
        at(500),
        at(990),
        at(999),
        micros(max)
    );
    max
}

fn main() -> ExitCode {
    // Both as `serve` does.
    if std::env::var_os(PURGE_DELAY).is_none() {
        let own = std::env::current_exe().expect("known");
        let failed = process::Command::new(own).args(std::env::args_os().skip(1)).env(PURGE_DELAY, "-1").exec();
        panic!("cannot start anew: {failed}");
    }
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let started = Instant::now();
    let mut bench = Bench::filled();
    println!("{ACCOUNTS} accounts with one hold each, in {} ms", started.elapsed().as_millis());

    let mut alone: Vec<Duration> = Vec::with_capacity(BATCHES_ALONE);
    for _ in 0..BATCHES_ALONE {
        let batch = bench.batch();
        alone.push(bench.timed(&batch, |_| {}));
    }

    let mut beside = beside_a_walk(&mut bench);

    let (copies, to_write) = sync_channel(1);
    let (written, done) = sync_channel(1);
    let writer = std::thread::spawn(move || write_snapshots(&to_write, &written));
    let (mut first, mut during, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SNAPSHOTS {
        let since = Instant::now();
        let batch = bench.batch();
        first.push(bench.timed(&batch, |ledger| copies.send(ledger.clone()).expect("the writer waits")));
        during.extend(paced(&mut bench, |bench, _| {
            let written = done.try_recv().ok().map(|(_, copy)| copy);
            let goes_on = written.is_none();
            bench.old = written.or_else(|| bench.old.take());
            goes_on
        }));
        took.push(since.elapsed());
    }
    drop(copies);
    writer.join().expect("the writer ends");

    report("a batch of 256, no copy", &mut alone);
    report("a batch of 256 beside other work, no copy", &mut beside);
    let worst_first = report("freeze and the first batch after it", &mut first);
    let worst = report("a batch of 256 while a copy is written", &mut during).max(worst_first);
    report("a snapshot without the disk", &mut took);
    println!("{} commands beside {SNAPSHOTS} snapshots; the longest pause {} us", bench.next - ACCOUNTS, micros(worst));
    if worst < LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
