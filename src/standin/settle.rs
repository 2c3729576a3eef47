//! Settling: what is owed is proposed, oldest first, until it is seen applied.
//!
//! What must hold: a void is done only when the cluster returned what `apply` said to it; any other outcome, and a
//! stop in between, leaves it owed. A bounded number is out at a time, and retries pause, so that settling never
//! crowds out requests that wait for an answer.

use crate::desk::{Decide, Desk};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ledger::{Command, Output, Settled, Void};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

impl<D: Decide> Desk<D> {
    /// Settles what is owed, and what comes to be owed, until `stop`. One such task per desk.
    pub async fn settle_forever(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut proposed = FuturesUnordered::new();
        let mut next = 0;
        loop {
            while proposed.len() < self.settings.settling_max
                && let Some((number, void)) = self.owed.from(next)
            {
                next = number + 1;
                proposed.push(self.settle(number, void));
            }
            tokio::select! {
                () = &mut stop => return,
                Some(()) = proposed.next(), if !proposed.is_empty() => {}
                () = self.owed.added() => {}
            }
        }
    }

    async fn settle(&self, number: u64, void: Void) {
        let mut pause = self.settings.settle_pause_min;
        loop {
            let deadline = Instant::now() + self.settings.settle_within;
            match timeout_at(deadline, self.cluster.decide(Command::Void(void), deadline.into_std())).await {
                Ok(Ok(Output::Settled(settled))) => return self.seen_applied(number, void, settled),
                Ok(Ok(output)) => self.wrong_output("void", &output),
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.settings.settle_pause_max);
        }
    }

    fn seen_applied(&self, number: u64, void: Void, settled: Settled) {
        self.owed.done(number);
        self.tallies.settled.add();
        match settled {
            Settled::Done | Settled::Nothing => {}
            Settled::Conflict => {
                self.tallies.conflicts.add();
                tracing::info!(token = %void.token, "hold stands although its request was declined here");
            }
            Settled::Impossible => {
                self.tallies.impossible.add();
                tracing::error!(token = %void.token, "void could not be applied");
            }
        }
    }
}
