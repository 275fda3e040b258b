//! Embeddings through the engine: recorded exchanges, failover, parts, and vectors that must not mix.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::{EmbedRequest, FailureClass, What};
use hotspare::{Client, ErrorKind, config::Config};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// What was asked: host and path, and the body.
type Seen = (String, Value);

type Answering = dyn Fn(&Seen, usize) -> (u64, u16, Value) + Send + Sync;

/// Answers each request by what it asks and how many came before it: after so many milliseconds, a status and a body.
struct Vendors {
    answer: Box<Answering>,
    seen: Mutex<Vec<Seen>>,
}

struct Once(VecDeque<Bytes>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

impl Transport for Vendors {
    fn send(&self, request: HttpRequest) -> Exchange {
        let place = format!("{}{}", request.url.host_str().unwrap(), request.url.path());
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let seen = (place, body);
        let mut all = self.seen.lock().unwrap();
        let (wait, status, body) = (self.answer)(&seen, all.len());
        all.push(seen);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            Ok(HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Body::new(Once(VecDeque::from([Bytes::from(text)]))),
            })
        })
    }
}

/// Vectors of two numbers: how long the text is, and which request it was.
fn vectors(body: &Value, number: usize) -> Value {
    let texts = body["input"].as_array().unwrap().iter().enumerate();
    let data: Vec<Value> = texts
        .map(|(index, text)| json!({"index": index, "embedding": [text.as_str().unwrap().len(), number]}))
        .collect();
    json!({"data": data, "model": body["model"], "usage": {"prompt_tokens": data.len(), "total_tokens": data.len()}})
}

fn client(
    routes: &str,
    answer: impl Fn(&Seen, usize) -> (u64, u16, Value) + Send + Sync + 'static,
) -> (Client, Arc<Vendors>) {
    let vendors = Arc::new(Vendors {
        answer: Box::new(answer),
        seen: Mutex::default(),
    });
    let providers = ["a", "b"].map(|name| {
        format!(
            "[providers.{name}]\ndialect = \"openai_chat\"\nbase_url = \"http://{name}.sim/v1\"\nkeys = []\n"
        )
    });
    let config = format!(
        "standby = false\n{}[providers.claude]\ndialect = \"anthropic_messages\"\nbase_url = \"http://claude.sim\"\nkeys = []\n{routes}",
        providers.concat()
    );
    let config = Config::from_toml(&config).unwrap();
    (Client::with_transport(config, vendors.clone(), Some(7)), vendors)
}

const BOTH: &str = "[routes.embed]\nkind = \"embed\"\ntargets = [\"a/m\", \"b/m\"]\n";

