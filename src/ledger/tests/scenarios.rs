//! The rules, one story each: what is decided, what is remembered, what is settled.

#[path = "scenarios/language.rs"]
mod language;

#[path = "scenarios/deciding.rs"]
mod deciding;
#[path = "scenarios/expiring.rs"]
mod expiring;
#[path = "scenarios/lives.rs"]
mod lives;
#[path = "scenarios/operating.rs"]
mod operating;
#[path = "scenarios/orders.rs"]
mod orders;
#[path = "scenarios/settling.rs"]
mod settling;
#[path = "scenarios/table.rs"]
mod table;
