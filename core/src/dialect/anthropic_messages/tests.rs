use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::ANTHROPIC_MESSAGES;
use crate::catalog::{Model, Reasoning};
use crate::dialect::{Call, Dialect as _, Encoded, StreamDecoder};
use crate::types::{
    Accumulator, ChatRequest, Completion, Delta, DialectId, Failure, FailureClass, FinishReason,
    ReasoningBlock, Usage,
};

fn facts(max_output: Option<u32>, sampling: Option<bool>, reasoning: Reasoning) -> Model {
    Model {
        provider: "anthropic".to_owned(),
        id: "m".to_owned(),
        input: 1.0,
        output: 5.0,
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
        context_window: None,
        max_output,
        sampling,
        reasoning,
        source: "test".to_owned(),
        date: "2026-11-23".to_owned(),
    }
}

fn encode_with(request: Value, facts: Option<&Model>, stream: bool) -> Result<Encoded, Failure> {
    let request: ChatRequest = serde_json::from_value(request).unwrap();
    ANTHROPIC_MESSAGES.encode(&Call {
        request: &request,
        provider: "anthropic",
        model: "claude",
        facts,
        stream,
    })
}

/// The body's fields that are not always there, and the lines of `adapted` besides the one for `max_tokens`.
fn encode(request: Value, facts: Option<&Model>) -> (Value, Vec<String>) {
    let encoded = encode_with(request, facts, false).unwrap();
    let mut body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let fields = body.as_object_mut().unwrap();
    for (field, value) in [("model", json!("claude")), ("stream", json!(false))] {
        assert_eq!(fields.shift_remove(field), Some(value));
    }
    let adapted = encoded
        .adapted
        .into_iter()
        .filter(|line| !line.starts_with("max_tokens"));
    (body, adapted.collect())
}

#[test]
fn encodes_the_frame() {
    let encoded = encode_with(json!({"messages": "hi"}), None, true).unwrap();
    assert_eq!(encoded.path, "/messages");
    let version = HeaderValue::from_static("2023-06-01");
    assert_eq!(encoded.headers, [("anthropic-version", version)]);
    assert_eq!(
        serde_json::from_slice::<Value>(&encoded.body).unwrap(),
        json!({
            "model": "claude",
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "stream": true,
        })
    );
    assert_eq!(
        encoded.adapted,
        ["max_tokens: the vendor needs it; 4096 was chosen"]
    );

    let known = facts(Some(64_000), None, Reasoning::Unknown);
    let encoded = encode_with(json!({"messages": "hi"}), Some(&known), false).unwrap();
    assert_eq!(
        encoded.adapted,
        ["max_tokens: the vendor needs it; 64000 was chosen"]
    );
    let encoded = encode_with(json!({"messages": "hi", "max_tokens": 5}), Some(&known), false).unwrap();
    assert!(encoded.adapted.is_empty());
    assert_eq!(ANTHROPIC_MESSAGES.auth(), ("x-api-key", ""));
}

#[test]
fn encodes_conversations() {
    let pdf = "data:application/pdf;base64,JVBERi0=";
    let cases: Vec<(Value, Value, Value, &[&str])> = vec![
        (
            json!([
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": "c"},
            ]),
            json!("be brief"),
            json!([
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
            ]),
            &[],
        ),
        (
            json!([
                {"role": "developer", "content": [
                    {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
                ]},
                {"role": "user", "content": "a"},
                {"role": "system", "content": "late"},
                {"role": "assistant", "content": ""},
            ]),
            json!([
                {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "late"},
            ]),
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}]}]),
            &[
                "messages[2]: instructions moved to the top, the only place the vendor has for them",
                "messages[3]: left out, since the vendor refuses empty messages",
            ],
        ),
        (
            json!([
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                    {"type": "file", "file": {"file_data": pdf, "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_data": "data:text/plain;charset=utf-8;base64,aGk="}},
                    {"type": "file", "file": {"file_data": "https://x.example/a.pdf"}},
                    {"type": "file", "file": {"file_id": "file_1"}, "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": ""},
                ]},
            ]),
            Value::Null,
            json!([{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                {"type": "document", "title": "a.pdf",
                 "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
                {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"},
                 "cache_control": {"type": "ephemeral"}},
            ]}]),
            &[],
        ),
        // Results stand together and first, whatever order they and the user's words came in.
        (
            json!([
                {"role": "user", "content": "weather?"},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                    {"id": "functions.w:0", "type": "function", "function": {"name": "w", "arguments": "{\"a\":1}"}},
                    {"id": "t2", "type": "function", "function": {"name": "w", "arguments": ""}},
                ], "reasoning_details": [
                    {"dialect": "anthropic_messages", "text": "think", "signature": "sig"},
                    {"dialect": "anthropic_messages", "redacted": "xyz"},
                    {"dialect": "anthropic_messages", "text": "unsigned"},
                    {"dialect": "gemini", "signature": "g"},
                ]},
                {"role": "tool", "tool_call_id": "functions.w:0", "content": "sun", "name": "w"},
                {"role": "user", "content": "well?"},
                {"role": "tool", "tool_call_id": "t2", "content": [
                    {"type": "text", "text": "rain"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                ]},
            ]),
            Value::Null,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "think", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "tool_use", "id": "functions_w_0", "name": "w", "input": {"a": 1}},
                    {"type": "tool_use", "id": "t2", "name": "w", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "functions_w_0", "content": "sun"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": [
                        {"type": "text", "text": "rain"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    ]},
                    {"type": "text", "text": "well?"},
                ]},
            ]),
            &[
                "messages[1].reasoning_content: left out",
                "messages[1].reasoning_details[2]: left out, since it is not signed",
                "messages[1].reasoning_details[3]: left out, since only gemini can read it",
                "messages[2].name: left out",
            ],
        ),
        (
            json!([
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": null, "refusal": "no"},
                {"role": "user", "content": "b"},
            ]),
            Value::Null,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "no"}]},
                {"role": "user", "content": [{"type": "text", "text": "b"}]},
            ]),
            &["messages[1].refusal: sent as text"],
        ),
    ];
    for (messages, system, expected, lines) in cases {
        let (body, adapted) = encode(json!({"messages": messages}), None);
        assert_eq!(
            body.get("system").cloned().unwrap_or_default(),
            system,
            "{messages}"
        );
        assert_eq!(body["messages"], expected, "{messages}");
        assert_eq!(adapted, lines, "{messages}");
    }
}

