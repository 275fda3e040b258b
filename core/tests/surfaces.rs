//! Where requests go, and what they show, by what the catalog says of their provider.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic outside its own function, too"
)]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use hotspare::transport::{
    Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind,
};
use hotspare::types::ChatRequest;
use hotspare::{Client, config::Config};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// A body of one piece.
struct Once(Option<&'static str>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(|text| Ok(Bytes::from_static(text.as_bytes()))))
    }
}

/// Keeps what it is sent, and answers nothing but one refusal.
#[derive(Default)]
struct Recorder {
    sent: Mutex<Vec<HttpRequest>>,
    says: &'static str,
}

impl Transport for Recorder {
    fn send(&self, request: HttpRequest) -> Exchange {
        self.sent.lock().unwrap().push(request);
        let says = self.says;
        Box::pin(async move {
            if says.is_empty() {
                return Err(TransportError {
                    kind: TransportErrorKind::Refused,
                    message: "refused".to_owned(),
                });
            }
            Ok(HttpResponse {
                status: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
                body: Body::new(Once(Some(says))),
            })
        })
    }
}

/// What the first request for `target` is, and what the call's error says.
async fn sent(providers: &str, target: &str, says: &'static str) -> (HttpRequest, String) {
    let config = format!("{providers}\n[routes.default]\ntargets = [\"{target}\"]");
    let recorder = Arc::new(Recorder {
        says,
        ..Recorder::default()
    });
    let transport: Arc<dyn Transport> = Arc::<Recorder>::clone(&recorder);
    let client = Client::with_transport(Config::from_toml(&config).unwrap(), transport, Some(1));
    let error = client.chat(ChatRequest::of("hi")).send().await.unwrap_err();
    let request = recorder.sent.lock().unwrap().remove(0);
    (request, format!("{error} {:?}", error.trail()))
}

#[tokio::test(start_paused = true)]
async fn requests_go_where_the_model_is_served() {
    let azure = "[providers.azure]\nresource = \"r\"\nkeys = [\"sk-made-up\"]";
    let classic = format!("{azure}\napi_version = \"2024-06-01\"");
    let vertex = "[providers.vertex]\nproject = \"p\"\nregion = \"us-east5\"\nkeys = [\"sk-made-up\"]";
    let eu = "[providers.eu]\nvendor = \"openai\"\nregion = \"eu\"\nkeys = [\"sk-made-up\"]";
    for (providers, target, url, header, value) in [
        (
            azure,
            "azure/gpt-4o",
            "https://r.openai.azure.com/openai/v1/chat/completions",
            "api-key",
            "sk-made-up",
        ),
        (
            classic.as_str(),
            "azure/my gpt",
            "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-06-01",
            "api-key",
            "sk-made-up",
        ),
        (
            azure,
            "azure/claude-sonnet-4-5",
            "https://r.services.ai.azure.com/anthropic/v1/messages",
            "x-api-key",
            "sk-made-up",
        ),
        (
            vertex,
            "vertex/gemini-2.5-flash",
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/google/models/gemini-2.5-flash:generateContent",
            "authorization",
            "Bearer sk-made-up",
        ),
        (
            vertex,
            "vertex/claude-sonnet-4-5@20250929",
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict",
            "authorization",
            "Bearer sk-made-up",
        ),
        (
            eu,
            "eu/gpt-4o",
            "https://eu.api.openai.com/v1/chat/completions",
            "authorization",
            "Bearer sk-made-up",
        ),
    ] {
        let (request, _) = sent(providers, target, "").await;
        assert_eq!(request.url.as_str(), url);
        assert_eq!(request.headers.get(header).unwrap(), value, "{target}");
        assert!(request.headers.get(header).unwrap().is_sensitive());
        let shown = request
            .headers
            .values()
            .filter(|value| value.to_str().unwrap().contains("sk-made-up"));
        assert_eq!(shown.count(), 1, "{target}");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let raw = url.ends_with("rawPredict");
        assert_eq!(
            body.get("model").is_some(),
            !raw && !url.contains("generateContent"),
            "{target}"
        );
        let version = body.get("anthropic_version").and_then(Value::as_str);
        assert_eq!(version, raw.then_some("vertex-2023-10-16"), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_providers_headers_are_sent_and_never_shown() {
    let portkey = "[providers.portkey]\nkeys = [\"pk-made-up\"]\n\
                   headers = { x-portkey-provider = \"openai\", x-portkey-virtual-key = \"virtual-canary-4f1d\" }";
    let says = r#"{"error": {"message": "no such key: virtual-canary-4f1d at openai"}}"#;
    let (request, error) = sent(portkey, "portkey/gpt-4o", says).await;
    assert_eq!(request.url.as_str(), "https://api.portkey.ai/v1/chat/completions");
    for (name, value) in [
        ("x-portkey-api-key", "pk-made-up"),
        ("x-portkey-provider", "openai"),
        ("x-portkey-virtual-key", "virtual-canary-4f1d"),
    ] {
        assert_eq!(request.headers.get(name).unwrap(), value);
        assert!(request.headers.get(name).unwrap().is_sensitive(), "{name}");
    }
    assert!(request.headers.get("authorization").is_none());
    assert!(
        error.contains("[key] at openai") && !error.contains("canary"),
        "{error}"
    );
    // A server of one's own asks for no key, and may want a header all the same.
    let local = "[providers.vllm]\nheaders = { x-team = \"search\" }";
    let (request, _) = sent(local, "vllm/qwen3", "").await;
    assert_eq!(request.url.as_str(), "http://localhost:8000/v1/chat/completions");
    assert_eq!(request.headers.get("x-team").unwrap(), "search");
}

#[tokio::test(start_paused = true)]
async fn a_header_that_cannot_be_read_fails_its_attempts_by_name() {
    let config = "[providers.vllm]\nheaders = { x-team = \"env:HOTSPARE_NO_SUCH_VARIABLE\" }\n\
                  [routes.default]\ntargets = [\"vllm/qwen3\"]";
    let recorder = Arc::new(Recorder::default());
    let transport: Arc<dyn Transport> = Arc::<Recorder>::clone(&recorder);
    let client = Client::with_transport(Config::from_toml(config).unwrap(), transport, Some(1));
    let error = client
        .chat(ChatRequest::of("hi"))
        .send()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("header x-team: ") && error.contains("HOTSPARE_NO_SUCH_VARIABLE"),
        "{error}"
    );
    assert!(recorder.sent.lock().unwrap().is_empty());
}
