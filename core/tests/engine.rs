//! The engine against vendors that answer byte by byte, in virtual time.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic outside its own function, too"
)]

#[path = "support/vendor.rs"]
mod vendor;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::{ChatRequest, FailureClass, Phase, StreamEvent};
use hotspare::{Client, ErrorKind, config::Config};
use http::{HeaderMap, StatusCode};
use vendor::{Answer, Do, Vendor};

use Do::{Break, Flood, Send, Wait};

const TIMEOUTS: &str = r#"{"total": "60s", "first_token": "8s", "idle": "10s"}"#;

fn client_of(key: &str, targets: &str, answers: Vec<Answer>) -> (Client, Arc<Vendor>) {
    let config = format!(
        r#"{{"providers": {{
            "openai": {{"keys": ["{key}"]}},
            "anthropic": {{"keys": ["{key}"]}}}},
            "routes": {{"default": {{"targets": {targets}, "timeouts": {TIMEOUTS}}}}}}}"#
    );
    let vendor = Vendor::new(answers);
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(&vendor);
    (
        Client::with_transport(Config::from_json(&config).unwrap(), transport, Some(1)),
        vendor,
    )
}

fn client(targets: &str, answers: Vec<Answer>) -> Client {
    client_of("sk-made-up", targets, answers).0
}

const ONE: &str = r#"["openai/gpt-4o-mini"]"#;
const TWO: &str = r#"["openai/gpt-4o-mini", "openai/gpt-4o"]"#;
const WHOLE: &str = r#"{"id": "r", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1}}"#;
const TEXT: &str = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"a\"}}]}\n\n";
const END: &str =
    "data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\n\ndata: [DONE]\n\n";
const PING: &str = ": ping\n\n";