#[test]
fn encodes_settings() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let cases: Vec<(Value, Value)> = vec![
        (
            json!({"temperature": 1, "top_p": 0.5, "top_k": 3, "stop": "END", "user": "u1"}),
            json!({"temperature": 1.0, "top_p": 0.5, "top_k": 3, "stop_sequences": ["END"],
                   "metadata": {"user_id": "u1"}}),
        ),
        (
            json!({"tools": [
                tool,
                {"type": "function", "cache_control": {"type": "ephemeral"}, "function": {
                    "name": "g", "description": "d", "strict": true, "parameters": {"type": "object", "x": 1}}},
            ]}),
            json!({"tools": [
                {"name": "f", "input_schema": {"type": "object"}},
                {"name": "g", "description": "d", "strict": true, "input_schema": {"type": "object", "x": 1},
                 "cache_control": {"type": "ephemeral"}},
            ]}),
        ),
        (
            json!({"tool_choice": "none"}),
            json!({"tool_choice": {"type": "none"}}),
        ),
        (
            json!({"tool_choice": "auto"}),
            json!({"tool_choice": {"type": "auto"}}),
        ),
        (
            json!({"tool_choice": "required"}),
            json!({"tool_choice": {"type": "any"}}),
        ),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
            json!({"tool_choice": {"type": "tool", "name": "f"}}),
        ),
        (json!({"parallel_tool_calls": false}), json!({})),
        (
            json!({"tools": [tool], "parallel_tool_calls": false}),
            json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}],
                   "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "strict": true, "schema": {"type": "object"}}}}),
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
        ),
        (json!({"response_format": {"type": "text"}}), json!({})),
        (
            json!({"reasoning_effort": "high", "provider_options": {
                "anthropic_messages": {"speed": "fast"},
                "anthropic": {"output_config": {"effort": "max"}, "stream": true},
                "gemini": {"x": 1},
            }}),
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}, "speed": "fast"}),
        ),
    ];
    for (mut settings, mut expected) in cases {
        settings["messages"] = json!("hi");
        expected["max_tokens"] = json!(4096);
        expected["messages"] = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        let (body, adapted) = encode(settings.clone(), None);
        assert_eq!(body, expected, "{settings}");
        assert!(adapted.is_empty(), "{adapted:?}");
    }
}

