//! Clients that speak a vendor's format, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic outside its own function, too, and reads the paused clock"
)]

#[path = "support/vendor.rs"]
mod vendor;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::Transport;
use hotspare::types::What;
use hotspare::{Client, Config, HttpAsk, Served, ServedBody, ServedStream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use vendor::Do::{Break, Flood, Send, Wait};
use vendor::{Answer, Vendor};

const CHAT: &str = "https://api.openai.com/v1/chat/completions";
const TWO: &str = r#"["openai/gpt-4o-mini", "other/model-b"]"#;
const REPLY: &str = r#"{"id":"r","object":"chat.completion","x_new":[1],"model":"gpt-4o-mini-2024","choices":[{"index":0,"message":{"role":"assistant","content":"hi","x_more":{}},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1}}"#;
const OTHER: &str = r#"{"message": {"role": "assistant", "content": [{"type": "text", "text": "from b"}]}, "finish_reason": "COMPLETE",
    "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}"#;
const TEXT: &str = "data: {\"x_new\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const END: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A client of two providers, one that speaks the client's format, and one that does not.
fn client(targets: &str, rest: &str, answers: Vec<Answer>) -> (Client, Arc<Vendor>) {
    let config = format!(
        r#"{{"providers": {{
            "openai": {{"keys": ["sk-made-up"]}},
            "other": {{"dialect": "cohere_chat", "base_url": "https://b.sim", "keys": []}}}},
            "routes": {{
                "default": {{"targets": {targets}, "timeouts": {{"total": "60s", "first_token": "8s", "idle": "10s"}}}},
                "second": {{"targets": ["other/model-b"]}},
                "going-on": {{"targets": ["openai/gpt-4o-mini"], "stream_recovery": "continue"}}}}{rest}}}"#
    );
    let vendor = Vendor::new(answers);
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(&vendor);
    let config = Config::from_json(&config).unwrap();
    (Client::with_transport(config, transport, Some(1)), vendor)
}

fn whole(status: u16, body: &'static str) -> Answer {
    (0, status, &[], vec![Send(body)])
}

fn ask(model: &str, more: &Value) -> HttpAsk {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    HttpAsk {
        method: Method::POST,
        path: CHAT.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        patience: None,
    }
}

fn header<'a>(served: &'a Served, name: &str) -> &'a str {
    served
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn answered(served: &Served) -> &[u8] {
    match &served.body {
        ServedBody::Whole(bytes) => bytes,
        ServedBody::Stream(_) => panic!("a stream came"),
    }
}

fn json_of(served: &Served) -> Value {
    serde_json::from_slice(answered(served)).unwrap()
}

fn stream_of(served: Served) -> ServedStream {
    match served.body {
        ServedBody::Stream(stream) => *stream,
        ServedBody::Whole(bytes) => panic!("no stream: {}", String::from_utf8_lossy(&bytes)),
    }
}

