use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::cohere_chat::COHERE_CHAT;
use crate::dialect::common::MAX_CALLS;
use crate::dialect::testing::{self, fold, headers};
use crate::dialect::{Dialect as _, StreamDecoder};
use crate::types::{
    Completion, Delta, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, ToolCall, Usage,
};

fn decode(body: &Value) -> Result<Completion, Failure> {
    COHERE_CHAT.decode(body.to_string().as_bytes())
}

fn stream(events: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    testing::stream(&COHERE_CHAT, events)
}

fn event(kind: &str, index: u32, message: Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": message}})
}

fn start() -> Value {
    json!({"id": "r-1", "type": "message-start", "delta": {"message":
        {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}})
}

fn end(reason: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": usage()}})
}

fn usage() -> Value {
    json!({"billed_units": {"input_tokens": 12, "output_tokens": 7},
        "tokens": {"input_tokens": 507, "output_tokens": 10.0}, "cached_tokens": 448})
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        ..ToolCall::default()
    }
}

fn events() -> Vec<Value> {
    vec![
        start(),
        event(
            "content-start",
            0,
            json!({"content": {"type": "thinking", "thinking": ""}}),
        ),
        event("content-delta", 0, json!({"content": {"thinking": "hm"}})),
        json!({"type": "content-end", "index": 0}),
        event(
            "content-start",
            1,
            json!({"content": {"type": "text", "text": "he"}}),
        ),
        event("content-delta", 1, json!({"content": {"text": "llo 😀"}})),
        event(
            "citation-start",
            0,
            json!({"citations": {"start": 0, "end": 2, "text": "he"}}),
        ),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "content-end", "index": 1}),
        event("tool-plan-delta", 0, json!({"tool_plan": "I will"})),
        event("tool-plan-delta", 0, json!({"tool_plan": " look."})),
        event(
            "tool-call-start",
            0,
            json!({"tool_calls": {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": ""}}}),
        ),
        event(
            "tool-call-delta",
            0,
            json!({"tool_calls": {"function": {"arguments": "{\"a\":"}}}),
        ),
        event(
            "tool-call-delta",
            0,
            json!({"tool_calls": {"function": {"arguments": "null"}}}),
        ),
        event(
            "tool-call-delta",
            0,
            json!({"tool_calls": {"function": {"arguments": "}"}}}),
        ),
        json!({"type": "tool-call-end", "index": 0}),
        event(
            "tool-call-start",
            1,
            json!({"tool_calls": {"id": "g_1", "type": "function", "function": {"name": "g", "arguments": "nu"}}}),
        ),
        event(
            "tool-call-delta",
            1,
            json!({"tool_calls": {"function": {"arguments": "ll"}}}),
        ),
        json!({"type": "tool-call-end", "index": 1}),
        json!({"type": "of_tomorrow"}),
        end("TOOL_CALL"),
    ]
}

#[test]
fn a_stream_says_what_the_whole_reply_says() {
    let whole = decode(&json!({
        "id": "r-1",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hello 😀"}],
            "tool_plan": "I will look.",
            "tool_calls": [
                {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":null}"}},
                {"id": "g_1", "type": "function", "function": {"name": "g", "arguments": "null"}},
            ],
            "citations": [{"start": 0}],
        },
        "finish_reason": "TOOL_CALL",
        "usage": usage(),
    }))
    .unwrap();
    let (deltas, ended) = stream(&events());
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), whole);
    let block = |text: &str, id: Option<&str>| ReasoningBlock {
        dialect: DialectId::CohereChat,
        id: id.map(str::to_owned),
        text: text.to_owned(),
        signature: None,
        redacted: None,
    };
    assert_eq!(
        whole,
        Completion {
            id: Some("r-1".to_owned()),
            model: None,
            text: "hello 😀".to_owned(),
            reasoning: "hmI will look.".to_owned(),
            reasoning_blocks: vec![block("hm", None), block("I will look.", Some("tool_plan"))],
            refusal: None,
            tool_calls: vec![call("f_1", "f", "{\"a\":null}"), call("g_1", "g", "{}")],
            finish_reason: Some(FinishReason::ToolCalls),
            finish_raw: Some("TOOL_CALL".to_owned()),
            usage: Usage {
                reported: true,
                input_tokens: 507,
                output_tokens: 10,
                cache_read_tokens: 448,
                ..Usage::default()
            },
        }
    );
}

