//! Vendors that answer byte by byte, in virtual time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{
    Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind,
};
use http::{HeaderMap, StatusCode};

/// What a vendor does, in order.
#[derive(Clone)]
pub(crate) enum Do {
    /// Says nothing for so many milliseconds.
    Wait(u64),
    Send(&'static str),
    /// Sends this for ever, as fast as it is read.
    Flood(&'static str),
    Break,
}

use Do::{Break, Flood, Send, Wait};

struct Script {
    steps: VecDeque<Do>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    open: Arc<AtomicUsize>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl futures_core::Stream for Script {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Wait(millis)) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(millis))));
                }
                Some(Send(text)) => return Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes())))),
                Some(Flood(text)) => {
                    self.steps.push_front(Flood(text));
                    return Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))));
                }
                Some(Break) => {
                    return Poll::Ready(Some(Err(TransportError {
                        kind: TransportErrorKind::Body,
                        message: "broken".to_owned(),
                    })));
                }
            }
        }
    }
}

/// Answers its calls in turn: milliseconds until the head, the status, headers, and what the body does.
pub(crate) type Answer = (u64, u16, &'static [(&'static str, &'static str)], Vec<Do>);

/// What every call is answered with, and what was asked.
pub(crate) struct Vendor {
    answers: Mutex<VecDeque<Answer>>,
    pub(crate) calls: AtomicUsize,
    pub(crate) asked: Mutex<Vec<HttpRequest>>,
    /// Bodies that are being read.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Vendor {
    pub(crate) fn new(answers: Vec<Answer>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into()),
            calls: AtomicUsize::new(0),
            asked: Mutex::default(),
            open: Arc::default(),
        })
    }
}

impl Transport for Vendor {
    fn send(&self, request: HttpRequest) -> Exchange {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.asked.lock().unwrap().push(request);
        let (wait, status, headers, steps) =
            self.answers
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or((0, 500, &[], Vec::new()));
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            open.fetch_add(1, Ordering::Relaxed);
            Ok(HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: map,
                body: Body::new(Script {
                    steps: steps.into(),
                    sleep: None,
                    open,
                }),
            })
        })
    }
}
