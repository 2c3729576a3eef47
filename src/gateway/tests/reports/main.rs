//! Reports of the processor, and requests beside them, over real books: exact replies, exact balances.

mod batches;
mod door;
mod fuzz;
mod lives;
mod orders;
mod signed;
