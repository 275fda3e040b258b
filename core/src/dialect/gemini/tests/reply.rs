use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::gemini::GEMINI;
use crate::dialect::testing::{self, fold, headers};
use crate::dialect::{Dialect as _, EventDecoder as _, SseEvent, StreamDecoder};
use crate::types::{Completion, Delta, Failure, FailureClass, FinishReason, Usage};

fn decode(body: &Value) -> Result<Completion, Failure> {
    GEMINI.decode(body.to_string().as_bytes())
}

fn stream(events: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    testing::stream(&GEMINI, events)
}

fn chunk(parts: Value, reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}],
           "responseId": "R+1", "modelVersion": "gemini"})
}

#[test]
fn whole_streamed_and_listed_say_the_same() {
    let mut chunks = [
        chunk(json!([{"text": "hm", "thought": true}]), None),
        chunk(json!([{"text": "hel"}, {"executableCode": {"code": "1"}}]), None),
        chunk(
            json!([{"text": "lo"}, {"text": "", "thoughtSignature": "text-sig"}]),
            None,
        ),
        chunk(
            json!([
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
                {"functionCall": {"name": "g", "id": "own"}},
            ]),
            Some("STOP"),
        ),
    ];
    chunks[0]["usageMetadata"] = json!({"trafficType": "ON_DEMAND"});
    chunks[1]["usageMetadata"] = json!({"promptTokenCount": 1, "totalTokenCount": 1});
    let usage = json!({"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 25});
    chunks[3]["usageMetadata"] = usage.clone();

    let (deltas, ended) = stream(&chunks);
    assert_eq!(ended, Ok(()));
    let streamed = fold(&deltas);
    assert_eq!(decode(&json!(chunks)), Ok(streamed.clone()));
    let parts: Vec<&Value> = chunks
        .iter()
        .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().unwrap())
        .collect();
    let mut whole = chunk(json!(parts), Some("STOP"));
    whole["usageMetadata"] = usage;
    assert_eq!(decode(&whole), Ok(streamed.clone()));

    assert_eq!(
        (streamed.text.as_str(), streamed.reasoning.as_str()),
        ("hello", "hm")
    );
    assert_eq!(streamed.id.as_deref(), Some("R+1"));
    assert_eq!(
        streamed.reasoning_blocks[0].signature.as_deref(),
        Some("text-sig")
    );
    assert_eq!(streamed.finish_reason, Some(FinishReason::ToolCalls));
    let calls = streamed.tool_calls.iter();
    let calls: Vec<_> = calls
        .map(|call| {
            (
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
                call.signature.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("call_R1_0", "f", "{\"a\":1}", Some("sig")),
            ("own", "g", "{}", None)
        ]
    );
    assert_eq!(
        streamed.usage,
        Usage {
            reported: true,
            input_tokens: 15,
            output_tokens: 10,
            cache_read_tokens: 4,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            reasoning_tokens: 3,
        }
    );
}

#[test]
fn call_ids_are_unique_in_a_reply() {
    let call = |id: &str| json!({"functionCall": {"name": "f", "id": id}});
    let body = chunk(
        json!([call("call_R1_1"), call(""), call("x"), call("x")]),
        Some("STOP"),
    );
    let done = decode(&body).unwrap();
    let ids: Vec<&str> = done.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_R1_1", "call_R1_1_", "x", "call_R1_3"]);
}

#[test]
fn arguments_in_pieces() {
    let piece = |value: &str| json!({"jsonPath": "$.id", "stringValue": value, "willContinue": true});
    let begin = json!([{"functionCall": {"name": "f", "willContinue": true}, "thoughtSignature": "sig"}]);
    let more = |value| json!([{"functionCall": {"partialArgs": [piece(value)], "willContinue": true}}]);
    let (deltas, ended) = stream(&[
        chunk(begin.clone(), None),
        chunk(more("A"), None),
        chunk(more("B"), None),
        chunk(json!([{"functionCall": {}}]), None),
        chunk(json!([]), Some("STOP")),
    ]);
    assert_eq!(ended, Ok(()));
    let done = fold(&deltas);
    assert_eq!(done.tool_calls.len(), 1);
    assert_eq!(done.tool_calls[0].arguments, "{\"id\":\"AB\"}");
    assert_eq!(done.tool_calls[0].signature.as_deref(), Some("sig"));

    // Cut inside: no call that looks whole and is not.
    let (deltas, ended) = stream(&[chunk(begin.clone(), None), chunk(json!([]), Some("MAX_TOKENS"))]);
    assert_eq!(ended, Ok(()));
    assert!(fold(&deltas).tool_calls.is_empty());
    let (_, ended) = stream(&[chunk(begin, None), chunk(json!([]), Some("STOP"))]);
    assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
}

#[test]
fn finish_reasons() {
    use FinishReason as F;
    let cases = [
        ("STOP", Some(F::Stop)),
        ("MAX_TOKENS", Some(F::Length)),
        ("SAFETY", Some(F::ContentFilter)),
        ("MODEL_ARMOR", Some(F::ContentFilter)),
        ("CONTINUATION", Some(F::Pause)),
        ("OF_TOMORROW", Some(F::Other)),
        ("MALFORMED_FUNCTION_CALL", None),
        ("UNEXPECTED_TOOL_CALL", None),
        ("MISSING_THOUGHT_SIGNATURE", None),
        ("OTHER", None),
    ];
    for (raw, reason) in cases {
        // A model that spent all on thinking gives no content at all, and that is an answer.
        let body = json!({"candidates": [{"finishReason": raw, "finishMessage": "why"}]});
        match (decode(&body), reason) {
            (Ok(done), Some(_)) => {
                assert_eq!(
                    (done.finish_reason, done.finish_raw.as_deref()),
                    (reason, Some(raw))
                );
            }
            (Err(failure), None) => {
                assert_eq!(failure.class, FailureClass::Malformed);
                assert_eq!(failure.code.as_deref(), Some(raw));
                assert_eq!(failure.message, format!("{raw}: why"));
            }
            (other, _) => panic!("{raw}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_answer() {
    let error = |code: u16, status: &str| json!({"error": {"code": code, "message": "m", "status": status}});
    let cases = [
        (json!({}), FailureClass::Malformed),
        (json!([]), FailureClass::Malformed),
        (json!({"candidates": []}), FailureClass::Malformed),
        (
            json!({"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}),
            FailureClass::Malformed,
        ),
        (chunk(json!([{"text": "cut"}]), None), FailureClass::Malformed),
        (
            json!({"promptFeedback": {"blockReason": "SAFETY"}}),
            FailureClass::ContentFiltered,
        ),
        (error(503, "UNAVAILABLE"), FailureClass::Overloaded),
        (
            json!([error(429, "RESOURCE_EXHAUSTED")]),
            FailureClass::RateLimited,
        ),
        (error(500, "OF_TOMORROW"), FailureClass::Server),
        (json!({"error": "what"}), FailureClass::Malformed),
    ];
    for (body, class) in cases {
        assert_eq!(
            decode(&body).map_err(|failure| failure.class),
            Err(class),
            "{body}"
        );
        let (_, ended) = stream(std::slice::from_ref(&body));
        assert_eq!(ended.map_err(|failure| failure.class), Err(class), "{body}");
    }
    assert_eq!(stream(&[]).1.unwrap_err().class, FailureClass::Malformed);
    let blocked = json!({"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "because"}});
    let failure = decode(&blocked).unwrap_err();
    assert_eq!(
        (failure.code.as_deref(), failure.message.as_str()),
        (Some("OTHER"), "because")
    );
}

#[test]
fn reading_goes_on_for_the_counts() {
    let usage = json!({"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}});
    let mut decoder = StreamDecoder::new(&GEMINI, &Quirks::default());
    let mut push = |event: &Value| {
        let text = format!("data: {event}\n\n");
        decoder.push(text.as_bytes(), &mut Vec::new()).unwrap();
        (decoder.complete(), decoder.finished())
    };
    assert_eq!(push(&usage), (false, false));
    assert_eq!(push(&chunk(json!([]), Some("STOP"))), (true, false));
    assert_eq!(push(&usage), (true, true));
}

#[test]
fn a_gateways_done_mark_says_nothing() {
    let mut events = crate::dialect::gemini::stream::Events::default();
    let done = SseEvent {
        name: None,
        data: "[DONE]".to_owned(),
        error: false,
    };
    assert_eq!(events.event(&done, &mut Vec::new()), Ok(()));
    assert!(!events.complete());
}

#[test]
fn classifies() {
    use FailureClass as C;
    let error = |status: &str, message: &str, details: Value| json!({"error": {"code": 0, "message": message, "status": status, "details": details}});
    let reason = |reason: &str| json!([{"reason": reason}, {"retryDelay": "9s"}]);
    let quota = |id: &str| json!([{"violations": [{"quotaId": id}]}, {"retryDelay": "10s"}]);
    let none = || json!([]);
    let seconds = |s| Some(Duration::from_secs(s));
    let location = "User location is not supported for the API use.";
    let long = "The input token count (9) exceeds the maximum number of tokens allowed (1).";
    let cases: Vec<(u16, Value, FailureClass, Option<Duration>)> = vec![
        (
            400,
            error("INVALID_ARGUMENT", "m", none()),
            C::InvalidRequest,
            None,
        ),
        (
            400,
            error("INVALID_ARGUMENT", "m", reason("API_KEY_INVALID")),
            C::Authentication,
            None,
        ),
        (
            400,
            error("INVALID_ARGUMENT", "API key not valid.", none()),
            C::Authentication,
            None,
        ),
        (
            400,
            error("INVALID_ARGUMENT", long, none()),
            C::ContextLength,
            None,
        ),
        (
            400,
            error("FAILED_PRECONDITION", location, none()),
            C::Authentication,
            None,
        ),
        (
            400,
            error("FAILED_PRECONDITION", "m", none()),
            C::InvalidRequest,
            None,
        ),
        (
            401,
            error("UNAUTHENTICATED", "m", none()),
            C::Authentication,
            None,
        ),
        (
            402,
            error("RESOURCE_EXHAUSTED", "m", none()),
            C::QuotaExhausted,
            None,
        ),
        (
            403,
            error("PERMISSION_DENIED", "unregistered callers", none()),
            C::Authentication,
            None,
        ),
        (
            404,
            error("NOT_FOUND", "models/x is not found", none()),
            C::ModelNotFound,
            None,
        ),
        (
            429,
            error("RESOURCE_EXHAUSTED", "m", quota("RequestsPerMinute")),
            C::RateLimited,
            seconds(10),
        ),
        (
            429,
            error("RESOURCE_EXHAUSTED", "m", quota("RequestsPerDay-x")),
            C::QuotaExhausted,
            None,
        ),
        (
            429,
            error("RESOURCE_EXHAUSTED", "m", reason("QUOTA_EXHAUSTED")),
            C::QuotaExhausted,
            None,
        ),
        (
            429,
            error(
                "RESOURCE_EXHAUSTED",
                "m",
                json!([{"reason": "QUOTA_EXHAUSTED"}, {"retryDelay": "7200s"}]),
            ),
            C::QuotaExhausted,
            seconds(7200),
        ),
        (
            429,
            error("RESOURCE_EXHAUSTED", "m", reason("MODEL_CAPACITY_EXHAUSTED")),
            C::Overloaded,
            seconds(9),
        ),
        (
            429,
            json!([error("RESOURCE_EXHAUSTED", "m", reason("x"))]),
            C::RateLimited,
            seconds(9),
        ),
        (499, error("CANCELLED", "m", none()), C::Timeout, None),
        (500, error("INTERNAL", "m", none()), C::Server, None),
        (503, error("UNAVAILABLE", "m", none()), C::Overloaded, None),
        (504, error("DEADLINE_EXCEEDED", "m", none()), C::Server, None),
        (
            400,
            json!({"error": {"code": "invalid_request", "message": "m"}}),
            C::InvalidRequest,
            None,
        ),
    ];
    for (status, body, class, wait) in cases {
        let failure = classify(status, body.to_string().as_bytes());
        assert_eq!(
            (failure.class, failure.retry_after),
            (class, wait),
            "{status} {body}"
        );
        assert!(failure.code.is_some(), "{status} {body}");
        assert_eq!(failure.status, Some(status));
    }
}

#[test]
fn classifies_what_is_not_json() {
    let plain = classify(503, b"Service temporarily unavailable\n");
    assert_eq!(
        (plain.class, plain.message.as_str()),
        (FailureClass::Overloaded, "Service temporarily unavailable")
    );
    let page = classify(502, b"<html><title>Bad gateway</title>");
    assert_eq!(page.class, FailureClass::Server);
    assert!(!page.message.contains("html"), "{}", page.message);
    assert_eq!(classify(500, b"").class, FailureClass::Server);
}

fn classify(status: u16, body: &[u8]) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    GEMINI.classify(
        status,
        &headers(&[]),
        body,
        SystemTime::UNIX_EPOCH,
        &Quirks::default(),
    )
}
