//! The rules, one story each: what is decided, what is remembered, what is settled.

#[path = "scenarios/language.rs"]
mod language;

#[path = "scenarios/deciding.rs"]
mod deciding;
#[path = "scenarios/operating.rs"]
mod operating;
#[path = "scenarios/settling.rs"]
mod settling;
