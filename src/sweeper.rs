//! Walks the accounts for what nobody asks for: holds whose time has come, which the leader lets expire, and holds that
//! the processor has not confirmed, which every node counts; and for what is over, which the leader lets be forgotten.
//!
//! **What must hold.** Nothing depends on it: a hold whose time has come does not count at any decision on its account,
//! swept or not (`ledger`'s expiry). It frees what accounts without a request would show as held for ever. A round is
//! bounded in what it looks at and in what it proposes, so that the expiries of a long outage come by and by; it gives
//! up at the first proposal that fails, and goes on from there a second later.

use crate::machine::LedgerMachine;
use cluster::Node;
use ledger::{Command, Forget, Output, Sweep, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Parts per look: at a million accounts 120 comparisons, microseconds for which applying waits. Holds are counted a
/// part at a time, because each is followed to its token.
const LOOK: u16 = 8;
/// Looks per round: all 65,536 sections are seen in 64 rounds.
const LOOKS: u16 = 128;
/// Proposals per round, so at most 4,096 holds or forgotten records a second.
const SWEEPS_MAX: u32 = 16;
/// How long one proposal may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many holds the last whole walk has found that the processor has not confirmed, and that are older than their
/// programme's `unconfirmed_after`.
#[derive(Clone, Debug, Default)]
pub struct Unconfirmed(Arc<AtomicU64>);

impl Unconfirmed {
    /// The number.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Walks until `stop`.
pub async fn sweep_forever(
    node: Node<LedgerMachine>,
    clock: fn() -> u64,
    found: Unconfirmed,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let mut walk = Walk::default();
    loop {
        let swept = Swept { node: &node, clock };
        let round = async {
            tokio::time::sleep(EVERY).await;
            walk.round(&swept).await
        };
        // A sweep that is given up in flight does no harm: it may be applied, and may be repeated.
        let counted = tokio::select! {
            () = &mut stop => return,
            counted = round => counted,
        };
        if let Some(unconfirmed) = counted {
            found.0.store(unconfirmed, Ordering::Relaxed);
        }
    }
}

/// What a round needs of the books.
trait Books {
    /// Whether this node is the one that sweeps.
    fn leads(&self) -> bool;
    /// Whether something may be due in these sections.
    fn is_due(&self, from: u16, parts: u16) -> bool;
    /// How many holds in this part are unconfirmed.
    fn count_unconfirmed(&self, part: u16) -> u64;
    /// Whether something of these sections may be forgotten.
    fn is_old(&self, from: u16, parts: u16) -> bool;
    /// Forgets in these sections. Answers as a sweep does.
    async fn forget(&self, forget: Forget) -> Option<(u32, u16)>;
    /// Sweeps these sections. How many holds expired, and where to go on; none if it was not done for sure.
    async fn sweep(&self, sweep: Sweep) -> Option<(u32, u16)>;
}

struct Swept<'a> {
    node: &'a Node<LedgerMachine>,
    clock: fn() -> u64,
}

impl Books for Swept<'_> {
    fn leads(&self) -> bool {
        self.node.leader() == Some(self.node.id())
    }

    fn is_due(&self, from: u16, parts: u16) -> bool {
        let now = Timestamp((self.clock)());
        self.node.read(|machine| machine.as_ref().has_due(from, parts, now))
    }

    fn count_unconfirmed(&self, part: u16) -> u64 {
        let now = Timestamp((self.clock)());
        self.node.read(|machine| machine.as_ref().count_orphans(part, now))
    }

    fn is_old(&self, from: u16, parts: u16) -> bool {
        let now = Timestamp((self.clock)());
        self.node.read(|machine| machine.as_ref().has_old(from, parts, now))
    }

    async fn forget(&self, forget: Forget) -> Option<(u32, u16)> {
        match self.node.propose(&Command::Forget(forget), Instant::now() + PATIENCE).await {
            Ok(Output::Forgotten { forgotten, next }) => Some((forgotten, next)),
            Ok(_) | Err(_) => None,
        }
    }

    async fn sweep(&self, sweep: Sweep) -> Option<(u32, u16)> {
        match self.node.propose(&Command::Sweep(sweep), Instant::now() + PATIENCE).await {
            Ok(Output::Swept { expired, next }) => Some((expired, next)),
            // Repeating a sweep does no harm, so it does not matter which of the two it is.
            Ok(_) | Err(_) => None,
        }
    }
}

/// Where the walk is, and what it has counted since it began.
#[derive(Default)]
struct Walk {
    from: u16,
    unconfirmed: u64,
}

