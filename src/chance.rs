//! Random bytes, for ids that nobody else may have.

use std::io::{self, Read};

/// So many of them, from the system.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
