//! A vendor that begins its reply again after content: the caller is told that what they have is void.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::{ChatRequest, StreamEvent};
use hotspare::{Client, config::Config};
use http::{HeaderMap, StatusCode};

const EVENTS: [&str; 7] = [
    r#"{"type":"message_start","message":{"id":"1","model":"m"}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"lost"}}"#,
    r#"{"type":"message_start","message":{"id":"2","model":"m"}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"kept"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
    r#"{"type":"message_stop"}"#,
];

/// Gives an event at a time.
struct Events(std::slice::Iter<'static, &'static str>);

impl futures_core::Stream for Events {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = self.0.next();
        Poll::Ready(event.map(|event| Ok(Bytes::from(format!("data: {event}\n\n")))))
    }
}

struct Vendor;

impl Transport for Vendor {
    fn send(&self, _: HttpRequest) -> Exchange {
        let response = HttpResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Body::new(Events(EVENTS.iter())),
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_told() {
    let config = Config::from_json(
        r#"{"providers": {"p": {"dialect": "anthropic_messages", "base_url": "http://127.0.0.1:1/v1", "keys": ["k"]}},
            "routes": {"default": {"targets": ["p/m"]}}}"#,
    )
    .unwrap();
    let client = Client::with_transport(config, Arc::new(Vendor), Some(1));
    let mut stream = client.open(ChatRequest::of("hi")).await.unwrap();
    let mut seen = Vec::new();
    let mut answer = String::new();
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            StreamEvent::Text { text } => seen.push(text),
            StreamEvent::Restart { target } => seen.push(format!("restart from {target}")),
            StreamEvent::Finish { reply } => answer = reply.completion.text,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["lost", "restart from p/m", "kept"]);
    assert_eq!(answer, "kept");
}
