//! Streams.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hotspare::Result;
use hotspare::types;
use hotspare_bridge::EventQueue;
use napi::Env;
use napi::bindgen_prelude::{Either3, Null};
use napi_derive::napi;

use crate::errors::thrown;
use crate::ready::{Next, Ready, Source, Value};
use crate::wait::block_on;
use crate::wire;

/// A stream's events, taken in lists. Dropping or closing it closes the connection to the vendor.
#[napi]
pub struct Events(Arc<Queue>);

struct Queue(EventQueue);

impl Source for Queue {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        Poll::Ready(ready!(self.0.poll_take(cx, usize::MAX)).and_then(list))
    }
}

/// A list as a JSON array; nothing is the end.
fn list(events: Vec<types::StreamEvent>) -> Result<Value> {
    if events.is_empty() {
        return Ok(Value::End);
    }
    let events: Vec<_> = events.into_iter().map(wire::StreamEvent::from).collect();
    wire::text(&events).map(Value::Text)
}

impl Events {
    pub(crate) fn new(queue: EventQueue) -> Self {
        Self(Arc::new(Queue(queue)))
    }
}

#[napi]
impl Events {
    /// The events that are there, as a JSON array; null, which is the end; or the ticket under which either comes.
    #[napi(catch_unwind, ts_return_type = "string | number | null")]
    pub fn next(&self, env: Env, ready: &Ready) -> napi::Result<Taken> {
        taken(ready.next(&env, &self.0, true))
    }

    /// Waits until the first content is there.
    #[napi(catch_unwind)]
    pub fn open_sync(&self) -> napi::Result<()> {
        block_on(poll_fn(|cx| self.0.0.poll_open(cx))).map_err(thrown)
    }

    /// Waits for events: a JSON array; or null, which is the end.
    #[napi(catch_unwind, ts_return_type = "string | null")]
    pub fn next_sync(&self) -> napi::Result<Taken> {
        taken(Next::Now(block_on(poll_fn(|cx| self.0.poll(cx)))))
    }

    /// The target that answers; none before the first content.
    #[napi(getter, catch_unwind)]
    pub fn target(&self) -> Option<String> {
        self.0.0.target()
    }

    /// Closes the connection to the vendor now.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.0.0.close();
    }
}

/// A value that is there, or the ticket under which it comes.
pub(crate) type Taken = Either3<String, f64, Null>;

pub(crate) fn taken(next: Next) -> napi::Result<Taken> {
    match next {
        Next::Now(Ok(Value::Text(text))) => Ok(Either3::A(text)),
        Next::Now(Ok(_)) => Ok(Either3::C(Null)),
        Next::Now(Err(error)) => Err(thrown(error)),
        Next::Later(ticket) => Ok(Either3::B(ticket)),
    }
}
