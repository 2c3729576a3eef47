//! Random schedules over the real books and the real journal, on a disk that forgets what was not synced.
//!
//! **What lives here.** [`real`] is what is real: one ledger, and nodes with a journal each. [`replay`] plays walks of
//! the models (`tests/model`) on it, and compares after every step. [`walks`] goes where no model does: partitions in
//! time, books that lag, windows of log time, torn disks, the breaker, the policy; and counts the money at the end.
//!
//! **What must hold.** A walk is a function of its seed. `HOLDFAST_CASES` says how many there are, `HOLDFAST_SEED` with
//! which the first one begins; a failure prints its seed.

mod real;
mod replay;
mod walks;

/// The seeds of this run.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("HOLDFAST_SEED").unwrap_or(0);
    first..first.saturating_add(number("HOLDFAST_CASES").unwrap_or(default))
}

/// Walks each seed; the first that fails is named.
fn each(default: u64, walk: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in seeds(default) {
        let walked = std::panic::catch_unwind(|| walk(seed));
        assert!(walked.is_ok(), "again with: HOLDFAST_SEED={seed} HOLDFAST_CASES=1");
    }
}

/// Runs what is meant to panic without its complaints in the output.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    // The hook is the process's; a test that fails beside this one is silent too, but fails all the same.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    std::panic::set_hook(hook);
    result
}
