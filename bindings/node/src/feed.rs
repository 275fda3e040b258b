//! A client's events.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hotspare::Result;
use hotspare_bridge::Batch;
use napi::Env;
use napi_derive::napi;
use serde::Serialize;

use crate::ready::{Ready, Source, Value};
use crate::stream::{Taken, taken};
use crate::wire;

/// The events of one client, taken in lists. Waiting for them does not keep the event loop.
#[napi]
pub struct EventFeed(Arc<Feed>);

struct Feed(hotspare_bridge::EventFeed);

#[derive(Serialize)]
struct Record<'a> {
    dropped: u64,
    events: &'a [hotspare::types::Event],
}

impl Source for Feed {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        Poll::Ready(match ready!(self.0.poll_take(cx)) {
            None => Ok(Value::End),
            Some(Batch { dropped, events }) => wire::camel_text(&Record {
                dropped,
                events: &events,
            })
            .map(Value::Text),
        })
    }
}

impl EventFeed {
    pub(crate) fn new(feed: hotspare_bridge::EventFeed) -> Self {
        Self(Arc::new(Feed(feed)))
    }
}

#[napi]
impl EventFeed {
    /// The events that are there, and how many before them were dropped, as JSON; null, which is the end; or the ticket
    /// under which either comes.
    #[napi(catch_unwind, ts_return_type = "string | number | null")]
    pub fn next(&self, env: Env, ready: &Ready) -> napi::Result<Taken> {
        taken(ready.next(&env, &self.0, false))
    }

    /// Ends the feed: what waits can still be taken.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.0.0.close();
    }
}
