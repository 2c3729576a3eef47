//! A commit rides with the next entries.
//!
//! When a batch is committed, Raft tells each follower so in a request of its own; under load the next batch follows a
//! moment later and says the same. A request without entries is held back for that moment, and left out when another
//! one takes its place: two messages less for each follower and batch, and followers apply a batch while the next one
//! is on its way to the disks instead of while clients wait for the leader. Nobody waits for a follower to apply but
//! who reads there, and then for [`HOLD`] at most.
//!
//! **What must hold.** Entries are never held back. Nothing is left out but a request without entries that another one
//! follows, which says everything that it said: what is committed only grows, and Raft counts by the entries what was
//! answered. When the stream ends, what is held goes at once: Raft looks for a follower's log with such requests.

use crate::types::Types;
use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a request without entries waits for the next one. A batch waits as long for its commands.
const HOLD: Duration = Duration::from_millis(2);

type Request = AppendEntriesRequest<Types>;

/// The same requests, without those that another one took along.
pub(super) fn together<S>(input: S) -> impl Stream<Item = Request> + Send + Unpin + 'static
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    Box::pin(futures::stream::unfold(input.fuse(), |mut input| async move {
        let mut request = input.next().await?;
        let until = Instant::now() + HOLD;
        while request.entries.is_empty() {
            match timeout_at(until, input.next()).await {
                Ok(Some(next)) => request = next,
                Ok(None) | Err(_) => break,
            }
        }
        Some((request, input))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_test::blank;
    use crate::types::{Vote, log_id};
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    fn request(commit: u64, entries: impl IntoIterator<Item = u64>) -> Request {
        Request {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: entries.into_iter().map(|index| blank(log_id(1, 1, index))).collect(),
            leader_commit: Some(log_id(1, 1, commit)),
        }
    }

    fn said(request: Option<Request>) -> Option<(u64, usize)> {
        request.map(|request| (request.leader_commit.map_or(0, |id| id.index), request.entries.len()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_rides_with_the_next_entries_and_alone_when_none_come() {
        let (send, receive) = mpsc::channel(8);
        let mut out = together(ReceiverStream::new(receive));
        let put = |request| send.try_send(request).expect("there is room");
        let began = Instant::now();

        put(request(1, [2]));
        assert_eq!(said(out.next().await), Some((1, 1)));
        put(request(2, []));
        put(request(2, [3, 4]));
        assert_eq!(said(out.next().await), Some((2, 2)));
        assert_eq!(began.elapsed(), Duration::ZERO, "entries never wait");

        put(request(3, []));
        put(request(4, []));
        assert_eq!(said(out.next().await), Some((4, 0)));
        assert!((HOLD..HOLD * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn commits_that_follow_each_other_prolong_no_wait() {
        let (send, receive) = mpsc::channel(8);
        let mut out = together(ReceiverStream::new(receive));
        let began = Instant::now();
        tokio::spawn(async move {
            for commit in 1.. {
                if send.try_send(request(commit, [])).is_err() {
                    return;
                }
                tokio::time::sleep(HOLD / 2).await;
            }
        });
        assert!(said(out.next().await).is_some_and(|(commit, _)| commit < 5));
        assert!(began.elapsed() < HOLD * 2, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_when_the_stream_ends_goes_at_once() {
        let began = Instant::now();
        let mut out = together(futures::stream::iter([request(1, [])]));
        assert_eq!(said(out.next().await), Some((1, 0)));
        assert_eq!((said(out.next().await), began.elapsed()), (None, Duration::ZERO));
    }
}
