//! Events on their way to the host's callbacks. An event happens between two steps of a call, where nobody may wait
//! for a host's lock: it is put into a bounded list, and a thread of the host takes it from there.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hotspare::types::Event;

/// Events that may wait: those of some 600 calls. When callbacks are slower than that for long, the oldest are dropped.
const CAPACITY: usize = 4096;

/// Events taken at once.
const BATCH: usize = 64;

/// The events of one client, in order.
#[derive(Debug, Clone, Default)]
pub struct EventFeed {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Event>,
    dropped: u64,
    closed: bool,
    /// Who polls, taken when it is woken.
    waiter: Option<Waker>,
}

impl State {
    /// What is there; None while nothing is.
    fn ready(&mut self) -> Option<Option<Batch>> {
        if self.waiting.is_empty() {
            return self.closed.then_some(None);
        }
        let count = self.waiting.len().min(BATCH);
        Some(Some(Batch {
            dropped: std::mem::take(&mut self.dropped),
            events: self.waiting.drain(..count).collect(),
        }))
    }
}

/// What a feed gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// How many events before these were dropped, since they were not taken in time.
    pub dropped: u64,
    /// The events, the oldest first.
    pub events: Vec<Event>,
}

impl EventFeed {
    /// What to give to [`Client::on_event`](hotspare::Client::on_event), once. When the client lets go of it, the feed
    /// ends.
    pub fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let source = Source(self.clone());
        move |event| source.0.push(event.clone())
    }

    fn push(&self, event: Event) {
        self.update(|state| {
            if state.closed {
                return;
            }
            if state.waiting.len() == CAPACITY {
                state.waiting.pop_front();
                state.dropped += 1;
            }
            state.waiting.push_back(event);
        });
    }

    /// Waits for events and takes some; None when the feed has ended and all are taken. One thread takes.
    #[must_use]
    pub fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(ready) = state.ready() {
                return ready;
            }
            state = self
                .shared
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// [`Self::take`] for hosts that do not wait on a thread. While nothing is there the waker of the latest poll is
    /// kept, and woken once.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        let mut state = self.lock();
        match state.ready() {
            Some(ready) => Poll::Ready(ready),
            None => {
                state.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ends the feed: what waits can still be taken, what comes later is lost.
    pub fn close(&self) {
        self.update(|state| state.closed = true);
    }

    /// Changes the state and wakes whoever waits, outside the lock.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let waiter = {
            let mut state = self.lock();
            change(&mut state);
            state.waiter.take()
        };
        self.shared.news.notify_all();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the feed when the client is gone.
struct Source(EventFeed);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use hotspare::types::What;

    use super::*;

    fn event(number: u64) -> Event {
        Event {
            at: 0.0,
            request: Some(number),
            what: What::Waiting { seconds: 1.0 },
        }
    }

    fn numbers(batch: &Batch) -> Vec<u64> {
        batch.events.iter().filter_map(|event| event.request).collect()
    }

    #[test]
    fn events_come_in_order_and_end_with_the_client() {
        let feed = EventFeed::default();
        let listener = feed.listener();
        for number in 0..100 {
            listener(&event(number));
        }
        drop(listener);
        let first = feed.take().unwrap();
        assert_eq!((numbers(&first), first.dropped), ((0..BATCH as u64).collect(), 0));
        assert_eq!(
            numbers(&feed.take().unwrap()),
            (BATCH as u64..100).collect::<Vec<_>>()
        );
        assert_eq!(feed.take(), None);
        feed.push(event(7));
        assert_eq!(feed.take(), None, "it has ended");
    }

    #[test]
    fn the_oldest_are_dropped_and_counted_once() {
        let feed = EventFeed::default();
        for number in 0..CAPACITY as u64 + 3 {
            feed.push(event(number));
        }
        let batch = feed.take().unwrap();
        assert_eq!((batch.dropped, numbers(&batch)[0]), (3, 3));
        assert_eq!(feed.take().unwrap().dropped, 0);
    }

    #[test]
    fn a_taker_is_woken_by_an_event_and_by_the_end() {
        let feed = EventFeed::default();
        let taker = std::thread::spawn({
            let feed = feed.clone();
            move || {
                let mut seen = Vec::new();
                while let Some(batch) = feed.take() {
                    seen.extend(numbers(&batch));
                }
                seen
            }
        });
        feed.push(event(1));
        feed.push(event(2));
        feed.close();
        assert_eq!(taker.join().unwrap(), [1, 2]);
    }

    #[test]
    fn a_poll_is_woken_by_an_event_and_by_the_end() {
        struct Count(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(0.into()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let woken = || count.0.load(std::sync::atomic::Ordering::Relaxed);
        let feed = EventFeed::default();
        assert_eq!(feed.poll_take(&mut cx), Poll::Pending);
        feed.push(event(1));
        feed.push(event(2));
        assert_eq!(woken(), 1);
        let Poll::Ready(Some(batch)) = feed.poll_take(&mut cx) else {
            panic!("two events are there")
        };
        assert_eq!(numbers(&batch), [1, 2]);
        assert_eq!(feed.poll_take(&mut cx), Poll::Pending);
        feed.close();
        assert_eq!((woken(), feed.poll_take(&mut cx)), (2, Poll::Ready(None)));
    }
}