fn hi() -> ChatRequest {
    ChatRequest::of("hi")
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_vendor_echoes_is_never_shown() {
    const KEY: &str = "sk-canary-0123456789abcdef";
    const ECHO: &str =
        r#"{"error": {"message": "no: sk-canary-0123456789abcdef", "code": "sk-canary-0123456789abcdef"}}"#;
    const IN_BAND: &str = "data: {\"error\": {\"message\": \"no: sk-canary-0123456789abcdef\"}}\n\n";
    let long = format!(r#"{{"error": {{"message": "{}{KEY}"}}}}"#, "x".repeat(500));
    let long: &'static str = Box::leak(long.into_boxed_str());
    for answer in [
        (0, 401, &[][..], vec![Send(ECHO)]),
        (0, 401, &[], vec![Send(long)]),
        (0, 200, &[], vec![Send(IN_BAND)]),
        (0, 200, &[], vec![Send(TEXT), Wait(1), Send(IN_BAND)]),
    ] {
        let (client, _) = client_of(KEY, ONE, vec![answer]);
        let mut shown = Vec::new();
        match client.open(hi()).await {
            Err(error) => shown.push(error),
            Ok(mut stream) => {
                while let Some(event) = stream.next().await {
                    shown.extend(event.err());
                }
            }
        }
        let error = shown.pop().unwrap();
        let text = format!("{error} {error:?} {:?}", error.trail());
        assert!(text.contains("[key]") && !text.contains("sk-canary"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_key_is_not_parked_by_refusals_of_the_old_one() {
    let file = std::env::temp_dir().join(format!("hotspare-renewed-{}", std::process::id()));
    std::fs::write(&file, "sk-old").unwrap();
    let refused = |wait| -> Answer { (wait, 401, &[], vec![Send("{}")]) };
    let answers: Vec<Answer> = vec![
        (0, 200, &[], vec![Send(WHOLE)]),
        refused(1000),
        refused(2000),
        (0, 200, &[], vec![Send(WHOLE)]),
        (0, 200, &[], vec![Send(WHOLE)]),
        (0, 200, &[], vec![Send(WHOLE)]),
    ];
    let (client, _) = client_of(&format!("file:{}", file.display()), ONE, answers);
    client.send(hi()).await.unwrap();
    // Two calls are on their way with the old key when it is replaced.
    let both = async {
        let (a, b) = tokio::join!(client.send(hi()), client.send(hi()));
        a.unwrap();
        b.unwrap();
    };
    let replace = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::write(&file, "sk-new").unwrap();
    };
    tokio::join!(both, replace);
    client.send(hi()).await.unwrap();
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cost_is_unknown_when_any_part_is() {
    // (the first answer, cost of its attempt known)
    let cases: [(Answer, bool); 3] = [
        ((0, 503, &[], vec![Send("{}")]), true),
        ((0, 200, &[], vec![Send("<html>")]), false),
        ((59_000, 200, &[], Vec::new()), false),
    ];
    for (first, known) in cases {
        let status = first.1;
        let client = client(TWO, vec![first, (0, 200, &[], vec![Send(WHOLE)])]);
        let reply = client.send(hi()).await.unwrap();
        assert_eq!(reply.trail[0].cost_usd.is_some(), known, "{status}");
        assert!(reply.trail[1].cost_usd.unwrap() > 0.0);
        assert_eq!(reply.cost_usd.is_some(), known, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_has_no_known_cost() {
    let begun = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"1\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\n";
    let client = client(
        r#"["anthropic/claude-haiku-4-5"]"#,
        vec![(0, 200, &[], vec![Send(begun), Break])],
    );
    let mut stream = client.open(hi()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    let attempt = &error.trail()[0];
    assert_eq!((attempt.usage.input_tokens, attempt.cost_usd), (9, None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_no_silent_vendor() {
    let steps = vec![Send(TEXT), Send(PING), Wait(1), Send(TEXT), Send(END)];
    let client = client(ONE, vec![(0, 200, &[], steps)]);
    let mut stream = client.open(hi()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "a");
    assert!(matches!(
        stream.next().await,
        Some(Ok(StreamEvent::Finish { .. }))
    ));

    // Silence while it reads is one, however often the wait is begun anew.
    let steps = vec![Send(TEXT), Wait(10_500), Send(TEXT), Send(END)];
    let client = self::client(ONE, vec![(0, 200, &[], steps)]);
    let mut stream = client.open(hi()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    for _ in 0..2 {
        let wait = tokio::time::timeout(Duration::from_secs(4), stream.next()).await;
        assert!(wait.is_err(), "{wait:?}");
    }
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_nothing_ends() {
    // Virtual time stands still while it comes, so that the bound on bytes ends it.
    let flood: &'static str = " ".repeat(32 << 20).leak();
    let client = client(ONE, vec![(0, 200, &[], vec![Flood(flood)])]);
    let error = client.open(hi()).await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Malformed), "{error}");

    let flood: &'static str = format!(": {}\n", "x".repeat(1 << 19)).leak();
    let client = self::client(ONE, vec![(0, 200, &[], vec![Send(TEXT), Flood(flood)])]);
    let mut stream = client.open(hi()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StreamInterrupted);
}

#[tokio::test(start_paused = true)]
async fn first_content_is_timed_though_the_end_came_with_it() {
    let body: &'static str = format!("{TEXT}{END}").leak();
    let client = client(ONE, vec![(700, 200, &[("cf-ray", "r1")], vec![Send(body)])]);
    let mut stream = client.open(hi()).await.unwrap();
    while stream.next().await.is_some() {}
    let attempt = &stream.reply().unwrap().trail[0];
    assert_eq!(attempt.first_content, Some(0.7));
    assert_eq!(attempt.request_id.as_deref(), Some("r1"));
}

#[tokio::test(start_paused = true)]
async fn a_partial_call_is_shown_as_far_as_it_came() {
    let call = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"tool_calls\": [{\"index\": 0, \"id\": \"c\", \"function\": {\"name\": \"f\"}}]}}]}\n\n";
    let client = client(ONE, vec![(0, 200, &[], vec![Send(call), Break])]);
    let mut stream = client.open(hi()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.partial().unwrap().tool_calls[0].arguments, "");
    assert_eq!(error.phase(), Some(Phase::Stream));
}

#[tokio::test(start_paused = true)]
async fn retry_after_counts_from_the_end_of_the_request() {
    // The first target asks for 30 s, the second takes 7 s to fail.
    let answers: Vec<Answer> = vec![
        (0, 429, &[("retry-after", "30")], vec![Send("{}")]),
        (
            7000,
            400,
            &[],
            vec![Send(r#"{"error": {"code": "model_not_found", "message": "x"}}"#)],
        ),
    ];
    let (client, vendor) = client_of("sk-made-up", TWO, answers);
    let error = client.send(hi()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AllTargetsFailed);
    assert_eq!(error.retry_after().unwrap().as_secs(), 23);
    assert_eq!(vendor.calls.load(Ordering::Relaxed), 2);
    // What was not called got no response.
    let error = client.send(hi()).await.unwrap_err();
    assert_eq!(vendor.calls.load(Ordering::Relaxed), 2);
    assert!(error.trail().iter().all(|attempt| attempt.status.is_none()));
    assert!(!error.maybe_sent());

    // A target's last word stands.
    let asks = |headers| -> Answer { (0, 429, headers, vec![Send("{}")]) };
    let client = self::client(
        ONE,
        vec![asks(&[("retry-after", "1")]), asks(&[("retry-after", "40")])],
    );
    let error = client.send(hi()).await.unwrap_err();
    assert_eq!(error.retry_after().unwrap().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_anew_before_anyone_saw_it_is_silent() {
    let started = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"1\"}}\n\n";
    let lost = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"lost\"}}\n\n";
    let body: &'static str = format!("{started}{lost}{started}").leak();
    let answers: Vec<Answer> = vec![
        (0, 200, &[], vec![Send(body), Break]),
        (0, 200, &[], vec![Send(TEXT), Send(END)]),
    ];
    let client = client(r#"["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"]"#, answers);
    let mut stream = client.open(hi()).await.unwrap();
    assert_eq!(stream.target(), "openai/gpt-4o-mini");
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "a");
}

#[tokio::test(start_paused = true)]
async fn more_answers_than_a_reply_holds_are_not_paid_for() {
    let request =
        |n| ChatRequest::from_json(format!(r#"{{"messages": "hi", "n": {n}}}"#).as_bytes()).unwrap();
    let (client, vendor) = client_of("sk-made-up", ONE, vec![(0, 200, &[], vec![Send(WHOLE)])]);
    let error = client.send(request(2)).await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::InvalidRequest));
    assert_eq!(vendor.calls.load(Ordering::Relaxed), 0);
    client.send(request(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_are_short_and_one_line() {
    let wrong: &'static str = format!(r#"{{"choices": "{}"}}"#, "long\\n".repeat(100_000)).leak();
    let client = client(ONE, vec![(0, 200, &[], vec![Send(wrong)])]);
    let error = client.send(hi()).await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Malformed));
    assert!(error.message().len() < 700, "{}", error.message().len());
    assert!(!error.message().contains('\n'));
}

#[tokio::test(start_paused = true)]
async fn targets_that_had_no_turn_are_not_said_to_have_failed() {
    let targets: Vec<String> = (0..6).map(|n| format!("\"openai/m{n}\"")).collect();
    let client = client(&format!("[{}]", targets.join(",")), Vec::new());
    let error = client.send(hi()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.trail().len()),
        (ErrorKind::AllTargetsFailed, 4)
    );
    assert!(
        error
            .message()
            .starts_with("4 attempts failed, all that `max_attempts` allows, and 2 targets had no turn"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_calls_id_is_given_though_its_name_comes_later() {
    let id = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"tool_calls\": [{\"index\": 0, \"id\": \"c\"}]}}]}\n\n";
    let name = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"tool_calls\": [{\"index\": 0, \"function\": {\"name\": \"f\"}}]}}]}\n\n";
    let client = client(ONE, vec![(0, 200, &[], vec![Send(id), Send(name), Send(END)])]);
    let mut stream = client.open(hi()).await.unwrap();
    let mut ids = Vec::new();
    while let Some(event) = stream.next().await {
        if let StreamEvent::ToolCall(piece) = event.unwrap() {
            ids.extend(piece.id);
        }
    }
    assert_eq!(ids, ["c"]);
}

/// A client of two targets at two vendors, its route saying more.
fn route(more: &str, answers: Vec<Answer>) -> (Client, Arc<Vendor>) {
    let config = format!(
        r#"{{"providers": {{"openai": {{"keys": ["k"]}}, "anthropic": {{"keys": ["k"]}}}},
            "routes": {{"default": {{"targets": ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"],
                "timeouts": {TIMEOUTS}, {more}}}}}}}"#
    );
    let vendor = Vendor::new(answers);
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(&vendor);
    let client = Client::with_transport(Config::from_json(&config).unwrap(), transport, Some(1));
    (client, vendor)
}

#[tokio::test(start_paused = true)]
async fn what_no_target_would_answer_is_what_a_race_fails_with() {
    // The first attempt is told that the request is wrong; the one that races it breaks later, in a way of its own.
    let answers = vec![(3000, 400, &[] as &[_], vec![]), (3000, 500, &[], vec![])];
    let hedge = r#""hedge": {"after": "2s", "share": 1.0}"#;
    let (client, vendor) = route(hedge, answers);
    let error = client.open(hi()).await.unwrap_err();
    assert_eq!(vendor.calls.load(Ordering::Relaxed), 2);
    let classes: Vec<_> = error
        .trail()
        .iter()
        .filter_map(|attempt| attempt.failure())
        .map(|failure| failure.class)
        .collect();
    assert_eq!(classes, [FailureClass::InvalidRequest, FailureClass::Server]);
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Failed, Some(FailureClass::InvalidRequest))
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_broken_stream_used_is_told_though_recovery_fails() {
    let begun = "data: {\"type\": \"message_start\", \"message\": {\"id\": \"1\", \"model\": \"m\", \"usage\": {\"input_tokens\": 7, \"output_tokens\": 1}}}\n\n";
    let said = "data: {\"type\": \"content_block_start\", \"index\": 0, \"content_block\": {\"type\": \"text\", \"text\": \"a\"}}\n\n";
    for recovery in ["error", "restart"] {
        let answers = vec![(
            0,
            200,
            &[] as &[_],
            vec![Send(begun), Send(said), Wait(10), Break],
        )];
        let (client, _) = route(&format!("\"stream_recovery\": \"{recovery}\""), answers);
        let mut stream = client.open(hi()).await.unwrap();
        let error = loop {
            if let Err(error) = stream.next().await.unwrap() {
                break error;
            }
        };
        let partial = error.partial().unwrap();
        assert_eq!(
            (partial.text.as_str(), partial.usage.input_tokens),
            ("a", 7),
            "{recovery}"
        );
    }
}

/// Content for ever, without a pause, as far as this many pieces.
struct Torrent {
    left: usize,
    given: Arc<AtomicUsize>,
}

impl futures_core::Stream for Torrent {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(Some(Ok(Bytes::from_static(END.as_bytes()))));
        };
        self.left = left;
        self.given.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Bytes::from_static(TEXT.as_bytes()))))
    }
}

struct Torrents(Arc<AtomicUsize>);

impl Transport for Torrents {
    fn send(&self, _: HttpRequest) -> Exchange {
        let response = HttpResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Body::new(Torrent {
                left: 500_000,
                given: Arc::clone(&self.0),
            }),
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// In real time: what never pauses never lets virtual time move.
#[tokio::test]
async fn a_stream_without_a_pause_is_held_back_no_longer_than_asked() {
    let config = r#"{"providers": {"openai": {"keys": ["k"]}},
        "routes": {"default": {"targets": ["openai/gpt-4o-mini"], "hold_back": "10ms"}}}"#;
    let given = Arc::new(AtomicUsize::new(0));
    let transport = Arc::new(Torrents(Arc::clone(&given)));
    let client = Client::with_transport(Config::from_json(config).unwrap(), transport, Some(1));
    let stream = client.open(hi()).await.unwrap();
    assert!(given.load(Ordering::Relaxed) < 500_000, "all of it was held back");
    drop(stream);
}
