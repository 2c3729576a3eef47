//! A bounded queue whose reader says how much it waits for, and is woken once, when that is there.
//!
//! Whoever gathers a batch would else be woken by each thing that is put in, from another thread: two system calls and
//! two changes of thread each.
//!
//! **What must hold.** Nothing is lost while a wait is given up: things are taken by [`Reader::take`] alone. When the
//! reader is gone, what it had not taken is dropped at once, and nothing more is taken in.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// After fewer at a time nobody waits for others to come: whoever asks alone is answered at once.
pub(crate) const WORTH_GATHERING: usize = 8;

/// Where things are put in. Clones lead to the same reader.
pub(crate) struct Inbox<T> {
    shared: Arc<Shared<T>>,
}

/// The one who takes them out.
pub(crate) struct Reader<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    enough: Notify,
}

struct State<T> {
    items: VecDeque<T>,
    room: usize,
    /// The reader sleeps until there are so many.
    wanted: Option<usize>,
    writers: usize,
    open: bool,
}

/// A queue for so many things.
pub(crate) fn inbox<T>(room: usize) -> (Inbox<T>, Reader<T>) {
    let state = State { items: VecDeque::new(), room, wanted: None, writers: 1, open: true };
    let shared = Arc::new(Shared { state: Mutex::new(state), enough: Notify::new() });
    (Inbox { shared: shared.clone() }, Reader { shared })
}

impl<T> Inbox<T> {
    /// Puts one in; gives it back if there is no room, or nobody to take it.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.shared.state.lock();
        if !state.open || state.items.len() >= state.room {
            return Err(item);
        }
        state.items.push_back(item);
        let enough = state.wanted.is_some_and(|wanted| state.items.len() >= wanted);
        if enough {
            state.wanted = None;
        }
        drop(state);
        if enough {
            self.shared.enough.notify_one();
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shared.state.lock().items.len()
    }

    /// Nobody takes anything any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.shared.state.lock().open
    }
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().writers += 1;
        Inbox { shared: self.shared.clone() }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.writers -= 1;
        if state.writers == 0 {
            drop(state);
            self.shared.enough.notify_one();
        }
    }
}

impl<T> Reader<T> {
    /// Waits until there are so many, or as many as there is room for. False: there are fewer, and nobody is left to
    /// put any in.
    pub(crate) async fn wait_for(&self, count: usize) -> bool {
        loop {
            {
                let mut state = self.shared.state.lock();
                let count = count.min(state.room);
                if state.items.len() >= count {
                    return true;
                }
                if state.writers == 0 {
                    return false;
                }
                state.wanted = Some(count);
            }
            // A wake-up from an earlier wait may still be in it: then there is one more look.
            self.shared.enough.notified().await;
        }
    }

    /// Takes what there is, in order, until `into` has so many.
    pub(crate) fn take(&self, into: &mut VecDeque<T>, most: usize) {
        let mut state = self.shared.state.lock();
        let count = most.saturating_sub(into.len()).min(state.items.len());
        into.extend(state.items.drain(..count));
    }

    /// Lets nothing more in, and takes what is left.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = self.shared.state.lock();
        state.open = false;
        std::mem::take(&mut state.items)
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        // Outside of the lock: what is dropped may put something in.
        drop(self.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn taken(reader: &Reader<u32>, most: usize) -> Vec<u32> {
        let mut into = VecDeque::new();
        reader.take(&mut into, most);
        into.into()
    }

    #[test]
    fn a_reader_is_woken_once_by_the_last_that_it_waits_for() {
        let (inbox, reader) = inbox(8);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut wait = pin!(reader.wait_for(3));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for (number, expected) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            assert_eq!(inbox.put(number), Ok(()));
            assert_eq!(woken.0.load(Ordering::Relaxed), expected, "after {number}");
        }
        assert_eq!(wait.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(true));
        assert_eq!(taken(&reader, 3), [1, 2, 3]);
        assert_eq!(taken(&reader, 3), [4]);
    }

    #[test]
    fn what_finds_no_room_is_given_back() {
        let (inbox, reader) = inbox(2);
        assert_eq!([inbox.put(1), inbox.put(2), inbox.put(3)], [Ok(()), Ok(()), Err(3)]);
        assert_eq!(taken(&reader, 1), [1]);
        assert_eq!(inbox.put(4), Ok(()));
        assert_eq!(taken(&reader, 9), [2, 4]);
    }

    #[tokio::test]
    async fn a_wait_for_more_than_there_is_room_for_ends_when_it_is_full() {
        let (inbox, reader) = inbox(2);
        assert_eq!([inbox.put(1), inbox.put(2)], [Ok(()), Ok(())]);
        assert!(reader.wait_for(9).await);
    }

    #[tokio::test]
    async fn a_wait_given_up_loses_nothing_and_wakes_nobody_for_long() {
        let (inbox, reader) = inbox(8);
        assert!(tokio::time::timeout(Duration::ZERO, reader.wait_for(2)).await.is_err());
        assert_eq!([inbox.put(1), inbox.put(2)], [Ok(()), Ok(())]);
        // The wake-up of the wait before is still there, and three are not.
        assert!(tokio::time::timeout(Duration::ZERO, reader.wait_for(3)).await.is_err());
        assert!(reader.wait_for(2).await);
    }

    #[tokio::test]
    async fn a_wait_ends_with_the_last_writer() {
        let (inbox, reader) = inbox(8);
        let another = inbox.clone();
        assert_eq!(inbox.put(1), Ok(()));
        drop(inbox);
        assert!(tokio::time::timeout(Duration::ZERO, reader.wait_for(2)).await.is_err(), "one writer is left");
        let (ended, ()) = tokio::join!(reader.wait_for(2), async { drop(another) });
        assert!(!ended);
        assert!(reader.wait_for(1).await, "what is there can still be taken");
    }

    #[test]
    fn what_nobody_took_goes_with_the_reader() {
        let (inbox, reader) = inbox(8);
        let held = Arc::new(());
        assert!(inbox.put(held.clone()).is_ok());
        assert!(!inbox.is_closed());
        drop(reader);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(inbox.is_closed() && inbox.put(held).is_err());
    }
}
