//! Commands on their way to the leader: one long stream, many commands to a frame.
//!
//! A link belongs to one leader. When it breaks, or another node becomes the leader, everything that was sent and not
//! answered is unknown, and what was not sent is not proposed; the proposer above tries again while time is left.

use super::call::{Ids, within};
use crate::inbox::{Inbox, Reader, WORTH_GATHERING, inbox};
use crate::types::Member;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use proto::peer::v1::{ForwardFrame, ForwardItem, ForwardOutcome, ForwardReply};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Commands that wait to be sent; more are refused as not proposed.
const QUEUE_MAX: usize = 16 * 1024;
/// Commands sent and not answered; more wait in the queue.
const OUT_MAX: usize = 16 * 1024;
/// Commands in one frame.
const FRAME_MAX: usize = 512;
/// Those who were answered are likely about to ask again, and share a frame: how long the first waits for the others.
const GATHER: Duration = Duration::from_millis(1);
/// How long opening the stream may take.
const OPEN_TIMEOUT: Duration = Duration::from_millis(300);

/// What became of a forwarded command.
#[derive(Debug)]
pub(crate) enum Forwarded {
    /// Applied; the encoded output.
    Applied(Bytes),
    /// It never reached a leader that proposed it.
    NotProposed,
    /// It may have been proposed.
    Unknown,
}

struct Order {
    command: Bytes,
    deadline: Instant,
    reply: oneshot::Sender<Forwarded>,
}

/// The link to the leader of the day.
pub(crate) struct Links {
    ids: Ids,
    /// Where links run, whoever sends first.
    runtime: Handle,
    current: Mutex<Option<Link>>,
}

struct Link {
    leader: u64,
    queue: Inbox<Order>,
    task: tokio::task::AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Dropping the task drops every waiting sender, which its caller takes for unknown.
        self.task.abort();
    }
}

impl Links {
    /// Links run on the runtime that this is called on: with Raft, and not with a slow operator who asked first.
    pub(crate) fn new(ids: Ids) -> Self {
        Links { ids, runtime: Handle::current(), current: Mutex::new(None) }
    }

    /// Drops the link unless it leads to this leader: whoever waits on it is told at once.
    pub(crate) fn follow(&self, leader: Option<u64>) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|link| Some(link.leader) != leader) {
            *current = None;
        }
    }

    /// Sends a command to the leader and waits for what became of it; the caller bounds the wait.
    pub(crate) async fn send(&self, leader: u64, member: &Member, command: Bytes, deadline: Instant) -> Forwarded {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue_to(leader, member);
        if queue.put(Order { command, deadline, reply }).is_err() {
            return Forwarded::NotProposed;
        }
        answer.await.unwrap_or(Forwarded::Unknown)
    }

    fn queue_to(&self, leader: u64, member: &Member) -> Inbox<Order> {
        let mut current = self.current.lock();
        if let Some(link) = current.as_ref().filter(|link| link.leader == leader && !link.queue.is_closed()) {
            return link.queue.clone();
        }
        let (queue, orders) = inbox(QUEUE_MAX);
        let task = self.runtime.spawn(run(self.ids.clone(), leader, member.peer.clone(), orders));
        *current = Some(Link { leader, queue: queue.clone(), task: task.abort_handle() });
        queue
    }
}

/// Opens the stream and pumps until it breaks. What is left in the queue was never sent.
async fn run(ids: Ids, leader: u64, address: String, orders: Reader<Order>) {
    let sent = Sent::default();
    if let Err(why) = pump(&ids, leader, &address, &orders, &sent).await {
        tracing::info!(leader, %why, "the stream to the leader ended");
    }
    for order in orders.close() {
        let _ = order.reply.send(Forwarded::NotProposed);
    }
}

/// What was sent and waits for its answer. Dropping it tells everybody "unknown".
#[derive(Clone, Default)]
struct Sent {
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Forwarded>>>>,
}

impl Sent {
    fn answered(&self, reply: ForwardReply) {
        let Some(waiter) = self.waiting.lock().remove(&reply.seq) else {
            return;
        };
        let _ = waiter.send(match reply.outcome() {
            ForwardOutcome::Applied => Forwarded::Applied(reply.output),
            ForwardOutcome::NotProposed => Forwarded::NotProposed,
            ForwardOutcome::Unknown | ForwardOutcome::Unspecified => Forwarded::Unknown,
        });
    }

    fn count(&self) -> usize {
        self.waiting.lock().len()
    }
}

