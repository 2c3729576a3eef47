//! Ports for tests that run side by side, also in several test programs at once.
//!
//! What must hold: no two tests have the same block at a time (a lock on a file says whose it is, and goes with the
//! process), and no block lies where the system takes ports for outgoing connections.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
/// One cluster of `holdfast up --port-base` lies within it.
const SIZE: u16 = 50;
/// Up to 31,999; Linux takes outgoing ports from 32,768 on.
const BLOCKS: u16 = 240;

/// 50 ports that are this test's until it is dropped.
pub struct Block {
    /// The first of them.
    pub base: u16,
    _lock: File,
}

impl Block {
    /// Takes a free one.
    pub fn take() -> Block {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let dir: PathBuf = std::env::temp_dir().join("holdfast-test-ports");
        std::fs::create_dir_all(&dir).expect("make the directory of locks");
        let spread = (std::process::id() % u32::from(BLOCKS)) as u16;
        for _ in 0..BLOCKS {
            let number = (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let base = FIRST + number * SIZE;
            let path = dir.join(base.to_string());
            let lock = File::options().create(true).append(true).open(path).expect("open a lock");
            let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
            if lock.try_lock().is_ok() && (base..base + SIZE).all(free) {
                return Block { base, _lock: lock };
            }
        }
        panic!("no block of ports is free");
    }
}
