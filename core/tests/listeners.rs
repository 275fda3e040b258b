//! Callbacks of `on_event` that do what they had better not.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a callback that panics is what is tested"
)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::ChatRequest;
use hotspare::{Client, config::Config};
use http::{HeaderMap, StatusCode};

const CONTENT: &str = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"a\"}}]}\n\n";
const WHOLE: &str =
    r#"{"id": "r", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}"#;

/// Gives its one piece, then nothing, for ever.
struct Begun(Option<Bytes>);

impl futures_core::Stream for Begun {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .take()
            .map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(bytes))))
    }
}

/// Streams that never end; whole replies; and a first target that does not work.
struct Vendor;

impl Transport for Vendor {
    fn send(&self, request: HttpRequest) -> Exchange {
        let (status, body) = if request.url.port() == Some(1) {
            (StatusCode::INTERNAL_SERVER_ERROR, Body::new(Whole(None)))
        } else if request.headers.get("accept").unwrap() == "text/event-stream" {
            (
                StatusCode::OK,
                Body::new(Begun(Some(Bytes::from_static(CONTENT.as_bytes())))),
            )
        } else {
            (
                StatusCode::OK,
                Body::new(Whole(Some(Bytes::from_static(WHOLE.as_bytes())))),
            )
        };
        let response = HttpResponse {
            status,
            headers: HeaderMap::new(),
            body,
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

struct Whole(Option<Bytes>);

impl futures_core::Stream for Whole {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

fn client() -> Client {
    let config = Config::from_json(
        r#"{"providers": {"down": {"dialect": "openai_chat", "base_url": "http://127.0.0.1:1/v1", "keys": ["k"]},
                          "up": {"dialect": "openai_chat", "base_url": "http://127.0.0.1:2/v1", "keys": ["k"]}},
            "routes": {"default": {"targets": ["down/m", "up/m"]}}}"#,
    )
    .unwrap();
    Client::with_transport(config, Arc::new(Vendor), Some(1))
}

async fn all_kinds_of_calls(client: &Client) {
    for _ in 0..8 {
        client.send(ChatRequest::of("hi")).await.unwrap();
        let mut stream = client.open(ChatRequest::of("hi")).await.unwrap();
        stream.next().await.unwrap().unwrap();
        drop(stream);
    }
    let status = client.status();
    assert_eq!((status.in_flight, status.reserved), (0, 0.0));
    assert!(status.targets.iter().all(|target| target.in_flight == 0));
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_harms_no_call() {
    let client = client();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    client.on_event(|_| panic!("made up"));
    client.on_event(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    all_kinds_of_calls(&client).await;
    assert!(
        heard.load(Ordering::Relaxed) > 50,
        "the others are told all the same"
    );
    // Where a call is dropped because its task panics, a second panic would end the process.
    let call = client.clone();
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move {
        let _stream = call.open(ChatRequest::of("hi")).await.unwrap();
        panic!("made up");
    });
    assert!(task.join_next().await.unwrap().unwrap_err().is_panic());
    assert_eq!(client.status().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_use_the_client() {
    let client = client();
    let (own, done) = (client.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&done);
    client.on_event(move |_| {
        let targets = own.status().targets.len() + own.explain("hi").unwrap().targets.len();
        let released = own.release("up/m").unwrap();
        drop(own.open(ChatRequest::of("hi")));
        count.fetch_add(targets + released, Ordering::Relaxed);
    });
    all_kinds_of_calls(&client).await;
    let done = done.load(Ordering::Relaxed);
    assert!(done > 250 && done.is_multiple_of(5), "{done}");
}
