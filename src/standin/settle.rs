//! Settling: what is owed is proposed, oldest first, until it is seen applied (model M1 rules 5, 6 and 8).
//!
//! What must hold: a word is done only when the cluster returned what `apply` said to its settlement *and* the node's
//! own books show it; any other outcome, and a stop in between, leaves it owed. A bounded number is out at a time, and
//! retries pause, so that settling never crowds out requests that wait for an answer. Without contact nothing is tried.

use crate::desk::{Decide, Desk};
use crate::journal::{Said, Word};
use crate::known::InBooks;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ledger::{Output, Settled};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often the node's own books are asked for a settlement that the leader has applied.
const SEEN_EVERY: Duration = Duration::from_millis(5);

impl<D: Decide> Desk<D> {
    /// Settles what is owed, and what comes to be owed, until `stop`. One such task per desk.
    pub async fn settle_forever(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut proposed = FuturesUnordered::new();
        let mut numbers = BTreeSet::new();
        loop {
            while proposed.len() < self.settings.settling_max
                && let Some(said) = self.journal.oldest_owed(&numbers)
            {
                numbers.insert(said.number);
                proposed.push(self.settle(said));
            }
            tokio::select! {
                () = &mut stop => return,
                Some(number) = proposed.next(), if !proposed.is_empty() => {
                    numbers.remove(&number);
                }
                () = self.journal.added() => {}
            }
        }
    }

    /// Returns its number once it is settled.
    async fn settle(&self, said: Said) -> u64 {
        let mut pause = self.settings.settle_pause_min;
        loop {
            self.gate.in_contact().await;
            let deadline = Instant::now() + self.settings.settle_within;
            let command = said.word.settlement();
            match timeout_at(deadline, self.cluster.decide(command, deadline.into_std())).await {
                Ok(Ok(Output::Settled(settled))) => {
                    if timeout_at(deadline, self.seen(&said.word)).await.is_ok() {
                        self.seen_applied(&said, settled);
                        return said.number;
                    }
                }
                Ok(Ok(output)) => self.wrong_output("settlement", &output),
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.settings.settle_pause_max);
        }
    }

    /// Rule 8: the node's own books show it.
    async fn seen(&self, word: &Word) {
        let in_books = || match word {
            Word::Approved(request) => self.known.forced(&request.program, &request.token, request.attempt),
            Word::Declined(void) => self.known.voided(&void.program, &void.token, void.attempt),
        };
        while in_books() == InBooks::NotYet {
            tokio::time::sleep(SEEN_EVERY).await;
        }
    }

    fn seen_applied(&self, said: &Said, settled: Settled) {
        self.journal.settled(said.number);
        self.tallies.settled.add();
        let token = said.word.token();
        match settled {
            Settled::Done | Settled::Nothing => {}
            Settled::Conflict => {
                self.tallies.conflicts.add();
                tracing::info!(%token, "a hold stands although somebody was told no");
            }
            Settled::Impossible => {
                self.tallies.impossible.add();
                tracing::error!(%token, "a settlement could not be applied");
            }
        }
        if self.owed() == 0 {
            // The breaker may have waited for this.
            self.look();
        }
    }
}
