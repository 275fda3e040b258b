use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::Dialect as _;
use crate::dialect::anthropic_messages::ANTHROPIC_MESSAGES;
use crate::dialect::testing::{self, fold, headers};
use crate::types::{
    Completion, Delta, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, Usage,
};

fn decode(body: &Value) -> Result<Completion, Failure> {
    ANTHROPIC_MESSAGES.decode(body.to_string().as_bytes())
}

fn stream(events: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    testing::stream(&ANTHROPIC_MESSAGES, events)
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {
        "input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_1h_input_tokens": 1}, "output_tokens": 1}}})
}

fn piece(index: u32, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn open(index: u32, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn close(index: u32) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]
}

#[test]
fn a_stream_says_what_the_whole_reply_says() {
    let whole = decode(&json!({
        "type": "message", "id": "msg_1", "model": "claude", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "hello", "citations": [{"cited_text": "x"}]},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2,
            "cache_creation": {"ephemeral_1h_input_tokens": 1}, "output_tokens": 20},
    }))
    .unwrap();
    let mut events = vec![
        start(),
        open(0, json!({"type": "thinking", "thinking": ""})),
        json!({"type": "ping"}),
        piece(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        piece(0, json!({"type": "signature_delta", "signature": "sig"})),
        close(0),
        open(1, json!({"type": "redacted_thinking", "data": "xyz"})),
        close(1),
        open(2, json!({"type": "text", "text": "he"})),
        piece(2, json!({"type": "text_delta", "text": "llo"})),
        piece(
            2,
            json!({"type": "citations_delta", "citation": {"cited_text": "x"}}),
        ),
        close(2),
        open(
            3,
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        ),
        piece(
            3,
            json!({"type": "input_json_delta", "partial_json": "{\"query\":\"q\"}"}),
        ),
        close(3),
        open(
            4,
            json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        ),
        close(4),
        open(
            5,
            json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        ),
        piece(5, json!({"type": "input_json_delta", "partial_json": ""})),
        piece(5, json!({"type": "input_json_delta", "partial_json": "{\"a\""})),
        piece(5, json!({"type": "input_json_delta", "partial_json": ":1}"})),
        close(5),
        open(
            6,
            json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}}),
        ),
        close(6),
        json!({"type": "of_tomorrow"}),
    ];
    events.extend(end("tool_use"));
    let (deltas, ended) = stream(&events);
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), whole);
    assert_eq!(whole.text, "hello");
    assert_eq!(whole.reasoning, "hm");
    let block = |text: &str, signature: Option<&str>, redacted: Option<&str>| ReasoningBlock {
        dialect: DialectId::AnthropicMessages,
        id: None,
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
        redacted: redacted.map(str::to_owned),
    };
    assert_eq!(
        whole.reasoning_blocks,
        [block("hm", Some("sig"), None), block("", None, Some("xyz"))]
    );
    let calls = whole
        .tool_calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()));
    assert_eq!(calls.collect::<Vec<_>>(), [("f", "{\"a\":1}"), ("g", "{}")]);
    assert_eq!(
        whole.usage,
        Usage {
            reported: true,
            input_tokens: 15,
            output_tokens: 20,
            cache_read_tokens: 3,
            cache_write_tokens: 2,
            cache_write_1h_tokens: 1,
            reasoning_tokens: 0,
        }
    );
}

#[test]
fn arguments_given_whole_at_the_start_of_a_call() {
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}});
    for pieces in [
        vec![],
        vec![piece(
            0,
            json!({"type": "input_json_delta", "partial_json": "{\"a\":1}"}),
        )],
    ] {
        let mut events = vec![start(), open(0, call.clone())];
        events.extend(pieces);
        events.push(close(0));
        events.extend(end("tool_use"));
        let (deltas, ended) = stream(&events);
        assert_eq!(ended, Ok(()));
        assert_eq!(fold(&deltas).tool_calls[0].arguments, "{\"a\":1}");
    }
}