#[test]
fn encodes_reasoning() {
    use Reasoning::{Budget, Effort, None, Unknown};
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    let cases: Vec<(Reasoning, Value, Value, Value, usize)> = vec![
        (
            None,
            json!({"reasoning_effort": "none"}),
            Value::Null,
            Value::Null,
            0,
        ),
        (
            Effort,
            json!({"reasoning_effort": "none"}),
            json!({"type": "disabled"}),
            Value::Null,
            0,
        ),
        (
            Unknown,
            json!({"reasoning_effort": "xhigh"}),
            adaptive(),
            json!("xhigh"),
            0,
        ),
        (
            Effort,
            json!({"reasoning_effort": "minimal"}),
            adaptive(),
            json!("low"),
            1,
        ),
        (
            Effort,
            json!({"reasoning_effort": "low", "tool_choice": "required"}),
            Value::Null,
            json!("low"),
            1,
        ),
        (
            Budget,
            json!({"reasoning_effort": "minimal", "max_tokens": 1025}),
            budget(1024),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "low", "max_tokens": 64000}),
            budget(2048),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "medium", "max_tokens": 64000}),
            budget(8192),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "high", "max_tokens": 64000}),
            budget(16_384),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "max", "max_tokens": 64000}),
            budget(32_000),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "max", "max_tokens": 8000}),
            budget(6000),
            Value::Null,
            1,
        ),
    ];
    for (reasoning, mut settings, thinking, effort, lines) in cases {
        settings["messages"] = json!("hi");
        let (body, adapted) = encode(
            settings.clone(),
            Some(&facts(Option::None, Option::None, reasoning)),
        );
        assert_eq!(
            body.get("thinking").cloned().unwrap_or_default(),
            thinking,
            "{settings}"
        );
        assert_eq!(body["output_config"]["effort"], effort, "{settings}");
        assert_eq!(adapted.len(), lines, "{settings}: {adapted:?}");
    }
}

#[test]
fn refuses_by_name() {
    let fixed = facts(None, Some(false), Reasoning::None);
    let budget = facts(None, None, Reasoning::Budget);
    let audio = json!([{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]}]);
    let call = |arguments: &str| {
        json!([{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": arguments}},
        ]}])
    };
    let user = |part: Value| json!([{"role": "user", "content": [part]}]);
    let cases: Vec<(Option<&Model>, Value, &str)> = vec![
        (None, json!({"seed": 1}), "seed"),
        (None, json!({"frequency_penalty": 1}), "frequency_penalty"),
        (None, json!({"presence_penalty": 1}), "presence_penalty"),
        (None, json!({"n": 2}), "n"),
        (None, json!({"temperature": 1.5}), "temperature"),
        (Some(&fixed), json!({"temperature": 1}), "temperature"),
        (Some(&fixed), json!({"top_k": 1}), "top_k"),
        (
            Some(&fixed),
            json!({"reasoning_effort": "low"}),
            "reasoning_effort",
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "max_tokens": 1024}),
            "reasoning_effort",
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "temperature": 0}),
            "temperature",
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "tool_choice": "required"}),
            "tool_choice",
        ),
        (
            None,
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        ),
        (
            None,
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}),
            "response_format.json_schema.schema",
        ),
        (None, json!({"tools": [{"type": "custom"}]}), "tools[0]"),
        (
            None,
            json!({"tool_choice": {"type": "allowed_tools"}}),
            "tool_choice",
        ),
        (
            None,
            json!({"messages": [{"role": "system", "content": "x"}]}),
            "messages",
        ),
        (None, json!({"messages": audio}), "messages[0].content[0]"),
        (
            None,
            json!({"messages": user(json!({"type": "video"}))}),
            "messages[0].content[0]",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "image_url", "image_url": {"url": "data:,hi"}}))}),
            "messages[0].content[0].image_url.url",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "file", "file": {"file_data": "data:a/b;base64,aGk="}}))}),
            "messages[0].content[0].file.file_data",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "file", "file": {}}))}),
            "messages[0].content[0].file",
        ),
        (
            None,
            json!({"messages": call("[1]")}),
            "messages[0].tool_calls[1].function.arguments",
        ),
        (
            None,
            json!({"messages": call("{")}),
            "messages[0].tool_calls[1].function.arguments",
        ),
        (
            None,
            json!({"messages": [{"role": "user", "content": "a", "name": "Al"}]}),
            "messages[0].name",
        ),
        (
            None,
            json!({"messages": [{"role": "user", "content": "a", "x": 1}]}),
            "messages[0].x",
        ),
    ];
    for (facts, mut request, field) in cases {
        if request.get("messages").is_none() {
            request["messages"] = json!("hi");
        }
        let failure = encode_with(request.clone(), facts, false).expect_err(field);
        assert_eq!(failure.class, FailureClass::Unsupported, "{request}");
        assert_eq!(failure.code.as_deref(), Some(field), "{request}");
    }
}

fn decode(body: &Value) -> Result<Completion, Failure> {
    ANTHROPIC_MESSAGES.decode(body.to_string().as_bytes())
}

fn stream(events: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut decoder = StreamDecoder::new(&ANTHROPIC_MESSAGES);
    let mut deltas = Vec::new();
    let ended = decoder
        .push(text.as_bytes(), &mut deltas)
        .and_then(|()| decoder.finish(&mut deltas));
    (deltas, ended)
}

fn fold(deltas: &[Delta]) -> Completion {
    let mut reply = Accumulator::default();
    deltas.iter().for_each(|delta| reply.apply(delta));
    reply.finish()
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

fn classify(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Failure {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let status = StatusCode::from_u16(status).unwrap();
    ANTHROPIC_MESSAGES.classify(status, &headers, body, SystemTime::UNIX_EPOCH)
}