impl Walk {
    /// One round; what the walk has counted, if it came to its end.
    async fn round(&mut self, books: &impl Books) -> Option<u64> {
        let (mut sweeps_left, mut done) = (SWEEPS_MAX, None);
        for _ in 0..LOOKS {
            if books.leads()
                && !(self.sweep(books, &mut sweeps_left).await && self.forget(books, &mut sweeps_left).await)
            {
                break;
            }
            for _ in 0..LOOK {
                self.unconfirmed += books.count_unconfirmed(self.from);
                self.from = self.from.wrapping_add(1);
            }
            if self.from == 0 {
                done = Some(std::mem::take(&mut self.unconfirmed));
            }
            tokio::task::yield_now().await;
        }
        done
    }

    /// Sweeps the sections of one look; false if something may be left.
    async fn sweep(&self, books: &impl Books, sweeps_left: &mut u32) -> bool {
        let end = self.from.wrapping_add(LOOK);
        let mut from = self.from;
        while from != end && books.is_due(from, end.wrapping_sub(from)) {
            let Some(left) = sweeps_left.checked_sub(1) else {
                return false;
            };
            let Some((expired, next)) = books.sweep(Sweep { from, parts: end.wrapping_sub(from) }).await else {
                return false;
            };
            if expired > 0 {
                tracing::info!(expired, "holds expired");
            }
            (*sweeps_left, from) = (left, next);
        }
        true
    }

    /// Forgets in the sections of one look; false if something may be left.
    async fn forget(&self, books: &impl Books, left: &mut u32) -> bool {
        let end = self.from.wrapping_add(LOOK);
        let mut from = self.from;
        while from != end && books.is_old(from, end.wrapping_sub(from)) {
            let Some(fewer) = left.checked_sub(1) else {
                return false;
            };
            let Some((_, next)) = books.forget(Forget { from, parts: end.wrapping_sub(from) }).await else {
                return false;
            };
            (*left, from) = (fewer, next);
        }
        true
    }
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
        leads: Cell<bool>,
    }

    impl Books for Local {
        fn leads(&self) -> bool {
            self.leads.get()
        }

        fn count_unconfirmed(&self, part: u16) -> u64 {
            self.ledger.borrow().count_unconfirmed(part, Seconds(0), NOW)
        }

        fn is_due(&self, from: u16, parts: u16) -> bool {
            self.ledger.borrow().has_due(from, parts, NOW)
        }

        fn is_old(&self, from: u16, parts: u16) -> bool {
            self.ledger.borrow().has_old(from, parts, NOW)
        }

        async fn forget(&self, forget: Forget) -> Option<(u32, u16)> {
            match self.ledger.borrow_mut().apply(NOW, &Command::Forget(forget)) {
                Output::Forgotten { forgotten, next } => Some((forgotten, next)),
                _ => None,
            }
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
        Local { ledger: RefCell::new(ledger), left: Cell::new(u32::MAX), leads: Cell::new(true) }
    }

    fn holds(books: &Local) -> u64 {
        books.ledger.borrow().holds_count()
    }

    #[tokio::test]
    async fn every_part_is_swept_and_counted_within_sixty_four_rounds() {
        let books = books(300, 1);
        let mut walk = Walk::default();
        books.leads.set(false);
        for rounds in 1..=64 {
            let counted = walk.round(&books).await;
            assert_eq!(counted, (rounds == 64).then_some(300));
        }
        assert_eq!(holds(&books), 300);
        books.leads.set(true);
        for rounds in 1..=64 {
            let counted = walk.round(&books).await;
            assert_eq!(counted, (rounds == 64).then_some(0));
        }
        assert_eq!((holds(&books), walk.from), (0, 0));
        assert!(books.ledger.borrow().check().is_empty());
    }

    #[tokio::test]
    async fn a_round_is_bounded_and_the_next_goes_on() {
        let books = books(1, 5_000);
        let from = (0..=u16::MAX).step_by(8).find(|from| books.is_due(*from, LOOK)).expect("one account");
        let mut walk = Walk { from, unconfirmed: 0 };
        walk.round(&books).await;
        assert_eq!((walk.from, holds(&books)), (from, 5_000 - 4_096));
        walk.round(&books).await;
        assert_eq!(holds(&books), 0);
    }

    #[tokio::test]
    async fn a_proposal_that_fails_ends_the_round_where_it_was() {
        let books = books(300, 1);
        books.left.set(0);
        let first = (0..1_024).step_by(8).find(|from| books.is_due(*from, LOOK)).expect("300 accounts");
        let mut walk = Walk::default();
        walk.round(&books).await;
        assert_eq!((walk.from, holds(&books)), (first, 300));
        books.left.set(u32::MAX);
        walk.round(&books).await;
        assert_ne!(walk.from, first);
        assert!(holds(&books) < 300);
    }
}
