//! What the dialects differ in besides their faults: paths, keys, defaults, the errors of every kind, vectors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it met"
)]

mod support;

use hotspare_simulator::{Asked, SimTransport};
use serde_json::{Value, json};
use support::{DIALECTS, Ending, LONG, Outcome, chat, in_process, key_header, script};

fn one(provider: &Value) -> SimTransport {
    SimTransport::new(script(json!({"providers": {"p": provider}})))
}

async fn post(transport: &SimTransport, path: &str, body: &Value) -> Outcome {
    in_process(transport, "p", path, &[], &body.to_string(), LONG).await
}

const KINDS: [(&str, [u16; 7]); 10] = [
    ("rate_limit", [429; 7]),
    ("acceleration", [429; 7]),
    ("insufficient_quota", [429, 429, 400, 429, 400, 402, 429]),
    ("authentication", [401, 401, 401, 400, 403, 401, 401]),
    ("model_not_found", [404, 400, 404, 404, 400, 404, 404]),
    ("context_length", [400; 7]),
    ("content_filter", [400, 400, 400, 200, 400, 400, 400]),
    ("invalid_request", [400; 7]),
    ("server", [500; 7]),
    ("overloaded", [503, 503, 529, 503, 503, 503, 503]),
];

#[tokio::test(start_paused = true)]
async fn every_kind_of_error_has_its_vendors_status_and_shape() {
    for (kind, statuses) in KINDS {
        for (dialect, status) in DIALECTS.into_iter().zip(statuses) {
            println!("{dialect} {kind}");
            let transport = one(&json!({"dialect": dialect, "phases": [{"step": {"error": kind}}]}));
            let (path, body) = chat(dialect, false);
            let met = in_process(&transport, "p", &path, &[], &body, LONG).await;
            assert_eq!(met.status, Some(status));
            let body = met.json();
            match dialect {
                "gemini" if status == 200 => assert_eq!(body["promptFeedback"]["blockReason"], "SAFETY"),
                "bedrock_converse" => {
                    assert!(body["message"].is_string());
                    assert!(met.header("x-amzn-errortype").unwrap().contains("Exception:http"));
                }
                "cohere_chat" => assert!(body["message"].is_string() && body["id"].is_string()),
                "ollama_chat" => assert!(body["error"].is_string()),
                _ => assert!(body["error"]["message"].is_string()),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_inside_a_stream_are_told_as_the_vendor_tells_them() {
    for (dialect, kind, told) in [
        ("openai_responses", "rate_limit", "event: error\ndata: {"),
        (
            "openai_responses",
            "server",
            r#""status":"failed","background":false,"error":{"code":"server_error""#,
        ),
        ("bedrock_converse", "rate_limit", "throttlingException"),
        ("bedrock_converse", "invalid_request", "validationException"),
        (
            "bedrock_converse",
            "authentication",
            ":error-code???UnrecognizedClientException",
        ),
        (
            "cohere_chat",
            "server",
            r#""finish_reason":"ERROR","error":"internal server error"#,
        ),
        (
            "ollama_chat",
            "server",
            "{\"error\":\"an error was encountered while running the model",
        ),
    ] {
        let step = json!({"fault": "error_event", "error": kind, "after_chunks": 1});
        let transport = one(&json!({"dialect": dialect, "steps": [step]}));
        let (path, body) = chat(dialect, true);
        let met = in_process(&transport, "p", &path, &[], &body, LONG).await;
        assert_eq!((met.status, met.ending), (Some(200), Ending::Complete));
        let shown = met.readable();
        assert!(shown.text().contains(told), "{dialect} {kind}: {}", shown.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_openais_serves_both_of_its_apis() {
    for named in ["openai_chat", "openai_responses"] {
        let transport = one(&json!({"dialect": named}));
        for (asked, object) in [
            ("openai_chat", "chat.completion"),
            ("openai_responses", "response"),
        ] {
            let (path, body) = chat(asked, false);
            let met = in_process(&transport, "p", &path, &[], &body, LONG).await;
            assert_eq!(met.json()["object"], object);
        }
    }
    let transport = one(&json!({"dialect": "anthropic_messages"}));
    assert_eq!(
        post(&transport, "/responses", &json!({"model": "m"}))
            .await
            .status,
        Some(404)
    );
}

#[tokio::test(start_paused = true)]
async fn ollama_streams_unless_told_not_to_and_bedrock_by_its_path() {
    for (dialect, path, body, content_type) in [
        (
            "ollama_chat",
            "/api/chat",
            json!({"model": "m"}),
            "application/x-ndjson",
        ),
        (
            "ollama_chat",
            "/api/chat",
            json!({"model": "m", "stream": false}),
            "application/json",
        ),
        ("cohere_chat", "/chat", json!({"model": "m"}), "application/json"),
        (
            "bedrock_converse",
            "/model/us.claude%3A0/converse-stream",
            json!({}),
            "application/vnd.amazon.eventstream",
        ),
    ] {
        let transport = one(&json!({"dialect": dialect}));
        let met = post(&transport, path, &body).await;
        assert_eq!(
            (met.status, met.header("content-type")),
            (Some(200), Some(content_type))
        );
        let streams = content_type != "application/json";
        assert_eq!(transport.journal()[0].stream, streams);
        let model = if dialect == "bedrock_converse" {
            "us.claude:0"
        } else {
            "m"
        };
        assert_eq!(transport.journal()[0].model.as_deref(), Some(model));
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_request_has_the_id_of_its_access_key_for_a_key() {
    let transport = one(&json!({"dialect": "bedrock_converse", "keys": ["AKIDGOOD"]}));
    let (path, body) = chat("bedrock_converse", false);
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    for (header, status) in [
        (key_header("bedrock_converse", "AKIDGOOD"), 200),
        (bearer("AKIDGOOD"), 200),
        (key_header("bedrock_converse", "AKIDBAD"), 403),
        (bearer("AKIDBAD"), 403),
    ] {
        let met = in_process(&transport, "p", &path, std::slice::from_ref(&header), &body, LONG).await;
        assert_eq!(met.status, Some(status), "{header:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_free_requests_of_each_vendor_are_answered() {
    for (dialect, path, list) in [
        ("openai_responses", "/models", "data"),
        ("bedrock_converse", "/foundation-models", "modelSummaries"),
        ("cohere_chat", "/models", "models"),
        ("ollama_chat", "/api/tags", "models"),
    ] {
        let transport = one(&json!({"dialect": dialect}));
        let listed = in_process(&transport, "p", path, &[], "", LONG).await.json();
        assert!(!listed[list].as_array().unwrap().is_empty(), "{dialect}");
        assert!(!transport.journal()[0].chat);
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_says_what_was_asked() {
    let transport = one(&json!({"dialect": "ollama_chat"}));
    let body = json!({
        "model": "m", "stream": false, "format": {"type": "object"},
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [{"role": "user", "content": "?", "images": ["AA==", "AA=="]}],
    });
    post(&transport, "/api/chat", &body).await;
    post(&transport, "/api/embed", &json!({"model": "m", "input": "a"})).await;
    let journal = transport.journal();
    let asked = Asked {
        tools: 1,
        schema: true,
        images: 2,
        system: false,
    };
    assert_eq!(
        (journal[0].chat, journal[0].embed, journal[0].asked),
        (true, false, Some(asked))
    );
    assert_eq!(
        (journal[1].chat, journal[1].embed, journal[1].asked),
        (false, true, None)
    );
}

#[tokio::test(start_paused = true)]
async fn vectors_are_billed_and_fail_as_replies_do() {
    let text = "one two three";
    for (dialect, path, body, at) in [
        (
            "openai_chat",
            "/embeddings",
            json!({"model": "m", "input": text, "dimensions": 4}),
            "/data/0/embedding",
        ),
        (
            "gemini",
            "/models/m:embedContent",
            json!({"content": {"parts": [{"text": text}]}, "outputDimensionality": 4}),
            "/embedding/values",
        ),
        (
            "gemini",
            "/models/m:batchEmbedContents",
            json!({"requests": [{"content": {"parts": [{"text": text}]}, "outputDimensionality": 4}]}),
            "/embeddings/0/values",
        ),
        (
            "cohere_chat",
            "/embed",
            json!({"model": "m", "texts": [text], "input_type": "search_query", "output_dimension": 4}),
            "/embeddings/float/0",
        ),
        (
            "ollama_chat",
            "/api/embed",
            json!({"model": "m", "input": [text], "dimensions": 4}),
            "/embeddings/0",
        ),
    ] {
        println!("{dialect} {path}");
        let steps = json!([{}, {"error": "server"}, {"fault": "cut"}]);
        let transport =
            one(&json!({"dialect": dialect, "steps": steps, "prices": {"input": 2.0, "output": 100.0}}));
        let good = post(&transport, path, &body).await;
        let vector: Vec<f64> = serde_json::from_value(good.json().pointer(at).unwrap().clone()).unwrap();
        assert_eq!(vector.len(), 4);
        let length: f64 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        assert_eq!(post(&transport, path, &body).await.status, Some(500));
        assert_eq!(post(&transport, path, &body).await.ending, Ending::Broken);
        let first = &transport.journal()[0];
        assert_eq!((first.input_tokens, first.output_tokens), (3, 0));
        assert!((first.billed_usd - 6e-6).abs() < 1e-12);
    }
    let transport = one(&json!({"dialect": "anthropic_messages"}));
    let none = post(&transport, "/embeddings", &json!({"model": "m", "input": "a"})).await;
    assert_eq!(none.status, Some(404));
}

#[tokio::test(start_paused = true)]
async fn reasons_to_end_are_in_the_vendors_words() {
    for (dialect, at, words) in [
        (
            "openai_responses",
            "/incomplete_details/reason",
            ["", "max_output_tokens", "content_filter"],
        ),
        (
            "bedrock_converse",
            "/stopReason",
            ["end_turn", "max_tokens", "content_filtered"],
        ),
        (
            "cohere_chat",
            "/finish_reason",
            ["COMPLETE", "MAX_TOKENS", "ERROR"],
        ),
        ("ollama_chat", "/done_reason", ["stop", "length", "stop"]),
    ] {
        for (finish, word) in ["stop", "length", "content_filter"].into_iter().zip(words) {
            let transport = one(&json!({"dialect": dialect, "reply": {"finish": finish}}));
            let (path, body) = chat(dialect, false);
            let met = in_process(&transport, "p", &path, &[], &body, LONG).await;
            let found = met.json();
            assert_eq!(
                found.pointer(at).and_then(Value::as_str).unwrap_or_default(),
                word,
                "{dialect} {finish}"
            );
        }
    }
}
