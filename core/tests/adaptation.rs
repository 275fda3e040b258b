//! What was done to fit a request to its target is told before it is sent, and after.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic outside its own function, too"
)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::{Attempt, ChatRequest, FailureClass, Trail};
use hotspare::{Client, config::Config};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// Keeps what it is sent, and answers in Anthropic's words.
#[derive(Default)]
struct Vendor(Mutex<Vec<Value>>);

struct Once(Option<Bytes>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(Ok))
    }
}

impl Transport for Vendor {
    fn send(&self, request: HttpRequest) -> Exchange {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::from_slice(&request.body).unwrap());
        let answer = json!({"id": "r", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1}});
        Box::pin(async move {
            Ok(HttpResponse {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: Body::new(Once(Some(Bytes::from(answer.to_string())))),
            })
        })
    }
}

/// A client of one target, strict, and of the same, lossy.
fn client(vendor: &Arc<Vendor>) -> Client {
    let config = json!({"providers": {"anthropic": {"keys": ["k"]}}, "routes": {
        "default": {"targets": ["anthropic/claude-haiku-4-5"]},
        "lossy": {"targets": ["anthropic/claude-haiku-4-5"], "adapt": "lossy"}}});
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(vendor);
    Client::with_transport(
        Config::from_json(&config.to_string()).unwrap(),
        transport,
        Some(1),
    )
}

fn asked(route: &str) -> ChatRequest {
    let request = json!({"route": route, "messages": "hi", "seed": 7, "temperature": 1.5, "max_tokens": 9});
    ChatRequest::from_json(request.to_string().as_bytes()).unwrap()
}

fn only(trail: &Trail) -> &Attempt {
    assert_eq!(trail.len(), 1, "{trail:?}");
    trail.last().unwrap()
}

#[tokio::test]
async fn what_cannot_be_said_is_named_in_the_plan_and_in_the_trail() {
    let vendor = Arc::new(Vendor::default());
    let client = client(&vendor);
    let plan = client.explain(asked("default")).unwrap();
    assert!(!plan.targets[0].included);
    assert_eq!(
        plan.targets[0].reason,
        "unsupported: `seed`: the Messages API has no such parameter"
    );
    let error = client.chat(asked("default")).send().await.unwrap_err();
    let failure = only(error.trail()).failure().unwrap();
    assert_eq!(failure.class, FailureClass::Unsupported);
    assert_eq!(failure.code.as_deref(), Some("seed"));
    assert!(vendor.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_changed_is_named_in_the_plan_and_in_the_trail() {
    let vendor = Arc::new(Vendor::default());
    let client = client(&vendor);
    let lines = [
        "seed: left out: the Messages API has no such parameter",
        "temperature: 1.5 lowered to 1, the vendor's most",
    ];
    let plan = client.explain(asked("lossy")).unwrap();
    assert!(plan.targets[0].included, "{:?}", plan.targets);
    assert_eq!(plan.targets[0].adapted, lines);
    let reply = client.chat(asked("lossy")).send().await.unwrap();
    assert_eq!(only(&reply.trail).adapted, lines);
    let sent = vendor.0.lock().unwrap();
    assert_eq!(sent[0].get("seed"), None);
    assert_eq!(sent[0]["temperature"], 1.0);
}
