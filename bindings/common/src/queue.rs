//! What a stream gives crosses to the host in lists: one wake-up for all that are ready, never one future an event.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use hotspare::Result;
use hotspare::types::StreamEvent;
use tokio::sync::Notify;

use crate::fork::ForkGuard;
use crate::task::{Task, spawn_then};

/// Events that may wait for the host. When they do, the stream is read no further, which reaches the provider as TCP
/// backpressure.
const CAPACITY: usize = 256;

/// The events of a reply; the head is the target that answers.
pub type EventQueue = Queue<String, StreamEvent>;

/// The bytes of a reply to a client that speaks a vendor's format.
pub type ChunkQueue = Queue<ServedHead, Bytes>;

/// What comes before the bytes of a reply to a client that speaks a vendor's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedHead {
    /// HTTP status.
    pub status: u16,
    /// Header names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, when it is no stream.
    pub whole: Option<Bytes>,
}

/// What a [`Queue`] holds.
pub trait Item<H>: Send + 'static {
    /// Changes the head, where it says something new of that.
    fn renew(&self, head: &mut H) {
        let _ = head;
    }
}

impl Item<String> for StreamEvent {
    fn renew(&self, target: &mut String) {
        if let Self::Restart { target: now } | Self::Continue { target: now } = self {
            target.clone_from(now);
        }
    }
}

impl Item<ServedHead> for Bytes {}

/// The items of one stream, read by a task on the shared runtime and taken by the host in lists.
///
/// Dropping or [closing](Self::close) it aborts the task, so the provider sees the disconnect.
#[derive(Debug)]
pub struct Queue<H, T> {
    shared: ForkGuard<Arc<Shared<H, T>>>,
    task: Task<()>,
}

#[derive(Debug)]
struct Shared<H, T> {
    state: Mutex<State<H, T>>,
    space: Notify,
}

#[derive(Debug)]
struct State<H, T> {
    ready: VecDeque<T>,
    /// What is known since the stream is open.
    head: Option<H>,
    /// How it ended; the error is given once.
    end: Option<Result<()>>,
    /// The one waiter, taken when it is woken.
    waiter: Option<Waker>,
}

impl<H, T> Default for Shared<H, T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                head: None,
                end: None,
                waiter: None,
            }),
            space: Notify::new(),
        }
    }
}

impl EventQueue {
    /// The target that answers; None before the stream is open.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        self.head()
    }
}