#[test]
fn finish_reasons() {
    use FinishReason as F;
    let cases = [
        ("end_turn", F::Stop),
        ("stop_sequence", F::StopSequence),
        ("max_tokens", F::Length),
        ("model_context_window_exceeded", F::ContextExceeded),
        ("tool_use", F::ToolCalls),
        ("pause_turn", F::Pause),
        ("refusal", F::Refusal),
        ("of_tomorrow", F::Other),
    ];
    for (raw, reason) in cases {
        let whole = decode(&json!({"content": [], "stop_reason": raw})).unwrap();
        assert_eq!(
            (whole.finish_reason, whole.finish_raw.as_deref()),
            (Some(reason), Some(raw))
        );
        let mut events = vec![start()];
        events.extend(end(raw));
        let (deltas, ended) = stream(&events);
        assert_eq!(ended, Ok(()));
        assert_eq!(fold(&deltas).finish_reason, Some(reason));
    }
    let called =
        json!({"content": [{"type": "tool_use", "id": "t", "name": "f"}], "stop_reason": "end_turn"});
    assert_eq!(decode(&called).unwrap().finish_reason, Some(F::ToolCalls));
}

#[test]
fn refusals() {
    for (details, text) in [
        (Value::Null, ""),
        (json!({"explanation": null}), ""),
        (json!({"explanation": "no"}), "no"),
    ] {
        let whole =
            decode(&json!({"content": [], "stop_reason": "refusal", "stop_details": details})).unwrap();
        assert_eq!(whole.refusal.as_deref(), Some(text));
        let (deltas, _) = stream(&[
            start(),
            json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}}),
        ]);
        assert_eq!(fold(&deltas).refusal.as_deref(), Some(text));
    }
}

#[test]
fn a_reply_begun_again_voids_the_first() {
    let first = [
        start(),
        open(0, json!({"type": "text", "text": ""})),
        piece(0, json!({"type": "text_delta", "text": "lost"})),
    ];
    for taken in 1..=first.len() {
        let mut events = first[..taken].to_vec();
        events.push(json!({"type": "message_start", "message": {"id": "msg_2", "model": "claude"}}));
        events.push(open(0, json!({"type": "text", "text": "kept"})));
        events.push(close(0));
        events.extend(end("end_turn"));
        let (deltas, ended) = stream(&events);
        assert_eq!(ended, Ok(()));
        assert_eq!(deltas.iter().filter(|delta| **delta == Delta::Reset).count(), 1);
        let done = fold(&deltas);
        assert_eq!((done.id.as_deref(), done.text.as_str()), (Some("msg_2"), "kept"));
        // The void reply's counts are void too.
        assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (0, 20));
    }
}

#[test]
fn what_is_no_answer() {
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}});
    let [stop_reason, stop] = end("end_turn");
    let streams: Vec<(Vec<Value>, FailureClass)> = vec![
        (vec![], FailureClass::Malformed),
        (vec![start()], FailureClass::Malformed),
        (vec![start(), stop_reason], FailureClass::Malformed),
        (vec![start(), stop], FailureClass::Malformed),
        (vec![error("overloaded_error")], FailureClass::Overloaded),
        (vec![start(), error("api_error")], FailureClass::Server),
        (
            vec![start(), error("rate_limit_error")],
            FailureClass::RateLimited,
        ),
        (vec![start(), error("of_tomorrow")], FailureClass::Malformed),
    ];
    for (events, class) in streams {
        let (_, ended) = stream(&events);
        assert_eq!(ended.map_err(|failure| failure.class), Err(class), "{events:?}");
    }
    let bodies = [
        (
            json!({"type": "message", "content": [], "stop_reason": null}),
            FailureClass::Malformed,
        ),
        (json!({"completion": "old"}), FailureClass::Malformed),
        (json!([]), FailureClass::Malformed),
        (error("overloaded_error"), FailureClass::Overloaded),
    ];
    for (body, class) in bodies {
        assert_eq!(
            decode(&body).map_err(|failure| failure.class),
            Err(class),
            "{body}"
        );
    }
    assert!(ANTHROPIC_MESSAGES.decode(b"<html>").is_err());
}

