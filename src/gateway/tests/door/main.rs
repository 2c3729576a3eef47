//! The door from outside: raw bytes over loopback, with books that are made up.

mod books;
mod client;
mod clock;
mod fuzz;
mod hostile;
mod keys;
mod life;
mod replies;
mod secure;
mod statuses;
