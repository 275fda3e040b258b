//! Clients that speak a vendor's format.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hotspare::{Error, HttpAsk, Result};
use hotspare_bridge::ChunkQueue;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use napi::Env;
use napi::bindgen_prelude::{Buffer, Either, Uint8Array};
use napi_derive::napi;

use crate::ready::{Next, Ready, Source, Value};
use crate::wire;

/// What is asked, in the addon's words.
pub(crate) fn ask(
    method: &str,
    path: String,
    headers: Vec<String>,
    body: Option<Either<String, Uint8Array>>,
    patience: Option<f64>,
) -> Result<HttpAsk> {
    let wrong = |what: &str| Error::invalid_request(format!("{what} is none of HTTP's"));
    let mut map = HeaderMap::with_capacity(headers.len() / 2);
    let mut headers = headers.into_iter();
    while let (Some(name), Some(value)) = (headers.next(), headers.next()) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header's name"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| wrong("a header's value"))?;
        map.append(name, value);
    }
    Ok(HttpAsk {
        method: method.parse().map_err(|_| wrong("the method"))?,
        path,
        headers: map,
        body: match body {
            None => Bytes::new(),
            Some(Either::A(text)) => Bytes::from(text),
            Some(Either::B(bytes)) => Bytes::copy_from_slice(&bytes),
        },
        patience: patience.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// A reply in a vendor's format. Dropping or closing it closes the connection to the vendor.
#[napi]
pub struct Served {
    opening: Arc<Opening>,
    reading: Arc<Reading>,
}

/// What comes before the bytes of a reply.
#[napi(object, object_from_js = false)]
pub struct ServedHead {
    /// HTTP status.
    pub status: u16,
    /// Names, in lower case, and values: a JSON array of pairs.
    pub headers: String,
    /// The body, when it is no stream.
    pub whole: Option<Buffer>,
}

struct Opening(Arc<ChunkQueue>);

impl Source for Opening {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        ready!(self.0.poll_open(cx))?;
        Poll::Ready(match self.0.head() {
            Some(head) => wire::text(&head.headers).map(|headers| {
                Value::Head(Box::new(ServedHead {
                    status: head.status,
                    headers,
                    whole: head.whole.map(|whole| Vec::from(whole).into()),
                }))
            }),
            // It was closed.
            None => Ok(Value::End),
        })
    }
}

struct Reading(Arc<ChunkQueue>);

impl Source for Reading {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        Poll::Ready(
            ready!(self.0.poll_take(cx, usize::MAX)).map(|chunks| match chunks.as_slice() {
                [] => Value::End,
                [one] => Value::Bytes(one.clone()),
                several => Value::Bytes(several.concat().into()),
            }),
        )
    }
}

impl Served {
    pub(crate) fn new(queue: ChunkQueue) -> Self {
        let queue = Arc::new(queue);
        Self {
            opening: Arc::new(Opening(Arc::clone(&queue))),
            reading: Arc::new(Reading(queue)),
        }
    }
}

#[napi]
impl Served {
    /// The head; null when it was closed before; or the ticket under which either comes.
    #[napi(catch_unwind, ts_return_type = "ServedHead | number | null")]
    pub fn head(&self, env: Env, ready: &Ready) -> Next {
        ready.next(&env, &self.opening, true)
    }

    /// The bytes that are there; null, which is the end; or the ticket under which either comes.
    #[napi(catch_unwind, ts_return_type = "Buffer | number | null")]
    pub fn next(&self, env: Env, ready: &Ready) -> Next {
        ready.next(&env, &self.reading, true)
    }

    /// Closes the connection to the vendor now.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.reading.0.close();
    }
}