async fn all(mut stream: ServedStream) -> String {
    let mut text = String::new();
    while let Some(bytes) = stream.next().await {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    text
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_the_clients_format_goes_through_as_it_came() {
    let (client, vendor) = client(TWO, "", vec![whole(200, REPLY)]);
    let served = client
        .serve(ask("gpt-4o-mini", &json!({"x_field": {"a": [1]}})))
        .await;
    assert_eq!(
        (served.status.as_u16(), answered(&served)),
        (200, REPLY.as_bytes())
    );
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-hotspare-route", "default"),
        ("x-hotspare-target", "openai/gpt-4o-mini"),
        ("x-hotspare-attempts", "1"),
        ("x-hotspare-trail", "openai/gpt-4o-mini=ok"),
        ("x-should-retry", "false"),
        ("x-hotspare-cost-usd", "0.000002100"),
        ("x-hotspare-error", ""),
    ] {
        assert_eq!(header(&served, name), value, "{name}");
    }
    assert!(header(&served, "x-request-id").starts_with("req_"));
    let asked = vendor.asked.lock().unwrap();
    let sent: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(
        (&sent["model"], &sent["x_field"]),
        (&json!("gpt-4o-mini"), &json!({"a": [1]}))
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_another_format_is_written_anew() {
    let (client, _) = client(TWO, "", vec![whole(503, "{}"), whole(200, OTHER)]);
    let served = client.serve(ask("anything", &json!({}))).await;
    let reply = json_of(&served);
    assert_eq!(reply["choices"][0]["message"]["content"], "from b");
    assert_eq!(reply["usage"]["total_tokens"], 5);
    assert_eq!(header(&served, "x-hotspare-target"), "other/model-b");
    assert_eq!(
        header(&served, "x-hotspare-trail"),
        "openai/gpt-4o-mini=overloaded, other/model-b=ok"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_the_clients_format_goes_through_as_it_came() {
    const LATE: &str = "data: {\"x_progress\":1,\"choices\":[]}\n\n";
    let steps = vec![
        Send(TEXT),
        Wait(100),
        Send(LATE),
        Wait(5000),
        Send(TEXT),
        Send(END),
    ];
    let (client, _) = client(TWO, "", vec![(0, 200, &[], steps)]);
    let served = client.serve(ask("default", &json!({"stream": true}))).await;
    assert_eq!(
        header(&served, "content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(header(&served, "x-hotspare-trail"), "openai/gpt-4o-mini=open");
    let mut stream = stream_of(served);
    let mut next = async || {
        stream
            .next()
            .await
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    assert_eq!(next().await.as_deref(), Some(TEXT));
    let began = tokio::time::Instant::now();
    assert_eq!(next().await.as_deref(), Some(LATE));
    assert_eq!(
        began.elapsed(),
        Duration::from_millis(100),
        "what is no content is not held back"
    );
    let mut rest = String::new();
    while let Some(more) = next().await {
        rest.push_str(&more);
    }
    assert_eq!(rest, format!("{TEXT}{END}"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_content_stops_no_timer() {
    let answers = vec![(
        0,
        200,
        &[] as &[_],
        vec![
            Send(TEXT),
            Wait(6000),
            Send("data: {\"choices\":[]}\n\n"),
            Wait(6000),
            Send(TEXT),
            Send(END),
        ],
    )];
    let (client, _) = client(TWO, "", answers);
    let stream = stream_of(client.serve(ask("default", &json!({"stream": true}))).await);
    let text = all(stream).await;
    assert!(text.contains("nothing more came within"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_fails_over_before_its_first_content_and_is_written_anew() {
    const B: &str = "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"m\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\n\
        event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"from b\"}}}}\n\n\
        event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":2}}}}\n\n";
    let silent = (0, 200, &[] as &[_], vec![Send(": ping\n\n"), Wait(60_000)]);
    let (client, _) = client(TWO, "", vec![silent, whole(200, B)]);
    let served = client.serve(ask("default", &json!({"stream": true}))).await;
    assert_eq!(
        header(&served, "x-hotspare-trail"),
        "openai/gpt-4o-mini=timeout, other/model-b=open"
    );
    let text = all(stream_of(served)).await;
    assert!(
        text.contains("from b") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_says_so() {
    for (answer, why) in [
        (vec![Send(TEXT), Wait(10), Break], "broke off"),
        (vec![Send(TEXT)], "terminal marker"),
        (
            vec![
                Send(TEXT),
                Send("data: {\"error\": {\"message\": \"oops\", \"code\": 500}}\n\n"),
            ],
            "oops",
        ),
    ] {
        let (client, _) = client(r#"["openai/gpt-4o-mini"]"#, "", vec![(0, 200, &[], answer)]);
        let text = all(stream_of(
            client.serve(ask("default", &json!({"stream": true}))).await,
        ))
        .await;
        let events: Vec<&str> = text.trim_end().split("\n\n").collect();
        assert_eq!(events.len(), 2, "{text}");
        assert_eq!(format!("{}\n\n", events[0]), TEXT);
        assert!(
            events[1].starts_with("data: {\"error\":") && events[1].contains(why),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_closes_the_connection() {
    let (client, vendor) = client(TWO, "", vec![(0, 200, &[], vec![Flood(TEXT)])]);
    let mut stream = stream_of(client.serve(ask("default", &json!({"stream": true}))).await);
    stream.next().await.unwrap();
    assert_eq!(vendor.open.load(Ordering::Relaxed), 1);
    drop(stream);
    assert_eq!(vendor.open.load(Ordering::Relaxed), 0);
}

/// What each failure of the only target comes to: status, and class by our own word.
#[tokio::test(start_paused = true)]
async fn errors_have_the_vendors_status() {
    const CONTEXT: &str = r#"{"error": {"message": "too long", "code": "context_length_exceeded"}}"#;
    const QUOTA: &str =
        r#"{"error": {"message": "pay", "code": "insufficient_quota", "type": "insufficient_quota"}}"#;
    for (answer, status, code) in [
        (whole(400, "{}"), 400, "invalid_request"),
        (whole(422, "{}"), 422, "invalid_request"),
        (whole(401, "{}"), 401, "authentication"),
        (whole(403, "{}"), 403, "authentication"),
        (whole(404, "{}"), 404, "all_targets_failed"),
        (whole(429, QUOTA), 429, "all_targets_failed"),
        (whole(400, CONTEXT), 400, "context_length"),
        (whole(500, "{}"), 500, "all_targets_failed"),
        (whole(503, "{}"), 503, "all_targets_failed"),
        (whole(200, "<html>"), 502, "all_targets_failed"),
    ] {
        let again = answer.clone();
        let (client, _) = client(r#"["openai/gpt-4o-mini"]"#, "", vec![answer, again]);
        let served = client.serve(ask("default", &json!({}))).await;
        assert_eq!(
            (served.status.as_u16(), header(&served, "x-hotspare-error")),
            (status, code)
        );
        assert_eq!(header(&served, "x-should-retry"), "false");
        assert_eq!(header(&served, "x-hotspare-target"), "openai/gpt-4o-mini");
        assert!(json_of(&served)["error"]["message"].is_string());
    }
    let limited: Answer = (0, 429, &[("retry-after", "120")], vec![Send("{}")]);
    let (client, _) = client(r#"["openai/gpt-4o-mini"]"#, "", vec![limited]);
    let served = client.serve(ask("default", &json!({}))).await;
    assert_eq!(
        (served.status.as_u16(), header(&served, "retry-after")),
        (429, "120")
    );
}

#[tokio::test(start_paused = true)]
async fn a_models_name_means_a_route() {
    const NAMES: &str = r#", "ingress": {"models": {"gpt-4o": "second", "claude-*": "other/model-c"}}"#;
    for (model, route) in [
        ("default", "default"),
        ("second", "second"),
        ("gpt-4o", "second"),
        ("claude-opus-4", "other/model-c"),
        ("openai/gpt-5", "openai/gpt-5"),
        ("meta-llama/llama-3", "default"),
        ("gpt-4o-mini", "default"),
    ] {
        let (client, _) = client(TWO, NAMES, vec![whole(500, "{}"); 4]);
        let served = client.serve(ask(model, &json!({}))).await;
        assert_eq!(header(&served, "x-hotspare-route"), route, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_served_is_told_in_the_clients_format() {
    let (client, vendor) = client(TWO, "", Vec::new());
    let with = |method: Method, path: &str, body: &'static str| HttpAsk {
        method,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
        patience: None,
    };
    for (asked, status) in [
        (with(Method::POST, "/v1/images/generations", "{}"), 404),
        (with(Method::POST, "/v1/mychat/completions", "{}"), 404),
        (with(Method::GET, "/v1/chat/completions?x=1", ""), 405),
        (with(Method::POST, "/v1/models", ""), 405),
        (with(Method::POST, "/v1/chat/completions/", "{"), 400),
        (
            with(
                Method::POST,
                "chat/completions",
                r#"{"messages": [{"role": "cook"}]}"#,
            ),
            400,
        ),
        (
            with(Method::POST, "/chat/completions", r#"{"messages": []}"#),
            400,
        ),
    ] {
        let path = asked.path.clone();
        let served = client.serve(asked).await;
        assert_eq!(served.status.as_u16(), status, "{path}");
        let error = &json_of(&served)["error"];
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| message.len() > 20),
            "{error}"
        );
    }
    assert_eq!(vendor.calls.load(Ordering::Relaxed), 0);
    let listed = client.serve(with(Method::GET, "/v1/models", "")).await;
    let names: Vec<Value> = json_of(&listed)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "default",
            "going-on",
            "second",
            "openai/gpt-4o-mini",
            "other/model-b"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_is_waited_for_no_longer_than_it_waits() {
    let (client, _) = client(
        r#"["openai/gpt-4o-mini"]"#,
        "",
        vec![(30_000, 200, &[], vec![Send(REPLY)])],
    );
    let began = tokio::time::Instant::now();
    let mut asked = ask("default", &json!({}));
    asked.patience = Some(Duration::from_secs(3));
    let served = client.serve(asked).await;
    assert_eq!(served.status.as_u16(), 504);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn several_answers_come_whole_or_not_at_all() {
    let (client, _) = client(TWO, "", vec![whole(200, REPLY), whole(500, "{}")]);
    let served = client.serve(ask("default", &json!({"n": 2}))).await;
    assert_eq!(answered(&served), REPLY.as_bytes());
    // The other target's format has no word for it.
    let served = client.serve(ask("second", &json!({"n": 2}))).await;
    assert_eq!(served.status.as_u16(), 400);
    let served = client
        .serve(ask("default", &json!({"n": 2, "stream": true})))
        .await;
    assert_eq!(served.status.as_u16(), 400);
}

/// Where another target may have to go on, all is written by one hand.
#[tokio::test(start_paused = true)]
async fn a_stream_that_may_go_on_elsewhere_is_written_anew() {
    let (client, _) = client(TWO, "", vec![(0, 200, &[], vec![Send(TEXT), Send(END)])]);
    let served = client.serve(ask("going-on", &json!({"stream": true}))).await;
    let text = all(stream_of(served)).await;
    assert!(
        !text.contains("x_new") && text.contains("\"content\":\"a\""),
        "{text}"
    );
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_served_call_is_seen_like_any_other() {
    let (client, _) = client(TWO, "", vec![(0, 200, &[], vec![Send(TEXT), Send(END)])]);
    let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&ended);
    client.on_event(move |event| {
        if let What::RequestEnded { code, target, .. } = &event.what {
            seen.lock().unwrap().push((code.clone(), target.clone()));
        }
    });
    let stream = stream_of(client.serve(ask("default", &json!({"stream": true}))).await);
    all(stream).await;
    let ended = ended.lock().unwrap();
    assert_eq!(*ended, [("ok".to_owned(), Some("openai/gpt-4o-mini".to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn a_clients_beta_headers_reach_the_targets_of_its_format() {
    const CLAUDE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hi","x_new":1}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let config = r#"{"providers": {"anthropic": {"keys": ["sk-made-up"]}, "openai": {"keys": ["sk-made-up"]}},
        "routes": {"default": {"targets": ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"]}}}"#;
    let vendor = Vendor::new(vec![whole(500, "{}"), whole(200, CLAUDE)]);
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(&vendor);
    let client = Client::with_transport(Config::from_json(config).unwrap(), transport, Some(1));
    let mut asked = ask("claude-haiku-4-5", &json!({"max_tokens": 9}));
    "/v1/messages?beta=true".clone_into(&mut asked.path);
    for (name, value) in [
        ("anthropic-beta", "context-1m-2025-08-07"),
        ("anthropic-version", "2023-06-01"),
        ("x-api-key", "unused"),
    ] {
        asked.headers.insert(name, value.parse().unwrap());
    }
    let served = client.serve(asked).await;
    assert_eq!(answered(&served), CLAUDE.as_bytes());
    assert!(header(&served, "request-id").starts_with("req_"));
    let sent = vendor.asked.lock().unwrap();
    let beta = |at: usize| {
        sent[at]
            .headers
            .get("anthropic-beta")
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!((beta(0), beta(1)), (None, Some("context-1m-2025-08-07")));
    let key = sent[1].headers.get("x-api-key").unwrap();
    assert_eq!(
        key.to_str().unwrap(),
        "sk-made-up",
        "the client's own key goes nowhere"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_another_vendor_repeats_what_the_client_asked() {
    let (client, _) = client(r#"["other/model-b"]"#, "", vec![whole(200, OTHER)]);
    let mut asked = ask("default", &json!({}));
    "/v1/responses".clone_into(&mut asked.path);
    let body = json!({"model": "default", "input": "hi", "instructions": "be brief", "metadata": {"team": "a"}, "top_p": 0.5});
    asked.body = Bytes::from(body.to_string());
    let reply = json_of(&client.serve(asked).await);
    assert_eq!(reply["output"][0]["content"][0]["text"], "from b");
    for field in ["instructions", "metadata", "top_p"] {
        assert_eq!(reply[field], body[field], "{field}");
    }
    assert_eq!(
        (&reply["truncation"], &reply["user"]),
        (&json!("disabled"), &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn vectors_come_as_openais_sdks_read_them() {
    const VECTORS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-2.0]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    let config = r#"{"providers": {"openai": {"keys": ["sk-made-up"]}},
        "routes": {"embed": {"kind": "embed", "targets": ["openai/text-embedding-3-small"]}}}"#;
    let vendor = Vendor::new(vec![whole(200, VECTORS), whole(200, VECTORS)]);
    let transport: Arc<dyn Transport> = Arc::<Vendor>::clone(&vendor);
    let client = Client::with_transport(Config::from_json(config).unwrap(), transport, Some(1));
    for (format, expected) in [("float", json!([0.5, -2.0])), ("base64", json!("AAAAPwAAAMA="))] {
        let mut asked = ask(
            "text-embedding-3-small",
            &json!({"input": "hi", "encoding_format": format}),
        );
        asked.path = "/v1/embeddings".to_owned();
        let mut body: Value = serde_json::from_slice(&asked.body).unwrap();
        body.as_object_mut().unwrap().shift_remove("messages");
        asked.body = Bytes::from(body.to_string());
        asked.patience = Some(Duration::from_secs(600));
        let served = client.serve(asked).await;
        assert_eq!(
            served.status.as_u16(),
            200,
            "{}",
            String::from_utf8_lossy(answered(&served))
        );
        assert_eq!(json_of(&served)["data"][0]["embedding"], expected);
        assert_eq!(header(&served, "x-hotspare-route"), "embed");
    }
}
