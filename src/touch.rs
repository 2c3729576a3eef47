//! Memory that is touched before the node needs it (`node.memory_touched_mib`).
//!
//! **Why.** The first touch of a page has the kernel find and clear it. Where a virtual machine's host lends memory
//! only when it is touched, the machine waits for the host besides: some ten microseconds for each page, now and then
//! many milliseconds, and it is the thread that applies who waits (docs/measurements.md). Once a process has memory it
//! keeps it ([`crate::serve`]), so whoever has it touched at the start waits there.
//!
//! **What must hold.** The node that cannot have so much says so before it is a member of anything. What is touched is
//! free again afterwards, in units that the allocator gives to records.

use crate::config::ConfigError;
use std::fs;
use std::hint::black_box;

const FIELD: &str = "node.memory_touched_mib";
/// The unit in which the allocator (mimalloc 3) sets memory aside for blocks of one size: from a smaller unit, once it
/// is freed, records are not served.
const UNIT_MIB: u64 = 32;
const UNIT_BYTES: usize = 32 << 20;
/// Where pages are larger, each is touched a few times.
const PAGE_BYTES: usize = 4096;

/// Touches so much memory, rounded up to whole units, and frees it.
pub fn touch(mib: u64) -> Result<(), ConfigError> {
    fits(mib, available_mib())?;
    let blocks: Option<Vec<_>> = (0..mib.div_ceil(UNIT_MIB)).map(|_| touched()).collect();
    // All of them are held until here: one that was freed would be the next one.
    blocks.map(drop).ok_or_else(|| ConfigError::field(FIELD, "the system gives no more memory"))
}

fn fits(mib: u64, available: Option<u64>) -> Result<(), ConfigError> {
    match available {
        Some(most) if mib > most => {
            Err(ConfigError::field(FIELD, format!("{mib} is more than the {most} MiB that are available")))
        }
        _ => Ok(()),
    }
}

/// What the system says could be had without swapping, if it says it (proc_meminfo(5)).
fn available_mib() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn touched() -> Option<Vec<u8>> {
    let mut block = Vec::new();
    block.try_reserve_exact(UNIT_BYTES).ok()?;
    write_to_each_page(&mut block);
    Some(block)
}

fn write_to_each_page(block: &mut Vec<u8>) {
    for page in block.spare_capacity_mut().chunks_mut(PAGE_BYTES) {
        page[0].write(0);
    }
    // Nobody reads what was written: without this it need not be.
    black_box(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minor page faults of this thread: the eighth number after the name in parentheses (proc_pid_stat(5)).
    fn faults() -> u64 {
        let line = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = line.rsplit_once(')').unwrap().1;
        after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[test]
    fn each_page_has_been_touched() {
        let mut block = touched().unwrap();
        assert!(block.capacity() >= UNIT_BYTES);
        // Code that runs for the first time is a page fault, too.
        faults();
        let before = faults();
        write_to_each_page(&mut block);
        let again = faults() - before;
        // Of an untouched block it would be sixteen even where its pages are of 2 MiB.
        assert!(again < 8, "{again} page faults");
    }

    #[test]
    fn more_than_is_available_is_refused_and_named() {
        let refused = fits(2048, Some(2047)).unwrap_err().to_string();
        assert_eq!(refused, "node.memory_touched_mib: 2048 is more than the 2047 MiB that are available");
        fits(2047, Some(2047)).unwrap();
        fits(2048, None).unwrap();
        assert!(available_mib().is_some_and(|mib| mib > 0));
        touch(1).unwrap();
    }
}