impl<H, T> Queue<H, T>
where
    H: Clone + Send + 'static,
    T: Item<H>,
{
    /// Reads the stream that `open` gives, with its head.
    pub fn start<S, F>(open: F) -> Self
    where
        F: Future<Output = Result<(H, S)>> + Send + 'static,
        S: Stream<Item = Result<T>> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let (reader, ender) = (Arc::clone(&shared), Arc::clone(&shared));
        let task = spawn_then(
            async move {
                let (head, stream) = open.await?;
                reader.update(|state| state.head = Some(head));
                reader.read(pin!(stream)).await
            },
            move |end| ender.update(|state| state.end = Some(end)),
        );
        Self {
            shared: ForkGuard::new(shared),
            task,
        }
    }

    /// Waits until the stream is open: its first content has come.
    ///
    /// # Errors
    /// Every target failed before.
    pub fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut state = self.shared.get()?.lock();
        if state.head.is_some() {
            return Poll::Ready(Ok(()));
        }
        match state.end.take() {
            Some(end) => {
                state.end = Some(Ok(()));
                Poll::Ready(end)
            }
            None => {
                state.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// All events that are ready, at most `max`; none means that the stream has ended. While nothing is ready the
    /// waker of the latest poll is kept, and woken once.
    ///
    /// # Errors
    /// The stream's own, once, after the events that came before it.
    pub fn poll_take(&self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Vec<T>>> {
        let shared = self.shared.get()?;
        let mut state = shared.lock();
        if !state.ready.is_empty() {
            let count = state.ready.len().min(max);
            let events = state.ready.drain(..count).collect();
            drop(state);
            shared.space.notify_one();
            return Poll::Ready(Ok(events));
        }
        match state.end.take() {
            Some(end) => {
                state.end = Some(Ok(()));
                Poll::Ready(end.map(|()| Vec::new()))
            }
            None => {
                state.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// [`Self::poll_take`] as a future that loses no event when it is dropped.
    ///
    /// # Errors
    /// The stream's own, once, after the events that came before it.
    pub async fn take(&self, max: usize) -> Result<Vec<T>> {
        poll_fn(|cx| self.poll_take(cx, max)).await
    }

    /// What came before the items; None before the stream is open.
    #[must_use]
    pub fn head(&self) -> Option<H> {
        self.shared.get().ok()?.lock().head.clone()
    }

    /// Closes the stream now. What is ready is dropped, and whoever waits is told that it has ended.
    pub fn close(&self) {
        self.task.abort();
        if let Ok(shared) = self.shared.get() {
            shared.update(|state| {
                state.ready.clear();
                state.end = Some(Ok(()));
            });
        }
    }
}

impl<H, T: Item<H>> Shared<H, T> {
    fn lock(&self) -> MutexGuard<'_, State<H, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the waiter, outside the lock.
    fn update(&self, change: impl FnOnce(&mut State<H, T>)) {
        let waiter = {
            let mut state = self.lock();
            change(&mut state);
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    async fn read(&self, mut stream: Pin<&mut impl Stream<Item = Result<T>>>) -> Result<()> {
        loop {
            while self.lock().ready.len() >= CAPACITY {
                self.space.notified().await;
            }
            let (events, end) = poll_fn(|cx| poll_ready(stream.as_mut(), cx)).await;
            if !events.is_empty() {
                self.update(|state| {
                    if let Some(head) = &mut state.head {
                        for event in &events {
                            event.renew(head);
                        }
                    }
                    state.ready.extend(events);
                });
            }
            if let Some(end) = end {
                return end;
            }
        }
    }
}

/// Everything the stream can give without waiting, so that a burst wakes the host once.
fn poll_ready<T>(
    mut stream: Pin<&mut impl Stream<Item = Result<T>>>,
    cx: &mut Context<'_>,
) -> Poll<(Vec<T>, Option<Result<()>>)> {
    let mut events = Vec::new();
    while events.len() < CAPACITY {
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(event))) => events.push(event),
            Poll::Ready(Some(Err(error))) => return Poll::Ready((events, Some(Err(error)))),
            Poll::Ready(None) => return Poll::Ready((events, Some(Ok(())))),
            Poll::Pending if events.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready((events, None))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use hotspare::{Error, ErrorKind};
    use tokio::sync::mpsc as channel;

    use super::*;

    struct Events(channel::UnboundedReceiver<Result<StreamEvent>>);

    impl Stream for Events {
        type Item = Result<StreamEvent>;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.poll_recv(cx)
        }
    }

    fn text(text: impl Into<String>) -> StreamEvent {
        StreamEvent::Text { text: text.into() }
    }

    fn queue() -> (channel::UnboundedSender<Result<StreamEvent>>, EventQueue) {
        let (send, receive) = channel::unbounded_channel();
        (
            send,
            EventQueue::start(async { Ok(("p/m".to_owned(), Events(receive))) }),
        )
    }

    #[tokio::test]
    async fn events_come_in_order_then_the_end_again_and_again() {
        let (send, queue) = queue();
        for i in 0..1000 {
            send.send(Ok(text(i.to_string()))).unwrap();
        }
        drop(send);
        let mut seen = Vec::new();
        let mut takes = 0;
        loop {
            let events = queue.take(64).await.unwrap();
            if events.is_empty() {
                break;
            }
            assert!(events.len() <= 64);
            takes += 1;
            seen.extend(events);
        }
        assert_eq!(seen, (0..1000).map(|i| text(i.to_string())).collect::<Vec<_>>());
        assert!(takes < 500, "taken in {takes} lists");
        assert!(queue.take(64).await.unwrap().is_empty());
        assert_eq!(queue.target().as_deref(), Some("p/m"));
    }

    #[tokio::test]
    async fn an_error_comes_once_after_what_came_before_it() {
        let (send, queue) = queue();
        send.send(Ok(text("a"))).unwrap();
        send.send(Err(Error::internal("broke"))).unwrap();
        assert_eq!(queue.take(64).await.unwrap(), [text("a")]);
        assert_eq!(queue.take(64).await.unwrap_err().kind(), ErrorKind::Internal);
        assert!(queue.take(64).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_stream_that_does_not_open_says_why() {
        let queue = EventQueue::start::<Events, _>(async { Err(Error::config("no")) });
        let error = poll_fn(|cx| queue.poll_open(cx)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(queue.take(64).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_takes_over_is_the_target() {
        let (send, queue) = queue();
        for event in [
            StreamEvent::Restart {
                target: "q/n".to_owned(),
            },
            StreamEvent::Continue {
                target: "r/o".to_owned(),
            },
        ] {
            let (StreamEvent::Restart { target } | StreamEvent::Continue { target }) = event.clone() else {
                panic!("both name a target")
            };
            send.send(Ok(event)).unwrap();
            queue.take(64).await.unwrap();
            assert_eq!(queue.target(), Some(target));
        }
    }

    #[tokio::test]
    async fn a_panicking_stream_is_an_internal_error() {
        struct Panics;
        impl Stream for Panics {
            type Item = Result<StreamEvent>;
            fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                panic!("boom")
            }
        }
        let queue = EventQueue::start(async { Ok((String::new(), Panics)) });
        assert_eq!(queue.take(64).await.unwrap_err().kind(), ErrorKind::Internal);
    }

    /// Never ready; says when it is dropped, and counts what it was asked for.
    struct Endless(mpsc::Sender<()>, Arc<std::sync::atomic::AtomicUsize>);

    impl Stream for Endless {
        type Item = Result<StreamEvent>;
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Poll::Ready(Some(Ok(text("x"))))
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    #[tokio::test]
    async fn dropping_or_closing_drops_the_stream() {
        for close in [true, false] {
            let (send, receive) = mpsc::channel();
            let queue = EventQueue::start(async { Ok((String::new(), Endless(send, Arc::default()))) });
            queue.take(1).await.unwrap();
            if close {
                queue.close();
                assert!(queue.take(1).await.unwrap().is_empty());
            } else {
                drop(queue);
            }
            tokio::task::spawn_blocking(move || receive.recv_timeout(Duration::from_secs(5)).unwrap())
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_slow_host_holds_the_stream_back() {
        let polls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (send, _receive) = mpsc::channel();
        let queue = EventQueue::start({
            let polls = Arc::clone(&polls);
            async { Ok((String::new(), Endless(send, polls))) }
        });
        let mut taken = 0;
        while taken < 10 * CAPACITY {
            taken += queue.take(usize::MAX).await.unwrap().len();
        }
        drop(queue);
        assert!(polls.load(std::sync::atomic::Ordering::Relaxed) <= taken + 2 * CAPACITY + 1);
    }
}
