//! Random numbers as pure functions: of a seed, a number and a purpose.
//!
//! What must hold: the same three give the same draw whatever happened before, so that a run can be repeated and tasks
//! need no shared generator.

/// One step of splitmix64: a good 64-bit mix of its input.
pub fn mix(input: u64) -> u64 {
    let mut word = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The draw for a purpose of a number.
pub fn draw(seed: u64, number: u64, purpose: u64) -> u64 {
    mix(mix(seed ^ mix(number)).wrapping_add(purpose))
}
