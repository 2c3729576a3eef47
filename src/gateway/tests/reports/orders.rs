//! Any order, any repetition, a request among the reports: the same books.

use crate::door::Door;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed};

/// The request and all that is told of its transaction: 48.20, down to 30.00, 10.00 taken back, 45.00 paid.
const MESSAGES: [&str; 6] = [
    include_str!("../messages/authorization_request.json"),
    include_str!("../messages/authorization_pending.json"),
    include_str!("../messages/advice_down_to_30.json"),
    include_str!("../messages/reversal_partial_10.json"),
    include_str!("../messages/clearing_1_of_2.json"),
    include_str!("../messages/clearing_2_of_2.json"),
];
const END: &str = "955.00 0.00 955.00";

/// `HOLDFAST_CASES` cases, else so many, from the seed `HOLDFAST_SEED`, else 1. A test that fails has it in what it
/// printed.
pub fn cases(fewest: u32) -> Cases {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("HOLDFAST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(fewest);
    let seed = number("HOLDFAST_SEED").unwrap_or(1);
    println!("HOLDFAST_SEED={seed} HOLDFAST_CASES={cases}");
    Cases { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Cases::default() }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Sends the messages of these numbers; those that follow each other are one post if they can be.
async fn tell(door: &Door, order: &[usize], together: usize) {
    let mut post: Vec<&str> = Vec::new();
    for number in order {
        let flush = post.len() >= together || (*number == 0 && !post.is_empty());
        if flush {
            door.report(&std::mem::take(&mut post)).await;
        }
        match number {
            // Yes or no: what the books say in the end does not depend on it.
            0 => assert!(matches!(door.jit(MESSAGES[0]).await, 200 | 402)),
            number => post.push(MESSAGES[*number]),
        }
    }
    if !post.is_empty() {
        door.report(&post).await;
    }
}

#[test]
fn all_orders_end_in_the_same_books() {
    let mut order: Vec<usize> = (0..MESSAGES.len()).collect();
    let mut swaps = vec![0; order.len()];
    let runtime = runtime();
    let check = |order: &[usize]| {
        let door = Door::open();
        runtime.block_on(tell(&door, order, 1));
        assert_eq!(door.money("ada", "EUR"), END, "{order:?}");
        door.check();
    };
    check(&order);
    // Heap's algorithm: each next order is one swap away.
    let mut at = 1;
    let mut seen = 1;
    while at < order.len() {
        if swaps[at] < at {
            order.swap(if at % 2 == 0 { 0 } else { swaps[at] }, at);
            check(&order);
            seen += 1;
            swaps[at] += 1;
            at = 1;
        } else {
            swaps[at] = 0;
            at += 1;
        }
    }
    assert_eq!(seen, 720);
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn repetitions_and_batches_change_nothing(
        early in prop::collection::vec(0..MESSAGES.len(), 0..12),
        whole in Just((0..MESSAGES.len()).collect::<Vec<_>>()).prop_shuffle(),
        late in prop::collection::vec(0..MESSAGES.len(), 0..12),
        together in 1..=10_usize,
    ) {
        let door = Door::open();
        let order = [early, whole, late].concat();
        runtime().block_on(tell(&door, &order, together));
        prop_assert_eq!(door.money("ada", "EUR"), END, "{:?}", order);
        door.check();
    }
}
