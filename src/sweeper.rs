//! Lets holds expire that nobody asks for any more: the leader looks for them, and proposes.
//!
//! **What must hold.** Nothing depends on it: a hold whose time has come does not count at any decision on its account,
//! swept or not (`ledger`'s expiry). It frees what accounts without a request would show as held for ever. A round is
//! bounded in what it looks at and in what it proposes, so that the expiries of a long outage come by and by; it gives
//! up at the first proposal that fails, and goes on from there a second later, on whichever node leads then.

use crate::machine::LedgerMachine;
use cluster::Node;
use ledger::{Command, Output, Sweep, Timestamp};
use std::time::{Duration, Instant};

/// How often the leader looks.
const EVERY: Duration = Duration::from_secs(1);
/// Parts per look: at a million accounts 240 comparisons, tens of microseconds for which applying waits.
const LOOK: u16 = 16;
/// Looks per round: all 65,536 parts are seen in 64 rounds.
const LOOKS: u16 = 64;
/// Sweeps per round, so at most 4,096 holds a second.
const SWEEPS_MAX: u32 = 16;
/// How long one proposal may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sweeps while this node leads, until `stop`.
pub async fn sweep_forever(node: Node<LedgerMachine>, clock: fn() -> u64, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut from = 0;
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if node.leader() == Some(node.id()) {
            from = round(&Swept { node: &node, clock }, from).await;
        }
    }
}

/// What a round needs of the books.
trait Books {
    /// Whether something may be due in these parts.
    fn is_due(&self, from: u16, parts: u16) -> bool;
    /// Sweeps these parts. How many holds expired, and where to go on; none if it was not done for sure.
    async fn sweep(&self, sweep: Sweep) -> Option<(u32, u16)>;
}

struct Swept<'a> {
    node: &'a Node<LedgerMachine>,
    clock: fn() -> u64,
}

impl Books for Swept<'_> {
    fn is_due(&self, from: u16, parts: u16) -> bool {
        let now = Timestamp((self.clock)());
        self.node.read(|machine| machine.as_ref().has_due(from, parts, now))
    }

    async fn sweep(&self, sweep: Sweep) -> Option<(u32, u16)> {
        match self.node.propose(&Command::Sweep(sweep), Instant::now() + PATIENCE).await {
            Ok(Output::Swept { expired, next }) => Some((expired, next)),
            // Repeating a sweep does no harm, so it does not matter which of the two it is.
            Ok(_) | Err(_) => None,
        }
    }
}

/// One round from this part on; where the next one begins.
async fn round(books: &impl Books, mut from: u16) -> u16 {
    let (mut sweeps, mut expired_total) = (0, 0);
    for _ in 0..LOOKS {
        let end = from.wrapping_add(LOOK);
        while books.is_due(from, end.wrapping_sub(from)) {
            if sweeps == SWEEPS_MAX {
                return told(from, expired_total);
            }
            let sweep = Sweep { from, parts: end.wrapping_sub(from) };
            let Some((expired, next)) = books.sweep(sweep).await else {
                return told(from, expired_total);
            };
            sweeps += 1;
            expired_total += expired;
            from = next;
            if next == end {
                break;
            }
        }
        from = end;
        tokio::task::yield_now().await;
    }
    told(from, expired_total)
}

fn told(from: u16, expired: u32) -> u16 {
    if expired > 0 {
        tracing::info!(expired, "holds expired");
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{
        Amount, Attempt, Authorize, Currency, Fingerprint, Ledger, Open, Opening, Program, RequestKind, Seconds, Token,
        UserToken,
    };
    use std::cell::{Cell, RefCell};

    const NOW: Timestamp = Timestamp(10_000_000);

    struct Local {
        ledger: RefCell<Ledger>,
        left: Cell<u32>,
    }

    impl Books for Local {
        fn is_due(&self, from: u16, parts: u16) -> bool {
            self.ledger.borrow().has_due(from, parts, NOW)
        }

        async fn sweep(&self, sweep: Sweep) -> Option<(u32, u16)> {
            self.left.set(self.left.get().checked_sub(1)?);
            match self.ledger.borrow_mut().apply(NOW, &Command::Sweep(sweep)) {
                Output::Swept { expired, next } => Some((expired, next)),
                _ => None,
            }
        }
    }

    /// Accounts with so many holds each, which stand for a second.
    fn books(accounts: u64, holds: u64) -> Local {
        let mut ledger = Ledger::new();
        let program = Program::new("default").expect("short");
        let currency = Currency::from_code("USD").expect("known");
        let user = |number: u64| UserToken::new(&format!("user-{number}")).expect("short");
        for number in 0..accounts {
            let openings = vec![Opening { user: user(number), currency, credit_minor: 1_000_000 }];
            ledger.apply(Timestamp(1), &Command::Open(Open { program, openings }));
            for hold in 0..holds {
                let authorize = Authorize {
                    program,
                    attempt: Attempt { node: 1, incarnation: 1, counter: number * holds + hold },
                    token: Token::new(&format!("t-{number}-{hold}")).expect("short"),
                    fingerprint: Fingerprint([1; 16]),
                    kind: RequestKind::Authorization,
                    user: user(number),
                    amount: Amount::new(1, currency).expect("small"),
                    transaction: None,
                    original: None,
                    preceding: None,
                    expires_after: Some(Seconds(1)),
                    facts: None,
                };
                ledger.apply(Timestamp(1), &Command::Authorize(authorize));
            }
        }
        assert_eq!(ledger.holds_count(), accounts * holds);
        Local { ledger: RefCell::new(ledger), left: Cell::new(u32::MAX) }
    }

    fn holds(books: &Local) -> u64 {
        books.ledger.borrow().holds_count()
    }

    #[tokio::test]
    async fn every_part_is_swept_within_sixty_four_rounds() {
        let books = books(300, 1);
        let mut from = 0;
        for _ in 0..64 {
            from = round(&books, from).await;
        }
        assert_eq!((holds(&books), from), (0, 0));
        assert!(books.ledger.borrow().check().is_empty());
    }

    #[tokio::test]
    async fn a_round_is_bounded_and_the_next_goes_on() {
        let books = books(1, 5_000);
        let part = (0..=u16::MAX).find(|part| books.is_due(*part, 1)).expect("one account");
        let from = round(&books, part).await;
        assert_eq!((from, holds(&books)), (part, 5_000 - 4_096));
        round(&books, from).await;
        assert_eq!(holds(&books), 0);
    }

    #[tokio::test]
    async fn a_proposal_that_fails_ends_the_round_where_it_was() {
        let books = books(300, 1);
        books.left.set(0);
        let first = (0..1_024).step_by(16).find(|from| books.is_due(*from, 16)).expect("300 accounts");
        assert_eq!((round(&books, 0).await, holds(&books)), (first, 300));
        books.left.set(u32::MAX);
        assert_ne!(round(&books, first).await, first);
        assert!(holds(&books) < 300);
    }
}