fn places(vendors: &Vendors) -> Vec<String> {
    vendors
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|(place, _)| place.clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn it_fails_over_and_books_every_attempt() {
    let (client, vendors) = client(BOTH, |(place, body), number| match place.starts_with("a.") {
        true => (5, 503, json!({"error": {"message": "busy"}})),
        false => (5, 200, vectors(body, number)),
    });
    let events = Arc::new(Mutex::new(Vec::new()));
    client.on_event({
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push((event.request, event.what.clone()))
    });
    let reply = client.embed(["one", "three"]).send().await.unwrap();
    assert_eq!(reply.embeddings, [[3.0, 1.0], [5.0, 1.0]]);
    assert_eq!(
        (reply.target.as_str(), reply.model.as_deref(), reply.dimensions()),
        ("b/m", Some("m"), 2)
    );
    assert_eq!((reply.usage.reported, reply.usage.input_tokens), (true, 2));
    let codes: Vec<_> = reply.trail.iter().map(hotspare::types::Attempt::code).collect();
    assert_eq!(codes, ["overloaded", "ok"]);
    assert_eq!(places(&vendors), ["a.sim/v1/embeddings", "b.sim/v1/embeddings"]);
    let openai = reply.to_openai();
    assert_eq!(
        openai["data"][1],
        json!({"object": "embedding", "index": 1, "embedding": [5.0, 1.0]})
    );
    assert_eq!(openai["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
    let status = client.status();
    assert_eq!((status.in_flight, status.targets.len()), (0, 2));
    let events = events.lock().unwrap();
    let ended: Vec<_> = events
        .iter()
        .filter_map(|(_, what)| match what {
            What::RequestEnded { code, attempts, .. } => Some((code.as_str(), *attempts)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [("ok", 2)]);
}

#[tokio::test(start_paused = true)]
async fn many_texts_go_out_in_parts_that_are_one_request() {
    let routes = format!("{BOTH}batch = 2\n");
    let (client, vendors) = client(&routes, |(place, body), number| match (place.as_str(), number) {
        // The second part's first try.
        ("a.sim/v1/embeddings", 1) => (5, 500, Value::Null),
        _ => (5, 200, vectors(body, number)),
    });
    let started = Arc::new(Mutex::new(0));
    client.on_event({
        let started = Arc::clone(&started);
        move |event| {
            if matches!(event.what, What::RequestStarted { .. }) {
                *started.lock().unwrap() += 1;
            }
        }
    });
    let reply = client
        .embed(["a", "bb", "ccc", "dddd", "eeeee"])
        .send()
        .await
        .unwrap();
    let lengths: Vec<f32> = reply.embeddings.iter().map(|vector| vector[0]).collect();
    assert_eq!(lengths, [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(reply.usage.input_tokens, 5);
    assert_eq!(reply.trail.len(), 4, "{:?}", reply.trail);
    assert!(reply.trail.is_sorted_by(|one, two| one.ended <= two.started));
    let texts: Vec<usize> = vendors
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|(_, body)| body["input"].as_array().unwrap().len())
        .collect();
    assert_eq!(texts, [2, 2, 2, 1]);
    assert_eq!(*started.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_parts_share_one_deadline() {
    let routes = format!("{BOTH}batch = 1\n");
    let (client, vendors) = client(&routes, |(_, body), number| (300, 200, vectors(body, number)));
    let error = client
        .embed(["a", "b", "c", "d"])
        .timeout(Duration::from_secs(1))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Timeout), "{error}");
    let ended = error.trail().last().unwrap().ended;
    assert!((ended - 1.0).abs() < 0.01, "{ended}");
    // What was answered is in the trail, and on the bill.
    assert_eq!(
        error
            .trail()
            .iter()
            .filter(|attempt| attempt.code() == "ok")
            .count(),
        2
    );
    assert_eq!(vendors.seen.lock().unwrap().len(), error.trail().len());
    assert_eq!(client.status().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn vectors_of_another_length_are_no_answer() {
    // `b` makes vectors of three numbers.
    let odd = |(place, body): &Seen, number: usize| {
        let mut reply = vectors(body, number);
        if place.starts_with("b.") {
            for item in reply["data"].as_array_mut().unwrap() {
                item["embedding"] = json!([1, 2, 3]);
            }
        }
        (
            1,
            if place.starts_with("a.") && number % 2 == 1 {
                500
            } else {
                200
            },
            reply,
        )
    };
    let routes = format!("{BOTH}max_attempts = 2\n");
    let (client, _) = client(&routes, odd);
    assert_eq!(client.embed("a").send().await.unwrap().dimensions(), 2);
    // The route's first answer had two numbers, so a backup's three would spoil what they are put beside.
    let error = client.embed("a").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AllTargetsFailed, "{error:?}");
    assert_eq!(error.class(), Some(FailureClass::Malformed));
    assert!(error.message().contains("3 numbers, where 2"), "{error}");
    // Asked for, the length is what was asked for.
    let reply = client.embed("a").route("b/m").dimensions(3).send().await.unwrap();
    assert_eq!(reply.dimensions(), 3);
    let error = client
        .embed("a")
        .route("b/m")
        .dimensions(4)
        .send()
        .await
        .unwrap_err();
    assert!(
        error.message().contains("3 numbers, where 4 were asked for"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_200_says_is_classified() {
    let (client, _) = client(BOTH, |(place, body), number| match place.starts_with("a.") {
        true => (
            1,
            200,
            json!({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
        ),
        false => (1, 200, vectors(body, number)),
    });
    let reply = client.embed("a").send().await.unwrap();
    assert_eq!(reply.trail[0].code(), "rate_limited");
    assert_eq!(reply.trail[0].status, Some(200));
}

#[tokio::test(start_paused = true)]
async fn a_vendor_without_embeddings_is_passed_over_by_name() {
    let routes = "[routes.embed]\nkind = \"embed\"\ntargets = [\"claude/m\", \"b/m\"]\n";
    let (client, vendors) = client(routes, |(_, body), number| (1, 200, vectors(body, number)));
    let reply = client.embed("a").send().await.unwrap();
    assert_eq!(
        (reply.trail[0].code(), reply.target.as_str()),
        ("unsupported", "b/m")
    );
    let message = &reply.trail[0].failure().unwrap().message;
    assert!(message.contains("anthropic_messages"), "{message}");
    assert_eq!(vendors.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_it_is_sent() {
    let routes = "[routes.default]\ntargets = [\"a/m\", \"b/n\"]\n[routes.same]\ntargets = [\"a/m\", \"b/m\"]\n\
                  [routes.short]\nkind = \"embed\"\ntargets = [\"a/m\"]\ndimensions = 2\n";
    let (client, vendors) = client(routes, |(_, body), number| (0, 200, vectors(body, number)));
    for (request, wanted) in [
        (json!({"input": []}), "`input`: at least one text"),
        (json!({"input": ["a", ""]}), "`input[1]`: the text is empty"),
        (
            json!({"input": "a", "dimensions": 0}),
            "`dimensions`: expected a number above 0",
        ),
        (json!({"input": "a", "timeout": 0}), "`timeout`"),
        (json!({"input": "a"}), "add [routes.embed] with kind = \"embed\""),
        (
            json!({"input": "a", "route": "default"}),
            "\"a/m\" and \"b/n\": vectors of two models do not mix",
        ),
        (
            json!({"input": "a", "route": "none"}),
            "no route or target is named \"none\"",
        ),
        (
            json!({"input": "a", "route": "short", "dimensions": 3}),
            "vectors of 2 numbers, and 3 were asked for",
        ),
    ] {
        let request = EmbedRequest::from_json(request.to_string().as_bytes()).unwrap();
        let error = client.embed(request).send().await.unwrap_err();
        assert_eq!(error.class(), Some(FailureClass::InvalidRequest), "{error}");
        assert!(error.message().contains(wanted), "{error}");
    }
    for (request, wanted) in [
        (r#"{"input": 5}"#, "`input`"),
        (r#"{"input": ["a", 5]}"#, "input[1]"),
        (r#"{"input": "a", "input_type": "quary"}"#, "input_type"),
        (r#"{"input": "a", "model": "x", "route": "y"}"#, "the same"),
    ] {
        let error = EmbedRequest::from_json(request.as_bytes()).unwrap_err();
        assert!(error.message().contains(wanted), "{error}");
    }
    let error = client.chat("hi").route("short").send().await.unwrap_err();
    assert!(error.message().contains("answers no chats"), "{error}");
    assert!(client.explain("hi").is_ok());
    assert_eq!(vendors.seen.lock().unwrap().len(), 0);
    // The same model under two providers needs no word on it; the route's own length is asked for.
    assert_eq!(
        client.embed("a").route("same").send().await.unwrap().dimensions(),
        2
    );
    assert_eq!(
        client
            .embed("a")
            .route("short")
            .send()
            .await
            .unwrap()
            .dimensions(),
        2
    );
    assert_eq!(vendors.seen.lock().unwrap()[1].1["dimensions"], 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_ends_it() {
    let (client, _) = client(BOTH, |(_, body), number| (60_000, 200, vectors(body, number)));
    let call = client.embed("a").send();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let status = client.status();
    assert_eq!((status.in_flight, status.targets[0].in_flight), (0, 0));
}

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("HOTSPARE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

/// The recorded exchanges, each served to a client of its vendor.
#[tokio::test(start_paused = true)]
async fn recorded_exchanges() {
    let Some(folder) = fixtures() else {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none(),
            "no fixtures"
        );
        eprintln!("no recorded exchanges here: nothing was replayed");
        return;
    };
    // (file, dialect, the path of the URL, length, tokens, first number)
    let good = [
        (
            "openai/embeddings__test_embeddings_with_encoding_format",
            "openai_chat",
            "/embeddings",
            1536,
            9,
            0.004_873,
        ),
        (
            "azure-openai/embeddings__azure_embedding",
            "openai_chat",
            "/embeddings",
            1536,
            2,
            -0.004_785,
        ),
        (
            "mistral/embeddings__test_mistral_embeddings_legacy",
            "openai_chat",
            "/embeddings",
            1024,
            10,
            -0.022_644,
        ),
        (
            "cohere/embed__TestCohere.test_query_with_truncate",
            "cohere_chat",
            "/embed",
            1536,
            4,
            -0.017_963,
        ),
    ];
    for (file, dialect, path, length, tokens, first) in good {
        let fixture = read(&folder, file);
        let answer = fixture["response"]["body"].clone();
        let (client, vendors) = one(dialect, 200, answer);
        let texts = match &fixture["request"]["body"]["texts"] {
            Value::Null => fixture["request"]["body"]["input"].clone(),
            texts => texts.clone(),
        };
        let request = json!({"route": "vendor/m", "input": texts, "input_type": "query"});
        let request = EmbedRequest::from_json(request.to_string().as_bytes()).unwrap();
        let reply = client.embed(request).send().await.unwrap();
        assert_eq!(
            (reply.embeddings.len(), reply.dimensions()),
            (1, length),
            "{file}"
        );
        assert_eq!(
            (reply.usage.reported, reply.usage.input_tokens),
            (true, tokens),
            "{file}"
        );
        assert!(
            (reply.embeddings[0][0] - first).abs() < 1e-5,
            "{file}: {}",
            reply.embeddings[0][0]
        );
        // Vectors of all four are of length 1.
        let norm: f32 = reply.embeddings[0].iter().map(|number| number * number).sum();
        assert!((norm - 1.0).abs() < 1e-2, "{file}: {norm}");
        assert_eq!(places(&vendors), [format!("vendor.sim{path}")], "{file}");
    }
    let fixture = read(&folder, "gemini/embed__TestGoogle.test_embed_error");
    let (client, vendors) = one("gemini", 404, fixture["response"]["body"].clone());
    let request = client.embed("Hello, world!").route("vendor/nonexistent-model");
    let error = request
        .input_type(hotspare::types::InputType::Query)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::ModelNotFound));
    // What the vendor's own SDK sent is what we send.
    let seen = vendors.seen.lock().unwrap();
    assert_eq!(seen[0].1, fixture["request"]["body"]);
    assert_eq!(
        seen[0].0,
        "vendor.sim/models/nonexistent-model:batchEmbedContents"
    );
}

fn read(folder: &Path, file: &str) -> Value {
    let text = std::fs::read(folder.join(format!("{file}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn one(dialect: &str, status: u16, answer: Value) -> (Client, Arc<Vendors>) {
    let vendors = Arc::new(Vendors {
        answer: Box::new(move |_, _| (1, status, answer.clone())),
        seen: Mutex::default(),
    });
    let config = json!({
        "standby": false,
        "providers": {"vendor": {"dialect": dialect, "base_url": "http://vendor.sim", "keys": []}},
        "routes": {"default": {"targets": ["vendor/m"]}},
    });
    let config = Config::from_json(&config.to_string()).unwrap();
    (Client::with_transport(config, vendors.clone(), Some(7)), vendors)
}
