//! Commands on their way to the leader: one long stream, many commands to a frame.
//!
//! A link belongs to one leader. When it breaks, or another node becomes the leader, everything that was sent and not
//! answered is unknown, and what was not sent is not proposed; the proposer above tries again while time is left.

use super::call::{Ids, within};
use crate::types::Member;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use proto::peer::v1::{ForwardFrame, ForwardItem, ForwardOutcome, ForwardReply};
use std::collections::HashMap;
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
    queue: mpsc::Sender<Order>,
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
        if queue.try_send(Order { command, deadline, reply }).is_err() {
            return Forwarded::NotProposed;
        }
        answer.await.unwrap_or(Forwarded::Unknown)
    }

    fn queue_to(&self, leader: u64, member: &Member) -> mpsc::Sender<Order> {
        let mut current = self.current.lock();
        if let Some(link) = current.as_ref().filter(|link| link.leader == leader && !link.queue.is_closed()) {
            return link.queue.clone();
        }
        let (queue, orders) = mpsc::channel(QUEUE_MAX);
        let task = self.runtime.spawn(run(self.ids.clone(), leader, member.peer.clone(), orders));
        *current = Some(Link { leader, queue: queue.clone(), task: task.abort_handle() });
        queue
    }
}

/// Opens the stream and pumps until it breaks. What is left in the queue was never sent.
async fn run(ids: Ids, leader: u64, address: String, mut orders: mpsc::Receiver<Order>) {
    let sent = Sent::default();
    if let Err(why) = pump(&ids, leader, &address, &mut orders, &sent).await {
        tracing::info!(leader, %why, "the stream to the leader ended");
    }
    orders.close();
    while let Some(order) = orders.recv().await {
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

async fn pump(
    ids: &Ids,
    leader: u64,
    address: &str,
    orders: &mut mpsc::Receiver<Order>,
    sent: &Sent,
) -> Result<(), String> {
    let (frames, outgoing) = mpsc::channel::<ForwardFrame>(4);
    let stream = tokio_stream::wrappers::ReceiverStream::new(outgoing);
    let request = ids.request(leader, stream);
    let mut client = ids.client(leader, address)?;
    let mut replies =
        within(OPEN_TIMEOUT, client.forward(request)).await.map_err(|status| status.message().to_owned())?;
    let mut seq = 0;
    let mut batch = Vec::with_capacity(FRAME_MAX);
    loop {
        let room = OUT_MAX.saturating_sub(sent.count()).min(FRAME_MAX);
        tokio::select! {
            biased;
            reply = replies.next() => match reply {
                Some(Ok(replies)) => replies.replies.into_iter().for_each(|reply| sent.answered(reply)),
                Some(Err(status)) => return Err(status.message().to_owned()),
                None => return Err("closed by the leader".to_owned()),
            },
            taken = next_orders(orders, &mut batch, room), if room > 0 => {
                if taken == 0 {
                    return Ok(());
                }
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

/// Waits for an order, lets whoever else is ready add theirs, and takes what there is: fewer, larger frames.
async fn next_orders(orders: &mut mpsc::Receiver<Order>, batch: &mut Vec<Order>, room: usize) -> usize {
    // Given up in the pause below, it finds what it had taken and does not wait for more.
    if batch.is_empty() && orders.recv_many(batch, room).await == 0 {
        return 0;
    }
    if batch.len() < room {
        tokio::task::yield_now().await;
        while batch.len() < room
            && let Ok(order) = orders.try_recv()
        {
            batch.push(order);
        }
    }
    batch.len()
}

/// Makes a frame of what still has somebody waiting and time left.
fn frame(batch: &mut Vec<Order>, seq: &mut u64, sent: &Sent) -> ForwardFrame {
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

    #[tokio::test]
    async fn an_order_taken_before_a_pause_is_not_kept_until_the_next_one_comes() {
        let (queue, mut orders) = mpsc::channel(4);
        let (reply, _answer) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(5);
        queue.try_send(Order { command: Bytes::new(), deadline, reply }).expect("room");
        let mut batch = Vec::new();
        // A reply comes while the pause lasts, and the wait for orders is dropped.
        let dropped = futures::poll!(Box::pin(next_orders(&mut orders, &mut batch, 8)));
        assert!(dropped.is_pending(), "it pauses for others");
        assert_eq!(batch.len(), 1);
        let again = tokio::time::timeout(Duration::from_secs(1), next_orders(&mut orders, &mut batch, 8)).await;
        assert_eq!(again, Ok(1), "what was taken is sent at once");
    }
}
