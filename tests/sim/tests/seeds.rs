//! The simulation in CI: seeds in a budget of time, seeds that once failed, and the proof that it sees and replays.
//!
//! `SEED=7 cargo test -p holdfast-sim` replays one seed; `SEEDS=5000 FROM=1000 cargo test -p holdfast-sim` runs as many
//! from there on, without a budget. A failing seed prints what replays it, and `sim shrink SEED` finds the fewest
//! faults with which it fails.

use std::process::{Command, Output};
use std::sync::Mutex;

/// Seeds in CI.
const COUNT: u64 = 50;
/// No further seed is begun after so many seconds: on a busy machine some are left for the next time.
const SECONDS: u64 = 90;
/// A planted bug shows in some of the first so many seeds.
const PATIENCE: u64 = 40;

/// One at a time: each uses all the cores there are.
static TURN: Mutex<()> = Mutex::new(());

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("run the simulation")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

#[test]
fn seeds_hold() {
    let _turn = TURN.lock();
    if let Some(seed) = number("SEED") {
        let output = sim(&["run", &seed.to_string(), "--plan"]);
        println!("{}", text(&output));
        assert!(output.status.success(), "seed {seed} fails:\n{}", text(&output));
        return;
    }
    let (from, cores) = (number("FROM").unwrap_or(1).to_string(), cores());
    let (count, seconds) = match number("SEEDS") {
        Some(count) => (count.to_string(), None),
        None => (COUNT.to_string(), Some(SECONDS.to_string())),
    };
    let mut arguments = vec!["many", "--quiet", "--jobs", &cores, "--from", &from, "--count", &count];
    arguments.extend(seconds.iter().flat_map(|seconds| ["--seconds", seconds]));
    let output = sim(&arguments);
    println!("{}", text(&output));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).starts_with("0 seeds"), "not one was run");
}

#[test]
fn seeds_that_once_failed_hold() {
    let _turn = TURN.lock();
    let kept = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    for seed in kept.filter_map(|line| line.split_whitespace().next()) {
        let output = sim(&["run", seed]);
        assert!(output.status.success(), "seed {seed} fails again:\n{}", text(&output));
    }
}

#[test]
fn a_seed_is_the_same_run_in_every_process() {
    let _turn = TURN.lock();
    let mut hashes = Vec::new();
    for seed in ["1", "2", "3", "5", "8"] {
        let (first, second) = (text(&sim(&["run", seed])), text(&sim(&["run", seed])));
        assert!(first.contains("hash="), "{first}");
        assert_eq!(first, second, "the trace hash of seed {seed} differs");
        hashes.push(first);
    }
    hashes.dedup_by_key(|line| line.split("hash=").nth(1).map(|rest| rest.split(' ').next().map(str::to_owned)));
    assert_eq!(hashes.len(), 5, "seeds are different runs");
}

/// The first seed in which a planted bug is seen, and in which words.
fn caught(plant: &str) -> (String, String) {
    for seed in 1..=PATIENCE {
        let seed = seed.to_string();
        let output = sim(&["run", &seed, "--plant", plant]);
        if !output.status.success() {
            return (seed, text(&output));
        }
    }
    panic!("{plant} was not seen in {PATIENCE} seeds");
}

#[test]
fn planted_bugs_are_caught() {
    let _turn = TURN.lock();
    for (plant, oracles) in [
        ("lying-disk", &["order: ", "term: ", "told: ", "token: ", "liveness: ", "books: "][..]),
        ("unlike", &["output: ", "books: "]),
        ("forgetful", &["output: ", "token: ", "books: "]),
    ] {
        let (seed, said) = caught(plant);
        println!("{plant}: {said}");
        assert!(
            oracles.iter().any(|oracle| said.contains(oracle)),
            "{plant} in seed {seed} for another reason: {said}"
        );
    }
}

#[test]
fn a_failure_is_shrunk() {
    let _turn = TURN.lock();
    let (seed, _) = caught("forgetful");
    let shrunk = text(&sim(&["shrink", &seed, "--plant", "forgetful"]));
    assert!(shrunk.contains("--first=0"), "it decides anew without any fault: {shrunk}");
    let again = shrunk.split("shortest: sim ").nth(1).expect("a command").split(' ').collect::<Vec<_>>();
    assert!(!sim(&again).status.success(), "what was shrunk fails, too: {again:?}");
}

fn cores() -> String {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string()
}