#[test]
fn classifies() {
    use FailureClass as C;
    let typed =
        |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let capped = json!({"error": {"type": "rate_limit_error", "message": "m",
        "details": {"error_code": "enforced_spend_limit_reached"}}});
    let invalid = |message| typed("invalid_request_error", message);
    let cases = [
        (
            400,
            invalid("messages.0: bad"),
            C::InvalidRequest,
            Some("invalid_request_error"),
        ),
        (
            400,
            invalid("Your credit balance is too low to access"),
            C::QuotaExhausted,
            None,
        ),
        (
            400,
            invalid("You have reached your specified API usage limits."),
            C::QuotaExhausted,
            None,
        ),
        (
            400,
            invalid("You have reached your specified workspace API usage limits."),
            C::QuotaExhausted,
            None,
        ),
        (
            400,
            invalid("prompt is too long: 2 tokens > 1 maximum"),
            C::ContextLength,
            None,
        ),
        (
            400,
            invalid("input length and `max_tokens` exceed context limit: 1"),
            C::ContextLength,
            None,
        ),
        (
            400,
            invalid("Output blocked by content filtering policy"),
            C::ContentFiltered,
            None,
        ),
        (
            401,
            typed("authentication_error", "invalid x-api-key"),
            C::Authentication,
            None,
        ),
        (402, typed("billing_error", "m"), C::QuotaExhausted, None),
        (403, typed("permission_error", "m"), C::Authentication, None),
        (404, typed("not_found_error", "model: x"), C::ModelNotFound, None),
        (409, typed("conflict_error", "m"), C::Server, None),
        (413, typed("request_too_large", "m"), C::InvalidRequest, None),
        (
            429,
            typed("rate_limit_error", "your usage increase rate (acceleration)"),
            C::RateLimited,
            None,
        ),
        (
            429,
            capped,
            C::QuotaExhausted,
            Some("enforced_spend_limit_reached"),
        ),
        (500, typed("api_error", "m"), C::Server, None),
        (504, typed("timeout_error", "m"), C::Server, None),
        (529, typed("overloaded_error", "m"), C::Overloaded, None),
        (529, json!("x"), C::Overloaded, None),
        (
            400,
            json!({"error": "prompt is too long: 2"}),
            C::ContextLength,
            None,
        ),
    ];
    for (status, body, class, code) in cases {
        let failure = classify(status, &[], body.to_string().as_bytes());
        assert_eq!(failure.class, class, "{status} {body}");
        if code.is_some() {
            assert_eq!(failure.code.as_deref(), code, "{body}");
        }
    }
    assert_eq!(classify(502, &[], b"<html>").class, C::Server);
}

#[test]
fn classify_reads_headers() {
    let body = json!({"error": {"type": "rate_limit_error", "message": "m"}, "request_id": "req_body"});
    let failure = classify(
        429,
        &[
            ("retry-after", "42"),
            ("x-should-retry", "true"),
            ("request-id", "req_head"),
        ],
        body.to_string().as_bytes(),
    );
    assert_eq!(failure.retry_after, Some(Duration::from_secs(42)));
    assert_eq!(failure.should_retry, Some(true));
    assert_eq!(failure.request_id.as_deref(), Some("req_head"));
    assert_eq!(failure.status, Some(429));
    let failure = classify(429, &[], body.to_string().as_bytes());
    assert_eq!(failure.request_id.as_deref(), Some("req_body"));
}

fn classify(status: u16, list: &[(&'static str, &'static str)], body: &[u8]) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    ANTHROPIC_MESSAGES.classify(
        status,
        &headers(list),
        body,
        SystemTime::UNIX_EPOCH,
        &Quirks::default(),
    )
}