async fn pump(ids: &Ids, leader: u64, address: &str, orders: &Reader<Order>, sent: &Sent) -> Result<(), String> {
    let (frames, outgoing) = mpsc::channel::<ForwardFrame>(4);
    let stream = tokio_stream::wrappers::ReceiverStream::new(outgoing);
    let request = ids.request(leader, stream);
    let mut client = ids.client(leader, address)?;
    let mut replies =
        within(OPEN_TIMEOUT, client.forward(request)).await.map_err(|status| status.message().to_owned())?;
    let mut seq = 0;
    let mut next = Next::default();
    loop {
        let room = OUT_MAX.saturating_sub(sent.count()).min(FRAME_MAX);
        tokio::select! {
            biased;
            reply = replies.next() => match reply {
                Some(Ok(replies)) => {
                    next.expected += replies.replies.len();
                    replies.replies.into_iter().for_each(|reply| sent.answered(reply));
                }
                Some(Err(status)) => return Err(status.message().to_owned()),
                None => return Err("closed by the leader".to_owned()),
            },
            more = next.ready(orders, room), if room > 0 => {
                let Some(mut batch) = more else {
                    return Ok(());
                };
                let frame = frame(&mut batch, &mut seq, sent);
                // The leader reads frames as they come; a full channel means that it does not, and the replies then
                // stay away too, which the callers' deadlines bound.
                if frames.send(frame).await.is_err() {
                    return Err("closed while sending".to_owned());
                }
            }
        }
    }
}

/// The next frame. A frame costs both ends the same whether it is small or full.
#[derive(Default)]
struct Next {
    /// So many were answered since the last frame.
    expected: usize,
    /// When the first order for it was there.
    since: Option<Instant>,
}

impl Next {
    /// Waits for an order, then for as many as were answered, and takes what there is. Given up, it has taken nothing,
    /// and does not begin to wait anew. None: nobody is left to order anything.
    async fn ready(&mut self, orders: &Reader<Order>, room: usize) -> Option<VecDeque<Order>> {
        if !orders.wait_for(1).await {
            return None;
        }
        let until = *self.since.get_or_insert_with(Instant::now) + GATHER;
        if self.expected >= WORTH_GATHERING {
            // Whether they have come or not: what is there goes.
            let _ = tokio::time::timeout_at(until, orders.wait_for(self.expected.min(room))).await;
        } else {
            // Whoever else is ready adds theirs.
            tokio::task::yield_now().await;
        }
        *self = Next::default();
        let mut batch = VecDeque::new();
        orders.take(&mut batch, room);
        Some(batch)
    }
}

/// Makes a frame of what still has somebody waiting and time left.
fn frame(batch: &mut VecDeque<Order>, seq: &mut u64, sent: &Sent) -> ForwardFrame {
    let now = Instant::now();
    let mut items = Vec::with_capacity(batch.len());
    let mut waiting = sent.waiting.lock();
    for order in batch.drain(..) {
        if order.reply.is_closed() {
            continue;
        }
        let left = order.deadline.saturating_duration_since(now);
        if left.is_zero() {
            let _ = order.reply.send(Forwarded::NotProposed);
            continue;
        }
        *seq += 1;
        waiting.insert(*seq, order.reply);
        items.push(ForwardItem { seq: *seq, ttl_ms: left.as_millis() as u32, command: order.command });
    }
    ForwardFrame { items }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> (Order, oneshot::Receiver<Forwarded>) {
        let (reply, answer) = oneshot::channel();
        (Order { command: Bytes::new(), deadline: Instant::now() + Duration::from_secs(5), reply }, answer)
    }

    #[tokio::test]
    async fn an_order_before_a_pause_is_not_kept_until_the_next_one_comes() {
        let (queue, orders) = inbox(4);
        let (one, _answer) = order();
        assert!(queue.put(one).is_ok());
        let mut next = Next::default();
        // A reply comes while the pause lasts, and the wait for orders is dropped.
        let dropped = futures::poll!(Box::pin(next.ready(&orders, 8)));
        assert!(dropped.is_pending(), "it pauses for others");
        let again = tokio::time::timeout(Duration::from_secs(1), next.ready(&orders, 8)).await;
        assert_eq!(again.map(|batch| batch.map_or(0, |batch| batch.len())), Ok(1), "what was there is sent at once");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_were_answered_share_the_next_frame() {
        let (queue, orders) = inbox(64);
        let mut next = Next { expected: 10, since: None };
        let (batch, ()) = tokio::join!(next.ready(&orders, 64), async {
            for _ in 0..10 {
                assert!(queue.put(order().0).is_ok());
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(batch.map(|batch| batch.len()), Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_do_not_come_again_are_not_waited_for_long_however_many_replies_come_meanwhile() {
        let (queue, orders) = inbox(64);
        assert!(queue.put(order().0).is_ok());
        let began = Instant::now();
        let mut next = Next { expected: 10, since: None };
        let batch = loop {
            // A reply, every half a millisecond.
            tokio::select! {
                batch = next.ready(&orders, 64) => break batch,
                () = tokio::time::sleep(GATHER / 2) => {}
            }
            next.expected += 1;
        };
        assert_eq!(batch.map(|batch| batch.len()), Some(1));
        assert!(began.elapsed() <= 3 * GATHER, "{:?}", began.elapsed());
    }
}
