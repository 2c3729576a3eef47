//! Fifty ports for a cluster, also while tests and other runs take theirs.
//!
//! What must hold: no two programs that ask here have the same block at a time (a lock on a file says whose it is, and
//! goes with the process). The tests of the product use the same directory of locks. No block lies where Linux takes
//! ports for outgoing connections, from 32,768 on.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::TcpListener;

const FIRST: u16 = 20_000;
const SIZE: u16 = 50;
const BLOCKS: u16 = 240;

/// Fifty ports that are ours until it is dropped.
pub struct Block {
    /// The first of them.
    pub base: u16,
    _lock: File,
}

impl Block {
    /// Takes a free one.
    pub fn take() -> Result<Block> {
        let dir = std::env::temp_dir().join("holdfast-test-ports");
        std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        let spread = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
        for number in 0..BLOCKS {
            let base = FIRST + (spread + number) % BLOCKS * SIZE;
            let path = dir.join(base.to_string());
            let lock = File::options().create(true).append(true).open(&path);
            let lock = lock.with_context(|| format!("open {}", path.display()))?;
            let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
            if lock.try_lock().is_ok() && (base..base + SIZE).all(free) {
                return Ok(Block { base, _lock: lock });
            }
        }
        bail!("no fifty ports in a row are free from {FIRST} to {}", FIRST + BLOCKS * SIZE - 1)
    }
}