#[test]
fn every_split_gives_the_same() {
    let text: String = events()
        .iter()
        .map(|event| {
            format!(
                "event: {}\r\ndata: {event}\r\n\r\n",
                event["type"].as_str().unwrap()
            )
        })
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect();
    let run = |pieces: &[&[u8]]| {
        let mut decoder = StreamDecoder::new(&COHERE_CHAT, &Quirks::default());
        let mut deltas = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut deltas).unwrap();
        }
        decoder.finish(&mut deltas).unwrap();
        deltas
    };
    let bytes = text.as_bytes();
    let whole = run(&[bytes]);
    assert_eq!(whole, stream(&events()).0);
    for cut in 0..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(run(&[head, tail]), whole, "{cut}");
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(&bytewise), whole);
}

#[test]
fn finish_reasons() {
    use FinishReason as R;
    for (raw, called, reason) in [
        ("COMPLETE", false, R::Stop),
        ("COMPLETE", true, R::ToolCalls),
        ("STOP_SEQUENCE", false, R::StopSequence),
        ("STOP_SEQUENCE", true, R::ToolCalls),
        ("MAX_TOKENS", false, R::Length),
        ("MAX_TOKENS", true, R::Length),
        ("TOOL_CALL", true, R::ToolCalls),
        ("of_tomorrow", false, R::Other),
    ] {
        let mut body = json!({"message": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": raw});
        let mut events = vec![start(), end(raw)];
        if called {
            let call = json!({"id": "c", "function": {"name": "f", "arguments": {"a": 1}}});
            body["message"]["tool_calls"] = json!([call]);
            events.insert(1, event("tool-call-start", 0, json!({"tool_calls": [call]})));
        }
        let whole = decode(&body).unwrap();
        let streamed = fold(&stream(&events).0);
        for done in [&whole, &streamed] {
            assert_eq!(done.finish_reason, Some(reason), "{raw}");
            assert_eq!(done.finish_raw.as_deref(), Some(raw));
        }
        assert_eq!(whole.tool_calls, streamed.tool_calls);
        assert_eq!(whole.usage, Usage::default());
    }
}

#[test]
fn what_is_unusual_is_read() {
    let body = json!({"message": {"content": "hi", "tool_calls": [{"function": {"name": "f"}}]},
        "finish_reason": "COMPLETE", "usage": {"billed_units": {"input_tokens": 2, "output_tokens": 1}}});
    let done = decode(&body).unwrap();
    assert_eq!(done.text, "hi");
    assert_eq!(done.tool_calls, [call("call_0", "f", "{}")]);
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (2, 1));
    // Calls without a number, without an end, and pieces of no call.
    let (deltas, ended) = stream(&[
        start(),
        json!({"type": "tool-call-delta", "delta": {"message": {"tool_calls": {"function": {"arguments": "x"}}}}}),
        json!({"type": "tool-call-start", "delta": {"message": {"tool_calls": {"function": {"name": "f"}}}}}),
        json!({"type": "tool-call-delta", "delta": {"message": {"tool_calls": {"function": {"arguments": "n"}}}}}),
        json!({"type": "tool-call-start", "delta": {"message": {"tool_calls": {"function": {"name": "g"}}}}}),
        end("TOOL_CALL"),
    ]);
    ended.unwrap();
    let calls = fold(&deltas).tool_calls;
    assert_eq!(
        calls,
        [call("call_r-1_0", "f", "n"), call("call_r-1_1", "g", "{}")]
    );
}

#[test]
fn what_goes_wrong_in_a_200() {
    use FailureClass as C;
    let text = event("content-delta", 0, json!({"content": {"text": "a"}}));
    let failed = |reason: Value, error: Value| json!({"type": "message-end", "delta": {"finish_reason": reason, "error": error}});
    for (events, class) in [
        (vec![], C::Malformed),
        (vec![failed(json!(null), json!(null))], C::Malformed),
        (vec![failed(json!("ERROR"), json!(null))], C::Server),
        (vec![failed(json!("TIMEOUT"), json!(null))], C::Timeout),
        (
            vec![failed(json!("ERROR"), json!("too many tokens: 9"))],
            C::ContextLength,
        ),
        (vec![failed(json!(null), json!("it broke"))], C::Server),
        (vec![json!({"message": "internal server error"})], C::Malformed),
        (vec![json!({"type": "error"})], C::Malformed),
        (
            vec![json!({"type": "error", "message": "over capacity"})],
            C::Overloaded,
        ),
        (vec![json!({"type": 1, "delta": []})], C::Malformed),
    ] {
        let mut all = vec![start(), text.clone()];
        all.extend(events);
        let (deltas, ended) = stream(&all);
        assert_eq!(ended.unwrap_err().class, class, "{all:?}");
        assert_eq!(fold(&deltas).text, "a");
    }
    for (body, class) in [
        (json!({"message": "model is overloaded"}), C::Overloaded),
        (json!({"message": "no"}), C::Malformed),
        (json!({}), C::Malformed),
        (json!({"message": {"content": []}}), C::Malformed),
        (json!({"message": {}, "finish_reason": "TIMEOUT"}), C::Timeout),
    ] {
        assert_eq!(decode(&body).unwrap_err().class, class, "{body}");
    }
    assert_eq!(COHERE_CHAT.decode(b"<html>").unwrap_err().class, C::Malformed);
}

#[test]
fn classifies_errors() {
    use FailureClass as C;
    let trial = "You are using a Trial key, which is limited to";
    for (status, message, class) in [
        (
            400,
            "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs",
            C::ContextLength,
        ),
        (
            400,
            "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model",
            C::InvalidRequest,
        ),
        (
            400,
            "invalid request: temperature must be between 0 and 1.0 inclusive.",
            C::InvalidRequest,
        ),
        (401, "invalid api token", C::Authentication),
        (402, "please add or update your payment method", C::QuotaExhausted),
        (
            404,
            "model 'x' was removed on September 15, 2025.",
            C::ModelNotFound,
        ),
        (429, &format!("{trial} 40 API calls / minute."), C::RateLimited),
        (
            429,
            &format!("{trial} 1000 API calls / month."),
            C::QuotaExhausted,
        ),
        (498, "blocked input", C::ContentFiltered),
        (499, "request cancelled", C::Timeout),
        (500, "internal server error", C::Server),
        (503, "service unavailable", C::Overloaded),
    ] {
        let body = json!({"id": "e-1", "message": message}).to_string();
        let failure = COHERE_CHAT.classify(
            StatusCode::from_u16(status).unwrap(),
            &headers(&[]),
            body.as_bytes(),
            SystemTime::UNIX_EPOCH,
            &Quirks::default(),
        );
        assert_eq!(failure.class, class, "{message}");
        assert_eq!(failure.message, message);
        assert_eq!(failure.request_id.as_deref(), Some("e-1"));
    }
}

#[test]
fn reads_ids_and_waits() {
    let failure = COHERE_CHAT.classify(
        StatusCode::TOO_MANY_REQUESTS,
        &headers(&[("x-debug-trace-id", "t-1"), ("retry-after", "7")]),
        b"not json",
        SystemTime::UNIX_EPOCH,
        &Quirks::default(),
    );
    assert_eq!(failure.class, FailureClass::RateLimited);
    assert_eq!(failure.request_id.as_deref(), Some("t-1"));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn calls_are_bounded() {
    let mut events = vec![start()];
    events.extend((0..=MAX_CALLS).map(|index| {
        event(
            "tool-call-start",
            index,
            json!({"tool_calls": {"id": "c", "function": {"name": "f"}}}),
        )
    }));
    let (deltas, ended) = stream(&events);
    assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
    assert_eq!(fold(&deltas).tool_calls.len(), MAX_CALLS as usize);
}
